//! What the doors ask for.

use fynq::id;
use fynq::protocol::{AuthorKind, Status};
use fynq::store::{
    Listed, MessagesFrom, NewMessage, NewSession, Op, Patience, SessionChange, SessionsOf, WAITING,
};
use tokio_postgres::types::Type;

use super::{Fixture, add_student, answer, question};

#[tokio::test]
async fn sessions_are_listed_searched_and_paged() {
    let f = Fixture::new().await;
    let titles = ["Slope of a line", "Photosynthesis", "50% off", "STEILHEIT ÜBEN", "500 words"];
    let mut ids = Vec::new();
    for title in titles {
        let new = NewSession { student_id: f.student, title: Some(title), subject: Some("School") };
        ids.push(f.store.create_session(new).await.unwrap().id);
    }
    let other = add_student(&f.sql).await;
    let foreign = super::new_session(&f.store, other).await;

    let mine = SessionsOf::Nobody;
    let mut seen = Vec::new();
    let mut after = None;
    loop {
        let page = f.store.list_sessions(f.student, mine, None, after, 2).await.unwrap();
        assert!(page.items.len() <= 2);
        seen.extend(page.items.iter().map(|session| session.id));
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    ids.reverse();
    assert_eq!(seen, ids, "the newest first, each once");

    let found = async |search: &str| {
        let page = f.store.list_sessions(f.student, mine, Some(search), None, 10).await.unwrap();
        page.items.into_iter().filter_map(|session| session.title).collect::<Vec<_>>()
    };
    assert_eq!(found("slope").await, ["Slope of a line"]);
    assert_eq!(found("50%").await, ["50% off"]);
    assert_eq!(found("üben").await, ["STEILHEIT ÜBEN"]);
    assert_eq!(found("school").await.len(), 5);
    // Whatever is asked for: the database shows a student no other's.
    let org = f.sql.query_typed_one("SELECT org_id FROM users LIMIT 1", &[]).await.unwrap().get(0);
    let all = f.store.list_sessions(f.student, SessionsOf::Organisation(org), None, None, 10).await.unwrap();
    assert_eq!(all.items.len(), 5);
    assert!(all.items.iter().all(|session| session.id != foreign));
}

/// Sessions named by a letter, the first one touched longest ago.
async fn lettered(f: &Fixture, letters: &str) {
    for letter in letters.chars() {
        let title = letter.to_string();
        let new = NewSession { student_id: f.student, title: Some(&title), subject: None };
        f.store.create_session(new).await.unwrap();
    }
}

/// Somebody speaks in these, one after another.
async fn touch(f: &Fixture, letters: &str) {
    for letter in letters.chars() {
        let sql = "UPDATE sessions SET updated_at = greatest(clock_timestamp(), \
                   (SELECT max(updated_at) FROM sessions) + interval '1 us') WHERE title = $1";
        f.sql.execute_typed(sql, &[(&letter.to_string(), Type::TEXT)]).await.unwrap();
    }
}

/// The next page's letters.
async fn page_of(f: &Fixture, after: &mut Option<Listed>, limit: usize) -> String {
    let page = f.store.list_sessions(f.student, SessionsOf::Nobody, None, *after, limit).await.unwrap();
    assert!(page.items.len() <= limit);
    *after = page.next;
    page.items.into_iter().filter_map(|session| session.title).collect()
}

#[tokio::test]
async fn a_session_that_is_touched_while_the_list_is_paged_is_not_missed() {
    let f = Fixture::new().await;
    lettered(&f, "abcdefg").await;
    let mut after = None;
    assert_eq!(page_of(&f, &mut after, 3).await, "gfe");
    // Not listed yet, listed already, and new: the pages go on as before and end with these.
    touch(&f, "bf").await;
    lettered(&f, "h").await;
    assert_eq!(page_of(&f, &mut after, 3).await, "dca", "and this page is full");
    assert_eq!(page_of(&f, &mut after, 2).await, "bf");
    // Touched again before it came.
    touch(&f, "bh").await;
    assert_eq!(page_of(&f, &mut after, 2).await, "bh");
    assert_eq!(after, None);

    // On one page with the last ones that stayed in their places.
    assert_eq!(page_of(&f, &mut after, 5).await, "hbfge");
    touch(&f, "a").await;
    assert_eq!(page_of(&f, &mut after, 5).await, "dca");
    assert_eq!(after, None);
    // With nobody speaking each comes once, and there is no empty page at the end.
    assert_eq!(page_of(&f, &mut after, 4).await, "ahbf");
    assert_eq!(page_of(&f, &mut after, 4).await, "gedc");
    assert_eq!(after, None);
}

#[tokio::test]
async fn whoever_speaks_while_the_list_is_paged_every_session_comes() {
    let f = Fixture::new().await;
    let all = "abcdefghijklmno";
    lettered(&f, all).await;
    let mut chance = 1_u32;
    let mut dice = move |sides: u32| {
        chance = chance.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (chance >> 16) % sides
    };
    for _ in 0..40 {
        let (mut after, mut seen, mut pages) = (None, String::new(), 0);
        loop {
            seen += &page_of(&f, &mut after, 1 + dice(4) as usize).await;
            if after.is_none() {
                break;
            }
            pages += 1;
            // At first many speak, then it becomes quiet: who always speaks is listed without an end.
            for _ in 0..if pages < 8 { dice(4) } else { 0 } {
                let at = dice(15) as usize;
                touch(&f, &all[at..=at]).await;
            }
        }
        let missed: String = all.chars().filter(|letter| !seen.contains(*letter)).collect();
        assert_eq!(missed, "", "listed: {seen}");
    }
}

#[tokio::test]
async fn a_session_is_changed_and_deleted_with_its_messages() {
    let f = Fixture::new().await;
    let id = f.session().await;
    let change = SessionChange { title: Some(Some("Lines")), subject: None };
    let changed = f.store.change_session(f.student, id, change).await.unwrap().unwrap();
    assert_eq!((changed.title.as_deref(), changed.subject), (Some("Lines"), None));
    let change = SessionChange { title: None, subject: Some(Some("Maths")) };
    let changed = f.store.change_session(f.student, id, change).await.unwrap().unwrap();
    assert_eq!((changed.title.as_deref(), changed.subject.as_deref()), (Some("Lines"), Some("Maths")));
    let change = SessionChange { title: Some(None), subject: None };
    assert_eq!(f.store.change_session(f.student, id, change).await.unwrap().unwrap().title, None);
    assert!(f.store.change_session(f.student, id::new(), change).await.unwrap().is_none());

    let asked = question(id, 1);
    f.store.writer().commit(vec![Op::Insert(asked.clone())], Patience::Refuse).await.unwrap();
    assert!(f.store.delete_session(f.student, id).await.unwrap());
    assert!(!f.store.delete_session(f.student, id).await.unwrap());
    assert!(f.store.get_session(f.student, id).await.unwrap().is_none());
    assert_eq!(f.store.message_sent(id, asked.id).await.unwrap(), None);
    // So do a student's with the student.
    let id = f.session().await;
    let asked = question(id, 1);
    f.store.writer().commit(vec![Op::Insert(asked.clone())], Patience::Refuse).await.unwrap();
    f.sql.execute_typed("DELETE FROM users WHERE id = $1", &[(&f.student, Type::UUID)]).await.unwrap();
    assert_eq!(f.store.message_sent(id, asked.id).await.unwrap(), None);
}

#[tokio::test]
async fn messages_are_paged_in_both_directions() {
    let f = Fixture::new().await;
    let session = f.session().await;
    let all: Vec<_> = (1..=7).map(|ord| question(session, ord)).collect();
    let mut ops: Vec<Op> = all.iter().cloned().map(Op::Insert).collect();
    ops.push(Op::Supersede { session_id: session, from: 3, before: 4 });
    f.store.writer().commit(ops, Patience::Refuse).await.unwrap();
    let page = async |from, limit| {
        let page = f.store.list_messages(f.student, session, from, limit).await.unwrap();
        let ords: Vec<_> = page
            .items
            .iter()
            .map(|message| all.iter().position(|new| new.id == message.id).unwrap() + 1)
            .collect();
        (ords, page.next)
    };
    let (ords, next) = page(MessagesFrom::Start, 3).await;
    assert_eq!(ords, [1, 2, 4]);
    assert_eq!(page(MessagesFrom::After(next.unwrap()), 3).await, (vec![5, 6, 7], None));
    let (ords, older) = page(MessagesFrom::Before(all[5].id), 2).await;
    assert_eq!((ords, older.is_some()), (vec![4, 5], true));
    assert_eq!(page(MessagesFrom::Before(all[1].id), 2).await, (vec![1], None));
    assert_eq!(page(MessagesFrom::Before(id::new()), 2).await, (vec![], None));
}

/// A question that waits, the `n`-th to do so.
fn waiting(session: id::Uuid, n: i64) -> NewMessage {
    NewMessage { status: Status::Queued, ..question(session, WAITING + n) }
}

#[tokio::test]
async fn what_waits_is_listed_last_and_no_page_misses_what_began_meanwhile() {
    let f = Fixture::new().await;
    let session = f.session().await;
    let (first, second) = (waiting(session, 1), waiting(session, 2));
    let said = [first.clone(), second.clone()].into_iter().chain((1..=3).map(|ord| question(session, ord)));
    f.store.writer().commit(said.map(Op::Insert).collect(), Patience::Refuse).await.unwrap();
    let read = async |from, history, limit| {
        let (items, next) = match history {
            false => {
                let page = f.store.list_messages(f.student, session, from, limit).await.unwrap();
                (page.items, page.next)
            }
            true => {
                let after = match from {
                    MessagesFrom::After(reached) => Some((session, reached)),
                    _ => None,
                };
                let page =
                    f.store.messages_of_user(f.student, f.student, f.student, after, limit).await.unwrap();
                (page.items, page.next.map(|(_, reached)| reached))
            }
        };
        (items.into_iter().map(|message| message.content).collect::<Vec<_>>(), next.map(MessagesFrom::After))
    };
    let wait = |n: i64| format!("question {}", WAITING + n);
    let mut next = Vec::new();
    for history in [false, true] {
        let (all, more) = read(MessagesFrom::Start, history, 5).await;
        assert_eq!(all, ["question 1".into(), "question 2".into(), "question 3".into(), wait(1), wait(2)]);
        assert!(more.is_none());
        // A page may end among what waits.
        let (page, more) = read(MessagesFrom::Start, history, 4).await;
        assert_eq!(page.last(), Some(&wait(1)));
        assert_eq!(read(more.unwrap(), history, 4).await, (vec![wait(2)], None));
        next.push((history, more.unwrap()));
    }
    // Its run begins before the next page is asked for.
    let begin = vec![Op::Begin { session_id: session, id: first.id, ord: 4 }, Op::Insert(answer(session, 5))];
    f.store.writer().commit(begin, Patience::Insist).await.unwrap();
    for (history, from) in next {
        let (page, more) = read(from, history, 2).await;
        assert_eq!(page, [wait(1), String::new()], "the message in its place, and its answer");
        assert_eq!(read(more.unwrap(), history, 2).await, (vec![wait(2)], None));
    }
    let woken = f.store.wake_session(session, 10, 10_000).await.unwrap().unwrap();
    assert_eq!(woken.last_ord, 5, "what waits says nothing about the conversation's places");
    let ords: Vec<_> = woken.messages.iter().map(|message| message.ord).collect();
    assert_eq!(ords, [1, 2, 3, 4, 5, WAITING + 2]);
}

/// An answer larger than all that a session keeps in memory lies between it and the end.
#[tokio::test]
async fn what_waits_is_woken_whatever_was_said_since() {
    let f = Fixture::new().await;
    let session = f.session().await;
    let waits = waiting(session, 1);
    let long = NewMessage { content: "long ".repeat(1000).into(), ..answer(session, 2) };
    let ops = [waits.clone(), question(session, 1), long].map(Op::Insert);
    f.store.writer().commit(ops.to_vec(), Patience::Refuse).await.unwrap();
    let woken = f.store.wake_session(session, 10, 1000).await.unwrap().unwrap();
    let ords: Vec<_> = woken.messages.iter().map(|message| message.ord).collect();
    assert_eq!((ords, woken.has_more), (vec![2, WAITING + 1], true));
}

#[tokio::test]
async fn an_edit_looks_back_at_what_it_supersedes_and_what_stays() {
    let f = Fixture::new().await;
    let session = f.session().await;
    let all: Vec<_> = (1..=9).map(|ord| question(session, ord)).collect();
    let mut ops: Vec<Op> = all.iter().cloned().map(Op::Insert).collect();
    ops.push(Op::Insert(waiting(session, 1)));
    ops.push(Op::Supersede { session_id: session, from: 4, before: 5 });
    f.store.writer().commit(ops, Patience::Refuse).await.unwrap();
    let look = async |of: id::Uuid, most| {
        let past = f.store.look_back(session, of, most, 3, 10_000).await.unwrap()?;
        let ord = |id| all.iter().position(|new| new.id == id).unwrap() + 1;
        let gone: Vec<_> = past.gone.into_iter().map(ord).collect();
        let kept: Vec<_> = past.kept.iter().map(|kept| kept.ord).collect();
        Some((past.from, gone, kept, past.has_more))
    };
    // Each holds ten bytes.
    assert_eq!(look(all[5].id, 10).await, Some((6, vec![6, 7, 8, 9], vec![2, 3, 5], true)));
    assert_eq!(look(all[5].id, 2).await, Some((6, vec![8, 9], vec![2, 3, 5], true)), "the newest are named");
    assert_eq!(look(all[0].id, 10).await, Some((1, vec![1, 2, 3, 5, 6, 7, 8, 9], vec![], false)));
    assert_eq!(look(all[3].id, 10).await, None, "superseded already");
    assert_eq!(look(id::new(), 10).await, None);
    for (what, stands) in [(all[5].id, true), (all[3].id, false), (id::new(), false)] {
        assert_eq!(f.store.question_stands(session, what).await.unwrap().is_some(), stands);
    }
    let elsewhere = f.store.question_stands(f.session().await, all[5].id).await.unwrap();
    assert_eq!(elsewhere, None, "another session's");

    // Another edit has taken its place meanwhile, and one more waits: the one that stands counts.
    let took = NewMessage { edits: Some(all[7].id), ..question(session, 10) };
    let waits = NewMessage { edits: Some(all[7].id), ..waiting(session, 2) };
    let ops = vec![
        Op::Insert(took.clone()),
        Op::Insert(waits),
        Op::Supersede { session_id: session, from: 8, before: 10 },
    ];
    f.store.writer().commit(ops, Patience::Refuse).await.unwrap();
    let past = f.store.look_back(session, all[7].id, 10, 3, 10_000).await.unwrap().unwrap();
    assert_eq!((past.from, past.gone), (10, vec![took.id]));
}

#[tokio::test]
async fn a_students_history_has_the_newest_session_first() {
    let f = Fixture::new().await;
    let (first, second) = (f.session().await, f.session().await);
    let ops = [(first, 1), (first, 2), (second, 1), (second, 2), (second, 3)]
        .map(|(session, ord)| Op::Insert(question(session, ord)));
    f.store.writer().commit(ops.to_vec(), Patience::Refuse).await.unwrap();
    let mut seen = Vec::new();
    let mut after = None;
    loop {
        let page = f.store.messages_of_user(f.student, f.student, f.student, after, 2).await.unwrap();
        seen.extend(page.items.into_iter().map(|message| (message.session_id, message.content)));
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    let want = [(second, 1), (second, 2), (second, 3), (first, 1), (first, 2)]
        .map(|(session, ord)| (session, format!("question {ord}")));
    assert_eq!(seen, want);
}

#[tokio::test]
async fn a_session_wakes_with_its_newest_messages() {
    let f = Fixture::new().await;
    let session = f.session().await;
    let empty = f.store.wake_session(session, 10, 1000).await.unwrap().unwrap();
    assert_eq!((empty.last_ord, empty.messages.len(), empty.has_more), (0, 0, false));
    assert!(empty.student_name.starts_with("ada+"), "no name yet: {}", empty.student_name);
    assert!(f.store.wake_session(id::new(), 10, 1000).await.unwrap().is_none());

    let mut all: Vec<_> = (1..=9).map(|ord| question(session, ord)).collect();
    all.iter_mut().for_each(|new| new.author_id = Some(f.student));
    // Each holds ten bytes.
    let ops = all.iter().cloned().map(Op::Insert).collect();
    f.store.writer().commit(ops, Patience::Refuse).await.unwrap();
    f.sql.batch_execute("UPDATE users SET display_name = 'Ada'").await.unwrap();
    let woken = async |most, bytes| {
        let woken = f.store.wake_session(session, most, bytes).await.unwrap().unwrap();
        let ords: Vec<_> = woken.messages.iter().map(|message| message.ord).collect();
        (ords, woken.has_more)
    };
    assert_eq!(woken(3, 1000).await, (vec![7, 8, 9], true));
    assert_eq!(woken(9, 1000).await, ((1..=9).collect(), false));
    assert_eq!(woken(9, 15).await, (vec![8, 9], true));
    assert_eq!(woken(9, 1).await, (vec![9], true));
    let woken = f.store.wake_session(session, 1, 1000).await.unwrap().unwrap();
    assert_eq!(woken.student_name, "Ada");
    assert_eq!(woken.messages[0].message.author.name, "Ada");
    assert_eq!(woken.messages[0].message.author.kind, AuthorKind::Student);
}

#[tokio::test]
async fn what_a_crash_left_open_is_closed_with_its_text() {
    let f = Fixture::new().await;
    let session = f.session().await;
    let mut open = answer(session, 2);
    open.content = "half a".into();
    let ops = vec![Op::Insert(question(session, 1)), Op::Insert(open.clone())];
    f.store.writer().commit(ops, Patience::Refuse).await.unwrap();
    assert_eq!(f.store.close_interrupted().await.unwrap(), 1);
    assert_eq!(f.store.close_interrupted().await.unwrap(), 0);
    let message = &f.store.run_messages(session, open.run_id).await.unwrap()[0];
    assert_eq!((message.content.as_str(), message.status), ("half a", Status::Interrupted));
    assert_eq!(message.error, Some(fynq::protocol::ErrorCode::Interrupted));
}
