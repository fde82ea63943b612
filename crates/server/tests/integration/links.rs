//! Links of documents lead on inside the library, to the same version and the right place: in pages, as Markdown and for agents. Those
//! that lead nowhere are plain and listed.

use reqwest::Method;
use serde_json::{Value, json};
use testkit::{PageClient, Server, TestApp, documents};

use crate::PROGRAM;
use crate::mcp::{Agent, NEW};

/// A page of `javadoc` whose summary links to its details and to another class.
fn javadoc() -> String {
    documents::javadoc("com.example", "Gate", "open", "Opens like a <a href=\"Door.html#shut()\">door</a>.").replace(
        "<section class=\"method-details\"",
        "<section class=\"method-summary\" id=\"method-summary\"><h2>Method Summary</h2><div class=\"summary-table three-column-summary\">\
         <div class=\"table-header col-first\">Modifier and Type</div><div class=\"table-header col-second\">Method</div>\
         <div class=\"table-header col-last\">Description</div>\
         <div class=\"col-first\"><code><a href=\"Door.html\" title=\"class\">Door</a></code></div>\
         <div class=\"col-second\"><code><a href=\"#open(java.lang.String)\" class=\"member-name-link\">open</a><wbr>(String&nbsp;name)</code></div>\
         <div class=\"col-last\"><div class=\"block\">Does what open says.</div></div></div></section>\
         <section class=\"method-details\"",
    )
}

async fn links_of(server: &Server, path: &str, selector: &str) -> Vec<String> {
    let links =
        PageClient::new(server).get(path).await.html().attributes(&format!(".prose {selector}"), "href");
    // A heading links to its own passage.
    links.into_iter().filter(|link| !link.starts_with("#p-")).collect()
}

async fn fill(server: &Server, library: &str, version: &str, files: &[(&str, &str)]) {
    for (path, text) in files {
        server.add(library, version, path, text).await;
    }
    let opened =
        server.patch(&format!("/api/v1/libraries/{library}"), &json!({ "visibility": "public" })).await;
    assert_eq!(opened.status, 200, "{}", opened.text());
}

/// Follows a link of a page as a browser does, and returns the address where it ends, with the fragment.
async fn follow(server: &Server, link: &str) -> String {
    let reply = PageClient::new(server).get(link).await;
    if let Some(there) = reply.header("location") {
        return there.to_owned();
    }
    assert_eq!(reply.status, 200, "{link}: {}", reply.text());
    link.to_owned()
}

