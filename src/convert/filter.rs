//! What a child may ask of the kernel: to read and write what is open, memory that is no program, and its own
//! end. Everything else (a file, a socket, another program, another process) is refused.

use std::collections::BTreeMap;
use std::env::consts::ARCH;

use libc::c_long;
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
    apply_filter,
};

const ALLOWED: &[c_long] = &[
    libc::SYS_read,
    libc::SYS_readv,
    libc::SYS_pread64,
    libc::SYS_write,
    libc::SYS_writev,
    libc::SYS_lseek,
    libc::SYS_fstat,
    libc::SYS_close,
    libc::SYS_brk,
    libc::SYS_munmap,
    libc::SYS_mremap,
    libc::SYS_madvise,
    libc::SYS_futex,
    libc::SYS_sched_yield,
    libc::SYS_sched_getaffinity,
    libc::SYS_getrandom,
    libc::SYS_clock_gettime,
    libc::SYS_getpid,
    libc::SYS_gettid,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_sigaltstack,
    libc::SYS_restart_syscall,
    libc::SYS_exit,
    libc::SYS_exit_group,
];

/// Takes everything else from the thread that calls it, for good. The child has no other.
pub(super) fn confine() -> Result<(), seccompiler::Error> {
    let own = u64::from(std::process::id());
    let if_arg = |arg, op, value| {
        let condition = SeccompCondition::new(arg, SeccompCmpArgLen::Dword, op, value)?;
        Ok::<_, seccompiler::BackendError>(vec![SeccompRule::new(vec![condition])?])
    };
    let no_program = || if_arg(2, SeccompCmpOp::MaskedEq(libc::PROT_EXEC as u64), 0);
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> = ALLOWED.iter().map(|call| (*call, Vec::new())).collect();
    rules.insert(libc::SYS_mmap, no_program()?);
    rules.insert(libc::SYS_mprotect, no_program()?);
    // How a program ends itself when no memory is left.
    rules.insert(libc::SYS_tgkill, if_arg(0, SeccompCmpOp::Eq, own)?);
    let refuse = SeccompAction::Errno(libc::EPERM as u32);
    let filter = SeccompFilter::new(rules, refuse, SeccompAction::Allow, ARCH.try_into()?)?;
    apply_filter(&BpfProgram::try_from(filter)?)
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind::PermissionDenied;
    use std::process::Command;
    use std::{fs, net, thread};

    use rustix::process::{Signal, getppid, kill_process};

    use super::*;

    /// In a thread of its own, which alone is held.
    #[test]
    fn a_confined_child_opens_nothing_and_starts_nothing() {
        let (there, parent) =
            (std::env::temp_dir().join(format!("fynq-{}", crate::id::new())), getppid().unwrap());
        fs::write(&there, "words").unwrap();
        let file = there.clone();
        let tried = thread::spawn(move || {
            confine().unwrap();
            let target = net::SocketAddr::from(([127, 0, 0, 1], 9));
            [
                fs::File::open(&file).map(drop),
                fs::File::create(&file).map(drop),
                fs::metadata(&file).map(drop),
                fs::remove_file(&file),
                net::TcpStream::connect(target).map(drop),
                net::UdpSocket::bind("127.0.0.1:0").map(drop),
                Command::new("true").spawn().map(drop),
                kill_process(parent, Signal::CONT).map_err(Into::into),
                thread::Builder::new().spawn(|| ()).map(drop),
            ]
            .map(|done| done.map_err(|error| error.kind()))
        });
        assert_eq!(tried.join().unwrap(), [Err(PermissionDenied); 9]);
        assert_eq!(fs::read(&there).unwrap(), b"words", "others are not held");
        fs::remove_file(&there).unwrap();
    }
}
