/** A request or a command that was refused: the server's code, and what its problem document says. */
export class Problem extends Error {
  /**
   * @param {number} status the HTTP status; 0 if the server was not reached
   * @param {string} code
   * @param {{detail?: string, errors?: {pointer: string, message: string}[], retryAfterMs?: number}} [more]
   */
  constructor(status, code, { detail = "", errors = [], retryAfterMs } = {}) {
    super(detail || code);
    this.name = "Problem";
    this.status = status;
    this.code = code;
    this.errors = errors;
    this.retryAfterMs = retryAfterMs;
  }

  /** @param {Response} response */
  static async from(response) {
    const body = await response.json().catch(() => ({}));
    const after = Number(response.headers.get("retry-after"));
    return new Problem(response.status, body.code ?? `http_${response.status}`, {
      detail: body.detail ?? body.title,
      errors: body.errors,
      retryAfterMs: after > 0 ? after * 1000 : undefined,
    });
  }
}
