//! What every room means by an id, a page of results and a chain of errors.

pub mod chain;
pub mod id;
pub mod page;
