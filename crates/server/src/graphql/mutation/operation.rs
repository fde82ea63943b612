//! Changes of API keys, language models and the work list.

use async_graphql::{Context, Error, ID, InputObject, MaybeUndefined, Object, SimpleObject};
use chat::models::{self, Limits, ModelUpdate, NewModel};
use chat::worklist;
use identity::keys::NewKey;
use kernel::actor::KeyId;

use super::{CHANGE, Done, DonePayload, begin, end, payload, told, update};
use crate::app::keys;
use crate::graphql::error::{failed, outcome};
use crate::graphql::operation::{Key, KeyScope, LanguageModel, WorklistItem};
use crate::graphql::request::{Request, id};
use crate::http::problem::Problem;

payload!(KeyPayload, Key, "API key, or why the change was not made.");
payload!(CreatedKeyPayload, CreatedKey, "New API key, or why it was not created.");
payload!(LanguageModelPayload, LanguageModel, "Language model, or why the change was not made.");
payload!(WorklistPayload, WorklistItem, "Item of the work list, or why the change was not made.");

/// API key to create.
#[derive(InputObject)]
pub(super) struct KeyInput {
    /// Name, unique for the user.
    name: String,
    /// Scopes.
    #[graphql(default)]
    scopes: Vec<KeyScope>,
    /// Names of the libraries that it is limited to; by default all that its user can reach.
    libraries: Option<Vec<String>>,
    /// Lifetime in days; unlimited by default.
    expires_in_days: Option<u16>,
    /// Requests per minute; the server's setting by default.
    rate_limit: Option<i32>,
}

/// New API key. Its secret is not shown again.
#[derive(SimpleObject)]
pub(super) struct CreatedKey {
    /// Secret.
    secret: String,
    /// Key.
    key: Key,
}

/// Language model to add, or changes of one. A new one needs name, endpoint and model; in a change, what is absent is kept.
#[derive(InputObject)]
pub(super) struct LanguageModelInput {
    /// Unique name.
    name: Option<String>,
    /// Base address of its API, which is OpenAI's.
    endpoint: Option<String>,
    /// Name at the endpoint.
    model: Option<String>,
    /// API key of the endpoint; null removes it.
    api_key: MaybeUndefined<String>,
    /// Context window in tokens: question and answer together.
    context_tokens: Option<i32>,
    /// Maximum length of an answer in tokens.
    answer_tokens: Option<i32>,
    /// Timeout of the first part of an answer, in seconds.
    first_seconds: Option<i32>,
    /// Timeout of each further part, in seconds.
    idle_seconds: Option<i32>,
    /// Maximum number of concurrent answers on each node.
    concurrency: Option<i32>,
    /// Whether it can be used.
    enabled: Option<bool>,
    /// Whether it answers when a request names none; then no other does.
    is_default: Option<bool>,
}

impl LanguageModelInput {
    fn limits(&self) -> Limits {
        Limits {
            context_tokens: self.context_tokens,
            answer_tokens: self.answer_tokens,
            first_seconds: self.first_seconds,
            idle_seconds: self.idle_seconds,
            concurrency: self.concurrency,
        }
    }

    fn new_model(self) -> Result<NewModel, Error> {
        let limits = self.limits();
        let required = |value: Option<String>, name: &str| {
            value.ok_or_else(|| {
                failed(Problem::invalid(format!("a new language model needs {name}")).about(name))
            })
        };
        Ok(NewModel {
            name: required(self.name, "name")?,
            endpoint: required(self.endpoint, "endpoint")?,
            model: required(self.model, "model")?,
            api_key: self.api_key.take().map(Into::into),
            limits,
            enabled: self.enabled.unwrap_or(true),
            is_default: self.is_default.unwrap_or_default(),
        })
    }

    fn changes(self) -> ModelUpdate {
        let limits = self.limits();
        ModelUpdate {
            name: self.name,
            endpoint: self.endpoint,
            model: self.model,
            api_key: update(self.api_key).map(Into::into),
            limits,
            enabled: self.enabled,
            is_default: self.is_default,
        }
    }
}

