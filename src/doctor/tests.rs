use std::time::Duration;

use super::*;

fn only<'a>(report: &'a Report, what: &str) -> &'a Check {
    let found: Vec<&Check> = report.checks.iter().filter(|check| check.what == what).collect();
    assert_eq!(found.len(), 1, "{what}: {}", report.text());
    found[0]
}

/// Settings that reach out to nothing but this machine.
fn quiet() -> Settings {
    let mut settings = Settings::default();
    settings.listen.set_port(0);
    settings.data_dir = std::env::temp_dir().join(format!("fynq-doctor-{}", crate::id::new()));
    settings
}

async fn report(settings: Settings) -> Report {
    examine(&Vars::new(), Ok(settings)).await
}

#[tokio::test]
async fn a_bad_setting_is_all_it_says() {
    let vars = Vars::from([("FYNQ_LISTEN".to_owned(), "x".to_owned())]);
    let report = examine(&vars, Settings::from_env(&vars)).await;
    assert_eq!((report.checks.len(), report.exit_code()), (1, 2));
    assert!(report.text().contains("FYNQ_LISTEN"), "{}", report.text());
}

#[tokio::test]
async fn names_are_shown_and_values_are_not() {
    let vars = Vars::from([("GEMINI_API_KEY".to_owned(), "hunter2".to_owned())]);
    let mut settings = quiet();
    settings.model.api_key = Some("hunter2".to_owned().into());
    settings.model.base_url = Some("http://127.0.0.1:1".to_owned());
    settings.database.url = Some("postgres://me:hunter2@127.0.0.1:1/x".to_owned().into());
    let report = examine(&vars, Ok(settings)).await;
    let out = format!("{}{}", report.text(), report.json());
    assert!(out.contains("GEMINI_API_KEY") && !out.contains("hunter2"), "{out}");
}

#[tokio::test]
async fn nothing_is_made_by_looking() {
    let settings = quiet();
    let dir = settings.data_dir.clone();
    let report = report(settings).await;
    assert_eq!(only(&report, "data").verdict, Verdict::Good);
    assert!(!dir.exists());
}

#[tokio::test]
async fn a_data_directory_that_is_a_file_is_bad() {
    let report = report(Settings { data_dir: "/dev/null/x".into(), ..quiet() }).await;
    assert_eq!((only(&report, "data").verdict, report.exit_code()), (Verdict::Bad, 2));
}

#[tokio::test]
async fn a_database_that_is_away_is_bad_and_said_on_one_line() {
    let mut settings = quiet();
    settings.database.url = Some("postgres://127.0.0.1:1/x?connect_timeout=2".to_owned().into());
    let report = report(settings).await;
    let check = only(&report, "database");
    assert_eq!(check.verdict, Verdict::Bad);
    assert!(check.found.contains("127.0.0.1:1/x"), "{}", check.found);
    assert_eq!(report.text().lines().count(), report.checks.len() + 1);
}

#[tokio::test]
async fn without_postgres_it_says_what_to_install() {
    let mut settings = quiet();
    settings.database.bin_dir = Some("/nonexistent".into());
    let report = report(settings).await;
    let check = only(&report, "database");
    assert_eq!(check.verdict, Verdict::Bad);
    assert!(check.found.contains("DATABASE_URL"), "{}", check.found);
}

#[tokio::test]
async fn the_practice_model_is_a_note_and_a_deaf_endpoint_a_doubt() {
    let practice = report(quiet()).await;
    assert_eq!(only(&practice, "model").verdict, Verdict::Note);
    let mut settings = quiet();
    settings.model.base_url = Some("http://127.0.0.1:1".to_owned());
    settings.model.connect_timeout = Duration::from_secs(1);
    let real = report(settings).await;
    assert_eq!(only(&real, "model").verdict, Verdict::Doubt);
    assert!(only(&real, "young users").next.as_ref().unwrap().contains("terms"));
}

