// Files that are dropped onto a part of the page.

/** @param {HTMLElement} place shows `dropping` while files hang over it @param {() => boolean} allowed @param {(files: File[]) => void} take */
export function takeDrops(place, allowed, take) {
  const brings = (/** @type {DragEvent} */ event) => allowed() && event.dataTransfer?.types.includes("Files");
  place.addEventListener("dragover", (event) => {
    if (!brings(event)) return;
    event.preventDefault();
    place.classList.add("dropping");
  });
  place.addEventListener("dragleave", (event) => {
    if (!place.contains(/** @type {Node | null} */ (event.relatedTarget))) place.classList.remove("dropping");
  });
  place.addEventListener("drop", (event) => {
    place.classList.remove("dropping");
    if (!brings(event)) return;
    event.preventDefault();
    take([...(event.dataTransfer?.files ?? [])]);
  });
}
