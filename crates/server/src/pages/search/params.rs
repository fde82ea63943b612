//! Search parameters of an address, and links with one of them changed.

use kernel::page::Cursor;
use library::Error;
use library::catalogue::{Catalogue, Library};
use library::documents::Category;
use library::names::Tag;
use library::search::{SearchRequest, SearchResponse};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;

use crate::http::input;
use crate::pages::frame::Frame;

/// Limit on the choices of a group.
const MAX_CHOICES: usize = 8;
/// Content types of passages.
const CONTENTS: [&str; 4] = ["text", "code", "table", "api"];
const CATEGORIES: [&str; 2] = ["document", "code"];

/// Parameters of a search.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct SearchParams {
    pub(super) q: String,
    pub(super) library: String,
    pub(super) version: String,
    /// Types of documents, separated by commas.
    pub(super) r#type: String,
    /// Content types, separated by commas.
    pub(super) content: String,
    /// Tags, separated by commas.
    pub(super) tag: String,
    pub(super) category: String,
    /// Cursor of the page.
    pub(super) after: String,
    /// Not empty if the reader has stopped typing.
    pub(super) settled: String,
}

/// Link to a search with one change.
pub(super) struct Choice {
    pub(super) text: String,
    pub(super) link: String,
    pub(super) is_chosen: bool,
}

/// Group of choices, such as the versions of a library.
pub(super) struct Group {
    pub(super) title: String,
    pub(super) choices: Vec<Choice>,
    /// Whether more choices exist than are shown.
    pub(super) has_more: bool,
}

impl Choice {
    pub(super) fn unchosen(text: String, link: String) -> Self {
        Self { text, link, is_chosen: false }
    }
}

impl SearchParams {
    pub(super) fn is_settled(&self) -> bool {
        !self.settled.is_empty()
    }

