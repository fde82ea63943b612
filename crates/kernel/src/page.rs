//! Pages of results. A cursor is opaque to its holder and names the place where the next page begins.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// A page of results and the way to the next.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Page<T> {
    /// What is on this page.
    pub items: Vec<T>,
    /// Where the next page begins; `None` on the last.
    pub next: Option<Cursor>,
}

impl<T> Page<T> {
    /// Cuts a page from rows that were read with a limit of `limit + 1`: the extra row only tells that there is more.
    pub fn cut(mut rows: Vec<T>, limit: usize, cursor: impl FnOnce(&T) -> Cursor) -> Self {
        let next = if rows.len() > limit {
            rows.truncate(limit);
            rows.last().map(cursor)
        } else {
            None
        };
        Self { items: rows, next }
    }
}

/// Where a page begins: base64url of JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Cursor(String);

/// A cursor that this service did not make.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the cursor is not one that this service gave out")]
pub struct BadCursor;

impl Cursor {
    /// Makes a cursor for a position.
    pub fn encode(position: &impl Serialize) -> Self {
        // Positions are tuples and structs of plain values, which JSON always can express.
        Self(URL_SAFE_NO_PAD.encode(serde_json::to_vec(position).unwrap_or_default()))
    }

    /// Reads the position back.
    pub fn decode<P: DeserializeOwned>(&self) -> Result<P, BadCursor> {
        let bytes = URL_SAFE_NO_PAD.decode(&self.0).map_err(|_invalid| BadCursor)?;
        serde_json::from_slice(&bytes).map_err(|_invalid| BadCursor)
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

impl FromStr for Cursor {
    type Err = BadCursor;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // A position is a handful of values; anything longer is not ours.
        if text.len() > 1024 { Err(BadCursor) } else { Ok(Self(text.to_owned())) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_comes_back_as_it_was() {
        let cursor = Cursor::encode(&("接口", 7_u32));
        let text = cursor.to_string();
        assert_eq!(text.parse::<Cursor>().unwrap().decode::<(String, u32)>(), Ok(("接口".to_owned(), 7)));
    }

    #[test]
    fn a_foreign_cursor_is_refused() {
        assert_eq!("!!".parse::<Cursor>().unwrap().decode::<u32>(), Err(BadCursor));
        assert_eq!("a".repeat(2000).parse::<Cursor>(), Err(BadCursor));
    }

    #[test]
    fn the_extra_row_only_tells_that_there_is_more() {
        let page = Page::cut(vec![1, 2, 3], 2, Cursor::encode);
        assert_eq!(page.items, [1, 2]);
        assert_eq!(page.next.unwrap().decode::<i32>(), Ok(2));
        assert_eq!(Page::cut(vec![1, 2], 2, Cursor::encode).next, None);
    }
}
