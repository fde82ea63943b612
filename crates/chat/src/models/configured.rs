//! The table of language models.

use std::time::Duration;

use chrono::{DateTime, Utc};
use kernel::actor::Actor;
use kernel::setting::Setting;
use registry::given;
use serde::Serialize;
use sqlx::PgConnection;
use store::sealed::{self, Resealed};
use store::secrets::Sealer;
use utoipa::ToSchema;
use zeroize::Zeroizing;

use super::Target;
use super::validate::{Numbers, check_model, endpoint};
use crate::Error;

kernel::id! {
    /// A language model.
    ModelId
}

/// The most models there are.
const MOST: i64 = 100;
/// Models that a refusal names.
const MOST_NAMED: usize = 20;

/// A language model, as it is shown to administrators.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = LanguageModel)]
pub struct Model {
    /// Its id.
    #[schema(value_type = uuid::Uuid)]
    pub id: ModelId,
    /// The name it is chosen by.
    pub name: String,
    /// Where it is: the address up to and without `/chat/completions`.
    pub endpoint: String,
    /// What the endpoint calls it.
    pub model: String,
    /// Whether it has an API key, which is never shown.
    pub has_api_key: bool,
    /// What fits into one request, question and answer together, in tokens.
    pub context_tokens: i32,
    /// The longest answer, in tokens.
    pub answer_tokens: i32,
    /// Seconds that the first piece of an answer may take.
    pub first_seconds: i32,
    /// Seconds that each further piece may take.
    pub idle_seconds: i32,
    /// Answers at once, on each node.
    pub concurrency: i32,
    /// Whether it may be asked.
    pub enabled: bool,
    /// Whether it answers where none is named.
    pub is_default: bool,
    /// When it was added.
    pub created_at: DateTime<Utc>,
    /// When it was last changed.
    pub updated_at: DateTime<Utc>,
}

/// A language model that may be chosen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = LanguageModelChoice)]
pub struct Choice {
    /// The name it is chosen by.
    pub name: String,
    /// Whether it answers where none is named.
    pub is_default: bool,
}

/// How much and how long; what is none is as it was, or as it is for most: 8192 tokens of context, answers of 1024, two
/// minutes for the first piece and one for each further, four answers at once.
#[derive(Debug, Clone, Copy, Default)]
pub struct Limits {
    /// What fits into one request, question and answer together, in tokens: 1,024 to 10,000,000.
    pub context_tokens: Option<i32>,
    /// The longest answer, in tokens: 16 to half of the context.
    pub answer_tokens: Option<i32>,
    /// Seconds that the first piece of an answer may take: 1 to 3600.
    pub first_seconds: Option<i32>,
    /// Seconds that each further piece may take: 1 to 3600.
    pub idle_seconds: Option<i32>,
    /// Answers at once, on each node: 1 to 1000.
    pub concurrency: Option<i32>,
}

/// A language model to be added.
#[derive(Debug, Clone)]
pub struct NewModel {
    /// The name it is chosen by: lower-case letters, digits, `.`, `_` and `-`, at most 60.
    pub name: String,
    /// Where it is: an address with http or https, up to and without `/chat/completions`.
    pub endpoint: String,
    /// What the endpoint calls it.
    pub model: String,
    /// What is shown to the endpoint.
    pub api_key: Option<Zeroizing<String>>,
    /// How much and how long.
    pub limits: Limits,
    /// Whether it may be asked.
    pub enabled: bool,
    /// Whether it answers where none is named.
    pub is_default: bool,
}

/// What is changed of a model; what is none stays.
#[derive(Debug, Clone, Default)]
pub struct Change {
    /// The name it is chosen by.
    pub name: Option<String>,
    /// Where it is. At another host the key must be given again, or taken away: it was meant for that one.
    pub endpoint: Option<String>,
    /// What the endpoint calls it.
    pub model: Option<String>,
    /// What is shown to the endpoint.
    pub api_key: Setting<Zeroizing<String>>,
    /// How much and how long.
    pub limits: Limits,
    /// Whether it may be asked.
    pub enabled: Option<bool>,
    /// Whether it answers where none is named; then no other does.
    pub is_default: Option<bool>,
}

/// A model before a change and after it.
#[derive(Debug, Clone)]
pub struct Changed {
    /// What it was. Nobody else has changed it between.
    pub before: Model,
    /// What it is.
    pub now: Model,
}

