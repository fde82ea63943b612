//! `errors.md`: the types of problems.

use super::{cell, code, table};
use crate::http::problem_types::ALL;

pub(super) fn render() -> String {
    let mut text = String::from(
        "# Error reference\n\n\
         Errors of the HTTP API are problem details ([RFC 9457](https://www.rfc-editor.org/rfc/rfc9457)), \
         `application/problem+json`. `type` is `urn:wenyuan:problem:` and one of the names below, `title` the reason phrase of the \
         status, `detail` what is wrong and what to do, `request_id` the id under which the log has the request. APIs of other \
         products (`/v1`, `/api/v2`, `/mcp` …) answer in their own formats.\n\n",
    );
    let rows = ALL.iter().map(|kind| {
        let status = kind.status;
        let phrase = status.canonical_reason().unwrap_or_default();
        vec![code(kind.name), format!("{} {phrase}", status.as_u16()), cell(kind.meaning)]
    });
    text.push_str(&table(&["Type", "Status", "Meaning"], rows));
    text
}
