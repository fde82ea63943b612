//! Pages of the community, as a browser requests them: feed, posts and comments, people, notifications, messages, and the
//! discussions beside documents. What is private does not show, and each form needs its token.

use reqwest::Method;
use serde_json::{Value, json};
use testkit::{HtmlPage, PageClient, Person, Server, TestApp};

use crate::PROGRAM;

const GATE: &str = "# Gate\n\n## Timeouts\n\nThe gateway waits 30 seconds for a service.\n";
const HOSTILE: &str = "<script>alert(1)</script> [x](javascript:alert(1)) ![p](https://evil.example/p.png) <img src=x onerror=alert(1)>";

/// A server with the administrator `ada` and the users `ben` and `eve`.
struct Community {
    server: Server,
    ada: Person,
    ben: Person,
    eve: Person,
}

impl Community {
    async fn new(app: &TestApp) -> Self {
        let server = app.serve().await;
        let ada = server.set_up().await;
        let ben = server.person(&ada, "ben", "user").await;
        let eve = server.person(&ada, "eve", "user").await;
        Self { server, ada, ben, eve }
    }

    async fn api(&self, person: &Person, method: Method, path: &str, body: Value) -> Value {
        let path = format!("/api/v1/{path}");
        let reply = self.server.ask(Some(&person.access_token), method, &path, Some(body)).await;
        assert!(reply.status < 300, "{path}: {}", reply.text());
        if reply.status == 204 { Value::Null } else { reply.value() }
    }

    async fn post(&self, person: &Person, body: Value) -> String {
        id(&self.api(person, Method::POST, "posts", body).await)
    }

    async fn comment(&self, person: &Person, post: &str, body: Value) -> String {
        id(&self.api(person, Method::POST, &format!("posts/{post}/comments"), body).await)
    }

    fn browser(&self, person: &Person) -> PageClient<'_> {
        PageClient::signed_in(&self.server, person)
    }
}

fn id(value: &Value) -> String {
    value["id"].as_str().expect("an id").to_owned()
}

async fn open(browser: &mut PageClient<'_>, path: &str) -> HtmlPage {
    let reply = browser.get(path).await;
    assert_eq!(reply.status, 200, "{path}: {}", reply.text());
    reply.html()
}

/// Submits a form that succeeds, and returns the address that it leads to.
async fn submit(browser: &mut PageClient<'_>, page: &str, action: &str, fields: &[(&str, &str)]) -> String {
    let reply = browser.submit(page, action, fields).await;
    assert_eq!(reply.status, 303, "{action}: {}", reply.text());
    reply.header("location").expect("an address").to_owned()
}

#[tokio::test]
async fn the_feed_shows_what_one_follows_and_takes_posts() {
    let app = TestApp::new(PROGRAM).await;
    let community = Community::new(&app).await;
    let (ben, eve) = (&community.ben, &community.eve);
    let mut browser = community.browser(ben);
    assert!(open(&mut browser, "/feed").await.has(".empty"));
    let fields = [("text", "Which backup do we **use**? #backup"), ("question", "yes"), ("back", "/feed")];
    let there = submit(&mut browser, "/feed", "/posts", &fields).await;
    assert!(there.starts_with("/feed#post-"), "{there}");
    community.post(eve, json!({ "text": "Of eve" })).await;
    let page = open(&mut browser, "/feed").await;
    assert_eq!(page.text(".post strong"), "use");
    assert!(page.shows(".post .badge", "question") && page.shows(".post a", "#backup"));
    assert!(!page.source().contains("Of eve"), "not followed");
    assert!(page.has(".rooms a[href='/feed'][aria-current]"));

    submit(&mut browser, "/people/eve", "/people/eve", &[("action", "follow")]).await;
    let page = open(&mut browser, "/feed").await;
    assert_eq!(page.count(".post"), 2);
    assert!(page.shows(".post .answer", "Of eve"));
    assert_eq!(open(&mut browser, "/feed?filter=unanswered").await.count(".post"), 1);
    assert_eq!(open(&mut browser, "/feed?filter=libraries").await.count(".post"), 0);
    let mut chinese = community.browser(ben).in_chinese();
    assert_eq!(open(&mut chinese, "/feed").await.text("h1"), "动态");

    // Further pages continue where the first ends.
    for number in 0..22 {
        let author = if number % 2 == 0 { &community.ada } else { eve };
        community.post(author, json!({ "text": format!("Number {number}") })).await;
    }
    submit(&mut browser, "/people/ada", "/people/ada", &[("action", "follow")]).await;
    let first = open(&mut browser, "/feed").await;
    let rest = open(&mut browser, &first.attribute(".pager a", "href")).await;
    assert_eq!((first.count(".post"), rest.count(".post")), (20, 4));
    assert!(!rest.has(".pager"));

    // Anonymous readers sign in first, and come back.
    let mut nobody = PageClient::new(&community.server);
    assert_eq!(nobody.get("/feed").await.header("location"), Some("/sign-in?next=%2Ffeed"));
    assert!(!open(&mut nobody, "/").await.has(".rooms a[href='/feed']"));
}

