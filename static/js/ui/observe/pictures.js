// The icons that only the console needs.
import { drawn, icon } from "../dom.js";

/** @type {Record<string, string>} */
const paths = {
  whisper: "M4 5.500h16v10.500H10l-4 3.500V16H4zM8.500 10.800h.01M12 10.800h.01M15.500 10.800h.01",
  back: "M19.500 12h-15M11 5.500 4.500 12l6.500 6.500",
  play: "M8 5.500v13l10.500-6.500z",
  pause: "M8.500 6v12M15.500 6v12",
  note: "M6 3.500h9l4 4v13H6zM9 9h5M9 12.500h7M9 16h7",
  rewind: "M12 7v5l3 2M4.500 12a7.500 7.500 0 1 0 2.300-5.400M4.500 4v4.500H9",
};

/** @param {string} name */
export const picture = (name) => (name in paths ? drawn(name, paths[name]) : icon(name));
