//! `/graphql` beside REST on random data: each list has the same items for each caller, and each field of theirs the same value.

use std::collections::{BTreeMap, BTreeSet};

use reqwest::Method;
use serde_json::{Value, json};
use testkit::TestApp;

use crate::PROGRAM;
use crate::authority::{CALLERS, Fixture};
use crate::graphql::send;

/// Lists: the address in REST, the field of the operation, and the type of its nodes. Names in angle brackets are those of the fixture.
const LISTS: &[(&str, &str, &str)] = &[
    ("/api/v1/libraries", "libraries(first: 100)", "Library"),
    ("/api/v1/documents?limit=100", "documents(first: 100)", "Document"),
    ("/api/v1/documents/<document>/versions", "revisions(document: \"<document>\")", "Revision"),
    ("/api/v1/libraries/<library>/grants", "grants(library: \"<library>\")", "Grant"),
    (
        "/api/v1/libraries/<library>/versions/1/broken-links",
        "brokenLinks(library: \"<library>\", version: \"1\")",
        "BrokenLink",
    ),
    ("/api/v1/notes?limit=100", "notes(first: 100)", "Note"),
    ("/api/v1/posts?limit=100", "posts(first: 100)", "Post"),
    ("/api/v1/posts?limit=100&unanswered=true", "posts(first: 100, filter: { unanswered: true })", "Post"),
    (
        "/api/v1/posts?limit=100&library=<library>",
        "posts(first: 100, filter: { library: \"<library>\" })",
        "Post",
    ),
    ("/api/v1/posts?limit=100&tag=tea", "posts(first: 100, filter: { tag: \"tea\" })", "Post"),
    ("/api/v1/posts/<post>/comments?limit=100", "comments(post: \"<post>\", first: 100)", "Comment"),
    ("/api/v1/posts/<post>/likes?limit=100", "likers(target: { post: \"<post>\" }, first: 100)", "Person"),
    (
        "/api/v1/posts/<post>/revisions?limit=100",
        "earlierTexts(target: { post: \"<post>\" }, first: 100)",
        "EarlierText",
    ),
    ("/api/v1/feed?limit=100", "feed(first: 100)", "Post"),
    ("/api/v1/feed?limit=100&filter=people", "feed(first: 100, filter: PEOPLE)", "Post"),
    ("/api/v1/users/owner/followers?limit=100", "followers(username: \"owner\", first: 100)", "Person"),
    ("/api/v1/users/owner/following?limit=100", "following(username: \"owner\", first: 100)", "Person"),
    ("/api/v1/follows?limit=100", "follows(first: 100)", "Follow"),
    ("/api/v1/follows/suggestions", "suggestions", "Suggestion"),
    ("/api/v1/mutes?limit=100", "muted(first: 100)", "Person"),
    ("/api/v1/blocks?limit=100", "blocked(first: 100)", "Person"),
    ("/api/v1/notifications?limit=100", "notifications(first: 100)", "Notification"),
    ("/api/v1/conversations?limit=100", "conversations(first: 100)", "Conversation"),
    (
        "/api/v1/conversations/<conversation>/messages?limit=100",
        "messages(conversation: \"<conversation>\", first: 100)",
        "DirectMessage",
    ),
    ("/api/v1/chats?limit=100", "chats(first: 100)", "Chat"),
    ("/api/v1/chats/<chat>/messages?limit=100", "chatMessages(chat: \"<chat>\", last: 100)", "ChatMessage"),
    ("/api/v1/chats/<chat>/shares", "shares(chat: \"<chat>\")", "Share"),
    ("/api/v1/messages/<message>/changes", "sourceChanges(answer: \"<message>\")", "SourceChange"),
    ("/api/v1/worklist?limit=100", "workList(first: 100)", "WorklistItem"),
    ("/api/v1/reports?limit=100", "reports(first: 100)", "Report"),
    ("/api/v1/keys", "keys", "Key"),
    ("/api/v1/language-models", "languageModels", "LanguageModel"),
    ("/api/v1/language-models/choices", "languageModelChoices", "LanguageModelChoice"),
    ("/api/v1/mcp-servers", "mcpServers", "McpServer"),
    ("/api/v1/golden-questions", "goldenQuestions", "GoldenQuestion"),
    ("/api/v1/schedules", "schedules", "Schedule"),
    ("/api/v1/users?limit=100", "users(first: 100)", "User"),
    ("/api/v1/users/<user>/sessions", "sessions(user: \"<user>\")", "Session"),
];

