//! Every setting, as plain values. Reading them from the environment is `Settings::from_env`.

mod files;
mod limits;
mod list;
mod read;
mod storage;
#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;
use secrecy::SecretString;

pub use files::with_files;
pub use limits::{Limits, Rate};
pub use list::{ABSENT, SETTINGS, Setting, help_text, is_known, markdown};
pub use read::{SettingError, Vars, is_database_url, warnings};
pub use storage::{Bucket, Files, People, Scanner};

#[derive(Clone, Debug)]
pub struct Settings {
    pub listen: SocketAddr,
    /// `None`: plain HTTP, for a proxy or for this machine alone.
    pub tls: Option<Tls>,
    pub data_dir: PathBuf,
    /// Where the page lies; `None`: `static/` beside the working directory or the checkout.
    pub static_dir: Option<PathBuf>,
    pub database: Database,
    pub files: Files,
    pub model: Model,
    pub accounts: Accounts,
    /// Where browsers find this server, as an origin; `None`: any name that leads here.
    pub public_url: Option<String>,
    /// `None`: local accounts.
    pub supabase: Option<Supabase>,
    pub allowed_origins: Vec<String>,
    /// Whose word on a client's address and scheme is believed.
    pub trusted_proxies: Vec<IpNet>,
    pub rate_limit: bool,
    pub limits: Limits,
    /// How long the head of a request may take to arrive, and a connection to ask for something.
    pub header_timeout: Duration,
    pub quotas: Quotas,
    pub retention: Retention,
    pub worker: Worker,
    pub log: LogFormat,
    /// Which log lines, as tracing's filter directives.
    pub log_filter: String,
    /// `None`: anybody may read the metrics.
    pub metrics_token: Option<SecretString>,
    pub session: Session,
    pub socket: Socket,
    /// How long active runs may go on after SIGTERM.
    pub drain: Duration,
}

/// PEM files.
#[derive(Clone, Debug)]
pub struct Tls {
    /// The server's certificate, then those between it and its authority.
    pub cert: PathBuf,
    pub key: PathBuf,
}

#[derive(Clone, Debug)]
pub struct Database {
    /// `None`: a private PostgreSQL under `data_dir`.
    pub url: Option<SecretString>,
    /// Where `url` came from: read again before each new connection.
    pub url_file: Option<PathBuf>,
    pub pool_size: usize,
    /// A PEM file with the certificate authority of the server (Supabase's, say).
    pub ca_file: Option<PathBuf>,
    /// Where `postgres` and `initdb` lie, if not in the usual places.
    pub bin_dir: Option<PathBuf>,
}

#[derive(Clone, Debug)]
pub struct Model {
    /// No key and no base URL: the practice model.
    pub api_key: Option<SecretString>,
    /// Where `api_key` came from: read again before each call.
    pub api_key_file: Option<PathBuf>,
    pub base_url: Option<String>,
    pub name: String,
    pub connect_timeout: Duration,
    pub first_byte_timeout: Duration,
    pub idle_timeout: Duration,
    pub answer_timeout: Duration,
    /// Calls per answer at most, the first included.
    pub attempts: u32,
    /// How much of the conversation goes into a prompt, in estimated tokens.
    pub history_tokens: u32,
    /// How large a request with files may be; what does not fit is uploaded before.
    pub inline_bytes: usize,
    /// How much the requests with files may take in memory, all together.
    pub files_bytes: usize,
    pub max_output_tokens: Option<u32>,
    /// A file that replaces the built-in system instruction.
    pub instruction_file: Option<PathBuf>,
}

#[derive(Clone, Debug)]
pub struct Accounts {
    pub token_ttl: Duration,
    pub refresh_ttl: Duration,
    /// From somebody's signing in to when they have to again, whatever they do meanwhile.
    pub sign_in_ttl: Duration,
    /// `None`: generated once and kept under `data_dir`.
    pub token_secret: Option<SecretString>,
    pub admin: Option<(String, SecretString)>,
    /// Anybody may make an account; otherwise only who has the join code of a class.
    pub open_registration: bool,
}

/// Supabase Auth instead of local accounts.
#[derive(Clone, Debug)]
pub struct Supabase {
    /// The project's address, without `/auth/v1` and without a slash at its end.
    pub url: String,
    /// The publishable (or `anon`) key: who asks, not what they may.
    pub anon_key: SecretString,
    /// Set: tokens that are signed with the project's shared secret (HS256) are believed too.
    pub jwt_secret: Option<SecretString>,
    /// Whom the project's tokens are for.
    pub audience: String,
    pub keys: SigningKeys,
}

/// How long the project's public keys are believed, and how often it is asked for them.
#[derive(Clone, Copy, Debug)]
pub struct SigningKeys {
    /// Older keys are fetched again: a revoked key is believed this long at most while Supabase
    /// answers.
    pub life: Duration,
    /// Between two fetches, whatever is asked for.
    pub gap: Duration,
    /// While Supabase does not answer the last keys stay; not longer than this.
    pub last_good: Duration,
}

