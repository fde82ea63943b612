//! Changes by administrators: users, MCP servers, search endpoints, backups, drills and golden questions.

use async_graphql::{Context, Error, ID, InputObject, MaybeUndefined, Object, SimpleObject};
use chat::models::{self, ModelTest};
use chrono::{DateTime, Utc};
use identity::Username;
use identity::links::Link;
use identity::users::{NewUser, UserUpdate};
use kernel::actor::{Role, SessionId, UserId};
use library::endpoints::{self, EndpointUpdate, Limits, NewEndpoint, SearchEndpointTest};
use ops::questions::{self, NewGoldenQuestion};
use registry::client::{self, TestReport};
use registry::servers::{self, NewServer, ServerId, ServerUpdate};

use super::{CHANGE, Done, DonePayload, begin, change, end, payload, told, update};
use crate::app::backups::{self, requests};
use crate::app::language_models::TEST_TIMEOUT;
use crate::app::{accounts, address, search_endpoints, sessions};
use crate::graphql::administration::{
    GoldenQuestion, McpServer, SearchEndpoint, SearchEndpointPurpose, User, UserRole,
};
use crate::graphql::error::{failed, outcome};
use crate::graphql::request::{Request, id};
use crate::http::problem::Problem;

payload!(UserPayload, User, "User, or why the change was not made.");
payload!(CreatedUserPayload, CreatedUser, "New user, or why they were not created.");
payload!(PasswordLinkPayload, PasswordLink, "Link to set a password, or why it was not created.");
payload!(McpServerPayload, McpServer, "MCP server, or why the change was not made.");
payload!(SearchEndpointPayload, SearchEndpoint, "Search endpoint, or why the change was not made.");
payload!(GoldenQuestionPayload, GoldenQuestion, "Golden question, or why it was not added.");
payload!(ConnectionTestPayload, ConnectionTest, "Result of a test, or why it was not made.");

/// User to create.
#[derive(InputObject)]
pub(super) struct UserInput {
    /// Unique name, used to sign in.
    username: String,
    /// Unique email address; can be used to sign in.
    email: Option<String>,
    /// Role; `USER` by default.
    role: Option<UserRole>,
    /// First name.
    #[graphql(default)]
    first_name: String,
    /// Last name.
    #[graphql(default)]
    last_name: String,
    /// Argon2 or bcrypt hash of the password of an imported user. Without it the result has a password link.
    password_hash: Option<String>,
}

/// Changes of a user. Absent fields are kept; empty ones are cleared.
#[derive(InputObject)]
pub(super) struct UserChangeInput {
    /// Email address; empty for none.
    email: Option<String>,
    /// First name.
    first_name: Option<String>,
    /// Last name.
    last_name: Option<String>,
    /// URL of a picture; empty for none.
    avatar: Option<String>,
    /// Role. Administrators only.
    role: Option<UserRole>,
    /// Whether the user can sign in. Administrators only.
    is_active: Option<bool>,
    /// The caller's password: required to change their own email address, since password links are sent to it.
    current_password: Option<String>,
}

/// New user.
#[derive(SimpleObject)]
pub(super) struct CreatedUser {
    /// User.
    user: User,
    /// Link to set the password; null if a hash was given.
    link: Option<PasswordLink>,
}

/// Link to set a password, valid once.
#[derive(SimpleObject)]
pub(super) struct PasswordLink {
    /// Address.
    url: String,
    /// Time of expiry.
    expires_at: Option<DateTime<Utc>>,
}

impl PasswordLink {
    fn of(request: &Request, link: &Link) -> Self {
        Self { url: address::of_password_link(request.address(), link), expires_at: link.expires_at }
    }
}

