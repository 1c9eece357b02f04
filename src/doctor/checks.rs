//! The single looks. None writes, and none shows a secret.

use std::path::{Path, PathBuf};
use std::time::Duration;

use reqwest::redirect::Policy;
use secrecy::ExposeSecret as _;
use tokio::time::timeout;
use tokio_postgres::types::Type;

use crate::auth;
use crate::config::{self, SETTINGS, Settings, Vars, warnings};
use crate::files::{Scanner, Storage, StorageError};
use crate::jobs::before;
use crate::pages;
use crate::store::Address;
use crate::store::local::installed;
use crate::store::migrate::{self, Schema};
use crate::tls::Identity;

use super::Check;
use super::Verdict::{Bad, Doubt, Good, Note};

/// How long a look at another machine may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// A certificate that ends so soon has been forgotten: certbot renews it 30 days before.
const NEAR_DAYS: i64 = 14;

/// With fewer open files than this, a few thousand sockets find the limit.
const ENOUGH_FILES: u64 = 4096;

pub(super) fn settings(vars: &Vars, settings: &Settings) -> Vec<Check> {
    let is_set = |name: &str| vars.get(name).is_some_and(|value| !value.trim().is_empty());
    let names = SETTINGS.iter().flat_map(|setting| [Some(setting.name.to_owned()), setting.file()]);
    let set: Vec<String> = names.flatten().filter(|name| is_set(name)).collect();
    let found =
        if set.is_empty() { "all at their defaults".to_owned() } else { format!("set: {}", set.join(", ")) };
    let mut checks = vec![Check::new("settings", Good, found)];
    checks.extend(warnings(vars, settings).into_iter().map(|line| Check::new("settings", Doubt, line)));
    checks
}

pub(super) async fn address(settings: &Settings) -> Check {
    let listen = settings.listen;
    match tokio::net::TcpListener::bind(listen).await {
        Ok(_) => Check::new("address", Good, format!("{listen} is free")),
        Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => {
            Check::new("address", Note, format!("{listen} is in use: perhaps fynq already runs"))
                .next("else choose another FYNQ_LISTEN")
        }
        Err(error) => Check::new("address", Bad, format!("{listen} cannot be used: {error}"))
            .next("choose another FYNQ_LISTEN"),
    }
}

/// The certificate as a browser would find it, and how long it lasts.
pub(super) fn tls(settings: &Settings) -> Vec<Check> {
    let Some(tls) = &settings.tls else { return Vec::new() };
    let name = settings.public_url.as_deref().and_then(|url| url.parse::<http::Uri>().ok());
    let name = name.as_ref().and_then(http::Uri::host).map(|host| host.trim_matches(['[', ']']));
    // The key has to fit, too.
    let look = match Identity::read(tls).and_then(|_| crate::tls::look(tls, name)) {
        Ok(look) => look,
        Err(error) => return vec![Check::new("tls", Bad, format!("{error:#}"))],
    };
    let left = look.ends.as_second() - crate::clock::now().as_second();
    let (days, day) = (left.div_euclid(86_400), look.ends.strftime("%Y-%m-%d"));
    let mut checks = vec![match days {
        ..0 => Check::new("tls", Bad, format!("the certificate ended on {day}")).next("renew it"),
        0..NEAR_DAYS => Check::new("tls", Doubt, format!("the certificate ends on {day}, in {days} days"))
            .next("renew it; fynq reads the new one by itself"),
        _ => Check::new("tls", Good, format!("the certificate ends on {day}, in {days} days")),
    }];
    checks.push(match (name, look.distrusted) {
        (None, _) => {
            Check::new("tls", Note, "no FYNQ_PUBLIC_URL: not known for which name the certificate is")
        }
        (Some(name), None) => Check::new("tls", Good, format!("this machine's authorities stand for {name}")),
        (Some(name), Some(why)) => {
            Check::new("tls", Doubt, format!("this machine's authorities do not stand for {name}: {why}"))
                .next("browsers will warn; use a certificate that they believe")
        }
    });
    checks
}

pub(super) fn data_dir(settings: &Settings) -> Check {
    let dir = &settings.data_dir;
    let shown = dir.display();
    // What is not there yet is made where its nearest ancestor is.
    let there = existing(dir);
    let writable = rustix::fs::access(&there, rustix::fs::Access::WRITE_OK | rustix::fs::Access::EXEC_OK);
    match (writable, there.is_dir()) {
        (Ok(()), true) => Check::new("data", Good, format!("{shown} can be written")),
        (_, false) => Check::new("data", Bad, format!("{} is no directory", there.display()))
            .next("choose another FYNQ_DATA_DIR"),
        (Err(error), _) => Check::new("data", Bad, format!("{shown} cannot be written: {error}"))
            .next(format!("change the owner of {}, or choose another FYNQ_DATA_DIR", there.display())),
    }
}

