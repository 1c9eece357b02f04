//! Everybody's words and secrets carry a mark; whatever happens, nobody else reads it, and no log does.

use std::fs;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::join_all;
use http::Method;
use serde_json::{Value, json};

use crate::support::app::Scratch;
use crate::support::client::Client;
use crate::support::frame::{Frame, Transcript};
use crate::support::model::Model;
use crate::support::pg;
use crate::support::process::Process;
use crate::support::socket::{Socket, new_id};

const HERE: &str = "00000000-0000-7000-8000-000000000001";
const SETTINGS: [(&str, &str); 3] = [
    ("GEMINI_API_KEY", "canary-key-5f1f0be2a3"),
    ("FYNQ_TOKEN_SECRET", "canary-secret-9c1d5b7e3f2a4c6d8e0b1a2c3d4e5f60"),
    ("FYNQ_ADMIN_PASSWORD", "canary-admin-4b7e1c9d2f"),
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// A password, a token, a ticket, a code: for nobody but its owner, not even their admin.
    Secret,
    /// A name or an address: nobody's outside of the school.
    Name,
    /// What is said in a session: for its student, their tutors and admins.
    Words,
    /// The same, said when the tutor was in the class no more: for admins alone.
    Parted,
    /// What joins a class: for its tutors and admins.
    Code,
    /// What staff write of a student: for the school's staff, never for a student.
    Staff,
    /// What a tutor whispers to the model of that student's session: as `Staff`, and the model hears it.
    Whisper(usize),
}

#[derive(Debug)]
struct Mark {
    kind: Kind,
    text: String,
    /// The place in `people` of whose it is.
    of: usize,
}

/// Somebody and all that ever came to them.
struct Person {
    client: Client,
    role: &'static str,
    school: usize,
    heard: Arc<Mutex<String>>,
    /// What their roster told.
    wall: Arc<Mutex<String>>,
}

type Marks = Arc<Mutex<Vec<Mark>>>;

struct School {
    people: Vec<Person>,
    marks: Marks,
}

/// Two schools of four: two students, their tutor, an admin. And a tutor who teaches nobody.
const CAST: [(&str, usize); 9] = [
    ("student", 0),
    ("student", 0),
    ("tutor", 0),
    ("admin", 0),
    ("student", 1),
    ("student", 1),
    ("tutor", 1),
    ("admin", 1),
    ("tutor", 0),
];
const TUTOR: usize = 2;
const ADMIN: usize = 3;
const COLLEAGUE: usize = 8;
/// Longer than a roster waits between two writes.
const PACE: Duration = Duration::from_millis(350);

fn may_read(reader: usize, mark: &Mark) -> bool {
    let ((role, school), (whose, its_school)) = (CAST[reader], CAST[mark.of]);
    let staff = is_staff(reader) && school == its_school;
    match mark.kind {
        _ if reader == mark.of => true,
        Kind::Secret => false,
        Kind::Code | Kind::Staff | Kind::Whisper(_) => staff,
        Kind::Words => staff && (role == "admin" || whose == "student"),
        Kind::Parted => staff && role == "admin",
        Kind::Name => staff || (school == its_school && whose != "student"),
    }
}

/// Of those who have students.
fn is_staff(at: usize) -> bool {
    CAST[at].0 != "student" && at != COLLEAGUE
}

impl School {
    fn mark(&self, of: usize, kind: Kind, text: &str) -> String {
        self.marks.lock().unwrap().push(Mark { kind, text: text.to_owned(), of });
        text.to_owned()
    }

    fn new_mark(&self, of: usize, kind: Kind) -> String {
        self.mark(of, kind, &format!("canary{}", new_id().replace('-', "")))
    }

    /// A call whose answer is written down.
    async fn call(&self, who: usize, method: Method, path: &str, body: Option<Value>) -> Value {
        let person = &self.people[who];
        let reply = person.client.call(method, path, body).await;
        person.heard.lock().unwrap().push_str(&reply.body.to_string());
        reply.body
    }

    async fn get(&self, who: usize, path: &str) -> Value {
        self.call(who, Method::GET, path, None).await
    }

    async fn post(&self, who: usize, path: &str, body: Value) -> Value {
        self.call(who, Method::POST, path, Some(body)).await
    }

    /// A socket that writes down all that it hears, opened by a ticket.
    async fn socket(&self, who: usize, session: &str) -> Option<Socket> {
        self.socket_at(who, &format!("{session}/socket")).await
    }

