//! Request context of a page: reader, language, theme, form token and cookies. Templates read it, and handlers render through it.

use std::borrow::Cow;
use std::fmt::Display;
use std::time::Duration;

use askama::Template;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use chrono::{DateTime, SecondsFormat, Utc};
use fluent_bundle::FluentValue;
use identity::Preferences;
use identity::sign_in::SessionTokens;
use kernel::actor::{Actor, Role};
use kernel::secret::Token;
use social::notifications;

use super::error::{PageError, PageResult};
pub(crate) use super::form_error::FormError;
use super::i18n::{self, Argument, Translations};
use super::language::Language;
use super::theme::Theme;
use super::{assets, forms, html, see_other};
use crate::http::AppState;
use crate::http::authentication::{Caller, device_cookie, session_cookie};
use crate::http::cookies::cookie;
use crate::http::problem::Problem;

/// 400 days, the longest that browsers accept (RFC 6265bis, section 5.5). A session's lifetime is in its row.
const COOKIE_MAX_AGE_SECONDS: u32 = 34_560_000;

/// Time limit for the number of unread notifications.
const MAX_COUNTING: Duration = Duration::from_millis(500);

/// Context that every page is rendered with.
pub(crate) struct Frame {
    pub(crate) actor: Actor,
    language: Language,
    theme: Theme,
    /// Address of this page.
    here: String,
    token: Token,
    /// Token as forms contain it.
    masked: String,
    /// Whether the token was generated for this response, which then sets the cookie.
    is_new: bool,
    secure: bool,
    is_partial: bool,
    /// Unread notifications of the reader, as the header shows them.
    unread: i64,
}

/// Section of the site, as in the navigation bar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Section {
    Search,
    Libraries,
    Feed,
    Ask,
    Add,
    Administration,
    Account,
    Other,
}

impl FromRequestParts<AppState> for Frame {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Problem> {
        let Ok(Caller(actor)) = Caller::from_request_parts(parts, state).await;
        let preferences = parts.extensions.get::<Preferences>().cloned().unwrap_or_default();
        let secure = state.app.settings.server.secure_cookies();
        // Generated tokens are 48 hexadecimal digits; nothing else is echoed in a page.
        let stored = cookie(&parts.headers, token_cookie(secure))
            .filter(|text| text.len() == 48 && text.bytes().all(|byte| byte.is_ascii_hexdigit()));
        let is_new = stored.is_none();
        let token = match stored {
            Some(text) => Token::from_text(text),
            None => Token::generate("").map_err(identity::Error::from)?,
        };
        let masked = forms::mask(&token).map_err(identity::Error::from)?;
        let here = if parts.method.is_safe() {
            parts.uri.path_and_query().map_or("/", |address| address.as_str()).to_owned()
        } else {
            "/".to_owned()
        };
        // Sent by htmx, which asks for a part of a page.
        let is_partial = parts.headers.contains_key("hx-request");
        let unread =
            if is_partial || !accepts_page(parts) { None } else { count_unread(state, &actor).await };
        Ok(Self {
            actor,
            language: Language::of(&parts.headers, preferences.language.as_deref()),
            theme: Theme::of(&parts.headers, preferences.theme.as_deref()),
            here,
            token,
            masked,
            is_new,
            secure,
            is_partial,
            unread: unread.unwrap_or(0),
        })
    }
}

impl Frame {
    /// Returns the username, if the reader is signed in.
    pub(crate) fn user(&self) -> Option<&str> {
        (self.actor.in_person() && self.actor.user_id().is_some()).then(|| self.actor.name())
    }

    /// Whether the reader is signed in.
    pub(crate) fn is_signed_in(&self) -> bool {
        self.user().is_some()
    }

    /// Returns the language of the page.
    pub(crate) fn language(&self) -> Language {
        self.language
    }

