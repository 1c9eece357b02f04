//! How the two schools come to be: everybody registers, gets their place, and says something of their own.

use std::collections::HashMap;

use fynq::id::Uuid;
use serde_json::{Value, json};

use super::school::{ACTORS, Actor, HERE, Mark, PASSWORD, SECRET};
use crate::support::app::TestApp;
use crate::support::client::Client;
use crate::support::model::Model;
use crate::support::socket::new_id;

use Actor::{Admin, Anonymous, Coll, Far, Mate, Owner, Teach};

pub(super) async fn people(app: &TestApp) -> HashMap<Actor, Client> {
    let register = |actor: Actor| async move {
        if actor == Anonymous {
            return (actor, Client::stranger(app.addr));
        }
        let mut client = Client::stranger(app.addr);
        let mark = new_id();
        client.email = format!("mail{mark}@school.example");
        client.password = PASSWORD.to_owned();
        let entry =
            json!({"email": client.email, "password": PASSWORD, "display_name": format!("name{mark}")});
        let body = client.post("/auth/register", entry).await.ok(201);
        client.take_tokens(&body);
        (actor, client)
    };
    futures_util::future::join_all(ACTORS.map(register)).await.into_iter().collect()
}

/// Gives everybody their place; gives the class's code.
pub(super) async fn settle(
    sql: &tokio_postgres::Client,
    people: &HashMap<Actor, Client>,
    far_org: &str,
) -> String {
    let (class, far_class) = (new_id(), new_id());
    let (code, far_code) = (join_code(), join_code());
    let mut all = format!(
        "UPDATE organisations SET name = 'org{HERE}'; \
         INSERT INTO organisations VALUES ('{far_org}', 'org{far_org}', now()); \
         INSERT INTO classes (id, org_id, name, join_code, created_at) VALUES \
         ('{class}', '{HERE}', 'class{code}', '{code}', now()), \
         ('{far_class}', '{far_org}', 'class{far_code}', '{far_code}', now());"
    );
    for (actor, client) in people.iter().filter(|(actor, _)| **actor != Anonymous) {
        let org = if actor.is_far() { far_org } else { HERE };
        all.push_str(&format!(
            "UPDATE users SET role = '{}', org_id = '{org}' WHERE id = '{}';",
            actor.role(),
            client.user_id
        ));
        if let Some(member_as) = actor.member_as() {
            let class = if actor.is_far() { &far_class } else { &class };
            all.push_str(&format!(
                "INSERT INTO class_members VALUES ('{class}', '{}', '{member_as}', now());",
                client.user_id
            ));
        }
    }
    sql.batch_execute(&all).await.unwrap();
    code
}

/// Everybody says something of their own.
pub(super) async fn speak(
    client: &Client,
    actor: Actor,
    marks: &mut Vec<Mark>,
) -> (String, (String, String)) {
    let seen_by: Vec<Actor> = ACTORS.into_iter().filter(|other| other.reads(actor)).collect();
    let (title, text) = (format!("title{}", new_id()), format!("words{}", new_id()));
    let body = client.post("/sessions", json!({"title": title})).await.ok(201);
    let session = body["id"].as_str().unwrap().to_owned();
    let said = client.post("/chat/message", json!({"session_id": session, "text": text})).await.ok(200);
    let id = |what: &str| said[what]["id"].as_str().unwrap().to_owned();
    marks.push(Mark { what: "title", of: actor, text: title, seen_by: seen_by.clone() });
    marks.push(Mark { what: "message", of: actor, text, seen_by: seen_by.clone() });
    marks.push(Mark { what: "message id", of: actor, text: id("message"), seen_by });
    (session, (id("message"), id("reply")))
}

/// A file of the owner's, sent in their session; its bytes are nowhere. Gives its id.
pub(super) async fn file(
    sql: &tokio_postgres::Client,
    people: &HashMap<Actor, Client>,
    session: &str,
    name: &str,
) -> String {
    let (id, owner) = (new_id(), &people[&Owner].user_id);
    let all = format!(
        "INSERT INTO files (id, org_id, owner_id, name, media_type, size, state, key, created_at) \
             VALUES ('{id}', '{HERE}', '{owner}', '{name}', 'image/png', 5, 'ready', '{owner}/{id}', now()); \
         INSERT INTO file_uses VALUES ('{id}', '{session}')"
    );
    sql.batch_execute(&all).await.unwrap();
    id
}

