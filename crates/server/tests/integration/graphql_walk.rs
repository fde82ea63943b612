//! Every field of the schema of `/graphql`, however deep: whoever it leads to something may read that by REST, too.

use std::collections::{BTreeMap, BTreeSet};

use reqwest::Method;
use serde_json::{Value, json};
use testkit::TestApp;

use crate::PROGRAM;
use crate::authority::{CALLERS, Fixture, SCOPED_KEYS};
use crate::graphql::{run, send};
use crate::graphql_authority::{QUERIES, field, fill};
use crate::graphql_differential::{Random, live};
use crate::social_posts::{comment, id, post};

/// Types that have an address in REST: the field that names them there, and the beginning of the address.
const ADDRESSES: &[(&str, &str, &str)] = &[
    ("Library", "name", "libraries"),
    ("Document", "id", "documents"),
    ("Passage", "id", "passages"),
    ("Post", "id", "posts"),
    ("Comment", "id", "comments"),
    ("Conversation", "id", "conversations"),
    ("Chat", "id", "chats"),
    ("ChatMessage", "id", "messages"),
    ("User", "id", "users"),
    ("McpServer", "id", "mcp-servers"),
];

/// Levels of objects below those that a field of the operation leads to.
const LEVELS: usize = 2;

/// Types of the schema by name.
struct Types(BTreeMap<String, Value>);

fn name(value: &Value) -> &str {
    value["name"].as_str().expect("a name")
}

/// Returns the type that a field has, without lists and nulls around it.
fn of(field: &Value) -> &Value {
    let mut kind = &field["type"];
    while !kind["ofType"].is_null() {
        kind = &kind["ofType"];
    }
    kind
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

impl Types {
    /// Selects everything of a type, and notes which fields that are: each by the names of its type and itself, since a selection of
    /// several types cannot have fields of one name and different types.
    fn select(&self, kind: &str, levels: usize, selected: &mut BTreeSet<String>) -> String {
        let mut text = "__typename".to_owned();
        for possible in list(&self.0[kind]["possibleTypes"]) {
            let possible = name(possible);
            text += &format!(" ... on {possible} {{ {} }}", self.select(possible, levels, selected));
        }
        for field in list(&self.0[kind]["fields"]).filter(|_| self.0[kind]["kind"] == "OBJECT") {
            let needs = |argument: &Value| {
                argument["type"]["kind"] == "NON_NULL" && argument["defaultValue"].is_null()
            };
            assert!(!list(&field["args"]).any(needs), "{kind}.{} needs an argument", name(field));
            let is_leaf = matches!(of(field)["kind"].as_str(), Some("SCALAR" | "ENUM"));
            let inner = if is_leaf {
                String::new()
            } else {
                let is_page = ["Connection", "Edge", "Page"].iter().any(|end| kind.ends_with(end));
                let left = if is_page { Some(levels) } else { levels.checked_sub(1) };
                // The nodes of a page are read once.
                let Some(left) = left.filter(|_| name(field) != "edges") else { continue };
                format!(" {{ {} }}", self.select(name(of(field)), left, selected))
            };
            selected.insert(format!("{kind}.{}", name(field)));
            text += &format!(" {kind}_{field}: {field}{inner}", field = name(field));
        }
        text
    }
}

/// Collects the objects with an address in REST: their addresses, and the types of all.
fn collect(value: &Value, addresses: &mut BTreeSet<String>, types: &mut BTreeSet<String>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| collect(item, addresses, types)),
        Value::Object(members) => {
            if let Some(kind) = members.get("__typename").and_then(Value::as_str) {
                types.insert(kind.to_owned());
                for (of, key, path) in ADDRESSES.iter().filter(|(of, ..)| *of == kind) {
                    let key = members[&format!("{of}_{key}")].as_str().expect("a key");
                    addresses.insert(format!("/api/v1/{path}/{key}"));
                }
            }
            members.values().for_each(|member| collect(member, addresses, types));
        }
        _ => {}
    }
}

/// Returns a field of an operation without its selection.
fn call(document: &str) -> &str {
    let mut open = 0;
    for (at, letter) in document.char_indices() {
        match letter {
            '(' => open += 1,
            ')' => open -= 1,
            ' ' if open == 0 => return &document[..at],
            _ => {}
        }
    }
    document
}

