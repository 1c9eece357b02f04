//! What tutors do, kept and read again: each function of the store as the one who calls it.

use fynq::id;
use fynq::protocol::{ActKind, SignalKind, WhisperKind, WhisperState};
use fynq::store::{MarkChange, MessagesFrom, NewSignal, NewWhisper, Op, Patience, StoreError, TutorRow};

use super::add_student;
use super::staff::{Staff, ago};

#[tokio::test]
async fn a_whisper_waits_is_used_once_and_stays_as_it_ended() {
    let s = Staff::new().await;
    let (one, two) = (s.whisper("Slower."), s.whisper("Ask for the slope."));
    let rows = [TutorRow::Whisper(one.clone()), TutorRow::Whisper(two.clone())];
    s.keep(&rows).await;
    s.keep(&rows).await;
    let woken = s.f.store.wake_session(s.session, 10, 10_000).await.unwrap().unwrap();
    let texts: Vec<&str> = woken.whispers.iter().map(|whisper| whisper.text.as_str()).collect();
    assert_eq!(texts, ["Slower.", "Ask for the slope."]);
    assert_eq!((woken.whispers[0].by.id, woken.whispers[0].by.name.as_str()), (s.teach, "Ms Kay"));
    assert_eq!((woken.whispers[0].at, woken.whispers[0].id), (one.at, one.id));
    assert!(!format!("{woken:?} {one:?}").contains("Slower."), "its words are in a log");

    let ended = |id, state, run| TutorRow::WhisperEnded { session: s.session, id, state, run, at: one.at };
    let run = id::new();
    // In the same transaction as a third one, and whatever comes later changes nothing.
    let third = s.whisper("Both at once.");
    s.keep(&[
        ended(one.id, WhisperState::Used, Some(run)),
        ended(third.id, WhisperState::Withdrawn, None),
        TutorRow::Whisper(third.clone()),
    ])
    .await;
    s.keep(&[ended(one.id, WhisperState::Withdrawn, None)]).await;
    let page = s.f.store.whispers_of(s.second, s.session, None, 2).await.unwrap();
    let states: Vec<_> = page.items.iter().map(|whisper| (whisper.id, whisper.state)).collect();
    assert_eq!(states, [(third.id, WhisperState::Withdrawn), (two.id, WhisperState::Waiting)]);
    let rest = s.f.store.whispers_of(s.second, s.session, page.next, 2).await.unwrap();
    assert_eq!((rest.items.len(), rest.items[0].state), (1, WhisperState::Used));
    assert_eq!(rest.next, None);
    let woken = s.f.store.wake_session(s.session, 10, 10_000).await.unwrap().unwrap();
    assert_eq!(woken.whispers.len(), 1);
    assert_eq!(woken.whispers[0].kind, WhisperKind::Whisper);
}

/// Whichever commit comes first: what was refused never waits.
#[tokio::test]
async fn a_whisper_that_is_taken_back_waits_neither_before_nor_after() {
    let s = Staff::new().await;
    let (early, late, used) = (s.whisper("Slower."), s.whisper("Faster."), s.whisper("So."));
    let back = |new: &NewWhisper| TutorRow::WhisperTakenBack { whisper: new.clone(), at: new.at };
    s.keep(&[TutorRow::Whisper(early.clone()), TutorRow::Whisper(used.clone())]).await;
    let (session, at) = (s.session, used.at);
    s.keep(&[TutorRow::WhisperEnded { session, id: used.id, state: WhisperState::Used, run: None, at }])
        .await;
    s.keep(&[back(&early), back(&late), back(&used)]).await;
    s.keep(&[TutorRow::Whisper(late.clone())]).await;
    // Nobody asks for one of a session that is gone.
    s.keep(&[back(&NewWhisper { session: id::new(), ..s.whisper("Gone.") })]).await;
    let page = s.f.store.whispers_of(s.teach, s.session, None, 9).await.unwrap();
    let states: Vec<_> = page.items.iter().map(|whisper| (whisper.id, whisper.state)).collect();
    let withdrawn = WhisperState::Withdrawn;
    assert_eq!(states, [(used.id, WhisperState::Used), (late.id, withdrawn), (early.id, withdrawn)]);
    let woken = s.f.store.wake_session(s.session, 10, 10_000).await.unwrap().unwrap();
    assert!(woken.whispers.is_empty());
}