/// What the tutor left at the owner's session and of the owner: a mark, a note and a whisper that was used;
/// gives the ids of these two.
pub(super) async fn tutoring(
    sql: &tokio_postgres::Client,
    people: &HashMap<Actor, Client>,
    session: &str,
    marks: &mut Vec<Mark>,
) -> (String, String) {
    let (owner, teach) = (&people[&Owner].user_id, &people[&Teach].user_id);
    let (note, whisper) = (new_id(), new_id());
    for what in ["whisper", "note"] {
        let seen_by = vec![Teach, Admin];
        marks.push(Mark { what, of: Owner, text: format!("{what}{}", new_id()), seen_by });
    }
    let [.., whispered, noted] = marks.as_slice() else { unreachable!() };
    let all = format!(
        "INSERT INTO whispers (id, session_id, tutor_id, text, until, kind, state, created_at) \
             VALUES ('{whisper}', '{session}', '{teach}', '{}', 'next', 'whisper', 'used', now()); \
         INSERT INTO tutor_acts (id, session_id, actor_id, kind, whisper_id, at) \
             VALUES ('{}', '{session}', '{teach}', 'whispered', '{whisper}', now()); \
         INSERT INTO signal_marks (session_id, kind, user_id, useful, at) \
             VALUES ('{session}', 'safety', '{teach}', true, now()); \
         INSERT INTO tutor_notes (id, org_id, student_id, author_id, text, created_at, updated_at) \
             VALUES ('{note}', '{HERE}', '{owner}', '{teach}', '{}', now(), now())",
        whispered.text,
        new_id(),
        noted.text
    );
    sql.batch_execute(&all).await.unwrap();
    for (what, text) in [("whisper id", &whisper), ("note id", &note)] {
        marks.push(Mark { what, of: Owner, text: text.clone(), seen_by: vec![Teach, Admin] });
    }
    (note, whisper)
}

/// What the tutor wrote for the class, each with a book; gives the ids of what is published and of a draft, and
/// those of their books.
pub(super) async fn library(
    sql: &tokio_postgres::Client,
    people: &HashMap<Actor, Client>,
    class: &str,
    marks: &mut Vec<Mark>,
) -> ([String; 2], [String; 2]) {
    let [content, draft] = [new_id(), new_id()];
    let books = [new_id(), new_id()];
    let readers = [vec![Owner, Mate, Teach, Coll, Admin], vec![Teach, Admin]];
    let both = [("content", &content), ("draft", &draft)];
    for (((what, id), book), seen_by) in both.into_iter().zip(&books).zip(readers) {
        let text = format!("{what}{}", new_id().replace('-', ""));
        let insert = format!(
            "INSERT INTO content (id, org_id, author_id, title, language, body, state, classes, created_at, updated_at) \
             VALUES ('{id}', '{HERE}', '{}', 'Of {text}', 'en', 'It is about {text}.', '{}', '{{{class}}}', now(), now())",
            people[&Teach].user_id,
            if what == "draft" { "draft" } else { "published" }
        );
        sql.batch_execute(&insert).await.unwrap();
        let teach = &people[&Teach].user_id;
        let attach = format!(
            "INSERT INTO files (id, org_id, owner_id, name, media_type, size, state, key, created_at) \
                 VALUES ('{book}', '{HERE}', '{teach}', 'Of {text}', 'application/pdf', 5, 'ready', '{teach}/{book}', now()); \
             INSERT INTO content_files (file_id, content_id, position, language, reading, read_pages) \
                 VALUES ('{book}', '{id}', 1, 'en', 'read', 1); \
             INSERT INTO content_pages (file_id, page, language, text) VALUES ('{book}', 1, 'en', 'A page on {text}.')"
        );
        sql.batch_execute(&attach).await.unwrap();
        marks.push(Mark { what, of: Owner, text, seen_by });
    }
    for (what, id, seen_by) in [
        ("book id", &books[0], vec![Owner, Mate, Teach, Coll, Admin]),
        ("draft's book id", &books[1], vec![Teach, Admin]),
        ("content id", &content, vec![Owner, Mate, Teach, Coll, Admin]),
        ("draft id", &draft, vec![Teach, Admin]),
    ] {
        marks.push(Mark { what, of: Owner, text: id.clone(), seen_by });
    }
    let [set, hidden] = ["set", "hidden"].map(|what| format!("{what}{}", new_id().replace('-', "")));
    let of = |id: &str, state: &str, text: &str| {
        format!(
            "INSERT INTO study_sets VALUES ('{}', '{id}', 'flash_cards', '{state}', 1, \
             '[{{\"front\": \"{text}\", \"back\": \"x\"}}]', 'x', now(), now());",
            new_id()
        )
    };
    sql.batch_execute(&[of(&content, "published", &set), of(&draft, "draft", &hidden)].concat())
        .await
        .unwrap();
    let seen_by = vec![Owner, Mate, Teach, Coll, Admin];
    marks.push(Mark { what: "set", of: Owner, text: set, seen_by });
    marks.push(Mark { what: "hidden", of: Owner, text: hidden, seen_by: vec![Teach, Admin] });
    let text = format!("version{}", new_id().replace('-', ""));
    marks.push(Mark { what: "version", of: Owner, text, seen_by: vec![Teach, Admin] });
    ([content, draft], books)
}

