//! Schemas of texts, numbers and lists that requests share, built from the constants of the crates that check them.
//!
//! A type here exists only in descriptions: a field of another type names it with `#[schema(value_type = …)]`. Types with a
//! meaning of their own (`LibraryName`, `Cursor`, `Username`) are described where they are defined.

use chat::messages::{MAX_QUESTION_CHARS, MAX_VERDICT_CHARS};
use chat::transfer::{external_ids, shares};
use chat::{chats, models};
use extract::model::DocumentType;
use identity::{keys, users};
use kernel::actor::Scope;
use kernel::schema::{
    NO_CONTROL, NO_NUL, NOT_BLANK, NOT_BLANK_NO_CONTROL, any_text, integer, list, one_of, text,
};
use library::label::MAX_LABEL_BYTES;
use library::names::LibraryName;
use library::search::{CONTENT_TYPES, MAX_PAGE_SIZE, MAX_QUERY_CHARS};
use library::{endpoints, libraries, notes};
use social::{comments, conversations, messages, posts, reports};
use store::credentials;
use utoipa::openapi::{KnownFormat, ObjectBuilder, SchemaFormat};

use super::input::{DEFAULT_PAGE, MAX_LIST_CHARS, MAX_PAGE};
use super::router::MAX_BODY_BYTES;

