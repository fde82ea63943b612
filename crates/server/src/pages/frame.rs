//! What all pages have in common: their language and how they look, who reads them, the token of their forms, their cookies.

use std::borrow::Cow;

use askama::Template;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use chrono::{DateTime, SecondsFormat, Utc};
use fluent_bundle::FluentValue;
use kernel::actor::{Actor, Role};
use kernel::secret::Token;

use super::language::Language;
use super::theme::Theme;
use super::words::{self, Said, Words};
use super::{assets, forms, html, see_other};
use crate::api::State;
use crate::api::authenticate::{Caller, session_cookie};
use crate::api::problem::Problem;

/// Four hundred days, the longest that browsers keep a cookie: how long a session lives is for its row to say.
const KEPT: u32 = 34_560_000;

/// What a page is made with.
pub(crate) struct Frame {
    pub(crate) actor: Actor,
    language: Language,
    theme: Theme,
    /// The address of this page.
    here: String,
    token: Token,
    /// The same as forms hold it.
    masked: String,
    /// Whether the token was made for this answer, whose cookie then holds it.
    is_new: bool,
    secure: bool,
    is_partial: bool,
}

/// A part of the house that the head of each page leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Room {
    Search,
    Libraries,
    Ask,
    Add,
    Administration,
    Account,
    Other,
}

impl FromRequestParts<State> for Frame {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &State) -> Result<Self, Problem> {
        let Ok(Caller(actor)) = Caller::from_request_parts(parts, state).await;
        let secure = state.app.settings.secure_cookies();
        // Ours are 48 hexadecimal digits; another is not put into a page.
        let kept = forms::cookie(&parts.headers, token_cookie(secure))
            .filter(|text| text.len() == 48 && text.bytes().all(|byte| byte.is_ascii_hexdigit()));
        let is_new = kept.is_none();
        let token = match kept {
            Some(text) => Token::shown(text),
            None => Token::new("").map_err(identity::Error::from)?,
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
            language: Language::of(&parts.headers),
            theme: Theme::of(&parts.headers),
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
    /// What is said, of the same in both languages.
    pub(crate) fn say<'text>(&self, english: &'text str, chinese: &'text str) -> &'text str {
        self.language.say(english, chinese)
    }

    pub(crate) fn language(&self) -> Language {
        self.language
    }

    /// The name of whoever is signed in.
    pub(crate) fn user(&self) -> Option<&str> {
        (self.actor.in_person() && self.actor.user_id().is_some()).then(|| self.actor.name())
    }

    /// What is said under a key of the catalogue.
    pub(crate) fn t(&self, key: &str) -> Cow<'static, str> {
        self.words().say(key, &[])
    }