/// A task of the owner's that has ended, and what their session was about; gives the task.
pub(super) async fn task_of(
    sql: &tokio_postgres::Client,
    people: &HashMap<Actor, Client>,
    session: &str,
    marks: &mut Vec<Mark>,
) -> String {
    let (task, summary) = (new_id(), format!("summary{}", new_id()));
    let all = format!(
        "INSERT INTO tasks (id, kind, org_id, owner_id, status, ended_at) \
             VALUES ('{task}', 'document_parse', '{HERE}', '{}', 'succeeded', now()); \
         INSERT INTO session_summaries VALUES ('{session}', '{summary}', 2, 'echo', now())",
        people[&Owner].user_id
    );
    sql.batch_execute(&all).await.unwrap();
    marks.push(Mark { what: "task", of: Owner, text: task.clone(), seen_by: vec![Owner, Admin] });
    marks.push(Mark { what: "summary", of: Owner, text: summary, seen_by: vec![Owner, Teach, Admin] });
    task
}

pub(super) fn mark_school(marks: &mut Vec<Mark>, people: &HashMap<Actor, Client>, code: &str, far_org: &str) {
    for (of, client) in people.iter().filter(|(actor, _)| **actor != Anonymous) {
        let of = *of;
        let seen_by = |may: &dyn Fn(Actor) -> bool| ACTORS.into_iter().filter(|actor| may(*actor)).collect();
        let name = client.email.replacen("mail", "name", 1).replace("@school.example", "");
        marks.push(Mark { what: "name", of, text: name, seen_by: seen_by(&|actor| actor.knows(of)) });
        marks.push(Mark {
            what: "user id",
            of,
            text: client.user_id.clone(),
            seen_by: seen_by(&|actor| actor.knows(of)),
        });
        marks.push(Mark {
            what: "email",
            of,
            text: client.email.clone(),
            seen_by: seen_by(&|actor| actor == of || actor.runs_the_class_of(of)),
        });
    }
    let here = |actor: &Actor| !actor.is_far() && *actor != Anonymous;
    let org = |text: String, of, seen_by| Mark { what: "organisation", of, text, seen_by };
    marks.push(org(format!("org{HERE}"), Owner, ACTORS.into_iter().filter(here).collect()));
    marks.push(org(format!("org{far_org}"), Far, ACTORS.into_iter().filter(|a| a.is_far()).collect()));
    let class = format!("class{code}");
    marks.push(Mark { what: "class", of: Owner, text: class, seen_by: vec![Owner, Mate, Teach, Admin] });
    // As people read it; the class's name holds the other form.
    let shown = format!("{}-{}-{}", &code[..4], &code[4..8], &code[8..]);
    marks.push(Mark { what: "code", of: Owner, text: shown, seen_by: vec![Teach, Admin] });
}

/// A model that says again what it was told last.
pub(super) async fn echo(mut model: Model) {
    while let Some(call) = model.call_ever().await {
        let said = call.turns().pop().map(|(_, text)| text).unwrap_or_default();
        call.answer(&format!("You said: {said}")).await;
    }
}

pub(super) fn join_code() -> String {
    let letters = b"ABCDEFGHJKLMNPQRSTUVWXYZ23456789";
    let id = Uuid::new_v4();
    id.as_bytes().iter().take(12).map(|byte| char::from(letters[usize::from(byte % 32)])).collect()
}

pub(super) async fn id(sql: &tokio_postgres::Client, query: &str) -> String {
    let row = sql.query_typed_one(query, &[]).await.unwrap();
    row.get::<_, Uuid>(0).to_string()
}

pub(super) fn claims(token: &str) -> Value {
    use base64::Engine as _;
    let payload = token.split('.').nth(1).unwrap();
    let bytes = base64::prelude::BASE64_URL_SAFE_NO_PAD.decode(payload).unwrap();
    serde_json::from_slice(&bytes).unwrap()
}

/// The same token, of two hours ago.
pub(super) fn lapse(token: &str) -> String {
    let mut claims = claims(token);
    for field in ["iat", "exp"] {
        claims[field] = json!(claims[field].as_i64().unwrap() - 7200);
    }
    let key = jsonwebtoken::EncodingKey::from_secret(SECRET.as_bytes());
    jsonwebtoken::encode(&jsonwebtoken::Header::new(jsonwebtoken::Algorithm::HS256), &claims, &key).unwrap()
}
