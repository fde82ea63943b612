//! Connections as Relay has them, over the pages of the domain crates.
//!
//! A page of a domain has one cursor, of the page that follows. The cursor of an edge is therefore the cursor of the page it was
//! read on, and the number of items to skip from there.

use async_graphql::connection::{Connection, Edge};
use async_graphql::{Error, OutputType};
use kernel::page::{Cursor, Page};

use super::error::failed;
use crate::http::input;
use crate::http::problem::Problem;

/// Maximum number of items of a page.
pub(super) const MAX_FIRST: i32 = 100;
/// Number of items of a page, if none is given.
pub(super) const DEFAULT_FIRST: i32 = 20;

/// Connection that a field of the operation returns. As every other such field it is null where it fails, and the others stand.
pub(super) type Nodes<N> = Option<Connection<String, N>>;

/// Reads a page of a list by a function of a domain crate: it takes a connection to the database, the actor, the arguments that are
/// given, the cursor and the limit.
macro_rules! read_page {
    ($context:ident, $first:ident, $after:ident, $read:path $(, $argument:expr)* => $node:expr) => {{
        let arguments = PageArguments::new($first, $after.as_deref())?;
        let request = Request::of($context);
        let mut connection = request.connection().await?;
        let (cursor, limit) = (arguments.cursor(), arguments.limit());
        let page = $read(&mut connection, request.actor() $(, $argument)*, cursor, limit).await;
        Ok(Some(arguments.connection(page.map_err(failed)?, $node)))
    }};
}

pub(super) use read_page;

/// Place before which a page begins.
type Place = (Option<Cursor>, usize);

/// Arguments of a connection, checked.
#[derive(Debug)]
pub(super) struct PageArguments {
    first: usize,
    start: Place,
}

impl PageArguments {
    /// Checks the arguments.
    pub(super) fn new(first: Option<i32>, after: Option<&str>) -> Result<Self, Error> {
        Self::with_skip(first, after, MAX_FIRST as usize)
    }

    /// Checks the arguments of a connection over a list that is in memory, where any number of items can be skipped.
    pub(super) fn for_list(first: Option<i32>, after: Option<&str>) -> Result<Self, Error> {
        Self::with_skip(first, after, usize::MAX)
    }

    fn with_skip(first: Option<i32>, after: Option<&str>, max_skip: usize) -> Result<Self, Error> {
        let first = first.unwrap_or(DEFAULT_FIRST);
        if !(1..=MAX_FIRST).contains(&first) {
            return Err(failed(Problem::invalid(format!("first is 1 to {MAX_FIRST}")).about("first")));
        }
        let start = match after {
            None => (None, 0),
            Some(text) => place(text)
                .filter(|(_, skip)| *skip <= max_skip)
                .ok_or_else(|| failed(Problem::invalid("invalid cursor").about("after")))?,
        };
        Ok(Self { first: usize::try_from(first).unwrap_or(1), start })
    }

    /// Returns where to begin reading in the domain.
    pub(super) fn cursor(&self) -> Option<&Cursor> {
        self.start.0.as_ref()
    }

    /// Returns how many items to read from there.
    pub(super) fn limit(&self) -> usize {
        self.start.1 + self.first
    }

    /// Makes the connection of the page that was read.
    pub(super) fn connection<T, N>(self, page: Page<T>, node: impl Fn(T) -> N) -> Connection<String, N>
    where
        N: OutputType,
    {
        let (base, skip) = self.start;
        let is_later = base.is_some() || skip > 0;
        let count = page.items.len();
        let has_more = page.next.is_some();
        let mut connection = Connection::new(is_later, has_more);
        for (index, item) in page.items.into_iter().enumerate().skip(skip) {
            let cursor = match &page.next {
                Some(next) if index + 1 == count => text(&(Some(next.clone()), 0)),
                _ => text(&(base.clone(), index + 1)),
            };
            connection.edges.push(Edge::new(cursor, node(item)));
        }
        connection
    }

    /// Makes a connection of a list that is read whole.
    pub(super) fn of_list<T, N: OutputType>(
        &self,
        items: impl ExactSizeIterator<Item = T>,
        node: impl Fn(T) -> N,
    ) -> Connection<String, N> {
        let (_, skip) = &self.start;
        let count = items.len();
        let mut connection = Connection::new(*skip > 0, skip.saturating_add(self.first) < count);
        for (index, item) in items.enumerate().skip(*skip).take(self.first) {
            connection.edges.push(Edge::new(text(&(None, index + 1)), node(item)));
        }
        connection
    }
}

/// Returns the number of nodes that a connection counts for in the complexity of a request.
pub(super) fn size(first: Option<i32>) -> usize {
    usize::try_from(first.unwrap_or(DEFAULT_FIRST)).unwrap_or(0)
}

fn text(place: &Place) -> String {
    Cursor::encode(place).to_string()
}

fn place(text: &str) -> Option<Place> {
    input::cursor(text).ok()?.decode().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_forged_cursor_neither_reads_much_nor_fails() {
        let forged = text(&(None, usize::MAX));
        assert!(PageArguments::new(None, Some(&forged)).is_err());
        let whole = PageArguments::for_list(None, Some(&forged)).unwrap();
        let connection = whole.of_list([1, 2, 3].into_iter(), |number: i32| number);
        assert!(connection.edges.is_empty() && connection.has_previous_page && !connection.has_next_page);
        for garbage in ["", "x", "bnVsbA", "WzEsMl0"] {
            assert!(PageArguments::new(None, Some(garbage)).is_err(), "{garbage}");
        }
    }
}
