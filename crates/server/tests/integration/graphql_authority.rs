//! Authority of `/graphql`: each field of the operations answers each caller as REST does.

use std::collections::BTreeSet;

use reqwest::Method;
use serde_json::{Value, json};
use testkit::TestApp;

use crate::PROGRAM;
use crate::authority::{CALLERS, Fixture, SCOPED_KEYS, body, statuses};
use crate::graphql::send;

/// Queries, and the address in REST that answers the same; `-` where nothing does and everybody may ask. Names in angle brackets are those
/// of the fixture.
pub(crate) const QUERIES: &[(&str, &str)] = &[
    ("viewer { username }", "-"),
    ("libraries(first: 5) { nodes { name } }", "/api/v1/libraries"),
    ("library(name: \"<library>\") { title }", "/api/v1/libraries/{library}"),
    ("documents(library: \"<library>\") { nodes { path } }", "/api/v1/documents?library={library}"),
    ("document(id: \"<document>\") { path library { name } }", "/api/v1/documents/{document}"),
    ("passage(id: \"<passage>\") { content document { path } }", "/api/v1/passages/{passage}"),
    ("revisions(document: \"<document>\") { revision sha256 }", "/api/v1/documents/{document}/versions"),
    (
        "documentText(document: \"<document>\", revision: \"1\") { text }",
        "/api/v1/documents/{document}/versions/{version}/content",
    ),
    (
        "documentDifference(document: \"<document>\", from: \"1\", to: \"1\") { unified }",
        "/api/v1/documents/{document}/diff?from={version}&to={version}",
    ),
    ("outline(library: \"<library>\") { nodes { path } }", "/api/v1/libraries/{library}/versions/{version}"),
    (
        "versionChanges(library: \"<library>\", from: \"1\", to: \"1\") { unchanged }",
        "/api/v1/libraries/{library}/changes?from={version}&to={version}",
    ),
    ("notes(library: \"<library>\") { nodes { text passage { id } } }", "/api/v1/notes?library={library}"),
    ("node(id: \"<document>\") { id }", "/api/v1/documents/{document}"),
    ("nodes(ids: [\"<post>\", \"<comment>\"]) { id }", "/api/v1/posts/{post}"),
    (
        "search(query: \"hiddenword\", library: \"<library>\") { hits { passage { id } } }",
        "/api/v1/search?q=hiddenword&library={library}",
    ),
    ("posts(first: 5) { nodes { text } }", "/api/v1/posts"),
    ("post(id: \"<post>\") { text library { name } comments { nodes { text } } }", "/api/v1/posts/{post}"),
    ("comments(post: \"<post>\") { nodes { text } }", "/api/v1/posts/{post}/comments"),
    ("comment(id: \"<comment>\") { text post { id } }", "/api/v1/comments/{comment}"),
    ("likers(target: { post: \"<post>\" }) { nodes { username } }", "/api/v1/posts/{post}/likes"),
    ("feed { nodes { text } }", "/api/v1/feed"),
    ("person(username: \"<username>\") { name followed }", "/api/v1/users/{username}/followers"),
    ("followers(username: \"<username>\") { nodes { username } }", "/api/v1/users/{username}/followers"),
    ("following(username: \"<username>\") { nodes { username } }", "/api/v1/users/{username}/following"),
    ("suggestions { person { username } }", "/api/v1/follows/suggestions"),
    ("follows { nodes { tag } }", "/api/v1/follows"),
    ("muted { nodes { username } }", "/api/v1/mutes"),
    ("blocked { nodes { username } }", "/api/v1/blocks"),
    ("notifications { nodes { kind } }", "/api/v1/notifications"),
    ("conversations { nodes { id } }", "/api/v1/conversations"),
    (
        "messages(conversation: \"<conversation>\") { nodes { text } }",
        "/api/v1/conversations/{conversation}/messages",
    ),
    ("conversation(id: \"<conversation>\") { id }", "/api/v1/conversations/{conversation}"),
    ("find(words: \"hiddenword\") { __typename }", "/api/v1/search?q=hiddenword"),
    ("grants(library: \"<library>\") { username level }", "/api/v1/libraries/{library}/grants"),
    ("settings { key value }", "/api/v1/schedules"),
    ("chats { nodes { title } }", "/api/v1/chats"),
    ("chat(id: \"<chat>\") { title }", "/api/v1/chats/{chat}"),
    ("chatMessages(chat: \"<chat>\") { nodes { content } }", "/api/v1/chats/{chat}/messages"),
    ("chatMessage(id: \"<message>\") { content }", "/api/v1/messages/{message}"),
    ("workList(library: \"<library>\") { nodes { questions } }", "/api/v1/worklist?library={library}"),
    ("reports { nodes { text } }", "/api/v1/reports"),
    ("keys { name }", "/api/v1/keys"),
    ("languageModels { name }", "/api/v1/language-models"),
    ("languageModelChoices { name }", "/api/v1/language-models/choices"),
    ("jobs { nodes { kind } }", "/api/v1/jobs"),
    ("schedules { name }", "/api/v1/schedules"),
    (
        "brokenLinks(library: \"<library>\") { nodes { target } pageInfo { endCursor } }",
        "/api/v1/libraries/{library}/versions/{version}/broken-links",
    ),
    ("metadata(document: \"<document>\")", "/api/v1/documents/{document}/metadata"),
    ("earlierTexts(target: { post: \"<post>\" }) { nodes { text } }", "/api/v1/posts/{post}/revisions"),
    ("shares(chat: \"<chat>\") { id }", "/api/v1/chats/{chat}/shares"),
    ("sourceChanges(answer: \"<message>\") { number }", "/api/v1/messages/{message}/changes"),
    ("users { nodes { username } }", "/api/v1/users"),
    ("user(id: \"<user>\") { username email }", "/api/v1/users/{user}"),
    ("sessions(user: \"<user>\") { id }", "/api/v1/users/{user}/sessions"),
    ("mcpServers { name }", "/api/v1/mcp-servers"),
    ("mcpServerChoices", "/api/v1/mcp-servers/choices"),
    ("searchEndpoints { endpoints { model } embedding { passages } }", "/api/v1/search-endpoints"),
    ("backups { id state }", "/api/v1/backups"),
    ("drills { id outcome }", "/api/v1/drills"),
    ("goldenQuestions { text }", "/api/v1/golden-questions"),
];

