//! A server that plays Supabase Auth (GoTrue) and its list of keys, in the test's hands. Made from
//! what GoTrue documents: paths, bodies, both shapes of errors; it was not held against the real one.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use axum::Router;
use axum::extract::{Json, Query, State};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use fynq::config::{SigningKeys, Supabase};
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};

use super::client::Client;
use super::keys::SigningKey;
use super::proxy::{Proxy, Target};
use super::socket::new_id;

pub(crate) const ANON_KEY: &str = "sb_publishable_a-test's-own";

/// How a part of it behaves.
#[derive(Clone, Debug, Default)]
pub(crate) enum Dial {
    #[default]
    Well,
    /// Never answers.
    Slow,
    Status(u16),
    Html,
    /// 10 MiB of an answer that begins well.
    Huge,
    Redirect(String),
    /// Answers this.
    Says(Value),
}

pub(crate) struct GoTrue {
    /// Between fynq and it: what is taken away to have it gone.
    pub(crate) proxy: Proxy,
    state: Shared,
}

type Shared = Arc<Mutex<World>>;

pub(crate) struct World {
    url: String,
    /// New addresses count at once.
    pub(crate) autoconfirm: bool,
    pub(crate) signup_open: bool,
    /// Access tokens' life in seconds.
    pub(crate) life: i64,
    /// Whom they are for.
    pub(crate) audience: String,
    pub(crate) users: HashMap<String, User>,
    sessions: HashMap<String, Sitting>,
    refresh: HashMap<String, Refresh>,
    /// Signs the tokens.
    pub(crate) key: SigningKey,
    /// What the list of keys holds.
    pub(crate) listed: Vec<Value>,
    pub(crate) jwks: Dial,
    pub(crate) auth: Dial,
    pub(crate) jwks_fetches: usize,
    /// The paths that were called.
    pub(crate) calls: Vec<String>,
}

#[derive(Clone)]
pub(crate) struct User {
    pub(crate) id: String,
    pub(crate) email: String,
    pub(crate) password: String,
    pub(crate) confirmed: bool,
    pub(crate) banned: bool,
    pub(crate) app_metadata: Value,
    pub(crate) user_metadata: Value,
}

struct Sitting {
    email: String,
    ended: bool,
}

struct Refresh {
    session: String,
    used: bool,
}

impl GoTrue {
    pub(crate) async fn start() -> GoTrue {
        GoTrue::signing_with(SigningKey::es256("key-1")).await
    }

    pub(crate) async fn signing_with(key: SigningKey) -> GoTrue {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let proxy = Proxy::start(Target::Tcp(listener.local_addr().unwrap())).await;
        // A shared secret is never listed.
        let listed = if key.kid.is_empty() { Vec::new() } else { vec![key.jwk()] };
        let world = World {
            url: format!("http://{}", proxy.addr),
            autoconfirm: true,
            signup_open: true,
            life: 3600,
            audience: "authenticated".to_owned(),
            users: HashMap::new(),
            sessions: HashMap::new(),
            refresh: HashMap::new(),
            key,
            listed,
            jwks: Dial::Well,
            auth: Dial::Well,
            jwks_fetches: 0,
            calls: Vec::new(),
        };
        let state = Arc::new(Mutex::new(world));
        let app = Router::new()
            .route("/auth/v1/.well-known/jwks.json", get(jwks))
            .route("/auth/v1/signup", post(signup))
            .route("/auth/v1/token", post(token))
            .route("/auth/v1/logout", post(logout))
            .route("/auth/v1/recover", post(recover))
            .route("/auth/v1/user", get(user))
            .route("/auth/v1/settings", get(settings))
            .fallback(anything)
            .with_state(Arc::clone(&state));
        tokio::spawn(async move { axum::serve(listener, app).await });
        GoTrue { proxy, state }
    }

    pub(crate) fn url(&self) -> String {
        self.world().url.clone()
    }

    pub(crate) fn settings(&self) -> Supabase {
        let keys = SigningKeys::default();
        Supabase {
            url: self.url(),
            anon_key: ANON_KEY.to_owned().into(),
            jwt_secret: None,
            audience: "authenticated".to_owned(),
            keys,
        }
    }

