//! Every way that is known of passing off something else as an access token, at every door, against
//! every kind of accounts: local ones, Supabase's with listed keys, and Supabase's with a shared
//! secret. All of them get one answer, and each leaves a line in the log.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD as B64};
use jsonwebtoken::Algorithm;
use serde_json::{Value, json};
use tracing::subscriber::DefaultGuard;

use crate::support::app::{Builder, TestApp};
use crate::support::client::{Client, PROTOCOL};
use crate::support::gotrue::{ANON_KEY, GoTrue};
use crate::support::keys::{SigningKey, part};
use crate::support::log::Log;
use crate::support::socket::{Socket, new_id};

const LOCAL_SECRET: &str = "a secret that is only a test's own";
const LEGACY_SECRET: &str = "the legacy secret of a test's own project";

#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Local,
    Listed,
    Shared,
}

struct Stage {
    kind: Kind,
    app: TestApp,
    gotrue: Option<GoTrue>,
    ada: Client,
    session: String,
    log: Log,
    _listening: DefaultGuard,
}

impl Stage {
    async fn of(kind: Kind) -> Stage {
        let (log, listening) = Log::listen();
        let gotrue = match kind {
            Kind::Local => None,
            Kind::Listed => Some(GoTrue::start().await),
            Kind::Shared => Some(GoTrue::signing_with(SigningKey::hs256(LEGACY_SECRET.as_bytes())).await),
        };
        let builder = builder(kind, gotrue.as_ref());
        let app = builder.start().await;
        let ada = app.student("ada").await;
        let session = ada.session().await;
        Stage { kind, app, gotrue, ada, session, log, _listening: listening }
    }

    fn forge(&self) -> Forge {
        let key = match self.kind {
            Kind::Local => SigningKey::hs256(LOCAL_SECRET.as_bytes()),
            _ => self.gotrue.as_ref().unwrap().world().key.clone(),
        };
        Forge {
            kind: self.kind,
            header: part(&self.ada.token, 0),
            claims: part(&self.ada.token, 1),
            good: self.ada.token.clone(),
            key,
            // What a forger can make.
            ec: SigningKey::es256("forged"),
            rsa: SigningKey::rs256("forged"),
            trap: self.gotrue.as_ref().map_or_else(|| "http://127.0.0.1:9".into(), GoTrue::url),
        }
    }
}

fn builder(kind: Kind, gotrue: Option<&GoTrue>) -> Builder {
    TestApp::builder().settings(|s| {
        s.accounts.token_secret = Some(LOCAL_SECRET.to_owned().into());
        s.supabase = gotrue.map(|gotrue| fynq::config::Supabase {
            jwt_secret: (kind == Kind::Shared).then(|| LEGACY_SECRET.to_owned().into()),
            ..gotrue.settings()
        });
    })
}

struct Forge {
    kind: Kind,
    header: Value,
    claims: Value,
    good: String,
    key: SigningKey,
    ec: SigningKey,
    rsa: SigningKey,
    trap: String,
}

/// The row of the table of attacks, what is done, and the token that comes of it.
type Case = (u8, String, String);

struct Cases(Vec<Case>);

impl Cases {
    fn add(&mut self, row: u8, what: impl Into<String>, token: impl Into<String>) {
        self.0.push((row, what.into(), token.into()));
    }
}

impl Forge {
    /// Signed with the right key, one thing in the head changed.
    fn with_header(&self, member: &str, value: Value) -> String {
        let mut header = self.header.clone();
        set(&mut header, member, value);
        self.key.sign_texts(&header.to_string(), &self.claims.to_string())
    }

    /// Signed with the right key, one claim changed. `null` takes it away.
    fn with_claim(&self, claim: &str, value: Value) -> String {
        let mut claims = self.claims.clone();
        set(&mut claims, claim, value);
        self.key.sign_texts(&self.header.to_string(), &claims.to_string())
    }

    fn now(&self) -> i64 {
        fynq::clock::now().as_second()
    }

    fn cases(&self) -> Vec<Case> {
        let mut cases = Cases(Vec::new());
        self.signatures(&mut cases);
        self.confusions(&mut cases);
        self.heads(&mut cases);
        self.times(&mut cases);
        self.claims(&mut cases);
        self.shapes(&mut cases);
        cases.0
    }

