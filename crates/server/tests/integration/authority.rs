//! Authority of every route: one table holds the expected status for each kind of caller, and fails if a route is missing.

use std::collections::{BTreeMap, BTreeSet};

use reqwest::Method;
use reqwest::multipart::{Form, Part};
use serde_json::{Value, json};
use testkit::{PASSWORD, Person, Server, TestApp, eventually};

use crate::{PROGRAM, authority_community};

/// Kinds of callers. All grants are on one private library. `key` is a read-only API key of an administrator, `elsewhere` one
/// that is limited to writing in another library.
pub(crate) const CALLERS: [&str; 9] =
    ["nobody", "stranger", "reader", "writer", "owner", "editor", "key", "elsewhere", "admin"];

/// Keys of the administrator with one scope each beside `key`, which only reads.
pub(crate) const SCOPED_KEYS: [&str; 3] = ["write", "notes", "chats"];

/// Method, path, and the status for each of [`CALLERS`]. Names in braces are created before each request
/// (`fresh_…`) or once. To add a route, add a line here and its body, if it takes one, to [`body`].
const TABLE: &str = "
GET    /api/v1/search?q=hiddenword&library={library}                     404 404 200 200 200 404 200 404 200
GET    /api/v1/passages/{passage}                                        404 404 200 200 200 404 200 404 200
GET    /api/v1/libraries                                                 200 200 200 200 200 200 200 200 200
GET    /api/v1/libraries/{library}                                       404 404 200 200 200 404 200 404 200
PATCH  /api/v1/libraries/{library}                                       404 404 403 200 200 404 403 404 200
DELETE /api/v1/libraries/{fresh}                                         404 404 403 403 204 404 403 404 204
GET    /api/v1/libraries/{library}/versions                              404 404 200 200 200 404 200 404 200
GET    /api/v1/libraries/{library}/versions/{version}                    404 404 200 200 200 404 200 404 200
GET    /api/v1/libraries/{library}/versions/{version}/broken-links       404 404 200 200 200 404 200 404 200
DELETE /api/v1/libraries/{fresh}/versions/{version}                      404 404 403 204 204 404 403 404 204
POST   /api/v1/libraries/{library}/versions/{version}/activate           404 404 403 200 200 404 403 404 200
GET    /api/v1/libraries/{library}/changes?from={version}&to={version}   404 404 200 200 200 404 200 404 200
GET    /api/v1/libraries/{library}/grants                                404 404 403 403 200 404 403 404 200
PUT    /api/v1/libraries/{library}/grants/{username}                     404 404 403 403 200 404 403 404 200
DELETE /api/v1/libraries/{library}/grants/{username}                     404 404 403 403 204 404 403 404 204
GET    /api/v1/documents?library={library}                               404 404 200 200 200 404 200 404 200
POST   /api/v1/documents                                                 401 403 403 202 202 403 403 403 202
POST   /api/v1/archives                                                  401 403 403 202 202 403 403 403 202
GET    /api/v1/documents/{document}                                      404 404 200 200 200 404 200 404 200
DELETE /api/v1/documents/{fresh_document}                                404 404 403 204 204 404 403 404 204
GET    /api/v1/documents/{document}/versions                             404 404 200 200 200 404 200 404 200
GET    /api/v1/documents/{document}/versions/{version}                   404 404 200 200 200 404 200 404 200
GET    /api/v1/documents/{document}/versions/{version}/content           404 404 200 200 200 404 200 404 200
POST   /api/v1/documents/{document}/versions/{version}/activate          404 404 403 200 200 404 403 404 200
GET    /api/v1/documents/{document}/diff?from={version}&to={version}     404 404 200 200 200 404 200 404 200
GET    /api/v1/documents/{document}/metadata                             404 404 200 200 200 404 200 404 200
PATCH  /api/v1/documents/{document}/metadata                             404 404 403 200 200 404 403 404 200
GET    /api/v1/notes?library={library}                                   404 404 200 200 200 404 200 404 200
POST   /api/v1/notes                                                     401 404 201 201 201 404 403 403 201
POST   /api/v1/notes/{note}/resolve                                      404 404 403 204 204 404 403 404 204
GET    /api/v1/drills                                                    401 403 403 403 403 403 200 403 200
POST   /api/v1/drills                                                    401 403 403 403 403 403 403 403 409
GET    /api/v1/golden-questions                                          401 403 403 403 403 403 200 403 200
POST   /api/v1/golden-questions                                          401 403 403 403 403 403 403 403 201
DELETE /api/v1/golden-questions/{fresh_question}                         401 403 403 403 403 403 403 403 204
GET    /api/v1/jobs                                                      401 403 403 403 403 403 200 403 200
GET    /api/v1/schedules                                                 401 403 403 403 403 403 200 403 200
GET    /api/v1/backups                                                   401 403 403 403 403 403 200 403 200
POST   /api/v1/backups                                                   401 403 403 403 403 403 403 403 409
GET    /api/v1/backups/{username}                                        401 403 403 403 403 403 404 403 404
POST   /api/v1/backups/{username}/verify                                 401 403 403 403 403 403 403 403 409
POST   /api/v1/session                                                   200 200 200 200 200 200 200 200 200
GET    /api/v1/session                                                   401 200 200 200 200 200 200 200 200
DELETE /api/v1/session                                                   401 204 204 204 204 204 403 403 204
POST   /api/v1/session/renew                                             200 200 200 200 200 200 200 200 200
GET    /api/v1/sessions                                                  401 200 200 200 200 200 403 403 200
DELETE /api/v1/sessions?keep_current=true                                401 204 204 204 204 204 403 403 204
DELETE /api/v1/sessions/{session}                                        401 404 404 404 404 404 403 403 204
PUT    /api/v1/password                                                  401 204 204 204 204 204 403 403 204
POST   /api/v1/password-resets                                           409 409 409 409 409 409 409 409 409
POST   /api/v1/password-resets/use                                       404 404 404 404 404 404 404 404 404
POST   /api/v1/setup                                                     404 404 404 404 404 404 404 404 404
GET    /api/v1/users                                                     401 403 403 403 403 403 403 403 200
POST   /api/v1/users                                                     401 403 403 403 403 403 403 403 201
GET    /api/v1/users/{user}                                              401 404 404 404 404 404 403 403 200
PATCH  /api/v1/users/{user}                                              401 404 404 404 404 404 403 403 200
DELETE /api/v1/users/{fresh_user}                                        401 403 403 403 403 403 403 403 204
POST   /api/v1/users/{user}/link                                         401 403 403 403 403 403 403 403 201
GET    /api/v1/users/{user}/sessions                                     401 404 404 404 404 404 403 403 200
DELETE /api/v1/users/{fresh_user}/sessions                               401 404 404 404 404 404 403 403 204
GET    /api/v1/keys                                                      401 200 200 200 200 200 403 403 200
POST   /api/v1/keys                                                      401 201 201 201 201 201 403 403 201
PATCH  /api/v1/keys/{key}                                                401 404 404 404 404 404 403 403 200
DELETE /api/v1/keys/{key}                                                401 404 404 404 404 404 403 403 204
GET    /api/v1/mcp-servers                                               401 403 403 403 403 403 403 403 200
POST   /api/v1/mcp-servers                                               401 403 403 403 403 403 403 403 201
GET    /api/v1/mcp-servers/{server}                                      401 403 403 403 403 403 403 403 200
PATCH  /api/v1/mcp-servers/{server}                                      401 403 403 403 403 403 403 403 200
GET    /api/v1/mcp-servers/choices                                       401 200 200 200 200 200 200 200 200
POST   /api/v1/mcp-servers/{server}/test                                 401 403 403 403 403 403 403 403 200
DELETE /api/v1/mcp-servers/{server}                                      401 403 403 403 403 403 403 403 204
GET    /api/v1/chats                                                     401 200 200 200 200 200 403 403 200
POST   /api/v1/chats                                                     401 201 201 201 201 201 403 403 201
GET    /api/v1/chats/{chat}                                              401 404 404 404 404 404 403 403 200
PATCH  /api/v1/chats/{chat}                                              401 404 404 404 404 404 403 403 200
DELETE /api/v1/chats/{fresh_chat}                                        401 404 404 404 404 404 403 403 204
POST   /api/v1/chats/{chat}/restore                                      401 404 404 404 404 404 403 403 200
GET    /api/v1/chats/{chat}/messages                                     401 404 404 404 404 404 403 403 200
POST   /api/v1/chats/{chat}/messages                                     401 404 404 404 404 404 403 403 200
GET    /api/v1/messages/{message}                                        401 404 404 404 404 404 403 403 200
GET    /api/v1/messages/{message}/events                                 401 404 404 404 404 404 403 403 200
POST   /api/v1/messages/{message}/stop                                   401 404 404 404 404 404 403 403 204
PUT    /api/v1/messages/{message}/verdict                                401 404 404 404 404 404 403 403 200
DELETE /api/v1/messages/{message}/verdict                                401 404 404 404 404 404 403 403 204
GET    /api/v1/chats/{chat}/files                                        401 404 404 404 404 404 403 403 200
POST   /api/v1/chats/{chat}/files                                        401 404 404 404 404 404 403 403 202
GET    /api/v1/chats/{chat}/files/{attached}                             401 404 404 404 404 404 403 403 200
GET    /api/v1/chats/{chat}/files/{attached}/content                     401 404 404 404 404 404 403 403 200
DELETE /api/v1/chats/{chat}/files/{fresh_attached}                       401 404 404 404 404 404 403 403 204
GET    /api/v1/messages/{message}/changes                                401 404 404 404 404 404 403 403 200
GET    /api/v1/worklist?library={library}                                401 404 403 403 200 404 403 404 200
POST   /api/v1/worklist/{item}/resolve                                   401 404 403 403 200 404 403 404 200
GET    /api/v1/history/search?q=hiddenword                               401 200 200 200 200 200 403 403 200
GET    /api/v1/chats/{chat}/export?format=json                          401 404 404 404 404 404 403 403 200
GET    /api/v1/chats/{chat}/shares                                       401 404 404 404 404 404 403 403 200
POST   /api/v1/chats/{chat}/shares                                       401 404 404 404 404 404 403 403 201
DELETE /api/v1/shares/{user}                                             401 404 404 404 404 404 403 403 404
GET    /api/v1/history/export                                            401 200 200 200 200 200 403 403 200
POST   /api/v1/history/import                                            401 400 400 400 400 400 403 403 400
POST   /api/v1/ask                                                       401 404 200 200 200 404 200 404 200
GET    /api/v1/language-models                                           401 403 403 403 403 403 403 403 200
POST   /api/v1/language-models                                           401 403 403 403 403 403 403 403 201
GET    /api/v1/language-models/choices                                   401 200 200 200 200 200 200 200 200
GET    /api/v1/language-models/{model}                                   401 403 403 403 403 403 403 403 200
PATCH  /api/v1/language-models/{model}                                   401 403 403 403 403 403 403 403 200
POST   /api/v1/language-models/{model}/test                              401 403 403 403 403 403 403 403 200
DELETE /api/v1/language-models/{model}                                   401 403 403 403 403 403 403 403 204
GET    /api/v1/search-endpoints                                          401 403 403 403 403 403 403 403 200
POST   /api/v1/search-endpoints                                          401 403 403 403 403 403 403 403 201
GET    /api/v1/search-endpoints/{purpose}                                401 403 403 403 403 403 403 403 200
PATCH  /api/v1/search-endpoints/{purpose}                                401 403 403 403 403 403 403 403 200
POST   /api/v1/search-endpoints/{purpose}/test                           401 403 403 403 403 403 403 403 200
DELETE /api/v1/search-endpoints/{purpose}                                401 403 403 403 403 403 403 403 204
GET    /api/v2/libs/search?query=hiddenword&libraryName=hidden           401 200 200 200 200 200 200 200 200
GET    /api/v2/context?libraryId=/docs/{library}&query=hiddenword        401 404 200 200 200 404 200 404 200
GET    /api/chats                                                        401 200 200 200 200 200 403 403 200
GET    /api/chats/{chat}                                                 401 404 404 404 404 404 403 403 200
DELETE /api/chats/{fresh_chat}                                           401 404 404 404 404 404 403 403 200
POST   /api/chat                                                         401 400 400 400 400 400 403 403 400
POST   /api/reconnect/{chat}                                             401 404 404 404 404 404 403 403 404
POST   /api/search                                                       401 400 400 400 400 400 400 400 400
GET    /api/models                                                       401 200 200 200 200 200 200 200 200
GET    /api/providers                                                    401 200 200 200 200 200 200 200 200
GET    /llms.txt                                                         200 200 200 200 200 200 200 200 200
GET    /l/{library}/llms.txt                                             404 404 200 200 200 404 200 404 200
GET    /l/{library}/{version}/llms.txt                                   404 404 200 200 200 404 200 404 200
GET    /l/{library}/{version}/llms-full.txt                              404 404 200 200 200 404 200 404 200
GET    /l/{library}                                                      404 404 200 200 200 404 200 404 200
GET    /l/{library}/{version}                                            404 404 200 200 200 404 200 404 200
GET    /l/{library}/{version}/{file}                                     404 404 200 200 200 404 200 404 200
GET    /v1/models                                                        401 200 200 200 200 200 200 200 200
GET    /v1/models/{library}@1                                            401 404 200 200 200 404 200 404 200
POST   /v1/chat/completions                                              401 200 200 200 200 200 200 200 200
GET    /graphql                                                          400 400 400 400 400 400 400 400 400
POST   /graphql                                                          200 200 200 200 200 200 200 200 200
GET    /graphql/explorer                                                 200 200 200 200 200 200 200 200 200
POST   /mcp                                                              401 200 200 200 200 200 200 200 200
GET    /api/openapi.json                                                 200 200 200 200 200 200 200 200 200
GET    /healthz                                                          200 200 200 200 200 200 200 200 200
GET    /readyz                                                           200 200 200 200 200 200 200 200 200
GET    /metrics                                                          200 200 200 200 200 200 200 200 200
GET    /guide                                                            200 200 200 200 200 200 200 200 200
GET    /guide/asking                                                     200 200 200 200 200 200 200 200 200
GET    /language?to=zh&back=/                                            303 303 303 303 303 303 303 303 303
POST   /language                                                         403 403 403 403 403 403 403 403 403
POST   /theme                                                            403 403 403 403 403 403 403 403 403
GET    /assets/{library}/{file}                                          404 404 404 404 404 404 404 404 404
GET    /sign-in                                                          200 303 303 303 303 303 200 200 303
POST   /sign-in                                                          403 403 403 403 403 403 403 403 403
POST   /sign-out                                                         403 403 403 403 403 403 403 403 403
GET    /setup                                                            404 404 404 404 404 404 404 404 404
POST   /setup                                                            403 403 403 403 403 403 403 403 403
GET    /password                                                         404 404 404 404 404 404 404 404 404
POST   /password                                                         403 403 403 403 403 403 403 403 403
GET    /forgot                                                           200 200 200 200 200 200 200 200 200
POST   /forgot                                                           403 403 403 403 403 403 403 403 403
GET    /passages/{passage}                                               303 404 303 303 303 404 303 404 303
GET    /original/{library}/{version}/{file}                              404 404 404 404 404 404 404 404 404
GET    /tree/{library}/{version}                                         404 404 200 200 200 404 200 404 200
GET    /changes/{library}?from={version}&to={version}                    404 404 200 200 200 404 200 404 200
GET    /changes/{library}/atom?from={version}&to={version}               404 404 200 200 200 404 200 404 200
GET    /palette?q=hiddenword                                             200 200 200 200 200 200 200 200 200
POST   /favourites                                                       403 403 403 403 403 403 403 403 403
GET    /start                                                            303 200 200 200 200 200 303 303 200
GET    /login                                                            303 303 303 303 303 303 303 303 303
GET    /signin                                                           303 303 303 303 303 303 303 303 303
GET    /search?q=x                                                       303 303 303 303 303 303 303 303 303
GET    /help                                                             303 303 303 303 303 303 303 303 303
GET    /docs                                                             303 303 303 303 303 303 303 303 303
GET    /history                                                          303 303 303 303 303 303 303 303 303
GET    /favicon.ico                                                      200 200 200 200 200 200 200 200 200
GET    /libraries                                                        200 200 200 200 200 200 200 200 200
POST   /l/{library}                                                      403 403 403 403 403 403 403 403 403
POST   /l/{library}/{version}                                            403 403 403 403 403 403 403 403 403
GET    /pictures/{passage}/0                                             404 404 404 404 404 404 404 404 404
GET    /broken-links/{library}/{version}                                 404 404 200 200 200 404 200 404 200
GET    /compare/{library}/{file}                                         404 404 200 200 200 404 200 404 200
POST   /notes                                                            403 403 403 403 403 403 403 403 403
POST   /notes/{user}/resolve                                             403 403 403 403 403 403 403 403 403
GET    /share/{file}                                                     303 404 404 404 404 404 404 404 404
GET    /unsubscribe/{file}                                               404 404 404 404 404 404 404 404 404
POST   /unsubscribe/{file}                                               404 404 404 404 404 404 404 404 404
GET    /account                                                          303 200 200 200 200 200 403 403 200
POST   /account/look                                                     403 403 403 403 403 403 403 403 403
POST   /account/mail                                                     403 403 403 403 403 403 403 403 403
POST   /account/person                                                   403 403 403 403 403 403 403 403 403
POST   /account/password                                                 403 403 403 403 403 403 403 403 403
POST   /account/sessions                                                 403 403 403 403 403 403 403 403 403
POST   /account/keys                                                     403 403 403 403 403 403 403 403 403
POST   /account/keys/change                                              403 403 403 403 403 403 403 403 403
GET    /feed                                                             303 200 200 200 200 200 303 303 200
GET    /posts?show=unanswered                                            200 200 200 200 200 200 200 200 200
POST   /posts                                                            403 403 403 403 403 403 403 403 403
GET    /posts/new?library={library}                                      303 404 200 200 200 404 303 303 200
GET    /posts/{user}                                                     404 404 404 404 404 404 404 404 404
POST   /posts/{user}                                                     403 403 403 403 403 403 403 403 403
POST   /posts/{user}/like                                                403 403 403 403 403 403 403 403 403
POST   /posts/{user}/comments                                            403 403 403 403 403 403 403 403 403
POST   /comments/{user}                                                  403 403 403 403 403 403 403 403 403
POST   /comments/{user}/like                                             403 403 403 403 403 403 403 403 403
GET    /people                                                           303 200 200 200 200 200 303 303 200
GET    /people/{username}                                                303 200 200 200 200 200 303 303 200
POST   /people/{username}                                                403 403 403 403 403 403 403 403 403
POST   /follows                                                          403 403 403 403 403 403 403 403 403
GET    /notifications                                                    303 200 200 200 200 200 303 303 200
GET    /notifications/unread                                             204 200 200 200 200 200 204 204 200
POST   /notifications                                                    403 403 403 403 403 403 403 403 403
GET    /reports                                                          303 403 403 403 200 403 303 303 200
POST   /reports                                                          403 403 403 403 403 403 403 403 403
GET    /messages                                                         303 200 200 200 200 200 303 303 200
POST   /messages                                                         403 403 403 403 403 403 403 403 403
GET    /messages/{user}                                                  303 404 404 404 404 404 303 303 404
POST   /messages/{user}                                                  403 403 403 403 403 403 403 403 403
";

