//! The second lock alone: the store's own functions, called for somebody who was never asked whether they
//! may. Whatever the server's code forgot, the database gives them nothing and changes nothing.

use std::path::Path;

use fynq::id::Uuid;
use fynq::identity::{AgeBand, MemberAs, Role};
use fynq::protocol::SignalKind;
use fynq::store::people::{NewPerson, PersonChange};
use fynq::store::{
    ContentFilter, ContentQuery, MarkChange, MessagesFrom, NewContent, SessionChange, SessionsOf, Store,
    StudyChange, TasksOf,
};

use super::school::{Actor, HERE, School};

/// A store's answer in one shape: what it told, or what it says it changed.
struct Tried {
    what: &'static str,
    told: String,
    changed: bool,
}

fn told(what: &'static str, answer: impl std::fmt::Debug) -> Tried {
    Tried { what, told: format!("{answer:?}"), changed: false }
}

fn done(what: &'static str, changed: bool) -> Tried {
    Tried { what, told: String::new(), changed }
}

fn for_class(classes: &[Uuid]) -> NewContent<'_> {
    NewContent {
        title: "taken",
        subject: None,
        grade_lowest: None,
        grade_highest: None,
        language: "en",
        body: "taken",
        source: None,
        licence: None,
        published: true,
        classes,
        files: None,
    }
}

fn uuid(text: &str) -> Uuid {
    Uuid::parse_str(text).unwrap()
}

/// Everything that reads, asked as broadly as the store knows how to ask.
async fn read_all(store: &Store, school: &School, who: Uuid) -> Vec<Tried> {
    let owner = uuid(&school.people[&Actor::Owner].user_id);
    let (session, class) = (uuid(&school.sessions[&Actor::Owner]), uuid(&school.class));
    let (here, answer) = (uuid(HERE), uuid(&school.answer));
    let everybody = SessionsOf::Organisation(here);
    let before = MessagesFrom::Before(answer);
    let whispers = store.whispers_of(who, session, None, 100).await.unwrap().items;
    // A whisper's words are in no debug output.
    let whispers: Vec<_> =
        whispers.into_iter().map(|whisper| (whisper.id, whisper.by, whisper.text)).collect();
    let today = jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).date();
    vec![
        told("whispers", whispers),
        told("replay", store.replay_of(who, session, None, 100).await.unwrap().items),
        told("acts", store.acts_of(who, session, 100).await.unwrap()),
        told("signals", store.signals_of(who, session, 100).await.unwrap()),
        told("marks", store.marks_of(who, 100).await.unwrap()),
        told("notes", store.notes_of(who, owner, None, 100).await.unwrap().items),
        told("note", store.note(who, uuid(&school.note)).await.unwrap()),
        told("content", store.content(who, uuid(&school.content)).await.unwrap()),
        told("draft", store.content(who, uuid(&school.draft)).await.unwrap()),
        told("library", store.list_content(who, ContentFilter::default(), None, 100).await.unwrap().items),
        told("search", {
            let words = format!(
                "{} {}",
                school.mark_of("content", Actor::Owner),
                school.mark_of("draft", Actor::Owner)
            );
            let query =
                ContentQuery { words: &words, any_word: true, subject: None, grade: None, published: false };
            store.search_content(who, query, None, 100).await.unwrap().items
        }),
        told(
            "pages",
            store.content_pages(who, (uuid(&school.content), uuid(&school.book)), 1, 9).await.unwrap(),
        ),
        told(
            "pages of the draft",
            store.content_pages(who, (uuid(&school.draft), uuid(&school.draft_book)), 1, 9).await.unwrap(),
        ),
        told("book", store.file(who, uuid(&school.book)).await.unwrap()),
        told("book of the draft", store.file(who, uuid(&school.draft_book)).await.unwrap()),
        told("content of a file", store.content_of_file(who, uuid(&school.draft_book)).await.unwrap()),
        told("versions", store.content_versions(who, uuid(&school.draft), None, 100).await.unwrap().items),
        told("sets", store.study_sets(who, uuid(&school.content)).await.unwrap()),
        told("hidden sets", store.study_sets(who, uuid(&school.draft)).await.unwrap()),
        told("worksheet", store.worksheet(who, uuid(&school.file)).await.unwrap()),
        told(
            "written",
            store.export_content(who, uuid(&school.people[&Actor::Teach].user_id), None, 9).await.unwrap(),
        ),
        told(
            "task",
            store.task(TasksOf::Organisation { admin: who, org: here }, uuid(&school.task)).await.unwrap(),
        ),
        told("summary", store.summary(who, session).await.unwrap()),
        told("roster", {
            let rows = store.roster_rest(who, here, jiff::Timestamp::UNIX_EPOCH).await.unwrap();
            rows.into_iter().map(|row| (row.session, row.student, row.title, row.preview)).collect::<Vec<_>>()
        }),
        told("digest", store.digest_of(who, class, today).await.unwrap()),
        told("file", store.file(who, uuid(&school.file)).await.unwrap()),
        told("files", store.files_of(who, None, 100).await.unwrap().items),
        told("exported files", store.export_files(who, owner, None, 100).await.unwrap()),
        told("a file's sessions", store.sessions_of_file(who, uuid(&school.file)).await.unwrap()),
        told("session", store.get_session(who, session).await.unwrap()),
        told("seen session", store.seen_session(who, session).await.unwrap().map(|seen| seen.session)),
        told("sessions", store.list_sessions(who, everybody, None, None, 100).await.unwrap().items),
        told("messages", store.list_messages(who, session, MessagesFrom::Start, 100).await.unwrap().items),
        told("messages before", store.list_messages(who, session, before, 100).await.unwrap().items),
        told("history", store.messages_of_user(who, here, owner, None, 100).await.unwrap().items),
        told("account", store.account(who, owner).await.unwrap()),
        told("seen person", store.seen_person(who, owner).await.unwrap().map(|seen| seen.id)),
        told("class", store.class(who, class).await.unwrap()),
        told("classes", store.list_classes(who, here, true, None, 100).await.unwrap().items),
        told("members", store.class_members(who, class, true, None, 100).await.unwrap().items),
        told("people", store.list_people(who, None, None, 100).await.unwrap().items),
        told("organisation", store.organisation(who).await.unwrap()),
    ]
}

