//! Reading order: the tree of a version, what comes before and after a document, folders as breadcrumbs, twins in other languages.

use reqwest::Method;
use testkit::{HtmlPage, PageClient, Server, TestApp};

use crate::PROGRAM;

/// Opens a page as somebody signed in.
async fn page(client: &mut PageClient<'_>, path: &str) -> HtmlPage {
    let reply = client.get(path).await;
    assert_eq!(reply.status, 200, "{path}: {}", reply.text());
    reply.html()
}

/// Follows the links to the next document, and returns the path of each.
async fn walk(client: &mut PageClient<'_>, version: &str, first: &str) -> Vec<String> {
    let mut paths = vec![first.to_owned()];
    for _ in 0..20 {
        let here = format!("{version}/{}", paths.last().expect("a path"));
        let shown = page(client, &here).await;
        if paths.len() > 1 {
            let before = shown.attribute(".neighbours a[rel=prev]", "href");
            assert_eq!(before, format!("{version}/{}", paths[paths.len() - 2]), "{here}");
        }
        if !shown.has(".neighbours a[rel=next]") {
            break;
        }
        let next = shown.attribute(".neighbours a[rel=next]", "href");
        paths.push(next.trim_start_matches(&format!("{version}/")).to_owned());
    }
    paths
}

async fn add(server: &Server, library: &str, documents: &[(&str, &str)]) {
    for (path, text) in documents {
        server.add(library, "1", path, *text).await;
    }
}

#[tokio::test]
async fn documents_are_read_in_the_order_of_their_lists_or_names() {
    let app = TestApp::new(PROGRAM).await;
    let server = app.serve().await;
    let ada = server.set_up().await;
    let mut client = PageClient::signed_in(&server, &ada);
    // By name, numbers by their value, index pages first.
    add(
        &server,
        "names",
        &[
            ("guide/10-last.md", "# Last\n\nx\n"),
            ("guide/2-second.md", "# Second\n\nx\n"),
            ("guide/index.md", "# Guide\n\nx\n"),
            ("README.md", "# Names\n\nx\n"),
        ],
    )
    .await;
    assert_eq!(
        walk(&mut client, "/l/names/1", "README.md").await,
        ["README.md", "guide/index.md", "guide/2-second.md", "guide/10-last.md"]
    );
    // By front matter.
    add(
        &server,
        "matter",
        &[
            ("a.md", "---\ntitle: A\nsidebar_position: 3\n---\n\n# A\n\nx\n"),
            ("b.md", "---\nweight: 1\n---\n\n# B\n\nx\n"),
            ("c.md", "# C\n\nnav_order: 0 is text here\n"),
        ],
    )
    .await;
    assert_eq!(walk(&mut client, "/l/matter/1", "b.md").await, ["b.md", "a.md", "c.md"]);
    // By a document that lists the others.
    add(
        &server,
        "mkdocs",
        &[
            ("docs/a.md", "# A\n\nx\n"),
            ("docs/index.md", "# Index\n\nx\n"),
            ("docs/z/first.md", "# First\n\nx\n"),
            (
                "mkdocs.yml",
                "site_name: x\nnav:\n  - index.md\n  - Z:\n    - First: z/first.md\n  - A: a.md\n",
            ),
        ],
    )
    .await;
    assert_eq!(
        walk(&mut client, "/l/mkdocs/1", "docs/index.md").await,
        ["docs/index.md", "docs/z/first.md", "docs/a.md", "mkdocs.yml"]
    );
    // By the tables of contents of Sphinx, which are no text of the documents.
    add(
        &server,
        "sphinx",
        &[
            ("api.rst", "API\n===\n\nThe api.\n"),
            ("usage.rst", "Usage\n=====\n\nThe usage.\n"),
            ("index.rst", "Start\n=====\n\nText.\n\n.. toctree::\n   :maxdepth: 1\n\n   usage\n   api\n"),
        ],
    )
    .await;
    assert_eq!(walk(&mut client, "/l/sphinx/1", "index.rst").await, ["index.rst", "usage.rst", "api.rst"]);
    // A change is seen at once.
    add(&server, "matter", &[("c.md", "---\norder: 2\n---\n\n# C\n\nx\n")]).await;
    assert_eq!(walk(&mut client, "/l/matter/1", "b.md").await, ["b.md", "c.md", "a.md"]);
}

