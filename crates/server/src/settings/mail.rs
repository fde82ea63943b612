//! `[mail]`: the SMTP server and the sender's address.

use anyhow::bail;
use clap::Args;

use super::{Group, Problems, Secret};
use crate::app::mail::Mail;

#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Mail")]
pub(crate) struct MailSettings {
    /// URL of the SMTP server: `smtps://USER:PASSWORD@mail.example.org`, `smtp://…?tls=required` for
    /// STARTTLS, `smtp://…` for no encryption. Without it no mail is sent
    #[arg(id = "mail.smtp_url", long = "smtp-url", env = "WENYUAN_SMTP_URL", value_name = "URL")]
    smtp_url: Option<Secret>,

    /// Sender of mail, required with an SMTP server: Wenyuan <wenyuan@example.org>
    #[arg(id = "mail.from", long = "mail-from", env = "WENYUAN_MAIL_FROM", value_name = "ADDRESS")]
    from: Option<String>,
}

impl MailSettings {
    /// URL of the SMTP server and sender of mail; `None` if no mail is sent.
    ///
    /// # Errors
    ///
    /// If there is a server and no sender.
    pub(crate) fn server_and_sender(&self) -> anyhow::Result<Option<(String, &str)>> {
        let url = Secret::reveal(self.smtp_url.as_ref()).map(|url| url.trim().to_owned());
        let from = self.from.as_deref().map(str::trim).filter(|from| !from.is_empty());
        match (url.filter(|url| !url.is_empty()), from) {
            (Some(url), Some(from)) => Ok(Some((url, from))),
            (Some(_), None) => bail!("mail has no sender: set WENYUAN_MAIL_FROM too"),
            (None, _) => Ok(None),
        }
    }
}

impl Group for MailSettings {
    fn check(&self, problems: &mut Problems) {
        match self.server_and_sender() {
            Ok(Some((url, from))) => problems.note("mail.smtp_url", Mail::new(&url, from).map(drop)),
            Ok(None) => {}
            Err(error) => problems.add("mail.from", &format!("{error:#}")),
        }
    }
}
