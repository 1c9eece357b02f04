// The calm line that says what is wrong with the connection. A cut of less than two seconds is nobody's business.
import { sentence } from "../words.js";
import { byId, h, show } from "./dom.js";

const patience = 2000;

/** @type {ReturnType<typeof setTimeout> | undefined} */
let timer;
let shown = "";

/**
 * @param {import("../net/socket.js").Line | null} line
 * @param {{tryNow: () => void, again: () => void, updating: boolean, waiting: number}} context
 */
export function updateBanner(line, context) {
  clearTimeout(timer);
  const text = line ? words(line, context) : "";
  if (line && text === null) timer = setTimeout(() => updateBanner(line, context), patience - (Date.now() - line.since) + 20);
  if (line?.phase === "ended") put(text ?? "", line.code === "session_gone" ? "" : "Reload", context.again);
  else put(text ?? "", line?.phase === "open" ? "" : "Try now", context.tryNow);
}

/**
 * @param {import("../net/socket.js").Line} line
 * @param {{updating: boolean, waiting: number}} context
 * @returns {string | null} null: not yet
 */
function words(line, { updating, waiting }) {
  if (line.phase === "open") return updating ? "We are updating fynq. You may keep writing." : "";
  if (line.phase === "ended") return sentence(line.code);
  if (Date.now() - line.since < patience) return null;
  const kept = waiting ? " Your message is kept and goes out by itself." : " You may keep writing.";
  return (navigator.onLine ? "The connection is gone. Coming back…" : "You are offline.") + kept;
}

/** @param {string} text @param {string} label @param {() => void} act */
function put(text, label, act) {
  const banner = byId("banner");
  show(banner, text !== "");
  if (text === shown) return;
  shown = text;
  banner.replaceChildren(...(text ? [h("span", {}, text), label ? h("button", { type: "button", class: "link", onclick: act }, label) : ""] : []));
}
