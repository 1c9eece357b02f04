//! The load generator of `make bench`: it plays the students and their tutors, reads what the kernel says about the
//! server, and holds every answer against what was asked for. `scripts/bench.sh` starts the servers
//! and calls it once per measurement; each call adds one line of JSON to a file, and `table` makes
//! the table of docs/performance.md from them.

mod answer;
mod apart;
mod control;
mod figures;
mod gauge;
mod load;
mod observe;
mod pipe;
mod rest;
mod roster;
mod school;
mod seat;
mod setup;
mod socket;
mod whisper;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// Called by scripts/bench.sh, one measurement at a time.
#[derive(Parser)]
struct Line {
    #[command(subcommand)]
    task: Option<Task>,
    /// What cargo adds.
    #[arg(long, hide = true)]
    bench: bool,
}

#[derive(Subcommand)]
enum Task {
    /// Print a port that is free
    Port,
    /// Sign a student up and make sessions
    Setup {
        #[arg(long)]
        server: SocketAddr,
        #[arg(long)]
        sessions: usize,
        #[arg(long)]
        file: PathBuf,
    },
    /// Make a class with its students and tutors, by the server's first administrator
    School {
        #[arg(long)]
        server: SocketAddr,
        #[arg(long)]
        admin: String,
        #[arg(long, env = "BENCH_ADMIN_PASSWORD", hide_env_values = true)]
        password: String,
        #[arg(long)]
        students: usize,
        #[arg(long)]
        tutors: usize,
        #[arg(long)]
        file: PathBuf,
    },
    /// Many students, each reading an answer
    Stream(Stream),
    /// Many sockets, each on a session of its own, nobody says a word
    Idle {
        #[command(flatten)]
        to: Target,
        #[arg(long)]
        sockets: usize,
        /// Seconds of silence before the memory is read
        #[arg(long, default_value_t = 3.0)]
        settle: f64,
    },
    /// One student's answer on many sockets
    Fanout {
        #[command(flatten)]
        to: Target,
        #[command(flatten)]
        pace: Pace,
        #[arg(long)]
        observers: usize,
        /// Further sockets that never read
        #[arg(long, default_value_t = 0)]
        stuck: usize,
    },
    /// One student's answer, with tutors who watch it
    Observe {
        #[command(flatten)]
        to: Target,
        #[command(flatten)]
        pace: Pace,
        #[arg(long)]
        tutors: usize,
    },
    /// Students who all read an answer, with tutors who see all of them on one socket
    Roster {
        #[command(flatten)]
        to: Target,
        #[command(flatten)]
        pace: Pace,
        #[arg(long)]
        sessions: usize,
        #[arg(long)]
        tutors: usize,
    },
    /// A tutor whispers, the student asks, the model is guided
    Whisper {
        #[command(flatten)]
        to: Target,
        #[command(flatten)]
        pace: Pace,
        #[arg(long)]
        tries: usize,
    },
    /// Tutors take over at random moments of answers
    Control {
        #[command(flatten)]
        to: Target,
        #[command(flatten)]
        pace: Pace,
        /// Lessons side by side, each with a student and a tutor of its own
        #[arg(long)]
        sessions: usize,
        /// Take-overs in the middle of an answer
        #[arg(long)]
        tries: usize,
        #[arg(long)]
        seed: u64,
    },
    /// Print the table of all measurements in a file
    Table { file: PathBuf },
}

#[derive(Args)]
struct Stream {
    #[command(flatten)]
    to: Target,
    #[command(flatten)]
    pace: Pace,
    #[arg(long, value_enum)]
    via: Via,
    #[arg(long)]
    students: usize,
    /// Seconds over which the students begin, so that their chunks do not all come at once
    #[arg(long, default_value_t = 2.0)]
    ramp: f64,
}

/// Who is measured, and where the figures go.
#[derive(Args)]
struct Target {
    #[arg(long)]
    server: SocketAddr,
    /// The measured process; its children count, too
    #[arg(long)]
    pid: Option<u32>,
    /// What `setup` or `school` wrote
    #[arg(long)]
    file: Option<PathBuf>,
    /// Which of its sessions is the first to be used
    #[arg(long, default_value_t = 0)]
    from: usize,
    /// The measurement's name and the server's in the table
    #[arg(long)]
    mode: String,
    #[arg(long)]
    name: String,
    #[arg(long, default_value_t = 1)]
    round: usize,
    /// One line of JSON is added to this file
    #[arg(long)]
    out: PathBuf,
}

/// What each answer is like, and how long it is looked at.
#[derive(Args, Clone)]
struct Pace {
    #[arg(long)]
    chunks: u64,
    #[arg(long)]
    bytes: usize,
    #[arg(long)]
    delay_us: u64,
    /// Seconds before the measurement begins, after everybody is there
    #[arg(long, default_value_t = 2.0)]
    warm: f64,
    #[arg(long, default_value_t = 0.0)]
    secs: f64,
}

impl Pace {
    /// What tells the practice model how to answer.
    fn question(&self) -> String {
        let Pace { chunks, bytes, delay_us, .. } = self;
        format!("[[emu chunks={chunks} bytes={bytes} delay_us={delay_us}]]")
    }
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Via {
    /// fynq's session socket
    Fynq,
    /// Gemini's own server-sent events, through a proxy or straight from the emulator
    Pipe,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let Some(task) = Line::parse().task else {
        println!("this is the load generator of `make bench`");
        return ExitCode::SUCCESS;
    };
    match run(task).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("relay: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(task: Task) -> anyhow::Result<()> {
    match task {
        Task::Port => {
            println!("{}", std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port());
            Ok(())
        }
        Task::Setup { server, sessions, file } => setup::make(server, sessions, &file).await,
        Task::School { server, admin, password, students, tutors, file } => {
            let plan = school::Plan { email: admin, password, students, tutors };
            school::make(server, plan, &file).await
        }
        Task::Stream(stream) => load::stream(stream).await,
        Task::Idle { to, sockets, settle } => load::idle(&to, sockets, settle).await,
        Task::Fanout { to, pace, observers, stuck } => load::fanout(&to, &pace, observers, stuck).await,
        Task::Observe { to, pace, tutors } => observe::observe(&to, &pace, tutors).await,
        Task::Roster { to, pace, sessions, tutors } => roster::roster(&to, &pace, sessions, tutors).await,
        Task::Whisper { to, pace, tries } => whisper::whisper(&to, &pace, tries).await,
        Task::Control { to, pace, sessions, tries, seed } => {
            control::control(&to, &pace, sessions, tries, seed).await
        }
        Task::Table { file } => figures::print(&file),
    }
}
