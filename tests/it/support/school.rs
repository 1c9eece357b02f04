//! Two schools on one server: people of every role, a class in each, and a session of a student in each.

use fynq::id::{self, Uuid};
use serde_json::{Value, json};

use super::app::{Builder, TestApp};
use super::client::Client;

pub(crate) struct School {
    pub(crate) app: TestApp,
    /// A student of the class, and her session.
    pub(crate) ada: Client,
    pub(crate) session: String,
    /// Another student of the class.
    pub(crate) bob: Client,
    /// A student of no class.
    pub(crate) cy: Client,
    /// Teaches the class.
    pub(crate) tia: Client,
    /// A tutor of no class.
    pub(crate) uwe: Client,
    /// The admin.
    pub(crate) root: Client,
    pub(crate) class: String,
    pub(crate) code: String,
    // The other school.
    pub(crate) eve: Client,
    pub(crate) tom: Client,
    pub(crate) rex: Client,
    pub(crate) other_session: String,
    pub(crate) other_class: String,
    pub(crate) other_code: String,
    pub(crate) other_org: Uuid,
}

impl School {
    pub(crate) async fn start() -> School {
        School::of(TestApp::builder()).await
    }

    pub(crate) async fn of(builder: Builder) -> School {
        let app = builder.start().await;
        let other_org = id::new();
        app.execute(&format!("INSERT INTO organisations VALUES ('{other_org}', 'North', now())")).await;
        let people =
            ["ada", "bob", "cy", "tia", "uwe", "root", "eve", "tom", "rex"].map(|name| app.student(name));
        let people = futures_util::future::join_all(people).await;
        let [ada, bob, cy, tia, uwe, root, eve, tom, rex] = <[Client; 9]>::try_from(people).ok().unwrap();
        for (who, role) in
            [(&tia, "tutor"), (&uwe, "tutor"), (&tom, "tutor"), (&root, "admin"), (&rex, "admin")]
        {
            app.execute(&format!("UPDATE users SET role = '{role}' WHERE id = '{}'", who.user_id)).await;
        }
        for who in [&eve, &tom, &rex] {
            app.execute(&format!("UPDATE users SET org_id = '{other_org}' WHERE id = '{}'", who.user_id))
                .await;
        }
        let (class, code) = make_class(&tia, "7b").await;
        let (other_class, other_code) = make_class(&tom, "North 7").await;
        for (who, code) in [(&ada, &code), (&bob, &code), (&eve, &other_code)] {
            who.post("/classes/join", json!({"code": code})).await.ok(200);
        }
        let (session, other_session) = (ada.session().await, eve.session().await);
        School {
            app,
            ada,
            session,
            bob,
            cy,
            tia,
            uwe,
            root,
            class,
            code,
            eve,
            tom,
            rex,
            other_session,
            other_class,
            other_code,
            other_org,
        }
    }

    /// Takes the database's lock away, so that what is left is the server's.
    pub(crate) async fn without_row_level_security(&self) {
        self.app.without_row_level_security().await;
    }
}

/// A class's id and join code.
pub(crate) async fn make_class(by: &Client, name: &str) -> (String, String) {
    let class = by.post("/classes", json!({"name": name})).await.ok(201);
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    (text(&class["id"]), text(&class["join_code"]))
}

/// One field of each item of a list, sorted.
pub(crate) async fn listed(who: &Client, path: &str, field: &str) -> Vec<String> {
    let body = who.get(path).await.ok(200);
    let items = body["items"].as_array().unwrap();
    let mut found: Vec<_> = items.iter().map(|item| item[field].as_str().unwrap().to_owned()).collect();
    found.sort();
    found
}