    fn signatures(&self, cases: &mut Cases) {
        let payload = self.claims.to_string();
        for alg in
            ["none", "None", "nOnE", "NONE", "", "HS384", "HS512", "ES256K", "hs256", " HS256", "ES256 ", "*"]
        {
            let mut header = self.header.clone();
            header["alg"] = alg.into();
            let bare = format!("{}.{}", B64.encode(header.to_string()), B64.encode(&payload));
            cases.add(1, format!("alg {alg:?}, signed"), self.key.sign_texts(&header.to_string(), &payload));
            cases.add(1, format!("alg {alg:?}, no signature"), format!("{bare}."));
            cases.add(1, format!("alg {alg:?}, two parts"), bare);
        }
        cases.add(1, "no alg", self.with_header("alg", Value::Null));
        cases.add(1, "alg is a number", self.with_header("alg", 256.into()));
        cases.add(1, "alg is a list", self.with_header("alg", json!([self.header["alg"]])));

        let (message, signature) = self.good.rsplit_once('.').unwrap();
        cases.add(2, "empty signature", format!("{message}."));
        cases.add(2, "no signature", message);
        cases.add(2, "cut signature", &self.good[..self.good.len() - 4]);
        cases.add(2, "a longer signature", format!("{}AAAA", self.good));
        cases.add(2, "padded signature", format!("{}=", self.good));
        cases.add(2, "standard base64", format!("{message}.+/{}", &signature[2..]));
        cases.add(2, "nothing but zeroes", format!("{message}.{}", "A".repeat(signature.len())));
        cases.add(2, "the same bits, written otherwise", format!("{message}.{}", other_spelling(signature)));
        let (_, foreign) = self
            .with_claim("jti", "x".into())
            .rsplit_once('.')
            .map(|(a, b)| (a.to_owned(), b.to_owned()))
            .unwrap();
        cases.add(2, "the signature of another token", format!("{message}.{foreign}"));
        let (head, _) = message.split_once('.').unwrap();
        let mut raised = self.claims.clone();
        set(&mut raised["app_metadata"], "role", "admin".into());
        cases.add(
            2,
            "claims changed after signing",
            format!("{head}.{}.{signature}", B64.encode(raised.to_string())),
        );
    }

    /// One key passed off as another's, one algorithm as another.
    fn confusions(&self, cases: &mut Cases) {
        let payload = self.claims.to_string();
        let mut publics = vec![("ec", &self.ec), ("rsa", &self.rsa)];
        if self.kind == Kind::Listed {
            publics.push(("listed", &self.key));
        }
        for (name, key) in publics {
            let der = key.public_der();
            let wrapped = BASE64_STANDARD.encode(&der);
            let lines: Vec<&str> =
                wrapped.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
            let pem = format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----", lines.join("\n"));
            let secrets = [
                ("PEM", pem.clone().into_bytes()),
                ("PEM and a newline", format!("{pem}\n").into_bytes()),
                ("a blank and PEM", format!(" {pem}").into_bytes()),
                ("PEM with CRLF", pem.replace('\n', "\r\n").into_bytes()),
                ("DER", der),
                ("JWK", key.jwk().to_string().into_bytes()),
            ];
            for (form, secret) in secrets {
                let forger = SigningKey::hs256(&secret);
                for kid in [Some(key.kid.as_str()), None] {
                    let header = head("HS256", kid);
                    cases.add(
                        3,
                        format!("{name} key as {form} for a secret, kid {kid:?}"),
                        forger.sign_texts(&header, &payload),
                    );
                }
            }
        }
        for (name, secret) in [
            ("empty", &b""[..]),
            ("zero", &[0]),
            ("usual", b"secret"),
            ("issuer", b"fynq"),
            ("key", ANON_KEY.as_bytes()),
        ] {
            cases.add(
                3,
                format!("the {name} secret"),
                SigningKey::hs256(secret).sign_texts(&head("HS256", None), &payload),
            );
        }
        let kid = self.header["kid"].as_str();
        for alg in ["RS256", "ES256", "ES384", "PS256", "RS384", "RS512", "EdDSA", "HS256"] {
            if alg != self.header["alg"] {
                cases.add(
                    4,
                    format!("signed well, called {alg}"),
                    self.key.sign_texts(&head(alg, kid), &payload),
                );
            }
            for (name, key) in [("ec", &self.ec), ("rsa", &self.rsa)] {
                for kid in [kid, Some("forged"), None] {
                    cases.add(
                        4,
                        format!("of a foreign {name} key, called {alg}, kid {kid:?}"),
                        key.sign_texts(&head(alg, kid), &payload),
                    );
                }
            }
        }
        for alg in [Algorithm::RS384, Algorithm::RS512, Algorithm::PS256, Algorithm::PS512] {
            cases.add(
                4,
                format!("{alg:?} of a foreign key"),
                self.rsa.sign_as(alg, &head(&format!("{alg:?}"), kid), &payload),
            );
        }
        // 5 is about lists of keys: `supabase::a_key_without_an_algorithm_is_for_the_one_of_its_kind`.
        let local = SigningKey::hs256(LOCAL_SECRET.as_bytes());
        let shared = SigningKey::hs256(LEGACY_SECRET.as_bytes());
        match self.kind {
            // Well made tokens of the other kind of accounts.
            Kind::Local => {
                cases.add(
                    24,
                    "Supabase's, of its secret",
                    shared.sign(&self.claims_of(&format!("{}/auth/v1", self.trap))),
                );
                cases.add(
                    24,
                    "Supabase's, of a key",
                    self.ec.sign(&self.claims_of(&format!("{}/auth/v1", self.trap))),
                );
                cases.add(
                    24,
                    "Supabase's words with our key",
                    self.with_claim("iss", format!("{}/auth/v1", self.trap).into()),
                );
            }
            Kind::Listed | Kind::Shared => {
                cases.add(24, "a local one", local.sign(&self.claims_of("fynq")));
                cases.add(24, "a local one with their issuer", local.sign(&self.claims));
                cases.add(24, "our words with their key", self.with_claim("iss", "fynq".into()));
                if self.kind == Kind::Listed {
                    cases.add(24, "of the shared secret, which is not set", shared.sign(&self.claims));
                }
            }
        }
    }

