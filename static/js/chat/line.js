// The line to one session, for its student and for whoever watches it.
import { getSession, socketTicket } from "../net/api.js";
import { accessToken, account } from "../net/identity.js";
import { SessionSocket } from "../net/socket.js";
import { uuid7 } from "../net/uuid.js";

/**
 * @param {string} id
 * @param {object} parts
 * @param {() => {epoch: string | null, seq: number}} parts.seen what was last seen, to come back from there
 * @param {(frame: any) => void} parts.receive
 * @param {() => void} parts.changed
 */
export function sessionLine(id, { seen, receive, changed }) {
  return new SessionSocket({
    url: () => address(id, seen()),
    ticket: socketTicket,
    renew: () => accessToken({ not: account()?.access }),
    probe: () => getSession(id),
    receive,
    changed,
  });
}

/** A token is about to run out: the line stays open under a new one. @param {SessionSocket} socket */
export function renewOn(socket) {
  accessToken({ not: account()?.access })
    .then((token) => socket.send({ type: "auth", id: uuid7(), token }))
    .catch(() => {});
}

/** @param {string} id @param {{epoch: string | null, seq: number}} seen */
function address(id, { epoch, seq }) {
  const { protocol, host } = location;
  const resume = epoch ? `?${new URLSearchParams({ epoch, after: String(seq) })}` : "";
  return `${protocol === "https:" ? "wss:" : "ws:"}//${host}/api/v1/sessions/${id}/socket${resume}`;
}
