//! The password shown once more, and changed; the address changed. What is done with it ends every sign-in,
//! the one that asks too: it goes on under a new one, so that nobody who held its tokens holds these.

use std::net::IpAddr;
use std::time::Instant;

use secrecy::{ExposeSecret, SecretString};

use crate::audit::{self, Event};
use crate::clock;
use crate::id::Uuid;
use crate::identity::{Principal, Standing};
use crate::password_rules;
use crate::problem::Problem;
use crate::store::StoreError;
use crate::store::credentials::{Anew, Begun};

use super::Auth;
use super::sign_in::{Fresh, SignedIn};

impl Auth {
    /// Whether a password may be chosen: the same rules at every door. `pointer`: the field that it came
    /// in; `about`: what others know of its owner (names, the address, the school, the classes).
    pub fn check_password(
        &self,
        pointer: &str,
        password: &SecretString,
        about: &[&str],
    ) -> Result<(), Problem> {
        let checked = password_rules::check(password.expose_secret(), about);
        checked.map_err(|weak| Problem::weak_password().because(weak.why()).at(pointer, weak.why()))
    }

    /// As `check_password`, about somebody who has an account.
    pub(super) async fn check_password_of(
        &self,
        user: Uuid,
        pointer: &str,
        password: &SecretString,
    ) -> Result<(), Problem> {
        let words = self.0.store.words(user).await?.ok_or_else(Problem::unauthorized)?;
        let mut about = vec![words.email.as_str(), &words.display_name, &words.organisation];
        about.extend(words.classes.iter().map(String::as_str));
        self.check_password(pointer, password, &about)
    }

    /// That whoever is signed in here knows the password, too. Gives the hash that it was checked
    /// against. Counted like a sign-in: a stolen token must not serve to guess it.
    pub(super) async fn prove(
        &self,
        who: &Principal,
        from: IpAddr,
        password: SecretString,
        pointer: &str,
    ) -> Result<String, Problem> {
        let known = self.0.store.proof(who.user_id).await?.ok_or_else(Problem::unauthorized)?;
        if let Some(there) = &self.0.supabase {
            let proven = self.prove_there(there, who.user_id, &known.email, &password, from).await;
            let is_wrong =
                |problem| if problem == Problem::invalid_credentials() { wrong(pointer) } else { problem };
            return proven.map(|()| String::new()).map_err(is_wrong);
        }
        let limits = self.limits();
        let attempt = limits.may_try(&known.email, from, Instant::now())?;
        let matches = self.0.passwords.matches(password, known.password_hash.clone()).await?;
        limits.tried(attempt.as_ref(), matches, Instant::now())?;
        match known.password_hash {
            Some(hash) if matches => Ok(hash),
            _ => {
                audit::line("password_refused", "user", Some(who.user_id), None);
                Err(wrong(pointer))
            }
        }
    }

    /// The password once more, before something that cannot be undone.
    pub async fn confirm(
        &self,
        who: &Principal,
        from: IpAddr,
        password: SecretString,
    ) -> Result<(), Problem> {
        self.prove(who, from, password, "/password").await.map(drop)
    }

    /// A new password in the place of the old one. Every sign-in ends, and another one begins here.
    pub async fn change_password(
        &self,
        who: &Principal,
        from: IpAddr,
        current: SecretString,
        new: SecretString,
        device: &str,
    ) -> Result<SignedIn, Problem> {
        self.kept_here()?;
        let proof = self.prove(who, from, current, "/current_password").await?;
        self.check_password_of(who.user_id, "/new_password", &new).await?;
        let hash = self.0.passwords.hash(new).await?;
        let fresh = self.fresh(clock::now());
        let begun = self.0.store.change_password(&fresh.after(who, &proof, device), &hash).await?;
        let begun = begun.ok_or_else(|| wrong("/current_password"))?;
        self.0.store.audit().record(who, &Event::PasswordChanged);
        self.go_on(who, fresh, begun)
    }

    /// Another address. Every sign-in ends, and another one begins here.
    pub async fn change_email(
        &self,
        who: &Principal,
        from: IpAddr,
        password: SecretString,
        email: &str,
        device: &str,
    ) -> Result<SignedIn, Problem> {
        self.kept_here()?;
        let proof = self.prove(who, from, password, "/password").await?;
        let email = email.to_lowercase();
        let fresh = self.fresh(clock::now());
        let begun = self.0.store.change_email(&fresh.after(who, &proof, device), &email).await;
        let begun = begun.map_err(|error| match error {
            StoreError::Exists => Problem::email_taken(),
            other => other.into(),
        })?;
        let begun = begun.ok_or_else(|| wrong("/password"))?;
        self.0.store.audit().record(who, &Event::EmailChanged);
        self.go_on(who, fresh, begun)
    }

    /// Every sign-in ends, for whoever shows the password once more, and another one begins here. `None`: with
    /// Supabase's accounts, whose sign-ins fynq does not make, this one goes on and the others end.
    pub async fn logout_others(
        &self,
        who: &Principal,
        from: IpAddr,
        password: SecretString,
        device: &str,
    ) -> Result<Option<SignedIn>, Problem> {
        let proof = self.prove(who, from, password, "/password").await?;
        let now = clock::now();
        if self.is_supabase() {
            let ended = self.0.store.end_other_sign_ins(who.user_id, who.family, now).await?;
            self.ended(&ended);
            self.0.store.audit().record(who, &Event::SignInsEnded);
            return Ok(None);
        }
        let fresh = self.fresh(now);
        let begun = self.0.store.renew_sign_in(&fresh.after(who, &proof, device)).await?;
        let begun = begun.ok_or_else(|| wrong("/password"))?;
        self.0.store.audit().record(who, &Event::SignInsEnded);
        self.go_on(who, fresh, begun).map(Some)
    }

    /// Those that ended are over at once, and no end of rights: their owner goes on. The one that began is shown to
    /// whoever proved who they are.
    fn go_on(&self, who: &Principal, fresh: Fresh, begun: Begun) -> Result<SignedIn, Problem> {
        for sign_in in &begun.ended {
            self.0.standings.set(*sign_in, Standing::Renewed);
        }
        self.signed_in(who.user_id, begun.email, begun.role, fresh.id, fresh.refresh)
    }
}

impl Fresh {
    /// As the sign-in that is left when all others end.
    fn after<'a>(&'a self, who: &Principal, proof: &'a str, label: &'a str) -> Anew<'a> {
        Anew {
            user: who.user_id,
            proof,
            now: self.now,
            sign_in: self.id,
            refresh: &self.hash,
            expires_at: self.expires_at,
            label,
        }
    }
}

fn wrong(pointer: &str) -> Problem {
    Problem::wrong_password().at(pointer, "is not right")
}
