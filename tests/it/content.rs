//! What tutors write for students: writing it, its versions, finding words in it, and who never sees a word.

use serde_json::{Value, json};

use crate::support::client::Client;
use crate::support::school::{School, listed, make_class};
use crate::support::socket::new_id;

/// Writes it; gives its id.
pub(crate) async fn written(by: &Client, body: Value) -> String {
    by.post("/content", body).await.ok(201)["id"].as_str().unwrap().to_owned()
}

pub(crate) fn published(title: &str, body: &str, classes: &[&str]) -> Value {
    json!({"title": title, "body": body, "state": "published", "classes": classes})
}

async fn found(who: &Client, words: &str) -> Vec<String> {
    let page = who.post("/content/search", json!({"q": words})).await.ok(200);
    let items = page["items"].as_array().unwrap();
    items.iter().map(|item| item["title"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn content_is_written_published_changed_and_deleted() {
    let school = School::start().await;
    let body = json!({
        "title": " Halves ", "subject": "Maths", "grade_lowest": 5, "grade_highest": 6, "language": "en-GB",
        "body": "# Halves\n\nA half is $\\frac{1}{2}$.", "source": "Our own", "licence": "CC BY 4.0",
        "classes": [school.class],
    });
    let made = school.tia.post("/content", body.clone()).await.ok(201);
    let author = json!({"id": school.tia.user_id, "name": "tia"});
    assert_eq!(
        made,
        json!({
            "id": made["id"], "title": "Halves", "subject": "Maths", "grade_lowest": 5, "grade_highest": 6,
            "language": "en-GB", "body": "# Halves\n\nA half is $\\frac{1}{2}$.", "source": "Our own",
            "licence": "CC BY 4.0", "state": "draft", "classes": [school.class], "version": 1,
            "author": author, "editable": true, "files": [], "created_at": made["created_at"],
            "updated_at": made["created_at"],
        })
    );
    let path = format!("/content/{}", made["id"].as_str().unwrap());
    school.ada.get(&path).await.assert_problem(404, "not_found");
    let mut change = body;
    change["state"] = json!("published");
    school
        .tia
        .call(http::Method::PUT, &path, Some(change.clone()))
        .await
        .assert_problem(422, "invalid_input");
    change["version"] = json!(1);
    let changed = school.tia.call(http::Method::PUT, &path, Some(change.clone())).await.ok(200);
    assert_eq!((&changed["version"], &changed["state"]), (&json!(2), &json!("published")));
    // A student is told nothing of who wrote it and for whom else it is.
    let seen = school.ada.get(&path).await.ok(200);
    assert_eq!((&seen["editable"], &seen["body"]), (&json!(false), &changed["body"]));
    assert!(seen.get("author").is_none() && seen.get("classes").is_none(), "{seen}");
    // Whoever was slower changes nothing.
    let late = school.root.call(http::Method::PUT, &path, Some(change.clone())).await;
    late.assert_problem(409, "conflict");
    assert!(late.body["detail"].as_str().unwrap().contains("version 2"), "{late:?}");
    change["version"] = json!(2);
    change["title"] = json!("Quarters");
    school.uwe.call(http::Method::PUT, &path, Some(change.clone())).await.assert_problem(403, "forbidden");
    school.ada.call(http::Method::PUT, &path, Some(change.clone())).await.assert_problem(403, "forbidden");
    school.root.call(http::Method::PUT, &path, Some(change)).await.ok(200);
    school.uwe.delete(&path).await.assert_problem(403, "forbidden");
    school.tia.delete(&path).await.ok(204);
    school.tia.get(&path).await.assert_problem(404, "not_found");
    assert_eq!(school.app.count("SELECT count(*) FROM content_versions").await, 0);
    for event in ["content_created", "content_changed", "content_deleted"] {
        school.app.server().app().audit.flush().await;
        let sql = format!("SELECT count(*) FROM audit WHERE event = '{event}' AND subject_kind = 'content'");
        assert!(school.app.count(&sql).await > 0, "{event}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_has_pages_and_filters() {
    let school = School::start().await;
    for (title, subject, lowest, highest, state) in [
        ("One", "Maths", 1, 2, "published"),
        ("Two", "maths", 2, 4, "draft"),
        ("Three", "Art", 5, 9, "published"),
    ] {
        let body = json!({
            "title": title, "body": "x", "subject": subject, "grade_lowest": lowest, "grade_highest": highest,
            "state": state,
        });
        written(&school.tia, body).await;
    }
    let titles = |query: &'static str| {
        let who = school.tia.clone();
        async move { listed(&who, &format!("/content{query}"), "title").await }
    };
    assert_eq!(titles("").await, ["One", "Three", "Two"]);
    assert_eq!(titles("?subject=MATHS").await, ["One", "Two"]);
    assert_eq!(titles("?grade=2").await, ["One", "Two"]);
    assert_eq!(titles("?grade=6&state=published").await, ["Three"]);
    assert_eq!(titles("?state=draft").await, ["Two"]);
    let first = school.tia.get("/content?limit=2").await.ok(200);
    assert_eq!(first["items"][0]["title"], "Three");
    assert!(first["items"][0].get("body").is_none());
    let cursor = first["next_cursor"].as_str().unwrap();
    let rest = school.tia.get(&format!("/content?limit=2&cursor={cursor}")).await.ok(200);
    assert_eq!((rest["items"][0]["title"].as_str(), &rest["next_cursor"]), (Some("One"), &Value::Null));
    for bad in ["?state=hidden", "?grade=-1", "?limit=0", "?cursor=!"] {
        school.tia.get(&format!("/content{bad}")).await.assert_problem(422, "invalid_input");
    }
    let long = json!({"title": "x", "body": "x".repeat(256 * 1024)});
    school.tia.post("/content", long).await.ok(201);
    let longer = json!({"title": "x", "body": "x".repeat(256 * 1024 + 1)});
    school.tia.post("/content", longer).await.assert_problem(422, "invalid_input");
    let huge = json!({"title": "x", "body": "x".repeat(1100 * 1024)});
    school.tia.post("/content", huge).await.assert_problem(413, "payload_too_large");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_is_kept_read_and_put_back() {
    let school = School::start().await;
    let id = written(&school.tia, json!({"title": "First", "body": "one", "subject": "Maths"})).await;
    let path = format!("/content/{id}");
    let put = |version: i32, title: &str| {
        let body = json!({"title": title, "body": title, "version": version, "state": "published"});
        school.tia.call(http::Method::PUT, &path, Some(body))
    };
    put(1, "Second").await.ok(200);
    put(2, "Third").await.ok(200);
    let versions = school.tia.get(&format!("{path}/versions")).await.ok(200);
    let told: Vec<_> = versions["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|of| {
            (of["version"].as_i64().unwrap(), of["title"].as_str().unwrap(), of["state"].as_str().unwrap())
        })
        .collect();
    assert_eq!(told, [(3, "Third", "published"), (2, "Second", "published"), (1, "First", "draft")]);
    let old = school.tia.get(&format!("{path}/versions/1")).await.ok(200);
    assert_eq!((&old["body"], &old["subject"]), (&json!("one"), &json!("Maths")));
    let restore = format!("{path}/versions/1/restore");
    school.tia.post(&restore, json!({"version": 2})).await.assert_problem(409, "conflict");
    let back = school.tia.post(&restore, json!({"version": 3})).await.ok(200);
    assert_eq!(
        (&back["title"], &back["version"], &back["state"], &back["subject"]),
        (&json!("First"), &json!(4), &json!("published"), &json!("Maths"))
    );
    // The fifty before the one that counts are kept.
    for version in 4..60 {
        put(version, "Again").await.ok(200);
    }
    assert_eq!(school.app.count("SELECT count(*) FROM content_versions").await, 50);
    school.tia.get(&format!("{path}/versions/3")).await.assert_problem(404, "not_found");
    for nothing in ["99", "x", "-1"] {
        school.tia.get(&format!("{path}/versions/{nothing}")).await.assert_problem(404, "not_found");
    }
    school.ada.get(&format!("{path}/versions")).await.assert_problem(403, "forbidden");
    school.uwe.get(&format!("{path}/versions/3")).await.assert_problem(403, "forbidden");
    school.eve.get(&format!("{path}/versions")).await.assert_problem(404, "not_found");
}

#[tokio::test(flavor = "multi_thread")]
async fn words_are_found_in_their_language_the_best_first() {
    let school = School::start().await;
    let german = json!({
        "title": "Brüche kürzen", "body": "Zähler und Nenner durch dieselbe Zahl teilen.", "language": "de",
        "state": "published",
    });
    written(&school.tia, german).await;
    written(&school.tia, published("Lines", "A line rises. Fractions are elsewhere.", &[])).await;
    written(&school.tia, published("Adding fractions", "Fractions with **one** denominator.", &[])).await;
    let other = json!({"title": "Tlh", "body": "ghotpu' yejmeH", "language": "tlh", "state": "published"});
    written(&school.tia, other).await;
    assert_eq!(found(&school.ada, "fraction").await, ["Adding fractions", "Lines"]);
    assert_eq!(found(&school.ada, "\"line rises\"").await, ["Lines"]);
    assert_eq!(found(&school.ada, "fractions -denominator").await, ["Lines"]);
    // "Zahlen" by the rules of German; where there are none, as it stands.
    assert_eq!(found(&school.ada, "Zahlen").await, ["Brüche kürzen"]);
    assert_eq!(found(&school.ada, "yejmeh").await, ["Tlh"]);
    assert_eq!(found(&school.ada, "the").await, Vec::<String>::new());
    let page = school.ada.post("/content/search", json!({"q": "fraction", "limit": 1})).await.ok(200);
    assert_eq!(
        page["items"][0]["excerpt"],
        json!([{"text": "Fractions", "hit": true}, {"text": " with one denominator", "hit": false}])
    );
    let next = json!({"q": "fraction", "limit": 1, "cursor": page["next_cursor"]});
    let rest = school.ada.post("/content/search", next).await.ok(200);
    assert_eq!((rest["items"][0]["title"].as_str(), &rest["next_cursor"]), (Some("Lines"), &Value::Null));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_excerpt_is_text_whatever_was_written() {
    let school = School::start().await;
    let hostile = "<script>alert(1)</script> zebra <mark>x</mark> \u{e001}\u{e000}striped\u{e001} &amp;";
    written(&school.tia, published("Zoo", hostile, &[])).await;
    let page = school.ada.post("/content/search", json!({"q": "zebra"})).await.ok(200);
    let pieces = page["items"][0]["excerpt"].as_array().unwrap();
    let hits: Vec<_> =
        pieces.iter().filter(|piece| piece["hit"] == true).map(|piece| &piece["text"]).collect();
    assert_eq!(hits, [&json!("zebra")], "the text's own marks mark nothing: {pieces:?}");
    // Questions that are no question.
    for odd in ["'", "\"", "\\", "a & | !", "<->", "-", "((((", "%", "'; DROP TABLE content; --"] {
        school.ada.post("/content/search", json!({"q": odd})).await.ok(200);
    }
}

/// Everything by which somebody could learn of content.
async fn words_of(who: &Client, id: &str, word: &str) -> String {
    let list = who.get("/content?limit=100").await;
    let counted = list.body["items"].as_array().map_or(0, Vec::len);
    let search = who.post("/content/search", json!({"q": word})).await;
    let one = who.get(&format!("/content/{id}")).await;
    let subject = who.get("/content?subject=Secrets").await;
    let versions = who.get(&format!("/content/{id}/versions")).await;
    format!("{counted} {} {} {} {} {}", list.body, search.body, one.body, subject.body, versions.body)
}

async fn nobody_else_learns_a_word(school: &School) {
    let (second, _) = make_class(&school.root, "8a").await;
    let body = |state: &str, classes: &[&str]| {
        json!({
            "title": "Xylophone", "body": "The xylophone is secret.", "subject": "Secrets", "state": state,
            "classes": classes,
        })
    };
    let told = |text: &str| text.to_lowercase().contains("xylophone") || text.contains("Secrets");
    let other_class = written(&school.root, body("published", &[&second])).await;
    for (id, who) in [(&other_class, &school.ada), (&other_class, &school.bob), (&other_class, &school.cy)] {
        let learnt = words_of(who, id, "xylophone").await;
        assert!(!told(&learnt) && learnt.starts_with("0 "), "{learnt}");
    }
    assert!(told(&words_of(&school.uwe, &other_class, "xylophone").await), "the school's tutors see it");
    let own_class = written(&school.tia, body("published", &[&school.class])).await;
    assert!(told(&words_of(&school.ada, &own_class, "xylophone").await));
    let drafted = written(&school.tia, body("draft", &[])).await;
    let of_class = written(&school.tia, body("draft", &[&school.class])).await;
    for id in [&own_class, &drafted, &of_class] {
        for who in [&school.cy, &school.eve, &school.tom, &school.rex] {
            let learnt = words_of(who, id, "xylophone").await;
            assert!(!told(&learnt) && learnt.starts_with("0 "), "{learnt}");
        }
    }
    for id in [&drafted, &of_class] {
        school.ada.get(&format!("/content/{id}")).await.assert_problem(404, "not_found");
        school.uwe.get(&format!("/content/{id}")).await.assert_problem(404, "not_found");
        school.root.get(&format!("/content/{id}")).await.ok(200);
    }
    // Out of the class, and at once nothing.
    school.root.delete(&format!("/classes/{}/members/{}", school.class, school.ada.user_id)).await.ok(204);
    let learnt = words_of(&school.ada, &own_class, "xylophone").await;
    assert!(!told(&learnt) && learnt.starts_with("0 "), "{learnt}");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_student_of_another_class_or_school_learns_a_word() {
    nobody_else_learns_a_word(&School::start().await).await;
}

/// The first lock alone.
#[tokio::test(flavor = "multi_thread")]
async fn nor_without_row_level_security() {
    let school = School::start().await;
    school.without_row_level_security().await;
    nobody_else_learns_a_word(&school).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_for_one_class_is_nobodys_when_it_goes() {
    let school = School::start().await;
    let (second, _) = make_class(&school.tia, "8a").await;
    let one = written(&school.tia, published("One", "x", &[&second])).await;
    let twice = written(&school.tia, published("Twice", "x", &[&second, &second])).await;
    let both = written(&school.tia, published("Both", "x", &[&second, &school.class])).await;
    school.tia.delete(&format!("/classes/{second}")).await.ok(204);
    for id in [&one, &twice] {
        school.ada.get(&format!("/content/{id}")).await.assert_problem(404, "not_found");
    }
    let left = school.tia.get(&format!("/content/{one}")).await.ok(200);
    assert_eq!(
        (&left["state"], &left["classes"], &left["version"]),
        (&json!("draft"), &json!([]), &json!(2))
    );
    assert_eq!(school.ada.get(&format!("/content/{both}")).await.ok(200)["state"], "published");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_somebody_wrote_is_theirs_to_have_and_stays_the_schools() {
    let school = School::start().await;
    let id = written(&school.tia, published("Halves", "A half is one of two.", &[])).await;
    let export = school.tia.get("/users/me/export").await.ok(200);
    assert_eq!(export["content"][0]["body"], "A half is one of two.", "{export}");
    assert_eq!(school.ada.get("/users/me/export").await.ok(200)["content"], json!([]));
    let password = json!({"password": school.tia.password});
    school.tia.call(http::Method::DELETE, "/users/me", Some(password)).await.ok(204);
    let left = school.root.get(&format!("/content/{id}")).await.ok(200);
    assert_eq!(
        (&left["author"], &left["version"], &left["editable"]),
        (&Value::Null, &json!(1), &json!(true))
    );
    school.ada.get(&format!("/content/{id}")).await.ok(200);
    school.ada.get(&format!("/content/{}", new_id())).await.assert_problem(404, "not_found");
}

/// Row level security alone: by bare SQL, as somebody who may write.
#[tokio::test(flavor = "multi_thread")]
async fn nobody_writes_what_is_not_theirs_by_bare_sql() {
    use tokio_postgres::error::SqlState;
    let school = School::start().await;
    let (second, _) = make_class(&school.root, "8a").await;
    let id = written(&school.tia, published("Halves", "x", &[&school.class])).await;
    let client = crate::support::pg::connect(&school.app.database.app_url()).await;
    let as_user = |who: &Client| {
        format!(
            "BEGIN; SET LOCAL ROLE fynq_user; SELECT set_config('request.jwt.claims', '{{\"sub\":\"{}\"}}', true)",
            who.user_id
        )
    };
    let insert = |author: &Client, org: &str, class: &str| {
        format!(
            "INSERT INTO content (id, org_id, author_id, title, language, body, state, classes, created_at, \
             updated_at) VALUES (gen_random_uuid(), '{org}', '{}', 'x', 'en', 'x', 'draft', '{class}', now(), now())",
            author.user_id
        )
    };
    let here = "00000000-0000-7000-8000-000000000001";
    let far = school.other_org.to_string();
    let refused = [
        (&school.tia, insert(&school.root, here, "{}")),
        (&school.tia, insert(&school.tia, &far, "{}")),
        (&school.tia, insert(&school.tia, here, &format!("{{{second}}}"))),
        (&school.root, insert(&school.root, here, &format!("{{{}}}", school.other_class))),
        (&school.ada, insert(&school.ada, here, "{}")),
        (&school.tia, format!("UPDATE content SET classes = '{{{second}}}'")),
        (&school.tia, format!("UPDATE content SET author_id = '{}'", school.root.user_id)),
        (&school.tia, "UPDATE content SET version = 9".to_owned()),
        (&school.tia, "INSERT INTO content_versions SELECT id, 9 FROM content".to_owned()),
        (&school.tia, "DELETE FROM content_versions".to_owned()),
    ];
    for (who, sql) in refused {
        client.batch_execute(&as_user(who)).await.unwrap();
        let told = client.batch_execute(&sql).await;
        client.batch_execute("ROLLBACK").await.unwrap();
        assert_eq!(told.expect_err(&sql).code(), Some(&SqlState::INSUFFICIENT_PRIVILEGE), "{sql}");
    }
    for who in [&school.ada, &school.uwe, &school.eve, &school.rex] {
        for sql in ["UPDATE content SET title = 'taken'", "DELETE FROM content"] {
            client.batch_execute(&as_user(who)).await.unwrap();
            let touched = client.execute_typed(sql, &[]).await.unwrap();
            client.batch_execute("ROLLBACK").await.unwrap();
            assert_eq!(touched, 0, "{sql}");
        }
    }
    // The function that looks for words gives ids of one's own school alone.
    client.batch_execute(&as_user(&school.eve)).await.unwrap();
    let sql = "SELECT count(*) FROM fynq.content_with('halves', true)";
    let found: i64 = client.query_typed_one(sql, &[]).await.unwrap().get(0);
    client.batch_execute("ROLLBACK").await.unwrap();
    assert_eq!(found, 0);
    assert_eq!(school.tia.get(&format!("/content/{id}")).await.ok(200)["version"], 1);
}
