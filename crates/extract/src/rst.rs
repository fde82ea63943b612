//! Reader for reStructuredText: converts sections, directives, literal blocks and tables to Markdown.
//!
//! Parses by lines and indentation. Comments, tables of contents and page settings are dropped; an unknown directive
//! keeps its arguments and its body, because most of them contain text.

mod definitions;
mod directive;
mod inline;
mod table;

use std::collections::HashMap;

use crate::builder::DocumentBuilder;
use crate::keywords::{is_identifier, normalize};
use crate::marks;
use crate::model::{Error, Limits, ParsedDocument};
use definitions::Definitions;

/// Maximum nesting of directives that is parsed; deeper content is kept as plain text.
const MAX_DEPTH: usize = 24;

/// Maximum number of keywords collected from one paragraph.
const MAX_PARAGRAPH_KEYWORDS: usize = 64;

/// Reads a reStructuredText document.
pub(crate) fn read(source: &str, limits: &Limits) -> Result<ParsedDocument, Error> {
    let expanded = source.contains('\t').then(|| expand_tabs(source));
    let source = expanded.as_deref().unwrap_or(source);
    if source.len() > limits.text_bytes {
        return Err(Error::TooLarge { unit: "bytes of text", limit: limits.text_bytes });
    }
    let lines: Vec<&str> = source.lines().map(str::trim_end).collect();
    let mut reader = Reader {
        definitions: Definitions::collect(&lines),
        builder: DocumentBuilder::new(limits),
        levels: HashMap::new(),
        label: None,
        in_list: false,
        code_language: String::new(),
    };
    reader.blocks(&lines, 0)?;
    reader.builder.finish()
}

struct Reader {
    definitions: Definitions,
    builder: DocumentBuilder,
    /// Level of each heading style (character, whether it has an overline), in the order of first use.
    levels: HashMap<(u8, bool), u8>,
    /// Last target (`.. _name:`), which is the anchor of the next block.
    label: Option<String>,
    in_list: bool,
    /// Language set by `.. highlight::`.
    code_language: String,
}

impl Reader {
    /// Converts inline markup to Markdown.
    fn convert(&self, text: &str) -> String {
        inline::convert(text, &self.definitions)
    }

    fn blocks(&mut self, lines: &[&str], depth: usize) -> Result<(), Error> {
        let mut at = 0;
        while at < lines.len() {
            let line = lines[at];
            let rest = &lines[at..];
            if line.is_empty() || is_transition(rest) {
                at += 1;
            } else if let Some((title, style, height)) = parse_heading(rest) {
                let next_level = u8::try_from(self.levels.len() + 1).unwrap_or(6).min(6);
                let level = *self.levels.entry(style).or_insert(next_level);
                let title = plain_title(&marks::without(&inline::convert(title, &self.definitions)));
                if level == 1 {
                    self.builder.set_title(&title);
                }
                let label = self.label.take();
                if label.is_some() {
                    self.builder.mark(&marks::anchor(&section_id(&title)));
                }
                let anchor = label.or_else(|| Some(section_id(&title)));
                self.builder.heading(level, &title, anchor.as_deref())?;
                self.in_list = false;
                at += height;
            } else if let Some((rows, height)) = table::parse(rest) {
                self.table(&rows, None)?;
                at += height;
            } else if is_drawn(line) {
                // A table whose borders do not close.
                let height = rest.iter().take_while(|line| !line.is_empty()).count();
                self.builder.code("", &dedent(&rest[..height]).join("\n"), None)?;
                at += height;
            } else if line.trim_start().starts_with(".. ") || line.trim_start() == ".." {
                at += self.explicit_markup(rest, depth)?;
            } else if line.trim_start().starts_with("__ ") && line.trim_start().contains("://") {
                // The address of an anonymous reference.
                at += 1;
            } else if let Some(height) = self.field_list(rest, depth)? {
                at += height;
            } else {
                at += self.paragraph(rest)?;
            }
        }
        Ok(())
    }

