//! Statements that a list of `/graphql` takes: as many whatever its size, over every edge of the schema.

use std::collections::{BTreeMap, BTreeSet};

use async_graphql::parser::parse_query;
use async_graphql::parser::types::{Selection, SelectionSet};
use reqwest::Method;
use serde_json::{Value, json};
use testkit::{Server, TestApp};

use crate::PROGRAM;
use crate::graphql::send;
use crate::social_posts::{comment, id, post};

/// Lists, each with every edge that a node of it has, and whether the fixture has a hundred nodes.
const LISTS: &[(&str, bool)] = &[
    ("libraries(first: $n) { edges { cursor node { id name versions { label } } } pageInfo { endCursor } }", true),
    ("libraries(first: $n) { nodes { documents(first: 3) { nodes { path library { name } } pageInfo { endCursor } } } }", true),
    ("documents(first: $n) { nodes { id library { name versions { label } } } }", true),
    ("outline(library: \"guide\", first: $n) { nodes { path revision } }", true),
    ("brokenLinks(library: \"guide\", first: $n) { nodes { target } }", false),
    ("revisions(document: $document) { revision }", false),
    ("documentText(document: $document, revision: \"1\") { text revision { id } }", false),
    ("documentDifference(document: $document, from: \"1\", to: \"1\") { unified }", false),
    ("versionChanges(library: \"guide\", from: \"1\", to: \"1\", first: $n) { nodes { path } }", false),
    ("grants(library: \"guide\") { username }", false),
    ("notes(first: $n) { nodes { document { path library { id } } passage { document { id } library { id } content } } }", true),
    ("search(query: \"kettle\", first: $n) { hits { passage { id document { path library { id } } library { name } } alsoIn } }", false),
    ("find(words: \"kettle\", first: $n) { ... on SearchHit { passage { document { path } } } ... on Document { library { name } } }", false),
    ("nodes(ids: $posts) { ... on Post { author { id followed } library { name } } ... on Comment { post { id } } }", false),
    (
        "posts(first: $n) { nodes { author { id followed } library { name } document { path } passage { id document { id } }
         answer { text } acceptedComment { id author { followed } } liked likeCount commentCount } }",
        true,
    ),
    (
        "posts(first: $n) { nodes { comments(first: 3) { nodes { id author { username followed } post { id } parent { id } replies(first: 2) { nodes { id } } } } } }",
        true,
    ),
    (
        "feed(first: $n) { nodes { author { followed } comments(first: 2) { nodes { text } } acceptedComment { post { id author { followed } } } } }",
        true,
    ),
    ("comments(post: $post, first: $n) { nodes { author { followed } post { id } parent { id } replies { nodes { parent { id } } } } }", true),
    ("earlierTexts(target: { post: $post }, first: $n) { nodes { text } }", false),
    ("likers(target: { post: $post }, first: $n) { nodes { username followed posts(first: 2) { nodes { author { id } comments(first: 1) { nodes { id } } } } } }", true),
    ("followers(username: \"ada\", first: $n) { nodes { followed } }", true),
    ("following(username: \"ada\", first: $n) { nodes { followed } }", true),
    ("follows(first: $n) { nodes { person { followed } library { id } document { library { id } } tag } }", true),
    ("muted(first: $n) { nodes { followed } }", false),
    ("blocked(first: $n) { nodes { followed } }", false),
    ("suggestions { person { followed } followedBy }", false),
    (
        "notifications(first: $n) { nodes { kind person { followed } post { author { id } library { id } } comment { post { id } parent { id } }
         conversation { members { followed } } library { id } } }",
        true,
    ),
    ("conversations(first: $n) { nodes { members { followed } unreadCount messages(first: 2) { nodes { sender { followed } } } } }", true),
    ("messages(conversation: $conversation, first: $n) { nodes { sender { followed } } }", true),
    ("chats(first: $n) { nodes { title library { name } } }", true),
    (
        "chatMessages(chat: $chat, last: $n) { nodes { verdict { reason } sources { title document { library { id } } passage { document { id } } } } }",
        true,
    ),
    ("shares(chat: $chat) { id }", false),
    ("sourceChanges(answer: $answer) { number now { difference { unified } } }", false),
    ("workList(first: $n) { nodes { questions } }", true),
    ("reports(first: $n) { nodes { post { id author { followed } } comment { id author { id } } } }", true),
    ("keys { name }", false),
    ("languageModels { name }", false),
    ("languageModelChoices { name }", false),
    ("jobs(first: $n) { nodes { kind } }", false),
    ("schedules { name }", false),
    ("settings { key }", false),
    ("users(first: $n) { nodes { username email } }", true),
    ("sessions { id }", false),
    ("mcpServers { name }", false),
    ("searchEndpoints { endpoints { model } embedding { missing } }", false),
    ("backups { id checks { name } }", false),
    ("drills { targets { rpoSeconds } steps { name } checks { name } }", false),
    ("goldenQuestions { text }", false),
    ("viewer { person { followed } }", false),
];

