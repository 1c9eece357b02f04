//! What is written down, handed out, deleted and kept no longer than it may be.

use std::time::Duration;

use fynq::audit::{By, Event};
use fynq::jobs;
use serde_json::{Value, json};
use tokio_postgres::types::Type;

use crate::support::app::TestApp;
use crate::support::client::Client;
use crate::support::log::Log;
use crate::support::office::School;

fn kinds(rows: &[Value]) -> Vec<&str> {
    rows.iter().map(|row| row["event"].as_str().unwrap()).collect()
}

// ── What is written down ────────────────────────────────────────────────────────────────────────────

#[tokio::test(flavor = "multi_thread")]
async fn sign_ins_and_refusals_are_written_down_without_a_word_of_anybody() {
    let school = School::start().await;
    let ada = school.app.student("ada").await;
    let wrong = json!({"email": ada.email, "password": "not the password"});
    ada.post("/auth/login", wrong).await.assert_problem(401, "invalid_credentials");
    let nobody = json!({"email": "nobody@school.example", "password": "not the password"});
    ada.post("/auth/login", nobody).await.assert_problem(401, "invalid_credentials");
    let again = ada.login().await;
    again.post("/auth/logout", json!({})).await;
    let mut forged = ada.clone();
    forged.token.push('x');
    for _ in 0..20 {
        forged.get("/users/me").await.assert_problem(401, "unauthorized");
    }
    let rows = school.audit().await;
    let count = |event: &str| rows.iter().filter(|row| row["event"] == event).count();
    assert_eq!(
        (count("account_created"), count("signed_in"), count("sign_in_failed"), count("signed_out")),
        (1, 2, 2, 1),
        "{:?}",
        kinds(&rows)
    );
    assert_eq!(count("token_refused"), 1, "once a minute for one address");
    let failed: Vec<_> = rows.iter().filter(|row| row["event"] == "sign_in_failed").collect();
    assert_eq!(failed[0]["subject"], json!({"kind": "user", "id": ada.user_id}));
    assert_eq!((&failed[1]["subject"], &failed[1]["actor"]), (&Value::Null, &Value::Null));
    assert!(rows.iter().all(|row| row["address"] == "127.0.0.1" || row["address"].is_null()), "{rows:?}");
    let signed_in = rows.iter().find(|row| row["actor"]["id"] == ada.user_id.as_str()).unwrap();
    assert_eq!(signed_in["actor"]["name"], "ada");
    let all = school.app.database.client().await;
    let kept: String = all
        .query_typed_one("SELECT coalesce(string_agg(a::text, ' '), '') FROM audit a", &[])
        .await
        .unwrap()
        .get(0);
    // The bare name may stand in an id.
    for word in ["school.example", ",ada,", "\"ada\"", "password\""] {
        assert!(!kept.contains(word), "{word} is in {kept}");
    }
    assert!(kept.contains(&ada.user_id));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_with_no_good_token_is_written_down_once_a_minute_and_counted_each_time() {
    for (reason, headers) in [
        ("none", vec![]),
        ("two headers", vec!["Bearer a", "Bearer a"]),
        ("another scheme", vec!["Basic YTpi"]),
    ] {
        let school = School::start().await;
        for _ in 0..20 {
            let mut request = Client::stranger(school.app.addr).request(http::Method::GET, "/users/me");
            for header in &headers {
                request = request.header("authorization", *header);
            }
            assert_eq!(request.send().await.unwrap().status(), 401);
        }
        let rows = school.events("token_refused").await;
        assert_eq!(rows.len(), 1, "{reason}: {rows:?}");
        assert_eq!(
            (&rows[0]["detail"]["reason"], &rows[0]["address"]),
            (&json!(reason), &json!("127.0.0.1"))
        );
        let metrics = reqwest::get(format!("http://{}/metrics", school.app.addr)).await.unwrap();
        let metrics = metrics.text().await.unwrap();
        let name = format!("fynq_tokens_refused_total{{reason=\"{reason}\"}} ");
        let count = metrics.lines().find_map(|line| line.strip_prefix(&*name)).expect(&metrics);
        assert!(count.parse::<u32>().unwrap() >= 20, "{count}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refresh_token_of_nobody_is_written_down() {
    let school = School::start().await;
    for token in ["nonsense", &"a".repeat(43)] {
        let body = json!({"refresh_token": token});
        let reply = Client::stranger(school.app.addr).post("/auth/refresh", body).await;
        reply.assert_problem(401, "unauthorized");
    }
    let rows = school.events("token_refused").await;
    assert_eq!(rows.len(), 1, "{rows:?}");
    assert_eq!(rows[0]["detail"]["reason"], "an unknown refresh token");
}

/// What somebody may see and not do: a line, with who, what and from where.
#[tokio::test]
async fn whoever_lacks_a_right_leaves_a_line() {
    let (log, _listening) = Log::listen();
    let s = crate::support::school::School::start().await;
    let class = format!("/classes/{}", s.class);
    let session = format!("/sessions/{}", s.session);
    let member = format!("{class}/members/{}", s.bob.user_id);
    let own_code = format!("/admin/users/{}/reset-code", s.root.user_id);
    log.take();
    for (who, method, path, body, what) in [
        (&s.ada, "GET", "/admin/users", None, "administration"),
        (&s.tia, "GET", "/audit", None, "administration"),
        (&s.ada, "POST", "/classes", Some(json!({"name": "mine"})), "class"),
        (&s.ada, "PATCH", &class, Some(json!({"name": "mine"})), "class"),
        (&s.ada, "DELETE", &member, None, "class"),
        (&s.tia, "PATCH", &session, Some(json!({"title": "mine"})), "session"),
        (&s.root, "POST", &own_code, None, "user"),
    ] {
        who.call(method.parse().unwrap(), path, body).await.assert_problem(403, "forbidden");
        let said = log.take();
        let lines: Vec<_> = said.lines().filter(|line| line.contains("event=\"forbidden\"")).collect();
        assert_eq!(lines.len(), 1, "{method} {path}: {said}");
        for part in [
            format!("actor={}", who.user_id),
            format!("what=\"{what}\""),
            "address=127.0.0.1".into(),
            "request_id=\"".into(),
        ] {
            assert!(lines[0].contains(&part), "{part}: {}", lines[0]);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_audit_is_an_admins_of_that_organisation() {
    let school = School::start().await;
    let ada = school.app.student("ada").await;
    ada.get("/audit").await.assert_problem(403, "forbidden");
    Client::stranger(school.app.addr).get("/audit").await.assert_problem(401, "unauthorized");
    // Another school: its admin sees nothing of this one, and of what is nobody's nothing any more.
    let other = school.app.student("other").await;
    school
        .app
        .execute(&format!(
            "INSERT INTO organisations (id, name, created_at) VALUES (gen_random_uuid(), 'Other', now());
             UPDATE users SET role = 'admin', org_id = (SELECT id FROM organisations WHERE name = 'Other')
             WHERE id = '{}'",
            other.user_id
        ))
        .await;
    let other = other.login().await;
    let wrong = json!({"email": "nobody@school.example", "password": "not the password"});
    ada.post("/auth/login", wrong).await.assert_problem(401, "invalid_credentials");
    school.app.server().app().audit.flush().await;
    let rows = other.get("/audit").await.ok(200)["items"].as_array().unwrap().clone();
    assert_eq!(kinds(&rows), ["signed_in"], "its own sign-in alone");
    assert!(!kinds(&school.audit().await).contains(&"sign_in_failed"), "nobody's, in a house of two schools");
    for verb in [format!("/admin/users/{}/export", ada.user_id)] {
        other.get(&verb).await.assert_problem(404, "not_found");
    }
    other.delete(&format!("/admin/users/{}", ada.user_id)).await.assert_problem(404, "not_found");
    ada.get("/users/me").await.ok(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_role_changes_what_is_written_down() {
    let school = School::start().await;
    let ada = school.app.student("ada").await;
    school.app.server().app().audit.flush().await;
    let client = school.app.database.client().await;
    let org = "00000000-0000-7000-8000-000000000001";
    for table in ["audit", "consents"] {
        for role in
            ["fynq_user", "fynq_admin", "fynq_door", "fynq_task", "fynq_jobs", "fynq_policy", "fynq_app"]
        {
            for (what, sql) in [
                ("UPDATE", format!("UPDATE {table} SET at = now()")),
                ("DELETE", format!("DELETE FROM {table}")),
                ("TRUNCATE", format!("TRUNCATE {table}")),
            ] {
                client
                    .batch_execute(&format!(
                        "BEGIN; SET LOCAL ROLE {role}; SELECT set_config('request.jwt.claims', '{{\"sub\":\"{}\"}}', true)",
                        school.root.user_id
                    ))
                    .await
                    .unwrap();
                let done = client.batch_execute(&sql).await;
                client.batch_execute("ROLLBACK").await.unwrap();
                let may = table == "audit" && role == "fynq_jobs" && what == "DELETE";
                assert_eq!(done.is_ok(), may, "{role} {what} {table}: {done:?}");
            }
        }
    }
    // A student states nothing and sees what is about them alone.
    client.batch_execute(&format!(
        "BEGIN; SET LOCAL ROLE fynq_user; SELECT set_config('request.jwt.claims', '{{\"sub\":\"{}\"}}', true)", ada.user_id
    )).await.unwrap();
    let foreign = "SELECT count(*) FROM audit WHERE about_id IS DISTINCT FROM $1";
    let id: fynq::id::Uuid = ada.user_id.parse().unwrap();
    let seen: i64 = client.query_typed_one(foreign, &[(&id, Type::UUID)]).await.unwrap().get(0);
    assert_eq!(seen, 0);
    let forged =
        format!("INSERT INTO audit (id, at, org_id, event) VALUES (gen_random_uuid(), now(), '{org}', 'x')");
    assert!(client.batch_execute(&forged).await.is_err());
    client.batch_execute("ROLLBACK").await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_observation_has_a_beginning_and_an_end() {
    let school = School::start().await;
    let ada = school.app.student("ada").await;
    let session = ada.session().await;
    let own = ada.socket(&session).await;
    let mut watching = school.root.socket(&session).await;
    let opened = school.events("observation_opened").await;
    assert_eq!(opened.len(), 1, "one's own session is no observation");
    assert_eq!(opened[0]["actor"]["id"], school.root.user_id.as_str());
    assert_eq!(opened[0]["subject"], json!({"kind": "session", "id": session}));
    assert_eq!(opened[0]["detail"], json!({"why": "admin"}));
    assert_eq!(opened[0]["address"], "127.0.0.1");
    watching.goodbye().await;
    school.app.sockets(1).await;
    let closed = school.events("observation_closed").await;
    assert_eq!(closed[0]["detail"], json!({"opened": opened[0]["id"], "end": "left"}));
    assert_eq!(closed[0]["address"], "127.0.0.1");
    // REST reads are written down too, once a minute.
    for _ in 0..3 {
        school.root.messages(&session).await;
    }
    assert_eq!(school.events("conversation_read").await.len(), 1);
    drop(own);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_observation_does_not_begin_when_it_cannot_be_written_down() {
    let school = School::start().await;
    let ada = school.app.student("ada").await;
    let session = ada.session().await;
    school
        .app
        .execute("ALTER TABLE audit ADD CONSTRAINT closed CHECK (event <> 'observation_opened') NOT VALID")
        .await;
    let refused = school.root.try_socket(&session).await.unwrap_err();
    assert_eq!(refused.status, 500, "{refused:?}");
    assert_eq!(school.app.count("SELECT count(*) FROM audit WHERE event = 'observation_opened'").await, 0);
    school.app.sockets(0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_next_start_closes_what_a_crash_left_open() {
    let mut school = School::start().await;
    let ada = school.app.student("ada").await;
    let student: fynq::id::Uuid = ada.user_id.parse().unwrap();
    let session = ada.session().await;
    let watching = school.root.socket(&session).await;
    // As a process leaves it that died: a beginning without an end.
    let event = Event::ObservationOpened { session: fynq::id::new(), student, why: fynq::audit::Why::Tutor };
    let app = school.app.server().app().clone();
    let lost = app.audit.first(student, &event).await.unwrap();
    drop(app);
    school.app.stop().await;
    drop(watching);
    school.app.start_again().await;
    school.root = school.root.at(school.app.addr);
    let closed = school.events("observation_closed").await;
    let ends: Vec<_> = closed.iter().map(|row| row["detail"]["end"].as_str().unwrap()).collect();
    assert_eq!(ends, ["stopped", "interrupted"], "an orderly stop closes its own");
    assert_eq!(closed[1]["detail"]["opened"], lost.to_string().as_str());
    school.app.stop().await;
    school.app.start_again().await;
    school.root = school.root.at(school.app.addr);
    assert_eq!(school.events("observation_closed").await.len(), 2, "each once");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_happens_while_the_database_is_away_is_written_down_later() {
    let school = School::of(TestApp::builder().database_proxy()).await;
    let proxy = school.app.database_proxy.as_ref().unwrap();
    let app = school.app.server().app().clone();
    app.audit.flush().await;
    proxy.refuse();
    for _ in 0..100 {
        app.audit.record(By::NOBODY, &Event::SignInFailed { user: None });
    }
    proxy.heal();
    tokio::time::timeout(Duration::from_secs(20), app.audit.flush()).await.unwrap();
    assert_eq!(school.app.count("SELECT count(*) FROM audit WHERE event = 'sign_in_failed'").await, 100);
}

// ── Handed out and deleted ──────────────────────────────────────────────────────────────────────────

/// A student whose every word holds the canary: name, title, subject, questions (one superseded), consent.
async fn talkative(school: &mut School, canary: &str) -> (Client, String) {
    let ada = school.app.student(canary).await;
    let body = json!({"title": format!("{canary} title"), "subject": format!("{canary} subject")});
    let session = ada.post("/sessions", body).await.ok(201)["id"].as_str().unwrap().to_owned();
    let profile = json!({"display_name": format!("Ada {canary}"), "grade": canary});
    ada.put("/users/me", profile).await.ok(200);
    let mut socket = ada.socket(&session).await;
    let first = socket.ask(&format!("{canary} first")).await;
    school.app.model.call().await.answer(&format!("{canary} answer")).await;
    socket.run_end().await;
    let edit = json!({"type": "edit", "id": crate::support::socket::new_id(), "message": first, "text": format!("{canary} second")});
    socket.send(edit).await;
    school.app.model.call().await.answer("another").await;
    socket.run_end().await;
    let path = format!("/admin/users/{}/consent", ada.user_id);
    let consent =
        json!({"state": "given", "by": "guardian", "name": format!("Parent {canary}"), "version": "1"});
    school.root.put(&path, consent).await.ok(200);
    (ada, session)
}

/// Where a word stands: every column of every table that can hold text.
async fn grep(app: &TestApp, word: &str) -> Vec<String> {
    let client = app.database.client().await;
    let columns = "SELECT table_schema, table_name, column_name FROM information_schema.columns c
        JOIN information_schema.tables t USING (table_schema, table_name)
        WHERE t.table_type = 'BASE TABLE' AND table_schema NOT IN ('pg_catalog', 'information_schema')";
    let mut found = Vec::new();
    let columns = client.query_typed(columns, &[]).await.unwrap();
    assert!(columns.len() > 60, "{}", columns.len());
    for row in columns {
        let [schema, table, column]: [String; 3] = [row.get(0), row.get(1), row.get(2)];
        let sql = format!("SELECT count(*) FROM {schema}.{table} WHERE {column}::text LIKE '%{word}%'");
        if client.query_typed_one(&sql, &[]).await.unwrap().get::<_, i64>(0) > 0 {
            found.push(format!("{table}.{column}"));
        }
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_holds_everything_and_nobody_elses() {
    let mut school = School::start().await;
    let (ada, session) = talkative(&mut school, "canaryada").await;
    let (_bob, _) = talkative(&mut school, "canarybob").await;
    let _watched = school.root.socket(&session).await;
    school.app.server().app().audit.flush().await;
    for (who, path) in [
        (&ada, "/users/me/export".to_owned()),
        (&school.root, format!("/admin/users/{}/export", ada.user_id)),
    ] {
        let response = who.request(http::Method::GET, &path).send().await.unwrap();
        assert_eq!(response.status(), 200);
        let disposition = response.headers()["content-disposition"].to_str().unwrap().to_owned();
        assert!(disposition.starts_with("attachment; filename=\"fynq-"), "{disposition}");
        assert_eq!(response.headers()["cache-control"], "no-store");
        let text = response.text().await.unwrap();
        assert!(!text.contains("canarybob") && !text.contains("argon2"), "{text}");
        let export: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(export["profile"]["email"], ada.email.as_str());
        assert_eq!(export["consents"][0]["name"], "Parent canaryada");
        assert!(!export["sign_ins"].as_array().unwrap().is_empty());
        let messages = export["sessions"][0]["messages"].as_array().unwrap();
        let said: Vec<_> = messages
            .iter()
            .map(|m| (m["content"].as_str().unwrap(), m["superseded"].as_bool().unwrap()))
            .collect();
        let want = [
            ("canaryada first", true),
            ("canaryada answer", true),
            ("canaryada second", false),
            ("another", false),
        ];
        assert_eq!(said, want);
        let rows = export["audit"].as_array().unwrap();
        let opened = rows.iter().find(|row| row["event"] == "observation_opened").expect("who watched");
        assert_eq!(opened["actor_id"], school.root.user_id.as_str());
        assert_eq!(opened["address"], Value::Null, "whence they watched is theirs");
    }
    let exported = school.events("exported").await;
    assert_eq!(exported.len(), 2);
    assert_eq!(exported[1]["subject"]["id"], ada.user_id.as_str());
    ada.get(&format!("/admin/users/{}/export", school.root.user_id)).await.assert_problem(403, "forbidden");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_sessions_and_messages_none_is_left_out() {
    let school = School::start().await;
    let ada = school.app.student("ada").await;
    school
        .app
        .execute(&format!(
            "INSERT INTO sessions (id, student_id, title, created_at, updated_at)
         SELECT gen_random_uuid(), '{0}', n::text, now(), now() FROM generate_series(1, 120) n;
         INSERT INTO messages (session_id, id, ord, run_id, role, author_kind, content, status, created_at)
         SELECT s.id, gen_random_uuid(), n, gen_random_uuid(), 'user', 'student', 'm' || n, 'complete', now()
         FROM (SELECT id FROM sessions ORDER BY id LIMIT 2) s, generate_series(1, 130) n",
            ada.user_id
        ))
        .await;
    let export = ada.get("/users/me/export").await.ok(200);
    let sessions = export["sessions"].as_array().unwrap();
    assert_eq!(sessions.len(), 120);
    let counts: Vec<usize> = sessions.iter().map(|s| s["messages"].as_array().unwrap().len()).collect();
    assert_eq!((counts[0], counts[1], counts[2]), (130, 130, 0));
    assert_eq!(sessions[0]["messages"][129]["content"], "m130");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_account_leaves_no_word_behind() {
    let mut school = School::start().await;
    for by_admin in [false, true] {
        let canary = if by_admin { "canaryone" } else { "canarytwo" };
        let (ada, session) = talkative(&mut school, canary).await;
        let mut socket = ada.socket(&session).await;
        // An answer is being written at that moment.
        socket.ask(&format!("{canary} third")).await;
        let mut call = school.app.model.call().await;
        call.text(&format!("{canary} half an")).await;
        socket.answer_so_far(&format!("{canary} half an")).await;
        assert!(grep(&school.app, canary).await.len() >= 7, "{:?}", grep(&school.app, canary).await);

        if by_admin {
            assert_eq!(school.root.delete(&format!("/admin/users/{}", ada.user_id)).await.status, 204);
        } else {
            let delete = async |password: &str| {
                ada.call(http::Method::DELETE, "/users/me", Some(json!({"password": password}))).await
            };
            delete("not the password").await.assert_problem(422, "wrong_password");
            ada.get("/users/me").await.ok(200);
            assert_eq!(delete(&ada.password).await.status, 204);
        }
        assert!(matches!(socket.closed().await, 4403 | 4404));
        call.hung_up().await;
        school.app.server().app().audit.flush().await;
        school.app.server().app().store.writer().flush().await;
        assert_eq!(grep(&school.app, canary).await, Vec::<String>::new());
        ada.get("/users/me").await.assert_problem(401, "unauthorized");
        let login = json!({"email": ada.email, "password": ada.password});
        ada.post("/auth/login", login).await.assert_problem(401, "invalid_credentials");
        school.root.get(&format!("/sessions/{session}")).await.assert_problem(404, "not_found");
        let deleted = school.events("account_deleted").await;
        assert_eq!(deleted.last().unwrap()["subject"]["id"], ada.user_id.as_str(), "a pseudonym stays");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_admin_stays() {
    let school = School::start().await;
    let body = json!({"password": school.root.password});
    school.root.call(http::Method::DELETE, "/users/me", Some(body)).await.assert_problem(409, "conflict");
    school
        .root
        .delete(&format!("/admin/users/{}", school.root.user_id))
        .await
        .assert_problem(409, "conflict");
    let ada = school.app.student("ada").await;
    ada.delete(&format!("/admin/users/{}", school.root.user_id)).await.assert_problem(403, "forbidden");
    let nobody = crate::support::socket::new_id();
    school.root.delete(&format!("/admin/users/{nobody}")).await.assert_problem(404, "not_found");
    assert!(school.events("account_deleted").await.is_empty(), "what did not happen is not written down");
}

/// Two who leave, or throw each other out, at the same moment are not both let go.
#[tokio::test(flavor = "multi_thread")]
async fn of_admins_that_go_at_the_same_moment_one_stays() {
    let school = School::start().await;
    let mut root = school.root.clone();
    for round in 0..16 {
        let email = format!("second-{round}@school.example");
        let body = json!({"email": email, "password": root.password, "role": "admin"});
        root.post("/admin/users", body).await.ok(201);
        let mut second = Client::stranger(root.addr);
        (second.email, second.password) = (email, root.password.clone());
        let second = second.login().await;
        let leave = async |who: &Client, other: &Client| {
            let (path, body) = match round % 2 {
                0 => (format!("/admin/users/{}", other.user_id), None),
                _ => ("/users/me".to_owned(), Some(json!({"password": who.password}))),
            };
            who.call(http::Method::DELETE, &path, body).await
        };
        tokio::join!(leave(&root, &second), leave(&second, &root));
        let admins = "SELECT count(*) FROM users WHERE role = 'admin'";
        assert!(school.app.count(admins).await > 0, "round {round}");
        if root.get("/users/me").await.status != 200 {
            root = second;
        }
    }
}

/// However the sessions of two deletions are ordered, neither waits for the other for ever.
#[tokio::test]
async fn deletions_that_share_sessions_come_to_an_end() {
    let school = School::start().await;
    let ada = school.app.student("ada").await;
    let (one, two) = (ada.session().await, ada.session().await);
    let _awake = (ada.socket(&one).await, ada.socket(&two).await);
    let ids: Vec<fynq::id::Uuid> = [&one, &two].iter().map(|id| id.parse().unwrap()).collect();
    let sessions = &school.app.server().app().sessions;
    let back: Vec<_> = ids.iter().rev().copied().collect();
    for _ in 0..20 {
        // Nothing is deleted: they only hold still.
        let hold = |ids: &Vec<_>| {
            sessions.delete_with(ids.clone(), None, async {
                tokio::time::sleep(std::time::Duration::from_millis(1)).await;
                Ok(((), false))
            })
        };
        let all = async { tokio::join!(hold(&ids), hold(&back)) };
        let all = tokio::time::timeout(std::time::Duration::from_secs(10), all).await;
        all.expect("neither waits for ever").0.unwrap();
    }
}

/// A stolen token that is ended in the middle of an export gets no more of it.
#[tokio::test(flavor = "multi_thread")]
async fn an_export_breaks_off_when_the_rights_end() {
    let school = School::start().await;
    let ada = school.app.student("ada").await;
    school
        .app
        .execute(&format!(
            "INSERT INTO sessions (id, student_id, title, created_at, updated_at)
         VALUES (gen_random_uuid(), '{0}', 'long', now(), now());
         INSERT INTO messages (session_id, id, ord, run_id, role, author_kind, content, status, created_at)
         SELECT s.id, gen_random_uuid(), n, gen_random_uuid(), 'user', 'student', repeat('m', 100000), 'complete', now()
         FROM sessions s, generate_series(1, 400) n",
            ada.user_id
        ))
        .await;
    let elsewhere = ada.login().await;
    let mut export = elsewhere.request(http::Method::GET, "/users/me/export").send().await.unwrap();
    assert_eq!(export.status(), 200);
    export.chunk().await.unwrap().unwrap();
    elsewhere.post("/auth/logout", json!({})).await.ok(204);
    // Read slowly, each piece for longer than it took to send: what waits in the channel and in the sockets
    // still comes, and then it breaks off.
    let rest = async {
        let mut bytes = 0;
        while let Some(chunk) = export.chunk().await? {
            bytes += chunk.len();
            tokio::time::sleep(std::time::Duration::from_millis(2)).await;
        }
        Ok::<_, reqwest::Error>(bytes)
    };
    let rest = rest.await;
    assert!(rest.is_err(), "all of it came: {rest:?}");
    ada.get("/users/me/export").await.ok(200);
}

// ── Kept no longer ──────────────────────────────────────────────────────────────────────────────────

#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_old_goes_and_is_counted_afterwards() {
    let school = School::of(TestApp::builder().settings(|s| {
        s.retention.sessions_days = Some(30);
        s.retention.audit_days = Some(90);
    }))
    .await;
    let ada = school.app.student("ada").await;
    let (old, young) = (ada.session().await, ada.session().await);
    let mut socket = ada.socket(&old).await;
    let app = school.app.server().app().clone();
    app.audit.flush().await;
    school.app.execute(&format!(
        "UPDATE sessions SET updated_at = now() - interval '31 days' WHERE id = '{old}';
         INSERT INTO sessions (id, student_id, created_at, updated_at)
         SELECT gen_random_uuid(), '{0}', now(), now() - interval '40 days' FROM generate_series(1, 250);
         INSERT INTO audit (id, at, event) SELECT gen_random_uuid(), now() - interval '91 days', 'signed_in' FROM generate_series(1, 5100);
         INSERT INTO audit (id, at, event) VALUES (gen_random_uuid(), now() - interval '89 days', 'signed_in');
         INSERT INTO quota_use VALUES ('{0}', 'day', current_date - 90, 1, 1), ('{0}', 'day', current_date, 1, 1)",
        ada.user_id
    )).await;
    let overdue = jobs::retain(&app).await.unwrap();
    assert_eq!((overdue.sessions, overdue.audit), (0, 0));
    assert_eq!(school.app.count("SELECT count(*) FROM sessions").await, 1);
    ada.get(&format!("/sessions/{young}")).await.ok(200);
    assert_eq!(socket.closed().await, 4404, "also one that somebody has open");
    assert_eq!(school.app.count("SELECT count(*) FROM audit WHERE at < now() - interval '90 days'").await, 0);
    assert_eq!(school.app.count("SELECT count(*) FROM audit WHERE at < now() - interval '1 day'").await, 1);
    assert_eq!(school.app.count("SELECT count(*) FROM quota_use").await, 1);
    let ran = school.events("retention").await;
    assert_eq!(ran[0]["detail"], json!({"sessions": 251, "audit": 5100}));
    let metrics =
        reqwest::get(format!("http://{}/metrics", school.app.addr)).await.unwrap().text().await.unwrap();
    assert!(metrics.contains("fynq_retention_overdue{what=\"sessions\"} 0"), "{metrics}");
}

#[tokio::test(flavor = "multi_thread")]
async fn by_default_no_conversation_is_too_old() {
    let school = School::start().await;
    let ada = school.app.student("ada").await;
    ada.session().await;
    school.app.execute("UPDATE sessions SET updated_at = now() - interval '20 years'").await;
    jobs::retain(school.app.server().app()).await.unwrap();
    assert_eq!(school.app.count("SELECT count(*) FROM sessions").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_server_at_a_time_looks_for_what_is_too_old() {
    let school = School::of(TestApp::builder().settings(|s| s.retention.sessions_days = Some(30))).await;
    let ada = school.app.student("ada").await;
    ada.session().await;
    school.app.execute("UPDATE sessions SET updated_at = now() - interval '31 days'").await;
    let other = school.app.database.client().await;
    other.batch_execute("BEGIN; SELECT pg_advisory_xact_lock(718000001)").await.unwrap();
    let overdue = jobs::retain(school.app.server().app()).await.unwrap();
    assert_eq!(overdue.sessions, 1, "counted, also when it was not its turn");
    other.batch_execute("COMMIT").await.unwrap();
    assert_eq!(jobs::retain(school.app.server().app()).await.unwrap().sessions, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_doctor_tells_what_is_too_old() {
    let school = School::start().await;
    school.app.student("ada").await.session().await;
    school.app.execute("UPDATE sessions SET updated_at = now() - interval '31 days'").await;
    let said = async |days: &str| {
        let vars =
            [("DATABASE_URL", school.app.database.app_url()), ("FYNQ_RETENTION_DAYS", days.to_owned())];
        let vars = vars.map(|(name, value)| (name.to_owned(), value)).into();
        let report = fynq::doctor::examine(&vars, fynq::config::Settings::from_env(&vars)).await.text();
        report.lines().find(|line| line.contains(" retention ")).unwrap_or(&report).to_owned()
    };
    let overdue = said("30").await;
    assert!(
        overdue.starts_with("doubt") && overdue.contains("kept 30 days, the audit 365 days"),
        "{overdue}"
    );
    assert!(overdue.contains("older than that: 1 and 0"), "{overdue}");
    assert!(said("32").await.starts_with("ok"));
    let off = said("0").await;
    assert!(off.starts_with("note") && off.contains("FYNQ_RETENTION_DAYS"), "{off}");
}
