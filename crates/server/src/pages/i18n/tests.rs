//! Completeness of the catalogues: both languages have the same keys with the same arguments, and each key is used.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use fluent_syntax::ast::{Entry, Expression, InlineExpression, Pattern, PatternElement};
use fluent_syntax::parser;

use super::*;

/// Returns the keys of a language with their arguments.
fn keys(folder: &str) -> BTreeMap<String, BTreeSet<String>> {
    let mut keys = BTreeMap::new();
    for name in Files::iter().filter(|name| name.starts_with(&format!("{folder}/"))) {
        let file = Files::get(&name).expect("a file");
        let text = std::str::from_utf8(&file.data).expect("text");
        let read = parser::parse(text).unwrap_or_else(|(_, errors)| panic!("{name}: {errors:?}"));
        for entry in read.body {
            match entry {
                Entry::Message(message) => {
                    let key = message.id.name.to_owned();
                    let value = message.value.unwrap_or_else(|| panic!("{name}: {key} has no text"));
                    let mut values = BTreeSet::new();
                    of_pattern(&value, &mut values);
                    assert!(keys.insert(key.clone(), values).is_none(), "{name}: duplicate key {key}");
                }
                Entry::Junk { content } => panic!("{name}: {content}"),
                _ => {}
            }
        }
    }
    keys
}

fn of_pattern(pattern: &Pattern<&str>, values: &mut BTreeSet<String>) {
    for element in &pattern.elements {
        match element {
            PatternElement::Placeable { expression: Expression::Inline(inline) } => of_inline(inline, values),
            PatternElement::Placeable { expression: Expression::Select { selector, variants } } => {
                of_inline(selector, values);
                for variant in variants {
                    of_pattern(&variant.value, values);
                }
            }
            PatternElement::TextElement { .. } => {}
        }
    }
}

fn of_inline(inline: &InlineExpression<&str>, values: &mut BTreeSet<String>) {
    match inline {
        InlineExpression::VariableReference { id } => {
            values.insert(id.name.to_owned());
        }
        InlineExpression::Placeable { expression } => {
            if let Expression::Inline(inline) = expression.as_ref() {
                of_inline(inline, values);
            }
        }
        _ => {}
    }
}

/// Collects templates and Rust sources below a folder.
fn collect_sources(folder: &Path, sources: &mut Vec<String>) {
    for entry in std::fs::read_dir(folder).expect("a folder").flatten() {
        let path: PathBuf = entry.path();
        if path.is_dir() {
            collect_sources(&path, sources);
        } else if path.ends_with("i18n/tests.rs") {
            // This file contains the patterns themselves.
        } else if path
            .extension()
            .is_some_and(|extension| ["html", "rs", "xml"].iter().any(|known| extension == *known))
        {
            sources.push(std::fs::read_to_string(path).expect("text"));
        }
    }
}

/// Returns the first argument of each `call("…")` in a source.
fn arguments_of<'text>(text: &'text str, call: &str) -> Vec<&'text str> {
    text.split(call)
        .skip(1)
        .filter_map(|rest| rest.trim_start().strip_prefix('"')?.split('"').next())
        .collect()
}

#[test]
fn both_languages_have_the_same_keys_and_arguments() {
    let (english, chinese) = (keys("en"), keys("zh-CN"));
    assert!(english.len() > 20);
    for (key, values) in &english {
        assert_eq!(Some(values), chinese.get(key), "{key} in zh-CN");
    }
    // The English explanations of settings are those of `--help`; another test checks them.
    // Those of reasons are in the code, and `reason` has a test too.
    let is_chinese_only = |key: &str| ["setting-", "reason-"].iter().any(|start| key.starts_with(start));
    for key in chinese.keys().filter(|key| !is_chinese_only(key)) {
        assert!(english.contains_key(key), "en has no {key}");
    }
}

#[test]
fn every_setting_is_explained() {
    let command = crate::cli::command();
    let settings: Vec<_> = crate::settings::definitions(&command).collect();
    let mut explained: BTreeSet<String> =
        keys("zh-CN").into_keys().filter(|key| key.starts_with("setting-")).collect();
    assert!(settings.len() > 20);
    for setting in settings {
        let key = format!("setting-{}", setting.flag().trim_start_matches('-'));
        assert!(explained.remove(&key), "{key} is not in zh-CN");
    }
    assert!(explained.is_empty(), "there is no such setting: {explained:?}");
}

#[test]
fn each_used_key_exists_and_each_key_is_used() {
    let known = keys("en");
    let (mut sources, root) = (Vec::new(), Path::new(env!("CARGO_MANIFEST_DIR")));
    collect_sources(&root.join("web/templates"), &mut sources);
    collect_sources(&root.join("src/pages"), &mut sources);
    let (mut used, mut families) = (BTreeSet::new(), BTreeSet::new());
    for text in &sources {
        for call in [".t(", ".t_count(", ".t_with(", ".t_all(", ".t_ago("] {
            used.extend(arguments_of(text, call));
        }
        families.extend(arguments_of(text, ".t_enum("));
    }
    for key in &used {
        assert!(known.contains_key(*key), "no catalogue has {key}");
    }
    let is_used = |key: &str| {
        used.contains(key)
            || families
                .iter()
                .any(|family| key.strip_prefix(family).is_some_and(|rest| rest.starts_with('-')))
    };
    let unused: Vec<&String> = known.keys().filter(|key| !is_used(key)).collect();
    assert!(unused.is_empty(), "no page uses {unused:?}");
}

#[test]
fn numbers_are_grouped_and_plurals_follow_the_language() {
    assert_eq!([0, 999, 1000, -1_234_567].map(number), ["0", "999", "1,000", "-1,234,567"]);
    let translate = |language, count: i64| {
        Translations::of(language).translate("count-documents", &[("count", count.into())]).into_owned()
    };
    assert_eq!(translate(Language::English, 1), "1 document");
    assert_eq!(translate(Language::English, 1200), "1,200 documents");
    assert_eq!(translate(Language::Chinese, 1), "1 篇文档");
}