/// Copies of rows, so that every list has a hundred of them.
const COPIES: &[&str] = &[
    "insert into identity.users (id, username) select gen_random_uuid(), 'u' || n from generate_series(1, 400) as n",
    "create temporary table person as select id, row_number() over (order by username) as n from identity.users where username like 'u%'",
    "insert into social.posts select (jsonb_populate_record(post, jsonb_build_object('id', gen_random_uuid(), 'author_id', person.id,
       'accepted_comment_id', null))).* from social.posts as post, person where post.text = 'Question'",
    "insert into social.comments select (jsonb_populate_record(comment, jsonb_build_object('id', gen_random_uuid(), 'post_id', post.id,
       'author_id', person.id))).*
     from social.comments as comment join person on true join social.posts as post on post.author_id = person.id
     where comment.text = 'Answer'",
    "insert into social.comments select (jsonb_populate_record(comment, jsonb_build_object('id', gen_random_uuid(), 'author_id', person.id))).*
     from social.comments as comment, person where comment.text = 'Answer' and comment.author_id not in (select id from person)",
    "update social.posts as post set accepted_comment_id = comment.id from social.comments as comment
     where comment.post_id = post.id and post.author_id = comment.author_id",
    "insert into social.post_counters (post_id) select id from social.posts on conflict do nothing",
    "insert into social.comment_counters (comment_id) select id from social.comments on conflict do nothing",
    "insert into social.likes (post_id, user_id) select post.id, person.id from social.posts as post, person
     where post.text = 'Question' and post.author_id not in (select id from person)",
    "insert into social.follows (follower_id, user_id) select ada.id, person.id from person, identity.users as ada where ada.username = 'ada'
     and person.n % 2 = 0",
    "insert into social.follows (follower_id, user_id) select person.id, ada.id from person, identity.users as ada where ada.username = 'ada'",
    "insert into social.mutes (user_id, muted_id) select ada.id, person.id from person, identity.users as ada where ada.username = 'ada' and n % 3 = 0",
    "insert into social.blocks (user_id, blocked_id) select ada.id, person.id from person, identity.users as ada where ada.username = 'ada' and n % 5 = 0",
    "insert into social.notifications (id, user_id, kind, event_key, actor_id, post_id, comment_id)
     select gen_random_uuid(), ada.id, 'reply', 'copy ' || comment.id, person.id, comment.post_id, comment.id
     from person join social.comments as comment on comment.author_id = person.id join identity.users as ada on ada.username = 'ada'",
    "insert into social.conversations (id, last_number) select id, 1 from person",
    "insert into social.conversation_members (conversation_id, user_id) select id, id from person",
    "insert into social.conversation_members (conversation_id, user_id)
     select person.id, ada.id from person, identity.users as ada where ada.username = 'ada'",
    "insert into social.messages (id, conversation_id, number, sender_id, text)
     select gen_random_uuid(), message.conversation_id, 1000 + person.n, person.id, 'copy'
     from person, social.messages as message where message.text = 'Hello'",
    "insert into social.reports (id, post_id, comment_id, library_id, reporter_id, reason)
     select gen_random_uuid(), comment.post_id, comment.id, post.library_id, person.id, 'spam'
     from person join social.comments as comment on comment.author_id = person.id join social.posts as post on post.id = comment.post_id",
    "insert into library.documents select (jsonb_populate_record(document, jsonb_build_object('id', person.id, 'path', 'copy/' || n))).*
     from library.documents as document, person where document.path = 'tea.md'",
    "insert into library.document_versions select (jsonb_populate_record(d, jsonb_build_object('id', person.id, 'document_id', person.id))).*
     from library.document_versions as d join library.documents as document on document.id = d.document_id and document.path = 'tea.md', person",
    "insert into library.notes select (jsonb_populate_record(note, jsonb_build_object('id', gen_random_uuid(), 'text', 'copy ' || n))).*
     from library.notes as note, person",
    "insert into chat.chats (id, user_id, title) select person.id, ada.id, 'Copy' from person, identity.users as ada where ada.username = 'ada'",
    "insert into library.libraries (id, name, title) select id, 'lib' || n, 'Copy' from person",
    "insert into social.follows (follower_id, library_id) select ada.id, library.id from library.libraries as library, identity.users as ada
     where ada.username = 'ada' and library.name like 'lib%'",
    "insert into social.follows (follower_id, document_id) select ada.id, document.id from library.documents as document, identity.users as ada
     where ada.username = 'ada' and document.path like 'copy/%'",
    "update social.notifications as notification set library_id = person.id, conversation_id = person.id from person
     where notification.actor_id = person.id",
    "update chat.chats as chat set library = 'lib' || person.n from person where chat.id = person.id",
    "with base as (select max(id) as id, chat_id from chat.messages group by chat_id)
     insert into chat.messages (id, message_id, chat_id, parent_id, role, content) overriding system value
     select base.id + n, gen_random_uuid(), chat_id, base.id + n - 1, 'assistant', 'copy' from base, person",
    "insert into chat.message_sources select (jsonb_populate_record(source, jsonb_build_object('message_id', message.id))).*
     from chat.message_sources as source, chat.messages as message where message.content = 'copy'",
    "update chat.chats as chat set current_id = (select max(id) from chat.messages where chat_id = chat.id) where title <> 'Copy'",
    "insert into chat.worklist (id, library_id, kind, questions, keys)
     select gen_random_uuid(), library.id, 'nothing_found', array['q' || n], array['k' || n]
     from person, library.libraries as library where library.name = 'guide'",
];

