//! Threads and edits: long threads are cut with a sign of it, edits are told from likes, earlier texts are paged, tags stay.

use reqwest::Method;
use serde_json::{Value, json};
use testkit::{PageClient, Person, Reply, Server, TestApp};

use crate::PROGRAM;
use crate::mcp::{Agent, NEW};
use crate::social_posts::{act, change, comment, each, get, id, post};

#[tokio::test]
async fn a_thread_has_a_bounded_number_of_comments() {
    let app = TestApp::new(PROGRAM).await;
    let server = app.serve().await;
    let ada = server.set_up().await;
    let made = post(&server, &ada, json!({ "text": "Post" })).await;
    for (rows, level) in [
        (
            "insert into social.comments (id, post_id, depth, text)
             select gen_random_uuid(), id, 0, 'root' from social.posts, generate_series(1, 40)",
            0,
        ),
        (
            "insert into social.comments (id, post_id, parent_id, depth, text)
             select gen_random_uuid(), post_id, id, 1, 'reply' from social.comments, generate_series(1, 5) where depth = 0",
            1,
        ),
        (
            "insert into social.comments (id, post_id, parent_id, depth, text)
             select gen_random_uuid(), post_id, id, 2, 'reply' from social.comments, generate_series(1, 5) where depth = 1",
            2,
        ),
    ] {
        sqlx::raw_sql(rows).execute(app.database().pool()).await.unwrap_or_else(|error| panic!("{level}: {error}"));
    }
    app.database()
        .run(
            "insert into social.comment_counters (comment_id, replies) select above.id,
               (select count(*) from social.comments as reply where reply.parent_id = above.id) from social.comments as above",
        )
        .await;
    let thread = get(&server, &ada, &format!("posts/{}/comments?thread=true&limit=200", id(&made))).await;
    let items = thread["items"].as_array().unwrap();
    let depths: Vec<i64> = items.iter().filter_map(|item| item["depth"].as_i64()).collect();
    let of = |depth: i64| depths.iter().filter(|other| **other == depth).count();
    // The first levels are complete.
    assert_eq!((of(0), of(1), of(2)), (40, 200, 100));
    let mut seen = std::collections::BTreeSet::new();
    for item in items {
        assert!(item["parent_id"].is_null() || seen.contains(item["parent_id"].as_str().unwrap()), "{item}");
        seen.insert(id(item));
    }
    // The page says that there are more.
    let page = PageClient::signed_in(&server, &ada).get(&format!("/posts/{}", id(&made))).await.html();
    assert!(page.shows(".comment a", "5 more replies"));
}

/// Changes a text if it is as this tag says.
async fn edit(server: &Server, person: &Person, path: &str, tag: &str, text: &str) -> Reply {
    let request =
        server.request_as(Some(&person.access_token), Method::PATCH, &format!("/api/v1/{path}"), &[]);
    server.send(request.header("if-match", tag).json(&json!({ "text": text }))).await
}

#[tokio::test]
async fn likes_and_comments_do_not_fail_the_precondition_of_an_edit() {
    let app = TestApp::new(PROGRAM).await;
    let server = app.serve().await;
    let ada = server.set_up().await;
    let ben = server.person(&ada, "ben", "user").await;
    let made = post(&server, &ada, json!({ "text": "Post" })).await;
    let remark = comment(&server, &ada, &made, None, "Comment").await;
    for path in [format!("posts/{}", id(&made)), format!("comments/{}", id(&remark))] {
        let tag = async || {
            let shown = act(&server, &ada, Method::GET, &path, None).await;
            shown.header("etag").expect("a tag").to_owned()
        };
        let before = tag().await;
        change(&server, &ben, Method::PUT, &format!("{path}/like")).await;
        comment(&server, &ben, &made, Some(&remark), "Reply").await;
        // A copy that lacks the like is no copy any more.
        let get_if_changed = async |tag: &str| {
            let address = format!("/api/v1/{path}");
            let request = server.request_as(Some(&ada.access_token), Method::GET, &address, &[]);
            server.send(request.header("if-none-match", tag)).await.status
        };
        assert_eq!((get_if_changed(&before).await, get_if_changed(&tag().await).await), (200, 304), "{path}");
        let edited = edit(&server, &ada, &path, &before, "Edited").await;
        assert_eq!(edited.status, 200, "{}", edited.text());
        assert_eq!(edited.header("etag"), Some(tag().await.as_str()));
        // An edit does.
        edit(&server, &ada, &path, &before, "Edited again").await.problem(412);
        assert_eq!(get(&server, &ada, &path).await["text"], "Edited");
    }
}

