import { h, icon } from "./dom.js";
import { toast } from "./toast.js";

/** @param {string} label @param {() => string} text what to copy, asked when the button is pressed @param {string} [words] on the button */
export function copyButton(label, text, words = "Copy") {
  return h("button", { type: "button", class: "tool", "aria-label": label, title: label, onclick: () => copy(text()) }, icon("copy"), h("span", {}, words));
}

/** @param {string} text */
async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    if (!copyBySelection(text)) return toast("Copying did not work. Select the text and copy it.");
  }
  toast("Copied");
}

/** Pages that did not come over HTTPS have no clipboard of their own. @param {string} text */
function copyBySelection(text) {
  const field = h("textarea", { class: "sr-only", readonly: true });
  const focused = /** @type {HTMLElement | null} */ (document.activeElement);
  field.value = text;
  // Beneath a modal dialog nothing can be selected.
  (document.querySelector("dialog[open]") ?? document.body).append(field);
  field.select();
  const copied = document.execCommand("copy");
  field.remove();
  focused?.focus();
  return copied;
}