/// Fields whose member in REST has another name.
const NAMES: &[(&str, &str)] = &[
    ("Document.title", "name"),
    ("Post.subjectKind", "about.kind"),
    ("Post.version", "about.version"),
    ("Post.path", "about.path"),
    ("Post.section", "about.section"),
    ("Post.likeCount", "likes"),
    ("Post.commentCount", "comments"),
    ("Comment.likeCount", "likes"),
    ("Comment.replyCount", "replies"),
    ("Conversation.unreadCount", "unread"),
    ("Notification.person", "actor"),
    ("ChatMessage.id", "message_id"),
    ("Share.chat", "chat_id"),
    ("Library.viewerLevel", "level"),
    ("Revision.documentType", "type"),
];

/// Fields that REST has at another address: ids of libraries are known to GraphQL alone.
const ELSEWHERE: [&str; 3] = ["ChatMessage.stale", "Library.id", "Person.followed"];

/// Random numbers that are the same in each run (xorshift, Marsaglia 2003).
pub(crate) struct Random(pub(crate) u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % end as u64).expect("a small number")
    }

    fn of<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.below(items.len())]
    }
}

/// Lets people write, like, follow, mute and report at random.
pub(crate) async fn live(fixture: &Fixture, random: &mut Random) {
    let people = ["stranger", "reader", "writer", "owner", "editor", "admin"];
    let names: &BTreeMap<&str, String> = &fixture.names;
    let (mut posts, mut comments) = (vec![names["post"].clone()], vec![names["comment"].clone()]);
    for number in 0..150 {
        let (caller, other) = (*random.of(&people), *random.of(&people));
        let token = fixture.credential(caller, false).await;
        let (post, comment) = (random.of(&posts).clone(), random.of(&comments).clone());
        let (method, path, body) = match random.below(15) {
            0..3 => {
                let about = [
                    json!(null),
                    json!({ "library": names["library"] }),
                    json!({ "document_id": names["document"] }),
                    json!({ "passage_id": names["passage"] }),
                ];
                let text = format!("Number {number} #tea @{other}");
                let body =
                    json!({ "text": text, "about": random.of(&about), "question": random.below(2) == 0 });
                (Method::POST, "posts".to_owned(), body)
            }
            3..6 => {
                let parent = (random.below(3) == 0 && post == posts[0]).then(|| comments[0].clone());
                let body = json!({ "text": format!("Comment {number}"), "parent_id": parent });
                (Method::POST, format!("posts/{post}/comments"), body)
            }
            6 => (Method::PUT, format!("posts/{post}/like"), Value::Null),
            7 => (Method::PUT, format!("comments/{comment}/like"), Value::Null),
            8 => (Method::PUT, format!("users/{other}/follow"), Value::Null),
            9 => (Method::PUT, format!("libraries/{}/follow", names["library"]), Value::Null),
            10 => (Method::PATCH, format!("posts/{post}"), json!({ "text": format!("Edited {number}") })),
            11 => (Method::DELETE, format!("comments/{comment}"), Value::Null),
            12 => {
                let relation = *random.of(&["mute", "block"]);
                (Method::PUT, format!("users/{}/{relation}", names["username"]), Value::Null)
            }
            13 => (Method::POST, "reports".to_owned(), json!({ "comment_id": comment, "reason": "Spam" })),
            _ => {
                let body = json!({ "passage_id": names["passage"], "category": "gap", "text": format!("Note {number}") });
                (Method::POST, "notes".to_owned(), body)
            }
        };
        let body = Some(body).filter(|body| !body.is_null());
        let is_post = path == "posts";
        let reply = fixture.server.ask(token.as_deref(), method, &format!("/api/v1/{path}"), body).await;
        assert!(reply.status < 500, "{path}: {}", reply.text());
        if reply.status == 201 && (is_post || path.ends_with("/comments")) {
            let made = reply.value()["id"].as_str().expect("an id").to_owned();
            if is_post { posts.push(made) } else { comments.push(made) }
        }
    }
}

