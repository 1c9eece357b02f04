//! `fynq admin`: what the operator does beside the running server, in the database itself.

use std::io::Read;
use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::Subcommand;
use secrecy::{ExposeSecret, SecretString};

use crate::audit::{By, Event};
use crate::auth;
use crate::config::Settings;
use crate::id::{self, Uuid};
use crate::identity::Role;
use crate::password_rules;
use crate::store::Store;
use crate::store::people::Raised;

#[derive(Debug, Subcommand)]
pub enum Order {
    /// Make an admin with an account of their own; prints a code with which they choose a password, once
    Create {
        #[arg(long)]
        email: String,
        /// Name or id; without one: the organisation that everybody belongs to at first
        #[arg(long)]
        organisation: Option<String>,
        /// Read a password from standard input instead
        #[arg(long)]
        password_stdin: bool,
    },
    /// Print a code with which somebody who forgot the password chooses another, once
    ResetCode {
        #[arg(long)]
        email: String,
    },
    /// Make somebody who has an account the admin of their organisation
    Promote {
        #[arg(long)]
        email: String,
    },
    /// Take the role from an admin, who becomes a student or a tutor
    Demote {
        #[arg(long)]
        email: String,
        /// `student` or `tutor`
        #[arg(long = "to", default_value = "student", value_parser = ["student", "tutor"])]
        to: String,
    },
    /// End all sign-ins, everybody's: who was signed in signs in again, and open sockets close within seconds
    SignOutAll {
        /// Name or id; without one: of all organisations
        #[arg(long = "org", alias = "organisation")]
        organisation: Option<String>,
    },
    /// Print the admins of all organisations
    List,
    /// Organisations: schools that share this server and never see each other
    Organisation {
        #[command(subcommand)]
        order: OrganisationOrder,
    },
}

#[derive(Debug, Subcommand)]
pub enum OrganisationOrder {
    /// Add one
    Add { name: String },
}

/// Does it, and prints what was done.
pub async fn run(settings: &Settings, order: Order) -> anyhow::Result<ExitCode> {
    let store = Store::connect(&settings.database, &settings.data_dir).await;
    let store = store.with_context(|| match settings.database.url {
        Some(_) => "fynq admin",
        None => "fynq admin needs the private database for itself; is a server running? Stop it first",
    })?;
    let done = obey(&store, order).await;
    store.close().await;
    println!("{}", done?);
    Ok(ExitCode::SUCCESS)
}

async fn obey(store: &Store, order: Order) -> anyhow::Result<String> {
    match order {
        Order::Create { email, organisation, password_stdin } => {
            let given = if password_stdin { Some(password_from(std::io::stdin())?) } else { None };
            create(store, &address(&email)?, organisation.as_deref(), given).await
        }
        Order::ResetCode { email } => reset_code(store, &address(&email)?).await,
        Order::Promote { email } => set_role(store, &address(&email)?, Role::Admin).await,
        Order::Demote { email, to } => {
            let role = Role::parse(&to).context("--to: student or tutor")?;
            set_role(store, &address(&email)?, role).await
        }
        Order::SignOutAll { organisation } => sign_out_all(store, organisation.as_deref()).await,
        Order::List => list(store).await,
        Order::Organisation { order: OrganisationOrder::Add { name } } => {
            add_organisation(store, &name).await
        }
    }
}

async fn create(
    store: &Store,
    email: &str,
    organisation: Option<&str>,
    given: Option<SecretString>,
) -> anyhow::Result<String> {
    let organisation = match organisation {
        Some(name) => Some(find_organisation(store, name).await?),
        None => None,
    };
    if let Some(password) = &given
        && let Err(weak) = password_rules::check(password.expose_secret(), &[email])
    {
        bail!("{}", weak.why());
    }
    let comes_with_a_code = given.is_none();
    let hash = auth::hash_password(given.unwrap_or_else(auth::random_password)).await;
    let hash = hash.map_err(|problem| anyhow::anyhow!("hashing the password: {}", problem.code()))?;
    if !store.create_admin(email, &hash, organisation).await? {
        bail!("there is an account {email} already; fynq admin promote --email {email} makes it an admin's");
    }
    tracing::info!(target: "fynq::security", event = "admin_created", by = "operator");
    let made = format!("{email} is an admin");
    Ok(if comes_with_a_code { format!("{made}\n{}", reset_code(store, email).await?) } else { made })
}

async fn reset_code(store: &Store, email: &str) -> anyhow::Result<String> {
    let Some(made) = auth::operators_reset_code(store, email).await? else {
        bail!("there is no account {email}; fynq admin create makes an admin's");
    };
    Ok(format!(
        "a new password is chosen with this code where one signs in (\"Forgot your password?\"), once and until \
         {:.0}; it is shown this once: {}",
        made.expires_at,
        made.code.expose_secret()
    ))
}

