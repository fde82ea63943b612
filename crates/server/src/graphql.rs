//! `/graphql`: people, documents, discussions and answers in one request, by the GraphQL specification of October 2021.
//!
//! Types are thin wrappers over those of the domain crates, which do not know GraphQL. Everything that a node of a list leads to is
//! read by a [loader](loaders), once for all nodes, so that a page costs as many statements whatever its size. What a request may
//! cost is [limited](limits) before it is executed.

mod community;
mod connection;
mod error;
mod history;
pub(crate) mod http;
mod library;
mod limits;
mod loaders;
mod mutation;
mod query;

use async_graphql::{EmptySubscription, SDLExportOptions, Schema};

use mutation::Mutation;
use query::Query;

/// The schema.
pub(crate) type LibrarySchema = Schema<Query, Mutation, EmptySubscription>;

/// Creates the schema.
pub(crate) fn schema() -> LibrarySchema {
    Schema::build(Query, Mutation, EmptySubscription)
        .limit_depth(limits::MAX_DEPTH)
        .limit_complexity(limits::MAX_COMPLEXITY)
        .limit_directives(limits::MAX_DIRECTIVES)
        .extension(limits::ReportCost)
        .finish()
}

/// Returns the schema in the schema definition language.
pub(crate) fn definition() -> String {
    schema().sdl_with_options(SDLExportOptions::new().sorted_fields().sorted_enum_items().sorted_arguments())
}
