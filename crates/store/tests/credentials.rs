//! API keys of external services: sealed for one row, kept for one origin, sealed again under a new master key.

use std::path::PathBuf;

use kernel::update::FieldUpdate;
use store::credentials::{ApiKeyColumn, Error, SealedKey, StoredKey};
use store::secrets::{Sealer, SecretConfig};
use testkit::Database;
use url::Url;
use zeroize::Zeroizing;

const OLD_KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
const NEW_KEY: &str = "Hx4dHBsaGRgXFhUUExIREA8ODQwLCgkIBwYFBAMCAQA=";

const SERVERS: ApiKeyColumn = ApiKeyColumn::new("test.servers/api_key", "server");
const MODELS: ApiKeyColumn = ApiKeyColumn::new("test.models/api_key", "model");

fn sealer(keys: &str) -> Sealer {
    let config = SecretConfig {
        keys: Some(Zeroizing::new(keys.to_owned())),
        file: None,
        default_file: PathBuf::from("/absent/secret.key"),
    };
    Sealer::open(&config).expect("a sealer")
}

fn url(text: &str) -> Url {
    text.parse().expect("a URL")
}

#[tokio::test]
async fn a_key_opens_in_its_own_row_only() {
    let database = Database::new().await;
    let mut connection = database.pool().acquire().await.unwrap();
    let (sealer, id) = (sealer(OLD_KEY), kernel::id::new());
    assert_eq!(SERVERS.seal(&mut connection, &sealer, id, None).await.unwrap(), None);
    let sealed = SERVERS.seal(&mut connection, &sealer, id, Some("sesame")).await.unwrap().unwrap();
    let open = |column: ApiKeyColumn, id| column.open(&sealer, id, Some(&sealed));
    assert_eq!(open(SERVERS, id).unwrap().unwrap().as_str(), "sesame");
    assert!(matches!(open(SERVERS, kernel::id::new()), Err(Error::Secrets(_))));
    assert!(matches!(open(MODELS, id), Err(Error::Secrets(_))));
}

#[tokio::test]
async fn an_update_sends_a_stored_key_to_no_other_origin() {
    let database = Database::new().await;
    let mut connection = database.pool().acquire().await.unwrap();
    let (sealer, id) = (sealer(OLD_KEY), kernel::id::new());
    let sealed = SERVERS.seal(&mut connection, &sealer, id, Some("sesame")).await.unwrap();
    let stored = || StoredKey { sealed: sealed.clone(), endpoint: url("https://tools.example/mcp") };
    let (same, other) = (url("https://tools.example/v2"), url("https://evil.example/mcp"));

    let kept = SERVERS.update(&mut connection, &sealer, id, stored(), &same, FieldUpdate::Keep).await;
    assert_eq!(kept.unwrap(), sealed);
    let refused = SERVERS.update(&mut connection, &sealer, id, stored(), &other, FieldUpdate::Keep).await;
    let refused = refused.unwrap_err();
    assert!(matches!(refused, Error::Invalid(_)) && !refused.to_string().contains("sesame"), "{refused}");

    let removed = SERVERS.update(&mut connection, &sealer, id, stored(), &other, FieldUpdate::Clear).await;
    assert_eq!(removed.unwrap(), None);
    let new = FieldUpdate::Set("open barley".to_owned().into());
    let replaced = SERVERS.update(&mut connection, &sealer, id, stored(), &other, new).await.unwrap();
    assert_eq!(SERVERS.open(&sealer, id, replaced.as_deref()).unwrap().unwrap().as_str(), "open barley");
    let invalid = FieldUpdate::Set("line\nbreak".to_owned().into());
    let refused = SERVERS.update(&mut connection, &sealer, id, stored(), &same, invalid).await;
    assert!(matches!(refused, Err(Error::Invalid(_))));
}

#[tokio::test]
async fn keys_are_sealed_again_and_those_that_do_not_open_are_reported() {
    let database = Database::new().await;
    let mut connection = database.pool().acquire().await.unwrap();
    let (old, both) = (sealer(OLD_KEY), sealer(&format!("{NEW_KEY},{OLD_KEY}")));
    let (first, moved, current) = (kernel::id::new(), kernel::id::new(), kernel::id::new());
    let row =
        |id, name: &str, sealed: &[u8]| SealedKey { id, name: name.to_owned(), sealed: sealed.to_vec() };
    let by_old = SERVERS.seal(&mut connection, &old, first, Some("sesame")).await.unwrap().unwrap();
    let by_new = SERVERS.seal(&mut connection, &both, current, Some("barley")).await.unwrap().unwrap();
    let rows =
        vec![row(first, "first", &by_old), row(moved, "moved", &by_old), row(current, "current", &by_new)];

    let resealed = SERVERS.reseal(&both, rows).unwrap();
    assert_eq!(resealed.ids, [first]);
    assert_eq!(resealed.report.resealed, 1);
    assert_eq!(resealed.report.unreadable, ["the API key of the server moved"]);
    let opened = SERVERS.open(&sealer(NEW_KEY), first, Some(&resealed.sealed[0])).unwrap().unwrap();
    assert_eq!(opened.as_str(), "sesame");
}
