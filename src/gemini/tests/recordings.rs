//! `FYNQ_RECORDINGS` names a folder with recorded answers and an `expected.json`.

use std::path::{Path, PathBuf};

use rand::{Rng as _, SeedableRng as _};
use serde_json::{Value, json};

use super::*;

fn folder() -> PathBuf {
    let default = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/reference/gemini-recordings");
    std::env::var_os("FYNQ_RECORDINGS").map_or(default, PathBuf::from)
}

fn random_cuts(body: &[u8], seed: u64) -> Vec<Bytes> {
    let mut rng = rand::rngs::StdRng::seed_from_u64(seed);
    let mut rest = body;
    let mut packets = Vec::new();
    while !rest.is_empty() {
        let (packet, after) = rest.split_at(rng.random_range(1..=rest.len().min(97)));
        packets.push(Bytes::copy_from_slice(packet));
        rest = after;
    }
    packets
}

#[test]
fn every_recording_says_what_it_should_at_any_split() {
    let folder = folder();
    let Ok(expected) = std::fs::read_to_string(folder.join("expected.json")) else {
        eprintln!("no recordings in {}: set FYNQ_RECORDINGS; nothing was tested", folder.display());
        return;
    };
    let expected: serde_json::Map<String, Value> = serde_json::from_str(&expected).unwrap();
    for (name, expected) in &expected {
        let body = std::fs::read(folder.join(name)).unwrap();
        let status = u16::try_from(expected["http_status"].as_u64().unwrap()).unwrap();
        let whole = read_recording(status, vec![Bytes::from(body.clone())]);
        if status == 200 {
            check_stream(name, &whole, expected)
        } else {
            check_error(name, &whole, expected)
        }
        for size in [1, 2, 3, 7, 64, 1024] {
            assert_eq!(read_recording(status, cut(&body, size)), whole, "{name} in packets of {size}");
        }
        for seed in 0..20 {
            assert_eq!(read_recording(status, random_cuts(&body, seed)), whole, "{name}, seed {seed}");
        }
    }
    eprintln!("{} recordings read", expected.len());
}

fn check_stream(name: &str, heard: &Recording, expected: &Value) {
    let calls = heard.calls.iter().map(|call| {
        let args: Value = serde_json::from_str(&call.args).unwrap();
        let mut json = json!({ "name": call.name, "args": args });
        if let Some(id) = &call.id {
            json["id"] = json!(id);
        }
        json
    });
    let error = heard
        .error
        .as_ref()
        .map(|error| json!({ "code": error.code, "message": error.message, "status": error.status }));
    let said = json!({
        "events": heard.events,
        "text": heard.text,
        "thought_text": heard.thought_text,
        "finish_reasons_seen": heard.finish_reasons,
        "final_finish_reason": heard.finish_reasons.last(),
        "finish_message": heard.finish_message,
        "prompt_block_reason": heard.block_reason,
        "prompt_block_message": heard.block_message,
        "function_calls": calls.collect::<Vec<_>>(),
        "thought_signatures": heard.thought_signatures,
        "other_parts": heard.other_parts,
        "events_without_parts": heard.events_without_parts,
        "last_usage": usage(heard),
        "model_version": heard.model_version,
        "response_id": heard.response_id,
        "in_stream_error": error,
    });
    for (key, said) in said.as_object().unwrap() {
        assert_eq!(said, &expected[key], "{name}: {key}");
    }
    check_outcome(name, heard, expected);
}

fn usage(heard: &Recording) -> Value {
    let mut usage: serde_json::Map<String, Value> =
        heard.counts.iter().map(|(key, count)| ((*key).to_owned(), json!(count))).collect();
    for (key, word) in [("serviceTier", &heard.service_tier), ("trafficType", &heard.traffic_type)] {
        if let Some(word) = word {
            usage.insert(key.to_owned(), json!(word));
        }
    }
    if usage.is_empty() { Value::Null } else { Value::Object(usage) }
}

/// What the student's run makes of it follows from the other fields.
fn check_outcome(name: &str, heard: &Recording, expected: &Value) {
    let has_text = expected["text"] != "";
    let finish = expected["final_finish_reason"].as_str();
    let wanted = if !expected["prompt_block_reason"].is_null() {
        failed(ErrorCode::ContentBlocked)
    } else if let Some(code) = expected["in_stream_error"]["code"].as_u64() {
        match code {
            429 => failed(ErrorCode::ModelRateLimited),
            408 | 504 => failed(ErrorCode::ModelTimeout),
            _ => failed(ErrorCode::ModelUnavailable),
        }
    } else {
        match finish {
            None => failed(ErrorCode::ModelTruncated),
            Some("STOP") if has_text => Outcome::Finished(FinishReason::Stop),
            Some("MAX_TOKENS") if has_text => Outcome::Finished(FinishReason::Length),
            Some("SAFETY" | "RECITATION" | "PROHIBITED_CONTENT" | "BLOCKLIST" | "SPII") => {
                if has_text {
                    Outcome::Finished(FinishReason::Safety)
                } else {
                    failed(ErrorCode::ContentBlocked)
                }
            }
            Some(_) if !has_text => failed(ErrorCode::ModelEmpty),
            // Recordings that are not here yet may have reasons that this test does not know.
            Some(_) => return,
        }
    };
    assert_eq!(heard.outcome.as_ref(), Some(&wanted), "{name}: outcome");
}

fn check_error(name: &str, heard: &Recording, expected: &Value) {
    let error = heard.error.clone().unwrap_or_default();
    let quota_ids: Vec<&str> = error.quota_ids.iter().map(String::as_str).collect();
    let said = json!({
        "error_code": error.code,
        "error_status": error.status,
        "retry_delay": error.retry_delay,
        "quota_ids": quota_ids,
    });
    for (key, said) in said.as_object().unwrap() {
        if let Some(expected) = expected.get(key).filter(|expected| !expected.is_null() || said.is_string()) {
            assert_eq!(said, expected, "{name}: {key}");
        }
    }
}
