//! Any split of the bytes gives the same events; nothing that comes over the wire does harm.

use proptest::prelude::*;

use super::*;
use crate::gemini::sse::{Frames, MAX_EVENT, SseError};

fn event(text: &str, finish: Option<&str>) -> String {
    let mut candidate = serde_json::json!({ "content": { "parts": [{ "text": text }], "role": "model" } });
    if let Some(finish) = finish {
        candidate["finishReason"] = finish.into();
    }
    serde_json::json!({ "candidates": [candidate] }).to_string()
}

fn whole(body: &str) -> Recording {
    read_recording(200, vec![Bytes::copy_from_slice(body.as_bytes())])
}

/// The same, cut everywhere at once and in halves at every place.
fn at_any_split(body: &str) -> Recording {
    let wanted = whole(body);
    assert_eq!(read_recording(200, cut(body.as_bytes(), 1)), wanted, "byte by byte: {body:?}");
    for at in 0..=body.len() {
        let (one, two) = body.as_bytes().split_at(at);
        let packets = vec![Bytes::copy_from_slice(one), Bytes::copy_from_slice(two)];
        assert_eq!(read_recording(200, packets), wanted, "cut at {at}: {body:?}");
    }
    wanted
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn any_split_gives_the_same_events(
        texts in prop::collection::vec("[a-zé香👍\\\\\" \n\r\u{0}]{0,12}", 1..6),
        line_end in prop::sample::select(vec!["\r\n", "\n", "\r"]),
        keep in 0.0..1.0f64,
        is_cut in any::<bool>(),
        cuts in prop::collection::vec(1usize..40, 1..80),
        noise in prop::sample::select(vec!["", ": beat", "id: 7", "{\"error\": {\"code\": 503}}", "who: knows"]),
    ) {
        let mut body = String::new();
        for (at, text) in texts.iter().enumerate() {
            let finish = (at + 1 == texts.len()).then_some("STOP");
            body += &format!("data: {}{line_end}{line_end}", event(text, finish));
            if at == 1 {
                body += &format!("{noise}{line_end}");
            }
        }
        let mut bytes = body.into_bytes();
        if is_cut {
            bytes.truncate((bytes.len() as f64 * keep) as usize);
        }
        let wanted = read_recording(200, vec![Bytes::from(bytes.clone())]);
        let mut packets = Vec::new();
        let mut rest = &bytes[..];
        for size in cuts.iter().cycle() {
            if rest.is_empty() { break }
            let (packet, after) = rest.split_at((*size).min(rest.len()));
            packets.push(Bytes::copy_from_slice(packet));
            rest = after;
        }
        prop_assert_eq!(read_recording(200, packets), wanted);
    }

    #[test]
    fn no_bytes_do_harm(bytes in prop::collection::vec(any::<u8>(), 0..300), size in 1usize..50) {
        let wanted = read_recording(200, vec![Bytes::from(bytes.clone())]);
        prop_assert_eq!(read_recording(200, cut(&bytes, size)).outcome, wanted.outcome);
    }
}

#[test]
fn a_stream_cut_short_is_never_finished() {
    let body = format!("data: {}\r\n\r\ndata: {}\r\n\r\n", event("one ", None), event("two", Some("STOP")));
    // The closing brace of the last event is what makes it whole.
    for keep in 0..=body.len() - "}\r\n\r\n".len() {
        let heard = read_recording(200, vec![Bytes::copy_from_slice(&body.as_bytes()[..keep])]);
        assert_eq!(heard.outcome, Some(failed(ErrorCode::ModelTruncated)), "{keep} bytes");
    }
}

#[test]
fn line_ends_marks_and_comments() {
    for line_end in ["\r\n", "\n", "\r"] {
        let body = format!(
            "\u{feff}: hello{line_end}data:{}{line_end}{line_end}event: message{line_end}id: 3{line_end}retry: 5{line_end}data: {}",
            event("A", None),
            event("é", Some("STOP"))
        );
        let heard = at_any_split(&body);
        assert_eq!((heard.text.as_str(), heard.outcome), ("Aé", Some(Outcome::Finished(FinishReason::Stop))));
    }
}