    /// Translates a key.
    pub(crate) fn t(&self, key: &str) -> Cow<'static, str> {
        self.translations().translate(key, &[])
    }

    /// Translates a key with a count. Templates pass numbers of all types, and references to them.
    pub(crate) fn t_count(&self, key: &str, count: impl Display) -> Cow<'static, str> {
        self.translations().translate(key, &[("count", to_i64(count).into())])
    }

    /// Translates a key with one argument.
    pub(crate) fn t_with(
        &self,
        key: &str,
        name: &'static str,
        value: &(impl ToString + ?Sized),
    ) -> Cow<'static, str> {
        self.translations().translate(key, &[(name, FluentValue::from(value.to_string()))])
    }

    /// Translates a key with several arguments.
    pub(crate) fn t_all(&self, key: &str, values: &[Argument<'_>]) -> Cow<'static, str> {
        self.translations().translate(key, values)
    }

    /// Translates a value of an enumeration (`status`, `failed` is the key `status-failed`); the value itself if there is no translation.
    pub(crate) fn t_enum(&self, family: &str, name: &str) -> Cow<'static, str> {
        self.translations()
            .find(&format!("{family}-{name}"), &[])
            .unwrap_or_else(|| Cow::Owned(name.to_owned()))
    }

    /// Like [`Self::t_enum`], with the English text given.
    pub(crate) fn t_enum_or<'text>(&self, family: &str, name: &str, english: &'text str) -> Cow<'text, str> {
        self.translations().find(&format!("{family}-{name}"), &[]).unwrap_or(Cow::Borrowed(english))
    }

    /// Returns the translations of the page's language.
    pub(super) fn translations(&self) -> &'static Translations {
        Translations::of(self.language)
    }

    /// Formats a whole number, with its digits in groups of three.
    pub(crate) fn number(&self, value: impl Display) -> String {
        i18n::number(to_i64(value))
    }

    /// Renders a time in UTC as markup. Scripts replace it by the reader's local time.
    pub(crate) fn time(&self, at: &DateTime<Utc>) -> String {
        let machine = at.to_rfc3339_opts(SecondsFormat::Secs, true);
        format!("<time datetime=\"{machine}\">{}</time>", at.format("%Y-%m-%d %H:%M UTC"))
    }

    /// Renders a relative time as markup. Scripts only add the time as a tooltip: text of another length would move the layout.
    #[expect(
        clippy::disallowed_methods,
        reason = "shown, not stored; a clock that is seconds off makes no difference"
    )]
    pub(crate) fn ago(&self, at: &DateTime<Utc>) -> String {
        let machine = at.to_rfc3339_opts(SecondsFormat::Secs, true);
        let text = self.relative_time((Utc::now() - at).num_seconds());
        format!("<time datetime=\"{machine}\" data-ago>{}</time>", markup::escape(&text))
    }

    /// Formats a number of seconds in the largest unit that fits.
    fn relative_time(&self, seconds: i64) -> Cow<'static, str> {
        let in_units = |length: i64| (seconds + length / 2) / length;
        match seconds {
            31_557_600.. => self.t_count("ago-years", in_units(31_557_600)),
            2_629_800.. => self.t_count("ago-months", in_units(2_629_800)),
            604_800.. => self.t_count("ago-weeks", in_units(604_800)),
            86_400.. => self.t_count("ago-days", in_units(86_400)),
            3600.. => self.t_count("ago-hours", in_units(3600)),
            60.. => self.t_count("ago-minutes", in_units(60)),
            // Also times in the future: the clocks of two machines may differ.
            _ => self.t("now"),
        }
    }

    /// Translates a key with a relative time, as markup.
    pub(crate) fn t_ago(&self, key: &str, at: &DateTime<Utc>) -> String {
        // Marks the place of the time in the translation; no translation contains this character.
        const PLACE: &str = "\u{fffc}";
        let text = self.translations().translate(key, &[("ago", PLACE.into())]);
        markup::escape(&text).replace(PLACE, &self.ago(at))
    }

    /// Returns the address of an asset.
    pub(crate) fn asset(&self, name: &str) -> String {
        assets::address(name)
    }

    /// Returns the theme of the page.
    pub(crate) fn theme(&self) -> Theme {
        self.theme
    }

    /// Whether a script asks for a part of the page.
    pub(crate) fn is_partial(&self) -> bool {
        self.is_partial
    }

    /// Returns the number of unread notifications, 100 at most.
    pub(crate) fn unread(&self) -> i64 {
        self.unread
    }

    /// Whether the reader is an administrator who is signed in.
    pub(crate) fn is_administrator(&self) -> bool {
        self.actor.in_person() && self.actor.has_role(Role::Admin)
    }

    /// Whether this page is at a path or below it.
    pub(crate) fn is_at(&self, path: &str) -> bool {
        let here = self.here.split('?').next().unwrap_or_default();
        here.strip_prefix(path).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    /// Returns the section that this page belongs to.
    pub(crate) fn section(&self) -> Section {
        let path = self.here.split('?').next().unwrap_or_default();
        let is_in = |section: &str| {
            path.strip_prefix(section).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        match path {
            "/" => Section::Search,
            _ if ["/libraries", "/l", "/compare", "/changes", "/connect"].into_iter().any(is_in) => {
                Section::Libraries
            }
            _ if ["/feed", "/posts", "/people"].into_iter().any(is_in) => Section::Feed,
            _ if is_in("/ask") => Section::Ask,
            _ if is_in("/add") => Section::Add,
            _ if is_in("/admin") => Section::Administration,
            _ if is_in("/account") => Section::Account,
            _ => Section::Other,
        }
    }

    /// Redirects to the sign-in form unless the reader is signed in.
    pub(crate) fn require_sign_in(&self) -> PageResult<()> {
        if self.user().is_some() {
            return Ok(());
        }
        let here = percent_encoding::utf8_percent_encode(&self.here, percent_encoding::NON_ALPHANUMERIC);
        if !self.is_partial {
            return Err(PageError::sign_in(&here.to_string()));
        }
        // A redirect would be followed by the script and inserted into the page: the whole page must go there.
        let address = format!("/sign-in?next={here}");
        let mut response = Response::new(axum::body::Body::empty());
        *response.status_mut() = StatusCode::NO_CONTENT;
        let address = HeaderValue::from_str(&address).unwrap_or(HeaderValue::from_static("/sign-in"));
        response.headers_mut().insert("hx-redirect", address);
        Err(PageError::Response(Box::new(response)))
    }

    /// Returns the masked token for forms, which differs in every response (see [`forms::mask`]).
    pub(crate) fn form_token(&self) -> &str {
        &self.masked
    }

    /// Returns the unmasked form token.
    pub(crate) fn token(&self) -> &Token {
        &self.token
    }

    /// Whether the browser had no token yet.
    pub(crate) fn is_new(&self) -> bool {
        self.is_new
    }

    /// Returns the address of this page.
    pub(crate) fn here(&self) -> &str {
        &self.here
    }

    /// Sets the address at which a GET shows this page; the response to a form has another one.
    #[must_use]
    pub(crate) fn at(mut self, here: &str) -> Self {
        here.clone_into(&mut self.here);
        self
    }

    /// Renders a page.
    pub(crate) fn page(&self, status: StatusCode, page: &impl Template) -> Response {
        let mut response = html(status, page);
        if self.is_new {
            // Not `Strict`: after following a link from another site the browser would get a new token, and its open forms would be
            // refused. A form posted by another site carries no `Lax` cookie either.
            let cookie = format!(
                "{}={}; Path=/; Max-Age={COOKIE_MAX_AGE_SECONDS}; HttpOnly; SameSite=Lax{}",
                token_cookie(self.secure),
                self.token.reveal(),
                self.secure_attribute()
            );
            set_cookie(&mut response, &cookie);
        }
        response
    }

    /// Renders a page with a form, with the status and headers of the form's error.
    pub(crate) fn form_page(&self, error: Option<&FormError>, page: &impl Template) -> Response {
        let mut response = self.page(error.map_or(StatusCode::OK, |error| error.status), page);
        if let Some(error) = error {
            error.add_headers(&mut response);
        }
        response
    }

    /// Renders a page without secrets, which the browser may cache and show again on going back.
    pub(crate) fn reading_page(&self, status: StatusCode, page: &impl Template) -> Response {
        let mut response = self.page(status, page);
        let cache_control = HeaderValue::from_static("private, no-cache");
        response.headers_mut().insert(header::CACHE_CONTROL, cache_control);
        // The same address returns a part of the page to scripts.
        response
            .headers_mut()
            .insert(header::VARY, HeaderValue::from_static("hx-request, cookie, accept-language, accept"));
        response
    }

    /// Renders a page with a single message.
    pub(crate) fn message(&self, status: StatusCode, text: &str) -> Response {
        self.page(status, &Message { frame: self, text })
    }

    /// Redirects with the cookies of a new session.
    pub(crate) fn signed_in(&self, tokens: &SessionTokens, next: &str) -> Response {
        let mut response = see_other(next);
        if let Some(device) = &tokens.device_token {
            self.remember_device(&mut response, device);
        }
        let cookie = format!(
            "{}={}; Path=/; Max-Age={COOKIE_MAX_AGE_SECONDS}; HttpOnly; SameSite=Lax{}",
            session_cookie(self.secure),
            tokens.token.reveal(),
            self.secure_attribute()
        );
        set_cookie(&mut response, &cookie);
        response
    }

    /// Sets the cookie by which this browser is known at the next sign-in. It outlives the session.
    pub(crate) fn remember_device(&self, response: &mut Response, device: &Token) {
        let cookie = format!(
            "{}={}; Path=/; Max-Age={COOKIE_MAX_AGE_SECONDS}; HttpOnly; SameSite=Strict{}",
            device_cookie(self.secure),
            device.reveal(),
            self.secure_attribute()
        );
        set_cookie(response, &cookie);
    }

    /// Redirects without a session.
    pub(crate) fn signed_out(&self, next: &str) -> Response {
        let mut response = see_other(next);
        let cookie = format!(
            "{}=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax{}",
            session_cookie(self.secure),
            self.secure_attribute()
        );
        set_cookie(&mut response, &cookie);
        // Otherwise the next user could go back to cached pages.
        response.headers_mut().insert("clear-site-data", HeaderValue::from_static("\"cache\""));
        response
    }

    fn secure_attribute(&self) -> &'static str {
        if self.secure { "; Secure" } else { "" }
    }
}

