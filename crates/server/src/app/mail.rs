//! Mail over one SMTP server (RFC 5321). Jobs send it, so that no request waits for it and failures are retried.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use identity::links::{self, ResetRequest};
use kernel::chain::Chain;
use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::message::{Mailbox, MessageBuilder, MultiPart};
use lettre::{AsyncSmtpTransport, AsyncTransport as _, Message, Tokio1Executor};
use sqlx::PgPool;
use store::jobs::{self, JobKind, LeasedJob};
use store::workers::Handler;
use uuid::Uuid;

use crate::app::address;

/// Time limit of each response of the SMTP server.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(30);
/// Header that keeps automatic responders from replying (RFC 3834).
const AUTO_SUBMITTED: HeaderName = HeaderName::new_from_ascii_str("Auto-Submitted");

/// Headers by which mail programs offer to unsubscribe (RFC 2369), by one request (RFC 8058).
const LIST_UNSUBSCRIBE: HeaderName = HeaderName::new_from_ascii_str("List-Unsubscribe");
const LIST_UNSUBSCRIBE_POST: HeaderName = HeaderName::new_from_ascii_str("List-Unsubscribe-Post");

/// Client of an SMTP server. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Mail {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
}

impl Mail {
    /// Creates a client. It connects when it sends: the SMTP server can be down when this program starts.
    ///
    /// # Errors
    /// If the URL or the sender is invalid.
    pub(crate) fn new(url: &str, from: &str) -> anyhow::Result<Self> {
        let from: Mailbox = from.parse().with_context(|| {
            format!("invalid sender {from:?} (WENYUAN_MAIL_FROM): use the form Wenyuan <wenyuan@example.org>")
        })?;
        // The URL contains a password, which the error must not show.
        let transport = AsyncSmtpTransport::<Tokio1Executor>::from_url(url)
            .context("invalid WENYUAN_SMTP_URL: use the form smtps://USER:PASSWORD@mail.example.org")?
            .timeout(Some(RESPONSE_TIMEOUT))
            .build();
        Ok(Self { transport, from })
    }

    async fn send(&self, to: &str, subject: &str, text: String) -> anyhow::Result<()> {
        let message = self.message(to, subject)?.header(ContentType::TEXT_PLAIN).body(text)?;
        self.deliver(message).await
    }

    /// Sends a mail that is one of several, from which people can unsubscribe by one request to an address.
    ///
    /// # Errors
    /// If the address of the person is invalid, or the SMTP server cannot be reached or refuses the mail.
    pub(crate) async fn send_to_subscriber(
        &self,
        to: &str,
        id: Uuid,
        content: MailContent,
        unsubscribe: &str,
    ) -> anyhow::Result<()> {
        let id = format!("<{id}@{}>", self.from.email.domain());
        let mut message = self
            .message(to, &content.subject)?
            .message_id(Some(id))
            .multipart(MultiPart::alternative_plain_html(content.text, content.html))?;
        let headers = message.headers_mut();
        headers.insert_raw(HeaderValue::new(LIST_UNSUBSCRIBE, format!("<{unsubscribe}>")));
        headers.insert_raw(HeaderValue::new(LIST_UNSUBSCRIBE_POST, "List-Unsubscribe=One-Click".to_owned()));
        self.deliver(message).await
    }

    fn message(&self, to: &str, subject: &str) -> anyhow::Result<MessageBuilder> {
        let to: Mailbox = to.parse().context("invalid email address")?;
        Ok(Message::builder().from(self.from.clone()).to(to).subject(subject))
    }

    async fn deliver(&self, mut message: Message) -> anyhow::Result<()> {
        message.headers_mut().insert_raw(HeaderValue::new(AUTO_SUBMITTED, "auto-generated".to_owned()));
        self.transport.send(message).await?;
        Ok(())
    }
}

/// Text of a mail, in the language of its reader.
pub(crate) struct MailContent {
    pub(crate) subject: String,
    /// Plain text, which says the same as `html`.
    pub(crate) text: String,
    pub(crate) html: String,
}

/// Handler of the jobs that send password links. A link is created when its mail is sent.
pub(crate) struct ResetMails {
    pub(crate) pool: PgPool,
    pub(crate) mail: Mail,
    /// Public address of the server.
    pub(crate) address: Arc<str>,
}

impl ResetMails {
    async fn send(&self, job: &LeasedJob) -> anyhow::Result<()> {
        let request = ResetRequest::from_job(&job.payload).context("the job has no user")?;
        let mut transaction = store::postgres::begin(&self.pool).await?;
        let created = links::create_for_reset(&mut transaction, request).await?;
        transaction.commit().await?;
        // There is no such user, so there is nothing to send.
        let Some((link, to)) = created else { return Ok(()) };
        let url = address::of_password_link(&self.address, &link);
        let subject = "设置新密码 · Set a new password (Wenyuan)";
        self.mail.send(&to, subject, text(&url)).await.context("failed to send the mail")
    }
}

impl Handler for ResetMails {
    fn kinds(&self) -> &[JobKind] {
        &[links::MAIL_JOB]
    }

    fn batch_size(&self) -> i64 {
        1
    }

    async fn run(&mut self, worker: Uuid, jobs: &[LeasedJob]) -> Result<Vec<(Uuid, String)>, String> {
        let mut failed = Vec::new();
        for job in jobs {
            if let Err(error) = self.send(job).await {
                failed.push((job.id, format!("{error:#}")));
                continue;
            }
            let mut connection =
                store::postgres::acquire(&self.pool).await.map_err(|error| Chain(&error).to_string())?;
            jobs::complete(&mut connection, worker, &[job.id])
                .await
                .map_err(|error| Chain(&error).to_string())?;
        }
        Ok(failed)
    }
}

fn text(url: &str) -> String {
    format!(
        "有人（想必是您）请求为您的文渊账号设置新密码。请在一小时内打开下面的链接，它只能使用一次：\n\n\
         Somebody, presumably you, asked to set a new password for your account of Wenyuan. Open this link within an hour; \
         it works once:\n\n\
         {url}\n\n\
         如果不是您本人，请忽略此邮件：您的密码没有改变。\n\n\
         If it was not you, ignore this mail: your password has not changed.\n"
    )
}
