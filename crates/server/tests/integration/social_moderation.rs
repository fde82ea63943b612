//! Moderation: blocks, own texts and deleted people do not keep moderators from their work, and it tells nobody what they may not read.

use reqwest::Method;
use serde_json::{Value, json};
use testkit::{PageClient, Person, Server, TestApp};

use crate::PROGRAM;
use crate::social_posts::{act, change, comment, each, get, id, post};

/// A server with the library `gate`, its administrator `ada`, its owner `olga`, and the users `ben` and `eve`.
async fn people(app: &TestApp) -> (Server, [Person; 4]) {
    let server = app.serve().await;
    let ada = server.set_up().await;
    server.add("gate", "1", "gate.md", "# Gate\n\nThe gateway.\n").await;
    let olga = server.person(&ada, "olga", "user").await;
    let own = Some(json!({ "level": "own" }));
    act(&server, &ada, Method::PUT, "libraries/gate/grants/olga", own).await.ok();
    let ben = server.person(&ada, "ben", "user").await;
    let eve = server.person(&ada, "eve", "user").await;
    (server, [ada, olga, ben, eve])
}

fn about_gate(text: &str) -> Value {
    json!({ "text": text, "about": { "library": "gate" } })
}

async fn report(server: &Server, person: &Person, body: Value) -> Value {
    let reply = act(server, person, Method::POST, "reports", Some(body)).await;
    assert_eq!(reply.status, 201, "{}", reply.text());
    reply.value()
}

async fn resolve(server: &Server, person: &Person, report: &Value, resolution: &str) -> u16 {
    let path = format!("reports/{}/resolve", id(report));
    act(server, person, Method::POST, &path, Some(json!({ "resolution": resolution }))).await.status
}

#[tokio::test]
async fn people_who_reported_the_same_text_can_be_deleted() {
    let app = TestApp::new(PROGRAM).await;
    let (server, [ada, _, ben, eve]) = people(&app).await;
    let cem = server.person(&ada, "cem", "user").await;
    let made = post(&server, &ada, about_gate("Text")).await;
    for person in [&ben, &eve, &cem, &cem] {
        report(&server, person, json!({ "post_id": id(&made), "reason": "Spam" })).await;
    }
    // Twice by the same person is once.
    assert_eq!(get(&server, &ada, "reports").await["items"].as_array().unwrap().len(), 3);
    for person in [&ben, &eve] {
        let deleted = act(&server, &ada, Method::DELETE, &format!("users/{}", person.id), None).await;
        assert_eq!(deleted.status, 204, "{}", deleted.text());
    }
    let left = get(&server, &ada, "reports").await;
    assert_eq!(each(&left, "reporter"), [json!("cem"), Value::Null, Value::Null]);
}

#[tokio::test]
async fn blocking_moderators_keeps_no_text_from_them() {
    let app = TestApp::new(PROGRAM).await;
    let (server, [ada, olga, ben, eve]) = people(&app).await;
    let spam = post(&server, &eve, about_gate("Spam #sale")).await;
    let of_ben = post(&server, &ben, about_gate("Of ben")).await;
    let remark = comment(&server, &eve, &of_ben, None, "More spam").await;
    for name in ["olga", "ada", "ben"] {
        change(&server, &eve, Method::PUT, &format!("users/{name}/block")).await;
    }
    let (of_spam, of_remark) = (format!("posts/{}", id(&spam)), format!("comments/{}", id(&remark)));
    act(&server, &ben, Method::GET, &of_spam, None).await.problem(404);
    for moderator in [&olga, &ada] {
        assert_eq!(get(&server, moderator, &of_spam).await["text"], "Spam #sale");
        assert_eq!(get(&server, moderator, &of_remark).await["text"], "More spam");
        let thread = get(&server, moderator, &format!("posts/{}/comments", id(&of_ben))).await;
        assert_eq!(each(&thread, "text"), ["More spam"]);
        for list in ["posts", "posts?library=gate", "posts?tag=sale"] {
            let texts = each(&get(&server, moderator, list).await, "text");
            assert!(texts.contains(&json!("Spam #sale")), "{list}: {texts:?}");
        }
        // They can moderate it, and still not write to her.
        for (method, path, body) in [
            (Method::PUT, format!("{of_spam}/like"), None),
            (Method::PUT, format!("{of_remark}/like"), None),
            (Method::POST, format!("{of_spam}/comments"), Some(json!({ "text": "x" }))),
            (
                Method::POST,
                format!("posts/{}/comments", id(&of_ben)),
                Some(json!({ "text": "x", "parent_id": id(&remark) })),
            ),
        ] {
            act(&server, moderator, method, &path, body).await.problem(404);
        }
        for path in [&of_spam, &of_remark] {
            for method in [Method::PUT, Method::DELETE] {
                let hidden = act(&server, moderator, method, &format!("{path}/hidden"), None).await;
                assert_eq!(hidden.status, 204, "{}", hidden.text());
            }
        }
    }
    assert_eq!(each(&get(&server, &ben, "posts").await, "text"), ["Of ben"]);
    assert_eq!(get(&server, &ben, &of_remark).await["state"], "unavailable");
}

