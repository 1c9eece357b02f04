// The keys of one watched session. They count while the focus is in it, or where it means nothing else.
import { modeOfKey } from "../../observe/modes.js";
import { ask } from "../dialog.js";
import { h } from "../dom.js";

/** @typedef {import("../../observe/modes.js").Mode} Mode */

const writes = /^(?:INPUT|TEXTAREA|SELECT)$/;

/**
 * @param {HTMLElement} root
 * @param {{mode: (mode: Mode) => void, leave: () => void}} acts
 * @returns {() => void} ends it
 */
export function listenKeys(root, { mode, leave }) {
  const onKey = (/** @type {KeyboardEvent} */ event) => {
    const target = /** @type {HTMLElement} */ (event.target);
    if (event.defaultPrevented || document.querySelector("dialog[open]")) return;
    const writing = writes.test(target.tagName) && /** @type {HTMLInputElement} */ (target).type !== "radio";
    const wanted = writing ? null : modeOfKey(event);
    if (wanted) mode(wanted);
    else if (event.key === "Escape" && !event.isComposing && writing) target.blur();
    else if (event.key === "Escape" && !event.isComposing) leave();
    else if (event.key === "?" && !writing) showObserveKeys();
    else return;
    event.preventDefault();
  };
  // What happens inside is heard before the screen around it hears it.
  const onNobodysKey = (/** @type {KeyboardEvent} */ event) => {
    const target = /** @type {HTMLElement} */ (event.target);
    const around = target === document.body || (root.closest("main")?.contains(target) && !root.contains(target));
    if (around && !writes.test(target.tagName)) onKey(event);
  };
  root.addEventListener("keydown", onKey);
  document.addEventListener("keydown", onNobodysKey);
  return () => {
    root.removeEventListener("keydown", onKey);
    document.removeEventListener("keydown", onNobodysKey);
  };
}

export function showObserveKeys() {
  const keys = [
    ["Arrows", "From student to student"], ["Enter", "Open the conversation; in a box: send"], ["W", "Whisper to the AI"], ["S", "Say to the student"],
    ["T", "Take over: then Enter"], ["Shift + Enter", "New line"], ["Esc", "Leave the box, then the conversation"], ["?", "This list"],
  ];
  const rows = keys.flatMap(([key, what]) => [h("dt", {}, h("kbd", {}, key)), h("dd", {}, what)]);
  ask({ title: "Keyboard", body: [h("dl", { class: "keys" }, ...rows)] });
}
