//! One student with many sessions, made through REST like anybody's.

use std::net::SocketAddr;
use std::path::Path;

use anyhow::Context;
use futures_util::{StreamExt, TryStreamExt, stream};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::rest::{AT_ONCE, Rest, text};
use crate::socket::Door;

#[derive(Serialize, Deserialize)]
pub(crate) struct Sessions {
    server: SocketAddr,
    token: String,
    ids: Vec<String>,
}

impl Sessions {
    /// The server may have another address by now.
    pub(crate) fn read(file: &Path, server: SocketAddr) -> anyhow::Result<Sessions> {
        let sessions: Sessions = serde_json::from_slice(&std::fs::read(file)?)?;
        Ok(Sessions { server, ..sessions })
    }

    pub(crate) fn door(&self, session: usize) -> anyhow::Result<Door> {
        let id = self.ids.get(session).context("not enough sessions were made")?;
        Ok(Door::of_session(self.server, id, &self.token))
    }
}

pub(crate) async fn make(server: SocketAddr, count: usize, file: &Path) -> anyhow::Result<()> {
    let rest = Rest::new(server)?;
    let email = format!("{}@bench.example", uuid::Uuid::now_v7());
    // Known to nobody: the database is thrown away, but until then the server listens.
    let password = uuid::Uuid::new_v4().to_string();
    let signed_up = rest.post("auth/register", "", json!({ "email": email, "password": password })).await?;
    let token = text(&signed_up, "access_token")?;
    let ids = stream::iter(0..count)
        .map(async |number| rest.session(&token, &format!("bench {number}")).await)
        .buffer_unordered(AT_ONCE)
        .try_collect()
        .await?;
    std::fs::write(file, serde_json::to_vec(&Sessions { server, token, ids })?)?;
    Ok(())
}