    /// Writes a table, with the inline markup of its cells converted.
    fn table(&mut self, rows: &[Vec<String>], anchor: Option<&str>) -> Result<(), Error> {
        let convert = |cell: &String| inline::convert(cell, &self.definitions);
        let rows: Vec<Vec<String>> = rows.iter().map(|row| row.iter().map(convert).collect()).collect();
        let label = self.label.take();
        self.builder.table(&rows, anchor.or(label.as_deref()))
    }

    /// Reads explicit markup: a directive, target, footnote or comment. Returns the number of lines taken.
    fn explicit_markup(&mut self, lines: &[&str], depth: usize) -> Result<usize, Error> {
        let indent = indentation(lines[0]);
        let head = lines[0].trim_start().trim_start_matches("..").trim_start();
        // An empty comment does not take the lines below it.
        if head.is_empty() && lines.get(1).is_none_or(|line| line.is_empty()) {
            return Ok(1);
        }
        let body_end = body_end(lines, indent);
        let body = &lines[1..body_end];
        if let Some(target) = head.strip_prefix('_') {
            let name = match target.strip_prefix('`') {
                Some(quoted) => quoted.split('`').next().unwrap_or_default(),
                None => target.split(':').next().unwrap_or_default(),
            };
            if target.ends_with(':') && !name.is_empty() && !name.starts_with('_') {
                // Several labels can stand before one block.
                if let Some(label) = self.label.replace(section_id(name)) {
                    self.builder.mark(&marks::anchor(&label));
                }
            }
        } else if head.starts_with('|') {
            // A substitution was collected before.
        } else if head.starts_with('[') {
            let mut text = self.convert(head);
            let first = body.iter().take_while(|line| !line.is_empty()).count();
            for line in &body[..first] {
                text.push('\n');
                text.push_str(&self.convert(line.trim_start()));
            }
            self.builder.text(&text, None)?;
            self.nested(&dedent(&body[first..]), depth)?;
        } else if let Some((name, argument)) = head.split_once("::")
            && !name.is_empty()
            && !name.trim_end().contains(char::is_whitespace)
        {
            self.directive(name.trim_end(), argument.trim(), body, depth)?;
        }
        Ok(body_end)
    }

    /// Reads a field list: `:name: text`. Returns the number of lines taken, or `None` if there is none.
    fn field_list(&mut self, lines: &[&str], depth: usize) -> Result<Option<usize>, Error> {
        let indent = indentation(lines[0]);
        let mut at = 0;
        let mut pending = String::new();
        while at < lines.len() && indentation(lines[at]) == indent {
            let Some((name, value)) = parse_field(lines[at].trim_start()) else { break };
            let end = at + body_end(&lines[at..], indent);
            let first = lines[at + 1..end].iter().take_while(|line| !line.is_empty()).count();
            // Settings of Sphinx at the top of a file.
            if self.builder.is_empty() && is_page_setting(name) {
                at = end;
                continue;
            }
            let mut item = format!("- **{}:**", self.convert(name));
            if !value.is_empty() {
                item.push(' ');
                item.push_str(&self.convert(value));
            }
            // A value of several blocks is read like any body.
            let is_simple = lines[at + 1 + first..end].iter().all(|line| line.is_empty())
                && !lines[at + 1..end].iter().any(|line| line.ends_with("::") || is_item(line.trim_start()));
            if is_simple {
                for line in &lines[at + 1..at + 1 + first] {
                    item.push_str("\n  ");
                    item.push_str(&self.convert(line.trim_start()));
                }
            }
            pending.push_str(if pending.is_empty() { "" } else { "\n" });
            pending.push_str(&item);
            if !is_simple {
                let label = self.label.take();
                self.builder.text(&std::mem::take(&mut pending), label.as_deref())?;
                self.nested(&dedent(&lines[at + 1..end]), depth)?;
            }
            at = end;
        }
        let label = if pending.is_empty() { None } else { self.label.take() };
        self.builder.text(&pending, label.as_deref())?;
        Ok((at > 0).then_some(at))
    }