/// Returns the JSON body of a request.
pub(crate) fn body(fixture: &Fixture, method: &str, path: &str, number: usize) -> Option<Value> {
    let stranger = &fixture.people["stranger"];
    Some(match (method, path.trim_start_matches("/api/v1/")) {
        ("PATCH", "libraries/{library}") => json!({ "title": "Hidden" }),
        ("PUT", "libraries/{library}/grants/{username}") => json!({ "level": "read" }),
        ("PATCH", "documents/{document}/metadata") => json!({ "team": "storage" }),
        ("POST", "notes") => {
            json!({ "passage_id": fixture.names["passage"], "category": "gap", "text": "More." })
        }
        ("POST", "session") => json!({ "name": "target", "password": PASSWORD }),
        ("POST", "session/renew") => json!({ "session_token": stranger.session_token }),
        ("PUT", "password") => json!({ "current": PASSWORD, "new": PASSWORD }),
        ("POST", "password-resets") => json!({ "name": "ada" }),
        ("POST", "password-resets/use") => json!({ "token": "none", "password": PASSWORD }),
        ("POST", "setup") => json!({ "token": "none", "username": "eve", "password": PASSWORD }),
        ("POST", "users") => json!({ "username": format!("made-{number}") }),
        ("PATCH", "users/{user}") => json!({ "first_name": "Target" }),
        ("POST", "keys") => json!({ "name": format!("made-{number}") }),
        ("POST", "mcp-servers") => {
            json!({ "name": format!("made-{number}"), "endpoint": "https://mcp.example.org/mcp" })
        }
        ("PATCH", "mcp-servers/{server}") => json!({ "description": "Of others" }),
        ("POST", "language-models") => {
            json!({ "name": format!("made-{number}"), "endpoint": "http://127.0.0.1:1/v1", "model": "any" })
        }
        ("PATCH", "language-models/{model}" | "search-endpoints/{purpose}") => json!({ "model": "other" }),
        ("POST", "search-endpoints") => {
            json!({ "purpose": "reranking", "endpoint": "http://127.0.0.1:1/v1", "model": "any" })
        }
        ("POST", "/v1/chat/completions") => {
            json!({ "model": "wenyuan", "messages": [{ "role": "user", "content": "hiddenword" }] })
        }
        ("POST", "chats/{chat}/shares") => json!({}),
        ("POST", "/graphql") => json!({ "query": "{ viewer { username } }" }),
        ("POST", "/mcp") => json!({ "jsonrpc": "2.0", "id": 1, "method": "ping" }),
        ("PATCH", "chats/{chat}") | ("POST", "chats") => json!({ "title": "Mine" }),
        ("POST", "chats/{chat}/messages") => json!({ "content": "What is the hiddenword?" }),
        ("PUT", "messages/{message}/verdict") => json!({ "verdict": "good" }),
        ("POST", "ask") => {
            json!({ "question": "What is the hiddenword?", "library": fixture.names["library"] })
        }
        ("POST", "golden-questions") => json!({ "text": "hiddenword" }),
        ("PATCH", "keys/{key}") => json!({ "enabled": true }),
        (method, path) => return authority_community::body(&fixture.names, method, path),
    })
}

