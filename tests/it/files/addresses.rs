//! Signed addresses: one sign-in's, for a few minutes, and never more than that person may see.

use fynq::auth::ADDRESS_LIFE;
use fynq::id::Uuid;

use super::{Desk, Place, fetch, upload};
use crate::support::client::Client;
use crate::support::picture;
use crate::support::school::School;

async fn status(who: &Client, url: &str) -> u16 {
    fetch(who, url).await.status().as_u16()
}

#[tokio::test]
async fn an_address_is_for_one_file_and_is_nobody_elses_to_change() {
    let desk = Desk::start(Place::Folder).await;
    let ada = &desk.ada;
    let file = upload(ada, "a.png", &picture::png()).await.ok(201);
    let other = upload(ada, "b.png", &picture::png()).await.ok(201);
    let url = file["url"].as_str().unwrap();
    assert_eq!(status(ada, url).await, 200);
    let (id, other) = (file["id"].as_str().unwrap(), other["id"].as_str().unwrap());
    let later = |url: &str| {
        let (head, tail) = url.split_once("until=").unwrap();
        let (until, tail) = tail.split_once('&').unwrap();
        format!("{head}until={}&{tail}", until.parse::<i64>().unwrap() + 1)
    };
    let sig = url.split("sig=").nth(1).unwrap();
    for bad in [
        url.replace(id, other),
        later(url),
        url.replace("by=", "by=0"),
        url.replace(sig, &sig.to_lowercase()),
        url.replace(sig, ""),
    ] {
        let status = status(ada, &bad).await;
        assert!(matches!(status, 401 | 422), "{status} for {bad}");
    }
    assert_eq!(status(ada, &format!("/api/v1/files/{id}/data")).await, 422);
}

/// It ends after five minutes: one that ended a second ago, signed with the server's own key.
#[tokio::test]
async fn an_address_expires_and_ends_with_its_sign_in() {
    let desk = Desk::start(Place::Folder).await;
    let file = upload(&desk.ada, "a.png", &picture::png()).await.ok(201);
    let url = file["url"].as_str().unwrap();
    let until = url.split("until=").nth(1).unwrap().split('&').next().unwrap();
    let left = until.parse::<i64>().unwrap() - jiff::Timestamp::now().as_second();
    let life = i64::try_from(ADDRESS_LIFE.as_secs()).unwrap();
    assert!((life - 60..=life).contains(&left), "{left}");
    let app = desk.app.server().app();
    let who = app.auth.authenticate(&desk.ada.token).await.unwrap();
    let what = format!("file {}", file["id"].as_str().unwrap());
    let good = app.auth.sign_address(&who, &what);
    assert!(app.auth.open_address(&what, &good).await.is_ok());
    let old = app.auth.sign_until(&what, who.family, jiff::Timestamp::now().as_second() - 1);
    assert_eq!(app.auth.open_address(&what, &old).await.unwrap_err().code(), "unauthorized");

    desk.ada.post("/auth/logout", serde_json::json!({})).await;
    assert_eq!(status(&desk.ada, url).await, 401, "signed out");
}

/// Who may read whose file, and that an address gives no more than its owner has at that moment.
#[tokio::test]
async fn a_file_is_its_owners_and_of_those_who_see_where_it_was_sent() {
    let school = School::start().await;
    let file = upload(&school.ada, "a.png", &picture::png()).await.ok(201);
    let id = file["id"].as_str().unwrap();
    let path = format!("/files/{id}");
    let everybody = [
        &school.ada,
        &school.bob,
        &school.cy,
        &school.tia,
        &school.uwe,
        &school.root,
        &school.eve,
        &school.tom,
        &school.rex,
    ];
    let seen = async || {
        let mut seen = Vec::new();
        for who in everybody {
            seen.push(who.get(&path).await.status);
        }
        seen
    };
    assert_eq!(seen().await, [200, 404, 404, 404, 404, 200, 404, 404, 404], "before it is sent");
    school.app.execute(&format!("INSERT INTO file_uses VALUES ('{id}', '{}')", school.session)).await;
    assert_eq!(seen().await, [200, 404, 404, 200, 404, 200, 404, 404, 404], "once it is sent");
    // Who saw somebody else's is in the audit, also who did not read it.
    let reads = async || {
        school.app.server().app().audit.flush().await;
        school.app.count("SELECT count(*) FROM audit WHERE event = 'file_read'").await
    };
    assert_eq!(reads().await, 2, "the admin and the tutor, once a minute");
    school.tia.delete(&path).await.assert_problem(403, "forbidden");
    school.bob.delete(&path).await.assert_problem(404, "not_found");

    let url = school.tia.get(&path).await.ok(200)["url"].as_str().unwrap().to_owned();
    assert_eq!(status(&school.tia, &url).await, 200);
    let audit = school.root.get("/audit").await.ok(200);
    let read = audit["items"].as_array().unwrap().iter().find(|row| row["event"] == "file_read").unwrap();
    assert_eq!(read["detail"]["why"], "tutor");
    // Out of the class: the same address gives nothing any more.
    let member = format!("/classes/{}/members/{}", school.class, school.tia.user_id);
    assert_eq!(school.root.delete(&member).await.status, 204);
    assert_eq!(status(&school.tia, &url).await, 404);
    // Her own list has her own files alone.
    assert_eq!(school.root.get("/files").await.ok(200)["items"].as_array().unwrap().len(), 0);
}

/// A use would open somebody's file: the database lets none be made of another's.
#[tokio::test]
async fn nobody_sends_anothers_file() {
    let school = School::start().await;
    let file = upload(&school.bob, "a.png", &picture::png()).await.ok(201);
    let sql = school.app.database.client().await;
    sql.batch_execute("BEGIN; SET LOCAL ROLE fynq_task").await.unwrap();
    let use_it =
        format!("INSERT INTO file_uses VALUES ('{}', '{}')", file["id"].as_str().unwrap(), school.session);
    assert!(sql.batch_execute(&use_it).await.is_err());
    sql.batch_execute("ROLLBACK").await.unwrap();
    let id: Uuid = file["id"].as_str().unwrap().parse().unwrap();
    let session: Uuid = school.session.parse().unwrap();
    let store = &school.app.server().app().store;
    assert!(store.files_for_prompt(session, &[id]).await.unwrap().is_empty());
}
