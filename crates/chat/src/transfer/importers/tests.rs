//! Real exports of other programs, and arbitrary input.

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::messages::{MessageRole, MessageStatus};
use crate::source::SourceKind;
use crate::transfer::{chat_id, message_id};

fn now() -> DateTime<Utc> {
    "2026-01-01T00:00:00Z".parse().unwrap()
}

fn read_all(text: &[u8]) -> (Vec<ChatRecord>, ImportReport, Result<(), ParseError>) {
    let (mut chats, mut report) = (Vec::new(), ImportReport::default());
    let read = read(text, now(), &mut report, &mut |chat| {
        chats.push(chat);
        true
    });
    (chats, report, read)
}

#[track_caller]
fn one(value: &Value) -> (ChatRecord, ImportReport) {
    let (mut chats, report, read) = read_all(value.to_string().as_bytes());
    read.unwrap();
    assert_eq!(chats.len(), 1, "{report:?}");
    (chats.remove(0), report)
}

/// Returns roles and texts of the messages, in their order.
fn texts(chat: &ChatRecord) -> Vec<(MessageRole, &str)> {
    chat.messages.iter().map(|message| (message.role, message.content.as_str())).collect()
}

/// Asserts that each message follows its parent, and that ids are unique.
#[track_caller]
fn assert_tree(chat: &ChatRecord) {
    let mut seen = std::collections::HashSet::new();
    for message in &chat.messages {
        assert!(message.parent.is_none_or(|parent| seen.contains(&parent)), "{message:?}");
        assert!(seen.insert(message.message_id), "{message:?}");
    }
    assert!(chat.current.is_none_or(|current| seen.contains(&current)));
}

#[test]
fn perplexica_with_stringified_metadata() {
    let sources = json!([{ "pageContent": "Fastify closes.", "metadata": { "title": "Fastify", "url": "https://fastify.dev/" } }]);
    let metadata = json!({ "createdAt": "2025-07-29T08:15:31.000Z", "sources": sources }).to_string();
    let export = json!({
        "chat": { "id": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b", "title": "How do I close it?", "focusMode": "webSearch",
          "createdAt": "Tue Jul 29 2025 10:15:30 GMT+0200 (Central European Summer Time)", "files": [] },
        "messages": [
          { "id": 1, "content": "How do I close it?", "chatId": "9f86", "messageId": "0a1b2c3d4e5f60", "role": "user",
            "metadata": json!({ "createdAt": "2025-07-29T08:15:30.000Z" }).to_string() },
          // Stringified twice, as one release did.
          { "id": 2, "content": "Call close [1].", "chatId": "9f86", "messageId": "1a1b2c3d4e5f61", "role": "assistant",
            "metadata": json!(metadata).to_string() },
        ],
    });
    let (chat, report) = one(&export);
    assert_eq!(report.dropped_count, 0, "{report:?}");
    assert_eq!(
        texts(&chat),
        [(MessageRole::User, "How do I close it?"), (MessageRole::Assistant, "Call close [1].")]
    );
    assert_eq!(chat.id, chat_id("9f86d081884c7d659a2feaa0c55ad015a3bf4f1b"));
    assert_eq!(chat.external_id.as_deref(), Some("9f86d081884c7d659a2feaa0c55ad015a3bf4f1b"));
    assert_eq!(chat.focus_mode, "webSearch");
    assert_eq!(chat.created_at, "2025-07-29T08:15:30Z".parse::<DateTime<Utc>>().unwrap());
    assert_eq!(chat.messages[1].metadata["external_id"], "1a1b2c3d4e5f61");
    assert_eq!(chat.messages[1].parent, Some(chat.messages[0].message_id));
    assert_eq!(chat.current, Some(chat.messages[1].message_id));
    let source = &chat.messages[1].sources[0];
    assert_eq!((source.number, source.cited, source.kind), (1, true, SourceKind::Web));
    assert_eq!(source.url.as_deref(), Some("https://fastify.dev/"));
    assert_eq!(source.content, "Fastify closes.");
}

