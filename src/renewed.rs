//! Files that somebody else renews: certbot, a vault's agent, Kubernetes. What is made of them is made anew when
//! they say something else. While they say nothing good, what they said before goes on, and one line says so.

use std::fs::File;
use std::io::{Error, Read as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use sha2::{Digest as _, Sha256};

/// More than any key, address or chain of certificates has.
const MOST: u64 = 1 << 20;

/// A file, and the setting that names it.
pub type Named = (&'static str, PathBuf);

type Make<T> = Box<dyn Fn(&[Vec<u8>]) -> anyhow::Result<T> + Send + Sync>;

/// What is made of some files, as they are now.
pub struct Renewed<T> {
    /// None: it never changes.
    files: Vec<Named>,
    /// From one look at them to the next.
    pause: Duration,
    make: Make<T>,
    held: Mutex<Held<T>>,
}

struct Held<T> {
    made: T,
    /// Of what was found last, good or not: the same again is no news.
    mark: [u8; 32],
    looked: Instant,
}

impl<T: Clone> Renewed<T> {
    pub fn fixed(made: T) -> Renewed<T> {
        let held = Held { made, mark: [0; 32], looked: Instant::now() };
        let make = Box::new(|_: &[Vec<u8>]| anyhow::bail!("nothing to make it of"));
        Renewed { files: Vec::new(), pause: Duration::ZERO, make, held: Mutex::new(held) }
    }

    /// Reads them now. `make` gets what they hold, in their order; what it says of a fault must hold no secret.
    pub fn of(
        files: Vec<Named>,
        pause: Duration,
        make: impl Fn(&[Vec<u8>]) -> anyhow::Result<T> + Send + Sync + 'static,
    ) -> anyhow::Result<Renewed<T>> {
        let found = read_all(&files);
        let mark = mark(&found);
        let made = make(&found.map_err(anyhow::Error::msg)?)?;
        let held = Held { made, mark, looked: Instant::now() };
        Ok(Renewed { files, pause, make: Box::new(make), held: Mutex::new(held) })
    }

    /// Of the text of one secret's file, looked at each time.
    pub fn of_secret(
        file: Named,
        make: impl Fn(&str) -> anyhow::Result<T> + Send + Sync + 'static,
    ) -> anyhow::Result<Renewed<T>> {
        Renewed::of(vec![file], Duration::ZERO, move |found| {
            let text = found.first().map_or(Err("is not there"), |bytes| secret(bytes));
            make(text.map_err(anyhow::Error::msg)?)
        })
    }

    /// After a look at the files, unless the last one was a moment ago.
    pub async fn now(&self) -> T {
        if self.is_due() {
            let files = self.files.clone();
            // A disk may be slow, and a network's even more so.
            if let Ok(found) = tokio::task::spawn_blocking(move || read_all(&files)).await {
                self.take(found);
            }
        }
        self.last()
    }

    /// Without a look.
    pub fn last(&self) -> T {
        self.held().made.clone()
    }

    fn is_due(&self) -> bool {
        let mut held = self.held();
        let due = !self.files.is_empty() && held.looked.elapsed() >= self.pause;
        if due {
            held.looked = Instant::now();
        }
        due
    }

    fn take(&self, found: Result<Vec<Vec<u8>>, String>) {
        let mark = mark(&found);
        if self.held().mark == mark {
            return;
        }
        let made = found.map_err(anyhow::Error::msg).and_then(|found| (self.make)(&found));
        let mut held = self.held();
        let names = self.files.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
        match made {
            Ok(made) => {
                held.made = made;
                tracing::info!("{names}: read anew");
            }
            Err(error) => tracing::warn!("{names}: going on with what it was before: {error:#}"),
        }
        held.mark = mark;
    }

    fn held(&self) -> MutexGuard<'_, Held<T>> {
        // Nothing in here is half done when somebody panics.
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The text of a secret's file: the newline at its end is the editor's.
pub fn secret(bytes: &[u8]) -> Result<&str, &'static str> {
    let text = std::str::from_utf8(bytes).map_err(|_| "holds bytes that are not UTF-8")?;
    let text = text.strip_suffix('\n').map_or(text, |text| text.strip_suffix('\r').unwrap_or(text));
    if text.trim().is_empty() { Err("is empty") } else { Ok(text) }
}

/// All of a file, which has to be one: what can be read once only would not be there the next time.
pub fn read(path: &Path) -> Result<Vec<u8>, String> {
    let found = || {
        let mut bytes = Vec::new();
        if !std::fs::metadata(path)?.is_file() {
            return Err(Error::other("is no file"));
        }
        File::open(path)?.take(MOST + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > MOST {
            return Err(Error::other("is longer than 1 MiB"));
        }
        Ok(bytes)
    };
    found().map_err(|error| format!("{}: {error}", path.display()))
}

fn read_all(files: &[Named]) -> Result<Vec<Vec<u8>>, String> {
    files.iter().map(|(name, path)| read(path).map_err(|error| format!("{name}: {error}"))).collect()
}

/// A hash, so that no second copy of a secret lies in memory.
fn mark(found: &Result<Vec<Vec<u8>>, String>) -> [u8; 32] {
    let mut hash = Sha256::new();
    match found {
        Ok(contents) => contents.iter().for_each(|bytes| {
            hash.update((bytes.len() as u64).to_be_bytes());
            hash.update(bytes);
        }),
        Err(error) => hash.update(error),
    }
    hash.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A number in a file.
    fn number(file: &Path) -> Renewed<u32> {
        Renewed::of_secret(("NUMBER", file.to_owned()), |text| Ok(text.parse()?)).unwrap()
    }

    #[tokio::test]
    async fn what_a_file_says_now_counts_and_nonsense_changes_nothing() {
        let file = std::env::temp_dir().join(format!("fynq-renewed-{}", crate::id::new()));
        std::fs::write(&file, "1\n").unwrap();
        let number = number(&file);
        assert_eq!(number.now().await, 1);
        std::fs::write(&file, "2").unwrap();
        assert_eq!((number.last(), number.now().await), (1, 2));
        std::fs::write(&file, "two").unwrap();
        assert_eq!(number.now().await, 2);
        std::fs::remove_file(&file).unwrap();
        assert_eq!(number.now().await, 2);
        std::fs::write(&file, "3\r\n").unwrap();
        assert_eq!(number.now().await, 3);
        std::fs::remove_file(&file).unwrap();
    }

    #[test]
    fn a_secret_is_all_but_the_last_newline() {
        for (bytes, text) in [(&b"a b \n"[..], "a b "), (b"a\r\n", "a"), (b"a\n\n", "a\n"), (b" a", " a")] {
            assert_eq!(secret(bytes), Ok(text));
        }
        assert!(secret(b"\n").is_err() && secret(b"\xff").is_err());
    }

    #[test]
    fn only_a_file_is_read() {
        for path in ["/nonexistent", "/", "/dev/null"] {
            assert!(read(Path::new(path)).is_err_and(|error| error.starts_with(path)), "{path}");
        }
    }
}
