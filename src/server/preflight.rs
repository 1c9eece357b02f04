//! Settings that name something outside: looked at before anything is started, so that a wrong one
//! is one line and not half a start.

use std::fmt::Display;
use std::path::Path;

use crate::config::Settings;
use crate::gemini::Model;
use crate::store::Address;
use crate::tls::Identity;

pub(super) fn check(settings: &Settings) -> anyhow::Result<()> {
    let database = &settings.database;
    if let Some(file) = &database.ca_file {
        read("FYNQ_DATABASE_CA", file, "FYNQ_DATABASE_CA=/etc/fynq/ca.pem")?;
    }
    let address = Address::given(database).map_err(|error| {
        bad("DATABASE_URL", format!("{error:#}"), "DATABASE_URL=postgres://user:password@host:5432/fynq")
    })?;
    match address {
        Some(address) => address.doubt().into_iter().for_each(|line| tracing::warn!("{line}")),
        None => private_database(settings)?,
    }
    if let Some(tls) = &settings.tls {
        // Says by itself which of the two it is.
        Identity::read(tls).map_err(|error| {
            anyhow::anyhow!(
                "{error:#}; example: FYNQ_TLS_CERT=/etc/fynq/fullchain.pem FYNQ_TLS_KEY=/etc/fynq/privkey.pem"
            )
        })?;
    }
    if let Some(file) = &settings.model.instruction_file {
        let text = read("FYNQ_INSTRUCTION_FILE", file, "FYNQ_INSTRUCTION_FILE=/etc/fynq/tutor.md")?;
        if text.trim().is_empty() {
            return Err(bad(
                "FYNQ_INSTRUCTION_FILE",
                "the file is empty",
                "FYNQ_INSTRUCTION_FILE=/etc/fynq/tutor.md",
            ));
        }
    }
    if let Some(directory) = &settings.static_dir
        && !directory.join("index.html").is_file()
    {
        let why = format!("{} holds no index.html", directory.display());
        return Err(bad("FYNQ_STATIC_DIR", why, "FYNQ_STATIC_DIR=/usr/share/fynq/static"));
    }
    // Says by itself which of its settings is wrong, and gives an example.
    Model::new(&settings.model).map(drop)
}

fn private_database(settings: &Settings) -> anyhow::Result<()> {
    let directory = &settings.data_dir;
    std::fs::create_dir_all(directory).map_err(|error| {
        bad("FYNQ_DATA_DIR", format!("{}: {error}", directory.display()), "FYNQ_DATA_DIR=/var/lib/fynq")
    })?;
    if let Some(directory) = &settings.database.bin_dir
        && !directory.join("postgres").is_file()
    {
        let why = format!("{} holds no postgres", directory.display());
        return Err(bad("FYNQ_PG_BIN", why, "FYNQ_PG_BIN=/usr/lib/postgresql/15/bin"));
    }
    Ok(())
}

fn read(name: &str, file: &Path, example: &str) -> anyhow::Result<String> {
    std::fs::read_to_string(file).map_err(|error| bad(name, format!("{}: {error}", file.display()), example))
}

fn bad(name: &str, why: impl Display, example: &str) -> anyhow::Error {
    anyhow::anyhow!("{name}: {why}; example: {example}")
}
