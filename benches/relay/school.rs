//! A class with its students and the tutors who teach it, each with an account of their own.

use std::net::SocketAddr;
use std::path::Path;

use futures_util::{StreamExt, TryStreamExt, stream};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::rest::{AT_ONCE, Rest, text};
use crate::socket::Door;

#[derive(Serialize, Deserialize)]
pub(crate) struct School {
    server: SocketAddr,
    pub(crate) students: Vec<Member>,
    pub(crate) tutors: Vec<Member>,
}

#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Member {
    pub(crate) token: String,
}

/// The server's first administrator, and whom they are to make.
pub(crate) struct Plan {
    pub(crate) email: String,
    pub(crate) password: String,
    pub(crate) students: usize,
    pub(crate) tutors: usize,
}

impl School {
    /// The server may have another address by now.
    pub(crate) fn read(file: &Path, server: SocketAddr) -> anyhow::Result<School> {
        let school: School = serde_json::from_slice(&std::fs::read(file)?)?;
        Ok(School { server, ..school })
    }

    pub(crate) fn door(&self, member: &Member, session: &str) -> Door {
        Door::of_session(self.server, session, &member.token)
    }

    /// The socket on which a tutor sees all sessions of their classes.
    pub(crate) fn wall(&self, tutor: &Member) -> Door {
        Door { server: self.server, path: "observe/socket".to_owned(), token: tutor.token.clone() }
    }
}

pub(crate) async fn make(server: SocketAddr, plan: Plan, file: &Path) -> anyhow::Result<()> {
    let rest = Rest::new(server)?;
    let sign_in = async |email: &str, password: &str| {
        let entry = json!({ "email": email, "password": password });
        text(&rest.post("auth/login", "", entry).await?, "access_token")
    };
    let admin = sign_in(&plan.email, &plan.password).await?;
    let class = text(&rest.post("classes", &admin, json!({ "name": "Bench" })).await?, "id")?;
    let password = uuid::Uuid::new_v4().to_string();
    let enrol = async |role: &str, number: usize| {
        let name = format!("{role} {number}");
        let email = format!("{}@bench.example", uuid::Uuid::now_v7());
        let entry = json!({ "email": email, "password": password, "role": role, "display_name": name });
        let user = text(&rest.post("admin/users", &admin, entry).await?, "id")?;
        let member = json!({ "user_id": user, "as": role });
        rest.post(&format!("classes/{class}/members"), &admin, member).await?;
        anyhow::Ok(Member { token: sign_in(&email, &password).await? })
    };
    let all = async |role: &'static str, count: usize| {
        let people = stream::iter(0..count).map(|number| enrol(role, number));
        people.buffered(AT_ONCE).try_collect::<Vec<_>>().await
    };
    let (students, tutors) = (all("student", plan.students).await?, all("tutor", plan.tutors).await?);
    std::fs::write(file, serde_json::to_vec(&School { server, students, tutors })?)?;
    Ok(())
}