/// Changes, and the route of REST that makes the same.
const CHANGES: &[(&str, &str, &str)] = &[
    ("createPost(text: \"Post\", about: { library: \"<library>\" })", "POST", "/api/v1/posts"),
    ("editPost(id: \"<post>\", question: true)", "PATCH", "/api/v1/posts/{post}"),
    ("restorePost(id: \"<post>\")", "POST", "/api/v1/posts/{post}/restore"),
    ("addComment(post: \"<post>\", text: \"Text\")", "POST", "/api/v1/posts/{post}/comments"),
    ("editComment(id: \"<comment>\", text: \"Comment\")", "PATCH", "/api/v1/comments/{comment}"),
    ("acceptAnswer(comment: \"<comment>\")", "PUT", "/api/v1/comments/{comment}/acceptance"),
    ("like(target: { post: \"<post>\" })", "PUT", "/api/v1/posts/{post}/like"),
    ("unlike(target: { comment: \"<comment>\" })", "DELETE", "/api/v1/comments/{comment}/like"),
    ("follow(target: { library: \"<library>\" })", "PUT", "/api/v1/libraries/{library}/follow"),
    ("unfollow(target: { document: \"<document>\" })", "DELETE", "/api/v1/documents/{document}/follow"),
    ("startConversation(usernames: [\"target\"])", "POST", "/api/v1/conversations"),
    (
        "sendMessage(conversation: \"<conversation>\", text: \"Text\")",
        "POST",
        "/api/v1/conversations/{conversation}/messages",
    ),
    ("markNotificationsRead", "POST", "/api/v1/notifications/read"),
    ("restoreComment(id: \"<comment>\")", "POST", "/api/v1/comments/{comment}/restore"),
    ("unacceptAnswer(comment: \"<comment>\")", "DELETE", "/api/v1/comments/{comment}/acceptance"),
    ("report(target: { comment: \"<comment>\" }, reason: \"Spam\")", "POST", "/api/v1/reports"),
    ("resolveReport(id: \"<report>\", resolution: DISMISSED)", "POST", "/api/v1/reports/{report}/resolve"),
    ("mute(username: \"target\")", "PUT", "/api/v1/users/{username}/mute"),
    ("block(username: \"target\", blocked: false)", "DELETE", "/api/v1/users/{username}/block"),
    (
        "markConversationRead(conversation: \"<conversation>\", number: 1)",
        "PUT",
        "/api/v1/conversations/{conversation}/read",
    ),
    ("leaveConversation(conversation: \"<conversation>\")", "DELETE", "/api/v1/conversations/{conversation}"),
    (
        "deleteMessage(conversation: \"<conversation>\", id: \"<direct_message>\")",
        "DELETE",
        "/api/v1/conversations/{conversation}/messages/{direct_message}",
    ),
    ("changeLibrary(name: \"<library>\", title: \"Hidden\")", "PATCH", "/api/v1/libraries/{library}"),
    (
        "activateVersion(library: \"<library>\", version: \"1\")",
        "POST",
        "/api/v1/libraries/{library}/versions/{version}/activate",
    ),
    (
        "deleteVersion(library: \"<fresh>\", version: \"1\")",
        "DELETE",
        "/api/v1/libraries/{fresh}/versions/{version}",
    ),
    ("deleteLibrary(name: \"<fresh>\")", "DELETE", "/api/v1/libraries/{fresh}"),
    (
        "setGrant(library: \"<library>\", username: \"target\", level: READ)",
        "PUT",
        "/api/v1/libraries/{library}/grants/{username}",
    ),
    ("deleteDocument(id: \"<fresh_document>\")", "DELETE", "/api/v1/documents/{fresh_document}"),
    (
        "activateRevision(document: \"<document>\", revision: \"1\")",
        "POST",
        "/api/v1/documents/{document}/versions/{version}/activate",
    ),
    (
        "changeMetadata(document: \"<document>\", patch: { team: \"storage\" })",
        "PATCH",
        "/api/v1/documents/{document}/metadata",
    ),
    ("addNote(passage: \"<passage>\", category: GAP, text: \"More.\")", "POST", "/api/v1/notes"),
    ("resolveNote(id: \"<note>\")", "POST", "/api/v1/notes/{note}/resolve"),
    ("createChat(chat: { title: \"Mine\" })", "POST", "/api/v1/chats"),
    ("changeChat(id: \"<chat>\", chat: { title: \"Mine\" }, pinned: true)", "PATCH", "/api/v1/chats/{chat}"),
    ("deleteChat(id: \"<fresh_chat>\")", "DELETE", "/api/v1/chats/{fresh_chat}"),
    ("restoreChat(id: \"<chat>\")", "POST", "/api/v1/chats/{chat}/restore"),
    ("ask(chat: \"<chat>\", question: \"What is the hiddenword?\")", "POST", "/api/v1/chats/{chat}/messages"),
    ("stopAnswer(id: \"<message>\")", "POST", "/api/v1/messages/{message}/stop"),
    ("setVerdict(answer: \"<message>\", verdict: GOOD)", "PUT", "/api/v1/messages/{message}/verdict"),
    ("createKey(key: { name: \"made\", scopes: [NOTES] })", "POST", "/api/v1/keys"),
    ("enableKey(id: \"<key>\", enabled: false)", "PATCH", "/api/v1/keys/{key}"),
    ("deleteKey(id: \"<key>\")", "DELETE", "/api/v1/keys/{key}"),
    (
        "createLanguageModel(model: { name: \"made\", endpoint: \"http://127.0.0.1:1/v1\", model: \"any\" })",
        "POST",
        "/api/v1/language-models",
    ),
    (
        "changeLanguageModel(name: \"<model>\", model: { model: \"other\" })",
        "PATCH",
        "/api/v1/language-models/{model}",
    ),
    ("testLanguageModel(name: \"<model>\")", "POST", "/api/v1/language-models/{model}/test"),
    ("deleteLanguageModel(name: \"<model>\")", "DELETE", "/api/v1/language-models/{model}"),
    ("createShare(chat: \"<chat>\")", "POST", "/api/v1/chats/{chat}/shares"),
    ("revokeShare(id: \"<user>\")", "DELETE", "/api/v1/shares/{user}"),
    ("createUser(user: { username: \"made\" })", "POST", "/api/v1/users"),
    ("changeUser(id: \"<user>\", user: { firstName: \"Target\" })", "PATCH", "/api/v1/users/{user}"),
    ("createPasswordLink(user: \"<user>\")", "POST", "/api/v1/users/{user}/link"),
    ("endSession(id: \"<session>\")", "DELETE", "/api/v1/sessions/{session}"),
    ("deleteUser(id: \"<fresh_user>\")", "DELETE", "/api/v1/users/{fresh_user}"),
    (
        "createMcpServer(server: { name: \"made\", endpoint: \"https://mcp.example.org/mcp\" })",
        "POST",
        "/api/v1/mcp-servers",
    ),
    (
        "changeMcpServer(id: \"<server>\", server: { description: \"Of others\" })",
        "PATCH",
        "/api/v1/mcp-servers/{server}",
    ),
    ("testMcpServer(id: \"<server>\")", "POST", "/api/v1/mcp-servers/{server}/test"),
    ("deleteMcpServer(id: \"<server>\")", "DELETE", "/api/v1/mcp-servers/{server}"),
    (
        "createSearchEndpoint(purpose: RERANKING, endpoint: { endpoint: \"http://127.0.0.1:1/v1\", model: \"any\" })",
        "POST",
        "/api/v1/search-endpoints",
    ),
    (
        "changeSearchEndpoint(purpose: EMBEDDING, endpoint: { model: \"other\" })",
        "PATCH",
        "/api/v1/search-endpoints/{purpose}",
    ),
    ("testSearchEndpoint(purpose: EMBEDDING)", "POST", "/api/v1/search-endpoints/{purpose}/test"),
    ("deleteSearchEndpoint(purpose: EMBEDDING)", "DELETE", "/api/v1/search-endpoints/{purpose}"),
    ("startBackup", "POST", "/api/v1/backups"),
    ("startDrill", "POST", "/api/v1/drills"),
    ("verifyBackup(id: \"<username>\")", "POST", "/api/v1/backups/{username}/verify"),
    ("addGoldenQuestion(text: \"hiddenword\")", "POST", "/api/v1/golden-questions"),
    ("removeGoldenQuestion(id: \"<fresh_question>\")", "DELETE", "/api/v1/golden-questions/{fresh_question}"),
    ("resolveWorkListItem(id: \"<item>\")", "POST", "/api/v1/worklist/{item}/resolve"),
    ("hide(target: { comment: \"<comment>\" })", "PUT", "/api/v1/comments/{comment}/hidden"),
    ("deleteComment(id: \"<fresh_comment>\")", "DELETE", "/api/v1/comments/{fresh_comment}"),
    ("deletePost(id: \"<fresh_post>\")", "DELETE", "/api/v1/posts/{fresh_post}"),
];

