//! Directives: code, tables, descriptions of names, notes, and bodies of text.

use super::{MAX_DEPTH, Reader, dedent, indentation, inline, option, parse_field, table};
use crate::marks;
use crate::model::{Error, ReferenceKind};

/// Maximum number of signatures of one description.
const MAX_SIGNATURES: usize = 64;

impl Reader {
    /// Reads a picture: its description, which refers to its address.
    fn picture(&mut self, address: &str, options: &[&str], anchor: Option<&str>) -> Result<(), Error> {
        let alt_text = self.convert(option(options, "alt").unwrap_or_default());
        let begin = marks::begin(ReferenceKind::Picture, &address.replace('\n', ""));
        let text = if begin.is_empty() { alt_text } else { format!("{begin}{alt_text}{}", marks::end()) };
        self.builder.text(&text, anchor)
    }

    /// Reads a directive.
    pub(super) fn directive(
        &mut self,
        name: &str,
        argument: &str,
        body: &[&str],
        depth: usize,
    ) -> Result<(), Error> {
        let base_name = name.rsplit(':').next().unwrap_or(name);
        let body = dedent(body);
        // Lines directly below the first continue its argument, up to the options (`:linenos:`) or a blank line.
        let continued = if is_code(base_name) {
            0
        } else {
            body.iter().take_while(|line| !line.is_empty() && parse_field(line).is_none()).count()
        };
        let (continued, rest) = body.split_at(continued);
        let option_count = option_lines(rest);
        let (options, content) = rest.split_at(option_count);
        let anchor = option(options, "name").map(super::section_id).or_else(|| self.label.take());
        let anchor = anchor.as_deref();
        match base_name {
            _ if is_code(base_name) => self.code_directive(base_name, argument, options, content, anchor),
            "math" => {
                let lines =
                    [argument].into_iter().chain(continued.iter().copied()).chain(content.iter().copied());
                let formula: Vec<&str> = lines.map(str::trim).filter(|line| !line.is_empty()).collect();
                if formula.is_empty() {
                    return Ok(());
                }
                self.builder.text(&format!("$$\n{}\n$$", formula.join("\n")), anchor)
            }
            "highlight" | "highlightlang" => {
                let language = if matches!(argument, "none" | "default" | "text") { "" } else { argument };
                language.clone_into(&mut self.code_language);
                Ok(())
            }
            "meta" => self.meta(&body, anchor),
            "toctree" | "contents" | "index" | "currentmodule" | "module" | "include" | "sectnum"
            | "default-role" | "role" | "title" | "tags" | "raw" | "unicode" | "replace" | "date"
            | "default-domain" | "header" | "footer" | "tabularcolumns" | "program" | "sectionauthor"
            | "moduleauthor" | "codeauthor" | "target-notes" | "figlist" | "testsetup" | "testcleanup" => {
                Ok(())
            }
            // Conditions and classes are not text, the body is.
            "container" | "only" | "ifconfig" | "rst-class" | "cssclass" | "compound" | "tabs"
            | "tab-set" | "grid" | "hlist" => self.nested(&body_lines(continued, content), depth),
            // In docutils it names a style, in Sphinx a class of Python.
            "class"
                if name == "class"
                    && is_style(argument)
                    && (content.is_empty() || argument.contains('-')) =>
            {
                self.nested(&body_lines(continued, content), depth)
            }
            "image" | "figure" => {
                self.picture(&joined(argument, continued), options, anchor)?;
                self.nested(content, depth)
            }
            "list-table" | "csv-table" | "table" => {
                let has_title = !argument.is_empty();
                let rest = body_lines(if has_title { &[] } else { continued }, content);
                let title = if has_title { joined(argument, continued) } else { String::new() };
                self.builder.text(&self.convert(&title), None)?;
                if base_name == "table" {
                    return self.nested(&rest, depth);
                }
                self.table(&table_rows(base_name, options, &rest), anchor)
            }
            _ if is_description(base_name) => self.description(argument, continued, content, anchor, depth),
            // The argument is a name that readers see.
            "tab" | "tab-item" | "dropdown" | "rubric" | "topic" | "sidebar" | "admonition" | "group-tab"
            | "code-tab" | "card" | "grid-item-card" | "centered" => {
                let title = self.convert(argument);
                let title =
                    if title.is_empty() || title.contains("**") { title } else { format!("**{title}**") };
                self.builder.text(&title, anchor)?;
                if base_name == "code-tab" {
                    return self.builder.code(
                        argument.split(' ').next().unwrap_or_default(),
                        &content.join("\n"),
                        None,
                    );
                }
                self.nested(&body_lines(continued, content), depth)
            }
            _ => {
                let lines = body_lines(continued, content);
                match admonition_title(base_name) {
                    // The argument is the beginning of the text.
                    Some(title)
                        if !base_name.starts_with("version") && !base_name.starts_with("deprecated") =>
                    {
                        self.builder.text(&format!("**{title}**"), anchor)?;
                        let first = Some(argument).filter(|argument| !argument.is_empty());
                        let lines: Vec<&str> = first.into_iter().chain(lines).collect();
                        self.nested(&lines, depth)
                    }
                    title => {
                        let is_simple = !is_body(continued);
                        let text = if is_simple { joined(argument, continued) } else { argument.to_owned() };
                        let title = title.map(|title| format!("**{title}** ")).unwrap_or_default();
                        let text = format!("{title}{}", self.convert(&text));
                        self.builder.text(text.trim_end(), anchor)?;
                        self.nested(if is_simple { content } else { &lines }, depth)
                    }
                }
            }
        }
    }