/// Whether a document uses a variable.
fn uses(document: &str, variable: &str) -> bool {
    let mut rest = document;
    while let Some((_, after)) = rest.split_once(variable) {
        if !after.starts_with(|letter: char| letter.is_ascii_alphanumeric()) {
            return true;
        }
        rest = after;
    }
    false
}

/// Returns the length of the longest list in a value.
fn longest(value: &Value) -> usize {
    match value {
        Value::Array(items) => items.len().max(items.iter().map(longest).max().unwrap_or(0)),
        Value::Object(members) => members.values().map(longest).max().unwrap_or(0),
        _ => 0,
    }
}

/// Types of the schema, by their names, with the types of their fields.
struct Types(BTreeMap<String, BTreeMap<String, String>>);

impl Types {
    async fn read(server: &Server) -> Self {
        let query = "{ __schema { types { kind name fields { name type { kind name ofType { kind name ofType { kind name ofType { kind name } } } } } } } }";
        let reply = send(server, None, query, json!({})).await.ok();
        let named = |value: &Value| value["name"].as_str().unwrap_or_default().to_owned();
        let types = reply["data"]["__schema"]["types"].as_array().expect("types").iter();
        let fields = |kind: &Value| {
            let fields = kind["fields"].as_array().into_iter().flatten().filter_map(|field| {
                let mut of = &field["type"];
                while !of["ofType"].is_null() {
                    of = &of["ofType"];
                }
                let is_leaf = matches!(of["kind"].as_str(), Some("SCALAR" | "ENUM"));
                (!is_leaf).then(|| (named(field), named(of)))
            });
            fields.collect()
        };
        Self(types.map(|kind| (named(kind), fields(kind))).collect())
    }

    /// Returns the edges: the fields that lead to another type, but for those of results of changes and of the pages of lists.
    fn edges(&self) -> Vec<String> {
        let of_results = ["Mutation", "Subscription", "CreatedUser", "CreatedKey", "CreatedShare"];
        let types = self.0.iter().filter(|(name, _)| {
            !name.starts_with("__")
                && !of_results.contains(&name.as_str())
                && !name.ends_with("Connection")
                && !name.ends_with("Page")
                && !name.ends_with("Edge")
        });
        // A node and what has words can be anything; the loaders are those of the edges.
        let single = [
            "Query.node",
            "Query.post",
            "Query.comment",
            "Query.document",
            "Query.passage",
            "Query.person",
            "Query.library",
            "Query.conversation",
            "Query.chat",
            "Query.chatMessage",
            "Query.user",
        ];
        let edges =
            types.flat_map(|(name, fields)| fields.keys().map(move |field| format!("{name}.{field}")));
        edges.filter(|edge| !single.contains(&edge.as_str())).collect()
    }

    /// Adds the edges that a document follows.
    fn cover(&self, document: &str, covered: &mut BTreeSet<String>) {
        let parsed = parse_query(document).expect(document);
        for (_, operation) in parsed.operations.iter() {
            self.cover_selection("Query", &operation.node.selection_set.node, covered);
        }
    }

    fn cover_selection(&self, kind: &str, selected: &SelectionSet, covered: &mut BTreeSet<String>) {
        for selection in &selected.items {
            match &selection.node {
                Selection::Field(field) => {
                    let name = field.node.name.node.as_str();
                    if let Some(of) = self.0.get(kind).and_then(|fields| fields.get(name)) {
                        covered.insert(format!("{kind}.{name}"));
                        self.cover_selection(of, &field.node.selection_set.node, covered);
                    }
                }
                Selection::InlineFragment(fragment) => {
                    let condition = fragment.node.type_condition.as_ref();
                    let of = condition.map_or(kind, |condition| condition.node.on.node.as_str());
                    self.cover_selection(of, &fragment.node.selection_set.node, covered);
                }
                Selection::FragmentSpread(_) => {}
            }
        }
    }
}

