//! One transaction: the operations of many requests as the arrays of one call.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::time::{Duration, Instant};

use tokio_postgres::types::{Json, ToSql, Type};
use tokio_postgres::{Client, Error};

use crate::clock::Timestamp;
use crate::id::Uuid;
use crate::protocol::{Status, Usage};
use crate::store::{MessageState, NewMessage, Op};

/// A session's `updated_at` may lag behind by this much: that spares most of its updates.
const TOUCH_EVERY: Duration = Duration::from_secs(1);
/// More remembered sessions than this, and those of long ago are forgotten.
const REMEMBERED: usize = 16 * 1024;

/// When the writer last touched which session. One that is forgotten is touched once more.
#[derive(Default)]
pub(super) struct Touched(HashMap<Uuid, Instant>);

impl Touched {
    pub(super) fn remember(&mut self, sessions: Vec<Uuid>, now: Instant) {
        if self.0.len() + sessions.len() > REMEMBERED {
            self.0.retain(|_, at| now.duration_since(*at) < TOUCH_EVERY);
        }
        self.0.extend(sessions.into_iter().map(|id| (id, now)));
    }

    fn is_fresh(&self, session: &Uuid, now: Instant) -> bool {
        self.0.get(session).is_some_and(|at| now.duration_since(*at) < TOUCH_EVERY)
    }
}

/// The call's parameters: one array per column, borrowed from the operations.
#[derive(Default)]
pub(super) struct Batch<'a> {
    inserts: Inserts<'a>,
    updates: Updates<'a>,
    begins: Begins,
    supersedes: Supersedes,
    touches: Touches<'a>,
    hands: Hands,
    attached: Attached,
    /// `None`: there are no quotas, and nothing is charged.
    charges: Option<Charges>,
}

#[derive(Default)]
struct Inserts<'a> {
    sessions: Vec<Uuid>,
    ids: Vec<Uuid>,
    ords: Vec<i64>,
    runs: Vec<Uuid>,
    roles: Vec<&'static str>,
    authors: Vec<Option<Uuid>>,
    kinds: Vec<&'static str>,
    contents: Vec<&'a str>,
    statuses: Vec<&'static str>,
    edits: Vec<Option<Uuid>>,
    created: Vec<Timestamp>,
}

/// What the inserted messages have beside words: one row for each file.
#[derive(Default)]
struct Attached {
    sessions: Vec<Uuid>,
    messages: Vec<Uuid>,
    files: Vec<Uuid>,
}

#[derive(Default)]
struct Updates<'a> {
    sessions: Vec<Uuid>,
    ids: Vec<Uuid>,
    contents: Vec<&'a str>,
    statuses: Vec<&'static str>,
    reasons: Vec<Option<&'a str>>,
    errors: Vec<Option<&'static str>>,
    usages: Vec<Option<Json<Usage>>>,
    models: Vec<Option<&'a str>>,
}

#[derive(Default)]
struct Begins {
    sessions: Vec<Uuid>,
    ids: Vec<Uuid>,
    ords: Vec<i64>,
}

#[derive(Default)]
struct Supersedes {
    sessions: Vec<Uuid>,
    first: Vec<i64>,
    before: Vec<i64>,
}

#[derive(Default)]
struct Touches<'a> {
    ids: Vec<Uuid>,
    at: Vec<Timestamp>,
    titles: Vec<Option<&'a str>>,
}

/// What counts against the quotas, and which request each row belongs to: a request that is over its quota
/// is left out, and the others of its batch are not.
struct Charges {
    limits: Limits,
    requests: Vec<i32>,
    sessions: Vec<Uuid>,
    ids: Vec<Uuid>,
    inserts: Vec<i32>,
    begins: Vec<i32>,
    supersedes: Vec<i32>,
}

/// As `write_batch` wants them: messages a day and a month, tokens a day and a month, for students and then
/// for classes.
pub(super) type Limits = [Option<i64>; 8];

/// A request that is over its quota, by its number, and when that quota starts anew.
pub(super) type OverQuota = (usize, Timestamp);

#[derive(Default)]
struct Hands {
    ids: Vec<Uuid>,
    raised: Vec<bool>,
}