/// MCP server to add, or changes of one. A new one needs name and endpoint; in a change, what is absent is kept.
#[derive(InputObject)]
pub(super) struct McpServerInput {
    /// Unique name.
    name: Option<String>,
    /// Purpose.
    description: Option<String>,
    /// URL of its MCP endpoint (Streamable HTTP). If its origin changes, the API key must be set again or removed.
    endpoint: Option<String>,
    /// API key of the server; null removes it.
    api_key: MaybeUndefined<String>,
    /// Header that carries the API key; null for `Authorization: Bearer`.
    header: MaybeUndefined<String>,
    /// Whether it can be used.
    enabled: Option<bool>,
    /// Tool that is called with users' questions; null if questions are not sent to it. Set it when the server is there.
    ask_tool: MaybeUndefined<String>,
    /// Argument of the tool that receives the question. Set it when the server is there.
    ask_argument: Option<String>,
}

/// Search endpoint to add, or changes of one. A new one needs endpoint and model; in a change, what is absent is kept.
#[derive(InputObject)]
pub(super) struct SearchEndpointInput {
    /// Base URL of its API, without `/embeddings` or `/rerank`. If its origin changes, the API key must be set again or removed.
    endpoint: Option<String>,
    /// Name of the model at the endpoint.
    model: Option<String>,
    /// API key of the endpoint; null removes it.
    api_key: MaybeUndefined<String>,
    /// Number of values of a vector, for embedding; a new endpoint is asked for it by default.
    dimensions: Option<i32>,
    /// Text before each query.
    query_prefix: Option<String>,
    /// Text before each passage.
    passage_prefix: Option<String>,
    /// Maximum length of a text in tokens, by estimate; longer ones are cut.
    input_tokens: Option<i32>,
    /// Maximum number of texts in one request.
    batch_size: Option<i32>,
    /// Time that a search waits, in milliseconds.
    timeout_milliseconds: Option<i32>,
}

impl SearchEndpointInput {
    fn limits(&self) -> Limits {
        Limits {
            input_tokens: self.input_tokens,
            batch_size: self.batch_size,
            timeout_milliseconds: self.timeout_milliseconds,
        }
    }
}

/// Result of a test request to a model or server.
#[derive(SimpleObject)]
pub(super) struct ConnectionTest {
    /// Whether it works.
    works: bool,
    /// Why it does not, and what to do.
    problem: Option<String>,
    /// Duration in milliseconds.
    milliseconds: u64,
    /// Beginning of a language model's answer, or name and version of an MCP server.
    answer: Option<String>,
    /// Names of the first tools of an MCP server.
    tools: Vec<String>,
    /// Number of values of the vectors of an embedding endpoint.
    dimensions: Option<u64>,
}

impl From<ModelTest> for ConnectionTest {
    fn from(test: ModelTest) -> Self {
        Self {
            works: test.works,
            problem: test.problem,
            milliseconds: test.milliseconds,
            answer: test.answer,
            tools: Vec::new(),
            dimensions: None,
        }
    }
}

impl From<TestReport> for ConnectionTest {
    fn from(report: TestReport) -> Self {
        Self {
            works: report.works,
            problem: report.problem,
            milliseconds: report.milliseconds,
            answer: report.server,
            tools: report.tools.into_iter().map(|tool| tool.name).collect(),
            dimensions: None,
        }
    }
}

impl From<SearchEndpointTest> for ConnectionTest {
    fn from(test: SearchEndpointTest) -> Self {
        Self {
            works: test.works,
            problem: test.problem,
            milliseconds: test.milliseconds,
            answer: None,
            tools: Vec::new(),
            dimensions: test.dimensions.and_then(|dimensions| dimensions.try_into().ok()),
        }
    }
}

/// Returns a member that something new needs.
fn required(value: Option<String>, name: &'static str) -> Result<String, Error> {
    value.ok_or_else(|| failed(Problem::invalid(format!("give {name}: it is new")).about(name)))
}

/// Tests a target, unless the caller may not.
async fn tested<T, E: Into<Problem>, R: Into<ConnectionTest>>(
    target: Result<T, E>,
    test: impl AsyncFnOnce(T) -> R,
) -> Result<ConnectionTestPayload, Error> {
    Ok(match outcome(target)? {
        Ok(target) => Ok(test(target).await.into()),
        Err(refusal) => Err(refusal),
    }
    .into())
}

