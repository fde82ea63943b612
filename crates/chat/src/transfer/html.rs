//! One chat as a self-contained HTML page: no script, no request, light and dark, for phones and for print. It can be saved as a
//! file, sent by mail, or opened by a shared link ([`shares`](super::shares)).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Utc};
use markup::escape;
use sha2::{Digest as _, Sha256};

use super::markdown::{origin, source_url};
use super::shares::SharedChat;
use super::{ChatRecord, MessageRecord, MessageRole, MessageStatus};
use crate::source::Source;

/// Style sheet, embedded in the page. The content security policy contains its hash.
const STYLE: &str = include_str!("html/style.css");

/// Language of the text around questions and answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Language {
    /// English.
    #[default]
    English,
    /// Chinese.
    Chinese,
}

impl Language {
    fn select(self, english: &'static str, chinese: &'static str) -> &'static str {
        match self {
            Self::English => english,
            Self::Chinese => chinese,
        }
    }

    fn tag(self) -> &'static str {
        self.select("en", "zh-CN")
    }
}

/// Returns the [content security policy](https://www.w3.org/TR/CSP3/) of the page: its own style and nothing else.
pub fn content_security_policy() -> String {
    let hash = STANDARD.encode(Sha256::digest(STYLE.as_bytes()));
    format!("default-src 'none'; style-src 'sha256-{hash}'; base-uri 'none'; form-action 'none'")
}

/// Renders the branch of the chat that is shown. `address` is the public URL of this server.
pub fn render(chat: &ChatRecord, address: &str, language: Language) -> String {
    render_without(chat, &|_, _| false, address, language)
}

/// Renders a chat as a link shows it: in place of each passage that its reader may not read it says so.
pub fn render_shared(shared: &SharedChat, address: &str, language: Language) -> String {
    let withholds = |message: &MessageRecord, source: i32| shared.withholds(message.message_id, source);
    render_without(&shared.chat, &withholds, address, language)
}

fn render_without(
    chat: &ChatRecord,
    withholds: &dyn Fn(&MessageRecord, i32) -> bool,
    address: &str,
    language: Language,
) -> String {
    let title = escape(&chat.title).into_owned();
    let mut page = format!(
        "<!doctype html>\n<html lang=\"{}\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"{}\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"robots\" content=\"noindex\">\n<meta name=\"referrer\" content=\"no-referrer\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n<title>{title}</title>\n<style>{STYLE}</style>\n</head>\n\
         <body>\n<main>\n<header>\n<h1>{title}</h1>\n<p class=\"of\">{}</p>\n</header>\n",
        language.tag(),
        content_security_policy(),
        about(chat, language),
    );
    let branch = chat.shown();
    for (number, message) in (1..).zip(&branch) {
        match message.role {
            MessageRole::User => question(&mut page, message, number),
            MessageRole::Assistant => answer(&mut page, message, number, withholds, address, language),
        }
    }
    page.push_str("</main>\n</body>\n</html>\n");
    page
}

fn about(chat: &ChatRecord, language: Language) -> String {
    let mut parts = vec![time(chat.created_at)];
    if let Some(library) = &chat.library {
        let version = chat.version.as_deref().unwrap_or_default();
        parts.push(escape(format!("{library} {version}").trim()).into_owned());
    }
    if let Some(model) = &chat.model {
        parts.push(format!("{} {}", language.select("model", "模型"), escape(model)));
    }
    parts.join(" · ")
}

fn question(page: &mut String, message: &MessageRecord, number: usize) {
    // Verbatim, with its lines.
    let text = escape(message.content.trim());
    page.push_str(&format!("<section class=\"question\" id=\"m{number}\">\n<h2>{text}</h2>\n</section>\n"));
}

fn answer(
    page: &mut String,
    message: &MessageRecord,
    number: usize,
    withholds: &dyn Fn(&MessageRecord, i32) -> bool,
    address: &str,
    language: Language,
) {
    let cite = |source: i32| {
        let exists = message.sources.iter().any(|known| known.number == source);
        exists.then(|| format!("#m{number}s{source}"))
    };
    let text = markup::answer::render(&message.content, &cite);
    page.push_str(&format!("<section class=\"answer\" id=\"m{number}\">\n{text}"));
    if message.status != MessageStatus::Complete {
        let notice = match message.status {
            MessageStatus::Stopped => language.select("This answer was stopped.", "此回答已被停止。"),
            MessageStatus::Failed => language.select("This question was not answered.", "此问题未得到回答。"),
            _ => language.select("This answer broke off.", "此回答中断了。"),
        };
        page.push_str(&format!("<p class=\"notice\">{notice}</p>\n"));
    }
    if let Some(verdict) = &message.verdict {
        let label = if verdict.verdict == "good" {
            language.select("Marked as good", "已标为正确")
        } else {
            language.select("Marked as wrong", "已标为错误")
        };
        let words: Vec<&str> = [verdict.reason.as_str(), verdict.correction.as_str()]
            .into_iter()
            .filter(|words| !words.is_empty())
            .collect();
        let colon = if words.is_empty() { "" } else { ": " };
        page.push_str(&format!("<p class=\"notice\">{label}{colon}{}</p>\n", escape(&words.join("; "))));
    }
    if !message.sources.is_empty() {
        let heading = language.select("Sources", "来源");
        page.push_str(&format!("<h3 class=\"sources\">{heading}</h3>\n<ol class=\"sources\">\n"));
        for source in &message.sources {
            if withholds(message, source.number) {
                withheld_item(page, source, number, language);
            } else {
                source_item(page, source, number, address, language);
            }
        }
        page.push_str("</ol>\n");
    }
    page.push_str("</section>\n");
}

fn withheld_item(page: &mut String, source: &Source, number: usize, language: Language) {
    let text = language.select(
        "This passage is left out: it is from a library that you cannot read. Its owners can give you access.",
        "此段未显示：它来自您无权阅读的文库。可请该文库的所有者授权。",
    );
    page.push_str(&format!(
        "<li id=\"m{number}s{0}\" value=\"{0}\">\n<p class=\"notice\">{text}</p>\n</li>\n",
        source.number
    ));
}

fn source_item(page: &mut String, source: &Source, number: usize, address: &str, language: Language) {
    page.push_str(&format!(
        "<li id=\"m{number}s{}\" value=\"{}\">\n<p><strong>{}</strong>",
        source.number,
        source.number,
        escape(&source.title)
    ));
    for part in origin(source) {
        page.push_str(&format!(" · {}", escape(&part)));
    }
    match (source.passage_id, source_url(source, address)) {
        // Only URLs of this server become links.
        (Some(_), Some(url)) => {
            let open = language.select("open the passage", "打开此段");
            page.push_str(&format!(" · <a href=\"{}\" rel=\"noreferrer\">{open}</a>", escape(&url)));
        }
        (None, Some(url)) => page.push_str(&format!(" · {}", escape(&url))),
        _ => {}
    }
    page.push_str("</p>\n");
    if let Some(reason) = &source.instruction {
        let label = language.select("Reads like an instruction to an agent", "读起来像是给智能体的指令");
        page.push_str(&format!("<p class=\"notice\">{label}: {}</p>\n", escape(reason)));
    }
    page.push_str(&format!(
        "<blockquote><pre tabindex=\"0\">{}</pre></blockquote>\n</li>\n",
        escape(&source.content)
    ));
}

fn time(at: DateTime<Utc>) -> String {
    let machine = at.to_rfc3339_opts(chrono::SecondsFormat::Secs, true);
    format!("<time datetime=\"{machine}\">{}</time>", at.format("%Y-%m-%d %H:%M UTC"))
}
