//! From names and texts to `Settings`. Knows nothing of where the texts come from.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use ipnet::IpNet;
use secrecy::SecretString;

use crate::password_rules::{self, Weak};

use super::list::{ABSENT, SETTINGS, is_known};
use super::storage;
use super::{
    Accounts, Database, Limits, LogFormat, Model, Quota, Quotas, Rate, Retention, Session, Settings,
    SigningKeys, Socket, Supabase, Tls, Worker,
};

/// Names and texts: the process environment over a `.env` file, or what a test supplies.
pub type Vars = BTreeMap<String, String>;

/// A bad or missing setting, in one line. Never holds a secret's value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SettingError {
    #[error("{name}: {wrong}; example: {name}={example}")]
    Bad { name: &'static str, wrong: String, example: &'static str },
    #[error("{name}: this version does not do {feature}; unset it to start, for example: unset {name}")]
    Absent { name: &'static str, feature: &'static str },
    #[error("{name}_FILE: {wrong}; example: {name}_FILE=/run/secrets/fynq")]
    File { name: &'static str, wrong: String },
}

impl Settings {
    /// Reads every setting; the first that is bad stops it.
    pub fn from_env(vars: &Vars) -> Result<Settings, SettingError> {
        read(&|name| vars.get(name).cloned())
    }
}

/// What an operator should know at the start, one line each.
pub fn warnings(vars: &Vars, settings: &Settings) -> Vec<String> {
    let mut out = Vec::new();
    if !settings.rate_limit {
        out.push(
            "FYNQ_RATE_LIMIT=off: every request, sign-in, socket and command limit is lifted".to_owned(),
        );
    }
    out.extend(in_clear(settings).map(str::to_owned));
    if let Some(supabase) = &settings.supabase {
        if settings.accounts.admin.is_some() {
            out.push(
                "FYNQ_ADMIN_EMAIL: ignored, because SUPABASE_URL is set: local accounts are off".to_owned(),
            );
        }
        if goes_out_in_clear(&supabase.url) {
            out.push("SUPABASE_URL: http:// sends passwords over the network as they are".to_owned());
        }
    }
    let endpoint = settings.files.bucket.as_ref().and_then(|bucket| bucket.endpoint.as_deref());
    if endpoint.is_some_and(goes_out_in_clear) {
        out.push("AWS_ENDPOINT_URL: http:// sends people's files over the network as they are".to_owned());
    }
    if settings.model.base_url.as_deref().is_some_and(goes_out_in_clear) {
        out.push(
            "GEMINI_BASE_URL: http:// sends key and conversations over the network as they are".to_owned(),
        );
    }
    let known = |name: &str| is_known(name) || ABSENT.iter().any(|(absent, _)| *absent == name);
    for name in vars.keys().filter(|name| name.starts_with("FYNQ_") && !known(name)) {
        out.push(format!("{name}: no setting of this name, ignored (see fynq --help)"));
    }
    out
}

/// What is wrong with the way browsers come in.
fn in_clear(settings: &Settings) -> Option<&'static str> {
    let public = settings.public_url.as_deref().unwrap_or_default();
    let at_home = settings.listen.ip().to_canonical().is_loopback();
    match &settings.tls {
        Some(_) if public.starts_with("http://") => {
            Some("FYNQ_PUBLIC_URL: http://, although FYNQ_TLS_CERT is set: no page gets a socket by https")
        }
        None if !at_home && settings.trusted_proxies.is_empty() => Some(
            "FYNQ_LISTEN: other machines are spoken to without TLS; set FYNQ_TLS_CERT and FYNQ_TLS_KEY, or put a proxy in front and name it in FYNQ_TRUSTED_PROXIES",
        ),
        _ => None,
    }
}

/// Whether an address is of another machine, and spoken to without TLS.
fn goes_out_in_clear(url: &str) -> bool {
    let url: Option<http::Uri> = url.parse().ok();
    let loopback = |host: &str| matches!(host, "localhost" | "127.0.0.1" | "[::1]");
    url.is_some_and(|url| url.scheme_str() == Some("http") && !url.host().is_some_and(loopback))
}