async fn set_role(store: &Store, email: &str, role: Role) -> anyhow::Result<String> {
    match store.set_role(email, role).await? {
        Raised::Done(organisation) => {
            tracing::info!(target: "fynq::security", event = "role_changed", by = "operator", role = role.as_str());
            Ok(format!("{email} is {} of {organisation:?}", role.as_str()))
        }
        Raised::LastAdmin(organisation) => {
            bail!("{email} is the last admin of {organisation:?}: make another one first")
        }
        Raised::Unknown => bail!("there is no account {email}; fynq admin create makes an admin's"),
    }
}

async fn sign_out_all(store: &Store, organisation: Option<&str>) -> anyhow::Result<String> {
    let organisation = match organisation {
        Some(name) => Some(find_organisation(store, name).await?),
        None => None,
    };
    let ended = store.sign_all_out(organisation).await?;
    for &(organisation, sign_ins) in &ended {
        let event = Event::EverybodySignedOut { organisation, sign_ins };
        store.audit().record(By::operator(organisation), &event);
    }
    let all: i64 = ended.iter().map(|(_, sign_ins)| sign_ins).sum();
    Ok(match (all, ended.len()) {
        (1, _) => "1 sign-in is ended".into(),
        (all, 0 | 1) => format!("{all} sign-ins are ended"),
        (all, organisations) => format!("{all} sign-ins of {organisations} organisations are ended"),
    })
}

async fn list(store: &Store) -> anyhow::Result<String> {
    let admins = store.admins().await?;
    if admins.is_empty() {
        return Ok("there is no admin; fynq admin create --email … makes one".into());
    }
    let line = |admin: &crate::store::people::Admin| {
        let disabled = if admin.disabled { "\tdisabled" } else { "" };
        format!(
            "{}\t{}\t{}{disabled}",
            admin.email,
            printable(&admin.display_name),
            printable(&admin.organisation)
        )
    };
    Ok(admins.iter().map(line).collect::<Vec<_>>().join("\n"))
}

async fn add_organisation(store: &Store, name: &str) -> anyhow::Result<String> {
    let name = name.trim();
    if name.is_empty() || name.chars().count() > 120 || name.chars().any(char::is_control) {
        bail!(
            "a name has 1 to 120 characters in one line; example: fynq admin organisation add \"North School\""
        );
    }
    let id = id::new();
    if !store.add_organisation(id, name).await? {
        bail!("there is an organisation {name:?} already");
    }
    tracing::info!(target: "fynq::security", event = "organisation_added", by = "operator", organisation = %id);
    Ok(format!("{name:?} is added: {id}"))
}

async fn find_organisation(store: &Store, name: &str) -> anyhow::Result<Uuid> {
    match &*store.organisations_named(name.trim()).await? {
        [(id, _)] => Ok(*id),
        [] => bail!("there is no organisation {name:?}; fynq admin organisation add {name:?} makes it"),
        several => {
            let ids: Vec<_> = several.iter().map(|(id, _)| id.to_string()).collect();
            bail!("several organisations are called {name:?}; use an id: {}", ids.join(", "))
        }
    }
}

fn address(email: &str) -> anyhow::Result<String> {
    let email = email.trim().to_lowercase();
    let parts = email.split_once('@').filter(|(local, host)| !local.is_empty() && !host.is_empty());
    if parts.is_none() || email.len() > 254 || email.chars().any(|c| c.is_whitespace() || c.is_control()) {
        bail!("--email: not an e-mail address; example: --email admin@school.example");
    }
    Ok(email)
}

/// The first line.
fn password_from(input: impl Read) -> anyhow::Result<SecretString> {
    let mut text = String::new();
    input.take(4096).read_to_string(&mut text).context("reading the password from standard input")?;
    let password = text.lines().next().unwrap_or_default();
    if password.is_empty() {
        bail!("there is no password on standard input");
    }
    Ok(password.to_owned().into())
}

/// A name that somebody chose must not steer the operator's terminal.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '?' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_one_line_of_the_input() {
        let read =
            |text: &str| password_from(text.as_bytes()).map(|password| password.expose_secret().to_owned());
        assert_eq!(read("correct horse\n").unwrap(), "correct horse");
        assert_eq!(read(" with spaces \r\nrest").unwrap(), " with spaces ");
        assert!(read("").is_err() && read("\n").is_err());
    }

    #[test]
    fn an_address_is_checked() {
        assert_eq!(address(" Root@School.example ").unwrap(), "root@school.example");
        for bad in ["", "root", "@school", "root@", "ro ot@school.example", "root@school\n.example"] {
            assert!(address(bad).is_err(), "{bad:?}");
        }
    }
}
