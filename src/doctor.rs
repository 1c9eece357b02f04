//! `fynq doctor`: looks, says, changes nothing.

use crate::config::{SettingError, Settings, Vars};

pub struct Report {}

pub async fn examine(_vars: &Vars, _settings: Result<Settings, SettingError>) -> Report {
    Report {}
}

impl Report {
    pub fn text(&self) -> String {
        String::new()
    }

    pub fn json(&self) -> String {
        String::new()
    }

    pub fn exit_code(&self) -> u8 {
        0
    }
}
