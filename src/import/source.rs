//! Where an import comes from: a folder, or a zip archive. Nothing of it is ever written to a disk, so a name in
//! it is only a name; how much of it is read is bounded, whatever it says of itself.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail, ensure};
use zip::ZipArchive;

/// More files than this are no library.
const MAX_FILES: usize = 20_000;
/// Of an archive: so much is unpacked, all in all.
const MAX_UNPACKED: u64 = 1 << 30;
const MAX_DEPTH: usize = 16;

pub(super) enum Source {
    Folder { root: PathBuf, files: Vec<String> },
    Archive { zip: Box<ZipArchive<BufReader<File>>>, files: Vec<(usize, String)>, left: u64 },
}

impl Source {
    pub(super) fn open(path: &Path) -> anyhow::Result<Source> {
        let shown = path.display();
        let kind = std::fs::metadata(path).with_context(|| format!("{shown}"))?;
        if kind.is_dir() {
            let mut files = Vec::new();
            walk(path, "", MAX_DEPTH, &mut files)?;
            files.sort();
            return Ok(Source::Folder { root: path.to_owned(), files });
        }
        // One file alone; an office document is an archive, too, but not one of these.
        let alone = path.file_name().and_then(|name| name.to_str());
        if let Some(name) = alone.filter(|name| is_document(name) || is_markdown(name)) {
            let root = path.parent().unwrap_or(Path::new("")).to_owned();
            return Ok(Source::Folder { root, files: vec![name.to_owned()] });
        }
        let file = File::open(path).with_context(|| format!("{shown}"))?;
        let zip = ZipArchive::new(BufReader::new(file));
        let zip = zip.with_context(|| format!("{shown} is neither a folder nor a zip archive"))?;
        ensure!(zip.len() <= MAX_FILES, "{shown} holds more than {MAX_FILES} files");
        let names = (0..zip.len()).filter_map(|at| Some((at, zip.name_for_index(at)?.ok()?.into_owned())));
        let mut files: Vec<_> = names.filter(|(_, name)| !name.ends_with('/') && is_shown(name)).collect();
        files.sort_by(|one, other| one.1.cmp(&other.1));
        Ok(Source::Archive { zip: Box::new(zip), files, left: MAX_UNPACKED })
    }

    pub(super) fn len(&self) -> usize {
        match self {
            Source::Folder { files, .. } => files.len(),
            Source::Archive { files, .. } => files.len(),
        }
    }

    pub(super) fn name(&self, at: usize) -> &str {
        match self {
            Source::Folder { files, .. } => files.get(at).map_or("", String::as_str),
            Source::Archive { files, .. } => files.get(at).map_or("", |(_, name)| name.as_str()),
        }
    }

    /// What a file holds, one byte more than `most` at most. `Err`: why it cannot be read.
    pub(super) fn read(&mut self, at: usize, most: u64) -> Result<Vec<u8>, String> {
        match self {
            Source::Folder { root, files } => {
                let name = files.get(at).cloned().unwrap_or_default();
                let bytes = File::open(root.join(name)).and_then(|file| some_of(file, most));
                bytes.map_err(|error| error.to_string())
            }
            Source::Archive { zip, files, left } => {
                let index = files.get(at).map(|(index, _)| *index).unwrap_or_default();
                unpack(zip, index, left, most)
            }
        }
    }
}

/// Whether it is a text that is meant to be imported.
pub(super) fn is_markdown(name: &str) -> bool {
    matches!(extension(name).as_deref(), Some("md" | "markdown"))
}

/// Or a document, which its bytes have to confirm.
pub(super) fn is_document(name: &str) -> bool {
    matches!(extension(name).as_deref(), Some("pdf" | "docx" | "pptx" | "odt"))
}

fn extension(name: &str) -> Option<String> {
    name.rsplit_once('.').map(|(_, extension)| extension.to_ascii_lowercase())
}

/// What a computer puts beside the files of its owner is not spoken of.
fn is_shown(name: &str) -> bool {
    name.split(['/', '\\']).all(|part| !part.starts_with('.') && part != "__MACOSX")
}

/// Links lead elsewhere: they are not followed.
fn walk(root: &Path, below: &str, depth: usize, files: &mut Vec<String>) -> anyhow::Result<()> {
    let folder = root.join(below);
    for entry in std::fs::read_dir(&folder).with_context(|| format!("{}", folder.display()))? {
        let entry = entry?;
        let Ok(name) = entry.file_name().into_string() else { continue };
        let name = if below.is_empty() { name } else { format!("{below}/{name}") };
        let kind = entry.file_type()?;
        if !is_shown(&name) {
            continue;
        }
        if kind.is_dir() && depth > 0 {
            walk(root, &name, depth - 1, files)?;
        } else if kind.is_file() {
            files.push(name);
        }
        if files.len() > MAX_FILES {
            bail!("{} holds more than {MAX_FILES} files", root.display());
        }
    }
    Ok(())
}

fn some_of(file: impl Read, most: u64) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(most + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn unpack(
    zip: &mut ZipArchive<BufReader<File>>,
    index: usize,
    left: &mut u64,
    most: u64,
) -> Result<Vec<u8>, String> {
    if *left == 0 {
        return Err("the archive unpacks to more than 1 GiB".into());
    }
    let file = zip.by_index(index).map_err(|error| error.to_string())?;
    let bytes = some_of(file, most).map_err(|error| error.to_string())?;
    *left = left.saturating_sub(bytes.len() as u64);
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_told_by_their_name() {
        assert!(is_markdown("a/b.md") && is_markdown("B.MARKDOWN"));
        assert!(!is_markdown("a.txt") && !is_markdown("md") && !is_markdown("a.md/b"));
        assert!(
            is_document("a/b.PDF") && is_document("x.odt") && !is_document("x.md") && !is_document("pdf")
        );
        assert!(is_shown("a/b.md") && !is_shown(".git/x.md") && !is_shown("__MACOSX/._a.md"));
        assert!(!is_shown("../x.md"));
    }
}
