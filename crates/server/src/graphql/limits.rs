//! Limits of a request, checked before it is executed: bytes, nesting, tokens, fields with those of fragments, then depth and
//! complexity, which count a list by the number of items asked for.

use std::collections::HashMap;

use async_graphql::parser::types::{ExecutableDocument, FragmentDefinition, Selection, SelectionSet};
use async_graphql::{Name, Positioned};

/// Maximum size of a request, in bytes.
pub(super) const MAX_BYTES: usize = 64 << 10;
/// Maximum number of directives on a field.
pub(super) const MAX_DIRECTIVES: usize = 5;
/// Maximum number of fields, with those of fragments wherever they are spread.
const MAX_FIELDS: usize = 2000;
/// Maximum number of fields of the operation itself, where each is a read of its own.
const MAX_ROOT_FIELDS: usize = 30;
/// Maximum nesting of lists of the schema in a question about it. They lead to each other: what follows them in circles is a multiple of the
/// schema.
const MAX_SCHEMA_LISTS: usize = 2;
/// Lists of a type that lead to other types.
const SCHEMA_LISTS: [&str; 4] = ["fields", "inputFields", "interfaces", "possibleTypes"];
/// Maximum nesting of brackets in a document or in variables.
const MAX_NESTING: usize = 64;

/// Checks a document before it is parsed: parsers nest as deep as it does.
///
/// Brackets in strings and comments do not nest. Where a block string has no end, the parser takes its first quotes for an empty string.
pub(super) fn check_nesting(text: &str) -> Result<(), String> {
    let (mut depth, mut rest) = (0_usize, text.as_bytes());
    // Once a block string has no end, none that begins later has one.
    let mut blocks_end = true;
    while let Some((&byte, after)) = rest.split_first() {
        rest = match byte {
            b'#' => after_line(after),
            b'"' => match after.strip_prefix(b"\"\"") {
                Some(block) if blocks_end => after_block(block).unwrap_or_else(|| {
                    blocks_end = false;
                    &after[1..]
                }),
                Some(_) => &after[1..],
                None => after_string(after),
            },
            _ => after,
        };
        match byte {
            b'{' | b'[' | b'(' => depth += 1,
            b'}' | b']' | b')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > MAX_NESTING {
            return Err(format!("the document is nested deeper than {MAX_NESTING} levels"));
        }
    }
    Ok(())
}

/// Returns what follows a comment.
fn after_line(text: &[u8]) -> &[u8] {
    let end = text.iter().position(|byte| matches!(byte, b'\n' | b'\r'));
    end.map_or(&[], |end| &text[end..])
}

/// Returns what follows the rest of a string, which ends at its line's end at the latest.
fn after_string(text: &[u8]) -> &[u8] {
    let mut at = 0;
    while let Some(byte) = text.get(at) {
        match byte {
            b'\\' => at += 2,
            b'"' => return &text[at + 1..],
            b'\n' | b'\r' => return &text[at..],
            _ => at += 1,
        }
    }
    &[]
}

/// Returns what follows the rest of a block string, in which `\"""` ends nothing; `None` if it has no end.
fn after_block(text: &[u8]) -> Option<&[u8]> {
    let mut at = 0;
    while at < text.len() {
        if text[at..].starts_with(b"\\\"\"\"") {
            at += 4;
        } else if text[at..].starts_with(b"\"\"\"") {
            return Some(&text[at + 3..]);
        } else {
            at += 1;
        }
    }
    None
}

/// Checks a document that is parsed: what validation would have to walk.
pub(super) fn check_fields(document: &ExecutableDocument) -> Result<(), String> {
    let mut counts = HashMap::new();
    for (_, operation) in document.operations.iter() {
        let selections = &operation.node.selection_set.node;
        if count(selections, document, &mut counts, 0)? > MAX_FIELDS {
            return Err(format!("the document asks for more than {MAX_FIELDS} fields"));
        }
        if root_fields(selections, document, 0) > MAX_ROOT_FIELDS {
            return Err(format!("an operation has at most {MAX_ROOT_FIELDS} fields"));
        }
        check_introspection(selections, document, 0)?;
    }
    Ok(())
}

