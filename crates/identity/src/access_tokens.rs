//! Access tokens: short-lived JSON Web Tokens ([RFC 7519](https://www.rfc-editor.org/rfc/rfc7519)) signed with HMAC-SHA-256
//! ([RFC 7518](https://www.rfc-editor.org/rfc/rfc7518)). Each belongs to a session's row, so it ends with the session.

use chrono::{DateTime, Utc};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, encode};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::Error;

/// Lifetime of an access token in seconds.
pub(crate) const LIFETIME_SECONDS: i64 = 15 * 60;
/// Tolerated clock difference between nodes in seconds.
const LEEWAY_SECONDS: u64 = 5;
const ISSUER: &str = "wenyuan";

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
        let mut validation = Validation::new(Algorithm::HS256);
        validation.set_issuer(&[ISSUER]);
        validation.set_required_spec_claims(&["exp", "iss", "sub"]);
        validation.leeway = LEEWAY_SECONDS;
        let decode = |key| decode::<Claims>(token, key, &validation);
        self.verification_keys.iter().find_map(|key| decode(key).ok()).map(|token| token.claims.jti).ok_or(
            Error::InvalidCredential("this access token is invalid or expired: renew it, or sign in again"),
        )
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
}
