//! A class with its student and its tutor, and those who are nothing to them: for what tutors do.

use fynq::clock::Timestamp;
use fynq::id::{self, Uuid};
use fynq::protocol::{ActKind, SignalKind, Until, WhisperKind};
use fynq::store::{NewAct, NewMessage, NewSignal, NewWhisper, Op, Patience, TutorRow};

use super::{Fixture, answer, question};

pub(super) const HERE: &str = "00000000-0000-7000-8000-000000000001";

pub(super) struct Staff {
    pub(super) f: Fixture,
    pub(super) session: Uuid,
    pub(super) class: Uuid,
    pub(super) org: Uuid,
    pub(super) teach: Uuid,
    /// Teaches the class as well.
    pub(super) second: Uuid,
    pub(super) admin: Uuid,
    pub(super) mate: Uuid,
    /// A tutor of the school who does not teach the student.
    pub(super) coll: Uuid,
    /// The other school's tutor and admin.
    pub(super) far: [Uuid; 2],
    /// The answer to the one question.
    pub(super) reply: NewMessage,
}

impl Staff {
    pub(super) async fn new() -> Staff {
        let f = Fixture::new().await;
        let [teach, second, admin, mate, coll, far_tutor, far_admin, class, far_class, far_org] =
            std::array::from_fn(|_| id::new());
        let student = f.student;
        let person = |who: Uuid, role: &str, name: &str, org: &str| {
            format!(
                "INSERT INTO users (id, email, role, display_name, created_at, updated_at, org_id) \
                 VALUES ('{who}', '{who}@x.example', '{role}', '{name}', now(), now(), '{org}');"
            )
        };
        let far = far_org.to_string();
        let mut sql = format!("INSERT INTO organisations VALUES ('{far}', 'Other', now());");
        for (who, role, name, org) in [
            (teach, "tutor", "Ms Kay", HERE),
            (second, "tutor", "Mr Lee", HERE),
            (admin, "admin", "The head", HERE),
            (mate, "student", "Bob", HERE),
            (coll, "tutor", "Coll", HERE),
            (far_tutor, "tutor", "Far", &*far),
            (far_admin, "admin", "Far head", &*far),
        ] {
            sql += &person(who, role, name, org);
        }
        for (class, org) in [(class, HERE), (far_class, &*far)] {
            sql += &format!(
                "INSERT INTO classes (id, org_id, name, join_code, created_at) \
                 VALUES ('{class}', '{org}', 'Maths', '{class}', now());"
            );
        }
        for (class, who, as_what) in [
            (class, student, "student"),
            (class, mate, "student"),
            (class, teach, "tutor"),
            (class, second, "tutor"),
            (far_class, far_tutor, "tutor"),
        ] {
            sql += &format!("INSERT INTO class_members VALUES ('{class}', '{who}', '{as_what}', now());");
        }
        f.sql.batch_execute(&sql).await.unwrap();
        let session = f.session().await;
        let asked = question(session, 1);
        let reply = NewMessage { run_id: asked.run_id, ..answer(session, 2) };
        let touch = Op::Touch { session_id: session, title: Some("Lines".into()), at: fynq::clock::now() };
        let ops = vec![Op::Insert(asked), Op::Insert(reply.clone()), touch];
        f.store.writer().commit(ops, Patience::Refuse).await.unwrap();
        let done = super::state(&reply, "Four.", fynq::protocol::Status::Complete);
        f.store.writer().commit(vec![done], Patience::Refuse).await.unwrap();
        let org = HERE.parse().unwrap();
        Staff { f, session, class, org, teach, second, admin, mate, coll, far: [far_tutor, far_admin], reply }
    }

    pub(super) fn whisper(&self, text: &str) -> NewWhisper {
        NewWhisper {
            id: id::new(),
            session: self.session,
            tutor: self.teach,
            text: text.into(),
            until: Until::Next,
            kind: WhisperKind::Whisper,
            at: fynq::clock::now(),
        }
    }

    pub(super) fn act(&self, kind: ActKind, whisper: Option<Uuid>) -> NewAct {
        let at = fynq::clock::now();
        NewAct { id: id::new(), session: self.session, actor: self.teach, kind, message: None, whisper, at }
    }

    pub(super) fn signal(&self, kind: SignalKind) -> NewSignal {
        NewSignal {
            id: id::new(),
            session: self.session,
            kind,
            level: 2,
            score: 70,
            why: "asked the same thing 3 times".into(),
            at: fynq::clock::now(),
        }
    }

    /// A tutor's message in that place of the conversation; `edits`: what it corrects.
    pub(super) async fn say(&self, ord: i64, edits: Option<Uuid>) -> NewMessage {
        let said = NewMessage {
            author_kind: fynq::protocol::AuthorKind::Tutor,
            author_id: Some(self.teach),
            status: fynq::protocol::Status::Complete,
            content: "Five.".into(),
            edits,
            ..answer(self.session, ord)
        };
        let ops = vec![Op::Insert(said.clone())];
        self.f.store.writer().commit(ops, Patience::Refuse).await.unwrap();
        said
    }

    pub(super) async fn keep(&self, rows: &[TutorRow]) {
        self.f.store.keep_tutoring(rows).await.unwrap();
    }

    pub(super) async fn raise_hand(&self, raised: bool) {
        let op = Op::RaiseHand { session_id: self.session, raised };
        self.f.store.writer().commit(vec![op], Patience::Refuse).await.unwrap();
    }

    /// One of everything that tutors leave behind.
    pub(super) async fn leave_one_of_each(&self) {
        let whisper = self.whisper("Ask for the slope.");
        let act = self.act(ActKind::Whispered, Some(whisper.id));
        self.keep(&[
            TutorRow::Whisper(whisper),
            TutorRow::Act(act),
            TutorRow::SignalBegan(self.signal(SignalKind::Struggling)),
        ])
        .await;
        let change = fynq::store::MarkChange { useful: Some(Some(true)), ..Default::default() };
        let mark = self.f.store.mark_signal(self.teach, self.session, SignalKind::Struggling, change);
        mark.await.unwrap().unwrap();
        self.f.store.add_note(self.teach, self.f.student, "Likes drawings.").await.unwrap().unwrap();
        self.f.store.paces().note(self.session, self.reply.id, vec![(120, 3), (240, 2)]);
        self.f.store.paces().flush().await;
    }
}

pub(super) fn ago(seconds: i64) -> Timestamp {
    fynq::clock::now() - jiff::SignedDuration::from_secs(seconds)
}