#[tokio::test]
async fn a_refused_text_is_kept_and_hostile_text_is_harmless() {
    let app = TestApp::new(PROGRAM).await;
    let community = Community::new(&app).await;
    let mut browser = community.browser(&community.ben);
    let long = "x".repeat(20_001);
    let reply = browser.submit("/feed", "/posts", &[("text", &long), ("question", "yes")]).await;
    assert_eq!(reply.status, 400);
    let page = reply.html();
    assert_eq!(page.text("textarea").len(), 20_001);
    assert!(page.has("[role=alert]") && page.has("input[name=question][value=yes]"));

    let post = community.post(&community.ben, json!({ "text": HOSTILE })).await;
    community.comment(&community.ben, &post, json!({ "text": HOSTILE })).await;
    for path in ["/feed", "/posts", &format!("/posts/{post}"), "/people/ben"] {
        let page = open(&mut browser, path).await;
        for danger in ["main script", "main img", "[onerror]", "a[href^='javascript']", "a[href*='evil']"] {
            assert!(!page.has(danger), "{path} has {danger}");
        }
        assert!(page.shows(".answer", "<script>alert(1)</script>"), "{path}");
    }
    let hostile = "/people/%3Cscript%3E";
    assert_eq!(browser.get(hostile).await.status, 404);
    let tag = browser.get("/posts?tag=%22%3E%3Cscript%3Ealert(1)%3C/script%3E").await;
    assert!(!tag.text().contains("<script>alert"), "{}", tag.text());
}

