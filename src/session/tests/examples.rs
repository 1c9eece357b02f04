//! The promises, one by one.

use crate::clock::Timestamp;
use crate::gemini::{Outcome, Speaker};
use crate::protocol::{FinishReason, MessageRole, Status};
use crate::session::Refused;
use crate::session::state::{ReplyTo, State};
use crate::store::{Op, Patience, Woken, WokenMessage};

use super::rig::{CONN, Rig, World, fold, nothing};

#[test]
fn nothing_is_announced_before_its_commit() {
    let mut rig = Rig::new();
    let id = rig.send("Why is the sky blue?");
    assert!(rig.world.events.is_empty() && rig.world.accepted().is_empty());
    rig.commit();
    assert_eq!(rig.world.accepted(), [id]);
    assert_eq!(
        rig.kinds(),
        ["RUN_STARTED", "TEXT_MESSAGE_START", "TEXT_MESSAGE_CONTENT", "TEXT_MESSAGE_END"]
    );
    rig.text("Because");
    rig.end(Outcome::Finished(FinishReason::Stop));
    assert!(!rig.kinds().contains(&"RUN_FINISHED"));
    assert_eq!(rig.snapshot()[1]["status"], "streaming");
    rig.commit();
    assert!(rig.kinds().ends_with(&["TEXT_MESSAGE_END", "RUN_FINISHED"]));
    assert_eq!(rig.snapshot()[1]["status"], "complete");
}

#[test]
fn a_fifth_waiting_message_is_refused() {
    let mut rig = Rig::new();
    for _ in 0..6 {
        rig.send("again");
    }
    let error = rig.world.controls.iter().find(|c| c["type"] == "error").unwrap();
    assert_eq!(error["code"], "queue_full");
    assert_eq!(error["command_id"], rig.sent[5].to_string());
    rig.settle();
    assert_eq!(rig.world.accepted().len(), 5);
}

#[test]
fn one_id_has_one_effect() {
    let mut rig = Rig::new();
    let again = |rig: &mut Rig, id| rig.send_again(id, "What is 2 + 2?");
    let id = rig.send("What is 2 + 2?");
    again(&mut rig, id);
    rig.commit();
    assert_eq!(rig.world.accepted(), [id, id]);
    again(&mut rig, id);
    rig.settle();
    again(&mut rig, id);
    // Also after it was superseded.
    rig.edit(id, "What is 3 + 3?");
    rig.settle();
    again(&mut rig, id);
    rig.settle();
    assert_eq!(rig.world.accepted().iter().filter(|accepted| **accepted == id).count(), 5);
    assert_eq!(rig.kinds().iter().filter(|kind| **kind == "RUN_STARTED").count(), 2);
}

/// In memory, superseded, or waiting: an id belongs to its kind of command.
#[test]
fn an_edit_is_not_repeated_by_a_send_nor_a_send_by_an_edit() {
    let mut rig = Rig::new();
    let asked = rig.send("one");
    rig.settle();
    let edited = rig.edit(asked, "uno");
    // Its commit is on its way.
    rig.send_again(edited, "uno");
    rig.settle();
    rig.send_again(edited, "uno");
    rig.edit(edited, "due");
    rig.settle();
    rig.send_again(edited, "uno");
    let refused = rig.world.controls.iter().filter(|told| told["type"] == "error");
    let refused: Vec<_> = refused.map(|told| told["command_id"].as_str().unwrap().to_owned()).collect();
    assert_eq!(refused, [edited; 3].map(|id| id.to_string()));
    rig.send_again(asked, "one");
    assert_eq!(rig.world.accepted().iter().filter(|id| **id == asked).count(), 2, "superseded long ago");
}

#[test]
fn an_edit_supersedes_the_message_and_all_after_it() {
    let mut rig = Rig::new();
    let first = rig.send("one");
    rig.settle();
    rig.send("two");
    rig.settle();
    let edited = rig.edit(first, "uno");
    rig.settle();
    let started = rig.world.events.iter().rfind(|event| event["type"] == "RUN_STARTED").unwrap();
    assert_eq!(started["metadata"]["fynq"]["supersedes"].as_array().unwrap().len(), 4);
    let shown = rig.snapshot();
    assert_eq!(shown.len(), 2);
    assert_eq!(shown[0]["id"], edited.to_string());
    assert_eq!(rig.world.prompt.unwrap().turns.len(), 1);
}

