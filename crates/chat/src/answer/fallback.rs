//! Answers without a model: the passages themselves, or that none was found. Written in the language of the question.

use library::budget;

use super::prompt::{excerpt, origin};
use crate::models::client::ModelError;
use crate::source::Source;

/// Maximum number of passages quoted.
const MAX_PASSAGES: usize = 4;
/// Maximum length of a quoted passage, in tokens.
const MAX_PASSAGE_TOKENS: usize = 400;

/// Whether a question contains Chinese characters.
fn is_chinese(question: &str) -> bool {
    question.chars().any(|character| ('\u{2e80}'..='\u{9fff}').contains(&character))
}

/// Quotes and cites the passages, and says why they replace an answer.
pub(crate) fn passages(question: &str, sources: &[Source], failure: Option<&ModelError>) -> String {
    let chinese = is_chinese(question);
    let mut text = match failure {
        None if chinese => "没有配置语言模型，以下是找到的原文：".to_owned(),
        None => "No language model is set up. These passages were found:".to_owned(),
        Some(failure) if chinese => format!("语言模型没有回答（{failure}）。以下是找到的原文："),
        Some(failure) => format!("The language model did not answer: {failure}. These passages were found:"),
    };
    for source in sources.iter().take(MAX_PASSAGES) {
        let (quoted, _) = budget::shorten(excerpt(source), MAX_PASSAGE_TOKENS, budget::tokens);
        let fence = budget::fence_around(&quoted);
        let end = if quoted.ends_with('\n') { "" } else { "\n" };
        // Without backticks a title stays one span of code.
        let origin = origin(source).replace('`', "'");
        text.push_str(&format!(
            "\n\n[{}] `{origin}`\n\n{fence}markdown\n{quoted}{end}{fence}",
            source.number
        ));
    }
    text
}

/// Returns the numbers of the sources that [`passages`] quotes.
pub(crate) fn quoted_numbers(sources: &[Source]) -> Vec<i32> {
    sources.iter().take(MAX_PASSAGES).map(|source| source.number).collect()
}

/// Says that nothing was found, and names the closest passages.
pub(crate) fn nothing_found(question: &str, searched: Option<&str>, nearest: &[Source]) -> String {
    let chinese = is_chinese(question);
    let mut text = match (chinese, searched) {
        (true, Some(scope)) => format!("在 `{scope}` 中没有找到相关内容。换一种问法，或换一个文库再问。"),
        (true, None) => "没有找到相关内容。换一种问法再问。".to_owned(),
        (false, Some(scope)) => {
            format!("Nothing relevant was found in `{scope}`. Ask in other words, or ask another library.")
        }
        (false, None) => "Nothing relevant was found. Ask in other words.".to_owned(),
    };
    if !nearest.is_empty() {
        text.push_str(if chinese { "最接近的段落：\n" } else { " The nearest passages are:\n" });
        for source in nearest {
            text.push_str(&format!("\n- `{}`", origin(source).replace('`', "'")));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quoted_passages_are_never_rendered() {
        let content = "![x](http://evil.example)\n```\ncode\n```".to_owned();
        let source =
            Source { number: 1, title: "A `b`".to_owned(), character_to: 100, content, ..Source::default() };
        let text = passages("How?", &[source], None);
        assert!(
            text.contains("[1] `| A 'b'`\n\n````markdown\n![x](http://evil.example)\n```\ncode\n```\n````"),
            "{text}"
        );
        assert!(nothing_found("限流？", None, &[]).starts_with("没有"));
    }
}
