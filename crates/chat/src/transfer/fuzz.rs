//! Fuzz tests of the files that people import.

use std::path::Path;

use chrono::DateTime;

use super::{ImportReport, MAX_CHAT_MESSAGES, importers, ndjson};

/// Reads a file of `tests/data`.
fn data(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name);
    std::fs::read(path).expect("a file of tests/data")
}

#[test]
fn any_export_of_another_program_is_read_or_refused() {
    let (chatgpt, open_webui) = (data("chatgpt-conversations.json"), data("open-webui-reasoning.json"));
    let others: [&[u8]; 2] = [
        br#"{"conversationId":"a","title":"T","messages":[{"messageId":"m","parentMessageId":null,"sender":"User","text":"Hi"}]}"#,
        br#"{"chat":{"id":"c","title":"T","createdAt":"2024-05-01"},"messages":[{"role":"user","content":"Hi","sources":[]}]}"#,
    ];
    testkit::fuzz("import", &[&chatgpt, &open_webui, others[0], others[1]], |file| {
        let (mut report, now) = (ImportReport::default(), DateTime::UNIX_EPOCH);
        importers::read_to_end(file, now, &mut report, &mut |chat| {
            assert!(chat.messages.len() <= MAX_CHAT_MESSAGES);
            true
        });
    });
}

#[test]
fn any_history_is_read_or_refused() {
    let history: &[u8] =
        br#"{"type":"history","format":"wenyuan-history","version":1,"exported_at":"2026-01-01T00:00:00Z"}
{"type":"chat","id":"018f0000-0000-7000-8000-000000000001","title":"T","created_at":"2026-01-01T00:00:00Z"}
{"type":"message","id":"018f0000-0000-7000-8000-000000000002","role":"user","content":"Hi"}
"#;
    testkit::fuzz("history", &[history], |file| {
        ndjson::is_history(file);
        let mut report = ImportReport::default();
        ndjson::read(file, &mut report, &mut |_item| true).expect("bytes in memory");
    });
}