/// Reads through a function, so that a test can see which names are asked for.
pub(super) fn read(vars: &dyn Fn(&str) -> Option<String>) -> Result<Settings, SettingError> {
    let from = Reader { vars };
    for (name, feature) in ABSENT {
        if from.text(name).is_some() {
            return Err(SettingError::Absent { name, feature });
        }
    }
    let defaults = Settings::default();
    Ok(Settings {
        listen: from.or("FYNQ_LISTEN", defaults.listen, |text| {
            text.parse().map_err(|_| "not an IP address and a port".to_owned())
        })?,
        tls: tls(&from)?,
        data_dir: from.path("FYNQ_DATA_DIR")?.unwrap_or(defaults.data_dir),
        static_dir: from.path("FYNQ_STATIC_DIR")?,
        database: database(&from, defaults.database)?,
        files: storage::files(&from, defaults.files)?,
        model: model(&from, defaults.model)?,
        accounts: accounts(&from, defaults.accounts)?,
        public_url: from.or("FYNQ_PUBLIC_URL", defaults.public_url, |text| origin(text).map(Some))?,
        supabase: supabase(&from)?,
        allowed_origins: from.or("FYNQ_ALLOWED_ORIGINS", defaults.allowed_origins, origins)?,
        trusted_proxies: from.or("FYNQ_TRUSTED_PROXIES", defaults.trusted_proxies, networks)?,
        rate_limit: from.or("FYNQ_RATE_LIMIT", defaults.rate_limit, on_or_off)?,
        limits: limits(&from, defaults.limits)?,
        header_timeout: from.seconds("FYNQ_HEADER_TIMEOUT_S", defaults.header_timeout)?,
        quotas: quotas(&from)?,
        retention: retention(&from, defaults.retention)?,
        worker: worker(&from, &defaults.worker)?,
        log: from.or("FYNQ_LOG", defaults.log, |text| match text {
            "pretty" => Ok(LogFormat::Pretty),
            "json" => Ok(LogFormat::Json),
            _ => Err("must be pretty or json".to_owned()),
        })?,
        log_filter: from.or("RUST_LOG", defaults.log_filter, log_filter)?,
        metrics_token: from.secret("FYNQ_METRICS_TOKEN", |text| {
            let fits = text.len() >= 16 && text.bytes().all(|byte| byte.is_ascii_graphic());
            if fits { Ok(()) } else { Err("not 16 or more plain characters") }
        })?,
        session: session(&from, defaults.session)?,
        socket: socket(&from, defaults.socket)?,
        drain: from.seconds("FYNQ_DRAIN_S", defaults.drain)?,
    })
}

fn tls(from: &Reader<'_>) -> Result<Option<Tls>, SettingError> {
    match (from.path("FYNQ_TLS_CERT")?, from.path("FYNQ_TLS_KEY")?) {
        (Some(cert), Some(key)) => Ok(Some(Tls { cert, key })),
        (None, None) => Ok(None),
        (Some(_), None) => Err(bad("FYNQ_TLS_KEY", "missing, although FYNQ_TLS_CERT is set")),
        (None, Some(_)) => Err(bad("FYNQ_TLS_CERT", "missing, although FYNQ_TLS_KEY is set")),
    }
}

/// What is said of an address before anybody tries it: at the start, and of each one that a file brings later.
pub fn is_database_url(text: &str) -> Result<(), &'static str> {
    match text.strip_prefix("postgres://").or_else(|| text.strip_prefix("postgresql://")) {
        None => Err("must start with postgres://"),
        Some("") => Err("names no server"),
        Some(rest) if rest.contains(char::is_whitespace) => Err("holds a blank"),
        Some(_) => Ok(()),
    }
}

