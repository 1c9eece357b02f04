//! What the admin of an organisation does over REST, and the operator on the command line.

use std::io::Write as _;
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};

use crate::support::app::{Scratch, TestApp};
use crate::support::client::Client;
use crate::support::pg;
use crate::support::school::{School, listed};
use crate::support::socket::new_id;

async fn login(addr: std::net::SocketAddr, email: &str, password: &str) -> crate::support::client::Reply {
    Client::stranger(addr).post("/auth/login", json!({"email": email, "password": password})).await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_admin_makes_accounts_in_their_own_organisation() {
    let s = School::start().await;
    let email = format!("New-{}@School.example", new_id());
    let body = json!({"email": email, "password": "correct horse battery", "role": "tutor", "display_name": " Nia "});
    let made = s.rex.post("/admin/users", body.clone()).await.ok(201);
    assert_eq!((&made["email"], &made["role"]), (&json!(email.to_lowercase()), &json!("tutor")));
    assert_eq!((&made["display_name"], &made["disabled"]), (&json!("Nia"), &json!(false)));
    s.rex.post("/admin/users", body.clone()).await.assert_problem(409, "email_taken");
    login(s.app.addr, &email, "correct horse battery").await.ok(200);
    let id = made["id"].as_str().unwrap();
    let there = format!("SELECT count(*) FROM users WHERE id = '{id}' AND org_id = '{}'", s.other_org);
    assert_eq!(s.app.count(&there).await, 1);
    for (field, value) in [("org_id", json!(new_id())), ("id", json!(new_id())), ("role", json!("root"))] {
        let mut bad = body.clone();
        bad[field] = value;
        s.rex.post("/admin/users", bad).await.assert_problem(422, "invalid_input");
    }
    let mut weak = body;
    weak["password"] = "short".into();
    s.rex.post("/admin/users", weak).await.assert_problem(422, "invalid_input");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_without_a_password_comes_with_a_code_that_sets_one() {
    let s = School::start().await;
    let email = format!("new-{}@school.example", new_id());
    let body = json!({"email": email, "role": "student"});
    let made = s.root.post("/admin/users", body.clone()).await.ok(201);
    let code = made["reset_code"]["code"].as_str().unwrap();
    assert!(made["reset_code"]["expires_at"].is_string() && code.len() == 34, "{made}");
    login(s.app.addr, &email, code).await.assert_problem(401, "invalid_credentials");
    let reset = json!({"email": email, "code": code, "new_password": "correct horse battery"});
    Client::stranger(s.app.addr).post("/auth/reset", reset.clone()).await.ok(204);
    Client::stranger(s.app.addr).post("/auth/reset", reset).await.assert_problem(422, "invalid_code");
    login(s.app.addr, &email, "correct horse battery").await.ok(200);
    // Nobody else's account is opened by asking for it once more.
    s.root.post("/admin/users", body).await.assert_problem(409, "email_taken");
    let given = json!({"email": format!("x{email}"), "role": "student", "password": "correct horse battery"});
    assert!(s.root.post("/admin/users", given).await.ok(201).get("reset_code").is_none());
    s.app.server().app().audit.flush().await;
    let rows = format!(
        "SELECT count(*) FROM audit WHERE event = 'reset_code_issued' AND subject_id = '{}'",
        made["id"].as_str().unwrap()
    );
    assert_eq!(s.app.count(&rows).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn people_are_found_and_paged() {
    let s = School::start().await;
    let found = async |q: &str| {
        let page = s.root.post("/admin/users/search", json!({"q": q})).await.ok(200);
        let ids =
            page["items"].as_array().unwrap().iter().map(|item| item["id"].as_str().unwrap().to_owned());
        ids.collect::<Vec<_>>()
    };
    assert_eq!(found(&s.ada.email.to_uppercase()).await, [&*s.ada.user_id]);
    assert_eq!(found("school.example").await.len(), 6);
    assert!(found("%").await.is_empty(), "its own letters only");
    let mut seen = Vec::new();
    let mut path = "/admin/users?limit=4".to_owned();
    loop {
        let page = s.root.get(&path).await.ok(200);
        seen.extend(page["items"].as_array().unwrap().iter().map(|user| user["id"].clone()));
        let Some(next) = page["next_cursor"].as_str() else { break };
        path = format!("/admin/users?limit=4&cursor={next}");
    }
    assert_eq!(seen.len(), 6);
    // A cursor carries no rights.
    let page = s.root.get("/admin/users?limit=1").await.ok(200);
    let foreign = format!("/admin/users?cursor={}", page["next_cursor"].as_str().unwrap());
    assert!(listed(&s.rex, &foreign, "id").await.iter().all(|id| !seen.contains(&json!(id))));
}

#[tokio::test(flavor = "multi_thread")]
async fn roles_and_names_change_and_accounts_are_disabled() {
    let s = School::start().await;
    let path = format!("/admin/users/{}", s.cy.user_id);
    let changed = s.root.patch(&path, json!({"role": "tutor", "display_name": "Cy B."})).await.ok(200);
    assert_eq!((&changed["role"], &changed["display_name"]), (&json!("tutor"), &json!("Cy B.")));
    assert_eq!(s.cy.get("/users/me").await.ok(200)["role"], "tutor");
    assert_eq!(s.root.patch(&path, json!({})).await.ok(200), changed);
    assert_eq!(s.root.patch(&path, json!({"disabled": true})).await.ok(200)["disabled"], true);
    s.cy.get("/users/me").await.assert_problem(401, "unauthorized");
    login(s.app.addr, &s.cy.email, &s.cy.password).await.assert_problem(401, "invalid_credentials");
    s.root.patch(&path, json!({"disabled": false})).await.ok(200);
    // What was signed out stays so.
    s.cy.get("/users/me").await.assert_problem(401, "unauthorized");
    login(s.app.addr, &s.cy.email, &s.cy.password).await.ok(200);
    for field in ["email", "org_id", "password", "id", "created_at"] {
        s.root.patch(&path, json!({field: "x"})).await.assert_problem(422, "invalid_input");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_admin_signs_somebody_out_everywhere() {
    let s = School::start().await;
    let elsewhere = s.ada.login().await;
    let mut socket = elsewhere.socket(&s.session).await;
    s.root.post(&format!("/admin/users/{}/sign-out", s.ada.user_id), json!({})).await.ok(204);
    for who in [&s.ada, &elsewhere] {
        who.get("/users/me").await.assert_problem(401, "unauthorized");
        let refresh = json!({"refresh_token": who.refresh_token});
        Client::stranger(s.app.addr).post("/auth/refresh", refresh).await.assert_problem(401, "unauthorized");
    }
    let since = std::time::Instant::now();
    assert_eq!(socket.closed().await, 4401);
    assert!(since.elapsed().as_secs() < 5, "{:?}", since.elapsed());
    s.bob.get("/users/me").await.ok(200);
    s.ada.login().await.get("/users/me").await.ok(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_admin_signs_everybody_out() {
    let s = School::start().await;
    let elsewhere = s.ada.login().await;
    let mut sockets = [s.ada.socket(&s.session).await, s.tia.socket(&s.session).await];
    let mut foreign = s.eve.socket(&s.other_session).await;
    for who in [&s.ada, &s.tia] {
        who.post("/admin/sign-out", json!({})).await.assert_problem(403, "forbidden");
    }
    let alive = format!(
        "SELECT count(*) FROM sign_ins s JOIN users u ON u.id = s.user_id JOIN users a ON a.org_id = u.org_id \
         WHERE a.id = '{}' AND s.ended_at IS NULL",
        s.root.user_id
    );
    let before = s.app.count(&alive).await;
    assert_eq!(s.root.post("/admin/sign-out", json!({})).await.ok(200), json!({"sign_ins": before}));
    for who in [&s.ada, &elsewhere, &s.bob, &s.cy, &s.tia, &s.uwe, &s.root] {
        who.get("/users/me").await.assert_problem(401, "unauthorized");
        let refresh = json!({"refresh_token": who.refresh_token});
        Client::stranger(s.app.addr).post("/auth/refresh", refresh).await.assert_problem(401, "unauthorized");
    }
    let since = std::time::Instant::now();
    for socket in &mut sockets {
        assert_eq!(socket.closed().await, 4401);
    }
    assert!(since.elapsed().as_secs() < 5, "{:?}", since.elapsed());
    foreign.round_trip().await;
    for who in [&s.eve, &s.tom, &s.rex] {
        who.get("/users/me").await.ok(200);
    }
    let root = s.root.login().await;
    s.app.server().app().audit.flush().await;
    let row = &root.get("/audit").await.ok(200)["items"];
    let row = row.as_array().unwrap().iter().find(|row| row["event"] == "everybody_signed_out").unwrap();
    assert_eq!((&row["actor"]["id"], &row["detail"]["sign_ins"]), (&json!(s.root.user_id), &json!(before)));
    assert_eq!(root.post("/admin/sign-out", json!({})).await.ok(200), json!({"sign_ins": 1}));
}

/// Beside a running server, in the database that both have.
#[tokio::test(flavor = "multi_thread")]
async fn the_operator_signs_everybody_out() {
    let s = School::start().await;
    let mut sockets = [s.ada.socket(&s.session).await, s.eve.socket(&s.other_session).await];
    let name = s.rex.get("/admin/organisation").await.ok(200)["name"].as_str().unwrap().to_owned();
    let order = async |arguments: &[&str]| {
        let url = s.app.database.url().to_owned();
        let arguments: Vec<String> = arguments.iter().map(|&word| word.to_owned()).collect();
        let run = tokio::task::spawn_blocking(move || {
            let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
            fynq(&url, &Scratch::new(), &words, "")
        });
        run.await.unwrap()
    };
    assert!(refused(&order(&["sign-out-all", "--org", "Nowhere"]).await).contains("no organisation"));
    let alive = async |who: &Client| {
        let sql = "SELECT count(*) FROM sign_ins s JOIN users u ON u.id = s.user_id JOIN users a ON a.org_id = u.org_id";
        s.app.count(&format!("{sql} WHERE a.id = '{}' AND s.ended_at IS NULL", who.user_id)).await
    };
    let (here, there) = (alive(&s.root).await, alive(&s.rex).await);
    let told = said(&order(&["sign-out-all", "--org", &name]).await);
    assert_eq!(told, format!("{there} sign-ins are ended\n"));
    s.eve.get("/users/me").await.assert_problem(401, "unauthorized");
    let since = std::time::Instant::now();
    assert_eq!(sockets[1].closed().await, 4401);
    assert!(since.elapsed().as_secs() < 5, "{:?}", since.elapsed());
    sockets[0].round_trip().await;

    let rex = s.rex.login().await;
    let told = said(&order(&["sign-out-all"]).await);
    assert_eq!(told, format!("{} sign-ins of 2 organisations are ended\n", here + 1));
    assert_eq!(sockets[0].closed().await, 4401);
    for who in [&s.root, &rex] {
        who.get("/users/me").await.assert_problem(401, "unauthorized");
    }
    assert_eq!(said(&order(&["sign-out-all"]).await), "0 sign-ins are ended\n");
    let written = "SELECT count(*) FROM audit WHERE event = 'everybody_signed_out' AND actor_id IS NULL \
                   AND org_id = subject_id";
    assert_eq!(s.app.count(written).await, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_admin_stays() {
    let s = School::start().await;
    let path = |who: &Client| format!("/admin/users/{}", who.user_id);
    for change in
        [json!({"role": "tutor"}), json!({"disabled": true}), json!({"role": "admin", "disabled": true})]
    {
        s.root.patch(&path(&s.root), change).await.assert_problem(409, "last_admin");
    }
    // The admin of another school is no comfort; a disabled one of this school neither.
    s.root.patch(&path(&s.uwe), json!({"role": "admin", "disabled": true})).await.ok(200);
    s.root.patch(&path(&s.root), json!({"role": "student"})).await.assert_problem(409, "last_admin");
    assert_eq!(s.root.patch(&path(&s.root), json!({"display_name": "R"})).await.ok(200)["role"], "admin");
    s.root.patch(&path(&s.tia), json!({"role": "admin"})).await.ok(200);
    s.root.patch(&path(&s.root), json!({"role": "student"})).await.ok(200);
    s.root.get("/admin/users").await.assert_problem(403, "forbidden");
}

/// Two admins take the role from each other at the same moment: one of them stays.
#[tokio::test(flavor = "multi_thread")]
async fn an_organisation_keeps_an_admin_whoever_is_faster() {
    let s = School::start().await;
    let path = |who: &Client| format!("/admin/users/{}", who.user_id);
    for _ in 0..5 {
        s.app
            .execute(&format!(
                "UPDATE users SET role = 'admin' WHERE id IN ('{}', '{}')",
                s.root.user_id, s.tia.user_id
            ))
            .await;
        let (one, other) = (path(&s.tia), path(&s.root));
        let demote = || json!({"role": "tutor"});
        let (one, other) = tokio::join!(s.root.patch(&one, demote()), s.tia.patch(&other, demote()));
        let admins = format!(
            "SELECT count(*) FROM users WHERE role = 'admin' AND id IN ('{}', '{}')",
            s.root.user_id, s.tia.user_id
        );
        assert_eq!(s.app.count(&admins).await, 1, "{one:?} {other:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_organisation_is_named_by_its_admin() {
    let s = School::start().await;
    let named = s.rex.patch("/admin/organisation", json!({"name": " North School "})).await.ok(200);
    assert_eq!(named["name"], "North School");
    assert_eq!(s.rex.get("/admin/organisation").await.ok(200), named);
    assert_eq!(s.root.get("/admin/organisation").await.ok(200)["name"], "School");
    // The name of another school may be taken: who is asked about it would learn that it is there.
    s.rex.patch("/admin/organisation", json!({"name": "School"})).await.ok(200);
    for bad in [json!({"name": " "}), json!({"name": "x", "id": new_id()}), json!({})] {
        s.rex.patch("/admin/organisation", bad).await.assert_problem(422, "invalid_input");
    }
}

// ---- The command line --------------------------------------------------------------------------

fn fynq(url: &str, dir: &Scratch, arguments: &[&str], input: &str) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_fynq"))
        .arg("admin")
        .args(arguments)
        .env_clear()
        .envs(std::env::var_os("PATH").map(|path| ("PATH", path)))
        .env("DATABASE_URL", url)
        .env("RUST_LOG", "warn")
        .current_dir(&dir.0)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A command that reads nothing may be gone already.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}

fn said(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn refused(output: &Output) -> String {
    assert!(!output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    let said = String::from_utf8(output.stderr.clone()).unwrap();
    assert_eq!(said.lines().count(), 1, "{said}");
    said
}

#[tokio::test(flavor = "multi_thread")]
async fn the_operator_makes_admins_and_organisations() {
    let app = TestApp::builder().start().await;
    let bo = app.student("bo").await;
    let (url, email) = (app.database.url().to_owned(), bo.email.clone());
    let lines = tokio::task::spawn_blocking(move || {
        let dir = Scratch::new();
        let run = |arguments: &[&str], input: &str| fynq(&url, &dir, arguments, input);
        assert!(said(&run(&["list"], "")).contains("no admin"));
        let made = said(&run(&["create", "--email", "Root@School.example"], ""));
        assert!(refused(&run(&["create", "--email", "root@school.example"], "")).contains("promote"));
        let north =
            &["create", "--email", "rex@north.example", "--organisation", "North", "--password-stdin"];
        assert!(refused(&run(north, "a long password\n")).contains("no organisation"));
        assert!(said(&run(&["organisation", "add", "North"], "")).contains("North"));
        assert!(refused(&run(&["organisation", "add", "north"], "")).contains("already"));
        assert!(!refused(&run(north, "hunter2\n")).contains("hunter2"));
        assert!(!said(&run(north, "a long password\n")).contains("a long password"));
        said(&run(&["promote", "--email", &email], ""));
        assert!(refused(&run(&["promote", "--email", "nobody@school.example"], "")).contains("no account"));
        assert!(refused(&run(&["demote", "--email", "rex@north.example"], "")).contains("last admin"));
        said(&run(&["demote", "--email", &email, "--to", "tutor"], ""));
        assert!(
            refused(&run(&["reset-code", "--email", "nobody@school.example"], "")).contains("no account")
        );
        let code = said(&run(&["reset-code", "--email", "Rex@North.example"], ""));
        assert!(!dir.0.join(".fynq").exists(), "nothing is left beside the database");
        (made, code, said(&run(&["list"], "")))
    });
    let (made, code, list) = lines.await.unwrap();
    assert_eq!(list, "rex@north.example\t\tNorth\nroot@school.example\t\tSchool\n");
    login(app.addr, "rex@north.example", "a long password").await.ok(200);
    for (said, email) in [(made, "root@school.example"), (code, "rex@north.example")] {
        let code = said.trim().rsplit(' ').next().unwrap();
        login(app.addr, email, code).await.assert_problem(401, "invalid_credentials");
        let reset = json!({"email": email, "code": code, "new_password": "correct horse battery"});
        Client::stranger(app.addr).post("/auth/reset", reset).await.ok(204);
        let body: Value = login(app.addr, email, "correct horse battery").await.ok(200);
        assert_eq!(body["user"]["role"], "admin");
    }
    assert_eq!(bo.get("/users/me").await.ok(200)["role"], "tutor");
}

/// The private PostgreSQL belongs to one process.
#[tokio::test(flavor = "multi_thread")]
async fn the_operator_is_told_when_a_server_has_the_private_database() {
    let database = pg::PrivatePg::start().await;
    let dir = database.dir().to_owned();
    let output = tokio::task::spawn_blocking(move || {
        Command::new(env!("CARGO_BIN_EXE_fynq"))
            .args(["admin", "list"])
            .env_clear()
            .envs(std::env::var_os("PATH").map(|path| ("PATH", path)))
            .env("FYNQ_DATA_DIR", dir)
            .env("RUST_LOG", "error")
            .output()
            .unwrap()
    });
    let said = refused(&output.await.unwrap());
    assert!(said.contains("Stop it first") && said.contains("process"), "{said}");
}
