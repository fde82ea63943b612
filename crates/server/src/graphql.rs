//! `/graphql`: people, documents, discussions and answers in one request, by the GraphQL specification of October 2021.
//!
//! Types are thin wrappers over those of the domain crates, which do not know GraphQL. Everything that a node of a list leads to is
//! read by a [loader](loaders), once for all nodes, so that a page costs as many statements whatever its size. What a request may
//! cost is [limited](limits) before it is executed.

mod administration;
mod community;
mod connection;
mod cost;
mod documents;
mod error;
mod history;
pub(crate) mod http;
mod library;
mod limits;
mod live;
mod loaders;
mod mutation;
mod operation;
mod query;
mod reading;
mod request;
mod rounds;
mod subscription;
mod view;

#[cfg(test)]
use async_graphql::SDLExportOptions;
use async_graphql::{MergedObject, Schema, SchemaBuilder};

use administration::AdministrationQuery;
use mutation::Mutation;
use operation::OperationQuery;
use query::CommunityQuery;
use reading::ReadingQuery;
use subscription::Subscription;

use crate::settings::GraphqlSettings;

/// Reads. What does not exist for the caller is null or left out.
#[derive(Default, MergedObject)]
pub(crate) struct Query(ReadingQuery, CommunityQuery, OperationQuery, AdministrationQuery);

/// The schema.
pub(crate) type LibrarySchema = Schema<Query, Mutation, Subscription>;

/// Returns the types of the schema.
fn builder() -> SchemaBuilder<Query, Mutation, Subscription> {
    // No field returns the interface: it is what the reasons have in common.
    Schema::build(Query::default(), Mutation::default(), Subscription)
        .register_output_type::<error::Refusal>()
}

/// Creates the schema.
pub(crate) fn schema(settings: &GraphqlSettings) -> LibrarySchema {
    let (max_complexity, max_depth) = (settings.max_complexity(), settings.max_depth());
    builder()
        .limit_depth(max_depth)
        .limit_complexity(max_complexity)
        .limit_directives(limits::MAX_DIRECTIVES)
        .extension(cost::Costs { max_complexity, max_depth })
        .finish()
}

/// Returns the schema in the schema definition language.
#[cfg(test)]
pub(crate) fn definition() -> String {
    let schema = builder().finish();
    schema.sdl_with_options(SDLExportOptions::new().sorted_fields().sorted_enum_items().sorted_arguments())
}
