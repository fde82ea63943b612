//! Notes on passages, as forms write and settle them.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use library::ids::NoteId;
use library::notes::{self, NewNote};
use uuid::Uuid;

use crate::http::AppState;
use crate::http::input::Path;
use crate::http::problem::Problem;
use crate::pages::forms::SubmittedForm;
use crate::pages::see_other;

/// Writes one.
pub(super) async fn add(State(state): State<AppState>, posted: SubmittedForm) -> Response {
    let back = posted.field("back").to_owned();
    let posted = posted.at(&back);
    if let Err(response) = posted.frame.require_person() {
        return response;
    }
    let written = async {
        let passage: Uuid = posted
            .field("passage")
            .parse()
            .map_err(|_unlike| library::Error::Invalid("a note is written on a passage".to_owned()))?;
        let note = NewNote {
            passage,
            category: posted.field("category").parse()?,
            text: posted.field("text").to_owned(),
        };
        let mut transaction = store::postgres::begin(state.app.pool()).await?;
        let (note, _) = notes::add(&mut transaction, &posted.frame.actor, &note).await?;
        transaction.commit().await?;
        Ok::<_, library::Error>(note)
    };
    match written.await {
        Ok(note) => see_other(&format!("{}#note-{}", without_fragment(&back), note.id)),
        Err(error) => refused(&posted, error),
    }
}

/// Says that one is done with.
pub(super) async fn resolve(
    State(state): State<AppState>,
    Path(id): Path<Uuid>,
    posted: SubmittedForm,
) -> Response {
    let back = posted.field("back").to_owned();
    let posted = posted.at(&back);
    if let Err(response) = posted.frame.require_person() {
        return response;
    }
    let settled = async {
        let mut transaction = store::postgres::begin(state.app.pool()).await?;
        notes::resolve(&mut transaction, &posted.frame.actor, NoteId(id)).await?;
        transaction.commit().await?;
        Ok::<_, library::Error>(())
    };
    match settled.await {
        Ok(()) => see_other(&back),
        Err(error) => refused(&posted, error),
    }
}

/// Shows the error of a note on its own page: going back keeps the text.
fn refused(posted: &SubmittedForm, error: library::Error) -> Response {
    match error {
        library::Error::Invalid(_) => {
            let text = posted.frame.t_with("document-note-length", "most", &notes::MAX_NOTE_CHARS);
            posted.frame.message(StatusCode::BAD_REQUEST, &text)
        }
        error => Problem::from(error).into_response(),
    }
}

fn without_fragment(address: &str) -> &str {
    address.split('#').next().unwrap_or_default()
}
