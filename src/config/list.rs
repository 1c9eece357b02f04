//! The one list of settings: what `--help`, docs/settings.md and the error messages are made of.

/// One setting, as an operator sees it.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    pub name: &'static str,
    /// The value that is used when the variable is unset or empty.
    pub default: Option<&'static str>,
    /// A value that would be accepted.
    pub example: &'static str,
    pub about: &'static str,
    /// Never printed.
    pub secret: bool,
}

impl Setting {
    /// What a secret may be instead: the name of a file that holds it.
    pub fn file(&self) -> Option<String> {
        self.secret.then(|| format!("{}_FILE", self.name))
    }
}

/// Whether this is a setting, or a secret's file.
pub fn is_known(name: &str) -> bool {
    let of_a_secret = name.strip_suffix("_FILE");
    SETTINGS.iter().any(|one| one.name == name || (one.secret && of_a_secret == Some(one.name)))
}

const fn set(
    name: &'static str,
    default: &'static str,
    example: &'static str,
    about: &'static str,
) -> Setting {
    Setting { name, default: Some(default), example, about, secret: false }
}

const fn open(name: &'static str, example: &'static str, about: &'static str) -> Setting {
    Setting { name, default: None, example, about, secret: false }
}

const fn secret(name: &'static str, example: &'static str, about: &'static str) -> Setting {
    Setting { name, default: None, example, about, secret: true }
}

