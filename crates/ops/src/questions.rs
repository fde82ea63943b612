//! Golden questions: searches that administrators choose, whose passages every verified backup must find again.
//!
//! This crate stores them; the server asks them, of the library when a backup is written and of the restored copy.

use chrono::{DateTime, Utc};
use kernel::actor::Actor;
use serde::Serialize;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::Error;
use crate::authority::{require_administrator, require_reader};

/// Maximum length of a question, in characters.
pub const MAX_QUESTION_CHARS: usize = 500;
/// Maximum number of questions: all of them are asked with every backup.
pub const MAX_QUESTIONS: i64 = 200;

/// Golden question.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct GoldenQuestion {
    /// Id.
    pub id: Uuid,
    /// Query.
    pub text: String,
    /// Library that is searched; all if null.
    pub library: Option<String>,
    /// Version that is searched, as a request names it; the active one if null.
    pub version: Option<String>,
    /// Time of creation.
    pub created_at: DateTime<Utc>,
}

/// Golden question to add.
#[derive(Debug, Clone, Default)]
pub struct NewGoldenQuestion {
    /// Query, 1 to [`MAX_QUESTION_CHARS`] characters.
    pub text: String,
    /// Library; all if `None`.
    pub library: Option<String>,
    /// Version; only with a library.
    pub version: Option<String>,
}

/// Lists the golden questions, oldest first.
///
/// # Errors
///
/// Fails unless the actor is an administrator, in person or by a key for all libraries, and if the database fails.
pub async fn list(connection: &mut PgConnection, actor: &Actor) -> Result<Vec<GoldenQuestion>, Error> {
    require_reader(actor)?;
    Ok(sqlx::query_as!(
        GoldenQuestion,
        "-- golden_questions.list
         select id, text, library, version, created_at from ops.golden_questions order by id",
    )
    .fetch_all(connection)
    .await?)
}

/// Adds a golden question. One that is there already is returned.
///
/// # Errors
///
/// Fails unless the actor is an administrator in person, if the question is invalid or there are [`MAX_QUESTIONS`], and if the database
/// fails.
pub async fn add(
    connection: &mut PgConnection,
    actor: &Actor,
    new: &NewGoldenQuestion,
) -> Result<GoldenQuestion, Error> {
    require_administrator(actor)?;
    let text = new.text.trim();
    let length = text.chars().count();
    if !(1..=MAX_QUESTION_CHARS).contains(&length) || text.contains('\0') {
        return Err(Error::Invalid(format!(
            "a golden question has 1 to {MAX_QUESTION_CHARS} characters; this one has {length}"
        )));
    }
    if new.version.is_some() && new.library.is_none() {
        return Err(Error::Invalid("a version belongs to a library: name the library, too".to_owned()));
    }
    let question = sqlx::query_as!(
        GoldenQuestion,
        "-- golden_questions.add
         insert into ops.golden_questions (id, text, library, version) values ($1, $2, $3, $4)
         -- without a change the row would not be returned
         on conflict on constraint golden_questions_once do update set text = excluded.text
         returning id, text, library, version, created_at",
        kernel::id::new(),
        text,
        new.library.as_deref(),
        new.version.as_deref(),
    )
    .fetch_one(&mut *connection)
    .await?;
    // Two at once can exceed the number by one, which is harmless.
    let number = sqlx::query_scalar!(
        r#"-- golden_questions.count
         select count(*) as "count!" from ops.golden_questions"#,
    )
    .fetch_one(connection)
    .await?;
    if number > MAX_QUESTIONS {
        return Err(Error::Invalid(format!(
            "there are {MAX_QUESTIONS} golden questions, and every backup asks all of them: remove one first"
        )));
    }
    Ok(question)
}

/// Removes a golden question.
///
/// # Errors
///
/// Fails unless the actor is an administrator in person, with [`Error::NoQuestion`] if there is none, and if the database fails.
pub async fn remove(connection: &mut PgConnection, actor: &Actor, id: Uuid) -> Result<(), Error> {
    require_administrator(actor)?;
    let removed = sqlx::query!(
        "-- golden_questions.remove
         delete from ops.golden_questions where id = $1",
        id,
    )
    .execute(connection)
    .await?;
    if removed.rows_affected() == 0 { Err(Error::NoQuestion(id)) } else { Ok(()) }
}
