//! Every fault of the practice model, over a real socket.

use super::*;

async fn rehearse(directive: &str) -> (Heard, Upstream) {
    let upstream = Upstream::start().await;
    let answer = upstream.model().answer(ask(&format!("hello [[emu {directive}]]")));
    (listen(answer).await, upstream)
}

/// `FAST` chunks, so that a test waits for nothing.
const FAST: &str = "delay_us=0 chunks=6";

#[tokio::test]
async fn an_answer_without_a_fault() {
    for more in ["", "yield=1", "split=1", "split=7 text=uni", "thoughts=2"] {
        let (heard, upstream) = rehearse(&format!("{FAST} {more}")).await;
        assert_eq!(heard.end.outcome, Outcome::Finished(FinishReason::Stop), "{more}");
        assert_eq!(heard.end.model.as_deref(), Some("practice-1"));
        assert!(!heard.end.usage.estimated && heard.end.usage.output_tokens > 0);
        let chunks = heard.text.matches("~t").count() + heard.thought.matches("~t").count();
        assert_eq!(chunks, 6, "{more}");
        assert_eq!(heard.thought.matches("~t").count(), if more == "thoughts=2" { 2 } else { 0 });
        assert_eq!(upstream.stat("requests").await, 1);
    }
}

#[tokio::test]
async fn faults_and_what_becomes_of_them() {
    use ErrorCode::*;
    // The fault, what the run ends with, and how many calls were made.
    let table: &[(&str, Outcome, u64)] = &[
        ("fault=400", failed(ModelUnavailable), 1),
        ("fault=404", failed(ModelUnavailable), 1),
        ("fault=429day", failed(ModelRateLimited), 1),
        (
            "fault=429 retry_s=0",
            Outcome::Failed { code: ModelRateLimited, retry_after: Some(Duration::ZERO) },
            3,
        ),
        (
            "fault=429 retry_s=31",
            Outcome::Failed { code: ModelRateLimited, retry_after: Some(Duration::from_secs(31)) },
            1,
        ),
        ("fault=500", failed(ModelUnavailable), 3),
        ("fault=503", failed(ModelUnavailable), 3),
        ("fault=html", failed(ModelUnavailable), 3),
        ("fault=503 fail_n=2 key=a", Outcome::Finished(FinishReason::Stop), 3),
        ("fault=safety", failed(ContentBlocked), 1),
        ("fault=block", failed(ContentBlocked), 1),
        ("fault=safety_mid at=3", Outcome::Finished(FinishReason::Safety), 1),
        ("fault=safety_mid at=0", failed(ContentBlocked), 1),
        ("fault=error at=3", failed(ModelUnavailable), 1),
        ("fault=error at=0", failed(ModelUnavailable), 3),
        ("fault=error at=0 fail_n=1 key=b", Outcome::Finished(FinishReason::Stop), 2),
        ("fault=reset at=3 yield=1", failed(ModelTruncated), 1),
        ("fault=reset at=0", failed(ModelUnavailable), 3),
        ("fault=reset at=0 fail_n=1 key=c", Outcome::Finished(FinishReason::Stop), 2),
        ("fault=cut at=3 yield=1", failed(ModelTruncated), 1),
        ("fault=cut at=0", failed(ModelUnavailable), 3),
        ("fault=eof at=3", failed(ModelTruncated), 1),
        ("fault=eof at=0", failed(ModelTruncated), 3),
        ("fault=malformed at=3", failed(ModelBadResponse), 1),
        ("fault=malformed at=0", failed(ModelBadResponse), 1),
        ("fault=bigline at=3", failed(ModelBadResponse), 1),
        ("finish=none", failed(ModelTruncated), 1),
        ("finish=MAX_TOKENS", Outcome::Finished(FinishReason::Length), 1),
        ("finish=SPII", Outcome::Finished(FinishReason::Safety), 1),
        ("finish=SOMETHING_NEW", Outcome::Finished(FinishReason::Other("something_new".into())), 1),
        ("say=", failed(ModelTruncated), 3),
    ];
    for (fault, outcome, calls) in table {
        let (heard, upstream) = rehearse(&format!("{FAST} {fault}")).await;
        assert_eq!(&heard.end.outcome, outcome, "{fault}");
        assert_eq!(upstream.stat("requests").await, *calls, "{fault}");
        if fault.contains("at=3") {
            assert!(heard.text.contains(".000002~"), "what came before stays: {fault}");
            assert!(!heard.text.contains(".000003~"), "{fault}");
        }
    }
}

