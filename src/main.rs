//! The command line: read the settings, start the log, hand over.

use std::net::SocketAddr;
use std::path::Path;
use std::process::ExitCode;

use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};
use fynq::config::{LogFormat, Settings, Vars, help_text, is_known, warnings, with_files};
use fynq::{admin, convert, doctor, import, renewed, server, telemetry};

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// A real-time AI tutoring server.
#[derive(Parser)]
#[command(version)]
struct Line {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Run the server (the default)
    Serve,
    /// Run tasks and serve nobody but operators (/health, /metrics); any number beside servers
    Worker,
    /// Bring the database's schema up to date, then stop
    Migrate,
    /// Look at settings, database, model and files; change nothing
    Doctor {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Make admins and organisations, in the database itself
    Admin {
        #[command(subcommand)]
        order: admin::Order,
    },
    /// What tutors write for students, in the database itself
    Content {
        #[command(subcommand)]
        order: import::Order,
    },
    /// Print the OpenAPI description of the REST API
    Openapi,
    /// Read one file that came from outside; for fynq itself
    #[command(hide = true)]
    Convert { what: String },
    /// Run the practice model alone: a Gemini endpoint for tests and rehearsals
    DemoModel {
        #[arg(long, default_value = fynq::practice::DEFAULT_LISTEN)]
        listen: SocketAddr,
    },
}

/// A bad setting ends with this code, so that a supervisor can tell it from a crash.
const BAD_SETTING: u8 = 2;

fn main() -> ExitCode {
    // Before any thread exists. A second provider in the process is no fault.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let matches = Line::command().after_help(help_text()).get_matches();
    let line = match Line::from_arg_matches(&matches) {
        Ok(line) => line,
        Err(error) => error.exit(),
    };
    let command = line.command.unwrap_or(Command::Serve);
    if let Command::Convert { what } = &command {
        return ExitCode::from(convert::child(what));
    }
    if matches!(command, Command::Openapi) {
        // A reader that has seen enough (`| head`) is no fault.
        let _ =
            std::io::Write::write_all(&mut std::io::stdout(), format!("{}\n", server::openapi()).as_bytes());
        return ExitCode::SUCCESS;
    }
    let vars = match vars(Path::new(".env")) {
        Ok(vars) => vars,
        Err(line) => return fail(&line, BAD_SETTING),
    };
    let settings = with_files(vars.clone(), &secret).and_then(|vars| Settings::from_env(&vars));
    if let Command::Doctor { json } = command {
        return run(async move {
            let report = doctor::examine(&vars, settings).await;
            println!("{}", if json { report.json() } else { report.text() });
            Ok(ExitCode::from(report.exit_code()))
        });
    }
    let settings = match settings {
        Ok(settings) => settings,
        Err(error) => return fail(&error.to_string(), BAD_SETTING),
    };
    if let Err(error) = telemetry::start_log(settings.log == LogFormat::Json, &settings.log_filter) {
        return fail(&format!("{error:#}"), 1);
    }
    for line in warnings(&vars, &settings) {
        tracing::warn!("{line}");
    }
    run(async move {
        match command {
            Command::Admin { order } => return admin::run(&settings, order).await,
            Command::Worker => server::work(settings).await?,
            Command::Content { order } => return import::run(&settings, order).await,
            Command::Migrate => server::migrate(settings).await?,
            Command::DemoModel { listen } => server::demo_model(listen).await?,
            _ => server::serve(settings).await?,
        }
        Ok(ExitCode::SUCCESS)
    })
}

fn run(work: impl Future<Output = anyhow::Result<ExitCode>>) -> ExitCode {
    // On one processor a second thread only adds handing over.
    let alone = std::thread::available_parallelism().is_ok_and(|processors| processors.get() == 1);
    let mut builder = match alone {
        true => tokio::runtime::Builder::new_current_thread(),
        false => tokio::runtime::Builder::new_multi_thread(),
    };
    // The network is looked at after so many steps at the latest: what comes in must not wait behind a long
    // row of what goes out.
    let runtime = match builder.enable_all().event_interval(16).build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&format!("the runtime did not start: {error}"), 1),
    };
    let ended = runtime.block_on(work);
    // What still blocks (a name lookup, say) is not worth waiting for.
    runtime.shutdown_background();
    match ended {
        Ok(code) => code,
        Err(error) => fail(&format!("{error:#}"), 1),
    }
}

/// One line, whatever the error's own text looks like.
fn fail(line: &str, code: u8) -> ExitCode {
    let line = line.split_whitespace().collect::<Vec<_>>().join(" ");
    eprintln!("fynq: {line}");
    ExitCode::from(code)
}

/// The environment over the lines of the `.env` file.
fn vars(file: &Path) -> Result<Vars, String> {
    let mut vars = env_file(file)?;
    for (name, value) in std::env::vars_os() {
        let Some(name) = name.to_str() else { continue };
        match value.into_string() {
            Ok(value) => {
                vars.insert(name.to_owned(), value);
            }
            Err(_) if is_known(name) => {
                return Err(format!("{name}: holds bytes that are not UTF-8; example: {name}=text"));
            }
            Err(_) => {}
        }
    }
    Ok(vars)
}

/// What a secret's file holds.
fn secret(file: &Path) -> Result<String, String> {
    let bytes = renewed::read(file)?;
    let text = renewed::secret(&bytes).map_err(|wrong| format!("{} {wrong}", file.display()))?;
    Ok(text.to_owned())
}

fn env_file(file: &Path) -> Result<Vars, String> {
    let shown = file.display();
    let text = match std::fs::read_to_string(file) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vars::new()),
        Err(error) => return Err(format!("{shown}: {error}; example of a line: FYNQ_LISTEN=127.0.0.1:8080")),
    };
    let mut vars = Vars::new();
    for pair in dotenvy::from_read_iter(text.as_bytes()) {
        match pair {
            Ok((name, value)) => {
                vars.entry(name).or_insert(value);
            }
            // The line itself may hold a secret: its number must do.
            Err(dotenvy::Error::LineParse(bad, _)) => {
                let number = text.lines().position(|line| line.trim() == bad.trim()).map_or(0, |at| at + 1);
                return Err(format!(
                    "{shown}: line {number} cannot be read; example: FYNQ_LISTEN=127.0.0.1:8080"
                ));
            }
            Err(error) => {
                return Err(format!("{shown}: {error}; example of a line: FYNQ_LISTEN=127.0.0.1:8080"));
            }
        }
    }
    Ok(vars)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vars, String> {
        let file = std::env::temp_dir().join(format!("fynq-env-{}", fynq::id::new()));
        std::fs::write(&file, text).unwrap();
        let vars = env_file(&file);
        std::fs::remove_file(&file).unwrap();
        vars
    }

    #[test]
    fn an_env_file_is_read() {
        let vars = read("# a comment\nFYNQ_LISTEN=127.0.0.1:1\nexport GEMINI_API_KEY=\"a b\"\n").unwrap();
        assert_eq!(vars["FYNQ_LISTEN"], "127.0.0.1:1");
        assert_eq!(vars["GEMINI_API_KEY"], "a b");
    }

    #[test]
    fn a_bad_line_is_named_by_number_and_never_shown() {
        let error = read("A=1\nGEMINI_API_KEY='hunter2\n").unwrap_err();
        assert!(error.contains("line 2") && !error.contains("hunter2"), "{error}");
    }

    #[test]
    fn no_file_is_no_fault() {
        assert_eq!(env_file(Path::new("/nonexistent/.env")), Ok(Vars::new()));
    }
}
