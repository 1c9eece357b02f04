// What the page says, in words for a ten-year-old. One sentence for each code of the server.

/** @type {Record<string, string>} */
const sentences = {
  // how an answer can end
  stopped: "You stopped this answer.",
  length: "This answer was too long to finish. Ask me to go on.",
  safety: "I can't help with that one. Try asking about something else.",
  content_blocked: "I can't help with that one. Try asking about something else.",
  taken_over: "Your tutor took over here.",
  model_rate_limited: "Lots of people are asking right now. Wait a moment, then try again.",
  model_unavailable: "The AI tutor can't be reached right now.",
  model_timeout: "The AI tutor took too long to answer.",
  model_truncated: "The answer broke off before its end.",
  model_empty: "The AI tutor had no answer this time.",
  model_bad_response: "The AI tutor sent something I couldn't read.",
  interrupted: "This answer was cut short.",
  quota_exceeded: "You have used up your questions for now. Please come back later.",
  storage_unavailable: "I can't save anything right now. Your text is kept here and will be sent later.",
  files_unread: "I can't open the files of your question right now. Try again in a moment.",
  internal: "Something broke on our side. It isn't your fault.",
  // why something you did was refused
  invalid_command: "That didn't work. Reload the page and try again.",
  text_too_long: "That's too long to send at once. Please make it shorter.",
  queue_full: "You have several questions waiting. This one goes next.",
  consent_required: "Your school needs a permission before you can ask questions. You can still read.",
  not_allowed: "You can't do that in this conversation.",
  no_active_run: "There is nothing to stop: the answer is finished.",
  control_held: "Another tutor is helping here already.",
  rate_limited: "That was a bit fast. Your message goes out in a moment.",
  draining: "We are updating fynq. Your message goes out in a moment.",
  // a file that was not taken
  file_too_large: "That file is too large.",
  image_too_large: "That picture is too large.",
  no_room: "There is no room left for more files.",
  unsupported_file: "That kind of file can't be read here. Pictures, PDFs and texts can.",
  unsupported_media_type: "That kind of file can't be read here. Pictures, PDFs and texts can.",
  unreadable_file: "That file is damaged or not complete.",
  malware_found: "That file may harm a computer, so it was not kept.",
  files_unavailable: "Files can't be kept right now. Please try again soon.",
  storage_full: "Files can't be kept right now. Please try again soon.",
  request_timeout: "The file took too long to come.",
  // the line to the server
  offline: "There is no connection right now.",
  signed_out: "You have been signed out. Please sign in again.",
  session_gone: "This conversation is no longer here.",
  not_allowed_any_more: "You can't open this conversation any more.",
  page_out_of_date: "This page is out of date. Please reload it.",
  // signing in and up
  invalid_credentials: "The email or the password is not right.",
  unauthorized: "You have been signed out. Please sign in again.",
  last_admin: "This is the last admin of your school. Make somebody else an admin first.",
  email_not_confirmed: "We have sent you an email. Open the link in it, then sign in.",
  identity_unavailable: "Signing in doesn't work right now. Please try again soon.",
  email_taken: "There is an account with this email already. Try signing in.",
  weak_password: "This password is too easy to guess. Please choose another one.",
  wrong_password: "That is not your password. Please try again.",
  invalid_code: "This code does not work. Check every letter, or ask for a new one.",
  // classes and the school
  no_such_class: "There is no class with this code. Check every letter, or ask your tutor.",
  changed_meanwhile: "Somebody else has changed this meanwhile. Copy what you wrote, then load the page again.",
  nobody_there: "Nobody at your school has this email.",
};

/** These say more than their status does. */
const telling = new Set([
  "changed_meanwhile", "weak_password", "wrong_password", "invalid_code", "no_such_class", "nobody_there", "last_admin", "consent_required",
  "quota_exceeded", "email_taken", "invalid_credentials", "email_not_confirmed", "identity_unavailable",
]);

/** Some refusals mean the same whatever was asked. @type {Record<number, string>} */
const byStatus = {
  0: sentences.offline,
  403: "You are not allowed to do that.",
  404: "That is no longer here.",
  429: "That was a lot at once. Please wait a minute.",
  503: "fynq is resting for a moment. Please try again soon.",
};

/** A code of a command or of an answer that failed. @param {string} code */
export const sentence = (code) => sentences[code] ?? sentences.internal;

/** Why a call was refused. @param {any} problem a Problem, or anything else that was thrown */
export function explain(problem) {
  if (telling.has(problem?.code)) return sentence(problem.code) + later(problem.retryAfterMs);
  if (problem?.status === 422 && problem.message) return problem.message;
  const known = byStatus[problem?.status] ?? sentences[problem?.code];
  const refused = problem?.status >= 400 && problem.status < 500;
  return known ?? (refused && problem.message ? problem.message : sentences.internal);
}

/** When it is worth coming back, if that is not the next minute. @param {number} [ms] */
function later(ms) {
  if (!ms || ms < 60_000) return "";
  const time = new Date(Date.now() + ms);
  const today = time.toDateString() === new Date().toDateString();
  return ` Next time: ${time.toLocaleString([], today ? { timeStyle: "short" } : { dateStyle: "medium", timeStyle: "short" })}.`;
}

/**
 * What is wrong with one field, in the page's words where the server's are meant for programs.
 * @param {string} message @param {string} [code] of the whole refusal
 */
export function explainField(message, code = "") {
  if (telling.has(code)) return sentence(code);
  const least = /length is lower than (\d+)/.exec(message)?.[1];
  if (least) return least === "1" ? "Please write something here." : `Please use at least ${least} characters.`;
  const most = /length is greater than (\d+)/.exec(message)?.[1];
  if (most) return `Please use at most ${most} characters.`;
  if (/valid email/.test(message)) return "Please write an email address.";
  return message ? message[0].toUpperCase() + message.slice(1) + (/[.!?]$/.test(message) ? "" : ".") : "";
}

export const examples = [
  { title: "Explain fractions", text: "Why is 1/2 bigger than 1/3? Can you show me with pizza?" },
  { title: "Solve it with me", text: "Help me solve 3x + 5 = 20, one step at a time." },
  { title: "Check my sentence", text: "Is this sentence right: \"Me and him goes to school\"?" },
  { title: "Write a little program", text: "How do I print the numbers 1 to 10 in Python?" },
];