fn existing(dir: &Path) -> PathBuf {
    let mut there = std::path::absolute(dir).unwrap_or_else(|_| dir.to_owned());
    while !there.exists() && there.pop() {}
    there
}

pub(super) async fn database(settings: &Settings) -> Vec<Check> {
    let address = match Address::given(&settings.database) {
        Ok(Some(address)) => address,
        Ok(None) => return vec![private_database(settings)],
        Err(error) => return vec![Check::new("database", Bad, format!("{error:#}"))],
    };
    let mut checks: Vec<_> =
        address.doubt().into_iter().map(|line| Check::new("database", Doubt, line)).collect();
    checks.extend(reachable_database(&address, settings).await);
    checks
}

async fn reachable_database(address: &Address, settings: &Settings) -> Vec<Check> {
    let shown = address.shown();
    let unreachable = |why: String| {
        vec![
            Check::new("database", Bad, format!("{shown}: {why}"))
                .next("is it running, and is DATABASE_URL right?"),
        ]
    };
    match timeout(PATIENCE, address.connect()).await {
        Err(_) => unreachable(format!("no answer within {} s", PATIENCE.as_secs())),
        Ok(Err(error)) => {
            // The server's own message; the detail may quote what nobody should read here.
            let told =
                error.as_db_error().map_or_else(|| error.to_string(), |said| said.message().to_owned());
            unreachable(told)
        }
        Ok(Ok((client, _carrier))) => match timeout(PATIENCE, ask(&client, &shown, settings)).await {
            Ok(Ok(checks)) => checks,
            Ok(Err(error)) => unreachable(error.to_string()),
            Err(_) => unreachable(format!("no answer within {} s", PATIENCE.as_secs())),
        },
    }
}

async fn ask(
    client: &tokio_postgres::Client,
    shown: &str,
    settings: &Settings,
) -> anyhow::Result<Vec<Check>> {
    let row = client.query_typed_one(include_str!("../../sql/queries/doctor.sql"), &[]).await?;
    let (version, commit, read_only): (i32, String, bool) = (row.get(0), row.get(1), row.get(2));
    let mighty: bool = row.get(3);
    let major = version / 10_000;
    let mut checks = vec![if major >= 15 {
        Check::new("database", Good, format!("{shown} is PostgreSQL {major}"))
    } else {
        Check::new("database", Bad, format!("{shown} is PostgreSQL {major}")).next("fynq needs 15 or later")
    }];
    if read_only {
        checks.push(
            Check::new("database", Bad, "it takes no writes").next("DATABASE_URL must name the primary"),
        );
    }
    checks.push(if mighty {
        Check::new("rights", Note, "the database's role owns the tables or passes by their policies")
            .next("fynq takes narrower roles in every transaction; to serve with nothing more: fynq migrate as this one, then ALTER ROLE fynq_app LOGIN PASSWORD '…' and DATABASE_URL with fynq_app")
    } else {
        Check::new("rights", Good, "the database's role owns nothing and is held by every policy")
    });
    if commit == "off" {
        checks.push(
            Check::new(
                "durability",
                Doubt,
                "synchronous_commit is off: a crash of the database loses acknowledged messages",
            )
            .next("ALTER ROLE … SET synchronous_commit = on"),
        );
    }
    let schema = migrate::inspect(client).await;
    if matches!(schema, Ok(Schema::Current)) {
        checks.push(retention(client, settings).await.unwrap_or_else(|error| {
            Check::new("retention", Doubt, format!("what is too old cannot be counted: {error:#}"))
        }));
    }
    checks.push(match schema {
        Ok(Schema::Current) => Check::new("schema", Good, format!("version {}", migrate::newest())),
        Ok(Schema::Behind) => Check::new("schema", Note, format!("not at version {} yet", migrate::newest()))
            .next("the next start brings it there, or: fynq migrate"),
        Ok(Schema::Ahead(version)) => {
            Check::new("schema", Bad, format!("version {version} is newer than this fynq"))
                .next("start the newer fynq")
        }
        Err(error) => Check::new("schema", Bad, format!("{error:#}")),
    });
    Ok(checks)
}