#[test]
fn perplexica_with_source_rows_and_with_turns() {
    let rows = json!({
        "chat": { "id": "aa", "title": "T", "createdAt": "2025-10-01T00:00:00.000Z", "sources": ["academic"] },
        "messages": [
          { "type": "user", "messageId": "m1", "content": "Why?", "createdAt": "2025-10-01T00:00:00.000Z" },
          { "type": "source", "messageId": "m2", "sources": [{ "content": "Because.", "metadata": { "title": "B", "url": "https://b.example/" } }] },
          { "type": "assistant", "messageId": "m3", "content": "So [1]." },
        ],
    });
    let (chat, report) = one(&rows);
    assert_eq!((chat.messages.len(), report.dropped_count), (2, 0), "{report:?}");
    assert_eq!(chat.messages[1].sources[0].content, "Because.");
    assert_eq!(chat.messages[1].parent, Some(chat.messages[0].message_id));
    assert_eq!(chat.focus_mode, "academicSearch");
    let turns = json!({
        "chat": { "id": "bb", "title": "T", "createdAt": "2025-12-01T00:00:00.000Z", "sources": ["web"] },
        "messages": [
          { "id": 1, "messageId": "t1", "chatId": "bb", "backendId": "b1", "query": "Why?", "createdAt": "2025-12-01T00:00:00.000Z",
            "status": "completed", "responseBlocks": [
              { "id": "1", "type": "research", "data": { "subSteps": [] } },
              { "id": "2", "type": "source", "data": [{ "content": "Because.", "metadata": { "title": "B", "url": "https://b.example/" } }] },
              { "id": "3", "type": "text", "data": "So [1]." },
              { "id": "4", "type": "suggestion", "data": ["And?"] } ] },
          { "id": 2, "messageId": "t2", "chatId": "bb", "backendId": "b2", "query": "And?", "status": "answering", "responseBlocks": [] },
        ],
    });
    let (chat, report) = one(&turns);
    assert_eq!(
        texts(&chat),
        [(MessageRole::User, "Why?"), (MessageRole::Assistant, "So [1]."), (MessageRole::User, "And?")]
    );
    assert_eq!(report.dropped_count, 1, "{report:?}");
    assert!(chat.messages[1].sources[0].cited);
}

fn open_webui() -> Value {
    json!({
        "id": "7d3f2b52-6f0c-4f43-a8f2-6f9be3f2a001", "user_id": "u", "title": "Closing", "updated_at": 1_753_776_999, "created_at": 1_753_776_930,
        "archived": false, "pinned": true, "meta": { "tags": [] },
        "chat": {
          "title": "Closing", "models": ["llama3"], "timestamp": 1_753_776_930_000_u64,
          "history": { "currentId": "00000000-0000-4000-8000-000000000003", "messages": {
            "00000000-0000-4000-8000-000000000001": { "id": "00000000-0000-4000-8000-000000000001", "parentId": null,
              "childrenIds": ["00000000-0000-4000-8000-000000000002", "00000000-0000-4000-8000-000000000003"],
              "role": "user", "content": "How?", "timestamp": 1_753_776_930 },
            "00000000-0000-4000-8000-000000000002": { "id": "00000000-0000-4000-8000-000000000002",
              "parentId": "00000000-0000-4000-8000-000000000001", "childrenIds": [], "role": "assistant", "content": "So.",
              "model": "llama3", "done": true, "timestamp": 1_753_776_931 },
            "00000000-0000-4000-8000-000000000003": { "id": "00000000-0000-4000-8000-000000000003",
              "parentId": "00000000-0000-4000-8000-000000000001", "childrenIds": [], "role": "assistant", "content": "Or so [1].",
              "timestamp": 1_753_776_940, "sources": [{
                "source": { "id": "c", "name": "manual.pdf", "type": "collection" }, "document": ["Close it.", "Twice."],
                "metadata": [{ "source": "manual.pdf", "name": "manual.pdf", "page": 3 }, { "source": "https://a.example/b", "name": "b" }],
                "distances": [0.5, 0.4] }] },
          } },
          "messages": [],
        },
    })
}

#[test]
fn open_webui_in_each_of_its_forms() {
    let chat = open_webui();
    let bare = chat["chat"].clone();
    let lines = format!("{chat}\n{}\n", json!({ "chat": bare }));
    for (text, count) in [
        (chat.to_string(), 1),
        (json!([chat]).to_string(), 1),
        (json!({ "chats": [{ "chat": bare, "pinned": true }] }).to_string(), 1),
        (bare.to_string(), 1),
        (lines, 2),
        (format!("\n [{chat},\n{chat}] \n"), 2),
    ] {
        let (chats, report, read) = read_all(text.as_bytes());
        read.unwrap();
        assert_eq!((chats.len(), report.dropped_count), (count, 0), "{report:?}");
        for chat in &chats {
            assert_tree(chat);
            assert_eq!(chat.messages.len(), 3);
        }
    }
    let (read, _) = one(&chat);
    assert_eq!(read.id.to_string(), "7d3f2b52-6f0c-4f43-a8f2-6f9be3f2a001");
    assert_eq!((read.external_id.as_deref(), read.pinned), (None, true));
    assert_eq!(
        texts(&read),
        [
            (MessageRole::User, "How?"),
            (MessageRole::Assistant, "So."),
            (MessageRole::Assistant, "Or so [1].")
        ]
    );
    assert_eq!(read.current, Some(read.messages[2].message_id));
    assert_eq!(read.shown().len(), 2);
    let sources = &read.messages[2].sources;
    assert_eq!(
        (sources[0].kind, sources[0].page_from, sources[0].title.as_str()),
        (SourceKind::File, Some(4), "manual.pdf")
    );
    assert_eq!((sources[1].kind, sources[1].cited), (SourceKind::Web, false));
    assert_eq!(read.messages[1].metadata["model"], "llama3");
}

