// The files of a message: small pictures that open large, and everything else to be taken home.
import { fileInfo } from "../net/files.js";
import { h, icon } from "./dom.js";
import { toast } from "./toast.js";
import { openViewer } from "./viewer.js";
import { explain } from "../words.js";

/** @typedef {import("../net/files.js").FileInfo} FileInfo */

/**
 * @param {string[]} ids
 * @param {(id: string) => void} [problems] lists the problems on a picture or a PDF; none: that is not the reader's to ask
 * @returns {HTMLElement | null}
 */
export function drawFiles(ids, problems) {
  return ids.length ? h("ul", { class: "files", "aria-label": "Files" }, ...ids.map((id) => drawFile(id, problems))) : null;
}

/** @param {string} id @param {(id: string) => void} [problems] */
function drawFile(id, problems) {
  const place = h("li", { class: "file", "data-file": id }, h("span", { class: "file-waits" }));
  fileInfo(id).then(
    (info) => {
      const isSheet = info.preview_url !== undefined || info.media_type === "application/pdf";
      const list = problems && isSheet && h("button", { type: "button", class: "link file-problems", "aria-label": `List the problems on ${info.name}`, onclick: () => problems(id) }, "List its problems");
      place.replaceChildren(info.preview_url ? picture(info) : download(info), ...(list ? [list] : []));
    },
    (problem) => place.replaceChildren(h("span", { class: "file-gone" }, icon("page"), problem?.status === 404 ? "This file is no longer here." : "This file can't be shown right now.")),
  );
  return place;
}

/** @param {FileInfo} info */
function picture({ id, name, preview_url }) {
  const image = h("img", { src: preview_url, alt: name, decoding: "async" });
  // Its address may have run out while the page lay still.
  image.addEventListener("error", () => fileInfo(id).then((info) => info.preview_url !== preview_url && (image.src = info.preview_url ?? "")).catch(() => {}), { once: true });
  return h("button", { type: "button", class: "thumb", "aria-label": `Look at ${name}`, onclick: () => look(id) }, image);
}

/** @param {FileInfo} info */
function download({ id, name, size }) {
  return h("button", { type: "button", class: "file-take", onclick: () => take(id) },
    icon("page"), h("span", { class: "sr-only" }, "Download "), h("span", { class: "file-name", dir: "auto" }, name), " ", h("span", { class: "file-size" }, inWords(size)));
}

/** The picture, large. @param {string} id */
export async function look(id) {
  try {
    openViewer(await fileInfo(id), () => take(id));
  } catch (problem) {
    toast(explain(problem));
  }
}

/** By a fresh address: the one that was drawn may have run out. @param {string} id */
export async function take(id) {
  try {
    const { name, url } = await fileInfo(id);
    h("a", { href: url, download: name }).click();
  } catch (problem) {
    toast(explain(problem));
  }
}

/** @param {number} size */
export function inWords(size) {
  if (size < 1024) return `${size} bytes`;
  return size < 1024 * 1024 ? `${Math.round(size / 1024)} KB` : `${(size / 1024 / 1024).toFixed(1)} MB`;
}
