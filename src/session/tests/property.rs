//! The promises under any interleaving.

use proptest::prelude::*;

use crate::gemini::Outcome;
use crate::id::Uuid;
use crate::protocol::{AuthorKind, ErrorCode, FinishReason, Status, Until};
use crate::session::state::ReplyTo;

use super::rig::{CONN, Rig, fold};
use super::tutors::tutor;

#[derive(Debug, Clone)]
enum Step {
    Send,
    Again(usize),
    Edit(usize),
    Regenerate,
    Stop,
    Commit,
    LookBack,
    Fail,
    Text(String),
    End(bool),
    Checkpoint,
    TakeOver(usize),
    HandBack(usize, bool),
    Say(usize),
    SayAgain(usize),
    Correct(usize, usize),
    Whisper(usize, Until),
    Withdraw(usize),
    Hand(bool),
    Claim(usize),
    Leave(usize),
    ShutOut(usize),
    Ring,
    Keep,
    KeepFails,
}

fn tutors_step() -> impl Strategy<Value = Step> {
    let who = || 0usize..2;
    prop_oneof![
        3 => who().prop_map(Step::TakeOver),
        2 => (who(), any::<bool>()).prop_map(|(n, summary)| Step::HandBack(n, summary)),
        4 => who().prop_map(Step::Say),
        1 => (0usize..16).prop_map(Step::SayAgain),
        2 => (who(), 0usize..24).prop_map(|(n, which)| Step::Correct(n, which)),
        2 => (who(), any::<bool>()).prop_map(|(n, next)| {
            Step::Whisper(n, if next { Until::Next } else { Until::Withdrawn })
        }),
        1 => who().prop_map(Step::Withdraw),
        1 => any::<bool>().prop_map(Step::Hand),
        1 => who().prop_map(Step::Claim),
        1 => who().prop_map(Step::Leave),
        1 => who().prop_map(Step::ShutOut),
        2 => Just(Step::Ring),
        4 => Just(Step::Keep),
        1 => Just(Step::KeepFails),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        9 => tutors_step(),
        3 => Just(Step::Send),
        1 => (0usize..8).prop_map(Step::Again),
        1 => (0usize..16).prop_map(Step::Edit),
        1 => Just(Step::Regenerate),
        1 => Just(Step::Stop),
        6 => Just(Step::Commit),
        3 => Just(Step::LookBack),
        1 => Just(Step::Fail),
        4 => "[a-zé\u{1f600}]{1,4}".prop_map(Step::Text),
        2 => any::<bool>().prop_map(Step::End),
        1 => Just(Step::Checkpoint),
    ]
}