/// Counts the fields at the top of an operation, those of fragments there among them. The fields are counted already, so that fragments
/// end.
fn root_fields(selections: &SelectionSet, document: &ExecutableDocument, found: usize) -> usize {
    selections.items.iter().fold(found, |found, selection| {
        if found > MAX_ROOT_FIELDS {
            return found;
        }
        match &selection.node {
            Selection::Field(_) => found + 1,
            Selection::InlineFragment(inline) => {
                root_fields(&inline.node.selection_set.node, document, found)
            }
            Selection::FragmentSpread(spread) => match fragment(document, &spread.node.fragment_name.node) {
                Some((_, fragment)) => root_fields(&fragment.node.selection_set.node, document, found),
                None => found,
            },
        }
    })
}

/// Checks how deep the lists of the schema are nested, as graphql-js does. The fields are counted already, so that fragments end.
fn check_introspection(
    selections: &SelectionSet,
    document: &ExecutableDocument,
    lists: usize,
) -> Result<(), String> {
    for selection in &selections.items {
        let (inner, lists) = match &selection.node {
            Selection::Field(field) => {
                let is_list = SCHEMA_LISTS.contains(&field.node.name.node.as_str());
                (&field.node.selection_set.node, lists + usize::from(is_list))
            }
            Selection::InlineFragment(inline) => (&inline.node.selection_set.node, lists),
            Selection::FragmentSpread(spread) => match fragment(document, &spread.node.fragment_name.node) {
                Some((_, fragment)) => (&fragment.node.selection_set.node, lists),
                None => continue,
            },
        };
        if lists > MAX_SCHEMA_LISTS {
            return Err(format!("lists of the schema are nested deeper than {MAX_SCHEMA_LISTS} levels"));
        }
        check_introspection(inner, document, lists)?;
    }
    Ok(())
}

/// Counts fields; a fragment is counted once and added wherever it is spread.
fn count<'document>(
    selections: &'document SelectionSet,
    document: &'document ExecutableDocument,
    counts: &mut HashMap<&'document Name, Option<usize>>,
    depth: usize,
) -> Result<usize, String> {
    if depth > MAX_NESTING {
        return Err(format!("the document is nested deeper than {MAX_NESTING} levels"));
    }
    let mut total = 0_usize;
    for selection in &selections.items {
        let of_selection = match &selection.node {
            Selection::Field(field) => {
                if field.node.directives.len() > MAX_DIRECTIVES {
                    return Err(format!("a field has at most {MAX_DIRECTIVES} directives"));
                }
                1 + count(&field.node.selection_set.node, document, counts, depth + 1)?
            }
            Selection::InlineFragment(inline) => {
                1 + count(&inline.node.selection_set.node, document, counts, depth + 1)?
            }
            Selection::FragmentSpread(spread) => {
                let name = &spread.node.fragment_name.node;
                match counts.get(name) {
                    Some(Some(known)) => *known,
                    Some(None) => return Err(format!("the fragment {name} spreads itself")),
                    // Validation names a fragment that is missing.
                    None => match fragment(document, name) {
                        Some((name, fragment)) => {
                            counts.insert(name, None);
                            let found =
                                1 + count(&fragment.node.selection_set.node, document, counts, depth + 1)?;
                            counts.insert(name, Some(found));
                            found
                        }
                        None => 1,
                    },
                }
            }
        };
        total = total.saturating_add(of_selection);
    }
    Ok(total)
}

fn fragment<'document>(
    document: &'document ExecutableDocument,
    name: &Name,
) -> Option<(&'document Name, &'document Positioned<FragmentDefinition>)> {
    document.fragments.get_key_value(name)
}

#[cfg(test)]
mod tests {
    use async_graphql::parser::parse_query;
    use serde_json::Value;