fn database(from: &Reader<'_>, defaults: Database) -> Result<Database, SettingError> {
    Ok(Database {
        url: from.secret("DATABASE_URL", is_database_url)?,
        url_file: from.text("DATABASE_URL_FILE").map(PathBuf::from),
        pool_size: from.number("FYNQ_DATABASE_POOL", defaults.pool_size, 1, 1000)?,
        ca_file: from.path("FYNQ_DATABASE_CA")?,
        bin_dir: from.path("FYNQ_PG_BIN")?,
    })
}

fn model(from: &Reader<'_>, defaults: Model) -> Result<Model, SettingError> {
    Ok(Model {
        api_key: from.secret("GEMINI_API_KEY", |text| {
            // It travels in a header.
            if text.bytes().all(|byte| byte.is_ascii_graphic()) {
                Ok(())
            } else {
                Err("holds a character that no key has")
            }
        })?,
        api_key_file: from.text("GEMINI_API_KEY_FILE").map(PathBuf::from),
        base_url: from.or("GEMINI_BASE_URL", defaults.base_url, |text| base_url(text).map(Some))?,
        name: from.or("GEMINI_MODEL", defaults.name, |text| {
            let name = text.strip_prefix("models/").unwrap_or(text);
            let plain = |c: char| c.is_ascii_alphanumeric() || "-_./".contains(c);
            if !name.is_empty() && name.chars().all(plain) {
                Ok(name.to_owned())
            } else {
                Err(format!("{} is not a model's name", shown(text)))
            }
        })?,
        connect_timeout: from.seconds("FYNQ_MODEL_CONNECT_TIMEOUT_S", defaults.connect_timeout)?,
        first_byte_timeout: from.seconds("FYNQ_MODEL_FIRST_BYTE_TIMEOUT_S", defaults.first_byte_timeout)?,
        idle_timeout: from.seconds("FYNQ_MODEL_IDLE_TIMEOUT_S", defaults.idle_timeout)?,
        answer_timeout: from.seconds("FYNQ_MODEL_ANSWER_TIMEOUT_S", defaults.answer_timeout)?,
        attempts: from.number("FYNQ_MODEL_ATTEMPTS", defaults.attempts, 1, 10)?,
        history_tokens: from.number("FYNQ_HISTORY_TOKENS", defaults.history_tokens, 256, 10_000_000)?,
        inline_bytes: from.number("FYNQ_MODEL_INLINE_BYTES", defaults.inline_bytes, 64 << 10, 100 << 20)?,
        files_bytes: from.number("FYNQ_MODEL_FILES_BYTES", defaults.files_bytes, 32 << 20, 64 << 30)?,
        max_output_tokens: match from.text("FYNQ_MAX_OUTPUT_TOKENS") {
            None => defaults.max_output_tokens,
            Some(_) => Some(from.number("FYNQ_MAX_OUTPUT_TOKENS", 0, 1, 10_000_000)?),
        },
        instruction_file: from.path("FYNQ_INSTRUCTION_FILE")?,
    })
}

