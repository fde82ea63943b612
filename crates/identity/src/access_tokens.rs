//! Access tokens: short-lived JSON Web Tokens ([RFC 7519](https://www.rfc-editor.org/rfc/rfc7519)) signed with HMAC-SHA-256
//! ([RFC 7518](https://www.rfc-editor.org/rfc/rfc7518)). Each belongs to a session's row, so it ends with the session.
//!
//! Device tokens are signed in the same way. A browser keeps one after a sign-in, and so is known at the next: it authenticates
//! nobody, and only keeps other people's wrong passwords from blocking its own attempts.

use chrono::{DateTime, Utc};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, encode};
use kernel::actor::UserId;
use kernel::secret::Token;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::Error;

/// Lifetime of an access token in seconds.
pub(crate) const LIFETIME_SECONDS: i64 = 15 * 60;
/// Tolerated clock difference between nodes in seconds.
const LEEWAY_SECONDS: u64 = 5;
const ISSUER: &str = "wenyuan";
/// Lifetime of a device token in days: the longest that browsers keep a cookie.
pub const DEVICE_LIFETIME_DAYS: i64 = 400;
/// Another issuer than that of access tokens, so that neither is taken for the other.
const DEVICE_ISSUER: &str = "wenyuan device";

kernel::id! {
    /// Id of a browser that a user was signed in with.
    DeviceId
}

/// Signs and verifies access tokens.
#[derive(Clone)]
pub struct TokenSigner {
    signing_key: EncodingKey,
    /// The first belongs to `signing_key`; the others are older keys, whose tokens may not have expired.
    verification_keys: Vec<DecodingKey>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Claims {
    iss: String,
    sub: Uuid,
    jti: Uuid,
    iat: i64,
    exp: i64,
}

impl std::fmt::Debug for TokenSigner {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("TokenSigner(…)")
    }
}

impl TokenSigner {
    /// Creates a signer that signs with the first key and accepts tokens signed with any of them; `None` without a key.
    pub fn new(keys: &[[u8; 32]]) -> Option<Self> {
        Some(Self {
            signing_key: EncodingKey::from_secret(keys.first()?),
            verification_keys: keys.iter().map(|key| DecodingKey::from_secret(key)).collect(),
        })
    }

    /// Issues an access token for a user's session. `token_id` is the session's `token_id` and becomes the `jti`.
    pub(crate) fn sign(&self, user: Uuid, token_id: Uuid, issued_at: DateTime<Utc>) -> Result<String, Error> {
        let claims = Claims {
            iss: ISSUER.to_owned(),
            sub: user,
            jti: token_id,
            iat: issued_at.timestamp(),
            exp: issued_at.timestamp() + LIFETIME_SECONDS,
        };
        encode(&Header::new(Algorithm::HS256), &claims, &self.signing_key)
            .map_err(|error| Error::Internal(format!("failed to sign an access token: {error}")))
    }

    /// Verifies an access token and returns its `jti`.
    pub(crate) fn verify(&self, token: &str) -> Result<Uuid, Error> {
        self.claims(ISSUER, token).map(|claims| claims.jti).ok_or(Error::InvalidCredential(
            "this access token is invalid or expired: renew it, or sign in again",
        ))
    }

    /// Issues a device token for a user.
    pub(crate) fn sign_device(
        &self,
        user: UserId,
        device: DeviceId,
        issued_at: DateTime<Utc>,
    ) -> Result<Token, Error> {
        let claims = Claims {
            iss: DEVICE_ISSUER.to_owned(),
            sub: user.0,
            jti: device.0,
            iat: issued_at.timestamp(),
            exp: issued_at.timestamp() + DEVICE_LIFETIME_DAYS * 86_400,
        };
        let token = encode(&Header::new(Algorithm::HS256), &claims, &self.signing_key)
            .map_err(|error| Error::Internal(format!("failed to sign a device token: {error}")))?;
        Ok(Token::from_text(&token))
    }

