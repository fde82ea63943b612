//! Forms that add and resolve notes on passages.

use axum::extract::State;
use axum::http::StatusCode;
use library::ids::NoteId;
use library::notes::{self, NewNote};
use uuid::Uuid;

use crate::http::AppState;
use crate::http::input::Path;
use crate::pages::error::{PageError, PageResult};
use crate::pages::forms::SubmittedForm;
use crate::pages::see_other;

/// Adds a note, and returns to the passage.
pub(super) async fn add(State(state): State<AppState>, form: SubmittedForm) -> PageResult {
    let back = form.field("back").to_owned();
    let form = form.at(&back);
    form.frame.require_sign_in()?;
    let id = add_note(&state, &form).await.map_err(|error| refuse(&form, error))?;
    Ok(see_other(&format!("{}#note-{id}", without_fragment(&back))))
}

async fn add_note(state: &AppState, form: &SubmittedForm) -> Result<NoteId, library::Error> {
    let passage: Uuid = form
        .field("passage")
        .parse()
        .map_err(|_invalid| library::Error::Invalid("a note belongs to a passage".to_owned()))?;
    let note =
        NewNote { passage, category: form.field("category").parse()?, text: form.field("text").to_owned() };
    let mut transaction = store::postgres::begin(state.app.pool()).await?;
    let (note, _) = notes::add(&mut transaction, &form.frame.actor, &note).await?;
    transaction.commit().await?;
    Ok(note.id)
}

/// Resolves a note.
pub(super) async fn resolve(
    State(state): State<AppState>,
    Path(id): Path<Uuid>,
    form: SubmittedForm,
) -> PageResult {
    let back = form.field("back").to_owned();
    let form = form.at(&back);
    form.frame.require_sign_in()?;
    let mut transaction = store::postgres::begin(state.app.pool()).await?;
    let resolved = notes::resolve(&mut transaction, &form.frame.actor, NoteId(id)).await;
    resolved.map_err(|error| refuse(&form, error))?;
    transaction.commit().await?;
    Ok(see_other(&back))
}

/// Shows the error of a note on its own page: going back keeps the text.
fn refuse(form: &SubmittedForm, error: library::Error) -> PageError {
    match error {
        library::Error::Invalid(_) => {
            let text = form.frame.t_with("document-note-length", "max", &notes::MAX_NOTE_CHARS);
            PageError::Response(Box::new(form.frame.message(StatusCode::BAD_REQUEST, &text)))
        }
        error => error.into(),
    }
}

fn without_fragment(address: &str) -> &str {
    address.split('#').next().unwrap_or_default()
}
