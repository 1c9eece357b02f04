//! Where the private server's files lie, and whose they are.

use std::fs::{DirBuilder, File, Metadata, TryLockError};
use std::io::{Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use sha2::{Digest, Sha256};

/// Names the socket's file only: nothing listens on the network.
pub(super) const PORT: u16 = 5432;
/// A socket's path has to fit into 104 bytes (108 on Linux), the final zero included.
const SOCKET_PATH_MAX: usize = 103;
/// A longer log is put aside at the next start.
const LOG_MAX: u64 = 8 * 1024 * 1024;

/// Whom root hands the server to: PostgreSQL does not run as root.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Owner {
    pub(super) uid: u32,
    pub(super) gid: u32,
}

pub(super) struct Place {
    base: PathBuf,
    pub(super) socket_dir: PathBuf,
    pub(super) owner: Option<Owner>,
    /// Held as long as the server may run.
    _lock: Lock,
}

/// Let go of by name: a process that was just forked and has not become its program yet still
/// shares the file, and closing ours alone would leave the lock with it.
struct Lock(File);

impl Drop for Lock {
    fn drop(&mut self) {
        if let Err(error) = self.0.unlock() {
            tracing::debug!(%error, "letting go of the data directory");
        }
    }
}

impl Place {
    /// Makes the directory what it has to be and takes it for this process.
    pub(super) fn claim(data_dir: &Path) -> anyhow::Result<Place> {
        let wanted = std::path::absolute(data_dir).context("the data directory")?;
        let root = rustix::process::geteuid().is_root();
        let base = if root { reachable_base(&wanted)? } else { wanted };
        make_dir(&base, if root { 0o711 } else { 0o700 })?;
        let lock = lock(&base)?;
        let owner = if root { Some(owner_for(&base)?) } else { None };
        let socket_dir = socket_dir(&base, owner)?;
        Ok(Place { base, socket_dir, owner, _lock: lock })
    }

    pub(super) fn data(&self, major: u32) -> PathBuf {
        self.base.join(format!("pg{major}"))
    }

    /// The versions that data was made with, the newest first.
    pub(super) fn majors(&self) -> Vec<u32> {
        majors(&self.base)
    }

    /// The server's log. One that has grown long is put aside, and the one before it goes.
    pub(super) fn log(&self, major: u32) -> anyhow::Result<PathBuf> {
        let log = self.base.join(format!("pg{major}.log"));
        if log.metadata().is_ok_and(|found| found.len() > LOG_MAX) {
            std::fs::rename(&log, log.with_extension("log.old")).context("putting the old log aside")?;
        }
        Ok(log)
    }

    /// An empty directory beside `data`, owned by whoever will run the server.
    pub(super) fn fresh_dir(&self, data: &Path) -> anyhow::Result<PathBuf> {
        let fresh = data.with_extension("new");
        if fresh.exists() {
            std::fs::remove_dir_all(&fresh).context("removing a half made cluster")?;
        }
        make_dir(&fresh, 0o700)?;
        give(&fresh, self.owner)?;
        Ok(fresh)
    }
}

fn majors(base: &Path) -> Vec<u32> {
    let mut majors: Vec<u32> = std::fs::read_dir(base)
        .into_iter()
        .flatten()
        .flatten()
        .filter(|entry| entry.path().join("PG_VERSION").exists())
        .filter_map(|entry| entry.file_name().to_str()?.strip_prefix("pg")?.parse().ok())
        .collect();
    majors.sort_unstable_by(|a, b| b.cmp(a));
    majors
}

/// One fynq per directory. The kernel lets go of the lock however its holder dies.
fn lock(base: &Path) -> anyhow::Result<Lock> {
    let path = base.join("lock");
    let mut file = File::options()
        .create(true)
        .truncate(false)
        .read(true)
        .write(true)
        .mode(0o600)
        .open(&path)
        .with_context(|| format!("opening {}", path.display()))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut holder = String::new();
            let _ = file.read_to_string(&mut holder);
            bail!(
                "another fynq (process {}) already uses {}: stop it, or give this one its own \
                 FYNQ_DATA_DIR or a DATABASE_URL",
                holder.trim(),
                base.display()
            );
        }
        Err(TryLockError::Error(error)) => {
            return Err(error).with_context(|| format!("locking {}", path.display()));
        }
    }
    file.set_len(0)?;
    writeln!(file, "{}", std::process::id())?;
    Ok(Lock(file))
}

/// As root: `wanted` if somebody else can get there, else a place under `/var/lib` that belongs
/// to this `wanted` alone. Data that already lies somewhere decides.
fn reachable_base(wanted: &Path) -> anyhow::Result<PathBuf> {
    let digest = Sha256::digest(wanted.as_os_str().as_bytes());
    let elsewhere = Path::new("/var/lib/fynq").join(hex(&digest[..6]));
    if majors(wanted).is_empty() && !majors(&elsewhere).is_empty() {
        return Ok(elsewhere);
    }
    // Our own directory may have been made for root alone: passing through is enough for others.
    if let Ok(found) = wanted.metadata()
        && found.uid() == 0
        && found.mode() & 0o001 == 0
    {
        let mode = found.mode() & 0o7777 | 0o011;
        std::fs::set_permissions(wanted, std::fs::Permissions::from_mode(mode))?;
    }
    if wanted.ancestors().skip(1).all(anyone_may_pass) {
        return Ok(wanted.to_owned());
    }
    tracing::warn!(
        "PostgreSQL does not run as root, and nobody but root gets to {}: the database lies in {}",
        wanted.display(),
        elsewhere.display()
    );
    Ok(elsewhere)
}

