// The screens of the console by their places, with the style that only they need.
import { h } from "../dom.js";
import { openDigest } from "./digest.js";
import { replayScreen } from "./replay.js";
import { openWall } from "./screen.js";

/** @typedef {import("../console-screen.js").ConsoleScreen} Frame */
/** @typedef {import("../console-screen.js").Opened} Opened */
/** @typedef {import("../../places.js").ConsolePlace} ConsolePlace */

/** @param {HTMLElement} root @param {ConsolePlace} place @param {Frame} frame @returns {Promise<Opened>} */
export async function openConsole(root, place, frame) {
  await dressed("/css/observe-session.css");
  if (place.screen === "replay") return replayScreen(root, place.id, frame);
  if (place.screen === "digest") return openDigest(root, place, frame);
  return openWall(root, place);
}

/** Resolves when the style is there: nothing is shown undressed. @param {string} href */
function dressed(href) {
  if (document.querySelector(`link[href="${href}"]`)) return Promise.resolve();
  return new Promise((resolve, reject) => {
    document.head.append(h("link", { rel: "stylesheet", href, onload: () => resolve(undefined), onerror: () => reject(new Error(href)) }));
  });
}
