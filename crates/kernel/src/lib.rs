
pub mod chain;
pub mod id;
pub mod page;
