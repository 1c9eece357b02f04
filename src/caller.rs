//! Who is at the other end of a request: the address and the scheme, as the connection shows them or
//! as a proxy tells that the operator trusts. Anybody can send a header; nobody else's is believed.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use axum::extract::{ConnectInfo, FromRequestParts, Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::request::Parts;
use http::{Extensions, HeaderMap, HeaderName};
use ipnet::IpNet;

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
/// More proxies than this stand in a row nowhere; what lies beyond is not read.
const HOPS: usize = 32;

/// The client of one request; put into its extensions once, by `identify`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caller {
    /// An IPv4 address is always written as one.
    pub address: IpAddr,
    /// Whether the client speaks TLS, if a trusted proxy told or fynq sees it: behind a proxy that is not named
    /// it cannot know.
    pub secure: Option<bool>,
}

/// In the extensions of a request that came by fynq's own TLS.
#[derive(Clone, Copy, Debug)]
pub struct ByTls;

impl Caller {
    pub fn of(extensions: &Extensions) -> Caller {
        let nobody = Caller { address: IpAddr::V4(Ipv4Addr::UNSPECIFIED), secure: None };
        extensions.get().copied().unwrap_or(nobody)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Caller, Self::Rejection> {
        Ok(Caller::of(&parts.extensions))
    }
}

/// The networks whose word is believed.
#[derive(Clone)]
pub struct Proxies(Arc<[IpNet]>);

impl Proxies {
    pub fn new(networks: &[IpNet]) -> Proxies {
        Proxies(networks.into())
    }

    pub fn trust(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|network| network.contains(&address))
    }

    /// Whoever sends the request that came from `peer` with these headers; `tls`: by our own.
    fn caller(&self, peer: IpAddr, headers: &HeaderMap, tls: bool) -> Caller {
        let (peer, seen) = (peer.to_canonical(), tls.then_some(true));
        if !self.trust(peer) {
            return Caller { address: peer, secure: seen };
        }
        Caller { address: self.first_stranger(peer, headers), secure: secure(headers).or(seen) }
    }

    /// Each proxy writes to the right whom it heard. So from the right, while it is proxies of ours
    /// that speak, every entry is true; the first that is none of them is the client, and what stands
    /// to its left is only the client's own word.
    fn first_stranger(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let mut nearest = peer;
        let lines = headers.get_all(FORWARDED_FOR).iter().rev();
        // A line that is no text is one entry that is no address.
        let hops = lines.flat_map(|line| line.to_str().unwrap_or_default().rsplit(','));
        for hop in hops.take(HOPS) {
            let Some(address) = address(hop) else { return nearest };
            if !self.trust(address) {
                return address;
            }
            nearest = address;
        }
        nearest
    }
}

/// What the nearest proxy says of the connection that it took: the last word, as with addresses.
fn secure(headers: &HeaderMap) -> Option<bool> {
    let line = headers.get_all(FORWARDED_PROTO).iter().next_back()?;
    let word = line.to_str().ok()?.rsplit(',').next()?.trim();
    match word.to_ascii_lowercase().as_str() {
        "https" | "wss" => Some(true),
        "http" | "ws" => Some(false),
        _ => None,
    }
}

/// `192.0.2.1`, `192.0.2.1:4711`, `2001:db8::1`, `[2001:db8::1]`, `[2001:db8::1]:4711`, each also as
/// `for="…"`. Anything else is no address.
fn address(hop: &str) -> Option<IpAddr> {
    let hop = hop.trim();
    let hop = match hop.get(..4) {
        Some(name) if name.eq_ignore_ascii_case("for=") => &hop[4..],
        _ => hop,
    };
    let hop = hop.strip_prefix('"').and_then(|hop| hop.strip_suffix('"')).unwrap_or(hop);
    let bare = hop.strip_prefix('[').and_then(|hop| hop.strip_suffix(']'));
    let address = match bare {
        Some(bare) => IpAddr::V6(bare.parse().ok()?),
        None => match hop.parse::<IpAddr>() {
            Ok(address) => address,
            Err(_) => hop.parse::<SocketAddr>().ok()?.ip(),
        },
    };
    Some(address.to_canonical()).filter(|address| !address.is_unspecified())
}

