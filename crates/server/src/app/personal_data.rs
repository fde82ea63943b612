//! Everything that a person can take along: their account, and what they have written and done. Their chats have an export of their own,
//! which can be imported.

use futures::{Stream, TryStreamExt as _};
use kernel::actor::Actor;
use serde_json::{Value, json};
use tokio::fs::File;
use tokio::io::{AsyncSeekExt as _, AsyncWriteExt as _, BufWriter};

use super::App;
use super::error::{Error, Result};
use super::sessions::require_person;

/// Name of the format, in its first line.
const FORMAT: &str = "wenyuan-personal-data/1";

/// Writes the data of the actor to a file: lines of JSON, each with its `kind`. It is a file, so that no connection to the database waits
/// for whoever reads it.
///
/// # Errors
///
/// Fails unless the actor is a person, and if the database or the disk fails.
pub(crate) async fn export(app: &App, actor: &Actor) -> Result<File> {
    let user = require_person(actor)?;
    let file = File::from_std(app.objects.spool_file()?);
    let mut file = BufWriter::new(file);
    let mut connection = store::postgres::acquire(app.pool()).await?;
    let account = identity::users::find(&mut connection, actor, user).await?;
    let account = account.ok_or(identity::Error::NoUser)?;
    let mut keys = identity::keys::list(&mut connection, actor).await?;
    // An administrator lists everybody's.
    keys.retain(|key| key.user.as_deref() == Some(account.username.as_str()));
    let sessions = identity::sessions::list(&mut connection, actor, user).await?;
    line(&mut file, &json!({ "kind": "format", "format": FORMAT })).await?;
    line(&mut file, &json!({ "kind": "account", "account": account })).await?;
    for key in keys {
        line(&mut file, &json!({ "kind": "key", "key": key })).await?;
    }
    for session in sessions {
        line(&mut file, &json!({ "kind": "session", "session": session })).await?;
    }
    lines(&mut file, library::notes::records(&mut connection, actor).await?).await?;
    lines(&mut file, social::personal::records(&mut connection, actor).await?).await?;
    drop(connection);
    file.flush().await.map_err(failed)?;
    let mut file = file.into_inner();
    file.rewind().await.map_err(failed)?;
    Ok(file)
}

async fn line(file: &mut BufWriter<File>, value: &Value) -> Result<()> {
    file.write_all(format!("{value}\n").as_bytes()).await.map_err(failed)
}

async fn lines<E: Into<Error>>(
    file: &mut BufWriter<File>,
    records: impl Stream<Item = std::result::Result<String, E>>,
) -> Result<()> {
    let mut records = std::pin::pin!(records);
    while let Some(mut record) = records.try_next().await.map_err(Into::into)? {
        record.push('\n');
        file.write_all(record.as_bytes()).await.map_err(failed)?;
    }
    Ok(())
}

#[expect(clippy::needless_pass_by_value, reason = "passed to map_err")]
fn failed(error: std::io::Error) -> Error {
    Error::Internal(format!("failed to write the data of a person: {error}"))
}
