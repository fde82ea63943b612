//! `POST /api/v1/archives`: every file of an archive (zip, tar, tar.gz) as a document at its path. The archive is unpacked here, file by
//! file within limits, and never onto a disk.

use std::fs::File;

use axum::Json;
use axum::extract::multipart::Multipart;
use axum::extract::{DefaultBodyLimit, FromRequest as _, Request, State as Given};
use axum::http::StatusCode;
use bytes::Bytes;
use extract::archive::{self, ArchiveLimits};
use futures::StreamExt as _;
use kernel::actor::Actor;
use library::documents::{self, NewDocument, Outcome, Target};
use library::names::DocumentPath;
use serde::Serialize;
use tokio::sync::{Semaphore, mpsc};
use utoipa::ToSchema;

use super::State;
use super::authenticate::Caller;
use super::problem::{Problem, Result};
use super::scratch;
use super::upload::{self, Place, broken, text};

/// The largest archive, in bytes.
pub(crate) const LARGEST: u64 = 1 << 30;
/// Bytes of all its files together.
const LARGEST_UNPACKED: u64 = 4 << 30;
/// Files of one archive that are told of one by one.
const MOST_TOLD: usize = 1000;
/// Documents, or bytes of them, that are added at once.
const BATCH: usize = 100;
const BATCH_BYTES: usize = 32 << 20;

/// Archives that are unpacked at once.
static UNPACKED_AT_ONCE: Semaphore = Semaphore::const_new(2);

/// The form.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes the form; its fields are read as they come")]
pub(crate) struct ArchiveForm {
    /// The library; made where it is missing.
    library: String,
    /// The version; `current` where none is given.
    version: Option<String>,
    /// Tags, separated by commas.
    tags: Option<String>,
    /// `code` or `document`.
    category: Option<String>,
    /// The archive.
    #[schema(format = Binary, content_media_type = "application/octet-stream")]
    file: String,
}

/// What became of an archive's files. Those that were taken are read behind the answer.
#[derive(Debug, Default, Serialize, ToSchema)]
pub(crate) struct Unpacked {
    /// The library.
    pub(crate) library: String,
    /// The version.
    pub(crate) version: String,
    /// Documents that are new.
    pub(crate) added: u64,
    /// Documents that were there with other bytes.
    pub(crate) revised: u64,
    /// Documents that were there with these bytes.
    pub(crate) unchanged: u64,
    /// How many files could not be taken.
    pub(crate) failed_count: u64,
    /// The first of them.
    pub(crate) failed: Vec<FailedFile>,
}

/// A file of an archive that could not be taken.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct FailedFile {
    /// Its path in the archive.
    pub(crate) path: String,
    /// Why.
    pub(crate) reason: String,
}

/// Adds every file of an archive.
#[utoipa::path(post, path = "/api/v1/archives", tag = "documents",
    request_body(content = ArchiveForm, content_type = "multipart/form-data"),
    responses((status = 202, description = "Taken, to be read", body = Unpacked)))]
pub(crate) async fn add(
    Given(state): Given<State>,
    Caller(actor): Caller,
    request: Request,
) -> Result<(StatusCode, Json<Unpacked>)> {
    let received = receive(&state, &actor, request).await?;
    Ok((StatusCode::ACCEPTED, Json(received.add(&state, &actor).await?)))
}

/// A form that came whole.
pub(crate) struct Received {
    fields: [Option<String>; 4],
    form_token: String,
    archive: File,
}

/// Takes a form. Whoever may add to no library is refused before any byte is taken.
pub(crate) async fn receive(state: &State, actor: &Actor, mut request: Request) -> Result<Received> {
    upload::may_write(actor)?;
    // The limit is on the archive.
    DefaultBodyLimit::apply(DefaultBodyLimit::disable(), &mut request);
    let mut parts = Multipart::from_request(request, state).await.map_err(|rejection| {
        Problem::invalid(format!("an archive is sent as multipart/form-data: {}", rejection.body_text()))
    })?;
    let (mut fields, mut form_token, mut archive) = <([Option<String>; 4], String, Option<File>)>::default();
    while let Some(field) = parts.next_field().await.map_err(broken)? {
        match field.name().unwrap_or_default() {
            "library" => fields[0] = Some(text(field).await?),
            "version" => fields[1] = Some(text(field).await?),
            "tags" => fields[2] = Some(text(field).await?),
            "category" => fields[3] = Some(text(field).await?),
            "form_token" => form_token = text(field).await?,
            "file" if archive.is_none() => {
                let pieces = field.map(|piece| piece.map_err(|error| error.body_text()));
                archive = Some(scratch::write(&state.app.objects, pieces, LARGEST).await?);
            }
            "file" => return Err(Problem::invalid("a request brings one archive")),
            other => return Err(Problem::invalid(format!("there is no field {other:?} in this form"))),
        }
    }
    let archive = archive.ok_or_else(|| Problem::invalid("the field file is missing"))?;
    Ok(Received { fields, form_token, archive })
}

impl Received {
    /// The token of the page's form that sent it, where it was one.
    pub(crate) fn form_token(&self) -> &str {
        &self.form_token
    }

