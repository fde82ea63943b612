//! Attempts to sign in are counted by account and by address, and made to wait when they are many.
//!
//! An attempt is counted before the password is looked at, so that a thousand at once are a thousand. The counts lie in the
//! database: they hold on every node.

use std::net::{IpAddr, Ipv6Addr};

use sqlx::{PgConnection, PgPool};

use crate::Error;

/// Wrong passwords of an account that cost nothing.
const FREE_OF_ACCOUNT: i32 = 5;
/// Wrong passwords from an address that cost nothing: many people may share one.
const FREE_OF_ADDRESS: i32 = 30;

/// Mails of one account that cost nothing: each voids the link of the one before.
const FREE_MAILS: i32 = 3;

/// Who tries, and from where.
pub(crate) struct Attempt {
    account: String,
    address: Option<String>,
}

impl Attempt {
    /// Counts an attempt; refused while the account or the address has to wait.
    pub(crate) async fn begin(pool: &PgPool, account: &str, address: Option<&str>) -> Result<Self, Error> {
        let attempt = Self {
            account: format!("account {account}"),
            address: address.map(|address| format!("address {}", network(address))),
        };
        let mut transaction = store::postgres::begin(pool).await?;
        // In this order for everybody, so that no two wait for each other.
        let mut wait = 0;
        if let Some(address) = &attempt.address {
            wait = wait.max(count(&mut transaction, address, FREE_OF_ADDRESS).await?);
        }
        wait = wait.max(count(&mut transaction, &attempt.account, FREE_OF_ACCOUNT).await?);
        transaction.commit().await?;
        if wait > 0 { Err(Error::TooManyAttempts { seconds: wait.unsigned_abs() }) } else { Ok(attempt) }
    }

    /// The password was right: the account begins anew, and the address has one attempt less.
    pub(crate) async fn succeeded(self, connection: &mut PgConnection) -> Result<(), Error> {
        if let Some(address) = &self.address {
            sqlx::query!(
                "-- attempts.forgive_address
                 update identity.sign_in_attempts set attempts = greatest(attempts - 1, 0) where subject = $1",
                address,
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

/// Counts that somebody asks for a mail by which to set a password; refused while the account or the address has to wait.
pub(crate) async fn count_mail(
    connection: &mut PgConnection,
    account: &str,
    address: Option<&str>,
) -> Result<(), Error> {
    let mut wait = 0;
    if let Some(address) = address {
        let subject = format!("mail from {}", network(address));
        wait = wait.max(count(&mut *connection, &subject, FREE_OF_ADDRESS).await?);
    }
    wait = wait.max(count(connection, &format!("mail to {account}"), FREE_MAILS).await?);
    if wait > 0 { Err(Error::TooManyAttempts { seconds: wait.unsigned_abs() }) } else { Ok(()) }
}

/// Whom an address stands for: a whole /64 of IPv6 is one customer's, who may use any address of it.
fn network(address: &str) -> String {
    match address.parse() {
        Ok(IpAddr::V6(address)) => {
            let prefix = u128::from(address) & !u128::from(u64::MAX);
            format!("{}/64", Ipv6Addr::from(prefix))
        }
        _ => address.to_owned(),
    }
}

/// Counts one and returns how many seconds the subject had to wait before it; the wait doubles with each, up to a quarter
/// of an hour. While a subject waits nothing is counted, so that nobody can be kept out for ever.
async fn count(connection: &mut PgConnection, subject: &str, free: i32) -> Result<i32, Error> {
    // Two statements: one that reads a row and changes it sees nothing of it as it was. The row stays locked, so that
    // attempts at the same moment come one after another.
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

/// Forgets what is a day old.
pub(crate) async fn forget_old(connection: &mut PgConnection) -> Result<(), Error> {
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
    fn a_customer_of_ipv6_is_one() {
        assert_eq!(network("192.0.2.7"), "192.0.2.7");
        assert_eq!(network("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::/64");
        assert_eq!(network("2001:db8:1:2::1"), "2001:db8:1:2::/64");
    }
}
