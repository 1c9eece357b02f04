//! The page: the files of `static/`, with the policy that keeps a model's words from doing harm.

use std::path::{Path, PathBuf};

use axum::Router;
use axum::response::{Html, IntoResponse as _, Response};
use http::header::ACCEPT;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use tower::ServiceBuilder;
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::{DefaultPredicate, NotForContentType, Predicate as _};
use tower_http::services::ServeDir;
use tower_http::set_header::SetResponseHeaderLayer;

use crate::config::Settings;
use crate::problem::Problem;

/// Nothing from elsewhere, no inline script, and no text ever becomes markup: the page builds what it
/// shows node by node. KaTeX sets its styles through the DOM, which `style-src` does not forbid.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
    img-src 'self' blob:; font-src 'self'; connect-src 'self'; object-src 'none'; base-uri 'none'; \
    form-action 'self'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'";

const HEADERS: &[(&str, &str)] = &[
    ("content-security-policy", CONTENT_SECURITY_POLICY),
    // Kept, but asked about each time: a new version of the page is seen at once, an unchanged
    // file costs one 304. No name here holds a hash of its content, so none is immutable.
    ("cache-control", "no-cache"),
];

const NOT_FOUND: &str = "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\">\
    <title>Not found · fynq</title><h1>Not found</h1><p><a href=\"/\">To the start</a></p></html>";

/// Where the page's files lie: as set, else `static/` in the working directory, else beside the
/// checkout that this binary was built from.
pub fn directory(settings: &Settings) -> PathBuf {
    if let Some(chosen) = &settings.static_dir {
        return chosen.clone();
    }
    let here = PathBuf::from("static");
    if here.join("index.html").is_file() {
        return here;
    }
    Path::new(env!("CARGO_MANIFEST_DIR")).join("static")
}

/// Serves the files of `directory`; a path that is no file gives the page's own 404, to whoever asks for
/// a page.
pub fn router(directory: &Path) -> Router {
    let missing = directory.join("404.html");
    let not_found = tower::service_fn(move |request: axum::extract::Request| {
        let missing = wants_a_page(request.headers()).then(|| missing.clone());
        async move {
            let response = match missing {
                Some(page) => not_found(&page).await,
                None => Problem::not_found().into_response(),
            };
            Ok::<_, std::convert::Infallible>(response)
        }
    });
    let files = ServeDir::new(directory).fallback(not_found);
    let compressible = DefaultPredicate::new().and(NotForContentType::const_new("font/"));
    let mut router = Router::new().fallback_service(
        ServiceBuilder::new().layer(CompressionLayer::new().compress_when(compressible)).service(files),
    );
    for (name, value) in HEADERS {
        let (name, value) = (HeaderName::from_static(name), HeaderValue::from_static(value));
        router = router.layer(SetResponseHeaderLayer::overriding(name, value));
    }
    router
}

/// A browser that goes somewhere asks for HTML by name; scripts and programs do not.
fn wants_a_page(headers: &HeaderMap) -> bool {
    let lines = headers.get_all(ACCEPT).iter().filter_map(|line| line.to_str().ok());
    let mut types = lines.flat_map(|line| line.split(',')).filter_map(|range| range.split(';').next());
    types.any(|media_type| media_type.trim().eq_ignore_ascii_case("text/html"))
}

async fn not_found(file: &Path) -> Response {
    let page = tokio::fs::read_to_string(file).await.unwrap_or_else(|_| NOT_FOUND.to_owned());
    (StatusCode::NOT_FOUND, Html(page)).into_response()
}

#[cfg(test)]
mod tests {
    use axum::body::{Body, to_bytes};
    use http::Request;
    use tower::ServiceExt as _;

    use super::*;

    struct Site(PathBuf);

    impl Site {
        fn new(files: &[(&str, &str)]) -> Site {
            let root = std::env::temp_dir().join(format!("fynq-pages-{}", crate::id::new()));
            for (name, text) in files {
                let path = root.join(name);
                std::fs::create_dir_all(path.parent().unwrap()).unwrap();
                std::fs::write(path, text).unwrap();
            }
            Site(root)
        }

