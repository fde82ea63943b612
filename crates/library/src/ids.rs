//! Id types of the library's rows: UUIDs of version 7, one type for each table.
//!
//! They live apart from the modules that use them, so that those need not import each other for their ids.

kernel::id! {
    /// Id of a library (`library.libraries`).
    LibraryId
}
kernel::id! {
    /// Id of a version of a library (`library.versions`).
    VersionId
}
kernel::id! {
    /// Id of a document (`library.documents`).
    DocumentId
}
kernel::id! {
    /// Id of a revision of a document in a version (`library.document_versions`).
    DocumentVersionId
}
kernel::id! {
    /// Id of a note on a passage (`library.notes`).
    NoteId
}
