import { byId } from "./dom.js";

/** @type {ReturnType<typeof setTimeout> | undefined} */
let timer;

/** A short word that passes by itself; screen readers hear it. @param {string} text */
export function toast(text) {
  const element = byId("toast");
  element.textContent = text;
  element.classList.add("shown");
  clearTimeout(timer);
  timer = setTimeout(() => {
    element.classList.remove("shown");
    element.textContent = "";
  }, 3500);
}
