//! Authority of the routes of the community: the part of the table in [`authority`](crate::authority) about posts, comments, follows,
//! conversations, notifications and reports.

use std::collections::BTreeMap;

use serde_json::{Value, json};

/// Method, path and statuses, as in the table of all routes. Post and comment are the administrator's, about the private library.
pub(crate) const TABLE: &str = "
GET    /api/v1/posts                                                     200 200 200 200 200 200 200 200 200
POST   /api/v1/posts                                                     401 404 201 201 201 404 403 403 201
GET    /api/v1/posts/{post}                                              404 404 200 200 200 404 200 404 200
PATCH  /api/v1/posts/{post}                                              404 404 403 403 403 404 403 404 200
DELETE /api/v1/posts/{fresh_post}                                        404 404 403 403 403 404 403 404 204
POST   /api/v1/posts/{post}/restore                                      404 404 403 403 403 404 403 404 200
GET    /api/v1/posts/{post}/revisions                                    404 404 200 200 200 404 200 404 200
GET    /api/v1/posts/{post}/like                                         404 404 200 200 200 404 200 404 200
PUT    /api/v1/posts/{post}/like                                         404 404 200 200 200 404 403 404 200
DELETE /api/v1/posts/{post}/like                                         404 404 200 200 200 404 403 404 200
GET    /api/v1/posts/{post}/likes                                        404 404 200 200 200 404 200 404 200
GET    /api/v1/posts/{post}/comments                                     404 404 200 200 200 404 200 404 200
POST   /api/v1/posts/{post}/comments                                     404 404 201 201 201 404 403 404 201
GET    /api/v1/comments/{comment}                                        404 404 200 200 200 404 200 404 200
PATCH  /api/v1/comments/{comment}                                        404 404 403 403 403 404 403 404 200
DELETE /api/v1/comments/{fresh_comment}                                  404 404 403 403 403 404 403 404 204
POST   /api/v1/comments/{comment}/restore                                404 404 403 403 403 404 403 404 200
GET    /api/v1/comments/{comment}/revisions                              404 404 200 200 200 404 200 404 200
GET    /api/v1/comments/{comment}/likes                                  404 404 200 200 200 404 200 404 200
PUT    /api/v1/comments/{comment}/like                                   404 404 200 200 200 404 403 404 200
DELETE /api/v1/comments/{comment}/like                                   404 404 200 200 200 404 403 404 200
PUT    /api/v1/comments/{comment}/acceptance                             404 404 403 403 200 404 403 404 200
DELETE /api/v1/comments/{comment}/acceptance                             404 404 403 403 200 404 403 404 200
GET    /api/v1/feed                                                      401 200 200 200 200 200 403 403 200
GET    /api/v1/personal-data                                             401 200 200 200 200 200 403 403 200
GET    /api/v1/follows                                                   401 200 200 200 200 200 403 403 200
GET    /api/v1/follows/suggestions                                       401 200 200 200 200 200 403 403 200
GET    /api/v1/mutes                                                     401 200 200 200 200 200 403 403 200
GET    /api/v1/blocks                                                    401 200 200 200 200 200 403 403 200
GET    /api/v1/notifications                                             401 200 200 200 200 200 403 403 200
GET    /api/v1/notifications/unread                                      401 200 200 200 200 200 403 403 200
GET    /api/v1/notifications/mail-preferences                            401 200 200 200 200 200 403 403 200
PATCH  /api/v1/notifications/mail-preferences                            401 200 200 200 200 200 403 403 200
POST   /api/v1/notifications/read                                        401 204 204 204 204 204 403 403 204
GET    /api/v1/users/{username}/follow                                   401 200 200 200 200 200 403 403 200
PUT    /api/v1/users/{username}/follow                                   401 200 200 200 200 200 403 403 200
DELETE /api/v1/users/{username}/follow                                   401 200 200 200 200 200 403 403 200
GET    /api/v1/libraries/{library}/follow                                401 404 200 200 200 404 403 403 200
PUT    /api/v1/libraries/{library}/follow                                401 404 200 200 200 404 403 403 200
DELETE /api/v1/libraries/{library}/follow                                401 404 200 200 200 404 403 403 200
GET    /api/v1/documents/{document}/follow                               401 404 200 200 200 404 403 403 200
PUT    /api/v1/documents/{document}/follow                               401 404 200 200 200 404 403 403 200
DELETE /api/v1/documents/{document}/follow                               401 404 200 200 200 404 403 403 200
GET    /api/v1/tags/{tag}/follow                                         401 200 200 200 200 200 403 403 200
PUT    /api/v1/tags/{tag}/follow                                         401 200 200 200 200 200 403 403 200
DELETE /api/v1/tags/{tag}/follow                                         401 200 200 200 200 200 403 403 200
GET    /api/v1/users/{username}/followers                                401 200 200 200 200 200 200 200 200
GET    /api/v1/users/{username}/following                                401 200 200 200 200 200 200 200 200
GET    /api/v1/conversations                                             401 200 200 200 200 200 403 403 200
POST   /api/v1/conversations                                             401 201 201 201 201 201 403 403 201
GET    /api/v1/conversations/{conversation}                              401 404 404 404 404 404 403 403 200
GET    /api/v1/conversations/{conversation}/messages                     401 404 404 404 404 404 403 403 200
POST   /api/v1/conversations/{conversation}/messages                     401 404 404 404 404 404 403 403 201
PUT    /api/v1/conversations/{conversation}/read                         401 404 404 404 404 404 403 403 200
DELETE /api/v1/conversations/{conversation}/messages/{direct_message}    401 404 404 404 404 404 403 403 204
DELETE /api/v1/conversations/{conversation}                              401 404 404 404 404 404 403 403 409
GET    /api/v1/users/{username}/mute                                     401 200 200 200 200 200 403 403 200
PUT    /api/v1/users/{username}/mute                                     401 200 200 200 200 200 403 403 200
DELETE /api/v1/users/{username}/mute                                     401 200 200 200 200 200 403 403 200
GET    /api/v1/users/{username}/block                                    401 200 200 200 200 200 403 403 200
PUT    /api/v1/users/{username}/block                                    401 200 200 200 200 200 403 403 200
DELETE /api/v1/users/{username}/block                                    401 200 200 200 200 200 403 403 200
GET    /api/v1/reports                                                   401 403 403 403 200 403 403 200 200
POST   /api/v1/reports                                                   404 404 201 201 201 404 403 404 201
POST   /api/v1/reports/{report}/resolve                                  401 403 403 403 204 403 403 404 204
PUT    /api/v1/posts/{post}/hidden                                       404 404 403 403 204 404 403 404 204
DELETE /api/v1/posts/{post}/hidden                                       404 404 404 404 204 404 403 404 204
PUT    /api/v1/comments/{comment}/hidden                                 404 404 403 403 204 404 403 404 204
DELETE /api/v1/comments/{comment}/hidden                                 404 404 403 403 204 404 403 404 204
";

/// Returns the JSON body of a request.
pub(crate) fn body(names: &BTreeMap<&str, String>, method: &str, path: &str) -> Option<Value> {
    Some(match (method, path) {
        ("POST", "posts") => json!({ "text": "Post", "about": { "library": names["library"] } }),
        ("PATCH", "posts/{post}") => json!({ "question": true }),
        ("POST", "posts/{post}/comments" | "conversations/{conversation}/messages") => {
            json!({ "text": "Text" })
        }
        ("PATCH", "comments/{comment}") => json!({ "text": "Comment" }),
        ("POST", "conversations") => json!({ "members": ["target"] }),
        ("PUT", "conversations/{conversation}/read") => json!({ "number": 1 }),
        ("POST", "notifications/read") => json!({}),
        ("PATCH", "notifications/mail-preferences") => json!({ "like": "weekly" }),
        ("POST", "reports") => json!({ "post_id": names["post"], "reason": "Spam" }),
        ("POST", "reports/{report}/resolve") => json!({ "resolution": "dismissed" }),
        _ => return None,
    })
}
