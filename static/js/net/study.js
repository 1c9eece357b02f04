// The calls about what there is to practise with.
import { call } from "./api.js";
import { Problem } from "./problem.js";

/** @typedef {import("../study.js").StudySet} StudySet */
/** @typedef {import("../study.js").StudyKind} StudyKind */
/** @typedef {import("../task.js").Task} Task */
/** @typedef {{problems: import("../study.js").SheetProblem[], model?: string, created_at: string}} Worksheet */

/** @param {string} content @returns {Promise<StudySet[]>} */
export const studySets = async (content) => (await call("GET", `/content/${content}/study`)).items;

/** @param {string} content @param {StudyKind} kind @returns {Promise<Task>} */
export const makeStudy = (content, kind) => call("POST", `/content/${content}/study`, { body: { kind } });

/** @param {string} content @param {StudyKind} kind @param {{id?: string, state: string, items: object[]}} set @returns {Promise<StudySet>} */
export const changeStudy = (content, kind, set) => call("PUT", `/content/${content}/study/${kind}`, { body: set });

/** @param {string} content @param {StudyKind} kind */
export const deleteStudy = (content, kind) => call("DELETE", `/content/${content}/study/${kind}`);

/** `null`: nobody has listed them yet. @param {string} file @returns {Promise<Worksheet | null>} */
export async function worksheet(file) {
  try {
    return await call("GET", `/files/${file}/worksheet`);
  } catch (problem) {
    if (problem instanceof Problem && problem.status === 404) return null;
    throw problem;
  }
}

/** The task that lists them, or the list where there is one. @param {string} file @param {boolean} [again] @returns {Promise<Task | Worksheet>} */
export const askForWorksheet = (file, again = false) => call("POST", `/files/${file}/worksheet${again ? "?again=true" : ""}`);