#[tokio::test]
async fn what_is_kept_is_kept_whole_or_not_at_all() {
    let s = Staff::new().await;
    let mut gone = s.act(ActKind::Said, None);
    gone.session = id::new();
    let rows = [TutorRow::Whisper(s.whisper("Slower.")), TutorRow::Act(gone)];
    assert!(matches!(s.f.store.keep_tutoring(&rows).await, Err(StoreError::Missing)));
    assert!(s.f.store.whispers_of(s.teach, s.session, None, 9).await.unwrap().items.is_empty());
    s.keep(&[]).await;
}

#[tokio::test]
async fn control_moves_forwards_only() {
    let s = Staff::new().await;
    let control = |by, epoch| TutorRow::Control { session: s.session, by, epoch };
    s.keep(&[control(Some(s.teach), 3)]).await;
    s.keep(&[control(None, 2)]).await;
    s.keep(&[control(None, 2), control(Some(s.second), 3)]).await;
    let woken = s.f.store.wake_session(s.session, 10, 10_000).await.unwrap().unwrap();
    let (held, epoch) = woken.held.unwrap();
    assert_eq!((held.id, held.name.as_str(), epoch, woken.control_epoch), (s.teach, "Ms Kay", 3, 3));
    assert_eq!(s.f.store.sessions_held().await.unwrap(), [s.session]);
    assert_eq!(s.f.store.get_session(s.f.student, s.session).await.unwrap().unwrap().control, "tutor");
    // Several in one transaction: the newest.
    s.keep(&[control(None, 6), control(Some(s.second), 5)]).await;
    let woken = s.f.store.wake_session(s.session, 10, 10_000).await.unwrap().unwrap();
    assert!(woken.held.is_none());
    assert_eq!(woken.control_epoch, 6);
    assert!(s.f.store.sessions_held().await.unwrap().is_empty());
}

#[tokio::test]
async fn a_hand_has_its_time_and_whoever_comes_to_it() {
    let s = Staff::new().await;
    let hand = async || s.f.store.wake_session(s.session, 10, 10_000).await.unwrap().unwrap().hand;
    let claim = |by| TutorRow::Claim { session: s.session, by, at: fynq::clock::now() };
    s.keep(&[claim(Some(s.teach))]).await;
    assert_eq!(hand().await, None, "there is nothing to claim");
    s.raise_hand(true).await;
    let up = hand().await.unwrap();
    assert!(up.since > ago(60) && up.claimed_by.is_none(), "{up:?}");
    s.keep(&[claim(Some(s.teach))]).await;
    // What is not a hand does not touch it.
    let touch = Op::Touch { session_id: s.session, title: None, at: fynq::clock::now() };
    s.f.store.writer().commit(vec![touch], Patience::Refuse).await.unwrap();
    s.raise_hand(true).await;
    let claimed = hand().await.unwrap();
    assert_eq!((claimed.since, claimed.claimed_by.unwrap().name.as_str()), (up.since, "Ms Kay"));
    s.raise_hand(false).await;
    assert_eq!(hand().await, None);
    s.raise_hand(true).await;
    let again = hand().await.unwrap();
    assert!(again.since > up.since && again.claimed_by.is_none(), "{again:?}");
}

