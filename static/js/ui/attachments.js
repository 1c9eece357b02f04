// Files for the next message: chosen, photographed, pasted or dropped; sent while the student still writes.
import * as attached from "../chat/attached.js";
import { deleteFile, upload } from "../net/files.js";
import { sentence } from "../words.js";
import { byId, h, icon, show } from "./dom.js";
import { takeDrops } from "./drops.js";
import { toast } from "./toast.js";

/** @typedef {import("../chat/attached.js").Attachment} Attachment */
/** @typedef {{file: File, picture: string, cancel: AbortController}} Source */

/** What the browser says of a file that is a picture, and of what pictures can be shown here. */
const isPicture = /^image\/(png|jpeg|webp|gif)$/;

export class Attachments {
  /** Each conversation keeps its own. @type {Map<string, Attachment[]>} */
  #lists = new Map();
  /** @type {Map<number, Source>} */
  #sources = new Map();
  #place = "new";
  #next = 1;
  #allowed = true;

  /** @param {() => void} changed */
  constructor(changed) {
    this.changed = changed;
    this.box = byId("attached");
    for (const [button, input, glyph] of [["attach", "attach-file", "clip"], ["photo", "photo-file", "camera"]]) {
      byId(button).append(icon(glyph));
      byId(button).addEventListener("click", () => byId(input).click());
      byId(input).addEventListener("change", () => {
        this.add([...byId(input).files]);
        byId(input).value = "";
      });
    }
    byId("write").addEventListener("paste", (/** @type {ClipboardEvent} */ event) => {
      const files = [...(event.clipboardData?.files ?? [])];
      // What a text program copies is its text, though a picture of it comes along.
      if (!files.length || !this.#allowed || event.clipboardData?.types.includes("text/plain")) return;
      event.preventDefault();
      this.add(files);
    });
    takeDrops(byId("talk"), () => this.#allowed, (files) => this.add(files));
    addEventListener("online", () => this.#retryOffline());
  }

  get ids() {
    return attached.ids(this.#list);
  }

  get count() {
    return this.#list.length;
  }

  get isReady() {
    return attached.isReady(this.#list);
  }

  get #list() {
    return this.#lists.get(this.#place) ?? [];
  }

  /** @param {string} place */
  moveTo(place) {
    this.#place = place;
    this.#draw();
  }

  /** @param {boolean} allowed */
  allow(allowed) {
    this.#allowed = allowed;
    for (const id of ["attach", "photo"]) byId(id).disabled = !allowed;
  }

  /** They go with a message now. Gives a way to put them back. */
  take() {
    const [place, list] = [this.#place, this.#list];
    this.#keep(place, []);
    return {
      ids: attached.ids(list),
      back: (/** @type {string} */ to) => this.#keep(to, list),
      gone: () => list.forEach(({ key }) => this.#release(key)),
    };
  }

  /** Nobody's any more. */
  forget() {
    for (const key of [...this.#sources.keys()]) this.#release(key);
    this.#lists.clear();
    this.#draw();
  }

  /** @param {File[]} files */
  add(files) {
    if (!this.#allowed) return;
    for (const file of files) {
      if (this.count >= attached.most) return toast(`At most ${attached.most} files go with one message.`);
      const key = this.#next++;
      const picture = isPicture.test(file.type) ? URL.createObjectURL(file) : "";
      this.#sources.set(key, { file, picture, cancel: new AbortController() });
      this.#keep(this.#place, attached.add(this.#list, key, file.name || "Picture"));
      this.#send(key);
    }
    byId("write").focus({ preventScroll: true });
  }

  /** @param {number} key */
  async #send(key) {
    const source = this.#sources.get(key);
    if (!source) return;
    const progress = (/** @type {number} */ part) => this.#change((list) => attached.moved(list, key, part), key);
    try {
      const { id } = await upload(source.file, { progress, signal: source.cancel.signal });
      this.#change((list) => attached.arrived(list, key, id), key);
    } catch (/** @type {any} */ problem) {
      if (problem?.name === "AbortError") return;
      this.#change((list) => attached.refused(list, key, problem?.code ?? "internal"), key);
    }
  }

  /** @param {number} key */
  #again(key) {
    this.#change((list) => attached.again(list, key), key);
    this.#send(key);
  }

  /** The line is back: what failed for want of one goes again by itself. */
  #retryOffline() {
    for (const list of this.#lists.values()) for (const { key, stage, error } of list) if (stage === "failed" && error === "offline") this.#again(key);
  }

  /** @param {number} key */
  #remove(key) {
    const gone = this.#list.find((each) => each.key === key)?.id;
    this.#change((list) => attached.without(list, key), key);
    this.#release(key);
    // If that fails, the server forgets it by itself one day.
    if (gone) deleteFile(gone).catch(() => {});
    byId("write").focus({ preventScroll: true });
  }

  /** @param {number} key */
  #release(key) {
    const source = this.#sources.get(key);
    source?.cancel.abort();
    if (source?.picture) URL.revokeObjectURL(source.picture);
    this.#sources.delete(key);
  }

  /** Wherever it is by now. @param {(list: Attachment[]) => Attachment[]} how @param {number} key */
  #change(how, key) {
    for (const [place, list] of this.#lists) if (list.some((each) => each.key === key)) this.#keep(place, how(list));
  }

  /** @param {string} place @param {Attachment[]} list */
  #keep(place, list) {
    if (list.length) this.#lists.set(place, list);
    else this.#lists.delete(place);
    this.#draw();
    this.changed();
  }

  /** Chips are changed where they stand: a progress bar that is made anew is read out anew. */
  #draw() {
    const list = this.#list;
    show(this.box, list.length > 0);
    const there = new Map([...this.box.children].map((chip) => [Number(chip.getAttribute("data-key")), chip]));
    const chips = list.map((each) => {
      const chip = /** @type {HTMLElement} */ (there.get(each.key) ?? this.#chip(each));
      this.#dress(chip, each);
      return chip;
    });
    if (chips.length !== this.box.children.length || chips.some((chip, at) => this.box.children[at] !== chip)) this.box.replaceChildren(...chips);
  }

  /** @param {Attachment} of */
  #chip({ key, name }) {
    const picture = this.#sources.get(key)?.picture;
    return h("li", { class: "chip", "data-key": key },
      picture ? h("img", { src: picture, alt: "" }) : icon("page"),
      h("span", { class: "chip-name" }, name),
      h("progress", { max: "1", "aria-label": `Uploading ${name}` }),
      h("span", { class: "chip-problem", role: "alert" }),
      h("button", { type: "button", class: "link chip-again", hidden: true, onclick: () => this.#again(key) }, "Try again"),
      h("button", { type: "button", class: "icon chip-away", "aria-label": `Remove ${name}`, onclick: () => this.#remove(key) }, icon("close")));
  }

  /** @param {HTMLElement} chip @param {Attachment} of */
  #dress(chip, { stage, progress, error }) {
    chip.dataset.stage = stage;
    const bar = /** @type {HTMLProgressElement} */ (chip.querySelector("progress"));
    show(bar, stage === "uploading");
    bar.value = progress;
    const problem = /** @type {HTMLElement} */ (chip.querySelector(".chip-problem"));
    const words = stage === "failed" ? sentence(error ?? "internal") : "";
    if (problem.textContent !== words) problem.textContent = words;
    show(/** @type {HTMLElement} */ (chip.querySelector(".chip-again")), stage === "failed");
  }
}