#[tokio::test]
async fn a_post_is_liked_commented_accepted_edited_deleted_and_restored() {
    let app = TestApp::new(PROGRAM).await;
    let community = Community::new(&app).await;
    let post = community.post(&community.ben, json!({ "text": "How long?", "question": true })).await;
    let path = format!("/posts/{post}");
    let (mut ben, mut eve) = (community.browser(&community.ben), community.browser(&community.eve));

    let like = format!("{path}/like");
    for _ in 0..2 {
        submit(&mut eve, &path, &like, &[("like", "yes")]).await;
    }
    let page = open(&mut eve, &path).await;
    assert_eq!(page.attribute(&format!("#like-{post}"), "aria-pressed"), "true");
    assert_eq!(page.text(&format!("#like-{post}")), "Like1");
    submit(&mut eve, &path, &like, &[("like", "no")]).await;
    assert_eq!(open(&mut eve, &path).await.text(&format!("#like-{post}")), "Like0");

    let there = submit(&mut eve, &path, &format!("{path}/comments"), &[("text", "30 seconds")]).await;
    let comment = there.rsplit("#c-").next().expect("an id").to_owned();
    let change = format!("/comments/{comment}");
    // Only the asker and moderators accept.
    let page = open(&mut eve, &path).await;
    assert!(page.shows(".comment .answer", "30 seconds") && !page.has("button[value=accept]"));
    assert_eq!(eve.submit(&path, &change, &[("action", "accept")]).await.status, 403);
    submit(&mut ben, &path, &change, &[("action", "accept")]).await;
    let page = open(&mut ben, &path).await;
    assert!(page.has(".comment.is-accepted") && page.shows(".post .badge", "answered"));
    submit(&mut ben, &path, &format!("{change}/like"), &[("like", "yes")]).await;
    assert_eq!(open(&mut ben, &path).await.text(&format!("#like-{comment}")), "Like1");

    submit(&mut eve, &path, &change, &[("action", "edit"), ("text", "90 seconds")]).await;
    submit(&mut eve, &path, &change, &[("action", "delete")]).await;
    let page = open(&mut ben, &path).await;
    assert!(!page.source().contains("90 seconds") && page.shows(".comment .badge", "deleted"));
    submit(&mut eve, &path, &change, &[("action", "restore")]).await;
    assert!(open(&mut ben, &path).await.shows(".comment .answer", "90 seconds"));

    // A stranger's form changes nothing; the author's does, and can be undone.
    for action in ["edit", "delete"] {
        let fields = [("action", action), ("text", "Mine")];
        assert_eq!(eve.submit(&path, &path, &fields).await.status, 403, "{action}");
    }
    submit(&mut ben, &path, &path, &[("action", "edit"), ("text", "How long at most?"), ("question", "yes")])
        .await;
    let page = open(&mut ben, &format!("{path}?history=1")).await;
    assert_eq!(page.text("blockquote"), "How long?");
    let done = submit(&mut ben, &path, &path, &[("action", "delete")]).await;
    assert!(open(&mut ben, &done).await.has(".done"));
    assert_eq!(eve.get(&path).await.status, 404);
    assert_eq!(open(&mut ben, "/posts?show=deleted").await.count(".post"), 1);
    submit(&mut ben, &path, &path, &[("action", "restore")]).await;
    assert_eq!(eve.get(&path).await.status, 200);
    submit(&mut eve, &path, &path, &[("action", "report"), ("text", "Off topic")]).await;
    submit(&mut community.browser(&community.ada), &path, &path, &[("action", "hide")]).await;
    assert_eq!(eve.get(&path).await.status, 404);
}

#[tokio::test]
async fn replies_are_indented_to_three_levels_and_then_linked() {
    let app = TestApp::new(PROGRAM).await;
    let community = Community::new(&app).await;
    let post = community.post(&community.ben, json!({ "text": "Deep" })).await;
    let mut parent = Value::Null;
    let mut ids = Vec::new();
    for level in 0..6 {
        let body = json!({ "text": format!("Level {level}"), "parent_id": parent });
        let comment = community.comment(&community.eve, &post, body).await;
        parent = json!(comment);
        ids.push(comment);
    }
    let mut browser = community.browser(&community.ben);
    let page = open(&mut browser, &format!("/posts/{post}")).await;
    assert_eq!(page.texts(".comment .answer"), ["Level 0", "Level 1", "Level 2", "Level 3"]);
    assert_eq!(page.text(".comment.deep-3 .answer"), "Level 3");
    let more = page.attribute(".comment > p > a[href*='under=']:only-child", "href");
    let rest = open(&mut browser, &more).await;
    assert_eq!(rest.texts(".comment .answer"), ["Level 3", "Level 4", "Level 5"]);
    assert_eq!(rest.text(".comment.deep-0 .answer"), "Level 3");
    let there = submit(
        &mut browser,
        &more,
        &format!("/posts/{post}/comments"),
        &[("text", "Level 6"), ("parent", &ids[5])],
    )
    .await;
    assert!(open(&mut browser, &there).await.shows(".comment.deep-1 .answer", "Level 6"));
}

