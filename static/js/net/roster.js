// The line to the roster: one socket for all sessions that a tutor may see. It comes back like the line to a
// session; what it missed meanwhile does not matter, because its first frame is the whole roster again.
import { socketTicket } from "./api.js";
import { accessToken, account } from "./identity.js";
import { listMarks } from "./observe.js";
import { SessionSocket } from "./socket.js";

/** @param {{receive: (frame: any) => void, changed: (line: import("./socket.js").Line) => void}} parts */
export function rosterLine({ receive, changed }) {
  return new SessionSocket({
    greeting: "roster",
    url: () => `${location.origin.replace(/^http/, "ws")}/api/v1/observe/socket`,
    ticket: socketTicket,
    renew: () => accessToken({ not: account()?.access }),
    probe: listMarks,
    receive,
    changed,
  });
}
