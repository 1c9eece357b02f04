// When a lost connection is tried again. Pure, so that the whole table can be tested.

const first = 300;
const most = 20_000;

/**
 * Full jitter: anywhere between now and a limit that doubles, so that a thousand pages that lost the same
 * server do not come back in the same instant.
 * @param {number} failures in a row
 * @param {() => number} [random]
 */
export function retryDelay(failures, random = Math.random) {
  return random() * Math.min(most, first * 2 ** failures);
}

/** @typedef {{act: "retry", wait: number} | {act: "refresh"} | {act: "end", code: string}} Comeback */

/**
 * What to do after the socket closed.
 * @param {number} code the close code
 * @param {{failures: number, retryAfter?: number, random?: () => number}} context
 * @returns {Comeback}
 */
export function afterClose(code, { failures, retryAfter, random = Math.random }) {
  switch (code) {
    case 1001:
    case 1012: {
      const wait = retryAfter ?? 1000;
      return { act: "retry", wait: wait + random() * Math.max(1000, wait) + (failures ? retryDelay(failures, random) : 0) };
    }
    case 4401:
      return { act: "refresh" };
    case 4403:
      // Other rights than before, perhaps still the right to read: the server says so at the door. Once.
      return failures ? { act: "end", code: "not_allowed_any_more" } : { act: "retry", wait: 500 + random() * 1000 };
    case 4404:
      return { act: "end", code: "session_gone" };
    case 4400:
      return { act: "end", code: "page_out_of_date" };
    case 1009:
      return { act: "end", code: "text_too_long" };
    case 4429:
      return { act: "retry", wait: Math.max(retryAfter ?? 0, 5000) + random() * 5000 };
    default:
      return { act: "retry", wait: retryDelay(failures, random) };
  }
}
