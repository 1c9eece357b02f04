//! Notes on a student: whose they are, who reads them, and who never does.

use serde_json::{Value, json};

use crate::support::client::Client;
use crate::support::school::School;
use crate::support::socket::new_id;

#[tokio::test(flavor = "multi_thread")]
async fn a_note_is_written_read_changed_and_deleted_by_those_who_teach() {
    let school = School::start().await;
    let path = format!("/students/{}/notes", school.ada.user_id);
    let one = school.tia.post(&path, json!({"text": " Likes drawings.\n"})).await.ok(201);
    let author = json!({"id": school.tia.user_id, "name": "tia"});
    assert_eq!(
        one,
        json!({"id": one["id"], "student_id": school.ada.user_id, "author": author,
            "text": "Likes drawings.", "created_at": one["created_at"], "updated_at": one["created_at"]})
    );
    let two = school.root.post(&path, json!({"text": "New in town."})).await.ok(201);
    let page = school.tia.get(&format!("{path}?limit=1")).await.ok(200);
    assert_eq!(page["items"], json!([two]));
    let cursor = page["next_cursor"].as_str().unwrap();
    let rest = school.tia.get(&format!("{path}?limit=1&cursor={cursor}")).await.ok(200);
    assert_eq!(rest, json!({"items": [one], "next_cursor": null}));

    let (mine, theirs) = [&one, &two].map(|note| format!("/notes/{}", note["id"].as_str().unwrap())).into();
    let changed = school.tia.patch(&mine, json!({"text": "Draws well."})).await.ok(200);
    assert_eq!(changed["text"], "Draws well.");
    assert_ne!(changed["updated_at"], one["updated_at"]);
    school.root.patch(&mine, json!({"text": "x"})).await.assert_problem(403, "forbidden");
    school.tia.patch(&theirs, json!({"text": "x"})).await.assert_problem(403, "forbidden");
    school.tia.delete(&theirs).await.assert_problem(403, "forbidden");
    school.root.delete(&mine).await.ok(204);
    school.tia.patch(&mine, json!({"text": "x"})).await.assert_problem(404, "not_found");
    school.root.delete(&theirs).await.ok(204);
    assert_eq!(school.tia.get(&path).await.ok(200), json!({"items": [], "next_cursor": null}));
    for body in [json!({}), json!({"text": " "}), json!({"text": "x", "author_id": school.root.user_id})] {
        school.tia.post(&path, body).await.assert_problem(422, "invalid_input");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_student_and_no_stranger_reads_or_writes_a_note() {
    let school = School::start().await;
    let path = format!("/students/{}/notes", school.ada.user_id);
    let made = school.tia.post(&path, json!({"text": "Cried on Monday."})).await.ok(201);
    let note = format!("/notes/{}", made["id"].as_str().unwrap());
    let text = json!({"text": "x"});
    // The student is told that this is not theirs, of a single note not even that there is one.
    school.ada.get(&path).await.assert_problem(403, "forbidden");
    school.ada.post(&path, text.clone()).await.assert_problem(403, "forbidden");
    school.ada.patch(&note, text.clone()).await.assert_problem(404, "not_found");
    school.ada.delete(&note).await.assert_problem(404, "not_found");
    for who in [&school.bob, &school.cy, &school.uwe, &school.eve, &school.tom, &school.rex] {
        who.get(&path).await.assert_problem(404, "not_found");
        who.post(&path, text.clone()).await.assert_problem(404, "not_found");
        who.patch(&note, text.clone()).await.assert_problem(404, "not_found");
        who.delete(&note).await.assert_problem(404, "not_found");
    }
    Client::stranger(school.app.addr).get(&path).await.assert_problem(401, "unauthorized");
    let nobody = format!("/students/{}/notes", new_id());
    school.tia.post(&nobody, text.clone()).await.assert_problem(404, "not_found");
    let oneself = format!("/students/{}/notes", school.tia.user_id);
    school.tia.post(&oneself, text.clone()).await.assert_problem(403, "forbidden");

    for _ in 0..3 {
        school.tia.get(&path).await.ok(200);
    }
    // Who teaches them no more has lost them, their own too.
    let member = format!("/classes/{}/members/{}", school.class, school.tia.user_id);
    school.root.delete(&member).await.ok(204);
    school.tia.get(&path).await.assert_problem(404, "not_found");
    school.tia.patch(&note, text).await.assert_problem(404, "not_found");
    school.tia.delete(&note).await.assert_problem(404, "not_found");
    assert_eq!(school.root.get(&path).await.ok(200)["items"][0]["text"], "Cried on Monday.");
    // Neither is it in what the student may have of themselves, nor that it was written.
    school.app.server().app().audit.flush().await;
    let export = school.ada.get("/users/me/export").await.ok(200).to_string();
    assert!(!export.contains("Cried") && !export.contains("note_"), "{export}");
    assert!(!export.contains("notes_read"), "{export}");
    let audit = school.root.get("/audit?limit=100").await.ok(200);
    let rows = audit["items"].as_array().unwrap();
    let written: Vec<&Value> = rows.iter().filter(|row| row["event"] == "note_written").collect();
    assert_eq!((written.len(), &written[0]["subject"]["id"]), (1, &json!(school.ada.user_id)));
    assert!(!audit.to_string().contains("Cried"));
    // Who read them is written down, once a minute for each reader; nothing of who was refused.
    let read: Vec<&Value> = rows.iter().filter(|row| row["event"] == "notes_read").collect();
    let mut readers: Vec<_> = read.iter().map(|row| row["actor"]["id"].as_str().unwrap()).collect();
    readers.sort_unstable();
    let mut wanted = [&*school.tia.user_id, &*school.root.user_id];
    wanted.sort_unstable();
    assert_eq!(readers, wanted);
    assert!(read.iter().all(|row| row["subject"]["id"] == school.ada.user_id), "{read:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn notes_go_with_the_student_and_stay_when_their_author_goes() {
    let school = School::start().await;
    let path = format!("/students/{}/notes", school.ada.user_id);
    school.tia.post(&path, json!({"text": "Likes drawings."})).await.ok(201);
    let password = json!({"password": school.tia.password});
    school.tia.call(http::Method::DELETE, "/users/me", Some(password)).await.ok(204);
    let left = school.root.get(&path).await.ok(200);
    assert_eq!(
        (&left["items"][0]["author"], &left["items"][0]["text"]),
        (&Value::Null, &json!("Likes drawings."))
    );
    school.root.delete(&format!("/admin/users/{}", school.ada.user_id)).await.ok(204);
    assert_eq!(school.app.count("SELECT count(*) FROM tutor_notes").await, 0);
}