#[tokio::test]
async fn earlier_texts_are_read_in_pages() {
    let app = TestApp::new(PROGRAM).await;
    let server = app.serve().await;
    let ada = server.set_up().await;
    let made = post(&server, &ada, json!({ "text": "Post" })).await;
    let remark = comment(&server, &ada, &made, None, "Comment").await;
    let (of_post, of_remark) = (format!("posts/{}", id(&made)), format!("comments/{}", id(&remark)));
    for path in [&of_post, &of_remark] {
        act(&server, &ada, Method::PATCH, path, Some(json!({ "text": "Edited" }))).await.ok();
    }
    for rows in [
        "insert into social.post_revisions (post_id, number, text)
         select id, number, 'text ' || number from social.posts, generate_series(2, 45) as number",
        "insert into social.comment_revisions (comment_id, number, text)
         select id, number, 'text ' || number from social.comments, generate_series(2, 45) as number",
    ] {
        app.database().run(rows).await;
    }
    for path in [&of_post, &of_remark] {
        let (mut numbers, mut next) = (Vec::new(), String::new());
        loop {
            let page = get(&server, &ada, &format!("{path}/revisions?limit=20{next}")).await;
            let found = each(&page, "number");
            assert!(found.len() <= 20);
            numbers.extend(found.iter().filter_map(Value::as_i64));
            let Some(cursor) = page["next"].as_str() else { break };
            next = format!("&cursor={cursor}");
        }
        assert_eq!(numbers, (1..=45).rev().collect::<Vec<i64>>(), "{path}");
    }
    let mut browser = PageClient::signed_in(&server, &ada);
    let first = browser.get(&format!("/{of_post}?history=1")).await.html();
    assert!(first.shows("blockquote", "text 45") && !first.shows("blockquote", "text 25"));
    let next = first.attribute("a[href*='history=']", "href");
    assert!(browser.get(&next).await.html().shows("blockquote", "text 25"));
}

#[tokio::test]
async fn a_reply_is_taken_whatever_the_clock_of_the_node_that_took_the_comment() {
    let app = TestApp::new(PROGRAM).await;
    let server = app.serve().await;
    let ada = server.set_up().await;
    let made = post(&server, &ada, json!({ "text": "Post" })).await;
    // By a node whose clock is ahead.
    app.database()
        .run("insert into social.comments (id, post_id, depth, text) select 'f0000000-0000-7000-8000-000000000000', id, 0, 'Ahead' from social.posts")
        .await;
    let ahead = json!({ "id": "f0000000-0000-7000-8000-000000000000" });
    let reply = comment(&server, &ada, &made, Some(&ahead), "Behind").await;
    let thread = get(&server, &ada, &format!("posts/{}/comments?thread=true", id(&made))).await;
    assert_eq!(each(&thread, "id"), [ahead["id"].clone(), reply["id"].clone()]);
}

#[tokio::test]
async fn an_agent_is_told_of_comments_that_are_left_out_and_reads_them() {
    let app = TestApp::new(PROGRAM).await;
    let server = app.serve().await;
    let ada = server.set_up().await;
    server.add("gate", "1", "gate.md", "# Gate\n\nThe gateway.\n").await;
    let asked = json!({ "text": "How?", "question": true, "about": { "library": "gate" } });
    let asked = post(&server, &ada, asked).await;
    let mut branch = vec![comment(&server, &ada, &asked, None, "level 0").await];
    for level in 1..6 {
        branch.push(comment(&server, &ada, &asked, branch.last(), &format!("level {level}")).await);
    }
    let made =
        act(&server, &ada, Method::POST, "keys", Some(json!({ "name": "agent", "scopes": ["read"] }))).await;
    let agent = Agent::new(&server, NEW).with_key(made.value()["key"].as_str().unwrap().to_owned());
    let discussion = json!({ "discussion_id": id(&asked) });
    let (text, thread) = agent.call("get_discussion", discussion.clone()).await;
    let more: Vec<&Value> =
        thread["comments"].as_array().unwrap().iter().map(|one| &one["more_replies"]).collect();
    assert_eq!(more, [0, 0, 0, 1], "{thread}");
    assert!(text.contains(&format!("(1 more replies: comment_id {})", id(&branch[3]))), "{text}");
    let below = json!({ "discussion_id": id(&asked), "comment_id": id(&branch[3]) });
    let (text, thread) = agent.call("get_discussion", below).await;
    let texts: Vec<&Value> = thread["comments"].as_array().unwrap().iter().map(|one| &one["text"]).collect();
    assert_eq!(texts, ["level 4", "level 5"]);
    assert_eq!((&thread["first"]["text"], &thread["first"]["more_replies"]), (&json!("level 3"), &json!(0)));
    assert!(text.contains("level 3") && text.contains("level 5"), "{text}");
    // The accepted answer is there, however deep it is.
    change(&server, &ada, Method::PUT, &format!("comments/{}/acceptance", id(&branch[5]))).await;
    let (text, thread) = agent.call("get_discussion", discussion).await;
    assert_eq!((&thread["first"]["text"], &thread["first"]["accepted"]), (&json!("level 5"), &json!(true)));
    assert!(text.contains("accepted as the answer"), "{text}");
    let elsewhere = post(&server, &ada, json!({ "text": "Other", "about": { "library": "gate" } })).await;
    let wrong = json!({ "discussion_id": id(&elsewhere), "comment_id": id(&branch[0]) });
    assert!(agent.fails("get_discussion", wrong).await.contains("no such comment"));
    let document = get(&server, &ada, "documents?library=gate").await["items"][0]["id"].clone();
    let both = json!({ "library": "gate", "document_id": document });
    assert!(agent.fails("list_discussions", both).await.contains("either library or document_id"));
}