/// Changes by administrators.
#[derive(Default)]
pub(crate) struct AdministrationMutation;

/// Changes by administrators.
#[Object]
impl AdministrationMutation {
    /// Creates a user, with a link to set the password. Administrators only.
    #[graphql(complexity = "child_complexity + CHANGE")]
    async fn create_user(&self, context: &Context<'_>, user: UserInput) -> Result<CreatedUserPayload, Error> {
        let request = Request::of(context);
        let parsed = user.username.parse::<Username>().map_err(identity::Error::from);
        let parsed = parsed.and_then(|name| Ok((name, accounts::parse_email(user.email.as_deref())?)));
        let (username, email) = match outcome(parsed)? {
            Ok(parsed) => parsed,
            Err(refusal) => return Ok(Err(refusal).into()),
        };
        let new = NewUser {
            username,
            email,
            role: user.role.map_or(Role::User, Into::into),
            first_name: user.first_name,
            last_name: user.last_name,
            password_hash: user.password_hash,
        };
        let created = accounts::create(request.app(), request.actor(), new).await;
        told(created.map(|(user, link)| CreatedUser {
            user: user.into(),
            link: link.map(|link| PasswordLink::of(request, &link)),
        }))
    }

    /// Changes a user: the caller or, for administrators, anyone. Deactivating a user ends their sessions, and deletes their API keys,
    /// password links and share links for good.
    #[graphql(complexity = "child_complexity + CHANGE")]
    async fn change_user(
        &self,
        context: &Context<'_>,
        id: ID,
        user: UserChangeInput,
    ) -> Result<UserPayload, Error> {
        let request = Request::of(context);
        let update = UserUpdate {
            email: user.email,
            first_name: user.first_name,
            last_name: user.last_name,
            avatar: user.avatar,
            role: user.role.map(Into::into),
            is_active: user.is_active,
        };
        let (id, password) = (UserId(self::id(&id)?), user.current_password.as_deref());
        let changed = accounts::change_confirmed(request.app(), request.actor(), id, &update, password).await;
        told(changed.map(User::from))
    }

    /// Deletes a user with their sessions and keys. Administrators only.
    #[graphql(complexity = "child_complexity + CHANGE")]
    async fn delete_user(&self, context: &Context<'_>, id: ID) -> Result<DonePayload, Error> {
        let request = Request::of(context);
        let user = UserId(self::id(&id)?);
        told(accounts::delete(request.app(), request.actor(), user).await.map(|()| Done::of(id)))
    }

    /// Creates a password link to hand to a user. Earlier links become invalid. Administrators only.
    #[graphql(complexity = "child_complexity + CHANGE")]
    async fn create_password_link(
        &self,
        context: &Context<'_>,
        user: ID,
    ) -> Result<PasswordLinkPayload, Error> {
        let request = Request::of(context);
        let link = accounts::create_link(request.app(), request.actor(), UserId(id(&user)?)).await;
        told(link.map(|link| PasswordLink::of(request, &link)))
    }

    /// Ends a session: one of the caller's or, for administrators, anyone's.
    #[graphql(complexity = "child_complexity + CHANGE")]
    async fn end_session(&self, context: &Context<'_>, id: ID) -> Result<DonePayload, Error> {
        let request = Request::of(context);
        let session = SessionId(self::id(&id)?);
        told(sessions::end(request.app(), request.actor(), session).await.map(|()| Done::of(id)))
    }

    /// Adds an external MCP server. Administrators only.
    #[graphql(complexity = "child_complexity + CHANGE")]
    async fn create_mcp_server(
        &self,
        context: &Context<'_>,
        server: McpServerInput,
    ) -> Result<McpServerPayload, Error> {
        let new = NewServer {
            name: required(server.name, "name")?,
            description: server.description.unwrap_or_default(),
            endpoint: required(server.endpoint, "endpoint")?,
            api_key: server.api_key.take().map(Into::into),
            header: server.header.take(),
            enabled: server.enabled.unwrap_or(true),
        };
        let secrets = &Request::of(context).app().secrets;
        let mut transaction = begin(context).await?;
        let made = servers::create(&mut transaction, secrets, Request::of(context).actor(), new).await;
        end(transaction, outcome(made.map(McpServer::from))).await
    }

