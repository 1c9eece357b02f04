//! The schema: refinery's migrations from `sql/migrations`, one process at a time.
//!
//! The lock is held by a transaction on a connection of its own (`pg_advisory_xact_lock`) while
//! refinery works on another: that holds through a transaction-mode pooler too, where a session's
//! lock would stay behind on somebody else's connection. A schema that is current is recognised
//! by plain reading, so the usual start takes no lock and prepares nothing. Only the migrations
//! themselves want a direct or session-mode address: refinery uses named statements.

use anyhow::{Context, bail};
use refinery::Runner;
use tokio_postgres::Client;

use super::pool::Address;

mod embedded {
    refinery::embed_migrations!("sql/migrations");
}

/// Any number of ours: the lock that all processes of fynq agree on ("fynq" in ASCII).
const LOCK: i64 = 0x66_79_6e_71;

/// The login role that the migrations make: it owns nothing, and may only take the roles of
/// `V6__row_level_security.sql`.
pub const LOGIN: &str = "fynq_app";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Schema {
    Current,
    /// Some migrations have not run yet.
    Behind,
    /// A newer fynq was here; the number is the schema's version.
    Ahead(i32),
}

fn runner() -> Runner {
    embedded::migrations::runner()
}

/// The version that this binary brings a database to.
pub fn newest() -> i32 {
    runner().get_migrations().iter().map(refinery::Migration::version).max().unwrap_or_default()
}

/// Compares the database's schema with this binary's.
pub async fn inspect(client: &Client) -> anyhow::Result<Schema> {
    let known: bool =
        client.query_typed_one(include_str!("../../sql/queries/schema_known.sql"), &[]).await?.get(0);
    if !known {
        return Ok(Schema::Behind);
    }
    let rows = client.query_typed(include_str!("../../sql/queries/schema_applied.sql"), &[]).await?;
    let runner = runner();
    let mut missing = runner.get_migrations().len();
    for row in rows {
        let version: i32 = row.get(0);
        let Some(ours) = runner.get_migrations().iter().find(|ours| ours.version() == version) else {
            if version > newest() {
                return Ok(Schema::Ahead(version));
            }
            bail!("the database's schema has a migration {version} that this fynq does not know");
        };
        let checksum: Option<String> = row.get(2);
        if checksum.as_deref() != Some(ours.checksum().to_string().as_str()) {
            bail!("migration {ours} was changed after it had run on this database");
        }
        missing -= 1;
    }
    Ok(if missing == 0 { Schema::Current } else { Schema::Behind })
}

/// Brings the schema to this binary's version. Returns how many migrations ran.
pub async fn run(address: &Address) -> anyhow::Result<usize> {
    let (mut client, _carrier) = address.connect().await.context("connecting to migrate")?;
    if settled(inspect(&client).await?)? {
        return Ok(0);
    }
    let (mut keeper, _carrier) = address.connect().await.context("connecting to lock the schema")?;
    let lock = keeper.transaction().await?;
    lock.batch_execute(&format!(
        "SET LOCAL idle_in_transaction_session_timeout = 0; \
         SET LOCAL statement_timeout = 0; \
         SELECT pg_advisory_xact_lock({LOCK})"
    ))
    .await
    .context("waiting for the schema's lock")?;
    // Somebody else may have done it while we waited.
    let ran = if settled(inspect(&client).await?)? {
        0
    } else {
        let report = runner().run_async(&mut client).await.context("migrating the database")?;
        report.applied_migrations().len()
    };
    lock.rollback().await.context("releasing the schema's lock")?;
    Ok(ran)
}

/// Lets the login role in; for a server of our own, where nobody else decides that.
pub async fn open_login(address: &Address) -> anyhow::Result<()> {
    let (client, _carrier) = address.connect().await.context("connecting to open the login role")?;
    let sql = include_str!("../../sql/queries/login_open.sql");
    client.execute_typed(sql, &[]).await.context("opening the login role")?;
    Ok(())
}

fn settled(schema: Schema) -> anyhow::Result<bool> {
    match schema {
        Schema::Current => Ok(true),
        Schema::Behind => Ok(false),
        Schema::Ahead(version) => bail!(
            "the database's schema is version {version}, this fynq knows versions up to {}: \
             start the newer fynq that was here before",
            newest()
        ),
    }
}
