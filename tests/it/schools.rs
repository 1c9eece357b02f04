//! Who may see and do what in two schools, over every door: the server's lock and the database's, each alone.

use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use fynq::id::Uuid;
use fynq::identity::{AgeBand, MemberAs, Role};
use fynq::store::people::{NewPerson, PersonChange};
use fynq::store::{MessagesFrom, SessionChange, SessionsOf};
use http::Method;
use serde_json::{Value, json};

use crate::support::client::{Client, Reply};
use crate::support::school::{School, listed, make_class};
use crate::support::socket::{PATIENCE, Socket, new_id};

/// What may differ between two answers that must tell the same.
fn but_request_id(reply: &Reply) -> (u16, Value) {
    let mut body = reply.body.clone();
    body.as_object_mut().expect("a problem").remove("request_id");
    (reply.status, body)
}

/// That somebody learns nothing about a thing, not even whether it is there.
async fn assert_nothing_there(who: &Client, calls: &[(Method, &str, Option<Value>)], id: &str) {
    for (method, path, body) in calls {
        let call = async |id: &str| {
            let fill = |text: &str| text.replace('$', id);
            let body = body.as_ref().map(|body| serde_json::from_str(&fill(&body.to_string())).unwrap());
            who.call(method.clone(), &fill(path), body).await
        };
        let (foreign, missing) = (call(id).await, call(&new_id()).await);
        foreign.assert_problem(404, "not_found");
        assert_eq!(but_request_id(&foreign), but_request_id(&missing), "{} {method} {path}", who.email);
    }
}

fn of_a_session() -> Vec<(Method, &'static str, Option<Value>)> {
    vec![
        (Method::GET, "/sessions/$", None),
        (Method::GET, "/sessions/$/messages", None),
        (Method::PATCH, "/sessions/$", Some(json!({"title": "mine"}))),
        (Method::DELETE, "/sessions/$", None),
        (Method::POST, "/chat/message", Some(json!({"session_id": "$", "text": "Hello"}))),
    ]
}

fn of_a_class() -> Vec<(Method, &'static str, Option<Value>)> {
    vec![
        (Method::GET, "/classes/$", None),
        (Method::PATCH, "/classes/$", Some(json!({"name": "mine"}))),
        (Method::DELETE, "/classes/$", None),
        (Method::POST, "/classes/$/join-code", None),
        (Method::GET, "/classes/$/members", None),
        (Method::POST, "/classes/$/members", Some(json!({"user_id": new_id(), "as": "tutor"}))),
        (Method::DELETE, "/classes/$/members/00000000-0000-7000-8000-000000000001", None),
    ]
}

/// Every rule of who sees what, as the doors show it.
async fn the_rules_hold(s: &School) {
    // Sessions: what is nobody else's business is not there.
    for who in [&s.bob, &s.cy, &s.uwe, &s.eve, &s.tom, &s.rex] {
        assert_nothing_there(who, &of_a_session(), &s.session).await;
        let history = [(Method::GET, "/chat/history/$", None)];
        assert_nothing_there(who, &history, &s.ada.user_id).await;
        for path in [format!("/sessions/{}", s.session), format!("/sessions/{}", new_id())] {
            let refusal =
                who.try_socket(path.strip_prefix("/sessions/").unwrap()).await.expect_err("refused");
            assert_eq!((refusal.status, &refusal.body["code"]), (404, &json!("not_found")), "{}", who.email);
        }
        let resumed = format!("{}/socket?epoch={}&after=1", s.session, new_id());
        let resumed = who.get(&format!("/sessions/{resumed}")).await;
        assert_ne!(resumed.status, 200);
    }
    // Tutors of the class and the admin watch and change nothing.
    for who in [&s.tia, &s.root] {
        who.get(&format!("/sessions/{}", s.session)).await.ok(200);
        who.get(&format!("/sessions/{}/messages", s.session)).await.ok(200);
        who.get(&format!("/chat/history/{}", s.ada.user_id)).await.ok(200);
        let path = format!("/sessions/{}", s.session);
        who.patch(&path, json!({"title": "mine"})).await.assert_problem(403, "forbidden");
        who.delete(&path).await.assert_problem(403, "forbidden");
        let say = json!({"session_id": s.session, "text": "Hello"});
        who.post("/chat/message", say).await.assert_problem(403, "forbidden");
        let mut socket = who.socket(&s.session).await;
        let id = socket.ask("I speak").await;
        assert_eq!(socket.refusal(&id).await["code"], "not_allowed");
    }
    // The people beside them are no students of theirs.
    for (who, user) in
        [(&s.ada, &s.tia), (&s.ada, &s.bob), (&s.tia, &s.uwe), (&s.tia, &s.root), (&s.tia, &s.cy)]
    {
        assert_nothing_there(who, &[(Method::GET, "/chat/history/$", None)], &user.user_id).await;
    }
    lists_hold(s).await;
    classes_hold(s).await;
    administration_holds(s).await;
}

