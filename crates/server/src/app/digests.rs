//! Digests: mails about unread notifications. A schedule enqueues a job for each person to whom one is due, and the job sends it.
//!
//! Which notifications, and that they are mailed once, is decided in [`social::digests`]. The text is rendered by a function that the caller
//! provides, since the texts belong to the pages.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use identity::users;
use kernel::actor::UserId;
use serde_json::json;
use social::digests::{self, Digest, Reservation};
use social::notifications::Notification;
use store::jobs::{self, JobKind, LeasedJob, NewJob};
use store::schedules::Schedule;
use store::workers::Handler;
use tokio::time::{sleep, timeout};
use uuid::Uuid;

use super::mail::{Mail, MailContent};
use super::{App, address, unsubscribe};

/// Enqueues the digests that are due. It runs each minute, so its done jobs are kept for an hour only.
pub(crate) const ENQUEUE_JOB: JobKind = JobKind::new("social.digests")
    .retry(3, Duration::from_secs(10), Duration::from_mins(1))
    .keep_done(Duration::from_hours(1));
/// Mails one person. Tried for more than half a day, since mail servers are down for hours.
const MAIL_JOB: JobKind =
    JobKind::new("social.digest_mail").retry(24, Duration::from_secs(10), Duration::from_hours(1));

/// Schedules where mail is sent.
pub(crate) const SCHEDULES: &[Schedule] = &[Schedule { kind: ENQUEUE_JOB, cron: "* * * * *" }];

const KINDS: &[JobKind] = &[ENQUEUE_JOB, MAIL_JOB];

/// People whose digests are enqueued at once, at most. The next run enqueues others.
const MAX_PEOPLE: i64 = 500;
/// Time limit for sending, below the lease of a digest.
const SEND_TIMEOUT: Duration = Duration::from_mins(2);
const _: () = assert!(SEND_TIMEOUT.as_secs() < digests::LEASE.as_secs());
/// Attempts to record that a digest was sent.
const MAX_RECORD_ATTEMPTS: u32 = 5;

/// Content of a digest, as it is rendered.
pub(crate) struct DigestContent<'digest> {
    /// Language that the person chose for pages, if any.
    pub(crate) language: Option<&'digest str>,
    /// Public address of the server, without a trailing slash.
    pub(crate) address: &'digest str,
    /// Address at which the person unsubscribes.
    pub(crate) unsubscribe: &'digest str,
    /// Notifications, that of the last event first; at least one.
    pub(crate) notifications: &'digest [Notification],
}

