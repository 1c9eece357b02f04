// Frames of the roster socket, as the server says them.
export const at = (second) => new Date(Date.UTC(2026, 0, 1) + second * 1000).toISOString();
export const session = (id, more = {}) => ({
  session_id: id, student: { id: `u-${id}`, name: `Student ${id}` }, title: null, subject: null, state: "waiting", state_since: at(0),
  last_activity_at: at(0), turns: 1, preview: "", tutor: null, watchers: 0, hand: null, signals: { hand_raised: false, idle_s: 0, struggling: { score: 0, why: "" }, items: [] }, ...more,
});
export const roster = (...sessions) => ({ ctl: { type: "roster", sessions } });
export const changed = (one) => ({ ctl: { type: "roster_changed", session: one } });
