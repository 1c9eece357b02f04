//! Files that somebody else renews: certbot, a vault's agent, Kubernetes. What is made of them is made anew when
//! they say something else. While they say nothing good, what they said before goes on, and one line says so.

use std::fs::File;
use std::io::{Error, Read as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use sha2::{Digest as _, Sha256};
use tokio::time::timeout;

/// More than any key, address or chain of certificates has.
const MOST: u64 = 1 << 20;

/// A file, and the setting that names it.
pub type Named = (&'static str, PathBuf);

type Make<T> = Box<dyn Fn(&[Vec<u8>]) -> anyhow::Result<T> + Send + Sync>;
type Names = Box<dyn Fn(&[Vec<u8>]) -> Vec<PathBuf> + Send + Sync>;

/// How long anybody waits for a look: a volume that hangs costs this once, and then what was read last is used.
const PATIENCE: Duration = Duration::from_secs(1);
/// Between two looks of who only asks whether there is news.
const NEWS_EVERY: Duration = Duration::from_secs(1);

/// What is made of some files, as they are now.
pub struct Renewed<T>(Arc<Inner<T>>);

struct Inner<T> {
    /// None: it never changes.
    files: Vec<Named>,
    /// What the files name in their turn: watched, too.
    names: Names,
    /// From one look at them to the next.
    pause: Duration,
    make: Make<T>,
    held: Mutex<Held<T>>,
    /// Held by the one look that is under way.
    looking: Arc<tokio::sync::Mutex<()>>,
}

struct Held<T> {
    made: T,
    since: Instant,
    /// Of what was found last, good or not: the same again is no news.
    mark: [u8; 32],
    looked: Instant,
}

impl<T: Clone + Send + 'static> Renewed<T> {
    pub fn fixed(made: T) -> Renewed<T> {
        let make = Box::new(|_: &[Vec<u8>]| anyhow::bail!("nothing to make it of"));
        Renewed::new(Vec::new(), Box::new(|_| Vec::new()), Duration::ZERO, make, made, [0; 32])
    }

    /// Reads them now. `make` gets what they hold, in their order; what it says of a fault must hold no secret.
    pub fn of(
        files: Vec<Named>,
        pause: Duration,
        make: impl Fn(&[Vec<u8>]) -> anyhow::Result<T> + Send + Sync + 'static,
    ) -> anyhow::Result<Renewed<T>> {
        Renewed::read(files, Box::new(|_| Vec::new()), pause, Box::new(make))
    }

    /// Of the text of one secret's file, looked at each time.
    pub fn of_secret(
        file: Named,
        make: impl Fn(&str) -> anyhow::Result<T> + Send + Sync + 'static,
    ) -> anyhow::Result<Renewed<T>> {
        Renewed::of_secret_naming(file, |_| Vec::new(), make)
    }

    /// As `of_secret`, of a text that names files, which `make` reads itself: other words in them are news as well.
    pub fn of_secret_naming(
        file: Named,
        names: impl Fn(&str) -> Vec<PathBuf> + Send + Sync + 'static,
        make: impl Fn(&str) -> anyhow::Result<T> + Send + Sync + 'static,
    ) -> anyhow::Result<Renewed<T>> {
        let text = |found: &[Vec<u8>]| {
            let text = found.first().map_or(Err("is not there"), |bytes| secret(bytes));
            text.map(str::to_owned)
        };
        let names = move |found: &[Vec<u8>]| text(found).map(|text| names(&text)).unwrap_or_default();
        let make = move |found: &[Vec<u8>]| make(&text(found).map_err(anyhow::Error::msg)?);
        Renewed::read(vec![file], Box::new(names), Duration::ZERO, Box::new(make))
    }

    fn read(files: Vec<Named>, names: Names, pause: Duration, make: Make<T>) -> anyhow::Result<Renewed<T>> {
        let found = read_all(&files, &names);
        let mark = mark(&found);
        let made = make(&found.map_err(anyhow::Error::msg)?)?;
        Ok(Renewed::new(files, names, pause, make, made, mark))
    }

    fn new(
        files: Vec<Named>,
        names: Names,
        pause: Duration,
        make: Make<T>,
        made: T,
        mark: [u8; 32],
    ) -> Renewed<T> {
        let now = Instant::now();
        let held = Mutex::new(Held { made, since: now, mark, looked: now });
        Renewed(Arc::new(Inner { files, names, pause, make, held, looking: Arc::default() }))
    }

    /// After a look at the files, unless the last one was a moment ago or one is under way.
    pub async fn now(&self) -> T {
        self.look(self.0.pause).await;
        self.last()
    }

    /// Without a look.
    pub fn last(&self) -> T {
        self.0.held().made.clone()
    }

    /// Since when it is what it is. Cheap: there is a look each second at most.
    pub async fn since(&self) -> Instant {
        self.look(self.0.pause.max(NEWS_EVERY)).await;
        self.0.held().since
    }

    /// One at a time: each may hold a thread for as long as a disk, or a network's, hangs.
    async fn look(&self, pause: Duration) {
        if self.0.files.is_empty() {
            return;
        }
        let Ok(looking) = self.0.looking.clone().try_lock_owned() else { return };
        if !self.0.is_due(pause) {
            return;
        }
        let inner = self.0.clone();
        // What is said of it goes where the caller's lines go.
        let lines = tracing::dispatcher::get_default(Clone::clone);
        let looked = tokio::task::spawn_blocking(move || {
            tracing::dispatcher::with_default(&lines, || inner.take());
            drop(looking);
        });
        let _ = timeout(PATIENCE, looked).await;
    }
}

impl<T> Inner<T> {
    fn is_due(&self, pause: Duration) -> bool {
        let mut held = self.held();
        let due = held.looked.elapsed() >= pause;
        if due {
            held.looked = Instant::now();
        }
        due
    }

    fn take(&self) {
        let found = read_all(&self.files, &self.names);
        let mark = mark(&found);
        if self.held().mark == mark {
            return;
        }
        let made = found.map_err(anyhow::Error::msg).and_then(|found| (self.make)(&found));
        let mut held = self.held();
        let names = self.files.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
        match made {
            Ok(made) => {
                (held.made, held.since) = (made, Instant::now());
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

/// What they hold, and then what is in the files that they name; what is wrong with one of those is no more than
/// other words here, and told by whoever reads it.
fn read_all(files: &[Named], names: &Names) -> Result<Vec<Vec<u8>>, String> {
    let each = files.iter().map(|(name, path)| read(path).map_err(|error| format!("{name}: {error}")));
    let mut found = each.collect::<Result<Vec<_>, _>>()?;
    let more = names(&found).into_iter().map(|path| read(&path).unwrap_or_else(String::into_bytes));
    found.extend(more.collect::<Vec<_>>());
    Ok(found)
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

    #[tokio::test]
    async fn what_the_file_names_is_watched_too() {
        let named = std::env::temp_dir().join(format!("fynq-renewed-{}", crate::id::new()));
        let file = named.with_extension("name");
        std::fs::write(&file, named.to_str().unwrap()).unwrap();
        std::fs::write(&named, "one").unwrap();
        let names = |text: &str| vec![PathBuf::from(text)];
        let made = Renewed::of_secret_naming(("NAMED", file.clone()), names, |text| {
            Ok(std::fs::read_to_string(text)?)
        });
        let made = made.unwrap();
        let since = made.since().await;
        std::fs::write(&named, "two").unwrap();
        assert_eq!(made.now().await, "two");
        assert!(made.since().await > since);
        std::fs::remove_file(&named).unwrap();
        assert_eq!(made.now().await, "two");
        std::fs::remove_file(&file).unwrap();
    }

    #[tokio::test]
    async fn there_is_one_look_at_a_time_and_nobody_waits_for_it_for_ever() {
        let file = std::env::temp_dir().join(format!("fynq-renewed-{}", crate::id::new()));
        std::fs::write(&file, "1").unwrap();
        let (hold, held) = std::sync::mpsc::channel::<()>();
        let (held, looks) = (Mutex::new(held), Arc::new(std::sync::atomic::AtomicUsize::new(0)));
        let counted = looks.clone();
        let number = Renewed::of_secret(("NUMBER", file.clone()), move |text| {
            if counted.fetch_add(1, std::sync::atomic::Ordering::SeqCst) > 0 {
                // As a disk that hangs, until the test is over.
                let _ = held.lock().unwrap().recv();
            }
            Ok(text.parse::<u32>()?)
        });
        let number = number.unwrap();
        std::fs::write(&file, "2").unwrap();
        for _ in 0..3 {
            assert_eq!(number.now().await, 1);
        }
        assert_eq!(looks.load(std::sync::atomic::Ordering::SeqCst), 2);
        drop(hold);
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