    /// Writes the description of the page, which search engines show.
    fn meta(&mut self, body: &[&str], anchor: Option<&str>) -> Result<(), Error> {
        let fields = body.iter().filter_map(|line| parse_field(line));
        let text: Vec<String> = fields
            .filter(|(name, _)| name.starts_with("description") || name.starts_with("keywords"))
            .map(|(_, value)| self.convert(value))
            .collect();
        self.builder.text(&text.join("\n\n"), anchor)
    }

    fn code_directive(
        &mut self,
        name: &str,
        argument: &str,
        options: &[&str],
        content: &[&str],
        anchor: Option<&str>,
    ) -> Result<(), Error> {
        if let Some(caption) = option(options, "caption") {
            self.builder.text(&self.convert(caption), anchor)?;
        }
        let code = content.join("\n");
        let is_language = !argument.contains(' ') && name != "productionlist";
        let language = match name {
            "code-block" | "code" | "sourcecode" | "tab" if is_language && !argument.is_empty() => argument,
            "code-block" | "code" | "sourcecode" => &self.code_language.clone(),
            "ipython" | "testcode" => "python",
            "doctest" => "pycon",
            "graphviz" | "digraph" | "graph" => "dot",
            "mermaid" => "mermaid",
            _ => "",
        };
        let language = if matches!(language, "none" | "text" | "default") { "" } else { language };
        if name == "parsed-literal" {
            // Its roles and substitutions are replaced; they cannot be code in code.
            let code = inline::convert(&code, &self.definitions).replace('`', "");
            return self.builder.code("", &code, anchor);
        }
        self.builder.code(language, &code, anchor)
    }

    /// Reads the description of a function, class, option or the like.
    fn description(
        &mut self,
        argument: &str,
        continued: &[&str],
        content: &[&str],
        anchor: Option<&str>,
        depth: usize,
    ) -> Result<(), Error> {
        let mut signatures: Vec<String> = vec![argument.to_owned()];
        for line in continued.iter().take(MAX_SIGNATURES) {
            match signatures.last_mut() {
                // A backslash continues the line.
                Some(last) if last.ends_with('\\') => {
                    last.pop();
                    last.push_str(line.trim());
                }
                _ => signatures.push(line.trim().to_owned()),
            }
        }
        signatures.retain(|signature| !signature.is_empty());
        let mut keywords = Vec::new();
        for signature in &signatures {
            let names: Vec<&str> =
                if signature.starts_with('-') { signature.split(", ").collect() } else { vec![signature] };
            let names = names.iter().filter_map(|name| name.trim().split(['(', ' ', '=', '[']).next());
            keywords.extend(names.filter(|name| !name.is_empty()).map(str::to_owned));
        }
        let lines: Vec<String> =
            signatures
                .iter()
                .map(|signature| {
                    if signature.contains('`') {
                        self.convert(signature)
                    } else {
                        format!("**`{signature}`**")
                    }
                })
                .collect();
        let first_name = keywords.first().cloned();
        self.builder.text_with_keywords(&lines.join("\n\n"), anchor.or(first_name.as_deref()), keywords)?;
        self.nested(content, depth)
    }