#[test]
fn librechat_as_a_list_and_deeply_nested() {
    let message = |id: &str, parent: &str, user: bool, text: &str| {
        json!({ "messageId": id, "parentMessageId": parent, "isCreatedByUser": user, "sender": "x", "text": text,
                "createdAt": "2025-07-29T08:15:30.000Z", "endpoint": "openAI" })
    };
    let none = "00000000-0000-0000-0000-000000000000";
    let mut parts = message("b", "a", false, "");
    parts["content"] = json!([{ "type": "think", "think": "hm" }, { "type": "text", "text": { "value": "Part one." } },
                              { "type": "tool_call", "tool_call": {} }, { "type": "text", "text": "Part two." }]);
    parts.as_object_mut().unwrap().remove("text");
    let list = json!({ "conversationId": "c1", "endpoint": "openAI", "title": "L", "exportAt": "12:00:00", "branches": true,
                       "recursive": false, "messages": [message("a", none, true, "Q"), parts] });
    let (chat, report) = one(&list);
    assert_eq!(texts(&chat), [(MessageRole::User, "Q"), (MessageRole::Assistant, "Part one.\n\nPart two.")]);
    assert_eq!(report.dropped_count, 0);
    // Deeper than JSON parsers accept.
    let mut nested = String::from("[]");
    for depth in (0..400).rev() {
        let parent = if depth == 0 { none.to_owned() } else { format!("m{}", depth - 1) };
        let mut one =
            message(&format!("m{depth}"), &parent, depth % 2 == 0, &format!("text {depth}")).to_string();
        one.pop();
        nested = format!("[{one},\"children\":{nested}}}]");
    }
    let text = format!(
        "{{\"conversationId\":\"c2\",\"title\":\"Deep\",\"recursive\":true,\"messagesTree\":{nested}}}"
    );
    let (chats, report, read) = read_all(text.as_bytes());
    read.unwrap();
    assert_eq!((chats.len(), report.dropped_count), (1, 0), "{report:?}");
    assert_tree(&chats[0]);
    assert_eq!(chats[0].shown().len(), 400);
}

#[test]
fn chatgpt_without_images_and_tools() {
    let message = |role: &str, kind: &str, parts: Value, time: f64| {
        json!({ "author": { "role": role }, "create_time": time, "content": { "content_type": kind, "parts": parts },
                "recipient": "all", "metadata": { "model_slug": "gpt-4o" } })
    };
    let export = json!([{
        "id": "68889f2b-0000-8000-9000-000000000001", "title": "Cats", "create_time": 1_753_776_930.5, "update_time": 1_753_776_940.0,
        "current_node": "n5",
        "mapping": {
          "root": { "id": "root", "message": null, "parent": null, "children": ["n1"] },
          "n1": { "id": "n1", "parent": "root", "children": ["n2"], "message": message("system", "text", json!([""]), 0.0) },
          "n2": { "id": "n2", "parent": "n1", "children": ["n3"],
            "message": message("user", "multimodal_text", json!([{ "content_type": "image_asset_pointer", "asset_pointer": "file-service://x" }, "What is it?"]), 1_753_776_931.0) },
          "n3": { "id": "n3", "parent": "n2", "children": ["n4"], "message": message("assistant", "code", json!([]), 1_753_776_932.0) },
          "n4": { "id": "n4", "parent": "n3", "children": ["n5"], "message": message("tool", "text", json!(["{}"]), 1_753_776_933.0) },
          "n5": { "id": "n5", "parent": "n4", "children": [], "message": message("assistant", "text", json!(["A cat."]), 1_753_776_934.0) },
        },
    }]);
    let (chat, report) = one(&export);
    assert_eq!(texts(&chat), [(MessageRole::User, "What is it?"), (MessageRole::Assistant, "A cat.")]);
    assert_eq!(chat.messages[1].parent, Some(chat.messages[0].message_id));
    assert_eq!(report.dropped_count, 3, "{report:?}");
    assert!(report.dropped[0].reason.contains("images"), "{report:?}");
    assert_eq!(chat.messages[0].message_id, message_id("68889f2b-0000-8000-9000-000000000001", "n2"));
}

