//! Two schools on one server, one person for each actor, and what each of them must never read.

use std::collections::HashMap;
use std::time::Duration;

use fynq::id::Uuid;
use fynq::store::Store;
use serde_json::json;

use super::founding::{
    self, claims, echo, id, join_code, lapse, library, mark_school, people, settle, speak, task_of, tutoring,
};
use super::policy::Row;
use crate::support::app::TestApp;
use crate::support::client::Client;
use crate::support::model::Model;
use crate::support::socket::{Socket, new_id};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Actor {
    Anonymous,
    Disabled,
    Expired,
    SignedOut,
    Owner,
    Mate,
    Far,
    Teach,
    Coll,
    TutorFar,
    Admin,
    AdminFar,
}

use Actor::*;

pub(super) const ACTORS: [Actor; 12] =
    [Anonymous, Disabled, Expired, SignedOut, Owner, Mate, Far, Teach, Coll, TutorFar, Admin, AdminFar];
pub(super) const PASSWORD: &str = "correct horse battery";
pub(super) const SECRET: &str = "a secret that is only a test's own";
pub(super) const HERE: &str = "00000000-0000-7000-8000-000000000001";

impl Actor {
    pub(super) fn role(self) -> &'static str {
        match self {
            Teach | Coll | TutorFar => "tutor",
            Admin | AdminFar => "admin",
            _ => "student",
        }
    }

    pub(super) fn is_far(self) -> bool {
        matches!(self, Far | TutorFar | AdminFar)
    }

    /// In the class, as what.
    pub(super) fn member_as(self) -> Option<&'static str> {
        match self {
            Owner | Mate | Far => Some("student"),
            Teach | TutorFar => Some("tutor"),
            _ => None,
        }
    }

    fn is_nobody(self) -> bool {
        matches!(self, Anonymous | Disabled | Expired | SignedOut)
    }

    pub(super) fn runs_the_class_of(self, other: Actor) -> bool {
        let staff = matches!(self, Teach | TutorFar | Admin | AdminFar);
        staff && self.is_far() == other.is_far() && (other.member_as().is_some() || self.role() == "admin")
    }

    /// Whether this one may read the other's sessions.
    pub(super) fn reads(self, other: Actor) -> bool {
        let student = other.member_as() == Some("student");
        let teaches = self.role() == "tutor" && self.runs_the_class_of(other) && student;
        let administers = self.role() == "admin" && self.is_far() == other.is_far();
        self == other || teaches || administers
    }

    /// Whether this one may know the other's name.
    pub(super) fn knows(self, other: Actor) -> bool {
        let staff = other.role() != "student" && self.is_far() == other.is_far() && !self.is_nobody();
        self.reads(other) || staff
    }
}

/// A text that only some may read.
pub(super) struct Mark {
    pub(super) what: &'static str,
    pub(super) of: Actor,
    pub(super) text: String,
    pub(super) seen_by: Vec<Actor>,
}

impl Mark {
    pub(super) fn may_be_read_by(&self, actor: Actor) -> bool {
        self.seen_by.contains(&actor)
    }
}

/// What a session is like that was made for one cell.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Fresh {
    Plain,
    /// The owner's hand is up.
    Raised,
    /// The tutor holds it.
    Held,
}

impl Fresh {
    pub(super) fn word(self) -> &'static str {
        match self {
            Fresh::Plain => "{session!}",
            Fresh::Raised => "{raised!}",
            Fresh::Held => "{held!}",
        }
    }
}

pub(super) struct FreshSession {
    pub(super) session: String,
    pub(super) question: String,
    pub(super) reply: String,
    pub(super) whisper: String,
}

pub(super) struct School {
    pub(super) people: HashMap<Actor, Client>,
    pub(super) marks: Vec<Mark>,
    /// Each one's session.
    pub(super) sessions: HashMap<Actor, String>,
    /// The owner's question and its answer.
    pub(super) message: String,
    pub(super) answer: String,
    pub(super) class: String,
    /// The tutor's, on the owner.
    pub(super) note: String,
    /// The owner's, ended; and there is a summary of their session.
    pub(super) task: String,
    /// The tutor's, in the owner's session; it was used.
    pub(super) whisper: String,
    /// The tutor's, for the class: published, and a draft.
    pub(super) content: String,
    pub(super) draft: String,
    /// What is attached to them.
    pub(super) book: String,
    pub(super) draft_book: String,
    /// The owner's, sent in their session.
    pub(super) file: String,
    pub(super) sign_in: String,
    pub(super) cursor: String,
    pub(super) far_org: String,
    pub(super) expired_token: String,
    /// Keeps the owner's session in memory, so that there is something to resume.
    pub(super) socket: Socket,
    pub(super) sql: tokio_postgres::Client,
    // Dropped last.
    pub(super) app: TestApp,
}