    async fn bare_socket(&self, who: usize, path: &str) -> Option<Socket> {
        let ticket = self.post(who, "/socket-tickets", json!({})).await;
        let ticket = self.mark(who, Kind::Secret, ticket["ticket"].as_str().unwrap());
        let offered = format!("fynq.v1, ticket.{ticket}");
        let headers = [("sec-websocket-protocol", offered.as_str())];
        Socket::open_bare(self.people[who].client.addr, &format!("/api/v1{path}"), &headers).await.ok()
    }

    async fn roster(&self, who: usize) -> Option<Socket> {
        let mut socket = self.bare_socket(who, "/observe/socket").await?;
        socket.listen(&self.people[who].wall);
        socket.control("roster").await;
        Some(socket)
    }

    async fn socket_at(&self, who: usize, path: &str) -> Option<Socket> {
        let mut socket = self.bare_socket(who, &format!("/sessions/{path}")).await?;
        socket.listen(&self.people[who].heard);
        socket.greet(Transcript::default()).await;
        Some(socket)
    }

    fn students(&self) -> impl Iterator<Item = usize> {
        (0..CAST.len()).filter(|at| CAST[*at].0 == "student")
    }
}

/// Registers everybody and gives them their school.
async fn cast(process: &Process, sql: &tokio_postgres::Client) -> School {
    let marks: Marks = Arc::default();
    let mut school = School { people: Vec::new(), marks };
    let far = new_id();
    sql.batch_execute(&format!("INSERT INTO organisations VALUES ('{far}', 'Far', now())")).await.unwrap();
    for (at, (role, its_school)) in CAST.into_iter().enumerate() {
        let mut client = Client::stranger(process.addr);
        client.password = school.new_mark(at, Kind::Secret);
        let name = school.new_mark(at, Kind::Name);
        let address = school.new_mark(at, Kind::Name);
        client.email = format!("{address}@school.example");
        let entry = json!({"email": client.email, "password": client.password, "display_name": name});
        let tokens = client.post("/auth/register", entry).await.ok(201);
        client.take_tokens(&tokens);
        let org = if its_school == 0 { HERE } else { &far };
        let settle =
            format!("UPDATE users SET role = '{role}', org_id = '{org}' WHERE id = '{}'", client.user_id);
        sql.batch_execute(&settle).await.unwrap();
        school.mark(at, Kind::Secret, &client.token);
        school.mark(at, Kind::Secret, &client.refresh_token);
        school.people.push(Person {
            client,
            role,
            school: its_school,
            heard: Arc::default(),
            wall: Arc::default(),
        });
    }
    school
}

/// A class in each school, which its students join by the code.
async fn classes(school: &School) {
    for tutor in (0..CAST.len()).filter(|at| CAST[*at].0 == "tutor") {
        let class = school.post(tutor, "/classes", json!({"name": "7b"})).await;
        let code = class["join_code"].as_str().expect("a join code").to_owned();
        school.mark(tutor, Kind::Code, &code);
        school.mark(tutor, Kind::Code, &code.replace('-', ""));
        for student in school.students().filter(|at| tutor != COLLEAGUE && CAST[*at].1 == CAST[tutor].1) {
            school.post(student, "/classes/join", json!({"code": code})).await;
        }
    }
}