    /// Everything in it, to be looked at and changed.
    pub(crate) fn world(&self) -> MutexGuard<'_, World> {
        self.state.lock().unwrap()
    }

    /// Makes a user and a session past fynq; gives a client that holds their tokens.
    pub(crate) fn person(&self, client: &Client, name: &str) -> Client {
        let email = format!("{name}-{}@school.example", new_id());
        let mut world = self.world();
        let user = world.add(&email, "correct horse battery", true);
        let body = world.begin(&email);
        let mut client = client.clone();
        client.take_tokens(&json!({
            "access_token": body["access_token"], "refresh_token": body["refresh_token"], "user": {"id": user.id},
        }));
        client.email = email;
        client.password = "correct horse battery".to_owned();
        client
    }

    /// A new key signs; the old ones stay listed.
    pub(crate) fn rotate(&self, key: SigningKey) {
        let mut world = self.world();
        world.listed.push(key.jwk());
        world.key = key;
    }

    /// The key is listed no more.
    pub(crate) fn revoke(&self, kid: &str) {
        self.world().listed.retain(|key| key["kid"] != kid);
    }

    /// How often the list of keys was asked for.
    pub(crate) fn fetches(&self) -> usize {
        self.world().jwks_fetches
    }
}

impl World {
    fn add(&mut self, email: &str, password: &str, confirmed: bool) -> User {
        let user = User {
            id: new_id(),
            email: email.to_owned(),
            password: password.to_owned(),
            confirmed,
            banned: false,
            app_metadata: json!({"provider": "email", "providers": ["email"]}),
            user_metadata: json!({"email": email, "email_verified": true}),
        };
        self.users.insert(email.to_owned(), user.clone());
        user
    }

    /// The claims of a token, all that GoTrue writes.
    pub(crate) fn claims(&self, email: &str, session: &str) -> Value {
        let user = &self.users[email];
        let now = fynq::clock::now().as_second();
        json!({
            "iss": format!("{}/auth/v1", self.url), "sub": user.id, "aud": self.audience,
            "exp": now + self.life, "iat": now, "email": email, "phone": "",
            "app_metadata": user.app_metadata, "user_metadata": user.user_metadata,
            "role": "authenticated", "aal": "aal1", "amr": [{"method": "password", "timestamp": now}],
            "session_id": session, "is_anonymous": false,
        })
    }

    /// A session object for a new sign-in.
    pub(crate) fn begin(&mut self, email: &str) -> Value {
        let session = new_id();
        self.sessions.insert(session.clone(), Sitting { email: email.to_owned(), ended: false });
        self.go_on(&session)
    }

    fn go_on(&mut self, session: &str) -> Value {
        let email = self.sessions[session].email.clone();
        let claims = self.claims(&email, session);
        // Twelve characters, as old projects have them.
        let refresh: String = new_id().replace('-', "").chars().take(12).collect();
        self.refresh.insert(refresh.clone(), Refresh { session: session.to_owned(), used: false });
        json!({
            "access_token": self.key.sign(&claims), "token_type": "bearer", "expires_in": self.life,
            "expires_at": claims["exp"], "refresh_token": refresh, "user": shown(&self.users[&email]),
        })
    }

    pub(crate) fn end(&mut self, session: &str) {
        if let Some(sitting) = self.sessions.get_mut(session) {
            sitting.ended = true;
        }
        self.refresh.retain(|_, refresh| refresh.session != session);
    }
}

fn shown(user: &User) -> Value {
    let now = fynq::clock::now().to_string();
    let confirmed = user.confirmed.then_some(&now);
    json!({
        "id": user.id, "aud": "authenticated", "role": "authenticated", "email": user.email,
        "email_confirmed_at": confirmed, "phone": "", "confirmed_at": confirmed, "last_sign_in_at": now,
        "app_metadata": user.app_metadata, "user_metadata": user.user_metadata, "identities": [],
        "created_at": now, "updated_at": now, "is_anonymous": false,
    })
}