#[tokio::test]
async fn a_correction_and_what_it_corrects_name_each_other_everywhere() {
    let s = Staff::new().await;
    let (store, student) = (&s.f.store, s.f.student);
    let reply = s.reply.id;
    assert!(store.answer_stands(s.session, reply).await.unwrap());
    let first = s.say(3, Some(reply)).await;
    let second = s.say(4, Some(reply)).await;
    let plain = s.say(5, None).await;
    assert!(!store.answer_stands(s.session, plain.id).await.unwrap(), "a tutor's own words");
    assert!(!store.answer_stands(s.session, id::new()).await.unwrap());

    let woken = store.wake_session(s.session, 10, 100_000).await.unwrap().unwrap();
    let woken: Vec<_> = woken.messages.into_iter().map(|woken| woken.message).collect();
    let after = store.list_messages(student, s.session, MessagesFrom::Start, 10).await.unwrap().items;
    let before = MessagesFrom::Before(plain.id);
    let before = store.list_messages(student, s.session, before, 10).await.unwrap().items;
    let history = store.messages_of_user(student, s.org, student, None, 10).await.unwrap().items;
    let run = store.run_messages(s.session, s.reply.run_id).await.unwrap();
    for (how, messages) in
        [("wake", woken), ("after", after), ("before", before), ("history", history), ("run", run)]
    {
        for message in messages {
            let corrected = (message.id == reply).then_some(second.id);
            assert_eq!(message.corrected_by, corrected, "{how}: the latest counts");
            let corrects = (message.id == first.id || message.id == second.id).then_some(reply);
            assert_eq!(message.corrects, corrects, "{how}");
        }
    }
    // A correction that was superseded corrects nothing.
    let cut = Op::Supersede { session_id: s.session, from: 4, before: 5 };
    store.writer().commit(vec![cut], Patience::Refuse).await.unwrap();
    let listed = store.list_messages(student, s.session, MessagesFrom::Start, 10).await.unwrap().items;
    assert_eq!(listed[1].corrected_by, Some(first.id));
    // An edit of the answered question is not taken for it, nor the other way round.
    assert!(store.look_back(s.session, reply, 9, 9, 9000).await.unwrap().is_some());
    let cut = Op::Supersede { session_id: s.session, from: 2, before: 3 };
    store.writer().commit(vec![cut], Patience::Refuse).await.unwrap();
    assert!(store.look_back(s.session, reply, 9, 9, 9000).await.unwrap().is_none());
    assert!(!store.answer_stands(s.session, reply).await.unwrap(), "superseded");
}

#[tokio::test]
async fn a_mark_changes_what_it_names_and_is_its_makers() {
    let s = Staff::new().await;
    let later = fynq::clock::now() + jiff::SignedDuration::from_mins(10);
    let mark = async |who, useful, muted_until| {
        let change = MarkChange { useful, muted_until, dealt_with: false };
        s.f.store.mark_signal(who, s.session, SignalKind::Idle, change).await.unwrap()
    };
    let made = mark(s.teach, None, Some(Some(later))).await.unwrap();
    assert_eq!((made.useful, made.muted_until), (None, Some(later)));
    let made = mark(s.teach, Some(Some(false)), None).await.unwrap();
    assert_eq!((made.useful, made.muted_until), (Some(false), Some(later)));
    assert_eq!(s.f.store.marks_of(s.teach, 10).await.unwrap(), [made]);
    assert!(s.f.store.marks_of(s.second, 10).await.unwrap().is_empty());
    mark(s.teach, Some(None), Some(None)).await.unwrap();
    assert!(s.f.store.marks_of(s.teach, 10).await.unwrap().is_empty(), "nothing is left of it");
    assert!(mark(s.f.student, Some(Some(true)), None).await.is_none(), "of one's own session");
}

#[tokio::test]
async fn a_note_is_its_authors_to_change_and_its_schools_to_read() {
    let s = Staff::new().await;
    let (store, student) = (&s.f.store, s.f.student);
    let one = store.add_note(s.teach, student, "Likes drawings.").await.unwrap().unwrap();
    assert_eq!(one.author.as_ref().unwrap().name, "Ms Kay");
    let two = store.add_note(s.admin, student, "New in town.").await.unwrap().unwrap();
    let page = store.notes_of(s.second, student, None, 1).await.unwrap();
    assert_eq!(page.items[0].text, "New in town.");
    let page = store.notes_of(s.second, student, page.next, 1).await.unwrap();
    assert_eq!((page.items[0].text.as_str(), page.next), ("Likes drawings.", None));
    assert!(store.change_note(s.second, one.id, "x").await.unwrap().is_none());
    assert!(store.change_note(s.admin, one.id, "x").await.unwrap().is_none(), "only deleted");
    let changed = store.change_note(s.teach, one.id, "Draws well.").await.unwrap().unwrap();
    assert_eq!(changed.text, "Draws well.");
    assert!(changed.updated_at >= one.updated_at && changed.created_at == one.created_at);
    assert!(!store.delete_note(s.teach, two.id).await.unwrap());
    assert!(store.delete_note(s.admin, one.id).await.unwrap());
    assert!(store.note(s.teach, one.id).await.unwrap().is_none());
    assert_eq!(store.note(s.teach, two.id).await.unwrap().unwrap().text, "New in town.");
    let own = store.add_note(s.teach, student, "Once more.").await.unwrap().unwrap();
    assert!(store.delete_note(s.teach, own.id).await.unwrap());
    // Nobody's note on themselves, none on who is not taught, none on who is not there.
    for (who, of) in [(s.teach, s.teach), (s.coll, student), (s.mate, student), (s.teach, id::new())] {
        assert!(store.add_note(who, of, "x").await.unwrap().is_none());
    }
}

