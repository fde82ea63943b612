//! Queries of administrators: users, MCP servers, search endpoints, backups, drills and golden questions.

use async_graphql::{Context, Enum, Error, ID, Object, SimpleObject};
use chrono::{DateTime, Utc};
use identity::sessions;
use identity::users::{self, User as DomainUser};
use kernel::actor::UserId;
use library::embed::{self, EmbeddingStatus as DomainStatus};
use library::endpoints::{self, SearchEndpoint as DomainEndpoint};
use ops::drills;
use ops::questions::{self, GoldenQuestion as DomainQuestion};
use ops::verify::Check;
use registry::servers::{self, Server};
use registry::tool_call;

use super::connection::{Nodes, PageArguments, read_page, size};
use super::error::failed;
use super::request::{Request, id};
use super::view::view;
use crate::app::backups::{Overview, requests};
use crate::app::sessions::require_person;

/// Role of a user in the installation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "kernel::actor::Role")]
pub(super) enum UserRole {
    /// Reads and searches what they have permission for.
    User,
    /// Creates libraries, too.
    Editor,
    /// Administers the installation.
    Admin,
}

view! {
    /// User account, for the user and for administrators. What everybody sees of a user is a `Person`.
    User of DomainUser {
        /// Id.
        id: ID = |user| user.id.0.into(),
        /// Unique name, used to sign in.
        username: String,
        /// Unique email address; can be used to sign in.
        email: Option<String>,
        /// Role.
        role: UserRole,
        /// Whether the user can sign in.
        is_active: bool,
        /// First name.
        first_name: String,
        /// Last name.
        last_name: String,
        /// URL of the user's picture.
        avatar: Option<String>,
        /// Time of the last sign-in.
        last_login: Option<DateTime<Utc>>,
        /// Time of creation.
        created_at: DateTime<Utc>,
        /// Time of the last change.
        updated_at: DateTime<Utc>,
    }
}

view! {
    /// External MCP server. Its API key is never shown.
    McpServer of Server {
        /// Id.
        id: ID = |server| server.id.0.into(),
        /// Unique name.
        name: String,
        /// Purpose.
        description: String,
        /// URL of its MCP endpoint (Streamable HTTP).
        endpoint: String,
        /// Whether an API key is stored.
        has_api_key: bool,
        /// Header that carries the API key; null for `Authorization: Bearer`.
        header: Option<String>,
        /// Whether it can be used.
        enabled: bool,
        /// Tool that is called with users' questions; null if questions are not sent to it.
        ask_tool: Option<String>,
        /// Argument of the tool that receives the question.
        ask_argument: String,
        /// Time of creation.
        created_at: DateTime<Utc>,
        /// Time of the last change.
        updated_at: DateTime<Utc>,
    }
}

/// Purpose of a search endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "library::endpoints::Purpose")]
pub(super) enum SearchEndpointPurpose {
    /// Vectors of passages and queries.
    Embedding,
    /// Order of the best passages.
    Reranking,
}

view! {
    /// Search endpoint. Its API key is never shown.
    SearchEndpoint of DomainEndpoint {
        /// Purpose; there is one endpoint of each at most.
        purpose: SearchEndpointPurpose,
        /// Base URL of its API.
        endpoint: String,
        /// Name of the model at the endpoint.
        model: String,
        /// Whether an API key is stored.
        has_api_key: bool,
        /// Number of values of a vector; null for re-ranking.
        dimensions: Option<i32>,
        /// Text before each query.
        query_prefix: String,
        /// Text before each passage.
        passage_prefix: String,
        /// Maximum length of a text in tokens, by estimate; longer ones are cut.
        input_tokens: i32,
        /// Maximum number of texts in one request.
        batch_size: i32,
        /// Time that a search waits for it, in milliseconds; then it goes on without.
        timeout_milliseconds: i32,
        /// Name of the vectors that it makes.
        vector_model: String,
        /// Time of creation.
        created_at: DateTime<Utc>,
        /// Time of the last change.
        updated_at: DateTime<Utc>,
    }
}

view! {
    /// State of the embedding of passages.
    EmbeddingStatus of DomainStatus {
        /// Name of the vectors that are searched; null if there is no model.
        answering: Option<String>,
        /// Name of the vectors that passages are to have. It is another one while the model changes.
        target: Option<String>,
        /// Reason why there is no model.
        reason: Option<String>,
        /// Number of passages that are embedded.
        passages: i64,
        /// Tokens of their texts, by estimate: what another model would cost.
        tokens: i64,
        /// Number of passages that still lack the target's vectors.
        missing: i64,
    }
}