#[test]
fn an_event_may_have_several_lines() {
    let body = "data: {\"candidates\": [{\"content\": {\"parts\":\ndata: [{\"text\": \"hi\"}]},\ndata: \"finishReason\": \"STOP\"}]}\n\n";
    assert_eq!(at_any_split(body).text, "hi");
}

#[test]
fn a_bare_error_is_an_error_in_every_dress() {
    let pretty = "{\r\n  \"error\": {\r\n    \"code\": 429,\r\n    \"message\": \"no } or \\\" here\",\r\n    \"status\": \"RESOURCE_EXHAUSTED\"\r\n  }\r\n}";
    let words = format!("data: {}\n\n", event("so", Some("STOP")));
    for error in
        [pretty.to_owned(), format!("[{pretty}]"), format!("[{pretty}\r\n]\r\n"), pretty.replace("\r\n", " ")]
    {
        for before in ["", words.as_str()] {
            let heard = at_any_split(&format!("{before}{error}"));
            assert_eq!(heard.outcome, Some(failed(ErrorCode::ModelRateLimited)), "{error}");
            assert_eq!(heard.error.map(|error| error.code), Some(429));
        }
    }
    let after = at_any_split(&format!("{words}{pretty}\n{words}"));
    assert_eq!(after.outcome, Some(failed(ErrorCode::ModelRateLimited)));
}

#[test]
fn a_json_array_instead_of_events_is_read_too() {
    let body = format!("[{},\r\n{}]", event("a", None), event("b", Some("STOP")));
    let heard = at_any_split(&body);
    assert_eq!((heard.text.as_str(), heard.outcome), ("ab", Some(Outcome::Finished(FinishReason::Stop))));
}

#[test]
fn what_is_no_answer_is_said_to_be_none() {
    let bad = Some(failed(ErrorCode::ModelBadResponse));
    assert_eq!(at_any_split("<html><body>Sign in</body></html>").outcome, bad);
    assert_eq!(at_any_split("<html>\n<body>\n</html>\n").outcome, bad);
    assert_eq!(at_any_split("data: nonsense\n\n").outcome, bad);
    assert_eq!(at_any_split("data: {\"candidates\": [\n\ndata: {}\n\n").outcome, bad);
    let truncated = Some(failed(ErrorCode::ModelTruncated));
    assert_eq!(at_any_split("").outcome, truncated);
    assert_eq!(at_any_split("data: {\"candidates\": [").outcome, truncated);
    for line_end in ["\n", "\r\n", "\r"] {
        assert_eq!(at_any_split(&format!("data: {{\"candidates\": [{line_end}")).outcome, truncated);
    }
    assert_eq!(at_any_split("{\"error\": {").outcome, truncated);
}

#[test]
fn unknown_words_survive() {
    let body = format!("data: {}\n\n", event("so far", Some("CONTINUATION")));
    assert_eq!(whole(&body).outcome, Some(Outcome::Finished(FinishReason::Other("continuation".into()))));
    let odd = "data: {\"candidates\":[{\"content\":{\"parts\":[{\"hologram\":{\"a\":[1]}},{\"text\":null},{\"text\":\"x\"}],\"role\":7},\
               \"finishReason\":\"STOP\",\"index\":0,\"new\":{}}],\"usageMetadata\":{\"promptTokenCount\":\"12\",\"totalTokenCount\":1.5e1,\
               \"thoughtsTokenCount\":null,\"candidatesTokenCount\":-4},\"later\":true}\n\n";
    let heard = whole(odd);
    assert_eq!((heard.text.as_str(), heard.other_parts.as_slice()), ("x", &["hologram".to_owned()][..]));
    assert_eq!(heard.counts, [("promptTokenCount", 12), ("totalTokenCount", 15)]);
}

