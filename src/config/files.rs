//! `NAME_FILE` instead of `NAME`, for every secret: what Docker, Kubernetes, systemd and the agents of vaults do.

use std::path::Path;

use super::list::SETTINGS;
use super::read::{SettingError, Vars, bad};

/// The settings with what their files hold. How a file is read is the caller's to know.
pub fn with_files(
    mut vars: Vars,
    read: &dyn Fn(&Path) -> Result<String, String>,
) -> Result<Vars, SettingError> {
    let is_set = |vars: &Vars, name: &str| vars.get(name).is_some_and(|text| !text.trim().is_empty());
    for (setting, file) in SETTINGS.iter().filter_map(|setting| Some((setting, setting.file()?))) {
        if !is_set(&vars, &file) {
            continue;
        }
        let name = setting.name;
        if is_set(&vars, name) {
            return Err(bad(name, &format!("is set, and {file} too: one of them")));
        }
        let text = read(Path::new(vars[&file].trim())).map_err(|wrong| SettingError::File { name, wrong })?;
        vars.insert(name.to_owned(), text);
    }
    Ok(vars)
}