fn accounts(from: &Reader<'_>, defaults: Accounts) -> Result<Accounts, SettingError> {
    let email = from.or("FYNQ_ADMIN_EMAIL", None, |text| {
        let good = text.split_once('@').is_some_and(|(who, host)| !who.is_empty() && !host.is_empty());
        if good {
            Ok(Some(text.to_owned()))
        } else {
            Err(format!("{} is not an e-mail address", shown(text)))
        }
    })?;
    let password = from.secret("FYNQ_ADMIN_PASSWORD", |text| {
        let address = email.as_deref().unwrap_or_default();
        password_rules::check(text, &[address]).map_err(|weak| match weak {
            Weak::Short => "shorter than 8 characters",
            Weak::Long => "longer than 128 characters",
            Weak::Common => "is one of the passwords that are tried first",
            Weak::Personal => "is made of the address or of the product's name",
        })
    })?;
    let admin = match (email, password) {
        (Some(email), Some(password)) => Some((email, password)),
        (None, None) => None,
        (Some(_), None) => {
            return Err(bad("FYNQ_ADMIN_PASSWORD", "missing, although FYNQ_ADMIN_EMAIL is set"));
        }
        (None, Some(_)) => {
            return Err(bad("FYNQ_ADMIN_EMAIL", "missing, although FYNQ_ADMIN_PASSWORD is set"));
        }
    };
    Ok(Accounts {
        token_ttl: from.seconds("FYNQ_TOKEN_TTL_S", defaults.token_ttl)?,
        refresh_ttl: from.seconds("FYNQ_REFRESH_TTL_S", defaults.refresh_ttl)?,
        sign_in_ttl: from.seconds("FYNQ_SIGN_IN_TTL_S", defaults.sign_in_ttl)?,
        token_secret: from.secret("FYNQ_TOKEN_SECRET", |text| {
            if text.len() >= 32 { Ok(()) } else { Err("shorter than 32 bytes") }
        })?,
        admin,
        open_registration: from.or("FYNQ_OPEN_REGISTRATION", defaults.open_registration, on_or_off)?,
    })
}

fn limits(from: &Reader<'_>, defaults: Limits) -> Result<Limits, SettingError> {
    let rate = |name, default: Rate| {
        from.or(name, default, |text| Rate::parse(text).map_err(|wrong| format!("{} {wrong}", shown(text))))
    };
    Ok(Limits {
        requests_address: rate("FYNQ_LIMIT_REQUESTS_ADDRESS", defaults.requests_address)?,
        requests_user: rate("FYNQ_LIMIT_REQUESTS_USER", defaults.requests_user)?,
        handshakes_address: rate("FYNQ_LIMIT_HANDSHAKES_ADDRESS", defaults.handshakes_address)?,
        handshakes_user: rate("FYNQ_LIMIT_HANDSHAKES_USER", defaults.handshakes_user)?,
        sign_ins_address: rate("FYNQ_LIMIT_SIGN_INS_ADDRESS", defaults.sign_ins_address)?,
        failures: rate("FYNQ_LIMIT_FAILURES", defaults.failures)?,
        failures_address: rate("FYNQ_LIMIT_FAILURES_ADDRESS", defaults.failures_address)?,
        failures_account: rate("FYNQ_LIMIT_FAILURES_ACCOUNT", defaults.failures_account)?,
        sign_ups_address: rate("FYNQ_LIMIT_SIGN_UPS_ADDRESS", defaults.sign_ups_address)?,
        refreshes_address: rate("FYNQ_LIMIT_REFRESHES_ADDRESS", defaults.refreshes_address)?,
        commands_socket: rate("FYNQ_LIMIT_COMMANDS_SOCKET", defaults.commands_socket)?,
        commands_user: rate("FYNQ_LIMIT_COMMANDS_USER", defaults.commands_user)?,
        sockets_user: from.number("FYNQ_LIMIT_SOCKETS_USER", defaults.sockets_user, 1, 10_000)?,
        connections_address: from.number(
            "FYNQ_LIMIT_CONNECTIONS_ADDRESS",
            defaults.connections_address,
            1,
            1_000_000,
        )?,
    })
}

