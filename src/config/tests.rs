use std::cell::RefCell;
use std::collections::BTreeSet;
use std::time::Duration;

use secrecy::ExposeSecret as _;

use super::{
    ABSENT, LogFormat, Rate, SETTINGS, Setting, Settings, Vars, help_text, is_known, markdown, read,
    warnings, with_files,
};

fn vars(pairs: &[(&str, &str)]) -> Vars {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn refused(pairs: &[(&str, &str)]) -> String {
    Settings::from_env(&vars(pairs)).expect_err("these settings must be refused").to_string()
}

/// The example as a shell would hand it over.
fn example(setting: &Setting) -> String {
    setting.example.replace('…', "abc").replace("$(openssl rand -hex 32)", &"ab".repeat(32))
}

#[test]
fn nothing_set_gives_the_defaults() {
    let read = Settings::from_env(&Vars::new()).unwrap();
    assert_eq!(format!("{read:?}"), format!("{:?}", Settings::default()));
}

#[test]
fn the_listed_defaults_are_the_real_ones() {
    let listed: Vars = SETTINGS
        .iter()
        .filter_map(|setting| Some((setting.name.to_owned(), setting.default?.to_owned())))
        .collect();
    let read = Settings::from_env(&listed).unwrap();
    assert_eq!(format!("{read:?}"), format!("{:?}", Settings::default()));
}

#[test]
fn every_listed_example_is_accepted() {
    let examples: Vars = SETTINGS.iter().map(|setting| (setting.name.to_owned(), example(setting))).collect();
    Settings::from_env(&examples).unwrap();
}

#[test]
fn the_list_names_exactly_what_is_read() {
    let asked = RefCell::new(BTreeSet::new());
    read::read(&|name| {
        asked.borrow_mut().insert(name.to_owned());
        // A setting that is asked for twice when it is set must be seen, too.
        SETTINGS.iter().find(|setting| setting.name == name).map(example)
    })
    .unwrap();
    let listed: BTreeSet<String> = SETTINGS
        .iter()
        .map(|setting| setting.name)
        .chain(ABSENT.iter().map(|(name, _)| *name))
        // These are read again later; of other secrets only the text is wanted.
        .chain(["DATABASE_URL_FILE", "GEMINI_API_KEY_FILE"])
        .map(str::to_owned)
        .collect();
    assert_eq!(asked.into_inner(), listed);
}

#[test]
fn values_arrive_where_they_belong() {
    let settings = Settings::from_env(&vars(&[
        ("FYNQ_LISTEN", "[::1]:0"),
        ("DATABASE_URL", "postgresql://fynq:s3cret@db/fynq"),
        ("GEMINI_API_KEY", "key"),
        ("GEMINI_BASE_URL", "http://127.0.0.1:9/"),
        ("GEMINI_MODEL", "models/gemini-pro"),
        ("FYNQ_MODEL_IDLE_TIMEOUT_S", "0.25"),
        ("FYNQ_MAX_OUTPUT_TOKENS", "300"),
        ("FYNQ_ALLOWED_ORIGINS", "https://A.example:443/, http://b.example:8000 ,"),
        ("FYNQ_PUBLIC_URL", "HTTPS://School.example:443/"),
        ("FYNQ_TRUSTED_PROXIES", "10.1.2.3/8, 192.0.2.7,fd00::/8"),
        ("FYNQ_LIMIT_SIGN_UPS_ADDRESS", "5/h"),
        ("FYNQ_RATE_LIMIT", "off"),
        ("FYNQ_LOG", " json "),
        ("RUST_LOG", "warn,fynq[span]=debug"),
        ("FYNQ_ADMIN_EMAIL", "a@b.example"),
        ("FYNQ_ADMIN_PASSWORD", " blanks stay "),
        ("FYNQ_DRAIN_S", ""),
    ]))
    .unwrap();
    assert_eq!(settings.listen.to_string(), "[::1]:0");
    assert_eq!(settings.database.url.unwrap().expose_secret(), "postgresql://fynq:s3cret@db/fynq");
    assert_eq!(settings.model.base_url.as_deref(), Some("http://127.0.0.1:9"));
    assert_eq!(settings.model.name, "gemini-pro");
    assert_eq!(settings.model.idle_timeout, Duration::from_millis(250));
    assert_eq!(settings.model.max_output_tokens, Some(300));
    assert_eq!(settings.allowed_origins, ["https://a.example", "http://b.example:8000"]);
    assert_eq!(settings.public_url.as_deref(), Some("https://school.example"));
    let proxies: Vec<String> = settings.trusted_proxies.iter().map(ToString::to_string).collect();
    assert_eq!(proxies, ["10.0.0.0/8", "192.0.2.7/32", "fd00::/8"]);
    assert_eq!(settings.limits.sign_ups_address, Rate::new(5, Duration::from_secs(3600)));
    assert!(!settings.rate_limit);
    assert_eq!(settings.log, LogFormat::Json);
    assert_eq!(settings.log_filter, "warn,fynq[span]=debug");
    let (email, password) = settings.accounts.admin.unwrap();
    assert_eq!((email.as_str(), password.expose_secret()), ("a@b.example", " blanks stay "));
    assert_eq!(settings.drain, Duration::from_secs(20));
}

#[test]
fn a_bad_setting_is_one_line_with_its_name_the_fault_and_an_example() {
    let cases = [
        ("FYNQ_LISTEN", "localhost", "not an IP address and a port"),
        ("DATABASE_URL", "mysql://root:hunter2@db/x", "must start with postgres://"),
        ("FYNQ_DATABASE_POOL", "0", "whole number from 1"),
        ("GEMINI_API_KEY", "hunter2\nX-Other: 1", "holds a character"),
        ("GEMINI_BASE_URL", "ftp://x", "must start with https://"),
        ("GEMINI_BASE_URL", "http://me:hunter2@x", "must not hold a user name"),
        ("GEMINI_MODEL", "a b", "is not a model's name"),
        ("FYNQ_MODEL_IDLE_TIMEOUT_S", "0", "is not a number of seconds"),
        ("FYNQ_MODEL_IDLE_TIMEOUT_S", "NaN", "is not a number of seconds"),
        ("FYNQ_MODEL_ATTEMPTS", "three\nlines", "whole number from 1 to 10"),
        ("FYNQ_ALLOWED_ORIGINS", "https://a.example/page", "is not an origin"),
        ("FYNQ_ALLOWED_ORIGINS", "*", "is not an origin"),
        ("FYNQ_PUBLIC_URL", "school.example", "is not an origin"),
        ("FYNQ_METRICS_TOKEN", "hunter2", "16 or more"),
        ("FYNQ_METRICS_TOKEN", "hunter2 hunter2 hunter2", "16 or more"),
        ("FYNQ_PUBLIC_URL", "https://school.example/fynq", "is not an origin"),
        ("FYNQ_TRUSTED_PROXIES", "10.0.0.0/33", "is not an address or a network"),
        ("FYNQ_TRUSTED_PROXIES", "10.0.0.0/8,proxy.example", "is not an address or a network"),
        ("FYNQ_TRUSTED_PROXIES", "0.0.0.0/0", "would trust everybody"),
        ("FYNQ_TRUSTED_PROXIES", "::ffff:10.0.0.0/104", "has to be written as IPv4"),
        ("FYNQ_LIMIT_SIGN_UPS_ADDRESS", "60 an hour", "is not a count and a time"),
        ("FYNQ_LIMIT_SOCKETS_USER", "0", "whole number from 1"),
        ("FYNQ_HEADER_TIMEOUT_S", "-1", "is not a number of seconds"),
        ("FYNQ_RATE_LIMIT", "no", "must be on or off"),
        ("FYNQ_LOG", "xml", "must be pretty or json"),
        ("RUST_LOG", "fynq=loud", "cannot be read"),
        ("FYNQ_ADMIN_EMAIL", "nobody", "is not an e-mail address"),
        ("FYNQ_TOKEN_SECRET", "hunter2", "shorter than 32 bytes"),
        ("FYNQ_PING_S", "90", "must be longer than FYNQ_PING_S"),
        ("SUPABASE_URL", "abc.supabase.co", "must start with https://"),
        ("SUPABASE_URL", "https://me:hunter2@abc.supabase.co", "must not hold a user name"),
        ("SUPABASE_URL", "https://abc.supabase.co/auth/v1/", "without /auth/v1"),
        ("SUPABASE_ANON_KEY", "hunter2\nX-Other: 1", "holds a character"),
        ("SUPABASE_ANON_KEY", "sb_secret_hunter2", "is a secret key"),
        ("SUPABASE_ANON_KEY", "e30.eyJyb2xlIjoic2VydmljZV9yb2xlIn0.hunter2", "is a secret key"),
        ("SUPABASE_JWT_SECRET", "hunter2", "shorter than 32 bytes"),
    ];
    for (name, value, fault) in cases {
        let line = refused(&[(name, value)]);
        assert!(line.contains(fault), "{line}");
        let named = if name == "FYNQ_PING_S" { "FYNQ_SILENT_S" } else { name };
        assert!(line.starts_with(named) && line.contains(&format!("example: {named}=")), "{line}");
        assert!(!line.contains('\n') && !line.contains("hunter2"), "{line}");
    }
}

#[test]
fn the_admins_password_obeys_the_rules_of_all_passwords() {
    for (password, fault) in [
        ("hunter2", "shorter than 8"),
        ("Password1", "tried first"),
        ("fynq-2026", "made of"),
        ("principal!", "made of"),
        (&"x".repeat(129), "longer than 128"),
    ] {
        let line = refused(&[("FYNQ_ADMIN_EMAIL", "principal@b.example"), ("FYNQ_ADMIN_PASSWORD", password)]);
        assert!(line.starts_with("FYNQ_ADMIN_PASSWORD: ") && line.contains(fault), "{line}");
        assert!(!line.contains(password), "{line}");
    }
}

#[test]
fn registration_is_open_unless_it_is_said_otherwise() {
    let open = |text| Settings::from_env(&vars(&[("FYNQ_OPEN_REGISTRATION", text)])).unwrap();
    assert!(Settings::default().accounts.open_registration);
    assert!(open("on").accounts.open_registration && !open("off").accounts.open_registration);
    assert!(refused(&[("FYNQ_OPEN_REGISTRATION", "no")]).contains("must be on or off"));
}

#[test]
fn the_admin_needs_both_halves() {
    assert!(refused(&[("FYNQ_ADMIN_EMAIL", "a@b.example")]).starts_with("FYNQ_ADMIN_PASSWORD: missing"));
    let line = refused(&[("FYNQ_ADMIN_PASSWORD", "hunter2-hunter2")]);
    assert!(line.starts_with("FYNQ_ADMIN_EMAIL: missing") && !line.contains("hunter2"), "{line}");
}

#[test]
fn a_certificate_and_its_key_go_together() {
    const CERT: (&str, &str) = ("FYNQ_TLS_CERT", "/a.pem");
    const KEY: (&str, &str) = ("FYNQ_TLS_KEY", "/b.pem");
    let tls = Settings::from_env(&vars(&[CERT, KEY])).unwrap().tls.unwrap();
    assert_eq!((tls.cert.as_path(), tls.key.as_path()), ("/a.pem".as_ref(), "/b.pem".as_ref()));
    assert!(refused(&[CERT]).starts_with("FYNQ_TLS_KEY: missing, although FYNQ_TLS_CERT is set; example: "));
    assert!(refused(&[KEY]).starts_with("FYNQ_TLS_CERT: missing, although FYNQ_TLS_KEY is set; example: "));
}

#[test]
fn other_machines_are_served_by_tls_or_warned_of() {
    const OPEN: (&str, &str) = ("FYNQ_LISTEN", "0.0.0.0:8080");
    let lines = |pairs: &[(&str, &str)]| {
        let set = vars(pairs);
        warnings(&set, &Settings::from_env(&set).unwrap())
    };
    let tls = [OPEN, ("FYNQ_TLS_CERT", "/a"), ("FYNQ_TLS_KEY", "/b")];
    for good in [
        &[][..],
        &[("FYNQ_LISTEN", "127.0.0.2:1")],
        &[("FYNQ_LISTEN", "[::1]:1")],
        &tls,
        &[OPEN, ("FYNQ_TRUSTED_PROXIES", "10.0.0.0/8")],
    ] {
        assert!(lines(good).is_empty(), "{good:?}");
    }
    for open in ["0.0.0.0:8080", "[::]:8080", "192.0.2.1:80"] {
        let lines = lines(&[("FYNQ_LISTEN", open)]);
        assert!(matches!(&lines[..], [line] if line.starts_with("FYNQ_LISTEN: other machines")), "{lines:?}");
    }
    let lines = lines(&[&tls[..], &[("FYNQ_PUBLIC_URL", "http://school.example")]].concat());
    assert!(matches!(&lines[..], [line] if line.starts_with("FYNQ_PUBLIC_URL: http://")), "{lines:?}");
}

#[test]
fn a_secret_may_lie_in_a_file_and_nothing_else_may() {
    let read = |file: &std::path::Path| match file.to_str() {
        Some("/run/key") => Ok("hunter2".to_owned()),
        _ => Err("is not there".to_owned()),
    };
    let set =
        vars(&[("GEMINI_API_KEY_FILE", " /run/key "), ("FYNQ_LISTEN_FILE", "/x"), ("DATABASE_URL_FILE", "")]);
    let filled = with_files(set, &read).unwrap();
    let settings = Settings::from_env(&filled).unwrap();
    assert_eq!(settings.model.api_key.as_ref().unwrap().expose_secret(), "hunter2");
    assert_eq!(settings.model.api_key_file.as_deref(), Some("/run/key".as_ref()));
    assert!(settings.database.url.is_none() && settings.database.url_file.is_none());
    let lines = warnings(&filled, &settings);
    assert!(matches!(&lines[..], [line] if line.starts_with("FYNQ_LISTEN_FILE: no setting")), "{lines:?}");
    for setting in SETTINGS {
        let file = format!("{}_FILE", setting.name);
        assert_eq!(is_known(&file), setting.secret, "{file}");
        if setting.secret {
            let twice = vars(&[(setting.name, "hunter2"), (&file, "/run/key")]);
            let line = with_files(twice, &read).unwrap_err().to_string();
            assert!(line.starts_with(&format!("{}: is set, and {file} too", setting.name)), "{line}");
            let gone = with_files(vars(&[(&file, "/nowhere")]), &read).unwrap_err().to_string();
            assert!(gone.starts_with(&format!("{file}: is not there; example: {file}=")), "{gone}");
            assert!(!line.contains("hunter2") && help_text().contains(&file) && markdown().contains(&file));
        }
    }
}

#[test]
fn supabase_needs_its_address_and_its_key() {
    const URL: (&str, &str) = ("SUPABASE_URL", "https://abc.supabase.co/");
    const KEY: (&str, &str) = ("SUPABASE_ANON_KEY", "sb_publishable_hunter2");
    const SECRET: (&str, &str) = ("SUPABASE_JWT_SECRET", "hunter2-hunter2-hunter2-hunter2-hunter2");
    let supabase = Settings::from_env(&vars(&[URL, KEY])).unwrap().supabase.unwrap();
    assert_eq!(supabase.url, "https://abc.supabase.co");
    assert!(supabase.jwt_secret.is_none());
    assert_eq!(supabase.keys.life, Duration::from_secs(600));
    let supabase = Settings::from_env(&vars(&[URL, KEY, SECRET])).unwrap().supabase.unwrap();
    assert!(supabase.jwt_secret.is_some());
    assert!(Settings::from_env(&Vars::new()).unwrap().supabase.is_none());
    for (set, named) in [
        (&[URL][..], "SUPABASE_ANON_KEY: missing, although SUPABASE_URL"),
        (&[URL, SECRET], "SUPABASE_ANON_KEY: missing, although SUPABASE_URL"),
        (&[KEY], "SUPABASE_URL: missing, although SUPABASE_ANON_KEY"),
        (&[SECRET], "SUPABASE_URL: missing, although SUPABASE_JWT_SECRET"),
    ] {
        let line = refused(set);
        assert!(line.starts_with(named) && !line.contains("hunter2") && !line.contains('\n'), "{line}");
    }
}

#[test]
fn a_bucket_of_supabases_takes_tokens_where_all_is_set_that_it_needs() {
    const TENANT: (&str, &str) = ("FYNQ_STORAGE_TENANT", "abcdefghijklmnopqrst");
    let rest = [
        ("FYNQ_STORAGE_URL", "s3://fynq"),
        ("AWS_ENDPOINT_URL", "https://abc.storage.supabase.co/storage/v1/s3"),
        ("SUPABASE_URL", "https://abc.supabase.co"),
        ("SUPABASE_ANON_KEY", "sb_publishable_hunter2"),
    ];
    let people = |set: &[(&str, &str)]| Settings::from_env(&vars(set)).unwrap().files.bucket.unwrap().people;
    assert!(people(&rest).is_none(), "never without being asked for");
    let all = [&[TENANT][..], &rest].concat();
    let people = people(&all).unwrap();
    assert_eq!((people.tenant.as_str(), people.anon_key.expose_secret()), (TENANT.1, rest[3].1));
    for missing in rest {
        let some: Vec<_> = all.iter().copied().filter(|set| *set != missing).collect();
        let line = refused(&some);
        assert!(line.starts_with(&format!("{}: missing, although", missing.0)), "{line}");
        assert!(!line.contains("hunter2") && !line.contains('\n'), "{line}");
    }
}

#[test]
fn supabase_over_plain_http_and_an_admin_that_is_ignored_are_warned_of() {
    let set = vars(&[
        ("SUPABASE_URL", "http://kong:8000"),
        ("SUPABASE_ANON_KEY", "sb_publishable_abc"),
        ("FYNQ_ADMIN_EMAIL", "a@b.example"),
        ("FYNQ_ADMIN_PASSWORD", "hunter2-hunter2"),
    ]);
    let lines = warnings(&set, &Settings::from_env(&set).unwrap());
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(lines[0].starts_with("FYNQ_ADMIN_EMAIL") && lines[1].starts_with("SUPABASE_URL"), "{lines:?}");
    let mut set = set;
    set.insert("SUPABASE_URL".into(), "http://127.0.0.1:54321".into());
    assert_eq!(warnings(&set, &Settings::from_env(&set).unwrap()).len(), 1);
}

#[test]
fn what_this_version_does_not_do_stops_the_start() {
    for (name, feature) in ABSENT {
        let line = refused(&[(name, "hunter2")]);
        assert!(line.starts_with(name) && line.contains(feature) && line.contains("unset"), "{line}");
        assert!(!line.contains("hunter2"), "{line}");
        Settings::from_env(&vars(&[(name, " ")])).unwrap();
    }
}

#[test]
fn secrets_do_not_show_in_debug_output() {
    let settings = Settings::from_env(&vars(&[
        ("DATABASE_URL", "postgres://me:hunter2@db/x"),
        ("GEMINI_API_KEY", "hunter2"),
        ("FYNQ_ADMIN_EMAIL", "a@b.example"),
        ("FYNQ_ADMIN_PASSWORD", "hunter2-hunter2"),
        ("FYNQ_TOKEN_SECRET", "hunter2-hunter2-hunter2-hunter2-"),
        ("SUPABASE_URL", "https://abc.supabase.co"),
        ("SUPABASE_ANON_KEY", "sb_publishable_hunter2"),
        ("SUPABASE_JWT_SECRET", "hunter2-hunter2-hunter2-hunter2-"),
        ("FYNQ_METRICS_TOKEN", "hunter2-hunter2-"),
    ]))
    .unwrap();
    assert!(!format!("{settings:?} {settings:#?}").contains("hunter2"));
}

#[test]
fn warnings_name_lifted_limits_and_misspelt_names() {
    let set = vars(&[("FYNQ_RATE_LIMIT", "off"), ("FYNQ_LISTN", "x"), ("REDIS_URL", ""), ("PATH", "/bin")]);
    let settings = Settings::from_env(&set).unwrap();
    let lines = warnings(&set, &settings);
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(lines[0].starts_with("FYNQ_RATE_LIMIT=off") && lines[1].starts_with("FYNQ_LISTN:"), "{lines:?}");
    assert!(warnings(&Vars::new(), &Settings::default()).is_empty());
}

#[test]
fn a_model_on_another_machine_is_spoken_to_by_tls_or_warned_of() {
    let lines = |url| {
        let set = vars(&[("GEMINI_BASE_URL", url)]);
        warnings(&set, &Settings::from_env(&set).unwrap())
    };
    for good in ["https://model.example", "http://127.0.0.1:9", "http://localhost:9", "http://[::1]:9"] {
        assert!(lines(good).is_empty(), "{good}");
    }
    for bad in ["http://model.example", "http://10.0.0.7:9", "http://localhost.example"] {
        assert!(matches!(&lines(bad)[..], [line] if line.starts_with("GEMINI_BASE_URL: http://")), "{bad}");
    }
}

#[test]
fn the_tables_hold_every_setting_once() {
    let (help, manual) = (help_text(), markdown());
    for setting in SETTINGS {
        assert_eq!(help.matches(&format!("\n  {} ", setting.name)).count(), 1, "{}", setting.name);
        assert_eq!(manual.matches(&format!("\n| `{}` |", setting.name)).count(), 1, "{}", setting.name);
    }
}
