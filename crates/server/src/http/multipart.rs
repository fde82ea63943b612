//! Reading `multipart/form-data`: text fields are bounded, files are streamed to the object store or to a spool file.

use axum::extract::multipart::{Field, Multipart, MultipartError};
use axum::extract::{DefaultBodyLimit, FromRequest as _, Request};
use futures::StreamExt as _;
use kernel::actor::Actor;
use store::objects::Staged;

use super::AppState;
use super::problem::{Problem, Result};
use super::spool;
use crate::app::staging::Allowance;
use crate::app::uploads::{self, UploadFields};

/// Size of a text field.
const MAX_FIELD_BYTES: usize = 64 * 1024;
/// Files of one upload.
const MAX_FILES: usize = 100;

/// Opens a form whose size is limited file by file and not as a whole.
pub(crate) async fn open(state: &AppState, mut request: Request) -> Result<Multipart> {
    DefaultBodyLimit::apply(DefaultBodyLimit::disable(), &mut request);
    Multipart::from_request(request, state).await.map_err(|rejection| {
        Problem::invalid(format!(
            "invalid form: send files as multipart/form-data: {}",
            rejection.body_text()
        ))
    })
}

/// Returns the text of a field.
pub(crate) async fn text(mut field: Field<'_>) -> Result<String> {
    let mut bytes = Vec::new();
    while let Some(chunk) = field.chunk().await.map_err(invalid_form)? {
        bytes.extend_from_slice(&chunk);
        if bytes.len() > MAX_FIELD_BYTES {
            return Err(Problem::too_large(format!(
                "a field is too long: use at most {MAX_FIELD_BYTES} bytes"
            )));
        }
    }
    String::from_utf8(bytes).map_err(|_invalid| Problem::invalid("invalid field: use UTF-8"))
}

#[expect(clippy::needless_pass_by_value, reason = "the signature is that of map_err")]
pub(crate) fn invalid_form(error: MultipartError) -> Problem {
    Problem::invalid(format!("invalid form: {}", error.body_text()))
}

/// Writes the bytes of a field to a spool file of at most `max_bytes`.
pub(crate) async fn spool_field(
    state: &AppState,
    field: Field<'_>,
    max_bytes: u64,
    allowance: &Allowance,
) -> Result<std::fs::File> {
    let chunks = field.map(|chunk| chunk.map_err(|error| error.body_text()));
    spool::write(&state.app.objects, chunks, max_bytes, allowance).await
}

/// Streams the bytes of a field to the staging folder.
async fn stage(state: &AppState, field: Field<'_>, allowance: &Allowance) -> Result<Staged> {
    let limit = state.app.settings.documents.max_bytes() as u64;
    let chunks = field.map(|chunk| {
        let chunk = chunk.map_err(|error| error.to_string())?;
        allowance.take(chunk.len()).map_err(|error| error.to_string())?;
        Ok::<_, String>(chunk)
    });
    let staged = state.app.objects.stage(chunks.boxed(), limit).await;
    // Before the error of the stream, which the refusal of the bytes has ended.
    allowance.check()?;
    Ok(staged?)
}

/// An upload of documents as it was sent, with their bytes staged.
#[derive(Default)]
pub(crate) struct DocumentForm {
    pub(crate) fields: UploadFields,
    /// Token of the page's form; empty for other clients.
    form_token: String,
    /// Each file with its name.
    pub(crate) files: Vec<(String, Staged)>,
}

/// Reads an upload of documents; `None` if the form's token, which pages send, is not accepted. If the form is refused, no staged
/// bytes are left behind.
pub(crate) async fn document_form(
    state: &AppState,
    actor: &Actor,
    allowance: &Allowance,
    request: Request,
    accepts_token: impl Fn(&str) -> bool,
) -> Result<Option<DocumentForm>> {
    let mut form = DocumentForm::default();
    let mut parts = open(state, request).await?;
    match read_documents(state, actor, allowance, &mut parts, &mut form, &accepts_token).await {
        Ok(true) => Ok(Some(form)),
        Ok(false) => {
            uploads::discard(&state.app, form.files).await?;
            Ok(None)
        }
        Err(problem) => {
            uploads::discard(&state.app, form.files).await?;
            Err(problem)
        }
    }
}