/// All models, by name.
pub async fn list(connection: &mut PgConnection, actor: &Actor) -> Result<Vec<Model>, Error> {
    require(actor)?;
    Ok(sqlx::query_as!(
        Model,
        r#"-- models.list
         select id as "id: ModelId", name, endpoint, model, api_key is not null as "has_api_key!", context_tokens,
           answer_tokens, first_seconds, idle_seconds, concurrency, enabled, is_default, created_at, updated_at
         from chat.models order by name limit $1"#,
        MOST,
    )
    .fetch_all(connection)
    .await?)
}

/// The models that may be asked, by name, for everybody who is signed in.
pub async fn choices(connection: &mut PgConnection, actor: &Actor) -> Result<Vec<Choice>, Error> {
    if actor.is_nobody() {
        return Err(Error::SignIn);
    }
    let rows = sqlx::query!(
        r#"-- models.choices
         select name, id = first_value(id) over (order by is_default desc, created_at, id) as "is_default!"
         from chat.models where enabled order by name limit $1"#,
        MOST,
    )
    .fetch_all(connection)
    .await?;
    Ok(rows.into_iter().map(|row| Choice { name: row.name, is_default: row.is_default }).collect())
}

/// The model of this name or id.
pub async fn find(connection: &mut PgConnection, actor: &Actor, wanted: &str) -> Result<Model, Error> {
    require(actor)?;
    Ok(row(connection, wanted).await?.into())
}

/// Adds a model.
pub async fn create(
    connection: &mut PgConnection,
    keys: &Sealer,
    actor: &Actor,
    new: NewModel,
) -> Result<Model, Error> {
    require(actor)?;
    given::check_name(&new.name)?;
    check_model(&new.model)?;
    let endpoint = endpoint(&new.endpoint)?;
    given::check_key(new.api_key.as_deref().map(String::as_str))?;
    let numbers = Numbers::of(new.limits, None)?;
    let id = ModelId::new();
    let sealed = seal(connection, keys, id, new.api_key.as_ref()).await?;
    if new.is_default {
        let _none_before = no_default(connection, id).await?;
    }
    let inserted = sqlx::query!(
        "-- models.create
         insert into chat.models
           (id, name, endpoint, model, api_key, context_tokens, answer_tokens, first_seconds, idle_seconds, concurrency,
            enabled, is_default)
         select $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12 where (select count(*) from chat.models) < $13",
        id.0,
        new.name,
        endpoint.as_str(),
        new.model,
        sealed,
        numbers.context_tokens,
        numbers.answer_tokens,
        numbers.first_seconds,
        numbers.idle_seconds,
        numbers.concurrency,
        new.enabled,
        new.is_default,
        MOST,
    )
    .execute(&mut *connection)
    .await?;
    if inserted.rows_affected() == 0 {
        return Err(Error::Invalid(format!(
            "there are {MOST} language models, and no more are kept: delete one that is not used"
        )));
    }
    Ok(row(connection, &id.to_string()).await?.into())
}

/// Changes the model of this name or id.
pub async fn change(
    connection: &mut PgConnection,
    keys: &Sealer,
    actor: &Actor,
    wanted: &str,
    change: Change,
) -> Result<Changed, Error> {
    require(actor)?;
    let mut held = row(connection, wanted).await?;
    let held_key = held.api_key.take();
    let before = Model { has_api_key: held_key.is_some(), ..Model::from(held) };
    let name = change.name.unwrap_or_else(|| before.name.clone());
    given::check_name(&name)?;
    let model = change.model.unwrap_or_else(|| before.model.clone());
    check_model(&model)?;
    let was = endpoint(&before.endpoint)?;
    let endpoint = change.endpoint.as_deref().map(endpoint).transpose()?.unwrap_or_else(|| was.clone());
    // Otherwise whoever may name a place could have the key, which nobody is shown, sent there.
    if held_key.is_some() && matches!(change.api_key, Setting::Keep) && endpoint.origin() != was.origin() {
        return Err(Error::Invalid(format!(
            "the API key was given for {}: give it again for {}, or null for none",
            was.origin().ascii_serialization(),
            endpoint.origin().ascii_serialization()
        )));
    }
    let sealed = match change.api_key {
        Setting::Keep => held_key,
        Setting::Remove => None,
        Setting::Set(api_key) => {
            given::check_key(Some(&api_key))?;
            seal(connection, keys, before.id, Some(&api_key)).await?
        }
    };
    let numbers = Numbers::of(change.limits, Some(&before))?;
    let is_default = change.is_default.unwrap_or(before.is_default);
    if is_default && !before.is_default {
        let _the_one_before = no_default(connection, before.id).await?;
    }
    sqlx::query!(
        "-- models.change
         update chat.models
         set name = $2, endpoint = $3, model = $4, api_key = $5, context_tokens = $6, answer_tokens = $7,
           first_seconds = $8, idle_seconds = $9, concurrency = $10, enabled = $11, is_default = $12, updated_at = now()
         where id = $1",
        before.id.0,
        name,
        endpoint.as_str(),
        model,
        sealed,
        numbers.context_tokens,
        numbers.answer_tokens,
        numbers.first_seconds,
        numbers.idle_seconds,
        numbers.concurrency,
        change.enabled.unwrap_or(before.enabled),
        is_default,
    )
    .execute(&mut *connection)
    .await?;
    let now = row(connection, &before.id.to_string()).await?.into();
    Ok(Changed { before, now })
}

