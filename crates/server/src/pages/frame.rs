//! Frame of all pages: language, theme, reader, form token, cookies.

use std::borrow::Cow;
use std::fmt::Display;

use askama::Template;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use chrono::{DateTime, SecondsFormat, Utc};
use fluent_bundle::FluentValue;
use identity::Preferences;
use kernel::actor::{Actor, Role};
use kernel::secret::Token;

pub(crate) use super::form_error::FormError;
use super::i18n::{self, Argument, Translations};
use super::language::Language;
use super::theme::Theme;
use super::{assets, forms, html, see_other};
use crate::http::AppState;
use crate::http::authentication::{Caller, session_cookie};
use crate::http::cookies::cookie;
use crate::http::problem::Problem;

/// Four hundred days, the longest that browsers keep a cookie: how long a session lives is for its row to say.
const KEPT: u32 = 34_560_000;

/// Context that every page is rendered with.
pub(crate) struct Frame {
    pub(crate) actor: Actor,
    language: Language,
    theme: Theme,
    /// The address of this page.
    here: String,
    token: Token,
    /// The token as forms contain it.
    masked: String,
    /// Whether the token was made for this answer, whose cookie then holds it.
    is_new: bool,
    secure: bool,
    is_partial: bool,
}

/// A part of the house that the head of each page leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Section {
    Search,
    Libraries,
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
        // Ours are 48 hexadecimal digits; another is not put into a page.
        let kept = cookie(&parts.headers, token_cookie(secure))
            .filter(|text| text.len() == 48 && text.bytes().all(|byte| byte.is_ascii_hexdigit()));
        let is_new = kept.is_none();
        let token = match kept {
            Some(text) => Token::from_text(text),
            None => Token::generate("").map_err(identity::Error::from)?,
        };
        let masked = forms::mask(&token).map_err(identity::Error::from)?;
        let here = if parts.method.is_safe() {
            parts.uri.path_and_query().map_or("/", |address| address.as_str()).to_owned()
        } else {
            "/".to_owned()
        };
        // A script of ours asks for a part of a page; where it comes from is the page itself.
        let is_partial = parts.headers.contains_key("hx-request");
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
        })
    }
}

impl Frame {
    /// The name of whoever is signed in.
    pub(crate) fn user(&self) -> Option<&str> {
        (self.actor.in_person() && self.actor.user_id().is_some()).then(|| self.actor.name())
    }

    /// The language of the page.
    pub(crate) fn language(&self) -> Language {
        self.language
    }