/// An error in the shape that the caller's version asks for, with the header that is always there.
fn refuse(headers: &HeaderMap, status: u16, code: &str, message: &str) -> Response {
    let new = headers.get("x-supabase-api-version").is_some_and(|version| version == "2024-01-01");
    let body = match new {
        true => json!({"code": code, "message": message}),
        false => json!({"code": status, "error_code": code, "msg": message}),
    };
    let status = StatusCode::from_u16(status).unwrap();
    (status, [("x-sb-error-code", code.to_owned())], Json(body)).into_response()
}

/// What the dial has instead of an answer.
async fn dialled(dial: Dial) -> Option<Response> {
    Some(match dial {
        Dial::Well => return None,
        Dial::Slow => {
            tokio::time::sleep(Duration::from_secs(600)).await;
            return None;
        }
        Dial::Status(status) => (StatusCode::from_u16(status).unwrap(), "upstream").into_response(),
        Dial::Html => axum::response::Html("<html><body>Please wait</body></html>").into_response(),
        Dial::Huge => {
            let body = format!(r#"{{"keys":[{}"#, "{},".repeat(10 * 1024 * 1024 / 3));
            ([("content-type", "application/json")], body).into_response()
        }
        Dial::Redirect(to) => (StatusCode::FOUND, [("location", to)]).into_response(),
        Dial::Says(body) => Json(body).into_response(),
    })
}

async fn jwks(State(state): State<Shared>) -> Response {
    let (dial, keys) = {
        let mut world = state.lock().unwrap();
        world.jwks_fetches += 1;
        (world.jwks.clone(), world.listed.clone())
    };
    if let Some(response) = dialled(dial).await {
        return response;
    }
    ([("cache-control", "public, max-age=600")], Json(json!({"keys": keys}))).into_response()
}

/// What stands before every other path: the gateway's look at the key, and the dial.
async fn at_the_gate(state: &Shared, headers: &HeaderMap, path: &str) -> Option<Response> {
    let dial = {
        let mut world = state.lock().unwrap();
        world.calls.push(path.to_owned());
        world.auth.clone()
    };
    if headers.get("apikey").is_none_or(|key| key != ANON_KEY) {
        let body = json!({"message": "Invalid API key", "hint": "Double check your API key."});
        return Some((StatusCode::UNAUTHORIZED, Json(body)).into_response());
    }
    dialled(dial).await
}

async fn signup(State(state): State<Shared>, headers: HeaderMap, Json(body): Json<Value>) -> Response {
    if let Some(response) = at_the_gate(&state, &headers, "/signup").await {
        return response;
    }
    let (email, password) = (text(&body, "email").to_lowercase(), text(&body, "password"));
    let mut world = state.lock().unwrap();
    if !world.signup_open {
        return refuse(&headers, 422, "signup_disabled", "Signups not allowed for this instance");
    }
    if password == "password1" {
        let message = "Password is known to be weak and easy to guess, please choose a different one.";
        let body = json!({
            "code": "weak_password", "message": message, "weak_password": {"message": message, "reasons": ["pwned"]},
        });
        return (StatusCode::UNPROCESSABLE_ENTITY, [("x-sb-error-code", "weak_password")], Json(body))
            .into_response();
    }
    let known = world.users.get(&email).cloned();
    match (known, world.autoconfirm) {
        (Some(_), true) => refuse(&headers, 422, "user_already_exists", "User already registered"),
        (None, true) => {
            world.add(&email, &password, true);
            Json(world.begin(&email)).into_response()
        }
        // A user alone, and of an address that is taken one that never was.
        (Some(user), false) => Json(shown(&User { id: new_id(), ..user })).into_response(),
        (None, false) => {
            let user = world.add(&email, &password, false);
            Json(shown(&user)).into_response()
        }
    }
}

async fn token(
    State(state): State<Shared>,
    Query(query): Query<HashMap<String, String>>,
    headers: HeaderMap,
    Json(body): Json<Value>,
) -> Response {
    let grant = query.get("grant_type").cloned().unwrap_or_default();
    if let Some(response) = at_the_gate(&state, &headers, &format!("/token:{grant}")).await {
        return response;
    }
    let mut world = state.lock().unwrap();
    match grant.as_str() {
        "password" => {
            let email = text(&body, "email").to_lowercase();
            let invalid = || refuse(&headers, 400, "invalid_credentials", "Invalid login credentials");
            let Some(user) = world.users.get(&email).cloned() else { return invalid() };
            if user.banned {
                return refuse(&headers, 400, "user_banned", "User is banned");
            }
            if user.password != text(&body, "password") {
                return invalid();
            }
            if !user.confirmed {
                return refuse(&headers, 400, "email_not_confirmed", "Email not confirmed");
            }
            Json(world.begin(&email)).into_response()
        }
        "refresh_token" => {
            let shown = text(&body, "refresh_token");
            let Some(refresh) = world.refresh.get_mut(&shown) else {
                let message = "Invalid Refresh Token: Refresh Token Not Found";
                return refuse(&headers, 400, "refresh_token_not_found", message);
            };
            let (session, used) = (refresh.session.clone(), refresh.used);
            refresh.used = true;
            if used {
                world.end(&session);
                let message = "Invalid Refresh Token: Already Used";
                return refuse(&headers, 400, "refresh_token_already_used", message);
            }
            Json(world.go_on(&session)).into_response()
        }
        _ => refuse(&headers, 400, "validation_failed", "unsupported_grant_type"),
    }
}

/// Status, code and message.
type Refusal = (u16, &'static str, &'static str);

/// The session of a bearer, or what it is told.
fn bearer(world: &World, headers: &HeaderMap) -> Result<String, Refusal> {
    let header = headers.get("authorization").and_then(|value| value.to_str().ok());
    let Some(token) = header.and_then(|text| text.strip_prefix("Bearer ")) else {
        return Err((401, "no_authorization", "This endpoint requires a valid Bearer token"));
    };
    let session = super::keys::part(token, 1)["session_id"].as_str().unwrap_or_default().to_owned();
    let sitting = world.sessions.get(&session).filter(|sitting| !sitting.ended);
    let Some(sitting) = sitting else {
        let message = "Session from session_id claim in JWT does not exist";
        return Err((403, "session_not_found", message));
    };
    if world.users[&sitting.email].banned {
        return Err((403, "user_banned", "User is banned"));
    }
    Ok(session)
}

async fn logout(State(state): State<Shared>, headers: HeaderMap) -> Response {
    if let Some(response) = at_the_gate(&state, &headers, "/logout").await {
        return response;
    }
    let mut world = state.lock().unwrap();
    match bearer(&world, &headers) {
        Ok(session) => {
            world.end(&session);
            StatusCode::NO_CONTENT.into_response()
        }
        Err((status, code, message)) => refuse(&headers, status, code, message),
    }
}

async fn recover(State(state): State<Shared>, headers: HeaderMap, Json(_): Json<Value>) -> Response {
    match at_the_gate(&state, &headers, "/recover").await {
        Some(response) => response,
        None => Json(json!({})).into_response(),
    }
}

async fn user(State(state): State<Shared>, headers: HeaderMap) -> Response {
    if let Some(response) = at_the_gate(&state, &headers, "/user").await {
        return response;
    }
    let world = state.lock().unwrap();
    match bearer(&world, &headers) {
        Ok(session) => Json(shown(&world.users[&world.sessions[&session].email])).into_response(),
        Err((status, code, message)) => refuse(&headers, status, code, message),
    }
}

async fn settings(State(state): State<Shared>, headers: HeaderMap) -> Response {
    if let Some(response) = at_the_gate(&state, &headers, "/settings").await {
        return response;
    }
    let world = state.lock().unwrap();
    Json(json!({
        "external": {"email": true, "phone": false}, "disable_signup": !world.signup_open,
        "mailer_autoconfirm": world.autoconfirm, "phone_autoconfirm": false, "saml_enabled": false,
    }))
    .into_response()
}

/// Nobody has business here: what a token's own header points at.
async fn anything(State(state): State<Shared>, uri: http::Uri) -> StatusCode {
    state.lock().unwrap().calls.push(uri.path().to_owned());
    StatusCode::NOT_FOUND
}

fn text(body: &Value, name: &str) -> String {
    body[name].as_str().unwrap_or_default().to_owned()
}