#[tokio::test]
async fn what_is_about_a_private_library_shows_to_its_readers_only() {
    let app = TestApp::new(PROGRAM).await;
    let community = Community::new(&app).await;
    let (ada, ben, eve) = (&community.ada, &community.ben, &community.eve);
    community.server.add("gate", "1", "gate.md", GATE).await;
    community.api(ada, Method::PATCH, "libraries/gate", json!({ "visibility": "private" })).await;
    community.api(ada, Method::PUT, "libraries/gate/grants/ben", json!({ "level": "read" })).await;
    community.server.caught_up().await;
    let hit = &community.server.search(&[("q", "gateway waits")]).await["hits"][0];
    let (passage, document) =
        (hit["id"].as_str().unwrap().to_owned(), hit["document_id"].as_str().unwrap().to_owned());
    let mut browser = community.browser(ben);

    // From the passage to the form, and back to the text beside which it is shown.
    let page = open(&mut browser, "/l/gate/1/gate.md").await;
    let links = page.attributes(".tools a", "href");
    let discuss = links.iter().find(|link| link.starts_with("/posts/new?passage=")).expect("a link");
    assert!(page.has(&format!("a[href='/posts/new?document={document}']")));
    let form = open(&mut browser, discuss).await;
    assert!(form.shows("main a", "gate · Gate"));
    let there =
        submit(&mut browser, discuss, "/posts", &[("text", "Why 30 seconds?"), ("passage", &passage)]).await;
    let page = open(&mut browser, "/l/gate/1/gate.md").await;
    assert_eq!(page.text(".passage .remark a"), "Why 30 seconds?");
    assert_eq!(page.text(".discussions .rows a"), "Why 30 seconds?");
    let shown = open(&mut browser, &there).await;
    assert!(shown.shows(".post a", "gate 1 · Gate › Timeouts"), "{}", shown.source());
    let library = open(&mut browser, "/l/gate").await;
    assert!(library.shows(".rows a", "Why 30 seconds?"));
    assert_eq!(open(&mut browser, "/posts?library=gate").await.count(".post"), 1);
    assert_eq!(open(&mut browser, &format!("/posts?document={document}")).await.count(".post"), 1);

    // Following brings it into the feed; twice is once.
    for _ in 0..2 {
        let fields = [("kind", "library"), ("target", "gate"), ("follow", "yes"), ("back", "/l/gate")];
        assert_eq!(submit(&mut browser, "/l/gate", "/follows", &fields).await, "/l/gate");
    }
    let library = open(&mut browser, "/l/gate").await;
    assert_eq!(library.text("form[action='/follows'] button"), "Following 1");
    assert_eq!(open(&mut browser, "/feed?filter=libraries").await.count(".post"), 1);
    let fields = [("kind", "document"), ("target", document.as_str()), ("follow", "yes")];
    submit(&mut browser, "/l/gate", "/follows", &fields).await;
    let page = open(&mut browser, "/l/gate/1/gate.md").await;
    assert!(page.has("form[action='/follows'] button[value=no]"));

    let post = there.trim_start_matches("/posts/").to_owned();
    for mut stranger in [community.browser(eve), PageClient::new(&community.server)] {
        for path in [there.as_str(), "/posts?library=gate"] {
            let reply = stranger.get(path).await;
            assert!([404, 303].contains(&reply.status), "{path}: {}", reply.status);
        }
        let page = stranger.get("/posts").await;
        assert!(!page.text().contains("Why 30"), "{}", page.text());
    }
    let mut stranger = community.browser(eve);
    for (action, status) in [("like", 404), ("comments", 404)] {
        let action = format!("/posts/{post}/{action}");
        assert_eq!(stranger.submit("/feed", &action, &[("text", "x")]).await.status, status, "{action}");
    }
    assert_eq!(stranger.get(&format!("/posts/new?passage={passage}")).await.status, 404);
    let fields = [("text", "x"), ("passage", passage.as_str())];
    assert_eq!(stranger.submit("/feed", "/posts", &fields).await.status, 404);
    assert!(!open(&mut stranger, "/people/ben").await.source().contains("Why 30"));

    // The passage changes: the post says so.
    community.server.add("gate", "1", "gate.md", GATE.replace("30", "45")).await;
    let shown = open(&mut browser, &there).await;
    assert!(shown.shows(".badge.warn", "changed"), "{}", shown.source());
    let page = open(&mut browser, "/l/gate/1/gate.md").await;
    assert!(!page.has(".passage .remark") && page.shows(".discussions a", "Why 30 seconds?"));
}

