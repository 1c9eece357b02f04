//! The model looks things up in what the student may see, and nothing else.

use serde_json::{Value, json};

use crate::content::{published, written};
use crate::support::model::Call;
use crate::support::school::School;
use crate::support::socket::Socket;

/// A call of the tool, as Gemini makes it.
fn search(args: Value) -> Value {
    json!([{"functionCall": {"id": "fc-1", "name": "search_library", "args": args}, "thoughtSignature": "c2ln"}])
}

/// What the model was told of its first call.
fn told(call: &Call) -> Value {
    let contents = call.request["contents"].as_array().unwrap();
    contents.last().unwrap()["parts"][0]["functionResponse"].clone()
}

fn offers(call: &Call) -> bool {
    call.request["tools"][0]["functionDeclarations"][0]["name"] == "search_library"
}

async fn asking(school: &School) -> Socket {
    let mut socket = school.ada.socket(&school.session).await;
    socket.ask("What is a half?").await;
    socket
}

#[tokio::test(flavor = "multi_thread")]
async fn the_model_looks_it_up_and_answers_with_a_link() {
    let mut school = School::start().await;
    let id = written(&school.tia, published("Halves", "A half is one of two equal parts.", &[&school.class]))
        .await;
    let mut socket = asking(&school).await;
    let call = school.app.model.call().await;
    assert!(offers(&call));
    let instruction = call.request["systemInstruction"]["parts"][1]["text"].as_str().unwrap();
    assert!(instruction.contains("(#/library/"), "{instruction}");
    call.ask(search(json!({"query": "equal halves"}))).await;
    let call = school.app.model.call().await;
    let told = told(&call);
    assert_eq!((&told["id"], &told["name"]), (&json!("fc-1"), &json!("search_library")));
    let link = format!("#/library/{id}");
    let excerpt = "half is one of two equal parts";
    let found = json!({"found": [{"id": id, "title": "Halves", "link": link, "excerpt": excerpt}]});
    assert_eq!(told["response"], found);
    let turn = &call.request["contents"][call.request["contents"].as_array().unwrap().len() - 2];
    assert_eq!(turn["parts"][0]["thoughtSignature"], "c2ln");
    let answer = format!("See [Halves](#/library/{id}).");
    call.answer(&answer).await;
    socket.run_end().await;
    let log = &socket.log;
    assert_eq!(
        log.shape(),
        [
            "RUN_STARTED",
            "TEXT_MESSAGE_START",
            "TEXT_MESSAGE_CONTENT",
            "TEXT_MESSAGE_END",
            "TOOL_CALL_START",
            "TOOL_CALL_ARGS",
            "TOOL_CALL_END",
            "TOOL_CALL_RESULT",
            "TEXT_MESSAGE_START",
            "TEXT_MESSAGE_CONTENT",
            "TEXT_MESSAGE_END",
            "RUN_FINISHED"
        ]
    );
    assert_eq!(log.answer().text, answer);
    let result = log.events.iter().find(|ev| ev["type"] == "TOOL_CALL_RESULT").unwrap();
    assert_eq!(serde_json::from_str::<Value>(result["content"].as_str().unwrap()).unwrap(), found);
    // Both calls are charged.
    let end = log.events.last().unwrap();
    assert_eq!(end["usage"][0]["inputTokens"], 5 + 11, "{end}");
    let kept = school.ada.get(&format!("/sessions/{}/messages", school.session)).await.ok(200);
    assert_eq!(kept["items"][1]["content"], answer.as_str());
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_offered_where_the_student_sees_nothing() {
    let mut school = School::start().await;
    // A draft, another class's, another school's.
    let other = crate::support::school::make_class(&school.root, "8a").await.0;
    written(&school.tia, json!({"title": "Draft", "body": "half", "classes": [school.class]})).await;
    written(&school.root, published("Other class", "half", &[&other])).await;
    written(&school.tom, published("Other school", "half", &[])).await;
    let mut socket = asking(&school).await;
    let call = school.app.model.call().await;
    assert!(call.request.get("tools").is_none(), "{}", call.request);
    assert_eq!(call.request["systemInstruction"]["parts"].as_array().unwrap().len(), 1);
    // A model that calls all the same has said nothing.
    call.ask(search(json!({"query": "half"}))).await;
    let end = socket.run_end().await;
    assert_eq!(end["code"], "model_empty");
}

/// Whatever the model asks, in every run: what comes back is the student's own to read.
#[tokio::test(flavor = "multi_thread")]
async fn a_search_finds_what_the_student_may_see_and_no_word_more() {
    for locked in [true, false] {
        let mut school = School::start().await;
        if !locked {
            school.without_row_level_security().await;
        }
        let other = crate::support::school::make_class(&school.root, "8a").await.0;
        written(&school.tia, json!({"title": "Xylo draft", "body": "xylophone"})).await;
        written(&school.root, published("Xylo class", "xylophone", &[&other])).await;
        written(&school.tom, published("Xylo school", "xylophone", &[])).await;
        written(&school.tia, published("Drums", "drums", &[])).await;
        let mut socket = asking(&school).await;
        let call = school.app.model.call().await;
        assert!(offers(&call));
        let args = |args: Value| json!({"functionCall": {"name": "search_library", "args": args}});
        let other_tool = json!({"functionCall": {"name": "read_files", "args": {"query": "xylophone"}}});
        call.ask(json!([
            args(json!({"query": "xylophone xylo"})),
            args(json!({"query": "xylophone or drums", "subject": "x"})),
            args(json!({"student": school.root.user_id, "query": "xylo"})),
            other_tool,
        ]))
        .await;
        let call = school.app.model.call().await;
        let parts = call.request["contents"].as_array().unwrap().last().unwrap()["parts"].clone();
        let responses: Vec<&Value> =
            parts.as_array().unwrap().iter().map(|part| &part["functionResponse"]["response"]).collect();
        assert_eq!(*responses[0], json!({"found": []}));
        assert_eq!(responses[1]["found"].as_array().unwrap().len(), 1, "{parts}");
        assert_eq!(responses[1]["found"][0]["title"], "Drums");
        assert_eq!(*responses[2], json!({"found": []}));
        assert_eq!(*responses[3], json!({"error": "there is no such tool"}));
        call.answer("Drums.").await;
        socket.run_end().await;
        let told = Value::from(socket.log.events.clone()).to_string();
        assert!(!told.contains("Xylo "), "{told}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_while_the_model_waits_ends_the_run_once() {
    let mut school = School::start().await;
    written(&school.tia, published("Halves", "half", &[])).await;
    let mut socket = asking(&school).await;
    let mut call = school.app.model.call().await;
    call.text("Let me look. ").await;
    socket.answer_so_far("Let me look. ").await;
    call.ask(search(json!({"query": "half"}))).await;
    let mut second = school.app.model.call().await;
    socket.command("stop").await;
    let end = socket.run_end().await;
    assert_eq!(end["result"]["finish_reason"], "stopped");
    second.hung_up().await;
    assert_eq!(socket.log.answer().text, "Let me look. ");
    // The next question is answered as ever.
    socket.ask("And a third?").await;
    school.app.model.call().await.answer("One of three.").await;
    assert_eq!(socket.run_end().await["result"]["finish_reason"], "stop");
}

/// A model that a whisper guides may ask with its words: nobody who reads along is told them.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_guided_model_asks_stays_between_the_two() {
    let mut school = School::start().await;
    written(&school.tia, published("Volcanoes", "volcano", &[])).await;
    let mut tutor = school.tia.socket(&school.session).await;
    let whisper =
        json!({"type": "whisper", "id": crate::support::socket::new_id(), "text": "Lead to volcanoes."});
    tutor.send(whisper).await;
    tutor.control("whispered").await;
    let mut socket = asking(&school).await;
    school.app.model.call().await.ask(search(json!({"query": "volcano"}))).await;
    let call = school.app.model.call().await;
    assert_eq!(told(&call)["response"]["found"][0]["title"], "Volcanoes");
    call.answer("What is under the ground?").await;
    socket.run_end().await;
    let log = Value::from(socket.log.events.clone()).to_string().to_lowercase();
    assert!(log.contains("tool_call_result") && !log.contains("volcano"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_practice_model_shows_it() {
    let school = School::of(crate::support::app::TestApp::builder().practice()).await;
    let id = written(&school.tia, published("Halves", "A half is one of two equal parts.", &[])).await;
    let mut socket = school.ada.socket(&school.session).await;
    socket.ask("Is there something on halves in the library?").await;
    socket.run_end().await;
    let text = &socket.log.answer().text;
    assert!(text.contains(&format!("[Halves](#/library/{id})")), "{text}");
}
