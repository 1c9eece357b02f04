//! What one signs in with and where one is signed in: shown, changed, ended, forgotten.

use std::time::{Duration, Instant};

use http::Method;
use serde_json::{Value, json};

use crate::support::app::{Builder, Scene, TestApp};
use crate::support::client::{Client, Reply};
use crate::support::socket::{PATIENCE, new_id};

const NEW: &str = "another horse entirely";

fn with_admin() -> Builder {
    TestApp::builder().settings(|s| {
        s.accounts.admin = Some(("root@school.example".into(), "a long password".to_owned().into()));
    })
}

async fn admin(addr: std::net::SocketAddr) -> Client {
    let mut root = Client::stranger(addr);
    root.email = "root@school.example".into();
    root.password = "a long password".into();
    root.login().await
}

async fn login(app: &TestApp, email: &str, password: &str) -> Reply {
    Client::stranger(app.addr).post("/auth/login", json!({"email": email, "password": password})).await
}

async fn refresh(who: &Client) -> Reply {
    let body = json!({"refresh_token": who.refresh_token});
    Client::stranger(who.addr).post("/auth/refresh", body).await
}

#[track_caller]
fn assert_field(reply: &Reply, code: &str, pointer: &str) {
    reply.assert_problem(422, code);
    assert_eq!(reply.body["errors"][0]["pointer"], pointer, "{reply:?}");
    assert!(!reply.body["errors"][0]["message"].as_str().unwrap().is_empty());
}

fn but_request_id(reply: &Reply) -> (u16, Value) {
    let mut body = reply.body.clone();
    body.as_object_mut().expect("an object").remove("request_id");
    (reply.status, body)
}

async fn sign_ins(who: &Client) -> Vec<Value> {
    who.get("/users/me/sign-ins").await.ok(200)["items"].as_array().unwrap().clone()
}

/// Signs in with a browser that calls itself so.
async fn login_with(who: &Client, user_agent: &str) -> Client {
    let mut again = who.clone();
    again.token.clear();
    let body = json!({"email": who.email, "password": who.password});
    let request = again.request(Method::POST, "/auth/login").header("user-agent", user_agent).json(&body);
    again.take_tokens(&request.send().await.unwrap().json().await.unwrap());
    again
}

async fn reset_code(root: &Client, user: &str) -> String {
    let issued = root.post(&format!("/admin/users/{user}/reset-code"), json!({})).await.ok(201);
    issued["code"].as_str().unwrap().to_owned()
}

async fn reset(app: &TestApp, email: &str, code: &str, password: &str) -> Reply {
    let body = json!({"email": email, "code": code, "new_password": password});
    Client::stranger(app.addr).post("/auth/reset", body).await
}

// ---- Sign-ins --------------------------------------------------------------------------------

