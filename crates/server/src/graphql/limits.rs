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
/// Maximum nesting of brackets in a document or in variables.
const MAX_NESTING: usize = 64;

/// Checks a document before it is parsed: parsers nest as deep as it does.
pub(super) fn check_nesting(text: &str) -> Result<(), String> {
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    for byte in text.bytes() {
        if in_string {
            // A string ends at its line's end at the latest, whatever follows is refused by the parser.
            in_string = escaped || !matches!(byte, b'"' | b'\n');
            escaped = !escaped && byte == b'\\';
            continue;
        }
        match byte {
            b'"' => in_string = true,
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

/// Checks a document that is parsed: what validation would have to walk.
pub(super) fn check_fields(document: &ExecutableDocument) -> Result<(), String> {
    let mut counts = HashMap::new();
    for (_, operation) in document.operations.iter() {
        let selections = &operation.node.selection_set.node;
        if count(selections, document, &mut counts, 0)? > MAX_FIELDS {
            return Err(format!("the document asks for more than {MAX_FIELDS} fields"));
        }
        if selections.items.len() > MAX_ROOT_FIELDS {
            return Err(format!("an operation has at most {MAX_ROOT_FIELDS} fields"));
        }
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