    /// Translates a key.
    pub(crate) fn t(&self, key: &str) -> Cow<'static, str> {
        self.words().translate(key, &[])
    }

    /// Translates a key with a count. Templates pass numbers of every type, and references to them.
    pub(crate) fn t_count(&self, key: &str, count: impl Display) -> Cow<'static, str> {
        self.words().translate(key, &[("count", whole(count).into())])
    }

    /// Translates a key with one argument.
    pub(crate) fn t_with(
        &self,
        key: &str,
        name: &'static str,
        value: &(impl ToString + ?Sized),
    ) -> Cow<'static, str> {
        self.words().translate(key, &[(name, FluentValue::from(value.to_string()))])
    }

    /// Translates a key with several arguments.
    pub(crate) fn t_all(&self, key: &str, values: &[Argument<'_>]) -> Cow<'static, str> {
        self.words().translate(key, values)
    }

    /// Translates a value of an enumeration (`status`, `failed` is the key `status-failed`); the value itself if there is no translation.
    pub(crate) fn t_enum(&self, family: &str, name: &str) -> Cow<'static, str> {
        self.words().find(&format!("{family}-{name}"), &[]).unwrap_or_else(|| Cow::Owned(name.to_owned()))
    }

    /// Like [`Self::t_enum`], with the English text given.
    pub(crate) fn t_enum_or<'words>(
        &self,
        family: &str,
        name: &str,
        english: &'words str,
    ) -> Cow<'words, str> {
        self.words().find(&format!("{family}-{name}"), &[]).unwrap_or(Cow::Borrowed(english))
    }

    fn words(&self) -> &'static Translations {
        Translations::of(self.language)
    }

    /// A number as it is read.
    pub(crate) fn number(&self, value: impl Display) -> String {
        i18n::number(whole(value))
    }

    /// A time, marked up: its reader's own clock replaces it where scripts run.
    pub(crate) fn time(&self, at: &DateTime<Utc>) -> String {
        let machine = at.to_rfc3339_opts(SecondsFormat::Secs, true);
        format!("<time datetime=\"{machine}\">{}</time>", at.format("%Y-%m-%d %H:%M UTC"))
    }

    /// Returns how long ago a time was, as markup. Scripts only add the time as a tooltip: text of another length would move the layout.
    #[expect(
        clippy::disallowed_methods,
        reason = "shown and not kept: a clock that is off by a second shows nothing else"
    )]
    pub(crate) fn ago(&self, at: &DateTime<Utc>) -> String {
        let machine = at.to_rfc3339_opts(SecondsFormat::Secs, true);
        let words = self.since((Utc::now() - at).num_seconds());
        format!("<time datetime=\"{machine}\" data-ago>{}</time>", markup::escape(&words))
    }

    /// Formats a number of seconds in the largest unit that fits.
    fn since(&self, seconds: i64) -> Cow<'static, str> {
        let in_units = |length: i64| (seconds + length / 2) / length;
        match seconds {
            31_557_600.. => self.t_count("ago-years", in_units(31_557_600)),
            2_629_800.. => self.t_count("ago-months", in_units(2_629_800)),
            604_800.. => self.t_count("ago-weeks", in_units(604_800)),
            86_400.. => self.t_count("ago-days", in_units(86_400)),
            3600.. => self.t_count("ago-hours", in_units(3600)),
            60.. => self.t_count("ago-minutes", in_units(60)),
            // The clocks of two machines may differ.
            _ => self.t("now"),
        }
    }

    /// Translates a key with how long ago a time was, as markup.
    pub(crate) fn t_ago(&self, key: &str, at: &DateTime<Utc>) -> String {
        // Where a language puts it, which no word of ours has in it.
        const PLACE: &str = "\u{fffc}";
        let said = self.words().translate(key, &[("ago", PLACE.into())]);
        markup::escape(&said).replace(PLACE, &self.ago(at))
    }

    /// The address of a file that pages load.
    pub(crate) fn asset(&self, name: &str) -> String {
        assets::address(name)
    }

    /// Light, dark, or as the system is.
    pub(crate) fn theme(&self) -> Theme {
        self.theme
    }

    /// Whether a script of ours asks for a part of the page.
    pub(crate) fn is_partial(&self) -> bool {
        self.is_partial
    }

    pub(crate) fn is_administrator(&self) -> bool {
        self.actor.in_person() && self.actor.has_role(Role::Admin)
    }

    /// Whether this page is at an address, or below it.
    pub(crate) fn is_at(&self, path: &str) -> bool {
        let here = self.here.split('?').next().unwrap_or_default();
        here.strip_prefix(path).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    /// Where this page is in the house.
    pub(crate) fn section(&self) -> Section {
        let path = self.here.split('?').next().unwrap_or_default();
        let is_in =
            |room: &str| path == room || path.strip_prefix(room).is_some_and(|rest| rest.starts_with('/'));
        match path {
            "/" => Section::Search,
            _ if ["/libraries", "/l", "/compare", "/connect"].into_iter().any(is_in) => Section::Libraries,
            _ if is_in("/ask") => Section::Ask,
            _ if is_in("/add") => Section::Add,
            _ if is_in("/admin") => Section::Administration,
            _ if is_in("/account") => Section::Account,
            _ => Section::Other,
        }
    }

    /// Refuses who is not signed in, by asking them to.
    #[expect(clippy::result_large_err, reason = "what goes out in its place")]
    pub(crate) fn require_person(&self) -> Result<(), Response> {
        if self.user().is_some() {
            return Ok(());
        }
        let here = percent_encoding::utf8_percent_encode(&self.here, percent_encoding::NON_ALPHANUMERIC);
        let sign_in = format!("/sign-in?next={here}");
        if self.is_partial {
            // What a script asked for would be put into the page: the whole page is to go there.
            let mut response = StatusCode::NO_CONTENT.into_response();
            let to = HeaderValue::from_str(&sign_in).unwrap_or(HeaderValue::from_static("/sign-in"));
            response.headers_mut().insert("hx-redirect", to);
            return Err(response);
        }
        Err(see_other(&sign_in))
    }

    /// The token that forms hold: another text for each answer, so that what is compressed along with it tells nothing of it.
    pub(crate) fn form_token(&self) -> &str {
        &self.masked
    }

    /// The token itself.
    pub(crate) fn token(&self) -> &Token {
        &self.token
    }

    /// Whether the browser had no token yet.
    pub(crate) fn is_new(&self) -> bool {
        self.is_new
    }

    /// Where the switch of the language comes back to.
    pub(crate) fn here(&self) -> &str {
        &self.here
    }

    /// Says where a page that answers a form is shown by itself.
    #[must_use]
    pub(crate) fn at(mut self, here: &str) -> Self {
        here.clone_into(&mut self.here);
        self
    }

    /// A page.
    pub(crate) fn page(&self, status: StatusCode, page: &impl Template) -> Response {
        let mut response = html(status, page);
        if self.is_new {
            // Not `Strict`: a browser that comes by a link from elsewhere would seem new, and the forms it has open would be
            // refused. What another site's page posts carries no `Lax` cookie either.
            let cookie = format!(
                "{}={}; Path=/; Max-Age={KEPT}; HttpOnly; SameSite=Lax{}",
                token_cookie(self.secure),
                self.token.reveal(),
                self.only_over_tls()
            );
            set_cookie(&mut response, &cookie);
        }
        response
    }

    /// A page that holds no secret: the browser may show it again when its reader goes back.
    pub(crate) fn reading_page(&self, status: StatusCode, page: &impl Template) -> Response {
        let mut response = self.page(status, page);
        let kept = HeaderValue::from_static("private, no-cache");
        response.headers_mut().insert(header::CACHE_CONTROL, kept);
        // The same address answers a script with a part of the page.
        response
            .headers_mut()
            .insert(header::VARY, HeaderValue::from_static("hx-request, cookie, accept-language, accept"));
        response
    }

    /// A page that says one thing.
    pub(crate) fn message(&self, status: StatusCode, text: &str) -> Response {
        self.page(status, &Message { frame: self, text })
    }

    /// Goes on to an address as somebody who has signed in.
    pub(crate) fn signed_in(&self, session: &Token, next: &str) -> Response {
        let mut response = see_other(next);
        let cookie = format!(
            "{}={}; Path=/; Max-Age={KEPT}; HttpOnly; SameSite=Lax{}",
            session_cookie(self.secure),
            session.reveal(),
            self.only_over_tls()
        );
        set_cookie(&mut response, &cookie);
        response
    }

    /// Goes on to an address as nobody.
    pub(crate) fn signed_out(&self, next: &str) -> Response {
        let mut response = see_other(next);
        let cookie = format!(
            "{}=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax{}",
            session_cookie(self.secure),
            self.only_over_tls()
        );
        set_cookie(&mut response, &cookie);
        // Pages that were read are not shown again to whoever goes back.
        response.headers_mut().insert("clear-site-data", HeaderValue::from_static("\"cache\""));
        response
    }

    fn only_over_tls(&self) -> &'static str {
        if self.secure { "; Secure" } else { "" }
    }
}

/// A whole number, of whatever type it is.
fn whole(number: impl Display) -> i64 {
    number.to_string().parse().unwrap_or(i64::MAX)
}

/// Where all is over TLS, the name binds the cookie to this very host (RFC 6265bis, section 4.1.3.2).
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
