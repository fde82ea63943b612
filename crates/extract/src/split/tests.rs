//! Properties of the splitter, tested on generated documents, and examples.

use proptest::prelude::*;

use crate::builder::DocumentBuilder;
use crate::model::{BlockKind, ContentType, Limits, ParsedDocument, Passage};
use crate::split::block::{MAX_WIDTH, width};
use crate::split::split;

fn passages(parsed: &ParsedDocument) -> Vec<Passage> {
    split(parsed, &Limits::default()).unwrap()
}

#[derive(Debug, Clone)]
enum Part {
    Heading(u8, String),
    Text(String, bool),
    Code(String),
    Table(Vec<Vec<String>>),
    Api(String),
}

fn words(max_words: usize) -> impl Strategy<Value = String> {
    let word = prop_oneof![
        8 => "[a-z]{1,12}[.,]?",
        2 => "[数据库服务器配置]{1,30}[。，！]?",
        1 => "[a-z]{100,2500}",
        1 => Just("\n".to_owned()),
        1 => Just("\n\n- item".to_owned()),
        1 => Just("\n\n```\ncode\n\nmore\n```\n\n".to_owned()),
    ];
    prop::collection::vec(word, 1..max_words).prop_map(|words| words.join(" "))
}

fn part() -> impl Strategy<Value = Part> {
    prop_oneof![
        3 => (1_u8..7, "[A-Za-z]{1,30}").prop_map(|(level, title)| Part::Heading(level, title)),
        6 => (words(200), any::<bool>()).prop_map(|(text, anchor)| Part::Text(text, anchor)),
        2 => words(120).prop_map(Part::Code),
        1 => prop::collection::vec(prop::collection::vec(words(8), 1..4), 1..30).prop_map(Part::Table),
        1 => words(400).prop_map(Part::Api),
    ]
}

fn document(parts: &[Part]) -> Option<ParsedDocument> {
    let mut builder = DocumentBuilder::new(&Limits::default());
    for part in parts {
        match part {
            Part::Heading(level, title) => builder.heading(*level, title, Some(title)),
            Part::Text(text, anchor) => builder.text(text, anchor.then_some("own")),
            Part::Code(code) => builder.code("sh", code, None),
            Part::Table(rows) => builder.table(rows, None),
            Part::Api(text) => builder.api(text, Some("member"), vec!["Name.of".to_owned()]),
        }
        .unwrap();
    }
    builder.finish().ok()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    #[test]
    fn passages_are_ranges_in_order_that_cover_every_block(parts in prop::collection::vec(part(), 1..14)) {
        let Some(parsed) = document(&parts) else { return Ok(()) };
        let characters: Vec<(usize, char)> = parsed.text.char_indices().collect();
        let byte = |character: u32| characters.get(character as usize).map_or(parsed.text.len(), |(at, _)| *at);
        let mut covered = vec![false; parsed.text.len()];
        let mut last = 0;
        for passage in passages(&parsed) {
            let range = byte(passage.characters.0)..byte(passage.characters.1);
            prop_assert!(range.start >= last);
            last = range.end;
            prop_assert_eq!(&parsed.text[range.clone()], &passage.content);
            let line = parsed.text[..range.start].matches('\n').count() + 1;
            prop_assert_eq!((passage.lines.0 as usize, passage.lines.1 as usize), (line, line + passage.content.matches('\n').count()));
            prop_assert!(width(&passage.content) <= MAX_WIDTH, "{} wide", width(&passage.content));
            covered[range].fill(true);
        }
        for block in parsed.blocks.iter().filter(|block| !matches!(block.kind, BlockKind::Heading { .. })) {
            for (at, character) in parsed.text[block.range.clone()].char_indices() {
                prop_assert!(character.is_whitespace() || covered[block.range.start + at], "{:?}", &block);
            }
        }
    }
}

fn passages_of(parts: &[Part]) -> Vec<(ContentType, Vec<String>, String)> {
    passages(&document(parts).unwrap())
        .into_iter()
        .map(|passage| (passage.content_type, passage.headings, passage.content))
        .collect()
}

fn heading(level: u8, title: &str) -> Part {
    Part::Heading(level, title.to_owned())
}

fn text(text: &str) -> Part {
    Part::Text(text.to_owned(), false)
}

#[test]
fn tiny_sections_are_merged_under_their_parent() {
    let parts = [
        heading(1, "Top"),
        heading(2, "A"),
        text("One."),
        heading(2, "B"),
        text("Two."),
        heading(1, "Next"),
        text("Three."),
    ];
    assert_eq!(
        passages_of(&parts),
        [
            (ContentType::Text, vec!["Top".to_owned()], "## A\n\nOne.\n\n## B\n\nTwo.".to_owned()),
            (ContentType::Text, vec!["Next".to_owned()], "# Next\n\nThree.".to_owned()),
        ]
    );
}

#[test]
fn code_stays_with_its_introduction_and_members_stay_alone() {
    let prose = "A sentence of some length. ".repeat(40);
    let code = "call();\n".repeat(60);
    let parts = [
        text(&prose),
        text("Like this:"),
        Part::Code(code.clone()),
        Part::Api("one".into()),
        Part::Api("two".into()),
    ];
    let built = passages_of(&parts);
    assert_eq!(built.len(), 4, "{built:?}");
    assert_eq!(built[0].2, prose.trim());
    assert!(built[1].2.starts_with("Like this:\n\n```sh\ncall();") && built[1].0 == ContentType::Code);
    assert_eq!((built[2].0, built[3].0), (ContentType::Api, ContentType::Api));
}

#[test]
fn chinese_text_is_split_at_sentences() {
    let parts = [text(&"数据库的查询计划由优化器生成。统计信息决定它的代价估计！".repeat(40))];
    let built = passages_of(&parts);
    assert!(built.len() > 2);
    assert!(built.iter().all(|(_, _, content)| content.ends_with(['。', '！'])), "{built:?}");
}

#[test]
fn tables_are_split_between_rows_and_code_at_blank_lines() {
    let rows: Vec<Vec<String>> =
        (0..100).map(|number| vec![format!("name {number}"), "what it means".repeat(3)]).collect();
    let code = "fn f() {\n    body();\n}\n\n".repeat(150);
    let built = passages_of(&[Part::Table(rows), heading(1, "Code"), Part::Code(code)]);
    for (kind, _, content) in &built {
        match kind {
            ContentType::Table => assert!(content.starts_with("| ") && content.ends_with('|'), "{content}"),
            _ => assert!(content.ends_with('}') || content.ends_with("```"), "{content}"),
        }
    }
}
