//! Whatever the bytes, reading them as `pdf` ends with a document whose passages are ranges of its text, or an error.
#![no_main]

#[path = "../read.rs"]
mod read;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| read::check("pdf", bytes));
