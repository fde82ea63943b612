//! Rate limit of sign-in attempts and reset mails: by account and network together, by network, and by account with a far higher
//! bound.
//!
//! Whoever tries passwords from elsewhere must not keep the account's owner out. So few wrong passwords block an account for one
//! network only; a browser that the account was signed in with, and a session, are counted by themselves and wait for nobody
//! else. An attempt that has to wait is not counted anywhere and writes nothing.
//!
//! An attempt is counted before the password is verified, so that a thousand concurrent attempts count as a thousand. The
//! counters are in the database and hold on every node.

use std::net::{IpAddr, Ipv6Addr};

use kernel::actor::SessionId;
use sqlx::{PgConnection, PgPool};

use crate::Error;
use crate::access_tokens::DeviceId;

/// Wrong passwords of an account from one network, device or session before attempts from there have to wait.
const FREE_ATTEMPTS: i32 = 5;
/// Wrong passwords and mails from a network before attempts have to wait. Higher, because many people may share an address.
const FREE_ATTEMPTS_PER_NETWORK: i32 = 30;
/// Wrong passwords of an account from all networks before attempts of unknown devices have to wait. Far higher, because anyone
/// can make them wait.
const FREE_ATTEMPTS_PER_ACCOUNT: i32 = 100;
/// Reset mails of an account from one network or device before requests from there have to wait.
const FREE_MAILS: i32 = 3;
/// Reset mails of an account from all networks before requests have to wait: nobody's mailbox is to be flooded.
const FREE_MAILS_PER_ACCOUNT: i32 = 20;
/// Maximum number of counters that [`delete_old`] leaves.
const MAX_COUNTERS: i64 = 100_000;

/// Origin of an attempt, which decides what it is counted by.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Origin<'request> {
    /// A browser that the account was signed in with.
    Device(DeviceId),
    /// A session of the account.
    Session(SessionId),
    /// A client at this address, if it is known.
    Address(Option<&'request str>),
}

/// Counter: its subject, and how many attempts it allows without a wait.
#[derive(Debug)]
struct Counter {
    subject: String,
    free: i32,
    /// Whether the right password forgives all attempts, not only its own.
    is_cleared: bool,
}

impl Counter {
    fn new(subject: String, free: i32, is_cleared: bool) -> Self {
        Self { subject, free, is_cleared }
    }
}

/// Counted attempt to enter a password.
pub(crate) struct Attempt {
    counters: Vec<Counter>,
}

impl Attempt {
    /// Counts an attempt for an account.
    ///
    /// # Errors
    ///
    /// [`Error::TooManyAttempts`] while it has to wait; then nothing is counted.
    pub(crate) async fn count(pool: &PgPool, account: &str, origin: Origin<'_>) -> Result<Self, Error> {
        let counters = match origin {
            Origin::Device(device) => vec![Counter::new(format!("device {device}"), FREE_ATTEMPTS, true)],
            Origin::Session(session) => vec![Counter::new(format!("session {session}"), FREE_ATTEMPTS, true)],
            Origin::Address(address) => {
                let network = network(address);
                vec![
                    Counter::new(format!("address {network}"), FREE_ATTEMPTS_PER_NETWORK, false),
                    Counter::new(format!("account {account} from {network}"), FREE_ATTEMPTS, true),
                    Counter::new(format!("account {account}"), FREE_ATTEMPTS_PER_ACCOUNT, true),
                ]
            }
        };
        let mut transaction = store::postgres::begin(pool).await?;
        count(&mut transaction, &counters).await?;
        transaction.commit().await?;
        Ok(Self { counters })
    }

    /// Forgives attempts after the right password: all of the account's, and this one of the network's.
    pub(crate) async fn succeeded(self, connection: &mut PgConnection) -> Result<(), Error> {
        // In the order in which they are counted, to prevent deadlocks.
        for counter in self.counters {
            if counter.is_cleared {
                sqlx::query!(
                    "-- attempts.forgive_account
                     delete from identity.sign_in_attempts where subject = $1",
                    counter.subject,
                )
                .execute(&mut *connection)
                .await?;
            } else {
                sqlx::query!(
                    "-- attempts.forgive_address
                     update identity.sign_in_attempts set attempts = greatest(attempts - 1, 0) where subject = $1",
                    counter.subject,
                )
                .execute(&mut *connection)
                .await?;
            }
        }
        Ok(())
    }
}

