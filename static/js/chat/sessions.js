// The list of conversations, put together from pages. Pure.

/** @typedef {{id: string, title: string | null, updated_at: string}} Session */

/**
 * Adds a page to what is known, each conversation once, the last active first. One that was spoken in while
 * the pages were asked for comes again on the last of them: the newer word counts.
 * @param {Session[]} known
 * @param {Session[]} page
 * @returns {Session[]}
 */
export function addPage(known, page) {
  const byId = new Map(known.map((session) => [session.id, session]));
  for (const session of page) {
    const here = byId.get(session.id);
    // This page may know of words that the server had not written yet.
    const later = here && Date.parse(here.updated_at) > Date.parse(session.updated_at);
    byId.set(session.id, later ? { ...session, updated_at: here.updated_at } : session);
  }
  return [...byId.values()].sort((a, b) => Date.parse(b.updated_at) - Date.parse(a.updated_at) || (a.id < b.id ? 1 : -1));
}