#[tokio::test]
async fn a_version_added_from_a_list_keeps_its_order() {
    let app = TestApp::new(PROGRAM).await;
    for (name, text) in [("a.md", "# A\n\nx\n"), ("m.md", "# M\n\nx\n"), ("z.md", "# Z\n\nx\n")] {
        app.file(&format!("site/{name}"), text);
    }
    let list = app.file("site/llms.txt", "# Site\n\n- [Z](z.md)\n- [M](m.md)\n- [A](a.md)\n");
    let folder = list.trim_end_matches("/llms.txt").to_owned();
    app.add(&folder, "site", "1").await;
    let server = app.serve().await;
    let ada = server.set_up().await;
    let mut client = PageClient::signed_in(&server, &ada);
    assert_eq!(walk(&mut client, "/l/site/1", "z.md").await, ["z.md", "m.md", "a.md"]);
    // The list has changed, the documents have not.
    app.file("site/llms.txt", "# Site\n\n- [A](a.md)\n- [Z](z.md)\n- [M](m.md)\n");
    app.add(&folder, "site", "1").await;
    assert_eq!(walk(&mut client, "/l/site/1", "a.md").await, ["a.md", "z.md", "m.md"]);
}

#[tokio::test]
async fn the_tree_opens_at_the_document_and_folders_are_sent_one_by_one() {
    let app = TestApp::new(PROGRAM).await;
    let server = app.serve().await;
    let ada = server.set_up().await;
    let mut client = PageClient::signed_in(&server, &ada);
    add(
        &server,
        "tools",
        &[
            ("a/b/deep.md", "# Deep & low\n\nx\n"),
            ("a/top.md", "# Top\n\nx\n"),
            ("c d/other.md", "# Other\n\nx\n"),
            ("root.md", "# Root\n\nx\n"),
        ],
    )
    .await;
    let shown = page(&mut client, "/l/tools/1/a/b/deep.md").await;
    assert_eq!(shown.attributes(".tree details[open]", "data-folder"), ["a", "a/b"]);
    assert_eq!(shown.text(".tree a[aria-current=page]"), "Deep & low");
    assert_eq!(shown.attribute(".tree a[data-all]", "href"), "/l/tools/1?folder=c%20d");
    // Folders are breadcrumbs.
    assert_eq!(
        shown.attributes(".crumbs a", "href"),
        ["/l/tools", "/l/tools/1", "/l/tools/1?folder=a", "/l/tools/1?folder=a%2Fb"]
    );
    let folder = page(&mut client, "/l/tools/1?folder=a").await;
    assert_eq!(folder.texts("#list .rows a"), ["Deep & low", "Top"]);
    assert!(folder.has("#list .chips a[href='/l/tools/1?folder=a%2Fb']"), "{}", folder.source());
    let lines = client.get("/tree/tools/1?folder=c%20d").await;
    assert_eq!((lines.status, lines.html().texts("a")), (200, vec!["Other".to_owned()]));
    assert_eq!(client.get("/tree/tools/1?folder=nothing").await.status, 404);
    assert_eq!(client.get("/tree/tools/active?folder=a").await.status, 200);
    // What a program gets at the addresses of a library and a version.
    for (path, part) in [("/l/tools", "(1/llms.txt)"), ("/l/tools/1", "(root.md)")] {
        let listed = server.send(server.request(Method::GET, path, &[])).await;
        assert!(listed.status == 200 && listed.text().contains(part), "{path}: {}", listed.text());
    }
}

#[tokio::test]
async fn a_document_knows_its_twins_in_other_languages() {
    let app = TestApp::new(PROGRAM).await;
    let server = app.serve().await;
    let ada = server.set_up().await;
    let mut client = PageClient::signed_in(&server, &ada);
    add(
        &server,
        "twins",
        &[
            ("x.md", "# Start\n\nThe document explains how to begin with the program.\n"),
            ("x.zh-CN.md", "# 开始\n\n本文说明如何开始使用本程序。\n"),
            ("zh/y.md", "# 其他\n\n本文说明其他内容。\n"),
            ("en/y.md", "# Other\n\nThe document explains other things.\n"),
            ("alone.md", "# Alone\n\nx\n"),
        ],
    )
    .await;
    for (path, language, link) in [
        ("x.md", "zh-CN", "/l/twins/1/x.zh-CN.md"),
        ("x.zh-CN.md", "en", "/l/twins/1/x.md"),
        ("zh/y.md", "en", "/l/twins/1/en/y.md"),
    ] {
        let shown = page(&mut client, &format!("/l/twins/1/{path}")).await;
        assert_eq!(shown.attribute(&format!(".acts a[hreflang={language}]"), "href"), link, "{path}");
    }
    assert!(!page(&mut client, "/l/twins/1/alone.md").await.has(".acts a[hreflang]"));
}
