//! A school: a server with an admin, and students.

use serde_json::{Value, json};

use super::app::{Builder, TestApp};
use super::client::Client;

pub(crate) struct School {
    pub(crate) app: TestApp,
    pub(crate) root: Client,
}

impl School {
    pub(crate) async fn start() -> School {
        School::of(TestApp::builder()).await
    }

    pub(crate) async fn of(builder: Builder) -> School {
        let builder = builder.settings(|s| {
            s.accounts.admin = Some(("root@school.example".into(), "a long password".to_owned().into()));
        });
        let app = builder.start().await;
        let mut root = Client::stranger(app.addr);
        (root.email, root.password) = ("root@school.example".into(), "a long password".into());
        let root = root.login().await;
        School { app, root }
    }

    /// Rows of the audit, the oldest first, as the admin reads them.
    pub(crate) async fn audit(&self) -> Vec<Value> {
        self.app.server().app().audit.flush().await;
        let (mut rows, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = self.root.get(&format!("/audit?limit=100{cursor}")).await.ok(200);
            rows.extend(page["items"].as_array().unwrap().iter().cloned());
            match page["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => break,
            }
        }
        rows.reverse();
        rows
    }

    /// Those of one kind.
    pub(crate) async fn events(&self, event: &str) -> Vec<Value> {
        self.audit().await.into_iter().filter(|row| row["event"] == event).collect()
    }

    pub(crate) async fn policy(&self, change: Value) -> Value {
        self.root.patch("/admin/organisation/policy", change).await.ok(200)
    }

    pub(crate) async fn consent(&self, of: &Client, state: &str, version: &str) {
        let path = format!("/admin/users/{}/consent", of.user_id);
        let body = json!({"state": state, "by": "guardian", "name": "A. Parent", "version": version});
        self.root.put(&path, body).await.ok(200);
    }
}
