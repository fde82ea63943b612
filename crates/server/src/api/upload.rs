//! `POST /api/v1/documents`: a document comes as `multipart/form-data`, its bytes streamed to the object store.

use axum::Json;
use axum::extract::multipart::{Field, Multipart, MultipartError};
use axum::extract::{DefaultBodyLimit, FromRequest as _, Request, State as Given};
use axum::http::{HeaderName, StatusCode, header};
use extract::model::DocumentType;
use futures::StreamExt as _;
use kernel::actor::{Actor, Scope};
use library::access;
use library::documents::{self, Added, Category, NewDocument, Outcome, Target};
use library::label::Label;
use library::{Error, sweep};
use serde::Serialize;
use store::objects::Staged;
use utoipa::ToSchema;

use super::State;
use super::authenticate::Caller;
use super::input;
use super::problem::{Problem, Result};

/// The longest text of a field that is not the file.
const LONGEST_FIELD: usize = 64 * 1024;

/// The form. Several files may be sent; the other fields are for all of them.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes the form; its fields are read as they come")]
pub(crate) struct UploadForm {
    /// The library; made where it is missing.
    library: String,
    /// The version; `current` where none is given.
    version: Option<String>,
    /// The document's path in the library; the file's name where none is given. Only with one file.
    path: Option<String>,
    /// Tags, separated by commas.
    tags: Option<String>,
    /// `code` or `document`.
    category: Option<String>,
    /// The type, where its content does not tell.
    r#type: Option<String>,
    /// The bytes.
    #[schema(format = Binary, content_media_type = "application/octet-stream")]
    file: String,
}

/// A document that was taken.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Taken {
    #[schema(value_type = uuid::Uuid)]
    document_id: documents::DocumentId,
    path: String,
    outcome: Outcome,
    /// Where its revision is, which tells how far it is.
    status_url: String,
}

#[derive(Default)]
struct Form {
    library: Option<String>,
    version: Option<String>,
    path: Option<String>,
    tags: Option<String>,
    category: Option<String>,
    declared: Option<String>,
    form_token: Option<String>,
    files: Vec<(String, Staged)>,
}

/// Adds documents. They are read behind the answer, whose addresses tell how far they are.
#[utoipa::path(post, path = "/api/v1/documents", tag = "documents",
    request_body(content = UploadForm, content_type = "multipart/form-data"),
    responses((status = 202, description = "Taken, to be read", body = Vec<Taken>,
        headers(("location" = String, description = "The first document's revision")))))]
pub(crate) async fn add(
    Given(state): Given<State>,
    Caller(actor): Caller,
    request: Request,
) -> Result<(StatusCode, [(HeaderName, String); 1], Json<Vec<Taken>>)> {
    let received = receive(&state, &actor, request).await?;
    let taken = received.add(&state, &actor).await?;
    let first = taken.first().map(|taken| taken.status_url.clone()).unwrap_or_default();
    Ok((StatusCode::ACCEPTED, [(header::LOCATION, first)], Json(taken)))
}

/// A form that came whole. What it brings is added, or discarded.
pub(crate) struct Received(Form);

/// Takes a form. Whoever may add to no library is refused before any byte is taken.
pub(crate) async fn receive(state: &State, actor: &Actor, request: Request) -> Result<Received> {
    may_write(actor)?;
    let mut form = Form::default();
    let read = read(state, request, &mut form).await;
    let received = Received(form);
    match read {
        Ok(()) => Ok(received),
        Err(problem) => {
            received.discard(state).await?;
            Err(problem)
        }
    }
}

/// Refuses whoever may add to no library at all.
pub(crate) fn may_write(actor: &Actor) -> Result<()> {
    if actor.may(Scope::Write) && !actor.is_nobody() {
        return Ok(());
    }
    let why = "this key may read and no more: use one with the scope write".to_owned();
    Err(if actor.is_nobody() { Error::SignIn } else { Error::NotAllowed(why) }.into())
}

impl Received {
    /// The token of the page's form that sent it, where it was one.
    pub(crate) fn form_token(&self) -> &str {
        self.0.form_token.as_deref().unwrap_or_default()
    }

    /// What was written into the field `library`.
    pub(crate) fn library(&self) -> &str {
        self.0.library.as_deref().unwrap_or_default()
    }

    /// What was written into the field `version`; what stands in for it where nothing was.
    pub(crate) fn version(&self) -> &str {
        self.0.version.as_deref().filter(|version| !version.is_empty()).unwrap_or(library::label::CURRENT)
    }

    /// What was written into the field `tags`.
    pub(crate) fn tags(&self) -> &str {
        self.0.tags.as_deref().unwrap_or_default()
    }

    /// Leaves no staged bytes behind.
    pub(crate) async fn discard(self, state: &State) -> Result<()> {
        for (_, staged) in self.0.files {
            state.app.objects.discard(staged).await?;
        }
        Ok(())
    }