/// Every setting, in the order of the manual.
pub const SETTINGS: &[Setting] = &[
    set("FYNQ_LISTEN", "127.0.0.1:8080", "0.0.0.0:8080", "address and port to listen on"),
    open(
        "FYNQ_TLS_CERT",
        "/etc/letsencrypt/live/fynq.school.example/fullchain.pem",
        "PEM file with the server's certificate and its chain: fynq speaks TLS itself, and nothing else; read anew when it changes. Unset: plain HTTP, for a proxy",
    ),
    open(
        "FYNQ_TLS_KEY",
        "/etc/letsencrypt/live/fynq.school.example/privkey.pem",
        "PEM file with that certificate's key; both of the two or none",
    ),
    set(
        "FYNQ_DATA_DIR",
        "./.fynq",
        "/var/lib/fynq",
        "the private PostgreSQL, uploaded files and the generated token secret",
    ),
    open(
        "FYNQ_STATIC_DIR",
        "/usr/share/fynq/static",
        "the page's files; unset: static/ in the working directory or beside the checkout",
    ),
    set("FYNQ_LOG", "pretty", "json", "log lines for people (pretty) or for machines (json)"),
    set("RUST_LOG", "info", "info,fynq=debug", "which log lines, as tracing's filter directives"),
    secret(
        "FYNQ_METRICS_TOKEN",
        "$(openssl rand -hex 32)",
        "what /metrics asks for as a bearer token, 16 characters or more; unset: anybody may read it",
    ),
    set("FYNQ_DRAIN_S", "20", "20", "seconds that running answers get after SIGTERM"),
    // The database.
    secret(
        "DATABASE_URL",
        "postgres://user:password@host:5432/fynq",
        "the PostgreSQL to use (15 or later); on another machine by TLS unless it says sslmode=disable; sslrootcert=, sslcert= and sslkey= name PEM files. Unset: a private one under FYNQ_DATA_DIR",
    ),
    set("FYNQ_DATABASE_POOL", "8", "16", "database connections besides the writer's"),
    open(
        "FYNQ_DATABASE_CA",
        "/etc/fynq/ca.pem",
        "PEM file with the database's certificate authority, where DATABASE_URL has no sslrootcert=",
    ),
    open(
        "FYNQ_PG_BIN",
        "/usr/lib/postgresql/15/bin",
        "where postgres and initdb lie, if not in a usual place",
    ),
    // Files.
    open(
        "FYNQ_STORAGE_URL",
        "s3://fynq/files",
        "where uploaded files lie: a bucket of any S3 endpoint, and a prefix in it that is fynq's alone. Unset: files/ under FYNQ_DATA_DIR",
    ),
    open("AWS_ACCESS_KEY_ID", "AKIA…", "the bucket's key; unset: the machine's own role"),
    secret("AWS_SECRET_ACCESS_KEY", "…", "the secret of that key"),
    secret("AWS_SESSION_TOKEN", "…", "the token of a key that is lent for a while"),
    set("AWS_REGION", "us-east-1", "eu-central-1", "the bucket's region"),
    open(
        "AWS_ENDPOINT_URL",
        "https://abcdefghijklmnopqrst.storage.supabase.co/storage/v1/s3",
        "an S3 endpoint that is not Amazon's; asked in path style",
    ),
    open(
        "FYNQ_STORAGE_TENANT",
        "abcdefghijklmnopqrst",
        "with accounts of Supabase's and its storage: the project's reference. What people upload and read is then asked with their own tokens, so that the bucket's row level security applies (docs/supabase.md)",
    ),
    set("FYNQ_FILE_BYTES", "10485760", "10485760", "the largest file that may be uploaded, in bytes"),
    set("FYNQ_FILES_USER_BYTES", "209715200", "209715200", "the room for all files of one person, in bytes"),
    open("FYNQ_FILES_ORG_BYTES", "107374182400", "… of an organisation; unset or 0: no limit"),
    open(
        "FYNQ_CLAMD",
        "unix:/run/clamav/clamd.ctl",
        "a ClamAV daemon (unix:/path or host:port) that looks at each file before it is kept; while it is away none is taken. Unset: nobody looks",
    ),
    // The model.
    secret(
        "GEMINI_API_KEY",
        "AIza…",
        "key for Google's Gemini API; with no key and no base URL the practice model answers",
    ),
    open(
        "GEMINI_BASE_URL",
        "https://generativelanguage.googleapis.com",
        "the Gemini endpoint: Google's (used when only the key is set), a gateway or an emulator",
    ),
    set("GEMINI_MODEL", "gemini-3.8-flash", "gemini-3.8-flash", "the model's name"),
    open(
        "FYNQ_INSTRUCTION_FILE",
        "/etc/fynq/tutor.md",
        "a text that replaces the built-in tutor's instruction",
    ),
    set(
        "FYNQ_HISTORY_TOKENS",
        "16000",
        "16000",
        "how much of the conversation goes into a prompt, in estimated tokens",
    ),
    set(
        "FYNQ_MODEL_INLINE_BYTES",
        "15728640",
        "15728640",
        "how large a request with pictures or PDFs may be; what does not fit is given to the model's Files API before",
    ),
    set(
        "FYNQ_MODEL_FILES_BYTES",
        "536870912",
        "536870912",
        "how much memory all questions with pictures or PDFs may take together until they are answered; one more waits, then fails",
    ),
    open("FYNQ_MAX_OUTPUT_TOKENS", "2048", "the longest answer, in tokens; unset: the model's own limit"),
    set("FYNQ_MODEL_CONNECT_TIMEOUT_S", "10", "10", "seconds to connect to the model"),
    set("FYNQ_MODEL_FIRST_BYTE_TIMEOUT_S", "30", "30", "seconds until the answer's first byte"),
    set("FYNQ_MODEL_IDLE_TIMEOUT_S", "20", "20", "seconds of silence within an answer"),
    set("FYNQ_MODEL_ANSWER_TIMEOUT_S", "180", "180", "seconds for a whole answer"),
    set("FYNQ_MODEL_ATTEMPTS", "3", "3", "calls per answer at most, the first included"),
    // Accounts.
    open("FYNQ_ADMIN_EMAIL", "admin@school.example", "the first administrator's address"),
    secret(
        "FYNQ_ADMIN_PASSWORD",
        "a-long-password",
        "the first administrator's password; both of the two or none",
    ),
    set(
        "FYNQ_OPEN_REGISTRATION",
        "on",
        "off",
        "anybody may make a student's account; off: only who has the join code of a class",
    ),
    set("FYNQ_TOKEN_TTL_S", "3600", "3600", "life of an access token, in seconds"),
    set("FYNQ_REFRESH_TTL_S", "2592000", "2592000", "life of a refresh token, in seconds"),
    set(
        "FYNQ_SIGN_IN_TTL_S",
        "7776000",
        "7776000",
        "so many seconds after somebody signed in they sign in anew, however often they came back; Supabase has a setting of its own",
    ),
    secret(
        "FYNQ_TOKEN_SECRET",
        "$(openssl rand -hex 32)",
        "signs the tokens, 32 bytes or more; unset: made once and kept under FYNQ_DATA_DIR",
    ),
    open(
        "SUPABASE_URL",
        "https://abcdefghijklmnopqrst.supabase.co",
        "accounts are Supabase Auth's, of this project; unset: local accounts",
    ),
    secret(
        "SUPABASE_ANON_KEY",
        "sb_publishable_abc",
        "the project's publishable (or anon) key; needed with SUPABASE_URL, never the secret one",
    ),
    secret(
        "SUPABASE_JWT_SECRET",
        "the-project's-legacy-jwt-secret-…",
        "believe tokens signed with this shared secret (HS256) too; for projects without signing keys",
    ),
    set(
        "SUPABASE_JWT_AUDIENCE",
        "authenticated",
        "fynq",
        "the audience that the project's tokens must name; for one that serves other programs too and tells them apart",
    ),
    // The doors.
    open(
        "FYNQ_PUBLIC_URL",
        "https://fynq.school.example",
        "where browsers find this server: the one origin that is its own; https: HSTS is sent. Unset: any host name that leads here is its own",
    ),
    open(
        "FYNQ_ALLOWED_ORIGINS",
        "https://tutor.school.example",
        "other origins whose pages may open sockets, separated by commas; the server's own always may",
    ),
    open(
        "FYNQ_TRUSTED_PROXIES",
        "10.0.0.0/8,127.0.0.1",
        "networks of proxies whose X-Forwarded-For and X-Forwarded-Proto are believed, separated by commas; unset: nobody's",
    ),
    set(
        "FYNQ_HEADER_TIMEOUT_S",
        "65",
        "65",
        "a connection that asks for nothing for so many seconds, or takes longer over a request's head, is closed; longer than a proxy keeps its idle connections",
    ),
    set("FYNQ_RATE_LIMIT", "on", "off", "off lifts every FYNQ_LIMIT_… but no quota, for load tests alone"),
    set(
        "FYNQ_LIMIT_REQUESTS_ADDRESS",
        "12000/1m",
        "12000/1m",
        "requests of one client address (IPv6: one /64), as a count and a time; a whole school may share one",
    ),
    set("FYNQ_LIMIT_REQUESTS_USER", "600/1m", "600/1m", "requests of one account"),
    set(
        "FYNQ_LIMIT_HANDSHAKES_ADDRESS",
        "3000/1m",
        "3000/1m",
        "sockets opened from one address; after a restart a whole school comes back at once",
    ),
    set("FYNQ_LIMIT_HANDSHAKES_USER", "60/1m", "60/1m", "sockets opened by one account"),
    set("FYNQ_LIMIT_SIGN_INS_ADDRESS", "1200/15m", "1200/15m", "attempts to sign in from one address"),
    set(
        "FYNQ_LIMIT_FAILURES",
        "10/15m",
        "10/15m",
        "wrong passwords of one account from one address; then one try every 90 s",
    ),
    set(
        "FYNQ_LIMIT_FAILURES_ADDRESS",
        "100/15m",
        "100/15m",
        "wrong passwords from one address; beyond, only accounts that have signed in from there are not slowed down",
    ),
    set(
        "FYNQ_LIMIT_FAILURES_ACCOUNT",
        "100/15m",
        "100/15m",
        "wrong passwords of one account from everywhere; beyond, addresses from which it has not signed in are slowed down",
    ),
    set(
        "FYNQ_LIMIT_SIGN_UPS_ADDRESS",
        "300/1h",
        "300/1h",
        "new accounts from one address: ten classes that sign up in one lesson",
    ),
    set("FYNQ_LIMIT_REFRESHES_ADDRESS", "1200/1m", "1200/1m", "refresh tokens traded from one address"),
    set("FYNQ_LIMIT_COMMANDS_SOCKET", "60/3s", "60/3s", "commands on one socket"),
    set("FYNQ_LIMIT_COMMANDS_USER", "120/3s", "120/3s", "commands of one account on all its sockets"),
    set("FYNQ_LIMIT_SOCKETS_USER", "10", "10", "sockets of one account that are open at once"),
    set(
        "FYNQ_LIMIT_CONNECTIONS_ADDRESS",
        "5000",
        "5000",
        "HTTP connections of one address that are open at once; trusted proxies are not counted",
    ),
    set("FYNQ_PING_S", "25", "25", "seconds between the server's pings on a socket"),
    set("FYNQ_SILENT_S", "60", "60", "a socket whose peer is silent for this long is dropped"),
    set(
        "FYNQ_WRITE_TIMEOUT_S",
        "30",
        "30",
        "a socket whose peer needs longer for what is sent at once (64 KiB, or a snapshot) is closed with 4408",
    ),
    // What may be used up.
    open(
        "FYNQ_QUOTA_STUDENT_MESSAGES_DAY",
        "50",
        "questions of each student in a day (UTC); unset or 0: no limit; quotas hold with FYNQ_RATE_LIMIT=off too",
    ),
    open("FYNQ_QUOTA_STUDENT_MESSAGES_MONTH", "500", "… in a month (UTC)"),
    open(
        "FYNQ_QUOTA_STUDENT_TOKENS_DAY",
        "200000",
        "the model's tokens, both ways, for each student in a day; counted when an answer ends",
    ),
    open("FYNQ_QUOTA_STUDENT_TOKENS_MONTH", "2000000", "… in a month"),
    open("FYNQ_QUOTA_CLASS_MESSAGES_DAY", "1000", "questions of all students of a class in a day (UTC)"),
    open("FYNQ_QUOTA_CLASS_MESSAGES_MONTH", "10000", "… in a month (UTC)"),
    open("FYNQ_QUOTA_CLASS_TOKENS_DAY", "4000000", "tokens for all students of a class in a day"),
    open("FYNQ_QUOTA_CLASS_TOKENS_MONTH", "40000000", "… in a month"),
    // How long things are kept.
    set(
        "FYNQ_RETENTION_DAYS",
        "0",
        "180",
        "a session in which nothing happened for so many days is deleted with its messages; 0: none is",
    ),
    set(
        "FYNQ_AUDIT_RETENTION_DAYS",
        "365",
        "365",
        "a row of the audit is deleted after so many days; 0: none is",
    ),
    // Work in the background.
    set(
        "FYNQ_WORKER",
        "on",
        "off",
        "off: this server runs no tasks, `fynq worker` does; while nobody does, they wait",
    ),
    set("FYNQ_WORKER_JOBS", "4", "8", "tasks that one worker runs at once"),
    set(
        "FYNQ_TASK_LEASE_S",
        "30",
        "60",
        "a worker that is silent for so many seconds loses its tasks to others",
    ),
    set(
        "FYNQ_TASK_POLL_S",
        "5",
        "2",
        "how often a worker looks for tasks that nobody told it of (about; behind a pooler nobody can)",
    ),
    set(
        "FYNQ_SUMMARY_AFTER_MIN",
        "30",
        "120",
        "a session that is quiet for so many minutes is summarized by the model, for its student and their teachers; charged to no quota; 0: none is",
    ),
    // Sessions.
    set(
        "FYNQ_SESSION_IDLE_S",
        "300",
        "300",
        "a session with no socket and no run leaves memory after this long",
    ),
    set(
        "FYNQ_LAPSE_S",
        "60",
        "60",
        "a tutor who took over and has had no socket on the session for this long no longer holds it",
    ),
    set(
        "FYNQ_LOG_BYTES",
        "1048576",
        "1048576",
        "bytes of a session's log that are kept for those who come back",
    ),
    set("FYNQ_CHECKPOINT_S", "0.8", "0.8", "a running answer is saved at least this often"),
    set("FYNQ_CHECKPOINT_BYTES", "4096", "4096", "… and after this many new bytes"),
];

