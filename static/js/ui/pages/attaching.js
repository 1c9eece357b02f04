// The files of something that is being written: chosen or dropped, sent while one still writes, kept by saving.
import * as attached from "../../chat/attached.js";
import { deleteFile, upload } from "../../net/files.js";
import { sentence } from "../../words.js";
import { h, icon, say, show } from "../dom.js";
import { takeDrops } from "../drops.js";
import { progressBar } from "../progress.js";
import { toast } from "../toast.js";
import { aboutFile, readingProgress } from "./content-files.js";
import { button, panel } from "./parts.js";

/** @typedef {import("../../net/library.js").ContentFile} ContentFile */

/** As many as one content may have. */
const most = 8;
const accepted = "image/png,image/jpeg,image/webp,image/gif,application/pdf,.pdf,.docx,.pptx,.odt,.md,.markdown,.csv,.txt";

/**
 * @param {ContentFile[]} there those that it has already
 * @param {AbortSignal} signal of the page: what is still under way when it is left is called off
 */
export function attaching(there, signal) {
  /** @type {attached.Attachment[]} */
  let list = there.map(({ id, name }, at) => ({ key: -1 - at, name, stage: "ready", progress: 1, id }));
  /** @type {Map<number, {file: File, cancel: AbortController}>} */
  const sources = new Map();
  /** @type {Map<number, ReturnType<typeof fileRow>>} */
  const rows = new Map();
  let next = 1;
  let kept = false;
  const box = h("ul", { class: "rows", "aria-label": "Attached files" });
  const none = h("p", { class: "hint" }, "Drop PDFs, documents or pictures here. Students can take them home, and the words of their pages can be found.");
  const input = h("input", { type: "file", multiple: true, hidden: true, accept: accepted });
  const choose = h("button", { type: "button", class: "plain", onclick: () => input.click() }, icon("clip"), "Add files");

  const change = (/** @type {attached.Attachment[]} */ now) => {
    list = now;
    for (const [key, { element }] of rows) if (!list.some((each) => each.key === key)) element.remove();
    for (const each of list) rows.get(each.key)?.set(each);
    show(none, list.length === 0);
    choose.disabled = list.length >= most;
  };
  const remove = (/** @type {number} */ key) => {
    const gone = list.find((each) => each.key === key)?.id;
    sources.get(key)?.cancel.abort();
    change(attached.without(list, key));
    // What was attached before stays until this is saved.
    if (gone && key > 0) deleteFile(gone).catch(() => {});
    choose.focus({ preventScroll: true });
  };
  const send = async (/** @type {number} */ key) => {
    const source = sources.get(key);
    if (!source) return;
    const progress = (/** @type {number} */ part) => change(attached.moved(list, key, part));
    try {
      const { id } = await upload(source.file, { progress, signal: AbortSignal.any([signal, source.cancel.signal]) });
      change(attached.arrived(list, key, id));
    } catch (/** @type {any} */ problem) {
      if (problem?.name !== "AbortError") change(attached.refused(list, key, problem?.code ?? "internal"));
    }
  };
  const again = (/** @type {number} */ key) => {
    change(attached.again(list, key));
    send(key);
  };
  const put = (/** @type {attached.Attachment} */ of, /** @type {ContentFile | undefined} */ known) => {
    const made = fileRow(of, known, signal, { remove: () => remove(of.key), again: () => again(of.key) });
    rows.set(of.key, made);
    box.append(made.element);
  };
  const add = (/** @type {File[]} */ files) => {
    for (const file of files) {
      if (list.length >= most) return toast(`At most ${most} files go with one text.`);
      const key = next++;
      sources.set(key, { file, cancel: new AbortController() });
      const now = attached.add(list, key, file.name || "Picture", most);
      put(now[now.length - 1], undefined);
      change(now);
      send(key);
    }
  };
  input.addEventListener("change", () => {
    add([...(input.files ?? [])]);
    input.value = "";
  });
  list.forEach((each, at) => put(each, there[at]));
  change(list);
  // What was uploaded and never saved would take room that nobody sees. What was saved the server keeps.
  signal.addEventListener("abort", () => {
    for (const { key, id } of kept ? [] : list) if (key > 0 && id) deleteFile(id).catch(() => {});
  }, { once: true });
  const element = panel("Files", none, box, h("div", { class: "row-acts" }, choose, input));
  element.classList.add("attaching");
  takeDrops(element, () => list.length < most, add);
  return {
    element,
    get count() { return list.length; },
    get ids() { return attached.ids(list); },
    get isReady() { return attached.isReady(list); },
    /** While this is saved, leaving the page takes nothing back. @param {boolean} now */
    keep(now) { kept = now; },
  };
}

/** @param {attached.Attachment} of @param {ContentFile | undefined} known @param {AbortSignal} signal @param {{remove: () => void, again: () => void}} acts */
function fileRow({ name }, known, signal, { remove, again }) {
  const bar = progressBar(`Uploading ${name}`);
  const about = h("p", { class: "hint" }, known ? aboutFile(known).join(" · ") : "");
  const problem = h("p", { class: "field-problem", role: "alert" });
  const retry = button("Try again", again, "plain", `Try again: ${name}`);
  const away = button("Remove", remove, "plain", `Remove ${name}`);
  const reading = known?.reading === "waiting" && known.task && readingProgress(known, signal, () => {});
  const element = h("li", {},
    h("div", { class: "row-text" }, h("p", { class: "row-title" }, h("span", { dir: "auto" }, name)), bar.element, about, reading, problem),
    h("div", { class: "row-acts" }, retry, away));
  const set = (/** @type {attached.Attachment} */ { stage, progress, error }) => {
    element.dataset.stage = stage;
    bar.set(progress);
    show(bar.element, stage === "uploading");
    if (!known) say(about, stage === "ready" ? "It is there. Save, and it belongs to the text." : "");
    say(problem, stage === "failed" ? sentence(error ?? "internal") : "");
    show(problem, stage === "failed");
    show(retry, stage === "failed");
    say(away, stage === "uploading" ? "Cancel" : "Remove");
    away.setAttribute("aria-label", `${stage === "uploading" ? "Cancel" : "Remove"} ${name}`);
  };
  return { element, set };
}
