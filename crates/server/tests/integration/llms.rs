//! Libraries as agents read them without a protocol: llms.txt, the Markdown of each document, and both as sources of
//! another library.

use insta::assert_snapshot;
use reqwest::Method;
use serde_json::json;
use testkit::{Reply, Server, TestApp, each};

use crate::PROGRAM;

async fn shelf(server: &Server) {
    server.add("vercel/next.js", "14", "start.md", "# Start\n\nBegin with fourteen.\n").await;
    for (path, text) in [
        ("start.md", "# Start [here]\n\nBegin with startword.\n"),
        (
            "guides/stop.html",
            "<html><title>Stop</title><body><h1>Stop</h1><p>End with stopword.</p></body></html>",
        ),
        ("guides/指南 (1).md", "# 指南\n\n优雅停机 guideword\n"),
        ("optional/extra.txt", "Extra words: extraword.\n"),
        ("LICENSE", "Anyone may read this licenseword.\n"),
    ] {
        server.add("vercel/next.js", "15", path, text).await;
    }
    let about = json!({ "title": "Next.js", "description": "A framework\nfor pages" });
    assert_eq!(server.patch("/api/v1/libraries/vercel%2Fnext.js", &about).await.status, 200);
}

/// A text whose times are replaced.
fn without_times(text: &str) -> String {
    let mut words: Vec<String> = Vec::new();
    for word in text.split(' ') {
        let is_time = word.starts_with("20") && word.contains('T') && word.contains('Z');
        let rest = word.split_once('Z').map_or("", |(_, rest)| rest);
        words.push(if is_time { format!("[time]{rest}") } else { word.to_owned() });
    }
    words.join(" ")
}

/// Where the links of a list lead, seen from the list.
fn links(text: &str) -> Vec<String> {
    let after = text.lines().filter(|line| line.starts_with("- [")).filter_map(|line| line.split_once("]("));
    after.filter_map(|(_, rest)| rest.split_once(')')).map(|(link, _)| link.to_owned()).collect()
}

async fn get_with(server: &Server, path: &str, header: &str, value: &str) -> Reply {
    server.send(server.request(Method::GET, path, &[]).header(header, value)).await
}

