//! Stored form of pieces: compressed (zstd), then encrypted (age) where the backup is. Pieces are a few dozen MiB and are coded whole, in
//! memory, so that several are coded at once and a damaged one is named.

use std::io::{Read as _, Write as _};

use sha2::{Digest as _, Sha256};

use crate::Error;
use crate::keys::{Identity, Recipients};

/// Level of compression: the fastest that is not far from the best.
const LEVEL: i32 = 3;

/// Compresses and encrypts a piece.
pub(crate) fn encode(plain: &[u8], recipients: &Recipients) -> Result<Vec<u8>, Error> {
    let compressed = zstd::bulk::compress(plain, LEVEL)
        .map_err(|error| Error::Failed(format!("compression failed: {error}")))?;
    if recipients.is_none() {
        return Ok(compressed);
    }
    let failed = |error: &dyn std::fmt::Display| Error::Failed(format!("encryption failed: {error}"));
    let encryptor = age::Encryptor::with_recipients(recipients.iter()).map_err(|error| failed(&error))?;
    let mut stored = Vec::with_capacity(compressed.len() + compressed.len() / 1000 + 1024);
    let mut writer = encryptor.wrap_output(&mut stored).map_err(|error| failed(&error))?;
    writer.write_all(&compressed).and_then(|()| writer.finish()).map_err(|error| failed(&error))?;
    Ok(stored)
}

/// Decrypts and decompresses a piece that has `plain_size` bytes. `name` names it in errors.
pub(crate) fn decode(
    stored: &[u8],
    identity: Option<&Identity>,
    plain_size: u64,
    name: &str,
) -> Result<Vec<u8>, Error> {
    let decrypted = identity.map(|identity| decrypt(stored, identity, name)).transpose()?;
    let compressed = decrypted.as_deref().unwrap_or(stored);
    let mut plain = Vec::with_capacity(usize::try_from(plain_size).unwrap_or(0));
    let fault = |error: std::io::Error| Error::damaged(name, format!("it cannot be decompressed ({error})"));
    // No more than is expected is ever decompressed, whatever the bytes say.
    let decoder = zstd::stream::read::Decoder::new(compressed).map_err(fault)?;
    decoder.take(plain_size.saturating_add(1)).read_to_end(&mut plain).map_err(fault)?;
    if plain.len() as u64 != plain_size {
        return Err(Error::damaged(
            name,
            format!("it has not the {plain_size} bytes of content it should have"),
        ));
    }
    Ok(plain)
}

fn decrypt(stored: &[u8], identity: &Identity, name: &str) -> Result<Vec<u8>, Error> {
    let wrong_key = |error: age::DecryptError| match error {
        age::DecryptError::NoMatchingKeys => Error::WrongKey(format!("other keys ({name})")),
        error => Error::damaged(name, format!("it cannot be decrypted ({error})")),
    };
    let decryptor = age::Decryptor::new_buffered(stored).map_err(wrong_key)?;
    let mut reader = decryptor.decrypt(identity.iter()).map_err(wrong_key)?;
    let mut compressed = Vec::with_capacity(stored.len());
    reader
        .read_to_end(&mut compressed)
        .map_err(|error| Error::damaged(name, format!("it cannot be decrypted ({error})")))?;
    Ok(compressed)
}

/// Returns the SHA-256 in hexadecimal.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::NewKey;

    #[test]
    fn a_piece_comes_back_and_any_changed_byte_is_noticed() {
        let key = NewKey::generate();
        let recipients = Recipients::parse([key.public.as_str()]).unwrap();
        let identity = Identity::parse(&key.secret, "").unwrap();
        let plain = b"the gateway waits ".repeat(1000);
        let size = plain.len() as u64;
        let stored = encode(&plain, &recipients).unwrap();
        assert!(stored.len() < plain.len() / 4);
        assert_eq!(decode(&stored, Some(&identity), size, "p").unwrap(), plain);
        for position in (0..stored.len()).step_by(7) {
            let mut damaged = stored.clone();
            damaged[position] ^= 1;
            assert!(decode(&damaged, Some(&identity), size, "p").is_err(), "byte {position}");
            assert!(decode(&stored[..position], Some(&identity), size, "p").is_err(), "cut at {position}");
        }
        let other = Identity::parse(&NewKey::generate().secret, "").unwrap();
        assert!(matches!(decode(&stored, Some(&other), size, "p"), Err(Error::WrongKey(_))));
        assert!(decode(&stored, Some(&identity), size - 1, "p").is_err());
        assert!(decode(&stored, Some(&identity), size + 1, "p").is_err());
    }

    #[test]
    fn a_piece_need_not_be_encrypted() {
        let stored = encode(b"hello", &Recipients::none()).unwrap();
        assert_eq!(decode(&stored, None, 5, "p").unwrap(), b"hello");
        assert_eq!(decode(&encode(b"", &Recipients::none()).unwrap(), None, 0, "p").unwrap(), b"");
    }
}
