// Small questions over the page, as the browser's own modal dialogs: they hold the focus and close on Esc.
import { h } from "./dom.js";

/**
 * @param {{title: string, body: Node[], confirm?: string, danger?: boolean}} what
 * @returns {Promise<FormData | null>} null if it was called off
 */
export function ask({ title, body, confirm = "", danger = false }) {
  return new Promise((resolve) => {
    const close = h("button", { type: "submit", value: "", class: "quiet", formnovalidate: true }, confirm ? "Cancel" : "Close");
    const go = confirm && h("button", { type: "submit", value: "yes", class: danger ? "primary danger" : "primary" }, confirm);
    // The first submit button is what Enter presses, so the wanted one stands first and is moved by the style.
    const form = h("form", { method: "dialog" }, h("h2", { id: "dialog-title" }, title), ...body, h("div", { class: "dialog-acts" }, go, close));
    const dialog = h("dialog", { "aria-labelledby": "dialog-title" }, form);
    dialog.addEventListener("close", () => {
      resolve(dialog.returnValue === "yes" ? new FormData(form) : null);
      dialog.remove();
    });
    dialog.addEventListener("click", (event) => event.target === dialog && dialog.close(""));
    document.body.append(dialog);
    dialog.showModal();
    const field = /** @type {HTMLInputElement | HTMLTextAreaElement | null} */ (form.querySelector("input, textarea"));
    if (field) field.select();
    else close.focus();
  });
}

/** @param {string} label @param {string} name @param {string} value */
export function field(label, name, value) {
  return h("div", { class: "field" }, h("label", { for: `ask-${name}` }, label), h("input", { id: `ask-${name}`, name, value, maxlength: "120", autocomplete: "off", required: true }));
}