    /// Reads a paragraph or list item, and the literal block that it may introduce. Returns the number of lines taken.
    fn paragraph(&mut self, lines: &[&str]) -> Result<usize, Error> {
        let indent = indentation(lines[0]);
        let first = lines[0].trim_start();
        let is_item = is_item(first);
        let is_line_block = first == "|" || first.starts_with("| ");
        let mut end = 1;
        while end < lines.len() && !lines[end].is_empty() && !lines[end].trim_start().starts_with(".. ") {
            if parse_heading(&lines[end..]).is_some() && indentation(lines[end]) == 0 && lines[end].len() > 3
                || lines[end].trim_start().starts_with("__ ") && lines[end].contains("://")
            {
                break;
            }
            end += 1;
        }
        let paragraph = &lines[..end];
        self.in_list = is_item || (self.in_list && indent > 0);
        let introduces_code = paragraph[end - 1].ends_with("::");
        let mut text = String::new();
        if first.starts_with(">>> ") {
            self.builder.code("pycon", &dedent(paragraph).join("\n"), None)?;
            return Ok(end);
        }
        // A term and its definition, which is indented.
        let is_term = !is_item
            && !is_line_block
            && end > 1
            && indentation(paragraph[1]) > indent
            && !first.starts_with(['-', '/', '*'])
            && !is_enumerated(first)
            && !first.ends_with("::");
        for (number, line) in paragraph.iter().enumerate() {
            let kept_indent = if self.in_list {
                indentation(line)
            } else if is_term {
                0
            } else {
                indentation(line).saturating_sub(indent).min(3)
            };
            if number > 0 {
                text.push('\n');
            }
            if number == 1 && is_term {
                text.push('\n');
            }
            text.push_str(&" ".repeat(kept_indent));
            let line = line.trim_start();
            let line =
                if is_line_block { line.strip_prefix('|').map_or(line, str::trim_start) } else { line };
            if number == 0 && is_term && !line.contains(['*', '`', '_', '|']) {
                text.push_str("**");
                text.push_str(line);
                text.push_str("**");
            } else {
                text.push_str(line);
            }
        }
        if introduces_code {
            text.truncate(text.len() - if text.ends_with(" ::") { 3 } else { 1 });
            let rest = text.trim_end_matches(':').len();
            if text[..rest].trim().is_empty() {
                text.clear();
            }
        }
        let text = self.convert(&text.replace("\n#. ", "\n1. "));
        let mut keywords: Vec<String> = text
            .split('`')
            .skip(1)
            .step_by(2)
            .filter(|code| is_identifier(code))
            .take(MAX_PARAGRAPH_KEYWORDS)
            .map(str::to_owned)
            .collect();
        normalize(&mut keywords);
        let label = self.label.take();
        let text = text.strip_prefix("#. ").map_or(text.clone(), |rest| format!("1. {rest}"));
        self.builder.text_with_keywords(&text, label.as_deref(), keywords)?;
        if !introduces_code {
            return Ok(end);
        }
        // The text of an item is indented more than its marker.
        let base =
            if is_item && end == 1 { indent + marker_width(first) } else { indentation(lines[end - 1]) };
        let start = end + lines[end..].iter().take_while(|line| line.is_empty()).count();
        let Some(code_line) = lines.get(start) else { return Ok(end) };
        let length = if indentation(code_line) > base {
            lines[start..].iter().take_while(|line| line.is_empty() || indentation(line) > base).count()
        } else if let Some(quote) = code_line.trim_start().bytes().next().filter(u8::is_ascii_punctuation)
            && indentation(code_line) == base
            && !code_line.starts_with("..")
        {
            // A quoted literal block: each line begins with the same sign.
            let is_quoted = |line: &&&str| line.trim_start().as_bytes().first() == Some(&quote);
            lines[start..].iter().take_while(is_quoted).count()
        } else {
            return Ok(end);
        };
        let code = dedent(&lines[start..start + length]);
        let language = self.code_language.clone();
        self.builder.code(&language, &code.join("\n"), None)?;
        Ok(start + length)
    }
}