/// Returns the fields of a type that have a value of their own, and the text that selects them; of people and sources with theirs.
fn selection(types: &BTreeMap<String, Value>, name: &str) -> (Vec<String>, String) {
    let (mut fields, mut text) = (Vec::new(), String::new());
    for field in types[name]["fields"].as_array().expect("fields") {
        let mut kind = &field["type"];
        while !kind["ofType"].is_null() {
            kind = &kind["ofType"];
        }
        let takes_arguments = field["args"].as_array().is_some_and(|arguments| !arguments.is_empty());
        let inner = match kind["kind"].as_str() {
            Some("SCALAR" | "ENUM") => String::new(),
            _ => match kind["name"].as_str() {
                Some("Person") => " { id username name avatar }".to_owned(),
                Some("Verdict") => " { verdict reason correction }".to_owned(),
                _ => continue,
            },
        };
        if !takes_arguments {
            let field = field["name"].as_str().expect("a name").to_owned();
            text += &format!("{field}{inner} ");
            fields.push(field);
        }
    }
    (fields, text)
}

fn snake(name: &str) -> String {
    let mut snake = String::new();
    for letter in name.chars() {
        if letter.is_ascii_uppercase() {
            snake.push('_');
        }
        snake.push(letter.to_ascii_lowercase());
    }
    snake
}

/// Returns the member of an item of REST that a field corresponds to.
fn member<'a>(item: &'a Value, kind: &str, field: &str) -> Option<&'a Value> {
    let named = NAMES.iter().find(|(name, _)| *name == format!("{kind}.{field}"));
    let name = named.map_or_else(|| snake(field), |(_, name)| (*name).to_owned());
    let find = |name: &str| name.split('.').try_fold(item, |value, part| value.get(part));
    find(&name).or_else(|| find(name.strip_suffix("_name")?))
}

/// Whether the value of a field is that of REST: names of enumerations in upper case, the same moment, the same people.
fn agrees(ours: &Value, theirs: &Value) -> bool {
    match (ours, theirs) {
        (Value::String(ours), Value::String(theirs)) => {
            let moment = |text: &str| chrono::DateTime::parse_from_rfc3339(text).ok();
            ours == theirs
                || ours.to_lowercase() == theirs.to_lowercase() && *ours == ours.to_uppercase()
                || moment(ours).is_some_and(|ours| moment(theirs) == Some(ours))
        }
        (Value::Array(ours), Value::Array(theirs)) => {
            ours.len() == theirs.len() && ours.iter().zip(theirs).all(|(ours, theirs)| agrees(ours, theirs))
        }
        (Value::Object(ours), Value::Object(theirs)) => ours
            .iter()
            .all(|(name, value)| theirs.get(&snake(name)).is_some_and(|other| agrees(value, other))),
        _ => ours == theirs,
    }
}

