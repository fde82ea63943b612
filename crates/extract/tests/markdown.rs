//! Markdown and MDX: passages without front matter keys, comments, template tags and module code; the text stays exact.

mod common;

use common::checked;
use extract::model::ExtractedDocument;

fn read(name: &str, source: &str) -> ExtractedDocument {
    match checked(name, source.as_bytes(), None) {
        Ok(document) => {
            assert_eq!(document.text, source, "the text is the source");
            document
        }
        Err(error) => panic!("{source}: {error}"),
    }
}

fn contents(document: &ExtractedDocument) -> Vec<&str> {
    document.passages.iter().map(|passage| passage.content.as_str()).collect()
}

#[test]
fn headings_and_code_inside_elements_of_mdx_are_found() {
    let source = include_str!("data/indented-jsx.mdx");
    for name in ["indented-jsx.mdx", "deploy.md"] {
        let document = read(name, source);
        assert_eq!(document.title, "Deploy: the agent");
        let headings: Vec<_> = document.passages.iter().flat_map(|passage| &passage.headings).collect();
        let all = contents(&document).join("\n---\n");
        for heading in ["Deploy with Helm", "Deploy with systemd", "Not closed by blank", "Removing it"] {
            assert!(
                headings.iter().any(|title| *title == heading) || all.contains(heading),
                "{heading}: {headings:?} {all}"
            );
        }
        assert!(all.contains("```sh\n    helm install agent edge/agent\n    ```"), "{all}");
        for leaked in ["import ", "export", "owner", "reviewed", "no heading", "sidebar_position"] {
            assert!(!all.contains(leaked), "{leaked}: {all}");
        }
    }
}

#[test]
fn passages_have_no_comments_tags_and_module_code() {
    let filler = "A sentence of the text that stands in the passage. ".repeat(4);
    for (name, noise) in [
        ("a.md", "<!-- secret -->"),
        ("a.md", "<!--\nsecret\n\n# secret\n-->"),
        ("a.md", "{% include secret.html %}"),
        ("a.md", "{%- comment -%}\n\nsecret\n\n{%- endcomment -%}"),
        ("a.md", "{# secret #}"),
        ("a.md", "{{ secret }}"),
        ("a.md", "{{< secret >}}"),
        ("a.md", "[//]: # (secret)"),
        ("a.mdx", "{/* secret */}"),
        ("a.mdx", "export const secret = {\n  a: 1,\n\n  b: 2,\n};"),
    ] {
        for source in [
            format!("# Head\n\n{filler}\n\n{noise}\n\n{filler}\n"),
            format!("# Head\n\n{noise}\n\n{filler}\n\n## Two\n\n{noise}\n\n{filler}\n\n{noise}\n"),
            format!("{noise}\n\n# Head\n\n{filler}\n"),
        ] {
            let document = read(name, &source);
            let all = contents(&document).join("\n");
            assert!(!all.contains("secret") && all.contains("A sentence"), "{source}\n{all}");
            assert!(document.passages.last().unwrap().headings[0] == "Head", "{source}");
        }
    }
    // In code they stay.
    for code in ["`{% if x %}`", "```\n<!-- x -->\n```", "    {{ x }}"] {
        let document = read("a.md", &format!("# Head\n\nText:\n\n{code}\n\nMore.\n"));
        assert!(contents(&document).join("\n").contains(code.trim()), "{code}");
    }
}

#[test]
fn front_matter_is_searchable_text() {
    let document = read(
        "a.md",
        "---\ntitle: Start here\ndescription: How to begin\nlayout: splash\ntags:\n  - first steps\n---\n",
    );
    assert_eq!(document.title, "Start here");
    let all = contents(&document).join("\n");
    assert!(all.contains("How to begin") && all.contains("first steps") && !all.contains("splash"), "{all}");
    let document = read(
        "a.md",
        "---\ntitle: Start here\ndescription: How to begin\nlayout: splash\n---\n\n# Head\n\nText.\n",
    );
    assert_eq!(contents(&document), ["How to begin", "# Head\n\nText."]);
    assert!(document.summary.contains("How to begin"));
    // Malformed front matter is text.
    let document = read("a.md", "---\ntitle: Start here\nno key\n---\n\nText.\n");
    assert!(contents(&document).join("\n").contains("no key"));
    let document = read("a.md", "---\ntitle: Start here\n\nText without an end.\n");
    assert!(contents(&document).join("\n").contains("title: Start here"));
}

#[test]
fn hostile_templates_take_bounded_time() {
    for piece in [
        "{% comment %}",
        "{{ x }} ",
        "<!-- ",
        "{% x",
        "{# ",
        "{\n\n",
        "<A b={\n\n",
        "import {\n\n",
        "export const a = '\n\n",
        "<A>\n  x\n",
    ] {
        let source = format!("import A from 'a';\n\n{}", piece.repeat(20_000));
        for name in ["a.md", "a.mdx"] {
            drop(checked(name, source.as_bytes(), None));
        }
    }
}