    /// Changes an MCP server. Administrators only.
    #[graphql(complexity = "child_complexity + CHANGE")]
    async fn change_mcp_server(
        &self,
        context: &Context<'_>,
        id: ID,
        server: McpServerInput,
    ) -> Result<McpServerPayload, Error> {
        let id = ServerId(self::id(&id)?);
        let change = ServerUpdate {
            name: server.name,
            description: server.description,
            endpoint: server.endpoint,
            api_key: update(server.api_key).map(Into::into),
            header: update(server.header),
            enabled: server.enabled,
            ask_tool: update(server.ask_tool),
            ask_argument: server.ask_argument,
        };
        let secrets = &Request::of(context).app().secrets;
        let mut transaction = begin(context).await?;
        let actor = Request::of(context).actor();
        let changed = servers::update(&mut transaction, secrets, actor, id, change).await;
        end(transaction, outcome(changed.map(|changed| McpServer::from(changed.after)))).await
    }

    /// Deletes an MCP server with its API key. Administrators only.
    #[graphql(complexity = "child_complexity + CHANGE")]
    async fn delete_mcp_server(&self, context: &Context<'_>, id: ID) -> Result<DonePayload, Error> {
        let server = ServerId(self::id(&id)?);
        change!(context, servers::delete, server => |()| Done::of(id))
    }

    /// Connects to an MCP server and lists its tools, or tells why that failed. Administrators only.
    #[graphql(complexity = "child_complexity + CHANGE")]
    async fn test_mcp_server(&self, context: &Context<'_>, id: ID) -> Result<ConnectionTestPayload, Error> {
        let request = Request::of(context);
        let server = ServerId(self::id(&id)?);
        let mut connection = request.connection().await?;
        let target = servers::target(&mut connection, &request.app().secrets, request.actor(), server).await;
        // No connection is held during the request.
        drop(connection);
        tested(target, async |target| client::test(&target).await).await
    }

    /// Sends a test request to a language model, by its name or id. Administrators only.
    #[graphql(complexity = "child_complexity + CHANGE")]
    async fn test_language_model(
        &self,
        context: &Context<'_>,
        name: String,
    ) -> Result<ConnectionTestPayload, Error> {
        let request = Request::of(context);
        let app = request.app();
        let mut connection = request.connection().await?;
        let target = models::target(&mut connection, &app.secrets, request.actor(), &name).await;
        // No connection is held during the request.
        drop(connection);
        tested(target, async |target| models::test(&app.models, &target, TEST_TIMEOUT).await).await
    }

    /// Adds a search endpoint. Administrators only.
    #[graphql(complexity = "child_complexity + CHANGE")]
    async fn create_search_endpoint(
        &self,
        context: &Context<'_>,
        purpose: SearchEndpointPurpose,
        endpoint: SearchEndpointInput,
    ) -> Result<SearchEndpointPayload, Error> {
        let limits = endpoint.limits();
        let new = NewEndpoint {
            endpoint: required(endpoint.endpoint, "endpoint")?,
            model: required(endpoint.model, "model")?,
            api_key: endpoint.api_key.take().map(Into::into),
            dimensions: endpoint.dimensions,
            query_prefix: endpoint.query_prefix.unwrap_or_default(),
            passage_prefix: endpoint.passage_prefix.unwrap_or_default(),
            limits,
        };
        let request = Request::of(context);
        let made = search_endpoints::create(request.app(), request.actor(), purpose.into(), new).await;
        told(made.map(SearchEndpoint::from))
    }