impl School {
    pub(super) async fn start() -> School {
        let model = Model::start().await;
        let url = model.url();
        tokio::spawn(echo(model));
        let app = TestApp::builder()
            .settings(|settings| {
                settings.model.base_url = Some(url);
                settings.accounts.token_secret = Some(SECRET.to_owned().into());
                // Nothing is written later, in the middle of another cell.
                settings.session.lapse_after = Duration::from_secs(3600);
            })
            .start()
            .await;
        let sql = app.database.client().await;
        let mut people = people(&app).await;
        let far_org = new_id();
        let code = settle(&sql, &people, &far_org).await;
        let mut marks = Vec::new();
        let (mut sessions, mut said) = (HashMap::new(), HashMap::new());
        for (actor, client) in people.iter().filter(|(actor, _)| **actor != Anonymous) {
            let (session, message) = speak(client, *actor, &mut marks).await;
            sessions.insert(*actor, session);
            said.insert(*actor, message);
        }
        sessions.insert(Anonymous, new_id());
        let owner = people[&Owner].clone();
        let class = id(&sql, &format!("SELECT id FROM classes WHERE join_code = '{code}'")).await;
        mark_school(&mut marks, &people, &code, &far_org);
        let socket = owner.socket(&sessions[&Owner]).await;
        // A second turn, so that the log holds something to resume.
        let (message, answer) = said.remove(&Owner).unwrap();
        let (note, whisper) = tutoring(&sql, &people, &sessions[&Owner], &mut marks).await;
        let ([content, draft], [book, draft_book]) = library(&sql, &people, &class, &mut marks).await;
        let task = task_of(&sql, &people, &sessions[&Owner], &mut marks).await;
        let name = format!("file{}", new_id());
        let file = founding::file(&sql, &people, &sessions[&Owner], &name).await;
        for (what, text) in [("file", &name), ("file id", &file)] {
            marks.push(Mark { what, of: Owner, text: text.clone(), seen_by: vec![Owner, Teach, Admin] });
        }
        let problem = format!("problem{}", new_id());
        let listed = format!(
            "INSERT INTO worksheets VALUES ('{file}', '[{{\"label\": \"1\", \"text\": \"{problem}\"}}]', 'x', now())"
        );
        sql.batch_execute(&listed).await.unwrap();
        let seen_by = vec![Owner, Teach, Admin];
        marks.push(Mark { what: "worksheet", of: Owner, text: problem, seen_by });
        let sign_in = claims(&owner.token)["session_id"].as_str().unwrap().to_owned();
        owner.session().await;
        let page = owner.get("/sessions?limit=1").await.ok(200);
        let cursor = page["next_cursor"].as_str().unwrap().to_owned();
        let expired_token = lapse(&people[&Expired].token);
        people.get_mut(&Expired).unwrap().token.clone_from(&expired_token);
        sql.batch_execute(&format!(
            "UPDATE users SET disabled_at = now() WHERE id = '{}'",
            people[&Disabled].user_id
        ))
        .await
        .unwrap();
        people[&SignedOut].post("/auth/logout", json!({})).await.ok(204);
        let mut school = School {
            people,
            marks,
            sessions,
            message,
            answer,
            class,
            note,
            task,
            whisper,
            content,
            draft,
            book,
            draft_book,
            file,
            sign_in,
            cursor,
            far_org,
            expired_token,
            socket,
            sql,
            app,
        };
        school.mark_ids();
        school
    }

    /// What must not be in anything that this actor reads, and is.
    pub(super) fn leaks(&self, actor: Actor, text: &str) -> Vec<String> {
        let foreign = self.marks.iter().filter(|mark| !mark.may_be_read_by(actor));
        let found = foreign.filter(|mark| text.contains(&mark.text));
        found.map(|mark| format!("the {} of {:?} ({})", mark.what, mark.of, mark.text)).collect()
    }