fn supabase(from: &Reader<'_>) -> Result<Option<Supabase>, SettingError> {
    let url = from.or("SUPABASE_URL", None, |text| {
        let url = base_url(text)?;
        match url.to_ascii_lowercase() {
            lower if lower.ends_with("/auth/v1") => Err("is the project's address, without /auth/v1".into()),
            _ => Ok(Some(url)),
        }
    })?;
    let anon_key = from.secret("SUPABASE_ANON_KEY", |text| {
        // It travels in a header.
        if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err("holds a character that no key has");
        }
        if text.starts_with("sb_secret_") || is_service_key(text) {
            return Err("is a secret key, which may do everything; give the publishable (or anon) one");
        }
        Ok(())
    })?;
    let jwt_secret = from.secret("SUPABASE_JWT_SECRET", |text| {
        if text.len() >= 32 { Ok(()) } else { Err("shorter than 32 bytes") }
    })?;
    let audience =
        from.or("SUPABASE_JWT_AUDIENCE", "authenticated".to_owned(), |text| Ok(text.to_owned()))?;
    let set = match (&anon_key, &jwt_secret) {
        (Some(_), _) => "SUPABASE_ANON_KEY",
        (None, Some(_)) => "SUPABASE_JWT_SECRET",
        (None, None) => "",
    };
    match (url, anon_key) {
        (Some(url), Some(anon_key)) => {
            Ok(Some(Supabase { url, anon_key, jwt_secret, audience, keys: SigningKeys::default() }))
        }
        (Some(_), None) => Err(bad("SUPABASE_ANON_KEY", "missing, although SUPABASE_URL is set")),
        (None, _) if set.is_empty() => Ok(None),
        (None, _) => Err(bad("SUPABASE_URL", &format!("missing, although {set} is set"))),
    }
}

/// Whether this is the JWT that passes by every policy. What cannot be read is none.
fn is_service_key(text: &str) -> bool {
    let payload = text.split('.').nth(1).and_then(|part| BASE64_URL_SAFE_NO_PAD.decode(part).ok());
    let claims = payload.and_then(|bytes| serde_json::from_slice::<serde_json::Value>(&bytes).ok());
    claims.is_some_and(|claims| claims["role"] == "service_role")
}

fn quotas(from: &Reader<'_>) -> Result<Quotas, SettingError> {
    let limit = |name| -> Result<Option<i64>, SettingError> {
        Ok(Some(from.number(name, 0, 0, i64::MAX / 2)?).filter(|limit| *limit > 0))
    };
    Ok(Quotas {
        student: Quota {
            messages_day: limit("FYNQ_QUOTA_STUDENT_MESSAGES_DAY")?,
            messages_month: limit("FYNQ_QUOTA_STUDENT_MESSAGES_MONTH")?,
            tokens_day: limit("FYNQ_QUOTA_STUDENT_TOKENS_DAY")?,
            tokens_month: limit("FYNQ_QUOTA_STUDENT_TOKENS_MONTH")?,
        },
        class: Quota {
            messages_day: limit("FYNQ_QUOTA_CLASS_MESSAGES_DAY")?,
            messages_month: limit("FYNQ_QUOTA_CLASS_MESSAGES_MONTH")?,
            tokens_day: limit("FYNQ_QUOTA_CLASS_TOKENS_DAY")?,
            tokens_month: limit("FYNQ_QUOTA_CLASS_TOKENS_MONTH")?,
        },
    })
}

fn retention(from: &Reader<'_>, defaults: Retention) -> Result<Retention, SettingError> {
    let days = |name, default: Option<u32>| -> Result<Option<u32>, SettingError> {
        Ok(Some(from.number(name, default.unwrap_or(0), 0, 36_500)?).filter(|days| *days > 0))
    };
    Ok(Retention {
        sessions_days: days("FYNQ_RETENTION_DAYS", defaults.sessions_days)?,
        audit_days: days("FYNQ_AUDIT_RETENTION_DAYS", defaults.audit_days)?,
    })
}

fn worker(from: &Reader<'_>, defaults: &Worker) -> Result<Worker, SettingError> {
    let summary_after = defaults.summary_after.map_or(0, |after| after.as_secs() / 60);
    let summary_after = from.number("FYNQ_SUMMARY_AFTER_MIN", summary_after, 0, 7 * 24 * 60)?;
    Ok(Worker {
        on: from.or("FYNQ_WORKER", defaults.on, on_or_off)?,
        at_once: from.number("FYNQ_WORKER_JOBS", defaults.at_once, 1, 256)?,
        lease: from.seconds("FYNQ_TASK_LEASE_S", defaults.lease)?,
        poll: from.seconds("FYNQ_TASK_POLL_S", defaults.poll)?,
        summary_after: (summary_after > 0).then(|| Duration::from_secs(summary_after * 60)),
    })
}