    /// Reads a body whose common indentation was removed.
    pub(super) fn nested(&mut self, content: &[&str], depth: usize) -> Result<(), Error> {
        self.in_list = false;
        if depth < MAX_DEPTH {
            self.blocks(content, depth + 1)
        } else {
            self.builder.text(&content.join("\n"), None)
        }
    }
}

/// Returns the number of lines of options at the top of the body.
fn option_lines(body: &[&str]) -> usize {
    let mut count = 0;
    for line in body {
        let is_option = parse_field(line).is_some_and(|(name, _)| !name.contains(' '));
        // The value of an option may continue on indented lines.
        if !is_option && (count == 0 || line.is_empty() || indentation(line) == 0) {
            break;
        }
        count += 1;
    }
    count
}

/// Returns the value of an option, with the lines that continue it.
fn option_value(options: &[&str], name: &str) -> Option<String> {
    let at = options.iter().position(|line| parse_field(line).is_some_and(|(option, _)| option == name))?;
    let mut value = parse_field(options[at])?.1.to_owned();
    for line in options[at + 1..].iter().take_while(|line| indentation(line) > 0) {
        value.push('\n');
        value.push_str(line.trim());
    }
    Some(value)
}

/// Returns the rows of a table whose body is a list or comma-separated values.
fn table_rows(name: &str, options: &[&str], lines: &[&str]) -> Vec<Vec<String>> {
    if name == "list-table" {
        return table::parse_list_table(lines);
    }
    let delimiter = match option(options, "delim") {
        Some("tab") => '\t',
        Some("space") => ' ',
        delimiter => delimiter.and_then(|text| text.chars().next()).unwrap_or(','),
    };
    let header = option_value(options, "header");
    table::parse_csv_table(header.as_deref(), delimiter, lines)
}

/// Returns an argument with the lines that continue it.
fn joined(argument: &str, continued: &[&str]) -> String {
    let mut text = argument.to_owned();
    for line in continued {
        if !text.is_empty() {
            text.push('\n');
        }
        text.push_str(line.trim_start());
    }
    text
}

/// Whether lines are more than a paragraph: lists, literal blocks or directives.
fn is_body(lines: &[&str]) -> bool {
    lines.iter().any(|line| {
        let is_indented = indentation(line) > 0;
        let line = line.trim_start();
        is_indented
            || super::is_item(line)
            || line.ends_with("::")
            || line.starts_with(".. ")
            || line.starts_with("+-")
    })
}

/// Returns the lines of a body: those directly below the name of the directive, and the others.
fn body_lines<'l>(continued: &[&'l str], content: &[&'l str]) -> Vec<&'l str> {
    let mut lines = continued.to_vec();
    if !lines.is_empty() && content.first().is_some_and(|line| !line.is_empty()) {
        lines.push("");
    }
    lines.extend(content);
    lines
}

/// Whether an argument looks like names of styles rather than a class.
fn is_style(argument: &str) -> bool {
    argument
        .bytes()
        .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b' '))
}

fn is_code(name: &str) -> bool {
    matches!(
        name,
        "code-block"
            | "code"
            | "sourcecode"
            | "parsed-literal"
            | "prompt"
            | "literalinclude"
            | "productionlist"
            | "testcode"
            | "testoutput"
            | "doctest"
            | "ipython"
            | "graphviz"
            | "digraph"
            | "graph"
            | "mermaid"
            | "uml"
            | "plantuml"
            | "command-output"
    )
}

fn is_description(name: &str) -> bool {
    matches!(
        name,
        "function"
            | "method"
            | "class"
            | "exception"
            | "attribute"
            | "data"
            | "classmethod"
            | "staticmethod"
            | "decorator"
            | "decoratormethod"
            | "macro"
            | "type"
            | "struct"
            | "union"
            | "enum"
            | "enumerator"
            | "member"
            | "var"
            | "option"
            | "envvar"
            | "cmdoption"
            | "describe"
            | "object"
            | "module-function"
            | "property"
            | "autofunction"
            | "autoclass"
            | "automethod"
            | "confval"
            | "directive"
            | "opcode"
            | "signature"
            | "command"
            | "setting"
    )
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
        "deprecated" | "deprecated-removed" => "Deprecated since version",
        "versionadded" => "New in version",
        "versionchanged" => "Changed in version",
        "versionremoved" => "Removed in version",
        "todo" => "To do",
        "availability" => "Availability",
        _ => return None,
    })
}
