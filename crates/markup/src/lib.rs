//! Rendering of untrusted text as safe HTML: the Markdown of documents and of answers.
//!
//! Pure functions. Whatever a text holds, the HTML rendered from it holds no script, no style, and no tag or attribute of the
//! text's own; pictures come from this server, and links lead within it or are marked as external (documents only).
//!
//! ```
//! use markup::document::{self, Overlay, RenderOptions};
//!
//! let options =
//!     RenderOptions { passages: &[], id_prefix: "", has_title: false, is_first: true, resolve: &|_link| None,
//!         overlay: Overlay::default() };
//! let rendered = document::render("Hello <script>alert(1)</script> *world*", &options);
//! assert_eq!(rendered.chunks[0].html, "<p>Hello alert(1) <em>world</em></p>\n");
//! ```

pub mod answer;
mod code_blocks;
pub mod document;
mod escape;
pub mod highlight;
#[cfg(test)]
mod safety;

pub use escape::{escape, is_local_url};