#[test]
fn an_edit_reaches_back_beyond_what_is_in_memory() {
    let mut rig = Rig::woken(20, 4);
    let (first, edited) = (rig.sent[0], rig.sent[12]);
    let id = rig.edit(edited, "better");
    rig.commit();
    assert_eq!(rig.world.accepted(), [id], "it is kept before the past is known");
    assert!(rig.world.events.is_empty());
    assert_eq!(rig.snapshot().last().unwrap()["status"], "queued");
    rig.settle();
    assert_eq!(rig.named(), rig.sent[12..20]);
    let shown = rig.whole_snapshot();
    let texts: Vec<_> = shown["messages"].as_array().unwrap().iter().map(|m| m["content"].clone()).collect();
    assert_eq!(texts, ["said 9", "said 10", "said 11", "said 12", "better", ""]);
    assert_eq!(shown["has_more"], true);
    // Back to the very beginning: nothing is left before it.
    rig.edit(first, "anew");
    rig.settle();
    let shown = rig.whole_snapshot();
    assert_eq!((shown["messages"].as_array().unwrap().len(), shown["has_more"] == true), (2, false));
    assert_eq!(rig.world.listed().len(), 2);
}

#[test]
fn an_edit_of_what_is_no_standing_question_is_refused() {
    let mut rig = Rig::woken(20, 4);
    let (question, answer, stranger) = (rig.sent[2], rig.sent[3], rig.id());
    rig.edit(question, "once");
    rig.settle();
    for target in [question, answer, stranger, rig.sent[4]] {
        let events = rig.world.events.len();
        rig.edit(target, "again");
        assert_eq!(rig.world.controls.last().unwrap()["code"], "invalid_command");
        rig.settle();
        assert_eq!(rig.world.events.len(), events);
    }
}

#[test]
fn of_two_edits_of_one_question_the_last_counts_and_of_others_none_is_lost() {
    let mut rig = Rig::woken(6, 6);
    let (before, question) = (rig.sent[2], rig.sent[4]);
    rig.send("busy");
    rig.commit();
    rig.edit(question, "first try");
    rig.edit(question, "second try");
    rig.settle();
    let said = |rig: &Rig| -> Vec<String> {
        let texts = rig.world.listed().into_iter().map(|(_, row)| row.content.clone());
        texts.filter(|text| !text.is_empty()).collect()
    };
    assert_eq!(said(&rig), ["said 1", "said 2", "said 3", "said 4", "second try"]);
    // What the second one meant to replace went with the first: it comes after it.
    let mut rig = Rig { sent: Vec::new(), ..Rig::woken(6, 6) };
    rig.send("busy");
    rig.commit();
    rig.edit(before, "an earlier one");
    rig.edit(question, "a later one");
    rig.settle();
    assert_eq!(said(&rig), ["said 1", "said 2", "an earlier one", "a later one"]);
}

#[test]
fn an_edit_that_looks_back_while_the_server_drains_waits_for_the_next_start() {
    let mut rig = Rig::woken(20, 4);
    let edited = rig.sent[0];
    rig.edit(edited, "better");
    rig.commit();
    rig.send("behind it");
    rig.commit();
    rig.state.hold(&mut rig.world);
    assert!(rig.look_back());
    assert!(rig.world.events.is_empty() && rig.world.commits.is_empty() && rig.state.is_quiet());
    let waiting: Vec<_> = rig.snapshot().iter().filter(|m| m["status"] == "queued").cloned().collect();
    assert_eq!(waiting.len(), 2);
}

#[test]
fn regenerate_answers_the_last_question_again() {
    let mut rig = Rig::new();
    rig.send("one");
    rig.commit();
    rig.text("first answer");
    rig.settle();
    let id = rig.id();
    rig.state.regenerate(&mut rig.world, id, ReplyTo::Conn(CONN), Ok(()));
    rig.state.regenerate(&mut rig.world, id, ReplyTo::Conn(CONN), Ok(()));
    rig.settle();
    let turns = rig.world.prompt.take().unwrap().turns;
    assert_eq!(turns.len(), 1);
    assert_eq!((turns[0].speaker, &*turns[0].text), (Speaker::User, "one"));
    assert_eq!(rig.kinds().iter().filter(|kind| **kind == "RUN_STARTED").count(), 2);
    assert_eq!(rig.snapshot().len(), 2);
}

#[test]
fn a_stop_before_the_first_word_still_leaves_a_message() {
    let mut rig = Rig::new();
    rig.send("one");
    rig.state.stop(&mut rig.world, ReplyTo::Conn(CONN), None);
    rig.settle();
    assert_eq!(rig.snapshot()[1]["status"], "stopped");
    assert!(rig.world.prompt.is_none(), "the model was asked for nothing");
    rig.state.stop(&mut rig.world, ReplyTo::Conn(CONN), None);
    assert_eq!(rig.world.controls.last().unwrap()["code"], "no_active_run");
}

#[test]
fn a_stop_sent_again_spares_the_next_run() {
    let mut rig = Rig::new();
    rig.send("one");
    rig.commit();
    rig.send("two");
    rig.commit();
    let id = rig.id();
    rig.state.stop(&mut rig.world, ReplyTo::Conn(CONN), Some(id));
    rig.commit();
    rig.commit();
    assert!(rig.world.speaking, "the second run");
    rig.state.stop(&mut rig.world, ReplyTo::Conn(CONN), Some(id));
    assert!(rig.world.speaking, "stopped by a command that had its effect");
    assert_eq!(rig.world.remembered, [id], "it is kept for after a restart, once");
    rig.settle();
}

