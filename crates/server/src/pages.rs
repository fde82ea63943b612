//! Pages for people: searching, reading, asking, adding, administering. Made on the server in Chinese and English; scripts make
//! them livelier, and what needs none works without.
//!
//! A page is served whole with its rules for the browser (what it may load, where its forms may go), and what goes wrong on
//! one is a page too.

mod account;
mod add;
pub(crate) mod admin;
mod ask;
mod assets;
mod compare;
mod connect;
pub(crate) mod document;
mod form_error;
pub(crate) mod forms;
pub(crate) mod frame;
mod guide;
mod i18n;
pub(crate) mod language;
mod libraries;
mod passwords;
mod search;
mod share;
mod sign_in;
mod theme;
mod worklist;

use std::borrow::Cow;

use askama::Template;
use axum::Router;
use axum::extract::{DefaultBodyLimit, Request};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use crate::http::AppState;
use crate::http::problem::{self, ErrorPage, RawResponse};
use crate::http::router::timeout;
use i18n::Translations;
use language::Language;

/// Content security policy of pages: style, scripts, pictures, requests and frames of this server only, and no framing by others.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; frame-src 'self'; \
                      form-action 'self'; frame-ancestors 'none'; base-uri 'none'";

/// With every page. Links hold secrets, so their addresses are told to nobody but ourselves; a stricter `no-referrer` would
/// make browsers hide from us where a form comes from, too (`Origin: null`).
const HEADERS: [(HeaderName, &str); 6] = [
    (header::CONTENT_TYPE, "text/html; charset=utf-8"),
    (header::CONTENT_SECURITY_POLICY, POLICY),
    (header::REFERRER_POLICY, "same-origin"),
    (header::CACHE_CONTROL, "no-store"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
];

/// Bytes of an address that a request asks to be led on to.
const MAX_PATH_BYTES: usize = 8000;

/// The routes of pages.
pub(crate) fn router() -> Router<AppState> {
    Router::new()
        .route("/guide/{file}", get(guide::show))
        .route("/language", get(language::switch).post(language::choose))
        .route("/theme", post(theme::choose))
        .route("/assets/{hash}/{name}", get(assets::show))
        .route("/sign-in", get(sign_in::show).post(sign_in::sign_in))
        .route("/sign-out", post(sign_in::sign_out))
        .route("/setup", get(passwords::show_setup).post(passwords::set_up))
        .route("/password", get(passwords::show).post(passwords::set))
        .route("/forgot", get(passwords::show_forgot).post(passwords::forgot))
        .route("/share/{token}", get(share::show))
        .route("/account", get(account::show))
        .route("/account/password", post(account::change_password))
        .route("/account/person", post(account::change_person))
        .route("/account/look", post(account::choose_look))
        .route("/account/sessions", post(account::end_sessions))
        .route("/account/keys", post(account::make_key))
        .route("/account/keys/change", post(account::change_key))
        .merge(search::router())
        .merge(libraries::router())
        .merge(connect::router())
        .merge(document::router())
        .merge(compare::router())
        .merge(ask::router())
        .merge(add::router())
        .merge(admin::router())
        .merge(worklist::router())
        .layer(DefaultBodyLimit::max(64 << 10))
        .layer(timeout())
        // An upload takes as long as its bytes do.
        .merge(add::slow_router())
        .merge(ask::slow_router())
}

/// Prepares the page that tells a browser what went wrong; `None` for other clients.
pub(crate) fn error_page(request: &Request) -> Option<ErrorPage> {
    let reader = Reader::of(request)?;
    Some(Box::new(move |problem, id, headers, is_anonymous| reader.told(problem, id, headers, is_anonymous)))
}

/// Reader of an error page.
#[derive(Debug, Clone)]
struct Reader {
    language: Language,
    /// The page that was asked for, where that can be asked for again.
    here: Option<String>,
}

impl Reader {
    /// `None` where a program asks, which is told in its own way.
    fn of(request: &Request) -> Option<Self> {
        let path = request.uri().path();
        let accept = request.headers().get(header::ACCEPT).and_then(|accept| accept.to_str().ok());
        let is_page = !["/api/", "/mcp"].iter().any(|start| path.starts_with(start));
        (is_page && accept.is_some_and(|accept| accept.contains("text/html"))).then(|| Self {
            language: Language::of(request.headers(), None),
            here: request
                .uri()
                .path_and_query()
                .map(ToString::to_string)
                .filter(|_| request.method().is_safe()),
        })
    }

    fn language(&self) -> Language {
        self.language
    }

    /// Translates a key.
    fn t(&self, key: &str) -> Cow<'static, str> {
        Translations::of(self.language).translate(key, &[])
    }

    /// Translates a value of an enumeration.
    fn t_enum(&self, family: &str, name: &str) -> Cow<'static, str> {
        let said = Translations::of(self.language).find(&format!("{family}-{name}"), &[]);
        said.unwrap_or_else(|| Cow::Owned(name.to_owned()))
    }

    fn asset(&self, name: &str) -> String {
        assets::address(name)
    }

    /// A page that says what went wrong. `headers` are kept, such as when to try again.
    fn told(self, problem: &problem::Problem, id: &str, headers: &HeaderMap, is_anonymous: bool) -> Response {
        // What is hidden is told to be absent: whoever has an account may be meant to see it.
        let may_be_hidden = is_anonymous && problem.status() == StatusCode::NOT_FOUND;
        let sign_in = self
            .here
            .as_ref()
            .filter(|_| may_be_hidden)
            .map(|here| format!("/sign-in?next={}", utf8_percent_encode(here, NON_ALPHANUMERIC)));
        let page = Problem { frame: self, problem, id, sign_in };
        let mut response = html(problem.status(), &page);
        for name in [header::RETRY_AFTER, header::ALLOW] {
            if let Some(value) = headers.get(&name) {
                response.headers_mut().insert(name, value.clone());
            }
        }
        response
    }
}

