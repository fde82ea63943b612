//! Passwords: which may be chosen, and how they are kept and checked.
//!
//! Argon2id with 19 MiB, two passes and one lane, the first choice of the OWASP Password Storage Cheat Sheet; the
//! parameters stand in each hash, so raising them here raises each account's at its next sign-in. bcrypt hashes of
//! imported users are checked too and made anew in the same way.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};
use argon2::{Algorithm, Argon2, Params, Version};
use tokio::sync::Semaphore;

use crate::{Error, Unfit};

/// Memory of one hash, in KiB.
const MEMORY: u32 = 19 * 1024;
/// Passes over it.
const PASSES: u32 = 2;
/// The shortest password that may be chosen, in characters.
const SHORTEST: usize = 10;
/// The longest that is looked at, in bytes.
const LONGEST: usize = 1024;
/// How many guesses a password must withstand, as a power of ten. The common ones and their variants take fewer.
const GUESSES: f64 = 8.0;
/// How long a check waits for its turn.
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// Checks passwords, a few at a time: each takes memory and a processor.
#[derive(Debug, Clone)]
pub struct Passwords {
    turns: Arc<Semaphore>,
    /// Checked where there is no account, so that the time tells nothing.
    nobody: Arc<OnceLock<String>>,
}

/// What checking a password has found.
pub(crate) struct Checked {
    pub(crate) right: bool,
    /// A hash to keep from now on, where the kept one was made in an older way.
    pub(crate) renewed: Option<String>,
}

impl Passwords {
    /// `at_once` is how many are checked at the same time.
    pub fn new(at_once: usize) -> Self {
        Self { turns: Arc::new(Semaphore::new(at_once.max(1))), nobody: Arc::default() }
    }

    /// Refuses a password that is too short or easily guessed; `about` holds the person's names, which are guessed first.
    pub(crate) fn judge(password: &str, about: &[&str]) -> Result<(), Unfit> {
        if password.chars().count() < SHORTEST {
            return Err(Unfit::TooShort { least: SHORTEST });
        }
        if password.len() > LONGEST {
            return Err(Unfit::TooLong { most: LONGEST });
        }
        let mut known = vec!["wenyuan", "文渊"];
        known.extend(about.iter().filter(|text| !text.is_empty()));
        if zxcvbn::zxcvbn(password, &known).guesses_log10() < GUESSES {
            return Err(Unfit::TooCommon);
        }
        Ok(())
    }

    /// The hash to keep of a password, which is not judged here.
    pub async fn hash(&self, password: &str) -> Result<String, Error> {
        let password = password.to_owned();
        self.in_turn(move || hash(&password)).await?
    }

    /// Whether a password is the one that was kept. Takes as long where there is none.
    pub(crate) async fn check(&self, password: &str, kept: Option<String>) -> Result<Checked, Error> {
        if password.len() > LONGEST {
            return Err(Error::BadPassword);
        }
        let (password, nobody) = (password.to_owned(), Arc::clone(&self.nobody));
        self.in_turn(move || {
            let Some(kept) = kept else {
                let kept = match nobody.get() {
                    Some(kept) => kept.clone(),
                    None => nobody.get_or_init(|| hash("nobody's").unwrap_or_default()).clone(),
                };
                let _wrong = verify(&password, &kept);
                return Ok(Checked { right: false, renewed: None });
            };
            let right = verify(&password, &kept);
            let renewed = if right && !is_current(&kept) { Some(hash(&password)?) } else { None };
            Ok(Checked { right, renewed })
        })
        .await?
    }

    async fn in_turn<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Error> {
        let turn = tokio::time::timeout(LONGEST_WAIT, Arc::clone(&self.turns).acquire_owned());
        let turn = turn.await.map_err(|_late| Error::Exhausted)?.map_err(|_closed| Error::Exhausted)?;
        let done = tokio::task::spawn_blocking(move || {
            let done = work();
            // Held until the memory is free again, also when whoever asked has gone.
            drop(turn);
            done
        });
        done.await.map_err(|error| Error::Internal(format!("hashing failed: {error}")))
    }
}

fn argon2() -> Result<Argon2<'static>, Error> {
    let params = Params::new(MEMORY, PASSES, 1, None);
    let params =
        params.map_err(|error| Error::Internal(format!("Argon2 refuses its parameters: {error}")))?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

fn hash(password: &str) -> Result<String, Error> {
    let hash = argon2()?.hash_password(password.as_bytes());
    Ok(hash.map_err(|error| Error::Internal(format!("hashing failed: {error}")))?.to_string())
}

fn verify(password: &str, kept: &str) -> bool {
    if is_bcrypt(kept) {
        // bcrypt reads 72 bytes and no more; so it did when the hash was made.
        let shortened = password.as_bytes().get(..72).unwrap_or(password.as_bytes());
        return bcrypt::verify(shortened, kept).unwrap_or(false);
    }
    let (Ok(kept), Ok(argon2)) = (PasswordHash::new(kept), argon2()) else { return false };
    argon2.verify_password(password.as_bytes(), &kept).is_ok()
}

fn is_bcrypt(kept: &str) -> bool {
    ["$2a$", "$2b$", "$2x$", "$2y$"].iter().any(|prefix| kept.starts_with(prefix))
}

/// Whether a hash was made with today's parameters.
fn is_current(kept: &str) -> bool {
    kept.starts_with(&format!("$argon2id$v=19$m={MEMORY},t={PASSES},p=1$"))
}

/// Whether a text is a hash that can be checked: what an import may bring.
pub(crate) fn is_hash(text: &str) -> bool {
    let bcrypt_length = 60;
    if is_bcrypt(text) {
        text.len() == bcrypt_length
    } else {
        PasswordHash::new(text).is_ok() && text.starts_with("$argon2")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_password_is_known_again_and_nothing_else_is() {
        let passwords = Passwords::new(2);
        let kept = passwords.hash("correct horse battery").await.unwrap();
        assert!(is_current(&kept) && is_hash(&kept), "{kept}");
        let checked = passwords.check("correct horse battery", Some(kept.clone())).await.unwrap();
        assert!(checked.right && checked.renewed.is_none());
        assert!(!passwords.check("correct horse batterie", Some(kept)).await.unwrap().right);
        assert!(!passwords.check("correct horse battery", None).await.unwrap().right);
    }

    #[tokio::test]
    async fn bcrypt_is_renewed() {
        let kept = bcrypt::hash("imported password", 4).unwrap();
        assert!(is_hash(&kept));
        let checked = Passwords::new(1).check("imported password", Some(kept.clone())).await.unwrap();
        assert!(checked.right && is_current(&checked.renewed.unwrap()));
        assert!(!Passwords::new(1).check("another password", Some(kept)).await.unwrap().right);
    }

    #[test]
    fn the_common_ones_are_refused() {
        for bad in
            ["short", "password123", "qwertyuiop", "1234567890", "wenyuan2026", "ada.lovelace", "iloveyou12"]
        {
            assert!(Passwords::judge(bad, &["ada.lovelace"]).is_err(), "{bad}");
        }
        for good in ["correct horse battery", "藏书楼里三千卷,灯下", "x7#kfQ!29vpz"] {
            assert!(Passwords::judge(good, &["ada"]).is_ok(), "{good}");
        }
        assert!(Passwords::judge(&"a9!".repeat(400), &[]).is_err());
    }
}
