//! Text of others as HTML that is safe to show: the Markdown of documents and of answers. Whatever a text holds, the HTML made
//! of it has no script, no style and no tag of its own.

pub mod answer;
mod blocks;
pub mod document;
mod escape;
#[cfg(test)]
mod harmless;
pub mod highlight;

pub use escape::{escaped, is_own};