#[tokio::test]
async fn people_are_found_followed_muted_and_blocked() {
    let app = TestApp::new(PROGRAM).await;
    let community = Community::new(&app).await;
    let (mut ben, mut eve) = (community.browser(&community.ben), community.browser(&community.eve));
    community.post(&community.eve, json!({ "text": "Of eve" })).await;
    assert_eq!(open(&mut ben, "/people?q=ev").await.texts("main .rows a"), ["eve"]);
    submit(&mut ben, "/people/eve", "/people/eve", &[("action", "follow")]).await;
    submit(&mut eve, "/people/ada", "/people/ada", &[("action", "follow")]).await;
    let page = open(&mut ben, "/people").await;
    assert_eq!(page.texts("#suggested ~ .rows a"), ["ada"], "{}", page.source());
    let page = open(&mut ben, "/people/eve").await;
    assert!(page.shows(".quiet", "1 follower") && page.shows(".post .answer", "Of eve"));
    assert_eq!(open(&mut ben, "/people/eve?show=followers").await.texts("main .rows a"), ["ben"]);
    assert_eq!(open(&mut ben, "/people/eve?show=following").await.texts("main .rows a"), ["ada"]);
    assert!(!open(&mut ben, "/people/ben").await.has("button[value=follow]"));

    submit(&mut ben, "/people/eve", "/people/eve", &[("action", "mute")]).await;
    assert!(open(&mut ben, "/people/eve").await.has("button[value=unmute]"));
    assert!(!open(&mut ben, "/feed").await.has(".post"));
    submit(&mut eve, "/people/ben", "/people/ben", &[("action", "block")]).await;
    assert_eq!(ben.get("/people/eve").await.status, 404);
    assert!(!open(&mut ben, "/posts").await.source().contains("Of eve"));
}

#[tokio::test]
async fn notifications_are_counted_in_the_header_and_marked_as_read() {
    let app = TestApp::new(PROGRAM).await;
    let community = Community::new(&app).await;
    let (ben, eve) = (&community.ben, &community.eve);
    let post = community.post(ben, json!({ "text": "Look" })).await;
    let mut browser = community.browser(ben);
    assert!(!open(&mut browser, "/").await.has(".bell .badge:not([hidden])"));
    community.comment(eve, &post, json!({ "text": "Seen" })).await;
    community.post(eve, json!({ "text": "Ask @ben" })).await;
    for person in [eve, &community.ada] {
        community.api(person, Method::PUT, &format!("posts/{post}/like"), Value::Null).await;
    }
    community.api(eve, Method::PUT, "users/ben/follow", Value::Null).await;
    assert_eq!(open(&mut browser, "/").await.text(".bell .badge"), "4 unread");
    let page = open(&mut browser, "/notifications").await;
    let texts = page.texts(".rows a");
    assert_eq!(texts[0], "eve follows you");
    assert_eq!(texts[1], "ada and 1 other like what you wrote");
    assert_eq!(texts[2..], ["eve mentioned you", "eve replied to you"]);
    for link in page.attributes(".rows a", "href") {
        assert_eq!(browser.get(&link).await.status, 200, "{link}");
    }
    let ids = page.attributes(".rows input[name=id]", "value");
    submit(&mut browser, "/notifications", "/notifications", &[("id", &ids[0])]).await;
    assert_eq!(open(&mut browser, "/notifications?show=unread").await.count(".rows li"), 3);
    // Those of others stay as they are.
    let mut other = community.browser(eve);
    submit(&mut other, "/notifications", "/notifications", &[("id", &ids[1])]).await;
    submit(&mut other, "/notifications", "/notifications", &[]).await;
    assert_eq!(open(&mut browser, "/").await.text(".bell .badge"), "3 unread");
    submit(&mut browser, "/notifications", "/notifications", &[]).await;
    let page = open(&mut browser, "/notifications").await;
    assert!(!page.has(".bell .badge:not([hidden])") && page.count(".rows li") == 4);
    assert!(open(&mut browser, "/notifications?show=unread").await.has(".empty"));
}