    use super::*;

    #[test]
    fn brackets_nest_unless_they_are_in_a_string_or_a_comment() {
        let deep = "{ a ".repeat(MAX_NESTING + 1);
        let nests = |text: &str| check_nesting(text).is_err();
        for before in [
            "",
            "\"\\\"\"",
            "\"\"\"\n\"\"\"",
            "\"\"\" \" \"\"\"",
            "# \"\"\"\n",
            "#\"\n",
            "# {\r",
            "\"\"",
            "\"unended\n",
            "\"\"\" \" ",
            "\"\"\"\\\"\"\" \"",
        ] {
            assert!(nests(&format!("{before}{deep}")), "{before}");
        }
        for (before, after) in [("\"", "\""), ("\"\"\"", "\"\"\""), ("#", ""), ("\"\"\"\\\"\"\"", "\"\"\"")] {
            assert!(!nests(&format!("{{ a(text: {before}{deep}{after}")), "{before}");
        }
    }

    #[test]
    fn the_schema_is_not_walked_in_circles() {
        let check = |text: &str| check_fields(&parse_query(text).unwrap());
        let usual = "{ __schema { types { fields { args { type { ...T } } } inputFields { type { ...T } } possibleTypes { ...T } } } } \
                     fragment T on __Type { ofType { ofType { ofType { name } } } }";
        assert!(check(usual).is_ok());
        for circle in [
            "{ __schema { types { fields { type { fields { type { fields { name } } } } } } } }",
            "{ __type(name: \"Post\") { fields { type { ofType { interfaces { possibleTypes { name } } } } } } }",
            "{ __schema { types { a: fields { type { ...T } } } } } fragment T on __Type { fields { type { ...U } } } \
             fragment U on __Type { ... on __Type { inputFields { name } } }",
        ] {
            assert!(check(circle).is_err(), "{circle}");
        }
    }

    #[test]
    fn fields_at_the_top_are_counted_in_fragments_too() {
        let fields = |count: usize| "viewer { name } ".repeat(count);
        let check = |text: &str| check_fields(&parse_query(text).unwrap());
        let inline = |count| format!("{{ ... on Query {{ {} }} }}", fields(count));
        let spread =
            |count| format!("{{ b: viewer {{ name }} ...F }} fragment F on Query {{ {} }}", fields(count));
        assert!(check(&inline(30)).is_ok() && check(&spread(29)).is_ok());
        assert!(check(&inline(31)).is_err() && check(&spread(30)).is_err());
        assert!(check(&format!("{{ ...F ...F }} fragment F on Query {{ {} }}", fields(16))).is_err());
    }

    #[test]
    fn hostile_documents_do_not_panic() {
        let examples: Vec<&[u8]> = vec![
            b"query A($id: ID! = \"x\", $n: [Int!]) @x { posts(first: $n) { ...P } } fragment P on Post { id a: text @skip(if: true) }",
            b"mutation { a: like(target: { post: \"1\" }) { ... on Likes { liked } } }",
            b"subscription { comments(post: \"\"\"block \\\"\"\" \"\"\", after: null) { text } } # comment",
            b"{ a(x: [1.5e3, -0, ENUM, { y: $z }]) { b { c { d } } } }",
        ];
        testkit::fuzz("graphql document", &examples, |bytes| {
            let Ok(text) = std::str::from_utf8(bytes) else { return };
            if check_nesting(text).is_ok()
                && let Ok(document) = parse_query(text)
            {
                let _ = check_fields(&document);
            }
        });
        let variables: Vec<&[u8]> = vec![b"{\"id\":\"1\",\"n\":[1,null,2.5],\"o\":{\"post\":true}}", b"{}"];
        testkit::fuzz("graphql variables", &variables, |bytes| {
            if let Ok(Value::Object(members)) = serde_json::from_slice(bytes) {
                drop(async_graphql::Variables::from_json(Value::Object(members)));
            }
        });
    }
}