#[tokio::test]
async fn links_of_markdown_lead_to_documents_of_the_same_version() {
    let app = TestApp::new(PROGRAM).await;
    let server = app.serve().await;
    let start = "# Start\n\n[file](guides/auth.mdx) [page](guides/auth#tokens) [site](/docs/app/guides/auth) [folder](guides/) \
                 [html](guides/auth.html) [here](#more) [root](/) [dead](gone.md) [dead site](/docs/nothing/here) \
                 <a href=\"guides/auth.mdx\">tag</a> [out](https://example.org/x) [bad](javascript:alert(1))\n\n## More\n\nMore text.\n";
    let auth =
        "# Auth\n\nIt begins.\n\n## Tokens\n\n[up](../start.md) [other](../../02-pages/guides/auth.mdx)\n";
    for version in ["1", "2"] {
        fill(
            &server,
            "next",
            version,
            &[
                ("01-app/start.md", start),
                ("01-app/guides/auth.mdx", auth),
                ("01-app/guides/index.mdx", "# Guides\n\nAll of them."),
                ("02-pages/guides/auth.mdx", "# Auth of pages\n\nOld."),
                ("index.mdx", "# Home\n\nWelcome."),
            ],
        )
        .await;
    }
    for version in ["1", "2"] {
        let base = format!("/l/next/{version}");
        let links = links_of(&server, &format!("{base}/01-app/start.md"), "p a").await;
        assert_eq!(
            links,
            [
                format!("{base}/01-app/guides/auth.mdx"),
                format!("{base}/01-app/guides/auth.mdx?at=tokens"),
                format!("{base}/01-app/guides/auth.mdx"),
                format!("{base}/01-app/guides/index.mdx"),
                format!("{base}/01-app/guides/auth.mdx"),
                "#h-more".to_owned(),
                format!("{base}/index.mdx"),
                format!("{base}/01-app/guides/auth.mdx"),
                "https://example.org/x".to_owned(),
            ]
        );
        let links = links_of(&server, &format!("{base}/01-app/guides/auth.mdx"), "p a").await;
        assert_eq!(links, [format!("{base}/01-app/start.md"), format!("{base}/02-pages/guides/auth.mdx")]);
        let there = follow(&server, &format!("{base}/01-app/guides/auth.mdx?at=tokens")).await;
        let page = PageClient::new(&server).get(&there).await.html();
        let place = there.split('#').nth(1).expect("a fragment").to_owned();
        assert!(page.has(&format!("[id='{place}']")), "{there} in {}", page.source());
        // What leads nowhere is plain.
        let page = PageClient::new(&server).get(&format!("{base}/01-app/start.md")).await.html();
        assert!(
            page.shows(".prose p", "dead dead site tag") && page.shows(".prose p", "bad"),
            "{}",
            page.source()
        );
    }
    // An address of the site leads there as well.
    let there = follow(&server, "/l/next/1/docs/app/guides/auth?at=tokens").await;
    assert_eq!(there, "/l/next/1/01-app/guides/auth.mdx?at=tokens");
    // As Markdown: what leads there by itself stays as it is written.
    let markdown = server.get("/l/next/2/01-app/start.md", &[]).await.text();
    for expected in [
        "[file](/l/next/2/01-app/guides/auth.mdx.md)",
        "[page](/l/next/2/01-app/guides/auth.mdx.md#tokens)",
        "[site](/l/next/2/01-app/guides/auth.mdx.md)",
        "[here](#more)",
        " dead dead site ",
        "[out](https://example.org/x) bad",
    ] {
        assert!(markdown.contains(expected), "{expected} in {markdown}");
    }
    let markdown = server.get("/l/next/2/01-app/guides/auth.mdx.md", &[]).await.text();
    assert!(markdown.contains("[up](../start.md)"), "{markdown}");
    // The text itself is the file, byte for byte.
    let listed = server.get("/api/v1/documents", &[("library", "next"), ("limit", "50")]).await.ok();
    let id =
        listed["items"].as_array().unwrap().iter().find(|item| item["path"] == "01-app/start.md").unwrap();
    let id = id["id"].as_str().unwrap();
    assert_eq!(server.get(&format!("/api/v1/documents/{id}/versions/2/content"), &[]).await.text(), start);
}

