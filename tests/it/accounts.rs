//! Accounts, tokens, tickets and standing: contract 2 (`/auth`, `/users/me`, `/socket-tickets`).

use std::time::Duration;

use fynq::config::Rate;
use fynq::identity::{Role, Standing};
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::support::app::{Builder, TestApp};
use crate::support::client::{Client, Reply};
use crate::support::socket::PATIENCE;

/// What may differ between two answers that must tell the same.
fn but_request_id(reply: &Reply) -> Value {
    let mut body = reply.body.clone();
    body.as_object_mut().expect("a problem").remove("request_id");
    body
}

async fn login(app: &TestApp, email: &str, password: &str) -> Reply {
    Client::stranger(app.addr).post("/auth/login", json!({"email": email, "password": password})).await
}

async fn refresh(app: &TestApp, token: &str) -> Reply {
    Client::stranger(app.addr).post("/auth/refresh", json!({"refresh_token": token})).await
}

async fn family(app: &TestApp, who: &Client) -> fynq::identity::Principal {
    app.server().app().auth.authenticate(&who.token).await.expect("a good token")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_student_registers_and_is_signed_in() {
    let app = TestApp::builder().settings(|s| s.accounts.token_ttl = Duration::from_secs(900)).start().await;
    let entry = json!({"email": "Ada@School.example", "password": "correct horse", "display_name": "Ada"});
    let stranger = Client::stranger(app.addr);
    let body = stranger.post("/auth/register", entry.clone()).await.ok(201);
    assert_eq!((&body["token_type"], &body["expires_in"]), (&json!("bearer"), &json!(900)));
    assert_eq!(body["user"]["email"], "ada@school.example");
    assert_eq!(body["user"]["role"], "student");
    stranger.post("/auth/register", entry).await.assert_problem(409, "email_taken");
    let body = login(&app, "ADA@school.EXAMPLE", "correct horse").await.ok(200);
    assert_eq!(body["user"]["email"], "ada@school.example");
    assert_eq!(app.count("SELECT count(*) FROM users WHERE password_hash LIKE '$argon2id$%'").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_address_registers_once_also_at_the_same_moment() {
    let app = TestApp::builder().start().await;
    let calls = (0..6).map(|n| {
        let stranger = Client::stranger(app.addr);
        let entry = json!({"email": "ada@school.example", "password": format!("password {n}")});
        async move { stranger.post("/auth/register", entry).await.status }
    });
    let mut statuses = futures_util::future::join_all(calls).await;
    statuses.sort_unstable();
    assert_eq!(statuses, [201, 409, 409, 409, 409, 409]);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_learns_whether_an_account_exists() {
    let app = TestApp::builder().start().await;
    let ada = app.student("ada").await;
    app.execute(&format!(
        "UPDATE users SET disabled_at = now() WHERE id = '{}'",
        app.student("eve").await.user_id
    ))
    .await;
    let wrong = login(&app, &ada.email, "not this one").await;
    wrong.assert_problem(401, "invalid_credentials");
    let unknown = login(&app, "nobody@school.example", "not this one").await;
    assert_eq!(but_request_id(&unknown), but_request_id(&wrong));
    let eve = app.database.client().await;
    let row =
        eve.query_typed_one("SELECT email FROM users WHERE disabled_at IS NOT NULL", &[]).await.unwrap();
    let disabled = login(&app, row.get(0), &ada.password).await;
    assert_eq!(but_request_id(&disabled), but_request_id(&wrong));
}

/// What a device held before does not keep it from what it was just given.
#[tokio::test(flavor = "multi_thread")]
async fn a_sign_in_that_cannot_be_left_is_no_failure_of_the_next() {
    let app = TestApp::builder().start().await;
    let ada = app.student("ada").await;
    app.execute("ALTER TABLE sign_ins ADD CONSTRAINT never CHECK (ended_at IS NULL)").await;
    let body = json!({"email": ada.email, "password": ada.password, "refresh_token": ada.refresh_token});
    Client::stranger(app.addr).post("/auth/login", body).await.ok(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refresh_token_works_once_and_again_ends_the_sign_in() {
    let app = TestApp::builder().start().await;
    let ada = app.student("ada").await;
    let elsewhere = ada.login().await;
    let mut next = ada.clone();
    next.take_tokens(&refresh(&app, &ada.refresh_token).await.ok(200));
    assert_ne!(next.refresh_token, ada.refresh_token);
    next.get("/users/me").await.ok(200);
    refresh(&app, &ada.refresh_token).await.assert_problem(401, "unauthorized");
    next.get("/users/me").await.assert_problem(401, "unauthorized");
    refresh(&app, &next.refresh_token).await.assert_problem(401, "unauthorized");
    elsewhere.get("/users/me").await.ok(200);
    for token in ["", "nonsense", &ada.token, &"a".repeat(43)] {
        refresh(&app, token).await.assert_problem(401, "unauthorized");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refresh_token_used_twice_at_once_ends_the_sign_in() {
    let app = TestApp::builder().start().await;
    let ada = app.student("ada").await;
    // All of them stand before the same row; then it is let go.
    let mut holder = app.database.client().await;
    let lock = holder.transaction().await.unwrap();
    lock.batch_execute("SELECT 1 FROM refresh_tokens FOR UPDATE").await.unwrap();
    let uses = futures_util::future::join_all((0..6).map(|_| refresh(&app, &ada.refresh_token)));
    let release = async {
        let waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' \
                       AND datname = current_database()";
        let deadline = tokio::time::Instant::now() + PATIENCE;
        while app.count(waiting).await < 6 {
            assert!(tokio::time::Instant::now() < deadline, "they do not wait");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        lock.commit().await.unwrap();
    };
    let (replies, ()) = tokio::join!(uses, release);
    let won: Vec<&Reply> = replies.iter().filter(|reply| reply.status == 200).collect();
    assert_eq!(won.len(), 1, "{replies:#?}");
    let mut thief = ada.clone();
    thief.take_tokens(&won[0].body);
    thief.get("/users/me").await.assert_problem(401, "unauthorized");
    refresh(&app, &thief.refresh_token).await.assert_problem(401, "unauthorized");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expired_refresh_token_is_refused() {
    let app = TestApp::builder().start().await;
    let ada = app.student("ada").await;
    app.execute("UPDATE refresh_tokens SET expires_at = now() - interval '1 second'").await;
    refresh(&app, &ada.refresh_token).await.assert_problem(401, "unauthorized");
    ada.get("/users/me").await.ok(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sign_in_ends_in_the_end_however_often_it_was_refreshed() {
    let hour = Duration::from_secs(3600);
    let app = TestApp::builder().settings(|s| s.accounts.sign_in_ttl = hour).start().await;
    let mut ada = app.student("ada").await;
    let beyond = "SELECT count(*) FROM refresh_tokens r JOIN sign_ins s ON s.id = r.sign_in_id \
                  WHERE r.used_at IS NULL AND r.expires_at > s.created_at + interval '1 hour'";
    for minutes in [0, 59] {
        let began = format!("UPDATE sign_ins SET created_at = now() - interval '{minutes} minutes'");
        app.execute(&began).await;
        ada.take_tokens(&refresh(&app, &ada.refresh_token).await.ok(200));
        assert_eq!(app.count(beyond).await, 0, "{minutes}: the newest ends with the sign-in");
    }
    app.execute(
        "UPDATE sign_ins SET created_at = now() - interval '61 minutes'; \
         UPDATE refresh_tokens SET expires_at = now() + interval '1 day'",
    )
    .await;
    refresh(&app, &ada.refresh_token).await.assert_problem(401, "unauthorized");
    let again = ada.login().await;
    refresh(&app, &again.refresh_token).await.ok(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn after_logout_neither_token_works() {
    let app = TestApp::builder().start().await;
    let ada = app.student("ada").await;
    let elsewhere = ada.login().await;
    assert_eq!(ada.post("/auth/logout", json!({})).await.status, 204);
    ada.get("/users/me").await.assert_problem(401, "unauthorized");
    refresh(&app, &ada.refresh_token).await.assert_problem(401, "unauthorized");
    ada.post("/auth/logout", json!({})).await.assert_problem(401, "unauthorized");
    elsewhere.get("/users/me").await.ok(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disabled_or_deleted_account_has_no_rights_left() {
    let app = TestApp::builder().start().await;
    let (ada, eve) = (app.student("ada").await, app.student("eve").await);
    app.execute(&format!("UPDATE users SET disabled_at = now() WHERE id = '{}'", ada.user_id)).await;
    ada.get("/users/me").await.assert_problem(401, "unauthorized");
    refresh(&app, &ada.refresh_token).await.assert_problem(401, "unauthorized");
    login(&app, &ada.email, &ada.password).await.assert_problem(401, "invalid_credentials");
    app.execute(&format!("DELETE FROM users WHERE id = '{}'", eve.user_id)).await;
    eve.get("/users/me").await.assert_problem(401, "unauthorized");
}

#[tokio::test(flavor = "multi_thread")]
async fn rights_come_from_the_database_not_from_the_token() {
    let app = TestApp::builder().start().await;
    let ada = app.student("ada").await;
    assert_eq!(ada.get("/users/me").await.ok(200)["role"], "student");
    app.execute(&format!("UPDATE users SET role = 'tutor' WHERE id = '{}'", ada.user_id)).await;
    assert_eq!(family(&app, &ada).await.role, Role::Tutor);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_works_in_one_header_and_nowhere_else() {
    let app = TestApp::builder().start().await;
    let ada = app.student("ada").await;
    let nobody = Client::stranger(app.addr);
    let ask = |build: &dyn Fn(reqwest::RequestBuilder) -> reqwest::RequestBuilder, path: &str| {
        build(nobody.request(http::Method::GET, path)).send()
    };
    let bearer = ada.bearer();
    let plain = ask(&|r| r.header("authorization", &bearer), "/users/me").await.unwrap();
    assert_eq!(plain.status(), 200);
    let ticket = ada.post("/socket-tickets", json!({})).await.ok(201)["ticket"].as_str().unwrap().to_owned();
    let twice = ask(&|r| r.header("authorization", &bearer).header("authorization", &bearer), "/users/me");
    let cookie = ask(&|r| r.header("cookie", format!("access_token={}", ada.token)), "/users/me");
    let query = format!("/users/me?access_token={}", ada.token);
    let query = ask(&|r| r, &query);
    let basic = ask(&|r| r.basic_auth(&ada.email, Some(&ada.password)), "/users/me");
    let with_ticket = ask(&|r| r.bearer_auth(&ticket), "/users/me");
    let with_refresh = ask(&|r| r.bearer_auth(&ada.refresh_token), "/users/me");
    let mut bodies = Vec::new();
    for refused in [twice, cookie, query, basic, with_ticket, with_refresh] {
        let refused = refused.await.unwrap();
        assert_eq!(refused.status(), 401);
        assert_eq!(refused.headers()["www-authenticate"], "Bearer");
        let mut body: Value = refused.json().await.unwrap();
        body.as_object_mut().unwrap().remove("request_id");
        bodies.push(body);
    }
    assert!(bodies.windows(2).all(|pair| pair[0] == pair[1]), "{bodies:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_profile_is_read_and_changed() {
    let app = TestApp::builder().start().await;
    let ada = app.student("ada").await;
    let me = ada.get("/users/me").await.ok(200);
    assert_eq!((&me["id"], &me["display_name"]), (&json!(ada.user_id), &json!("ada")));
    let put = |body| ada.call(http::Method::PUT, "/users/me", Some(body));
    let changed = put(json!({"display_name": " Ada L. ", "locale": "pt-BR", "grade": "7"})).await.ok(200);
    assert_eq!(changed["display_name"], "Ada L.");
    assert_eq!((&changed["locale"], &changed["grade"]), (&json!("pt-BR"), &json!("7")));
    let changed = put(json!({"grade": null})).await.ok(200);
    assert_eq!((&changed["locale"], &changed["grade"]), (&json!("pt-BR"), &Value::Null));
    assert_eq!(ada.get("/users/me").await.ok(200), changed);
    put(json!({"role": "admin"})).await.assert_problem(422, "invalid_input");
}

async fn ticket(who: &Client, origin: Option<&str>) -> String {
    let mut request = who.request(http::Method::POST, "/socket-tickets");
    if let Some(origin) = origin {
        request = request.header("origin", origin);
    }
    let response = request.send().await.unwrap();
    assert_eq!(response.status(), 201);
    let body: Value = response.json().await.unwrap();
    assert_eq!(body["expires_in"], 30);
    body["ticket"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ticket_is_for_one_page_and_one_use() {
    let builder = TestApp::builder().settings(|s| s.allowed_origins = vec!["https://tutor.example".into()]);
    let app = builder.start().await;
    let ada = app.student("ada").await;
    let auth = &app.server().app().auth;
    let here = Some("https://tutor.example");
    let bound = ticket(&ada, here).await;
    assert!(auth.redeem_ticket(&bound, Some("https://evil.example")).await.is_err());
    assert!(auth.redeem_ticket(&bound, here).await.is_err(), "a refused ticket is spent");
    assert!(auth.redeem_ticket(&ticket(&ada, here).await, None).await.is_err());
    let who = auth.redeem_ticket(&ticket(&ada, here).await, here).await.unwrap();
    assert_eq!(who.user_id.to_string(), ada.user_id);
    assert_eq!(who.expires_at, family(&app, &ada).await.expires_at);

    let contested = ticket(&ada, None).await;
    let all = futures_util::future::join_all((0..8).map(|_| auth.redeem_ticket(&contested, None))).await;
    assert_eq!(all.iter().filter(|one| one.is_ok()).count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ticket_ends_with_its_time_and_with_its_sign_in() {
    let app = TestApp::builder().start().await;
    let ada = app.student("ada").await;
    let auth = &app.server().app().auth;
    let old = ticket(&ada, None).await;
    app.execute("UPDATE socket_tickets SET expires_at = now() - interval '1 second'").await;
    assert!(auth.redeem_ticket(&old, None).await.is_err());
    let orphan = ticket(&ada, None).await;
    ada.post("/auth/logout", json!({})).await;
    assert!(auth.redeem_ticket(&orphan, None).await.is_err());
    assert_eq!(app.count("SELECT count(*) FROM socket_tickets").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn standing_follows_the_database_within_five_seconds() {
    let app = TestApp::builder().start().await;
    let changes = [
        ("UPDATE sign_ins SET ended_at = now() WHERE user_id = $", Standing::SignedOut),
        ("UPDATE users SET disabled_at = now() WHERE id = $", Standing::Disabled),
        ("UPDATE users SET role = 'tutor' WHERE id = $", Standing::Good(Role::Tutor)),
        ("DELETE FROM users WHERE id = $", Standing::Disabled),
    ];
    let mut watched = Vec::new();
    for (change, expected) in changes {
        let who = app.student("ada").await;
        let principal = family(&app, &who).await;
        let auth = &app.server().app().auth;
        let standing = auth.standing(&principal);
        assert_eq!(*standing.borrow(), Standing::Good(Role::Student));
        app.execute(&change.replace('$', &format!("'{}'", who.user_id))).await;
        watched.push((change, standing, expected));
    }
    for (change, mut standing, expected) in watched {
        let arrived = timeout(Duration::from_secs(5), standing.wait_for(|now| *now == expected)).await;
        assert!(arrived.is_ok_and(|seen| seen.is_ok()), "{change}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_logout_here_is_known_here_at_once() {
    let app = TestApp::builder().start().await;
    let ada = app.student("ada").await;
    let who = family(&app, &ada).await;
    let standing = app.server().app().auth.standing(&who);
    ada.post("/auth/logout", json!({})).await;
    assert_eq!(*standing.borrow(), Standing::SignedOut);
}

#[tokio::test(flavor = "multi_thread")]
async fn standing_stays_while_the_database_is_away() {
    let app = TestApp::builder().database_proxy().start().await;
    let ada = app.student("ada").await;
    let who = family(&app, &ada).await;
    let mut standing = app.server().app().auth.standing(&who);
    let proxy = app.database_proxy.as_ref().unwrap();
    proxy.refuse();
    ada.get("/users/me").await.assert_problem(503, "storage_unavailable");
    app.execute("UPDATE sign_ins SET ended_at = now()").await;
    let silent = timeout(Duration::from_secs(3), standing.changed()).await;
    assert!(silent.is_err(), "changed to {:?} with no database", *standing.borrow());
    proxy.heal();
    let seen = timeout(PATIENCE, standing.wait_for(|now| *now == Standing::SignedOut)).await;
    assert!(seen.is_ok_and(|seen| seen.is_ok()));
}

fn limited() -> Builder {
    TestApp::builder().settings(|s| s.rate_limit = true)
}

#[tokio::test(flavor = "multi_thread")]
async fn after_ten_wrong_passwords_the_right_one_has_to_wait_too() {
    let app = limited().start().await;
    let (ada, eve) = (app.student("ada").await, app.student("eve").await);
    for _ in 0..10 {
        login(&app, &ada.email, "not this one").await.assert_problem(401, "invalid_credentials");
    }
    login(&app, &ada.email, &ada.password).await.assert_problem(429, "rate_limited");
    login(&app, &eve.email, &eve.password).await.ok(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn guesses_sent_together_are_not_all_answered() {
    let app = limited().start().await;
    let ada = app.student("ada").await;
    let guesses = (0..40).map(|_| login(&app, &ada.email, "not this one"));
    let replies = futures_util::future::join_all(guesses).await;
    let statuses: Vec<u16> = replies.iter().map(|reply| reply.status).collect();
    let answered = statuses.iter().filter(|status| **status == 401).count();
    assert_eq!(answered, 10, "{statuses:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_asks_too_often_is_told_when_to_return() {
    let builder =
        limited().settings(|s| s.limits.sign_ins_address = Rate::new(100, Duration::from_secs(900)));
    let app = builder.start().await;
    let nobody = Client::stranger(app.addr);
    for _ in 0..150 {
        let body = json!({"email": "a@school.example", "password": "12345678"});
        let response = nobody.request(http::Method::POST, "/auth/login").json(&body).send().await.unwrap();
        if response.status() == 429 {
            let seconds: u64 = response.headers()["retry-after"].to_str().unwrap().parse().unwrap();
            assert!(seconds >= 1);
            let body: Value = response.json().await.unwrap();
            assert_eq!(body["code"], "rate_limited");
            return;
        }
    }
    panic!("150 sign-ins in a row were let through");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_admin_is_made_and_nobody_takes_the_place_before() {
    let app = TestApp::builder().start().await;
    let auth = &app.server().app().auth;
    let squatter = app.student("root").await;
    assert!(
        auth.ensure_admin(&squatter.email.to_uppercase(), &"the real one".to_owned().into()).await.unwrap()
    );
    squatter.get("/users/me").await.assert_problem(401, "unauthorized");
    login(&app, &squatter.email, &squatter.password).await.assert_problem(401, "invalid_credentials");
    let admin = login(&app, &squatter.email, "the real one").await.ok(200);
    assert_eq!(admin["user"]["role"], "admin");
    assert!(!auth.ensure_admin(&squatter.email, &"another".to_owned().into()).await.unwrap());
    login(&app, &squatter.email, "the real one").await.ok(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_expired_is_forgotten() {
    let app = TestApp::builder().start().await;
    let (ada, eve) = (app.student("ada").await, app.student("eve").await);
    ticket(&ada, None).await;
    app.execute("UPDATE socket_tickets SET expires_at = now() - interval '1 second'").await;
    let of_eve = format!("(SELECT id FROM sign_ins WHERE user_id = '{}')", eve.user_id);
    app.execute(&format!(
        "UPDATE refresh_tokens SET expires_at = now() - interval '1 s' WHERE sign_in_id IN {of_eve}"
    ))
    .await;
    app.execute("UPDATE sign_ins SET created_at = now() - interval '1 year'").await;
    let now = fynq::clock::now();
    app.server().app().store.sweep_sign_ins(now, now).await.unwrap();
    assert_eq!(app.count("SELECT count(*) FROM socket_tickets").await, 0);
    assert_eq!(app.count("SELECT count(*) FROM sign_ins").await, 1);
    ada.get("/users/me").await.ok(200);
    eve.get("/users/me").await.assert_problem(401, "unauthorized");
}