#[tokio::test]
async fn thoughts_count_as_words_that_the_student_saw() {
    let (heard, upstream) = rehearse(&format!("{FAST} thoughts=2 fault=error at=1")).await;
    assert_eq!(heard.end.outcome, failed(ErrorCode::ModelUnavailable));
    assert!(heard.text.is_empty() && !heard.thought.is_empty());
    assert_eq!(upstream.stat("requests").await, 1);
}

#[tokio::test]
async fn an_exact_text_comes_through_unchanged() {
    // "Grüße, 世界! <b> \ "quoted""
    let (heard, _upstream) =
        rehearse(&format!("{FAST} split=3 say=R3LDvMOfZSwg5LiW55WMISA8Yj4gXCAicXVvdGVkIg")).await;
    assert_eq!(heard.text, "Grüße, 世界! <b> \\ \"quoted\"");
}

#[tokio::test]
async fn a_quota_of_a_minute_is_waited_for() {
    let begun = std::time::Instant::now();
    let (heard, upstream) = rehearse(&format!("{FAST} fault=429 retry_s=1 fail_n=1 key=q")).await;
    assert_eq!(heard.end.outcome, Outcome::Finished(FinishReason::Stop));
    assert_eq!(upstream.stat("requests").await, 2);
    assert!(begun.elapsed() >= Duration::from_secs(1));
}

async fn with_limits(
    directive: &str,
    change: impl FnOnce(&mut config::Model),
) -> (Heard, Upstream, Duration) {
    let upstream = Upstream::start().await;
    let mut settings = settings(&upstream.base);
    change(&mut settings);
    let begun = std::time::Instant::now();
    let heard = listen(Model::new(&settings).unwrap().answer(ask(&format!("[[emu {directive}]]")))).await;
    (heard, upstream, begun.elapsed())
}

const SHORT: Duration = Duration::from_millis(200);

#[tokio::test]
async fn a_model_that_never_begins() {
    for directive in ["fault=hang", "first_us=60000000", "fault=stall at=0"] {
        let (heard, upstream, took) =
            with_limits(directive, |limits| limits.first_byte_timeout = SHORT).await;
        assert_eq!(heard.end.outcome, failed(ErrorCode::ModelTimeout), "{directive}");
        assert!(took >= SHORT && took < Duration::from_secs(3), "{took:?}");
        upstream.until("aborted", 1).await;
        assert_eq!(upstream.stat("requests").await, 1);
    }
}

#[tokio::test]
async fn a_model_that_falls_silent() {
    let (heard, upstream, took) =
        with_limits("delay_us=0 fault=stall at=2", |limits| limits.idle_timeout = SHORT).await;
    assert_eq!(heard.end.outcome, failed(ErrorCode::ModelTimeout));
    assert!(heard.text.contains(".000001~"));
    assert!(took < Duration::from_secs(3), "{took:?}");
    upstream.until("aborted", 1).await;
}

#[tokio::test]
async fn a_model_that_is_slow_but_alive_is_let_be() {
    let idle = |limits: &mut config::Model| limits.idle_timeout = SHORT;
    let (heard, _upstream, took) = with_limits("delay_us=60000 chunks=10", idle).await;
    assert_eq!(heard.end.outcome, Outcome::Finished(FinishReason::Stop));
    assert!(took > 2 * SHORT);
}

#[tokio::test]
async fn the_whole_answer_has_its_time() {
    let whole = |limits: &mut config::Model| limits.answer_timeout = 2 * SHORT;
    for directive in ["delay_us=20000 chunks=1000", "delay_us=0 fault=drip at=2"] {
        let (heard, upstream, took) = with_limits(directive, whole).await;
        assert_eq!(heard.end.outcome, failed(ErrorCode::ModelTimeout), "{directive}");
        assert!(!heard.text.is_empty());
        assert!(took >= 2 * SHORT && took < Duration::from_secs(3), "{took:?}");
        upstream.until("aborted", 1).await;
    }
}

