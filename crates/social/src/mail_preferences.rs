//! Preferences of a person for mail about notifications: how often, by kind.
//!
//! A row is a choice; a kind without one has [`Frequency::default_of`], so that a change of a default reaches those who chose nothing.

use kernel::actor::{Actor, UserId};
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;
use utoipa::ToSchema;

use crate::notifications::Kind;
use crate::{Error, require_person};

/// How often a person is mailed about notifications of a kind that they have not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, sqlx::Type, ToSchema)]
#[sqlx(type_name = "text", rename_all = "lowercase")]
#[serde(rename_all = "lowercase")]
#[schema(as = MailFrequency)]
pub enum Frequency {
    /// A minute after the first, so that what happens together is one mail.
    Immediately,
    /// Once the first has waited for a day.
    Daily,
    /// Once the first has waited for a week.
    Weekly,
    /// Not by mail.
    Never,
}

impl Frequency {
    /// All frequencies, the most frequent first.
    pub const ALL: [Self; 4] = [Self::Immediately, Self::Daily, Self::Weekly, Self::Never];

    /// Returns the name in the database and in every API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Immediately => "immediately",
            Self::Daily => "daily",
            Self::Weekly => "weekly",
            Self::Never => "never",
        }
    }

    /// Returns the frequency of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|frequency| frequency.as_str() == name)
    }

    /// Returns the frequency for those who have chosen none. Somebody waits for an answer to a mention, a reply or a message; a version can
    /// wait; a like or a follower is pleasant to see and not worth a mail.
    pub fn default_of(kind: Kind) -> Self {
        match kind {
            Kind::Mention | Kind::Reply | Kind::Message | Kind::Accepted => Self::Daily,
            Kind::Version => Self::Weekly,
            Kind::Like | Kind::Follow => Self::Never,
        }
    }
}

/// Frequency of the mail about each kind of notification.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub struct MailPreferences {
    /// Somebody mentioned the person.
    pub mention: Frequency,
    /// Somebody replied to the person.
    pub reply: Frequency,
    /// The person's comment was accepted as the answer.
    pub accepted: Frequency,
    /// Somebody wrote in a conversation.
    pub message: Frequency,
    /// A library that the person follows has a new version.
    pub version: Frequency,
    /// Somebody likes what the person wrote.
    pub like: Frequency,
    /// Somebody follows the person.
    pub follow: Frequency,
}

impl Default for MailPreferences {
    fn default() -> Self {
        let of = Frequency::default_of;
        Self {
            mention: of(Kind::Mention),
            reply: of(Kind::Reply),
            accepted: of(Kind::Accepted),
            message: of(Kind::Message),
            version: of(Kind::Version),
            like: of(Kind::Like),
            follow: of(Kind::Follow),
        }
    }
}

impl MailPreferences {
    /// Returns the frequency of a kind.
    pub fn get(mut self, kind: Kind) -> Frequency {
        *self.slot(kind)
    }

    fn slot(&mut self, kind: Kind) -> &mut Frequency {
        match kind {
            Kind::Mention => &mut self.mention,
            Kind::Reply => &mut self.reply,
            Kind::Accepted => &mut self.accepted,
            Kind::Message => &mut self.message,
            Kind::Version => &mut self.version,
            Kind::Like => &mut self.like,
            Kind::Follow => &mut self.follow,
        }
    }
}

/// Change of the preferences; `None` leaves a kind as it is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MailPreferencesUpdate {
    /// Somebody mentioned the person.
    pub mention: Option<Frequency>,
    /// Somebody replied to the person.
    pub reply: Option<Frequency>,
    /// The person's comment was accepted as the answer.
    pub accepted: Option<Frequency>,
    /// Somebody wrote in a conversation.
    pub message: Option<Frequency>,
    /// A library that the person follows has a new version.
    pub version: Option<Frequency>,
    /// Somebody likes what the person wrote.
    pub like: Option<Frequency>,
    /// Somebody follows the person.
    pub follow: Option<Frequency>,
}

