//! The types of problems: the names that programs tell errors by, each with its status and meaning.
//!
//! `docs/reference/errors.md` is generated from `ALL`.

use axum::http::StatusCode;

/// Type of a problem. Its URN is `urn:wenyuan:problem:NAME` (RFC 9457, section 3.1.1).
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ProblemType {
    pub(crate) name: &'static str,
    pub(crate) status: StatusCode,
    pub(crate) meaning: &'static str,
}

macro_rules! problem_types {
    ($($constant:ident = $name:literal, $status:ident, $meaning:literal;)*) => {
        $(
            #[doc = $meaning]
            pub(super) static $constant: ProblemType =
                ProblemType { name: $name, status: StatusCode::$status, meaning: $meaning };
        )*

        /// All types, by status.
        #[cfg(test)]
        pub(crate) static ALL: &[&ProblemType] = &[$(&$constant),*];
    };
}

problem_types! {
    INVALID = "invalid", BAD_REQUEST,
        "The request is malformed or a value is out of bounds. `parameter` names the member, if it is one. Also used with 405, 408, 415 and other statuses of the framework.";
    SIGN_IN = "sign-in", UNAUTHORIZED,
        "Credentials are missing, wrong, expired or revoked.";
    FORBIDDEN = "forbidden", FORBIDDEN,
        "The caller is known and is not allowed to do this.";
    NOT_FOUND = "not-found", NOT_FOUND,
        "The resource does not exist, or the caller is not allowed to see it.";
    NO_LIBRARY = "no-library", NOT_FOUND,
        "There is no such library. `nearest` has names like it.";
    NO_VERSION = "no-version", NOT_FOUND,
        "The library has no such version; no other answers in its place. `present` lists its versions, `nearest` one like it.";
    METHOD_NOT_ALLOWED = "method-not-allowed", METHOD_NOT_ALLOWED,
        "The path does not support the method.";
    CONFLICT = "conflict", CONFLICT,
        "The state of the resource does not allow this.";
    NAME_TAKEN = "name-taken", CONFLICT,
        "The name or the email address is in use.";
    NO_MODEL = "no-model", CONFLICT,
        "Semantic search was required and is not available.";
    IN_PROGRESS = "in-progress", CONFLICT,
        "A request with the same `Idempotency-Key` is being processed. Retry after `Retry-After`.";
    CHANGED_SINCE = "changed-since", PRECONDITION_FAILED,
        "The resource changed since the state in `If-Match`. Read it again.";
    TOO_LARGE = "too-large", PAYLOAD_TOO_LARGE,
        "The body or a file is larger than the limit.";
    IDEMPOTENCY_KEY_USED = "idempotency-key-used", UNPROCESSABLE_ENTITY,
        "The `Idempotency-Key` was used for another request.";
    PRECONDITION_REQUIRED = "precondition-required", PRECONDITION_REQUIRED,
        "The change needs an `If-Match` header (RFC 6585).";
    TOO_MANY_REQUESTS = "too-many-requests", TOO_MANY_REQUESTS,
        "A rate limit is exceeded, or too many sign-ins failed. Retry after `Retry-After`.";
    INTERNAL = "internal", INTERNAL_SERVER_ERROR,
        "The server failed. Its log has the cause under the request id.";
    MODEL_FAILED = "model-failed", BAD_GATEWAY,
        "The language model or a search endpoint failed or did not answer in time.";
    BUSY = "busy", SERVICE_UNAVAILABLE,
        "The server, its database or a language model is busy or restarting. Retry after `Retry-After`.";
}
