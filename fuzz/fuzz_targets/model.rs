//! Whatever the bytes, loading them as a model is an error or a model, and takes no more memory than they promise.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _any_end = embedding::Model::read(std::io::Cursor::new(bytes));
});