impl Default for SigningKeys {
    fn default() -> Self {
        SigningKeys {
            life: Duration::from_secs(10 * 60),
            gap: Duration::from_secs(60),
            last_good: Duration::from_secs(24 * 3600),
        }
    }
}

/// What may be used up in a day and in a month, both in UTC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Quotas {
    /// Of each student.
    pub student: Quota,
    /// Of all students of a class together.
    pub class: Quota,
}

/// `None`: no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Quota {
    pub messages_day: Option<i64>,
    pub messages_month: Option<i64>,
    /// Of the model, both ways.
    pub tokens_day: Option<i64>,
    pub tokens_month: Option<i64>,
}

impl Quotas {
    pub fn is_any(&self) -> bool {
        *self != Quotas::default()
    }
}

/// How many days are kept; `None`: for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Sessions in which nothing happened since.
    pub sessions_days: Option<u32>,
    pub audit_days: Option<u32>,
}

/// Work in the background.
#[derive(Clone, Debug)]
pub struct Worker {
    /// Whether a server works; if not, `fynq worker` does.
    pub on: bool,
    /// Jobs at once.
    pub at_once: usize,
    /// A worker that is silent for longer loses what it holds.
    pub lease: Duration,
    /// How often the queue is looked at when nobody says that something is there.
    pub poll: Duration,
    /// A session in which nothing happened for so long is summarized; `None`: none is.
    pub summary_after: Option<Duration>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    Pretty,
    Json,
}

#[derive(Clone, Debug)]
pub struct Session {
    /// A session with no socket and no run leaves memory after this long.
    pub idle_after: Duration,
    /// A tutor's control ends when they have had no socket on the session for this long.
    pub lapse_after: Duration,
    /// The log keeps at most this many bytes of entries for those who come back.
    pub log_bytes: usize,
    /// How often a running answer is checkpointed at least.
    pub checkpoint_every: Duration,
    /// … and after how many new bytes.
    pub checkpoint_bytes: usize,
}

#[derive(Clone, Debug)]
pub struct Socket {
    pub ping_every: Duration,
    pub silent_after: Duration,
    /// A peer that takes nothing for this long is closed with 4408.
    pub write_timeout: Duration,
    /// An open socket outlives its token by this much: time for a fresh one.
    pub expiry_grace: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            tls: None,
            data_dir: PathBuf::from("./.fynq"),
            static_dir: None,
            database: Database { url: None, url_file: None, pool_size: 8, ca_file: None, bin_dir: None },
            files: Files::default(),
            model: Model {
                api_key: None,
                api_key_file: None,
                base_url: None,
                name: "gemini-3.8-flash".into(),
                connect_timeout: Duration::from_secs(10),
                first_byte_timeout: Duration::from_secs(30),
                idle_timeout: Duration::from_secs(20),
                answer_timeout: Duration::from_secs(180),
                attempts: 3,
                history_tokens: 16_000,
                inline_bytes: 15 << 20,
                files_bytes: 512 << 20,
                max_output_tokens: None,
                instruction_file: None,
            },
            accounts: Accounts {
                token_ttl: Duration::from_secs(3600),
                refresh_ttl: Duration::from_secs(30 * 24 * 3600),
                sign_in_ttl: Duration::from_secs(90 * 24 * 3600),
                token_secret: None,
                admin: None,
                open_registration: true,
            },
            public_url: None,
            supabase: None,
            allowed_origins: Vec::new(),
            trusted_proxies: Vec::new(),
            rate_limit: true,
            limits: Limits::default(),
            header_timeout: Duration::from_secs(65),
            quotas: Quotas::default(),
            // Nothing that somebody said is deleted before an operator has decided for how long it is kept.
            retention: Retention { sessions_days: None, audit_days: Some(365) },
            worker: Worker {
                on: true,
                at_once: 4,
                lease: Duration::from_secs(30),
                poll: Duration::from_secs(5),
                summary_after: Some(Duration::from_secs(30 * 60)),
            },
            log: LogFormat::Pretty,
            log_filter: "info".into(),
            metrics_token: None,
            session: Session {
                idle_after: Duration::from_secs(300),
                lapse_after: Duration::from_secs(60),
                log_bytes: 1 << 20,
                checkpoint_every: Duration::from_millis(800),
                checkpoint_bytes: 4096,
            },
            socket: Socket {
                ping_every: Duration::from_secs(25),
                silent_after: Duration::from_secs(60),
                write_timeout: Duration::from_secs(30),
                expiry_grace: Duration::from_secs(30),
            },
            drain: Duration::from_secs(20),
        }
    }
}