/// What a student does in a lesson, in every way there is.
async fn lesson(school: &School, me: usize, session: &str) {
    let say = || school.new_mark(me, Kind::Words);
    let mut socket = school.socket(me, session).await.expect("the socket opens");
    for _ in 0..2 {
        let first = socket.ask(&say()).await;
        socket.run_end().await;
        socket.send(json!({"type": "typing", "id": new_id()})).await;
        socket.command("raise_hand").await;
        socket.send(json!({"type": "edit", "id": new_id(), "message": first, "text": say()})).await;
        socket.run_end().await;
        socket.command("regenerate").await;
        socket.run_end().await;
        socket.command("lower_hand").await;
        school.post(me, "/chat/message", json!({"session_id": session, "text": say()})).await;
        let body = json!({"session_id": session, "text": say()});
        let request = school.people[me].client.request(Method::POST, "/chat/message").json(&body);
        let events = request.header("accept", "text/event-stream").send().await.unwrap();
        let events = events.text().await.unwrap();
        assert!(events.contains("RUN_FINISHED"), "{events}");
        school.people[me].heard.lock().unwrap().push_str(&events);
    }
    // Refused, each with words or secrets where they do not belong.
    let wrong = say();
    for command in [
        json!({"type": "send", "id": new_id(), "text": {"text": wrong}}),
        json!({"type": "send", "id": wrong, "text": wrong}),
        json!({"type": wrong, "id": new_id()}),
        json!({"type": "send", "id": new_id(), "text": wrong, "more": wrong}),
        json!({"type": "whisper", "id": new_id(), "text": wrong}),
    ] {
        socket.send(command).await;
    }
    socket.round_trip().await;
    for path in ["/sessions", "/users/me", &format!("/sessions/{session}/messages")] {
        school.get(me, path).await;
    }
    school.call(me, Method::POST, "/sessions/search", Some(json!({"q": wrong}))).await;
    school.get(me, &format!("/chat/history/{}", school.people[me].client.user_id)).await;
    // The model fails and tells what it was asked.
    let fail = format!("fail {}", say());
    socket.ask(&fail).await;
    socket.run_end().await;
    // Last, because it ends the socket.
    socket.send_text(&format!("{{{wrong}")).await;
    socket.closed().await;
}

/// A lesson in which a tutor whispers, speaks, corrects, takes over and hands back.
async fn guided(school: &School, me: usize, tutor: usize, session: &str) {
    let (say, whisper) = (|| school.new_mark(me, Kind::Words), || school.new_mark(tutor, Kind::Whisper(me)));
    let mut desk = school.socket(tutor, session).await.expect("the tutor's socket opens");
    let mut socket = school.socket(me, session).await.expect("the socket opens");
    let is = |kind: &str, field: &str, value: Value| {
        let (kind, field) = (kind.to_owned(), field.to_owned());
        move |frame: &Frame| frame.control() == Some(&*kind) && frame.body()[&field] == value
    };
    let mut waits = String::new();
    for until in ["next", "withdrawn"] {
        waits = new_id();
        desk.send(json!({"type": "whisper", "id": waits, "text": whisper(), "until": until})).await;
        desk.until("it is kept", is("whispered", "id", json!(waits))).await;
    }
    let first = socket.ask(&say()).await;
    socket.run_end().await;
    let messages = school.get(me, &format!("/sessions/{session}/messages?limit=100")).await;
    let last = messages["items"].as_array().unwrap().last().unwrap();
    assert_eq!(last["status"], "complete", "the model answers what it was guided to: {last}");
    let mut answers = messages["items"].as_array().unwrap().iter();
    let answer = answers.rfind(|message| message["author"]["kind"] == "assistant").unwrap();
    for mut said in [json!({"type": "say"}), json!({"type": "correct", "message": answer["id"]})] {
        let id = new_id();
        (said["id"], said["text"]) = (json!(id), json!(say()));
        desk.send(said).await;
        desk.accepted(&id).await;
        socket.run_end().await;
    }
    socket.command("regenerate").await;
    socket.run_end().await;
    socket.send(json!({"type": "edit", "id": new_id(), "message": first, "text": say()})).await;
    socket.run_end().await;
    socket.command("raise_hand").await;
    socket.until("the hand", is("state", "hand_raised", json!(true))).await;
    desk.command("claim").await;
    desk.command("take_over").await;
    socket.until("the tutor", is("state", "control", json!("tutor"))).await;
    desk.send(json!({"type": "typing", "id": new_id()})).await;
    school.post(me, "/chat/message", json!({"session_id": session, "text": say()})).await;
    desk.send(json!({"type": "hand_back", "id": new_id(), "summary": whisper()})).await;
    desk.until("the summary", is("whispered", "kind", json!("summary"))).await;
    socket.until("the model", is("state", "control", json!("ai"))).await;
    let body = json!({"session_id": session, "text": say()});
    let request = school.people[me].client.request(Method::POST, "/chat/message").json(&body);
    let events = request.header("accept", "text/event-stream").send().await.unwrap().text().await.unwrap();
    school.people[me].heard.lock().unwrap().push_str(&events);
    // The model fails and tells what it was told.
    let failing = whisper();
    desk.send(json!({"type": "whisper", "id": new_id(), "text": failing})).await;
    desk.until("it is kept", is("whispered", "text", json!(failing))).await;
    school.post(me, "/chat/message", json!({"session_id": session, "text": format!("fail {}", say())})).await;
    for refused in [
        json!({"type": "whisper", "id": new_id(), "text": {"text": failing}}),
        json!({"type": "whisper", "id": failing, "text": failing}),
        json!({"type": "whisper", "id": new_id(), "text": failing.repeat(500)}),
        json!({"type": "withdraw", "whisper": failing}),
        json!({"type": failing, "id": new_id()}),
    ] {
        desk.send(refused).await;
    }
    desk.send(json!({"type": "withdraw", "id": new_id(), "whisper": waits})).await;
    desk.until("it is withdrawn", is("whispered", "state", json!("withdrawn"))).await;
    // All of it once more, as somebody who comes back has it, and as somebody who is new.
    let again = format!("{session}/socket?epoch={}&after=0", socket.epoch);
    for path in [again, format!("{session}/socket")] {
        school.socket_at(me, &path).await.expect("the socket opens again").round_trip().await;
    }
    socket.round_trip().await;
}

