//! Answers that no model writes: the passages themselves, or that there are none. In the language of the question.

use library::budget;

use super::prompt::{given, place};
use crate::models::client::Failure;
use crate::source::Source;

/// Passages that are shown.
const MOST: usize = 4;
/// Tokens of each.
const TOKENS: usize = 400;

/// Whether a question is Chinese.
fn is_chinese(question: &str) -> bool {
    question.chars().any(|character| ('\u{2e80}'..='\u{9fff}').contains(&character))
}

/// The passages themselves, quoted and cited, and why they stand in for an answer.
pub(crate) fn passages(question: &str, sources: &[Source], failure: Option<&Failure>) -> String {
    let chinese = is_chinese(question);
    let mut text = match failure {
        None if chinese => "没有配置语言模型，以下是找到的原文：".to_owned(),
        None => "No language model is set up. These passages were found:".to_owned(),
        Some(failure) if chinese => format!("语言模型没有回答（{failure}）。以下是找到的原文："),
        Some(failure) => format!("The language model did not answer: {failure}. These passages were found:"),
    };
    for source in sources.iter().take(MOST) {
        let (quoted, _) = budget::shorten(given(source), TOKENS, budget::tokens);
        let fence = budget::fence_around(&quoted);
        let end = if quoted.ends_with('\n') { "" } else { "\n" };
        // Whatever is in a title, it stays one line of code.
        let place = place(source).replace('`', "'");
        text.push_str(&format!("\n\n[{}] `{place}`\n\n{fence}markdown\n{quoted}{end}{fence}", source.number));
    }
    text
}

/// The numbers that [`passages`] shows.
pub(crate) fn shown(sources: &[Source]) -> Vec<i32> {
    sources.iter().take(MOST).map(|source| source.number).collect()
}

/// That nothing was found, and what lies nearest.
pub(crate) fn nothing(question: &str, searched: Option<&str>, nearest: &[Source]) -> String {
    let chinese = is_chinese(question);
    let mut text = match (chinese, searched) {
        (true, Some(place)) => format!("在 `{place}` 中没有找到相关内容。换一种问法，或换一个文库再问。"),
        (true, None) => "没有找到相关内容。换一种问法再问。".to_owned(),
        (false, Some(place)) => {
            format!("Nothing relevant was found in `{place}`. Ask in other words, or ask another library.")
        }
        (false, None) => "Nothing relevant was found. Ask in other words.".to_owned(),
    };
    if !nearest.is_empty() {
        text.push_str(if chinese { "最接近的段落：\n" } else { " The nearest passages are:\n" });
        for source in nearest {
            text.push_str(&format!("\n- `{}`", place(source).replace('`', "'")));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passages_are_quoted_so_that_nothing_in_them_is_rendered() {
        let content = "![x](http://evil.example)\n```\ncode\n```".to_owned();
        let source =
            Source { number: 1, title: "A `b`".to_owned(), character_to: 100, content, ..Source::default() };
        let text = passages("How?", &[source], None);
        assert!(
            text.contains("[1] `| A 'b'`\n\n````markdown\n![x](http://evil.example)\n```\ncode\n```\n````"),
            "{text}"
        );
        assert!(nothing("限流？", None, &[]).starts_with("没有"));
    }
}
