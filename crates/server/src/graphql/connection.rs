//! Connections as Relay has them, over the pages of the domain crates.
//!
//! The cursor of an edge is the domain's own, so it is that of REST, too. Domains list forward only: `last` reads from the beginning of
//! the list to the place that `before` names, and keeps the end.

use std::collections::VecDeque;
use std::hash::Hash;

use async_graphql::connection::{Connection, Edge, PageInfo};
use async_graphql::dataloader::Loader;
use async_graphql::{Context, Error, OutputType, SimpleObject};
use kernel::page::{Cursor, Page};

use super::community::{Comment, DirectMessage, Post};
use super::error::failed;
use super::library::Document;
use super::loaders::{First, Loaders, Reads};
use crate::http::input;
use crate::http::problem::Problem;

/// Maximum number of items of a page.
pub(super) const MAX_FIRST: i32 = 100;
/// Number of items of a page, if none is given.
pub(super) const DEFAULT_FIRST: i32 = 20;
/// Maximum number of pages that are read for one: those of some lists can be short, and others follow.
const MAX_PAGES: usize = 10;
/// Maximum number of items that are read for a page that is counted from its end.
const MAX_BACKWARD: usize = 1000;

/// Connection that a field of the operation returns. As every other such field it is null where it fails, and the others stand.
pub(super) type Nodes<N> = Option<Connection<String, N>>;

/// Reads a page of a list by a function of a domain crate: it takes a connection to the database, the actor, the arguments that are
/// given, the cursor and the limit.
macro_rules! read_page {
    ($context:ident, $arguments:expr, $read:path $(, $argument:expr)* => $node:expr) => {{
        let mut slice = PageArguments::new($arguments)?.slice();
        let request = Request::of($context);
        let mut connection = request.connection().await?;
        while let Some((cursor, limit)) = slice.wanted() {
            let page = $read(&mut connection, request.actor() $(, $argument)*, cursor, limit).await;
            slice.add(page.map_err(failed)?)?;
        }
        Ok(Some(slice.connection($node)))
    }};
}

pub(super) use read_page;

/// Arguments of a connection: `first`, `after`, `last`, `before`.
pub(super) type PageInput = (Option<i32>, Option<String>, Option<i32>, Option<String>);

/// Arguments of a connection, checked.
#[derive(Debug)]
pub(super) struct PageArguments {
    count: usize,
    place: Option<Cursor>,
    /// Whether the page ends at the place, and does not begin there.
    is_backward: bool,
}

impl PageArguments {
    /// Checks the arguments.
    pub(super) fn new((first, after, last, before): PageInput) -> Result<Self, Error> {
        let is_backward = last.is_some() || before.is_some();
        if is_backward && (first.is_some() || after.is_some()) {
            let problem = Problem::invalid("give first and after, or last and before");
            return Err(failed(problem.about("last")));
        }
        let (count, place, names) =
            if is_backward { (last, before, ("last", "before")) } else { (first, after, ("first", "after")) };
        let place = place.as_deref().map(input::cursor).transpose();
        Ok(Self {
            count: checked(count, names.0)?,
            place: place.map_err(|problem| failed(problem.about(names.1)))?,
            is_backward,
        })
    }

    /// Returns the part of a list that they ask for.
    pub(super) fn slice<T>(self) -> Slice<T> {
        let reached = if self.is_backward { None } else { self.place.clone() };
        Slice {
            arguments: self,
            edges: VecDeque::new(),
            reached,
            read: 0,
            pages: 0,
            has_more: true,
            is_whole: false,
            is_cut: false,
        }
    }

    /// Makes a connection of a list that is read whole.
    pub(super) fn of_list<T, N: OutputType>(
        self,
        items: impl IntoIterator<Item = T>,
        node: impl Fn(T) -> N,
    ) -> Result<Connection<String, N>, Error> {
        let (count, place) = (self.count, self.place.as_ref().map(Cursor::decode::<usize>).transpose());
        let place = place.map_err(|_invalid| failed(Problem::invalid("invalid cursor")))?;
        let mut items: Vec<(usize, T)> = (1..).zip(items).collect();
        let length = items.len();
        let (from, to) = if self.is_backward {
            let to = place.map_or(length, |place| place.saturating_sub(1).min(length));
            (to.saturating_sub(count), to)
        } else {
            let from = place.unwrap_or(0).min(length);
            (from, from.saturating_add(count).min(length))
        };
        let mut connection = Connection::new(from > 0, to < length);
        let edges = items.drain(from..to);
        connection
            .edges
            .extend(edges.map(|(number, item)| Edge::new(Cursor::encode(&number).to_string(), node(item))));
        Ok(connection)
    }
}