/// Whether a request is for a page with its header; scripts also request data.
fn accepts_page(parts: &Parts) -> bool {
    let accept = parts.headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok());
    parts.method.is_safe() && accept.is_some_and(|accept| accept.contains("text/html"))
}

/// Counts the unread notifications of a reader. A page is shown without the number rather than late or not at all.
pub(super) async fn count_unread(state: &AppState, actor: &Actor) -> Option<i64> {
    if !actor.in_person() || actor.user_id().is_none() {
        return Some(0);
    }
    let counted = tokio::time::timeout(MAX_COUNTING, async {
        let mut connection = store::postgres::acquire(state.app.pool()).await?;
        notifications::unread(&mut connection, actor).await
    });
    match counted.await {
        Ok(Ok(unread)) => Some(unread),
        Ok(Err(error)) => {
            tracing::debug!(%error, "failed to count unread notifications");
            None
        }
        Err(_elapsed) => None,
    }
}

/// Converts a number of any type.
fn to_i64(number: impl Display) -> i64 {
    number.to_string().parse().unwrap_or(i64::MAX)
}

/// Returns the cookie's name. Over TLS its prefix binds the cookie to this host (RFC 6265bis, section 4.1.3.2).
fn token_cookie(secure: bool) -> &'static str {
    if secure { "__Host-wenyuan_form" } else { "wenyuan_form" }
}

fn set_cookie(response: &mut Response, cookie: &str) {
    if let Ok(cookie) = HeaderValue::from_str(cookie) {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
}

#[derive(Template)]
#[template(path = "message.html")]
struct Message<'page> {
    frame: &'page Frame,
    text: &'page str,
}