/// Server with the callers and the objects that paths name.
pub(crate) struct Fixture {
    pub(crate) server: Server,
    people: BTreeMap<&'static str, Person>,
    keys: BTreeMap<&'static str, String>,
    pub(crate) names: BTreeMap<&'static str, String>,
    created: usize,
}

impl Fixture {
    pub(crate) async fn new(app: &TestApp) -> Self {
        let server = app.serve().await;
        let admin = server.set_up().await;
        let mut people = BTreeMap::new();
        for name in ["stranger", "reader", "writer", "owner"] {
            people.insert(name, server.person(&admin, name, "user").await);
        }
        people.insert("editor", server.person(&admin, "editor", "editor").await);
        let target = server.person(&admin, "target", "user").await;
        server.add("other", "1", "a.md", "# A\n\nThe otherword.").await;
        let mut keys = BTreeMap::new();
        for (name, limits) in [
            ("key", json!({ "name": "reads", "rate_limit": 100_000 })),
            (
                "elsewhere",
                json!({ "name": "elsewhere", "scopes": ["write"], "libraries": ["other"], "rate_limit": 100_000 }),
            ),
        ] {
            let made =
                server.ask(Some(&admin.access_token), Method::POST, "/api/v1/keys", Some(limits)).await;
            keys.insert(name, made.value()["key"].as_str().expect("a key").to_owned());
        }
        for scope in SCOPED_KEYS {
            let limits = json!({ "name": scope, "scopes": [scope], "rate_limit": 100_000 });
            let made =
                server.ask(Some(&admin.access_token), Method::POST, "/api/v1/keys", Some(limits)).await;
            keys.insert(scope, made.value()["key"].as_str().expect("a key").to_owned());
        }
        let mut names = BTreeMap::from([
            ("user", target.id),
            ("version", "1".to_owned()),
            ("username", "target".to_owned()),
        ]);
        let other = json!({ "name": "of-others", "endpoint": "https://mcp.example.org/mcp" });
        let other =
            server.ask(Some(&admin.access_token), Method::POST, "/api/v1/mcp-servers", Some(other)).await;
        names.insert("server", other.value()["id"].as_str().expect("an id").to_owned());
        let model = json!({ "name": "nobody", "endpoint": "http://127.0.0.1:1/v1", "model": "any" });
        let made =
            server.ask(Some(&admin.access_token), Method::POST, "/api/v1/language-models", Some(model)).await;
        names.insert("model", made.value()["id"].as_str().expect("an id").to_owned());
        let endpoint = json!({ "purpose": "embedding", "endpoint": "http://127.0.0.1:1/v1", "model": "any", "dimensions": 8 });
        let path = "/api/v1/search-endpoints";
        server.ask(Some(&admin.access_token), Method::POST, path, Some(endpoint)).await;
        names.insert("purpose", "embedding".to_owned());
        names.insert("file", "a.md".to_owned());
        people.insert("admin", admin);
        let mut fixture = Self { server, people, keys, names, created: 0 };
        let (library, document) = fixture.library().await;
        fixture.server.processed(&document, "1").await;
        fixture.server.caught_up().await;
        let found = fixture.server.search(&[("q", "hiddenword"), ("library", &library)]).await;
        let passage = found["hits"][0]["id"].as_str().unwrap_or_else(|| panic!("{found}")).to_owned();
        fixture.names.extend([("library", library), ("document", document), ("passage", passage)]);
        let note = body(&fixture, "POST", "/api/v1/notes", 0);
        let note =
            fixture.server.ask(Some(fixture.admin()), Method::POST, "/api/v1/notes", note).await.value();
        fixture.names.insert("note", note["id"].as_str().expect("an id").to_owned());
        let chat = fixture.chat().await;
        let path = format!("/api/v1/chats/{chat}/messages");
        let asked = Some(json!({ "content": "What is the hiddenword?" }));
        let told = fixture.server.ask(Some(fixture.admin()), Method::POST, &path, asked).await.value();
        let message = told["answer"]["message_id"].as_str().unwrap_or_else(|| panic!("{told}")).to_owned();
        fixture.names.extend([("chat", chat), ("message", message)]);
        let attached =
            fixture.attach(Some(fixture.admin())).await.1[0]["file_id"].as_str().expect("a file").to_owned();
        fixture.names.insert("attached", attached);
        fixture.start_discussion().await;
        // A search for an absent version adds an item to the work list of the owners.
        let refused =
            [("q", "hiddenword"), ("library", fixture.names["library"].as_str()), ("version", "99")];
        fixture.server.get("/api/v1/search", &refused).await.problem(404);
        let item = eventually("the work list", async || {
            let list =
                fixture.server.ask(Some(fixture.admin()), Method::GET, "/api/v1/worklist", None).await.ok();
            Some(list["items"][0]["id"].as_str()?.to_owned())
        })
        .await;
        fixture.names.insert("item", item);
        fixture
    }