impl MailPreferencesUpdate {
    /// Creates the change that sets kinds as `frequency` says, which returns `None` for those to leave.
    pub fn from_fn(frequency: impl Fn(Kind) -> Option<Frequency>) -> Self {
        Self {
            mention: frequency(Kind::Mention),
            reply: frequency(Kind::Reply),
            accepted: frequency(Kind::Accepted),
            message: frequency(Kind::Message),
            version: frequency(Kind::Version),
            like: frequency(Kind::Like),
            follow: frequency(Kind::Follow),
        }
    }

    fn get(self, kind: Kind) -> Option<Frequency> {
        match kind {
            Kind::Mention => self.mention,
            Kind::Reply => self.reply,
            Kind::Accepted => self.accepted,
            Kind::Message => self.message,
            Kind::Version => self.version,
            Kind::Like => self.like,
            Kind::Follow => self.follow,
        }
    }
}

/// Returns the actor's preferences.
///
/// # Errors
///
/// Fails if the actor is not a person or the database fails.
pub async fn find(connection: &mut PgConnection, actor: &Actor) -> Result<MailPreferences, Error> {
    let user = require_person(actor)?;
    let rows = sqlx::query!(
        r#"-- mail_preferences.find
         select kind as "kind: Kind", frequency as "frequency: Frequency" from social.mail_preferences where user_id = $1"#,
        user.0,
    )
    .fetch_all(connection)
    .await?;
    let mut preferences = MailPreferences::default();
    for row in rows {
        *preferences.slot(row.kind) = row.frequency;
    }
    Ok(preferences)
}

/// Changes the actor's preferences. They hold for what is already waiting, too.
///
/// # Errors
///
/// Fails if the actor is not a person or the database fails.
pub async fn update(
    connection: &mut PgConnection,
    actor: &Actor,
    update: MailPreferencesUpdate,
) -> Result<(), Error> {
    let user = require_person(actor)?;
    set(connection, user, update).await
}

/// Sets all kinds to [`Frequency::Never`] for a person who proves by a link from a mail who they are. Twice is once. Returns whether the
/// person exists.
///
/// # Errors
///
/// Fails if the database fails.
pub async fn unsubscribe(connection: &mut PgConnection, user: UserId) -> Result<bool, Error> {
    // Held, so that the person is not deleted before their preferences are written.
    let exists = sqlx::query!(
        "-- mail_preferences.hold
         select id from identity.users where id = $1 for key share",
        user.0,
    )
    .fetch_optional(&mut *connection)
    .await?
    .is_some();
    if exists {
        set(connection, user, MailPreferencesUpdate::from_fn(|_kind| Some(Frequency::Never))).await?;
    }
    Ok(exists)
}

async fn set(
    connection: &mut PgConnection,
    user: UserId,
    update: MailPreferencesUpdate,
) -> Result<(), Error> {
    let choices: Vec<(Kind, Frequency)> =
        Kind::ALL.into_iter().filter_map(|kind| Some((kind, update.get(kind)?))).collect();
    let kinds: Vec<String> = choices.iter().map(|(kind, _)| kind.as_str().to_owned()).collect();
    let frequencies: Vec<String> =
        choices.iter().map(|(_, frequency)| frequency.as_str().to_owned()).collect();
    sqlx::query!(
        "-- mail_preferences.set
         insert into social.mail_preferences (user_id, kind, frequency)
         select $1, kind, frequency from unnest($2::text[], $3::text[]) as choice (kind, frequency)
         order by kind
         on conflict (user_id, kind) do update set frequency = excluded.frequency",
        user.0,
        &kinds,
        &frequencies,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Returns the default frequencies as two arrays for statements: names of kinds, and the frequency of each.
pub(crate) fn defaults() -> (Vec<String>, Vec<String>) {
    Kind::ALL
        .into_iter()
        .map(|kind| (kind.as_str().to_owned(), Frequency::default_of(kind).as_str().to_owned()))
        .unzip()
}
