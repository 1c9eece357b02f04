// The screens of the console by their places, with the style that only they need.
import { h } from "../dom.js";
import { replayScreen } from "./replay.js";
import { WatchedSession } from "./session.js";

/** @typedef {import("../console-screen.js").ConsoleScreen} Frame */
/** @typedef {import("../console-screen.js").Opened} Opened */
/** @typedef {import("../../places.js").ConsolePlace} ConsolePlace */

/** @param {HTMLElement} root @param {ConsolePlace} place @param {Frame} frame @returns {Promise<Opened>} */
export async function openConsole(root, place, frame) {
  await dressed("/css/observe-session.css");
  if (place.screen === "replay") return replayScreen(root, place.id, frame);
  return alone(root, place.id, frame);
}

/** One session, with the whole screen for it. @param {HTMLElement} root @param {string} id @param {Frame} frame */
function alone(root, id, frame) {
  const session = new WatchedSession(root, {
    sessionId: id,
    onClose: () => (location.hash = "observe"),
    named: (name) => frame.entitle(`Watch ${name}`),
  });
  session.open();
  return { close: () => session.close() };
}

/** Resolves when the style is there: nothing is shown undressed. @param {string} href */
function dressed(href) {
  if (document.querySelector(`link[href="${href}"]`)) return Promise.resolve();
  return new Promise((resolve, reject) => {
    document.head.append(h("link", { rel: "stylesheet", href, onload: () => resolve(undefined), onerror: () => reject(new Error(href)) }));
  });
}