async fn lists_hold(s: &School) {
    let (here, there) = (vec![s.session.clone()], vec![s.other_session.clone()]);
    for (who, wanted) in [
        (&s.ada, &here),
        (&s.tia, &here),
        (&s.root, &here),
        (&s.eve, &there),
        (&s.tom, &there),
        (&s.rex, &there),
    ] {
        assert_eq!(&listed(who, "/sessions", "id").await, wanted, "{}", who.email);
    }
    for who in [&s.bob, &s.cy, &s.uwe] {
        assert!(listed(who, "/sessions", "id").await.is_empty(), "{}", who.email);
    }
    let (here, there) = (vec![s.class.clone()], vec![s.other_class.clone()]);
    for (who, wanted) in [
        (&s.ada, &here),
        (&s.bob, &here),
        (&s.tia, &here),
        (&s.root, &here),
        (&s.eve, &there),
        (&s.tom, &there),
        (&s.rex, &there),
    ] {
        assert_eq!(&listed(who, "/classes", "id").await, wanted, "{}", who.email);
    }
    for who in [&s.cy, &s.uwe] {
        assert!(listed(who, "/classes", "id").await.is_empty(), "{}", who.email);
    }
    let people = |of: &[&Client]| {
        let mut ids: Vec<_> = of.iter().map(|who| who.user_id.clone()).collect();
        ids.sort();
        ids
    };
    let all = people(&[&s.ada, &s.bob, &s.cy, &s.tia, &s.uwe, &s.root]);
    assert_eq!(listed(&s.root, "/admin/users", "id").await, all);
    assert_eq!(listed(&s.rex, "/admin/users", "id").await, people(&[&s.eve, &s.tom, &s.rex]));
    let found = s.root.post("/admin/users/search", json!({"q": "eve"})).await.ok(200);
    assert_eq!(found["items"], json!([]));
    let members = format!("/classes/{}/members", s.class);
    for who in [&s.tia, &s.root] {
        assert_eq!(listed(who, &members, "user_id").await, people(&[&s.ada, &s.bob, &s.tia]));
    }
    assert_eq!(listed(&s.ada, &members, "user_id").await, people(&[&s.ada, &s.tia]));
    let shown = s.ada.get(&members).await.ok(200).to_string();
    assert!(!shown.contains("email") && !shown.contains(&s.bob.user_id), "{shown}");
}

async fn classes_hold(s: &School) {
    for who in [&s.cy, &s.uwe, &s.eve, &s.tom, &s.rex] {
        assert_nothing_there(who, &of_a_class(), &s.class).await;
    }
    // A student sees the class, and neither its code nor how many they are.
    let seen = s.ada.get(&format!("/classes/{}", s.class)).await.ok(200);
    assert_eq!((&seen["teaching"], &seen["tutors"]), (&json!(false), &json!(1)), "{seen}");
    assert!(seen.get("join_code").is_none() && seen.get("students").is_none(), "{seen}");
    for (method, path, body) in of_a_class().into_iter().filter(|(method, ..)| *method != Method::GET) {
        let reply = s.ada.call(method, &path.replace('$', &s.class), body).await;
        reply.assert_problem(403, "forbidden");
    }
    s.ada.post("/classes", json!({"name": "mine"})).await.assert_problem(403, "forbidden");
    // Whoever runs it may not reach beyond the school: somebody of another one is nobody.
    for who in [&s.tia, &s.root] {
        let path = format!("/classes/{}/members", s.class);
        let add = async |user: &str| who.post(&path, json!({"user_id": user, "as": "student"})).await;
        let (foreign, missing) = (add(&s.eve.user_id).await, add(&new_id()).await);
        foreign.assert_problem(404, "not_found");
        assert_eq!(but_request_id(&foreign), but_request_id(&missing));
    }
    // A tutor knows no students but their own.
    let add = json!({"user_id": s.cy.user_id, "as": "student"});
    s.tia.post(&format!("/classes/{}/members", s.class), add).await.assert_problem(404, "not_found");
    // A code of another school joins nothing, like one that nobody gave out.
    let join = async |code: &str| s.cy.post("/classes/join", json!({"code": code})).await;
    let (foreign, wrong) = (join(&s.other_code).await, join("AAAA-BBBB-CCCC").await);
    foreign.assert_problem(404, "not_found");
    assert_eq!(but_request_id(&foreign), but_request_id(&wrong));
    let crossed = "SELECT count(*) FROM class_members m JOIN classes c ON c.id = m.class_id \
                   JOIN users u ON u.id = m.user_id WHERE u.org_id <> c.org_id";
    assert_eq!(s.app.count(crossed).await, 0);
}

