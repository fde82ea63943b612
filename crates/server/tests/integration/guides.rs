//! The guides: links and anchors resolve in the repository and in the product, each guide has its Chinese translation, pages are
//! short, and what they name exists.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};

use markup::document::{self, Overlay, RenderOptions, Rendered};
use reqwest::Method;
use testkit::{Server, TestApp, eventually};

use crate::PROGRAM;

/// Lines of a page that is written by hand.
const MAX_LINES: usize = 180;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().expect("the workspace")
}

/// Reads a file of the repository.
fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Lists the Markdown files of a folder and the folders in it, from the repository.
fn markdown_files(folder: &str) -> Vec<String> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(root().join(folder)).expect("a folder").flatten() {
        let path = format!("{folder}/{}", entry.file_name().to_string_lossy());
        if entry.path().is_dir() {
            files.extend(markdown_files(&path));
        } else if entry.path().extension().is_some_and(|extension| extension == "md") {
            files.push(path);
        }
    }
    files.sort();
    files
}

/// English guides.
fn guides() -> Vec<String> {
    let mut guides = markdown_files("docs/guide");
    guides.retain(|guide| !guide.ends_with(".zh-CN.md"));
    guides
}

fn translation(path: &str) -> String {
    format!("{}.zh-CN.md", path.trim_end_matches(".md"))
}

/// Renders a text and collects its links within the repository, among them fragments that no heading of it has.
fn render(text: &str) -> (Rendered, Vec<String>) {
    let links = RefCell::new(Vec::new());
    let resolve = |link: &str| {
        links.borrow_mut().push(link.to_owned());
        None
    };
    let options = RenderOptions {
        passages: &[],
        id_prefix: "",
        has_title: true,
        is_first: true,
        resolve: &resolve,
        overlay: Overlay::default(),
    };
    let rendered = document::render(text, &options);
    (rendered, links.into_inner())
}

/// Joins a path and a link of its file.
fn join(from: &str, link: &str) -> String {
    let mut parts: Vec<String> = Vec::new();
    for component in Path::new(from).parent().expect("a folder").join(link).components() {
        match component {
            Component::Normal(part) => parts.push(part.to_string_lossy().into_owned()),
            Component::ParentDir => drop(parts.pop()),
            _ => {}
        }
    }
    parts.join("/")
}

/// Texts of code blocks in these languages.
fn code(text: &str, languages: &[&str]) -> Vec<String> {
    let mut blocks: Vec<Vec<&str>> = Vec::new();
    let mut open = None;
    for line in text.lines() {
        match (open, line.trim_start().strip_prefix("```")) {
            (None, Some(language)) => {
                open = Some(languages.contains(&language.trim_matches('`')));
                blocks.push(Vec::new());
            }
            (Some(_), Some(rest)) if rest.trim_matches('`').is_empty() => open = None,
            (Some(true), _) => blocks.last_mut().expect("a block").push(line),
            _ => {}
        }
    }
    blocks.into_iter().filter(|block| !block.is_empty()).map(|block| block.join("\n")).collect()
}

