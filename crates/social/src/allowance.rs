//! Limits of writing, by person and kind, on all nodes together: the generic cell rate algorithm on one row.
//!
//! The row stays locked until the transaction ends, so that what one person writes at once is written one after the other.

use std::time::Duration;

use kernel::actor::UserId;
use sqlx::PgConnection;
use sqlx::postgres::types::PgInterval;

use crate::Error;

/// Age below which an account has half the allowance.
const NEW_ACCOUNT: Duration = Duration::from_hours(24);

/// Kind of writing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Writing {
    Post,
    Comment,
    Like,
    Follow,
    Message,
    Report,
}

impl Writing {
    fn as_str(self) -> &'static str {
        match self {
            Self::Post => "post",
            Self::Comment => "comment",
            Self::Like => "like",
            Self::Follow => "follow",
            Self::Message => "message",
            Self::Report => "report",
        }
    }

    /// Number that can be written at once, and the time in which one more becomes possible.
    fn rate(self) -> (u32, Duration) {
        match self {
            Self::Post => (40, Duration::from_secs(10)),
            Self::Comment => (120, Duration::from_secs(2)),
            Self::Like => (400, Duration::from_millis(200)),
            Self::Follow => (400, Duration::from_millis(500)),
            Self::Message => (200, Duration::from_millis(500)),
            Self::Report => (20, Duration::from_secs(30)),
        }
    }
}

/// Counts one more text of a person.
///
/// # Errors
/// Fails with [`Error::TooFast`] if they have written too many.
pub(crate) async fn spend(
    connection: &mut PgConnection,
    user: UserId,
    writing: Writing,
) -> Result<(), Error> {
    let (burst, interval) = writing.rate();
    let spent = sqlx::query_scalar!(
        r#"-- allowances.spend
         insert into social.writing_allowances as allowance (user_id, kind, full_at)
         values ($1, $2, now() + $3)
         on conflict (user_id, kind) do update set full_at = greatest(allowance.full_at, now()) + $3
         where greatest(allowance.full_at, now()) + $3 - now() <= $3 * $4::float8
           / (select case when created_at > now() - $5::interval then 2 else 1 end from identity.users where id = $1)
         returning true as "spent!""#,
        user.0,
        writing.as_str(),
        span(interval),
        f64::from(burst),
        span(NEW_ACCOUNT),
    )
    .fetch_optional(&mut *connection)
    .await?;
    if spent.is_some() {
        return Ok(());
    }
    metrics::counter!("wenyuan_social_writing_refused_total", "kind" => writing.as_str()).increment(1);
    let seconds = interval.as_secs_f64().ceil();
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the rates are half a minute at most"
    )]
    Err(Error::TooFast { seconds: seconds.max(1.0) as u32 })
}

fn span(duration: Duration) -> PgInterval {
    let microseconds = i64::try_from(duration.as_micros()).unwrap_or(i64::MAX);
    PgInterval { months: 0, days: 0, microseconds }
}
