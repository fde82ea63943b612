//! Password policy, hashing and verification.
//!
//! Argon2id with 19 MiB, two passes and one lane, the first choice of the
//! [OWASP Password Storage Cheat Sheet](https://cheatsheetseries.owasp.org/cheatsheets/Password_Storage_Cheat_Sheet.html).
//! Each hash holds its parameters, so raising them here rehashes each password at the next sign-in. bcrypt hashes of imported
//! users are verified too, and rehashed in the same way.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};
use argon2::{Algorithm, Argon2, Params, Version};
use tokio::sync::Semaphore;

use crate::{Error, PasswordPolicyError};

/// Memory of one Argon2 hash in KiB.
const MEMORY_KIB: u32 = 19 * 1024;
/// Passes of Argon2 over the memory.
const PASSES: u32 = 2;
/// Bounds of a password: characters for a new one, bytes for any that is hashed.
/// Bounds of a new password, in characters.
pub const MIN_CHARS: usize = 10;
/// See [`MIN_CHARS`].
pub const MAX_CHARS: usize = 1024;
/// Guesses that a new password must withstand, as a power of ten. Common passwords and their variants take fewer.
const MIN_GUESSES_LOG10: f64 = 8.0;
/// Time limit for waiting on a hashing slot.
const MAX_WAIT: Duration = Duration::from_secs(5);

/// Hashes and verifies passwords, a few at a time: each takes memory and a processor.
#[derive(Debug, Clone)]
pub struct PasswordHasher {
    slots: Arc<Semaphore>,
    /// Verified where there is no account, so that the duration reveals nothing.
    decoy: Arc<OnceLock<String>>,
}

/// Result of verifying a password.
pub(crate) struct Verification {
    pub(crate) matches: bool,
    /// Hash to store instead, if the stored one has outdated parameters.
    pub(crate) rehashed: Option<String>,
}

impl PasswordHasher {
    /// Creates a hasher with `concurrency` slots, at least one.
    pub fn new(concurrency: usize) -> Self {
        Self { slots: Arc::new(Semaphore::new(concurrency.max(1))), decoy: Arc::default() }
    }

    /// Checks that a new password is long enough and not easily guessed. `names` are the user's own, which are guessed first.
    pub(crate) fn check_policy(password: &str, names: &[&str]) -> Result<(), PasswordPolicyError> {
        if password.chars().count() < MIN_CHARS {
            return Err(PasswordPolicyError::TooShort { min: MIN_CHARS });
        }
        if password.chars().count() > MAX_CHARS {
            return Err(PasswordPolicyError::TooLong { max: MAX_CHARS });
        }
        let mut known = vec!["wenyuan", "文渊"];
        known.extend(names.iter().filter(|name| !name.is_empty()));
        if zxcvbn::zxcvbn(password, &known).guesses_log10() < MIN_GUESSES_LOG10 {
            return Err(PasswordPolicyError::TooCommon);
        }
        Ok(())
    }

    /// Hashes a password without checking the policy.
    ///
    /// # Errors
    ///
    /// [`Error::Exhausted`] if no slot becomes free within five seconds.
    pub async fn hash(&self, password: &str) -> Result<String, Error> {
        let password = password.to_owned();
        self.in_slot(move || hash(&password)).await?
    }

    /// Verifies a password against a stored hash. Takes as long without one.
    pub(crate) async fn verify(&self, password: &str, stored: Option<String>) -> Result<Verification, Error> {
        if password.chars().count() > MAX_CHARS {
            return Err(Error::WrongPassword);
        }
        let (password, decoy) = (password.to_owned(), Arc::clone(&self.decoy));
        self.in_slot(move || {
            let Some(stored) = stored else {
                let decoy = match decoy.get() {
                    Some(decoy) => decoy.clone(),
                    None => decoy.get_or_init(|| hash("decoy").unwrap_or_default()).clone(),
                };
                let _never_matches = verify(&password, &decoy);
                return Ok(Verification { matches: false, rehashed: None });
            };
            let matches = verify(&password, &stored);
            let rehashed = if matches && !is_current(&stored) { Some(hash(&password)?) } else { None };
            Ok(Verification { matches, rehashed })
        })
        .await?
    }

