// The wall's own style comes with the wall, so that no student waits for it.
import { h } from "../dom.js";

const address = "/css/observe-wall.css";

/** Resolves when it can be drawn; a style that does not come leaves an ugly page, not an empty one. @returns {Promise<void>} */
export function wallStyle() {
  if (document.querySelector(`link[href="${address}"]`)) return Promise.resolve();
  return new Promise((resolve) => {
    document.head.append(h("link", { rel: "stylesheet", href: address, onload: () => resolve(), onerror: () => resolve() }));
  });
}