/// Changes of API keys, language models and the work list.
#[derive(Default)]
pub(crate) struct OperationMutation;

/// Changes of API keys, language models and the work list.
#[Object]
impl OperationMutation {
    /// Creates an API key of the caller. Only this response has its secret.
    #[graphql(complexity = "child_complexity + CHANGE")]
    async fn create_key(&self, context: &Context<'_>, key: KeyInput) -> Result<CreatedKeyPayload, Error> {
        let new = NewKey {
            name: key.name,
            scopes: key.scopes.into_iter().map(Into::into).collect(),
            libraries: key.libraries.map(|names| names.into_iter().collect()),
            rate_limit: key.rate_limit,
            seconds: key.expires_in_days.map(|days| i64::from(days) * 86_400),
        };
        let request = Request::of(context);
        let created = keys::create(request.app(), request.actor(), new).await;
        told(created.map(|(key, secret)| CreatedKey { secret: secret.reveal().to_owned(), key: key.into() }))
    }

    /// Enables or disables an API key, effective at once on every node.
    #[graphql(complexity = "child_complexity + CHANGE")]
    async fn enable_key(&self, context: &Context<'_>, id: ID, enabled: bool) -> Result<KeyPayload, Error> {
        let request = Request::of(context);
        let key = KeyId(self::id(&id)?);
        told(keys::set_enabled(request.app(), request.actor(), key, enabled).await.map(Key::from))
    }

    /// Deletes an API key, effective at once on every node.
    #[graphql(complexity = "child_complexity + CHANGE")]
    async fn delete_key(&self, context: &Context<'_>, id: ID) -> Result<DonePayload, Error> {
        let request = Request::of(context);
        let key = KeyId(self::id(&id)?);
        told(keys::delete(request.app(), request.actor(), key).await.map(|()| Done::of(id)))
    }

    /// Adds a language model. Administrators only.
    #[graphql(complexity = "child_complexity + CHANGE")]
    async fn create_language_model(
        &self,
        context: &Context<'_>,
        model: LanguageModelInput,
    ) -> Result<LanguageModelPayload, Error> {
        let new = model.new_model()?;
        let request = Request::of(context);
        let mut transaction = begin(context).await?;
        let made = models::create(&mut transaction, &request.app().secrets, request.actor(), new).await;
        end(transaction, outcome(made.map(LanguageModel::from))).await
    }

    /// Changes a language model, by its name or id. Administrators only.
    #[graphql(complexity = "child_complexity + CHANGE")]
    async fn change_language_model(
        &self,
        context: &Context<'_>,
        name: String,
        model: LanguageModelInput,
    ) -> Result<LanguageModelPayload, Error> {
        let request = Request::of(context);
        let mut transaction = begin(context).await?;
        let (secrets, actor) = (&request.app().secrets, request.actor());
        let changed = models::update(&mut transaction, secrets, actor, &name, model.changes()).await;
        end(transaction, outcome(changed.map(|changed| LanguageModel::from(changed.after)))).await
    }

    /// Deletes a language model with its API key. Administrators only.
    #[graphql(complexity = "child_complexity + CHANGE")]
    async fn delete_language_model(&self, context: &Context<'_>, name: String) -> Result<DonePayload, Error> {
        let mut transaction = begin(context).await?;
        let deleted = models::delete(&mut transaction, Request::of(context).actor(), &name).await;
        end(transaction, outcome(deleted.map(|()| Done { id: None }))).await
    }

    /// Resolves an item of the work list. Later occurrences form a new one.
    #[graphql(complexity = "child_complexity + CHANGE")]
    async fn resolve_work_list_item(&self, context: &Context<'_>, id: ID) -> Result<WorklistPayload, Error> {
        let item = self::id(&id)?;
        let request = Request::of(context);
        let catalogue = request.catalogue().await?;
        let mut transaction = begin(context).await?;
        let resolved = worklist::resolve(&mut transaction, &catalogue, request.actor(), item).await;
        end(transaction, outcome(resolved.map(WorklistItem::from))).await
    }
}
