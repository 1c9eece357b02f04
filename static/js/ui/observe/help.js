// What the wall says about itself.
import { sentence } from "../../words.js";
import { ask } from "../dialog.js";
import { h } from "../dom.js";

/** A cut of less than two seconds is nobody's business. */
const patience = 2000;

/** @param {number} all how many sessions there are */
export const noneWords = (all) => (all ? "Nobody here matches what you are looking for." : "No student is working right now. They appear here as soon as they do.");

/** A wall that stands still looks like a calm class, so it says when it does. @param {import("../../net/socket.js").Line} line */
export function lineWords(line) {
  if (line.phase === "open") return "";
  if (line.phase === "ended") return line.code === "session_gone" || line.code === "not_allowed_any_more" ? "You can’t watch here any more." : sentence(line.code);
  if (Date.now() - line.since < patience) return "";
  return `${navigator.onLine ? "The connection is gone. Coming back…" : "You are offline."} What you see is how it was.`;
}

export function showWallKeys() {
  const keys = [
    ["← ↑ → ↓", "From tile to tile"], ["Enter", "Open the conversation"], ["W", "Open and whisper to the AI"], ["S", "Open and speak to the student"],
    ["T", "Open and take over from the AI, with Enter"], ["P", "Keep in front"], ["Esc", "Back to the wall"], ["/", "Search"], ["?", "This list"],
  ];
  const rows = keys.flatMap(([key, what]) => [h("dt", {}, h("kbd", {}, key)), h("dd", {}, what)]);
  void ask({ title: "Keyboard", body: [h("dl", { class: "keys" }, ...rows)] });
}