    fn admin(&self) -> &str {
        &self.people["admin"].access_token
    }

    /// Adds a question of the administrator about the private library, and what hangs on it.
    async fn start_discussion(&mut self) {
        let post = self.post().await;
        let comment = self.comment(&post).await;
        let talk = self.made("conversations", json!({ "members": ["target"] })).await;
        let message = self.made(&format!("conversations/{talk}/messages"), json!({ "text": "Text" })).await;
        let report = self.made("reports", json!({ "comment_id": comment, "reason": "Spam" })).await;
        self.names.extend([
            ("post", post),
            ("comment", comment),
            ("report", report),
            ("tag", "plan".to_owned()),
        ]);
        self.names.extend([("conversation", talk), ("direct_message", message)]);
    }

    async fn post(&self) -> String {
        let about = json!({ "library": self.names["library"] });
        self.made("posts", json!({ "text": "Post", "question": true, "about": about })).await
    }

    async fn comment(&self, post: &str) -> String {
        self.made(&format!("posts/{post}/comments"), json!({ "text": "Comment" })).await
    }

    /// Sends a POST of the administrator and returns the id in the answer.
    async fn made(&self, path: &str, body: Value) -> String {
        let path = format!("/api/v1/{path}");
        let made = self.server.ask(Some(self.admin()), Method::POST, &path, Some(body)).await.value();
        made["id"].as_str().unwrap_or_else(|| panic!("{made}")).to_owned()
    }