    fn claims_of(&self, issuer: &str) -> Value {
        let mut claims = self.claims.clone();
        claims["iss"] = issuer.into();
        claims
    }

    /// Heads that bring keys, name files, or ask for something.
    fn heads(&self, cases: &mut Cases) {
        let payload = self.claims.to_string();
        let url = format!("{}/evil.json", self.trap);
        for (member, value) in [
            ("jwk", self.ec.jwk()),
            ("jku", url.as_str().into()),
            ("x5u", url.as_str().into()),
            ("x5c", json!([BASE64_STANDARD.encode(self.ec.public_der())])),
            ("x5t", "AAAA".into()),
        ] {
            let mut own = self.ec.header();
            own[member] = value.clone();
            cases.add(
                6,
                format!("{member} with a key of its own"),
                self.ec.sign_texts(&own.to_string(), &payload),
            );
            cases.add(6, format!("{member} beside the right key"), self.with_header(member, value));
        }
        let kids = [
            json!("../../dev/null"),
            json!("/dev/null"),
            json!("' OR 1=1 --"),
            json!("key-1\u{0}"),
            json!("KEY-1"),
            json!("k".repeat(10 * 1024)),
            json!(""),
            json!(" "),
            json!(7),
            json!(["key-1"]),
            json!({"kid": "key-1"}),
            json!(new_id()),
            json!("forged"),
        ];
        let empty = SigningKey::hs256(b"");
        for kid in kids {
            let shown: String = kid.to_string().chars().take(24).collect();
            let mut header = self.ec.header();
            header["kid"] = kid.clone();
            cases.add(
                7,
                format!("kid {shown}, a foreign key"),
                self.ec.sign_texts(&header.to_string(), &payload),
            );
            header["alg"] = "HS256".into();
            cases.add(
                7,
                format!("kid {shown}, an empty secret"),
                empty.sign_texts(&header.to_string(), &payload),
            );
            // The shared secret has no name, and is taken whatever the name says.
            if self.kind != Kind::Shared || !kid.is_string() || kid.to_string().len() > 10_000 {
                cases.add(7, format!("kid {shown}, the right key"), self.with_header("kid", kid));
            }
        }
        cases.add(
            7,
            "kid null",
            self.key.sign_texts(&json!({"alg": self.header["alg"], "kid": null}).to_string(), &payload),
        );
        if self.kind == Kind::Listed {
            cases.add(7, "no kid", self.with_header("kid", Value::Null));
        }
        for (member, value) in [
            ("crit", json!(["exp"])),
            ("crit", json!([])),
            ("b64", false.into()),
            ("zip", "DEF".into()),
            ("enc", "A256GCM".into()),
            ("epk", json!({})),
            ("cty", "JWT".into()),
            ("typ", "at+jwt".into()),
            ("typ", "logout+jwt".into()),
            ("typ", "JWE".into()),
            ("typ", "".into()),
            ("typ", 1.into()),
            ("nonce", "x".into()),
        ] {
            cases.add(21, format!("{member}: {value}"), self.with_header(member, value));
        }
        let twice = self.header.to_string().replacen('{', r#"{"alg":"none","#, 1);
        cases.add(15, "alg twice", self.key.sign_texts(&twice, &payload));
        let twice = self.header.to_string().replacen('{', r#"{"kid":"forged","kid":"key-1","#, 1);
        cases.add(15, "kid twice", self.key.sign_texts(&twice, &payload));
        cases.add(15, "a head that goes on", self.key.sign_texts(&format!("{}{{}}", self.header), &payload));
        cases.add(15, "a head that is a list", self.key.sign_texts(&format!("[{}]", self.header), &payload));
        cases.add(15, "an empty head", self.key.sign_texts("", &payload));
    }

    fn times(&self, cases: &mut Cases) {
        let now = self.now();
        let times = [
            (8, "exp", Value::Null),
            (8, "exp", (now + 600).to_string().into()),
            (8, "exp", json!((now + 600) as f64 + 0.5)),
            (8, "exp", json!(1e308)),
            (8, "exp", json!(-1)),
            (8, "exp", 0.into()),
            (8, "exp", (now - 61).into()),
            (8, "exp", i64::MAX.into()),
            (8, "exp", u64::MAX.into()),
            (8, "exp", true.into()),
            (8, "exp", json!([now + 600])),
            (9, "nbf", (now + 600).into()),
            (9, "nbf", (now - 600).to_string().into()),
            (9, "nbf", json!(1e308)),
            (9, "nbf", json!({})),
            (9, "nbf", i64::MAX.into()),
            (9, "iat", (now + 600).into()),
            (9, "iat", (now - 5).to_string().into()),
            (9, "iat", Value::Null),
        ];
        for (row, claim, value) in times {
            cases.add(row, format!("{claim}: {value}"), self.with_claim(claim, value));
        }
    }

    fn claims(&self, cases: &mut Cases) {
        let own = self.claims["iss"].as_str().unwrap();
        let claims = [
            (10, "iss", json!("https://another.supabase.co/auth/v1")),
            (10, "iss", json!(format!("{own}/"))),
            (10, "iss", json!(own.to_uppercase())),
            (10, "iss", json!("supabase")),
            (10, "iss", json!([own])),
            (10, "iss", json!("")),
            (10, "iss", json!(7)),
            (10, "iss", Value::Null),
            (11, "aud", json!("anon")),
            (11, "aud", json!("Authenticated")),
            (11, "aud", json!(["authenticated", "other"])),
            (11, "aud", json!(["other"])),
            (11, "aud", json!([])),
            (11, "aud", json!([["authenticated"]])),
            (11, "aud", json!({"authenticated": true})),
            (11, "aud", json!("")),
            (11, "aud", Value::Null),
            (12, "role", json!("service_role")),
            (12, "role", json!("anon")),
            (12, "role", json!("supabase_admin")),
            (12, "role", json!("postgres")),
            (12, "role", json!(["authenticated"])),
            (12, "role", json!("")),
            (12, "role", Value::Null),
            (14, "sub", json!("not a uuid")),
            (14, "sub", json!("00000000-0000-0000-0000-000000000000")),
            (14, "sub", json!("")),
            (14, "sub", json!(1)),
            (14, "sub", json!([self.claims["sub"]])),
            (14, "sub", json!(format!("{}'", self.claims["sub"].as_str().unwrap()))),
            (14, "sub", Value::Null),
            (14, "session_id", json!("not a uuid")),
            (14, "session_id", json!("00000000-0000-0000-0000-000000000000")),
            (14, "session_id", json!(new_id())),
            (14, "session_id", Value::Null),
            (14, "email", json!("")),
            (14, "email", json!("a\nb@school.example")),
            (14, "email", json!(["a@school.example"])),
            (14, "email", json!(format!("{}@school.example", "a".repeat(260)))),
            (14, "email", Value::Null),
            (16, "role", json!("admin")),
            (16, "role", json!("tutor")),
            (16, "app_metadata", json!("admin")),
            (25, "is_anonymous", json!(true)),
            (25, "is_anonymous", json!("true")),
            (25, "is_anonymous", json!(1)),
            (26, "client_id", json!("9a7c1f0e-0000-4000-8000-000000000001")),
            (26, "client_id", json!("")),
            (26, "client_id", json!(false)),
        ];
        for (row, claim, value) in claims {
            let shown: String = value.to_string().chars().take(60).collect();
            cases.add(row, format!("{claim}: {shown}"), self.with_claim(claim, value));
        }
        let somebody = new_id();
        cases.add(14, "somebody else's sub", self.with_claim("sub", somebody.into()));
        let text = self.claims.to_string();
        for claim in ["sub", "exp", "role", "iss", "aud", "session_id", "iat", "email"] {
            let twice = text.replacen('{', &format!(r#"{{"{claim}":{},"#, self.claims[claim]), 1);
            cases.add(15, format!("{claim} twice"), self.key.sign_texts(&self.header.to_string(), &twice));
        }
        let now = self.now();
        let ids = json!({
            "iss": "https://accounts.google.com", "aud": "client.apps.googleusercontent.com", "sub": "1234567890",
            "email": self.claims["email"], "iat": now, "exp": now + 3600,
        });
        cases.add(13, "an ID token", self.key.sign(&ids));
        let public = |role: &str| json!({"iss": "supabase", "ref": "abc", "role": role, "iat": now, "exp": now + 3600});
        cases.add(12, "the anon key", self.key.sign(&public("anon")));
        cases.add(12, "the service key", self.key.sign(&public("service_role")));
        cases.add(12, "the publishable key", ANON_KEY);
        cases.add(12, "a secret key", "sb_secret_abcdefghijklmnopqrstuvwxyz");
        cases.add(13, "a reset code", "a".repeat(43));
    }

    fn shapes(&self, cases: &mut Cases) {
        let (header, payload) = (self.header.to_string(), self.claims.to_string());
        cases.add(19, "20 KiB", self.with_claim("name", "a".repeat(20 * 1024).into()));
        cases.add(19, "20 KiB of nothing", "a".repeat(20 * 1024));
        cases.add(19, "a blank inside", self.good.replacen('.', ". ", 1));
        cases.add(19, "a tab inside", self.good.replacen('.', ".\t", 1));
        cases.add(19, "not ASCII", self.good.replacen('.', ".\u{fc}", 1));
        cases.add(19, "two tokens", format!("{0} {0}", self.good));
        cases.add(19, "in quotation marks", format!("\"{}\"", self.good));
        cases.add(19, "the scheme twice", format!("Bearer {}", self.good));
        cases.add(20, "five parts", format!("{}.AAAA.AAAA", self.good));
        cases.add(20, "four parts", format!("{}.", self.good));
        let jwe = json!({"alg": "dir", "enc": "A256GCM"}).to_string();
        cases.add(20, "a JWE", format!("{}..AAAA.AAAA.AAAA", B64.encode(jwe)));
        let parts: Vec<&str> = self.good.split('.').collect();
        let flat = json!({"protected": parts[0], "payload": parts[1], "signature": parts[2]});
        cases.add(20, "JSON", flat.to_string());
        let many =
            json!({"payload": parts[1], "signatures": [{"protected": parts[0], "signature": parts[2]}]});
        cases.add(20, "JSON with several signatures", many.to_string());
        cases.add(20, "a token in a token", self.key.sign_texts(&header, &json!(self.good).to_string()));
        cases.add(20, "claims in a list", self.key.sign_texts(&header, &format!("[{payload}]")));
        cases.add(20, "no claims", self.key.sign_texts(&header, "{}"));
        cases.add(20, "an empty payload", self.key.sign_texts(&header, ""));
        for shape in [".", "..", "...", "null", "undefined", "true", "0", "a.b.c", "e30.e30.e30", "Bearer"] {
            cases.add(20, format!("{shape:?}"), shape);
        }
    }
}

fn head(alg: &str, kid: Option<&str>) -> String {
    match kid {
        Some(kid) if !kid.is_empty() => json!({"alg": alg, "kid": kid, "typ": "JWT"}).to_string(),
        _ => json!({"alg": alg, "typ": "JWT"}).to_string(),
    }
}

fn set(object: &mut Value, member: &str, value: Value) {
    match value {
        Value::Null => drop(object.as_object_mut().unwrap().remove(member)),
        value => object[member] = value,
    }
}

/// The last letter carries bits that belong to no byte: another one means the same.
fn other_spelling(base64: &str) -> String {
    const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let last = base64.bytes().last().unwrap();
    let at = LETTERS.iter().position(|letter| *letter == last).unwrap();
    format!("{}{}", &base64[..base64.len() - 1], char::from(LETTERS[at | 1]))
}

/// The one body of every refusal, but for the request's id.
fn the_body() -> Value {
    json!({
        "type": "urn:fynq:problem:unauthorized", "title": "Not signed in", "status": 401,
        "detail": "A valid access token is needed.", "code": "unauthorized",
    })
}

fn but_request_id(mut body: Value) -> Value {
    if let Some(members) = body.as_object_mut() {
        members.remove("request_id");
    }
    body
}

impl Stage {
    /// What is wrong about how the REST doors answer to these headers; empty: nothing.
    async fn rest(&self, headers: &[(&str, &str)], query: &str) -> String {
        let mut wrong = String::new();
        let stranger = Client::stranger(self.app.addr);
        for (method, path) in [(http::Method::GET, "/users/me"), (http::Method::POST, "/socket-tickets")] {
            self.log.take();
            let mut request = stranger.request(method.clone(), &format!("{path}{query}"));
            for (name, value) in headers {
                request = request.header(*name, value.as_bytes());
            }
            let response = request.send().await.expect("an answer");
            let status = response.status().as_u16();
            let scheme = response.headers().get("www-authenticate").cloned();
            let body = but_request_id(response.json().await.unwrap_or_default());
            let log = self.log.take();
            if status != 401 || body != the_body() || scheme.is_none_or(|scheme| scheme != "Bearer") {
                let _ = write!(wrong, " {method} {path}: {status} {body};");
            }
            wrong.push_str(&log_faults(&log, headers));
        }
        wrong
    }

    /// The same for the socket's door, before the upgrade.
    async fn upgrade(&self, headers: &[(&str, &str)], query: &str) -> String {
        self.log.take();
        let path = format!("/api/v1/sessions/{}/socket{query}", self.session);
        let all: Vec<(&str, &str)> = headers.iter().copied().chain([PROTOCOL]).collect();
        let mut wrong = match Socket::open_bare(self.app.addr, &path, &all).await {
            Ok(_) => " a socket opened;".to_owned(),
            Err(refusal) if refusal.status == 401 && but_request_id(refusal.body.clone()) == the_body() => {
                String::new()
            }
            Err(refusal) => format!(" socket: {refusal:?};"),
        };
        wrong.push_str(&log_faults(&self.log.take(), headers));
        wrong
    }

    /// The same for `auth` on an open socket.
    async fn renewal(&self, who: &Client, token: &str) -> String {
        let mut socket = who.socket(&self.session).await;
        self.log.take();
        socket.send(json!({"type": "auth", "id": new_id(), "token": token})).await;
        socket.send(json!({"type": "ping", "id": new_id(), "t": "still here"})).await;
        let ended = socket.until_any("an end", |frame| {
            matches!(frame, crate::support::frame::Frame::Close { .. } | crate::support::frame::Frame::Gone)
                || frame.control() == Some("pong")
        });
        let mut wrong = match ended.await {
            crate::support::frame::Frame::Close { code: 4401, .. } => String::new(),
            other => format!(" auth: {other:?};"),
        };
        wrong.push_str(&log_faults(&self.log.take(), &[("authorization", token)]));
        wrong
    }

    /// All four doors for one token.
    async fn knock(&self, token: &str) -> String {
        let bearer = format!("Bearer {token}");
        let headers = [("authorization", bearer.as_str())];
        let mut wrong = self.rest(&headers, "").await;
        wrong.push_str(&self.upgrade(&headers, "").await);
        wrong.push_str(&self.renewal(&self.ada, token).await);
        wrong
    }
}

/// A line that says that something was refused, and nothing of what was shown.
fn log_faults(log: &str, shown: &[(&str, &str)]) -> String {
    let mut wrong = String::new();
    if !log.contains("refused") {
        let _ = write!(wrong, " no line in the log but {log:?};");
    }
    for (_, value) in shown {
        // Short ones are words that may stand there by chance.
        if value.len() > 40 && value.split([' ', '.']).any(|piece| piece.len() > 30 && log.contains(piece)) {
            wrong.push_str(" the token is in the log;");
        }
    }
    wrong
}

/// The rows of the table that are about a token alone. The others have tests of their own here.
const ROWS: [u8; 21] = [1, 2, 3, 4, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 19, 20, 21, 24, 25, 26];

/// Shows every forged token at every door; there are three hundred at least.
async fn no_forged_token_opens(kind: Kind) {
    let stage = Stage::of(kind).await;
    let forge = stage.forge();
    // The forge is good: what it changes nothing in is let in everywhere.
    for good in
        [forge.good.clone(), forge.key.sign_texts(&forge.header.to_string(), &forge.claims.to_string())]
    {
        let ada = stage.ada.with_token(good);
        ada.get("/users/me").await.ok(200);
        ada.post("/socket-tickets", json!({})).await.ok(201);
        let mut socket = ada.socket(&stage.session).await;
        socket.send(json!({"type": "auth", "id": new_id(), "token": ada.token})).await;
        socket.round_trip().await;
    }
    let cases = forge.cases();
    let mut let_in = Vec::new();
    for (row, what, token) in &cases {
        let wrong = stage.knock(token).await;
        if !wrong.is_empty() {
            let_in.push(format!("{row}: {what}:{wrong}"));
        }
    }
    assert!(let_in.is_empty(), "{kind:?}: {} of {}: {let_in:#?}", let_in.len(), cases.len());
    if let Some(gotrue) = &stage.gotrue {
        assert!(
            !gotrue.world().calls.iter().any(|path| path.contains("evil")),
            "it fetched what a token named"
        );
        assert!(gotrue.fetches() <= 2, "{} questions for keys within a minute or two", gotrue.fetches());
    }
    assert!(cases.len() >= 300, "{kind:?}: {} only", cases.len());
    for row in ROWS {
        assert!(cases.iter().any(|case| case.0 == row), "{kind:?}: nothing of row {row}");
    }
}

#[tokio::test]
async fn three_hundred_forged_tokens_open_no_door_of_local_accounts() {
    no_forged_token_opens(Kind::Local).await;
}

#[tokio::test]
async fn three_hundred_forged_tokens_open_no_door_of_supabases_accounts() {
    no_forged_token_opens(Kind::Listed).await;
}

#[tokio::test]
async fn three_hundred_forged_tokens_open_no_door_of_supabases_accounts_with_a_shared_secret() {
    no_forged_token_opens(Kind::Shared).await;
}

const KINDS: [Kind; 3] = [Kind::Local, Kind::Listed, Kind::Shared];

/// 13: what else is handed out here.
#[tokio::test]
async fn no_other_secret_of_ours_is_an_access_token() {
    for kind in KINDS {
        let stage = Stage::of(kind).await;
        let ticket =
            stage.ada.post("/socket-tickets", json!({})).await.ok(201)["ticket"].as_str().unwrap().to_owned();
        for secret in
            [&stage.ada.refresh_token, &ticket, &stage.ada.password, &stage.session, &stage.ada.user_id]
        {
            assert_eq!(stage.knock(secret).await, "", "{kind:?}: {secret}");
        }
    }
}

/// 16: what users write about themselves, and what their project writes after the first time.
#[tokio::test]
async fn no_claim_raises_anybody() {
    for kind in KINDS {
        let stage = Stage::of(kind).await;
        let forge = stage.forge();
        for (claim, value) in [
            ("user_metadata", json!({"role": "admin"})),
            ("app_metadata", json!({"role": "admin"})),
            ("app_metadata", json!({"role": "tutor", "roles": ["admin"], "claims_admin": true})),
            ("user_role", json!("admin")),
            ("is_admin", json!(true)),
        ] {
            let ada = stage.ada.with_token(forge.with_claim(claim, value.clone()));
            assert_eq!(ada.get("/users/me").await.ok(200)["role"], "student", "{kind:?}: {claim} {value}");
            let mut socket = ada.socket(&stage.session).await;
            assert_eq!(socket.ready["you"]["role"], "student");
            socket.send(json!({"type": "auth", "id": new_id(), "token": ada.token})).await;
            socket.round_trip().await;
        }
    }
}

/// 17 and 18: tokens that were good.
#[tokio::test]
async fn no_token_outlives_its_account_or_its_sign_in() {
    for kind in KINDS {
        let stage = Stage::of(kind).await;
        let app = &stage.app;
        let disabled = app.student("disabled").await;
        app.execute(&format!("UPDATE users SET disabled_at = now() WHERE id = '{}'", disabled.user_id)).await;
        let deleted = app.student("deleted").await;
        app.execute(&format!("DELETE FROM users WHERE id = '{}'", deleted.user_id)).await;
        let out = stage.ada.login().await;
        out.post("/auth/logout", json!({})).await.ok(204);
        let everywhere = stage.ada.login().await;
        let session = part(&everywhere.token, 1)["session_id"].as_str().unwrap().to_owned();
        app.execute(&format!("UPDATE sign_ins SET ended_at = now() WHERE id = '{session}'")).await;
        let reused = stage.ada.login().await;
        for expected in [200, 401] {
            let body = json!({"refresh_token": reused.refresh_token});
            assert_eq!(Client::stranger(app.addr).post("/auth/refresh", body).await.status, expected);
        }
        for (what, gone) in [
            ("disabled", disabled),
            ("deleted", deleted),
            ("signed out", out),
            ("ended from elsewhere", everywhere),
            ("its refresh token used twice", reused),
        ] {
            assert_eq!(stage.knock(&gone.token).await, "", "{kind:?}: {what}");
        }
        stage.ada.get("/users/me").await.ok(200);
    }
}

/// 22: one header, one scheme, once.
#[tokio::test]
async fn a_token_counts_in_one_header_of_one_scheme() {
    for kind in KINDS {
        let stage = Stage::of(kind).await;
        let token = &stage.ada.token;
        let bearer = format!("Bearer {token}");
        let joined = format!("{bearer}, {bearer}");
        let forms = [
            format!("Basic {token}"),
            format!("Token {token}"),
            format!("JWT {token}"),
            format!("DPoP {token}"),
            format!("Bearer:{token}"),
            format!("Bearer\t{token}"),
            format!("Bearer  {token}"),
            format!("{bearer};"),
            token.clone(),
            joined,
            "Bearer".to_owned(),
            "Bearer null".to_owned(),
        ];
        for form in &forms {
            let headers = [("authorization", form.as_str())];
            assert_eq!(stage.rest(&headers, "").await, "", "{kind:?}: {:.20}", form);
            assert_eq!(stage.upgrade(&headers, "").await, "", "{kind:?}: {:.20}", form);
        }
        // Twice, also when one of them is good and whichever comes first.
        for pair in [
            [bearer.as_str(), bearer.as_str()],
            [&bearer, "Bearer x"],
            ["Bearer x", &bearer],
            ["Basic x", &bearer],
        ] {
            let headers = [("authorization", pair[0]), ("authorization", pair[1])];
            assert_eq!(stage.rest(&headers, "").await, "", "{kind:?}");
            assert_eq!(stage.upgrade(&headers, "").await, "", "{kind:?}");
        }
        // A cookie cannot help a bad header.
        let cookie = format!("access_token={token}");
        let headers = [("authorization", "Bearer x"), ("cookie", cookie.as_str())];
        assert_eq!(stage.rest(&headers, "").await, "", "{kind:?}");
        assert_eq!(stage.upgrade(&headers, "").await, "", "{kind:?}");
    }
}

/// 23: every other place where a token might be looked for.
#[tokio::test]
async fn a_token_counts_nowhere_else() {
    for kind in KINDS {
        let stage = Stage::of(kind).await;
        let token = stage.ada.token.clone();
        for name in ["access_token", "token", "jwt", "apikey", "authorization", "bearer", "ticket", "auth"] {
            assert_eq!(stage.rest(&[], &format!("?{name}={token}")).await, "", "{kind:?}: {name}");
            assert_eq!(stage.upgrade(&[], &format!("?{name}={token}")).await, "", "{kind:?}: {name}");
        }
        let cookies: Vec<String> =
            ["access_token", "sb-access-token", "token", "__Host-token", "fynq", "jwt"]
                .map(|name| format!("{name}={token}"))
                .to_vec();
        let mut places: Vec<(&str, &str)> =
            cookies.iter().map(|cookie| ("cookie", cookie.as_str())).collect();
        for name in [
            "x-api-key",
            "apikey",
            "x-access-token",
            "x-auth-token",
            "proxy-authorization",
            "x-forwarded-authorization",
            "x-supabase-auth",
        ] {
            places.push((name, &token));
        }
        let bearer = format!("Bearer {token}");
        places.push(("x-authorization", &bearer));
        for place in places {
            assert_eq!(stage.rest(&[place], "").await, "", "{kind:?}: {}", place.0);
            assert_eq!(stage.upgrade(&[place], "").await, "", "{kind:?}: {}", place.0);
        }
        // A form, where a body is read.
        let form = Client::stranger(stage.app.addr).request(http::Method::POST, "/sessions");
        let form = form.header("content-type", "application/x-www-form-urlencoded");
        let response = form.body(format!("access_token={token}")).send().await.unwrap();
        assert_eq!(response.status(), 401);
        // A token is no ticket, and goes by no other name among the subprotocols.
        for entry in [format!("ticket.{token}"), format!("bearer.{token}"), token.clone()] {
            let offer = format!("fynq.v1, {entry}");
            let path = format!("/api/v1/sessions/{}/socket", stage.session);
            let headers = [("sec-websocket-protocol", offer.as_str())];
            let refusal = Socket::open_bare(stage.app.addr, &path, &headers).await.expect_err("refused");
            assert_eq!((refusal.status, but_request_id(refusal.body)), (401, the_body()), "{kind:?}");
        }
    }
}

/// 19: more headers than anybody needs.
#[tokio::test]
async fn more_headers_than_anybody_needs_are_refused_and_no_harm_is_done() {
    let stage = Stage::of(Kind::Local).await;
    for (count, size) in [(200, 10), (1, 600 * 1024)] {
        let mut request = stage.ada.request(http::Method::GET, "/users/me");
        for n in 0..count {
            request = request.header(format!("x-{n}"), "a".repeat(size));
        }
        match request.send().await {
            Ok(response) => assert_eq!(response.status(), 431, "{count} headers of {size}"),
            // It hung up while the header was still being sent.
            Err(error) => assert!(error.is_request(), "{error:?}"),
        }
    }
    stage.ada.get("/users/me").await.ok(200);
}

/// 27: tickets.
#[tokio::test]
async fn a_ticket_is_one_persons_for_one_page_once_and_soon() {
    for kind in KINDS {
        let stage = Stage::of(kind).await;
        let own = format!("http://{}", stage.app.addr);
        let path = format!("/api/v1/sessions/{}/socket", stage.session);
        let ticket = async |who: &Client, origin: Option<&str>| {
            let mut request = who.request(http::Method::POST, "/socket-tickets");
            if let Some(origin) = origin {
                request = request.header("origin", origin);
            }
            let body: Value = request.send().await.unwrap().json().await.unwrap();
            body["ticket"].as_str().unwrap().to_owned()
        };
        let open = async |ticket: &str, origin: Option<&str>| {
            let offer = format!("fynq.v1, ticket.{ticket}");
            let mut headers = vec![("sec-websocket-protocol", offer.as_str())];
            headers.extend(origin.map(|origin| ("origin", origin)));
            match Socket::open_bare(stage.app.addr, &path, &headers).await {
                Ok(_) => 101,
                Err(refusal) => {
                    if refusal.status == 401 {
                        assert_eq!(but_request_id(refusal.body), the_body());
                    }
                    refusal.status
                }
            }
        };
        let ada = &stage.ada;
        assert_eq!(open(&ticket(ada, Some(&own)).await, Some(&own)).await, 101, "{kind:?}");
        let used = ticket(ada, None).await;
        assert_eq!((open(&used, None).await, open(&used, None).await), (101, 401), "{kind:?}: twice");
        let contested = ticket(ada, None).await;
        let all = futures_util::future::join_all((0..8).map(|_| open(&contested, None))).await;
        assert_eq!(all.iter().filter(|status| **status == 101).count(), 1, "{kind:?}: {all:?}");
        let evil =
            ada.request(http::Method::POST, "/socket-tickets").header("origin", "https://evil.example");
        assert_eq!(evil.send().await.unwrap().status(), 403, "{kind:?}: a foreign page gets none");
        stage.log.take();
        assert_eq!(open(&ticket(ada, Some(&own)).await, None).await, 401, "{kind:?}: no page");
        assert!(stage.log.take().contains("token_refused"), "{kind:?}");
        let eve = stage.app.student("eve").await;
        assert_eq!(open(&ticket(&eve, None).await, None).await, 404, "{kind:?}: another's session");
        for made_up in ["", "x", &"a".repeat(43), &"a".repeat(5000), &ada.token, &ada.refresh_token] {
            assert_eq!(open(made_up, None).await, 401, "{kind:?}: {made_up:.10}");
            assert!(stage.log.take().contains("token_refused"), "{kind:?}: no line in the log");
        }
        let old = ticket(ada, None).await;
        stage.app.execute("UPDATE socket_tickets SET expires_at = now() - interval '1 second'").await;
        assert_eq!(open(&old, None).await, 401, "{kind:?}: expired");
        let out = ada.login().await;
        let orphan = ticket(&out, None).await;
        out.post("/auth/logout", json!({})).await.ok(204);
        assert_eq!(open(&orphan, None).await, 401, "{kind:?}: signed out");
    }
}
