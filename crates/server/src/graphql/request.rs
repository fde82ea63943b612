//! State that the resolvers of one request share.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use async_graphql::{Context, Error, ID};
use kernel::actor::Actor;
use library::catalogue::Catalogue;
use sqlx::pool::PoolConnection;
use sqlx::{PgConnection, Postgres};
use tokio::sync::{OnceCell, Semaphore, SemaphorePermit};
use uuid::Uuid;

use super::error::{failed, if_present};
use super::library::Library;
use crate::app::App;
use crate::http::problem::Problem;
use crate::http::{AppState, input};

/// Number of connections that the fields of an operation hold at once, so that one request does not take all of the pool. Loaders read
/// one after another kind, each with one more.
const MAX_CONNECTIONS: usize = 4;

/// State that the resolvers of one request share.
pub(super) struct Request {
    app: App,
    actor: Actor,
    /// Public address of the server.
    address: Arc<str>,
    /// Read once by a query; anew by a change, which may have changed it, and by a subscription, which goes on.
    catalogue: Option<OnceCell<Arc<Catalogue>>>,
    /// Connections that the fields of the operation may hold at once.
    connections: Semaphore,
}

/// Connection to the database, one of the few that a request holds at once.
pub(super) struct HeldConnection<'request> {
    connection: PoolConnection<Postgres>,
    _place: SemaphorePermit<'request>,
}

impl Deref for HeldConnection<'_> {
    type Target = PgConnection;

    fn deref(&self) -> &PgConnection {
        &self.connection
    }
}

impl DerefMut for HeldConnection<'_> {
    fn deref_mut(&mut self) -> &mut PgConnection {
        &mut self.connection
    }
}

impl Request {
    pub(super) fn new(state: AppState, actor: Actor, is_query: bool) -> Self {
        Self {
            app: state.app,
            actor,
            address: state.address,
            catalogue: is_query.then(OnceCell::new),
            connections: Semaphore::new(MAX_CONNECTIONS),
        }
    }

    /// Returns the request that is executed.
    pub(super) fn of<'context>(context: &Context<'context>) -> &'context Self {
        context.data_unchecked()
    }

    pub(super) fn app(&self) -> &App {
        &self.app
    }

    pub(super) fn actor(&self) -> &Actor {
        &self.actor
    }

    pub(super) fn address(&self) -> &str {
        &self.address
    }

    /// Takes a connection for a moment.
    pub(super) async fn connection(&self) -> Result<HeldConnection<'_>, Error> {
        let place = self
            .connections
            .acquire()
            .await
            .map_err(|_closed| failed(Problem::internal("closed".to_owned())))?;
        let acquired = store::postgres::acquire(self.app.pool()).await;
        let connection = acquired.map_err(|error| failed(library::Error::from(error)))?;
        Ok(HeldConnection { connection, _place: place })
    }

    /// Returns the libraries.
    pub(super) async fn catalogue(&self) -> Result<Arc<Catalogue>, Error> {
        match &self.catalogue {
            Some(once) => once.get_or_try_init(|| self.app.engine.catalogue()).await.cloned().map_err(failed),
            None => self.app.engine.catalogue().await.map_err(failed),
        }
    }

    /// Returns a library, or `None` if it does not exist for the caller.
    pub(super) async fn library(&self, name: &str) -> Result<Option<Library>, Error> {
        let name = input::library(name).map_err(failed)?;
        let catalogue = self.catalogue().await?;
        let found = catalogue.library(&self.actor, &name);
        Ok(if_present(found)?.map(|library| Library(Arc::clone(library))))
    }
}

/// Reads an id.
pub(super) fn id(id: &ID) -> Result<Uuid, Error> {
    id.parse().map_err(|_invalid| failed(Problem::invalid("an id is a UUID").about("id")))
}