/// State of a backup.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "ops::verify::State")]
pub(super) enum BackupState {
    /// It was never restored.
    Unverified,
    /// A restored copy passed every check.
    Verified,
    /// A restored copy works, and something about it is not as it should be.
    Degraded,
    /// It cannot be restored, or the copy lacks something.
    Failed,
}

/// Outcome of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "ops::verify::Outcome")]
pub(super) enum CheckOutcome {
    /// As it should be.
    Passed,
    /// Not as it should be, and nothing is lost.
    Degraded,
    /// Something is lost or wrong.
    Failed,
}

view! {
    /// Check of a verification.
    BackupCheck of Check {
        /// Name.
        name: String,
        /// Outcome.
        outcome: CheckOutcome = |check| check.outcome.into(),
        /// Facts that were checked, or the fault.
        detail: String,
    }
}

view! {
    /// Backup in the server's repository.
    Backup of Overview {
        /// Id.
        id: ID = |backup| backup.id.clone().into(),
        /// State; only `VERIFIED` counts.
        state: BackupState,
        /// The state that it restores is that of this time; null if it cannot be read.
        consistent_at: Option<DateTime<Utc>>,
        /// With it, the state at every moment from `consistentAt` to this time can be restored.
        recoverable_until: Option<DateTime<Utc>>,
        /// Whether it is encrypted.
        encrypted: bool,
        /// Number of rows.
        rows: i64,
        /// Number of objects.
        objects: u64,
        /// Bytes that it alone takes in the repository.
        own_bytes: u64,
        /// Time when it was verified.
        checked_at: Option<DateTime<Utc>>,
        /// Checks of its last verification.
        checks: Vec<BackupCheck> = |backup| backup.checks.iter().map(BackupCheck::from).collect(),
        /// Why it cannot be read.
        fault: Option<String>,
    }
}

view! {
    /// Step of a drill.
    DrillStep of drills::DrillStep {
        /// Name.
        name: String,
        /// Duration in seconds, to the millisecond.
        seconds: f64,
    }
}

view! {
    /// Targets of a drill.
    DrillTargets of drills::DrillTargets {
        /// Age of the last recoverable state, in seconds.
        rpo_seconds: f64,
        /// Time until the restored library answers, in seconds.
        rto_seconds: f64,
    }
}

view! {
    /// Rehearsal of a disaster: the last recoverable state was restored beside the server and had to answer.
    Drill of drills::Drill {
        /// Id.
        id: ID = |drill| drill.id.into(),
        /// Time when it began.
        started_at: DateTime<Utc>,
        /// Version of the program.
        program: String,
        /// Id of the backup with which the restoration began; null if none could be read.
        backup: Option<String>,
        /// The restored state is that of this time.
        state_at: Option<DateTime<Utc>>,
        /// Age of that state when the drill began, in seconds. What was written in this time would be lost.
        rpo_seconds: Option<f64>,
        /// Time until the restored library answered, in seconds; null if it did not.
        rto_seconds: Option<f64>,
        /// Targets at that time.
        targets: DrillTargets,
        /// Worst outcome of the checks.
        outcome: CheckOutcome,
        /// Steps in their order, as far as it came.
        steps: Vec<DrillStep> = |drill| drill.steps.iter().map(DrillStep::from).collect(),
        /// Checks of the restored library and of the targets.
        checks: Vec<BackupCheck> = |drill| drill.checks.iter().map(BackupCheck::from).collect(),
    }
}

view! {
    /// Search whose passages every verified backup must find again.
    GoldenQuestion of DomainQuestion {
        /// Id.
        id: ID = |question| question.id.into(),
        /// Query.
        text: String,
        /// Name of the library that is searched; null for all.
        library_name: Option<String> = |question| question.library.clone(),
        /// Version that is searched; null for the active one.
        version: Option<String>,
        /// Time of creation.
        created_at: DateTime<Utc>,
    }
}

view! {
    /// Session of a user who is signed in.
    Session of sessions::Session {
        /// Id.
        id: ID = |session| session.id.0.into(),
        /// Whether it is the session of this request.
        current: bool,
        /// IP address that signed in.
        ip_address: Option<String>,
        /// `User-Agent` that signed in.
        user_agent: Option<String>,
        /// Time of the sign-in.
        created_at: DateTime<Utc>,
        /// Time of the last request, accurate to a few minutes.
        last_used: DateTime<Utc>,
        /// Time at which it expires if it is not used.
        expires_at: DateTime<Utc>,
    }
}

/// Search endpoints, and the state of the vectors.
#[derive(SimpleObject)]
pub(super) struct SearchEndpoints {
    /// Endpoints, at most one of each purpose.
    endpoints: Vec<SearchEndpoint>,
    /// State of the embedding of passages.
    embedding: EmbeddingStatus,
}