    /// Attaches a file to the administrator's chat.
    async fn attach(&self, credential: Option<&str>) -> (u16, Value) {
        let file = Part::bytes(b"# A\n\nThe hiddenword.".to_vec()).file_name("a.md");
        let path = format!("/api/v1/chats/{}/files", self.names["chat"]);
        let request = self.server.request_as(credential, Method::POST, &path, &[]);
        let reply = self.server.send(request.multipart(Form::new().part("file", file))).await;
        (reply.status, reply.value())
    }

    /// Creates a chat of the administrator.
    async fn chat(&self) -> String {
        let made = self.server.ask(Some(self.admin()), Method::POST, "/api/v1/chats", Some(json!({}))).await;
        made.value()["id"].as_str().expect("an id").to_owned()
    }

    /// Creates a private library with the grants and a document.
    async fn library(&mut self) -> (String, String) {
        self.created += 1;
        let name = format!("hidden-{}", self.created);
        let taken = self.upload(Some(self.admin()), "/api/v1/documents", &name).await;
        assert_eq!(taken.0, 202, "{}", taken.1);
        let path = format!("/api/v1/libraries/{name}");
        let private = Some(json!({ "visibility": "private" }));
        assert_eq!(self.server.ask(Some(self.admin()), Method::PATCH, &path, private).await.status, 200);
        for (user, level) in [("reader", "read"), ("writer", "write"), ("owner", "own")] {
            let (path, body) = (format!("{path}/grants/{user}"), Some(json!({ "level": level })));
            assert_eq!(self.server.ask(Some(self.admin()), Method::PUT, &path, body).await.status, 200);
        }
        let document = taken.1[0]["document_id"].as_str().expect("an id").to_owned();
        (name, document)
    }