impl<'a> Batch<'a> {
    pub(super) fn new(
        requests: impl Iterator<Item = &'a [Op]>,
        limits: Option<Limits>,
        touched: &Touched,
        now: Instant,
    ) -> Batch<'a> {
        let mut batch = Batch { charges: limits.map(Charges::new), ..Batch::default() };
        // Of several states of one message, or touches of one session, only one goes out.
        let mut states: HashMap<(Uuid, Uuid), &MessageState> = HashMap::new();
        let mut touches: HashMap<Uuid, (Timestamp, Option<&str>)> = HashMap::new();
        let mut hands: HashMap<Uuid, bool> = HashMap::new();
        for (request, op) in (0..).zip(requests).flat_map(|(n, ops)| ops.iter().map(move |op| (n, op))) {
            if let Some(charges) = &mut batch.charges {
                charges.note(request, op);
            }
            match op {
                Op::Insert(new) => {
                    batch.inserts.push(new);
                    batch.attached.push(new);
                }
                Op::Update(state) => match states.entry((state.session_id, state.id)) {
                    // The last one, except that an ended message is never changed.
                    Entry::Occupied(mut last) if last.get().status == Status::Streaming => {
                        last.insert(state);
                    }
                    Entry::Occupied(_) => {}
                    Entry::Vacant(place) => {
                        place.insert(state);
                    }
                },
                Op::Begin { session_id, id, ord } => batch.begins.push(*session_id, *id, *ord),
                Op::Supersede { session_id, from, before } => {
                    batch.supersedes.push(*session_id, *from, *before);
                }
                Op::Touch { session_id, title, at } => {
                    let touch = touches.entry(*session_id).or_insert((*at, None));
                    touch.0 = touch.0.max(*at);
                    touch.1 = touch.1.or(title.as_deref());
                }
                Op::RaiseHand { session_id, raised } => {
                    hands.insert(*session_id, *raised);
                }
            }
        }
        states.into_values().for_each(|state| batch.updates.push(state));
        for (id, (at, title)) in touches {
            if title.is_some() || !touched.is_fresh(&id, now) {
                batch.touches.push(id, at, title);
            }
        }
        (batch.hands.ids, batch.hands.raised) = hands.into_iter().unzip();
        batch
    }

    pub(super) fn rows(&self) -> u64 {
        let rows = self.inserts.ids.len()
            + self.updates.ids.len()
            + self.begins.ords.len()
            + self.supersedes.sessions.len()
            + self.touches.ids.len()
            + self.hands.ids.len();
        rows as u64
    }

    /// The sessions that it touched.
    pub(super) fn into_touched(self) -> Vec<Uuid> {
        self.touches.ids
    }

    /// One call is one transaction. `again`: rows that are there already are no error.
    /// Gives the requests that were left out because of a quota.
    pub(super) async fn commit(&self, client: &Client, again: bool) -> Result<Vec<OverQuota>, Error> {
        let Batch {
            inserts: i,
            updates: u,
            begins: b,
            supersedes: s,
            touches: t,
            hands: h,
            attached: a,
            charges,
        } = self;
        let (limits, c) = charges.as_ref().map(|c| (c.limits, c)).unzip();
        let (numbers, ids): (&[i32], &[Uuid]) = (&[], &[]);
        let params: [(&(dyn ToSql + Sync), Type); 41] = [
            (&again, Type::BOOL),
            (&limits.as_ref().map(|limits| &limits[..]), Type::INT8_ARRAY),
            (&c.map_or(numbers, |c| &c.requests), Type::INT4_ARRAY),
            (&c.map_or(ids, |c| &c.sessions), Type::UUID_ARRAY),
            (&c.map_or(ids, |c| &c.ids), Type::UUID_ARRAY),
            (&c.map_or(numbers, |c| &c.inserts), Type::INT4_ARRAY),
            (&c.map_or(numbers, |c| &c.begins), Type::INT4_ARRAY),
            (&c.map_or(numbers, |c| &c.supersedes), Type::INT4_ARRAY),
            (&i.sessions, Type::UUID_ARRAY),
            (&i.ids, Type::UUID_ARRAY),
            (&i.ords, Type::INT8_ARRAY),
            (&i.runs, Type::UUID_ARRAY),
            (&i.roles, Type::TEXT_ARRAY),
            (&i.authors, Type::UUID_ARRAY),
            (&i.kinds, Type::TEXT_ARRAY),
            (&i.contents, Type::TEXT_ARRAY),
            (&i.statuses, Type::TEXT_ARRAY),
            (&i.edits, Type::UUID_ARRAY),
            (&i.created, Type::TIMESTAMPTZ_ARRAY),
            (&u.sessions, Type::UUID_ARRAY),
            (&u.ids, Type::UUID_ARRAY),
            (&u.contents, Type::TEXT_ARRAY),
            (&u.statuses, Type::TEXT_ARRAY),
            (&u.reasons, Type::TEXT_ARRAY),
            (&u.errors, Type::TEXT_ARRAY),
            (&u.usages, Type::JSONB_ARRAY),
            (&u.models, Type::TEXT_ARRAY),
            (&b.sessions, Type::UUID_ARRAY),
            (&b.ids, Type::UUID_ARRAY),
            (&b.ords, Type::INT8_ARRAY),
            (&s.sessions, Type::UUID_ARRAY),
            (&s.first, Type::INT8_ARRAY),
            (&s.before, Type::INT8_ARRAY),
            (&t.ids, Type::UUID_ARRAY),
            (&t.at, Type::TIMESTAMPTZ_ARRAY),
            (&t.titles, Type::TEXT_ARRAY),
            (&h.ids, Type::UUID_ARRAY),
            (&h.raised, Type::BOOL_ARRAY),
            (&a.sessions, Type::UUID_ARRAY),
            (&a.messages, Type::UUID_ARRAY),
            (&a.files, Type::UUID_ARRAY),
        ];
        let rows = client.query_typed(include_str!("../../../sql/queries/write_batch.sql"), &params).await?;
        rows.iter()
            .map(|row| Ok((row.try_get::<_, i32>(0)?.unsigned_abs() as usize, row.try_get(1)?)))
            .collect()
    }
}

