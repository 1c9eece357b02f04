use super::*;

fn read(status: u16, header: Option<&str>, body: &str) -> Refused {
    let mut headers = HeaderMap::new();
    if let Some(code) = header {
        headers.insert(ERROR_CODE, code.parse().unwrap());
    }
    refused(status, &headers, body.as_bytes())
}

fn code(name: &str) -> Refused {
    Refused::Code(name.into())
}

#[test]
fn every_shape_of_an_error_is_read() {
    let new = r#"{"code":"invalid_credentials","message":"Invalid login credentials"}"#;
    let old = r#"{"code":400,"error_code":"invalid_credentials","msg":"Invalid login credentials"}"#;
    let oauth = r#"{"error":"invalid_credentials","error_description":"Invalid login credentials"}"#;
    for body in [new, old, oauth] {
        assert_eq!(read(400, None, body), code("invalid_credentials"), "{body}");
    }
    assert_eq!(
        read(400, Some("user_banned"), new),
        code("user_banned"),
        "the header is said to be always right"
    );
    assert_eq!(read(400, Some("user_banned"), ""), code("user_banned"));
    let weak = r#"{"code":"weak_password","message":"…","weak_password":{"reasons":["length","pwned"]}}"#;
    assert_eq!(read(422, None, weak), Refused::Weak(vec!["length".into(), "pwned".into()]));
    assert_eq!(read(400, Some("over_email_send_rate_limit"), ""), Refused::TooOften(None));
}

#[test]
fn what_says_nothing_is_an_outage_and_what_forges_lines_is_nothing() {
    for body in ["", "<html>502</html>", "[]", "{}", r#"{"code":401}"#, r#"{"message":"Invalid API key"}"#] {
        assert_eq!(read(401, None, body), Refused::Away, "{body}");
    }
    let forged = format!(r#"{{"code":"{}"}}"#, "a".repeat(65));
    for body in [r#"{"code":"a b"}"#, r#"{"code":"a\nb"}"#, r#"{"code":""}"#, &forged] {
        assert_eq!(read(400, None, body), Refused::Away, "{body}");
    }
}

#[test]
fn nobody_learns_from_a_login_whether_there_is_an_account() {
    let wrong = code("invalid_credentials").to_password();
    assert_eq!(wrong, Problem::invalid_credentials());
    for same in ["user_banned", "user_not_found"] {
        assert_eq!(code(same).to_password(), wrong);
    }
    assert_eq!(code("email_not_confirmed").to_password(), Problem::email_not_confirmed());
    assert_eq!(code("something_new").to_password(), Problem::identity_unavailable());
}

#[test]
fn signing_up_has_answers_of_ours() {
    assert_eq!(code("user_already_exists").to_sign_up(), Problem::email_taken());
    assert_eq!(code("signup_disabled").to_sign_up().code(), "forbidden");
    assert_eq!(code("email_address_invalid").to_sign_up().errors()[0].pointer, "/email");
    let weak = Refused::Weak(vec!["pwned".into()]).to_sign_up();
    assert_eq!((weak.code(), weak.errors()[0].pointer.as_str()), ("invalid_input", "/password"));
    assert_eq!(Refused::Away.to_sign_up(), Problem::identity_unavailable());
    let wait = Duration::from_secs(7);
    assert_eq!(Refused::TooOften(Some(wait)).to_sign_up(), Problem::rate_limited().retry_after(wait));
}

#[test]
fn a_wait_is_never_longer_than_an_hour() {
    let mut headers = HeaderMap::new();
    headers.insert(RETRY_AFTER, "999999999".parse().unwrap());
    assert_eq!(wait(&headers), Some(Duration::from_secs(LONGEST_WAIT)));
    headers.insert(RETRY_AFTER, "soon".parse().unwrap());
    assert_eq!(wait(&headers), None);
}

#[test]
fn an_ended_session_is_told_from_another_trouble() {
    for over in ["refresh_token_already_used", "refresh_token_not_found", "session_not_found", "user_banned"]
    {
        assert!(code(over).ends_the_sign_in(), "{over}");
        assert_eq!(code(over).to_token(), Problem::unauthorized());
    }
    for passing in [Refused::Away, Refused::TooOften(None), code("something_new")] {
        assert!(!passing.ends_the_sign_in(), "{passing:?}");
        assert_ne!(passing.to_token(), Problem::unauthorized());
    }
}