#[tokio::test]
async fn tags_of_the_document_stay_when_the_text_drops_them() {
    let app = TestApp::new(PROGRAM).await;
    let server = app.serve().await;
    let ada = server.set_up().await;
    let fields = [("library", "gate"), ("version", "1"), ("tags", "Backup")];
    let uploaded = server.upload(&fields, vec![("gate.md", b"# Gate\n\nThe gateway.\n".to_vec())]).await;
    assert!(uploaded.status < 300, "{}", uploaded.text());
    let document = get(&server, &ada, "documents?library=gate").await["items"][0]["id"].clone();
    let about = json!({ "text": "See #backup and #plan", "about": { "document_id": document } });
    let made = post(&server, &ada, about).await;
    assert_eq!(made["tags"], json!(["backup", "plan"]));
    let path = format!("posts/{}", id(&made));
    let edited = act(&server, &ada, Method::PATCH, &path, Some(json!({ "text": "See above" }))).await.ok();
    assert_eq!(edited["tags"], json!(["backup"]));
    // A tag is the same in a filter as where it is followed.
    for tag in ["backup", "%23Backup", "%20backup%20"] {
        assert_eq!(
            each(&get(&server, &ada, &format!("posts?tag={tag}")).await, "text"),
            ["See above"],
            "{tag}"
        );
    }
    act(&server, &ada, Method::GET, "posts?tag=a,b", None).await.problem(400);
}

#[tokio::test]
async fn a_form_leads_to_what_it_added_and_keeps_what_was_refused() {
    let app = TestApp::new(PROGRAM).await;
    let server = app.serve().await;
    let ada = server.set_up().await;
    let made = post(&server, &ada, json!({ "text": "Post" })).await;
    let root = comment(&server, &ada, &made, None, "Root").await;
    for number in 0..20 {
        comment(&server, &ada, &made, Some(&root), &format!("Reply {number}")).await;
    }
    let mut browser = PageClient::signed_in(&server, &ada);
    let (page, action) = (format!("/posts/{}", id(&made)), format!("/posts/{}/comments", id(&made)));
    let sent = browser.submit(&page, &action, &[("text", "The last one"), ("parent", id(&root))]).await;
    let there = sent.header("location").expect("an address").to_owned();
    assert!(browser.get(&there).await.html().shows(".comment .answer", "The last one"), "{there}");
    // The comment that it answers is gone: the text stays to be copied.
    act(&server, &ada, Method::DELETE, &format!("comments/{}", id(&root)), None).await;
    let absent = "00000000-0000-7000-8000-000000000000";
    let sent = browser.submit(&page, &action, &[("text", "Written for long"), ("parent", absent)]).await;
    assert_eq!((sent.status, sent.html().text("textarea")), (404, "Written for long".to_owned()));
    let fields = [("members", "nobody"), ("text", "A title")];
    let sent = browser.submit("/messages", "/messages", &fields).await;
    assert_eq!((sent.status, sent.html().attribute("[name=members]", "value")), (404, "nobody".to_owned()));
    // An action without a text is not sent again.
    let fields = [("action", "accept")];
    let refused = browser.submit(&page, &format!("/comments/{}", id(&root)), &fields).await;
    assert_eq!((refused.status, refused.html().has("textarea")), (409, false));
}