#[tokio::test]
async fn a_replay_has_every_message_its_pace_and_the_acts() {
    let s = Staff::new().await;
    s.leave_one_of_each().await;
    let ended = s.signal(SignalKind::Idle);
    let at = fynq::clock::now();
    s.keep(&[TutorRow::SignalBegan(ended.clone()), TutorRow::SignalEnded { id: ended.id, at }]).await;
    let said = s.say(3, None).await;
    // Neither twice, nor of a message that is not there.
    s.f.store.paces().note(s.session, s.reply.id, vec![(1, 1)]);
    s.f.store.paces().note(s.session, id::new(), vec![(1, 1)]);
    s.f.store.paces().note(s.session, said.id, vec![(50, 5)]);
    s.f.store.paces().flush().await;
    let cut = Op::Supersede { session_id: s.session, from: 1, before: 2 };
    s.f.store.writer().commit(vec![cut], Patience::Refuse).await.unwrap();

    let page = s.f.store.replay_of(s.teach, s.session, None, 1).await.unwrap();
    assert!(page.items[0].superseded && page.items[0].pace.is_none());
    let page = s.f.store.replay_of(s.teach, s.session, page.next, 1).await.unwrap();
    assert_eq!(page.items[0].pace.as_deref(), Some(&[(120, 3), (240, 2)][..]));
    assert_eq!(page.items[0].message.content, "Four.");
    let page = s.f.store.replay_of(s.teach, s.session, page.next, 1).await.unwrap();
    assert_eq!(page.items[0].pace.as_deref(), Some(&[(50, 5)][..]), "the lost ones took it with them");
    assert_eq!(page.next, None);
    let acts = s.f.store.acts_of(s.teach, s.session, 10).await.unwrap();
    assert_eq!((acts.len(), acts[0].kind, acts[0].by.name.as_str()), (1, ActKind::Whispered, "Ms Kay"));
    assert_eq!(acts[0].whisper.as_ref().unwrap().0, "Ask for the slope.");
    let signals = s.f.store.signals_of(s.teach, s.session, 10).await.unwrap();
    let shown: Vec<_> = signals.iter().map(|shown| (shown.kind, shown.ended_at)).collect();
    assert_eq!(shown, [(SignalKind::Struggling, None), (SignalKind::Idle, Some(at))]);
    assert_eq!((signals[0].level, signals[0].score), (2, 70));
}

/// A signal that outlived the process is closed by the next, and is the same one when its session wakes.
#[tokio::test]
async fn a_signal_is_one_also_over_a_restart() {
    let s = Staff::new().await;
    let first = s.signal(SignalKind::Safety);
    s.keep(&[TutorRow::SignalBegan(first.clone())]).await;
    assert_eq!(s.f.store.close_signals().await.unwrap(), 1);
    let again = NewSignal { id: id::new(), ..first };
    s.keep(&[TutorRow::SignalBegan(again)]).await;
    let signals = s.f.store.signals_of(s.teach, s.session, 10).await.unwrap();
    assert_eq!(signals.len(), 1);
    assert!(signals[0].ended_at.is_some());
}

#[tokio::test]
async fn a_digest_tells_who_asked_who_was_helped_and_what_was_right() {
    let s = Staff::new().await;
    let today = fynq::clock::now().to_zoned(jiff::tz::TimeZone::UTC).date();
    let digest = async |who, day| s.f.store.digest_of(who, s.class, day).await.unwrap();
    s.keep(&[TutorRow::SignalBegan(s.signal(SignalKind::Struggling))]).await;
    let before = digest(s.teach, today).await.unwrap();
    let of = |id| before.students.iter().find(|student| student.student.id == id).unwrap();
    assert_eq!(before.students.len(), 2);
    assert!(of(s.f.student).needed_help() && !of(s.mate).needed_help());
    assert_eq!((of(s.mate).questions, of(s.mate).sessions), (0, 0));

    s.leave_one_of_each().await;
    s.keep(&[TutorRow::Act(s.act(ActKind::Joined, None))]).await;
    let after = digest(s.admin, today).await.unwrap();
    let student = after.students.iter().find(|student| student.student.id == s.f.student).unwrap();
    assert_eq!((student.questions, student.sessions, student.needed_help()), (1, 1, false));
    assert_eq!(student.helped[0].acts, [(ActKind::Whispered, 1)].into());
    assert_eq!((student.signals[0].times, student.signals[0].useful), (2, Some(true)));
    let count = after.signals[&SignalKind::Struggling];
    assert_eq!((count.shown, count.useful, count.not_useful), (2, 1, 0));
    let yesterday = digest(s.teach, today.yesterday().unwrap()).await.unwrap();
    assert!(yesterday.students.iter().all(|student| student.questions == 0 && student.signals.is_empty()));
    assert!(s.f.store.digest_of(s.teach, id::new(), today).await.unwrap().is_none());
}