#[tokio::test]
async fn summaries_of_javadoc_lead_to_details() {
    let app = TestApp::new(PROGRAM).await;
    let server = app.serve().await;
    let door = documents::javadoc("com.example", "Door", "shut", "A door.")
        .replace("shut(java.lang.String)", "shut()");
    let (gate, path) = (javadoc(), "api/com/example/Gate.html");
    fill(&server, "api", "1", &[("api/com/example/Door.html", door.as_str()), (path, gate.as_str())]).await;
    let page = PageClient::new(&server).get(&format!("/l/api/1/{path}")).await.html();
    let links = page.attributes(".prose a:not(.anchor)", "href");
    let door = "/l/api/1/api/com/example/Door.html";
    assert!(
        links.contains(&door.to_owned()) && links.contains(&format!("{door}?at=shut%28%29")),
        "{links:?}"
    );
    // The detail is on this page, and the link names its place.
    assert_eq!(page.text(".prose td code a[href^='#']"), "open", "{}", page.source());
    let detail = page.attribute(".prose td code a[href^='#']", "href");
    let place = detail.split('#').nth(1).expect("a fragment");
    assert_eq!(page.count(&format!("[id='{place}']")), 1, "{detail} in {}", page.source());
    let there = follow(&server, &format!("{door}?at=shut%28%29")).await;
    let place = there.split('#').nth(1).expect("a fragment").to_owned();
    let page = PageClient::new(&server).get(&there).await.html();
    assert!(page.has(&format!("[id='{place}']")), "{there} in {}", page.source());

    // Words that are searched and snippets have no targets; agents get them beside the text.
    let found = server.search(&[("q", "opens like a door"), ("library", "api")]).await;
    for hit in found["hits"].as_array().unwrap() {
        let text = format!("{}{}", hit["content"], hit["snippet"]);
        assert!(!text.contains("Door.html") && !text.contains("java.lang.String)\""), "{text}");
    }
    assert_eq!(server.search(&[("q", "\"Door.html\""), ("library", "api")]).await["hits"], json!([]));
    let markdown = server.get(&format!("/l/api/1/{path}.md"), &[]).await.text();
    for expected in [
        &format!("[`Door`]({door}.md)")[..],
        "[`open(String name)`](#open%28java.lang.String%29)",
        &format!("Opens like a [door]({door}.md#shut%28%29)."),
    ] {
        assert!(markdown.contains(expected), "{expected} in {markdown}");
    }
    // A citation leads on too.
    let cited = found["hits"]
        .as_array()
        .unwrap()
        .iter()
        .find(|hit| hit["content"].as_str().unwrap().contains("like a door"));
    let address = cited.expect("the description of the class")["url"].as_str().unwrap().to_owned();
    let passage = server.json(&address).await;
    let link = json!({ "text": "door", "url": format!("{door}?at=shut%28%29") });
    assert_eq!((&passage["links"], &passage["path"]), (&json!([link]), &json!(path)), "{passage}");
    let request = server.request(Method::GET, &address, &[]).header("accept", "text/markdown");
    let text = server.send(request).await.text();
    assert!(text.ends_with(&format!("Links:\n- door: {door}?at=shut%28%29\n")), "{text}");

    let agent = Agent::new(&server, NEW);
    let arguments = json!({ "library": "api", "path": path });
    let (text, value) = agent.call("get_document", arguments).await;
    let uris: Vec<&Value> = value["passages"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|passage| passage["links"].as_array().unwrap())
        .collect();
    let door = "docs://libraries/api/1/api/com/example/Door.html";
    assert!(uris.contains(&&json!({ "text": "Door", "uri": door })), "{value}");
    assert!(uris.contains(&&json!({ "text": "door", "uri": format!("{door}#shut%28%29") })), "{value}");
    assert!(text.contains(&format!("- Door: {door}")), "{text}");
    let (_, value) = agent.call("get_document", json!({ "uri": format!("{door}#shut%28%29") })).await;
    assert_eq!(value["path"], "api/com/example/Door.html");
    let (_, value) =
        agent.call("search_docs", json!({ "library": "api", "query": "opens like a door" })).await;
    assert!(value.to_string().contains(&format!("{door}#shut%28%29")), "{value}");
}