async fn project(settings: serde_json::Value, keys: serde_json::Value, secret: Option<&str>) -> Report {
    let app = axum::Router::new()
        .route(
            "/auth/v1/settings",
            axum::routing::get(async move |headers: http::HeaderMap| {
                let known = headers["apikey"] == "hunter2";
                let status = if known { http::StatusCode::OK } else { http::StatusCode::UNAUTHORIZED };
                (status, axum::Json(settings))
            }),
        )
        .route("/auth/v1/.well-known/jwks.json", axum::routing::get(async move || axum::Json(keys)));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let serving = tokio::spawn(async move { axum::serve(listener, app).await });
    let supabase = crate::config::Supabase {
        url,
        anon_key: "hunter2".to_owned().into(),
        jwt_secret: secret.map(|secret| secret.to_owned().into()),
        audience: "authenticated".to_owned(),
        keys: crate::config::SigningKeys::default(),
    };
    let report = report(Settings { supabase: Some(supabase), ..quiet() }).await;
    serving.abort();
    report
}

#[tokio::test]
async fn it_says_whose_accounts_they_are_and_which_keys_are_believed() {
    let local = report(quiet()).await;
    assert!(only(&local, "accounts").found.contains("local"), "{}", local.text());
    let key = serde_json::json!({"kty": "EC", "crv": "P-256", "kid": "a", "x": "A".repeat(43), "y": "A".repeat(43)});
    let keys = serde_json::json!({"keys": [key]});
    let well = project(serde_json::json!({"mailer_autoconfirm": false}), keys.clone(), None).await;
    assert_eq!(only(&well, "accounts").verdict, Verdict::Good);
    assert!(only(&well, "accounts").found.contains("confirmed by mail"), "{}", well.text());
    assert!(only(&well, "sign keys").found.contains("1 listed: ES256"), "{}", well.text());
    let none = serde_json::json!({"keys": []});
    let without = project(serde_json::json!({}), none.clone(), None).await;
    assert_eq!(only(&without, "sign keys").verdict, Verdict::Bad);
    let legacy = project(serde_json::json!({}), none, Some(&"hunter2".repeat(5))).await;
    assert!(legacy.text().contains("HS256 with SUPABASE_JWT_SECRET"), "{}", legacy.text());
    let odd = project(serde_json::json!({}), serde_json::json!("no list"), None).await;
    assert_eq!(only(&odd, "sign keys").verdict, Verdict::Doubt);
    for report in [&well, &without, &legacy, &odd] {
        assert!(!format!("{}{}", report.text(), report.json()).contains("hunter2"));
    }
}

#[tokio::test]
async fn a_project_that_is_away_is_a_doubt() {
    let supabase = crate::config::Supabase {
        url: "http://127.0.0.1:1".to_owned(),
        anon_key: "hunter2".to_owned().into(),
        jwt_secret: None,
        audience: "authenticated".to_owned(),
        keys: crate::config::SigningKeys::default(),
    };
    let report = report(Settings { supabase: Some(supabase), ..quiet() }).await;
    assert_eq!(only(&report, "accounts").verdict, Verdict::Doubt);
    assert_eq!(only(&report, "sign keys").verdict, Verdict::Doubt);
}