/// Part of a list, while it is read.
pub(super) struct Slice<T> {
    arguments: PageArguments,
    edges: VecDeque<(Cursor, T)>,
    /// Where to read on.
    reached: Option<Cursor>,
    /// Number of items read.
    read: usize,
    /// Number of pages read.
    pages: usize,
    /// Whether the list goes on behind what was read.
    has_more: bool,
    /// Whether all is read that is wanted.
    is_whole: bool,
    /// Whether items before the edges were left out.
    is_cut: bool,
}

impl<T> Slice<T> {
    /// Returns cursor and limit of the page to read next; `None` if the part is whole.
    pub(super) fn wanted(&self) -> Option<(Option<&Cursor>, usize)> {
        let left = self.arguments.count.saturating_sub(self.edges.len());
        let limit = if self.arguments.is_backward { MAX_FIRST as usize } else { left };
        (!self.is_whole).then_some((self.reached.as_ref(), limit))
    }

    /// Adds a page.
    ///
    /// # Errors
    ///
    /// Fails if the part is too far from the beginning of the list, or what it ends at is not there.
    pub(super) fn add(&mut self, page: Page<T>) -> Result<(), Error> {
        self.has_more = page.next.is_some();
        if !self.arguments.is_backward {
            self.edges.extend(page.cursors.into_iter().zip(page.items));
            self.reached = page.next;
            self.pages += 1;
            let is_full = self.edges.len() >= self.arguments.count || self.pages == MAX_PAGES;
            self.is_whole = is_full || self.reached.is_none();
            return Ok(());
        }
        self.read += page.items.len();
        for edge in page.cursors.into_iter().zip(page.items) {
            if self.arguments.place.as_ref() == Some(&edge.0) {
                (self.is_whole, self.has_more) = (true, true);
                return Ok(());
            }
            self.edges.push_back(edge);
            if self.edges.len() > self.arguments.count {
                self.edges.pop_front();
                self.is_cut = true;
            }
        }
        self.reached = page.next;
        if self.reached.is_none() {
            self.is_whole = true;
            if self.arguments.place.is_some() {
                let problem =
                    Problem::invalid("the list does not hold the place of before any more: read it anew");
                return Err(failed(problem.about("before")));
            }
        } else if self.read >= MAX_BACKWARD {
            let problem = Problem::invalid(format!(
                "last reaches the first {MAX_BACKWARD} items of a list only: use first and after"
            ));
            return Err(failed(problem.about("last")));
        }
        Ok(())
    }

    /// Makes the connection of what was read.
    pub(super) fn connection<N: OutputType>(self, node: impl Fn(T) -> N) -> Connection<String, N> {
        let is_later = !self.arguments.is_backward && self.arguments.place.is_some();
        let mut connection = Connection::new(self.is_cut || is_later, self.has_more);
        let edges = self.edges.into_iter();
        connection.edges.extend(edges.map(|(cursor, item)| Edge::new(cursor.to_string(), node(item))));
        connection
    }
}

/// First page of a list that belongs to a node. It is no connection: the field of the operation that lists the same lists on.
#[derive(SimpleObject)]
#[graphql(
    concrete(name = "DocumentPage", params(Document)),
    concrete(name = "PostPage", params(Post)),
    concrete(name = "CommentPage", params(Comment)),
    concrete(name = "MessagePage", params(DirectMessage))
)]
pub(super) struct FirstPage<N: OutputType> {
    /// Items.
    nodes: Vec<N>,
    /// Whether the list goes on, and the cursor with which it does.
    page_info: PageInfo,
}

/// Reads the first page of a list that belongs to a node, together with those of its siblings.
pub(super) async fn first_page<K, T, N: OutputType>(
    context: &Context<'_>,
    of: K,
    first: i32,
    node: impl Fn(T) -> N,
) -> Result<Option<FirstPage<N>>, Error>
where
    First<K>: Eq + Hash + Clone + Send + Sync + 'static,
    Reads: Loader<First<K>, Value = Page<T>, Error = Error>,
{
    let count = checked(Some(first), "first")?;
    let page = context.data::<Loaders>()?.load_one(First { of, count }).await?;
    let page = page.unwrap_or(Page { items: Vec::new(), cursors: Vec::new(), next: None });
    let place = |cursor: Option<&Cursor>| cursor.map(Cursor::to_string);
    Ok(Some(FirstPage {
        page_info: PageInfo {
            has_previous_page: false,
            has_next_page: page.next.is_some(),
            start_cursor: place(page.cursors.first()),
            end_cursor: place(page.cursors.last()),
        },
        nodes: page.items.into_iter().map(node).collect(),
    }))
}

/// Returns the number of nodes that a connection counts for in the complexity of a request. Backward it reads pages of a hundred.
pub(super) fn size(first: Option<i32>, last: Option<i32>, before: Option<&String>) -> usize {
    let least = if last.is_some() || before.is_some() { MAX_FIRST } else { 0 };
    usize::try_from(first.or(last).unwrap_or(DEFAULT_FIRST).max(least)).unwrap_or(0)
}