/// Counts a request for a reset mail, in the caller's transaction, which must not be committed after an error.
///
/// # Errors
///
/// [`Error::TooManyAttempts`] while it has to wait.
pub(crate) async fn count_mail(
    connection: &mut PgConnection,
    account: &str,
    origin: Origin<'_>,
) -> Result<(), Error> {
    let counters = match origin {
        Origin::Device(device) => vec![Counter::new(format!("mail from device {device}"), FREE_MAILS, false)],
        Origin::Session(session) => {
            vec![Counter::new(format!("mail from session {session}"), FREE_MAILS, false)]
        }
        Origin::Address(address) => {
            let network = network(address);
            vec![
                Counter::new(format!("mail from {network}"), FREE_ATTEMPTS_PER_NETWORK, false),
                Counter::new(format!("mail to {account} from {network}"), FREE_MAILS, false),
                Counter::new(format!("mail to {account}"), FREE_MAILS_PER_ACCOUNT, false),
            ]
        }
    };
    count(connection, &counters).await
}

/// Returns the network that an address is counted for: a /64 of IPv6 belongs to one customer, who can use any address in it.
fn network(address: Option<&str>) -> String {
    let Some(address) = address else { return "nowhere".to_owned() };
    match address.parse() {
        Ok(IpAddr::V6(address)) => {
            let prefix = u128::from(address) & !u128::from(u64::MAX);
            format!("{}/64", Ipv6Addr::from(prefix))
        }
        _ => address.to_owned(),
    }
}

/// Counts an attempt in all counters, or in none if one of them has to wait. Locks them in their order.
///
/// Beyond the free attempts the wait doubles with each, up to 15 minutes. Attempts during the wait are not counted, so that nobody
/// can be locked out permanently.
async fn count(connection: &mut PgConnection, counters: &[Counter]) -> Result<(), Error> {
    // Refused attempts, which can be very many, end here: they read and write nothing.
    refuse_while_blocked(connection, counters).await?;
    for counter in counters {
        let counted = sqlx::query!(
            "-- attempts.count
             insert into identity.sign_in_attempts as known (subject, attempts, blocked_until)
             values ($1, 1, '-infinity')
             on conflict (subject) do update set
               attempts = case when known.updated_at < now() - interval '1 day' then 1 else known.attempts + 1 end,
               blocked_until = case
                 when known.updated_at < now() - interval '1 day' or known.attempts < $2 then '-infinity'
                 else now() + least(900, power(2, least(known.attempts + 1 - $2, 10))) * interval '1 second' end,
               updated_at = now()
             -- a concurrent attempt may have started the wait
             where known.blocked_until <= now()",
            counter.subject,
            counter.free,
        )
        .execute(&mut *connection)
        .await?;
        if counted.rows_affected() == 0 {
            refuse_while_blocked(connection, counters).await?;
            return Err(Error::TooManyAttempts { seconds: 1 });
        }
    }
    Ok(())
}

async fn refuse_while_blocked(connection: &mut PgConnection, counters: &[Counter]) -> Result<(), Error> {
    let subjects: Vec<String> = counters.iter().map(|counter| counter.subject.clone()).collect();
    let wait = sqlx::query_scalar!(
        "-- attempts.wait
         select ceil(extract(epoch from max(blocked_until) - now()))::int4
         from identity.sign_in_attempts where subject = any ($1) and blocked_until > now()",
        &subjects,
    )
    .fetch_one(connection)
    .await?;
    match wait {
        None => Ok(()),
        Some(wait) => Err(Error::TooManyAttempts { seconds: wait.unsigned_abs().max(1) }),
    }
}

/// Deletes the counters that have not changed for a day and, of more than [`MAX_COUNTERS`], those that have not changed for the
/// longest time: attempts under made-up names from many networks must not fill the database.
pub(crate) async fn delete_old(connection: &mut PgConnection) -> Result<(), Error> {
    sqlx::query!(
        "-- attempts.forget_old
         delete from identity.sign_in_attempts where subject in
           (select subject from identity.sign_in_attempts where updated_at < now() - interval '1 day' for update skip locked)"
    )
    .execute(&mut *connection)
    .await?;
    sqlx::query!(
        "-- attempts.bound
         delete from identity.sign_in_attempts where subject in
           (select subject from identity.sign_in_attempts order by updated_at desc offset $1 for update skip locked)",
        MAX_COUNTERS,
    )
    .execute(connection)
    .await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::network;

    #[test]
    fn an_ipv6_customer_counts_as_one() {
        assert_eq!(network(Some("192.0.2.7")), "192.0.2.7");
        assert_eq!(network(Some("2001:db8:1:2:3:4:5:6")), "2001:db8:1:2::/64");
        assert_eq!(network(Some("2001:db8:1:2::1")), "2001:db8:1:2::/64");
    }
}
