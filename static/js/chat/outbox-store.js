// Where the outbox lives between page loads: IndexedDB, one record for each entry, found by user and session.
// If the browser has none (some private windows), the outbox still works for as long as the page is open.

/** @typedef {import("./outbox.js").Outgoing} Outgoing */

const database = "fynq";
const store = "outbox";

/** @type {Promise<IDBDatabase | null> | undefined} */
let opened;

function open() {
  opened ??= new Promise((resolve) => {
    if (!globalThis.indexedDB) return resolve(null);
    const request = indexedDB.open(database, 1);
    request.onupgradeneeded = () => {
      request.result.createObjectStore(store, { keyPath: "id" }).createIndex("place", ["user", "session"]);
    };
    request.onsuccess = () => {
      request.result.onversionchange = () => request.result.close();
      resolve(request.result);
    };
    request.onerror = () => resolve(null);
    request.onblocked = () => resolve(null);
  });
  return opened;
}

/**
 * @template T
 * @param {IDBTransactionMode} mode
 * @param {(entries: IDBObjectStore) => IDBRequest<T>} act
 * @returns {Promise<T | undefined>}
 */
async function within(mode, act) {
  const db = await open();
  if (!db) return undefined;
  return new Promise((resolve) => {
    try {
      const transaction = db.transaction(store, mode, { durability: "strict" });
      const request = act(transaction.objectStore(store));
      transaction.oncomplete = () => resolve(request.result);
      transaction.onerror = transaction.onabort = () => resolve(undefined);
    } catch {
      resolve(undefined);
    }
  });
}

/** Oldest first: ids are UUIDv7, so they sort by the time they were made. @param {string} user @param {string} session @returns {Promise<Outgoing[]>} */
export async function loadOutbox(user, session) {
  const found = await within("readonly", (entries) => entries.index("place").getAll([user, session]));
  const sorted = /** @type {Outgoing[]} */ (found ?? []).sort((a, b) => (a.id < b.id ? -1 : 1));
  return sorted.map((entry) => (entry.stage === "sending" ? { ...entry, stage: "queued" } : entry));
}

/** @param {Outgoing} entry */
export const saveOutgoing = (entry) => within("readwrite", (entries) => entries.put(entry));

/** @param {string} id */
export const deleteOutgoing = (id) => within("readwrite", (entries) => entries.delete(id));

/** All of one user, or of everybody. @param {string} [user] */
export function wipeOutbox(user) {
  if (!user) return within("readwrite", (entries) => entries.clear());
  return within("readwrite", (entries) => {
    const theirs = entries.index("place").openCursor(IDBKeyRange.bound([user], [user, []]));
    theirs.addEventListener("success", () => {
      theirs.result?.delete();
      theirs.result?.continue();
    });
    return theirs;
  });
}