#[tokio::test]
async fn owners_decide_neither_on_their_own_texts_nor_on_those_they_may_not_read() {
    let app = TestApp::new(PROGRAM).await;
    let (server, [ada, olga, ben, eve]) = people(&app).await;
    server.add("secret", "1", "secret.md", "# Secret\n\nThe vault.\n").await;
    let private = Some(json!({ "visibility": "private" }));
    act(&server, &ada, Method::PATCH, "libraries/secret", private).await.ok();
    let made = post(&server, &ada, about_gate("Of gate and secret")).await;
    let of_both = report(&server, &ben, json!({ "post_id": id(&made), "reason": "Spam" })).await;
    app.database()
        .run("update social.posts set other_libraries = array(select id from library.libraries where name = 'secret')")
        .await;
    let of_olga = post(&server, &olga, about_gate("Of olga")).await;
    let on_olga = report(&server, &ben, json!({ "post_id": id(&of_olga), "reason": "Spam" })).await;
    let remark = comment(&server, &olga, &of_olga, None, "Olga's remark").await;
    let on_remark = report(&server, &eve, json!({ "comment_id": id(&remark), "reason": "Spam" })).await;
    assert_eq!(each(&get(&server, &olga, "reports").await, "id"), Vec::<Value>::new());
    for report in [&of_both, &on_olga, &on_remark] {
        assert_eq!(resolve(&server, &olga, report, "dismissed").await, 404);
    }
    assert_eq!(get(&server, &ada, "reports").await["items"].as_array().unwrap().len(), 3);
    assert_eq!(resolve(&server, &ada, &on_olga, "hidden").await, 204);
    // She does not undo it either.
    let hidden = format!("posts/{}/hidden", id(&of_olga));
    act(&server, &olga, Method::DELETE, &hidden, None).await.problem(403);
    assert_eq!(act(&server, &ada, Method::DELETE, &hidden, None).await.status, 204);
}

#[tokio::test]
async fn two_decisions_at_once_are_one() {
    let app = TestApp::new(PROGRAM).await;
    let (server, [ada, olga, ben, eve]) = people(&app).await;
    for number in 0..10 {
        let made = post(&server, &ben, about_gate(&format!("Text {number}"))).await;
        let first = report(&server, &eve, json!({ "post_id": id(&made), "reason": "Spam" })).await;
        let second = report(&server, &ada, json!({ "post_id": id(&made), "reason": "Spam" })).await;
        let both = tokio::join!(
            resolve(&server, &ada, &first, "hidden"),
            resolve(&server, &olga, &second, "dismissed")
        );
        assert_eq!(both, (204, 204));
    }
    let decisions = "select count(*) from social.moderation_log";
    assert_eq!(app.database().count(decisions).await, 10);
    let wrong =
        "select count(*) from social.reports as report join social.posts as post on post.id = report.post_id
      where (post.hidden_at is not null) <> (report.resolution = 'hidden')";
    assert_eq!(app.database().count(wrong).await, 0);
}

#[tokio::test]
async fn ones_own_deleted_posts_are_gone_with_the_right_to_read_them() {
    let app = TestApp::new(PROGRAM).await;
    let (server, [ada, _, ben, _]) = people(&app).await;
    let private = Some(json!({ "visibility": "private" }));
    act(&server, &ada, Method::PATCH, "libraries/gate", private).await.ok();
    let grant = "libraries/gate/grants/ben";
    act(&server, &ada, Method::PUT, grant, Some(json!({ "level": "read" }))).await.ok();
    let of_gate = post(&server, &ben, about_gate("About it")).await;
    let general = post(&server, &ben, json!({ "text": "About nothing" })).await;
    for made in [&of_gate, &general] {
        assert_eq!(
            act(&server, &ben, Method::DELETE, &format!("posts/{}", id(made)), None).await.status,
            204
        );
    }
    let deleted = async || each(&get(&server, &ben, "posts?deleted=true").await, "text");
    assert_eq!(deleted().await, ["About nothing", "About it"]);
    act(&server, &ada, Method::DELETE, grant, None).await;
    assert_eq!(deleted().await, ["About nothing"]);
}

