//! Fuzz target: extracting any bytes as `docx` gives an error or a document whose passages are ranges of its text.
#![no_main]

#[path = "../check.rs"]
mod check;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| check::extraction("docx", bytes));
