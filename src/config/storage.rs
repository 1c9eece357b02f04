//! Where files lie, how large they may be, and who looks at them.

use std::path::PathBuf;
use std::time::Duration;

use secrecy::SecretString;

use super::read::{Reader, SettingError, bad, base_url, shown};

#[derive(Clone, Debug)]
pub struct Files {
    /// `None`: a folder under the data directory.
    pub bucket: Option<Bucket>,
    /// Of one file.
    pub file_bytes: u64,
    /// Of all files of one person.
    pub user_bytes: i64,
    /// Of all files of an organisation; `None`: no limit.
    pub org_bytes: Option<i64>,
    pub scanner: Option<Scanner>,
    /// An upload of which nothing comes for so long is given up.
    pub idle_timeout: Duration,
    /// What the storage may take for one step.
    pub storage_timeout: Duration,
    /// The program that reads strangers' bytes; `None`: this one.
    pub program: Option<PathBuf>,
}

/// A bucket of an S3 endpoint, and a prefix in it.
#[derive(Clone, Debug)]
pub struct Bucket {
    pub name: String,
    pub prefix: String,
    /// `None`: the machine's own role.
    pub key: Option<(String, SecretString)>,
    pub session_token: Option<SecretString>,
    pub region: String,
    /// `None`: Amazon's.
    pub endpoint: Option<String>,
    pub people: Option<People>,
}

/// The bucket is Supabase's, of the project whose accounts there are: what people ask is asked with their own tokens,
/// so that its row level security applies. These sign it.
#[derive(Clone, Debug)]
pub struct People {
    /// The project's reference.
    pub tenant: String,
    pub anon_key: SecretString,
}

/// Where a ClamAV daemon listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scanner {
    /// A host and a port.
    Tcp(String),
    Unix(PathBuf),
}

impl Default for Files {
    fn default() -> Files {
        Files {
            bucket: None,
            file_bytes: 10 << 20,
            user_bytes: 200 << 20,
            org_bytes: None,
            scanner: None,
            idle_timeout: Duration::from_secs(30),
            storage_timeout: Duration::from_secs(20),
            program: None,
        }
    }
}

pub(super) fn files(from: &Reader<'_>, defaults: Files) -> Result<Files, SettingError> {
    let most = 1 << 50;
    let org = from.number("FYNQ_FILES_ORG_BYTES", 0, 0, most)?;
    Ok(Files {
        bucket: bucket(from)?,
        // What is larger no storage takes in so many parts.
        file_bytes: from.number("FYNQ_FILE_BYTES", defaults.file_bytes, 1, 5 << 30)?,
        user_bytes: from.number("FYNQ_FILES_USER_BYTES", defaults.user_bytes, 1, most)?,
        org_bytes: Some(org).filter(|bytes| *bytes > 0),
        scanner: from.or("FYNQ_CLAMD", None, |text| scanner(text).map(Some))?,
        ..defaults
    })
}

fn bucket(from: &Reader<'_>) -> Result<Option<Bucket>, SettingError> {
    let place = from.or("FYNQ_STORAGE_URL", None, |text| address(text).map(Some))?;
    let people = people(from)?;
    let Some((name, prefix)) = place else {
        return match people {
            Some(_) => Err(bad("FYNQ_STORAGE_URL", "missing, although FYNQ_STORAGE_TENANT is set")),
            None => Ok(None),
        };
    };
    let secret = from.secret("AWS_SECRET_ACCESS_KEY", |_| Ok(()))?;
    let key = match (from.text("AWS_ACCESS_KEY_ID"), secret) {
        (Some(id), Some(secret)) => Some((id, secret)),
        (None, None) => None,
        (Some(_), None) => {
            return Err(bad("AWS_SECRET_ACCESS_KEY", "missing, although AWS_ACCESS_KEY_ID is set"));
        }
        (None, Some(_)) => {
            return Err(bad("AWS_ACCESS_KEY_ID", "missing, although AWS_SECRET_ACCESS_KEY is set"));
        }
    };
    Ok(Some(Bucket {
        name,
        prefix,
        key,
        session_token: from.secret("AWS_SESSION_TOKEN", |_| Ok(()))?,
        region: from.or("AWS_REGION", "us-east-1".to_owned(), |text| Ok(text.to_owned()))?,
        endpoint: from.or("AWS_ENDPOINT_URL", None, |text| base_url(text).map(Some))?,
        people,
    }))
}