#[tokio::test]
async fn a_page_takes_as_many_statements_whatever_its_size() {
    let app = TestApp::new(PROGRAM).await;
    let server = app.serve().await;
    let ada = server.set_up().await;
    let ben = server.person(&ada, "ben", "user").await;
    let found = server.add("guide", "1", "tea.md", "# Tea\n\nFill the kettle with water.").await;
    let document = found["document_id"].as_str().expect("an id").to_owned();
    server.processed(&document, "1").await;
    server.caught_up().await;
    let passage = server.search(&[("q", "kettle"), ("library", "guide")]).await["hits"][0]["id"].clone();
    let note = json!({ "passage_id": passage, "category": "gap", "text": "How much?" });
    assert_eq!(
        server.ask(Some(&ada.access_token), Method::POST, "/api/v1/notes", Some(note)).await.status,
        201
    );
    let asked = post(
        &server,
        &ada,
        json!({ "text": "Question", "question": true, "about": { "passage_id": passage } }),
    )
    .await;
    comment(&server, &ben, &asked, None, "Answer").await;
    let talk = json!({ "members": ["ben"] });
    let talk =
        server.ask(Some(&ada.access_token), Method::POST, "/api/v1/conversations", Some(talk)).await.value();
    let path = format!("/api/v1/conversations/{}/messages", id(&talk));
    server.ask(Some(&ben.access_token), Method::POST, &path, Some(json!({ "text": "Hello" }))).await;
    let chat =
        server.ask(Some(&ada.access_token), Method::POST, "/api/v1/chats", Some(json!({}))).await.value();
    let asking = format!("/api/v1/chats/{}/messages", id(&chat));
    let question = Some(json!({ "content": "How is the kettle filled?" }));
    let told = server.ask(Some(&ada.access_token), Method::POST, &asking, question).await.value();
    let answer = told["answer"]["message_id"].clone();
    // The stream ends with the answer.
    let events = format!("/api/v1/messages/{}/events", answer.as_str().expect("an answer"));
    server.ask(Some(&ada.access_token), Method::GET, &events, None).await;
    let mut connection = app.database().pool().acquire().await.expect("a connection");
    for statement in COPIES {
        sqlx::raw_sql(*statement)
            .execute(&mut *connection)
            .await
            .unwrap_or_else(|error| panic!("{statement}\n{error}"));
    }
    // A change of the server's own tells it that its catalogue has changed.
    let title = Some(json!({ "title": "Guide" }));
    server.ask(Some(&ada.access_token), Method::PATCH, "/api/v1/libraries/guide", title).await.ok();
    let schema = Types::read(&server).await;
    let (mut wrong, mut covered) = (Vec::new(), BTreeSet::new());
    let variables = json!({
        "post": id(&asked), "posts": [id(&asked)], "conversation": id(&talk), "chat": id(&chat), "answer": answer, "document": document,
    });
    for (list, has_many) in LISTS {
        let used = "$n: Int, $post: ID!, $posts: [ID!]!, $conversation: ID!, $chat: ID!, $answer: ID!, $document: ID!".split(", ");
        let used: Vec<&str> = used.filter(|one| uses(list, one.split(':').next().expect("a name"))).collect();
        let declared = if used.is_empty() { String::new() } else { format!("({})", used.join(", ")) };
        let query = format!("query {declared} {{ {list} }}");
        schema.cover(&query, &mut covered);
        let mut costs = Vec::new();
        // The first request fills caches.
        for size in [1, 1, 10, 100] {
            let size = if list.contains("search(") { size.min(50) } else { size };
            let mut variables = variables.clone();
            variables["n"] = json!(size);
            let reply = send(&server, Some(&ada.access_token), &query, variables).await.ok();
            if reply.get("errors").is_some() {
                wrong.push(format!("{query}\n{reply}"));
                break;
            }
            let found = longest(&reply["data"]);
            if found < size && *has_many {
                wrong.push(format!("{query}\n{found} of {size} nodes"));
            }
            costs.push(reply["extensions"]["cost"]["statements"].as_u64().expect("a number"));
        }
        let costs = costs.get(1..).unwrap_or_default();
        if costs.windows(2).any(|pair| pair[1] > pair[0]) || costs.iter().any(|cost| *cost > 20) {
            wrong.push(format!("{query}\n{costs:?} statements"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
    let metrics = server.get("/metrics", &[]).await.text();
    assert!(!metrics.contains("wenyuan_graphql_n_plus_one_total{"), "{metrics}");
    let missing: Vec<String> = schema.edges().into_iter().filter(|edge| !covered.contains(edge)).collect();
    assert_eq!(missing, Vec::<String>::new(), "edges without a query");
}
