//! Fuzz target: loading any bytes as a model gives a model or an error, within the memory of the header's sizes.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _result = embedding::Model::read(std::io::Cursor::new(bytes));
});