/// Deletes the model of this name or id, with its key. Chats that name it are told when they ask it.
pub async fn delete(connection: &mut PgConnection, actor: &Actor, wanted: &str) -> Result<(), Error> {
    require(actor)?;
    let deleted = sqlx::query!(
        "-- models.delete
         delete from chat.models where id::text = $1 or name = $1",
        wanted,
    )
    .execute(connection)
    .await?;
    if deleted.rows_affected() == 0 { Err(no_model(wanted)) } else { Ok(()) }
}

/// What is needed to ask the model of this name or id, its key opened, also where it is disabled.
pub async fn target(
    connection: &mut PgConnection,
    keys: &Sealer,
    actor: &Actor,
    wanted: &str,
) -> Result<Target, Error> {
    require(actor)?;
    open(keys, row(connection, wanted).await?)
}

/// The model to be asked: the one of this name; without a name the default one, or else the oldest that is enabled; `None`
/// where there is none. A name that no enabled model has is an error that says which there are.
pub async fn choose(
    connection: &mut PgConnection,
    keys: &Sealer,
    name: Option<&str>,
) -> Result<Option<Target>, Error> {
    let chosen = sqlx::query_as!(
        Row,
        r#"-- models.choose
         select id as "id: ModelId", name, endpoint, model, api_key, context_tokens, answer_tokens, first_seconds,
           idle_seconds, concurrency, enabled, is_default, created_at, updated_at
         from chat.models where enabled and ($1::text is null or name = $1)
         order by is_default desc, created_at, id limit 1"#,
        name,
    )
    .fetch_optional(&mut *connection)
    .await?;
    if let Some(chosen) = chosen {
        return Ok(Some(open(keys, chosen)?));
    }
    let Some(name) = name else { return Ok(None) };
    let present = sqlx::query_scalar!(
        "-- models.present
         select name from chat.models where enabled order by name limit $1",
        MOST,
    )
    .fetch_all(connection)
    .await?;
    let wanted: String = name.chars().filter(|letter| !letter.is_control()).take(60).collect();
    Err(Error::NotFound(if present.is_empty() {
        format!(
            "there is no language model {wanted} that may be asked, and no other: an administrator adds them with `wenyuan models add`, and enables those that are disabled"
        )
    } else {
        let named = present.iter().take(MOST_NAMED).map(String::as_str).collect::<Vec<_>>().join(", ");
        let more = if present.len() > MOST_NAMED { " …" } else { "" };
        format!("there is no language model {wanted} that may be asked; there are {named}{more}")
    }))
}

/// Seals with the newest key what is sealed with another.
pub async fn reseal(connection: &mut PgConnection, keys: &Sealer) -> Result<Resealed, Error> {
    let mut resealed = Resealed::default();
    let rows = sqlx::query!(
        r#"-- models.sealed
         select id as "id: ModelId", name, api_key as "api_key!" from chat.models
         where api_key is not null order by id limit $1 for update"#,
        MOST,
    )
    .fetch_all(&mut *connection)
    .await?;
    for row in rows.into_iter().filter(|row| !keys.is_current(&row.api_key)) {
        let place = place(row.id);
        let Ok(plain) = keys.open_sealed(&place, &row.api_key) else {
            resealed.lost.push(format!("the API key of the language model {}", row.name));
            continue;
        };
        let sealed = keys.seal(&place, &plain)?;
        sqlx::query!(
            "-- models.reseal
             update chat.models set api_key = $2 where id = $1",
            row.id.0,
            sealed,
        )
        .execute(&mut *connection)
        .await?;
        resealed.renewed += 1;
    }
    Ok(resealed)
}

