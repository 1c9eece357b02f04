//! The practice model as a plain HTTP client sees it.

use std::time::Instant;

use super::*;

async fn start(options: Options) -> (String, tokio::task::JoinHandle<io::Result<()>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    (base, tokio::spawn(serve(listener, options)))
}

fn client(http2: bool) -> reqwest::Client {
    let builder = reqwest::Client::builder().no_proxy();
    if http2 { builder.http2_prior_knowledge() } else { builder.http1_only() }.build().unwrap()
}

fn body(text: &str) -> String {
    serde_json::json!({ "contents": [{ "role": "user", "parts": [{ "text": text }] }] }).to_string()
}

async fn post(client: &reqwest::Client, url: String, body: String) -> reqwest::Response {
    client.post(url).header("content-type", "application/json").body(body).send().await.unwrap()
}

#[tokio::test]
async fn both_versions_of_http_and_both_framings() {
    let (base, serving) = start(Options { hurry: true, ..Options::default() }).await;
    for http2 in [false, true] {
        let client = client(http2);
        let url = format!("{base}/v1beta/models/gemini-x:streamGenerateContent");
        let sse = post(&client, format!("{url}?alt=sse"), body("hi [[emu chunks=3 delay_us=0]]")).await;
        let is_http2 = sse.version() == reqwest::Version::HTTP_2;
        assert_eq!((sse.status().as_u16(), is_http2), (200, http2));
        assert_eq!(sse.headers()["content-type"], "text/event-stream");
        let text = sse.text().await.unwrap();
        assert_eq!(text.matches("data: {").count(), 3);
        assert!(text.ends_with("\r\n\r\n") && text.contains("\"finishReason\":\"STOP\""), "{text}");
        let array = post(&client, url, body("hi [[emu chunks=3 delay_us=0]]")).await.text().await.unwrap();
        let array: Vec<serde_json::Value> = serde_json::from_str(&array).unwrap();
        assert_eq!(array.len(), 3);
        assert_eq!(array[2]["modelVersion"], MODEL_VERSION);
    }
    serving.abort();
}

