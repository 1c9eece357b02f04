//! Which pages may act for a person: our own, and those that the operator lists. A browser names a
//! page's origin and no script can change it, so it is compared as it stands, whole.

use http::header::{HOST, ORIGIN};
use http::{HeaderMap, Uri};

use crate::caller::Caller;
use crate::config::Settings;
use crate::problem::Problem;

use super::Auth;

pub(super) struct Origins {
    /// Ours, if the operator says where browsers find this server.
    own: Option<String>,
    others: Vec<String>,
}

impl Origins {
    pub(super) fn new(settings: &Settings) -> Origins {
        Origins { own: settings.public_url.clone(), others: settings.allowed_origins.clone() }
    }

    fn allows(&self, origin: &str, host: Option<&str>, caller: Caller) -> bool {
        self.others.iter().any(|other| other == origin)
            || match &self.own {
                Some(own) => own == origin,
                None => is_of_host(origin, host, caller),
            }
    }
}

/// Without a public address our own pages are those of whatever host the browser believes to talk to,
/// and of the scheme that a trusted proxy tells, or fynq's own TLS; none tells: of either, for a proxy that is
/// not named may stand in front.
fn is_of_host(origin: &str, host: Option<&str>, caller: Caller) -> bool {
    let (authority, secure) = match (origin.strip_prefix("https://"), origin.strip_prefix("http://")) {
        (Some(authority), _) => (authority, true),
        (_, Some(authority)) => (authority, false),
        _ => return false,
    };
    host == Some(authority) && caller.secure.is_none_or(|told| told == secure)
}

impl Auth {
    /// The page that a request comes from: `None` is no page (a program, or a link). A foreign one is
    /// refused.
    pub fn origin<'a>(
        &self,
        headers: &'a HeaderMap,
        uri: &'a Uri,
        caller: Caller,
    ) -> Result<Option<&'a str>, Problem> {
        origin(&self.0.origins, headers, uri, caller).inspect_err(|_| {
            self.0.limits.refused("origin", None, Some(caller.address));
            // Whoever set up `FYNQ_PUBLIC_URL` wrong finds it here.
            tracing::debug!(origin = ?headers.get(ORIGIN), "a page of another origin");
        })
    }

    /// Whether a ticket may open a socket for what names no origin. Browsers always name it, and
    /// tickets are for browsers: where the operator says what its address is there, nobody else has
    /// one to show. Without that a program may take the same way.
    pub fn ticket_may_come_from(&self, origin: Option<&str>) -> Result<(), Problem> {
        if origin.is_some() || self.0.origins.own.is_none() {
            return Ok(());
        }
        self.0.limits.refused("origin", None, None);
        Err(foreign())
    }
}

fn origin<'a>(
    origins: &Origins,
    headers: &'a HeaderMap,
    uri: &'a Uri,
    caller: Caller,
) -> Result<Option<&'a str>, Problem> {
    let mut named = headers.get_all(ORIGIN).iter();
    let Some(origin) = named.next() else { return Ok(None) };
    let origin = origin.to_str().map_err(|_| foreign())?;
    // HTTP/2 has the host in its address.
    let host = headers.get(HOST).and_then(|host| host.to_str().ok());
    let host = host.or_else(|| uri.authority().map(http::uri::Authority::as_str));
    if named.next().is_none() && origins.allows(origin, host, caller) {
        Ok(Some(origin))
    } else {
        Err(foreign())
    }
}

fn foreign() -> Problem {
    Problem::forbidden().because("Pages of another origin may not open a socket here.")
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use super::*;

    fn asked(settings: &Settings, host: &str, origin_lines: &[&str], secure: Option<bool>) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert(HOST, host.parse().unwrap());
        for line in origin_lines {
            headers.append(ORIGIN, line.parse().unwrap());
        }
        let caller = Caller { address: IpAddr::V4(Ipv4Addr::LOCALHOST), secure };
        origin(&Origins::new(settings), &headers, &Uri::from_static("/"), caller).is_ok()
    }

    fn public() -> Settings {
        Settings {
            public_url: Some("https://app.example".into()),
            allowed_origins: vec!["https://school.example".into()],
            ..Settings::default()
        }
    }

    const FOREIGN: &[&str] = &[
        "https://evil.example",
        "https://app.example.evil.com",
        "https://evilapp.example",
        "http://app.example",
        "https://app.example:444",
        "https://app.example:443",
        "https://APP.example",
        "HTTPS://app.example",
        "https://app.example.",
        "https://app.example/",
        "https://user@app.example",
        "https://sub.app.example",
        "https://app.example https://app.example",
        "app.example",
        "//app.example",
        "wss://app.example",
        "https://",
        "file://",
        "null",
        "",
        "http://school.example",
        "https://school.example:8443",
    ];

    #[test]
    fn with_a_public_address_only_it_and_the_listed_ones_are_let_in() {
        let settings = public();
        // Whatever the host is called: a name that was made to lead here is not ours.
        for host in ["app.example", "evil.example", "127.0.0.1:8080"] {
            assert!(asked(&settings, host, &["https://app.example"], None), "{host}");
            assert!(asked(&settings, host, &["https://school.example"], None), "{host}");
            assert!(asked(&settings, host, &[], None), "no page at all");
            for foreign in FOREIGN.iter().chain(&["http://evil.example", "http://127.0.0.1:8080"]) {
                assert!(!asked(&settings, host, &[foreign], None), "{host} {foreign}");
            }
        }
        assert!(!asked(&settings, "app.example", &["https://app.example", "https://app.example"], None));
    }

    #[test]
    fn without_one_it_is_the_host_that_was_asked() {
        let settings = Settings { public_url: None, ..public() };
        for (origin, secure) in [
            ("https://app.example", None),
            ("http://app.example", None),
            ("https://app.example", Some(true)),
            ("http://app.example", Some(false)),
            ("https://school.example", Some(false)),
        ] {
            assert!(asked(&settings, "app.example", &[origin], secure), "{origin} {secure:?}");
        }
        for foreign in FOREIGN {
            assert!(!asked(&settings, "app.example", &[foreign], Some(true)), "{foreign}");
        }
        assert!(!asked(&settings, "app.example", &["https://app.example"], Some(false)));
    }
}
