//! Fuzz target: visiting any bytes as an archive stays within the limits and gives only relative paths.
#![no_main]

use std::io::Cursor;

use extract::archive::{ArchiveLimits, visit_files};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let limits = ArchiveLimits { entries: 1000, entry_bytes: 1 << 20, total_bytes: 8 << 20 };
    let mut total = 0;
    let _result = visit_files(Cursor::new(bytes), &limits, &mut |path, file| {
        if let Ok(file) = file {
            assert!(!path.starts_with('/') && !path.split('/').any(|part| part == ".."));
            total += file.len();
        }
        Ok(())
    });
    assert!(total <= 8 << 20);
});
