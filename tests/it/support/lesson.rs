//! A student in front of an open session, and a tutor of the class who watches it.

use serde_json::{Value, json};

use super::app::{Builder, TestApp};
use super::client::Client;
use super::frame::Frame;
use super::model::Call;
use super::school::School;
use super::socket::{Socket, new_id};

pub(crate) struct Lesson {
    pub(crate) school: School,
    pub(crate) ada: Socket,
    pub(crate) tia: Socket,
}

impl Lesson {
    pub(crate) async fn start() -> Lesson {
        Lesson::of(TestApp::builder()).await
    }

    pub(crate) async fn of(builder: Builder) -> Lesson {
        let school = Box::pin(School::of(builder)).await;
        let mut ada = Box::pin(school.ada.socket(&school.session)).await;
        let mut tia = Box::pin(school.tia.socket(&school.session)).await;
        // Each is told that she has come; and nothing is left to be told.
        ada.control("state").await;
        tia.round_trip().await;
        Lesson { school, ada, tia }
    }

    /// One more who watches: the admin.
    pub(crate) async fn root(&self) -> Socket {
        self.school.root.socket(&self.school.session).await
    }

    pub(crate) async fn call(&mut self) -> Call {
        self.school.app.model.call().await
    }

    /// Asks, answers, and waits for the run's end on both sockets. Gives the question's id and the answer's.
    pub(crate) async fn turn(&mut self, question: &str, answer: &str) -> (String, String) {
        let id = self.ada.ask(question).await;
        self.call().await.answer(answer).await;
        self.ada.run_end().await;
        self.tia.run_end().await;
        let stored = self.stored().await;
        (id, stored.last().unwrap()["id"].as_str().unwrap().to_owned())
    }

    /// A question whose answer has begun.
    pub(crate) async fn speaking(&mut self, so_far: &str) -> Call {
        self.ada.ask("Why?").await;
        let mut call = self.call().await;
        call.text(so_far).await;
        self.ada.answer_so_far(so_far).await;
        self.tia.answer_so_far(so_far).await;
        call
    }

    pub(crate) async fn stored(&self) -> Vec<Value> {
        self.school.ada.messages(&self.school.session).await
    }

    pub(crate) async fn contents(&self) -> Vec<String> {
        let stored = self.stored().await;
        stored.iter().map(|message| message["content"].as_str().unwrap().to_owned()).collect()
    }

    /// Resolves when a statement counts as many.
    pub(crate) async fn until_count(&self, sql: &str, wanted: i64) {
        let since = std::time::Instant::now();
        while self.school.app.count(sql).await != wanted {
            assert!(since.elapsed() < super::socket::PATIENCE, "never {wanted}: {sql}");
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    }

    /// How often the audit holds an event.
    pub(crate) async fn audited(&self, event: &str) -> i64 {
        self.school.app.server().app().audit.flush().await;
        self.school.app.count(&format!("SELECT count(*) FROM audit WHERE event = '{event}'")).await
    }

    /// What is in the database and who has the word, for a test that nothing has changed.
    pub(crate) async fn everything(&self) -> Vec<i64> {
        let mut found = Vec::new();
        for sql in [
            "SELECT count(*) FROM messages",
            "SELECT count(*) FROM messages WHERE superseded OR status = 'queued'",
            "SELECT count(*) FROM whispers",
            "SELECT count(*) FROM sessions WHERE control = 'tutor'",
            "SELECT count(*) FROM sessions WHERE hand_raised",
            "SELECT count(*) FROM sessions WHERE hand_claimed_by IS NOT NULL",
            "SELECT count(*) FROM tutor_acts WHERE kind NOT IN ('joined', 'left')",
        ] {
            found.push(self.school.app.count(sql).await);
        }
        found
    }
}

/// Reads on until the state says so of who has the word.
pub(crate) async fn control(socket: &mut Socket, control: &str) -> Value {
    let so = |frame: &Frame| frame.control() == Some("state") && frame.body()["control"] == control;
    socket.until(control, so).await.body().clone()
}

/// Sends a command with an id of its own and, where it has one, a text. Gives the id.
pub(crate) async fn order(socket: &mut Socket, kind: &str, mut more: Value) -> String {
    let id = new_id();
    more["type"] = json!(kind);
    more["id"] = json!(id);
    socket.send(more).await;
    id
}

pub(crate) async fn say(socket: &mut Socket, text: &str) -> String {
    let id = order(socket, "say", json!({"text": text})).await;
    socket.accepted(&id).await;
    id
}

pub(crate) async fn whisper(socket: &mut Socket, text: &str) -> String {
    let id = order(socket, "whisper", json!({"text": text})).await;
    let told = socket.until("whispered", |f| f.control() == Some("whispered") && f.body()["id"] == id).await;
    assert_eq!((&told.body()["text"], &told.body()["state"]), (&json!(text), &json!("waiting")));
    id
}

pub(crate) fn person(who: &Client) -> Value {
    let name = who.email.split(['@', '-']).next().unwrap();
    json!({"id": who.user_id, "name": name})
}