    /// What was written into the fields library, version and tags.
    pub(crate) fn written(&self) -> [&str; 3] {
        [0, 1, 2].map(|place: usize| self.fields[place].as_deref().unwrap_or_default())
    }

    /// Adds its files, to be read behind the answer.
    pub(crate) async fn add(self, state: &State, actor: &Actor) -> Result<Unpacked> {
        let [library, version, tags, category] = &self.fields;
        let place = Place {
            library: library.as_deref(),
            version: version.as_deref(),
            tags: tags.as_deref(),
            category: category.as_deref(),
        };
        let target = place.target()?;
        upload::may_add(state, actor, &target).await?;
        let Ok(_one_of_few) = UNPACKED_AT_ONCE.try_acquire() else {
            let why = "other archives are being unpacked at this moment: try again shortly";
            return Err(Problem::too_many(5, why));
        };
        let mut unpacking = Unpacking {
            state,
            actor,
            told: Unpacked {
                library: target.library.to_string(),
                version: target.version.to_string(),
                ..Unpacked::default()
            },
            target,
            batch: Vec::new(),
            bytes: 0,
        };
        unpacking.all(self.archive).await?;
        Ok(unpacking.told)
    }
}

/// A file of the archive, or why there is none.
type Entry = (String, std::result::Result<Bytes, String>);

struct Unpacking<'add> {
    state: &'add State,
    actor: &'add Actor,
    target: Target,
    told: Unpacked,
    batch: Vec<(DocumentPath, Bytes)>,
    bytes: usize,
}

impl Unpacking<'_> {
    async fn all(&mut self, archive: File) -> Result<()> {
        let limits = ArchiveLimits {
            entry_bytes: self.state.app.settings.max_document_bytes() as u64,
            total_bytes: LARGEST_UNPACKED,
            ..ArchiveLimits::default()
        };
        // Unpacked on a thread of its own, one file ahead at most.
        let (sender, mut entries) = mpsc::channel::<Entry>(1);
        let walking = tokio::task::spawn_blocking(move || walk(archive, &limits, &sender));
        while let Some((path, bytes)) = entries.recv().await {
            match (path.parse::<DocumentPath>(), bytes) {
                (Ok(path), Ok(bytes)) => {
                    self.bytes += bytes.len();
                    self.batch.push((path, bytes));
                    if self.batch.len() >= BATCH || self.bytes >= BATCH_BYTES {
                        self.flush().await?;
                    }
                }
                (Err(error), _) => self.fail(path, error.to_string()),
                (_, Err(reason)) => self.fail(path, reason),
            }
        }
        self.flush().await?;
        let walked = walking
            .await
            .map_err(|_panicked| Problem::internal("an archive could not be walked".to_owned()))?;
        match walked {
            Ok(()) => Ok(()),
            // What came before is kept, and its files are counted: the rest is told as a failure.
            Err(reason) if self.told.added + self.told.revised + self.told.unchanged > 0 => {
                self.fail("…".to_owned(), format!("the rest of the archive cannot be read: {reason}"));
                Ok(())
            }
            Err(reason) => Err(Problem::invalid(format!("the archive cannot be read: {reason}"))),
        }
    }

    async fn flush(&mut self) -> Result<()> {
        if self.batch.is_empty() {
            return Ok(());
        }
        self.bytes = 0;
        let (paths, files): (Vec<_>, Vec<_>) = std::mem::take(&mut self.batch).into_iter().unzip();
        let app = &self.state.app;
        let stored = documents::store_bytes(app.pool(), &app.objects, files).await?;
        let new: Vec<NewDocument> = paths
            .into_iter()
            .zip(stored)
            .map(|(path, file)| NewDocument { path, declared_type: None, file })
            .collect();
        let mut transaction = store::postgres::begin(app.pool()).await?;
        let added = documents::add(&mut transaction, self.actor, &self.target, &new).await?;
        transaction.commit().await?;
        for document in added {
            match document.outcome {
                Outcome::Added => self.told.added += 1,
                Outcome::Revised => self.told.revised += 1,
                Outcome::Unchanged => self.told.unchanged += 1,
            }
        }
        Ok(())
    }

    fn fail(&mut self, path: String, reason: String) {
        self.told.failed_count += 1;
        if self.told.failed.len() < MOST_TOLD {
            self.told.failed.push(FailedFile { path, reason });
        }
    }
}

/// Sends the archive's files, until nobody listens.
fn walk(
    archive: File,
    limits: &ArchiveLimits,
    sender: &mpsc::Sender<Entry>,
) -> std::result::Result<(), String> {
    let mut listening = true;
    let walked = archive::entries(archive, limits, &mut |name, bytes| {
        if !archive::is_hidden(name) {
            let bytes = bytes.map(Bytes::copy_from_slice).map_err(|error| error.to_string());
            listening = sender.blocking_send((name.to_owned(), bytes)).is_ok();
        }
        // Any error ends the walk; this one is told to nobody.
        if listening { Ok(()) } else { Err(extract::model::Error::Empty) }
    });
    match walked {
        Err(error) if listening => Err(error.to_string()),
        _ => Ok(()),
    }
}
