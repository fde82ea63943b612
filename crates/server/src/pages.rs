//! HTML pages: search, documents, questions, uploads, administration, in English and Chinese. Rendered on the server; scripts
//! only improve them, and each page works without.
//!
//! Each module exports the routes of its pages. A handler returns a [`PageResult`](error::PageResult); an error becomes a page in
//! the reader's language ([`error_page`]).

mod account;
mod add;
pub(crate) mod admin;
mod ask;
mod assets;
mod community;
mod compare;
mod connect;
pub(crate) mod digest;
pub(crate) mod document;
mod error;
mod explorer;
mod favourites;
mod form_error;
pub(crate) mod forms;
pub(crate) mod frame;
mod guide;
mod i18n;
pub(crate) mod language;
pub(crate) mod libraries;
mod palette;
mod passwords;
mod reason;
mod search;
mod share;
mod shortcuts;
mod sign_in;
mod start;
mod theme;
mod unsubscribe;
mod version_changes;
mod worklist;

use std::borrow::Cow;

use askama::Template;
use axum::Router;
use axum::extract::{DefaultBodyLimit, Request};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use crate::http::AppState;
use crate::http::problem::{self, ErrorPage, RawResponse};
use crate::http::router::timeout;
use frame::Section;
use i18n::Translations;
use language::Language;

/// Content security policy of pages: style, scripts, images, requests and frames from this server only, and no framing by others.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; frame-src 'self'; \
                      form-action 'self'; frame-ancestors 'none'; base-uri 'none'";

/// Headers of each page. Addresses can contain secrets, so the referrer stays on this server; the stricter `no-referrer` would
/// also hide the origin of forms (`Origin: null`).
const HEADERS: [(HeaderName, &str); 6] = [
    (header::CONTENT_TYPE, "text/html; charset=utf-8"),
    (header::CONTENT_SECURITY_POLICY, POLICY),
    (header::REFERRER_POLICY, "same-origin"),
    (header::CACHE_CONTROL, "no-store"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
];

/// Limit on a form without files.
const MAX_FORM_BYTES: usize = 64 << 10;
/// Limit on an address that a request wants to be redirected to.
const MAX_PATH_BYTES: usize = 8000;

/// Routes of all pages.
pub(crate) fn router() -> Router<AppState> {
    Router::new()
        .merge(account::routes())
        .merge(add::routes())
        .merge(admin::routes())
        .merge(ask::routes())
        .merge(assets::routes())
        .merge(community::routes())
        .merge(compare::routes())
        .merge(connect::routes())
        .merge(explorer::routes())
        .merge(document::routes())
        .merge(favourites::routes())
        .merge(guide::routes())
        .merge(language::routes())
        .merge(libraries::routes())
        .merge(palette::routes())
        .merge(passwords::routes())
        .merge(search::routes())
        .merge(share::routes())
        .merge(shortcuts::routes())
        .merge(sign_in::routes())
        .merge(start::routes())
        .merge(theme::routes())
        .merge(unsubscribe::routes())
        .merge(version_changes::routes())
        .merge(worklist::routes())
        .layer(DefaultBodyLimit::max(MAX_FORM_BYTES))
        .layer(timeout())
        .merge(add::upload_routes())
        .merge(ask::upload_routes())
}

/// Prepares the page that shows an error to a browser; `None` for other clients.
pub(crate) fn error_page(request: &Request) -> Option<ErrorPage> {
    let reader = Reader::of(request)?;
    Some(Box::new(move |problem, id, headers, is_anonymous| {
        reader.render(problem, id, headers, is_anonymous)
    }))
}

/// Reader of an error page. Unlike [`frame::Frame`] it needs no database, which may be what failed.
#[derive(Debug, Clone)]
struct Reader {
    language: Language,
    /// Address of the page, if it can be requested again.
    here: Option<String>,
    is_signed_in: bool,
}

impl Reader {
    /// Returns the reader of a browser's request; `None` for other clients, which get the error in the form of their API.
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
            is_signed_in: false,
        })
    }

    fn language(&self) -> Language {
        self.language
    }

    /// Returns the section of the site: none, since the page that was requested is not shown.
    #[expect(clippy::unused_self, reason = "templates call it as they call that of other pages")]
    fn section(&self) -> Section {
        Section::Other
    }

    fn is_signed_in(&self) -> bool {
        self.is_signed_in
    }

    /// Translates a key.
    fn t(&self, key: &str) -> Cow<'static, str> {
        Translations::of(self.language).translate(key, &[])
    }

    /// Translates a value of an enumeration.
    fn t_enum(&self, family: &str, name: &str) -> Cow<'static, str> {
        let text = Translations::of(self.language).find(&format!("{family}-{name}"), &[]);
        text.unwrap_or_else(|| Cow::Owned(name.to_owned()))
    }

    /// Whether the requested page belongs to a library.
    fn is_of_library(&self) -> bool {
        let here = self.here.as_deref().unwrap_or_default();
        ["/l/", "/broken-links/", "/compare/", "/changes/", "/original/"]
            .iter()
            .any(|start| here.starts_with(start))
    }

    fn asset(&self, name: &str) -> String {
        assets::address(name)
    }

    /// Renders a problem, keeping the headers that concern the client.
    fn render(
        mut self,
        problem: &problem::Problem,
        id: &str,
        headers: &HeaderMap,
        is_anonymous: bool,
    ) -> Response {
        // Hidden pages are reported as absent; after signing in the reader may see them.
        let may_be_hidden = is_anonymous && problem.status() == StatusCode::NOT_FOUND;
        self.is_signed_in = !is_anonymous;
        let sign_in = self
            .here
            .as_ref()
            .filter(|_| may_be_hidden)
            .map(|here| format!("/sign-in?next={}", utf8_percent_encode(here, NON_ALPHANUMERIC)));
        // A link to a document of a library that is not public: whoever follows it comes back after signing in. A library that does
        // not exist is answered alike, so nothing is revealed.
        if let Some(sign_in) =
            sign_in.as_deref().filter(|_| problem.kind() == "no-library" && self.is_of_library())
        {
            return see_other(sign_in);
        }
        let page = ProblemPage { frame: self, problem, id, sign_in };
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
struct ProblemPage<'page> {
    frame: Reader,
    problem: &'page problem::Problem,
    id: &'page str,
    /// Address of the sign-in form, if signing in may help.
    sign_in: Option<String>,
}