impl Charges {
    fn new(limits: Limits) -> Charges {
        let (sessions, ids, requests) = (Vec::new(), Vec::new(), Vec::new());
        let (inserts, begins, supersedes) = (Vec::new(), Vec::new(), Vec::new());
        Charges { limits, requests, sessions, ids, inserts, begins, supersedes }
    }

    fn note(&mut self, request: i32, op: &Op) {
        match op {
            Op::Insert(new) => {
                self.inserts.push(request);
                if new.charged {
                    self.requests.push(request);
                    self.sessions.push(new.session_id);
                    self.ids.push(new.id);
                }
            }
            Op::Begin { .. } => self.begins.push(request),
            Op::Supersede { .. } => self.supersedes.push(request),
            _ => {}
        }
    }
}

impl<'a> Inserts<'a> {
    fn push(&mut self, new: &'a NewMessage) {
        self.sessions.push(new.session_id);
        self.ids.push(new.id);
        self.ords.push(new.ord);
        self.runs.push(new.run_id);
        self.roles.push(new.role.as_str());
        self.authors.push(new.author_id);
        self.kinds.push(new.author_kind.as_str());
        self.contents.push(&new.content);
        self.statuses.push(new.status.as_str());
        self.edits.push(new.edits);
        self.created.push(new.created_at);
    }
}

impl Attached {
    fn push(&mut self, new: &NewMessage) {
        for file in &*new.files {
            self.sessions.push(new.session_id);
            self.messages.push(new.id);
            self.files.push(*file);
        }
    }
}

impl<'a> Updates<'a> {
    fn push(&mut self, state: &'a MessageState) {
        self.sessions.push(state.session_id);
        self.ids.push(state.id);
        self.contents.push(&state.content);
        self.statuses.push(state.status.as_str());
        self.reasons.push(state.finish_reason.as_ref().map(|reason| reason.as_str()));
        self.errors.push(state.error.map(|code| code.as_str()));
        self.usages.push(state.usage.map(Json));
        self.models.push(state.model.as_deref());
    }
}

impl Begins {
    fn push(&mut self, session: Uuid, id: Uuid, ord: i64) {
        self.sessions.push(session);
        self.ids.push(id);
        self.ords.push(ord);
    }
}

impl Supersedes {
    fn push(&mut self, session: Uuid, first: i64, before: i64) {
        self.sessions.push(session);
        self.first.push(first);
        self.before.push(before);
    }
}

impl<'a> Touches<'a> {
    fn push(&mut self, id: Uuid, at: Timestamp, title: Option<&'a str>) {
        self.ids.push(id);
        self.at.push(at);
        self.titles.push(title);
    }
}