/// What does not exist yet will be made so that anyone may.
fn anyone_may_pass(dir: &Path) -> bool {
    dir.metadata().map_or(true, |found| found.mode() & 0o001 != 0)
}

/// Whoever owns the data already, else `postgres`, else `nobody`.
fn owner_for(base: &Path) -> anyhow::Result<Owner> {
    let made = majors(base).first().and_then(|major| base.join(format!("pg{major}")).metadata().ok());
    if let Some(found) = made.filter(|found| found.uid() != 0) {
        return Ok(Owner { uid: found.uid(), gid: found.gid() });
    }
    let users = std::fs::read_to_string("/etc/passwd").context("reading /etc/passwd")?;
    match find_user(&users, "postgres").or_else(|| find_user(&users, "nobody")) {
        Some(owner) => Ok(owner),
        None => bail!(
            "PostgreSQL does not run as root, and there is no user `postgres` or `nobody` to run it: \
             start fynq as another user, or set DATABASE_URL"
        ),
    }
}

fn find_user(users: &str, name: &str) -> Option<Owner> {
    users.lines().find_map(|line| {
        let mut fields = line.split(':');
        (fields.next()? == name).then_some(())?;
        let uid = fields.nth(1)?.parse().ok()?;
        let gid = fields.next()?.parse().ok()?;
        (uid != 0).then_some(Owner { uid, gid })
    })
}

/// Beside the data, unless the path would be too long for a socket.
fn socket_dir(base: &Path, owner: Option<Owner>) -> anyhow::Result<PathBuf> {
    let beside = base.join("run");
    let longest = beside.join(format!(".s.PGSQL.{PORT}"));
    let dir = if longest.as_os_str().len() <= SOCKET_PATH_MAX {
        beside
    } else {
        let digest = Sha256::digest(base.as_os_str().as_bytes());
        std::env::temp_dir().join(format!("fynq-{}", hex(&digest[..6])))
    };
    make_dir(&dir, 0o700)?;
    let found = dir.symlink_metadata()?;
    let mine = rustix::process::geteuid().as_raw();
    let ours = |found: &Metadata| found.uid() == mine || owner.is_some_and(|owner| found.uid() == owner.uid);
    // In a shared directory somebody else may have been there first.
    if !found.is_dir() || !ours(&found) {
        bail!("{} is not ours: remove it", dir.display());
    }
    std::fs::set_permissions(&dir, std::fs::Permissions::from_mode(0o700))?;
    give(&dir, owner)?;
    Ok(dir)
}

fn make_dir(dir: &Path, mode: u32) -> anyhow::Result<()> {
    if let Some(parent) = dir.parent() {
        std::fs::create_dir_all(parent).with_context(|| format!("making {}", parent.display()))?;
    }
    match DirBuilder::new().mode(mode).create(dir) {
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        done => done.with_context(|| format!("making {}", dir.display())),
    }
}

fn give(path: &Path, owner: Option<Owner>) -> anyhow::Result<()> {
    let Some(owner) = owner else { return Ok(()) };
    chown(path, Some(owner.uid), Some(owner.gid)).with_context(|| format!("handing over {}", path.display()))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_found_and_root_never_is() {
        let users = "root:x:0:0:root:/root:/bin/bash\npostgres:x:101:104::/var/lib/postgresql:/bin/bash\n";
        assert_eq!(find_user(users, "postgres"), Some(Owner { uid: 101, gid: 104 }));
        assert_eq!(find_user(users, "root"), None);
        assert_eq!(find_user(users, "nobody"), None);
    }

    #[test]
    fn a_second_claim_is_refused_with_the_first_ones_number() {
        let dir = std::env::temp_dir().join(format!("fynq-claim-{}", std::process::id()));
        let first = Place::claim(&dir).unwrap();
        let said = Place::claim(&dir).err().unwrap().to_string();
        assert!(said.contains(&format!("process {}", std::process::id())), "{said}");
        drop(first);
        Place::claim(&dir).unwrap();
        std::fs::remove_dir_all(&dir).unwrap();
    }

    #[test]
    fn a_socket_too_deep_for_its_path_lies_elsewhere() {
        let deep = std::env::temp_dir().join(format!("fynq-deep-{}", std::process::id()));
        let place = Place::claim(&deep.join("a".repeat(120))).unwrap();
        let socket = place.socket_dir.join(format!(".s.PGSQL.{PORT}"));
        assert!(socket.as_os_str().len() <= SOCKET_PATH_MAX, "{}", socket.display());
        std::fs::remove_dir_all(&place.socket_dir).unwrap();
        std::fs::remove_dir_all(&deep).unwrap();
    }
}