/// What goes wrong around an account, with secrets in places where nobody expects them.
async fn mistakes(school: &School, me: usize) {
    let client = &school.people[me].client;
    let secret = client.password.clone();
    let nobody = Client::stranger(client.addr);
    let email = client.email.clone();
    for body in [
        json!({"email": email, "password": "not the password"}),
        json!({"email": secret, "password": secret}),
        json!({"email": email, "password": {"text": secret}}),
        json!({"email": email, "password": secret, (secret.clone()): secret}),
        json!(secret),
    ] {
        for path in ["/auth/login", "/auth/register"] {
            nobody.post(path, body.clone()).await;
        }
    }
    let broken = client.request(Method::POST, "/auth/login").header("content-type", "application/json");
    broken.body(format!("{{\"password\": \"{secret}")).send().await.unwrap();
    for token in [&client.token, &client.refresh_token, &secret] {
        nobody.get(&format!("/users/me?access_token={token}&password={secret}")).await;
        nobody.post("/auth/refresh", json!({"refresh_token": format!("{token}x")})).await;
        let mut with = nobody.clone();
        with.token = format!("{token}x");
        with.get("/users/me").await;
        with.get(&format!("/sessions/{token}")).await;
        let headers = [("sec-websocket-protocol", format!("fynq.v1, ticket.{token}"))];
        let headers: Vec<(&str, &str)> =
            headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let path = format!("/api/v1/sessions/{}/socket", new_id());
        assert!(Socket::open_bare(client.addr, &path, &headers).await.is_err());
    }
    let tokens = school.post(me, "/auth/login", json!({"email": email, "password": secret})).await;
    for field in ["access_token", "refresh_token"] {
        school.mark(me, Kind::Secret, tokens[field].as_str().unwrap());
    }
    let more = json!({"refresh_token": tokens["refresh_token"]});
    for _ in 0..2 {
        // Used again it ends its family.
        let tokens = school.post(me, "/auth/refresh", more.clone()).await;
        if let Some(token) = tokens["access_token"].as_str() {
            school.mark(me, Kind::Secret, token);
            school.mark(me, Kind::Secret, tokens["refresh_token"].as_str().unwrap());
        }
    }
    let renamed = school.new_mark(me, Kind::Name);
    school.call(me, Method::PUT, "/users/me", Some(json!({"display_name": renamed}))).await;
}

/// What staff leave of their students: notes, and whispers of earlier.
async fn staff_room(school: &School, sql: &tokio_postgres::Client, me: usize, all: &[(usize, String)]) {
    let staff = school.people[me].client.user_id.clone();
    for (of, session) in all.iter().filter(|(of, _)| CAST[*of].1 == CAST[me].1) {
        let path = format!("/students/{}/notes", school.people[*of].client.user_id);
        let note = school.post(me, &path, json!({"text": school.new_mark(me, Kind::Staff)})).await;
        let note = format!("/notes/{}", note["id"].as_str().expect("a note"));
        let text = school.new_mark(me, Kind::Staff);
        school.call(me, Method::PATCH, &note, Some(json!({"text": text}))).await;
        let wrong = school.new_mark(me, Kind::Staff);
        school.post(me, &path, json!({"text": {"text": wrong}})).await;
        school.post(me, &path, json!({"text": wrong, (wrong.clone()): wrong})).await;
        for path in [format!("{path}?cursor={wrong}"), format!("/notes/{wrong}")] {
            school.get(me, &path).await;
        }
        let mark = json!({"useful": true, "muted_minutes": 5});
        school.call(me, Method::PUT, &format!("/sessions/{session}/signals/idle"), Some(mark)).await;
        let whisper = format!(
            "INSERT INTO whispers (id, session_id, tutor_id, text, until, kind, state, created_at) \
             VALUES ('{}', '{session}', '{staff}', '{}', 'next', 'whisper', 'used', now())",
            new_id(),
            school.new_mark(me, Kind::Staff)
        );
        sql.batch_execute(&whisper).await.unwrap();
    }
}