/// Renders a digest.
pub(crate) type Render = fn(&DigestContent<'_>) -> anyhow::Result<MailContent>;

/// Handler of the jobs of digests.
pub(crate) struct DigestMails {
    pub(crate) app: App,
    pub(crate) mail: Mail,
    /// Public address of the server.
    pub(crate) address: Arc<str>,
    pub(crate) render: Render,
}

impl DigestMails {
    async fn run_job(&self, worker: Uuid, job: &LeasedJob) -> anyhow::Result<()> {
        if job.kind == ENQUEUE_JOB.name {
            return self.enqueue(worker, job).await;
        }
        let user = job.payload.get("user_id").cloned().context("the job has no user")?;
        self.mail_person(serde_json::from_value(user).context("the job has no user")?).await?;
        // Apart from what was recorded about the mail: that must stay even if this job is another worker's by now.
        let mut connection = store::postgres::acquire(self.app.pool()).await?;
        Ok(jobs::complete(&mut connection, worker, &[job.id]).await?)
    }

    async fn enqueue(&self, worker: Uuid, job: &LeasedJob) -> anyhow::Result<()> {
        let mut transaction = store::postgres::begin(self.app.pool()).await?;
        let given_up = digests::give_up(&mut transaction).await?;
        let people = digests::due(&mut transaction, MAX_PEOPLE).await?;
        let mails: Vec<NewJob> = people
            .into_iter()
            .map(|user| NewJob::unique(MAIL_JOB, user.to_string(), json!({ "user_id": user })))
            .collect();
        jobs::enqueue(&mut transaction, &mails).await?;
        jobs::complete(&mut transaction, worker, &[job.id]).await?;
        transaction.commit().await?;
        if given_up > 0 {
            tracing::warn!(digests = given_up, "gave up digests that could not be mailed for a week");
        }
        Ok(())
    }

    async fn mail_person(&self, user: UserId) -> anyhow::Result<()> {
        let mut transaction = store::postgres::begin(self.app.pool()).await?;
        let reservation = digests::reserve(&mut transaction, user).await?;
        transaction.commit().await?;
        let digest = match reservation {
            Reservation::Reserved(digest) => digest,
            Reservation::Nothing => return Ok(()),
            Reservation::Leased => {
                bail!(
                    "another process mails this person, or was stopped while it did: tried again after its lease"
                )
            }
        };
        match self.send(user, &digest).await {
            Ok(mailed) => {
                let outcome = if mailed.is_empty() { "empty" } else { "sent" };
                count(outcome);
                self.record(&digest, &mailed).await
            }
            Err(error) => {
                count("failed");
                let mut connection = store::postgres::acquire(self.app.pool()).await?;
                digests::release(&mut connection, &digest).await?;
                Err(error)
            }
        }
    }

    /// Sends a digest if there is still something in it for the person, and returns what was mailed.
    async fn send(&self, user: UserId, digest: &Digest) -> anyhow::Result<Vec<Notification>> {
        let mut connection = store::postgres::acquire(self.app.pool()).await?;
        let Some(person) = users::find_recipient(&mut connection, user).await? else {
            return Ok(Vec::new());
        };
        let notifications = digests::contents(&mut connection, &person.actor, digest).await?;
        drop(connection);
        if notifications.is_empty() {
            return Ok(notifications);
        }
        let token = unsubscribe::token(&self.app.secrets, user)?;
        let unsubscribe = address::of_unsubscribe(&self.address, &token);
        let content = (self.render)(&DigestContent {
            language: person.language.as_deref(),
            address: &self.address,
            unsubscribe: &unsubscribe,
            notifications: &notifications,
        })?;
        let sending = self.mail.send_to_subscriber(&person.email, digest.id.0, content, &unsubscribe);
        timeout(SEND_TIMEOUT, sending)
            .await
            .context("the mail server took too long")?
            .context("failed to send the mail")?;
        Ok(notifications)
    }

    /// Records what was mailed. It is tried several times: if it is never recorded, the mail is sent again.
    async fn record(&self, digest: &Digest, mailed: &[Notification]) -> anyhow::Result<()> {
        let mut attempt = 1;
        loop {
            match self.settle(digest, mailed).await {
                Ok(()) => return Ok(()),
                Err(error) if attempt < MAX_RECORD_ATTEMPTS => {
                    tracing::warn!(
                        error = format!("{error:#}"),
                        "failed to record a mail that was sent; trying again"
                    );
                    sleep(Duration::from_secs(1) * attempt).await;
                    attempt += 1;
                }
                Err(error) => return Err(error.context("failed to record a mail that was sent")),
            }
        }
    }

    async fn settle(&self, digest: &Digest, mailed: &[Notification]) -> anyhow::Result<()> {
        let mut transaction = store::postgres::begin(self.app.pool()).await?;
        digests::settle(&mut transaction, digest, mailed).await?;
        Ok(transaction.commit().await?)
    }
}

fn count(outcome: &'static str) {
    metrics::counter!("wenyuan_mail_digests_total", "outcome" => outcome).increment(1);
}

impl Handler for DigestMails {
    fn kinds(&self) -> &[JobKind] {
        KINDS
    }

    fn batch_size(&self) -> i64 {
        1
    }

    async fn run(&mut self, worker: Uuid, jobs: &[LeasedJob]) -> Result<Vec<(Uuid, String)>, String> {
        let mut failed = Vec::new();
        for job in jobs {
            if let Err(error) = self.run_job(worker, job).await {
                failed.push((job.id, format!("{error:#}")));
            }
        }
        Ok(failed)
    }
}
