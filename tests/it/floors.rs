//! A module imports only what lies below it. The compiler does not see cycles inside one crate, so
//! this reads every `crate::…` in `src/` and holds it against the floors that `src/lib.rs` declares.

use std::collections::BTreeMap;
use std::path::Path;

/// Module -> floor, from the `// Floor n:` headings over the `pub mod` lines.
fn floors(lib: &str) -> BTreeMap<String, u32> {
    let mut floor = None;
    let mut found = BTreeMap::new();
    for line in lib.lines() {
        if let Some(rest) = line.strip_prefix("// Floor ") {
            floor = rest.split(':').next().and_then(|number| number.trim().parse().ok());
        }
        if let Some(rest) = line.strip_prefix("pub mod ") {
            let name = rest.trim_end_matches(';').to_owned();
            found.insert(name, floor.expect("a module stands under a floor's heading"));
        }
    }
    found
}

/// The modules that a file names after `crate::`, outside comments and outside its tests.
fn imports(source: &str) -> Vec<String> {
    let source = source.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    let code: String =
        source.lines().map(|line| line.split("//").next().unwrap_or_default()).collect::<Vec<_>>().join("\n");
    let mut named = Vec::new();
    for (at, word) in code.match_indices("crate::") {
        if code[..at].ends_with("$") {
            continue;
        }
        let rest = &code[at + word.len()..];
        if let Some(group) = rest.strip_prefix('{') {
            named.extend(group_heads(group));
        } else {
            named.push(word_at(rest));
        }
    }
    named
}

fn word_at(text: &str) -> String {
    text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
}

/// The first words of `{a::b, c::{d, e}}`, the opening brace gone.
fn group_heads(group: &str) -> Vec<String> {
    let (mut depth, mut heads, mut start) = (0, Vec::new(), true);
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => start = true,
            c if start && (c.is_alphanumeric() || c == '_') => {
                heads.push(word_at(&group[at..]));
                start = false;
            }
            _ => {}
        }
    }
    heads
}

/// Which imports go up, or sideways where the house forbids it.
fn broken(floors: &BTreeMap<String, u32>, module: &str, source: &str) -> Vec<String> {
    let own = floors[module];
    let mut out = Vec::new();
    for named in imports(source) {
        let Some(&floor) = floors.get(&named) else { continue };
        // Words may build on words and shared parts on shared parts; adapters and doors stand alone.
        let level = matches!(own, 0 | 1 | 4 | 6);
        if named != module && (floor > own || (floor == own && !level)) {
            out.push(format!("{module} (floor {own}) names {named} (floor {floor})"));
        }
    }
    out
}

fn sources(dir: &Path, found: &mut Vec<std::path::PathBuf>) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|ext| ext == "rs") {
            found.push(path);
        }
    }
}

#[test]
fn no_module_imports_from_above_or_beside() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let floors = floors(&std::fs::read_to_string(root.join("lib.rs")).unwrap());
    assert!(floors.len() > 10, "the headings of lib.rs are no longer understood: {floors:?}");
    let mut files = Vec::new();
    sources(&root, &mut files);
    let mut faults = Vec::new();
    for file in files {
        let below = file.strip_prefix(&root).unwrap();
        // `tests.rs` may look wherever it likes.
        if below.ends_with("lib.rs") || below.ends_with("main.rs") || below.file_stem().unwrap() == "tests" {
            continue;
        }
        let first = below.components().next().unwrap().as_os_str().to_str().unwrap();
        let module = first.trim_end_matches(".rs");
        assert!(floors.contains_key(module), "{module} is not declared in lib.rs under a floor");
        let source = std::fs::read_to_string(&file).unwrap();
        faults.extend(
            broken(&floors, module, &source).iter().map(|fault| format!("{}: {fault}", below.display())),
        );
    }
    assert!(faults.is_empty(), "{faults:#?}");
}

#[test]
fn the_scan_sees_what_it_must_see() {
    let lib = "// Floor 0: x.\npub mod id;\n// Floor 2: y.\npub mod store;\npub mod gemini;\n// Floor 3: z.\npub mod session;\n";
    let floors = floors(lib);
    let faults = |source: &str| broken(&floors, "store", source).len();
    assert_eq!(faults("use crate::id::Uuid;"), 0);
    assert_eq!(faults("use crate::store::Writer;"), 0);
    assert_eq!(faults("use crate::session::Handle;"), 1);
    assert_eq!(faults("use crate::gemini::Model;"), 1);
    assert_eq!(faults("fn f() { crate::session::g() }"), 1);
    assert_eq!(faults("use crate::{id, gemini::{Model, Turn}, session};"), 2);
    assert_eq!(faults("/// See [`crate::session::Handle`].\nuse crate::id;"), 0);
    assert_eq!(faults("#[cfg(test)]\nmod tests {\n use crate::session::Handle;\n}"), 0);
}

/// ARCHITECTURE.md shows the same floors.
#[test]
fn the_architecture_page_names_every_module_on_its_floor() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = std::fs::read_to_string(root.join("ARCHITECTURE.md")).unwrap();
    let floors = floors(&std::fs::read_to_string(root.join("src/lib.rs")).unwrap());
    for (module, floor) in floors {
        let row = page.lines().find(|line| line.starts_with(&format!("| {floor} |")));
        let row = row.unwrap_or_else(|| panic!("ARCHITECTURE.md has no row for floor {floor}"));
        assert!(
            row.contains(&format!("`{module}`")),
            "ARCHITECTURE.md, floor {floor}: {module} is not named"
        );
    }
}