proptest! {
    #[test]
    fn any_interleaving_keeps_every_promise(
        said in 0i64..10,
        awake in 1i64..10,
        steps in proptest::collection::vec(step(), 1..160),
    ) {
        let mut rig = Rig::woken(said, awake.min(said));
        let old = rig.sent.clone();
        for step in steps {
            match step {
                Step::Send => {
                    rig.send("question");
                }
                Step::Again(n) => if let Some(&id) = rig.sent.get(n) {
                    rig.send_again(id, "question");
                },
                Step::Edit(n) => if let Some(&id) = rig.sent.get(n) {
                    let edited = rig.edit(id, "better question");
                    rig.sent.push(edited);
                },
                Step::Regenerate => {
                    let id = rig.id();
                    rig.state.regenerate(&mut rig.world, id, ReplyTo::Conn(CONN), Ok(()));
                }
                Step::Stop => {
                    rig.state.stop(&mut rig.world, ReplyTo::Conn(CONN), None);
                }
                Step::TakeOver(n) => rig.take_over(n),
                Step::HandBack(n, summary) => rig.hand_back(n, summary.then_some("summary")),
                Step::Say(n) => {
                    rig.say(n, "I am here");
                }
                Step::SayAgain(n) => if let Some(&id) = rig.sent.get(n) {
                    rig.say_as(0, id, "I am here", None);
                },
                Step::Correct(n, which) => {
                    let mut ids: Vec<Uuid> = rig.world.rows.keys().copied().collect();
                    ids.sort_unstable();
                    if let Some(&id) = ids.get(which) {
                        rig.correct(n, id, "better answer");
                    }
                }
                Step::Whisper(n, until) => {
                    rig.whisper(n, "psst", until);
                }
                Step::Withdraw(n) => {
                    let waiting = rig.state.guidance.ids();
                    let whisper = waiting.first().copied().unwrap_or(Uuid::nil());
                    rig.withdraw(n, whisper);
                }
                Step::Hand(raised) => {
                    rig.state.raise_hand(&mut rig.world, raised, ReplyTo::Conn(CONN), None, Ok(()));
                }
                Step::Claim(n) => {
                    let kay = rig.tutor(n);
                    let _ = rig.state.claim(&mut rig.world, &kay, Ok(()));
                }
                Step::Leave(n) => {
                    rig.state.depart(&mut rig.world, tutor(n).conn);
                }
                Step::ShutOut(n) => rig.state.shut_out(&mut rig.world, tutor(n).person.id),
                Step::Ring => if !rig.world.timers.is_empty() {
                    let timer = rig.world.timers.remove(0);
                    rig.state.rang(&mut rig.world, timer);
                },
                Step::Keep => {
                    rig.keep();
                }
                Step::KeepFails => rig.keep_fails(),
                Step::Commit => {
                    rig.commit();
                }
                Step::LookBack => {
                    rig.look_back();
                }
                Step::Fail => rig.fail(),
                Step::Text(text) => rig.text(&text),
                Step::End(well) => rig.end(match well {
                    true => Outcome::Finished(FinishReason::Stop),
                    false => Outcome::Failed { code: ErrorCode::ModelTruncated, retry_after: None },
                }),
                Step::Checkpoint => rig.state.checkpoint(&mut rig.world),
            }
        }
        rig.settle();
        let texts = fold(&rig.world.events);
        // Accepted means stored, announced once and answered.
        for id in rig.world.accepted().into_iter().filter(|id| !old.contains(id)) {
            prop_assert!(texts.contains_key(&id), "an accepted message was not announced");
        }
        // What was announced is what is stored, byte for byte.
        prop_assert_eq!(texts.len() + old.len(), rig.world.rows.len());
        for (id, text) in &texts {
            prop_assert_eq!(text, &rig.world.rows[id].content);
            prop_assert_ne!(rig.world.rows[id].status, Status::Streaming);
        }
        // What is superseded was named, once.
        let mut named = rig.named();
        named.sort_unstable();
        let mut gone: Vec<Uuid> =
            rig.world.rows.iter().filter(|(_, row)| row.superseded).map(|(id, _)| *id).collect();
        gone.sort_unstable();
        prop_assert_eq!(named, gone);
        // What was edited does not stand, wherever it was when the edit began. (A message whose own
        // commit failed then may have come again behind its edit.)
        for edit in rig.world.rows.values().filter(|row| row.kind == AuthorKind::Student) {
            let edited = edit.edits.and_then(|edited| rig.world.rows.get(&edited));
            let stands = edited.is_some_and(|row| !row.superseded && row.ord < edit.ord);
            prop_assert!(!stands, "{:?} was edited and stands", edit.edits);
        }
        // Nobody but those who watch is told a whisper, and the model alone uses it.
        let public = format!("{:?}{:?}{:?}", rig.world.events, rig.world.controls, rig.whole_snapshot());
        prop_assert!(!public.contains("psst") && !public.contains("summary"), "a whisper is told");
        // What is corrected says so, as PostgreSQL lists it.
        for message in rig.snapshot() {
            let id: Uuid = message["id"].as_str().unwrap().parse().unwrap();
            let listed = rig.world.listed();
            let last = listed.iter().rfind(|(_, row)| row.kind == AuthorKind::Tutor && row.edits == Some(id));
            let by = last.map(|(id, _)| id.to_string());
            prop_assert_eq!(message["corrected_by"].as_str().map(str::to_owned), by);
        }
        // A snapshot is the end of what PostgreSQL lists, and says whether there is more.
        let listed: Vec<String> = rig.world.listed().iter().map(|(id, _)| id.to_string()).collect();
        let shown: Vec<String> = rig.snapshot().iter().map(|m| m["id"].as_str().unwrap().to_owned()).collect();
        prop_assert!(listed.ends_with(&shown), "{:?} is not the end of {:?}", shown, listed);
        prop_assert_eq!(rig.whole_snapshot()["has_more"] == true, listed.len() > shown.len());
    }
}
