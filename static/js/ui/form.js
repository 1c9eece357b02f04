// Forms: each field with its label, its hint and its own line for what is wrong; sent by Enter, once at a time.
import { explain, explainField } from "../words.js";
import { h, say, show } from "./dom.js";

/**
 * @typedef {object} Field
 * @property {string} name          also the last part of the server's pointer, where it complains
 * @property {string} label
 * @property {"text" | "textarea" | "email" | "password" | "checkbox" | "select"} [type]
 * @property {string} [value]
 * @property {boolean} [checked]
 * @property {[string, string][]} [options] of a select: value and words
 * @property {string} [hint]
 * @property {string} [autocomplete]
 * @property {number} [longest]
 * @property {boolean | (() => boolean)} [optional] a function: it depends
 * @property {(value: string) => string} [wrong] what can be said without asking the server; "" if nothing is
 */
/** @typedef {Record<string, string>} Values a checkbox that is off is "" */
/**
 * @typedef {object} FormParts
 * @property {Field[]} fields
 * @property {string} confirm
 * @property {(values: Values) => Promise<void> | void} act what to do; what it throws is told in the form
 * @property {boolean} [danger]
 * @property {Node[]} [intro]
 * @property {Node[]} [beside] more buttons
 */

let count = 0;

/** @param {FormParts} parts @returns {HTMLFormElement} */
export function form({ fields, confirm, act, danger = false, intro = [], beside = [] }) {
  const inputs = fields.map(control);
  const problem = h("p", { class: "problem", role: "alert", hidden: true });
  const go = h("button", { class: danger ? "primary danger" : "primary" }, confirm);
  const whole = h("form", { class: "form", novalidate: true }, problem, ...intro, ...inputs.map(({ element }) => element),
    h("div", { class: "form-acts" }, go, ...beside));
  const complain = (/** @type {string} */ text) => {
    say(problem, text);
    show(problem, text !== "");
  };
  whole.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (go.disabled) return;
    complain("");
    if (!inputs.map((each) => each.check()).every(Boolean)) return focusWrong(whole);
    go.disabled = true;
    try {
      await act(Object.fromEntries(inputs.map((each) => [each.name, each.value()])));
    } catch (refusal) {
      const told = blame(inputs, refusal);
      if (told) focusWrong(whole);
      else complain(explain(refusal));
    } finally {
      go.disabled = false;
    }
  });
  return whole;
}

/** @param {HTMLElement} whole */
const focusWrong = (whole) => /** @type {HTMLElement | null} */ (whole.querySelector("[aria-invalid='true']"))?.focus();

/** Says each complaint at its field. @param {Control[]} inputs @param {any} refusal @returns {boolean} whether one was said */
function blame(inputs, refusal) {
  let told = false;
  for (const { pointer, message } of refusal?.errors ?? []) {
    const name = String(pointer).split("/").at(-1);
    const input = inputs.find((each) => each.name === name);
    input?.blame(explainField(message, refusal.code));
    told ||= input !== undefined;
  }
  return told;
}

/** @typedef {ReturnType<typeof control>} Control */

/** @param {Field} field */
function control(field) {
  const { name, label, type = "text", value = "", hint, optional = false } = field;
  const id = `field-${(count += 1)}-${name}`;
  const described = [hint && `${id}-hint`, `${id}-problem`].filter(Boolean).join(" ");
  const problem = h("p", { class: "field-problem", id: `${id}-problem`, hidden: true });
  const common = { id, name, "aria-describedby": described };
  const box = type === "select" ? choice(common, field) : entry(common, field);
  const blame = (/** @type {string} */ text) => {
    say(problem, text);
    show(problem, text !== "");
    if (text) box.setAttribute("aria-invalid", "true");
    else box.removeAttribute("aria-invalid");
  };
  box.addEventListener("input", () => blame(""));
  const read = () => {
    if (type === "checkbox") return /** @type {HTMLInputElement} */ (box).checked ? "yes" : "";
    return type === "password" || type === "textarea" ? box.value : box.value.trim();
  };
  const check = () => {
    const text = read();
    const needed = !(typeof optional === "function" ? optional() : optional);
    const missing = needed && type !== "checkbox" && text.trim() === "" ? "Please write something here." : "";
    blame(missing || (text && field.wrong?.(text)) || "");
    return !box.hasAttribute("aria-invalid");
  };
  if (type !== "checkbox") box.value = value;
  return { name, element: framed(field, id, box, [hint ? h("p", { class: "hint", id: `${id}-hint` }, hint) : null, problem]), value: read, check, blame };
}