        async fn get(&self, path: &str, headers: &[(&str, &str)]) -> Response {
            let mut request = Request::get(path);
            for (name, value) in headers {
                request = request.header(*name, *value);
            }
            router(&self.0).oneshot(request.body(Body::empty()).unwrap()).await.unwrap()
        }
    }

    impl Drop for Site {
        fn drop(&mut self) {
            std::fs::remove_dir_all(&self.0).unwrap();
        }
    }

    async fn text(response: Response) -> String {
        String::from_utf8(to_bytes(response.into_body(), 1 << 20).await.unwrap().to_vec()).unwrap()
    }

    #[tokio::test]
    async fn the_page_comes_with_its_headers() {
        let site = Site::new(&[("index.html", "<!doctype html>hello"), ("js/a.js", "export {}")]);
        let response = site.get("/", &[]).await;
        assert_eq!(response.status(), 200);
        for (name, value) in HEADERS {
            assert_eq!(response.headers()[*name], *value);
        }
        assert_eq!(response.headers()["content-type"], "text/html");
        assert_eq!(text(response).await, "<!doctype html>hello");
        let script = site.get("/js/a.js", &[]).await;
        assert_eq!(script.headers()["content-type"], "text/javascript");
    }

    #[tokio::test]
    async fn an_unchanged_file_is_not_sent_again() {
        let site = Site::new(&[("index.html", "hello")]);
        let first = site.get("/", &[]).await;
        let stamp = first.headers()["last-modified"].to_str().unwrap().to_owned();
        let second = site.get("/", &[("if-modified-since", &stamp)]).await;
        assert_eq!((second.status(), text(second).await.as_str()), (StatusCode::NOT_MODIFIED, ""));
    }

    #[tokio::test]
    async fn text_is_compressed_and_fonts_are_not() {
        let long = "x".repeat(2000);
        let site = Site::new(&[("a.css", &long), ("a.woff2", &long)]);
        let accept = [("accept-encoding", "gzip")];
        assert_eq!(site.get("/a.css", &accept).await.headers()["content-encoding"], "gzip");
        assert!(site.get("/a.woff2", &accept).await.headers().get("content-encoding").is_none());
    }

    #[tokio::test]
    async fn an_unknown_path_gives_the_pages_own_404() {
        let site = Site::new(&[("index.html", "hello"), ("404.html", "nothing here")]);
        for path in ["/nowhere", "/js/", "/../Cargo.toml", "/%2e%2e/Cargo.toml"] {
            let response = site.get(path, &BROWSER).await;
            assert_eq!(response.status(), 404, "{path}");
            assert!(response.headers().contains_key("content-security-policy"));
            assert_eq!(text(response).await, "nothing here", "{path}");
        }
        let bare = Site::new(&[("index.html", "hello")]);
        assert!(text(bare.get("/nowhere", &BROWSER).await).await.contains("<h1>Not found</h1>"));
    }

    /// What a browser sends with a navigation.
    const BROWSER: [(&str, &str); 1] = [("accept", "text/html,application/xhtml+xml,*/*;q=0.8")];

    #[tokio::test]
    async fn what_is_not_looking_for_a_page_gets_a_problem() {
        let site = Site::new(&[("404.html", "nothing here")]);
        for accept in [&[][..], &[("accept", "*/*")], &[("accept", "application/json")]] {
            let response = site.get("/js/nowhere.js", accept).await;
            assert_eq!(response.status(), 404);
            assert_eq!(response.headers()["content-type"], "application/problem+json", "{accept:?}");
            assert!(text(response).await.contains("\"not_found\""));
        }
    }

    #[test]
    fn a_chosen_directory_wins() {
        let chosen = Settings { static_dir: Some("/somewhere".into()), ..Settings::default() };
        assert_eq!(directory(&chosen), PathBuf::from("/somewhere"));
        assert!(directory(&Settings::default()).ends_with("static"));
    }
}