#[tokio::test]
async fn each_list_has_the_items_and_values_of_rest_for_each_caller() {
    let app = TestApp::new(PROGRAM).await;
    let fixture = Fixture::new(&app).await;
    live(&fixture, &mut Random(0x9e37_79b9_7f4a_7c15)).await;
    let admin = fixture.credential("admin", false).await;
    let shares = format!("/api/v1/chats/{}/shares", fixture.names["chat"]);
    for (path, body) in
        [(shares.as_str(), json!({})), ("/api/v1/golden-questions", json!({ "text": "hiddenword" }))]
    {
        assert_eq!(fixture.server.ask(admin.as_deref(), Method::POST, path, Some(body)).await.status, 201);
    }
    let text = "# Links\n\nRead [the next part](missing.md).";
    let added = fixture.server.add(&fixture.names["library"], "1", "links.md", text).await;
    fixture.server.processed(added["document_id"].as_str().expect("an id"), "1").await;
    let fill = |text: &str| {
        fixture
            .names
            .iter()
            .fold(text.to_owned(), |text, (name, value)| text.replace(&format!("<{name}>"), value))
    };
    let query = "{ __schema { types { name fields { name args { name } type { kind name ofType { kind name ofType { kind name ofType { kind name } } } } } } } }";
    let types = send(&fixture.server, None, query, json!({})).await.ok();
    let types = types["data"]["__schema"]["types"].as_array().expect("types").iter();
    let types: BTreeMap<String, Value> =
        types.map(|kind| (kind["name"].as_str().expect("a name").to_owned(), kind.clone())).collect();
    let (mut wrong, mut compared, mut without_member) = (Vec::new(), BTreeMap::new(), BTreeSet::new());
    for (address, operation, kind) in LISTS {
        let (fields, selected) = selection(&types, kind);
        let name = operation.split('(').next().unwrap_or(operation);
        let root = &types["Query"]["fields"];
        let root = root.as_array().expect("fields").iter().find(|field| field["name"] == name).expect(name);
        let of = root["type"]["name"].as_str().unwrap_or_default();
        let has_nodes = of.ends_with("Connection") || of == "ChatMessages";
        let selected = if has_nodes { format!("nodes {{ {selected} }}") } else { selected };
        let query = format!("{{ {} {{ {selected} }} }}", fill(operation));
        for caller in CALLERS {
            let credential = fixture.credential(caller, false).await;
            let path = fill(address);
            let rest = fixture.server.ask(credential.as_deref(), Method::GET, &path, None).await;
            let reply = send(&fixture.server, credential.as_deref(), &query, json!({})).await.ok();
            if rest.status != 200 {
                if reply["errors"].is_null() && !reply["data"][name].is_null() {
                    wrong.push(format!("{name} as {caller}: REST says {}, GraphQL {reply}", rest.status));
                }
                continue;
            }
            let rest = rest.value();
            let theirs = rest.as_array().or_else(|| rest["items"].as_array());
            let theirs = theirs.unwrap_or_else(|| panic!("{path}: {rest}"));
            let ours = &reply["data"][name];
            let ours = if has_nodes { &ours["nodes"] } else { ours };
            let Some(ours) = ours.as_array().filter(|ours| ours.len() == theirs.len()) else {
                wrong.push(format!("{name} as {caller}: {} items in REST\n{rest}\n{reply}", theirs.len()));
                continue;
            };
            for (ours, theirs) in ours.iter().zip(theirs) {
                for field in &fields {
                    let Some(other) = member(theirs, kind, field) else {
                        without_member.insert(format!("{kind}.{field}"));
                        continue;
                    };
                    if !agrees(&ours[field], other) {
                        wrong.push(format!("{kind}.{field} as {caller}: {} is {other} in REST", ours[field]));
                    }
                    *compared.entry(*kind).or_insert(0) += 1;
                }
            }
        }
    }
    wrong.truncate(30);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(
        without_member,
        ELSEWHERE.map(str::to_owned).into(),
        "fields that no member of REST corresponds to"
    );
    let never: Vec<_> = LISTS.iter().map(|list| list.2).filter(|kind| !compared.contains_key(kind)).collect();
    assert!(never.is_empty(), "types without an item: {never:?}");
}