    /// Whether a leak is about one of the actor's own school's staff.
    pub(super) fn shares_staff(&self, actor: Actor, leak: &str) -> bool {
        let about = self.marks.iter().find(|mark| leak.contains(&mark.text)).map(|mark| mark.of);
        about.is_some_and(|of| of.role() != "student" && of.is_far() == actor.is_far())
    }

    /// Whether a text tells of a row's object; objects that are nobody's secret have no mark.
    pub(super) fn tells(&self, actor: Actor, row: &Row, text: &str) -> bool {
        let (what, of) = match row.object.as_str() {
            "profile" => ("name", actor),
            "person" => ("name", Owner),
            "email" => ("email", Owner),
            "session" => ("title", Owner),
            "message" | "export" => ("message", Owner),
            "class" => ("class", Owner),
            "code" => ("code", Owner),
            "organisation" => ("organisation", Owner),
            "sign_in" => ("sign-in", Owner),
            "audit" | "mark" => ("session", Owner),
            "whisper" => ("whisper", Owner),
            "note" => ("note", Owner),
            "content" => ("content", Owner),
            "draft" => ("draft", Owner),
            "version" => ("version", Owner),
            "task" => ("task", Owner),
            "summary" => ("summary", Owner),
            "file" => ("file", Owner),
            "worksheet" => ("worksheet", Owner),
            "set" => ("set", Owner),
            "hidden" => ("hidden", Owner),
            other => panic!("no mark for {other}"),
        };
        text.contains(self.mark_of(what, of))
    }

    /// What only some may read, of one of those whose it is.
    pub(super) fn mark_of(&self, what: &str, of: Actor) -> &str {
        &self.marks.iter().find(|mark| mark.what == what && mark.of == of).expect("a mark").text
    }

    /// Forgets people and notes that were made for one cell.
    pub(super) async fn tidy(&self) {
        let sql = format!(
            "DELETE FROM users WHERE email LIKE 'fresh-%'; DELETE FROM tutor_notes WHERE id <> '{}'; \
             DELETE FROM content WHERE id NOT IN ('{}', '{}'); DELETE FROM files f WHERE id <> '{}' \
             AND NOT EXISTS (SELECT FROM content_files a WHERE a.file_id = f.id); \
             DELETE FROM tasks WHERE id <> '{}'",
            self.note, self.content, self.draft, self.file, self.task
        );
        self.sql.batch_execute(&sql).await.unwrap();
    }

    /// As `twin`, in a school of their own: what they do to all of it is done to nobody else.
    pub(super) async fn hermit(&self, of: Actor) -> Client {
        let twin = self.twin(of).await;
        let (org, email) = (new_id(), &twin.email);
        self.sql
            .batch_execute(&format!(
                "INSERT INTO organisations VALUES ('{org}', 'Alone {org}', now()); \
                 DELETE FROM class_members m USING users u WHERE u.id = m.user_id AND u.email = '{email}'; \
                 UPDATE users SET org_id = '{org}' WHERE email = '{email}'"
            ))
            .await
            .unwrap();
        twin
    }

    /// Whether this person, of whichever school, ends sign-ins of this one by the store's own function.
    pub(super) async fn signs_out(&self, store: &Store, who: Uuid) -> bool {
        let alive = async || {
            let sql = format!(
                "SELECT count(*) FROM sign_ins s JOIN users u ON u.id = s.user_id \
                 WHERE u.org_id = '{HERE}' AND s.ended_at IS NULL"
            );
            self.sql.query_typed_one(&sql, &[]).await.unwrap().get::<_, i64>(0)
        };
        let before = alive().await;
        let told = store.sign_everybody_out(who).await;
        let ended = alive().await < before;
        assert!(!ended || matches!(told, Ok(Some(1..))), "{told:?}");
        ended
    }

    /// Waits until nothing is being written any more.
    pub(super) async fn settled(&self) {
        let mut before = self.fingerprint().await;
        loop {
            tokio::time::sleep(Duration::from_millis(20)).await;
            let now = self.fingerprint().await;
            if now == before {
                return;
            }
            before = now;
        }
    }

