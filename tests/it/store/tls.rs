//! TLS to a real PostgreSQL, and the logins that come and go.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use fynq::store::{Address, migrate};
use tokio_postgres::Client;

use crate::support::app::TestApp;
use crate::support::frame::Frame;
use crate::support::pg::{self, PrivatePg};
use crate::support::proxy::{Proxy, Target};
use crate::support::socket::PATIENCE;
use crate::support::tls::Authority;

/// Linux takes this address for the machine itself, and fynq for another one.
const ELSEWHERE: &str = "0.0.0.0";

/// A server on the network, behind a proxy at a port of its own.
struct Stage {
    sql: Client,
    proxy: Proxy,
    authority: Authority,
    server: PrivatePg,
}

impl Stage {
    /// Whom it lets in by the network: lines of `pg_hba.conf`.
    async fn start(lets_in: &str) -> Stage {
        let server = PrivatePg::on_the_network().await;
        let sql = pg::connect(server.url()).await;
        let proxy = Proxy::start(Target::Tcp(SocketAddr::new(server.listens().unwrap(), 5432))).await;
        let stage = Stage { sql, proxy, authority: Authority::new(), server };
        let own = stage.authority.certify(&[ELSEWHERE]);
        stage.lay("server.crt", &own.cert).await;
        stage.lay("server.key", &own.key).await;
        stage.lay("root.crt", &stage.authority.pem()).await;
        stage.lay("pg_hba.conf", &format!("local all all trust\n{lets_in}\n")).await;
        for set in ["ALTER SYSTEM SET ssl_ca_file = 'root.crt'", "ALTER SYSTEM SET ssl = on"] {
            stage.sql.batch_execute(set).await.unwrap();
        }
        stage.reload().await;
        stage
    }

    /// In the server's directory, readable for it alone.
    async fn lay(&self, name: &str, text: &str) {
        let dir: String = self.sql.query_typed_one("SHOW data_directory", &[]).await.unwrap().get(0);
        pg::lay(&Path::new(&dir).join(name), text);
    }