#[test]
fn a_regenerate_sent_again_after_another_one_does_nothing() {
    let mut rig = Rig::new();
    rig.send("one");
    rig.settle();
    let (first, second) = (rig.id(), rig.id());
    for id in [first, second, first, second] {
        rig.state.regenerate(&mut rig.world, id, ReplyTo::Conn(CONN), Ok(()));
        rig.settle();
    }
    assert_eq!(rig.kinds().iter().filter(|kind| **kind == "RUN_STARTED").count(), 3);
}

#[test]
fn a_hand_is_raised_once_per_command_and_not_while_nothing_can_be_kept() {
    let mut rig = Rig::new();
    let away = || Err(Refused::unavailable(std::time::Duration::from_secs(1)));
    let (up, down) = (rig.id(), rig.id());
    let mut raise = |raised, id, storage| {
        rig.state.raise_hand(&mut rig.world, raised, ReplyTo::Conn(CONN), Some(id), storage);
        (rig.state.public(false).hand_raised, rig.world.commits.len())
    };
    assert_eq!(raise(true, up, away()), (false, 0));
    assert_eq!(raise(true, up, Ok(())), (true, 1));
    assert_eq!(raise(false, down, Ok(())), (false, 2));
    assert_eq!(raise(true, up, Ok(())), (false, 2));
    let refused = rig.world.controls.iter().find(|ctl| ctl["type"] == "error").unwrap();
    assert_eq!(
        (&refused["code"], &refused["command_id"]),
        (&"storage_unavailable".into(), &up.to_string().into())
    );
}

/// Its task went away in mid-run and its row stayed: a deletion that failed half-way, say.
#[test]
fn an_answer_that_nobody_ends_is_ended_by_whoever_wakes_the_session() {
    let mut rig = Rig::new();
    let id = rig.send("one");
    rig.commit();
    let answer = rig.state.message_of(id).unwrap().run_id;
    let run = rig.id();
    let mut open =
        rig.state.message(run, answer, MessageRole::Assistant, "so f".into(), Timestamp::UNIX_EPOCH);
    open.status = Status::Streaming;
    let messages = vec![WokenMessage { message: open, ord: 1, edits: None }];
    let woken = Woken { last_ord: 1, messages, ..nothing() };
    let mut rig = Rig {
        state: State::new(woken, Timestamp::UNIX_EPOCH),
        world: World::default(),
        ids: 200,
        sent: Vec::new(),
    };
    rig.state.resume(&mut rig.world);
    let shown = &rig.snapshot()[0];
    assert_eq!((&shown["status"], &shown["error"]), (&"interrupted".into(), &"interrupted".into()));
    let [(_, ops, Patience::Insist)] = &rig.world.commits[..] else { panic!("nothing is written") };
    let [Op::Update(state)] = &ops[..] else { panic!("{ops:?}") };
    assert_eq!((&*state.content, state.status), ("so f", Status::Interrupted));
}

#[test]
fn what_could_not_be_saved_never_happened() {
    let mut rig = Rig::new();
    rig.send("one");
    rig.fail();
    assert_eq!(rig.world.controls.last().unwrap()["code"], "storage_unavailable");
    assert!(rig.world.events.is_empty() && rig.state.is_quiet());
    rig.send("two");
    rig.settle();
    assert_eq!(rig.snapshot().len(), 2);
}

#[test]
fn draining_lets_the_run_finish_and_begins_nothing() {
    let mut rig = Rig::new();
    rig.send("one");
    rig.send("two");
    rig.commit();
    rig.commit();
    let again = rig.id();
    rig.state.regenerate(&mut rig.world, again, ReplyTo::Conn(CONN), Ok(()));
    rig.state.hold(&mut rig.world);
    let refused = rig.world.controls.last().unwrap();
    assert_eq!((&refused["code"], &refused["command_id"]), (&"draining".into(), &again.to_string().into()));
    rig.text("word");
    rig.send("three");
    assert_eq!(rig.world.controls.last().unwrap()["code"], "draining");
    rig.state.interrupt(&mut rig.world);
    rig.settle();
    let statuses: Vec<_> = rig.snapshot().iter().map(|m| m["status"].as_str().unwrap().to_owned()).collect();
    assert_eq!(statuses, ["complete", "interrupted", "queued"]);
}

#[test]
fn thinking_comes_before_the_message_and_is_closed() {
    let mut rig = Rig::new();
    rig.send("one");
    rig.commit();
    rig.state.thought(&mut rig.world, "hm");
    rig.state.thought(&mut rig.world, "hm!");
    rig.text("So:");
    rig.settle();
    fold(&rig.world.events);
    let reasoning = rig.kinds().iter().filter(|kind| kind.starts_with("REASONING_")).count();
    assert_eq!(reasoning, 6);
}
