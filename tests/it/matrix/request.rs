//! One cell over HTTP.

use http::Method;
use serde_json::Value;

use super::policy::{Channel, Outcome, Row};
use super::school::{Actor, Fresh, HERE, School};
use super::socket::settled;
use crate::files::form;
use crate::message_files::picture_form;
use crate::support::client::Client;
use crate::support::socket::new_id;

/// An address or a body with our words filled in.
pub(super) struct Filled {
    pub(super) address: String,
    pub(super) body: Option<String>,
    /// The same for objects that never were.
    pub(super) never: Option<Box<Filled>>,
}

struct Answer {
    status: u16,
    body: String,
}

pub(super) async fn cell(school: &School, row: &Row, actor: Actor, wanted: &Outcome) -> Result<(), String> {
    let who = asker(school, row, actor).await;
    let filled = fill(school, row, actor, &who).await;
    let refused = wanted.word.starts_with('4');
    let before = if refused { Some(school.fingerprint().await) } else { None };
    let answer = ask(row, &who, &filled).await;
    if answer.status.to_string() != wanted.word {
        return Err(format!("{} instead of {}: {}", answer.status, wanted.word, answer.body));
    }
    if let Some(before) = before
        && before != school.fingerprint().await
    {
        return Err("refused, and something changed".into());
    }
    // What is done there is in the database a moment after it is answered.
    let claimed = filled.address.strip_prefix("/sessions/").and_then(|path| path.strip_suffix("/claim"));
    if let (Some(session), false) = (claimed, refused) {
        settled(school, session, "claim", false).await;
    }
    check(school, row, actor, wanted, &filled, &answer.body)?;
    if wanted.same
        && let Some(never) = &filled.never
    {
        let never = ask(row, &who, never).await;
        let (one, other) = (plain(&answer.body), plain(&never.body));
        if (answer.status, &one) != (never.status, &other) {
            return Err(format!("{one} where there is something, {} {other} where not", never.status));
        }
    }
    Ok(())
}

/// That an answer tells what it should, and nothing that this actor may not read.
pub(super) fn check(
    school: &School,
    row: &Row,
    actor: Actor,
    wanted: &Outcome,
    filled: &Filled,
    text: &str,
) -> Result<(), String> {
    let asked = format!("{}{}", filled.address, filled.body.as_deref().unwrap_or_default());
    // What somebody says themself they may hear again.
    let leaks: Vec<String> =
        school.leaks(actor, text).into_iter().filter(|leak| !told_by(school, leak, &asked)).collect();
    if !leaks.is_empty() {
        return Err(format!("the answer tells {}", leaks.join(", ")));
    }
    let Some(wanted) = wanted.tells else { return Ok(()) };
    let tells = school.tells(actor, row, text);
    let heard_again = tells && school.tells(actor, row, &asked);
    if tells == wanted || (!wanted && heard_again) {
        return Ok(());
    }
    Err(format!("it should{} tell of the {}: {text}", if wanted { "" } else { " not" }, row.object))
}

fn told_by(school: &School, leak: &str, asked: &str) -> bool {
    school.marks.iter().any(|mark| leak.contains(&mark.text) && asked.contains(&mark.text))
}

async fn asker(school: &School, row: &Row, actor: Actor) -> Client {
    match actor as usize >= Actor::Owner as usize {
        true if row.twin => school.twin(actor).await,
        true if row.alone => school.hermit(actor).await,
        _ => school.people[&actor].clone(),
    }
}

/// Fills in a row's words. New objects are made by the way.
pub(super) async fn fill(school: &School, row: &Row, actor: Actor, who: &Client) -> Filled {
    let template = (row.address.clone(), row.body.clone());
    let all = format!("{}{}", template.0, template.1.as_deref().unwrap_or_default());
    let mut words: Vec<(&str, String)> = own_words(school, actor, who);
    let mut never = words.clone();
    let mut known = |name: &'static str, value: String, none: String| {
        words.push((name, value));
        never.push((name, none));
    };
    for (name, value) in standing_words(school) {
        let none = if name == "{owner-email}" { "nobody@school.example".into() } else { new_id() };
        known(name, value, none);
    }
    for kind in [Fresh::Plain, Fresh::Raised, Fresh::Held] {
        if all.contains(kind.word()) {
            let fresh = school.fresh_session(kind).await;
            known(kind.word(), fresh.session, new_id());
            known("{question!}", fresh.question, new_id());
            known("{reply!}", fresh.reply, new_id());
            known("{whisper!}", fresh.whisper, new_id());
        }
    }
    if all.contains("{class!}") || all.contains("{code!}") {
        let (class, code) = school.fresh_class().await;
        known("{class!}", class, new_id());
        known("{code!}", code, "ZZZZZZZZZZZZ".into());
    }
    if all.contains("{pupil!}") {
        known("{pupil!}", school.fresh_pupil().await, new_id());
    }
    if all.contains("{note!}") {
        known("{note!}", school.fresh_note().await, new_id());
    }
    if all.contains("{content!}") {
        known("{content!}", school.fresh_content().await, new_id());
    }
    for (name, dead) in [("{task!}", false), ("{dead!}", true)] {
        if all.contains(name) {
            known(name, school.fresh_task(dead).await, new_id());
        }
    }
    if all.contains("{file!}") {
        known("{file!}", school.fresh_file().await, new_id());
    }
    if all.contains("{sign_in!}") {
        known("{sign_in!}", school.fresh_sign_in().await, new_id());
    }
    let replace = |text: &str, words: &[(&str, String)]| {
        words.iter().fold(text.to_owned(), |text, (name, value)| text.replace(name, value))
    };
    let build = |words: &[(&str, String)], never| Filled {
        address: replace(&template.0, words),
        body: template.1.as_deref().map(|body| replace(body, words)),
        never,
    };
    let never = build(&never, None);
    let filled = build(&words, None);
    let differs = filled.address != never.address || filled.body != never.body;
    Filled { never: differs.then(|| Box::new(never)), ..filled }
}