/// Parses a heading: its title, its style (character, whether it has an overline) and the number of lines it takes.
fn parse_heading<'l>(lines: &[&'l str]) -> Option<(&'l str, (u8, bool), usize)> {
    if let (Some(over), Some(title), Some(under)) = (lines.first(), lines.get(1), lines.get(2))
        && let Some(mark) = rule_character(over)
        && over == under
        && !title.trim().is_empty()
        && rule_character(title).is_none()
    {
        return Some((title.trim(), (mark, true), 3));
    }
    let (title, under) = (lines.first()?, lines.get(1)?);
    let mark = rule_character(under)?;
    let is_title = !title.is_empty() && !title.starts_with(' ') && rule_character(title).is_none();
    // An underline shorter than the title is more likely a transition or a table.
    let width: usize = title.chars().map(|character| if character < '\u{2e80}' { 1 } else { 2 }).sum();
    (is_title && under.len() + 1 >= width.min(title.chars().count() + 1) && (under.len() >= 3 || width <= 3))
        .then_some((title.trim(), (mark, false), 2))
}

/// Whether a line between blank ones is a transition: a rule without a title.
fn is_transition(lines: &[&str]) -> bool {
    lines[0].len() >= 4
        && rule_character(lines[0]).is_some()
        && lines.get(1).is_none_or(|next| next.is_empty())
}

/// Whether a line is the upper border of a grid table.
fn is_drawn(line: &str) -> bool {
    let line = line.trim_start();
    line.starts_with("+-") && line.ends_with('+') && line.bytes().all(|byte| matches!(byte, b'+' | b'-'))
}

/// Parses the first line of a field: its name and the beginning of its value.
fn parse_field(line: &str) -> Option<(&str, &str)> {
    let (name, value) = line
        .strip_prefix(':')?
        .split_once(": ")
        .or_else(|| Some((line.strip_prefix(':')?.strip_suffix(':')?, "")))?;
    let is_name =
        !name.is_empty() && !name.starts_with([' ', ':']) && !name.ends_with(' ') && !name.contains('`');
    is_name.then(|| (name, value.trim()))
}

/// Whether a field is a setting of Sphinx for the file.
fn is_page_setting(name: &str) -> bool {
    matches!(
        name,
        "orphan"
            | "tocdepth"
            | "nocomments"
            | "nosearch"
            | "no-search"
            | "template"
            | "hide-toc"
            | "html_theme.sidebar_secondary.remove"
    )
}

/// Returns the text of a heading without the markup of code and emphasis.
fn plain_title(title: &str) -> String {
    let title = title.replace("\\`", "'").replace('`', "");
    let is_paired = !title.contains("\\*") && title.matches('*').count().is_multiple_of(2);
    let mut plain = String::with_capacity(title.len());
    for (number, word) in title.split(' ').enumerate() {
        if number > 0 {
            plain.push(' ');
        }
        let inner = word.trim_matches('*');
        // `*args` and `2 * 3` keep their asterisks.
        let is_emphasis = !inner.is_empty() && (word.starts_with('*') && word.ends_with('*') || is_paired);
        plain.push_str(if is_emphasis { inner } else { word });
    }
    for sign in ['*', '_', '|', '`'] {
        plain = plain.replace(&format!("\\{sign}"), &sign.to_string());
    }
    plain
}

/// Replaces tabs by spaces up to the next multiple of eight columns.
fn expand_tabs(source: &str) -> String {
    let mut expanded = String::with_capacity(source.len() + 64);
    let mut column = 0;
    for character in source.chars() {
        match character {
            '\t' => {
                let width = 8 - column % 8;
                expanded.push_str(&"        "[..width]);
                column += width;
            }
            '\n' => {
                expanded.push(character);
                column = 0;
            }
            _ => {
                expanded.push(character);
                column += 1;
            }
        }
    }
    expanded
}

/// Returns the character of a line that consists of one repeated punctuation character.
fn rule_character(line: &str) -> Option<u8> {
    let first = *line.as_bytes().first().filter(|byte| byte.is_ascii_punctuation())?;
    (line.len() >= 2 && line.bytes().all(|byte| byte == first)).then_some(first)
}