    /// What is said of so many.
    pub(crate) fn t_count<N: TryInto<i64> + Copy>(&self, key: &str, count: &N) -> Cow<'static, str> {
        let count: i64 = (*count).try_into().unwrap_or(i64::MAX);
        self.words().say(key, &[("count", count.into())])
    }

    /// What is said with one other text in it.
    pub(crate) fn t_with(
        &self,
        key: &str,
        name: &'static str,
        value: &(impl ToString + ?Sized),
    ) -> Cow<'static, str> {
        self.words().say(key, &[(name, FluentValue::from(value.to_string()))])
    }

    /// What is said with several values in it.
    pub(crate) fn t_all(&self, key: &str, values: &[Said<'_>]) -> Cow<'static, str> {
        self.words().say(key, values)
    }

    /// What one of a family of names is called (`status` of `failed` is under `status-failed`); the name where it has no other.
    pub(crate) fn t_of(&self, family: &str, name: &str) -> Cow<'static, str> {
        self.words().find(&format!("{family}-{name}"), &[]).unwrap_or_else(|| Cow::Owned(name.to_owned()))
    }

    fn words(&self) -> &'static Words {
        Words::of(self.language)
    }

    /// A number as it is read.
    pub(crate) fn number(&self, value: &i64) -> String {
        words::number(*value)
    }

    /// A time, marked up: its reader's own clock and words replace it where scripts run.
    pub(crate) fn time(&self, at: &DateTime<Utc>) -> String {
        let machine = at.to_rfc3339_opts(SecondsFormat::Secs, true);
        format!("<time datetime=\"{machine}\">{}</time>", at.format("%Y-%m-%d %H:%M UTC"))
    }

    /// The same as how long ago it was.
    pub(crate) fn ago(&self, at: &DateTime<Utc>) -> String {
        let machine = at.to_rfc3339_opts(SecondsFormat::Secs, true);
        format!("<time datetime=\"{machine}\" data-ago>{}</time>", at.format("%Y-%m-%d %H:%M UTC"))
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

    /// Where this page is in the house.
    pub(crate) fn room(&self) -> Room {
        let path = self.here.split('?').next().unwrap_or_default();
        let is_in =
            |room: &str| path == room || path.strip_prefix(room).is_some_and(|rest| rest.starts_with('/'));
        match path {
            "/" => Room::Search,
            _ if ["/libraries", "/l", "/compare", "/connect"].into_iter().any(is_in) => Room::Libraries,
            _ if is_in("/ask") => Room::Ask,
            _ if is_in("/add") => Room::Add,
            _ if is_in("/admin") => Room::Administration,
            _ if is_in("/account") => Room::Account,
            _ => Room::Other,
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
            let cookie = format!(
                "{}={}; Path=/; HttpOnly; SameSite=Strict{}",
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
        response
    }

    fn only_over_tls(&self) -> &'static str {
        if self.secure { "; Secure" } else { "" }
    }
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

/// What is wrong with what somebody wrote into a form, in their language.
pub(crate) struct Fault {
    pub(crate) status: StatusCode,
    pub(crate) text: String,
    retry_after: Option<u32>,
}

impl Fault {
    /// Tells it; what is nobody's fault is a problem that is shown and logged as such.
    #[expect(clippy::result_large_err, reason = "what goes out in its place, once a failure")]
    pub(crate) fn of(frame: &Frame, error: identity::Error) -> Result<Self, Response> {
        let chinese = in_chinese(&error);
        // No address is waiting to be signed in to: a browser would ask in its own way after a 401.
        let is_wrong = matches!(error, identity::Error::BadPassword);
        let mut fault = Self::of_problem(frame, error.into())?;
        if is_wrong {
            fault.status = StatusCode::FORBIDDEN;
        }
        if let (Language::Chinese, Some(text)) = (frame.language, chinese) {
            fault.text = text;
        }
        Ok(fault)
    }

    /// The same of what the API would answer.
    #[expect(clippy::result_large_err, reason = "what goes out in its place, once a failure")]
    pub(crate) fn of_problem(frame: &Frame, problem: Problem) -> Result<Self, Response> {
        if !problem.status().is_client_error() {
            return Err(problem.into_response());
        }
        let text = match problem.kind() {
            "name-taken" => frame.say(problem.detail(), "这个名称已被使用，请换一个。"),
            "no-library" => frame.say(problem.detail(), "没有这样的文库，请检查名称。"),
            _ => problem.detail(),
        };
        Ok(Self { status: problem.status(), text: sentence(text), retry_after: problem.retry_after() })
    }

    /// Adds to a page what machines read of it.
    pub(crate) fn written_to(&self, mut response: Response) -> Response {
        if let Some(seconds) = self.retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

/// As it stands by itself on a page: errors are written to follow something.
fn sentence(text: &str) -> String {
    let mut characters = text.chars();
    let mut sentence: String = characters.next().into_iter().flat_map(char::to_uppercase).collect();
    sentence.push_str(characters.as_str());
    if !sentence.ends_with(['.', '。', '?', '!']) {
        sentence.push('.');
    }
    sentence
}

fn in_chinese(error: &identity::Error) -> Option<String> {
    use identity::{BadName, Error, Unfit};
    Some(match error {
        Error::BadPassword => "用户名或密码不正确。".to_owned(),
        Error::TooManyAttempts { seconds } => format!("尝试次数过多，请等待 {seconds} 秒后再试。"),
        Error::BadLink => "此链接已使用过或已过期，请索取新的链接。".to_owned(),
        Error::SignIn => "请先登录。".to_owned(),
        Error::UsernameTaken => "这个用户名已被使用，请换一个。".to_owned(),
        Error::EmailTaken => "这个邮箱地址已被其他用户使用。".to_owned(),
        Error::KeyNameTaken => "您已有同名的钥匙：请换一个名称，或先删除原来的钥匙。".to_owned(),
        Error::BadName(BadName::Username(_)) => {
            "用户名须为 1 到 60 个字符：小写字母、数字以及 . _ -，且以字母或数字开头。".to_owned()
        }
        Error::BadName(BadName::Email(_)) => "这不是有效的邮箱地址。".to_owned(),
        Error::Unfit(Unfit::TooShort { least }) => {
            format!("密码至少需要 {least} 个字符；连续写几个词就是好密码。")
        }
        Error::Unfit(Unfit::TooLong { most }) => format!("密码最长 {most} 字节。"),
        Error::Unfit(Unfit::TooCommon) => "这个密码太容易被猜到，请换一个。".to_owned(),
        _ => return None,
    })
}
