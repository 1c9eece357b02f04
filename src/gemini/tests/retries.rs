use super::*;
use crate::gemini::retry::{Decision, Refusal, Standing, Trouble, decide};
use crate::gemini::transport::read_refusal;

const FIRST: Standing = Standing { calls: 1, attempts: 3, left: Duration::from_secs(180), given: false };

fn refused(status: u16) -> Trouble {
    Trouble::Refused(Refusal { status, ..Refusal::default() })
}

fn asked(seconds: f64) -> Trouble {
    let retry_after = Some(Duration::from_secs_f64(seconds));
    Trouble::Refused(Refusal { status: 429, retry_after, ..Refusal::default() })
}

fn wait(decision: &Decision) -> Option<Duration> {
    match decision {
        Decision::RetryIn(wait) => Some(*wait),
        Decision::Fail { .. } => None,
    }
}

#[test]
fn what_is_tried_again_and_what_it_is_called() {
    use ErrorCode::*;
    let table = [
        (refused(400), false, ModelUnavailable),
        (refused(401), false, ModelUnavailable),
        (refused(403), false, ModelUnavailable),
        (refused(404), false, ModelUnavailable),
        (refused(408), true, ModelTimeout),
        (refused(429), true, ModelRateLimited),
        (refused(499), false, ModelUnavailable),
        (refused(500), true, ModelUnavailable),
        (refused(501), false, ModelUnavailable),
        (refused(502), true, ModelUnavailable),
        (refused(503), true, ModelUnavailable),
        (refused(504), true, ModelTimeout),
        (refused(302), false, ModelBadResponse),
        (Trouble::Connect, true, ModelUnavailable),
        (Trouble::Cut, true, ModelUnavailable),
        (Trouble::Ended, true, ModelTruncated),
        (Trouble::Timeout, false, ModelTimeout),
        (Trouble::Unreadable, false, ModelBadResponse),
    ];
    for (trouble, again, code) in table {
        let decision = decide(&trouble, FIRST, 0.5);
        assert_eq!(wait(&decision).is_some(), again, "{trouble:?}");
        // Never once the student has seen a word, and not beyond the number of calls.
        for last in [Standing { given: true, ..FIRST }, Standing { calls: 3, ..FIRST }] {
            assert!(wait(&decide(&trouble, last, 0.5)).is_none(), "{trouble:?} {last:?}");
        }
        let last = Standing { calls: 3, ..FIRST };
        assert_eq!(decide(&trouble, last, 0.5), Decision::Fail { code, retry_after: None }, "{trouble:?}");
    }
    assert_eq!(Trouble::Cut.code(true), ModelTruncated);
}

#[test]
fn the_wait_is_drawn_from_the_whole_range_and_grows_to_a_cap() {
    let at = |calls, chance| {
        wait(&decide(&refused(503), Standing { calls, attempts: 99, ..FIRST }, chance)).unwrap()
    };
    assert_eq!(at(1, 0.0), Duration::ZERO);
    assert_eq!(at(1, 1.0), Duration::from_millis(500));
    assert_eq!(at(2, 1.0), Duration::from_secs(1));
    assert_eq!(at(4, 0.5), Duration::from_secs(2));
    assert_eq!(at(5, 1.0), Duration::from_secs(8));
    assert_eq!(at(60, 1.0), Duration::from_secs(8));
}

#[test]
fn what_the_model_asks_for_is_waited_for_or_passed_on() {
    assert_eq!(wait(&decide(&asked(2.0), FIRST, 0.0)), Some(Duration::from_secs(2)));
    assert_eq!(wait(&decide(&asked(2.0), FIRST, 1.0)), Some(Duration::from_millis(2400)));
    let told = |seconds: f64| Decision::Fail {
        code: ErrorCode::ModelRateLimited,
        retry_after: Some(Duration::from_secs_f64(seconds)),
    };
    assert_eq!(decide(&asked(34.4), FIRST, 0.0), told(34.4));
    assert_eq!(decide(&asked(9.0), Standing { left: Duration::from_secs(9), ..FIRST }, 0.0), told(9.0));
    assert_eq!(decide(&asked(2.0), Standing { calls: 3, ..FIRST }, 0.0), told(2.0));
    let left = Standing { left: Duration::from_millis(200), ..FIRST };
    assert_eq!(wait(&decide(&refused(503), left, 0.5)), None);
}

fn quota(details: &str) -> Refusal {
    let body = format!(
        "{{\"error\": {{\"code\": 429, \"status\": \"RESOURCE_EXHAUSTED\", \"details\": [{details}]}}}}"
    );
    read_refusal(429, body.as_bytes())
}

#[test]
fn a_quota_of_the_day_is_not_asked_again() {
    let daily = [
        r#"{"violations": [{"quotaId": "GenerateRequestsPerDayPerProjectPerModel-FreeTier"}]}, {"retryDelay": "3s"}"#,
        r#"{"violations": [{"quotaId": "x"}, {"quotaId": "DailyTokens"}]}, {"retryDelay": "3s"}"#,
        r#"{"reason": "RATE_LIMIT_EXCEEDED", "metadata": {"quota_limit": "GenerateContentRequestsPerDayPerProject"}}"#,
    ];
    for details in daily {
        let decision = decide(&Trouble::Refused(quota(details)), FIRST, 0.0);
        let code = ErrorCode::ModelRateLimited;
        assert_eq!(decision, Decision::Fail { code, retry_after: None }, "{details}");
    }
    let minutely =
        r#"{"violations": [{"quotaId": "GenerateRequestsPerMinutePerProject"}]}, {"retryDelay": "1.5s"}"#;
    let refusal = quota(minutely);
    assert_eq!(refusal.retry_after, Some(Duration::from_millis(1500)));
    assert_eq!(wait(&decide(&Trouble::Refused(refusal), FIRST, 0.0)), Some(Duration::from_millis(1500)));
}

#[test]
fn errors_are_read_in_every_dress_and_carry_no_foreign_text() {
    assert_eq!(read_refusal(502, b"<html>Bad Gateway</html>"), Refusal { status: 502, ..Refusal::default() });
    assert_eq!(read_refusal(503, b""), Refusal { status: 503, ..Refusal::default() });
    let wrapped = br#"[{"error": {"code": 400, "message": "key AIza123 bad", "status": "INVALID_ARGUMENT",
        "details": [{"@type": "ErrorInfo", "reason": "API_KEY_INVALID"}]}}]"#;
    let refusal = read_refusal(400, wrapped);
    assert_eq!((refusal.word.as_str(), refusal.reason.as_str()), ("INVALID_ARGUMENT", "API_KEY_INVALID"));
    assert!(!format!("{refusal:?}").contains("AIza"));
    let sly = br#"{"error": {"code": 400, "status": "key AIza123", "details": [{"reason": "AIza 123"}]}}"#;
    assert!(!format!("{:?}", read_refusal(400, sly)).contains("AIza"));
}
