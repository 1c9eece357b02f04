// The way back for somebody who has forgotten their password: a code, which the school or its mail gives them.
import { forgotPassword, resetPassword } from "../net/api.js";
import { explain } from "../words.js";
import { byId, h, say, show } from "./dom.js";
import { emailField, form, newPassword } from "./form.js";

const byAdmin = "Please ask an admin of your school. They can make a code for you now, on their page “People”.";
const byMail = "If this email has an account here, a mail is on its way to it.";

/** @param {{email: string, back: () => void, done: (email: string) => void}} parts `done`: the new password works */
export function showForgot({ email: known, back, done }) {
  const news = h("p", { class: "notice", role: "status", hidden: true });
  const tell = (/** @type {string} */ text) => {
    say(news, text);
    show(news, text !== "");
  };
  const ask = h("button", { type: "button", class: "link" }, "I have no code yet");
  const reset = form({
    intro: [h("p", {}, "Ask the person who looks after fynq at your school. They can make a code for you.")],
    fields: [
      { ...emailField, name: "email", label: "Email", value: known, autocomplete: "username" },
      { name: "code", label: "Code", longest: 64 },
      { ...newPassword, name: "new_password", label: "New password" },
    ],
    confirm: "Save the new password",
    act: async ({ email, code, new_password }) => {
      await resetPassword({ email, code, new_password });
      done(email);
    },
    beside: [ask],
  });
  ask.addEventListener("click", async () => {
    const email = /** @type {HTMLInputElement} */ (reset.elements.namedItem("email"));
    if (emailField.wrong?.(email.value.trim())) {
      tell("Please write your email first.");
      return email.focus();
    }
    ask.disabled = true;
    try {
      const { next } = (await forgotPassword(email.value.trim())) ?? {};
      tell(next === "email" ? byMail : byAdmin);
    } catch (problem) {
      tell(explain(problem));
    } finally {
      ask.disabled = false;
    }
  });
  const way = h("p", { class: "switch" }, h("button", { type: "button", class: "link", onclick: back }, "Back to sign in"));
  byId("forgot").replaceChildren(h("h2", {}, "Forgot your password?"), news, reset, way);
}
