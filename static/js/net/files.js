// Files on their way to the server, and what it says of those that are there.
import { call } from "./api.js";
import { accessToken } from "./identity.js";
import { Problem } from "./problem.js";

/** @typedef {{id: string, name: string, media_type: string, size: number, url: string, preview_url?: string, width?: number, height?: number, pages?: number}} FileInfo */

/** The addresses in it work for five minutes. */
const fresh = 4 * 60_000;

/** @type {Map<string, {at: number, info: Promise<FileInfo>}>} */
const known = new Map();

/** What there is to know of a file, with addresses that still work. @param {string} id @returns {Promise<FileInfo>} */
export function fileInfo(id) {
  const found = known.get(id);
  if (found && Date.now() - found.at < fresh) return found.info;
  const info = call("GET", `/files/${id}`);
  known.set(id, { at: Date.now(), info });
  info.catch(() => known.delete(id));
  return info;
}

/** The same as it is now, whatever was known. @param {string} id */
export function fileNow(id) {
  known.delete(id);
  return fileInfo(id);
}

/** @param {string} id */
export const deleteFile = (id) => call("DELETE", `/files/${id}`);

/** Whoever comes next sees nothing of it. */
export const forgetFiles = () => known.clear();

/**
 * Sends a file; a token that has run out is renewed and the file sent once more.
 * @param {File} file
 * @param {{progress: (part: number) => void, signal: AbortSignal}} how `progress`: from 0 to 1
 * @returns {Promise<FileInfo>}
 */
export async function upload(file, how) {
  const token = await accessToken();
  try {
    return await send(file, token, how);
  } catch (problem) {
    if (!(problem instanceof Problem) || problem.code !== "unauthorized") throw problem;
    return send(file, await accessToken({ not: token }), how);
  }
}

/**
 * By XMLHttpRequest, which alone says how far an upload has come.
 * @param {File} file @param {string} token @param {{progress: (part: number) => void, signal: AbortSignal}} how
 * @returns {Promise<FileInfo>}
 */
function send(file, token, { progress, signal }) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    const stop = () => request.abort();
    request.open("POST", "/api/v1/files/upload");
    request.setRequestHeader("authorization", `Bearer ${token}`);
    request.setRequestHeader("accept", "application/json");
    request.upload.addEventListener("progress", ({ loaded, total }) => progress(total ? loaded / total : 0));
    request.addEventListener("load", async () => {
      const response = new Response(request.responseText, { status: request.status || 500 });
      if (response.ok) resolve(await response.json());
      else reject(await Problem.from(response));
    });
    request.addEventListener("error", () => reject(new Problem(0, "offline")));
    request.addEventListener("abort", () => reject(new DOMException("called off", "AbortError")));
    request.addEventListener("loadend", () => signal.removeEventListener("abort", stop));
    if (signal.aborted) return reject(new DOMException("called off", "AbortError"));
    signal.addEventListener("abort", stop);
    const form = new FormData();
    form.append("file", file, file.name || "picture");
    request.send(form);
  });
}
