//! Users with accounts, and the requests that create them and act for them.

use reqwest::Method;
use serde_json::{Value, json};

use crate::server::Reply;
use crate::{Server, eventually};

/// Password of every user in tests.
pub const PASSWORD: &str = "three thousand scrolls";

/// A signed-in user.
#[derive(Debug, Clone)]
pub struct Person {
    /// User id.
    pub id: String,
    /// User name.
    pub name: String,
    /// Bearer token.
    pub access_token: String,
    /// Token that renews access tokens, and the value of the pages' session cookie.
    pub session_token: String,
}

impl Person {
    /// Reads a user from the response to signing in.
    #[track_caller]
    pub fn of(reply: &Reply) -> Self {
        assert!([200, 201].contains(&reply.status), "{}", reply.text());
        let body = reply.value();
        let text = |value: &Value| value.as_str().expect("a text").to_owned();
        Self {
            id: text(&body["user"]["id"]),
            name: text(&body["user"]["username"]),
            access_token: text(&body["access_token"]),
            session_token: text(&body["session_token"]),
        }
    }
}

impl Server {
    /// Sends a request with this API key or access token, or anonymously, and with this JSON body.
    pub async fn ask(&self, token: Option<&str>, method: Method, path: &str, body: Option<Value>) -> Reply {
        let is_change = method == Method::PATCH;
        let request = self.request_as(token, method, path, &[]);
        // Preconditions are the subject of `conventions.rs` alone.
        let request = if is_change { request.header("if-match", "*") } else { request };
        self.send(match body {
            Some(body) => request.json(&body),
            None => request,
        })
        .await
    }

    /// Signs in.
    pub async fn sign_in(&self, name: &str, password: &str) -> Reply {
        let body = json!({ "name": name, "password": password });
        self.ask(None, Method::POST, "/api/v1/session", Some(body)).await
    }

    /// Token of the link with which the first administrator is created, as the server logs it when it starts.
    pub async fn setup_token(&self) -> String {
        eventually("the setup link", async || {
            let log = self.log();
            let (_, after) = log.split_once("/setup?token=")?;
            after.split_whitespace().next().map(str::to_owned)
        })
        .await
    }

    /// Creates the first administrator, named ada.
    pub async fn set_up(&self) -> Person {
        let body = json!({ "token": self.setup_token().await, "username": "ada", "password": PASSWORD });
        Person::of(&self.ask(None, Method::POST, "/api/v1/setup", Some(body)).await)
    }

    /// Creates a user, who sets their password with the link and signs in.
    pub async fn person(&self, admin: &Person, name: &str, role: &str) -> Person {
        let user = json!({ "username": name, "role": role, "email": format!("{name}@example.org") });
        let created = self.ask(Some(&admin.access_token), Method::POST, "/api/v1/users", Some(user)).await;
        assert_eq!(created.status, 201, "{}", created.text());
        let url = created.value()["link"]["url"].as_str().expect("a link").to_owned();
        let (_, token) = url.split_once("/password?token=").expect("a token");
        let body = json!({ "token": token, "password": PASSWORD });
        let set = self.ask(None, Method::POST, "/api/v1/password-resets/use", Some(body)).await;
        assert_eq!(set.status, 204, "{}", set.text());
        Person::of(&self.sign_in(name, PASSWORD).await)
    }
}
