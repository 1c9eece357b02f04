//! Accounts that are Supabase's: contract 1 (`SUPABASE_URL`) and 2 (`/auth`), against a server that
//! plays it.

use std::time::{Duration, Instant};

use fynq::config::SigningKeys;
use serde_json::{Value, json};

use crate::support::app::{Builder, Scene, TestApp};
use crate::support::client::{Client, Reply};
use crate::support::gotrue::{Dial, GoTrue, User};
use crate::support::keys::{SigningKey, part};
use crate::support::socket::new_id;

fn with(gotrue: &GoTrue) -> Builder {
    with_times(gotrue, SigningKeys::default())
}

fn with_times(gotrue: &GoTrue, keys: SigningKeys) -> Builder {
    let supabase = fynq::config::Supabase { keys, ..gotrue.settings() };
    TestApp::builder().settings(|s| s.supabase = Some(supabase))
}

async fn login(app: &TestApp, email: &str, password: &str) -> Reply {
    Client::stranger(app.addr).post("/auth/login", json!({"email": email, "password": password})).await
}

async fn refresh(app: &TestApp, token: &str) -> Reply {
    Client::stranger(app.addr).post("/auth/refresh", json!({"refresh_token": token})).await
}

/// Somebody with tokens that did not come through fynq.
fn visitor(app: &TestApp, gotrue: &GoTrue) -> Client {
    gotrue.person(&Client::stranger(app.addr), "eve")
}