    async fn in_slot<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Error> {
        let permit = tokio::time::timeout(MAX_WAIT, Arc::clone(&self.slots).acquire_owned());
        let permit =
            permit.await.map_err(|_elapsed| Error::Exhausted)?.map_err(|_closed| Error::Exhausted)?;
        let task = tokio::task::spawn_blocking(move || {
            let result = work();
            // Held until the memory is free again, also when the request was cancelled.
            drop(permit);
            result
        });
        task.await.map_err(|error| Error::Internal(format!("failed to hash a password: {error}")))
    }
}

fn argon2() -> Result<Argon2<'static>, Error> {
    let params = Params::new(MEMORY_KIB, PASSES, 1, None);
    let params = params.map_err(|error| Error::Internal(format!("invalid Argon2 parameters: {error}")))?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

fn hash(password: &str) -> Result<String, Error> {
    let hash = argon2()?.hash_password(password.as_bytes());
    Ok(hash.map_err(|error| Error::Internal(format!("failed to hash a password: {error}")))?.to_string())
}

fn verify(password: &str, stored: &str) -> bool {
    if is_bcrypt(stored) {
        // bcrypt ignores everything after 72 bytes, as it did when the hash was created.
        let shortened = password.as_bytes().get(..72).unwrap_or(password.as_bytes());
        return bcrypt::verify(shortened, stored).unwrap_or(false);
    }
    let (Ok(stored), Ok(argon2)) = (PasswordHash::new(stored), argon2()) else { return false };
    argon2.verify_password(password.as_bytes(), &stored).is_ok()
}

fn is_bcrypt(hash: &str) -> bool {
    ["$2a$", "$2b$", "$2x$", "$2y$"].iter().any(|prefix| hash.starts_with(prefix))
}

/// Whether a hash has the current parameters.
fn is_current(hash: &str) -> bool {
    hash.starts_with(&format!("$argon2id$v=19$m={MEMORY_KIB},t={PASSES},p=1$"))
}

/// Whether a text is a hash that can be verified. For imports.
pub(crate) fn is_hash(text: &str) -> bool {
    const BCRYPT_BYTES: usize = 60;
    if is_bcrypt(text) {
        text.len() == BCRYPT_BYTES
    } else {
        PasswordHash::new(text).is_ok() && text.starts_with("$argon2")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_right_password_matches_and_no_other() {
        let passwords = PasswordHasher::new(2);
        let stored = passwords.hash("correct horse battery").await.unwrap();
        assert!(is_current(&stored) && is_hash(&stored), "{stored}");
        let verification = passwords.verify("correct horse battery", Some(stored.clone())).await.unwrap();
        assert!(verification.matches && verification.rehashed.is_none());
        assert!(!passwords.verify("correct horse batterie", Some(stored)).await.unwrap().matches);
        assert!(!passwords.verify("correct horse battery", None).await.unwrap().matches);
    }

    #[tokio::test]
    async fn a_bcrypt_hash_is_verified_and_rehashed() {
        let stored = bcrypt::hash("imported password", 4).unwrap();
        assert!(is_hash(&stored));
        let passwords = PasswordHasher::new(1);
        let verification = passwords.verify("imported password", Some(stored.clone())).await.unwrap();
        assert!(verification.matches && is_current(&verification.rehashed.unwrap()));
        assert!(!passwords.verify("another password", Some(stored)).await.unwrap().matches);
    }

    #[test]
    fn short_long_and_common_passwords_are_refused() {
        for bad in
            ["short", "password123", "qwertyuiop", "1234567890", "wenyuan2026", "ada.lovelace", "iloveyou12"]
        {
            assert!(PasswordHasher::check_policy(bad, &["ada.lovelace"]).is_err(), "{bad}");
        }
        for good in ["correct horse battery", "藏书楼里三千卷,灯下", "x7#kfQ!29vpz"] {
            assert!(PasswordHasher::check_policy(good, &["ada"]).is_ok(), "{good}");
        }
        assert!(PasswordHasher::check_policy(&"a9!".repeat(400), &[]).is_err());
    }
}