    /// Whether a filter other than library and version is set.
    pub(super) fn is_filtered(&self) -> bool {
        [&self.r#type, &self.content, &self.tag, &self.category].into_iter().any(|filter| !filter.is_empty())
    }

    /// Returns the search without filters, in the same library and version.
    pub(super) fn without_filters(&self) -> Self {
        Self {
            q: self.q.clone(),
            library: self.library.clone(),
            version: self.version.clone(),
            ..Self::default()
        }
    }

    /// Returns the hidden fields of the form.
    pub(super) fn hidden_fields(&self) -> Vec<(&'static str, &str)> {
        self.pairs().into_iter().skip(1).filter(|(_, value)| !value.is_empty()).collect()
    }

    fn pairs(&self) -> [(&'static str, &str); 7] {
        [
            ("q", &self.q),
            ("library", &self.library),
            ("version", &self.version),
            ("type", &self.r#type),
            ("content", &self.content),
            ("tag", &self.tag),
            ("category", &self.category),
        ]
    }

    /// Returns the address of the first page of this search with some parameters changed.
    pub(super) fn link(&self, changes: &[(&'static str, &str)]) -> String {
        let mut pairs: Vec<(&str, &str)> = self.pairs().to_vec();
        pairs.push(("after", ""));
        for (name, value) in changes {
            for pair in pairs.iter_mut().filter(|(known, _)| known == name) {
                pair.1 = value;
            }
        }
        let parts: Vec<String> = pairs
            .into_iter()
            .filter(|(_, value)| !value.is_empty())
            .map(|(name, value)| format!("{name}={}", utf8_percent_encode(value, NON_ALPHANUMERIC)))
            .collect();
        if parts.is_empty() { "/".to_owned() } else { format!("/?{}", parts.join("&")) }
    }

    /// Returns the address of the form that asks a question about this query.
    pub(super) fn ask_link(&self) -> String {
        let parts: Vec<String> = [("q", &self.q), ("library", &self.library), ("version", &self.version)]
            .into_iter()
            .filter(|(_, value)| !value.is_empty())
            .map(|(name, value)| format!("{name}={}", utf8_percent_encode(value, NON_ALPHANUMERIC)))
            .collect();
        format!("/ask?{}", parts.join("&"))
    }

    /// Parses the search.
    ///
    /// # Errors
    ///
    /// If a parameter is invalid.
    pub(super) fn to_request(
        &self,
        limit: usize,
        records_zero_results: bool,
    ) -> Result<SearchRequest, Error> {
        let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        let tags: Result<Vec<Tag>, _> = list(&self.tag).iter().map(|tag| tag.parse()).collect();
        let category = match self.category.as_str() {
            "" => None,
            "code" => Some(Category::Code),
            "document" => Some(Category::Document),
            _ => return Err(Error::Invalid("category is code or document".to_owned())),
        };
        let after: Option<Cursor> = some(&self.after)
            .map(|text| {
                text.parse().map_err(|error: kernel::page::InvalidCursor| Error::Invalid(error.to_string()))
            })
            .transpose()?;
        Ok(SearchRequest {
            library: some(&self.library).map(|name| name.parse()).transpose()?,
            version: self.version.parse()?,
            types: list(&self.r#type),
            content_types: list(&self.content),
            category,
            tags: tags?,
            limit,
            after,
            records_zero_results,
            ..SearchRequest::new(self.q.clone())
        })
    }

    /// Returns the filters that are set; each links to the search without it.
    pub(super) fn chosen(&self, frame: &Frame) -> Vec<Choice> {
        let mut chosen = Vec::new();
        let mut push = |text: String, changes: &[(&'static str, &str)]| {
            chosen.push(Choice { text, link: self.link(changes), is_chosen: true });
        };
        if !self.library.is_empty() {
            push(self.library.clone(), &[("library", ""), ("version", "")]);
        }
        if !self.version.is_empty() {
            push(frame.t_with("search-version", "version", &self.version).into_owned(), &[("version", "")]);
        }
        for (name, values, family) in [
            ("type", &self.r#type, "type"),
            ("content", &self.content, "search-content"),
            ("category", &self.category, "search-category"),
        ] {
            for value in list(values) {
                // Families are literals: a test finds unused keys by them.
                let text = match family {
                    "type" => frame.t_enum("type", &value),
                    "search-content" => frame.t_enum("search-content", &value),
                    _ => frame.t_enum("search-category", &value),
                };
                push(text.into_owned(), &[(name, &toggled(values, &value))]);
            }
        }
        for tag in list(&self.tag) {
            push(format!("#{tag}"), &[("tag", &toggled(&self.tag, &tag))]);
        }
        chosen
    }

    /// Returns the groups of filters.
    pub(super) fn groups(
        &self,
        frame: &Frame,
        catalogue: &Catalogue,
        library: Option<&Library>,
        answer: &SearchResponse,
        tags: &[String],
    ) -> Vec<Group> {
        let mut groups = vec![self.libraries(frame, catalogue, answer)];
        if let Some(library) = library {
            groups.push(self.versions(frame, library));
        }
        let found = answer.hits.iter().map(|hit| hit.passage.document_type.clone());
        groups.push(self.multiple_choice(
            frame.t("search-types").into_owned(),
            "type",
            &self.r#type,
            found,
            |name| frame.t_enum("type", name).into_owned(),
        ));
        let all = CONTENTS.iter().map(|name| (*name).to_owned());
        groups.push(self.multiple_choice(
            frame.t("search-contents").into_owned(),
            "content",
            &self.content,
            all,
            |name| frame.t_enum("search-content", name).into_owned(),
        ));
        let tags = tags.iter().cloned();
        groups.push(self.multiple_choice(
            frame.t("search-tags").into_owned(),
            "tag",
            &self.tag,
            tags,
            |name| format!("#{name}"),
        ));
        let categories = CATEGORIES.iter().map(|name| Choice {
            text: frame.t_enum("search-category", name).into_owned(),
            link: self.link(&[("category", if self.category == *name { "" } else { name })]),
            is_chosen: self.category == *name,
        });
        groups.push(Group {
            title: frame.t("search-categories").into_owned(),
            choices: categories.collect(),
            has_more: false,
        });
        // A single choice that is not chosen is of no use.
        groups.retain(|group| group.choices.len() > 1 || group.choices.iter().any(|choice| choice.is_chosen));
        groups
    }

    /// Returns the chosen library, then those with results, then others.
    fn libraries(&self, frame: &Frame, catalogue: &Catalogue, answer: &SearchResponse) -> Group {
        let all = catalogue.libraries(&frame.actor);
        let mut names: Vec<&str> = if self.library.is_empty() { Vec::new() } else { vec![&self.library] };
        let found = answer.hits.iter().map(|hit| hit.passage.library.as_str());
        for name in found.chain(all.iter().map(|library| library.name.as_str())) {
            if names.len() < MAX_CHOICES && !names.contains(&name) {
                names.push(name);
            }
        }
        let has_more = all.len() > names.len();
        let choices = names.into_iter().map(|name| {
            let is_chosen = name == self.library;
            let link = self.link(&[("library", if is_chosen { "" } else { name }), ("version", "")]);
            let known = all.iter().find(|library| library.name.as_str() == name);
            let text = known.map_or(name, |library| library.title.as_str()).to_owned();
            Choice { text, link, is_chosen }
        });
        Group { title: frame.t("search-libraries").into_owned(), choices: choices.collect(), has_more }
    }

    fn versions(&self, frame: &Frame, library: &Library) -> Group {
        let choices = library.versions.iter().take(MAX_CHOICES).map(|version| {
            let label = version.label.as_str();
            let is_chosen = label == self.version;
            let text = if library.active == Some(version.id) {
                frame.t_with("search-active", "version", label).into_owned()
            } else {
                label.to_owned()
            };
            Choice { text, link: self.link(&[("version", if is_chosen { "" } else { label })]), is_chosen }
        });
        Group {
            title: frame.t("search-versions").into_owned(),
            choices: choices.collect(),
            has_more: library.versions.len() > MAX_CHOICES,
        }
    }

    /// Returns a group in which several values can be chosen.
    fn multiple_choice(
        &self,
        title: String,
        name: &'static str,
        chosen: &str,
        offered: impl Iterator<Item = String>,
        translate: impl Fn(&str) -> String,
    ) -> Group {
        let chosen_values = list(chosen);
        let mut values = chosen_values.clone();
        for value in offered {
            if values.len() < MAX_CHOICES && !values.contains(&value) {
                values.push(value);
            }
        }
        let choices = values.iter().map(|value| Choice {
            text: translate(value),
            link: self.link(&[(name, &toggled(chosen, value))]),
            is_chosen: chosen_values.contains(value),
        });
        Group { title, choices: choices.collect(), has_more: false }
    }
}

fn list(text: &str) -> Vec<String> {
    input::list(Some(text))
}

/// Adds a value to a list, or removes it.
fn toggled(chosen: &str, value: &str) -> String {
    let mut values = list(chosen);
    let before = values.len();
    values.retain(|known| known != value);
    if values.len() == before {
        values.push(value.to_owned());
    }
    values.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_changes_one_parameter_and_keeps_the_others() {
        let params = SearchParams {
            q: "a&b 库".to_owned(),
            library: "vercel/next.js".to_owned(),
            version: "15".to_owned(),
            tag: "guide,api".to_owned(),
            after: "x".to_owned(),
            ..SearchParams::default()
        };
        assert_eq!(
            params.link(&[("version", "")]),
            "/?q=a%26b%20%E5%BA%93&library=vercel%2Fnext%2Ejs&tag=guide%2Capi"
        );
        assert_eq!(
            params.link(&[("library", ""), ("version", ""), ("tag", &toggled(&params.tag, "api"))]),
            "/?q=a%26b%20%E5%BA%93&tag=guide"
        );
        assert!(params.link(&[("after", "next")]).ends_with("&after=next"));
        assert_eq!(params.ask_link(), "/ask?q=a%26b%20%E5%BA%93&library=vercel%2Fnext%2Ejs&version=15");
        assert_eq!(SearchParams::default().link(&[]), "/");
    }

    #[test]
    fn invalid_parameters_are_refused() {
        let request = |change: fn(&mut SearchParams)| {
            let mut params = SearchParams { q: "x".to_owned(), ..SearchParams::default() };
            change(&mut params);
            params.to_request(10, false)
        };
        assert!(request(|params| params.library = "!".to_owned()).is_err());
        assert!(request(|params| params.after = "x".repeat(5000)).is_err());
        assert!(request(|params| params.category = "other".to_owned()).is_err());
        assert!(
            request(|params| params.version = "5.x".to_owned())
                .is_ok_and(|request| !request.records_zero_results)
        );
    }
}
