//! What sessions were about: which of them went quiet, what was said there, and what is kept of it.

use tokio_postgres::types::Type;

use crate::clock::Timestamp;
use crate::id::{self, Uuid};

use super::sessions::count;
use super::{Effect, Store, StoreError};

/// Between these times the last thing happened in a session that is quiet now.
#[derive(Clone, Copy, Debug)]
pub struct Quiet {
    pub since: Timestamp,
    pub before: Timestamp,
}

/// What was said, oldest first.
#[derive(Clone, Debug)]
pub struct Said {
    /// `student`, `assistant` or `tutor`, and their words.
    pub turns: Vec<(String, String)>,
    /// The student may put nothing to the model now.
    pub silent: bool,
}

#[derive(Clone, Debug)]
pub struct Summary {
    pub session_id: Uuid,
    pub text: String,
    pub model: Option<String>,
    pub created_at: Timestamp,
}

impl Store {
    /// Puts a task there for each session that went quiet and came further than its summary; so many at most.
    pub async fn summarize_quiet(&self, quiet: Quiet, most: usize) -> Result<usize, StoreError> {
        let sql = include_str!("../../sql/queries/sessions_quiet.sql");
        let ids: Vec<Uuid> = (0..most).map(|_| id::new()).collect();
        let params = [
            (&ids as _, Type::UUID_ARRAY),
            (&quiet.before as _, Type::TIMESTAMPTZ),
            (&quiet.since as _, Type::TIMESTAMPTZ),
        ];
        Ok(self.as_jobs().change(sql, &params).await?.len())
    }

    /// The newest messages of a session up to a place in it. `None`: nothing was said, or it is gone.
    pub async fn said(&self, session: Uuid, upto: i64, most: usize) -> Result<Option<Said>, StoreError> {
        let sql = include_str!("../../sql/queries/session_words.sql");
        let params = [(&session as _, Type::UUID), (&upto as _, Type::INT8), (&count(most) as _, Type::INT8)];
        let rows = self.as_task().read(sql, &params).await?;
        let Some(first) = rows.first() else { return Ok(None) };
        let silent = self.is_silent(first.try_get("student_id")?).await?;
        let turns: Result<_, StoreError> =
            rows.iter().map(|row| Ok((row.try_get("author_kind")?, row.try_get("content")?))).collect();
        Ok(Some(Said { turns: turns?, silent }))
    }

    /// What writes a summary, and the title where there is none.
    pub fn summary_effect(session: Uuid, upto: i64, title: &str, text: &str, model: Option<&str>) -> Effect {
        Effect {
            sql: include_str!("../../sql/queries/session_summary_write.sql"),
            rows: serde_json::json!({
                "session": session, "upto": upto, "title": title, "text": text, "model": model,
            }),
        }
    }

    /// Of a session that they may see.
    pub async fn summary(&self, who: Uuid, session: Uuid) -> Result<Option<Summary>, StoreError> {
        let sql = include_str!("../../sql/queries/session_summary.sql");
        let row = self.as_user(who).read_opt(sql, &[(&session, Type::UUID)]).await?;
        let Some(row) = row else { return Ok(None) };
        Ok(Some(Summary {
            session_id: row.try_get("session_id")?,
            text: row.try_get("text")?,
            model: row.try_get("model")?,
            created_at: row.try_get("created_at")?,
        }))
    }
}
