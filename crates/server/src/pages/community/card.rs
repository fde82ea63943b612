//! A post as it is shown in lists and on its own page, and the button that likes a post or a comment.

use askama::Template;
use axum::response::Response;
use social::ids::{CommentId, PostId};
use social::likes::LikeStatus;
use social::people::Person;
use social::posts::{Post, PostedAnswer, Subject, SubjectKind};

use super::of_person;
use crate::app::address;
use crate::pages::frame::Frame;

/// Characters of a post that a list shows.
const MAX_EXCERPT_CHARS: usize = 1500;

/// A post.
#[derive(Template)]
#[template(path = "post_card.html")]
pub(in crate::pages) struct Card<'page> {
    frame: &'page Frame,
    post: &'page Post,
    /// Whether it is shown on its own page, with all of its text.
    is_whole: bool,
}

/// Button that likes something, or takes the like back.
#[derive(Template)]
#[template(path = "like.html")]
pub(super) struct LikeButton<'page> {
    frame: &'page Frame,
    /// `posts` or `comments`.
    kind: &'static str,
    id: String,
    liked: bool,
    likes: i64,
}

/// Returns the cards of a list.
pub(in crate::pages) fn cards<'page>(frame: &'page Frame, posts: &'page [Post]) -> Vec<Card<'page>> {
    posts.iter().map(|post| Card::new(frame, post, false)).collect()
}

impl<'page> Card<'page> {
    pub(in crate::pages) fn new(frame: &'page Frame, post: &'page Post, is_whole: bool) -> Self {
        Self { frame, post, is_whole }
    }

    /// Returns the post.
    pub(in crate::pages) fn post(&self) -> &'page Post {
        self.post
    }

    /// Returns the name of the author.
    pub(in crate::pages) fn author(&self) -> String {
        author(self.frame, self.post.author.as_ref()).0
    }

    /// Returns the address of the post.
    pub(in crate::pages) fn link(&self) -> String {
        format!("/posts/{}", self.post.id)
    }

    fn about(&self) -> Option<(String, String)> {
        about(&self.post.about)
    }

    /// Whether the passage has changed since the post was written on it.
    fn is_outdated(&self) -> bool {
        self.post.about.kind == SubjectKind::Passage && self.post.about.passage_number.is_none()
    }

    fn is_cut(&self) -> bool {
        !self.is_whole && self.post.text.chars().count() > MAX_EXCERPT_CHARS
    }

    fn text(&self) -> String {
        if self.is_cut() {
            let text: String = self.post.text.chars().take(MAX_EXCERPT_CHARS).collect();
            return render(&format!("{text}…"));
        }
        render(&self.post.text)
    }

    fn like(&self) -> LikeButton<'_> {
        LikeButton::of_post(
            self.frame,
            self.post.id,
            LikeStatus { liked: self.post.liked, likes: self.post.likes },
        )
    }

    /// Returns the beginning of the first paragraph in one line, for lists beside a document.
    pub(in crate::pages) fn summary(&self) -> String {
        let text = if self.post.text.is_empty() {
            self.post.about.answer.as_ref().map_or("", |answer| &answer.question)
        } else {
            &self.post.text
        };
        let paragraph = text.split("\n\n").next().unwrap_or_default();
        let line = paragraph.split_whitespace().collect::<Vec<_>>().join(" ");
        let mut short: String = line.chars().take(140).collect();
        if short.len() < line.len() {
            short.push('…');
        }
        short
    }

    fn sources(&self) -> Vec<(i32, String, String)> {
        self.post.about.answer.as_ref().map(sources).unwrap_or_default()
    }
}

impl<'page> LikeButton<'page> {
    pub(super) fn of_post(frame: &'page Frame, id: PostId, status: LikeStatus) -> Self {
        Self { frame, kind: "posts", id: id.to_string(), liked: status.liked, likes: status.likes }
    }

    pub(super) fn of_comment(frame: &'page Frame, id: CommentId, status: LikeStatus) -> Self {
        Self { frame, kind: "comments", id: id.to_string(), liked: status.liked, likes: status.likes }
    }

    /// Renders the button alone, for a script that replaces it.
    pub(super) fn respond(&self) -> Response {
        self.frame.page(axum::http::StatusCode::OK, self)
    }
}

/// Renders the Markdown of a person: no markup of its own, no picture, and no link to another server.
pub(super) fn render(text: &str) -> String {
    markup::answer::render(text, &|_number| None)
}

/// Renders a posted answer, whose citations lead to their passages.
pub(in crate::pages) fn render_answer(answer: &PostedAnswer) -> String {
    let cite = |number: i32| {
        let source = answer.sources.iter().find(|source| source.number == number)?;
        source.passage_id.map(|passage| format!("/passages/{passage}"))
    };
    markup::answer::render(&answer.text, &cite)
}

/// Returns number, title and address of the sources of an answer.
fn sources(answer: &PostedAnswer) -> Vec<(i32, String, String)> {
    let sources = answer.sources.iter().map(|source| {
        let link = source.passage_id.map_or_else(String::new, |passage| format!("/passages/{passage}"));
        (source.number, source.title.clone(), link)
    });
    sources.collect()
}

/// Returns name and address of what a post is about; `None` if it is about nothing.
pub(super) fn about(subject: &Subject) -> Option<(String, String)> {
    let library = subject.library.as_deref()?;
    let name = library.parse().ok()?;
    let label = subject.version.as_deref().and_then(|label| label.parse().ok());
    let mut text = library.to_owned();
    if let Some(version) = &subject.version {
        text = format!("{text} {version}");
    }
    if let Some(title) = &subject.title {
        text = format!("{text} · {title}");
    }
    if let Some(heading) = subject.section.last() {
        text = format!("{text} › {heading}");
    }
    let link = match (subject.kind, &label, &subject.path) {
        (SubjectKind::Passage, _, Some(_)) if subject.passage_id.is_some() => {
            format!("/passages/{}", subject.passage_id?)
        }
        (SubjectKind::Version, Some(label), _) => address::of_version(&name, label),
        (SubjectKind::Document | SubjectKind::Passage, Some(label), Some(path)) => {
            address::of_path(&name, label, path)
        }
        // The version that answers now.
        (SubjectKind::Document | SubjectKind::Passage, None, Some(path)) => {
            format!("{}/active/{}", address::of_library(&name), address::escaped(path))
        }
        _ => address::of_library(&name),
    };
    Some((text, link))
}

/// Returns the name of an author, and the address of their page.
pub(in crate::pages) fn author(frame: &Frame, person: Option<&Person>) -> (String, Option<String>) {
    match person {
        Some(person) => (person.name.clone(), frame.is_signed_in().then(|| of_person(&person.username))),
        None => (frame.t("post-nobody").into_owned(), None),
    }
}