#[tokio::test]
async fn retries_are_within_the_answers_time() {
    let (heard, upstream, took) = with_limits("fault=429 retry_s=5", |limits| {
        limits.answer_timeout = Duration::from_secs(3);
    })
    .await;
    let retry_after = Some(Duration::from_secs(5));
    assert_eq!(heard.end.outcome, Outcome::Failed { code: ErrorCode::ModelRateLimited, retry_after });
    assert!(took < Duration::from_secs(2));
    assert_eq!(upstream.stat("requests").await, 1);
}

#[tokio::test]
async fn dropping_an_answer_closes_the_call_and_keeps_the_count() {
    let upstream = Upstream::start().await;
    let model = upstream.model();
    let mut answer = model.answer(ask("[[emu delay_us=10000 chunks=100000]]"));
    assert_eq!(answer.usage(), Usage::default(), "nothing was sent yet");
    let Some(Event::Text(_)) = answer.next().await else { panic!("words first") };
    let usage = answer.usage();
    assert!(usage.input_tokens > 0 && usage.output_tokens > 0 && !usage.estimated);
    assert_eq!(answer.model(), Some("practice-1"));
    assert_eq!(upstream.stat("active").await, 1);
    drop(answer);
    upstream.until("aborted", 1).await;
    assert_eq!(upstream.stat("active").await, 0);
}

#[tokio::test]
async fn dropping_an_answer_that_has_not_begun_closes_the_call() {
    let upstream = Upstream::start().await;
    let mut answer = upstream.model().answer(ask("[[emu fault=hang]]"));
    let poll = tokio::time::timeout(SHORT, answer.next()).await;
    assert!(poll.is_err());
    upstream.until("active", 1).await;
    drop(answer);
    upstream.until("aborted", 1).await;
}

#[tokio::test]
async fn an_answer_without_end_is_ended() {
    let upstream = Upstream::start().await;
    let heard =
        listen(upstream.model().answer(ask("[[emu delay_us=0 bytes=4000 chunks=100000 text=uni]]"))).await;
    assert_eq!(heard.end.outcome, Outcome::Finished(FinishReason::Length));
    assert!(heard.text.len() <= 16 << 20 && heard.text.len() > 15 << 20);
    upstream.until("aborted", 1).await;
}

#[tokio::test]
async fn what_is_sent_is_the_conversation_and_the_instruction() {
    let upstream = Upstream::start().await;
    let turn = |speaker, text: &str| Turn { speaker, text: text.into(), files: Vec::new() };
    let turns = vec![
        turn(Speaker::User, "Was ist 1/2 + 1/3?"),
        turn(Speaker::Model, "Was meinst du?"),
        turn(Speaker::User, "5/6"),
    ];
    let heard = listen(upstream.model().answer(Prompt { turns, ..Prompt::default() })).await;
    assert_eq!(heard.end.outcome, Outcome::Finished(FinishReason::Stop));
    let sent = upstream.get("/__emu/requests").await;
    assert_eq!(sent[0]["path"], "/v1beta/models/gemini-test:streamGenerateContent");
    let contents = &sent[0]["body"]["contents"];
    assert_eq!(contents[0]["role"], "user");
    assert_eq!(contents[1]["parts"][0]["text"], "Was meinst du?");
    assert_eq!(contents[2]["parts"][0]["text"], "5/6");
    let instruction = sent[0]["body"]["systemInstruction"]["parts"][0]["text"].as_str().unwrap();
    assert!(instruction.contains("tutor"));
}

#[tokio::test]
async fn the_practice_model_knows_guidance_when_it_is_sent_some() {
    let upstream = Upstream::start().await;
    let guided = Prompt { guidance: vec!["Ask for the slope.".into()], ..ask("What is a line?") };
    let heard = listen(upstream.model().answer(guided)).await;
    assert!(heard.text.starts_with("Let me come at this") && !heard.text.contains("slope"), "{}", heard.text);
    let heard = listen(upstream.model().answer(ask("What is a line?"))).await;
    assert!(!heard.text.starts_with("Let me come at this"), "{}", heard.text);
}

#[tokio::test]
async fn nothing_to_answer_is_no_call() {
    let upstream = Upstream::start().await;
    let heard = listen(upstream.model().answer(Prompt::default())).await;
    assert_eq!(heard.end.outcome, failed(ErrorCode::ModelEmpty));
    assert_eq!(upstream.stat("requests").await, 0);
}
