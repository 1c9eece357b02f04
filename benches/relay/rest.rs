//! What is made through REST, like anybody's.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, ensure};
use reqwest::Method;
use serde_json::{Value, json};

/// Requests on their way at once.
pub(crate) const AT_ONCE: usize = 16;

pub(crate) struct Rest {
    client: reqwest::Client,
    server: SocketAddr,
}

impl Rest {
    pub(crate) fn new(server: SocketAddr) -> anyhow::Result<Rest> {
        let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(30)).build()?;
        Ok(Rest { client, server })
    }

    pub(crate) async fn post(&self, path: &str, token: &str, body: Value) -> anyhow::Result<Value> {
        let text = self.call(Method::POST, path, token, Some(body)).await?;
        Ok(serde_json::from_str(&text)?)
    }

    /// A session of whoever the token is for.
    pub(crate) async fn session(&self, token: &str, title: &str) -> anyhow::Result<String> {
        text(&self.post("sessions", token, json!({ "title": title })).await?, "id")
    }

    pub(crate) async fn delete_session(&self, token: &str, id: &str) -> anyhow::Result<()> {
        self.call(Method::DELETE, &format!("sessions/{id}"), token, None).await.map(drop)
    }

    async fn call(
        &self,
        method: Method,
        path: &str,
        token: &str,
        body: Option<Value>,
    ) -> anyhow::Result<String> {
        let address = format!("http://{}/api/v1/{path}", self.server);
        let mut request = self.client.request(method, address).bearer_auth(token);
        if let Some(body) = body {
            request = request.json(&body);
        }
        let response = request.send().await?;
        let status = response.status();
        let text = response.text().await?;
        ensure!(status.is_success(), "{path}: {status} {text}");
        Ok(text)
    }
}

/// A field of an answer.
pub(crate) fn text(body: &Value, field: &str) -> anyhow::Result<String> {
    Ok(body[field].as_str().with_context(|| format!("an answer without `{field}`"))?.to_owned())
}