#[test]
fn reasoning_and_marks_of_open_webui_are_left_out_and_counted() {
    let (chats, report, read) = read_all(include_bytes!("../../../tests/data/open-webui-reasoning.json"));
    read.unwrap();
    let contents: Vec<&str> = chats[0].messages.iter().map(|message| message.content.as_str()).collect();
    assert_eq!(
        contents,
        ["How deep is the reservoir?", "It is 40 m deep.", "It is 42 m deep [1].", "Nothing to add."]
    );
    assert!(chats[0].messages[2].sources[0].cited);
    let reasons: Vec<&str> = report.dropped.iter().map(|item| item.reason.as_str()).collect();
    assert_eq!(reasons, ["left out: 1 × reasoning", "left out: 1 × tool calls", "empty message"]);
}

#[test]
fn marks_of_chatgpt_are_left_out_and_its_sources_kept() {
    let (chats, report, read) = read_all(include_bytes!("../../../tests/data/chatgpt-conversations.json"));
    read.unwrap();
    assert_eq!(chats.len(), 1, "{report:?}");
    let message = chats[0].messages.iter().find(|message| message.content.starts_with("The mean")).unwrap();
    assert_eq!(message.content, "The mean is 4.0 bar as stated. Boilerworks agrees.");
    let source = &message.sources[0];
    assert_eq!(
        (source.title.as_str(), source.url.as_deref()),
        ("Boiler page", Some("https://boiler.example.org/p"))
    );
    assert!(source.cited && source.number == 1);
    assert!(report.dropped.iter().any(|item| item.reason == "left out: 3 × citation marks"), "{report:?}");
    assert!(chats[0].messages.iter().any(|message| message.content == "Second branch: a heat curve."));
    assert!(!chats[0].messages.iter().any(|message| message.content.contains("secret thinking")));
}

#[test]
fn children_say_whose_they_are_where_parents_are_not_named() {
    let message = |id: &str, role: &str, children: &[&str]| json!({ "id": id, "role": role, "content": id, "childrenIds": children });
    let messages = [
        ("q", message("q", "user", &["a", "b"])),
        ("a", message("a", "assistant", &[])),
        ("b", message("b", "assistant", &["r"])),
        ("r", message("r", "user", &[])),
    ];
    let tree: Map<String, Value> =
        messages.iter().map(|(id, message)| ((*id).to_owned(), message.clone())).collect();
    let list: Vec<Value> = messages.iter().map(|(_, message)| message.clone()).collect();
    for chat in [
        json!({ "chat": { "history": { "currentId": "r", "messages": tree } } }),
        json!({ "chat": { "messages": list, "history": { "currentId": "r" } } }),
        json!({ "chat": { "messages": list, "currentId": "r" } }),
    ] {
        let (chat, _) = one(&chat);
        let shown: Vec<&str> = chat.shown().iter().map(|message| message.content.as_str()).collect();
        assert_eq!((shown, chat.messages.len()), (vec!["q", "b", "r"], 4));
    }
    let mapping = json!({ "mapping": {
        "x": { "id": "x", "children": ["y"], "message": { "author": { "role": "user" }, "content": { "content_type": "text", "parts": ["q"] } } },
        "y": { "id": "y", "children": [], "message": { "author": { "role": "assistant" }, "content": { "content_type": "text", "parts": ["a"] } } },
    }, "current_node": "y" });
    assert_eq!(one(&mapping).0.shown().len(), 2);
    // Nested under `messages`.
    let nested = json!({ "conversationId": "c", "title": "N", "messages": [
        { "messageId": "1", "isCreatedByUser": true, "text": "q", "children": [
            { "messageId": "2", "isCreatedByUser": false, "text": ":::thinking\nhm\n:::\nanswer", "children": [
                { "messageId": "3", "isCreatedByUser": true, "text": "again" }] }] }] });
    let (chat, _) = one(&nested);
    assert_eq!(
        texts(&chat),
        [(MessageRole::User, "q"), (MessageRole::Assistant, "answer"), (MessageRole::User, "again")]
    );
    assert_eq!(chat.messages[2].parent, Some(chat.messages[1].message_id));
}

