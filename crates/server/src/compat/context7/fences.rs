//! Splitting of a passage's Markdown into fenced code and the text around it (`CommonMark` 0.31, section 4.5).

use super::Code;

/// Returns the text around the fences, and the code in them.
pub(super) fn split(markdown: &str) -> (String, Vec<Code>) {
    let mut prose: Vec<&str> = Vec::new();
    let mut codes: Vec<Code> = Vec::new();
    let mut open: Option<Fence<'_>> = None;
    for line in markdown.lines() {
        match &mut open {
            Some(fence) if fence.is_ended_by(line) => {
                codes.extend(open.take().map(Fence::code));
            }
            Some(fence) => fence.lines.push(line),
            None => match Fence::opened_by(line) {
                Some(fence) => open = Some(fence),
                None => prose.push(line),
            },
        }
    }
    // A fence without an end is code, too.
    codes.extend(open.map(Fence::code));
    (prose.join("\n").trim().to_owned(), codes)
}

struct Fence<'text> {
    mark: char,
    length: usize,
    indent: usize,
    language: &'text str,
    lines: Vec<&'text str>,
}

impl<'text> Fence<'text> {
    fn opened_by(line: &'text str) -> Option<Self> {
        let inner = line.trim_start();
        let mark = inner.chars().next().filter(|mark| ['`', '~'].contains(mark))?;
        let length = inner.chars().take_while(|character| *character == mark).count();
        let info = inner.get(length..)?.trim();
        let is_fence = length >= 3 && !(mark == '`' && info.contains('`'));
        let language = info.split_whitespace().next().unwrap_or_default();
        let indent = line.len() - inner.len();
        is_fence.then_some(Self { mark, length, indent, language, lines: Vec::new() })
    }

    fn is_ended_by(&self, line: &str) -> bool {
        let line = line.trim();
        line.chars().count() >= self.length && line.chars().all(|character| character == self.mark)
    }

    fn code(self) -> Code {
        let outdented = |line: &&'text str| -> &'text str {
            let spaces = line.len() - line.trim_start_matches(' ').len();
            line.get(spaces.min(self.indent)..).unwrap_or(line)
        };
        let lines: Vec<&str> = self.lines.iter().map(outdented).collect();
        Code { language: self.language.to_owned(), code: lines.join("\n") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(language: &str, code: &str) -> Code {
        Code { language: language.to_owned(), code: code.to_owned() }
    }

    #[test]
    fn code_and_text_are_split() {
        let markdown = "Stop it:\n\n```js title=x\nawait app.close()\n\n// ``` is no end\n```\n\nThen:\n\n~~~~\n~~~\n~~~~";
        let (prose, codes) = split(markdown);
        assert_eq!(prose, "Stop it:\n\n\nThen:");
        assert_eq!(codes, [code("js", "await app.close()\n\n// ``` is no end"), code("", "~~~")]);
        assert_eq!(split("no code"), ("no code".to_owned(), vec![]));
        assert_eq!(split("- a\n  ```sh\n  ls\n    -l"), ("- a".to_owned(), vec![code("sh", "ls\n  -l")]));
    }
}
