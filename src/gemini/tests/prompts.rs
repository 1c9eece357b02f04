use super::*;
use crate::gemini::prompt::{body, contents, estimate, select};

fn turns(said: &[(char, &str)]) -> Vec<Turn> {
    let speaker = |who| if who == 'u' { Speaker::User } else { Speaker::Model };
    said.iter().map(|(who, text)| Turn { speaker: speaker(*who), text: (*text).into() }).collect()
}

fn kept(said: &[(char, &str)], budget: u64) -> Vec<String> {
    select(&turns(said), budget).iter().map(|turn| turn.text.to_string()).collect()
}

#[test]
fn tokens_are_about_right() {
    assert_eq!(estimate(""), 0);
    assert_eq!(estimate("word"), 1);
    assert_eq!(estimate("a longer sentence, with words."), 8);
    assert_eq!(estimate("秋风瑟瑟"), 4);
    assert_eq!(estimate("é"), 1);
}

#[test]
fn the_newest_turns_that_fit_are_kept_and_the_student_speaks_first() {
    let talk = [('u', "one"), ('m', "two"), ('u', "three"), ('m', "four"), ('u', "five")];
    assert_eq!(kept(&talk, 1000), ["one", "two", "three", "four", "five"]);
    // A short turn costs five or six.
    assert_eq!(kept(&talk, 16), ["three", "four", "five"]);
    assert_eq!(kept(&talk, 11), ["five"], "a model's turn may not come first");
    assert_eq!(kept(&talk, 0), ["five"], "the newest goes whatever it costs");
    assert_eq!(kept(&[('m', "hello"), ('u', "hi")], 1000), ["hi"]);
}

#[test]
fn what_google_refuses_is_not_sent() {
    assert_eq!(kept(&[('u', "one"), ('m', " "), ('u', "two"), ('m', "")], 1000), ["one", "two"]);
    assert_eq!(kept(&[('u', "one"), ('m', "half")], 1000), ["one"]);
    assert!(kept(&[('m', "alone")], 1000).is_empty());
    assert!(body(&Prompt::default(), "be kind", 1000, None).is_none());
}

#[test]
fn neighbours_of_one_speaker_are_one_turn() {
    let talk = turns(&[('u', "a"), ('u', "b"), ('m', "c"), ('u', "d")]);
    let merged = contents(&select(&talk, 1000));
    let shape: Vec<_> = merged.iter().map(|content| (content.role, content.parts.len())).collect();
    assert_eq!(shape, [("user", 2), ("model", 1), ("user", 1)]);
}

#[test]
fn the_body_is_what_google_reads() {
    let prompt = Prompt { turns: turns(&[('u', "hi \"you\"")]), ..Prompt::default() };
    let request = body(&prompt, "be kind", 1000, Some(99)).unwrap();
    let json: serde_json::Value = serde_json::from_slice(&request.json).unwrap();
    assert_eq!(
        json,
        serde_json::json!({
            "systemInstruction": { "parts": [{ "text": "be kind" }] },
            "contents": [{ "role": "user", "parts": [{ "text": "hi \"you\"" }] }],
            "generationConfig": { "maxOutputTokens": 99 },
        })
    );
    let without = body(&prompt, "be kind", 1000, None).unwrap();
    assert!(!std::str::from_utf8(&without.json).unwrap().contains("generationConfig"));
}

#[test]
fn an_operator_may_replace_the_instruction() {
    let folder = std::env::temp_dir().join(format!("fynq-{}", crate::id::new()));
    std::fs::create_dir(&folder).unwrap();
    let file = folder.join("tutor.md");
    let with = |file: &std::path::Path| config::Model {
        instruction_file: Some(file.to_owned()),
        ..settings("http://127.0.0.1:9")
    };
    let missing = Model::new(&with(&file)).unwrap_err();
    assert!(format!("{missing:#}").contains("tutor.md"), "{missing:#}");
    std::fs::write(&file, " \n").unwrap();
    assert!(Model::new(&with(&file)).is_err(), "an empty one is a mistake");
    std::fs::write(&file, "Only rhymes.").unwrap();
    assert_eq!(Model::new(&with(&file)).unwrap().shared.instruction, "Only rhymes.");
    std::fs::remove_dir_all(&folder).unwrap();
}