fn session(from: &Reader<'_>, defaults: Session) -> Result<Session, SettingError> {
    Ok(Session {
        idle_after: from.seconds("FYNQ_SESSION_IDLE_S", defaults.idle_after)?,
        lapse_after: from.seconds("FYNQ_LAPSE_S", defaults.lapse_after)?,
        log_bytes: from.number("FYNQ_LOG_BYTES", defaults.log_bytes, 1024, 1 << 30)?,
        checkpoint_every: from.seconds("FYNQ_CHECKPOINT_S", defaults.checkpoint_every)?,
        checkpoint_bytes: from.number("FYNQ_CHECKPOINT_BYTES", defaults.checkpoint_bytes, 1, 1 << 20)?,
    })
}

fn socket(from: &Reader<'_>, defaults: Socket) -> Result<Socket, SettingError> {
    let socket = Socket {
        ping_every: from.seconds("FYNQ_PING_S", defaults.ping_every)?,
        silent_after: from.seconds("FYNQ_SILENT_S", defaults.silent_after)?,
        write_timeout: from.seconds("FYNQ_WRITE_TIMEOUT_S", defaults.write_timeout)?,
        expiry_grace: defaults.expiry_grace,
    };
    // Otherwise every socket that has nothing to say would be dropped.
    if socket.silent_after <= socket.ping_every {
        return Err(bad("FYNQ_SILENT_S", "must be longer than FYNQ_PING_S"));
    }
    Ok(socket)
}

fn on_or_off(text: &str) -> Result<bool, String> {
    match text {
        "on" => Ok(true),
        "off" => Ok(false),
        _ => Err("must be on or off".to_owned()),
    }
}

pub(super) struct Reader<'a> {
    vars: &'a dyn Fn(&str) -> Option<String>,
}

impl Reader<'_> {
    /// The text, its outer blanks gone; an empty one counts as unset.
    pub(super) fn text(&self, name: &str) -> Option<String> {
        (self.vars)(name).map(|text| text.trim().to_owned()).filter(|text| !text.is_empty())
    }

    pub(super) fn or<T>(
        &self,
        name: &'static str,
        default: T,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Result<T, SettingError> {
        match self.text(name) {
            None => Ok(default),
            Some(text) => parse(&text).map_err(|wrong| bad(name, &wrong)),
        }
    }

    pub(super) fn path(&self, name: &'static str) -> Result<Option<PathBuf>, SettingError> {
        self.or(name, None, |text| {
            if text.contains('\0') {
                Err("holds a NUL character".to_owned())
            } else {
                Ok(Some(PathBuf::from(text)))
            }
        })
    }

    /// Seconds, fractions allowed, more than zero and at most ten years.
    pub(super) fn seconds(&self, name: &'static str, default: Duration) -> Result<Duration, SettingError> {
        self.or(name, default, |text| {
            let wrong = || format!("{} is not a number of seconds above 0", shown(text));
            let seconds: f64 = text.parse().map_err(|_| wrong())?;
            let longest = 10.0 * 365.0 * 86_400.0;
            if !(0.001..=longest).contains(&seconds) {
                return Err(wrong());
            }
            Duration::try_from_secs_f64(seconds).map_err(|_| wrong())
        })
    }

    pub(super) fn number<T>(
        &self,
        name: &'static str,
        default: T,
        least: T,
        most: T,
    ) -> Result<T, SettingError>
    where
        T: FromStr + PartialOrd + Display,
    {
        self.or(name, default, |text| match text.parse::<T>() {
            Ok(number) if number >= least && number <= most => Ok(number),
            _ => Err(format!("{} is not a whole number from {least} to {most}", shown(text))),
        })
    }

    /// A text that is checked, kept as it is and never shown.
    pub(super) fn secret(
        &self,
        name: &'static str,
        check: impl FnOnce(&str) -> Result<(), &'static str>,
    ) -> Result<Option<SecretString>, SettingError> {
        match (self.vars)(name).filter(|text| !text.trim().is_empty()) {
            None => Ok(None),
            Some(text) => match check(&text) {
                Ok(()) => Ok(Some(SecretString::from(text))),
                Err(wrong) => Err(bad(name, wrong)),
            },
        }
    }
}