#[tokio::test]
async fn the_other_methods_and_what_is_refused() {
    let (base, serving) = start(Options { hurry: true, ..Options::default() }).await;
    let client = client(false);
    let url = |method: &str| format!("{base}/v1beta/models/m:{method}");
    let whole: serde_json::Value =
        post(&client, url("generateContent"), body("hi")).await.json().await.unwrap();
    assert!(
        whole["candidates"][0]["content"]["parts"][0]["text"].as_str().unwrap().contains("practice tutor")
    );
    let tokens: serde_json::Value = post(&client, url("countTokens"), body("hi")).await.json().await.unwrap();
    assert!(tokens["totalTokens"].as_u64().unwrap() > 0);
    let model_last = r#"{"contents":[{"role":"model","parts":[{"text":"a"}]}]}"#;
    for (method, body, status) in [
        ("streamGenerateContent", "{", 400),
        ("streamGenerateContent", "{}", 400),
        ("streamGenerateContent", r#"{"contents":[{"role":"user","parts":[]}]}"#, 400),
        ("streamGenerateContent", r#"{"contents":[{"role":"tutor","parts":[{"text":"a"}]}]}"#, 400),
        ("streamGenerateContent", model_last, 400),
        ("fly", &self::body("hi"), 404),
    ] {
        let response = post(&client, url(method), body.to_owned()).await;
        assert_eq!(response.status().as_u16(), status, "{method} {body}");
        let error: serde_json::Value = response.json().await.unwrap();
        assert_eq!(error["error"]["code"], status);
    }
    serving.abort();
}

#[tokio::test]
async fn directives_come_from_the_start_the_header_and_the_last_words() {
    let options = Options { default: "chunks=2 delay_us=0".into(), ..Options::default() };
    let (base, serving) = start(options).await;
    let client = client(false);
    let url = format!("{base}/v1beta/models/m:streamGenerateContent?alt=sse");
    let count = async |header: Option<&str>, contents: serde_json::Value| {
        let mut request = client.post(&url).body(serde_json::json!({ "contents": contents }).to_string());
        if let Some(header) = header {
            request = request.header("x-emu", header);
        }
        request.send().await.unwrap().text().await.unwrap().matches("data: ").count()
    };
    let user = |text: &str| serde_json::json!({ "role": "user", "parts": [{ "text": text }] });
    assert_eq!(count(None, serde_json::json!([user("a")])).await, 2);
    assert_eq!(count(Some("chunks=3"), serde_json::json!([user("a")])).await, 3);
    assert_eq!(
        count(Some("chunks=3"), serde_json::json!([user("[[emu chunks=9]] [[emu chunks=4]]")])).await,
        4
    );
    let model = serde_json::json!({ "role": "model", "parts": [{ "text": "b" }] });
    let earlier = serde_json::json!([user("[[emu chunks=9]]"), model, user("c")]);
    assert_eq!(count(None, earlier).await, 2, "what was said for an earlier turn is over");
    serving.abort();
}

#[tokio::test]
async fn that_it_was_guided_shows_and_by_what_does_not() {
    let (base, serving) = start(Options { hurry: true, ..Options::default() }).await;
    let client = client(false);
    let answer = async |words: &str, beside: Option<&str>| {
        let parts: Vec<_> = ["be kind"].into_iter().chain(beside).collect();
        let parts: Vec<_> = parts.iter().map(|text| serde_json::json!({ "text": text })).collect();
        let body = serde_json::json!({
            "systemInstruction": { "parts": parts },
            "contents": [{ "role": "user", "parts": [{ "text": words }] }],
        });
        let url = format!("{base}/v1beta/models/m:generateContent");
        let whole: serde_json::Value = post(&client, url, body.to_string()).await.json().await.unwrap();
        whole["candidates"][0]["content"]["parts"][0]["text"].as_str().unwrap().to_owned()
    };
    let guidance = "Guidance from the human tutor of this student. Follow it.\n[\"Ask for the slope.\"]";
    assert!(!answer("hi", None).await.starts_with("Let me come"));
    assert!(!answer("hi", Some("Of the turns …")).await.starts_with("Let me come"));
    let told = answer("hi", Some(guidance)).await;
    assert!(told.starts_with("Let me come at this") && !told.contains("slope"), "{told}");
    let filler = answer("[[emu chunks=2 delay_us=0 guided=1]]", Some(guidance)).await;
    assert!(filler.starts_with("~guided~ ~t"), "{filler}");
    assert!(!answer("[[emu chunks=2 delay_us=0]]", Some(guidance)).await.contains("guided"));
    assert!(!answer("[[emu chunks=2 delay_us=0 guided=1]]", None).await.contains("guided"));
    serving.abort();
}

#[tokio::test]
async fn a_reset_is_a_reset_and_a_cut_is_a_cut() {
    let (base, serving) = start(Options::default()).await;
    let client = client(false);
    let url = format!("{base}/v1beta/models/m:streamGenerateContent?alt=sse");
    for (fault, is_reset) in [("reset", true), ("cut", false)] {
        let words = body(&format!("[[emu chunks=9 delay_us=20000 at=3 fault={fault}]]"));
        let mut response = post(&client, url.clone(), words).await;
        let error = loop {
            match response.chunk().await {
                Ok(chunk) => assert!(chunk.is_some(), "an orderly end"),
                Err(error) => break format!("{error:?}"),
            }
        };
        assert_eq!(error.contains("ConnectionReset"), is_reset, "{fault}: {error}");
    }
    serving.abort();
}

#[tokio::test]
async fn the_tutor_speaks_at_a_models_pace() {
    let (base, serving) = start(Options::default()).await;
    let url = format!("{base}/v1beta/models/m:streamGenerateContent?alt=sse");
    let begun = Instant::now();
    let mut response = post(&client(false), url, body("hi")).await;
    let first = response.chunk().await.unwrap();
    assert!(first.is_some());
    let first = begun.elapsed();
    assert!(first >= Duration::from_millis(250) && first < Duration::from_secs(2), "{first:?}");
    let mut events = 1;
    while response.chunk().await.unwrap().is_some() {
        events += 1;
    }
    assert!(events > 10, "{events}");
    assert!(begun.elapsed() > Duration::from_secs(1));
    serving.abort();
}

#[test]
fn directives_are_read_leniently() {
    let mut directive = Directive::default();
    directive.apply("chunks=5, bytes=x unknown=1 say=w6k fault=503 nonsense");
    assert_eq!((directive.chunks, directive.bytes, directive.say.as_deref()), (Some(5), 0, Some("é")));
    assert_eq!(directive.fault, "503");
    assert_eq!(directive::strip("a [[emu chunks=1]] b [[emu x"), "a  b [[emu x");
    assert_eq!(directive::find("[[emu a=1]] [[emu b=2]] "), Some("b=2"));
}
