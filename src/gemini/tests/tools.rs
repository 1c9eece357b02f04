use std::sync::Mutex;

use serde_json::{Value, json};

use super::attachments::{Shelf, turn};
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

/// An endpoint that gives these answers, one after the other, and what it was asked.
async fn endpoint(answers: &'static [&'static str]) -> (String, Arc<Mutex<Vec<Value>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let asked = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&asked);
    let app = axum::Router::new().fallback(async move |body: axum::body::Bytes| {
        let mut heard = heard.lock().unwrap();
        heard.push(serde_json::from_slice(&body).unwrap());
        ([(http::header::CONTENT_TYPE, "text/event-stream")], answers[heard.len() - 1])
    });
    // What is longer than axum's usual limit is a picture.
    let app = app.layer(axum::extract::DefaultBodyLimit::disable());
    tokio::spawn(async move { axum::serve(listener, app).await });
    (base, asked)
}

#[tokio::test]
async fn a_picture_stays_with_the_question_while_the_model_looks_things_up() {
    const CALL: &str = "data: {\"candidates\": [{\"content\": {\"role\": \"model\", \"parts\": [{\"text\": \"One \
        moment.\"}]}}]}\n\ndata: {\"candidates\": [{\"content\": {\"role\": \"model\", \"parts\": [{\"functionCall\": \
        {\"name\": \"search_library\", \"args\": {\"query\": \"}]\\\"\"}}, \"thoughtSignature\": \"c2ln\"}]}, \
        \"finishReason\": \"STOP\"}]}\n\n";
    const WORDS: &str = "data: {\"candidates\": [{\"content\": {\"parts\": [{\"text\": \"hi\"}]}, \"finishReason\": \
        \"STOP\"}]}\n\n";
    let (base, asked) = endpoint(&[CALL, CALL, CALL, WORDS]).await;
    let settings = config::Model { max_output_tokens: Some(100), ..settings(&base) };
    let model = Model::new(&settings).unwrap();
    let mut shelf = Shelf::default();
    let picture = shelf.picture(3 << 20);
    let prompt = Prompt { turns: vec![turn(Speaker::User, "Halves?", &[picture])], ..with_library("") };
    let heard = listen(model.answer_with(prompt, Arc::new(shelf))).await;
    assert_eq!(heard.text, "One moment.One moment.One moment.hi");
    let bodies = asked.lock().unwrap().clone();
    let turns = |at: usize| bodies[at]["contents"].as_array().unwrap().clone();
    assert_eq!((0..4).map(|at| turns(at).len()).collect::<Vec<_>>(), [1, 3, 5, 7]);
    assert!(turns(0)[0]["parts"][2]["inlineData"]["data"].as_str().unwrap().len() == 4 << 20);
    for at in 1..4 {
        assert!(turns(at).starts_with(&turns(at - 1)), "{at}: what was asked before stays as it was");
        assert_eq!(bodies[at]["tools"], bodies[0]["tools"]);
        assert_eq!(bodies[at]["generationConfig"], bodies[0]["generationConfig"]);
    }
    // What it had said by then is its own, in front of its call.
    let said = &turns(3)[5]["parts"];
    assert_eq!((&said[0], &said[1]["thoughtSignature"]), (&json!({"text": "One moment."}), &json!("c2ln")));
    assert_eq!(said[1]["functionCall"]["args"], json!({"query": "}]\""}));
    assert_eq!(bodies[3]["toolConfig"]["functionCallingConfig"]["mode"], "NONE");
}

#[test]
fn what_a_turn_wants_said_back_is_bounded() {
    let part = |bytes: usize| json!({"functionCall": {"name": "x", "args": {"query": "q".repeat(bytes)}}});
    let signed = |bytes: usize| json!({"text": "", "thoughtSignature": "s".repeat(bytes)});
    for (bytes, most) in [(1000, true), (300 << 10, false)] {
        for part in [part(bytes), signed(bytes)] {
            let text = part.to_string();
            let part = serde_json::from_str(&text).unwrap();
            assert_eq!(super::super::tools::Turn::default().keep(&part), most, "{bytes}");
        }
    }
    // Its words are the answer's, which has a bound of its own; many small ones count together.
    let mut turn = super::super::tools::Turn::default();
    let long = json!({"text": "w".repeat(1 << 20)}).to_string();
    assert!(turn.keep(&serde_json::from_str(&long).unwrap()));
    let signed = signed(100 << 10).to_string();
    let kept = (0..3).map(|_| turn.keep(&serde_json::from_str(&signed).unwrap()));
    assert_eq!(kept.collect::<Vec<_>>(), [true, true, false]);
}
