//! Tests of sealing: a value opens with its context and key, unchanged, and not otherwise.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use zeroize::Zeroizing;

use super::{Error, Sealer, SecretConfig};

const ONE: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
const ONE_IN_HEX: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
const OTHER: &str = "Hx4dHBsaGRgXFhUUExIREA8ODQwLCgkIBwYFBAMCAQA";

fn with_keys(keys: &str) -> Result<Sealer, Error> {
    let config = SecretConfig {
        keys: Some(Zeroizing::new(keys.to_owned())),
        file: None,
        // Creating it would fail.
        default_file: PathBuf::from("/absent/secret.key"),
    };
    Sealer::open(&config)
}

fn with_default(folder: &Path) -> Result<Sealer, Error> {
    Sealer::open(&SecretConfig { keys: None, file: None, default_file: folder.join("secret.key") })
}

fn with_file(file: &Path) -> Result<Sealer, Error> {
    Sealer::open(&SecretConfig {
        keys: None,
        file: Some(file.to_owned()),
        default_file: PathBuf::from("/absent/secret.key"),
    })
}

proptest! {
    #[test]
    fn it_opens_with_its_context_and_key(context in ".{0,80}", plain in proptest::collection::vec(any::<u8>(), 0..300)) {
        let sealer = with_keys(ONE).unwrap();
        let sealed = sealer.seal(&context, &plain).unwrap();
        prop_assert_eq!(&*sealer.open_sealed(&context, &sealed).unwrap(), &plain);
        // Equal secrets have different ciphertexts.
        prop_assert_ne!(&sealer.seal(&context, &plain).unwrap(), &sealed);
        let both = with_keys(&format!("{OTHER},{ONE}")).unwrap();
        prop_assert_eq!(&*both.open_sealed(&context, &sealed).unwrap(), &plain);
        prop_assert!(sealer.is_current(&sealed) && !both.is_current(&sealed));
        prop_assert!(matches!(with_keys(OTHER).unwrap().open_sealed(&context, &sealed), Err(Error::UnknownKey(_))));
    }

    #[test]
    fn it_opens_with_no_other_context(context in ".{0,40}", other in ".{0,40}") {
        prop_assume!(context != other);
        let sealer = with_keys(ONE).unwrap();
        let sealed = sealer.seal(&context, b"secret").unwrap();
        prop_assert!(matches!(sealer.open_sealed(&other, &sealed), Err(Error::NotAuthentic)));
    }

    #[test]
    fn any_change_is_detected(plain in proptest::collection::vec(any::<u8>(), 0..64), at in any::<prop::sample::Index>(), by in 1_u8..) {
        let sealer = with_keys(&format!("{ONE},{OTHER}")).unwrap();
        let mut sealed = sealer.seal("a/b/1", &plain).unwrap();
        let at = at.index(sealed.len());
        sealed[at] ^= by;
        prop_assert!(sealer.open_sealed("a/b/1", &sealed).is_err());
        sealed[at] ^= by;
        prop_assert!(sealer.open_sealed("a/b/1", &sealed[..at]).is_err());
        sealed.push(by);
        prop_assert!(sealer.open_sealed("a/b/1", &sealed).is_err());
    }

    #[test]
    fn no_input_panics(bytes in proptest::collection::vec(any::<u8>(), 0..100), text in ".{0,100}") {
        prop_assert!(with_keys(ONE).unwrap().open_sealed("a", &bytes).is_err());
        let _a_key_or_not = with_keys(&text);
    }
}

/// Values sealed by an earlier release open, and keys are derived as it did.
#[test]
fn the_format_is_stable() {
    let old = hex::decode(
        "01e3ba65e7f374d1d63cf24057f93ab4fe7b5c2114ffd41c28ab1c55dec9b34fd40a2420f07bd809ad83a9cb523ec12885f456bf81df16",
    )
    .unwrap();
    let sealer = with_keys(ONE).unwrap();
    let opened = sealer.open_sealed("library.example/secret/1", &old).unwrap();
    assert_eq!((&**opened, sealer.is_current(&old)), (b"secret".as_slice(), true));
    assert_eq!(old.len(), 1 + 8 + 24 + opened.len() + 16);
    assert_eq!(hex::encode(&sealer.derive("tokens")[..8]), "b726ecb37227912c");
}

