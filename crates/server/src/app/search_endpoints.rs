//! Search endpoints: setting one, which REST, pages and the command line share. The number of dimensions that is not given is asked of
//! the endpoint, outside of any transaction.

use kernel::actor::Actor;
use library::endpoints::{self, NewEndpoint, Purpose, SearchEndpoint};

use crate::app::{App, Error};

/// Adds an endpoint. Without a number of dimensions, an embedding endpoint is asked for it.
///
/// # Errors
///
/// Fails unless the actor is an administrator in person, if a value is invalid, if there is one already, or if the endpoint does not tell
/// its dimensions.
pub(crate) async fn create(
    app: &App,
    actor: &Actor,
    purpose: Purpose,
    mut new: NewEndpoint,
) -> Result<SearchEndpoint, Error> {
    if purpose == Purpose::Embedding && new.dimensions.is_none() {
        let target = endpoints::unstored_target(actor, purpose, new.clone())?;
        let tested = endpoints::test(purpose, target).await;
        let Some(dimensions) = tested.dimensions else {
            let problem = tested.problem.unwrap_or_default();
            return Err(Error::Invalid(format!(
                "the number of dimensions is unknown, and {problem}; or give dimensions"
            )));
        };
        new.dimensions = i32::try_from(dimensions).ok();
    }
    let mut transaction = store::postgres::begin(app.pool()).await?;
    let endpoint = endpoints::create(&mut transaction, &app.secrets, actor, purpose, new).await?;
    transaction.commit().await.map_err(library::Error::from)?;
    Ok(endpoint)
}