    /// Adds its documents, to be read behind the answer.
    pub(crate) async fn add(self, state: &State, actor: &Actor) -> Result<Vec<Taken>> {
        let target = match target(&self.0) {
            Ok(checked) => may_add(state, actor, &checked.0).await.map(|()| checked),
            Err(problem) => Err(problem),
        };
        let (target, declared, paths) = match target {
            Ok(checked) => checked,
            Err(problem) => {
                self.discard(state).await?;
                return Err(problem);
            }
        };
        let files = self.0.files;
        let touched: Vec<_> =
            files.iter().map(|(_, staged)| (staged.stored.hash, staged.stored.size)).collect();
        sweep::touch(state.app.pool(), &touched).await?;
        let mut new = Vec::with_capacity(paths.len());
        for ((_, staged), path) in files.into_iter().zip(paths) {
            let file = state.app.objects.keep(staged).await?;
            new.push(NewDocument { path, declared_type: declared, file });
        }
        state.app.objects.flush().await?;
        let mut transaction = store::postgres::begin(state.app.pool()).await?;
        let added = documents::add(&mut transaction, actor, &target, &new).await?;
        transaction.commit().await?;
        Ok(added.into_iter().map(|added| taken(added, &target.version)).collect())
    }
}

/// Whether the actor may add to this library: asked before its bytes are kept, and again when they are added.
pub(super) async fn may_add(state: &State, actor: &Actor, target: &Target) -> Result<()> {
    let mut connection = store::postgres::acquire(state.app.pool()).await?;
    Ok(access::require_adding(&mut connection, actor, &target.library).await?)
}

fn taken(added: Added, version: &Label) -> Taken {
    let status_url = format!("/api/v1/documents/{}/versions/{version}~{}", added.document_id, added.revision);
    Taken { document_id: added.document_id, path: added.path, outcome: added.outcome, status_url }
}

async fn read(state: &State, mut request: Request, form: &mut Form) -> Result<()> {
    // The limit is on each file, and is the object store's to keep.
    DefaultBodyLimit::apply(DefaultBodyLimit::disable(), &mut request);
    let mut parts = Multipart::from_request(request, state).await.map_err(|rejection| {
        Problem::invalid(format!("a document is sent as multipart/form-data: {}", rejection.body_text()))
    })?;
    let limit = state.app.settings.max_document_bytes() as u64;
    while let Some(field) = parts.next_field().await.map_err(broken)? {
        match field.name().unwrap_or_default() {
            "library" => form.library = Some(text(field).await?),
            "version" => form.version = Some(text(field).await?),
            "path" => form.path = Some(text(field).await?),
            "tags" | "tag" => form.tags = Some(text(field).await?),
            "category" => form.category = Some(text(field).await?),
            // What a page of ours adds to each of its forms.
            "form_token" => form.form_token = Some(text(field).await?),
            "type" => form.declared = Some(text(field).await?),
            "file" if form.files.len() < 100 => {
                let name = field.file_name().unwrap_or_default().to_owned();
                let staged = state.app.objects.stage(field.boxed(), limit).await?;
                form.files.push((name, staged));
            }
            "file" => return Err(Problem::too_large("a request brings at most 100 files")),
            other => return Err(Problem::invalid(format!("there is no field {other:?} in this form"))),
        }
    }
    Ok(())
}

type Checked = (Target, Option<DocumentType>, Vec<library::names::DocumentPath>);

fn target(form: &Form) -> Result<Checked> {
    if form.files.is_empty() {
        return Err(Problem::invalid("the field file is missing"));
    }
    if form.path.is_some() && form.files.len() > 1 {
        return Err(Problem::invalid("path is for one file; several go by their names"));
    }
    let declared = form.declared.as_deref().filter(|text| !text.is_empty());
    let declared = declared
        .map(|name| {
            DocumentType::parse(name).ok_or_else(|| Problem::invalid(format!("there is no type {name:?}")))
        })
        .transpose()?;
    let paths: std::result::Result<_, _> =
        form.files.iter().map(|(name, _)| form.path.as_deref().unwrap_or(name).parse()).collect();
    let place = Place {
        library: form.library.as_deref(),
        version: form.version.as_deref(),
        tags: form.tags.as_deref(),
        category: form.category.as_deref(),
    };
    Ok((place.target()?, declared, paths.map_err(Error::from)?))
}

/// Where documents go, as a form says it.
#[derive(Default)]
pub(super) struct Place<'form> {
    pub(super) library: Option<&'form str>,
    pub(super) version: Option<&'form str>,
    pub(super) tags: Option<&'form str>,
    pub(super) category: Option<&'form str>,
}

impl Place<'_> {
    pub(super) fn target(&self) -> Result<Target> {
        let library = self.library.ok_or_else(|| Problem::invalid("the field library is missing"))?;
        let category = match self.category.filter(|text| !text.is_empty()) {
            None => None,
            Some("code") => Some(Category::Code),
            Some("document") => Some(Category::Document),
            Some(_) => return Err(Problem::invalid("category is code or document")),
        };
        let tags: std::result::Result<_, _> = input::list(self.tags).iter().map(|tag| tag.parse()).collect();
        let version = match self.version.filter(|text| !text.is_empty()) {
            Some(text) => input::label(text)?,
            None => Label::current(),
        };
        Ok(Target { library: input::library(library)?, version, tags: tags.map_err(Error::from)?, category })
    }
}

/// The text of a field, which is not longer than texts are.
pub(crate) async fn text(mut field: Field<'_>) -> Result<String> {
    let mut bytes = Vec::new();
    while let Some(chunk) = field.chunk().await.map_err(broken)? {
        bytes.extend_from_slice(&chunk);
        if bytes.len() > LONGEST_FIELD {
            return Err(Problem::too_large("a field is too long"));
        }
    }
    String::from_utf8(bytes).map_err(|_invalid| Problem::invalid("a field is not UTF-8"))
}

#[expect(clippy::needless_pass_by_value, reason = "made for map_err")]
pub(crate) fn broken(error: MultipartError) -> Problem {
    Problem::invalid(format!("the form cannot be read: {}", error.body_text()))
}
