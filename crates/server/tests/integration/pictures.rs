//! Pictures of documents: taken along, encoded anew, shown to those who can read the document, and replaced by their description
//! where they are missing.

use reqwest::Method;
use reqwest::multipart::{Form, Part};
use serde_json::json;
use testkit::{PageClient, Server, TestApp, documents};

use crate::PROGRAM;

/// A PNG of 3 × 2 pixels, with a text chunk and trailing bytes that must not reach a reader.
fn png() -> Vec<u8> {
    let mut bytes = PNG_BYTES.to_vec();
    bytes.extend(b"<script>alert(1)</script>");
    bytes
}

/// A PNG of 3 × 2 pixels as bytes, and as base64.
const PNG_BYTES: &[u8] = b"\x89\x50\x4e\x47\x0d\x0a\x1a\x0a\x00\x00\x00\x0d\x49\x48\x44\x52\x00\x00\x00\x03\x00\x00\x00\x02\x08\x02\
    \x00\x00\x00\x12\x16\xf1\x4d\x00\x00\x00\x10\x49\x44\x41\x54\x78\x9c\x63\x38\x21\x67\x03\x41\x0c\x70\x16\
    \x00\x47\x54\x06\xcd\x2c\x86\x37\x7e\x00\x00\x00\x00\x49\x45\x4e\x44\xae\x42\x60\x82";
const PNG: &str =
    "iVBORw0KGgoAAAANSUhEUgAAAAMAAAACCAIAAAASFvFNAAAAEElEQVR4nGM4IWcDQQxwFgBHVAbNLIY3fgAAAABJRU5ErkJggg==";
const SVG: &str = "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"40\" height=\"30\" onload=\"alert(1)\"><script>alert(1)</script>\
                   <rect width=\"40\" height=\"30\" fill=\"#0a0\"/></svg>";

async fn open(server: &Server, library: &str) {
    let changed =
        server.patch(&format!("/api/v1/libraries/{library}"), &json!({ "visibility": "public" })).await;
    assert_eq!(changed.status, 200, "{}", changed.text());
}

/// Opens a page and returns the addresses and descriptions of its pictures.
async fn pictures(server: &Server, path: &str) -> Vec<(String, String)> {
    let page = PageClient::new(server).get(path).await.html();
    let sources = page.attributes(".prose img", "src");
    sources.into_iter().zip(page.attributes(".prose img", "alt")).collect()
}