fn require(actor: &Actor) -> Result<(), Error> {
    if actor.is_admin() {
        Ok(())
    } else if actor.is_nobody() {
        Err(Error::SignIn)
    } else {
        Err(Error::NotAllowed("only an administrator may do this, signed in and not by a key".to_owned()))
    }
}

fn no_model(wanted: &str) -> Error {
    let wanted: String = wanted.chars().filter(|letter| !letter.is_control()).take(60).collect();
    Error::NotFound(format!("there is no language model {wanted}; `wenyuan models` lists them"))
}

/// A row, as it is kept.
struct Row {
    id: ModelId,
    name: String,
    endpoint: String,
    model: String,
    api_key: Option<Vec<u8>>,
    context_tokens: i32,
    answer_tokens: i32,
    first_seconds: i32,
    idle_seconds: i32,
    concurrency: i32,
    enabled: bool,
    is_default: bool,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

impl From<Row> for Model {
    fn from(row: Row) -> Self {
        Self {
            id: row.id,
            name: row.name,
            endpoint: row.endpoint,
            model: row.model,
            has_api_key: row.api_key.is_some(),
            context_tokens: row.context_tokens,
            answer_tokens: row.answer_tokens,
            first_seconds: row.first_seconds,
            idle_seconds: row.idle_seconds,
            concurrency: row.concurrency,
            enabled: row.enabled,
            is_default: row.is_default,
            created_at: row.created_at,
            updated_at: row.updated_at,
        }
    }
}

/// Reads a model by name or id and keeps it as it is until the end of the transaction.
async fn row(connection: &mut PgConnection, wanted: &str) -> Result<Row, Error> {
    sqlx::query_as!(
        Row,
        r#"-- models.find
         select id as "id: ModelId", name, endpoint, model, api_key, context_tokens, answer_tokens, first_seconds,
           idle_seconds, concurrency, enabled, is_default, created_at, updated_at
         from chat.models where id::text = $1 or name = $1 order by id::text = $1 desc limit 1 for no key update"#,
        wanted,
    )
    .fetch_optional(connection)
    .await?
    .ok_or_else(|| no_model(wanted))
}

/// Takes the default from whichever other model has it.
async fn no_default(connection: &mut PgConnection, but: ModelId) -> Result<u64, Error> {
    let done = sqlx::query!(
        "-- models.no_default
         update chat.models set is_default = false, updated_at = now() where is_default and id <> $1",
        but.0,
    )
    .execute(connection)
    .await?;
    Ok(done.rows_affected())
}

fn open(keys: &Sealer, row: Row) -> Result<Target, Error> {
    let api_key = match row.api_key {
        None => None,
        Some(sealed) => {
            let plain = keys.open_sealed(&place(row.id), &sealed)?;
            Some(Zeroizing::new(String::from_utf8_lossy(&plain).into_owned()))
        }
    };
    let size = |number: i32| usize::try_from(number).unwrap_or_default();
    let seconds = |number: i32| Duration::from_secs(u64::try_from(number).unwrap_or_default());
    Ok(Target {
        endpoint: endpoint(&row.endpoint)?,
        name: row.name,
        model: row.model,
        api_key,
        context_tokens: size(row.context_tokens),
        answer_tokens: size(row.answer_tokens),
        first: seconds(row.first_seconds),
        idle: seconds(row.idle_seconds),
        concurrency: size(row.concurrency),
    })
}

/// The place that a key is sealed for.
fn place(id: ModelId) -> String {
    format!("chat.models/api_key/{id}")
}

async fn seal(
    connection: &mut PgConnection,
    keys: &Sealer,
    id: ModelId,
    api_key: Option<&Zeroizing<String>>,
) -> Result<Option<Vec<u8>>, Error> {
    let Some(api_key) = api_key else { return Ok(None) };
    sealed::hold_keys(connection).await.map_err(Error::from)?;
    Ok(Some(keys.seal(&place(id), api_key.as_bytes())?))
}
