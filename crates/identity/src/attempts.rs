//! Rate limit of sign-in attempts and reset mails, by account and by network.
//!
//! An attempt is counted before the password is verified, so that a thousand concurrent attempts count as a thousand. The
//! counters are in the database and hold on every node.

use std::net::{IpAddr, Ipv6Addr};

use sqlx::{PgConnection, PgPool};

use crate::Error;

/// Wrong passwords of an account before attempts have to wait.
const FREE_ATTEMPTS_PER_ACCOUNT: i32 = 5;
/// Wrong passwords and mails from a network before attempts have to wait. Higher, because many people may share an address.
const FREE_ATTEMPTS_PER_NETWORK: i32 = 30;
/// Reset mails of an account before requests have to wait. Low, because each voids the previous link.
const FREE_MAILS_PER_ACCOUNT: i32 = 3;

/// Counted attempt to sign in.
pub(crate) struct Attempt {
    account: String,
    network: Option<String>,
}

impl Attempt {
    /// Counts an attempt.
    ///
    /// # Errors
    ///
    /// [`Error::TooManyAttempts`] while the account or the network has to wait.
    pub(crate) async fn count(pool: &PgPool, account: &str, address: Option<&str>) -> Result<Self, Error> {
        let attempt = Self {
            account: format!("account {account}"),
            network: address.map(|address| format!("address {}", network(address))),
        };
        let mut transaction = store::postgres::begin(pool).await?;
        // Always in this order, to prevent deadlocks.
        let mut wait_seconds = 0;
        if let Some(network) = &attempt.network {
            wait_seconds =
                wait_seconds.max(count(&mut transaction, network, FREE_ATTEMPTS_PER_NETWORK).await?);
        }
        wait_seconds =
            wait_seconds.max(count(&mut transaction, &attempt.account, FREE_ATTEMPTS_PER_ACCOUNT).await?);
        transaction.commit().await?;
        allow_after(wait_seconds)?;
        Ok(attempt)
    }

    /// Forgives the attempt after the right password: resets the account's counter, takes one from the network's.
    pub(crate) async fn succeeded(self, connection: &mut PgConnection) -> Result<(), Error> {
        if let Some(network) = &self.network {
            sqlx::query!(
                "-- attempts.forgive_address
                 update identity.sign_in_attempts set attempts = greatest(attempts - 1, 0) where subject = $1",
                network,
            )
            .execute(&mut *connection)
            .await?;
        }
        sqlx::query!(
            "-- attempts.forgive_account
             delete from identity.sign_in_attempts where subject = $1",
            self.account,
        )
        .execute(connection)
        .await?;
        Ok(())
    }
}

/// Counts a request for a reset mail.
///
/// # Errors
///
/// [`Error::TooManyAttempts`] while the account or the network has to wait.
pub(crate) async fn count_mail(
    connection: &mut PgConnection,
    account: &str,
    address: Option<&str>,
) -> Result<(), Error> {
    let mut wait_seconds = 0;
    if let Some(address) = address {
        let subject = format!("mail from {}", network(address));
        wait_seconds = wait_seconds.max(count(&mut *connection, &subject, FREE_ATTEMPTS_PER_NETWORK).await?);
    }
    let subject = format!("mail to {account}");
    wait_seconds = wait_seconds.max(count(connection, &subject, FREE_MAILS_PER_ACCOUNT).await?);
    allow_after(wait_seconds)
}

fn allow_after(wait_seconds: i32) -> Result<(), Error> {
    match wait_seconds {
        0 => Ok(()),
        wait => Err(Error::TooManyAttempts { seconds: wait.unsigned_abs() }),
    }
}

/// Returns the network that an address is counted for: a /64 of IPv6 belongs to one customer, who can use any address in it.
fn network(address: &str) -> String {
    match address.parse() {
        Ok(IpAddr::V6(address)) => {
            let prefix = u128::from(address) & !u128::from(u64::MAX);
            format!("{}/64", Ipv6Addr::from(prefix))
        }
        _ => address.to_owned(),
    }
}

/// Counts an attempt of a subject and returns the seconds that it still has to wait; 0 if it is allowed.
///
/// Beyond `free` attempts the wait doubles with each, up to 15 minutes. Attempts during the wait are not counted, so that
/// nobody can be locked out permanently.
async fn count(connection: &mut PgConnection, subject: &str, free: i32) -> Result<i32, Error> {
    // Two statements, because one that reads and updates a row does not see its state before. The row stays locked, which
    // serializes concurrent attempts.
    let wait = sqlx::query_scalar!(
        r#"-- attempts.wait
         select ceil(extract(epoch from blocked_until - now()))::int4 as "wait!"
         from identity.sign_in_attempts where subject = $1 and blocked_until > now() for update"#,
        subject,
    )
    .fetch_optional(&mut *connection)
    .await?;
    if let Some(wait) = wait {
        return Ok(wait.max(1));
    }
    sqlx::query!(
        "-- attempts.count
         insert into identity.sign_in_attempts as known (subject, attempts, blocked_until)
         values ($1, 1, '-infinity')
         on conflict (subject) do update set
           attempts = case when known.updated_at < now() - interval '1 day' then 1 else known.attempts + 1 end,
           blocked_until = case
             when known.updated_at < now() - interval '1 day' or known.attempts < $2 then '-infinity'
             else now() + least(900, power(2, least(known.attempts + 1 - $2, 10))) * interval '1 second' end,
           updated_at = now()",
        subject,
        free,
    )
    .execute(connection)
    .await?;
    Ok(0)
}

/// Deletes the counters that have not changed for a day.
pub(crate) async fn delete_old(connection: &mut PgConnection) -> Result<(), Error> {
    sqlx::query!(
        "-- attempts.forget_old
         delete from identity.sign_in_attempts where updated_at < now() - interval '1 day'"
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
        assert_eq!(network("192.0.2.7"), "192.0.2.7");
        assert_eq!(network("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::/64");
        assert_eq!(network("2001:db8:1:2::1"), "2001:db8:1:2::/64");
    }
}