    async fn upload(&self, credential: Option<&str>, path: &str, library: &str) -> (u16, Value) {
        let bytes = if path.ends_with("archives") {
            testkit::documents::zip(&[("a.md", b"# A\n\nThe hiddenword.")])
        } else {
            b"# A\n\nThe hiddenword.".to_vec()
        };
        let file = Part::bytes(bytes).file_name("a.md");
        let form = Form::new().text("library", library.to_owned()).text("version", "1").part("file", file);
        let request = self.server.request_as(credential, Method::POST, path, &[]);
        let reply = self.server.send(request.multipart(form)).await;
        (reply.status, reply.value())
    }

    /// Returns the credential of a caller. `ends_session` requests get a session of their own.
    pub(crate) async fn credential(&self, caller: &str, ends_session: bool) -> Option<String> {
        match caller {
            "nobody" => None,
            _ if self.keys.contains_key(caller) => Some(self.keys[caller].clone()),
            _ if ends_session => {
                let name = &self.people[caller].name;
                Some(Person::of(&self.server.sign_in(name, PASSWORD).await).access_token)
            }
            _ => Some(self.people[caller].access_token.clone()),
        }
    }

    /// Replaces the names in a path.
    pub(crate) async fn address(&mut self, path: &str) -> String {
        let mut address = path.to_owned();
        for (name, value) in &self.names {
            address = address.replace(&format!("{{{name}}}"), value);
        }
        if address.contains("{fresh}") || address.contains("{fresh_document}") {
            let (library, document) = self.library().await;
            address = address.replace("{fresh}", &library).replace("{fresh_document}", &document);
        }
        if address.contains("{fresh_user}") {
            self.created += 1;
            let body = Some(json!({ "username": format!("fresh-{}", self.created) }));
            let made = self.server.ask(Some(self.admin()), Method::POST, "/api/v1/users", body).await.value();
            address = address.replace("{fresh_user}", made["user"]["id"].as_str().expect("an id"));
        }
        if address.contains("{fresh_post}") {
            address = address.replace("{fresh_post}", &self.post().await);
        }
        if address.contains("{fresh_comment}") {
            let comment = self.comment(&self.names["post"]).await;
            address = address.replace("{fresh_comment}", &comment);
        }
        if address.contains("{fresh_question}") {
            let question = self.made("golden-questions", json!({ "text": "hiddenword" })).await;
            address = address.replace("{fresh_question}", &question);
        }
        if address.contains("{fresh_chat}") {
            address = address.replace("{fresh_chat}", &self.chat().await);
        }
        if address.contains("{fresh_attached}") {
            let made = self.attach(Some(self.admin())).await.1;
            address = address.replace("{fresh_attached}", made[0]["file_id"].as_str().expect("a file"));
        }
        if address.contains("{session}") {
            let path = format!("/api/v1/users/{}/sessions", self.names["user"]);
            let mut sessions = self.server.ask(Some(self.admin()), Method::GET, &path, None).await.ok();
            if sessions == json!([]) {
                // An earlier request has ended the last one.
                self.server.sign_in("target", PASSWORD).await;
                sessions = self.server.ask(Some(self.admin()), Method::GET, &path, None).await.ok();
            }
            address = address.replace("{session}", sessions[0]["id"].as_str().expect("a session"));
        }
        if address.contains("{key}") {
            self.created += 1;
            let body = Some(json!({ "name": format!("fresh-{}", self.created) }));
            let made = self.server.ask(Some(self.admin()), Method::POST, "/api/v1/keys", body).await.value();
            address = address.replace("{key}", made["details"]["id"].as_str().expect("an id"));
        }
        assert!(!address.contains('{'), "{address}");
        address
    }
}

