//! One student with many sessions, made through REST like anybody's.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, ensure};
use futures_util::{StreamExt, TryStreamExt, stream};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// Requests on their way at once.
const AT_ONCE: usize = 16;

#[derive(Serialize, Deserialize)]
pub(crate) struct Sessions {
    pub(crate) server: SocketAddr,
    pub(crate) token: String,
    pub(crate) ids: Vec<String>,
}

impl Sessions {
    /// The server may have another address by now.
    pub(crate) fn read(file: &Path, server: SocketAddr) -> anyhow::Result<Sessions> {
        let sessions: Sessions = serde_json::from_slice(&std::fs::read(file)?)?;
        Ok(Sessions { server, ..sessions })
    }
}

pub(crate) async fn make(server: SocketAddr, count: usize, file: &Path) -> anyhow::Result<()> {
    let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(30)).build()?;
    let post = async |path: &str, token: &str, body: Value| {
        let request = client.post(format!("http://{server}/api/v1/{path}")).bearer_auth(token).json(&body);
        let response = request.send().await?;
        let status = response.status();
        let text = response.text().await?;
        ensure!(status.as_u16() == 201, "{path}: {status} {text}");
        Ok(serde_json::from_str::<Value>(&text)?)
    };
    let email = format!("{}@bench.example", uuid::Uuid::now_v7());
    // Known to nobody: the database is thrown away, but until then the server listens.
    let password = uuid::Uuid::new_v4().to_string();
    let signed_up = post("auth/register", "", json!({ "email": email, "password": password })).await?;
    let token = signed_up["access_token"].as_str().context("no access token")?.to_owned();
    let ids = stream::iter(0..count)
        .map(async |number| {
            let made = post("sessions", &token, json!({ "title": format!("bench {number}") })).await?;
            anyhow::Ok(made["id"].as_str().context("no session id")?.to_owned())
        })
        .buffer_unordered(AT_ONCE)
        .try_collect()
        .await?;
    std::fs::write(file, serde_json::to_vec(&Sessions { server, token, ids })?)?;
    Ok(())
}
