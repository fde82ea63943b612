//! Reader for reStructuredText: converts sections, directives, literal blocks and tables to Markdown.
//!
//! Parses by lines and indentation. Comments, tables of contents and page settings are dropped; an unknown directive
//! keeps its arguments and its body, because most of them contain text.

mod inline;
mod table;

use std::collections::HashMap;

use crate::builder::DocumentBuilder;
use crate::keywords::{is_identifier, normalize};
use crate::model::{Error, Limits, ParsedDocument};
use inline::convert;

/// Maximum nesting of directives that is parsed; deeper content is kept as plain text.
const MAX_DEPTH: usize = 24;

/// Maximum number of keywords collected from one paragraph.
const MAX_PARAGRAPH_KEYWORDS: usize = 64;

/// Reads a reStructuredText document.
pub(crate) fn read(source: &str, limits: &Limits) -> Result<ParsedDocument, Error> {
    let lines: Vec<&str> = source.lines().map(str::trim_end).collect();
    let mut reader = Reader {
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
    fn blocks(&mut self, lines: &[&str], depth: usize) -> Result<(), Error> {
        let mut at = 0;
        while at < lines.len() {
            let line = lines[at];
            if line.is_empty() {
                at += 1;
            } else if let Some((title, style, height)) = parse_heading(&lines[at..]) {
                let next_level = u8::try_from(self.levels.len() + 1).unwrap_or(6).min(6);
                let level = *self.levels.entry(style).or_insert(next_level);
                let title = convert(title).replace('`', "");
                if level == 1 {
                    self.builder.set_title(&title);
                }
                let label = self.label.take();
                let anchor = label.or_else(|| Some(section_id(&title)));
                self.builder.heading(level, &title, anchor.as_deref())?;
                self.in_list = false;
                at += height;
            } else if let Some((rows, height)) = table::parse(&lines[at..]) {
                let rows: Vec<Vec<String>> =
                    rows.iter().map(|row| row.iter().map(|cell| convert(cell)).collect()).collect();
                let label = self.label.take();
                self.builder.table(&rows, label.as_deref())?;
                at += height;
            } else if line.trim_start().starts_with(".. ") || line.trim_start() == ".." {
                at += self.explicit_markup(&lines[at..], depth)?;
            } else {
                at += self.paragraph(&lines[at..])?;
            }
        }
        Ok(())
    }

    /// Reads explicit markup: a directive, target, footnote or comment. Returns the number of lines taken.
    fn explicit_markup(&mut self, lines: &[&str], depth: usize) -> Result<usize, Error> {
        let indent = indentation(lines[0]);
        let body_end = body_end(lines, indent);
        let head = lines[0].trim_start().trim_start_matches("..").trim_start();
        let body = &lines[1..body_end];
        if let Some(target) = head.strip_prefix('_') {
            let name = target.split(':').next().unwrap_or_default().trim_matches('`');
            if target.ends_with(':') && !name.is_empty() {
                self.label = Some(section_id(name));
            }
        } else if head.starts_with('[') {
            let mut text = convert(head);
            for line in body {
                text.push('\n');
                text.push_str(&convert(line.trim_start()));
            }
            self.builder.text(&text, None)?;
        } else if let Some((name, argument)) = head.split_once("::")
            && !name.is_empty()
            && !name.contains(char::is_whitespace)
        {
            self.directive(name, argument.trim(), body, depth)?;
        }
        Ok(body_end)
    }

    fn directive(&mut self, name: &str, argument: &str, body: &[&str], depth: usize) -> Result<(), Error> {
        let body = dedent(body);
        // Options (`:linenos:`) are at the top of the body, up to a blank line or another line that is not an option.
        let option_count =
            body.iter().take_while(|line| line.starts_with(':') && line[1..].contains(':')).count();
        let (options, content) = body.split_at(option_count);
        let anchor = self.label.take();
        let base_name = name.rsplit(':').next().unwrap_or(name);
        match base_name {
            "code-block" | "code" | "sourcecode" | "parsed-literal" | "prompt" | "literalinclude"
            | "productionlist" | "math" | "testcode" | "doctest" | "testsetup" | "ipython" => {
                let language =
                    if base_name == "productionlist" || argument.contains(' ') { "" } else { argument };
                self.builder.code(language, &content.join("\n"), anchor.as_deref())
            }
            "highlight" => {
                argument.clone_into(&mut self.code_language);
                Ok(())
            }
            "toctree" | "contents" | "index" | "meta" | "currentmodule" | "module" | "include"
            | "sectnum" | "default-role" | "role" | "title" | "tags" | "raw" | "unicode" | "replace"
            | "ifconfig" => Ok(()),
            "image" | "figure" => {
                let caption = option(options, "alt").unwrap_or_default();
                self.builder.text(&convert(caption), anchor.as_deref())?;
                self.nested(content, depth)
            }
            "list-table" | "csv-table" | "table" => {
                self.builder.text(&convert(argument), None)?;
                let rows = match base_name {
                    "list-table" => table::parse_list_table(content),
                    "csv-table" => table::parse_csv_table(option(options, "header"), content),
                    _ => return self.nested(content, depth),
                };
                let rows: Vec<Vec<String>> =
                    rows.iter().map(|row| row.iter().map(|cell| convert(cell)).collect()).collect();
                self.builder.table(&rows, anchor.as_deref())
            }
            "function" | "method" | "class" | "exception" | "attribute" | "data" | "classmethod"
            | "staticmethod" | "decorator" | "macro" | "type" | "member" | "var" | "option" | "envvar"
            | "cmdoption" | "describe" | "object" | "module-function" | "property" | "autofunction"
            | "autoclass" | "automethod" | "confval" | "directive" => {
                let bare_name = argument.split(['(', ' ', '=']).next().unwrap_or_default();
                let mut keywords = vec![bare_name.to_owned()];
                keywords.retain(|name| !name.is_empty());
                self.builder.text_with_keywords(
                    &format!("**`{argument}`**"),
                    anchor.as_deref().or(Some(bare_name)),
                    keywords,
                )?;
                self.nested(content, depth)
            }
            _ => {
                let title = admonition_title(base_name).map(|title| format!("**{title}**"));
                let argument = convert(argument);
                let lead = match (title, argument.is_empty()) {
                    (Some(title), true) => title,
                    (Some(title), false) => format!("{title} {argument}"),
                    (None, _) => argument,
                };
                self.builder.text(&lead, anchor.as_deref())?;
                self.nested(content, depth)
            }
        }
    }

    /// Reads the body of a directive.
    fn nested(&mut self, content: &[&str], depth: usize) -> Result<(), Error> {
        self.in_list = false;
        if depth < MAX_DEPTH {
            self.blocks(content, depth + 1)
        } else {
            self.builder.text(&content.join("\n"), None)
        }
    }

    /// Reads a paragraph or list item, and the literal block that it may introduce. Returns the number of lines taken.
    fn paragraph(&mut self, lines: &[&str]) -> Result<usize, Error> {
        let mut end = 1;
        while end < lines.len() && !lines[end].is_empty() && !lines[end].trim_start().starts_with(".. ") {
            if parse_heading(&lines[end..]).is_some() && indentation(lines[end]) == 0 && lines[end].len() > 3
            {
                break;
            }
            end += 1;
        }
        let paragraph = &lines[..end];
        let first = paragraph[0].trim_start();
        let is_item = is_item(first);
        let indent = indentation(paragraph[0]);
        self.in_list = is_item || (self.in_list && indent > 0);
        let introduces_code = paragraph[end - 1].ends_with("::");
        let mut text = String::new();
        if first.starts_with(">>> ") {
            self.builder.code("pycon", &dedent(paragraph).join("\n"), None)?;
            return Ok(end);
        }
        for (number, line) in paragraph.iter().enumerate() {
            let kept_indent = if self.in_list {
                indentation(line)
            } else {
                indentation(line).saturating_sub(indent).min(3)
            };
            if number > 0 {
                text.push('\n');
            }
            text.push_str(&" ".repeat(kept_indent));
            text.push_str(line.trim_start());
        }
        if introduces_code {
            text.truncate(text.len() - if text.ends_with(" ::") { 3 } else { 1 });
            let rest = text.trim_end_matches(':').len();
            if text[..rest].trim().is_empty() {
                text.clear();
            }
        }
        let text = convert(&text.replace("\n#. ", "\n1. "));
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
        let start = end + lines[end..].iter().take_while(|line| line.is_empty()).count();
        if start >= lines.len() || indentation(lines[start]) <= indent {
            return Ok(end);
        }
        let length =
            lines[start..].iter().take_while(|line| line.is_empty() || indentation(line) > indent).count();
        let code = dedent(&lines[start..start + length]);
        self.builder.code(&self.code_language, &code.join("\n"), None)?;
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
    line.len() - line.trim_start_matches([' ', '\t']).len()
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

/// Returns the value of an option of a directive.
fn option<'l>(options: &[&'l str], name: &str) -> Option<&'l str> {
    options
        .iter()
        .find_map(|line| line.strip_prefix(':')?.strip_prefix(name)?.strip_prefix(':').map(str::trim))
}

/// Returns the title of a directive that is an admonition or a version note.
fn admonition_title(name: &str) -> Option<&'static str> {
    Some(match name {
        "note" => "Note",
        "tip" => "Tip",
        "hint" => "Hint",
        "warning" => "Warning",
        "caution" => "Caution",
        "danger" => "Danger",
        "important" => "Important",
        "attention" => "Attention",
        "error" => "Error",
        "seealso" => "See also",
        "deprecated" => "Deprecated since",
        "versionadded" => "New in",
        "versionchanged" => "Changed in",
        "versionremoved" => "Removed in",
        "todo" => "To do",
        _ => return None,
    })
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
