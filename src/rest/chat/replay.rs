//! The events of a run that is long over, told again from its rows.

use bytes::{Bytes, BytesMut};

use crate::id::Uuid;
use crate::protocol::{
    AuthorKind, ErrorCode, Event, Extras, FinishReason, Message, Metadata, RunResult, entry,
};

/// What the log said, shortened: each message has its text in one piece.
pub(super) fn events(session: Uuid, run: Uuid, rows: &[Message]) -> Vec<Bytes> {
    let mut out = vec![bytes(&Event::RunStarted { thread_id: session, run_id: run, metadata: None })];
    for row in rows {
        let tutor = row.author.kind == AuthorKind::Tutor;
        let author = tutor.then_some("tutor");
        let fynq = Extras { author, files: &row.files, corrects: row.corrects, ..Extras::default() };
        let metadata = (tutor || !row.files.is_empty()).then_some(Metadata { fynq });
        let name = tutor.then_some(row.author.name.as_str());
        out.push(bytes(&Event::TextMessageStart { message_id: row.id, role: row.role, name, metadata }));
        if !row.content.is_empty() {
            out.push(bytes(&Event::TextMessageContent { message_id: row.id, delta: &row.content }));
        }
        out.push(bytes(&Event::TextMessageEnd { message_id: row.id }));
    }
    let answer = rows.iter().rev().find(|row| row.author.kind == AuthorKind::Assistant);
    out.push(bytes(&end(session, run, answer)));
    out
}

fn end(session: Uuid, run: Uuid, answer: Option<&Message>) -> Event<'_> {
    if let Some(code) = answer.and_then(|answer| answer.error) {
        return Event::RunError { message: ErrorCode::sentence(code), code };
    }
    let finish_reason = match answer {
        Some(answer) => answer.finish_reason.as_ref().unwrap_or(&FinishReason::Stop),
        None => &FinishReason::Tutor,
    };
    Event::RunFinished {
        thread_id: session,
        run_id: run,
        result: RunResult { finish_reason, model: answer.and_then(|answer| answer.model.as_deref()) },
        usage: answer.and_then(|answer| answer.usage).map(Into::into).into_iter().collect(),
    }
}

fn bytes(event: &Event<'_>) -> Bytes {
    let (frame, range) = entry(&mut BytesMut::new(), 0, event);
    frame.slice(range)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::{Author, MessageRole, Status};

    fn message(kind: AuthorKind, role: MessageRole, content: &str) -> Message {
        Message {
            id: crate::id::new(),
            session_id: Uuid::nil(),
            run_id: Uuid::nil(),
            role,
            author: Author { id: None, name: "N".into(), kind },
            content: content.into(),
            status: Status::Complete,
            finish_reason: None,
            error: None,
            usage: None,
            model: None,
            files: Vec::new(),
            corrects: None,
            corrected_by: None,
            edits: None,
            created_at: crate::clock::now(),
        }
    }

    fn types(rows: &[Message]) -> Vec<serde_json::Value> {
        let events = events(Uuid::nil(), Uuid::nil(), rows);
        events.iter().map(|event| serde_json::from_slice(event).unwrap()).collect()
    }

    #[test]
    fn a_finished_run_is_told_in_order() {
        let question = message(AuthorKind::Student, MessageRole::User, "Why?");
        let mut answer = message(AuthorKind::Assistant, MessageRole::Assistant, "Because.");
        answer.finish_reason = Some(FinishReason::Length);
        let told = types(&[question, answer]);
        let names: Vec<_> = told.iter().map(|event| event["type"].as_str().unwrap()).collect();
        assert_eq!(
            names,
            [
                "RUN_STARTED",
                "TEXT_MESSAGE_START",
                "TEXT_MESSAGE_CONTENT",
                "TEXT_MESSAGE_END",
                "TEXT_MESSAGE_START",
                "TEXT_MESSAGE_CONTENT",
                "TEXT_MESSAGE_END",
                "RUN_FINISHED"
            ]
        );
        assert_eq!(told[5]["delta"], "Because.");
        assert_eq!(told[7]["result"]["finish_reason"], "length");
    }

    #[test]
    fn a_failed_run_ends_with_its_error() {
        let question = message(AuthorKind::Student, MessageRole::User, "Why?");
        let mut answer = message(AuthorKind::Assistant, MessageRole::Assistant, "");
        answer.status = Status::Failed;
        answer.error = Some(ErrorCode::ModelEmpty);
        let told = types(&[question, answer]);
        assert_eq!(told.last().unwrap()["code"], "model_empty");
        assert_eq!(told[told.len() - 2]["type"], "TEXT_MESSAGE_END");
    }
}
