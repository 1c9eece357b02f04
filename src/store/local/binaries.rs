//! PostgreSQL's programs on this machine.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::bail;

use super::place::Place;

/// The oldest that the statements are written for.
const OLDEST: u32 = 15;

const INSTALL: &str =
    if cfg!(target_os = "macos") { "brew install postgresql@17" } else { "apt-get install -y postgresql" };

pub(super) struct Binaries {
    pub(super) postgres: PathBuf,
    pub(super) initdb: PathBuf,
    pub(super) major: u32,
}

impl Binaries {
    /// A version that data was already made with wins: a newer one beside it cannot read that data.
    pub(super) fn find(given: Option<&Path>, place: &Place) -> anyhow::Result<Binaries> {
        let mut fit = Binaries::installed(given)?;
        let made = place.majors();
        if let Some(index) = fit.iter().position(|found| made.contains(&found.major)) {
            return Ok(fit.swap_remove(index));
        }
        if let Some(major) = made.first() {
            let found: Vec<String> = fit.iter().map(|found| found.major.to_string()).collect();
            bail!(
                "the data in {} was made by PostgreSQL {major}, which is not on this machine \
                 (found: {}): install that version, or move the directory away to start empty",
                place.data(*major).display(),
                found.join(", ")
            );
        }
        Ok(fit.swap_remove(0))
    }

    /// In `given` alone when it is set; else on PATH and where packages put them. Never empty.
    pub(super) fn installed(given: Option<&Path>) -> anyhow::Result<Vec<Binaries>> {
        let found: Vec<Binaries> = match given {
            Some(dir) => vec![dir.to_owned()],
            None => usual_places(),
        }
        .iter()
        .filter_map(|dir| Binaries::in_dir(dir))
        .collect();
        let versions: Vec<String> = found.iter().map(|found| found.major.to_string()).collect();
        let versions = versions.join(", ");
        let fit: Vec<Binaries> = found.into_iter().filter(|found| found.major >= OLDEST).collect();
        if fit.is_empty() {
            let have = if versions.is_empty() { String::new() } else { format!(" (found: {versions})") };
            let looked = given.map_or_else(String::new, |dir| format!(" in {}", dir.display()));
            bail!(
                "no PostgreSQL {OLDEST} or newer{looked}{have}: run `{INSTALL}`, or set \
                 DATABASE_URL=postgres://user:password@host/database"
            );
        }
        Ok(fit)
    }

    fn in_dir(dir: &Path) -> Option<Binaries> {
        // A link on PATH leads to the directory where the other programs lie too.
        let postgres = dir.join("postgres").canonicalize().ok()?;
        let initdb = postgres.parent()?.join("initdb");
        if !initdb.exists() {
            return None;
        }
        let said = Command::new(&postgres).arg("--version").output().ok()?;
        let major = major_of(&String::from_utf8_lossy(&said.stdout))?;
        Some(Binaries { postgres, initdb, major })
    }
}

/// `postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)`, `postgres (PostgreSQL) 18beta1`.
fn major_of(said: &str) -> Option<u32> {
    let version = said.split_whitespace().nth(2)?;
    let digits: String = version.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}

/// PATH first, then the packages' directories, the newest version first.
fn usual_places() -> Vec<PathBuf> {
    let mut places: Vec<PathBuf> = std::env::var_os("PATH")
        .iter()
        .flat_map(|path| std::env::split_paths(path).collect::<Vec<_>>())
        .collect();
    for (parent, prefix, rest) in [
        ("/usr/lib/postgresql", "", "bin"),
        ("/usr", "pgsql-", "bin"),
        ("/opt/homebrew/opt", "postgresql@", "bin"),
        ("/usr/local/opt", "postgresql@", "bin"),
        ("/home/linuxbrew/.linuxbrew/opt", "postgresql@", "bin"),
        ("/Applications/Postgres.app/Contents/Versions", "", "bin"),
    ] {
        let mut versions: Vec<(u32, PathBuf)> = std::fs::read_dir(parent)
            .into_iter()
            .flatten()
            .flatten()
            .filter_map(|entry| {
                let name = entry.file_name().into_string().ok()?;
                let version = name.strip_prefix(prefix)?.parse().ok()?;
                Some((version, entry.path().join(rest)))
            })
            .collect();
        versions.sort_by_key(|found| std::cmp::Reverse(found.0));
        places.extend(versions.into_iter().map(|(_, path)| path));
    }
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_major_version_is_read_from_what_postgres_says() {
        assert_eq!(major_of("postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)\n"), Some(15));
        assert_eq!(major_of("postgres (PostgreSQL) 18beta1\n"), Some(18));
        assert_eq!(major_of("bash: postgres: not found"), None);
    }

    #[test]
    fn an_empty_directory_is_answered_with_what_to_install() {
        let dir = std::env::temp_dir().join(format!("fynq-nothing-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let place = Place::claim(&dir).unwrap();
        let said = Binaries::find(Some(&dir), &place).err().unwrap().to_string();
        assert!(said.contains(INSTALL) && said.contains("DATABASE_URL"), "{said}");
        assert!(!said.contains('\n'), "one line: {said}");
        std::fs::remove_dir_all(&dir).unwrap();
    }
}
