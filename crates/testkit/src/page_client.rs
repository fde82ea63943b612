//! An HTTP client that behaves as a browser does where it matters to the server: it keeps cookies, and submits forms
//! with their token and origin.

use reqwest::{Method, Url};

use crate::{Person, Reply, Server};

/// A client of the pages.
#[derive(Debug)]
pub struct PageClient<'server> {
    server: &'server Server,
    cookies: Vec<(String, String)>,
    language: &'static str,
}

impl<'server> PageClient<'server> {
    /// A client that is not signed in and prefers English.
    pub fn new(server: &'server Server) -> Self {
        Self { server, cookies: Vec::new(), language: "en" }
    }

    /// A client with the session of a person.
    pub fn signed_in(server: &'server Server, person: &Person) -> Self {
        let mut client = Self::new(server);
        client.cookies.push(("wenyuan_session".to_owned(), person.session_token.clone()));
        client
    }

    /// Prefers Chinese from now on.
    #[must_use]
    pub fn in_chinese(mut self) -> Self {
        self.language = "zh-CN";
        self
    }

    /// Opens a page.
    pub async fn get(&mut self, path: &str) -> Reply {
        self.send(Method::GET, path, &[], None).await
    }

    /// Requests the fragment of a page, as htmx does.
    pub async fn fragment(&mut self, path: &str) -> Reply {
        self.send(Method::GET, path, &[("hx-request", "true".to_owned())], None).await
    }

    /// Opens a page and submits a form from it.
    pub async fn submit(&mut self, page: &str, action: &str, fields: &[(&str, &str)]) -> Reply {
        let opened = self.get(page).await.text();
        let (_, rest) = opened
            .split_once("name=\"form_token\" value=\"")
            .unwrap_or_else(|| panic!("no form in {opened}"));
        let token = rest.split('"').next().unwrap_or_default();
        let fields = [fields, &[("form_token", token)]].concat();
        let form = Url::parse_with_params("http://form", &fields).expect("a form");
        let origin = format!("http://{}", self.server.address());
        let headers = [("origin", origin), ("content-type", "application/x-www-form-urlencoded".to_owned())];
        self.send(Method::POST, action, &headers, Some(form.query().unwrap_or_default().to_owned())).await
    }

    async fn send(
        &mut self,
        method: Method,
        path: &str,
        headers: &[(&str, String)],
        body: Option<String>,
    ) -> Reply {
        let cookies: Vec<String> =
            self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let mut request = self.server.request_as(None, method, path, &[]);
        request = request.header("accept", "text/html,*/*;q=0.8").header("accept-language", self.language);
        request = request.header("cookie", cookies.join("; "));
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        let reply = self.server.send(request.body(body.unwrap_or_default())).await;
        for cookie in reply.headers.get_all("set-cookie") {
            let (name, rest) = cookie.to_str().expect("text").split_once('=').expect("a cookie");
            let value = rest.split(';').next().unwrap_or_default();
            self.cookies.retain(|(known, _)| known != name);
            if !value.is_empty() {
                self.cookies.push((name.to_owned(), value.to_owned()));
            }
        }
        reply
    }
}
