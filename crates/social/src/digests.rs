//! Digests: mails about notifications that a person has not read, at the frequency that they chose for each kind.
//!
//! This module decides who is mailed, when and about what; the server renders and sends. A digest goes through three steps:
//!
//! 1. [`reserve`] writes a row that names the notifications, under a lease. A person has one such row at a time, so two nodes, or two jobs of
//!    one person, never mail the same.
//! 2. [`contents`] reads what the person still sees of it, by the authority of [`notifications::list`], just before it is sent. No
//!    transaction is open while the mail server answers.
//! 3. [`settle`] marks the notifications as mailed and removes the row.
//!
//! Mail cannot be sent in a transaction. A digest whose sending failed, or whose process was killed, is sent again after its lease: at
//! least once. It is repeated only if the mail server accepted it and nobody lived to record that, which losing it would be the only
//! alternative to. The repetition is about the same notifications or fewer and has the same id, which becomes the Message-ID, so that mail
//! systems that compare it drop the copy, and with it nothing that is new.

use std::collections::HashSet;
use std::time::Duration;

use chrono::{DateTime, Utc};
use kernel::actor::{Actor, UserId};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::ids::{DigestId, NotificationId};
use crate::mail_preferences::{self, Frequency};
use crate::notifications::{self, Notification};
use crate::{Error, require_person};

/// Time for which events are collected before people are mailed immediately.
const BUNDLING: Duration = Duration::from_mins(1);
const DAY: Duration = Duration::from_hours(24);
const WEEK: Duration = Duration::from_hours(7 * 24);
/// Age from which on a notification is not mailed any more: more than a week and an outage.
const MAX_AGE: Duration = Duration::from_hours(14 * 24);
/// Age at which a digest that could not be sent is given up, whose notifications are not mailed then.
const GIVE_UP_AFTER: Duration = WEEK;
/// Time for which only one process sends a digest. Longer than sending takes.
pub const LEASE: Duration = Duration::from_mins(4);

/// Digest that this process sends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Digest {
    /// Id, which is the same at each attempt.
    pub id: DigestId,
    /// Notifications that it is about.
    pub notifications: Vec<NotificationId>,
}

/// Outcome of [`reserve`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reservation {
    /// The caller sends this digest, until [`LEASE`] has passed.
    Reserved(Digest),
    /// Another process is sending, or was killed while it did.
    Leased,
    /// There is nothing to send.
    Nothing,
}

/// Frequencies and the time, in seconds, that their first notification waits, as two arrays for statements.
fn waits() -> (Vec<String>, Vec<f64>) {
    [(Frequency::Immediately, BUNDLING), (Frequency::Daily, DAY), (Frequency::Weekly, WEEK)]
        .into_iter()
        .map(|(frequency, wait)| (frequency.as_str().to_owned(), wait.as_secs_f64()))
        .unzip()
}

/// Returns the active people with an address to whom a digest is due and none is being sent, those who wait longest first, `limit` at
/// most.
///
/// # Errors
///
/// Fails if the database fails.
pub async fn due(connection: &mut PgConnection, limit: i64) -> Result<Vec<UserId>, Error> {
    let (kinds, defaults) = mail_preferences::defaults();
    let (frequencies, seconds) = waits();
    Ok(sqlx::query_scalar!(
        r#"-- digests.due
         select notification.user_id as "user: UserId"
         from social.notifications as notification
         join identity.users as person on person.id = notification.user_id and person.is_active and person.email is not null
         join unnest($1::text[], $2::text[]) as fallback (kind, frequency) on fallback.kind = notification.kind
         left join social.mail_preferences as preference
           on preference.user_id = notification.user_id and preference.kind = notification.kind
         -- `never` has no wait, so its notifications are left out
         join unnest($3::text[], $4::float8[]) as wait (frequency, seconds)
           on wait.frequency = coalesce(preference.frequency, fallback.frequency)
         where notification.read_at is null
           and notification.unmailed_since < now() - make_interval(secs => wait.seconds)
           and notification.unmailed_since > now() - make_interval(secs => $5)
           and not exists (select from social.mail_digests as digest where digest.user_id = notification.user_id)
         group by notification.user_id
         order by min(notification.unmailed_since) limit $6"#,
        &kinds,
        &defaults,
        &frequencies,
        &seconds,
        MAX_AGE.as_secs_f64(),
        limit,
    )
    .fetch_all(connection)
    .await?)
}

