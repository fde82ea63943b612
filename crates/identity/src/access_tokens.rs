//! Access tokens: JSON Web Tokens (RFC 7519) signed with HMAC-SHA-256 (RFC 7518), short-lived, each with a session's row
//! behind it.

use chrono::{DateTime, Utc};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, encode};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::Error;

/// How long an access token is good, in seconds.
pub(crate) const ACCESS_SECONDS: i64 = 15 * 60;
const ISSUER: &str = "wenyuan";

/// Signs access tokens and checks them.
#[derive(Clone)]
pub struct Signing {
    sign: EncodingKey,
    /// The first belongs to `sign`; the others are those before, while what they signed may live.
    check: Vec<DecodingKey>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Claims {
    iss: String,
    sub: Uuid,
    jti: Uuid,
    iat: i64,
    exp: i64,
}

impl std::fmt::Debug for Signing {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Signing(…)")
    }
}

impl Signing {
    /// Signs with the first key and accepts what any of them has signed. `None` without a key.
    pub fn new(keys: &[[u8; 32]]) -> Option<Self> {
        Some(Self {
            sign: EncodingKey::from_secret(keys.first()?),
            check: keys.iter().map(|key| DecodingKey::from_secret(key)).collect(),
        })
    }

    /// An access token of a user's session, made at this time.
    pub(crate) fn sign(&self, user: Uuid, token_id: Uuid, at: DateTime<Utc>) -> Result<String, Error> {
        let claims = Claims {
            iss: ISSUER.to_owned(),
            sub: user,
            jti: token_id,
            iat: at.timestamp(),
            exp: at.timestamp() + ACCESS_SECONDS,
        };
        encode(&Header::new(Algorithm::HS256), &claims, &self.sign)
            .map_err(|error| Error::Internal(format!("a token could not be signed: {error}")))
    }

    /// The `jti` of an access token that is ours and has not run out.
    pub(crate) fn check(&self, token: &str) -> Result<Uuid, Error> {
        let mut validation = Validation::new(Algorithm::HS256);
        validation.set_issuer(&[ISSUER]);
        validation.set_required_spec_claims(&["exp", "iss", "sub"]);
        validation.leeway = 5;
        let read = |key| decode::<Claims>(token, key, &validation);
        self.check.iter().find_map(|key| read(key).ok()).map(|token| token.claims.jti).ok_or(
            Error::BadCredential("this access token is not good, or no longer: renew it, or sign in again"),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_we_signed_is_known_until_it_runs_out() {
        let now = DateTime::from_timestamp(jsonwebtoken_now(), 0).unwrap();
        let (old, new) = (Signing::new(&[[1; 32]]).unwrap(), Signing::new(&[[2; 32], [1; 32]]).unwrap());
        let (user, id) = (kernel::id::new(), kernel::id::new());
        let token = old.sign(user, id, now).unwrap();
        assert_eq!(new.check(&token).unwrap(), id);
        assert!(old.check(&new.sign(user, id, now).unwrap()).is_err());
        let past = now - chrono::Duration::seconds(ACCESS_SECONDS + 60);
        assert!(old.check(&old.sign(user, id, past).unwrap()).is_err());
        let mut tampered = token.clone();
        tampered.replace_range(token.len() - 2.., "xx");
        assert!(old.check(&tampered).is_err() && old.check("").is_err() && old.check("a.b.c").is_err());
        // A token that says it needs no signature.
        let unsigned = format!("eyJhbGciOiJub25lIn0.{}.", token.split('.').nth(1).unwrap());
        assert!(old.check(&unsigned).is_err());
    }

    fn jsonwebtoken_now() -> i64 {
        jsonwebtoken::get_current_timestamp().cast_signed()
    }
}