fn people(from: &Reader<'_>) -> Result<Option<People>, SettingError> {
    let tenant =
        from.or("FYNQ_STORAGE_TENANT", None, |text| match text.bytes().all(|b| b.is_ascii_graphic()) {
            true => Ok(Some(text.to_owned())),
            false => Err(format!("{} is no project's reference", shown(text))),
        })?;
    let Some(tenant) = tenant else { return Ok(None) };
    let lacks = |name| bad(name, "missing, although FYNQ_STORAGE_TENANT is set");
    if from.text("AWS_ENDPOINT_URL").is_none() {
        return Err(lacks("AWS_ENDPOINT_URL"));
    }
    if from.text("SUPABASE_URL").is_none() {
        return Err(lacks("SUPABASE_URL"));
    }
    let anon_key = from.secret("SUPABASE_ANON_KEY", |_| Ok(()))?.ok_or_else(|| lacks("SUPABASE_ANON_KEY"))?;
    Ok(Some(People { tenant, anon_key }))
}

/// `s3://bucket` or `s3://bucket/prefix`.
fn address(text: &str) -> Result<(String, String), String> {
    let wrong = || format!("{} is not s3://bucket or s3://bucket/prefix", shown(text));
    let rest = text.strip_prefix("s3://").ok_or_else(wrong)?;
    let (name, prefix) = rest.split_once('/').unwrap_or((rest, ""));
    let plain = |part: &str| {
        !part.is_empty()
            && !part.starts_with('.')
            && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
    };
    let prefix = prefix.trim_end_matches('/');
    if !plain(name) || !(prefix.is_empty() || prefix.split('/').all(plain)) {
        return Err(wrong());
    }
    Ok((name.to_owned(), prefix.to_owned()))
}

fn scanner(text: &str) -> Result<Scanner, String> {
    if let Some(path) = text.strip_prefix("unix:") {
        let path = PathBuf::from(path.strip_prefix("//").unwrap_or(path));
        return if path.is_absolute() { Ok(Scanner::Unix(path)) } else { Err("names no socket".into()) };
    }
    let address = text.strip_prefix("tcp://").unwrap_or(text);
    let port = address.rsplit_once(':').and_then(|(host, port)| Some((host, port.parse::<u16>().ok()?)));
    match port {
        Some((host, port)) if !host.is_empty() && port > 0 => Ok(Scanner::Tcp(address.to_owned())),
        _ => Err(format!("{} is neither unix:/path nor host:port", shown(text))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_is_an_address() {
        let read = |text| address(text).ok();
        let pair = |name: &str, prefix: &str| Some((name.to_owned(), prefix.to_owned()));
        assert_eq!(read("s3://fynq"), pair("fynq", ""));
        assert_eq!(read("s3://fynq/"), pair("fynq", ""));
        assert_eq!(read("s3://fynq/a/b-c/"), pair("fynq", "a/b-c"));
        for bad in [
            "",
            "s3://",
            "fynq",
            "https://fynq",
            "s3:///a",
            "s3://a//b",
            "s3://a/..",
            "s3://a/b c",
            "s3://a?b",
        ] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_scanner_is_a_socket_or_a_host() {
        assert_eq!(scanner("unix:/run/clamd"), Ok(Scanner::Unix("/run/clamd".into())));
        assert_eq!(scanner("clamav:3310"), Ok(Scanner::Tcp("clamav:3310".into())));
        assert_eq!(scanner("tcp://[::1]:3310"), Ok(Scanner::Tcp("[::1]:3310".into())));
        for bad in ["", "clamav", "clamav:", ":3310", "clamav:0", "unix:", "unix:run/clamd"] {
            assert!(scanner(bad).is_err(), "{bad}");
        }
    }
}
