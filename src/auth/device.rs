//! What a browser calls itself, in a few words of ours: enough for its owner to tell sign-ins apart, and
//! nothing that a client wrote is kept.

/// Looked for in this order: most browsers name others, too.
const BROWSERS: &[(&str, &str)] = &[
    ("edg/", "Edge"),
    ("edga/", "Edge"),
    ("edgios/", "Edge"),
    ("opr/", "Opera"),
    ("samsungbrowser/", "Samsung Internet"),
    ("firefox/", "Firefox"),
    ("fxios/", "Firefox"),
    ("crios/", "Chrome"),
    ("chromium/", "Chromium"),
    ("chrome/", "Chrome"),
    ("safari/", "Safari"),
];
const SYSTEMS: &[(&str, &str)] = &[
    ("iphone", "iPhone"),
    ("ipad", "iPad"),
    ("android", "Android"),
    ("cros", "ChromeOS"),
    ("windows", "Windows"),
    ("mac os", "Mac"),
    ("linux", "Linux"),
];
const PROGRAMS: &[&str] = &["curl/", "wget/", "python", "node", "axios/", "okhttp", "go-http", "postman"];

/// Longer ones are read up to here.
const LOOKED_AT: usize = 512;

/// `Firefox on Windows`, say; from the `User-Agent` header.
pub fn device(user_agent: Option<&str>) -> String {
    let text: String = user_agent.unwrap_or_default().chars().take(LOOKED_AT).collect();
    let text = text.to_ascii_lowercase();
    let find = |list: &[(&str, &'static str)]| {
        list.iter().find(|(mark, _)| text.contains(mark)).map(|(_, name)| *name)
    };
    match (find(BROWSERS), find(SYSTEMS)) {
        (Some(browser), Some(system)) => format!("{browser} on {system}"),
        (Some(name), None) | (None, Some(name)) => name.to_owned(),
        (None, None) if PROGRAMS.iter().any(|program| text.starts_with(program)) => "A program".to_owned(),
        (None, None) => "Unknown device".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn browsers_are_told_apart() {
        let cases = [
            (
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:144.0) Gecko/20100101 Firefox/144.0",
                "Firefox on Windows",
            ),
            (
                "Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36",
                "Chrome on ChromeOS",
            ),
            (
                "Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36 Edg/142.0",
                "Edge on Windows",
            ),
            (
                "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Mobile Safari/537.36",
                "Chrome on Android",
            ),
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.0 Mobile/15E148 Safari/604.1",
                "Safari on iPhone",
            ),
            (
                "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.0 Safari/605.1.15",
                "Safari on Mac",
            ),
            ("curl/8.5.0", "A program"),
            ("", "Unknown device"),
            ("<script>alert(1)</script>", "Unknown device"),
        ];
        for (text, wanted) in cases {
            assert_eq!(device(Some(text)), wanted, "{text}");
        }
        assert_eq!(device(None), "Unknown device");
    }

    #[test]
    fn nothing_that_a_client_wrote_is_kept() {
        let label = device(Some("Firefox/144.0 hunter2 \u{1f980} Windows"));
        assert_eq!(label, "Firefox on Windows");
        assert_eq!(device(Some(&format!("{}Firefox/1", "x".repeat(10_000)))), "Unknown device");
    }
}