async fn administration_holds(s: &School) {
    let user = format!("/admin/users/{}", s.bob.user_id);
    let new = json!({"email": "x@school.example", "password": "correct horse battery", "role": "admin"});
    let calls = [
        (Method::GET, "/admin/users", None),
        (Method::POST, "/admin/users", Some(new)),
        (Method::PATCH, &*user, Some(json!({"role": "admin"}))),
        (Method::GET, "/admin/organisation", None),
        (Method::PATCH, "/admin/organisation", Some(json!({"name": "Mine"}))),
    ];
    for who in [&s.ada, &s.tia] {
        for (method, path, body) in &calls {
            who.call(method.clone(), path, body.clone()).await.assert_problem(403, "forbidden");
        }
        who.call(Method::POST, &format!("{user}/sign-out"), None).await.assert_problem(403, "forbidden");
    }
    let foreign = [
        (Method::PATCH, "/admin/users/$", Some(json!({"role": "student"}))),
        (Method::PATCH, "/admin/users/$", Some(json!({"disabled": true}))),
        (Method::POST, "/admin/users/$/sign-out", None),
    ];
    for user in [&s.bob, &s.root] {
        assert_nothing_there(&s.rex, &foreign, &user.user_id).await;
    }
    s.bob.get("/users/me").await.ok(200);
    assert_eq!(s.rex.get("/admin/organisation").await.ok(200)["id"], json!(s.other_org.to_string()));
}