#[tokio::test]
async fn lists_lead_from_the_root_to_every_document() {
    let app = TestApp::new(PROGRAM).await;
    let server = app.serve().await;
    shelf(&server).await;
    let root = server.get("/llms.txt", &[]).await;
    assert_eq!(root.header("content-type"), Some("text/plain; charset=utf-8"));
    assert_snapshot!(root.text().replace(env!("CARGO_PKG_VERSION"), "[ours]"), @r"
    # Wenyuan

    > A technical library that a team and its agents share.

    The list has the libraries that you can read. Links are relative to the address of this file.

    ## Libraries

    - [Next.js](l/vercel~next.js/llms.txt): A framework for pages (version 14)
    - [Wenyuan (文渊)](l/wenyuan/llms.txt): The guide of Wenyuan: how to use it and how to run it. (version [ours])
    ");
    let library = server.get("/l/vercel~next.js/llms.txt", &[]).await;
    assert_snapshot!(library.text(), @r"
    # Next.js

    > A framework for pages

    Links are relative to the address of this file.

    ## Versions

    - [15](15/llms.txt)
    - [14](14/llms.txt): active version
    ");
    let version = server.get("/l/vercel~next.js/15/llms.txt", &[]).await;
    assert_snapshot!(without_times(&version.text()), @r"
    # Next.js 15

    > A framework for pages

    Library vercel/next.js, version 15: 5 documents, the last of them indexed [time]. Links are relative to the address of this file; `llms-full.txt` beside it has all texts.

    ## Documents

    - [LICENSE](LICENSE.md): Anyone may read this licenseword.
    - [Start \[here\]](start.md): Begin with startword.

    ## guides

    - [Stop](guides/stop.html.md): End with stopword.
    - [指南](guides/%E6%8C%87%E5%8D%97%20%281%29.md): 优雅停机 guideword

    ## optional/

    - [extra](optional/extra.txt.md): Extra words: extraword.
    ");
    // All that is named can be fetched, and is safe to look at.
    assert!(links(&root.text()).contains(&"l/vercel~next.js/llms.txt".to_owned()));
    assert_eq!(links(&library.text()), ["15/llms.txt", "14/llms.txt"]);
    let mut texts = String::new();
    for link in links(&version.text()) {
        let reply = server.get(&format!("/l/vercel~next.js/15/{link}"), &[]).await;
        assert_eq!(reply.status, 200, "{link}: {}", reply.text());
        assert_eq!(reply.header("content-type"), Some("text/markdown; charset=utf-8"), "{link}");
        assert_eq!(reply.header("x-content-type-options"), Some("nosniff"));
        assert_eq!(reply.header("content-security-policy"), Some("sandbox"));
        texts.push_str(&reply.text());
    }
    for word in ["startword", "stopword", "guideword", "extraword", "licenseword"] {
        assert!(texts.contains(word), "{word} in {texts}");
    }
    let full = server.get("/l/vercel~next.js/15/llms-full.txt", &[]).await;
    assert_snapshot!(without_times(&full.text()), @r"
    # Next.js 15

    > A framework for pages

    Library vercel/next.js, version 15: 5 documents, the last of them indexed [time].

    ---

    Source: LICENSE (revision 1, indexed [time])

    # LICENSE

    Anyone may read this licenseword.

    ---

    Source: start.md (revision 1, indexed [time])

    # Start [here]

    Begin with startword.

    ---

    Source: guides/stop.html (revision 1, indexed [time])

    # Stop

    End with stopword.

    ---

    Source: guides/指南 (1).md (revision 1, indexed [time])

    # 指南

    优雅停机 guideword

    ---

    Source: optional/extra.txt (revision 1, indexed [time])

    # extra

    Extra words: extraword.
    ");
}

#[tokio::test]
async fn a_document_is_read_under_its_own_name() {
    let app = TestApp::new(PROGRAM).await;
    let server = app.serve().await;
    shelf(&server).await;
    let at = "/l/vercel~next.js/15/start.md";
    let reply = server.get(at, &[]).await;
    assert_eq!(reply.text(), "# Start [here]\n\nBegin with startword.\n");
    let tag = reply.header("etag").unwrap().to_owned();
    assert_eq!(get_with(&server, at, "if-none-match", &tag).await.status, 304);
    server.add("vercel/next.js", "15", "start.md", "# Start\n\nBegin anew.\n").await;
    let changed = get_with(&server, at, "if-none-match", &tag).await;
    assert_eq!((changed.status, changed.text()), (200, "# Start\n\nBegin anew.\n".to_owned()));
    // The slash in a library's name may be written in both ways.
    assert_eq!(server.get("/l/vercel%2Fnext.js/15/start.md", &[]).await.status, 200);
    // Without the ending: plain text, or Markdown where that is wanted.
    let plain = server.get("/l/vercel~next.js/15/guides/stop.html", &[]).await;
    assert_eq!(plain.header("content-type"), Some("text/plain; charset=utf-8"));
    let accept = "text/markdown, text/html;q=0.9, */*;q=0.8";
    let markdown = get_with(&server, "/l/vercel~next.js/15/guides/stop.html", "accept", accept).await;
    assert_eq!(markdown.header("content-type"), Some("text/markdown; charset=utf-8"));
    assert_eq!(markdown.text(), plain.text());
    assert_ne!(markdown.header("etag"), plain.header("etag"));
    // A twin and a document of that name stand side by side.
    server.add("both", "1", "a", "The bareword.").await;
    server.add("both", "1", "a.md", "# A\n\nThe markedword.").await;
    let named = links(&server.get("/l/both/1/llms.txt", &[]).await.text());
    assert_eq!(named, ["a.md", "a.md.md"]);
    assert!(server.get("/l/both/1/a.md", &[]).await.text().contains("bareword"));
    assert!(server.get("/l/both/1/a.md.md", &[]).await.text().contains("markedword"));
    for path in ["/l/both/1/b.md", "/l/both/1/../1/absent", "/l/both/1/a/b", "/l/both/1/%2E%2E/a"] {
        server.get(path, &[]).await.problem(404);
    }
    let elsewhere = server.get("/l/vercel~next.js/14/LICENSE", &[]).await.problem(404);
    assert_eq!(elsewhere["detail"], "vercel/next.js 14 has no document LICENSE; it is in 15");
}

#[tokio::test]
async fn what_stands_for_a_version_leads_to_it_and_an_absent_one_is_refused() {
    let app = TestApp::new(PROGRAM).await;
    let server = app.serve().await;
    for version in ["5.1.0", "5.2.1"] {
        server.add("fastify", version, "a/b.md", format!("# B\n\nThis is {version}.\n")).await;
    }
    for (asked, version) in
        [("latest", "5.2.1"), ("5.x", "5.2.1"), ("%5E5.1", "5.2.1"), ("active", "5.1.0"), ("v5.1.0", "5.1.0")]
    {
        let text = server.follow(&format!("/l/fastify/{asked}/a/b.md")).await.text();
        assert_eq!(text, format!("# B\n\nThis is {version}.\n"), "{asked}");
        for file in ["llms.txt", "llms-full.txt"] {
            let text = server.follow(&format!("/l/fastify/{asked}/{file}")).await.text();
            assert!(text.starts_with(&format!("# fastify {version}\n")), "{asked}: {text}");
        }
    }
    for rest in ["llms.txt", "llms-full.txt", "a/b.md", "a/b.md?x=1"] {
        let refused = server.get(&format!("/l/fastify/9.9/{rest}"), &[]).await.problem(404);
        assert_eq!(refused["present"], json!(["5.2.1", "5.1.0"]));
    }
    server.get("/l/absent/1/llms.txt", &[]).await.problem(404);
    server.get("/l/a~b~c/llms.txt", &[]).await.problem(400);
    server.get("/llms.txt", &[("after", "!")]).await.problem(400);
}

#[tokio::test]
async fn what_may_not_be_seen_is_in_no_list() {
    let app = TestApp::new(PROGRAM).await;
    let server = app.serve().await;
    server.add("hidden", "1", "a.md", "# A\n\nThe secretword.\n").await;
    server.add("open", "1", "a.md", "# A\n\nThe openword.\n").await;
    let change = async |library: &str, visibility: &str| {
        let reply =
            server.patch(&format!("/api/v1/libraries/{library}"), &json!({ "visibility": visibility })).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
    };
    change("hidden", "private").await;
    change("open", "public").await;
    app.run(&["user", "create", "stranger"]).await.succeeded();
    let key = app.create_key("strangers", &["--user", "stranger"]).await;
    let nobody = async |path: &str| server.send(server.request_as(None, Method::GET, path, &[])).await;
    let stranger =
        async |path: &str| server.send(server.request_as(Some(&key), Method::GET, path, &[])).await;
    assert!(!stranger("/llms.txt").await.text().contains("hidden"));
    let root = nobody("/llms.txt").await.text();
    assert!(root.contains("l/open/llms.txt") && !root.contains("hidden"), "{root}");
    assert_eq!(nobody("/l/open/1/a.md").await.text(), "# A\n\nThe openword.\n");
    for path in [
        "/l/hidden/llms.txt",
        "/l/hidden/1/llms.txt",
        "/l/hidden/1/llms-full.txt",
        "/l/hidden/1/a.md",
        "/l/hidden/latest/a",
    ] {
        let refused = nobody(path).await.problem(404);
        stranger(path).await.problem(404);
        let absent = nobody(&path.replace("hidden", "absent")).await.problem(404);
        assert_eq!(
            refused["detail"].as_str().unwrap().replace("hidden", "absent"),
            absent["detail"],
            "{path}"
        );
        assert_eq!(server.follow(path).await.status, if path.ends_with("/a") { 404 } else { 200 }, "{path}");
    }
}

#[tokio::test]
async fn search_answers_in_markdown_where_that_is_wanted() {
    let app = TestApp::new(PROGRAM).await;
    let server = app.serve().await;
    server.add("gate", "2.0", "a.md", "# Limits\n\nThe limitword:\n\n```js\nlimit(3)\n```\n").await;
    let path = "/api/v1/search?q=limitword&library=gate";
    let text = get_with(&server, path, "accept", "text/markdown").await;
    assert_eq!(text.header("content-type"), Some("text/markdown; charset=utf-8"));
    assert!(text.text().starts_with("> keyword results only"), "{}", text.text());
    let whole = text.text();
    let (_, shown) = whole.split_once("\n\n").unwrap();
    let (line, rest) = shown.split_once("\n\n").map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap();
    assert!(
        line.starts_with("library: gate | version: 2.0 | section: Limits | path: a.md | passage: "),
        "{line}"
    );
    assert!(rest.starts_with("````markdown\n") && rest.contains("```js\nlimit(3)\n```"), "{rest}");
    let json = server.search(&[("q", "limitword"), ("library", "gate")]).await;
    let passage = json["hits"][0]["url"].as_str().unwrap();
    assert_eq!(get_with(&server, passage, "accept", "text/markdown").await.text(), shown);
    assert_eq!(server.json(passage).await["path"], "a.md");
}

#[tokio::test]
async fn one_servers_lists_are_another_librarys_sources() {
    let app = TestApp::new(PROGRAM).await;
    let server = app.serve().await;
    shelf(&server).await;
    // A copy of what the server names, as any crawler makes it.
    let list = server.get("/l/vercel~next.js/15/llms.txt", &[]).await.text();
    let file = app.file("copy/llms.txt", &list);
    for link in links(&list) {
        let text = server.get(&format!("/l/vercel~next.js/15/{link}"), &[]).await.text();
        let path = link.replace("%20", " ").replace("%28", "(").replace("%29", ")");
        let path = path.replace("%E6%8C%87%E5%8D%97", "指南");
        app.file(&format!("copy/{path}"), text);
    }
    let added = app.run(&["add", &file, "-l", "copy", "-V", "15", "--json"]).await.json();
    assert_eq!((&added["added"], &added["failed"]), (&json!(5), &json!([])), "{added}");
    let full = server.get("/l/vercel~next.js/15/llms-full.txt", &[]).await.text();
    let file = app.file("full/llms-full.txt", full);
    app.run(&["add", &file, "-l", "full"]).await.succeeded();
    server.caught_up().await;
    for word in ["startword", "stopword", "guideword", "extraword", "licenseword"] {
        for library in ["copy", "full"] {
            let answer = server.search(&[("q", word), ("library", library)]).await;
            assert_eq!(each(&answer, "library"), [library], "{word} in {library}: {answer}");
        }
    }
    // The list says what the library is called and is about.
    let copy = server.json("/api/v1/libraries/copy").await;
    assert_eq!(
        (&copy["title"], &copy["description"]),
        (&json!("Next.js 15"), &json!("A framework for pages"))
    );
}

#[tokio::test]
async fn a_list_of_files_is_followed_no_further_than_its_folder() {
    let app = TestApp::new(PROGRAM).await;
    app.file("outside.md", "# Outside\n\nThe outsideword.\n");
    app.file("kit/docs/in.md", "# In\n\nThe inword.\n");
    app.file("kit/docs/unnamed.md", "# Unnamed\n\nThe unnamedword.\n");
    app.file("kit/docs/two words.md", "# Two\n\nThe twoword.\n");
    let list = app.file(
        "kit/llms.txt",
        "# Kit\n\n> A kit.\n\n## Docs\n\n- [In](docs/in.md#part): notes\n- [In again](./docs/in.md?x=1)\n\
         - [Two](docs/two%20words.md)\n- [Out](../outside.md)\n- [Root](/etc/passwd)\n- [Gone](docs/gone.md)\n\
         - [Far](https://example.org/far.md)\n- [Folder](docs/)\n- [Mail](mailto:a@example.org)\n- [Link](docs/link.md)\n\n## Optional\n\n- [None](#none)\n",
    );
    std::os::unix::fs::symlink("../../outside.md", app.files().join("kit/docs/link.md")).unwrap();
    let run = app.run(&["add", &list, "-l", "kit", "--json"]).await;
    assert_eq!(run.code, 1, "{}", run.errors);
    let summary: serde_json::Value = serde_json::from_str(&run.output).unwrap();
    assert_eq!(summary["added"], 2, "{summary}");
    let of = |name: &str| -> Vec<String> {
        let told = |one: &serde_json::Value| {
            let reason = one["reason"].as_str().unwrap().split(" (").next().unwrap().to_owned();
            format!("{}: {reason}", one["path"].as_str().unwrap())
        };
        summary[name].as_array().unwrap().iter().map(told).collect()
    };
    assert_eq!(
        of("failed"),
        [
            "../outside.md: the link leads out of the list's folder",
            "/etc/passwd: the link leads nowhere",
            "docs/gone.md: the link leads nowhere",
            "docs/: the link leads nowhere",
            "docs/link.md: the link leads through a symbolic link, which is not followed",
        ]
    );
    assert_eq!(of("skipped"), ["https://example.org/far.md: a link to another place, which is not fetched"]);
    // The folder holds more than the list names; the list itself is no document.
    std::fs::remove_file(app.files().join("kit/docs/link.md")).unwrap();
    app.file("kit/llms.txt", "# Kit\n\n- [In](docs/in.md)\n- [Two](docs/two%20words.md)\n");
    app.file("kit/llms-full.txt", "# Kit\n\nThe inword again.\n");
    let folder = app.files().join("kit").display().to_string();
    let added = app.run(&["add", &folder, "-l", "kit", "--json"]).await.json();
    assert_eq!(
        (&added["added"], &added["unchanged"], &added["failed"]),
        (&json!(1), &json!(2), &json!([])),
        "{added}"
    );
    let documents = app.run(&["documents", "list", "--library", "kit"]).await.succeeded();
    assert!(documents.contains("docs/unnamed.md") && !documents.contains("llms"), "{documents}");
}
