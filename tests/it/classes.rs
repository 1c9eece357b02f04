//! Classes over REST: contract 2.

use serde_json::{Value, json};

use crate::support::app::TestApp;
use crate::support::client::Client;
use crate::support::school::{School, listed, make_class};
use crate::support::socket::new_id;

fn text(value: &Value) -> String {
    value.as_str().expect("a text").to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_class_is_made_renamed_and_deleted_by_who_runs_it() {
    let s = School::start().await;
    let made = s.uwe.post("/classes", json!({"name": " 8a "})).await.ok(201);
    assert_eq!((&made["name"], &made["teaching"]), (&json!("8a"), &json!(true)), "{made}");
    assert_eq!((&made["students"], &made["tutors"]), (&json!(0), &json!(1)), "{made}");
    let path = format!("/classes/{}", text(&made["id"]));
    assert_eq!(s.uwe.get(&path).await.ok(200), made);
    let admins = s.root.get(&path).await.ok(200);
    assert_eq!((&admins["join_code"], &admins["teaching"]), (&made["join_code"], &json!(false)));
    assert_eq!(s.uwe.patch(&path, json!({"name": "8b"})).await.ok(200)["name"], "8b");
    assert_eq!(s.root.patch(&path, json!({"name": "8c"})).await.ok(200)["name"], "8c");
    for bad in
        [json!({"name": ""}), json!({"name": "x".repeat(81)}), json!({"name": "8", "org_id": new_id()})]
    {
        s.uwe.patch(&path, bad.clone()).await.assert_problem(422, "invalid_input");
        s.uwe.post("/classes", bad).await.assert_problem(422, "invalid_input");
    }
    s.uwe.delete(&path).await.ok(204);
    s.uwe.get(&path).await.assert_problem(404, "not_found");
    s.uwe.delete(&path).await.assert_problem(404, "not_found");
}

#[tokio::test(flavor = "multi_thread")]
async fn classes_are_listed_in_pages() {
    let s = School::start().await;
    for n in 0..4 {
        make_class(&s.tia, &format!("class {n}")).await;
    }
    let mut seen = Vec::new();
    let mut path = "/classes?limit=2".to_owned();
    loop {
        let page = s.tia.get(&path).await.ok(200);
        seen.extend(page["items"].as_array().unwrap().iter().map(|class| text(&class["name"])));
        let Some(next) = page["next_cursor"].as_str() else { break };
        path = format!("/classes?limit=2&cursor={next}");
    }
    assert_eq!(seen, ["class 3", "class 2", "class 1", "class 0", "7b"]);
    s.tia.get("/classes?cursor=nonsense").await.assert_problem(422, "invalid_input");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_joins_as_a_student_until_it_is_replaced() {
    let s = School::start().await;
    let shape: Vec<usize> = s.code.split('-').map(str::len).collect();
    assert_eq!(shape, [4, 4, 4], "{}", s.code);
    let join = async |who: &Client, code: &str| who.post("/classes/join", json!({"code": code})).await;
    let joined = join(&s.cy, &format!(" {} ", s.code.to_lowercase().replace('-', " "))).await.ok(200);
    assert_eq!((&joined["id"], &joined["teaching"]), (&json!(s.class), &json!(false)));
    assert!(joined.get("join_code").is_none(), "{joined}");
    // Again changes nothing, also for whoever teaches the class.
    join(&s.cy, &s.code).await.ok(200);
    assert_eq!(join(&s.tia, &s.code).await.ok(200)["teaching"], true);
    assert_eq!(s.tia.get(&format!("/classes/{}", s.class)).await.ok(200)["students"], 3);
    let replaced = s.tia.post(&format!("/classes/{}/join-code", s.class), json!({})).await.ok(200);
    let code = text(&replaced["join_code"]);
    assert_ne!(code, s.code);
    join(&s.uwe, &s.code).await.assert_problem(404, "not_found");
    for wrong in ["", "ABCD", "AAAA-BBBB-CCCC", "1111-0000-IIII", "' OR 1=1 --"] {
        join(&s.uwe, wrong).await.assert_problem(404, "not_found");
    }
    join(&s.uwe, &"A".repeat(41)).await.assert_problem(422, "invalid_input");
    s.uwe
        .post("/classes/join", json!({"code": code, "as": "tutor"}))
        .await
        .assert_problem(422, "invalid_input");
    join(&s.uwe, &code).await.ok(200);
    // As a student, whatever the role: nothing of the class's is theirs to run.
    s.uwe.get(&format!("/sessions/{}", s.session)).await.assert_problem(404, "not_found");
    s.uwe.delete(&format!("/classes/{}", s.class)).await.assert_problem(403, "forbidden");
}

#[tokio::test(flavor = "multi_thread")]
async fn codes_are_tried_a_few_times_and_then_not_for_a_while() {
    let s = School::of(TestApp::builder().settings(|settings| settings.rate_limit = true)).await;
    let mut statuses = Vec::new();
    for _ in 0..14 {
        statuses.push(s.cy.post("/classes/join", json!({"code": "AAAA-BBBB-CCCC"})).await.status);
    }
    assert_eq!(statuses[..10], [404; 10]);
    assert!(statuses[11..].iter().all(|status| *status == 429), "{statuses:?}");
    // The right one is refused too, or guessing would go on; others are not kept from joining.
    s.cy.post("/classes/join", json!({"code": s.code})).await.assert_problem(429, "rate_limited");
    s.uwe.post("/classes/join", json!({"code": s.code})).await.ok(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn members_come_and_go() {
    let s = School::start().await;
    let path = format!("/classes/{}/members", s.class);
    let add = async |who: &Client, user: &Client, member_as: &str| {
        who.post(&path, json!({"user_id": user.user_id, "as": member_as})).await
    };
    // An admin adds anybody of the school, a tutor its staff.
    let added = add(&s.root, &s.cy, "student").await.ok(201);
    assert_eq!((&added["user_id"], &added["as"]), (&json!(s.cy.user_id), &json!("student")));
    assert_eq!(added["email"], json!(s.cy.email));
    assert_eq!(add(&s.root, &s.cy, "student").await.ok(201), added, "once more is as once");
    add(&s.root, &s.cy, "tutor").await.assert_problem(409, "conflict");
    let refused = add(&s.tia, &s.uwe, "parent").await;
    refused.assert_problem(422, "invalid_input");
    add(&s.tia, &s.uwe, "tutor").await.ok(201);
    s.uwe.get(&format!("/sessions/{}", s.session)).await.ok(200);
    // No student becomes a tutor by being called one.
    s.root.delete(&format!("{path}/{}", s.cy.user_id)).await.ok(204);
    let refused = add(&s.root, &s.cy, "tutor").await;
    refused.assert_problem(422, "invalid_input");
    assert_eq!(refused.body["errors"][0]["pointer"], "/as");
    for extra in ["role", "org_id", "class_id"] {
        let body = json!({"user_id": s.cy.user_id, "as": "student", extra: "admin"});
        s.root.post(&path, body).await.assert_problem(422, "invalid_input");
    }
    // A tutor takes her students along into another class.
    let (second, _) = make_class(&s.tia, "second").await;
    let body = json!({"user_id": s.ada.user_id, "as": "student"});
    s.tia.post(&format!("/classes/{second}/members"), body).await.ok(201);
    // One leaves by oneself, and takes nobody else out.
    s.bob.delete(&format!("{path}/{}", s.ada.user_id)).await.assert_problem(403, "forbidden");
    s.bob.delete(&format!("{path}/{}", s.bob.user_id)).await.ok(204);
    s.bob.delete(&format!("{path}/{}", s.bob.user_id)).await.assert_problem(404, "not_found");
    s.tia.delete(&format!("{path}/{}", s.bob.user_id)).await.assert_problem(404, "not_found");
    s.tia.delete(&format!("{path}/not-a-uuid")).await.assert_problem(404, "not_found");
    let page = s.tia.get(&format!("{path}?limit=2")).await.ok(200);
    let next = page["next_cursor"].as_str().expect("another page");
    let rest = listed(&s.tia, &format!("{path}?limit=2&cursor={next}"), "user_id").await;
    assert_eq!((page["items"].as_array().unwrap().len(), rest), (2, vec![s.uwe.user_id.clone()]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_account_belongs_to_the_first_organisation() {
    let app = TestApp::builder().start().await;
    let ada = app.student("ada").await;
    let first = format!(
        "SELECT count(*) FROM users WHERE id = '{}' AND org_id = '00000000-0000-7000-8000-000000000001'",
        ada.user_id
    );
    assert_eq!(app.count(&first).await, 1);
}

/// A class's tutors read what its students say: nobody of the staff is made a student by a colleague.
#[tokio::test(flavor = "multi_thread")]
async fn a_tutor_makes_no_students_of_the_staff() {
    let s = School::start().await;
    let path = format!("/classes/{}/members", s.class);
    let secret = s.root.session().await;
    for who in [&s.root, &s.uwe] {
        let add = json!({"user_id": who.user_id, "as": "student"});
        s.tia.post(&path, add).await.assert_problem(403, "forbidden");
        s.tia.get(&format!("/chat/history/{}", who.user_id)).await.assert_problem(404, "not_found");
    }
    s.tia.get(&format!("/sessions/{secret}")).await.assert_problem(404, "not_found");
    // By themselves, by an admin, or where they are a student of the tutor already.
    s.uwe.post("/classes/join", json!({"code": s.code})).await.ok(200);
    let (second, _) = make_class(&s.tia, "7c").await;
    let add = json!({"user_id": s.uwe.user_id, "as": "student"});
    s.tia.post(&format!("/classes/{second}/members"), add).await.ok(201);
    let (third, _) = make_class(&s.root, "7d").await;
    let add = json!({"user_id": s.tia.user_id, "as": "student"});
    s.root.post(&format!("/classes/{third}/members"), add).await.ok(201);
}