#[test]
fn links_and_anchors_resolve() {
    let mut files = markdown_files("docs");
    files.extend(["README.md", "README.zh-CN.md", "ARCHITECTURE.md", "CONTRIBUTING.md"].map(str::to_owned));
    let rendered: BTreeMap<&String, (Rendered, Vec<String>)> =
        files.iter().map(|file| (file, render(&read(file)))).collect();
    let mut faults = Vec::new();
    for (file, (_, links)) in &rendered {
        let text = read(file);
        let images = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
        let images = images.filter(|target| target.rsplit('.').next() == Some("png")).map(str::to_owned);
        for link in links.iter().cloned().chain(images) {
            let (path, anchor) =
                link.split_once('#').map_or((&*link, None), |(path, anchor)| (path, Some(anchor)));
            let target = if path.is_empty() { (*file).clone() } else { join(file, path) };
            if !root().join(&target).exists() {
                faults.push(format!("{file}: {link} does not exist"));
            } else if let Some(anchor) = anchor {
                let id = format!("h-{anchor}");
                let other = rendered.get(&target).map(|(page, _)| page);
                let is_there = other.is_some_and(|page| page.headings.iter().any(|heading| heading.id == id));
                if !is_there {
                    faults.push(format!("{file}: {link} names no heading"));
                }
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    let links: usize = rendered.values().map(|(_, links)| links.len()).sum();
    assert!(links > 300, "{links} links");
}

#[test]
fn each_guide_has_its_translation() {
    let guides = guides();
    let translations = markdown_files("docs/guide").len() - guides.len();
    assert_eq!(translations, guides.len(), "a translation has no original");
    for path in guides.into_iter().chain(["docs/README.md".to_owned()]) {
        let (english, chinese) = (read(&path), read(&translation(&path)));
        let levels =
            |text: &str| render(text).0.headings.iter().map(|heading| heading.level).collect::<Vec<_>>();
        assert_eq!(levels(&english), levels(&chinese), "{path}: the headings of its translation differ");
        let blocks = |text: &str| text.lines().filter(|line| line.trim_start().starts_with("```")).count();
        assert_eq!(blocks(&english), blocks(&chinese), "{path}: the code blocks of its translation differ");
        let name = path.rsplit('/').next().expect("a name");
        let is_index = name == "README.md";
        for (text, link, rest) in [
            (&english, format!("[中文]({})", translation(name)), " · [All guides](../README.md)"),
            (&chinese, format!("[English]({name})"), " · [全部指南](../README.zh-CN.md)"),
        ] {
            let expected = if is_index { link } else { format!("{link}{rest}") };
            assert_eq!(text.lines().nth(2), Some(&*expected), "{path}: the line after the title");
        }
    }
}

#[test]
fn guides_are_short_and_in_order() {
    for path in markdown_files("docs").iter().filter(|path| !path.starts_with("docs/reference/")) {
        let lines = read(path).lines().count();
        assert!(lines <= MAX_LINES, "{path} has {lines} lines, more than {MAX_LINES}: split it");
    }
    let lines = read("docs/reference/http.md").lines().count();
    assert!(lines <= MAX_LINES, "docs/reference/http.md has {lines} lines");
    // The index lists every page, and each guide ends with a link to the next.
    for (index, suffix, last) in [
        ("docs/README.md", ".md", "../README.md"),
        ("docs/README.zh-CN.md", ".zh-CN.md", "../README.zh-CN.md"),
    ] {
        let links = render(&read(index)).1;
        let listed: Vec<&str> = links.iter().filter_map(|link| link.strip_prefix("guide/")).collect();
        let all: BTreeSet<String> =
            guides().iter().map(|guide| guide.replace("docs/guide/", "").replace(".md", suffix)).collect();
        assert_eq!(listed.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>(), all, "{index}");
        for reference in markdown_files("docs/reference") {
            assert!(links.contains(&reference.replace("docs/", "")), "{index} does not list {reference}");
        }
        for (guide, next) in listed.iter().zip(listed[1..].iter().chain([&last])) {
            let links = render(&read(&format!("docs/guide/{guide}"))).1;
            assert_eq!(links.last().map(String::as_str), Some(*next), "{guide}: the link at its end");
        }
    }
}

/// Commands of the reference: their words without `wenyuan`, and their section.
fn commands() -> BTreeMap<String, String> {
    let mut commands = BTreeMap::new();
    let reference = read("docs/reference/cli.md");
    for section in reference.split("\n## wenyuan ").skip(1) {
        let names = section.lines().find_map(|line| line.strip_prefix("Also: ")).unwrap_or_default();
        let aliases: Vec<&str> =
            names.split('`').filter(|name| !name.trim_matches([',', ' ']).is_empty()).collect();
        for (number, part) in section.split("\n### wenyuan ").enumerate() {
            let (name, text) = part.split_once('\n').expect("a section");
            commands.insert(name.to_owned(), text.to_owned());
            for alias in &aliases {
                let words =
                    name.split_once(' ').map_or((*alias).to_owned(), |(_, rest)| format!("{alias} {rest}"));
                commands.insert(words, text.to_owned());
            }
            assert!(number == 0 || name.contains(' '), "{name}");
        }
    }
    commands
}

#[test]
fn metrics_of_alerts_and_dashboards_exist() {
    let metrics = read("docs/reference/metrics.md");
    let mut checked = 0;
    for file in [
        "deploy/prometheus/wenyuan.rules.yml",
        "deploy/prometheus/wenyuan.test.yml",
        "deploy/grafana/wenyuan.json",
    ] {
        let text = read(file);
        let names = text.split(|character: char| !character.is_ascii_alphanumeric() && character != '_');
        for name in names.filter(|name| name.starts_with("wenyuan_")) {
            let metric = ["_bucket", "_sum", "_count"].iter().find_map(|part| name.strip_suffix(part));
            assert!(metrics.contains(&format!("`{}`", metric.unwrap_or(name))), "{file}: no metric {name}");
            checked += 1;
        }
    }
    assert!(checked > 40, "{checked} metrics");
}

#[test]
fn commands_settings_and_metrics_in_guides_exist() {
    let commands = commands();
    let settings = read("docs/reference/configuration.md");
    let metrics = read("docs/reference/metrics.md");
    let contributing = read("CONTRIBUTING.md");
    let mut files = markdown_files("docs/guide");
    files.extend(["docs/reference/http.md", "README.md", "README.zh-CN.md"].map(str::to_owned));
    let (mut faults, mut checked) = (Vec::new(), 0);
    for file in &files {
        let text = read(file);
        let blocks = code(&text, &["sh", "console"]).join("\n").replace("\\\n", " ");
        let inline =
            text.split('`').skip(1).step_by(2).filter(|code| !code.contains('\n')).map(str::to_owned);
        for line in blocks.lines().map(str::to_owned).chain(inline) {
            for (at, name) in line.match_indices("wenyuan ").chain(line.match_indices("./run ")) {
                let is_command = line[..at].chars().next_back().is_none_or(|before| " (;|".contains(before));
                let arguments = &line[at + name.len()..];
                let end = arguments.find([')', '|', '#', ';', '<', '>']).unwrap_or(arguments.len());
                let words: Vec<&str> = arguments[..end].split_whitespace().collect();
                let is_word = |word: &str| {
                    let is_plain = word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-');
                    is_plain && !word.starts_with('-')
                };
                let Some(first) = words.first().filter(|word| is_command && is_word(word)) else { continue };
                let two = words.get(1).map(|second| format!("{first} {second}"));
                let found = two.as_ref().and_then(|two| commands.get(two)).or_else(|| commands.get(*first));
                let Some(section) = found else {
                    if !first.starts_with("http") {
                        faults.push(format!("{file}: no command {first}: {line}"));
                    }
                    continue;
                };
                checked += 1;
                let known = |flag: &str| {
                    let is_flag = |text: &str| {
                        text.match_indices(flag).any(|(at, _)| {
                            !text[at + flag.len()..]
                                .starts_with(|next: char| next.is_alphanumeric() || next == '-')
                        })
                    };
                    is_flag(section)
                        || is_flag(&settings)
                        || ["--help", "--config", "--version"].contains(&flag)
                };
                for flag in
                    words.iter().take_while(|word| **word != "--").filter(|word| word.starts_with("--"))
                {
                    let flag = flag.split('=').next().unwrap_or(flag);
                    if !known(flag) {
                        faults.push(format!("{file}: {first} has no {flag}: {line}"));
                    }
                }
            }
        }
        let names = text.split(|character: char| !character.is_ascii_alphanumeric() && character != '_');
        for name in names {
            let is_fault = if name.starts_with("WENYUAN_") {
                !settings.contains(name) && !contributing.contains(name)
            } else {
                let is_metric = name.starts_with("wenyuan_") && name != "wenyuan_server";
                is_metric && !metrics.contains(&format!("`{name}`"))
            };
            if is_fault {
                faults.push(format!("{file}: {name} is in no reference"));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    assert!(checked > 150, "{checked} commands");
}

/// Gets a page of the product in a language, and checks that it is one of the site.
async fn page(server: &Server, path: &str, language: &str) -> testkit::HtmlPage {
    let request = server.request(Method::GET, path, &[]).header("accept", "text/html");
    let reply = server.send(request.header("accept-language", language)).await;
    assert_eq!(reply.status, 200, "{path}: {}", reply.text());
    let page = reply.html();
    assert!(page.has("nav.rooms") && page.has("article.prose"), "{path}");
    page
}

#[tokio::test]
async fn guides_are_pages_of_the_site_in_the_readers_language() {
    let app = TestApp::new(PROGRAM).await;
    let server = app.serve().await;
    for (language, title, search) in [("en", "Guides", "Searching"), ("zh-CN", "指南", "检索")] {
        let index = page(&server, "/guide", language).await;
        assert_eq!(index.text("h1"), title);
        let mut waiting: Vec<String> = index.attributes("article a[href^='/guide']", "href");
        assert!(waiting.contains(&"/guide/reference/cli".to_owned()), "{waiting:?}");
        let mut pages = BTreeMap::from([("/guide".to_owned(), index)]);
        // Every page that a link leads to is there, and so is its anchor.
        while let Some(link) = waiting.pop() {
            let (path, anchor) =
                link.split_once('#').map_or((&*link, None), |(path, anchor)| (path, Some(anchor)));
            if !pages.contains_key(path) {
                let next = page(&server, path, language).await;
                waiting.extend(next.attributes("article a[href^='/guide']", "href"));
                pages.insert(path.to_owned(), next);
            }
            if let Some(anchor) = anchor {
                let ids = pages[path].attributes("article [id]", "id");
                let escaped = |id: &String| percent_encoding::utf8_percent_encode(id, ESCAPED).to_string();
                assert!(ids.iter().any(|id| escaped(id) == anchor), "{link}: {ids:?}");
            }
        }
        assert!(
            pages.keys().all(|path| !path.contains('?')),
            "a link changes the language: {:?}",
            pages.keys()
        );
        assert_eq!(pages.len(), guides().len() + markdown_files("docs/reference").len() + 1);
        assert_eq!(pages["/guide/searching"].text("h1"), search);
        assert!(pages["/guide/searching"].has("header a[href^='/guide/searching?lang=']"));
        assert!(pages["/guide/searching"].has("nav.contents li a"));
    }
    assert_eq!(page(&server, "/guide/searching?lang=zh", "en").await.text("h1"), "检索");
    let markdown = server.get("/guide/searching.zh-CN.md", &[]).await;
    assert_eq!(markdown.header("content-type"), Some("text/plain; charset=utf-8"));
    assert_eq!(markdown.text(), read("docs/guide/searching.zh-CN.md"));
    for absent in [
        "/guide/nothing",
        "/guide/nothing.md",
        "/guide/reference/x/y",
        "/guide/%2e%2e%2fCargo.md",
        "/guide/..%2f..%2fREADME.md",
    ] {
        assert_eq!(server.get(absent, &[]).await.status, 404, "{absent}");
    }
    // The library has the same files at the same paths, and its pages lead to each other.
    let document = format!("/l/wenyuan/{}/guide/asking.md", env!("CARGO_PKG_VERSION"));
    let text = eventually("the guides in the library", async || {
        let request = server.request(Method::GET, &document, &[]).header("accept", "text/html");
        let reply = server.send(request).await;
        (reply.status == 200).then(|| reply.html())
    })
    .await;
    assert!(
        text.has(&format!("article a[href='{}']", document.replace("asking", "citations"))),
        "{}",
        text.source()
    );
}

/// Characters that addresses escape.
const ESCAPED: &percent_encoding::AsciiSet =
    &percent_encoding::NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');