#[test]
fn invalid_chats_are_skipped() {
    let good = open_webui();
    // Invalid, nested too deeply, unknown: the others are imported.
    let deep = format!("{}1{}", "[".repeat(5000), "]".repeat(5000));
    let text = format!("[{good},{{\"chat\":{{}},\"messages\":{deep}}},{{\"a\":1}},7,{good}]");
    let (chats, report, read) = read_all(text.as_bytes());
    read.unwrap();
    assert_eq!((chats.len(), report.dropped_count), (2, 3), "{report:?}");
    // Truncated: the chats before are imported.
    let text = json!([good, good]).to_string();
    let (chats, _, read) = read_all(&text.as_bytes()[..text.len() - 9]);
    assert_eq!(chats.len(), 1);
    assert!(matches!(read, Err(ParseError::Invalid { .. })), "{read:?}");
    for nothing in ["", "   ", "{}", "[]", "7", "\"x\"", "null"] {
        let (chats, _, read) = read_all(nothing.as_bytes());
        assert!(chats.is_empty() && read.is_ok(), "{nothing}");
    }
    for broken in ["{", "[1,", "{\"chats\":[", "x", "{\"chat\":{}} ]"] {
        let (chats, _, read) = read_all(broken.as_bytes());
        assert!(chats.is_empty() && read.is_err(), "{broken}");
    }
}

#[test]
fn a_chat_that_needs_too_much_memory_is_skipped() {
    let mut text = String::from("[{\"mapping\":{\"a\":[");
    text.push_str(&"0,".repeat(3_000_000));
    text.push_str("0]}},");
    text.push_str(&open_webui().to_string());
    text.push(']');
    let (chats, report, read) = read_all(text.as_bytes());
    read.unwrap();
    assert_eq!(chats.len(), 1);
    assert_eq!(report.dropped[0].reason, "too large");
}

fn any_json() -> impl Strategy<Value = Value> {
    let names = prop::sample::select(vec![
        "chat",
        "chats",
        "messages",
        "history",
        "mapping",
        "message",
        "messagesTree",
        "children",
        "conversationId",
        "id",
        "parent",
        "parentId",
        "parentMessageId",
        "messageId",
        "role",
        "type",
        "content",
        "parts",
        "text",
        "sources",
        "metadata",
        "currentId",
        "current_node",
        "createdAt",
        "timestamp",
        "title",
        "document",
        "source",
        "responseBlocks",
        "query",
        "data",
        "author",
        "focus_mode",
        "isCreatedByUser",
        "page",
    ]);
    let words = prop::sample::select(vec![
        "user",
        "assistant",
        "source",
        "a",
        "b",
        "\u{0}",
        "[]",
        "{\"sources\":[]}",
        "text",
        "2025-07-29",
        "https://a.example/",
    ]);
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        words.prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 80, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::vec((names.clone(), inner), 0..6).prop_map(|members| members
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value))
                .collect()),
        ]
    })
}

proptest! {
    #[test]
    fn no_json_makes_an_importer_panic(value in any_json()) {
        let (chats, _, _) = read_all(value.to_string().as_bytes());
        chats.iter().for_each(assert_tree);
        // In each format.
        for wrapped in [
            json!({ "chat": value, "messages": [value] }),
            json!({ "history": { "messages": { "a": value, "b": value } }, "messages": [] }),
            json!({ "conversationId": "x", "messages": [value, value] }),
            json!({ "conversationId": "x", "messagesTree": [value] }),
            json!({ "mapping": { "a": { "message": value }, "b": { "message": { "author": { "role": "user" }, "content": value }, "parent": "b" } } }),
            json!({ "focus_mode": "x", "messages": [value] }),
        ] {
            let (chats, _, _) = read_all(wrapped.to_string().as_bytes());
            for chat in &chats {
                assert_tree(chat);
                for message in &chat.messages {
                    assert!(!message.content.contains('\0') && message.status != MessageStatus::Answering);
                }
            }
        }
    }

    #[test]
    fn no_input_makes_an_importer_panic(
        places in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut bytes = format!("[{}]", open_webui()).into_bytes();
        for (place, byte) in places {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        let (chats, _, _) = read_all(&bytes);
        chats.iter().for_each(assert_tree);
        let (chats, _, _) = read_all(&bytes[..cut.index(bytes.len())]);
        chats.iter().for_each(assert_tree);
    }
}