/// What is older than it may be. The running server deletes it every hour.
async fn retention(client: &tokio_postgres::Client, settings: &Settings) -> anyhow::Result<Check> {
    let days = settings.retention;
    let (sessions, audit) = (days.sessions_days.map(before), days.audit_days.map(before));
    client.batch_execute("BEGIN; SET LOCAL ROLE fynq_jobs").await?;
    let sql = include_str!("../../sql/queries/retention_overdue.sql");
    let counted =
        client.query_typed_one(sql, &[(&sessions, Type::TIMESTAMPTZ), (&audit, Type::TIMESTAMPTZ)]).await;
    client.batch_execute("ROLLBACK").await?;
    let row = counted?;
    let (old_sessions, old_rows): (i64, i64) = (row.get(0), row.get(1));
    let kept = |days: Option<u32>| days.map_or("for ever".to_owned(), |days| format!("{days} days"));
    let found = format!(
        "sessions are kept {}, the audit {}; older than that: {old_sessions} and {old_rows}",
        kept(days.sessions_days),
        kept(days.audit_days)
    );
    Ok(match (old_sessions + old_rows, days.sessions_days) {
        (1.., _) => Check::new("retention", Doubt, found).next("a running fynq deletes them within the hour"),
        (_, None) => Check::new("retention", Note, found).next("decide with FYNQ_RETENTION_DAYS"),
        _ => Check::new("retention", Good, found),
    })
}

fn private_database(settings: &Settings) -> Check {
    match installed(settings.database.bin_dir.as_deref()) {
        Ok((postgres, major)) => {
            Check::new("database", Good, format!("a private PostgreSQL {major} ({})", postgres.display()))
        }
        Err(error) => Check::new("database", Bad, format!("{error:#}")),
    }
}

/// Whose accounts they are and, where they are Supabase's, whether it can be worked with.
pub(super) async fn accounts(settings: &Settings) -> Vec<Check> {
    let Some(project) = &settings.supabase else {
        return vec![Check::new("accounts", Good, "local ones (SUPABASE_URL is unset)")];
    };
    let url = &project.url;
    let found = match auth::look_at_project(project).await {
        Ok(found) => found,
        Err(error) => return vec![Check::new("accounts", Bad, format!("{error:#}"))],
    };
    let mut checks = vec![match found.confirms {
        Some(true) => Check::new(
            "accounts",
            Good,
            format!("Supabase Auth's, of {url}; addresses are confirmed by mail"),
        ),
        Some(false) => Check::new("accounts", Good, format!("Supabase Auth's, of {url}")),
        None => Check::new(
            "accounts",
            Doubt,
            format!("Supabase Auth at {url} does not answer, or not to this key"),
        )
        .next("are SUPABASE_URL and SUPABASE_ANON_KEY right, and may this machine reach it?"),
    }];
    let legacy = project.jwt_secret.is_some();
    checks.push(match found.keys {
        Err(why) => Check::new("sign keys", Doubt, format!("{url}/auth/v1/.well-known/jwks.json: {why}"))
            .next("until they can be had nobody comes in"),
        Ok(keys) if keys.is_empty() && !legacy => {
            Check::new("sign keys", Bad, "the project has no signing keys, and SUPABASE_JWT_SECRET is unset")
                .next("make signing keys in the project's settings, or give its JWT secret")
        }
        Ok(keys) => {
            let listed = if keys.is_empty() { "none".to_owned() } else { keys.join(", ") };
            Check::new("sign keys", Good, format!("{} listed: {listed}", keys.len()))
        }
    });
    if legacy {
        checks.push(
            Check::new("sign keys", Note, "HS256 with SUPABASE_JWT_SECRET is believed too")
                .next("unset it once the project signs with a key of its own"),
        );
    }
    checks
}

pub(super) async fn model(settings: &Settings) -> Vec<Check> {
    let model = &settings.model;
    let mut checks = Vec::new();
    if let Some(file) = &model.instruction_file {
        let shown = file.display();
        checks.push(match std::fs::read_to_string(file) {
            Ok(text) if !text.trim().is_empty() => {
                Check::new("instruction", Good, format!("{shown} can be read"))
            }
            Ok(_) => {
                Check::new("instruction", Bad, format!("{shown} is empty")).next("see FYNQ_INSTRUCTION_FILE")
            }
            Err(error) => {
                Check::new("instruction", Bad, format!("{shown}: {error}")).next("see FYNQ_INSTRUCTION_FILE")
            }
        });
    }
    if model.api_key.is_none() && model.base_url.is_none() {
        checks.push(
            Check::new("model", Note, "the built-in practice model answers")
                .next("set GEMINI_API_KEY for a real one"),
        );
        return checks;
    }
    checks.push(real_model(&settings.model).await);
    checks.push(
        Check::new("young users", Note, "terms of model providers restrict services for people under 18")
            .next("read them for the model that you use (Google's: ai.google.dev/gemini-api/terms); the choice is yours"),
    );
    checks
}