#[tokio::test]
async fn an_endpoint_is_judged_by_its_status() {
    for (status, verdict) in
        [(200, Verdict::Good), (403, Verdict::Doubt), (404, Verdict::Doubt), (500, Verdict::Doubt)]
    {
        let status = http::StatusCode::from_u16(status).unwrap();
        let app = axum::Router::new().route(
            "/v1beta/models/gemini-x",
            axum::routing::get(async move |headers: http::HeaderMap| {
                if headers["x-goog-api-key"] == "key" { status } else { http::StatusCode::IM_A_TEAPOT }
            }),
        );
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let serving = tokio::spawn(async move { axum::serve(listener, app).await });
        let mut settings = quiet();
        settings.model.base_url = Some(base);
        settings.model.api_key = Some("key".to_owned().into());
        settings.model.name = "gemini-x".to_owned();
        let report = report(settings).await;
        assert_eq!(only(&report, "model").verdict, verdict, "{}", report.text());
        serving.abort();
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed_with_the_key() {
    let app = axum::Router::new()
        .route(
            "/v1beta/models/{name}",
            axum::routing::get(async || axum::response::Redirect::temporary("/there")),
        )
        .route("/there", axum::routing::get(async || "well"));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let serving = tokio::spawn(async move { axum::serve(listener, app).await });
    let mut settings = quiet();
    settings.model.base_url = Some(base);
    settings.model.api_key = Some("key".to_owned().into());
    let report = report(settings).await;
    let check = only(&report, "model");
    assert!(check.verdict == Verdict::Doubt && check.found.ends_with("answered 307"), "{}", report.text());
    serving.abort();
}

/// A certificate that ends in so many days.
fn laid(dir: &std::path::Path, days: i64) -> crate::config::Tls {
    let ends = jiff::Timestamp::now() + jiff::SignedDuration::from_hours(24 * days + 12);
    let ends = ends.to_zoned(jiff::tz::TimeZone::UTC);
    let (month, day) = (ends.month().try_into().unwrap(), ends.day().try_into().unwrap());
    let mut params = rcgen::CertificateParams::new(vec!["school.example".to_owned()]).unwrap();
    params.not_after = rcgen::date_time_ymd(ends.year().into(), month, day);
    let key = rcgen::KeyPair::generate().unwrap();
    let tls = crate::config::Tls { cert: dir.join("cert.pem"), key: dir.join("key.pem") };
    std::fs::write(&tls.cert, params.self_signed(&key).unwrap().pem()).unwrap();
    std::fs::write(&tls.key, key.serialize_pem()).unwrap();
    tls
}

#[tokio::test]
async fn it_says_when_the_certificate_ends_and_who_stands_for_it() {
    let dir = std::env::temp_dir().join(format!("fynq-doctor-{}", crate::id::new()));
    std::fs::create_dir_all(&dir).unwrap();
    for (days, verdict) in [(60, Verdict::Good), (5, Verdict::Doubt), (-3, Verdict::Bad)] {
        let report = report(Settings { tls: Some(laid(&dir, days)), ..quiet() }).await;
        let tls: Vec<&Check> = report.checks.iter().filter(|check| check.what == "tls").collect();
        assert_eq!((tls[0].verdict, tls[1].verdict), (verdict, Verdict::Note), "{}", report.text());
        assert!(tls[0].found.contains("the certificate end"), "{}", report.text());
    }
    // Signed by itself: nobody stands for it, whatever its name.
    let named = Settings { public_url: Some("https://school.example".to_owned()), ..quiet() };
    let told = report(Settings { tls: Some(laid(&dir, 60)), ..named.clone() }).await;
    let distrusted = told.checks.iter().any(|check| check.verdict == Verdict::Doubt && check.what == "tls");
    assert!(distrusted && told.text().contains("do not stand for school.example"), "{}", told.text());
    let mut tls = laid(&dir, 60);
    tls.key = tls.cert.clone();
    let wrong = report(Settings { tls: Some(tls), ..named }).await;
    assert_eq!(only(&wrong, "tls").verdict, Verdict::Bad);
    assert!(only(&wrong, "tls").found.starts_with("FYNQ_TLS_KEY: "), "{}", wrong.text());
    std::fs::remove_dir_all(&dir).unwrap();
}

#[tokio::test]
async fn an_address_in_use_is_a_note() {
    let taken = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let report = report(Settings { listen: taken.local_addr().unwrap(), ..quiet() }).await;
    assert_eq!(only(&report, "address").verdict, Verdict::Note);
}

#[tokio::test]
async fn files_in_a_folder_are_said_to_be_there_and_nothing_is_made() {
    let settings = quiet();
    let dir = settings.data_dir.clone();
    let report = report(settings).await;
    assert_eq!(only(&report, "files").verdict, Verdict::Good);
    assert!(!dir.exists());
}

#[tokio::test]
async fn a_bucket_and_a_scanner_that_are_away_are_said_to_be() {
    let mut settings = quiet();
    let vars = Vars::from(
        [
            ("FYNQ_STORAGE_URL", "s3://school"),
            ("AWS_ENDPOINT_URL", "http://127.0.0.1:1"),
            ("AWS_ACCESS_KEY_ID", "key"),
            ("AWS_SECRET_ACCESS_KEY", "hunter2"),
            ("FYNQ_CLAMD", "127.0.0.1:1"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned())),
    );
    settings.files = Settings::from_env(&vars).unwrap().files;
    let report = report(settings).await;
    assert_eq!(only(&report, "files").verdict, Verdict::Bad);
    assert_eq!(only(&report, "scanner").verdict, Verdict::Doubt);
    assert!(!report.text().contains("hunter2"), "{}", report.text());
}
