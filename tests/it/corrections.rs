//! Corrections: both the answer and what replaces it stay, and the model goes on with the replacement.

use serde_json::{Value, json};

use crate::support::lesson::{Lesson, order, say};
use crate::support::socket::new_id;

async fn correct(lesson: &mut Lesson, message: &str, text: &str) -> String {
    let id = order(&mut lesson.tia, "correct", json!({"message": message, "text": text})).await;
    lesson.tia.accepted(&id).await;
    id
}

#[tokio::test(flavor = "multi_thread")]
async fn a_correction_stands_beside_the_answer_and_in_its_place_for_the_model() {
    let mut lesson = Lesson::start().await;
    let (_, answer) = lesson.turn("What is 2 + 3?", "It is 6.").await;
    let id = correct(&mut lesson, &answer, "It is 5.").await;
    let end = lesson.ada.run_end().await;
    assert_eq!(end["result"]["finish_reason"], "tutor");
    let start = lesson.ada.log.events.iter().rfind(|ev| ev["type"] == "TEXT_MESSAGE_START").unwrap();
    assert_eq!(start["metadata"], json!({"fynq": {"author": "tutor", "corrects": answer}}));
    let late = lesson.school.ada.socket(&lesson.school.session).await;
    let shown = late.snapshot.unwrap()["messages"].as_array().unwrap().clone();
    for messages in [shown, lesson.stored().await] {
        let texts: Vec<_> = messages.iter().map(|message| message["content"].clone()).collect();
        assert_eq!(texts, ["What is 2 + 3?", "It is 6.", "It is 5."]);
        assert_eq!((&messages[1]["corrected_by"], &messages[2]["corrects"]), (&json!(id), &json!(answer)));
        assert_eq!(messages[2]["author"]["name"], "tia");
    }
    lesson.ada.ask("And 2 + 4?").await;
    let call = lesson.call().await;
    let turns: Vec<String> = call.turns().into_iter().map(|(_, text)| text).collect();
    assert_eq!(turns, ["What is 2 + 3?", "It is 5.", "And 2 + 4?"]);
    call.answer("6").await;
    lesson.ada.run_end().await;
    // The last one counts, also when the session comes back from the database.
    let last = correct(&mut lesson, &answer, "It is five.").await;
    lesson.ada.run_end().await;
    assert_eq!(lesson.stored().await[1]["corrected_by"], json!(last));
    lesson.school.app.stop().await;
    lesson.school.app.start_again().await;
    let mut ada = lesson.school.ada.at(lesson.school.app.addr).socket(&lesson.school.session).await;
    assert_eq!(ada.snapshot.as_ref().unwrap()["messages"][1]["corrected_by"], json!(last));
    ada.ask("Thanks").await;
    let call = lesson.call().await;
    let asked = call.request.to_string();
    assert!(asked.contains("It is five.") && !asked.contains("It is 6.") && !asked.contains("It is 5."));
    call.answer("So").await;
    ada.run_end().await;
    assert_eq!(lesson.audited("corrected").await, 2);
    lesson
        .until_count("SELECT count(*) FROM tutor_acts WHERE kind = 'corrected' AND message_id IS NOT NULL", 2)
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_an_answer_that_has_ended_and_stands_is_corrected() {
    let mut lesson = Lesson::start().await;
    let (question, answer) = lesson.turn("one", "1").await;
    let said = say(&mut lesson.tia, "Hello").await;
    lesson.ada.run_end().await;
    lesson.ada.command("regenerate").await;
    lesson.call().await.answer("eins").await;
    lesson.ada.run_end().await;
    let other = lesson.school.other_session.clone();
    let elsewhere = lesson.school.eve.socket(&other).await;
    drop(elsewhere);
    let call = lesson.speaking("It is ").await;
    let streaming = lesson.stored().await.last().unwrap()["id"].as_str().unwrap().to_owned();
    let before = lesson.everything().await;
    for target in [question, answer, said, streaming, new_id()] {
        let id = order(&mut lesson.tia, "correct", json!({"message": target, "text": "2"})).await;
        assert_eq!(lesson.tia.refusal(&id).await["code"], "invalid_command", "{target}");
    }
    assert_eq!(lesson.everything().await, before);
    drop(call);
}

/// A correction goes with the answer that it replaces, and stays with one that stays.
#[tokio::test(flavor = "multi_thread")]
async fn a_correction_goes_where_its_answer_goes() {
    let mut lesson = Lesson::start().await;
    let (_, first) = lesson.turn("one", "1").await;
    let (two, second) = lesson.turn("two", "2").await;
    correct(&mut lesson, &first, "uno").await;
    correct(&mut lesson, &second, "due").await;
    for _ in 0..2 {
        lesson.ada.run_end().await;
    }
    lesson.ada.command("regenerate").await;
    let call = lesson.call().await;
    let turns: Vec<String> = call.turns().into_iter().map(|(_, text)| text).collect();
    assert_eq!(turns, ["one", "uno", "two"]);
    call.answer("zwei").await;
    lesson.ada.run_end().await;
    assert_eq!(lesson.contents().await, ["one", "1", "two", "uno", "zwei"]);
    assert!(lesson.stored().await[1]["corrected_by"].is_string());
    // An edit takes all that comes after, the correction of what came before as well: that one stands again.
    let edit = order(&mut lesson.ada, "edit", json!({"message": two, "text": "three"})).await;
    lesson.ada.accepted(&edit).await;
    let call = lesson.call().await;
    let turns: Vec<String> = call.turns().into_iter().map(|(_, text)| text).collect();
    assert_eq!(turns, ["one", "1", "three"]);
    call.answer("3").await;
    lesson.ada.run_end().await;
    let late = lesson.school.ada.socket(&lesson.school.session).await;
    let shown = late.snapshot.unwrap()["messages"].as_array().unwrap().clone();
    assert_eq!(shown[1].get("corrected_by"), None::<&Value>);
    assert_eq!(lesson.stored().await[1].get("corrected_by"), None::<&Value>);
}