#[tokio::test(flavor = "multi_thread")]
async fn ones_sign_ins_are_listed_with_a_name_and_nothing_that_the_browser_wrote() {
    let app = TestApp::builder().start().await;
    let (ada, eve) = (app.student("ada").await, app.student("eve").await);
    let phone =
        login_with(&ada, "Mozilla/5.0 (Android 15; Mobile; rv:144.0) Gecko/144.0 Firefox/144.0 hunter2")
            .await;
    let rows = sign_ins(&phone).await;
    let shown: Vec<_> =
        rows.iter().map(|row| (row["label"].as_str().unwrap(), row["current"] == true)).collect();
    assert_eq!(shown, [("Firefox on Android", true), ("Unknown device", false)]);
    for row in &rows {
        assert_eq!(row.as_object().unwrap().len(), 5, "{row}");
        assert!(row["created_at"].is_string() && row["last_used_at"].is_string(), "{row}");
    }
    assert_eq!(sign_ins(&eve).await.len(), 1, "only one's own");
    assert_eq!(
        app.count("SELECT count(*) FROM sign_ins s WHERE s::text ~* 'hunter2|mozilla|gecko|rv:|144[.]0'")
            .await,
        0
    );

    let first = ada.get("/users/me/sign-ins?limit=1").await.ok(200);
    assert_eq!(first["items"][0]["id"], rows[0]["id"]);
    let next = format!("/users/me/sign-ins?limit=1&cursor={}", first["next_cursor"].as_str().unwrap());
    let second = ada.get(&next).await.ok(200);
    assert_eq!((&second["items"][0]["id"], &second["next_cursor"]), (&rows[1]["id"], &Value::Null));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_ends_a_sign_in_of_ones_own_and_nobody_elses() {
    let mut scene = Scene::start().await;
    let (app, ada) = (&scene.app, &scene.ada);
    let eve = app.student("eve").await;
    let rows = sign_ins(ada).await;
    let path = format!("/users/me/sign-ins/{}", rows[0]["id"].as_str().unwrap());
    let foreign = eve.delete(&path).await;
    foreign.assert_problem(404, "not_found");
    let never = eve.delete(&format!("/users/me/sign-ins/{}", new_id())).await;
    assert_eq!(but_request_id(&foreign), but_request_id(&never));

    let elsewhere = ada.login().await;
    elsewhere.delete(&path).await.ok(204);
    let since = Instant::now();
    assert_eq!(scene.socket.closed().await, 4401);
    assert!(since.elapsed() < Duration::from_secs(5), "{:?}", since.elapsed());
    ada.get("/users/me").await.assert_problem(401, "unauthorized");
    refresh(ada).await.assert_problem(401, "unauthorized");
    assert_eq!(sign_ins(&elsewhere).await.len(), 1);
    elsewhere.delete(&path).await.assert_problem(404, "not_found");
    let own = sign_ins(&elsewhere).await[0]["id"].as_str().unwrap().to_owned();
    elsewhere.delete(&format!("/users/me/sign-ins/{own}")).await.ok(204);
    elsewhere.get("/users/me").await.assert_problem(401, "unauthorized");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_use_is_seen_at_once_and_written_once_a_minute() {
    let app = TestApp::builder().start().await;
    let ada = app.student("ada").await;
    app.execute("UPDATE sign_ins SET last_used_at = now() - interval '1 hour'").await;
    let recent = "SELECT count(*) FROM sign_ins WHERE last_used_at > now() - interval '1 minute'";
    ada.get("/users/me").await.ok(200);
    let shown: jiff::Timestamp = sign_ins(&ada).await[0]["last_used_at"].as_str().unwrap().parse().unwrap();
    assert!(fynq::clock::now().duration_since(shown) < jiff::SignedDuration::from_mins(1), "{shown}");
    assert_eq!(app.count(recent).await, 0, "a request wrote a row");
    app.server().app().auth.write_used().await;
    assert_eq!(app.count(recent).await, 1);
    app.execute("UPDATE sign_ins SET last_used_at = now() - interval '1 hour'").await;
    refresh(&ada).await.ok(200);
    assert_eq!(app.count(recent).await, 1, "a refresh");
}

#[tokio::test(flavor = "multi_thread")]
async fn all_others_are_signed_out_with_the_password_alone() {
    let mut scene = Scene::start().await;
    let elsewhere = scene.ada.login().await;
    let eve = scene.app.student("eve").await;
    let mut other = elsewhere.socket(&scene.session).await;
    let end =
        async |password: &str| scene.ada.post("/auth/logout-others", json!({"password": password})).await;
    assert_field(&end("not this one").await, "wrong_password", "/password");
    other.round_trip().await;
    let body = end(&scene.ada.password).await.ok(200);
    let since = Instant::now();
    assert_eq!((other.closed().await, scene.socket.closed().await), (4401, 4401));
    assert!(since.elapsed() < Duration::from_secs(5), "{:?}", since.elapsed());
    for ended in [&scene.ada, &elsewhere] {
        assert_is_over(ended).await;
    }
    let ada = goes_on(&scene.ada, &body).await;
    ada.socket(&scene.session).await.round_trip().await;
    eve.get("/users/me").await.ok(200);
}

/// Neither of its tokens opens anything any more.
async fn assert_is_over(ended: &Client) {
    ended.get("/users/me").await.assert_problem(401, "unauthorized");
    refresh(ended).await.assert_problem(401, "unauthorized");
}

/// Whoever showed the password is signed in by new tokens, and nowhere else.
async fn goes_on(before: &Client, body: &Value) -> Client {
    let mut after = before.clone();
    after.take_tokens(body);
    assert_eq!(after.user_id, before.user_id);
    assert!(after.token != before.token && after.refresh_token != before.refresh_token);
    let rows = sign_ins(&after).await;
    assert_eq!((rows.len(), &rows[0]["current"]), (1, &json!(true)), "{rows:?}");
    after.take_tokens(&refresh(&after).await.ok(200));
    after
}

#[tokio::test(flavor = "multi_thread")]
async fn signing_in_ends_the_sign_in_that_the_device_held() {
    let mut scene = Scene::start().await;
    let (app, ada) = (&scene.app, &scene.ada);
    let (elsewhere, eve) = (ada.login().await, app.student("eve").await);
    let stranger = Client::stranger(app.addr);
    let enter = async |who: &Client, password: &str, held: &str| {
        let body = json!({"email": who.email, "password": password, "refresh_token": held});
        stranger.post("/auth/login", body).await
    };
    enter(ada, "not this one", &ada.refresh_token).await.assert_problem(401, "invalid_credentials");
    scene.socket.round_trip().await;
    for nothing in ["", "x", &"x".repeat(43), &ada.token] {
        enter(ada, &ada.password, nothing).await.ok(200);
    }
    scene.socket.round_trip().await;

    enter(ada, &ada.password, &ada.refresh_token).await.ok(200);
    let since = Instant::now();
    assert_eq!(scene.socket.closed().await, 4401);
    assert!(since.elapsed() < Duration::from_secs(5), "{:?}", since.elapsed());
    assert_is_over(ada).await;
    elsewhere.get("/users/me").await.ok(200);
    app.server().app().audit.flush().await;
    let written = "SELECT count(*) FROM audit WHERE event = 'signed_out' AND actor_id = about_id";
    assert_eq!(app.count(written).await, 1);

    // On a computer that others use, whoever comes next ends what was left there, by a token that was used up, too.
    let mut renewed = elsewhere.clone();
    renewed.take_tokens(&refresh(&elsewhere).await.ok(200));
    enter(&eve, &eve.password, &elsewhere.refresh_token).await.ok(200);
    assert_is_over(&renewed).await;
    let new = json!({
        "email": "new@school.example", "password": "correct horse battery", "refresh_token": eve.refresh_token,
    });
    stranger.post("/auth/register", new).await.ok(201);
    assert_is_over(&eve).await;
}

// ---- Password and address --------------------------------------------------------------------

#[tokio::test(flavor = "multi_thread")]
async fn a_new_password_needs_the_old_one_and_begins_a_new_sign_in() {
    let mut scene = Scene::start().await;
    let ada = scene.ada.clone();
    let elsewhere = ada.login().await;
    let mut other = elsewhere.socket(&scene.session).await;
    let change = async |old: &str, new: &str| {
        ada.post("/auth/password", json!({"current_password": old, "new_password": new})).await
    };
    assert_field(&change("not this one", NEW).await, "wrong_password", "/current_password");
    assert_field(&change(&ada.password, "password1").await, "weak_password", "/new_password");
    assert_field(&change(&ada.password, "short").await, "invalid_input", "/new_password");
    assert_field(&change(&ada.password, &ada.email).await, "weak_password", "/new_password");
    other.round_trip().await;
    login(&scene.app, &ada.email, &ada.password).await.ok(200);

    let body = change(&ada.password, NEW).await.ok(200);
    let since = Instant::now();
    assert_eq!((other.closed().await, scene.socket.closed().await), (4401, 4401));
    assert!(since.elapsed() < Duration::from_secs(5), "{:?}", since.elapsed());
    for ended in [&ada, &elsewhere] {
        assert_is_over(ended).await;
    }
    let again = goes_on(&ada, &body).await;
    again.socket(&scene.session).await.round_trip().await;
    login(&scene.app, &ada.email, &ada.password).await.assert_problem(401, "invalid_credentials");
    login(&scene.app, &ada.email, NEW).await.ok(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_address_needs_the_password_and_begins_a_new_sign_in() {
    let mut scene = Scene::start().await;
    let ada = scene.ada.clone();
    let (elsewhere, eve) = (ada.login().await, scene.app.student("eve").await);
    let mut other = elsewhere.socket(&scene.session).await;
    let change = async |password: &str, email: &str| {
        ada.post("/auth/email", json!({"password": password, "new_email": email})).await
    };
    assert_field(&change("not this one", "new@school.example").await, "wrong_password", "/password");
    assert_field(&change(&ada.password, "no address").await, "invalid_input", "/new_email");
    change(&ada.password, &eve.email.to_uppercase()).await.assert_problem(409, "email_taken");
    other.round_trip().await;

    let body = change(&ada.password, "New@School.example").await.ok(200);
    let user = &body["user"];
    assert_eq!((&user["email"], &user["id"]), (&json!("new@school.example"), &json!(ada.user_id)));
    let since = Instant::now();
    assert_eq!((other.closed().await, scene.socket.closed().await), (4401, 4401));
    assert!(since.elapsed() < Duration::from_secs(5), "{:?}", since.elapsed());
    for ended in [&ada, &elsewhere] {
        assert_is_over(ended).await;
    }
    let again = goes_on(&ada, &body).await;
    assert_eq!(again.get("/users/me").await.ok(200)["email"], "new@school.example");
    login(&scene.app, &ada.email, &ada.password).await.assert_problem(401, "invalid_credentials");
    login(&scene.app, "new@school.example", &ada.password).await.ok(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_changes_at_once_from_the_same_password_are_one() {
    let app = TestApp::builder().start().await;
    let ada = app.student("ada").await;
    let elsewhere = ada.login().await;
    let change = |who: &Client, new: &str| {
        let body = json!({"current_password": who.password, "new_password": new});
        let who = who.clone();
        async move { who.post("/auth/password", body).await }
    };
    let replies = waiting_for(
        &app,
        "users",
        vec![Box::pin(change(&ada, NEW)) as Waiting, Box::pin(change(&elsewhere, "a third horse, then"))],
    );
    let replies = replies.await;
    let won = replies.iter().filter(|reply| reply.status == 200).count();
    assert_eq!(won, 1, "{replies:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sign_in_that_was_on_its_way_never_comes_alive() {
    let app = TestApp::builder().start().await;
    let mut ada = app.student("ada").await;
    let store = &app.server().app().store;
    for (path, body) in [
        ("/auth/logout-others", json!({"password": ada.password})),
        ("/auth/password", json!({"current_password": ada.password, "new_password": NEW})),
    ] {
        let number = store.credentials(&ada.email).await.unwrap().unwrap().number;
        let body = ada.post(path, body).await.ok(200);
        ada.take_tokens(&body);
        ada.get("/users/me").await.ok(200);
        let now = fynq::clock::now();
        let late = fynq::store::accounts::NewSignIn {
            id: fynq::id::new(),
            user: ada.user_id.parse().unwrap(),
            number,
            label: "",
            refresh: &[7; 32],
            now,
            expires_at: now + jiff::SignedDuration::from_hours(1),
        };
        assert!(!store.start_sign_in(&late).await.unwrap(), "{path}");
    }
    // As if it had been written in the very moment of the change.
    app.execute(&format!(
        "UPDATE users SET credentials_no = credentials_no + 1 WHERE id = '{}'",
        ada.user_id
    ))
    .await;
    ada.get("/users/me").await.assert_problem(401, "unauthorized");
    refresh(&ada).await.assert_problem(401, "unauthorized");
}

#[tokio::test(flavor = "multi_thread")]
async fn guessing_the_password_with_a_stolen_token_is_slowed_down() {
    let app = TestApp::builder().settings(|s| s.rate_limit = true).start().await;
    let ada = app.student("ada").await;
    let guess = json!({"password": "not this one"});
    for _ in 0..10 {
        assert_field(&ada.post("/auth/logout-others", guess.clone()).await, "wrong_password", "/password");
    }
    let body = json!({"current_password": ada.password, "new_password": NEW});
    ada.post("/auth/password", body).await.assert_problem(429, "rate_limited");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_hash_is_made_anew_at_the_next_sign_in() {
    use argon2::password_hash::PasswordHasher as _;
    let app = TestApp::builder().start().await;
    let ada = app.student("ada").await;
    let params = argon2::Params::new(4096, 1, 1, None).unwrap();
    let old = argon2::Argon2::new(argon2::Algorithm::Argon2id, argon2::Version::V0x13, params);
    let old = old.hash_password(ada.password.as_bytes()).unwrap().to_string();
    app.execute(&format!("UPDATE users SET password_hash = '{old}'")).await;
    let todays = "SELECT count(*) FROM users WHERE password_hash LIKE '$argon2id$v=19$m=19456,t=2,p=1$%'";
    login(&app, &ada.email, "not this one").await.assert_problem(401, "invalid_credentials");
    assert_eq!(app.count(todays).await, 0);
    login(&app, &ada.email, &ada.password).await.ok(200);
    assert_eq!(app.count(todays).await, 1);
    login(&app, &ada.email, &ada.password).await.ok(200);
    ada.get("/users/me").await.ok(200);
}

// ---- Forgotten -------------------------------------------------------------------------------

type Waiting = std::pin::Pin<Box<dyn Future<Output = Reply> + Send>>;

/// Sends all of them into one locked row of a table, then lets it go.
async fn waiting_for(app: &TestApp, table: &str, calls: Vec<Waiting>) -> Vec<Reply> {
    let count = i64::try_from(calls.len()).unwrap();
    let mut holder = app.database.client().await;
    let lock = holder.transaction().await.unwrap();
    lock.batch_execute(&format!("SELECT 1 FROM {table} FOR UPDATE")).await.unwrap();
    let release = async {
        let waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' \
                       AND datname = current_database()";
        let deadline = tokio::time::Instant::now() + PATIENCE;
        while app.count(waiting).await < count {
            assert!(tokio::time::Instant::now() < deadline, "they do not wait");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        lock.commit().await.unwrap();
    };
    tokio::join!(futures_util::future::join_all(calls), release).0
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reset_code_sets_a_new_password_once_and_ends_every_sign_in() {
    let mut scene = Scene::of(with_admin()).await;
    let root = admin(scene.app.addr).await;
    let ada = scene.ada.clone();
    let (app, email) = (&scene.app, &ada.email);
    let older = reset_code(&root, &ada.user_id).await;
    let code = reset_code(&root, &ada.user_id).await;
    assert_eq!(code.split('-').map(str::len).collect::<Vec<_>>(), [4; 7], "28 symbols of five bits");
    let kept =
        "SELECT count(*) FROM reset_codes WHERE length(hash) = 32 AND expires_at <= now() + interval '24 h'";
    assert_eq!(app.count(kept).await, 1);

    for (email, code) in [
        (email.as_str(), older.as_str()),
        (email, "nonsense"),
        (email, &ada.refresh_token),
        (&root.email, &code),
        ("nobody@school.example", &code),
    ] {
        assert_field(&reset(app, email, code, NEW).await, "invalid_code", "/code");
    }
    // A password that is refused leaves the code as it is.
    assert_field(&reset(app, email, &code, "iloveyou").await, "weak_password", "/new_password");
    assert_field(&reset(app, email, &code, "School12345").await, "weak_password", "/new_password");
    ada.get("/users/me").await.ok(200);

    reset(app, &email.to_uppercase(), &code.to_lowercase().replace('-', " "), NEW).await.ok(204);
    let since = Instant::now();
    assert_eq!(scene.socket.closed().await, 4401);
    assert!(since.elapsed() < Duration::from_secs(5), "{:?}", since.elapsed());
    ada.get("/users/me").await.assert_problem(401, "unauthorized");
    refresh(&ada).await.assert_problem(401, "unauthorized");
    login(app, email, &ada.password).await.assert_problem(401, "invalid_credentials");
    login(app, email, NEW).await.ok(200);
    let again = reset(app, email, &code, "a third horse, then").await;
    assert_field(&again, "invalid_code", "/code");
    login(app, email, NEW).await.ok(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_code_used_twice_at_once_works_once() {
    let app = with_admin().start().await;
    let (root, ada) = (admin(app.addr).await, app.student("ada").await);
    let code = reset_code(&root, &ada.user_id).await;
    let words = ["first horse, then", "second horse, then", "third horse, then"];
    let calls = words.map(|password| {
        let body = json!({"email": ada.email, "code": code, "new_password": password});
        let nobody = Client::stranger(app.addr);
        Box::pin(async move { nobody.post("/auth/reset", body).await }) as Waiting
    });
    let replies = waiting_for(&app, "reset_codes", calls.into()).await;
    let won: Vec<_> = (0..words.len()).filter(|at| replies[*at].status == 204).collect();
    assert_eq!(won.len(), 1, "{replies:#?}");
    for (at, word) in words.into_iter().enumerate() {
        let status = if at == won[0] { 200 } else { 401 };
        assert_eq!(login(&app, &ada.email, word).await.status, status, "{word}");
    }
    for lost in replies.iter().filter(|reply| reply.status != 204) {
        assert_field(lost, "invalid_code", "/code");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_ends_with_its_time_with_the_account_and_with_a_change() {
    let app = with_admin().start().await;
    let (root, ada) = (admin(app.addr).await, app.student("ada").await);
    let code = reset_code(&root, &ada.user_id).await;
    app.execute("UPDATE reset_codes SET expires_at = now() - interval '1 second'").await;
    assert_field(&reset(&app, &ada.email, &code, NEW).await, "invalid_code", "/code");
    let now = fynq::clock::now();
    app.server().app().store.sweep_sign_ins(now, now).await.unwrap();
    assert_eq!(app.count("SELECT count(*) FROM reset_codes").await, 0);

    let code = reset_code(&root, &ada.user_id).await;
    app.execute(&format!("UPDATE users SET disabled_at = now() WHERE id = '{}'", ada.user_id)).await;
    assert_field(&reset(&app, &ada.email, &code, NEW).await, "invalid_code", "/code");
    app.execute("UPDATE users SET disabled_at = NULL").await;
    let body = json!({"current_password": ada.password, "new_password": NEW});
    ada.post("/auth/password", body).await.ok(200);
    assert_field(&reset(&app, &ada.email, &code, "a third horse, then").await, "invalid_code", "/code");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_an_admin_of_the_organisation_makes_codes_and_not_for_themself() {
    let app = with_admin().start().await;
    let root = admin(app.addr).await;
    let (ada, far) = (app.student("ada").await, app.student("far").await);
    let issue = async |who: &Client, user: &str| {
        who.post(&format!("/admin/users/{user}/reset-code"), json!({})).await
    };
    app.execute(&format!(
        "INSERT INTO organisations VALUES ('00000000-0000-7000-8000-000000000002', 'Far', now()); \
         UPDATE users SET org_id = '00000000-0000-7000-8000-000000000002' WHERE id = '{}'",
        far.user_id
    ))
    .await;
    issue(&ada, &far.user_id).await.assert_problem(403, "forbidden");
    app.execute(&format!("UPDATE users SET role = 'tutor' WHERE id = '{}'", ada.user_id)).await;
    issue(&ada, &far.user_id).await.assert_problem(403, "forbidden");
    issue(&root, &root.user_id).await.assert_problem(403, "forbidden");
    let foreign = issue(&root, &far.user_id).await;
    foreign.assert_problem(404, "not_found");
    assert_eq!(but_request_id(&foreign), but_request_id(&issue(&root, &new_id()).await));
    assert_eq!(app.count("SELECT count(*) FROM reset_codes").await, 0);

    let store = &app.server().app().store;
    let code = fynq::auth::operators_reset_code(store, &far.email.to_uppercase()).await.unwrap().unwrap();
    let code = secrecy::ExposeSecret::expose_secret(&code.code).to_owned();
    reset(&app, &far.email, &code, NEW).await.ok(204);
    assert!(fynq::auth::operators_reset_code(store, "nobody@school.example").await.unwrap().is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_learns_from_forgot_login_or_reset_whether_an_account_exists() {
    let app = TestApp::builder().start().await;
    let ada = app.student("ada").await;
    let auth = &app.server().app().auth;
    let nobody = Client::stranger(app.addr);
    let unknown = "nobody@school.example";
    let code = "0000-0000-0000-0000-0000-0000-0000";
    for path in ["/auth/forgot", "/auth/login", "/auth/reset"] {
        let ask = async |email: &str| {
            let body = match path {
                "/auth/forgot" => json!({"email": email}),
                "/auth/login" => json!({"email": email, "password": "not this one"}),
                _ => json!({"email": email, "code": code, "new_password": NEW}),
            };
            let before = auth.password_work();
            let reply = nobody.post(path, body).await;
            (but_request_id(&reply), auth.password_work() - before)
        };
        let known = ask(&ada.email).await;
        assert_eq!(known, ask(unknown).await, "{path}");
        let (status, work) = match path {
            "/auth/forgot" => (202, 0),
            "/auth/login" => (401, 1),
            _ => (422, 0),
        };
        assert_eq!((known.0.0, known.1), (status, work), "{path}");
    }
    let help = nobody.post("/auth/forgot", json!({"email": unknown})).await.ok(202);
    assert_eq!(help["next"], "admin");
    ada.get("/users/me").await.ok(200);
}

// ---- Signing up ------------------------------------------------------------------------------

/// A class with a code, in a school of its own.
async fn far_class(app: &TestApp) {
    app.execute(
        "INSERT INTO organisations VALUES ('00000000-0000-7000-8000-000000000002', 'Northfield', now()); \
         INSERT INTO classes VALUES ('00000000-0000-7000-8000-000000000003', \
             '00000000-0000-7000-8000-000000000002', 'Algebra', 'ABCDEFGHJKLM', now())",
    )
    .await;
}

fn entry(email: &str, code: Option<&str>) -> Value {
    let mut entry = json!({"email": email, "password": "correct horse battery"});
    if let Some(code) = code {
        entry["join_code"] = code.into();
    }
    entry
}

#[tokio::test(flavor = "multi_thread")]
async fn with_a_join_code_an_account_is_born_in_its_class() {
    let app = TestApp::builder().start().await;
    far_class(&app).await;
    let nobody = Client::stranger(app.addr);
    for wrong in ["ABCDEFGHJKLX", "nonsense", "' OR true --", "-"] {
        let refused = nobody.post("/auth/register", entry("ada@school.example", Some(wrong))).await;
        assert_field(&refused, "invalid_code", "/join_code");
    }
    assert_eq!(app.count("SELECT count(*) FROM users").await, 0);
    let mut ada = nobody.clone();
    let joined = nobody.post("/auth/register", entry("ada@school.example", Some("abcd-efgh-jklm"))).await;
    ada.take_tokens(&joined.ok(201));
    let there = "SELECT count(*) FROM users u JOIN class_members m ON m.user_id = u.id \
                 WHERE u.org_id = '00000000-0000-7000-8000-000000000002' AND u.role = 'student' \
                 AND m.member_as = 'student' AND m.class_id = '00000000-0000-7000-8000-000000000003'";
    assert_eq!(app.count(there).await, 1);
    ada.session().await;
    assert_eq!(app.count("SELECT count(*) FROM sessions s JOIN users u ON u.org_id = s.org_id").await, 1);

    // Taken: nobody joins.
    let taken = nobody.post("/auth/register", entry("ADA@school.example", Some("ABCDEFGHJKLM"))).await;
    taken.assert_problem(409, "email_taken");
    nobody.post("/auth/register", entry("eve@school.example", None)).await.ok(201);
    assert_eq!(app.count("SELECT count(*) FROM class_members").await, 1);
    assert_eq!(app.count("SELECT count(*) FROM users").await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn where_registration_is_closed_only_a_code_opens_it() {
    let app = TestApp::builder().settings(|s| s.accounts.open_registration = false).start().await;
    far_class(&app).await;
    let nobody = Client::stranger(app.addr);
    let refused = nobody.post("/auth/register", entry("ada@school.example", None)).await;
    assert_field(&refused, "invalid_input", "/join_code");
    let refused = nobody.post("/auth/register", entry("ada@school.example", Some("nonsense"))).await;
    assert_field(&refused, "invalid_code", "/join_code");
    assert_eq!(app.count("SELECT count(*) FROM users").await, 0);
    nobody.post("/auth/register", entry("ada@school.example", Some("ABCDEFGHJKLM"))).await.ok(201);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_that_is_no_secret_makes_no_account() {
    let app = TestApp::builder().start().await;
    far_class(&app).await;
    let nobody = Client::stranger(app.addr);
    for (password, code) in [
        ("password1", "weak_password"),
        ("QWERTYuiop", "weak_password"),
        ("ada.lovelace1815", "weak_password"),
        ("CountessAda!", "weak_password"),
        ("fynq-2026", "weak_password"),
        ("Northfield-7", "weak_password"),
        ("algebra2026", "weak_password"),
        ("1234567", "invalid_input"),
    ] {
        let entry = json!({
            "email": "ada.lovelace@school.example", "password": password,
            "display_name": "Countess Ada", "join_code": "ABCDEFGHJKLM",
        });
        let refused = nobody.post("/auth/register", entry).await;
        assert_field(&refused, code, "/password");
        assert!(!refused.body.to_string().contains(password), "{refused:?}");
    }
    assert_eq!(app.count("SELECT count(*) FROM users").await, 0);
}

// ---- Logs ------------------------------------------------------------------------------------

/// Everything above once more in a process that tells all it can: what happened is there, and nothing
/// that opens a door or names a person.
#[tokio::test(flavor = "multi_thread")]
async fn the_log_tells_what_happened_and_no_secret() {
    let (database, dir) = (crate::support::pg::Db::new().await, crate::support::app::Scratch::new());
    let process = crate::support::process::Process::start(&[
        ("DATABASE_URL", database.url()),
        ("FYNQ_DATA_DIR", dir.0.to_str().unwrap()),
        ("FYNQ_ADMIN_EMAIL", "root@school.example"),
        ("FYNQ_ADMIN_PASSWORD", "a long password"),
        ("FYNQ_LOG", "json"),
        ("RUST_LOG", "trace"),
    ])
    .await;
    let root = admin(process.addr).await;
    let nobody = Client::stranger(process.addr);
    let ada = Client::register(process.addr, "hunter2-ada").await;
    let other = login_with(&ada, "hunter2-browser Firefox/1 Windows").await;
    let registered = ada.password.clone();
    let mut said = vec![ada.password.clone(), "hunter2".to_owned(), "School.example".to_owned()];
    let words = ["wrong-hunter2-word", "first-hunter2-word", "second-hunter2-word", "password1"];
    let [wrong, first, second, weak] = words;
    let change = |old: &str, new: &str| json!({"current_password": old, "new_password": new});
    ada.post("/auth/password", change(wrong, first)).await.assert_problem(422, "wrong_password");
    ada.post("/auth/password", change(&ada.password, weak)).await.assert_problem(422, "weak_password");
    let mut ada = vec![ada];
    let mut anew = async |path: &str, body: Value| {
        let mut again = ada.last().unwrap().clone();
        let body = again.post(path, body).await.ok(200);
        again.take_tokens(&body);
        ada.push(again);
        body
    };
    anew("/auth/password", change(&registered, first)).await;
    anew("/auth/logout-others", json!({"password": first})).await;
    let moved = json!({"password": first, "new_email": "hunter2-new@School.example"});
    let email = anew("/auth/email", moved).await["user"]["email"].as_str().unwrap().to_owned();
    nobody.post("/auth/forgot", json!({"email": email})).await.ok(202);
    nobody.post("/auth/login", json!({"email": email, "password": wrong})).await;
    let code = reset_code(&root, &ada[0].user_id).await;
    let reset = json!({"email": email, "code": code, "new_password": second});
    nobody.post("/auth/reset", reset.clone()).await.ok(204);
    nobody.post("/auth/reset", reset).await.assert_problem(422, "invalid_code");
    said.extend(words.map(str::to_owned));
    said.extend([email, code.replace('-', ""), code]);
    for who in ada.iter().chain([&other, &root]) {
        said.extend([who.token.clone(), who.refresh_token.clone()]);
    }
    process.says("reset_code_refused").await;
    let output = process.output();
    for event in [
        "password_refused",
        "password_changed",
        "sign_ins_ended",
        "email_changed",
        "password_forgotten",
        "reset_code_issued",
        "password_reset",
        "reset_code_refused",
    ] {
        assert!(output.contains(&format!("\"event\":\"{event}\"")), "no {event} in\n{output}");
    }
    for secret in said {
        let lines: Vec<_> = output.lines().filter(|line| line.contains(&secret)).collect();
        assert!(lines.is_empty(), "{secret}: {lines:#?}");
    }
}
