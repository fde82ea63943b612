//! Focus modes: what a question searches. The names are those of Perplexica.

use std::str::FromStr;

use crate::Error;

/// Focus mode of a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Focus {
    /// The library.
    #[default]
    LibrarySearch,
    /// Nothing: the model alone answers.
    WritingAssistant,
    /// The web.
    WebSearch,
    /// Academic papers on the web.
    AcademicSearch,
    /// The web; no calculation engine is used.
    WolframAlphaSearch,
    /// Videos on the web.
    YoutubeSearch,
    /// Discussions on the web.
    RedditSearch,
}

impl Focus {
    /// All focus modes.
    pub const ALL: [Self; 7] = [
        Self::LibrarySearch,
        Self::WritingAssistant,
        Self::WebSearch,
        Self::AcademicSearch,
        Self::WolframAlphaSearch,
        Self::YoutubeSearch,
        Self::RedditSearch,
    ];

    /// Returns the name in the database and in every API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::LibrarySearch => "librarySearch",
            Self::WritingAssistant => "writingAssistant",
            Self::WebSearch => "webSearch",
            Self::AcademicSearch => "academicSearch",
            Self::WolframAlphaSearch => "wolframAlphaSearch",
            Self::YoutubeSearch => "youtubeSearch",
            Self::RedditSearch => "redditSearch",
        }
    }

    /// Returns the SearXNG category to search; `None` if the web is not searched.
    pub fn web_categories(self) -> Option<&'static str> {
        match self {
            Self::LibrarySearch | Self::WritingAssistant => None,
            Self::WebSearch | Self::WolframAlphaSearch => Some("general"),
            Self::AcademicSearch => Some("science"),
            Self::YoutubeSearch => Some("videos"),
            Self::RedditSearch => Some("social media"),
        }
    }
}

kernel::schema! {
    Focus = kernel::schema::one_of(Self::ALL.map(Self::as_str))
        .description(Some("Focus mode: what a question searches."));
}

impl FromStr for Focus {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        Self::ALL.into_iter().find(|focus| focus.as_str() == text).ok_or_else(|| {
            let known: Vec<&str> = Self::ALL.iter().map(|focus| focus.as_str()).collect();
            Error::Invalid(format!("invalid focus mode: use one of {}", known.join(", ")))
        })
    }
}