#[tokio::test]
async fn pictures_of_a_folder_are_shown_in_its_documents() {
    let app = TestApp::new(PROGRAM).await;
    app.file(
        "site/guide/a.md",
        "# A\n\n![The wavepicture](../img/wave.png) and ![Drawn](/img/plan.svg \"t\") and ![Missing one](gone.png).\n\n\
         <p align=\"center\"><img src=\"../img/wave.png\" alt=\"By tag\"></p>\n\nInline <img src=\"../img/wave.png\" alt=\"In line\"> too.\n",
    );
    app.file(
        "site/page.html",
        documents::html("Page", "<p>See <img src=\"img/wave.png\" alt=\"the buoypicture\">.</p><p><img src=\"img/plan.svg\"></p><p>End.</p>"),
    );
    app.file("site/b.rst", "B\n=\n\nText.\n\n.. image:: img/wave.png\n   :alt: the reedpicture\n\nMore.\n");
    app.file("site/img/wave.png", png());
    app.file("site/img/plan.svg", SVG);
    app.file("site/img/broken.gif", b"GIF89a broken");
    let site = app.files().join("site").display().to_string();
    for round in 0..2 {
        let (code, summary) = app.add(&site, "site", "1").await;
        assert_eq!(code, 0, "{summary}");
        let mut skipped: Vec<&str> =
            summary["skipped"].as_array().unwrap().iter().map(|one| one["path"].as_str().unwrap()).collect();
        skipped.sort_unstable();
        assert_eq!(skipped, ["img/broken.gif", "img/plan.svg", "img/wave.png"], "{summary}");
        assert_eq!(
            (&summary["added"], &summary["failed"]),
            (&json!(3 * (1 - round)), &json!([])),
            "{summary}"
        );
    }
    let server = app.serve().await;
    open(&server, "site").await;
    let shown = pictures(&server, "/l/site/1/guide/a.md").await;
    let descriptions: Vec<&str> = shown.iter().map(|(_, description)| description.as_str()).collect();
    assert_eq!(descriptions, ["The wavepicture", "Drawn", "By tag", "In line"]);
    let page = PageClient::new(&server).get("/l/site/1/guide/a.md").await.html();
    assert_eq!(page.text(".prose .picture"), "Missing one");
    assert_eq!(page.attributes(".prose img[alt='Drawn']", "width"), ["40"]);
    for (address, width) in [(&shown[0].0, 3), (&shown[1].0, 80)] {
        let reply = server.send(server.request_as(None, Method::GET, address, &[])).await;
        assert_eq!((reply.status, reply.header("content-type")), (200, Some("image/png")), "{address}");
        assert_eq!(reply.header("x-content-type-options"), Some("nosniff"));
        assert_eq!(reply.header("content-security-policy"), Some("default-src 'none'; sandbox"));
        assert_eq!(reply.header("cache-control"), Some("private, max-age=31536000, immutable"));
        assert!(reply.body.starts_with(b"\x89PNG"));
        assert!(!reply.body.windows(6).any(|window| window == b"script"), "{address}");
        assert_eq!(reply.body[16..20], u32::to_be_bytes(width), "{address}");
        let tag = reply.header("etag").unwrap().to_owned();
        let again = server.request_as(None, Method::GET, address, &[]).header("if-none-match", tag);
        assert_eq!(server.send(again).await.status, 304);
    }
    let shown = pictures(&server, "/l/site/1/page.html").await;
    assert_eq!(shown.iter().map(|one| one.1.as_str()).collect::<Vec<_>>(), ["the buoypicture", ""]);
    let page = PageClient::new(&server).get("/l/site/1/page.html").await.html();
    assert!(
        page.shows(".prose p", "See .") && !page.source().contains("See the buoypicture"),
        "{}",
        page.source()
    );
    assert_eq!(pictures(&server, "/l/site/1/b.rst").await[0].1, "the reedpicture");
    // Descriptions are searched, addresses are not.
    for word in ["wavepicture", "buoypicture", "reedpicture"] {
        assert_eq!(
            server.search(&[("q", word), ("library", "site")]).await["hits"].as_array().unwrap().len(),
            1,
            "{word}"
        );
    }
    // A new picture of the same name takes its place.
    let before = pictures(&server, "/l/site/1/page.html").await;
    server.add("site", "1", "img/plan.svg", SVG.replace("#0a0", "#00a")).await;
    let after = pictures(&server, "/l/site/1/page.html").await;
    assert_ne!(before, after);
}