    /// Returns the device of a token that was issued for this user; `None` if it was not, or has expired.
    pub(crate) fn device_of(&self, user: UserId, token: &Token) -> Option<DeviceId> {
        let claims = self.claims(DEVICE_ISSUER, token.reveal())?;
        (claims.sub == user.0).then_some(DeviceId(claims.jti))
    }

    fn claims(&self, issuer: &str, token: &str) -> Option<Claims> {
        let mut validation = Validation::new(Algorithm::HS256);
        validation.set_issuer(&[issuer]);
        validation.set_required_spec_claims(&["exp", "iss", "sub"]);
        validation.leeway = LEEWAY_SECONDS;
        let decode = |key| decode::<Claims>(token, key, &validation);
        self.verification_keys.iter().find_map(|key| decode(key).ok()).map(|token| token.claims)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_made_up_token_is_valid() {
        let signer = TokenSigner::new(&[[1; 32]]).unwrap();
        let now = DateTime::from_timestamp(jsonwebtoken::get_current_timestamp().cast_signed(), 0).unwrap();
        let token = signer.sign(kernel::id::new(), kernel::id::new(), now).unwrap();
        // {"alg":"none"} and an empty signature.
        let unsigned = format!("eyJhbGciOiJub25lIn0.{}.", token.split('.').nth(1).unwrap());
        testkit::fuzz("access token", &[token.as_bytes(), unsigned.as_bytes(), b"..", b"wy_abc"], |text| {
            let Ok(text) = std::str::from_utf8(text) else { return };
            assert!(text == token || signer.verify(text).is_err(), "{text} is valid");
        });
    }

    #[test]
    fn a_token_is_valid_until_it_expires_also_after_a_change_of_the_key() {
        let now = DateTime::from_timestamp(jsonwebtoken::get_current_timestamp().cast_signed(), 0).unwrap();
        let old = TokenSigner::new(&[[1; 32]]).unwrap();
        let new = TokenSigner::new(&[[2; 32], [1; 32]]).unwrap();
        let (user, id) = (kernel::id::new(), kernel::id::new());
        let token = old.sign(user, id, now).unwrap();
        assert_eq!(new.verify(&token).unwrap(), id);
        assert!(old.verify(&new.sign(user, id, now).unwrap()).is_err());
        let past = now - chrono::Duration::seconds(LIFETIME_SECONDS + 60);
        assert!(old.verify(&old.sign(user, id, past).unwrap()).is_err());
        let mut tampered = token.clone();
        tampered.replace_range(token.len() - 2.., "xx");
        assert!(old.verify(&tampered).is_err() && old.verify("").is_err() && old.verify("a.b.c").is_err());
        // A token with `"alg": "none"`.
        let unsigned = format!("eyJhbGciOiJub25lIn0.{}.", token.split('.').nth(1).unwrap());
        assert!(old.verify(&unsigned).is_err());
    }

    #[test]
    fn a_device_token_counts_for_its_user_and_authenticates_nobody() {
        let now = DateTime::from_timestamp(jsonwebtoken::get_current_timestamp().cast_signed(), 0).unwrap();
        let signer = TokenSigner::new(&[[1; 32]]).unwrap();
        let (user, device) = (UserId::new(), DeviceId::new());
        let token = signer.sign_device(user, device, now).unwrap();
        assert_eq!(signer.device_of(user, &token), Some(device));
        assert_eq!(signer.device_of(UserId::new(), &token), None);
        assert!(signer.verify(token.reveal()).is_err());
        let access_token = signer.sign(user.0, device.0, now).unwrap();
        assert_eq!(signer.device_of(user, &Token::from_text(&access_token)), None);
        let other = TokenSigner::new(&[[2; 32]]).unwrap();
        assert_eq!(other.device_of(user, &token), None);
        let past = now - chrono::Duration::days(DEVICE_LIFETIME_DAYS + 1);
        assert_eq!(signer.device_of(user, &signer.sign_device(user, device, past).unwrap()), None);
    }
}
