//! An answer, from the question to its end: what is searched, what the model is given, what of its words reaches people.

pub mod filter;