/// Reserves the digest of a person: the one whose sending failed, or a new one of all that waits at the frequencies that are due.
///
/// # Errors
///
/// Fails if the database fails.
pub async fn reserve(connection: &mut PgConnection, user: UserId) -> Result<Reservation, Error> {
    let resumed = sqlx::query!(
        r#"-- digests.resume
         update social.mail_digests set leased_until = now() + make_interval(secs => $2)
         where user_id = $1 and leased_until <= now()
         returning id as "id: DigestId", notification_ids"#,
        user.0,
        LEASE.as_secs_f64(),
    )
    .fetch_optional(&mut *connection)
    .await?;
    if let Some(row) = resumed {
        return Ok(Reservation::Reserved(Digest::new(row.id, row.notification_ids)));
    }
    let (kinds, defaults) = mail_preferences::defaults();
    let (frequencies, seconds) = waits();
    let reserved = sqlx::query!(
        r#"-- digests.reserve
         with waiting as (
           select notification.id, notification.unmailed_since, wait.frequency, wait.seconds
           from social.notifications as notification
           join unnest($3::text[], $4::text[]) as fallback (kind, frequency) on fallback.kind = notification.kind
           left join social.mail_preferences as preference
             on preference.user_id = notification.user_id and preference.kind = notification.kind
           join unnest($5::text[], $6::float8[]) as wait (frequency, seconds)
             on wait.frequency = coalesce(preference.frequency, fallback.frequency)
           where notification.user_id = $1 and notification.read_at is null
             and notification.unmailed_since > now() - make_interval(secs => $7)
         ), due as (
           select distinct frequency from waiting where unmailed_since < now() - make_interval(secs => seconds)
         )
         insert into social.mail_digests (id, user_id, notification_ids, leased_until)
         select $2, $1, array_agg(waiting.id), now() + make_interval(secs => $8)
         from waiting join due on due.frequency = waiting.frequency having count(*) > 0
         on conflict (user_id) do nothing
         returning id as "id: DigestId", notification_ids"#,
        user.0,
        DigestId::new().0,
        &kinds,
        &defaults,
        &frequencies,
        &seconds,
        MAX_AGE.as_secs_f64(),
        LEASE.as_secs_f64(),
    )
    .fetch_optional(&mut *connection)
    .await?;
    if let Some(row) = reserved {
        return Ok(Reservation::Reserved(Digest::new(row.id, row.notification_ids)));
    }
    let is_leased = sqlx::query!(
        "-- digests.is_leased
         select id from social.mail_digests where user_id = $1",
        user.0,
    )
    .fetch_optional(connection)
    .await?
    .is_some();
    Ok(if is_leased { Reservation::Leased } else { Reservation::Nothing })
}

impl Digest {
    fn new(id: DigestId, notifications: Vec<Uuid>) -> Self {
        Self { id, notifications: notifications.into_iter().map(NotificationId).collect() }
    }
}

/// Returns the notifications of a digest that the actor still sees, has not read, and still wants by mail, that of the last event first.
///
/// # Errors
///
/// Fails if the actor is not a person or the database fails.
pub async fn contents(
    connection: &mut PgConnection,
    actor: &Actor,
    digest: &Digest,
) -> Result<Vec<Notification>, Error> {
    require_person(actor)?;
    let preferences = mail_preferences::find(&mut *connection, actor).await?;
    let mut found = notifications::find_many(connection, actor, &digest.notifications).await?;
    found.retain(|notification| {
        notification.read_at.is_none() && preferences.get(notification.kind) != Frequency::Never
    });
    found.sort_by_key(|notification| std::cmp::Reverse((notification.updated_at, notification.id.0)));
    Ok(found)
}

/// Marks the notifications of a digest as mailed, as they were when it was read: later events wait for the next digest. Those that are not
/// among `mailed` are marked too, since the person has read them or sees them no more. Twice is once.
///
/// # Errors
///
/// Fails if the database fails.
pub async fn settle(
    connection: &mut PgConnection,
    digest: &Digest,
    mailed: &[Notification],
) -> Result<(), Error> {
    let all: Vec<Uuid> = digest.notifications.iter().map(|id| id.0).collect();
    let ids: Vec<Uuid> = mailed.iter().map(|notification| notification.id.0).collect();
    let times: Vec<DateTime<Utc>> = mailed.iter().map(|notification| notification.updated_at).collect();
    debug_assert!(ids.iter().collect::<HashSet<_>>().len() == ids.len(), "a notification is mailed once");
    sqlx::query!(
        "-- digests.settle
         with held as (
           select id from social.notifications where id = any ($1) order by id for update
         )
         update social.notifications as notification
         set unmailed_since = case
           when notification.updated_at > mailed.updated_at then notification.updated_at
           -- it was read, and then came the next event
           when mailed.id is null and notification.unmailed_since > digest.created_at then notification.unmailed_since end
         from held left join unnest($2::uuid[], $3::timestamptz[]) as mailed (id, updated_at) on mailed.id = held.id
         join social.mail_digests as digest on digest.id = $4
         where notification.id = held.id",
        &all,
        &ids,
        &times,
        digest.id.0,
    )
    .execute(&mut *connection)
    .await?;
    sqlx::query!(
        "-- digests.remove
         delete from social.mail_digests where id = $1",
        digest.id.0,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Ends the lease on a digest that was not sent, so that the next attempt need not wait for its end.
///
/// # Errors
///
/// Fails if the database fails; the lease then expires by itself.
pub async fn release(connection: &mut PgConnection, digest: &Digest) -> Result<(), Error> {
    sqlx::query!(
        "-- digests.release
         update social.mail_digests set leased_until = now() where id = $1",
        digest.id.0,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Gives up digests that could not be sent for a week, so that their people are mailed about what is new. Returns their number.
///
/// # Errors
///
/// Fails if the database fails.
pub async fn give_up(connection: &mut PgConnection) -> Result<u64, Error> {
    let given_up = sqlx::query!(
        "-- digests.give_up
         with old as (
           delete from social.mail_digests
           where created_at < now() - make_interval(secs => $1) and leased_until <= now()
           returning id, notification_ids
         ), held as (
           select id from social.notifications where id in (select unnest(notification_ids) from old) order by id for update
         ), settled as (
           update social.notifications as notification set unmailed_since = null from held where notification.id = held.id
         )
         select id from old",
        GIVE_UP_AFTER.as_secs_f64(),
    )
    .fetch_all(connection)
    .await?;
    Ok(given_up.len() as u64)
}