#[derive(Template)]
#[template(path = "problem.html")]
struct Problem<'page> {
    frame: Reader,
    problem: &'page problem::Problem,
    id: &'page str,
    /// Where one signs in to see more.
    sign_in: Option<String>,
}

impl Problem<'_> {
    fn title(&self) -> Cow<'static, str> {
        self.frame.t_enum("problem", self.problem.kind())
    }

    /// Explanation of the problem, which the API has in English.
    fn detail(&self) -> Option<String> {
        match self.frame.language() {
            Language::English => Some(form_error::sentence(self.problem.detail())),
            Language::Chinese => form_error::in_english(Language::Chinese, self.problem),
        }
    }
}

/// A page as an answer.
fn html(status: StatusCode, page: &impl Template) -> Response {
    let text = match page.render() {
        Ok(text) => text,
        Err(error) => return problem::Problem::internal(error.to_string()).into_response(),
    };
    let mut response = (status, text).into_response();
    apply_page_headers(&mut response);
    response
}

/// Says to the browser what it may do with a page, and to the outer layers that it is finished.
fn apply_page_headers(response: &mut Response) {
    for (name, value) in HEADERS {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response.extensions_mut().insert(RawResponse);
}

/// Sends the browser on to an address of ours, by GET.
fn see_other(path: &str) -> Response {
    let mut response = StatusCode::SEE_OTHER.into_response();
    apply_page_headers(&mut response);
    let headers = response.headers_mut();
    headers.remove(header::CONTENT_TYPE);
    let path = if is_local(path) { path } else { "/" };
    headers.insert(header::LOCATION, HeaderValue::from_str(path).unwrap_or(HeaderValue::from_static("/")));
    response
}

/// Keeps what somebody has chosen for all pages, in a cookie.
fn keep_choice(response: &mut Response, name: &str, value: &str, secure: bool) {
    let secure = if secure { "; Secure" } else { "" };
    let cookie = format!("{name}={value}; Path=/; Max-Age=31536000; HttpOnly; SameSite=Lax{secure}");
    if let Ok(cookie) = HeaderValue::from_str(&cookie) {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
}

/// Where a request asks to be led on to, if that is here and no longer than an address is.
fn local(path: &str) -> Option<&str> {
    (path.len() < MAX_PATH_BYTES && is_local(path)).then_some(path)
}

/// Whether it is a path of this server, and nothing that a browser would take for another one's.
fn is_local(path: &str) -> bool {
    let is_plain = path.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    is_plain && path.starts_with('/') && !path.starts_with("//")
}

#[cfg(test)]
mod tests {
    use super::local;

    #[test]
    fn only_paths_of_this_server_are_gone_on_to() {
        for good in ["/", "/account", "/password?token=a&b=c", "/a//b"] {
            assert_eq!(local(good), Some(good));
        }
        for bad in
            ["", "//evil.example", "/\\evil.example", "https://evil.example", "account", "/a\r\nb", "/\t/a"]
        {
            assert_eq!(local(bad), None, "{bad}");
        }
    }
}