/// Everything that writes to what is the owner's, their class's or their school's.
async fn write_all(store: &Store, school: &School, who: Uuid) -> Vec<Tried> {
    let [owner, far] = [Actor::Owner, Actor::Far].map(|actor| uuid(&school.people[&actor].user_id));
    let (session, class) = (uuid(&school.sessions[&Actor::Owner]), uuid(&school.class));
    let content = uuid(&school.content);
    let title = SessionChange { title: Some(Some("taken")), subject: None };
    let raised = PersonChange {
        role: Some(Role::Admin),
        disabled: Some(true),
        display_name: Some("x".into()),
        age_band: Some(AgeBand::Adult),
    };
    let (note, useful) =
        (uuid(&school.note), MarkChange { useful: Some(Some(false)), ..MarkChange::default() });
    // What the database refuses outright is refused as well.
    vec![
        done(
            "mark a signal",
            matches!(store.mark_signal(who, session, SignalKind::Safety, useful).await, Ok(Some(_))),
        ),
        done("delete a file", store.delete_file(who, uuid(&school.file)).await.unwrap_or(false)),
        done("add a note", matches!(store.add_note(who, owner, "taken").await, Ok(Some(_)))),
        done("change a note", matches!(store.change_note(who, note, "taken").await, Ok(Some(_)))),
        done("delete a note", store.delete_note(who, note).await.unwrap_or(false)),
        done(
            "write for the class",
            matches!(store.add_content(who, &for_class(&[class]), None).await, Ok(Some(_))),
        ),
        done("change content", store.change_content(who, content, 1, &for_class(&[])).await.unwrap_or(false)),
        done("attach the owner's file", {
            let files = [uuid(&school.file)];
            let new = NewContent { files: Some(&files), ..for_class(&[]) };
            store.add_content(who, &new, None).await.is_ok_and(|made| made.is_some())
        }),
        done("ask for a worksheet", {
            matches!(store.ask_for_worksheet(who, uuid(&school.file)).await, Ok(Some(_)))
        }),
        done(
            "ask for cards",
            matches!(store.ask_for_study(who, content, "flash_cards", 3).await, Ok(Some(_))),
        ),
        done("publish cards", {
            let change =
                StudyChange { kind: "flash_cards", published: true, items: &serde_json::json!([]), of: None };
            matches!(store.change_study(who, content, change).await, Ok(Some(_)))
        }),
        done("delete cards", store.delete_study(who, content, "flash_cards").await.unwrap_or(false)),
        done("delete content", store.delete_content(who, content).await.unwrap_or(false)),
        done(
            "change a session",
            store.change_session(who, session, title).await.is_ok_and(|row| row.is_some()),
        ),
        done("delete a session", store.delete_session(who, session).await.unwrap_or(false)),
        done("rename a class", store.rename_class(who, class, "taken").await.unwrap_or(false)),
        done("replace a code", store.replace_join_code(who, class, "AAAABBBBCCCC").await.unwrap_or(false)),
        done("delete a class", store.delete_class(who, class).await.unwrap_or(false)),
        done(
            "add oneself as a tutor",
            matches!(store.add_member(who, class, who, MemberAs::Tutor).await, Ok(Some(_))),
        ),
        done(
            "add somebody",
            matches!(store.add_member(who, class, far, MemberAs::Student).await, Ok(Some(_))),
        ),
        done("remove somebody", store.remove_member(who, class, owner).await.unwrap_or(false)),
        done("change somebody", matches!(store.change_person(who, owner, &raised).await, Ok(Some(_)))),
        done("sign everybody out", school.signs_out(store, who).await),
        done("sign somebody out", store.sign_person_out(who, owner).await.unwrap_or(false)),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn the_store_gives_a_foreigner_nothing_by_any_function() {
    let school = School::start().await;
    let store = Store::connect(&school.app.database.settings(), Path::new("/nowhere")).await.unwrap();
    let mut tried = 0;
    // A tutor who teaches nobody here, everybody of the other school, and somebody who was never there.
    let foreign = [
        Actor::Mate,
        Actor::Far,
        Actor::Coll,
        Actor::TutorFar,
        Actor::AdminFar,
        Actor::Disabled,
        Actor::Anonymous,
    ];
    for actor in foreign {
        let who = &school.people[&actor].user_id;
        let who = if who.is_empty() { fynq::id::new() } else { uuid(who) };
        for read in read_all(&store, &school, who).await {
            // The addresses of a school's own staff are kept from its students by the server alone.
            let of_staff =
                |leak: &String| leak.starts_with("the email of") && school.shares_staff(actor, leak);
            let leaks: Vec<_> =
                school.leaks(actor, &read.told).into_iter().filter(|leak| !of_staff(leak)).collect();
            assert!(leaks.is_empty(), "{actor:?} reads by {}: {leaks:?}", read.what);
            tried += 1;
        }
        let before = school.fingerprint().await;
        for write in write_all(&store, &school, who).await {
            assert!(!write.changed, "{actor:?} may {}", write.what);
            tried += 1;
        }
        assert_eq!(school.fingerprint().await, before, "{actor:?} changed something");
    }
    // Not even an account for a school that is not theirs.
    let new = NewPerson {
        email: "new@school.example",
        password_hash: "x",
        role: Role::Admin,
        display_name: "",
        age_band: AgeBand::Adult,
    };
    for actor in [Actor::Owner, Actor::Teach, Actor::Coll] {
        let made = store.create_person(uuid(&school.people[&actor].user_id), &new).await;
        assert!(!matches!(made, Ok(Some(_))), "{actor:?} makes an account");
    }
    assert!(tried >= 240, "{tried}");
    // The same questions do find something for whoever may ask them.
    let owner = uuid(&school.people[&Actor::Owner].user_id);
    let found: String = read_all(&store, &school, owner).await.into_iter().map(|read| read.told).collect();
    assert!(!school.leaks(Actor::AdminFar, &found).is_empty());
    // The student themself reads nothing of what is kept from them, and writes none of it.
    let kept = |leak: &String| leak.starts_with("the whisper") || leak.starts_with("the note");
    let leaks: Vec<_> = school.leaks(Actor::Owner, &found).into_iter().filter(kept).collect();
    assert!(leaks.is_empty(), "{leaks:?}");
    let useful = MarkChange { useful: Some(Some(true)), ..MarkChange::default() };
    let marked =
        store.mark_signal(owner, uuid(&school.sessions[&Actor::Owner]), SignalKind::Idle, useful).await;
    assert!(!matches!(marked, Ok(Some(_))));
    assert!(!matches!(store.add_note(owner, owner, "good").await, Ok(Some(_))));
    assert!(!store.delete_note(owner, uuid(&school.note)).await.unwrap_or(false));
    let admin = uuid(&school.people[&Actor::Admin].user_id);
    let found: String = read_all(&store, &school, admin).await.into_iter().map(|read| read.told).collect();
    for what in ["whisper", "note"] {
        let leaks = school.leaks(Actor::AdminFar, &found);
        assert!(leaks.iter().any(|leak| leak.starts_with(&format!("the {what} of"))), "{what}: {leaks:?}");
    }
    let changed = write_all(&store, &school, admin).await.into_iter().filter(|write| write.changed);
    assert!(changed.count() >= 4);
    store.close().await;
}
