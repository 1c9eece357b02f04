use serde_json::{Value, json};

use super::*;

fn with_library(text: &str) -> Prompt {
    Prompt { library: true, ..ask(text) }
}

/// The bodies of all calls so far.
async fn asked(upstream: &Upstream) -> Vec<Value> {
    let recorded = upstream.get("/__emu/requests").await;
    recorded.as_array().unwrap().iter().map(|call| call["body"].clone()).collect()
}

#[tokio::test]
async fn without_a_library_nothing_of_it_is_sent() {
    let upstream = Upstream::start().await;
    let heard = listen(upstream.model().answer(ask("[[emu search=halves say=aGk]]"))).await;
    assert_eq!((&*heard.text, heard.end.outcome), ("hi", Outcome::Finished(FinishReason::Stop)));
    let [body] = &*asked(&upstream).await else { panic!("one call") };
    assert!(body.get("tools").is_none() && body.get("toolConfig").is_none(), "{body}");
    assert_eq!(body["systemInstruction"]["parts"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_call_is_answered_with_the_models_own_turn_before_it() {
    let upstream = Upstream::start().await;
    let mut answer = upstream.model().answer(with_library("[[emu search=halves+and+thirds say=aGk]]"));
    let Some(Event::Calls(calls)) = answer.next().await else { panic!("no call") };
    let [call] = &*calls else { panic!("{calls:?}") };
    assert_eq!((&*call.name, &call.args), (SEARCH_LIBRARY, &json!({"query": "halves and thirds"})));
    let first = answer.usage();
    assert!(first.input_tokens > 0);
    let found = json!({"found": [{"id": "x", "title": "Halves", "excerpt": "One of two."}]});
    answer.found(&[(call.id, found.clone())]);
    let heard = listen(answer).await;
    assert_eq!((&*heard.text, heard.end.outcome), ("hi", Outcome::Finished(FinishReason::Stop)));
    assert!(heard.end.usage.input_tokens > first.input_tokens, "both calls count");
    // That the practice model took it means that the call came back signed, with its id.
    let [one, two] = &*asked(&upstream).await else { panic!("two calls") };
    assert_eq!(one["tools"][0]["functionDeclarations"][0]["name"], SEARCH_LIBRARY);
    assert_eq!(two["tools"], one["tools"]);
    assert_eq!(two["systemInstruction"], one["systemInstruction"]);
    let contents = two["contents"].as_array().unwrap();
    assert_eq!(contents[..1], one["contents"].as_array().unwrap()[..]);
    assert_eq!((&contents[1]["role"], &contents[2]["role"]), (&json!("model"), &json!("user")));
    let called = &contents[1]["parts"][0];
    assert_eq!(called["functionCall"]["args"], json!({"query": "halves and thirds"}));
    let response = &contents[2]["parts"][0]["functionResponse"];
    assert_eq!((&response["id"], &response["response"]), (&called["functionCall"]["id"], &found));
}

#[tokio::test]
async fn after_three_rounds_the_model_has_to_speak() {
    let upstream = Upstream::start().await;
    let heard = listen(upstream.model().answer(with_library("[[emu search=x rounds=9 say=aGk]]"))).await;
    assert_eq!(&*heard.text, "hi");
    let bodies = asked(&upstream).await;
    assert_eq!(bodies.len(), 4);
    let modes = bodies.iter().map(|body| body["toolConfig"]["functionCallingConfig"]["mode"].as_str());
    assert_eq!(modes.collect::<Vec<_>>(), [None, None, None, Some("NONE")]);
}

#[tokio::test]
async fn a_call_that_nobody_answers_ends_with_the_answers_time() {
    let upstream = Upstream::start().await;
    let settings = config::Model { answer_timeout: Duration::from_millis(300), ..settings(&upstream.base) };
    let mut answer = Model::new(&settings).unwrap().answer(with_library("[[emu search=x]]"));
    assert!(matches!(answer.next().await, Some(Event::Calls(_))));
    let Some(Event::End(end)) = answer.next().await else { panic!("no end") };
    assert_eq!(end.outcome, failed(ErrorCode::ModelTimeout));
    // What comes afterwards is nobody's.
    answer.found(&[]);
    assert_eq!(answer.next().await, None);
}