/// Checks the number of items that are asked for.
pub(super) fn checked(count: Option<i32>, name: &'static str) -> Result<usize, Error> {
    let count = count.unwrap_or(DEFAULT_FIRST);
    if !(1..=MAX_FIRST).contains(&count) {
        return Err(failed(Problem::invalid(format!("{name} is 1 to {MAX_FIRST}")).about(name)));
    }
    Ok(usize::try_from(count).unwrap_or(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads a part of the numbers from 0 to `length`.
    fn read(length: u32, given: PageInput) -> Result<(Vec<u32>, bool, bool), Error> {
        let mut slice = PageArguments::new(given)?.slice();
        while let Some((cursor, limit)) = slice.wanted() {
            let after: Option<u32> = cursor.map(|cursor| cursor.decode().unwrap());
            let from = after.map_or(0, |after| after + 1);
            let rows = (from..length).take(limit + 1).collect();
            slice.add(Page::from_rows(rows, limit, Cursor::encode))?;
        }
        let connection = slice.connection(|number| number);
        let numbers = connection.edges.iter().map(|edge| edge.node).collect();
        Ok((numbers, connection.has_previous_page, connection.has_next_page))
    }

    /// Cursor behind a number.
    macro_rules! behind {
        ($number:expr) => {
            Some(Cursor::encode(&$number).to_string())
        };
    }

    #[test]
    fn lists_are_paged_in_both_directions() {
        assert_eq!(read(5, (Some(2), None, None, None)).unwrap(), (vec![0, 1], false, true));
        assert_eq!(read(5, (Some(2), behind!(1), None, None)).unwrap(), (vec![2, 3], true, true));
        assert_eq!(read(5, (None, behind!(3), None, None)).unwrap(), (vec![4], true, false));
        assert_eq!(read(5, (None, None, Some(2), None)).unwrap(), (vec![3, 4], true, false));
        assert_eq!(read(5, (None, None, Some(2), behind!(3))).unwrap(), (vec![1, 2], true, true));
        assert_eq!(read(5, (None, None, Some(3), behind!(2))).unwrap(), (vec![0, 1], false, true));
        assert_eq!(read(350, (None, None, Some(2), behind!(249))).unwrap(), (vec![247, 248], true, true));
        assert_eq!(read(0, (None, None, Some(2), None)).unwrap(), (vec![], false, false));
    }

    #[test]
    fn a_page_is_full_where_those_of_the_list_are_short() {
        let mut slice = PageArguments::new((Some(4), None, None, None)).unwrap().slice();
        let mut limits = Vec::new();
        for (items, has_more) in [(vec![1, 2], true), (vec![], true), (vec![3], true), (vec![4], true)] {
            limits.push(slice.wanted().unwrap().1);
            let cursors = items.iter().map(Cursor::encode).collect();
            slice.add(Page { items, cursors, next: has_more.then(|| Cursor::encode(&9)) }).unwrap();
        }
        assert!(slice.wanted().is_none());
        assert_eq!(limits, [4, 2, 2, 1]);
        let connection = slice.connection(|number| number);
        assert_eq!(connection.edges.iter().map(|edge| edge.node).collect::<Vec<_>>(), [1, 2, 3, 4]);
        assert!(connection.has_next_page);
    }

    #[test]
    fn lists_in_memory_are_paged_alike() {
        let of = |given: PageInput| {
            let connection = PageArguments::new(given).unwrap().of_list(0..5, |number: i32| number).unwrap();
            let numbers: Vec<i32> = connection.edges.iter().map(|edge| edge.node).collect();
            (numbers, connection.has_previous_page, connection.has_next_page)
        };
        assert_eq!(of((Some(2), None, None, None)), (vec![0, 1], false, true));
        assert_eq!(of((Some(2), behind!(2), None, None)), (vec![2, 3], true, true));
        assert_eq!(of((None, None, Some(2), None)), (vec![3, 4], true, false));
        assert_eq!(of((None, None, Some(9), behind!(3))), (vec![0, 1], false, true));
        let forged = Some(Cursor::encode(&usize::MAX).to_string());
        assert_eq!(of((None, forged.clone(), None, None)), (vec![], true, false));
        assert_eq!(of((None, None, Some(1), forged)), (vec![4], true, false));
    }

    #[test]
    fn what_cannot_be_read_is_refused() {
        for given in [
            (Some(0), None, None, None),
            (Some(101), None, None, None),
            (None, None, Some(0), None),
            (Some(1), None, Some(1), None),
            (None, behind!(1), None, behind!(2)),
            (None, Some("x".repeat(2000)), None, None),
            // A place that the list does not hold, and an end that is too far.
            (None, None, Some(1), behind!(9)),
        ] {
            assert!(read(5, given.clone()).is_err(), "{given:?}");
        }
        assert!(read(1001, (None, None, Some(1), None)).is_err());
        assert!(read(1000, (None, None, Some(1), None)).is_ok());
    }
}