/// Returns the end of a directive: its first line and the lines indented more.
fn body_end(lines: &[&str], indent: usize) -> usize {
    let mut end = 1;
    for (number, line) in lines.iter().enumerate().skip(1) {
        if line.is_empty() {
            continue;
        }
        if indentation(line) <= indent {
            break;
        }
        end = number + 1;
    }
    end
}

fn indentation(line: &str) -> usize {
    // Deeply nested directives make long indentations, which are skipped in pieces.
    const PIECE: &[u8] = &[b' '; 64];
    let mut rest = line.as_bytes();
    while let Some(after) = rest.strip_prefix(PIECE) {
        rest = after;
    }
    let spaces = rest.iter().take_while(|byte| matches!(**byte, b' ' | b'\t')).count();
    line.len() - rest.len() + spaces
}

/// Removes the common indentation of the lines.
fn dedent<'l>(lines: &[&'l str]) -> Vec<&'l str> {
    let common =
        lines.iter().filter(|line| !line.is_empty()).map(|line| indentation(line)).min().unwrap_or(0);
    lines.iter().map(|line| line.get(common..).unwrap_or_default()).collect()
}

/// Whether the line begins a list item.
fn is_item(line: &str) -> bool {
    if line.starts_with("- ") || line.starts_with("* ") || line.starts_with("+ ") || line.starts_with("#. ") {
        return true;
    }
    let digits = line.bytes().take(9).take_while(u8::is_ascii_digit).count();
    digits > 0
        && matches!(line.as_bytes().get(digits), Some(b'.' | b')'))
        && line.as_bytes().get(digits + 1) == Some(&b' ')
}

/// Whether the line begins with a letter or number in the style of a list: `a.`, `(1)`, `iv)`.
fn is_enumerated(line: &str) -> bool {
    let marker = line.split(' ').next().unwrap_or_default();
    let inner = marker.trim_start_matches('(').trim_end_matches(['.', ')']);
    inner.len() < marker.len()
        && inner.len() <= 4
        && !inner.is_empty()
        && inner.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// Returns the number of columns up to the text of a list item.
fn marker_width(item: &str) -> usize {
    item.split(' ').next().map_or(0, str::len) + 1
}

/// Returns the value of an option of a directive.
fn option<'l>(options: &[&'l str], name: &str) -> Option<&'l str> {
    options
        .iter()
        .find_map(|line| line.strip_prefix(':')?.strip_prefix(name)?.strip_prefix(':').map(str::trim))
}

/// Returns the `id` that docutils gives a section: words of ASCII letters and digits joined by dashes.
fn section_id(title: &str) -> String {
    let mut id = String::new();
    for character in title.chars().flat_map(char::to_lowercase) {
        if character.is_ascii_alphanumeric() {
            id.push(character);
        } else if !id.is_empty() && !id.ends_with('-') {
            id.push('-');
        }
    }
    id.trim_end_matches('-').to_owned()
}

#[cfg(test)]
mod tests {
    use super::read;
    use crate::model::Limits;

    #[test]
    fn sections_directives_and_roles_are_converted() {
        let source = "\
=====
Title
=====

See :func:`os.path.join` and :ref:`the guide <guide>`, ``raw`` or `site <https://x.org/>`_.

.. toctree::
   :maxdepth: 2

   a

.. _second:

Second
------

.. note::
   Be careful::

       rm -rf /

.. code-block:: python
   :linenos:

   def f():

       pass

=====  =====
A      B
=====  =====
1      two
       lines
=====  =====

.. a comment

* item one
  continued
* item two

.. function:: open(path)

   Opens it.
";
        let parsed = read(source, &Limits::default()).unwrap();
        assert_eq!(parsed.title.as_deref(), Some("Title"));
        let expected = "\
# Title

See `os.path.join` and the guide, `raw` or [site](https://x.org/).

## Second

**Note**

Be careful:

```
rm -rf /
```

```python
def f():

    pass
```

| A | B |
| --- | --- |
| 1 | two lines |

* item one
  continued
* item two

**`open(path)`**

Opens it.
";
        assert_eq!(parsed.text, expected);
        assert_eq!(parsed.blocks[2].anchor.as_deref(), Some("second"));
    }
}
