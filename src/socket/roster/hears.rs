//! What a reader of the roster says: next to nothing is taken.

use axum::extract::ws::Message;
use secrecy::{ExposeSecret, SecretString};

use crate::audit;
use crate::protocol::{BadFrame, CloseCode, Command, Control, ErrorCode, MAX_FRAME, parse_command};

use super::super::end::{End, unreadable};
use super::super::pace::Spoken;
use super::super::vitals::remaining;
use super::{Connection, Open};

/// Said to whoever orders something here.
const NOT_HERE: &str = "A roster takes no commands but ping and auth.";

impl Open {
    async fn refuse(&mut self, code: ErrorCode, message: &str, of: Option<&str>) -> Result<(), End> {
        self.refuse_for(code, message, of, None).await
    }

    async fn refuse_for(
        &mut self,
        code: ErrorCode,
        message: &str,
        command_id: Option<&str>,
        retry_after_ms: Option<u64>,
    ) -> Result<(), End> {
        self.write([Control::Error { code, message, command_id, retry_after_ms }.frame()]).await
    }

    pub(super) async fn frame(&mut self, frame: Option<Result<Message, axum::Error>>) -> Result<(), End> {
        self.vitals.heard();
        let text = match frame {
            Some(Ok(Message::Text(text))) => text,
            Some(Ok(Message::Binary(_))) => return Err(End::Close(CloseCode::BadFrame)),
            // The library answers; they cost as much as a command, and nobody waits for a refusal.
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => {
                return match self.spoken() {
                    Spoken::Fine | Spoken::TooFast(_) => Ok(()),
                    Spoken::TooMuch => Err(End::Close(CloseCode::TooMany)),
                };
            }
            Some(Ok(Message::Close(_))) => return Err(End::Answered),
            Some(Err(error)) => return Err(unreadable(&error)),
            None => return Err(End::Lost),
        };
        if text.len() > MAX_FRAME {
            return Err(End::Close(CloseCode::TooBig));
        }
        let parsed = parse_command(&text);
        let id = match &parsed {
            Ok(command) => command.id().map(|id| id.to_string()),
            Err(BadFrame::Invalid { command_id, .. }) => command_id.clone(),
            Err(BadFrame::Malformed) => return Err(End::Close(CloseCode::BadFrame)),
        };
        match self.spoken() {
            Spoken::Fine => self.heed(parsed, id.as_deref()).await,
            Spoken::TooFast(wait) => {
                let (code, wait) = (ErrorCode::RateLimited, wait.as_millis() as u64 + 1);
                self.refuse_for(code, code.sentence(), id.as_deref(), Some(wait)).await
            }
            Spoken::TooMuch => {
                self.refused("too many commands");
                Err(End::Close(CloseCode::TooMany))
            }
        }
    }

    async fn heed(&mut self, parsed: Result<Command, BadFrame>, id: Option<&str>) -> Result<(), End> {
        match parsed {
            Ok(Command::Ping(t)) => self.write([Control::Pong { t: t.as_deref() }.frame()]).await,
            Ok(Command::Auth(token)) => Box::pin(self.renew(token)).await,
            Ok(_) => {
                audit::line("forbidden", "command", Some(self.connection.who.user_id), None);
                self.refuse(ErrorCode::NotAllowed, NOT_HERE, id).await
            }
            Err(BadFrame::Invalid { code, message, .. }) => {
                self.refused("command");
                self.refuse(code, &message, id).await
            }
            Err(BadFrame::Malformed) => Err(End::Close(CloseCode::BadFrame)),
        }
    }

    /// That this person was refused something; a line once a minute.
    fn refused(&self, what: &'static str) {
        let Connection { app, who, .. } = &self.connection;
        app.auth.limits().refused(what, Some(who.user_id), None);
    }

    /// One more frame, counted for this socket and for all of the account's.
    fn spoken(&mut self) -> Spoken {
        let Connection { app, who, .. } = &self.connection;
        self.pace.spoken(|| app.auth.limits().command(who.user_id))
    }

    /// A fresh token of the same person on a live socket.
    async fn renew(&mut self, token: SecretString) -> Result<(), End> {
        let app = self.connection.app.clone();
        let who = match app.auth.authenticate(token.expose_secret()).await {
            Ok(who) => who,
            Err(problem) if problem.status().is_server_error() => return self.unavailable().await,
            Err(_) => return Err(End::Close(CloseCode::Unauthenticated)),
        };
        if who.user_id != self.connection.who.user_id {
            return Err(End::Close(CloseCode::Unauthenticated));
        }
        // With another role or in another school the socket would not have been opened like this.
        if who.role != self.connection.who.role || who.org_id != self.connection.who.org_id {
            return Err(End::Close(CloseCode::Forbidden));
        }
        let mut scope = match app.auth.roster(&who).await {
            Ok(scope) => scope,
            Err(problem) if problem.status().is_server_error() => return self.unavailable().await,
            Err(_) => return Err(End::Close(CloseCode::Forbidden)),
        };
        // What changed between the two sign-ins is told as any change is.
        scope.mark_changed();
        self.connection.scope = scope;
        self.standing = app.auth.standing(&who);
        self.vitals.renewed(remaining(&who));
        self.connection.who = who;
        self.look_outside();
        Ok(())
    }

    async fn unavailable(&mut self) -> Result<(), End> {
        let code = ErrorCode::StorageUnavailable;
        self.refuse_for(code, code.sentence(), None, Some(2_000)).await
    }
}