    /// Changes a search endpoint. Administrators only. If its vectors become others, passages are embedded anew in the background.
    #[graphql(complexity = "child_complexity + CHANGE")]
    async fn change_search_endpoint(
        &self,
        context: &Context<'_>,
        purpose: SearchEndpointPurpose,
        endpoint: SearchEndpointInput,
    ) -> Result<SearchEndpointPayload, Error> {
        let limits = endpoint.limits();
        let change = EndpointUpdate {
            endpoint: endpoint.endpoint,
            model: endpoint.model,
            api_key: update(endpoint.api_key).map(Into::into),
            dimensions: endpoint.dimensions,
            query_prefix: endpoint.query_prefix,
            passage_prefix: endpoint.passage_prefix,
            limits,
        };
        let request = Request::of(context);
        let mut transaction = begin(context).await?;
        let (secrets, actor) = (&request.app().secrets, request.actor());
        let changed = endpoints::update(&mut transaction, secrets, actor, purpose.into(), change).await;
        end(transaction, outcome(changed.map(|changed| SearchEndpoint::from(changed.after)))).await
    }

    /// Deletes a search endpoint with its API key. Administrators only.
    #[graphql(complexity = "child_complexity + CHANGE")]
    async fn delete_search_endpoint(
        &self,
        context: &Context<'_>,
        purpose: SearchEndpointPurpose,
    ) -> Result<DonePayload, Error> {
        change!(context, endpoints::delete, purpose.into() => |()| Done { id: None })
    }

    /// Sends a test request to a search endpoint. Administrators only.
    #[graphql(complexity = "child_complexity + CHANGE")]
    async fn test_search_endpoint(
        &self,
        context: &Context<'_>,
        purpose: SearchEndpointPurpose,
    ) -> Result<ConnectionTestPayload, Error> {
        let request = Request::of(context);
        let purpose = purpose.into();
        let mut connection = request.connection().await?;
        let target =
            endpoints::target(&mut connection, &request.app().secrets, request.actor(), purpose).await;
        // No connection is held during the request.
        drop(connection);
        tested(target, async |target| endpoints::test(purpose, target).await).await
    }

    /// Starts a backup as a job. Administrators only.
    #[graphql(complexity = "child_complexity + CHANGE")]
    async fn start_backup(&self, context: &Context<'_>) -> Result<DonePayload, Error> {
        let request = Request::of(context);
        told(requests::start(request.app(), request.actor()).await.map(|()| Done { id: None }))
    }

    /// Starts the verification of a backup as a job: of the one with this id, its beginning, or `latest`. Administrators only.
    #[graphql(complexity = "child_complexity + CHANGE")]
    async fn verify_backup(&self, context: &Context<'_>, id: String) -> Result<DonePayload, Error> {
        let request = Request::of(context);
        let started = requests::start_verification(request.app(), request.actor(), &id).await;
        told(started.map(|id| Done::of(id.into())))
    }

    /// Starts a drill as a job. Administrators only.
    #[graphql(complexity = "child_complexity + CHANGE")]
    async fn start_drill(&self, context: &Context<'_>) -> Result<DonePayload, Error> {
        let request = Request::of(context);
        told(requests::start_drill(request.app(), request.actor()).await.map(|()| Done { id: None }))
    }

    /// Adds a golden question; one that is there already is returned. Administrators only.
    #[graphql(complexity = "child_complexity + CHANGE")]
    async fn add_golden_question(
        &self,
        context: &Context<'_>,
        text: String,
        library: Option<String>,
        version: Option<String>,
    ) -> Result<GoldenQuestionPayload, Error> {
        let request = Request::of(context);
        let new = NewGoldenQuestion { text, library, version };
        let added = backups::add_question(request.app(), request.actor(), new).await;
        told(added.map(GoldenQuestion::from))
    }

    /// Removes a golden question. Administrators only.
    #[graphql(complexity = "child_complexity + CHANGE")]
    async fn remove_golden_question(&self, context: &Context<'_>, id: ID) -> Result<DonePayload, Error> {
        let question = self::id(&id)?;
        change!(context, questions::remove, question => |()| Done::of(id))
    }
}