#[tokio::test]
async fn links_of_html_rst_and_word_lead_on() {
    let app = TestApp::new(PROGRAM).await;
    let server = app.serve().await;
    let page = documents::html(
        "Manual",
        "<p id=\"intro\">See the <a href=\"../ref/options.html#opt-x\">option <code>x</code></a> and <a href=\"#sec\">below</a>, \
         <a href=\"gone.html\">gone</a>.</p><table><tr><th>A</th><th>B</th></tr><tr><td><a href=\"../ref/options.html\">all</a></td><td>1</td></tr></table>\
         <h2>Section <a id=\"sec\"></a></h2><p>Text of the section.</p>",
    );
    let options = documents::html(
        "Options",
        "<p>Many.</p><dl><dt id=\"opt-x\"><code>--x</code></dt><dd>Sets x.</dd></dl>",
    );
    let index = "Index\n=====\n\nSee :ref:`the setup <setup-label>`, :doc:`/manual/setup`, `Next part`_ and `plain <other.html>`_.\n\n\
                 Next part\n---------\n\nText.\n";
    let other = documents::html("Other", "<p>Words.</p>");
    let setup = "Setup\n=====\n\nFirst words.\n\n.. _setup-label:\n\nInstalling\n----------\n\nRun it.\n";
    fill(
        &server,
        "docs",
        "1",
        &[
            ("guide/manual.html", page.as_str()),
            ("ref/options.html", options.as_str()),
            ("manual/index.rst", index),
            ("manual/setup.rst", setup),
            ("manual/other.html", other.as_str()),
        ],
    )
    .await;
    let links = links_of(&server, "/l/docs/1/guide/manual.html", "a:not(.anchor)").await;
    assert_eq!(
        links[..2],
        ["/l/docs/1/ref/options.html?at=opt%2Dx", "/l/docs/1/ref/options.html?at=opt%2Dx"]
    );
    assert!(links[2].starts_with("#a-"), "{links:?}");
    assert_eq!(links[3..], ["/l/docs/1/ref/options.html"]);
    let there = follow(&server, &links[0]).await;
    assert!(there.starts_with("/l/docs/1/ref/options.html#a-"), "{there}");
    let links = links_of(&server, "/l/docs/1/manual/index.rst", "p a").await;
    assert_eq!(links[0], "/l/docs/1/manual/setup.rst?at=setup%2Dlabel");
    assert_eq!(links[1], "/l/docs/1/manual/setup.rst");
    assert!(links[2].starts_with("#a-"), "{links:?}");
    assert_eq!(links[3], "/l/docs/1/manual/other.html");
    let there = follow(&server, &links[0]).await;
    let page = PageClient::new(&server).get(&there).await.html();
    let place = there.split('#').nth(1).expect("a fragment").to_owned();
    assert!(page.has(&format!("[id='{place}']")), "{there} in {}", page.source());

    let w = "xmlns:w=\"http://schemas.openxmlformats.org/wordprocessingml/2006/main\" \
             xmlns:r=\"http://schemas.openxmlformats.org/officeDocument/2006/relationships\"";
    let run = |text: &str| format!("<w:r><w:t xml:space=\"preserve\">{text}</w:t></w:r>");
    let document = format!(
        "<w:document {w}><w:body><w:p>{}<w:hyperlink w:anchor=\"later\">{}</w:hyperlink>{}<w:hyperlink r:id=\"rId1\">{}</w:hyperlink></w:p>\
         <w:p><w:bookmarkStart w:id=\"0\" w:name=\"later\"/>{}<w:bookmarkEnd w:id=\"0\"/></w:p></w:body></w:document>",
        run("See "),
        run("the end"),
        run(" or "),
        run("the options"),
        run("The end of the letter."),
    );
    let relations = "<Relationships xmlns=\"http://schemas.openxmlformats.org/package/2006/relationships\"><Relationship Id=\"rId1\" \
                     Type=\"http://schemas.openxmlformats.org/officeDocument/2006/relationships/hyperlink\" Target=\"ref/options.html\" TargetMode=\"External\"/></Relationships>";
    let letter = documents::zip(&[
        ("word/document.xml", document.as_bytes()),
        ("word/_rels/document.xml.rels", relations.as_bytes()),
    ]);
    server.add("docs", "1", "letter.docx", letter).await;
    let links = links_of(&server, "/l/docs/1/letter.docx", "p a").await;
    assert!(links[0].starts_with("#a-"), "{links:?}");
    assert_eq!(links[1..], ["/l/docs/1/ref/options.html"]);
}