/// Names of the contract whose feature this version does not have. They stop the start: to ignore
/// where files are to lie, say, would put them where its operator never looks.
pub const ABSENT: &[(&str, &str)] = &[("REDIS_URL", "more than one node"), ("SENTRY_DSN", "Sentry")];

/// The table of `--help`.
pub fn help_text() -> String {
    use std::fmt::Write as _;
    let mut out =
        String::from("Settings (environment variables, or lines of a .env file; the environment wins):\n");
    for setting in SETTINGS {
        let default = setting.default.unwrap_or("unset");
        // Writing into a String cannot fail.
        let _ = writeln!(out, "  {:<32} {} [{default}]", setting.name, setting.about);
    }
    out.push_str("\nA secret NAME may lie in a file instead, which NAME_FILE names: ");
    let files: Vec<String> = SETTINGS.iter().filter_map(Setting::file).collect();
    out.push_str(&files.join(", "));
    out
}

/// The table of docs/settings.md.
pub fn markdown() -> String {
    use std::fmt::Write as _;
    let mut out = String::from("| name | default | example | what |\n|---|---|---|---|\n");
    for setting in SETTINGS {
        let default = setting.default.map_or_else(|| "unset".to_owned(), |value| format!("`{value}`"));
        let Setting { name, example, about, .. } = setting;
        let file = setting.file().map(|file| format!("; or `{file}`")).unwrap_or_default();
        let _ = writeln!(out, "| `{name}` | {default} | `{example}` | {about}{file} |");
    }
    out
}