#[test]
fn keys_are_parsed_in_every_format_and_never_displayed() {
    let sealed = with_keys(ONE).unwrap().seal("a", b"secret").unwrap();
    for text in
        [ONE_IN_HEX, &format!(" {OTHER} ,\n{ONE}\n,"), &ONE.replace('=', ""), &format!("# mine\n{ONE}")]
    {
        assert_eq!(&**with_keys(text).unwrap().open_sealed("a", &sealed).unwrap(), b"secret", "{text}");
    }
    for text in
        ["wrong", &ONE[..40], &format!("{ONE},short"), &ONE_IN_HEX.replace('f', "g"), "# only a remark"]
    {
        let message = with_keys(text).unwrap_err().to_string();
        assert!(
            message.contains("WENYUAN_SECRET_KEY") && !message.contains("short") && !message.contains(ONE),
            "{message}"
        );
    }
    let debug = format!("{:?}", with_keys(ONE).unwrap());
    assert!(!debug.contains(&ONE[..8]) && !debug.contains("000102"), "{debug}");
}

#[test]
fn each_purpose_has_its_own_key() {
    let sealer = with_keys(ONE).unwrap();
    assert_eq!(sealer.derive("tokens"), sealer.derive("tokens"));
    assert_ne!(sealer.derive("tokens"), sealer.derive("mail"));
    let rotated = with_keys(&format!("{OTHER},{ONE}")).unwrap();
    assert_ne!(sealer.derive("tokens"), rotated.derive("tokens"));
    assert_eq!(rotated.derive_all("tokens")[1], sealer.derive("tokens"));
}

#[test]
fn the_key_file_is_created_once_and_readable_by_its_owner_only() {
    let folder = tempfile::tempdir().unwrap();
    let sealers: Vec<Sealer> = std::thread::scope(|scope| {
        let starting: Vec<_> = (0..8).map(|_| scope.spawn(|| with_default(folder.path()).unwrap())).collect();
        starting.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let sealed = sealers[0].seal("a", b"secret").unwrap();
    assert!(sealers.iter().all(|sealer| sealer.is_current(&sealed)));
    let file = folder.path().join("secret.key");
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    for (mode, is_allowed) in [(0o644, false), (0o604, false), (0o660, false), (0o640, true), (0o400, true)] {
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).unwrap();
        let opened = with_default(folder.path());
        assert_eq!(opened.is_ok(), is_allowed, "{mode:o}");
        if let Err(error) = opened {
            assert!(error.to_string().contains("chmod 600"), "{error}");
        }
    }
    let missing = with_file(&folder.path().join("none")).unwrap_err().to_string();
    assert!(missing.contains("openssl rand"), "{missing}");
}

#[test]
fn keys_are_rotated_beside_a_running_process() {
    let folder = tempfile::tempdir().unwrap();
    let (running, rotating) = (with_default(folder.path()).unwrap(), with_default(folder.path()).unwrap());
    let sealed = running.seal("a", b"secret").unwrap();
    // Interrupted after the first step and started again: one new key, not two.
    rotating.add_key().unwrap();
    with_default(folder.path()).unwrap().add_key().unwrap();
    assert_eq!((rotating.key_count(), rotating.is_current(&sealed)), (2, false));
    let again = rotating.seal("a", &rotating.open_sealed("a", &sealed).unwrap()).unwrap();
    // The running process notices the new key, both to open and to seal.
    assert_eq!(&**running.open_sealed("a", &again).unwrap(), b"secret");
    assert!(rotating.is_current(&running.seal("b", b"new").unwrap()));
    rotating.remove_old_keys().unwrap();
    assert!(running.is_current(&again));
    let lost = running.open_sealed("a", &sealed).unwrap_err();
    assert!(matches!(lost, Error::UnknownKey(_)), "{lost}");
    assert_eq!(&**with_default(folder.path()).unwrap().open_sealed("a", &again).unwrap(), b"secret");
    let left: Vec<_> =
        std::fs::read_dir(folder.path()).unwrap().flatten().map(|entry| entry.file_name()).collect();
    assert_eq!(left.len(), 2, "{left:?}");
    // The program cannot change keys in the environment.
    assert!(matches!(with_keys(ONE).unwrap().add_key(), Err(Error::NotAFile)));
}