    /// All that a refused request must leave as it was. That somebody came to watch or left, what the server
    /// noticed meanwhile, how an answer streamed and which blobs it has yet to delete is no doing of a request.
    pub(super) async fn fingerprint(&self) -> String {
        let tables = "SELECT relname::text FROM pg_class WHERE relnamespace = 'public'::regnamespace \
                      AND relkind = 'r' AND relname NOT IN ('sign_ins', 'refresh_tokens', 'socket_tickets', \
                      'audit', 'audit_log', 'refinery_schema_history', 'signal_events', 'message_paces', \
                      'gone_blobs')";
        let tables: Vec<String> =
            self.sql.query_typed(tables, &[]).await.unwrap().iter().map(|row| row.get(0)).collect();
        let parts = tables.iter().map(|name| {
            format!(
                "(SELECT count(*) || coalesce(md5(string_agg(j, ',' ORDER BY j)), '') \
                 FROM (SELECT (to_jsonb(t) - 'done')::text AS j FROM {name} t \
                 WHERE coalesce(to_jsonb(t) ->> 'kind', '') NOT IN ('joined', 'left')) x)"
            )
        });
        let all = format!("SELECT concat_ws(' ', {})", parts.collect::<Vec<_>>().join(", "));
        self.sql.query_typed_one(&all, &[]).await.unwrap().get(0)
    }

    /// Somebody with the actor's rights, who may be spoiled.
    pub(super) async fn twin(&self, of: Actor) -> Client {
        let original = &self.people[&of];
        let (twin, email) = (new_id(), format!("fresh-{}@school.example", new_id()));
        let fields = "password_hash, role, display_name, locale, created_at, updated_at, org_id";
        self.sql
            .batch_execute(&format!(
                "INSERT INTO users (id, email, {fields}) SELECT '{twin}', '{email}', {fields} FROM users \
                     WHERE id = '{original}'; \
                 INSERT INTO class_members (class_id, user_id, member_as, created_at) \
                     SELECT class_id, '{twin}', member_as, now() FROM class_members WHERE user_id = '{original}'",
                original = original.user_id
            ))
            .await
            .unwrap();
        let mut twin = original.clone();
        twin.email = email;
        twin.login().await
    }

    /// A session of the owner's, with a question, its answer, and a whisper of the tutor's that waits.
    pub(super) async fn fresh_session(&self, kind: Fresh) -> FreshSession {
        let [session, question, reply, whisper, run] = std::array::from_fn(|_| new_id());
        let (owner, teach) = (&self.people[&Owner].user_id, &self.people[&Teach].user_id);
        let message = |id: &str, ord: u8, role: &str, author: &str, kind: &str| {
            format!(
                "('{session}', '{id}', {ord}, '{run}', '{role}', {author}, '{kind}', 'words', 'complete', now())"
            )
        };
        let asked = message(&question, 1, "user", &format!("'{owner}'"), "student");
        let answered = message(&reply, 2, "assistant", "NULL", "assistant");
        let (raised, at) = if kind == Fresh::Raised { (true, "now()") } else { (false, "NULL") };
        let control = match kind {
            Fresh::Held => format!("'tutor', '{teach}', 1"),
            Fresh::Plain | Fresh::Raised => "'ai', NULL, 0".to_owned(),
        };
        self.sql
            .batch_execute(&format!(
                "INSERT INTO sessions (id, student_id, org_id, hand_raised, hand_raised_at, control, control_by, \
                     control_epoch, created_at, updated_at) \
                     VALUES ('{session}', '{owner}', '{HERE}', {raised}, {at}, {control}, now(), now()); \
                 INSERT INTO messages (session_id, id, ord, run_id, role, author_id, author_kind, content, \
                     status, created_at) VALUES {asked}, {answered}; \
                 INSERT INTO whispers (id, session_id, tutor_id, text, until, kind, state, created_at) VALUES \
                     ('{whisper}', '{session}', '{teach}', 'words', 'next', 'whisper', 'waiting', now())"
            ))
            .await
            .unwrap();
        FreshSession { session, question, reply, whisper }
    }