impl ProblemPage<'_> {
    fn title(&self) -> Cow<'static, str> {
        self.frame.t_enum("problem", self.problem.kind())
    }

    /// Detail of the problem, translated if possible.
    fn detail(&self) -> Vec<reason::Piece> {
        form_error::detail(self.frame.language(), self.problem)
    }
}

/// Renders a page.
fn html(status: StatusCode, page: &impl Template) -> Response {
    let text = match page.render() {
        Ok(text) => text,
        Err(error) => return problem::Problem::internal(error.to_string()).into_response(),
    };
    let mut response = (status, text).into_response();
    apply_page_headers(&mut response);
    response
}

/// Adds the headers of a page, and marks the response as finished.
fn apply_page_headers(response: &mut Response) {
    for (name, value) in HEADERS {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response.extensions_mut().insert(RawResponse);
}

/// Redirects to a path of this server, which the browser requests by GET.
fn see_other(path: &str) -> Response {
    let mut response = StatusCode::SEE_OTHER.into_response();
    apply_page_headers(&mut response);
    let headers = response.headers_mut();
    headers.remove(header::CONTENT_TYPE);
    let path = if is_local(path) { path } else { "/" };
    headers.insert(header::LOCATION, HeaderValue::from_str(path).unwrap_or(HeaderValue::from_static("/")));
    response
}

/// Stores a choice for all pages in a cookie that lasts a year.
fn set_choice_cookie(response: &mut Response, name: &str, value: &str, secure: bool) {
    let secure = if secure { "; Secure" } else { "" };
    let cookie = format!("{name}={value}; Path=/; Max-Age=31536000; HttpOnly; SameSite=Lax{secure}");
    if let Ok(cookie) = HeaderValue::from_str(&cookie) {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
}

/// Returns the path if it belongs to this server and is not too long.
fn local(path: &str) -> Option<&str> {
    (path.len() < MAX_PATH_BYTES && is_local(path)).then_some(path)
}

/// Whether a redirect to a path stays on this server.
fn is_local(path: &str) -> bool {
    let is_plain = path.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    is_plain && path.starts_with('/') && !path.starts_with("//")
}

#[cfg(test)]
mod tests {
    use super::local;

    #[test]
    fn redirects_lead_to_paths_of_this_server_only() {
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