/// Parses the table: method, path, statuses.
fn rows() -> Vec<(&'static str, &'static str, Vec<u16>)> {
    let row = |line: &'static str| {
        let mut words = line.split_whitespace();
        let (method, path) = (words.next()?, words.next()?);
        let statuses: Vec<u16> = words.map(|word| word.parse().expect(line)).collect();
        assert_eq!(statuses.len(), CALLERS.len(), "{line}");
        Some((method, path, statuses))
    };
    TABLE.lines().chain(authority_community::TABLE.lines()).filter_map(row).collect()
}

/// Returns the statuses of a route, in the order of [`CALLERS`].
pub(crate) fn statuses(method: &str, path: &str) -> Vec<u16> {
    let row = rows().into_iter().find(|row| (row.0, row.1) == (method, path));
    row.unwrap_or_else(|| panic!("{method} {path} is not in the table")).2
}

/// Returns a path without its query and without the names in braces.
fn shape(path: &str) -> String {
    let path = path.split('?').next().unwrap_or(path);
    path.split('/').map(|part| if part.starts_with('{') { "{}" } else { part }).collect::<Vec<_>>().join("/")
}

/// Returns method and path of every route: those of the API description, and those found in the sources.
fn routes(description: &Value) -> BTreeSet<(String, String)> {
    let mut routes = BTreeSet::new();
    for (path, item) in description["paths"].as_object().expect("paths") {
        for method in item.as_object().expect("operations").keys() {
            routes.insert((method.to_uppercase(), shape(path)));
        }
    }
    for source in [
        include_str!("../../src/routes.rs"),
        include_str!("../../src/http/health.rs"),
        include_str!("../../src/compat/openai.rs"),
        include_str!("../../src/pages.rs"),
        include_str!("../../src/pages/document.rs"),
        include_str!("../../src/pages/community/feed.rs"),
        include_str!("../../src/pages/community/messages.rs"),
        include_str!("../../src/pages/community/notifications.rs"),
        include_str!("../../src/pages/community/reports.rs"),
        include_str!("../../src/pages/community/people.rs"),
        include_str!("../../src/pages/community/posts.rs"),
        include_str!("../../src/pages/community/thread.rs"),
        include_str!("../../src/pages/community/unread.rs"),
        include_str!("../../src/pages/compare.rs"),
        include_str!("../../src/pages/explorer.rs"),
        include_str!("../../src/pages/favourites.rs"),
        include_str!("../../src/pages/libraries.rs"),
        include_str!("../../src/pages/palette.rs"),
        include_str!("../../src/pages/shortcuts.rs"),
        include_str!("../../src/pages/start.rs"),
        include_str!("../../src/pages/version_changes.rs"),
        include_str!("../../src/pages/account.rs"),
        include_str!("../../src/pages/assets.rs"),
        include_str!("../../src/pages/guide.rs"),
        include_str!("../../src/pages/language.rs"),
        include_str!("../../src/pages/passwords.rs"),
        include_str!("../../src/pages/share.rs"),
        include_str!("../../src/pages/sign_in.rs"),
        include_str!("../../src/pages/theme.rs"),
        include_str!("../../src/pages/unsubscribe.rs"),
    ] {
        for declaration in source.split(".route(").skip(1) {
            let path = declaration.split('"').nth(1).expect("a path");
            // Only up to the end of the call: what follows can hold the same words.
            let handlers = declaration.split(".layer(").next().unwrap_or_default();
            let handlers = handlers.split("\n}").next().unwrap_or_default();
            let methods = [("GET", "get("), ("POST", "post("), ("PUT", "put("), ("DELETE", "delete(")];
            let found: Vec<_> = methods.iter().filter(|(_, word)| handlers.contains(word)).collect();
            for method in match path {
                "/mcp" => &["POST"][..],
                "/graphql" => &["GET", "POST"],
                _ => &[],
            } {
                routes.insert(((*method).to_owned(), path.to_owned()));
            }
            for (method, _) in found {
                routes.insert((
                    (*method).to_owned(),
                    shape(path)
                        .replace("/guide/{}", "/guide/asking")
                        .replace("/pictures/{}/{}", "/pictures/{}/0"),
                ));
            }
        }
    }
    routes
}