/// Middleware, outermost: finds out once who calls; everything further in reads `Caller`.
pub async fn identify(State(proxies): State<Proxies>, mut request: Request, next: Next) -> Response {
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>();
    if let Some(ConnectInfo(peer)) = peer {
        let tls = request.extensions().get::<ByTls>().is_some();
        let caller = proxies.caller(peer.ip(), request.headers(), tls);
        request.extensions_mut().insert(caller);
    }
    next.run(request).await
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    fn proxies() -> Proxies {
        let networks = ["10.0.0.0/8", "127.0.0.1/32", "fd00::/8"];
        Proxies::new(&networks.map(|network| network.parse().unwrap()))
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn from(peer: &str, lines: &[&str]) -> IpAddr {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(FORWARDED_FOR, line.parse().unwrap());
        }
        proxies().caller(ip(peer), &headers, false).address
    }

    #[test]
    fn only_a_trusted_peer_is_believed() {
        assert_eq!(from("192.0.2.9", &["198.51.100.1"]), ip("192.0.2.9"));
        assert_eq!(from("10.0.0.1", &["198.51.100.1"]), ip("198.51.100.1"));
        assert_eq!(from("::ffff:10.0.0.1", &["198.51.100.1"]), ip("198.51.100.1"));
        assert_eq!(from("10.0.0.1", &[]), ip("10.0.0.1"));
    }

    #[test]
    fn the_first_stranger_from_the_right_is_the_client() {
        for (lines, client) in [
            (&["198.51.100.1, 10.0.0.2"][..], "198.51.100.1"),
            (&["6.6.6.6, 198.51.100.1, 10.0.0.2"], "198.51.100.1"),
            // Several lines are one list.
            (&["6.6.6.6", "198.51.100.1", "10.0.0.2, 127.0.0.1"], "198.51.100.1"),
            // Nobody but proxies: the farthest of them.
            (&["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
            (&["::ffff:198.51.100.1"], "198.51.100.1"),
            (&["[2001:db8::1]:4711"], "2001:db8::1"),
            (&["2001:db8::1"], "2001:db8::1"),
            (&["for=\"[2001:db8::1]\""], "2001:db8::1"),
            (&["For=198.51.100.1:80"], "198.51.100.1"),
        ] {
            assert_eq!(from("10.0.0.1", lines), ip(client), "{lines:?}");
        }
    }

    #[test]
    fn at_junk_the_walk_ends() {
        for junk in [
            "unknown",
            "_hidden",
            "",
            "1.2.3",
            "198.51.100.1.example",
            "0.0.0.0",
            "[10.0.0.9",
            "fe80::1%eth0",
        ] {
            let list = format!("198.51.100.1, {junk}, 10.0.0.2");
            assert_eq!(from("10.0.0.1", &[&list]), ip("10.0.0.2"), "{junk}");
            assert_eq!(from("10.0.0.1", &["198.51.100.1", junk]), ip("10.0.0.1"), "{junk}");
        }
        let mut headers = HeaderMap::new();
        headers.append(FORWARDED_FOR, HeaderValue::from_static("198.51.100.1"));
        headers.append(FORWARDED_FOR, HeaderValue::from_bytes(b"\xff").unwrap());
        assert_eq!(proxies().caller(ip("10.0.0.1"), &headers, false).address, ip("10.0.0.1"));
        let endless = vec!["10.0.0.2"; HOPS * 2].join(",");
        assert_eq!(from("10.0.0.1", &["198.51.100.1", &endless]), ip("10.0.0.2"));
    }

    #[test]
    fn the_scheme_is_the_nearest_proxys_word() {
        let scheme = |peer: &str, lines: &[&str]| {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append(FORWARDED_PROTO, line.parse().unwrap());
            }
            proxies().caller(ip(peer), &headers, false).secure
        };
        assert_eq!(scheme("192.0.2.9", &["https"]), None);
        assert_eq!(scheme("10.0.0.1", &[]), None);
        assert_eq!(scheme("10.0.0.1", &["HTTPS"]), Some(true));
        assert_eq!(scheme("10.0.0.1", &["https, http"]), Some(false));
        assert_eq!(scheme("10.0.0.1", &["http", "https"]), Some(true));
        assert_eq!(scheme("10.0.0.1", &["gopher"]), None);
        // What fynq sees itself counts where no proxy says what is in front of it.
        let proto = |word: &str| HeaderMap::from_iter([(FORWARDED_PROTO, word.parse().unwrap())]);
        let seen = |peer: &str, headers: &HeaderMap| proxies().caller(ip(peer), headers, true).secure;
        assert_eq!(seen("192.0.2.9", &proto("http")), Some(true));
        assert_eq!(seen("10.0.0.1", &proto("http")), Some(false));
        assert_eq!(seen("10.0.0.1", &HeaderMap::new()), Some(true));
    }

    /// What an attacker may write into a header: addresses, separators, junk.
    fn hostile() -> impl Strategy<Value = String> {
        let piece = prop_oneof![
            any::<std::net::Ipv4Addr>().prop_map(|ip| ip.to_string()),
            any::<std::net::Ipv6Addr>().prop_map(|ip| format!("[{ip}]:1")),
            Just("10.0.0.5".to_owned()),
            "[ -~]{0,12}",
        ];
        proptest::collection::vec(piece, 0..6).prop_map(|pieces| pieces.join(","))
    }

    proptest! {
        #[test]
        fn no_header_of_a_stranger_changes_anything(peer: IpAddr, tls: bool, lines in proptest::collection::vec(hostile(), 0..4)) {
            prop_assume!(!proxies().trust(peer));
            let mut headers = HeaderMap::new();
            for line in &lines {
                headers.append(FORWARDED_FOR, line.parse().unwrap());
                headers.append(FORWARDED_PROTO, "https".parse().unwrap());
            }
            let caller = proxies().caller(peer, &headers, tls);
            prop_assert_eq!(caller, Caller { address: peer.to_canonical(), secure: tls.then_some(true) });
        }

        #[test]
        fn nothing_that_a_client_sends_moves_its_address(client: IpAddr, claims in hostile(), own_line: bool) {
            prop_assume!(!proxies().trust(client) && !client.is_unspecified());
            prop_assume!(!client.to_canonical().is_unspecified());
            // The proxies append to the client's line, or begin one of their own.
            let line = format!("{client}, 10.0.0.2");
            let joined = format!("{claims}, {line}");
            let lines = if own_line { vec![claims.as_str(), &line] } else { vec![joined.as_str()] };
            prop_assert_eq!(from("127.0.0.1", &lines), client.to_canonical());
        }
    }
}
