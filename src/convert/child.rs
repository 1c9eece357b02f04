//! The child's side: its own limits first, then the work.

use std::io::{self, Read, Write};

use rustix::process::{Resource, Rlimit, Signal, nice, set_parent_process_death_signal, setrlimit};

use super::{Limits, Work, document, filter, image};

/// What a Rust program's panic ends it with.
pub(super) const PANICKED: i32 = 101;

/// Why there is no output; its number is the child's exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    TooLarge = 3,
    Broken = 4,
}

/// Any other: there is no such work, or no limit could be set, or nothing be written.
const FAILED: u8 = 5;
/// The kernel does not let it be confined.
pub(super) const UNCONFINED: u8 = 6;

impl Fault {
    pub(super) fn of(code: u8) -> Option<Fault> {
        [Fault::TooLarge, Fault::Broken].into_iter().find(|fault| *fault as u8 == code)
    }
}

/// How a piece of work ended without its output.
#[derive(Debug)]
pub(super) enum Stop {
    Fault(Fault),
    /// Stdin or stdout.
    Io,
}

impl From<Fault> for Stop {
    fn from(fault: Fault) -> Stop {
        Stop::Fault(fault)
    }
}

impl From<io::Error> for Stop {
    fn from(_: io::Error) -> Stop {
        Stop::Io
    }
}

/// `fynq convert <what>`: stdin to stdout. Gives the exit code.
pub fn run(what: &str) -> u8 {
    let Some(work) = Work::ALL.into_iter().find(|work| work.as_str() == what) else { return FAILED };
    if confine(&work.limits()).is_err() {
        return FAILED;
    }
    if filter::confine().is_err() {
        return UNCONFINED;
    }
    let (stdin, stdout) = (io::stdin().lock(), io::stdout().lock());
    match convert(work, stdin, stdout) {
        Ok(()) => 0,
        Err(Stop::Fault(fault)) => fault as u8,
        Err(Stop::Io) => FAILED,
    }
}

fn convert(work: Work, from: impl Read, into: impl Write) -> Result<(), Stop> {
    match work {
        Work::Image => image::convert(from, into),
        Work::Office => document::office(from, into, &mut tell),
        Work::Pdf => document::pdf(from, into, &mut tell),
    }
}

/// Says how far it is. Whether anybody hears that changes nothing.
fn tell(done: usize, of: usize) {
    let _ = writeln!(io::stderr(), "{done} {of}");
}

/// From here on: so much memory and processor time, not a file or a socket more than those it has, behind
/// everything else on the machine, and not longer than whoever started it.
fn confine(limits: &Limits) -> rustix::io::Result<()> {
    set_parent_process_death_signal(Some(Signal::KILL))?;
    nice(10)?;
    for (what, most) in [
        (Resource::As, limits.memory),
        (Resource::Cpu, limits.processor_s),
        (Resource::Fsize, limits.output),
        (Resource::Core, 0),
        (Resource::Nofile, 3),
    ] {
        setrlimit(what, Rlimit { current: Some(most), maximum: Some(most) })?;
    }
    Ok(())
}
