//! The real binary as a child process: for what only a process can show, such as dying.

use std::net::SocketAddr;
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, AsyncRead, BufReader};
use tokio::process::{Child, Command};
use tokio::task::JoinSet;

use super::app::Scratch;
use super::client::Client;
use super::model::Model;
use super::pg;
use super::socket::PATIENCE;

pub(crate) struct Process {
    child: Child,
    pub(crate) addr: SocketAddr,
    command: &'static str,
    settings: Vec<(String, String)>,
    output: Arc<Mutex<String>>,
    /// They read what it prints, until it prints no more.
    readers: JoinSet<()>,
}

impl Process {
    /// Starts fynq with these settings and nothing else of the environment's; waits until it is ready.
    pub(crate) async fn start(settings: &[(&str, &str)]) -> Process {
        Process::start_as("serve", settings).await
    }

    /// As another command that answers operators.
    pub(crate) async fn start_as(command: &'static str, settings: &[(&str, &str)]) -> Process {
        let mut process = Process::spawn_as(command, settings);
        process.wait_ready().await;
        process
    }

    /// Starts it and waits for nothing.
    pub(crate) fn spawn(settings: &[(&str, &str)]) -> Process {
        Process::spawn_as("serve", settings)
    }

    fn spawn_as(command: &'static str, settings: &[(&str, &str)]) -> Process {
        let addr = free_port();
        let own: Vec<_> =
            settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let (output, mut readers) = (Arc::default(), JoinSet::new());
        let child = launch(command, addr, &own, &output, &mut readers);
        Process { child, addr, command, settings: own, output, readers }
    }

    /// Starts it again, same address and settings, after it has ended.
    pub(crate) async fn restart(&mut self) {
        assert!(self.child.try_wait().unwrap().is_some(), "it still runs");
        self.child = launch(self.command, self.addr, &self.settings, &self.output, &mut self.readers);
        self.wait_ready().await;
    }

    pub(crate) async fn wait_ready(&mut self) {
        let url = format!("http://{}/health/ready", self.addr);
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let ready = async {
            loop {
                if let Some(status) = self.child.try_wait().unwrap() {
                    panic!("fynq ended with {status}:\n{}", self.output());
                }
                if http.get(&url).send().await.is_ok_and(|response| response.status().is_success()) {
                    return;
                }
                // Another process's readiness cannot be awaited, only asked for.
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        let waited = tokio::time::timeout(PATIENCE, ready).await;
        waited.unwrap_or_else(|_| panic!("fynq is not ready:\n{}", self.output()));
    }

    /// All that it printed.
    pub(crate) fn output(&self) -> String {
        self.output.lock().unwrap().clone()
    }

    /// Waits until it has said this: its words come through a pipe.
    pub(crate) async fn says(&self, words: &str) {
        let said = tokio::time::timeout(PATIENCE, async {
            while !self.output().contains(words) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        });
        said.await.unwrap_or_else(|_| panic!("it does not say {words:?}:\n{}", self.output()));
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id().expect("it still runs")
    }

    /// kill -9.
    pub(crate) async fn kill(&mut self) {
        self.child.kill().await.unwrap();
    }

    /// What a supervisor does.
    pub(crate) fn terminate(&self) {
        self.signal(rustix::process::Signal::TERM);
    }

    /// Ctrl-C.
    pub(crate) fn interrupt(&self) {
        self.signal(rustix::process::Signal::INT);
    }

    fn signal(&self, signal: rustix::process::Signal) {
        let id = rustix::process::Pid::from_raw(self.id().cast_signed()).unwrap();
        rustix::process::kill_process(id, signal).unwrap();
    }

    /// Waits for its end, and until its last words are read.
    pub(crate) async fn ended(&mut self, within: Duration) -> ExitStatus {
        let ended = tokio::time::timeout(within, async {
            let status = self.child.wait().await;
            while self.readers.join_next().await.is_some() {}
            status
        });
        let ended = ended.await;
        ended.unwrap_or_else(|_| panic!("fynq does not end:\n{}", self.output())).unwrap()
    }
}

/// The binary with a database of its own, a model in the test's hands, and a student's session.
pub(crate) struct Stage {
    // Dropped first: it uses the others.
    pub(crate) process: Process,
    pub(crate) model: Model,
    pub(crate) ada: Client,
    pub(crate) session: String,
    pub(crate) database: pg::Db,
    scratch: Scratch,
}

impl Stage {
    pub(crate) async fn start() -> Stage {
        Stage::with(&[]).await
    }

    pub(crate) fn data_dir(&self) -> &std::path::Path {
        &self.scratch.0
    }

    /// With more settings.
    pub(crate) async fn with(more: &[(&str, &str)]) -> Stage {
        let (database, model, scratch) = (pg::Db::new().await, Model::start().await, Scratch::new());
        let (base_url, dir) = (model.url(), scratch.0.display().to_string());
        let url = database.app_url();
        let mut settings = vec![
            ("DATABASE_URL", url.as_str()),
            ("GEMINI_BASE_URL", &base_url),
            ("FYNQ_DATA_DIR", &dir),
            ("FYNQ_RATE_LIMIT", "off"),
            ("FYNQ_CHECKPOINT_S", "0.05"),
            ("FYNQ_MODEL_ATTEMPTS", "1"),
        ];
        settings.extend(more);
        let process = Process::start(&settings).await;
        let ada = Client::register(process.addr, "ada").await;
        let session = ada.session().await;
        Stage { process, model, ada, session, database, scratch }
    }
}

fn launch(
    as_command: &str,
    addr: SocketAddr,
    settings: &[(String, String)],
    output: &Arc<Mutex<String>>,
    readers: &mut JoinSet<()>,
) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fynq"));
    command
        .arg(as_command)
        .env_clear()
        .env("FYNQ_LISTEN", addr.to_string())
        .current_dir(std::env::temp_dir());
    for name in ["PATH", "HOME", "FYNQ_PG_BIN"] {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
    command.envs(settings.iter().map(|(name, value)| (name, value)));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let mut child = command.spawn().unwrap();
    readers.spawn(keep(child.stdout.take().unwrap(), Arc::clone(output)));
    readers.spawn(keep(child.stderr.take().unwrap(), Arc::clone(output)));
    child
}

/// Keeps what the child prints, for the message of a test that fails.
async fn keep(from: impl AsyncRead + Unpin, output: Arc<Mutex<String>>) {
    let mut lines = BufReader::new(from).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        let mut output = output.lock().unwrap();
        output.push_str(&line);
        output.push('\n');
    }
}

/// A port that was free a moment ago; the child and its successor after a crash share it.
fn free_port() -> SocketAddr {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}
