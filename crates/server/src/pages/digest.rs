//! Mails about notifications, in the language of the person: plain text and HTML that say the same.
//!
//! A mail says what happened and where to read it, and holds no text that people wrote: it stays in mailboxes and on the way there after
//! access to a library has ended or a message was deleted.

use anyhow::Context as _;
use askama::Template;
use social::notifications::Notification;
use social::people::Person;

use super::community::notifications::{link, sentence};
use super::i18n::Translations;
use super::language::Language;
use crate::app::digests::DigestContent;
use crate::app::mail::MailContent;

/// Notifications that a mail lists; further ones are counted.
const MAX_ITEMS: usize = 30;

/// Sentence with the address that it is about.
struct Item {
    text: String,
    url: String,
}

#[derive(Template)]
#[template(path = "digest.html")]
struct Html<'mail> {
    translations: &'mail Translations,
    language: Language,
    subject: &'mail str,
    items: &'mail [Item],
    more: Option<&'mail Item>,
    settings: &'mail str,
    unsubscribe: &'mail str,
}

/// Renders a mail.
///
/// # Errors
///
/// Fails if the template does, or there is nothing to say.
pub(crate) fn render(digest: &DigestContent<'_>) -> anyhow::Result<MailContent> {
    let language = digest.language.and_then(Language::named).unwrap_or(Language::English);
    let translations = Translations::of(language);
    let server = digest.address;
    let item = |notification: &Notification| Item {
        text: sentence(translations, notification, name(notification.actor.as_ref()).as_deref()),
        url: format!("{server}{}", link(notification)),
    };
    let items: Vec<Item> = digest.notifications.iter().take(MAX_ITEMS).map(item).collect();
    let first = &items.first().context("a mail without notifications")?.text;
    let count = |number: usize| i64::try_from(number).unwrap_or(i64::MAX).into();
    let subject = translations.t_all(
        "digest-subject",
        &[("first", first.as_str().into()), ("others", count(digest.notifications.len() - 1))],
    );
    let hidden = digest.notifications.len().saturating_sub(MAX_ITEMS);
    let more = (hidden > 0).then(|| Item {
        text: translations.t_all("digest-more", &[("count", count(hidden))]).into_owned(),
        url: format!("{server}/notifications"),
    });
    let settings = format!("{server}/account#mail");
    let mut text = String::new();
    for item in items.iter().chain(&more) {
        text.push_str(&format!("{}\n{}\n\n", item.text, item.url));
    }
    text.push_str(&format!(
        "-- \n{}\n{}: {settings}\n{}: {}\n",
        translations.t("digest-why"),
        translations.t("digest-settings"),
        translations.t("digest-unsubscribe"),
        digest.unsubscribe,
    ));
    let html = Html {
        translations,
        language,
        subject: &subject,
        items: &items,
        more: more.as_ref(),
        settings: &settings,
        unsubscribe: digest.unsubscribe,
    };
    let html = html.render()?;
    Ok(MailContent { subject: subject.into_owned(), text, html })
}

/// Returns the name of a person as a mail says it: mail programs make links of what looks like an address, so a name that could lure
/// somebody to one is replaced by the user name.
fn name(person: Option<&Person>) -> Option<String> {
    let person = person?;
    let is_plain = |character: char| {
        character.is_alphanumeric()
            || matches!(character, ' ' | '-' | '\'' | '’' | '·' | '・' | ',' | '(' | ')')
    };
    // A full stop ends an abbreviation; inside a word it makes a host name.
    let mut characters = person.name.chars().peekable();
    while let Some(character) = characters.next() {
        let ends_word = character == '.' && characters.peek().is_none_or(|next| *next == ' ');
        if !is_plain(character) && !ends_word {
            return Some(person.username.clone());
        }
    }
    Some(person.name.clone())
}

#[cfg(test)]
mod tests {
    use kernel::actor::UserId;

    use super::*;

    #[test]
    fn a_name_that_could_be_a_link_or_break_a_line_is_replaced() {
        let shown = |text: &str| {
            let person =
                Person { id: UserId::new(), username: "bo".to_owned(), name: text.to_owned(), avatar: None };
            name(Some(&person)).unwrap()
        };
        for good in ["Ada Lovelace", "J. R. Hartley Jr.", "Zoë O’Neill-Smith", "李雷", "アダ・ラブレス"]
        {
            assert_eq!(shown(good), good);
        }
        for bad in
            ["evil.example", "https://evil.example/x", "a@evil.example", "A\r\nBcc: x", "\u{202e}adA", "<b>"]
        {
            assert_eq!(shown(bad), "bo", "{bad}");
        }
        assert_eq!(name(None), None);
    }
}