    /// A class like the owner's; its id and code.
    pub(super) async fn fresh_class(&self) -> (String, String) {
        let (class, code) = (new_id(), join_code());
        self.sql
            .batch_execute(&format!(
                "INSERT INTO classes (id, org_id, name, join_code, created_at) \
                     VALUES ('{class}', '{HERE}', 'Fresh', '{code}', now()); \
                 INSERT INTO class_members (class_id, user_id, member_as, created_at) \
                     SELECT '{class}', user_id, member_as, now() FROM class_members WHERE class_id = '{}' \
                     AND user_id IN (SELECT id FROM users WHERE email NOT LIKE 'fresh-%')",
                self.class
            ))
            .await
            .unwrap();
        (class, code)
    }

    /// A student of the class.
    pub(super) async fn fresh_pupil(&self) -> String {
        let (id, email) = (new_id(), format!("fresh-{}@school.example", new_id()));
        self.sql
            .batch_execute(&format!(
                "INSERT INTO users (id, email, role, created_at, updated_at) \
                     VALUES ('{id}', '{email}', 'student', now(), now()); \
                 INSERT INTO class_members VALUES ('{}', '{id}', 'student', now())",
                self.class
            ))
            .await
            .unwrap();
        id
    }

    /// A note of the tutor's on the owner.
    pub(super) async fn fresh_note(&self) -> String {
        let id = new_id();
        let (owner, teach) = (&self.people[&Owner].user_id, &self.people[&Teach].user_id);
        let sql = format!(
            "INSERT INTO tutor_notes (id, org_id, student_id, author_id, text, created_at, updated_at) \
             VALUES ('{id}', '{HERE}', '{owner}', '{teach}', 'Fresh', now(), now())"
        );
        self.sql.batch_execute(&sql).await.unwrap();
        id
    }

    /// Content like the class's, in its second version.
    pub(super) async fn fresh_content(&self) -> String {
        let (id, old) = (new_id(), self.mark_of("version", Owner));
        let sql = format!(
            "INSERT INTO content (id, org_id, author_id, title, language, body, state, classes, created_at, updated_at) \
             VALUES ('{id}', '{HERE}', '{}', '{old}', 'en', 'Fresh', 'published', '{{{}}}', now(), now()); \
             UPDATE content SET title = 'Fresh' WHERE id = '{id}'; \
             INSERT INTO study_sets VALUES ('{}', '{id}', 'flash_cards', 'draft', 1, '[]', 'x', now(), now())",
            self.people[&Teach].user_id,
            self.class,
            new_id()
        );
        self.sql.batch_execute(&sql).await.unwrap();
        id
    }

    /// The owner's; one that waits, or one that is dead.
    pub(super) async fn fresh_task(&self, dead: bool) -> String {
        let (id, owner) = (new_id(), &self.people[&Owner].user_id);
        let (status, ended) = if dead { ("failed", "now()") } else { ("queued", "NULL") };
        let sql = format!(
            "INSERT INTO tasks (id, kind, org_id, owner_id, status, ended_at) \
             VALUES ('{id}', 'document_parse', '{HERE}', '{owner}', '{status}', {ended})"
        );
        self.sql.batch_execute(&sql).await.unwrap();
        id
    }

    pub(super) async fn fresh_file(&self) -> String {
        founding::file(&self.sql, &self.people, &self.sessions[&Owner], "fresh").await
    }

    pub(super) async fn fresh_sign_in(&self) -> String {
        let (id, owner) = (new_id(), &self.people[&Owner].user_id);
        let sql = format!("INSERT INTO sign_ins (id, user_id, created_at) VALUES ('{id}', '{owner}', now())");
        self.sql.batch_execute(&sql).await.unwrap();
        id
    }

    fn mark_ids(&mut self) {
        let readers = |of: Actor| ACTORS.into_iter().filter(|actor| actor.reads(of)).collect::<Vec<_>>();
        for (of, session) in &self.sessions {
            let seen_by = readers(*of);
            self.marks.push(Mark { what: "session", of: *of, text: session.clone(), seen_by });
        }
        let seen_by = ACTORS.into_iter().filter(|actor| *actor == Owner || *actor == Admin).collect();
        self.marks.push(Mark { what: "sign-in", of: Owner, text: self.sign_in.clone(), seen_by });
        let seen_by = vec![Owner, Mate, Teach, Admin];
        self.marks.push(Mark { what: "class id", of: Owner, text: self.class.clone(), seen_by });
    }
}