#[tokio::test]
async fn broken_links_are_listed() {
    let app = TestApp::new(PROGRAM).await;
    let server = app.serve().await;
    let ada = server.set_up().await;
    let page = documents::html(
        "B",
        "<p><a href=\"a.md#one\">good</a> <a href=\"a.md#none\">place</a> <a href=\"c.html\">absent</a></p>",
    );
    fill(
        &server,
        "kit",
        "1",
        &[
            ("a.md", "# A\n\n## One\n\n[x](b.html) [x](gone.md) [again](gone.md#y) [here](#two) [web](https://example.org) [mail](mailto:a@b.example)"),
            ("b.html", page.as_str()),
        ],
    )
    .await;
    let address = "/api/v1/libraries/kit/versions/1/broken-links";
    let listed = server.json(address).await;
    let found: Vec<[&str; 3]> = listed["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| ["path", "target", "missing"].map(|member| item[member].as_str().unwrap()))
        .collect();
    let expected = [
        ["a.md", "gone.md", "document"],
        ["a.md", "gone.md#y", "document"],
        ["a.md", "#two", "place"],
        ["b.html", "a.md#none", "place"],
        ["b.html", "c.html", "document"],
    ];
    assert_eq!(found, expected, "{listed}");
    assert_eq!(listed["next"], Value::Null);
    // By pages of any size, the same.
    for limit in ["1", "2", "4"] {
        let (mut cursor, mut all) = (String::new(), Vec::new());
        for _ in 0..9 {
            let page = if cursor.is_empty() {
                server.get(address, &[("limit", limit)]).await.ok()
            } else {
                server.get(address, &[("limit", limit), ("cursor", &cursor)]).await.ok()
            };
            all.extend(page["items"].as_array().unwrap().clone());
            match page["next"].as_str() {
                Some(next) => next.clone_into(&mut cursor),
                None => break,
            }
        }
        assert_eq!(Value::Array(all), listed["items"], "{limit}");
    }
    let shown = PageClient::signed_in(&server, &ada).get("/l/kit/1").await.html();
    assert!(
        shown.shows("section[aria-labelledby=broken] li:nth-child(2) code", "gone.md#y")
            && shown.shows("section[aria-labelledby=broken] li:nth-child(2)", "No such document"),
        "{}",
        shown.source()
    );
    let shown = PageClient::signed_in(&server, &ada).in_chinese().get("/broken-links/kit/1").await.html();
    assert!(
        shown.shows("main", "a.md#none") && shown.shows("main", "文档中没有此标题"),
        "{}",
        shown.source()
    );
    // A document that comes later mends them.
    server.add("kit", "1", "gone.md", "# Gone\n\n## Y\n\nIt is here.").await;
    let listed = server.json(address).await;
    assert_eq!(listed["items"].as_array().unwrap().len(), 3, "{listed}");
    let links = links_of(&server, "/l/kit/1/a.md", "p a").await;
    assert!(links.contains(&"/l/kit/1/gone.md".to_owned()), "{links:?}");
}

#[tokio::test]
async fn a_library_knows_the_address_of_its_site() {
    let app = TestApp::new(PROGRAM).await;
    let server = app.serve().await;
    let text = "# Start\n\n[a](https://docs.example.org/kit/setup/) [b](/kit/setup) [c](https://docs.example.org/other) [d](/setup)";
    fill(
        &server,
        "site",
        "1",
        &[("start.md", text), ("setup.md", "# Setup\n\nRun it."), ("old/setup.md", "# Old\n\nRun it.")],
    )
    .await;
    let change =
        async |base: Value| server.patch("/api/v1/libraries/site", &json!({ "link_base": base })).await;
    let changed = change(json!("https://docs.example.org/kit/")).await.ok();
    assert_eq!(changed["link_base"], "https://docs.example.org/kit");
    let links = links_of(&server, "/l/site/1/start.md", "p a").await;
    let setup = "/l/site/1/setup.md";
    assert_eq!(links, [setup, setup, "https://docs.example.org/other", setup]);
    for bad in ["docs", "javascript:alert(1)", "//x", "https://", "/a b", "/a?b"] {
        assert_eq!(change(json!(bad)).await.status, 400, "{bad}");
    }
    assert_eq!(change(json!("")).await.ok()["link_base"], "");
    let links = links_of(&server, "/l/site/1/start.md", "p a").await;
    assert_eq!(links[0], "https://docs.example.org/kit/setup/");
    let request = server.request_as(None, Method::GET, "/api/v1/libraries/site", &[]);
    assert_eq!(server.send(request).await.ok()["link_base"], "");
}