pub(crate) fn field(document: &str) -> &str {
    document.split(['(', ' ']).next().unwrap_or(document)
}

/// Replaces the names in angle brackets by those of the fixture, or by something fresh.
pub(crate) async fn fill(fixture: &mut Fixture, document: &str) -> String {
    let mut text = document.to_owned();
    while let Some((before, rest)) = text.split_once('<') {
        let (name, after) = rest.split_once('>').expect("the end of a name");
        let value = fixture.address(&format!("{{{name}}}")).await;
        text = format!("{before}{value}{after}");
    }
    text
}

/// Whether a value tells nothing: null, no items, or only such.
fn is_absent(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.iter().all(is_absent),
        _ => false,
    }
}

fn code_of(status: u16) -> &'static [&'static str] {
    match status {
        401 => &["sign-in"],
        403 => &["forbidden"],
        404 => &["not-found", "no-library", "no-version"],
        409 => &["conflict"],
        _ => &[],
    }
}

#[tokio::test]
async fn each_field_answers_each_caller_as_rest_does() {
    let app = TestApp::new(PROGRAM).await;
    let mut fixture = Fixture::new(&app).await;
    let fields = "{ __schema { queryType { fields { name } } mutationType { fields { name } } } }";
    let fields = send(&fixture.server, None, fields, json!({})).await.ok()["data"]["__schema"].clone();
    let names = |of: &str| -> BTreeSet<String> {
        let fields = fields[of]["fields"].as_array().expect("fields");
        fields.iter().map(|field| field["name"].as_str().expect("a name").to_owned()).collect()
    };
    let in_table = |documents: Vec<&str>| -> BTreeSet<String> {
        documents.into_iter().map(|document| field(document).to_owned()).collect()
    };
    assert_eq!(names("queryType"), in_table(QUERIES.iter().map(|row| row.0).collect()));
    assert_eq!(names("mutationType"), in_table(CHANGES.iter().map(|row| row.0).collect()));

    let mut wrong = Vec::new();
    for (document, address) in QUERIES {
        let query = format!("{{ {} }}", fill(&mut fixture, document).await);
        for caller in CALLERS.into_iter().chain(SCOPED_KEYS) {
            let credential = fixture.credential(caller, false).await;
            let rest = if *address == "-" {
                200
            } else {
                let path = fixture.address(address).await;
                fixture.server.ask(credential.as_deref(), Method::GET, &path, None).await.status
            };
            let reply = send(&fixture.server, credential.as_deref(), &query, json!({})).await.ok();
            let value = &reply["data"][field(document)];
            let code = reply["errors"][0]["extensions"]["code"].as_str();
            let agrees = match (rest, code) {
                // What nobody has is null, too.
                (200, None) => *address == "-" || *value == json!([]) || !is_absent(value),
                (200, Some(_)) => false,
                (_, None) => is_absent(value),
                (status, Some(code)) => is_absent(value) && code_of(status).contains(&code),
            };
            if !agrees {
                wrong.push(format!("{document} as {caller}: REST says {rest}, GraphQL {reply}"));
            }
        }
    }
    for (document, method, address) in CHANGES {
        for (caller, status) in CALLERS.into_iter().zip(statuses(method, address)) {
            wrong.extend(disagreement(&mut fixture, document, caller, status).await);
        }
        for (number, caller) in (CALLERS.len()..).zip(SCOPED_KEYS) {
            let credential = fixture.credential(caller, false).await;
            let path = fixture.address(address).await;
            let body = body(&fixture, method, address, number);
            let method = method.parse().expect("a method");
            let rest = fixture.server.ask(credential.as_deref(), method, &path, body).await;
            wrong.extend(disagreement(&mut fixture, document, caller, rest.status).await);
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Makes a change as a caller, and says so if its outcome is not that of a status in REST.
async fn disagreement(fixture: &mut Fixture, document: &str, caller: &str, status: u16) -> Option<String> {
    let credential = fixture.credential(caller, false).await;
    let selection = "{ __typename ... on Refusal { code message } }";
    let query = format!("mutation {{ {} {selection} }}", fill(fixture, document).await);
    let reply = send(&fixture.server, credential.as_deref(), &query, json!({})).await.ok();
    let outcome = &reply["data"][field(document)];
    let code = outcome["code"].as_str();
    let agrees = match code.or_else(|| reply["errors"][0]["extensions"]["code"].as_str()) {
        None => status < 300 && outcome["__typename"].is_string(),
        Some(code) => code_of(status).contains(&code),
    };
    // The type of a refusal is that of its code.
    let kind = match code {
        None => outcome["__typename"].as_str(),
        Some("sign-in") => Some("SignInNeeded"),
        Some("forbidden") => Some("Forbidden"),
        Some("not-found" | "no-library" | "no-version") => Some("NotFound"),
        Some("conflict" | "name-taken") => Some("Conflict"),
        Some(_) => Some("Invalid"),
    };
    let agrees = agrees && outcome["__typename"].as_str() == kind;
    (!agrees).then(|| format!("{document} as {caller}: REST says {status}, GraphQL {reply}"))
}

/// Returns the queries of a guide.
fn queries(guide: &str) -> Vec<String> {
    let blocks = guide.split("```graphql\n").skip(1);
    blocks.map(|block| block.split("```").next().unwrap_or_default().to_owned()).collect()
}

#[tokio::test]
async fn the_queries_of_the_guide_run_as_they_stand() {
    let guide = queries(include_str!("../../../../docs/guide/graphql.md"));
    assert_eq!(guide, queries(include_str!("../../../../docs/guide/graphql.zh-CN.md")));
    assert_eq!(guide.len(), 11);
    let app = TestApp::new(PROGRAM).await;
    let fixture = Fixture::new(&app).await;
    let admin = fixture.credential("admin", false).await;
    for query in guide {
        let variables = json!({
            "words": "hiddenword", "library": fixture.names["library"], "document": fixture.names["document"],
            "version": "1", "chat": fixture.names["chat"],
        });
        let reply = send(&fixture.server, admin.as_deref(), &query, variables).await.ok();
        assert!(reply.get("errors").is_none() && !is_absent(&reply["data"]), "{query}\n{reply}");
    }
}
