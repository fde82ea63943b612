//! What a question is asked of: focus modes, with the names that Perplexica gave them.

use std::str::FromStr;

use crate::Error;

/// What a question is asked of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Focus {
    /// The library.
    #[default]
    LibrarySearch,
    /// The model alone: nothing is searched.
    WritingAssistant,
    /// The web.
    WebSearch,
    /// The web's papers.
    AcademicSearch,
    /// The web; no engine for calculations is spoken to.
    WolframAlphaSearch,
    /// The web's videos.
    YoutubeSearch,
    /// The web's discussions.
    RedditSearch,
}

impl Focus {
    /// All there are.
    pub const ALL: [Self; 7] = [
        Self::LibrarySearch,
        Self::WritingAssistant,
        Self::WebSearch,
        Self::AcademicSearch,
        Self::WolframAlphaSearch,
        Self::YoutubeSearch,
        Self::RedditSearch,
    ];

    /// Its name in the database and at every door.
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

    /// The categories of SearXNG that are asked; `None` where the web is not.
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

impl FromStr for Focus {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        Self::ALL.into_iter().find(|focus| focus.as_str() == text).ok_or_else(|| {
            let known: Vec<&str> = Self::ALL.iter().map(|focus| focus.as_str()).collect();
            Error::Invalid(format!("there is no such focus mode; there are {}", known.join(", ")))
        })
    }
}