#[tokio::test]
async fn messages_are_read_by_the_members_of_their_conversation_only() {
    let app = TestApp::new(PROGRAM).await;
    let community = Community::new(&app).await;
    let (mut ben, mut eve) = (community.browser(&community.ben), community.browser(&community.eve));
    let there = submit(&mut ben, "/people/eve", "/messages", &[("members", "eve")]).await;
    assert!(there.starts_with("/messages/"), "{there}");
    assert_eq!(
        submit(&mut ben, "/messages", "/messages", &[("members", "@eve")]).await,
        there,
        "the same one"
    );
    submit(&mut ben, &there, &there, &[("text", "The **key** is under the mat")]).await;
    submit(&mut ben, &there, &there, &[("text", HOSTILE)]).await;

    let list = open(&mut eve, "/messages").await;
    assert_eq!(list.text(".rows a"), "ben");
    assert!(list.shows(".rows .badge", "2 unread") && list.has(".bell .badge:not([hidden])"));
    let page = open(&mut eve, &there).await;
    assert_eq!(page.text(".post strong"), "key");
    assert!(!page.has("main script") && !page.has("main img"));
    let list = open(&mut eve, "/messages").await;
    assert!(!list.has(".rows .badge") && !list.has(".bell .badge:not([hidden])"), "opening it reads it");

    // Nobody else, administrators included, sees or changes it.
    let mut ada = community.browser(&community.ada);
    assert_eq!(ada.get(&there).await.status, 404);
    assert_eq!(ada.submit("/messages", &there, &[("text", "Hello")]).await.status, 404);
    assert!(!open(&mut ada, "/messages").await.has(".rows"));

    let message = page.attributes("article input[name=message]", "value")[0].clone();
    let fields = [("action", "delete-all"), ("message", message.as_str())];
    assert_eq!(eve.submit(&there, &there, &fields).await.status, 403);
    submit(&mut ben, &there, &there, &fields).await;
    assert!(!open(&mut eve, &there).await.source().contains("under the mat"));
    let group = [("members", "eve, ada"), ("text", "Harbour team")];
    let group = submit(&mut ben, "/messages", "/messages", &group).await;
    assert_eq!(open(&mut ada, &group).await.text("h1"), "Harbour team");
    submit(&mut ada, &group, &group, &[("action", "leave")]).await;
    assert_eq!(ada.get(&group).await.status, 404);
    let refused = ben.submit("/messages", "/messages", &[("members", "nobody-there")]).await;
    assert!(refused.status == 404 || refused.status == 400, "{}", refused.status);
}

#[tokio::test]
async fn forms_need_their_token_and_a_script_gets_the_button_alone() {
    let app = TestApp::new(PROGRAM).await;
    let community = Community::new(&app).await;
    let post = community.post(&community.ben, json!({ "text": "Look" })).await;
    let comment = community.comment(&community.ben, &post, json!({ "text": "Here" })).await;
    let posts = format!("/posts/{post}");
    let comments = format!("/comments/{comment}");
    let mut browser = community.browser(&community.ben);
    browser.get("/feed").await;
    for action in [
        "/posts",
        "/follows",
        "/people/eve",
        "/notifications",
        "/messages",
        &posts,
        &comments,
        &format!("{posts}/like"),
        &format!("{posts}/comments"),
        &format!("{comments}/like"),
    ] {
        let reply = community
            .server
            .send(
                community
                    .server
                    .request_as(Some(&community.ben.access_token), Method::POST, action, &[])
                    .header("content-type", "application/x-www-form-urlencoded")
                    .header("accept", "text/html")
                    .body("action=delete&text=x&like=yes&members=eve"),
            )
            .await;
        assert_eq!(reply.status, 403, "{action}");
    }
    assert!(!open(&mut browser, "/posts?show=deleted").await.has(".post"));
    let page = open(&mut browser, &posts).await;
    let form = format!("form[action='{posts}/like']");
    assert_eq!(page.attribute(&form, "hx-post"), format!("{posts}/like"));
}