/// Reads on, whatever the rosters tell, until the work is done.
async fn beside<T>(rosters: &mut [(usize, Socket)], work: impl Future<Output = T>) -> T {
    let reading = rosters.iter_mut().map(|(who, socket)| async move {
        loop {
            // Nothing may come for as long as it likes.
            if let Ok(end @ (Frame::Close { .. } | Frame::Gone)) =
                tokio::time::timeout(Duration::from_secs(5), socket.next()).await
            {
                panic!("the roster of {who} ended: {end:?}");
            }
        }
    });
    tokio::select! {
        done = work => done,
        _ = join_all(reading) => unreachable!(),
    }
}

/// The tutor is taken out of the class: their roster loses its sessions, and what is said now is not theirs.
async fn parting(school: &School, rosters: &mut [(usize, Socket)], sessions: &[(usize, String)]) {
    let classes = school.get(TUTOR, "/classes").await;
    let class = classes["items"][0]["id"].as_str().expect("a class");
    let member = format!("/classes/{class}/members/{}", school.people[TUTOR].client.user_id);
    school.call(ADMIN, Method::DELETE, &member, None).await;
    let theirs = || sessions.iter().filter(|(of, _)| CAST[*of].1 == CAST[TUTOR].1);
    let [tutor, admin] = [TUTOR, ADMIN].map(|who| rosters.iter().position(|(of, _)| *of == who).unwrap());
    let mut left: Vec<&str> = theirs().map(|(_, session)| session.as_str()).collect();
    while !left.is_empty() {
        let gone =
            rosters[tutor].1.until("a session is gone", |frame| frame.body()["gone"].is_string()).await;
        left.retain(|session| gone.body()["gone"] != *session);
    }
    for (me, session) in theirs() {
        let words = school.new_mark(*me, Kind::Parted);
        school.post(*me, "/chat/message", json!({"session_id": session, "text": words})).await;
        let told = |frame: &Frame| frame.body()["session"]["preview"].to_string().contains(&words);
        rosters[admin].1.until("the admin's roster tells it", told).await;
    }
    // Whatever was to be told is told after one more turn.
    tokio::time::sleep(PACE).await;
    rosters[tutor].1.round_trip().await;
}

/// Those who may read others do, and those who may not try.
async fn looking_around(school: &School, me: usize, sessions: &[String], all: &[(usize, String)]) {
    for session in sessions {
        // Foreign ones stay shut.
        let Some(mut socket) = school.socket(me, session).await else { continue };
        socket.command("send").await;
        socket.command("stop").await;
        socket.round_trip().await;
    }
    for (of, session) in all {
        let user = &school.people[*of].client.user_id;
        for path in [
            format!("/sessions/{session}"),
            format!("/sessions/{session}/messages"),
            format!("/sessions/{session}/whispers"),
            format!("/sessions/{session}/replay"),
            format!("/students/{user}/notes"),
            format!("/chat/history/{user}"),
            format!("/admin/users/{user}/export"),
        ] {
            school.get(me, &path).await;
        }
        school.post(me, "/chat/message", json!({"session_id": session, "text": "Hello"})).await;
        if school.people[me].role == "admin" {
            let issued = school.post(me, &format!("/admin/users/{user}/reset-code"), json!({})).await;
            // A problem has a `code`, too.
            if let (Some(code), true) = (issued["code"].as_str(), issued["expires_at"].is_string()) {
                school.mark(me, Kind::Secret, code);
            }
        }
    }
    for path in [
        "/sessions?limit=100",
        "/classes",
        "/admin/users?limit=100",
        "/admin/organisation",
        "/audit?limit=100",
        "/users/me",
        "/users/me/sign-ins",
        "/users/me/export",
        "/users/me/usage",
        "/users/me/consent",
        "/observe/marks",
        "/openapi.json",
    ] {
        school.get(me, path).await;
    }
    let classes = school.get(me, "/classes").await;
    for class in classes["items"].as_array().into_iter().flatten() {
        let class = class["id"].as_str().unwrap();
        school.get(me, &format!("/classes/{class}/members")).await;
        school.get(me, &format!("/classes/{class}/digest")).await;
    }
    let url = format!("http://{}/metrics", school.people[me].client.addr);
    let metrics = reqwest::Client::builder().no_proxy().build().unwrap().get(url).send().await.unwrap();
    let metrics = metrics.text().await.unwrap();
    school.people[me].heard.lock().unwrap().push_str(&metrics);
}