    /// Beside it, where fynq finds it.
    fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.server.dir().join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    async fn reload(&self) {
        self.sql.batch_execute("SELECT pg_reload_conf()").await.unwrap();
        // The server takes the signal when it gets to it.
        loop {
            let sql = "SELECT current_setting('ssl') = 'on' AND count(*) FILTER (WHERE type <> 'local') > 0 \
                       FROM pg_hba_file_rules";
            let fresh = pg::connect(self.server.url()).await;
            if fresh.query_typed_one(sql, &[]).await.unwrap().get(0) {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    }

    fn url(&self, host: &str, user: &str, query: &str) -> String {
        format!("postgres://{user}@{host}:{}/postgres?{query}", self.proxy.addr.port())
    }

    /// Whether the connection is by TLS, or why there is none.
    async fn by_tls(&self, url: &str) -> Result<bool, String> {
        let address = Address::parse(url, None).map_err(|error| format!("{error:#}"))?;
        let (client, _carrier) = address.connect().await.map_err(|error| format!("{error:?}"))?;
        let sql = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
        Ok(client.query_typed_one(sql, &[]).await.unwrap().get(0))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_machine_is_spoken_to_by_tls_and_its_certificate_is_checked() {
    let stage = Stage::start("host all all 127.0.0.0/8 trust").await;
    let root = stage.file("ca.pem", &stage.authority.pem());
    let other = stage.file("other.pem", &Authority::new().pem());
    let ca = format!("sslrootcert={}", root.display());
    // Nothing said is require; every word for it checks the authority, and the name.
    for mode in ["", "&sslmode=require", "&sslmode=verify-ca", "&sslmode=verify-full"] {
        assert_eq!(
            stage.by_tls(&stage.url(ELSEWHERE, "fynq", &format!("{ca}{mode}"))).await,
            Ok(true),
            "{mode}"
        );
    }
    for (host, query) in [
        (ELSEWHERE, format!("sslrootcert={}", other.display())),
        (ELSEWHERE, String::new()),
        ("127.0.0.1", format!("{ca}&sslmode=require")),
    ] {
        let refused = stage.by_tls(&stage.url(host, "fynq", &query)).await.unwrap_err();
        assert!(refused.contains("InvalidCertificate"), "{host} {query}: {refused}");
    }
    // What might end in plain text does not begin; who wants it says so.
    let line = stage.by_tls(&stage.url(ELSEWHERE, "fynq", "sslmode=prefer")).await.unwrap_err();
    assert!(line.contains("sslmode=require") && line.contains("sslmode=disable"), "{line}");
    assert_eq!(stage.by_tls(&stage.url(ELSEWHERE, "fynq", "sslmode=disable")).await, Ok(false));
    // A server that has no TLS gets nothing.
    stage.sql.batch_execute("ALTER SYSTEM SET ssl = off").await.unwrap();
    stage.sql.batch_execute("SELECT pg_reload_conf()").await.unwrap();
    let refused = async {
        loop {
            // Until the server has heard of it there is TLS.
            if let Err(refused) = stage.by_tls(&stage.url(ELSEWHERE, "fynq", &ca)).await {
                return refused;
            }
        }
    };
    let refused = tokio::time::timeout(PATIENCE, refused).await.expect("there is TLS still");
    assert!(refused.contains("server does not support TLS"), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_may_be_a_certificate() {
    let stage = Stage::start("hostssl all fynq 127.0.0.0/8 cert").await;
    let ca = format!("sslrootcert={}", stage.file("ca.pem", &stage.authority.pem()).display());
    let own = stage.authority.certify(&["fynq"]);
    let (cert, key) = (stage.file("own.crt", &own.cert), stage.file("own.key", &own.key));
    let known = format!("{ca}&sslcert={}&sslkey={}", cert.display(), key.display());
    assert!(stage.by_tls(&stage.url(ELSEWHERE, "fynq", &ca)).await.is_err());
    assert_eq!(stage.by_tls(&stage.url(ELSEWHERE, "fynq", &known)).await, Ok(true));
    // A key that somebody renews counts for the next connection.
    let stranger = Authority::new().certify(&["fynq"]);
    stage.file("own.crt", &stranger.cert);
    stage.file("own.key", &stranger.key);
    let address = Address::parse(&stage.url(ELSEWHERE, "fynq", &known), None).unwrap();
    assert!(address.connect().await.is_err());
    stage.file("own.crt", &own.cert);
    stage.file("own.key", &own.key);
    address.connect().await.unwrap();
    let url = stage.url(ELSEWHERE, "fynq", &known);
    let mut app = TestApp::builder().database_url(&url).start().await;
    app.student("ada").await.get("/users/me").await.ok(200);
    app.stop().await;
}

/// What a vault does: a new password, and the old one is over.
#[tokio::test(flavor = "multi_thread")]
async fn a_new_password_in_the_file_counts_for_the_next_connection() {
    let stage = Stage::start("host all all 127.0.0.0/8 scram-sha-256").await;
    let url = |password: &str| stage.url("127.0.0.1", &format!("fynq:{password}"), "sslmode=disable");
    let change = async |password: &str| {
        let sql = format!("ALTER ROLE fynq PASSWORD '{password}'");
        stage.sql.batch_execute(&sql).await.unwrap();
    };
    change("first").await;
    let file = stage.file("url", &format!("{}\n", url("first")));
    let builder = TestApp::builder().database_url(&url("first"));
    let mut app = builder.settings(|s| s.database.url_file = Some(file)).start().await;
    let ada = app.student("ada").await;
    let session = ada.session().await;
    let mut socket = ada.socket(&session).await;
    change("second").await;
    stage.file("url", &format!("{}\n", url("second")));
    // All that were let in by the old one, the writer's too.
    stage.proxy.cut();
    let back = async {
        while ada.get("/users/me").await.status == 503 {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, back).await.expect("nobody gets in with the new password");
    ada.get("/users/me").await.ok(200);
    // The writer comes back at its own time; until then a question is refused.
    let taken = async {
        loop {
            socket.ask("Still there?").await;
            let answered = |frame: &Frame| matches!(frame.control(), Some("accepted" | "error"));
            if socket.until("a reply", answered).await.control() == Some("accepted") {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
    };
    tokio::time::timeout(PATIENCE, taken).await.expect("the writer does not get in with the new password");
    app.model.call().await.answer("Yes.").await;
    assert_eq!(socket.run_end().await["type"], "RUN_FINISHED");
    app.stop().await;
}

/// What a vault does that makes a login for each hour: another one, and the old one is no more.
#[tokio::test(flavor = "multi_thread")]
async fn a_login_that_was_replaced_loses_nothing_and_denies_nothing() {
    let stage = Stage::start("host all all 127.0.0.0/8 trust").await;
    let url = |user: &str| stage.url("127.0.0.1", user, "sslmode=disable");
    migrate::run(&Address::parse(&url("fynq"), None).unwrap()).await.unwrap();
    for name in ["one", "two"] {
        let sql = format!("CREATE ROLE {name} LOGIN IN ROLE {}", migrate::LOGIN);
        stage.sql.batch_execute(&sql).await.unwrap();
    }
    let file = stage.file("url", &url("one"));
    let builder = TestApp::builder().database_url(&url("one"));
    let mut app = builder.settings(|s| s.database.url_file = Some(file)).start().await;
    let ada = app.student("ada").await;
    let session = ada.session().await;
    let mut socket = ada.socket(&session).await;
    socket.ask("Why?").await;
    let call = app.model.call().await;
    stage.file("url", &url("two"));
    stage.sql.batch_execute("DROP ROLE one").await.unwrap();
    call.answer("For that.").await;
    let back = async {
        loop {
            let reply = ada.get(&format!("/sessions/{session}/messages")).await;
            assert!(matches!(reply.status, 200 | 503), "{} {}", reply.status, reply.body);
            if reply.status == 200 && reply.body.to_string().contains("For that.") {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, back).await.expect("the answer was lost");
    assert_eq!(socket.run_end().await["type"], "RUN_FINISHED");
    app.stop().await;
}

/// Nobody has to notice by a failure: what is connected goes as well.
#[tokio::test(flavor = "multi_thread")]
async fn another_address_retires_the_connections_of_the_one_before() {
    let stage = Stage::start("host all all 127.0.0.0/8 trust").await;
    let url = |user: &str| stage.url("127.0.0.1", user, "sslmode=disable");
    migrate::run(&Address::parse(&url("fynq"), None).unwrap()).await.unwrap();
    for name in ["one", "two"] {
        let sql = format!("CREATE ROLE {name} LOGIN IN ROLE {}", migrate::LOGIN);
        stage.sql.batch_execute(&sql).await.unwrap();
    }
    let file = stage.file("url", &url("one"));
    let builder = TestApp::builder().database_url(&url("one"));
    let mut app = builder.settings(|s| s.database.url_file = Some(file)).start().await;
    let ada = app.student("ada").await;
    let session = ada.session().await;
    let mut socket = ada.socket(&session).await;
    stage.file("url", &url("two"));
    let gone = async {
        let sql = "SELECT count(*) FROM pg_stat_activity WHERE usename = 'one'";
        while stage.sql.query_typed_one(sql, &[]).await.unwrap().get::<_, i64>(0) > 0 {
            let many = (0..16).map(|_| ada.get("/users/me"));
            for reply in futures_util::future::join_all(many).await {
                reply.ok(200);
            }
            socket.ask("Why?").await;
            app.model.call().await.answer("For that.").await;
            assert_eq!(socket.run_end().await["type"], "RUN_FINISHED");
        }
    };
    tokio::time::timeout(PATIENCE, gone).await.expect("somebody stays");
    app.stop().await;
}