#[tokio::test]
async fn pictures_within_documents_are_shown() {
    let app = TestApp::new(PROGRAM).await;
    let server = app.serve().await;
    let data = format!("data:image/png;base64,{PNG}");
    let page = documents::html("Inside", &format!("<p>A dot: <img src=\"{data}\" alt=\"dot\">.</p>"));
    server.add("inside", "1", "a.html", page).await;
    server.add("inside", "1", "b.md", format!("# B\n\nA ![point]({data}) here.")).await;
    let names = "xmlns:w=\"http://schemas.openxmlformats.org/wordprocessingml/2006/main\" \
                 xmlns:r=\"http://schemas.openxmlformats.org/officeDocument/2006/relationships\" \
                 xmlns:a=\"http://schemas.openxmlformats.org/drawingml/2006/main\" \
                 xmlns:wp=\"http://schemas.openxmlformats.org/drawingml/2006/wordprocessingDrawing\"";
    let drawing = |description: &str| {
        format!(
            "<w:r><w:drawing><wp:inline><wp:docPr id=\"1\" name=\"Picture 1\" descr=\"{description}\"/><a:graphic><a:graphicData>\
             <a:blip r:embed=\"rId7\"/></a:graphicData></a:graphic></wp:inline></w:drawing></w:r>"
        )
    };
    let document = format!(
        "<w:document {names}><w:body><w:p><w:r><w:t>See this: </w:t></w:r>{}</w:p><w:p>{}</w:p><w:p><w:r><w:t>Done.</w:t></w:r></w:p></w:body></w:document>",
        drawing("a small square"),
        drawing(""),
    );
    let relations = "<Relationships xmlns=\"http://schemas.openxmlformats.org/package/2006/relationships\"><Relationship Id=\"rId7\" \
                     Type=\"http://schemas.openxmlformats.org/officeDocument/2006/relationships/image\" Target=\"media/image1.png\"/></Relationships>";
    let letter = documents::zip(&[
        ("word/document.xml", document.as_bytes()),
        ("word/_rels/document.xml.rels", relations.as_bytes()),
        ("word/media/image1.png", &png()),
    ]);
    server.add("inside", "1", "letter.docx", letter).await;
    open(&server, "inside").await;
    for (path, expected) in
        [("a.html", &["dot"][..]), ("b.md", &["point"]), ("letter.docx", &["a small square", ""])]
    {
        let shown = pictures(&server, &format!("/l/inside/1/{path}")).await;
        assert_eq!(shown.iter().map(|one| one.1.as_str()).collect::<Vec<_>>(), expected, "{path}");
        for (address, _) in shown {
            let reply = server.send(server.request_as(None, Method::GET, &address, &[])).await;
            assert_eq!((reply.status, reply.header("content-type")), (200, Some("image/png")), "{path}");
        }
    }
    let found = server.search(&[("q", "small square"), ("library", "inside")]).await;
    assert_eq!(found["hits"][0]["path"], "letter.docx", "{found}");
}

#[tokio::test]
async fn pictures_come_with_archives_and_uploads_and_are_for_readers_of_the_library() {
    let app = TestApp::new(PROGRAM).await;
    let server = app.serve().await;
    let ada = server.set_up().await;
    let ben = server.person(&ada, "ben", "user").await;
    let archive = documents::zip(&[("a.md", b"# A\n\n![x](img/a.png)"), ("img/a.png", &png())]);
    let form = Form::new()
        .text("library", "pier")
        .text("version", "1")
        .part("file", Part::bytes(archive).file_name("docs.zip"));
    let request = server.request_as(Some(&ada.access_token), Method::POST, "/api/v1/archives", &[]);
    let report = server.send(request.multipart(form)).await.value();
    assert_eq!(
        (&report["added"], &report["skipped_count"], &report["failed_count"]),
        (&json!(1), &json!(1), &json!(0)),
        "{report}"
    );
    let several = vec![("b.md", b"# B\n\n![y](b.png)".to_vec()), ("b.png", png())];
    let added = server.upload(&[("library", "pier"), ("version", "1")], several).await.value();
    for document in added.as_array().unwrap() {
        server.processed(document["document_id"].as_str().unwrap(), "1").await;
    }
    server.caught_up().await;
    let private = server.patch("/api/v1/libraries/pier", &json!({ "visibility": "private" })).await;
    assert_eq!(private.status, 200);
    for (path, name) in [("a.md", "x"), ("b.md", "y")] {
        let page = PageClient::signed_in(&server, &ada).get(&format!("/l/pier/1/{path}")).await.html();
        let address = page.attribute(&format!(".prose img[alt='{name}']"), "src");
        let status = async |token: Option<&str>| {
            server.send(server.request_as(token, Method::GET, &address, &[])).await.status
        };
        assert_eq!(status(Some(&ada.access_token)).await, 200);
        assert_eq!((status(None).await, status(Some(&ben.access_token)).await), (404, 404));
    }
    // A picture leaves with its document.
    let listed = server.get("/api/v1/documents", &[("library", "pier"), ("limit", "50")]).await.ok();
    let page = PageClient::signed_in(&server, &ada).get("/l/pier/1/b.md").await.html();
    let address = page.attribute(".prose img", "src");
    let picture =
        listed["items"].as_array().unwrap().iter().find(|item| item["path"] == "b.png").unwrap().clone();
    assert_eq!(
        server.delete(&format!("/api/v1/documents/{}", picture["id"].as_str().unwrap())).await.status,
        204
    );
    assert_eq!(
        server.send(server.request_as(Some(&ada.access_token), Method::GET, &address, &[])).await.status,
        404
    );
}
