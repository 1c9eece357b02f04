// Server-sent events, read by fetch: an EventSource takes no token along.

/** Whoever says nothing for this long is gone: the server says something every twenty seconds. */
const silence = 45_000;

/**
 * The data of each event, as JSON, until the stream ends or has been silent for too long.
 * @param {ReadableStream<Uint8Array>} stream
 * @param {number} [quiet] in milliseconds
 * @returns {AsyncGenerator<any, void, void>}
 */
export async function* events(stream, quiet = silence) {
  const reader = stream.getReader();
  const decoder = new TextDecoder();
  let text = "";
  try {
    for (;;) {
      const { done, value } = await within(reader.read(), quiet);
      if (done) return;
      text += decoder.decode(value, { stream: true });
      const whole = text.split(/\r?\n\r?\n/);
      text = whole.pop() ?? "";
      for (const event of whole) {
        const data = event.split(/\r?\n/).filter((line) => line.startsWith("data:")).map((line) => line.slice(5).trimStart());
        if (data.length) yield JSON.parse(data.join("\n"));
      }
    }
  } finally {
    // Also where whoever reads has heard enough: the line is closed.
    reader.cancel().catch(() => {});
  }
}

/** @param {Promise<{done: boolean, value?: Uint8Array}>} read @param {number} quiet */
async function within(read, quiet) {
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let alarm;
  const late = new Promise((resolve) => (alarm = setTimeout(() => resolve({ done: true }), quiet)));
  try {
    return await /** @type {typeof read} */ (Promise.race([read, late]));
  } finally {
    clearTimeout(alarm);
  }
}
