//! Pages of results with opaque cursors.

use std::collections::HashMap;
use std::fmt;
use std::hash::Hash;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use utoipa::openapi::SchemaFormat;

/// Longest accepted cursor. A position is a handful of values, so a longer text is not one of ours.
const MAX_CURSOR_BYTES: usize = 1024;
/// Alphabet of base64url.
const CURSOR_PATTERN: &str = "^[A-Za-z0-9_-]+$";

/// A page of results and the cursor of the next.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Page<T> {
    /// Results on this page, in the order of the query.
    pub items: Vec<T>,
    /// Place behind each item: a page that starts there begins with the item after it. Empty where items have none of their own.
    #[serde(skip)]
    pub cursors: Vec<Cursor>,
    /// Start of the next page; `None` on the last.
    pub next: Option<Cursor>,
}

impl<T> Page<T> {
    /// Builds a page from rows that were read with a limit of `limit + 1`: the extra row only shows that there are more.
    /// `cursor` makes the cursor behind a row.
    pub fn from_rows(mut rows: Vec<T>, limit: usize, cursor: impl Fn(&T) -> Cursor) -> Self {
        let has_more = rows.len() > limit;
        rows.truncate(limit);
        let cursors: Vec<Cursor> = rows.iter().map(cursor).collect();
        let next = if has_more { cursors.last().cloned() } else { None };
        Self { items: rows, cursors, next }
    }

    /// Builds the first page of each of several lists from rows with the key of their list. Of each list one row more than its limit was
    /// read; one without a limit is left out.
    pub fn of_lists<K: Eq + Hash>(
        rows: impl IntoIterator<Item = (K, T)>,
        limits: &Limits<K>,
        cursor: impl Fn(&T) -> Cursor,
    ) -> HashMap<K, Self> {
        let mut lists: HashMap<K, Vec<T>> = HashMap::new();
        for (key, row) in rows {
            lists.entry(key).or_default().push(row);
        }
        let page = |(key, rows)| {
            let limit = *limits.0.get(&key)?;
            Some((key, Self::from_rows(rows, limit, &cursor)))
        };
        lists.into_iter().filter_map(page).collect()
    }

    /// Returns a page of the first `limit` items.
    #[must_use]
    pub fn first(&self, limit: usize) -> Self
    where
        T: Clone,
    {
        if self.items.len() <= limit {
            return self.clone();
        }
        let (items, cursors) = (self.items.iter().take(limit), self.cursors.iter().take(limit));
        let cursors: Vec<Cursor> = cursors.cloned().collect();
        Self { items: items.cloned().collect(), next: cursors.last().cloned(), cursors }
    }

    /// Converts the items.
    pub fn map<U>(self, convert: impl FnMut(T) -> U) -> Page<U> {
        let Self { items, cursors, next } = self;
        Page { items: items.into_iter().map(convert).collect(), cursors, next }
    }
}

/// Maximum number of items to read of each of several lists, by the keys of the lists.
#[derive(Debug)]
pub struct Limits<K>(HashMap<K, usize>);

impl<K: Copy> Limits<K> {
    /// Returns the ids of the lists, and the number of rows to read of each: one more than its limit, as [`Page::of_lists`] expects.
    pub fn to_rows<I>(&self, id: impl Fn(K) -> I) -> (Vec<I>, Vec<i64>) {
        let rows = |limit: usize| i64::try_from(limit + 1).unwrap_or(i64::MAX);
        self.0.iter().map(|(key, limit)| (id(*key), rows(*limit))).unzip()
    }
}

/// A list that is there more than once has its highest limit.
impl<K: Eq + Hash> FromIterator<(K, usize)> for Limits<K> {
    fn from_iter<T: IntoIterator<Item = (K, usize)>>(items: T) -> Self {
        let mut limits = HashMap::new();
        for (key, limit) in items {
            let highest = limits.entry(key).or_insert(limit);
            *highest = limit.max(*highest);
        }
        Self(limits)
    }
}

/// Start of a page, opaque to clients: base64url of JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Cursor(String);

crate::schema! {
    Cursor = crate::schema::text(1..=MAX_CURSOR_BYTES, CURSOR_PATTERN)
        .format(Some(SchemaFormat::Custom("cursor".to_owned())))
        .description(Some("Start of a page, as `next` of the page before; opaque."));
}

/// A cursor that this service did not issue.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid cursor")]
pub struct InvalidCursor;

impl Cursor {
    /// Encodes a position.
    pub fn encode(position: &impl Serialize) -> Self {
        // Positions are tuples and structs of plain values, which JSON can always express.
        Self(URL_SAFE_NO_PAD.encode(serde_json::to_vec(position).unwrap_or_default()))
    }

    /// Decodes the position.
    ///
    /// # Errors
    /// When the cursor is not base64url of a JSON `P`.
    pub fn decode<P: DeserializeOwned>(&self) -> Result<P, InvalidCursor> {
        let bytes = URL_SAFE_NO_PAD.decode(&self.0).map_err(|_invalid| InvalidCursor)?;
        serde_json::from_slice(&bytes).map_err(|_invalid| InvalidCursor)
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

impl FromStr for Cursor {
    type Err = InvalidCursor;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.len() > MAX_CURSOR_BYTES { Err(InvalidCursor) } else { Ok(Self(text.to_owned())) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_decodes_to_the_encoded_position() {
        let cursor = Cursor::encode(&("接口", 7_u32));
        let text = cursor.to_string();
        assert_eq!(text.parse::<Cursor>().unwrap().decode::<(String, u32)>(), Ok(("接口".to_owned(), 7)));
    }

    #[test]
    fn a_foreign_cursor_is_refused() {
        assert_eq!("!!".parse::<Cursor>().unwrap().decode::<u32>(), Err(InvalidCursor));
        assert_eq!("a".repeat(2000).parse::<Cursor>(), Err(InvalidCursor));
    }

    #[test]
    fn the_extra_row_only_shows_that_there_are_more() {
        let page = Page::from_rows(vec![1, 2, 3], 2, Cursor::encode);
        assert_eq!(page.items, [1, 2]);
        assert_eq!(page.cursors.len(), 2);
        assert_eq!(page.next.unwrap().decode::<i32>(), Ok(2));
        assert_eq!(Page::from_rows(vec![1, 2], 2, Cursor::encode).next, None);
    }

    #[test]
    fn several_lists_have_a_page_each() {
        let rows = [('a', 1), ('b', 7), ('a', 2), ('a', 3)];
        let limits = Limits::from_iter([('a', 2), ('b', 1), ('a', 1)]);
        let pages = Page::of_lists(rows, &limits, Cursor::encode);
        assert_eq!((pages[&'a'].items.as_slice(), pages[&'b'].items.as_slice()), (&[1, 2][..], &[7][..]));
        assert!(pages[&'a'].next.is_some() && pages[&'b'].next.is_none());
        let shorter = pages[&'a'].first(1);
        assert_eq!((shorter.items, shorter.next.unwrap().decode::<i32>()), (vec![1], Ok(1)));
    }
}
