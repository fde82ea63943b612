//! Superscripts and subscripts as plain text: `2^10`, `H_2O`. A number above a word is the mark of a note.

/// Suffixes of ordinal numbers that are written as superscripts.
const ORDINAL_SUFFIXES: [&str; 12] = ["st", "nd", "rd", "th", "er", "re", "e", "ère", "ème", "nde", "o", "a"];

/// Maximum length of the name of a unit or variable that may have an exponent.
const MAX_UNIT_CHARS: usize = 3;

/// Appends a superscript to the text before it.
pub(crate) fn push_superscript(text: &mut String, script: &str) {
    let content = script.trim();
    let lead = &script[..script.len() - script.trim_start().len()];
    let last = text.chars().next_back();
    if content.is_empty() || !lead.is_empty() || last.is_none_or(char::is_whitespace) {
        text.push_str(script);
        return;
    }
    let is_mark = content
        .chars()
        .all(|character| !character.is_alphanumeric() && !matches!(character, '+' | '-' | '−'));
    let is_ordinal = last.is_some_and(|last| last.is_ascii_digit())
        && ORDINAL_SUFFIXES.contains(&content.to_lowercase().as_str());
    let is_trademark = matches!(content, "TM" | "SM" | "MC" | "(R)" | "(C)" | "MD");
    if is_mark || is_ordinal || is_trademark {
        text.push_str(script);
    } else if is_note_mark(text, content) {
        text.extend(["[", content, "]"]);
    } else {
        push_script(text, '^', content);
    }
    push_trailing_space(text, script);
}

/// Appends a subscript to the text before it.
pub(crate) fn push_subscript(text: &mut String, script: &str) {
    let content = script.trim();
    if content.is_empty() || text.chars().next_back().is_none_or(char::is_whitespace) {
        text.push_str(script);
        return;
    }
    push_script(text, '_', content);
    push_trailing_space(text, script);
}

fn push_trailing_space(text: &mut String, script: &str) {
    if script.ends_with(char::is_whitespace) && !text.ends_with(char::is_whitespace) {
        text.push(' ');
    }
}

/// Appends a script, in parentheses unless it is one number or name.
fn push_script(text: &mut String, sign: char, content: &str) {
    text.push(sign);
    if is_simple(content) {
        text.push_str(content);
    } else {
        text.extend(["(", content, ")"]);
    }
}

/// Whether a term needs no parentheses: a number or a name, with a sign before it.
pub(crate) fn is_simple(term: &str) -> bool {
    let unsigned = term.strip_prefix(['-', '−', '+']).unwrap_or(term);
    let mut characters = unsigned.chars();
    let is_one = characters.next().is_some() && characters.next().is_none();
    is_one
        || term.is_empty()
        || (!unsigned.is_empty()
            && unsigned.chars().all(|character| character.is_alphanumeric() || matches!(character, '.' | '′' | '*')))
        // Charges of ions: 2+, 3−.
        || unsigned.strip_suffix(['+', '-', '−']).is_some_and(|number| number.chars().all(|digit| digit.is_ascii_digit()))
}

/// Whether a superscript is the mark of a note and no exponent: a number above a word, a year or a full stop.
fn is_note_mark(text: &str, content: &str) -> bool {
    let is_number =
        content.chars().all(|character| character.is_ascii_digit() || matches!(character, ',' | ' ' | '–'));
    if !is_number {
        return false;
    }
    let word_start = text
        .rfind(|character: char| !character.is_alphanumeric())
        .map_or(0, |at| at + text[at..].chars().next().map_or(1, char::len_utf8));
    let word = &text[word_start..];
    let Some(last) = text.chars().next_back() else { return true };
    if last.is_ascii_digit() {
        let is_year =
            word.len() == 4 && (word.starts_with("19") || word.starts_with("20")) && content.len() == 1;
        return is_year || content.contains(',');
    }
    if last >= '\u{2e80}' {
        return !matches!(last, '米' | '秒' | 'ｍ' | '\u{3380}'..='\u{33df}');
    }
    // `x)^2`, `|x|^2`, but a note after a full stop or a quotation.
    if !last.is_alphanumeric() {
        return !matches!(last, ')' | ']' | '|' | '}' | '′');
    }
    let letters = word.trim_start_matches(|character: char| character.is_ascii_digit());
    letters.chars().count() > MAX_UNIT_CHARS
}

#[cfg(test)]
mod tests {
    use super::*;

    fn superscript(text: &str, script: &str) -> String {
        let mut text = text.to_owned();
        push_superscript(&mut text, script);
        text
    }

    #[test]
    fn exponents_are_told_from_marks() {
        for (text, script, expected) in [
            ("at 2", "10", "at 2^10"),
            ("holds 10", "-6", "holds 10^-6"),
            ("10", "−3", "10^−3"),
            ("v", "2", "v^2"),
            ("5 cm", "2", "5 cm^2"),
            ("m s", "-1", "m s^-1"),
            ("(a+b)", "n", "(a+b)^n"),
            ("e", "i x", "e^(i x)"),
            ("e", "x+1", "e^(x+1)"),
            ("Ca", "2+", "Ca^2+"),
            ("平方米", "2", "平方米^2"),
            ("see note", "4", "see note[4]"),
            ("the end.", "12", "the end.[12]"),
            ("in 2019", "3", "in 2019[3]"),
            ("如上所述", "1", "如上所述[1]"),
            ("the 1", "st", "the 1st"),
            ("Name", "TM", "NameTM"),
            ("word", "*", "word*"),
            ("word ", "3", "word 3"),
            ("x", "2 ", "x^2 "),
        ] {
            assert_eq!(superscript(text, script), expected);
        }
    }

    #[test]
    fn subscripts_are_kept() {
        for (text, script, expected) in
            [("H", "2", "H_2"), ("x", "i+1", "x_(i+1)"), ("U", "max", "U_max"), ("a ", "b", "a b")]
        {
            let mut text = text.to_owned();
            push_subscript(&mut text, script);
            assert_eq!(text, expected);
        }
    }
}