#[tokio::test]
async fn what_is_not_shown_does_not_answer_a_question() {
    let app = TestApp::new(PROGRAM).await;
    let (server, [ada, olga, ben, eve]) = people(&app).await;
    let asked = json!({ "text": "How?", "question": true, "about": { "library": "gate" } });
    let asked = post(&server, &ben, asked).await;
    let answer = comment(&server, &eve, &asked, None, "So.").await;
    let (of_post, of_answer) = (format!("posts/{}", id(&asked)), format!("comments/{}", id(&answer)));
    let accepted = async || get(&server, &ada, &of_post).await["accepted_comment_id"].clone();
    let open = async || each(&get(&server, &ada, "posts?unanswered=true").await, "id").len();
    let acceptance = format!("{of_answer}/acceptance");
    change(&server, &ben, Method::PUT, &acceptance).await;
    assert_eq!((accepted().await, open().await), (answer["id"].clone(), 0));
    assert_eq!(act(&server, &eve, Method::DELETE, &of_answer, None).await.status, 204);
    assert_eq!((accepted().await, open().await), (Value::Null, 1));
    act(&server, &ben, Method::PUT, &acceptance, None).await.problem(409);
    // The asker decides again.
    act(&server, &eve, Method::POST, &format!("{of_answer}/restore"), None).await.ok();
    assert_eq!(accepted().await, Value::Null);
    change(&server, &ben, Method::PUT, &acceptance).await;
    let hidden = format!("{of_answer}/hidden");
    assert_eq!(act(&server, &olga, Method::PUT, &hidden, None).await.status, 204);
    assert_eq!((accepted().await, open().await), (Value::Null, 1));
    assert_eq!(act(&server, &olga, Method::DELETE, &hidden, None).await.status, 204);
    change(&server, &ben, Method::PUT, &acceptance).await;
    let on_answer = report(&server, &ben, json!({ "comment_id": id(&answer), "reason": "Wrong" })).await;
    assert_eq!(resolve(&server, &olga, &on_answer, "hidden").await, 204);
    assert_eq!((accepted().await, open().await), (Value::Null, 1));
}

#[tokio::test]
async fn moderators_read_what_they_hid_and_others_do_not_even_see_who_likes_it() {
    let app = TestApp::new(PROGRAM).await;
    let (server, [ada, olga, ben, eve]) = people(&app).await;
    let made = post(&server, &ben, about_gate("Text")).await;
    let hidden = comment(&server, &eve, &made, None, "Hidden").await;
    let deleted = comment(&server, &eve, &made, None, "Deleted").await;
    let at = |comment: &Value| format!("comments/{}", id(comment));
    for comment in [&hidden, &deleted] {
        change(&server, &ada, Method::PUT, &format!("{}/like", at(comment))).await;
    }
    act(&server, &olga, Method::PUT, &format!("{}/hidden", at(&hidden)), None).await;
    act(&server, &eve, Method::DELETE, &at(&deleted), None).await;
    for (person, text) in
        [(&eve, json!("Hidden")), (&olga, json!("Hidden")), (&ada, json!("Hidden")), (&ben, Value::Null)]
    {
        let shown = get(&server, person, &at(&hidden)).await;
        assert_eq!((&shown["state"], &shown["text"]), (&json!("hidden"), &text), "{}", person.name);
    }
    // A deleted one is its author's alone.
    assert_eq!(get(&server, &ada, &at(&deleted)).await["text"], Value::Null);
    for (comment, person, status) in [
        (&hidden, &ben, 404),
        (&hidden, &olga, 200),
        (&deleted, &ben, 404),
        (&deleted, &olga, 404),
        (&deleted, &eve, 200),
    ] {
        let likes = act(&server, person, Method::GET, &format!("{}/likes", at(comment)), None).await;
        assert_eq!(likes.status, status, "{} {}", person.name, likes.text());
    }
    for comment in [&hidden, &deleted] {
        let body = json!({ "comment_id": id(comment), "reason": "Spam" });
        act(&server, &ben, Method::POST, "reports", Some(body)).await.problem(404);
    }
}

#[tokio::test]
async fn moderators_decide_on_reports_in_the_browser() {
    let app = TestApp::new(PROGRAM).await;
    let (server, [_, olga, ben, eve]) = people(&app).await;
    let made = post(&server, &eve, about_gate("Buy <b>this</b>")).await;
    let other = post(&server, &eve, about_gate("And that")).await;
    for (made, reason) in [(&made, "It is spam"), (&other, "This too")] {
        report(&server, &ben, json!({ "post_id": id(made), "reason": reason })).await;
    }
    assert_eq!(PageClient::signed_in(&server, &ben).get("/reports").await.status, 403);
    assert!(!PageClient::signed_in(&server, &ben).get("/feed").await.text().contains("href=\"/reports\""));
    let mut browser = PageClient::signed_in(&server, &olga);
    assert!(browser.get("/feed").await.text().contains("href=\"/reports\""));
    let page = browser.get("/reports").await.html();
    assert!(page.shows(".post", "Buy <b>this</b>") && page.shows(".post", "It is spam"));
    let listed = get(&server, &olga, "reports").await;
    for (index, action) in [(0, "dismiss"), (1, "hide")] {
        let fields = [("id", id(&listed["items"][index])), ("action", action)];
        let sent = browser.submit("/reports", "/reports", &fields).await;
        assert_eq!(sent.status, 303, "{}", sent.text());
    }
    assert!(browser.get("/reports").await.html().has(".empty"));
    let page = browser.get("/reports?show=resolved").await.html();
    assert!(page.shows(".badge", "hidden") && page.shows(".badge", "dismissed"));
    assert_eq!(each(&get(&server, &ben, "posts").await, "text"), ["And that"]);
}