pub(super) fn bad(name: &'static str, wrong: &str) -> SettingError {
    let example = SETTINGS.iter().find(|setting| setting.name == name).map_or("", |setting| setting.example);
    SettingError::Bad { name, wrong: wrong.to_owned(), example }
}

/// A value as an error line may show it: short, quoted, on one line.
pub(super) fn shown(text: &str) -> String {
    let short: String = text.chars().take(60).collect();
    format!("{short:?}")
}

pub(super) fn base_url(text: &str) -> Result<String, String> {
    let url: http::Uri = text.parse().map_err(|_| "not a URL".to_owned())?;
    if !matches!(url.scheme_str(), Some("http" | "https")) {
        return Err("must start with https:// or http://".to_owned());
    }
    if url.authority().is_some_and(|authority| authority.as_str().contains('@')) {
        return Err("must not hold a user name or a password".to_owned());
    }
    if url.query().is_some() {
        return Err("must not hold a query".to_owned());
    }
    Ok(text.trim_end_matches('/').to_owned())
}

fn origins(text: &str) -> Result<Vec<String>, String> {
    text.split(',').map(str::trim).filter(|one| !one.is_empty()).map(origin).collect()
}

/// An origin as browsers send it: scheme, host and, where it is not the scheme's own, a port.
fn origin(text: &str) -> Result<String, String> {
    let wrong = || format!("{} is not an origin (scheme://host, no path)", shown(text));
    let lower = text.trim_end_matches('/').to_ascii_lowercase();
    let (scheme, host) = lower.split_once("://").ok_or_else(wrong)?;
    if !matches!(scheme, "http" | "https") || host.contains(['/', '?', '#', '@', '*']) {
        return Err(wrong());
    }
    let authority: http::uri::Authority = host.parse().map_err(|_| wrong())?;
    let own_port = if scheme == "https" { 443 } else { 80 };
    Ok(match authority.port_u16() {
        Some(port) if port != own_port => format!("{scheme}://{}:{port}", authority.host()),
        _ => format!("{scheme}://{}", authority.host()),
    })
}

/// Networks as CIDR, or single addresses.
fn networks(text: &str) -> Result<Vec<IpNet>, String> {
    text.split(',').map(str::trim).filter(|one| !one.is_empty()).map(network).collect()
}

fn network(text: &str) -> Result<IpNet, String> {
    let single = text.parse::<std::net::IpAddr>().map(IpNet::from);
    let network = text.parse::<IpNet>().or(single);
    let network = network.map_err(|_| format!("{} is not an address or a network (CIDR)", shown(text)))?;
    // Then whoever comes could say that they come from anywhere.
    if network.prefix_len() == 0 {
        return Err(format!("{} would trust everybody", shown(text)));
    }
    match network {
        // Addresses are compared in their IPv4 form: this would never match.
        IpNet::V6(v6) if v6.network().to_ipv4_mapped().is_some() => {
            Err(format!("{} has to be written as IPv4", shown(text)))
        }
        network => Ok(network.trunc()),
    }
}

fn log_filter(text: &str) -> Result<String, String> {
    match text.parse::<tracing_subscriber::filter::Targets>() {
        Ok(_) => Ok(text.to_owned()),
        // Span and field directives are more than `Targets` knows.
        Err(_) if tracing_subscriber::EnvFilter::try_new(text).is_ok() => Ok(text.to_owned()),
        Err(_) => Err(format!("{} holds a directive that cannot be read", shown(text))),
    }
}