/** @param {Field} field @param {string} id @param {HTMLInputElement | HTMLSelectElement | HTMLTextAreaElement} box @param {(Node | null)[]} below */
function framed({ label, type, optional }, id, box, below) {
  if (type === "checkbox") return h("div", { class: "field" }, h("label", { class: "check", for: id }, box, h("span", {}, label)), ...below);
  const shown = type === "password" ? h("div", { class: "with-button" }, box, revealer(/** @type {HTMLInputElement} */ (box))) : box;
  const mark = optional === true && h("span", { class: "optional" }, " (if you like)");
  return h("div", { class: "field" }, h("label", { for: id }, label, mark), shown, ...below);
}

/** @param {Record<string, unknown>} common @param {Field} field */
function entry(common, { type = "text", autocomplete = "off", longest, optional, checked }) {
  if (type === "textarea") return h("textarea", { ...common, rows: "16", dir: "auto", maxlength: longest, required: !optional });
  const more = type === "checkbox" ? { checked } : { autocomplete, maxlength: longest, required: !optional };
  return h("input", { ...common, type, ...more });
}

/** @param {Record<string, unknown>} common @param {Field} field */
function choice(common, { options = [] }) {
  return h("select", common, ...options.map(([value, words]) => h("option", { value }, words)));
}

/** @param {HTMLInputElement} box */
function revealer(box) {
  const button = h("button", { type: "button", class: "quiet", "aria-pressed": "false" }, "Show");
  button.addEventListener("click", () => {
    const hidden = box.type === "password";
    box.type = hidden ? "text" : "password";
    button.setAttribute("aria-pressed", String(hidden));
    say(button, hidden ? "Hide" : "Show");
  });
  return button;
}

/**
 * The same form over the page; it closes when what it does has worked.
 * @param {FormParts & {title: string}} parts
 * @returns {Promise<boolean>} whether it was done
 */
export function askForm({ title, ...parts }) {
  return new Promise((resolve) => {
    let done = false;
    const id = `sheet-${(count += 1)}`;
    const cancel = h("button", { type: "button", class: "quiet" }, "Cancel");
    const act = async (/** @type {Values} */ values) => {
      await parts.act(values);
      done = true;
      dialog.close();
    };
    const inner = form({ ...parts, act, beside: [cancel] });
    const dialog = h("dialog", { "aria-labelledby": id }, h("h2", { id }, title), inner);
    cancel.addEventListener("click", () => dialog.close());
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(done);
    });
    document.body.append(dialog);
    dialog.showModal();
    /** @type {HTMLElement | null} */ (inner.querySelector("input, select, textarea"))?.focus();
  });
}

/** The rules for a new password, as far as the page can tell. @type {Pick<Field, "type" | "autocomplete" | "hint" | "wrong">} */
export const newPassword = {
  type: "password",
  autocomplete: "new-password",
  hint: "At least 8 characters. A short sentence is easy to remember.",
  wrong: (text) => (text.length < 8 ? "Please use at least 8 characters." : ""),
};

/** @type {Pick<Field, "type" | "autocomplete" | "longest" | "wrong">} */
export const emailField = {
  type: "email",
  autocomplete: "off",
  longest: 254,
  wrong: (text) => (/^\S+@\S+$/.test(text) ? "" : "Please write an email address."),
};

/** @type {Field} */
export const ownPassword = { name: "password", label: "Your password", type: "password", autocomplete: "current-password" };