#[test]
fn the_last_finish_reason_counts_and_calls_alone_are_no_answer() {
    let body = format!("data: {}\n\ndata: {}\n\n", event("a", Some("STOP")), event("b", Some("MAX_TOKENS")));
    assert_eq!(whole(&body).outcome, Some(Outcome::Finished(FinishReason::Length)));
    let call = "data: {\"candidates\":[{\"content\":{\"parts\":[{\"functionCall\":{\"name\":\"f\",\"args\":{\"a\":1}}}]},\"finishReason\":\"STOP\"}]}\n\n";
    let heard = whole(call);
    assert_eq!(heard.outcome, Some(failed(ErrorCode::ModelEmpty)));
    assert_eq!(heard.calls, [Call { id: None, name: "f".into(), args: "{\"a\":1}".into() }]);
}

#[test]
fn a_nul_becomes_a_character_that_postgresql_keeps() {
    let body = format!("data: {}\n\n", event("a\0b", Some("STOP")));
    assert_eq!(whole(&body).text, "a\u{fffd}b");
}

#[test]
fn bytes_that_are_no_text_cost_only_themselves() {
    let mut body = format!("data: {}\n\n", event("a?b", Some("STOP"))).into_bytes();
    let at = body.iter().position(|byte| *byte == b'?').unwrap();
    body[at] = 0xff;
    for size in [1, 1000] {
        assert_eq!(read_recording(200, cut(&body, size)).text, "a\u{fffd}b");
    }
}

/// A server that says what is wrong and then holds the line is not waited for.
#[test]
fn a_bare_error_is_heard_when_it_is_whole() {
    use futures_util::FutureExt as _;
    let body = Bytes::from_static(b"{\n  \"error\": {\n    \"code\": 503\n  }\n}\n");
    let said = futures_util::stream::iter([Ok::<_, std::convert::Infallible>(body)]);
    let mut frames = Frames::new(said.chain(futures_util::stream::pending()));
    let frame = frames.next().now_or_never().flatten().unwrap().unwrap();
    assert!(frame.data.contains("503"));
}

fn first_error(packets: Vec<Bytes>) -> Option<SseError<std::convert::Infallible>> {
    use futures_util::FutureExt as _;
    let mut frames = Frames::new(futures_util::stream::iter(packets.into_iter().map(Ok)));
    loop {
        match frames.next().now_or_never().unwrap() {
            None => return None,
            Some(Ok(_)) => {}
            Some(Err(error)) => return Some(error),
        }
    }
}

#[test]
fn an_event_has_a_bound() {
    let long = format!("data: {}", "x".repeat(MAX_EVENT));
    let many = "data: x\n".repeat(MAX_EVENT / 7);
    let bare = format!("{{\n{}", "\"a\": 1,\n".repeat(MAX_EVENT / 7));
    for body in [long, many, bare] {
        for size in [4096, 3_000_000] {
            let error = first_error(cut(body.as_bytes(), size));
            assert!(matches!(error, Some(SseError::TooLong)), "{size}: {error:?}");
        }
    }
    let fits = format!("data: {}\n\n", "x".repeat(MAX_EVENT - 100)).repeat(3);
    assert!(first_error(cut(fits.as_bytes(), 4096)).is_none());
}

/// Lines that grow packet by packet are not read again and again: this would take minutes.
#[test]
fn a_long_line_in_small_packets_costs_no_more_than_its_length() {
    let body = format!("data: {}\n\n", event(&"y".repeat(1_000_000), Some("STOP")));
    let begun = std::time::Instant::now();
    assert_eq!(read_recording(200, cut(body.as_bytes(), 16)).text.len(), 1_000_000);
    assert!(begun.elapsed() < Duration::from_secs(10));
}