/// Queries of administrators.
#[derive(Default)]
pub(super) struct AdministrationQuery;

/// Queries of administrators.
#[Object]
impl AdministrationQuery {
    /// Users, by name. For administrators.
    #[graphql(complexity = "size(first, last, before.as_ref()) * child_complexity + 1")]
    async fn users(
        &self,
        context: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
    ) -> Result<Nodes<User>, Error> {
        read_page!(context, (first, after, last, before), users::list => User::from)
    }

    /// User by its id. For the user and for administrators.
    async fn user(&self, context: &Context<'_>, id: ID) -> Result<Option<User>, Error> {
        let request = Request::of(context);
        let mut connection = request.connection().await?;
        let found = users::find(&mut connection, request.actor(), UserId(self::id(&id)?)).await;
        Ok(found.map_err(failed)?.map(User::from))
    }

    /// Sessions of the caller or, for administrators, of another user.
    #[graphql(complexity = "20 * child_complexity + 1")]
    async fn sessions(&self, context: &Context<'_>, user: Option<ID>) -> Result<Option<Vec<Session>>, Error> {
        let request = Request::of(context);
        let user = match user {
            Some(user) => UserId(id(&user)?),
            None => require_person(request.actor()).map_err(failed)?,
        };
        let mut connection = request.connection().await?;
        let actor = request.actor();
        users::find(&mut connection, actor, user)
            .await
            .map_err(failed)?
            .ok_or_else(|| failed(identity::Error::NoUser))?;
        let found = sessions::list(&mut connection, actor, user).await.map_err(failed)?;
        Ok(Some(found.iter().map(Session::from).collect()))
    }

    /// External MCP servers, by name. For administrators.
    #[graphql(complexity = "20 * child_complexity + 1")]
    async fn mcp_servers(&self, context: &Context<'_>) -> Result<Option<Vec<McpServer>>, Error> {
        let request = Request::of(context);
        let mut connection = request.connection().await?;
        let found = servers::list(&mut connection, request.actor()).await.map_err(failed)?;
        Ok(Some(found.iter().map(McpServer::from).collect()))
    }

    /// Names of the MCP servers that questions can be sent to.
    #[graphql(complexity = 20)]
    async fn mcp_server_choices(&self, context: &Context<'_>) -> Result<Option<Vec<String>>, Error> {
        let request = Request::of(context);
        let mut connection = request.connection().await?;
        Ok(Some(tool_call::choices(&mut connection, request.actor()).await.map_err(failed)?))
    }

    /// Search endpoints, and the state of the vectors. For administrators.
    #[graphql(complexity = "2 * child_complexity + 50")]
    async fn search_endpoints(&self, context: &Context<'_>) -> Result<Option<SearchEndpoints>, Error> {
        let request = Request::of(context);
        let mut connection = request.connection().await?;
        let found = endpoints::list(&mut connection, request.actor()).await.map_err(failed)?;
        drop(connection);
        let embedding = embed::status(&request.app().engine, request.actor()).await.map_err(failed)?;
        let endpoints = found.iter().map(SearchEndpoint::from).collect();
        Ok(Some(SearchEndpoints { endpoints, embedding: embedding.into() }))
    }

    /// Backups in the server's repository, oldest first. For administrators.
    #[graphql(complexity = "50 * child_complexity + 50")]
    async fn backups(&self, context: &Context<'_>) -> Result<Option<Vec<Backup>>, Error> {
        let request = Request::of(context);
        let found = requests::list(request.app(), request.actor()).await.map_err(failed)?;
        Ok(Some(found.iter().map(Backup::from).collect()))
    }

    /// Drills, newest first. For administrators.
    #[graphql(complexity = "100 * child_complexity + 1")]
    async fn drills(&self, context: &Context<'_>) -> Result<Option<Vec<Drill>>, Error> {
        let request = Request::of(context);
        let mut connection = request.connection().await?;
        let found = drills::list(&mut connection, request.actor(), drills::MAX_DRILLS).await;
        Ok(Some(found.map_err(failed)?.iter().map(Drill::from).collect()))
    }

    /// Golden questions, oldest first. For administrators.
    #[graphql(complexity = "20 * child_complexity + 1")]
    async fn golden_questions(&self, context: &Context<'_>) -> Result<Option<Vec<GoldenQuestion>>, Error> {
        let request = Request::of(context);
        let mut connection = request.connection().await?;
        let found = questions::list(&mut connection, request.actor()).await.map_err(failed)?;
        Ok(Some(found.iter().map(GoldenQuestion::from).collect()))
    }
}
