//! Translations: one catalogue per language in `web/i18n/{language}/*.ftl`, in Fluent's format (<https://projectfluent.org>) with the
//! plurals of each language. A test proves both complete.

use std::borrow::Cow;
use std::sync::LazyLock;

use fluent_bundle::concurrent::FluentBundle;
use fluent_bundle::{FluentArgs, FluentResource, FluentValue};
use rust_embed::RustEmbed;
use unic_langid::{LanguageIdentifier, langid};

use super::language::Language;

#[derive(RustEmbed)]
#[folder = "web/i18n"]
struct Files;

/// Translations of one language.
pub(crate) struct Translations(FluentBundle<FluentResource>);

static ENGLISH: LazyLock<Translations> = LazyLock::new(|| Translations::read("en", langid!("en")));
static CHINESE: LazyLock<Translations> = LazyLock::new(|| Translations::read("zh-CN", langid!("zh-CN")));

/// Named argument of a message.
pub(crate) type Argument<'value> = (&'static str, FluentValue<'value>);

impl Translations {
    /// Returns the translations of a language.
    pub(crate) fn of(language: Language) -> &'static Self {
        match language {
            Language::English => &ENGLISH,
            Language::Chinese => &CHINESE,
        }
    }

    fn read(folder: &str, language: LanguageIdentifier) -> Self {
        let mut bundle = FluentBundle::new_concurrent(vec![language]);
        // Isolation marks around arguments would be copied along with the text.
        bundle.set_use_isolating(false);
        bundle.set_formatter(Some(format_number));
        for name in Files::iter().filter(|name| name.starts_with(folder)) {
            let text = Files::get(&name).map(|file| String::from_utf8_lossy(&file.data).into_owned());
            // Messages that cannot be parsed are left out; a test finds them.
            let resource = match FluentResource::try_new(text.unwrap_or_default()) {
                Ok(resource) | Err((resource, _)) => resource,
            };
            if let Err(errors) = bundle.add_resource(resource) {
                tracing::error!(catalogue.file = %name, ?errors, "duplicate message id");
            }
        }
        Self(bundle)
    }

    /// Returns the message of a key; the key itself if it is missing.
    pub(crate) fn translate(&self, key: &str, values: &[Argument<'_>]) -> Cow<'_, str> {
        self.find(key, values).unwrap_or_else(|| {
            tracing::error!(message.id = key, "message not found");
            Cow::Owned(key.to_owned())
        })
    }

    /// Translates a key. A test finds keys by the names of this and the next function.
    pub(crate) fn t(&self, key: &str) -> Cow<'_, str> {
        self.translate(key, &[])
    }

    /// Translates a key with several arguments.
    pub(crate) fn t_all(&self, key: &str, values: &[Argument<'_>]) -> Cow<'_, str> {
        self.translate(key, values)
    }

    /// Returns the message of a key, if there is one.
    pub(crate) fn find(&self, key: &str, values: &[Argument<'_>]) -> Option<Cow<'_, str>> {
        let pattern = self.0.get_message(key)?.value()?;
        let mut arguments = FluentArgs::with_capacity(values.len());
        for (name, value) in values {
            arguments.set(*name, value.clone());
        }
        let mut errors = Vec::new();
        let text = self.0.format_pattern(pattern, Some(&arguments), &mut errors);
        if !errors.is_empty() {
            tracing::error!(message.id = key, ?errors, "failed to format a message");
        }
        // It may borrow the arguments.
        Some(Cow::Owned(text.into_owned()))
    }
}

/// Formats whole numbers in groups of three digits, as both languages do.
fn format_number(value: &FluentValue<'_>, _: &intl_memoizer::concurrent::IntlLangMemoizer) -> Option<String> {
    match value {
        FluentValue::Number(value) if value.value.fract() == 0.0 => Some(number(truncated(value.value))),
        _ => None,
    }
}

#[expect(clippy::cast_possible_truncation, reason = "counts are far below 2^53")]
fn truncated(value: f64) -> i64 {
    value as i64
}

/// Formats a number in groups of three digits.
pub(crate) fn number(value: i64) -> String {
    let digits = value.unsigned_abs().to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3 + 1);
    if value < 0 {
        text.push('-');
    }
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests;