#[tokio::test(flavor = "multi_thread")]
async fn signing_up_in_on_and_out_goes_through_supabase() {
    let gotrue = GoTrue::start().await;
    let app = with(&gotrue).start().await;
    let entry = json!({"email": "Ada@School.example", "password": "correct horse", "display_name": "Ada"});
    let stranger = Client::stranger(app.addr);
    let body = stranger.post("/auth/register", entry.clone()).await.ok(201);
    assert_eq!(body["token_type"], "bearer");
    assert!((3590..=3600).contains(&body["expires_in"].as_u64().unwrap()), "{body}");
    assert_eq!(
        (&body["user"]["email"], &body["user"]["role"]),
        (&json!("ada@school.example"), &json!("student"))
    );
    assert_eq!(body["user"]["id"], gotrue.world().users["ada@school.example"].id.as_str());
    assert_eq!(body.as_object().unwrap().len(), 5, "nothing of Supabase's shines through: {body}");
    assert_eq!(app.count("SELECT count(*) FROM users WHERE password_hash IS NOT NULL").await, 0);
    stranger.post("/auth/register", entry).await.assert_problem(409, "email_taken");

    let mut ada = stranger.clone();
    ada.take_tokens(&login(&app, "ADA@school.EXAMPLE", "correct horse").await.ok(200));
    let me = ada.get("/users/me").await.ok(200);
    assert_eq!((&me["display_name"], &me["role"]), (&json!("Ada"), &json!("student")));
    let before = ada.clone();
    ada.take_tokens(&refresh(&app, &ada.refresh_token).await.ok(200));
    ada.get("/users/me").await.ok(200);
    before.get("/users/me").await.ok(200);
    assert_eq!(ada.post("/auth/logout", json!({})).await.status, 204);
    for ended in [&ada, &before] {
        ended.get("/users/me").await.assert_problem(401, "unauthorized");
        refresh(&app, &ended.refresh_token).await.assert_problem(401, "unauthorized");
    }
    let calls = gotrue.world().calls.clone();
    assert_eq!(calls.iter().filter(|call| *call == "/logout").count(), 1, "{calls:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_socket_opens_and_ends_with_the_sign_in() {
    let gotrue = GoTrue::start().await;
    let mut scene = Scene::of(with(&gotrue)).await;
    scene.turn("Hello", "Hi").await;
    let ticket =
        scene.ada.post("/socket-tickets", json!({})).await.ok(201)["ticket"].as_str().unwrap().to_owned();
    let offer = format!("fynq.v1, ticket.{ticket}");
    let path = format!("/api/v1/sessions/{}/socket", scene.session);
    let headers = [("sec-websocket-protocol", offer.as_str())];
    let mut by_ticket = crate::support::socket::Socket::open(scene.app.addr, &path, &headers).await.unwrap();
    // A fresh token of the same sign-in, on the open socket.
    let mut ada = scene.ada.clone();
    ada.take_tokens(&refresh(&scene.app, &ada.refresh_token).await.ok(200));
    scene.socket.send(json!({"type": "auth", "id": new_id(), "token": ada.token})).await;
    scene.socket.round_trip().await;
    let since = Instant::now();
    ada.post("/auth/logout", json!({})).await.ok(204);
    assert_eq!(scene.socket.closed().await, 4401);
    assert_eq!(by_ticket.closed().await, 4401);
    assert!(since.elapsed() < Duration::from_secs(5), "{:?}", since.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn disabling_ends_tokens_and_sockets_although_supabase_knows_nothing_of_it() {
    let gotrue = GoTrue::start().await;
    let mut scene = Scene::of(with(&gotrue)).await;
    scene
        .app
        .execute(&format!("UPDATE users SET disabled_at = now() WHERE id = '{}'", scene.ada.user_id))
        .await;
    assert_eq!(scene.socket.closed().await, 4403);
    scene.ada.get("/users/me").await.assert_problem(401, "unauthorized");
    let again = login(&scene.app, &scene.ada.email, &scene.ada.password).await;
    again.assert_problem(401, "invalid_credentials");
    refresh(&scene.app, &scene.ada.refresh_token).await.assert_problem(401, "unauthorized");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_comes_with_a_good_token_is_written_down_once() {
    let gotrue = GoTrue::start().await;
    let app = with(&gotrue).start().await;
    let eve = visitor(&app, &gotrue);
    let all = futures_util::future::join_all((0..12).map(|_| eve.get("/users/me"))).await;
    for reply in all {
        assert_eq!(reply.ok(200)["id"], eve.user_id.as_str());
    }
    assert_eq!(app.count("SELECT count(*) FROM users").await, 1);
    assert_eq!(app.count("SELECT count(*) FROM sign_ins").await, 1);
    // Several sign-ins of somebody new, at the same moment.
    let bob = visitor(&app, &gotrue);
    let tokens: Vec<Client> = (0..6)
        .map(|_| {
            let body = gotrue.world().begin(&bob.email);
            bob.with_token(body["access_token"].as_str().unwrap())
        })
        .collect();
    let all = futures_util::future::join_all(tokens.iter().map(|one| one.get("/users/me"))).await;
    assert!(all.iter().all(|reply| reply.status == 200), "{all:#?}");
    assert_eq!(app.count("SELECT count(*) FROM users").await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_project_names_a_role_once_and_its_users_never() {
    let gotrue = GoTrue::start().await;
    let app = with(&gotrue).start().await;
    let role =
        async |email: &str| login(&app, email, "correct horse battery").await.ok(200)["user"]["role"].clone();
    let stranger = Client::stranger(app.addr);
    for (named, seeded) in [
        (json!("tutor"), "tutor"),
        (json!("admin"), "admin"),
        (json!("student"), "student"),
        (json!("root"), "student"),
        (json!(["admin"]), "student"),
        (Value::Null, "student"),
    ] {
        let who = gotrue.person(&stranger, "someone");
        {
            let mut world = gotrue.world();
            let user = world.users.get_mut(&who.email).unwrap();
            user.app_metadata["role"] = named.clone();
            user.user_metadata["role"] = "admin".into();
        }
        assert_eq!(role(&who.email).await, seeded, "{named}");
        // Raised there later, it stays what our table says; changed here, it is that.
        gotrue.world().users.get_mut(&who.email).unwrap().app_metadata["role"] = "admin".into();
        assert_eq!(role(&who.email).await, seeded, "{named}");
        app.execute(&format!("UPDATE users SET role = 'tutor' WHERE id = '{}'", who.user_id)).await;
        assert_eq!(role(&who.email).await, "tutor");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_never_leads_to_somebody_elses_account() {
    let gotrue = GoTrue::start().await;
    let app = with(&gotrue).start().await;
    let eve = visitor(&app, &gotrue);
    let local = "11111111-1111-4111-8111-111111111111";
    app.execute(&format!(
        "INSERT INTO users (id, email, password_hash, role, created_at, updated_at) \
         VALUES ('{local}', '{}', '$argon2id$', 'admin', now(), now())",
        eve.email
    ))
    .await;
    let me = eve.get("/users/me").await.ok(200);
    assert_eq!((&me["id"], &me["role"]), (&json!(eve.user_id), &json!("student")), "somebody of her own");
    assert_eq!(app.count("SELECT count(*) FROM users").await, 2);
    // Nor does an id that is a local account's.
    let thief = visitor(&app, &gotrue);
    gotrue.world().users.get_mut(&thief.email).unwrap().id = local.to_owned();
    login(&app, &thief.email, &thief.password).await.assert_problem(401, "invalid_credentials");
    assert_eq!(app.count("SELECT count(*) FROM sign_ins").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_address_follows_what_supabase_says() {
    let gotrue = GoTrue::start().await;
    let app = with(&gotrue).start().await;
    let eve = visitor(&app, &gotrue);
    eve.get("/users/me").await.ok(200);
    {
        let mut world = gotrue.world();
        let user = world.users.remove(&eve.email).unwrap();
        let email = "new@school.example".to_owned();
        world.users.insert(email.clone(), User { email, ..user });
    }
    let body = login(&app, "new@school.example", &eve.password).await.ok(200);
    assert_eq!(
        (&body["user"]["id"], &body["user"]["email"]),
        (&json!(eve.user_id), &json!("new@school.example"))
    );
    assert_eq!(eve.get("/users/me").await.ok(200)["email"], "new@school.example");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_was_deleted_here_stays_deleted() {
    let gotrue = GoTrue::start().await;
    let app = with(&gotrue).start().await;
    let eve = visitor(&app, &gotrue);
    eve.get("/users/me").await.ok(200);
    app.execute(&format!("DELETE FROM users WHERE id = '{}'", eve.user_id)).await;
    eve.get("/users/me").await.assert_problem(401, "unauthorized");
    login(&app, &eve.email, &eve.password).await.assert_problem(401, "invalid_credentials");
    assert_eq!(app.count("SELECT count(*) FROM users").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sign_in_that_was_ended_here_stays_ended_however_old() {
    let gotrue = GoTrue::start().await;
    let app = with(&gotrue).start().await;
    let ada = app.student("ada").await;
    let elsewhere = ada.login().await;
    // Supabase cannot be told.
    gotrue.world().auth = Dial::Status(500);
    ada.post("/auth/logout", json!({})).await.ok(204);
    gotrue.world().auth = Dial::Well;
    app.execute("UPDATE sign_ins SET created_at = now() - interval '1 year'").await;
    app.execute("DELETE FROM refresh_tokens").await;
    let now = fynq::clock::now();
    app.server().app().store.sweep_sign_ins(now, now).await.unwrap();
    ada.get("/users/me").await.assert_problem(401, "unauthorized");
    refresh(&app, &ada.refresh_token).await.assert_problem(401, "unauthorized");
    elsewhere.get("/users/me").await.ok(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refresh_token_used_again_ends_the_sign_in_here_too() {
    let gotrue = GoTrue::start().await;
    let mut scene = Scene::of(with(&gotrue)).await;
    let mut next = scene.ada.clone();
    next.take_tokens(&refresh(&scene.app, &scene.ada.refresh_token).await.ok(200));
    refresh(&scene.app, &scene.ada.refresh_token).await.assert_problem(401, "unauthorized");
    for ended in [&scene.ada, &next] {
        ended.get("/users/me").await.assert_problem(401, "unauthorized");
    }
    refresh(&scene.app, &next.refresh_token).await.assert_problem(401, "unauthorized");
    assert_eq!(scene.socket.closed().await, 4401);
    for nonsense in ["", "nonsense", &"a".repeat(5000)] {
        refresh(&scene.app, nonsense).await.assert_problem(401, "unauthorized");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_comes_in_and_who_does_not_is_written_down() {
    let gotrue = GoTrue::start().await;
    let app = with(&gotrue).start().await;
    let rows = async |event: &str, more: &str| {
        app.server().app().audit.flush().await;
        app.count(&format!(
            "SELECT count(*) FROM audit WHERE event = '{event}' AND address IS NOT NULL {more}"
        ))
        .await
    };
    let of = |who: &Client| format!("AND actor_id = '{}' AND org_id IS NOT NULL", who.user_id);
    let ada = app.student("ada").await;
    assert_eq!((rows("account_created", &of(&ada)).await, rows("signed_in", &of(&ada)).await), (1, 1));
    let mut elsewhere = ada.login().await;
    assert_eq!(rows("signed_in", &of(&ada)).await, 2);
    login(&app, &ada.email, "not the password").await.assert_problem(401, "invalid_credentials");
    assert_eq!(rows("sign_in_failed", "AND actor_id IS NULL").await, 1);
    // Through Supabase's own library, in many requests at once.
    let eve = visitor(&app, &gotrue);
    futures_util::future::join_all((0..6).map(|_| eve.get("/users/me"))).await;
    assert_eq!((rows("account_created", &of(&eve)).await, rows("signed_in", &of(&eve)).await), (1, 1));
    let used = elsewhere.refresh_token.clone();
    elsewhere.take_tokens(&refresh(&app, &used).await.ok(200));
    assert_eq!(rows("signed_in", &of(&ada)).await, 2, "a refresh is no new sign-in");
    refresh(&app, &used).await.assert_problem(401, "unauthorized");
    assert_eq!(rows("refresh_reused", "").await, 1);
    refresh(&app, "nonsense").await.assert_problem(401, "unauthorized");
    assert_eq!(rows("token_refused", "AND detail->>'reason' = 'an unknown refresh token'").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sign_in_that_ended_there_is_written_down_too() {
    let gotrue = GoTrue::start().await;
    let app = with(&gotrue).start().await;
    let ended = visitor(&app, &gotrue);
    gotrue.world().end(part(&ended.token, 1)["session_id"].as_str().unwrap());
    for _ in 0..3 {
        ended.get("/users/me").await.assert_problem(401, "unauthorized");
    }
    app.server().app().audit.flush().await;
    assert_eq!(app.count("SELECT count(*) FROM audit WHERE event = 'token_refused'").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sign_in_that_ended_there_before_it_was_seen_here_opens_nothing() {
    let gotrue = GoTrue::start().await;
    let app = with(&gotrue).start().await;
    let (ended, banned, good) = (visitor(&app, &gotrue), visitor(&app, &gotrue), visitor(&app, &gotrue));
    let session = part(&ended.token, 1)["session_id"].as_str().unwrap().to_owned();
    gotrue.world().end(&session);
    gotrue.world().users.get_mut(&banned.email).unwrap().banned = true;
    for refused in [&ended, &banned] {
        refused.get("/users/me").await.assert_problem(401, "unauthorized");
    }
    assert_eq!(app.count("SELECT count(*) FROM users").await, 0);
    // While it is away, a token's word counts.
    gotrue.world().auth = Dial::Status(502);
    good.get("/users/me").await.ok(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_gotrue_refuses_is_said_in_our_words() {
    let gotrue = GoTrue::start().await;
    let app = with(&gotrue).start().await;
    let stranger = Client::stranger(app.addr);
    let register = async |email: &str, password: &str| {
        stranger.post("/auth/register", json!({"email": email, "password": password})).await
    };
    let weak = register("weak@school.example", "password1").await;
    weak.assert_problem(422, "invalid_input");
    assert_eq!(weak.body["errors"][0]["pointer"], "/password");
    let long = register("long@school.example", &"x".repeat(73)).await;
    assert_eq!((long.status, &long.body["errors"][0]["pointer"]), (422, &json!("/password")));
    gotrue.world().signup_open = false;
    register("late@school.example", "correct horse").await.assert_problem(403, "forbidden");
    gotrue.world().signup_open = true;

    gotrue.world().autoconfirm = false;
    let first = register("new@school.example", "correct horse").await;
    first.assert_problem(403, "email_not_confirmed");
    gotrue.world().users.get_mut("new@school.example").unwrap().confirmed = true;
    let taken = register("new@school.example", "correct horse").await;
    assert_eq!(
        (taken.status, &taken.body["code"]),
        (403, &first.body["code"]),
        "nobody learns that it is taken"
    );
    gotrue.world().users.get_mut("new@school.example").unwrap().confirmed = false;
    login(&app, "new@school.example", "correct horse").await.assert_problem(403, "email_not_confirmed");

    let wrong = login(&app, "new@school.example", "not this one").await;
    wrong.assert_problem(401, "invalid_credentials");
    let unknown = login(&app, "nobody@school.example", "not this one").await;
    gotrue.world().users.get_mut("new@school.example").unwrap().banned = true;
    let banned = login(&app, "new@school.example", "correct horse").await;
    for mut same in [unknown, banned] {
        same.body["request_id"] = wrong.body["request_id"].clone();
        assert_eq!((same.status, &same.body), (wrong.status, &wrong.body));
    }
    for reply in [&weak, &first, &wrong] {
        let said = reply.body.to_string();
        assert!(!said.contains("known to be weak") && !said.contains("Invalid login"), "{said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn while_gotrue_is_away_nobody_signs_in_and_who_is_in_stays() {
    let gotrue = GoTrue::start().await;
    let mut scene = Scene::of(with(&gotrue)).await;
    let faults = [
        Dial::Status(500),
        Dial::Status(503),
        Dial::Html,
        Dial::Huge,
        Dial::Redirect(format!("{}/elsewhere", gotrue.url())),
        Dial::Says(json!({"access_token": "a.b.c", "refresh_token": "x"})),
        Dial::Says(json!([])),
        Dial::Status(401),
    ];
    for fault in faults {
        let named = format!("{fault:?}");
        gotrue.world().auth = fault;
        for reply in [
            login(&scene.app, &scene.ada.email, &scene.ada.password).await,
            refresh(&scene.app, &scene.ada.refresh_token).await,
        ] {
            assert_eq!((reply.status, &reply.body["code"]), (503, &json!("identity_unavailable")), "{named}");
        }
        scene.ada.get("/users/me").await.ok(200);
    }
    assert!(!gotrue.world().calls.iter().any(|call| call == "/elsewhere"), "a redirect was followed");
    gotrue.world().auth = Dial::Well;
    gotrue.proxy.refuse();
    login(&scene.app, &scene.ada.email, &scene.ada.password)
        .await
        .assert_problem(503, "identity_unavailable");
    scene.turn("Still here?", "Yes").await;
    gotrue.proxy.heal();
    login(&scene.app, &scene.ada.email, &scene.ada.password).await.ok(200);
    refresh(&scene.app, &scene.ada.refresh_token).await.ok(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn gotrue_that_never_answers_is_given_up() {
    let gotrue = GoTrue::start().await;
    let app = with(&gotrue).start().await;
    gotrue.world().auth = Dial::Slow;
    let since = Instant::now();
    login(&app, "ada@school.example", "correct horse").await.assert_problem(503, "identity_unavailable");
    assert!((9..15).contains(&since.elapsed().as_secs()), "{:?}", since.elapsed());
}

/// Keys that are due at once, so that a test need not wait ten minutes.
fn short(life_ms: u64, gap_ms: u64) -> SigningKeys {
    let ms = Duration::from_millis;
    SigningKeys { life: ms(life_ms), gap: ms(gap_ms), ..SigningKeys::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_of_keys_that_went_bad_changes_nothing() {
    let gotrue = GoTrue::start().await;
    let app = with_times(&gotrue, short(1, 1)).start().await;
    let ada = app.student("ada").await;
    let impostor = SigningKey::es256("key-1");
    let oct = json!({"kty": "oct", "kid": "key-1", "k": "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LXNlY3JldA", "alg": "HS256"});
    let mut p384 = impostor.jwk();
    p384["crv"] = "P-384".into();
    let faults = [
        Dial::Status(500),
        Dial::Status(404),
        Dial::Html,
        Dial::Huge,
        Dial::Redirect(format!("{}/elsewhere", gotrue.url())),
        Dial::Says(json!({"keys": []})),
        Dial::Says(json!({"keys": "none"})),
        Dial::Says(json!({"keys": [oct]})),
        Dial::Says(json!({"keys": [p384]})),
        Dial::Says(json!({"keys": [impostor.jwk(), gotrue.world().key.jwk()]})),
        Dial::Says(json!({"keys": [gotrue.world().key.jwk(), impostor.jwk()]})),
        Dial::Says(json!({"keys": [{"kty": "RSA", "kid": "key-1", "n": "x".repeat(171), "e": "AQAB"}]})),
        Dial::Slow,
    ];
    for fault in faults {
        let named = format!("{fault:?}");
        gotrue.world().jwks = fault;
        let before = gotrue.fetches();
        let since = Instant::now();
        assert_eq!(ada.get("/users/me").await.status, 200, "{named}");
        assert!(gotrue.fetches() > before, "{named}: nobody asked");
        assert!(since.elapsed() < Duration::from_secs(4), "{named}: waited {:?}", since.elapsed());
        let claims = part(&ada.token, 1);
        let forged = ada.with_token(impostor.sign(&claims));
        assert_eq!(forged.get("/users/me").await.status, 401, "{named}");
        let shared = SigningKey::hs256(b"secret-secret-secret-secret-secret");
        let header = json!({"alg": "HS256", "kid": "key-1"}).to_string();
        let forged = ada.with_token(shared.sign_texts(&header, &claims.to_string()));
        assert_eq!(forged.get("/users/me").await.status, 401, "{named}");
    }
    assert!(!gotrue.world().calls.iter().any(|call| call == "/elsewhere"), "a redirect was followed");
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_go_on_while_the_keys_cannot_be_had() {
    let gotrue = GoTrue::start().await;
    let mut scene = Scene::of(with_times(&gotrue, short(1, 1))).await;
    gotrue.proxy.refuse();
    scene.ada.get("/users/me").await.ok(200);
    scene.second().await.round_trip().await;
    scene.socket.send(json!({"type": "auth", "id": new_id(), "token": scene.ada.token})).await;
    scene.turn("Still here?", "Yes").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_that_are_too_old_are_believed_no_more_and_it_is_no_401() {
    let gotrue = GoTrue::start().await;
    let app = with_times(&gotrue, SigningKeys { last_good: Duration::from_millis(50), ..short(1, 1) })
        .start()
        .await;
    let ada = app.student("ada").await;
    gotrue.proxy.refuse();
    tokio::time::sleep(Duration::from_millis(60)).await;
    ada.get("/users/me").await.assert_problem(503, "identity_unavailable");
    gotrue.proxy.heal();
    ada.get("/users/me").await.ok(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn with_keys_that_never_came_a_token_is_a_503_and_not_a_401() {
    let gotrue = GoTrue::start().await;
    let app = with_times(&gotrue, short(600_000, 1)).start().await;
    let eve = visitor(&app, &gotrue);
    gotrue.world().jwks = Dial::Status(503);
    eve.get("/users/me").await.assert_problem(503, "identity_unavailable");
    gotrue.world().jwks = Dial::Well;
    eve.get("/users/me").await.ok(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_key_is_found_by_its_name_and_a_revoked_one_ends_with_the_lists_life() {
    let gotrue = GoTrue::start().await;
    let app = with_times(&gotrue, short(600_000, 1)).start().await;
    let ada = app.student("ada").await;
    assert_eq!(gotrue.fetches(), 1);
    gotrue.rotate(SigningKey::rs256("key-2"));
    let fresh = ada.login().await;
    assert_eq!(part(&fresh.token, 0)["alg"], "RS256");
    fresh.get("/users/me").await.ok(200);
    ada.get("/users/me").await.ok(200);
    assert_eq!(gotrue.fetches(), 2, "once for the new name");

    let app = with_times(&gotrue, short(1500, 1)).start().await;
    let ada = app.student("bob").await;
    assert_eq!(part(&ada.token, 0)["kid"], "key-2");
    gotrue.rotate(SigningKey::es256("key-3"));
    gotrue.revoke("key-2");
    let since = Instant::now();
    while ada.get("/users/me").await.status == 200 {
        assert!(since.elapsed() < Duration::from_secs(10), "a revoked key is still believed");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    ada.get("/users/me").await.assert_problem(401, "unauthorized");
    ada.login().await.get("/users/me").await.ok(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_without_an_algorithm_is_for_the_one_of_its_kind() {
    let gotrue = GoTrue::start().await;
    let rsa = SigningKey::rs256("key-2");
    {
        let mut world = gotrue.world();
        world.listed.push(rsa.jwk());
        for key in &mut world.listed {
            key.as_object_mut().unwrap().remove("alg");
        }
    }
    let app = with(&gotrue).start().await;
    let ada = app.student("ada").await;
    let claims = part(&ada.token, 1);
    let shows = async |token: String| ada.with_token(token).get("/users/me").await.status;
    assert_eq!(shows(rsa.sign(&claims)).await, 200);
    for alg in
        [jsonwebtoken::Algorithm::PS256, jsonwebtoken::Algorithm::RS384, jsonwebtoken::Algorithm::RS512]
    {
        let header = json!({"alg": format!("{alg:?}"), "kid": "key-2"}).to_string();
        assert_eq!(shows(rsa.sign_as(alg, &header, &claims.to_string())).await, 401, "{alg:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_unknown_keys_at_once_are_one_question() {
    let gotrue = GoTrue::start().await;
    let app = with(&gotrue).start().await;
    let ada = app.student("ada").await;
    assert_eq!(gotrue.fetches(), 1);
    let claims = part(&ada.token, 1);
    let key = SigningKey::es256("made-up");
    let forged: Vec<Client> = (0..1000)
        .map(|n| {
            let header = json!({"alg": "ES256", "kid": format!("made-up-{n}")}).to_string();
            ada.with_token(key.sign_texts(&header, &claims.to_string()))
        })
        .collect();
    let calls = futures_util::future::join_all(forged.iter().map(|one| one.get("/users/me"))).await;
    assert!(
        calls.iter().all(|reply| reply.status == 401),
        "{:?}",
        calls.iter().find(|reply| reply.status != 401)
    );
    assert_eq!(gotrue.fetches(), 1, "the first list is younger than a minute");
    ada.get("/users/me").await.ok(200);

    // With the minute over, one of them asks, and nobody else until the next is over.
    let app = with_times(&gotrue, short(600_000, 2_000)).start().await;
    let ada = app.student("ada").await;
    let first = gotrue.fetches();
    tokio::time::sleep(Duration::from_millis(2_050)).await;
    let claims = part(&ada.token, 1).to_string();
    let forged: Vec<Client> = (0..1000)
        .map(|n| {
            let header = json!({"alg": "ES256", "kid": format!("made-up-{n}")}).to_string();
            ada.with_token(key.sign_texts(&header, &claims))
        })
        .collect();
    let since = Instant::now();
    let calls = futures_util::future::join_all(forged.iter().map(|one| one.get("/users/me"))).await;
    assert!(calls.iter().all(|reply| reply.status == 401));
    let allowed = 1 + since.elapsed().as_millis() as usize / 2_000;
    let asked = gotrue.fetches() - first;
    assert!((1..=allowed).contains(&asked), "{asked} questions in {:?}", since.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_project_that_names_fynq_gets_in_and_its_other_programs_do_not() {
    let gotrue = GoTrue::start().await;
    let ours = fynq::config::Supabase { audience: "fynq".to_owned(), ..gotrue.settings() };
    let strict = TestApp::builder().settings(|s| s.supabase = Some(ours)).start().await;
    let usual = with(&gotrue).start().await;
    // For whom a project's tokens are is a setting of the project's; the same key signs them all.
    let ada = usual.student("ada").await;
    ada.at(strict.addr).get("/users/me").await.assert_problem(401, "unauthorized");
    gotrue.world().audience = "fynq".to_owned();
    let bo = strict.student("bo").await;
    bo.get("/users/me").await.ok(200);
    bo.at(usual.addr).get("/users/me").await.assert_problem(401, "unauthorized");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shared_secret_is_believed_only_when_it_is_set() {
    const SECRET: &str = "the legacy secret of a test's own project";
    let gotrue = GoTrue::signing_with(SigningKey::hs256(SECRET.as_bytes())).await;
    let supabase = fynq::config::Supabase { jwt_secret: Some(SECRET.to_owned().into()), ..gotrue.settings() };
    let legacy = TestApp::builder().settings(|s| s.supabase = Some(supabase)).start().await;
    let ada = legacy.student("ada").await;
    ada.get("/users/me").await.ok(200);
    assert_eq!(gotrue.fetches(), 0, "a public list holds no secret");
    let modern = with(&gotrue).start().await;
    ada.at(modern.addr).get("/users/me").await.assert_problem(401, "unauthorized");
    login(&modern, &ada.email, &ada.password).await.assert_problem(503, "identity_unavailable");
    assert_eq!(gotrue.fetches(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_local_account_gets_in() {
    let gotrue = GoTrue::start().await;
    let builder = with(&gotrue).settings(|s| {
        s.accounts.admin = Some(("root@school.example".into(), "a long password".to_owned().into()));
    });
    let app = builder.start().await;
    assert_eq!(app.count("SELECT count(*) FROM users").await, 0, "nobody could sign in as that admin");
    login(&app, "root@school.example", "a long password").await.assert_problem(401, "invalid_credentials");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_of_supabases_is_no_local_account() {
    let gotrue = GoTrue::start().await;
    let app = with(&gotrue).start().await;
    let ada = app.student("ada").await;
    let store = &app.server().app().store;
    assert!(store.credentials(&ada.email).await.unwrap().is_none());
    let hash: [u8; 32] = sha2_of(&ada.refresh_token);
    let now = fynq::clock::now();
    let rotation =
        store.rotate_refresh(&hash, &[0; 32], now, now, fynq::clock::Timestamp::UNIX_EPOCH).await.unwrap();
    assert!(matches!(rotation, fynq::store::accounts::Rotation::Refused), "{rotation:?}");
}

fn sha2_of(text: &str) -> [u8; 32] {
    aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, text.as_bytes()).as_ref().try_into().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forgotten_password_is_supabases_to_replace() {
    let gotrue = GoTrue::start().await;
    let app = with(&gotrue).start().await;
    let auth = &app.server().app().auth;
    for email in ["ada@school.example", "nobody@school.example"] {
        assert_eq!(auth.recover(email).await, Some(Ok(())));
    }
    gotrue.world().auth = Dial::Status(500);
    let away = auth.recover("ada@school.example").await.unwrap().unwrap_err();
    assert_eq!(away.code(), "identity_unavailable");
    assert!(
        TestApp::builder().start().await.server().app().auth.recover("ada@school.example").await.is_none()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_passwords_count_here_before_supabase_is_asked() {
    let gotrue = GoTrue::start().await;
    let app = with(&gotrue).settings(|s| s.rate_limit = true).start().await;
    let ada = app.student("ada").await;
    for _ in 0..10 {
        login(&app, &ada.email, "not this one").await.assert_problem(401, "invalid_credentials");
    }
    let before = gotrue.world().calls.len();
    login(&app, &ada.email, &ada.password).await.assert_problem(429, "rate_limited");
    assert_eq!(gotrue.world().calls.len(), before);
}

/// An address that changed hands over there proves nothing about its former owner here.
#[tokio::test(flavor = "multi_thread")]
async fn a_password_is_proven_by_its_owner_alone() {
    let gotrue = GoTrue::start().await;
    let app = with(&gotrue).start().await;
    let eve = visitor(&app, &gotrue);
    eve.get("/users/me").await.ok(200);
    {
        let mut world = gotrue.world();
        let user = world.users.remove(&eve.email).unwrap();
        let email = "new@school.example".to_owned();
        world.users.insert(email.clone(), User { email, ..user.clone() });
        let (id, password) = (new_id(), "mallory's own".to_owned());
        world.users.insert(eve.email.clone(), User { id, password, ..user });
    }
    let proof = json!({"password": "mallory's own"});
    let delete = eve.call(http::Method::DELETE, "/users/me", Some(proof.clone())).await;
    delete.assert_problem(422, "wrong_password");
    eve.post("/auth/logout-others", proof).await.assert_problem(422, "wrong_password");
    eve.get("/users/me").await.ok(200);
    // Whoever does prove it goes on as they are: the sign-in is Supabase's, the others end.
    let ada = app.student("ada").await;
    let elsewhere = ada.login().await;
    ada.post("/auth/logout-others", json!({"password": ada.password})).await.ok(204);
    ada.get("/users/me").await.ok(200);
    elsewhere.get("/users/me").await.assert_problem(401, "unauthorized");
    // A device that signs in again leaves what it held, here as well.
    let again = json!({"email": ada.email, "password": ada.password, "refresh_token": ada.refresh_token});
    Client::stranger(app.addr).post("/auth/login", again).await.ok(200);
    ada.get("/users/me").await.assert_problem(401, "unauthorized");
}
