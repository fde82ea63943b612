//! Round trips of the format, and invalid lines.

use proptest::prelude::*;
use serde_json::json;

use super::*;

fn items(text: &[u8]) -> (Vec<Item>, ImportReport) {
    let (mut items, mut report) = (Vec::new(), ImportReport::default());
    read(text, &mut report, &mut |item| {
        items.push(item);
        true
    })
    .unwrap();
    (items, report)
}

fn hash(content: &str) -> String {
    hex::encode(Sha256::digest(content.as_bytes()))
}

fn lines() -> String {
    let (chat, question, answer) = (Uuid::from_u128(1), Uuid::from_u128(2), Uuid::from_u128(3));
    let time = "2026-01-02T03:04:05.678901Z";
    let all = [
        json!({ "type": "history", "format": 1 }),
        json!({ "type": "chat", "id": chat, "title": "怎么关闭?", "focus_mode": "librarySearch", "library": "fastify", "pinned": false,
                "archived": true, "created_at": time, "updated_at": time, "current": answer }),
        json!({ "type": "message", "chat": chat, "message_id": question, "parent": null, "role": "user", "content": "怎么关闭?",
                "status": "complete", "metadata": {}, "created_at": time, "sources": [] }),
        json!({ "type": "quote", "sha256": hash("Call close."), "content": "Call close." }),
        json!({ "type": "message", "chat": chat, "message_id": answer, "parent": question, "role": "assistant",
                "content": "Call close [1].", "status": "complete", "metadata": { "milliseconds": 3.5 }, "created_at": time,
                "sources": [{ "number": 1, "rank": 1, "kind": "passage", "cited": true, "sha256": hash("Call close."),
                              "character_from": 0, "character_to": 11, "library": "fastify", "version": "5.2.1",
                              "follows_active": true, "path": "a.md", "title": "A", "section": ["A", "B"], "stale": "changed" }],
                "verdict": { "verdict": "good", "reason": "", "correction": "" } }),
        json!({ "type": "file", "chat": chat, "file_id": Uuid::from_u128(4), "name": "a.txt", "sha256": hash("hello"), "size": 5,
                "uploaded_at": time }),
        json!({ "type": "bytes", "sha256": hash("hello"), "base64": "aGVsbG8=" }),
        json!({ "type": "end", "chats": 1, "messages": 2, "files": 1 }),
    ];
    all.map(|line| format!("{line}\n")).concat()
}

#[test]
fn a_round_trip_changes_nothing() {
    let (items, report) = items(lines().as_bytes());
    assert_eq!((items.len(), report.dropped_count), (6, 0), "{report:?}");
    let mut written = Vec::new();
    let mut chat_id = Uuid::nil();
    for item in items {
        written.push(match item {
            Item::Chat(chat) => {
                chat_id = chat.id;
                Line::chat(&chat)
            }
            Item::Quote(hash, content) => Line::Quote { sha256: hex::encode(hash), content },
            Item::Message(message) => Line::message(chat_id, *message),
            Item::File(file) => Line::File { chat: chat_id, file },
            Item::Bytes(piece) => Line::bytes(&hash("hello"), &piece),
        });
    }
    let original: Vec<Value> = lines().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let again: Vec<Value> = written.iter().map(|line| serde_json::to_value(line).unwrap()).collect();
    assert_eq!(again, original[1..7]);
    // The second round trip is the same byte for byte.
    let bytes =
        [Line::History { format: 1 }].iter().chain(&written).flat_map(Line::to_bytes).collect::<Vec<_>>();
    let (items, _) = self::items(&bytes);
    assert_eq!(items.len(), 6);
    assert!(is_history(&bytes) && is_history(lines().as_bytes()) && !is_history(b"{}") && !is_history(b""));
}

#[test]
fn invalid_lines_are_reported_and_skipped() {
    let whole = lines();
    let without =
        |part: &str| whole.lines().filter(|line| !line.contains(part)).collect::<Vec<_>>().join("\n");
    for (text, reason) in [
        (without("\"quote\""), "invalid source 1"),
        (without("\"chat\",\"id\"").replace("\"type\":\"chat\"", "\"type\":\"other\""), "invalid line"),
        (without("\"end\""), "incomplete"),
        (without("\"file_id\""), "belong to no file"),
        (whole.replace("\"Call close.\"", "\"Call open.\""), "does not match its hash"),
        (whole.replace("\"format\":1", "\"format\":2"), "unsupported format 2"),
        (whole.replace("aGVsbG8=", "!"), "invalid base64"),
        (whole.replace("\"good\"", "\"fine\""), "verdict"),
        (whole.replace("{\"chat\"", "{"), "invalid line"),
    ] {
        let (_, report) = items(text.as_bytes());
        assert!(report.dropped.iter().any(|item| item.reason.contains(reason)), "{reason}: {report:?}");
    }
    // A line that is too long is skipped without being held in memory.
    let long = format!("{{\"type\":\"x\"{}\n{whole}", " ".repeat(MAX_LINE_BYTES + 5));
    let (items, report) = items(long.as_bytes());
    assert_eq!((items.len(), report.dropped_count), (6, 1), "{report:?}");
}

proptest! {
    #[test]
    fn no_input_makes_it_panic(
        places in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut bytes = lines().into_bytes();
        for (index, byte) in places {
            let index = index.index(bytes.len());
            bytes[index] = byte;
        }
        items(&bytes);
        items(&bytes[..cut.index(bytes.len())]);
    }
}
