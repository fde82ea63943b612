//! Changes. Their payload is a union of the result and the kinds of a [`Refusal`]: what a client can act on is no error.

mod administration;
mod discussion;
mod history;
mod library;
mod moderation;
mod operation;
mod people;

use async_graphql::{Context, Error, ID, MaybeUndefined, MergedObject, SimpleObject};
use kernel::update::FieldUpdate;
use sqlx::{Postgres, Transaction};

use super::error::{Outcome, Refusal, failed, outcome};
use super::request::Request;
use crate::http::problem::Problem;

pub(super) use discussion::PostOrCommentInput;

/// Complexity of a change: one is within what every request costs, more cost about a request of REST each.
const CHANGE: usize = 90;

/// Declares the payload of a change: its result, or one of the reasons for which it was not made.
macro_rules! payload {
    ($(#[$attribute:meta])* $name:ident, $value:ident, $documentation:literal) => {
        crate::graphql::mutation::payload!(
            @members $(#[$attribute])* $name, $value, $documentation,
            NotFound SignInNeeded Forbidden Invalid Conflict LimitReached
        );
    };
    (@members $(#[$attribute:meta])* $name:ident, $value:ident, $documentation:literal, $($refusal:ident)*) => {
        #[doc = $documentation]
        #[derive(async_graphql::Union)]
        $(#[$attribute])*
        pub(super) enum $name {
            /// Result.
            Done($value),
            $(
                /// Why the change was not made.
                $refusal(crate::graphql::error::$refusal),
            )*
        }

        impl From<Result<$value, crate::graphql::error::Refusal>> for $name {
            fn from(result: Result<$value, crate::graphql::error::Refusal>) -> Self {
                match result {
                    Ok(value) => Self::Done(value),
                    $(Err(crate::graphql::error::Refusal::$refusal(refusal)) => Self::$refusal(refusal),)*
                }
            }
        }
    };
}

pub(super) use payload;

/// Makes a change by a function of a domain crate, in a transaction of its own: it takes a connection to the database, the actor and
/// the arguments that are given.
macro_rules! change {
    ($context:ident, $make:path $(, $argument:expr)* => $result:expr) => {{
        let mut transaction = crate::graphql::mutation::begin($context).await?;
        let made = $make(&mut transaction, crate::graphql::request::Request::of($context).actor() $(, $argument)*).await;
        crate::graphql::mutation::end(transaction, crate::graphql::error::outcome(made.map($result))).await
    }};
}

pub(super) use change;

/// That a change was made.
#[derive(SimpleObject)]
pub(super) struct Done {
    /// Id of what was changed.
    id: Option<ID>,
}

payload!(DonePayload, Done, "That the change was made, or why not.");

impl Done {
    fn of(id: ID) -> Self {
        Self { id: Some(id) }
    }
}

/// Begins the transaction of a change.
async fn begin(context: &Context<'_>) -> Result<Transaction<'static, Postgres>, Error> {
    let begun = store::postgres::begin(Request::of(context).app().pool()).await;
    begun.map_err(|error| failed(crate::app::Error::from(error)))
}

/// Commits a change that was made; one that was refused leaves nothing.
async fn end<T, P: From<Result<T, Refusal>>>(
    transaction: Transaction<'static, Postgres>,
    result: Outcome<T>,
) -> Result<P, Error> {
    let result = result?;
    if result.is_ok() {
        transaction.commit().await.map_err(|error| failed(crate::app::Error::from(error)))?;
    }
    Ok(result.into())
}

/// Turns the result of a use case, which is a transaction of its own, into a payload.
fn told<T, E: Into<Problem>, P: From<Result<T, Refusal>>>(result: Result<T, E>) -> Result<P, Error> {
    Ok(outcome(result)?.into())
}

/// Reads an argument whose null removes something: it must be said, and not left out.
fn given<T>(value: MaybeUndefined<T>, name: &'static str) -> Result<Option<T>, Error> {
    match value {
        MaybeUndefined::Undefined => {
            Err(failed(Problem::invalid(format!("give {name}, or null to remove it")).about(name)))
        }
        MaybeUndefined::Null => Ok(None),
        MaybeUndefined::Value(value) => Ok(Some(value)),
    }
}

/// Reads the change of a field: absent leaves it, null clears it.
fn update<T>(value: MaybeUndefined<T>) -> FieldUpdate<T> {
    match value {
        MaybeUndefined::Undefined => FieldUpdate::Keep,
        MaybeUndefined::Null => FieldUpdate::Clear,
        MaybeUndefined::Value(value) => FieldUpdate::Set(value),
    }
}

/// Changes, one after another. Each is made whole or not at all.
#[derive(Default, MergedObject)]
pub(crate) struct Mutation(
    library::LibraryMutation,
    history::ChatMutation,
    discussion::DiscussionMutation,
    people::PeopleMutation,
    moderation::ModerationMutation,
    operation::OperationMutation,
    administration::AdministrationMutation,
);
