//! A person with an account: typed callers over REST, and their sockets.

use std::net::SocketAddr;

use http::Method;
use serde_json::{Value, json};

use super::frame::Transcript;
use super::socket::{PATIENCE, Refusal, Socket};

/// What came back: status, media type and body.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) media_type: String,
    pub(crate) body: Value,
}

impl Reply {
    /// That it is a problem with this status and code, in the shape of the contract.
    #[track_caller]
    pub(crate) fn assert_problem(&self, status: u16, code: &str) {
        assert_eq!(self.status, status, "{self:?}");
        assert_eq!(self.media_type, "application/problem+json", "{self:?}");
        assert_eq!(self.body["code"], code, "{self:?}");
        assert_eq!(self.body["status"], status, "{self:?}");
        for field in ["type", "title", "detail", "request_id"] {
            assert!(self.body[field].is_string(), "no `{field}` in {self:?}");
        }
    }

    #[track_caller]
    pub(crate) fn ok(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{self:?}");
        self.body
    }
}

#[derive(Clone)]
pub(crate) struct Client {
    pub(crate) addr: SocketAddr,
    http: reqwest::Client,
    pub(crate) token: String,
    pub(crate) refresh_token: String,
    pub(crate) user_id: String,
    pub(crate) email: String,
    pub(crate) password: String,
}

impl Client {
    /// Nobody: no token.
    pub(crate) fn stranger(addr: SocketAddr) -> Client {
        let http = reqwest::Client::builder().no_proxy().timeout(PATIENCE).build().unwrap();
        let empty = String::new;
        Client {
            addr,
            http,
            token: empty(),
            refresh_token: empty(),
            user_id: empty(),
            email: empty(),
            password: empty(),
        }
    }

    /// Registers an account.
    pub(crate) async fn register(addr: SocketAddr, name: &str) -> Client {
        let mut client = Client::stranger(addr);
        client.email = format!("{name}-{}@school.example", super::socket::new_id());
        client.password = "correct horse battery".to_owned();
        let entry = json!({"email": client.email, "password": client.password, "display_name": name});
        let body = client.post("/auth/register", entry).await.ok(201);
        client.take_tokens(&body);
        client
    }

    /// Signs in again.
    pub(crate) async fn login(&self) -> Client {
        let mut again = Client::stranger(self.addr);
        again.email.clone_from(&self.email);
        again.password.clone_from(&self.password);
        let entry = json!({"email": self.email, "password": self.password});
        let body = again.post("/auth/login", entry).await.ok(200);
        again.take_tokens(&body);
        again
    }

    pub(crate) fn take_tokens(&mut self, body: &Value) {
        let text = |value: &Value| value.as_str().expect("a text").to_owned();
        self.token = text(&body["access_token"]);
        self.refresh_token = text(&body["refresh_token"]);
        self.user_id = text(&body["user"]["id"]);
    }

    /// The same person, as seen through another address (a proxy, a restarted server).
    pub(crate) fn at(&self, addr: SocketAddr) -> Client {
        Client { addr, ..self.clone() }
    }

    /// The same person with another token.
    pub(crate) fn with_token(&self, token: impl Into<String>) -> Client {
        Client { token: token.into(), ..self.clone() }
    }

    /// With five times the patience.
    pub(crate) fn patient(self) -> Client {
        let http = reqwest::Client::builder().no_proxy().timeout(PATIENCE * 5).build().unwrap();
        Client { http, ..self }
    }

    pub(crate) fn bearer(&self) -> String {
        format!("Bearer {}", self.token)
    }

    pub(crate) fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        self.request_at(method, &format!("/api/v1{path}"))
    }

    /// Outside of `/api/v1`, too.
    pub(crate) fn request_at(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        let request = self.http.request(method, format!("http://{}{path}", self.addr));
        if self.token.is_empty() { request } else { request.bearer_auth(&self.token) }
    }

    pub(crate) async fn call(&self, method: Method, path: &str, body: Option<Value>) -> Reply {
        let mut request = self.request(method, path);
        if let Some(body) = body {
            request = request.json(&body);
        }
        let response = request.send().await.expect("the server answers");
        let status = response.status().as_u16();
        let media_type =
            response.headers().get("content-type").map_or("", |value| value.to_str().unwrap()).to_owned();
        let bytes = response.bytes().await.expect("a whole body");
        let body = serde_json::from_slice(&bytes)
            .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(&bytes).into_owned()));
        Reply { status, media_type, body }
    }

    pub(crate) async fn get(&self, path: &str) -> Reply {
        self.call(Method::GET, path, None).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Reply {
        self.call(Method::POST, path, Some(body)).await
    }

    pub(crate) async fn patch(&self, path: &str, body: Value) -> Reply {
        self.call(Method::PATCH, path, Some(body)).await
    }

    pub(crate) async fn put(&self, path: &str, body: Value) -> Reply {
        self.call(Method::PUT, path, Some(body)).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Reply {
        self.call(Method::DELETE, path, None).await
    }

    /// A new session's id.
    pub(crate) async fn session(&self) -> String {
        let body = self.post("/sessions", json!({})).await.ok(201);
        body["id"].as_str().unwrap().to_owned()
    }

    /// Every message of a session, as REST lists them.
    pub(crate) async fn messages(&self, session: &str) -> Vec<Value> {
        let body = self.get(&format!("/sessions/{session}/messages?limit=100")).await.ok(200);
        body["items"].as_array().unwrap().clone()
    }

    pub(crate) async fn try_socket(&self, session: &str) -> Result<Socket, Refusal> {
        let path = format!("/api/v1/sessions/{session}/socket");
        Socket::open(self.addr, &path, &[("authorization", &self.bearer()), PROTOCOL]).await
    }

    /// A socket that has seen `ready` and `snapshot`.
    pub(crate) async fn socket(&self, session: &str) -> Socket {
        self.try_socket(session).await.expect("the socket opens")
    }

    /// Comes back to where `before` ended.
    pub(crate) async fn resume(&self, session: &str, epoch: &str, before: Transcript) -> Socket {
        let path = format!("/api/v1/sessions/{session}/socket?epoch={epoch}&after={}", before.seq);
        let bearer = self.bearer();
        let headers = [("authorization", bearer.as_str()), PROTOCOL];
        let mut socket = Socket::open_bare(self.addr, &path, &headers).await.expect("the socket opens");
        socket.greet(before).await;
        socket
    }
}

pub(crate) const PROTOCOL: (&str, &str) = ("sec-websocket-protocol", "fynq.v1");
