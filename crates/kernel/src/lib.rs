//! What every room means by an actor, an id, a page of results, a changed setting and a chain of errors.

pub mod actor;
pub mod chain;
pub mod id;
pub mod page;
pub mod secret;
pub mod setting;