/// Reads the fields, and checks what they say before the first byte of a file is read. Returns whether the token is accepted.
async fn read_documents(
    state: &AppState,
    actor: &Actor,
    allowance: &Allowance,
    parts: &mut Multipart,
    form: &mut DocumentForm,
    accepts_token: &impl Fn(&str) -> bool,
) -> Result<bool> {
    while let Some(field) = parts.next_field().await.map_err(invalid_form)? {
        match field.name().unwrap_or_default() {
            "file" if form.files.len() < MAX_FILES => {
                if form.files.is_empty() {
                    if !accepts_token(&form.form_token) {
                        return Ok(false);
                    }
                    require_adding(state, actor, &form.fields).await?;
                }
                let name = field.file_name().unwrap_or_default().to_owned();
                form.files.push((name, stage(state, field, allowance).await?));
            }
            name if !form.files.is_empty() && name != "form_token" => return Err(late_field(name)),
            "file" => {
                return Err(Problem::too_large(format!("too many files: an upload has at most {MAX_FILES}")));
            }
            "form_token" => form.form_token = text(field).await?,
            _ => set_field(&mut form.fields, field).await?,
        }
    }
    Ok(!form.files.is_empty() || accepts_token(&form.form_token))
}

/// Requires that the actor can add to the library that the fields so far name.
async fn require_adding(state: &AppState, actor: &Actor, fields: &UploadFields) -> Result<()> {
    if fields.library.is_none() {
        return Err(Problem::invalid(
            "missing field library: send it, and all other fields, before the files",
        ));
    }
    Ok(uploads::require_adding(&state.app, actor, &fields.target()?).await?)
}

fn late_field(name: &str) -> Problem {
    Problem::invalid(format!("field {name:?} comes too late: send all fields before the files"))
}

/// An upload of an archive as it was sent.
pub(crate) struct ArchiveForm {
    pub(crate) fields: UploadFields,
    pub(crate) archive: std::fs::File,
}

/// Reads an upload of an archive of at most `max_bytes`; `None` if the form's token, which pages send, is not accepted.
pub(crate) async fn archive_form(
    state: &AppState,
    actor: &Actor,
    allowance: &Allowance,
    request: Request,
    max_bytes: u64,
    accepts_token: impl Fn(&str) -> bool,
) -> Result<Option<ArchiveForm>> {
    let mut parts = open(state, request).await?;
    let (mut fields, mut form_token, mut archive) = (UploadFields::default(), String::new(), None);
    while let Some(field) = parts.next_field().await.map_err(invalid_form)? {
        match field.name().unwrap_or_default() {
            "file" if archive.is_none() => {
                if !accepts_token(&form_token) {
                    return Ok(None);
                }
                require_adding(state, actor, &fields).await?;
                archive = Some(spool_field(state, field, max_bytes, allowance).await?);
            }
            "file" => return Err(Problem::invalid("too many files: send one archive per request")),
            "form_token" => form_token = text(field).await?,
            name @ ("path" | "type") => {
                return Err(Problem::invalid(format!("unknown field {name:?}")));
            }
            name if archive.is_some() => return Err(late_field(name)),
            _ => set_field(&mut fields, field).await?,
        }
    }
    let archive = archive.ok_or_else(|| Problem::invalid("missing field file"))?;
    Ok(Some(ArchiveForm { fields, archive }))
}

async fn set_field(fields: &mut UploadFields, field: Field<'_>) -> Result<()> {
    let name = field.name().unwrap_or_default().to_owned();
    if fields.set(&name, text(field).await?) {
        return Ok(());
    }
    Err(Problem::invalid(format!("unknown field {name:?}")))
}

/// Stages the remaining files of a form: at least one, at most `max_files`. If the form is refused, no staged bytes are left
/// behind.
pub(crate) async fn stage_files(
    state: &AppState,
    parts: &mut Multipart,
    max_files: usize,
    allowance: &Allowance,
) -> Result<Vec<(String, Staged)>> {
    let mut staged = Vec::new();
    match read_files(state, parts, max_files, allowance, &mut staged).await {
        Ok(()) if staged.is_empty() => Err(Problem::invalid("missing field file")),
        Ok(()) => Ok(staged),
        Err(problem) => {
            uploads::discard(&state.app, staged).await?;
            Err(problem)
        }
    }
}

async fn read_files(
    state: &AppState,
    parts: &mut Multipart,
    max_files: usize,
    allowance: &Allowance,
    staged: &mut Vec<(String, Staged)>,
) -> Result<()> {
    while let Some(field) = parts.next_field().await.map_err(invalid_form)? {
        match field.name().unwrap_or_default() {
            // A browser sends an empty field where no file was chosen.
            "file" | "files" if field.file_name() == Some("") => {}
            "file" | "files" if staged.len() < max_files => {
                let name = field.file_name().unwrap_or_default().to_owned();
                staged.push((name, stage(state, field, allowance).await?));
            }
            "file" | "files" => {
                return Err(Problem::too_large(format!("too many files: a request has at most {max_files}")));
            }
            other => return Err(Problem::invalid(format!("unknown field {other:?}"))),
        }
    }
    Ok(())
}
