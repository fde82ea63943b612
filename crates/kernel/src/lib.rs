//! Vocabulary that every crate shares: the [actor](actor::Actor) of a request, typed [ids](mod@id), [pages](page::Page) of results with
//! their cursors, secret [tokens](secret::Token), [partial updates](update::FieldUpdate) and [error chains](chain::Chain).
//!
//! It knows no database, no transport and no domain. Authority is decided in the domain crates (`library::access`, for one);
//! an [`Actor`](actor::Actor) only says who acts and what an API key withholds.
//!
//! ```
//! use kernel::actor::{Actor, Role, Scope, UserId};
//! use kernel::page::{Cursor, Page};
//!
//! let ada = Actor::user(UserId::new(), "ada", Role::Editor, None);
//! assert!(ada.has_role(Role::User) && ada.has_scope(Scope::Write));
//!
//! // Three rows were read with a limit of 2 + 1, so there is a next page.
//! let page = Page::from_rows(vec!["a", "b", "c"], 2, |last| Cursor::encode(last));
//! assert_eq!(page.items, ["a", "b"]);
//! assert_eq!(page.next.unwrap().decode::<String>().unwrap(), "b");
//! ```

pub mod actor;
pub mod chain;
pub mod id;
pub mod page;
pub mod schema;
pub mod secret;
pub mod update;