/// Asks the endpoint what it knows of the model; no words are spent on it.
async fn real_model(model: &config::Model) -> Check {
    let name = &model.name;
    let base = model.base_url.as_deref().unwrap_or("https://generativelanguage.googleapis.com");
    let path = if name.contains('/') { name.clone() } else { format!("models/{name}") };
    let url = format!("{base}/v1beta/{path}");
    // The key goes to this address alone.
    let client = reqwest::Client::builder().connect_timeout(model.connect_timeout).redirect(Policy::none());
    let client = match client.build() {
        Ok(client) => client,
        Err(error) => return Check::new("model", Bad, error.to_string()),
    };
    let mut request = client.get(&url);
    if let Some(key) = &model.api_key {
        request = request.header("x-goog-api-key", key.expose_secret());
    }
    match timeout(PATIENCE, request.send()).await {
        Err(_) => Check::new("model", Doubt, format!("{url}: no answer within {} s", PATIENCE.as_secs())),
        Ok(Err(error)) => {
            // Without the address: reqwest's own may hold what was in it.
            Check::new("model", Doubt, format!("{url} cannot be reached: {}", error.without_url()))
                .next("is GEMINI_BASE_URL right, and may this machine reach it?")
        }
        Ok(Ok(response)) => match response.status().as_u16() {
            200..=299 => Check::new("model", Good, format!("{url} knows {name}")),
            status @ (400 | 401 | 403) => {
                Check::new("model", Doubt, format!("{url} refused the key ({status})"))
                    .next("see GEMINI_API_KEY")
            }
            404 => Check::new("model", Doubt, format!("{url} does not know {name} (a gateway may not tell)"))
                .next("see GEMINI_MODEL"),
            status => Check::new("model", Doubt, format!("{url} answered {status}")),
        },
    }
}

/// Where uploaded files go, and who looks at them first.
pub(super) async fn files(settings: &Settings) -> Vec<Check> {
    let files = &settings.files;
    let mut checks = vec![match &files.bucket {
        // The data directory has a check of its own.
        None => Check::new("files", Good, format!("in {}", settings.data_dir.join("files").display())),
        Some(bucket) => {
            let place = format!("s3://{}/{}", bucket.name, bucket.prefix);
            let look = async { Storage::open(files, &settings.data_dir)?.check().await.map_err(Into::into) };
            match timeout(PATIENCE, look).await {
                Ok(Ok(())) => {
                    let people =
                        if bucket.people.is_some() { "; people come with their own tokens" } else { "" };
                    Check::new("files", Good, format!("{place} can be listed{people}"))
                }
                Ok(Err(error)) => bucket_failed(&place, &error),
                Err(_) => {
                    Check::new("files", Bad, format!("{place}: no answer within {} s", PATIENCE.as_secs()))
                }
            }
        }
    }];
    if let Some(at) = files.scanner.clone() {
        checks.push(match timeout(PATIENCE, Scanner::new(at).check()).await {
            Ok(Ok(())) => Check::new("scanner", Good, "it answers"),
            _ => Check::new("scanner", Doubt, "it does not answer: no file is taken until it does")
                .next("is FYNQ_CLAMD right, and does clamd run?"),
        });
    }
    checks
}

fn bucket_failed(place: &str, error: &anyhow::Error) -> Check {
    let check = Check::new("files", Bad, format!("{place}: {error:#}"));
    match error.downcast_ref() {
        Some(StorageError::Refused) => check.next("see AWS_ACCESS_KEY_ID and what that key may do"),
        Some(StorageError::Missing) => check.next("is FYNQ_STORAGE_URL right? The bucket has to be there"),
        _ => check.next("see AWS_ENDPOINT_URL and AWS_REGION"),
    }
}

pub(super) fn page(settings: &Settings) -> Check {
    let dir = pages::directory(settings);
    if !dir.join("index.html").is_file() {
        return Check::new("page", Doubt, format!("no page in {}; the API works without it", dir.display()))
            .next("set FYNQ_STATIC_DIR to the checkout's static/");
    }
    if !dir.join("vendor/manifest.json").is_file() {
        return Check::new("page", Doubt, "its libraries are not built: math and code show as plain text")
            .next("make web");
    }
    Check::new("page", Good, format!("{} with its libraries", dir.display()))
}

pub(super) fn open_files() -> Check {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).maximum;
    match limit {
        Some(most) if most < ENOUGH_FILES => {
            Check::new("open files", Doubt, format!("at most {most}: each socket needs one"))
                .next("ulimit -Hn 65536")
        }
        Some(most) => Check::new("open files", Good, format!("at most {most}")),
        None => Check::new("open files", Good, "no limit"),
    }
}
