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

/// The words of one language.
pub(crate) struct Translations(FluentBundle<FluentResource>);

static ENGLISH: LazyLock<Translations> = LazyLock::new(|| Translations::read("en", langid!("en")));
static CHINESE: LazyLock<Translations> = LazyLock::new(|| Translations::read("zh-CN", langid!("zh-CN")));

/// Something that is said with other words in it.
pub(crate) type Argument<'value> = (&'static str, FluentValue<'value>);

impl Translations {
    /// Those of a language.
    pub(crate) fn of(language: Language) -> &'static Self {
        match language {
            Language::English => &ENGLISH,
            Language::Chinese => &CHINESE,
        }
    }

    fn read(folder: &str, language: LanguageIdentifier) -> Self {
        let mut bundle = FluentBundle::new_concurrent(vec![language]);
        // The marks around what is put in would be copied along with the text.
        bundle.set_use_isolating(false);
        bundle.set_formatter(Some(grouped));
        for name in Files::iter().filter(|name| name.starts_with(folder)) {
            let text = Files::get(&name).map(|file| String::from_utf8_lossy(&file.data).into_owned());
            // What cannot be read of a file is left out; a test says so before any user does.
            let resource = match FluentResource::try_new(text.unwrap_or_default()) {
                Ok(resource) | Err((resource, _)) => resource,
            };
            if let Err(errors) = bundle.add_resource(resource) {
                tracing::error!(words.file = %name, ?errors, "words are said twice");
            }
        }
        Self(bundle)
    }

    /// Returns the message of a key; the key itself if it is missing.
    pub(crate) fn translate(&self, key: &str, values: &[Argument<'_>]) -> Cow<'_, str> {
        self.find(key, values).unwrap_or_else(|| {
            tracing::error!(words.key = key, "there are no words for this");
            Cow::Owned(key.to_owned())
        })
    }

    /// Returns the message of a key, if there is one.
    pub(crate) fn find(&self, key: &str, values: &[Argument<'_>]) -> Option<Cow<'_, str>> {
        let pattern = self.0.get_message(key)?.value()?;
        let mut arguments = FluentArgs::with_capacity(values.len());
        for (name, value) in values {
            arguments.set(*name, value.clone());
        }
        let mut errors = Vec::new();
        let said = self.0.format_pattern(pattern, Some(&arguments), &mut errors);
        if !errors.is_empty() {
            tracing::error!(words.key = key, ?errors, "words cannot be said");
        }
        // It may borrow the arguments, which do not last.
        Some(Cow::Owned(said.into_owned()))
    }
}

/// Whole numbers as both languages write them: in groups of three digits.
fn grouped(value: &FluentValue<'_>, _: &intl_memoizer::concurrent::IntlLangMemoizer) -> Option<String> {
    match value {
        FluentValue::Number(number) if number.value.fract() == 0.0 => Some(number_of(number.value)),
        _ => None,
    }
}

#[expect(clippy::cast_possible_truncation, reason = "what is counted is far below 2^53")]
fn number_of(value: f64) -> String {
    number(value as i64)
}

/// A number in groups of three digits.
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