/// Answers with what it was asked, or fails with it; keeps what each call said.
async fn model(mut model: Model, calls: Arc<Mutex<Vec<String>>>) {
    while let Some(call) = model.call_ever().await {
        calls.lock().unwrap().push(call.request.to_string());
        let said = call.turns().pop().map(|(_, text)| text).unwrap_or_default();
        // A question that failed stays unanswered, and the next one is in the same turn.
        let last = &call.request["contents"].as_array().unwrap().last().unwrap()["parts"];
        let last = last.as_array().unwrap().last().unwrap()["text"].as_str().unwrap();
        if last.starts_with("fail") {
            let said = format!("{said} {}", call.request);
            call.refuse(400, json!({"error": {"code": 400, "message": said, "status": "INVALID_ARGUMENT"}}));
        } else {
            call.answer(&format!("You said {said}")).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobodys_words_and_secrets_reach_anybody_else_or_a_log() {
    let (database, scratch, upstream) = (pg::Db::new().await, Scratch::new(), Model::start().await);
    let (url, dir, base) = (database.app_url(), scratch.0.display().to_string(), upstream.url());
    let calls = Arc::default();
    tokio::spawn(model(upstream, Arc::clone(&calls)));
    let mut settings = vec![
        ("DATABASE_URL", url.as_str()),
        ("GEMINI_BASE_URL", &base),
        ("FYNQ_DATA_DIR", &dir),
        ("FYNQ_RATE_LIMIT", "off"),
        ("FYNQ_MODEL_ATTEMPTS", "1"),
        ("FYNQ_ADMIN_EMAIL", "canary-admin@school.example"),
        ("RUST_LOG", "trace"),
    ];
    settings.extend(SETTINGS);
    let mut process = Process::start(&settings).await;
    let sql = database.client().await;
    let school = cast(&process, &sql).await;
    classes(&school).await;
    let students: Vec<usize> = school.students().collect();
    let sessions = join_all(students.iter().map(|me| async {
        let title = school.new_mark(*me, Kind::Words);
        let made = school.post(*me, "/sessions", json!({"title": title, "subject": title})).await;
        (*me, made["id"].as_str().unwrap().to_owned())
    }));
    let sessions: Vec<(usize, String)> = sessions.await;
    let ids: Vec<String> = sessions.iter().map(|(_, id)| id.clone()).collect();
    let staff = (0..CAST.len()).filter(|at| is_staff(*at));
    join_all(staff.map(|me| staff_room(&school, &sql, me, &sessions))).await;
    // All at once: lessons, those who watch them from beginning to end, and those who only try.
    let mut watching = Vec::new();
    for me in 0..CAST.len() {
        for (of, session) in &sessions {
            if me != *of
                && let Some(socket) = school.socket(me, session).await
            {
                watching.push(socket);
            }
        }
    }
    assert_eq!(watching.len(), 8, "each tutor and each admin watches two");
    let mut rosters = Vec::new();
    for me in 0..CAST.len() {
        rosters.extend(school.roster(me).await.map(|socket| (me, socket)));
    }
    let who: Vec<usize> = rosters.iter().map(|(who, _)| *who).collect();
    assert_eq!(who, [2, 3, 6, 7, COLLEAGUE], "no student has a roster");
    let lessons = futures_util::future::join4(
        join_all(sessions.iter().map(|(me, session)| lesson(&school, *me, session))),
        join_all((0..CAST.len()).map(|me| mistakes(&school, me))),
        join_all((0..CAST.len()).map(|me| looking_around(&school, me, &ids, &sessions))),
        join_all(watching.iter_mut().map(|socket| async move {
            // The lesson's last run fails.
            socket.event("RUN_ERROR").await;
        })),
    );
    beside(&mut rosters, lessons).await;
    let tutor = |of: usize| (0..CAST.len()).find(|at| CAST[*at] == ("tutor", CAST[of].1)).unwrap();
    beside(&mut rosters, async {
        join_all(sessions.iter().map(|(me, session)| guided(&school, *me, tutor(*me), session))).await;
        join_all((0..CAST.len()).map(|me| looking_around(&school, me, &ids, &sessions))).await;
    })
    .await;
    parting(&school, &mut rosters, &sessions).await;
    looking_around(&school, TUTOR, &ids, &sessions).await;
    let started = command_lines(process.id());
    drop((watching, rosters));
    process.terminate();
    process.ended(Duration::from_secs(30)).await;
    judge(&school, &process.output(), &started, &calls.lock().unwrap());
}

fn judge(school: &School, log: &str, started: &str, calls: &[String]) {
    let marks = school.marks.lock().unwrap();
    assert!(marks.len() > 150, "{} marks", marks.len());
    let mut found = Vec::new();
    for (at, person) in school.people.iter().enumerate() {
        let (heard, wall) = (person.heard.lock().unwrap(), person.wall.lock().unwrap());
        assert!(heard.len() > 10_000, "{} of school {} heard little", person.role, person.school);
        for (told, by) in [(&heard, "read"), (&wall, "saw on the roster")] {
            let foreign = marks.iter().filter(|mark| !may_read(at, mark) && told.contains(&mark.text));
            found.extend(foreign.map(|mark| format!("{} {at} {by} {mark:?}", person.role)));
        }
        // The roster did tell of each of their students, and of nobody else.
        for of in school.students() {
            let mut shown = [Kind::Name, Kind::Words].into_iter();
            let is_shown = shown.all(|kind| {
                marks.iter().any(|mark| mark.of == of && mark.kind == kind && wall.contains(&mark.text))
            });
            let wanted = is_staff(at) && CAST[of].1 == CAST[at].1;
            assert_eq!(is_shown, wanted, "{} {at} and student {of}: {wall}", person.role);
        }
    }
    // The words did arrive where they should: the marks can be found at all.
    let said =
        |mark: &&Mark| matches!(mark.kind, Kind::Words | Kind::Parted | Kind::Staff | Kind::Whisper(_));
    for mark in marks.iter().filter(said) {
        let all = school.people.iter().any(|person| person.heard.lock().unwrap().contains(&mark.text));
        assert!(all || calls.iter().any(|call| call.contains(&mark.text)), "{mark:?} went nowhere");
    }
    assert!(log.lines().count() > 100 && log.contains("fynq::security"), "the log says too little: {log}");
    let secrets = SETTINGS.iter().map(|(_, value)| *value);
    for text in marks.iter().map(|mark| mark.text.as_str()).chain(secrets) {
        if let Some(line) = log.lines().find(|line| line.contains(text)) {
            found.push(format!("the log holds {text}: {line}"));
        }
        if started.contains(text) {
            found.push(format!("a command line holds {text}: {started}"));
        }
    }
    // The model hears the words of one student at a time, what was whispered of them, and nobody's name or
    // secret.
    let mut guided = 0;
    for call in calls {
        let in_it: Vec<&Mark> = marks.iter().filter(|mark| call.contains(&mark.text)).collect();
        let student = |mark: &Mark| match mark.kind {
            Kind::Words | Kind::Parted => Some(mark.of),
            Kind::Whisper(student) => Some(student),
            _ => None,
        };
        let one = in_it.first().and_then(|mark| student(mark));
        if in_it.iter().any(|mark| student(mark).is_none() || student(mark) != one) {
            found.push(format!("the model was told {in_it:?}"));
        }
        guided += usize::from(in_it.iter().any(|mark| matches!(mark.kind, Kind::Whisper(_))));
    }
    assert!(guided >= 20, "the model was guided {guided} times");
    assert!(found.is_empty(), "{} leaks:\n{}", found.len(), found.join("\n"));
    println!("{} marks, {} calls of the model, {} log lines", marks.len(), calls.len(), log.lines().count());
}

/// Of a process and its children.
fn command_lines(pid: u32) -> String {
    let mut all = fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    for task in fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten() {
        let children = fs::read_to_string(task.path().join("children")).unwrap_or_default();
        for child in children.split_whitespace() {
            all.push_str(&fs::read_to_string(format!("/proc/{child}/cmdline")).unwrap_or_default());
        }
    }
    all
}