#[tokio::test]
async fn whatever_a_field_leads_to_may_be_read_by_rest() {
    let app = TestApp::new(PROGRAM).await;
    let app = app.set("WENYUAN_GRAPHQL_MAX_COMPLEXITY", "1000000").set("WENYUAN_GRAPHQL_MAX_DEPTH", "30");
    let mut fixture = Fixture::new(&app).await;
    live(&fixture, &mut Random(0x2545_f491_4f6c_dd1d)).await;
    let query = "{ __schema { types { kind name possibleTypes { name } fields { name args { defaultValue type { kind } }
        type { kind name ofType { kind name ofType { kind name ofType { kind name } } } } } } } }";
    let schema = send(&fixture.server, None, query, json!({})).await.ok();
    let types = list(&schema["data"]["__schema"]["types"]).map(|kind| (name(kind).to_owned(), kind.clone()));
    let types = Types(types.collect());
    let (mut selected, mut met, mut wrong) = (BTreeSet::new(), BTreeSet::new(), Vec::new());
    let mut read = BTreeMap::new();
    for (document, _) in QUERIES {
        let root =
            list(&types.0["Query"]["fields"]).find(|root| name(root) == field(document)).expect("a field");
        let inner = match of(root)["kind"].as_str() {
            Some("SCALAR" | "ENUM") => String::new(),
            _ => format!(" {{ {} }}", types.select(name(of(root)), LEVELS, &mut selected)),
        };
        let query = format!("{{ {}{inner} }}", fill(&mut fixture, call(document)).await);
        for caller in CALLERS.into_iter().chain(SCOPED_KEYS) {
            let credential = fixture.credential(caller, false).await;
            let reply = send(&fixture.server, credential.as_deref(), &query, json!({})).await.ok();
            // A field that fails has a path; a document that is refused has none.
            assert!(list(&reply["errors"]).all(|error| error["path"].is_array()), "{query}\n{reply}");
            let mut addresses = BTreeSet::new();
            collect(&reply["data"], &mut addresses, &mut met);
            for address in addresses {
                let status = if let Some(status) = read.get(&(caller, address.clone())) {
                    *status
                } else {
                    let reply = fixture.server.ask(credential.as_deref(), Method::GET, &address, None).await;
                    read.insert((caller, address.clone()), reply.status);
                    reply.status
                };
                if status != 200 {
                    wrong.push(format!("{document} leads {caller} to {address}, where REST says {status}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(read.len() > 300, "{} objects", read.len());
    // No field of a type that queries lead to is left out.
    let results = ["Query", "Mutation", "Subscription", "PageInfo"];
    let reached: BTreeSet<&str> = selected.iter().filter_map(|field| field.split('.').next()).collect();
    let fields = types
        .0
        .iter()
        .filter(|(kind, _)| reached.contains(kind.as_str()) && !results.contains(&kind.as_str()));
    let fields =
        fields.flat_map(|(kind, of)| list(&of["fields"]).map(move |field| format!("{kind}.{}", name(field))));
    let left_out: Vec<String> = fields
        .filter(|field| {
            !selected.contains(field) && field.split_once('.').is_some_and(|(_, name)| name != "edges")
        })
        .collect();
    assert_eq!(left_out, Vec::<String>::new(), "fields that no query selects");
    let absent: Vec<_> = ADDRESSES.iter().filter(|(kind, ..)| !met.contains(*kind)).collect();
    assert!(absent.is_empty(), "nobody reads {absent:?}");
}

/// Lists that belong to a node: the parents, their key, the field, and the list at the top, in which `KEY` and `POST` are replaced.
const FIRST_PAGES: &[(&str, &str, &str, &str)] = &[
    ("libraries(first: 50) { nodes PARENT }", "name", "documents", "documents(library: \"KEY\", "),
    (
        "posts(first: 100) { nodes { author PARENT } }",
        "username",
        "posts",
        "posts(filter: { author: \"KEY\" }, ",
    ),
    ("posts(first: 100) { nodes PARENT }", "id", "comments", "comments(post: \"KEY\", "),
    (
        "comments(post: \"POST\", first: 100) { nodes PARENT }",
        "id",
        "replies",
        "comments(post: \"POST\", parent: \"KEY\", ",
    ),
    ("conversations(first: 50) { nodes PARENT }", "id", "messages", "messages(conversation: \"KEY\", "),
];

/// Hides, deletes and blocks some of what a fixture has, so that lists differ among callers.
async fn restrict(fixture: &Fixture) {
    let server = &fixture.server;
    let ask = async |caller: &str, method: Method, path: &str, body: Option<Value>| {
        let credential = fixture.credential(caller, false).await;
        let reply = server.ask(credential.as_deref(), method, &format!("/api/v1/{path}"), body).await;
        assert!(reply.status < 300, "{path}: {}", reply.text());
        reply
    };
    let posts = ask("admin", Method::GET, "posts?limit=100", None).await.value();
    let of = |author: &str| {
        let posts = list(&posts["items"]).filter(|post| post["author"]["username"] == author);
        posts.map(id).next().expect("a post").to_owned()
    };
    ask("admin", Method::PUT, &format!("posts/{}/hidden", of("writer")), None).await;
    ask("owner", Method::DELETE, &format!("posts/{}", of("owner")), None).await;
    ask("writer", Method::PUT, "users/reader/block", None).await;
    ask("reader", Method::PUT, "users/editor/mute", None).await;
    let talk = ask("owner", Method::POST, "conversations", Some(json!({ "members": ["reader", "ada"] })))
        .await
        .value();
    let messages = format!("conversations/{}/messages", id(&talk));
    for number in 0..6 {
        let sender = ["owner", "reader", "admin"][number % 3];
        let text = Some(json!({ "text": format!("Message {number}") }));
        let sent = ask(sender, Method::POST, &messages, text).await.value();
        if number == 1 {
            ask("owner", Method::DELETE, &format!("{messages}/{}?scope=me", id(&sent)), None).await;
        }
    }
    ask("admin", Method::PUT, "users/reader/block", None).await;
}

#[tokio::test]
async fn the_first_page_of_what_belongs_to_a_node_is_that_of_its_list() {
    let app = TestApp::new(PROGRAM).await;
    let fixture = Fixture::new(&app).await;
    live(&fixture, &mut Random(0x9e37_79b9_7f4a_7c15)).await;
    restrict(&fixture).await;
    let (mut wrong, mut compared) = (Vec::new(), BTreeMap::new());
    let post = &fixture.names["post"];
    for (parents, key, field, whole) in FIRST_PAGES {
        let page = "{ nodes { id } pageInfo { hasNextPage endCursor } }";
        let parent = format!("{{ key: {key} page: {field}(first: 2) {page} }}");
        let query = format!("{{ parents: {} }}", parents.replace("POST", post).replace("PARENT", &parent));
        for caller in CALLERS.into_iter().chain(SCOPED_KEYS) {
            let credential = fixture.credential(caller, false).await;
            let reply = send(&fixture.server, credential.as_deref(), &query, json!({})).await.ok();
            let nodes =
                list(&reply["data"]["parents"]["nodes"]).map(|node| node.get("author").unwrap_or(node));
            let pages: BTreeMap<&str, &Value> =
                nodes.filter_map(|node| Some((node["key"].as_str()?, &node["page"]))).collect();
            for (key, ours) in pages {
                let whole = whole.replace("POST", post).replace("KEY", key);
                let whole = format!("{{ page: {whole} first: 2) {page} }}");
                let theirs = send(&fixture.server, credential.as_deref(), &whole, json!({})).await.ok();
                let theirs = match &theirs["data"]["page"] {
                    Value::Null => {
                        json!({ "nodes": [], "pageInfo": { "hasNextPage": false, "endCursor": null } })
                    }
                    page => page.clone(),
                };
                let has_more = theirs["pageInfo"]["hasNextPage"] == true;
                *compared.entry((*field, has_more, theirs["nodes"] == json!([]))).or_insert(0) += 1;
                if *ours != theirs {
                    wrong.push(format!("{field} of {key} as {caller}: {ours} instead of {theirs}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    for (.., field, _) in FIRST_PAGES {
        assert!(
            compared.contains_key(&(*field, true, false)) || *field == "documents",
            "{field} has no next page: {compared:?}"
        );
    }
}

#[tokio::test]
async fn the_first_page_of_what_belongs_to_a_node_leads_on() {
    let app = TestApp::new(PROGRAM).await;
    let server = app.serve().await;
    let ada = server.set_up().await;
    let ben = server.person(&ada, "ben", "user").await;
    for number in 1..=4 {
        server.add("tea", "1", &format!("{number}.md"), &format!("# Tea {number}\n\nText.")).await;
    }
    let mut posts = Vec::new();
    for number in 1..=4 {
        let about = json!({ "library": "tea" });
        posts.push(post(&server, &ada, json!({ "text": format!("Post {number}"), "about": about })).await);
    }
    let mut comments = Vec::new();
    for number in 1..=4 {
        comments.push(comment(&server, &ben, &posts[0], None, &format!("Comment {number}")).await);
    }
    for number in 1..=4 {
        comment(&server, &ada, &posts[0], Some(&comments[0]), &format!("Reply {number}")).await;
    }
    let talk = Some(json!({ "members": ["ben"] }));
    let talk = server.ask(Some(&ada.access_token), Method::POST, "/api/v1/conversations", talk).await.value();
    let path = format!("/api/v1/conversations/{}/messages", id(&talk));
    for number in 1..=4 {
        let text = Some(json!({ "text": format!("Message {number}") }));
        assert_eq!(server.ask(Some(&ada.access_token), Method::POST, &path, text).await.status, 201);
    }
    let (post, comment, talk) = (id(&posts[0]), id(&comments[0]), id(&talk));
    let lists = [
        ("library(name: \"tea\")", "documents", "documents(library: \"tea\", ".to_owned(), "title"),
        ("person(username: \"ada\")", "posts", "posts(filter: { author: \"ada\" }, ".to_owned(), "text"),
        (&format!("post(id: \"{post}\")"), "comments", format!("comments(post: \"{post}\", "), "text"),
        (
            &format!("comment(id: \"{comment}\")"),
            "replies",
            format!("comments(post: \"{post}\", parent: \"{comment}\", "),
            "text",
        ),
        (
            &format!("conversation(id: \"{talk}\")"),
            "messages",
            format!("messages(conversation: \"{talk}\", "),
            "text",
        ),
    ];
    for (parent, list, whole, field) in lists {
        let page = format!("{{ nodes {{ {field} }} pageInfo {{ hasNextPage endCursor }} }}");
        // Aliases with other numbers of items are read together and keep to theirs.
        let query = format!(
            "{{ parent: {parent} {{ one: {list}(first: 1) {page} three: {list}(first: 3) {page} all: {list} {page} }} }}"
        );
        let of = run(&server, &ada, &query, json!({})).await["data"]["parent"].clone();
        let first = &of["three"];
        assert_eq!(first["nodes"].as_array().map(Vec::len), Some(3), "{of}");
        assert!(
            first["pageInfo"]["hasNextPage"] == true && of["all"]["pageInfo"]["hasNextPage"] == false,
            "{of}"
        );
        let after = first["pageInfo"]["endCursor"].as_str().expect("a cursor");
        let query = format!("{{ page: {whole} after: \"{after}\") {page} }}");
        let rest = run(&server, &ada, &query, json!({})).await["data"]["page"].clone();
        assert_eq!(rest["nodes"].as_array().map(Vec::len), Some(1), "{list}: {rest}");
        let all = list_of(&of["all"]);
        assert_eq!((&list_of(first)[..], &list_of(&rest)[..]), (&all[..3], &all[3..]), "{of}");
        assert_eq!(list_of(&of["one"]), all[..1], "{of}");
    }
    let asked = "{ post: node(id: \"POST\") { ... on Post { comments(first: 101) { nodes { id } } } } }"
        .replace("POST", post);
    let refused = send(&server, Some(&ada.access_token), &asked, json!({})).await.ok();
    assert_eq!(refused["errors"][0]["extensions"]["code"], "invalid", "{refused}");
}

fn list_of(page: &Value) -> Vec<Value> {
    list(&page["nodes"]).cloned().collect()
}