fn own_words(school: &School, actor: Actor, who: &Client) -> Vec<(&'static str, String)> {
    let org = if matches!(actor, Actor::Far | Actor::TutorFar | Actor::AdminFar) {
        format!("org{}", school.far_org)
    } else {
        format!("org{HERE}")
    };
    let or_something = |text: &str| if text.is_empty() { "something".to_owned() } else { text.to_owned() };
    vec![
        ("{mine}", school.sessions[&actor].clone()),
        ("{me}", or_something(&who.user_id)),
        ("{my-email}", if who.email.is_empty() { "nobody@school.example".into() } else { who.email.clone() }),
        ("{my-password}", or_something(&who.password)),
        ("{my-refresh}", or_something(&who.refresh_token)),
        ("{my-token}", or_something(&who.token)),
        ("{my-org}", org),
        ("{email!}", format!("fresh-{}@school.example", new_id())),
        ("{org}", school.far_org.clone()),
        ("{kind}", "idle".into()),
        ("{safety}", "safety".into()),
        ("{no-kind}", "boredom".into()),
        ("{first}", "1".into()),
        ("{cursor}", school.cursor.clone()),
        ("{epoch}", school.socket.epoch.clone()),
        ("{expired-token}", school.expired_token.clone()),
        ("{owner-token}", school.people[&Actor::Owner].token.clone()),
        (
            "{title}",
            school.marks.iter().find(|m| m.what == "title" && m.of == Actor::Owner).unwrap().text.clone(),
        ),
    ]
}

fn standing_words(school: &School) -> Vec<(&'static str, String)> {
    let user = |actor| school.people[&actor].user_id.clone();
    vec![
        ("{session}", school.sessions[&Actor::Owner].clone()),
        ("{message}", school.message.clone()),
        ("{answer}", school.answer.clone()),
        ("{whisper}", school.whisper.clone()),
        ("{task}", school.task.clone()),
        ("{file}", school.file.clone()),
        ("{class}", school.class.clone()),
        ("{content}", school.content.clone()),
        ("{draft}", school.draft.clone()),
        ("{book}", school.book.clone()),
        ("{draft-book}", school.draft_book.clone()),
        ("{content-word}", school.mark_of("content", Actor::Owner).to_owned()),
        ("{draft-word}", school.mark_of("draft", Actor::Owner).to_owned()),
        ("{owner}", user(Actor::Owner)),
        ("{mate}", user(Actor::Mate)),
        ("{far}", user(Actor::Far)),
        ("{owner-email}", school.people[&Actor::Owner].email.clone()),
    ]
}

async fn ask(row: &Row, who: &Client, filled: &Filled) -> Answer {
    let (method, sse) = match &row.channel {
        Channel::Rest(method) => (method.clone(), false),
        _ => (Method::POST, true),
    };
    let path = match filled.address.strip_prefix('^') {
        Some(path) => path.to_owned(),
        None if filled.address == "/" => "/api/v1".to_owned(),
        None => format!("/api/v1{}", filled.address),
    };
    let mut request = who.request_at(method, &path);
    if sse {
        request = request.header("accept", "text/event-stream");
    }
    if let Some(body) = &filled.body {
        let (media_type, body) = match body.strip_prefix("FORM ") {
            Some(text) => form("a.txt", text.as_bytes()),
            None if body.starts_with("IMAGE ") => picture(body),
            None => ("application/json".to_owned(), body.clone().into_bytes()),
        };
        request = request.header("content-type", media_type).body(body);
    }
    let response = request.send().await.expect("the server answers");
    let (status, headers) = (response.status().as_u16(), format!("{:?}", response.headers()));
    let body = response.text().await.expect("a whole body");
    // Headers may tell as well; the id of the request is nobody's secret.
    Answer { status, body: if headers.contains("school.example") { headers + &body } else { body } }
}

/// `IMAGE name=text`: a form with that field and a picture.
fn picture(body: &str) -> (String, Vec<u8>) {
    let field = body.strip_prefix("IMAGE ").and_then(|field| field.split_once('='));
    picture_form(&[field.expect("a field")], Some(&crate::support::picture::png()))
}

/// An answer without what differs by right from one request to the next.
pub(super) fn plain(body: &str) -> String {
    match serde_json::from_str::<Value>(body) {
        Ok(mut value) => {
            if let Some(object) = value.as_object_mut() {
                object.remove("request_id");
            }
            value.to_string()
        }
        Err(_) => body.to_owned(),
    }
}