#[tokio::test]
async fn every_route_answers_each_caller_as_the_table_says() {
    let app = TestApp::new(PROGRAM).await;
    let mut fixture = Fixture::new(&app).await;
    let description = fixture.server.json("/api/openapi.json").await;
    let in_table: BTreeSet<(String, String)> =
        rows().into_iter().map(|(method, path, _)| (method.to_owned(), shape(path))).collect();
    assert_eq!(routes(&description), in_table, "routes and table differ");
    let mut wrong = Vec::new();
    for (method, path, statuses) in rows() {
        for (number, (caller, status)) in CALLERS.into_iter().zip(statuses).enumerate() {
            let ends_session = (method, path) == ("DELETE", "/api/v1/session");
            let credential = fixture.credential(caller, ends_session).await;
            let address = fixture.address(path).await;
            let verb: Method = method.parse().expect("a method");
            let (answered, text) = if ["/api/v1/documents", "/api/v1/archives"].contains(&path)
                && method == "POST"
            {
                let library = fixture.names["library"].clone();
                let (status, body) = fixture.upload(credential.as_deref(), path, &library).await;
                (status, body.to_string())
            } else if (method, path) == ("POST", "/api/v1/chats/{chat}/files") {
                let (status, body) = fixture.attach(credential.as_deref()).await;
                (status, body.to_string())
            } else if path == "/notifications/unread" {
                // A stream without an end.
                let request = fixture.server.request_as(credential.as_deref(), verb, &address, &[]);
                (request.send().await.expect("a response").status().as_u16(), String::new())
            } else if method == "POST"
                && !["/api", "/v1", "/mcp", "/graphql"].iter().any(|at| path.starts_with(at))
            {
                // A form from another site, without a form token.
                let form = fixture.server.request_as(credential.as_deref(), verb, &address, &[]).body("x=1");
                let form = form.header("content-type", "application/x-www-form-urlencoded");
                let reply = fixture.server.send(form).await;
                (reply.status, reply.text())
            } else {
                let body = body(&fixture, method, path, number);
                let reply = fixture.server.ask(credential.as_deref(), verb, &address, body).await;
                (reply.status, reply.text())
            };
            if answered != status {
                let text: String = text.chars().take(300).collect();
                wrong.push(format!("{method} {path} as {caller}: {answered} instead of {status}: {text}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
