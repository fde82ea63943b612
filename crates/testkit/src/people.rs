//! People with accounts, and what they ask of a server.

use reqwest::Method;
use serde_json::{Value, json};

use crate::server::Reply;
use crate::{Server, eventually};

/// Everybody's password.
pub const PASSWORD: &str = "three thousand scrolls";

/// Somebody who is signed in.
#[derive(Debug, Clone)]
pub struct Person {
    /// Their id.
    pub id: String,
    /// Their name.
    pub name: String,
    /// Shown as bearer.
    pub access_token: String,
    /// Renews access tokens; what a page's cookie holds.
    pub session_token: String,
}

impl Person {
    /// Reads them from the answer to signing in.
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
    /// Asks with this key or access token, or as nobody, and with this body.
    pub async fn ask(&self, shown: Option<&str>, method: Method, path: &str, body: Option<Value>) -> Reply {
        let is_change = method == Method::PATCH;
        let request = self.request_as(shown, method, path, &[]);
        // Whatever there is: the tests of conventions are about that.
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

    /// What the link holds by which the first administrator is made, as the server shows it at its start.
    pub async fn setup_token(&self) -> String {
        eventually("a link to set up", async || {
            let log = self.log();
            let (_, after) = log.split_once("/setup?token=")?;
            after.split_whitespace().next().map(str::to_owned)
        })
        .await
    }

    /// Makes the first administrator, called ada.
    pub async fn set_up(&self) -> Person {
        let body = json!({ "token": self.setup_token().await, "username": "ada", "password": PASSWORD });
        Person::of(&self.ask(None, Method::POST, "/api/v1/setup", Some(body)).await)
    }

    /// Makes a user, who sets their password by the link and signs in.
    pub async fn person(&self, admin: &Person, name: &str, role: &str) -> Person {
        let user = json!({ "username": name, "role": role, "email": format!("{name}@example.org") });
        let made = self.ask(Some(&admin.access_token), Method::POST, "/api/v1/users", Some(user)).await;
        assert_eq!(made.status, 201, "{}", made.text());
        let url = made.value()["link"]["url"].as_str().expect("a link").to_owned();
        let (_, token) = url.split_once("/password?token=").expect("a token");
        let body = json!({ "token": token, "password": PASSWORD });
        let set = self.ask(None, Method::POST, "/api/v1/password-resets/use", Some(body)).await;
        assert_eq!(set.status, 204, "{}", set.text());
        Person::of(&self.sign_in(name, PASSWORD).await)
    }
}
