// How long something has lasted, in steps so coarse that sixty of them side by side do not flicker.

/** @param {number} ms */
export function span(ms) {
  const seconds = Math.floor(ms / 1000);
  if (seconds < 10) return "now";
  if (seconds < 60) return `${Math.floor(seconds / 10) * 10} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min`;
  const rest = minutes % 60;
  return `${Math.floor(minutes / 60)} h${rest ? ` ${rest} min` : ""}`;
}