#[tokio::test]
async fn a_roster_shows_the_classes_that_one_teaches_and_what_moved() {
    let s = Staff::new().await;
    let (store, sql) = (&s.f.store, &s.f.sql);
    let people = [s.teach, s.admin, s.coll, s.mate, s.far[0]];
    let sign_ins: Vec<_> = people.iter().map(|_| id::new()).collect();
    for (who, sign_in) in people.iter().zip(&sign_ins) {
        let insert =
            format!("INSERT INTO sign_ins (id, user_id, created_at) VALUES ('{sign_in}', '{who}', now())");
        sql.batch_execute(&insert).await.unwrap();
    }
    let scopes = store.roster_scopes(&sign_ins).await.unwrap();
    let of = |at: usize| scopes.iter().find(|scope| scope.sign_in == sign_ins[at]);
    let teach = of(0).unwrap();
    assert_eq!((teach.user, teach.org, teach.is_admin), (s.teach, s.org, false));
    let mut students = vec![s.f.student, s.mate];
    students.sort_unstable();
    assert_eq!((teach.classes.len(), &teach.classes[0].students), (1, &students));
    assert!(of(1).unwrap().is_admin && of(1).unwrap().classes == teach.classes);
    assert!(of(2).unwrap().classes.is_empty() && of(3).is_none());
    assert!(of(4).unwrap().classes.iter().all(|class| class.id != s.class && class.students.is_empty()));
    sql.batch_execute(&format!("UPDATE sign_ins SET ended_at = now() WHERE id = '{}'", sign_ins[0]))
        .await
        .unwrap();
    assert_eq!(store.roster_scopes(&sign_ins[..1]).await.unwrap(), []);

    let rest = async |who, seconds| store.roster_rest(who, s.org, ago(seconds)).await.unwrap();
    for who in [s.teach, s.admin] {
        let rows = rest(who, 60).await;
        assert_eq!((rows.len(), rows[0].session, rows[0].turns), (1, s.session, 1));
        assert_eq!((rows[0].preview.as_str(), rows[0].title.as_deref()), ("Four.", Some("Lines")));
    }
    assert!(rest(s.teach, -60).await.is_empty());
    s.raise_hand(true).await;
    assert!(rest(s.teach, -60).await[0].hand.is_some(), "a hand is never old");
    s.raise_hand(false).await;
    s.keep(&[TutorRow::Control { session: s.session, by: Some(s.second), epoch: 1 }]).await;
    assert_eq!(rest(s.teach, -60).await[0].tutor.as_ref().unwrap().name, "Mr Lee");
    for who in [s.f.student, s.mate, s.coll, s.far[0], s.far[1], add_student(sql).await] {
        assert!(rest(who, 60).await.is_empty());
    }
}

#[tokio::test]
async fn what_tutors_left_goes_with_the_session() {
    let s = Staff::new().await;
    s.leave_one_of_each().await;
    assert!(s.f.store.delete_session(s.f.student, s.session).await.unwrap());
    for table in ["whispers", "tutor_acts", "signal_events", "signal_marks", "message_paces"] {
        let sql = format!("SELECT count(*) FROM {table}");
        let left: i64 = s.f.sql.query_typed_one(&sql, &[]).await.unwrap().get(0);
        assert_eq!(left, 0, "{table}");
    }
    // A session that is gone takes nothing more, and says so.
    let late = TutorRow::Whisper(s.whisper("Late."));
    assert!(matches!(s.f.store.keep_tutoring(&[late]).await, Err(StoreError::Missing)));
}
