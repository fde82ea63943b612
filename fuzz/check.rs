//! Check shared by the fuzz targets of all readers.

use extract::model::{DocumentType, Limits};

/// Extracts the bytes as a document of this type and checks that its passages are ranges of its text.
pub fn extraction(document_type: &str, bytes: &[u8]) {
    let limits = Limits { input_bytes: 1 << 20, text_bytes: 8 << 20, ..Limits::default() };
    let Ok(document) = extract::extract("fuzz", bytes, DocumentType::parse(document_type), &limits) else {
        return;
    };
    for passage in &document.passages {
        let (from, to) = passage.characters;
        let range: String = document.text.chars().skip(from as usize).take((to - from) as usize).collect();
        assert_eq!(range, passage.content);
    }
}