#[tokio::test(flavor = "multi_thread")]
async fn everybody_sees_what_is_theirs_to_see() {
    the_rules_hold(&School::start().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_rules_hold_without_row_level_security() {
    let school = School::start().await;
    school.without_row_level_security().await;
    the_rules_hold(&school).await;
}

fn uuid(text: &str) -> Uuid {
    Uuid::parse_str(text).unwrap()
}

/// What a store gives to somebody whom no door has checked.
#[tokio::test(flavor = "multi_thread")]
async fn the_rules_hold_in_the_database_alone() {
    let s = School::start().await;
    let store = &s.app.server().app().store;
    let (session, class, ada) = (uuid(&s.session), uuid(&s.class), uuid(&s.ada.user_id));
    let org = store.seen_person(ada, ada).await.unwrap().unwrap().org_id;
    for who in [&s.bob, &s.cy, &s.uwe, &s.eve, &s.tom, &s.rex] {
        let name = &who.email;
        let who = uuid(&who.user_id);
        assert!(store.seen_session(who, session).await.unwrap().is_none(), "{name}");
        for of in [SessionsOf::Nobody, SessionsOf::Taught(org), SessionsOf::Organisation(org)] {
            let page = store.list_sessions(who, of, None, None, 10).await.unwrap();
            assert!(page.items.iter().all(|row| row.id != session), "{name} {of:?}");
        }
        let page = store.list_messages(who, session, MessagesFrom::Start, 10).await.unwrap();
        assert!(page.items.is_empty(), "{name}");
        assert!(store.messages_of_user(who, org, ada, None, 10).await.unwrap().items.is_empty(), "{name}");
        let change = SessionChange { title: Some(Some("mine")), subject: None };
        assert!(store.change_session(who, session, change).await.unwrap().is_none(), "{name}");
        assert!(!store.delete_session(who, session).await.unwrap(), "{name}");
    }
    // Those who watch change nothing here either.
    for who in [&s.tia, &s.root].map(|who| uuid(&who.user_id)) {
        assert!(store.seen_session(who, session).await.unwrap().is_some());
        assert!(store.change_session(who, session, SessionChange::default()).await.unwrap().is_none());
        assert!(!store.delete_session(who, session).await.unwrap());
    }
    for who in [&s.cy, &s.uwe, &s.eve, &s.tom, &s.rex] {
        let name = &who.email;
        let who = uuid(&who.user_id);
        assert!(store.class(who, class).await.unwrap().is_none(), "{name}");
        let classes = store.list_classes(who, org, true, None, 10).await.unwrap();
        assert!(classes.items.iter().all(|row| row.id != class), "{name}");
        let members = store.class_members(who, class, true, None, 10).await.unwrap();
        assert!(members.items.is_empty(), "{name}: {members:?}");
    }
    for who in [&s.ada, &s.cy, &s.uwe, &s.eve, &s.tom, &s.rex] {
        let name = &who.email;
        let who = uuid(&who.user_id);
        assert!(!store.rename_class(who, class, "mine").await.unwrap(), "{name}");
        assert!(!store.replace_join_code(who, class, "x").await.unwrap(), "{name}");
        assert!(!store.delete_class(who, class).await.unwrap(), "{name}");
        assert!(!store.remove_member(who, class, uuid(&s.bob.user_id)).await.unwrap(), "{name}");
        let added = store.add_member(who, class, who, MemberAs::Student).await;
        assert!(!matches!(added, Ok(Some(_))) || who == ada, "{name}: {added:?}");
        assert!(store.list_people(who, Some("bob"), None, 10).await.unwrap().items.is_empty(), "{name}");
        let change = PersonChange { role: Some(Role::Admin), ..PersonChange::default() };
        for user in [&s.bob.user_id, &s.ada.user_id, &s.root.user_id] {
            assert!(store.change_person(who, uuid(user), &change).await.unwrap().is_none(), "{name}");
            assert!(!store.sign_person_out(who, uuid(user)).await.unwrap(), "{name}");
        }
    }
    assert!(store.create_class(ada, "mine", "y").await.unwrap().is_none());
    assert!(store.join_class(uuid(&s.eve.user_id), &s.code.replace('-', "")).await.unwrap().is_none());
    for who in [&s.ada, &s.tia].map(|who| uuid(&who.user_id)) {
        assert!(store.rename_organisation(who, "mine").await.unwrap().is_none());
        let new = NewPerson {
            email: "x@y.example",
            password_hash: "x",
            role: Role::Admin,
            display_name: "",
            age_band: AgeBand::Unknown,
        };
        assert!(store.create_person(who, &new).await.unwrap().is_none());
    }
    // Not even for the operator's own statement.
    let crossing =
        format!("INSERT INTO class_members VALUES ('{class}', '{}', 'student', now())", s.eve.user_id);
    let refused = s.app.database.client().await.batch_execute(&crossing).await.unwrap_err();
    assert_eq!(refused.code(), Some(&tokio_postgres::error::SqlState::FOREIGN_KEY_VIOLATION));
    let intact = "SELECT count(*) FROM classes c JOIN class_members m ON m.class_id = c.id WHERE name = '7b'";
    assert_eq!(s.app.count(intact).await, 3);
}

// ---- Rights that end ---------------------------------------------------------------------------

async fn assert_closes(mut socket: Socket, code: u16, what: &str) {
    let since = Instant::now();
    assert_eq!(socket.closed().await, code, "{what}");
    assert!(since.elapsed() < Duration::from_secs(5), "{what}: {:?}", since.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_shut_out_of_a_class_stops_watching_within_five_seconds() {
    let s = School::start().await;
    let members = format!("/classes/{}/members", s.class);
    // The student leaves, and only her tutor's socket closes.
    let mut own = s.ada.socket(&s.session).await;
    let mut admins = s.root.socket(&s.session).await;
    let watching = s.tia.socket(&s.session).await;
    s.tia.delete(&format!("{members}/{}", s.ada.user_id)).await.ok(204);
    assert_closes(watching, 4403, "the student left").await;
    assert_eq!(s.tia.try_socket(&s.session).await.expect_err("shut out").status, 404);
    own.round_trip().await;
    admins.round_trip().await;
    // The tutor is taken out.
    s.ada.post("/classes/join", json!({"code": s.code})).await.ok(200);
    let watching = s.tia.socket(&s.session).await;
    s.root.delete(&format!("{members}/{}", s.tia.user_id)).await.ok(204);
    assert_closes(watching, 4403, "the tutor was taken out").await;
    // The class is deleted.
    s.root.post(&members, json!({"user_id": s.tia.user_id, "as": "tutor"})).await.ok(201);
    let watching = s.tia.socket(&s.session).await;
    s.root.delete(&format!("/classes/{}", s.class)).await.ok(204);
    assert_closes(watching, 4403, "the class was deleted").await;
    own.round_trip().await;
    admins.round_trip().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_role_or_school_ends_watching_within_five_seconds() {
    let s = School::start().await;
    let change = async |who: &Client, change: Value| {
        s.root.patch(&format!("/admin/users/{}", who.user_id), change).await.ok(200)
    };
    let watching = s.tia.socket(&s.session).await;
    change(&s.tia, json!({"role": "student"})).await;
    assert_closes(watching, 4403, "a tutor no more").await;
    s.tia.get(&format!("/sessions/{}", s.session)).await.assert_problem(404, "not_found");
    change(&s.tia, json!({"role": "tutor"})).await;
    let watching = s.tia.socket(&s.session).await;
    let move_to = |org: Uuid| format!("UPDATE users SET org_id = '{org}' WHERE id = '{}'", s.tia.user_id);
    s.app.execute(&move_to(s.other_org)).await;
    assert_closes(watching, 4403, "of another school").await;
    // Neither does a student who moves take the old conversation along.
    let moved = format!("UPDATE users SET org_id = '{}' WHERE id = '{}'", s.other_org, s.ada.user_id);
    let watching = s.root.socket(&s.session).await;
    s.app.execute(&moved).await;
    let (class, _) = make_class(&s.tom, "New").await;
    let add = json!({"user_id": s.ada.user_id, "as": "student"});
    s.rex.post(&format!("/classes/{class}/members"), add).await.ok(201);
    s.tom.get(&format!("/sessions/{}", s.session)).await.assert_problem(404, "not_found");
    s.ada.get(&format!("/sessions/{}", s.session)).await.ok(200);
    drop(watching);
    let watching = s.root.socket(&s.session).await;
    s.app.execute(&format!("UPDATE users SET disabled_at = now() WHERE id = '{}'", s.root.user_id)).await;
    assert_closes(watching, 4403, "disabled").await;
}

/// Between the loss of a right and the close of the socket nothing is done any more.
#[tokio::test(flavor = "multi_thread")]
async fn a_command_is_done_only_by_whoever_still_may() {
    let s = School::start().await;
    let mut own = s.ada.socket(&s.session).await;
    let raised = |wanted: bool| {
        move |frame: &crate::support::frame::Frame| {
            frame.control() == Some("state") && frame.body()["hand_raised"] == json!(wanted)
        }
    };
    own.command("raise_hand").await;
    own.until("the hand is up", raised(true)).await;
    let mut watching = s.tia.socket(&s.session).await;
    watching.command("lower_hand").await;
    own.until("the tutor lowered it", raised(false)).await;
    own.command("raise_hand").await;
    own.until("the hand is up again", raised(true)).await;
    let out = format!("DELETE FROM class_members WHERE user_id = '{}'", s.tia.user_id);
    s.app.execute(&out).await;
    watching.command("lower_hand").await;
    assert_closes(watching, 4403, "shut out").await;
    assert_eq!(s.app.count("SELECT count(*) FROM sessions WHERE hand_raised").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_under_way_goes_to_nobody_who_was_signed_out() {
    let mut s = School::start().await;
    let elsewhere = s.ada.login().await;
    let body = json!({"session_id": s.session, "text": "Why?"});
    let events = elsewhere.request(Method::POST, "/chat/message").header("accept", "text/event-stream");
    let events = events.json(&body).send().await.unwrap();
    let mut call = s.app.model.call().await;
    call.text("Because ").await;
    let mut stream = events.bytes_stream();
    let first = tokio::time::timeout(PATIENCE, stream.next()).await.unwrap().unwrap().unwrap();
    assert!(first.starts_with(b"data: "));
    // A second one waits for its reply as JSON.
    let waiting = {
        let (who, session) = (elsewhere.clone(), s.session.clone());
        tokio::spawn(async move {
            who.post("/chat/message", json!({"session_id": session, "text": "And?"})).await
        })
    };
    let accepted = "SELECT count(*) FROM messages WHERE role = 'user'";
    let deadline = Instant::now() + PATIENCE;
    while s.app.count(accepted).await < 2 {
        assert!(Instant::now() < deadline, "the second message is not accepted");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    s.root.post(&format!("/admin/users/{}/sign-out", s.ada.user_id), json!({})).await.ok(204);
    let since = Instant::now();
    tokio::time::timeout(PATIENCE, async { while stream.next().await.is_some() {} }).await.unwrap();
    waiting.await.unwrap().assert_problem(401, "unauthorized");
    assert!(since.elapsed() < Duration::from_secs(5), "{:?}", since.elapsed());
    // The run itself goes on.
    call.text("of that.").await;
    call.finish("STOP").await;
}