/// Defines types that exist only in descriptions.
macro_rules! described {
    ($($(#[$meta:meta])* $name:ident = $schema:expr;)+) => {$(
        $(#[$meta])*
        pub(crate) enum $name {}
        kernel::schema! { $name = $schema; }
    )+};
}
pub(crate) use described;

described! {
    /// Number of items of a page.
    PageSize = integer(1..=MAX_PAGE).default(Some(DEFAULT_PAGE.into()));
    /// Number of passages of a page.
    SearchPageSize = integer(1..=MAX_PAGE_SIZE).default(Some(10.into()));
    /// Query of a search.
    SearchQuery = text(1..=MAX_QUERY_CHARS, NOT_BLANK).examples(["how to restore a backup"]);
    /// Query of a golden question.
    GoldenQuestionText = text(1..=ops::questions::MAX_QUESTION_CHARS, NOT_BLANK).examples(["how to restore a backup"]);
    /// Question.
    QuestionText = text(1..=MAX_QUESTION_CHARS, NOT_BLANK)
        .examples(["How long does the gateway wait for a service?"]);
    /// Text of an earlier message.
    MessageText = any_text(0..=MAX_BODY_BYTES).description(Some("Text of the message."));
    /// Text of a note.
    NoteText = text(1..=notes::MAX_NOTE_CHARS, NOT_BLANK);
    /// Text of a post.
    PostText = text(0..=posts::MAX_POST_CHARS, NO_NUL);
    /// Text of a comment.
    CommentText = text(1..=comments::MAX_COMMENT_CHARS, NOT_BLANK);
    /// Text of a direct message.
    DirectMessageText = text(1..=messages::MAX_MESSAGE_CHARS, NOT_BLANK);
    /// Number of a direct message.
    MessageNumber = ObjectBuilder::new().schema_type(utoipa::openapi::Type::Integer).minimum(Some(0)).maximum(Some(i64::MAX));
    /// User names of the other members of a conversation.
    ConversationMembers = list::<PersonLogin>(1..=conversations::MAX_MEMBERS - 1);
    /// Title of a group.
    ConversationTitle = text(0..=conversations::MAX_TITLE_CHARS, NO_NUL);
    /// Reason of a report.
    ReportReason = text(1..=reports::MAX_REASON_CHARS, NOT_BLANK);
    /// User name of a person.
    PersonLogin = text(1..=60, "^[A-Za-z0-9][A-Za-z0-9._-]*$");
    /// Tag of posts.
    TagName = text(1..=60, r"^[^,\u0000-\u001f\u007f-\u009f]+$");
    /// Ids of notifications.
    NotificationIds = list::<AnyId>(0..=MAX_NOTIFICATIONS);
    /// Id.
    AnyId = ObjectBuilder::new()
        .schema_type(utoipa::openapi::Type::String)
        .format(Some(SchemaFormat::KnownFormat(KnownFormat::Uuid)));
    /// Title of a chat.
    ChatTitle = text(1..=chats::MAX_TITLE_CHARS, NOT_BLANK);
    /// Reason or correction of a verdict.
    VerdictText = text(0..=MAX_VERDICT_CHARS, NO_NUL);
    /// Lifetime of a share link, in hours.
    ShareHours = integer(1..=shares::MAX_LIFETIME.as_secs() / 3600)
        .default(Some((shares::DEFAULT_LIFETIME.as_secs() / 3600).into()));
    /// Id of a chat or a message that a client of Perplexica assigns; empty for none.
    ExternalId = text(0..=external_ids::MAX_ID_CHARS, NO_CONTROL);
    /// Title of a library.
    LibraryTitle = text(0..=libraries::MAX_TITLE_CHARS, NO_NUL);
    /// Description of a library.
    LibraryDescription = text(0..=libraries::MAX_DESCRIPTION_CHARS, NO_NUL);
    /// Beginning of the addresses of a library's own site.
    LinkBase = text(0..=libraries::MAX_LINK_BASE_CHARS, r#"^((https?://[A-Za-z0-9]|/$|/[^/])[^\s"'<>\\^`{|}?#]*)?$"#);
    /// Label of a version in a form; empty for the default.
    FormLabel = text(0..=MAX_LABEL_BYTES, "^([A-Za-z0-9][A-Za-z0-9._+-]*)?$");
    /// Type of a document.
    DocumentTypeName = one_of(DocumentType::names());
    /// Comma-separated list of tags.
    TagList = text(0..=MAX_LIST_CHARS, &list_of(r"[^,\u0000-\u001f\u007f-\u009f]{0,60}"));
    /// Comma-separated list of types of documents.
    DocumentTypeList = text(0..=MAX_LIST_CHARS, &list_of_names(DocumentType::names()));
    /// Comma-separated list of content types of passages.
    ContentTypeList = text(0..=MAX_LIST_CHARS, &list_of_names(CONTENT_TYPES.into_iter()));
    /// Name of a language model or of an MCP server.
    ServiceName = text(1..=credentials::MAX_NAME_BYTES, credentials::NAME_PATTERN).examples(["small"]);
    /// Names of MCP servers.
    ServiceNames = list::<ServiceName>(0..=registry::tool_call::MAX_TARGETS);
    /// URL of a service.
    EndpointUrl = text(1..=credentials::MAX_ENDPOINT_BYTES, "^[Hh][Tt][Tt][Pp][Ss]?://")
        .format(Some(SchemaFormat::Custom("uri".to_owned())))
        .examples(["https://service.example.org/v1"]);
    /// API key of a service.
    ServiceKey = text(1..=credentials::MAX_API_KEY_BYTES, credentials::API_KEY_PATTERN).write_only(true);
    /// Description of an MCP server.
    ServerDescription = text(0..=registry::MAX_DESCRIPTION_CHARS, NO_NUL);
    /// Name of an HTTP header.
    HeaderName = text(1..=registry::MAX_HEADER_BYTES, "^[A-Za-z0-9-]+$").examples(["X-Api-Key"]);
    /// Name of a tool, or of its argument.
    ToolName = text(1..=registry::MAX_TOOL_NAME_CHARS, registry::TOOL_NAME_PATTERN);
    /// Name of a model at its endpoint.
    EndpointModel = text(1..=models::MAX_MODEL_CHARS, NOT_BLANK_NO_CONTROL).examples(["qwen3:8b"]);
    /// Context window, in tokens.
    ContextTokens = integer(models::CONTEXT_TOKENS);
    /// Length of an answer, in tokens.
    AnswerTokens = integer(models::ANSWER_TOKENS);
    /// Timeout, in seconds.
    TimeoutSeconds = integer(models::TIMEOUT_SECONDS);
    /// Number of concurrent answers.
    Concurrency = integer(models::CONCURRENCY);
    /// Number of values of a vector.
    Dimensions = integer(endpoints::DIMENSIONS);
    /// Length of a text, in tokens.
    InputTokens = integer(endpoints::INPUT_TOKENS);
    /// Number of texts in a request.
    BatchSize = integer(endpoints::BATCH_SIZE);
    /// Timeout of a search endpoint, in milliseconds.
    TimeoutMilliseconds = integer(endpoints::TIMEOUT_MILLISECONDS);
    /// Text before each text to embed.
    TextPrefix = text(0..=endpoints::MAX_PREFIX_CHARS, NO_NUL).examples(["query: "]);
    /// Name of an API key.
    KeyName = text(1..=keys::MAX_NAME_CHARS, NOT_BLANK_NO_CONTROL).examples(["claude-code"]);
    /// Scopes of a key.
    KeyScopes = list::<Scope>(0..=Scope::ALL.len()).unique_items(true);
    /// Names of the libraries that a key is limited to.
    KeyLibraries = list::<LibraryName>(1..=keys::MAX_LIBRARIES).unique_items(true);
    /// Lifetime of a key, in days.
    KeyDays = integer(1..=keys::MAX_DAYS);
    /// Rate limit of a key, in requests per minute.
    KeyRateLimit = integer(1..=keys::MAX_REQUESTS_PER_MINUTE);
    /// First or last name.
    PersonName = text(0..=users::MAX_NAME_CHARS, NO_CONTROL);
    /// Address of a picture, over TLS or on this server; empty for none.
    AvatarUrl = text(0..=users::MAX_AVATAR_CHARS, r"^(https://[A-Za-z0-9\[][!-\[\]-~]*|/([!-.0-\[\]-~][!-\[\]-~]*)?)?$");
    /// User name or email address.
    Login = any_text(0..=MAX_CREDENTIAL_CHARS);
    /// Password that exists.
    CurrentPassword = password(any_text(0..=MAX_CREDENTIAL_CHARS));
    /// New password; one that is easily guessed is refused.
    NewPassword = password(any_text(identity::MIN_PASSWORD_CHARS..=identity::MAX_PASSWORD_CHARS));
    /// Argon2 or bcrypt hash of a password.
    PasswordHash = text(1..=MAX_CREDENTIAL_CHARS, PASSWORD_HASH);
    /// Token of a link or a session.
    SecretToken = any_text(0..=MAX_CREDENTIAL_CHARS);
    /// Token of a device that somebody was signed in with.
    DeviceToken = any_text(0..=MAX_CREDENTIAL_CHARS);
}

/// Number of notifications in one request.
pub(crate) const MAX_NOTIFICATIONS: usize = 200;
const PASSWORD_HASH: &str = concat!(
    r"^(\$2[abxy]\$[0-9]{2}\$[./A-Za-z0-9]{53}",
    r"|\$argon2(id|i|d)\$v=19\$m=[1-9][0-9]{0,5},t=[1-9],p=[1-9]\$([A-Za-z0-9+/]{4}){4}\$([A-Za-z0-9+/]{4}){8,12})$",
);
/// Length of a credential in a description. A longer one is wrong like any other that does not exist.
const MAX_CREDENTIAL_CHARS: usize = 1024;

fn password(text: ObjectBuilder) -> ObjectBuilder {
    text.format(Some(SchemaFormat::KnownFormat(KnownFormat::Password))).write_only(true)
}

/// Pattern of a comma-separated list.
fn list_of(item: &str) -> String {
    format!("^{item}(,{item})*$")
}

/// Pattern of a comma-separated list of names. Empty items are skipped.
fn list_of_names(names: impl Iterator<Item = &'static str>) -> String {
    list_of(&format!("({})?", names.collect::<Vec<_>>().join("|")))
}
