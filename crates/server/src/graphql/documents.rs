//! Documents by their hashes: automatic persisted queries, and trusted documents.
//!
//! A client sends the SHA-256 of a document alone, and the document with it once the server asks for it ([Apollo's
//! protocol](https://www.apollographql.com/docs/apollo-server/performance/apq)). A trusted document comes from the file of the
//! settings and is known at once.

use std::collections::HashMap;
use std::sync::Arc;

use moka::sync::Cache;
use store::objects::Hash;

/// Size of the documents that are kept, in bytes.
const CACHE_BYTES: u64 = 8 << 20;

/// Why a document is not executed: the code and the message of the error.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unknown {
    pub(super) code: &'static str,
    pub(super) message: &'static str,
}

/// Documents that clients can name by their hashes.
#[derive(Clone)]
pub(super) struct Documents {
    trusted: Arc<HashMap<String, String>>,
    only_trusted: bool,
    persisted: Cache<String, Arc<str>>,
}

impl Documents {
    /// Creates the documents: the trusted ones by their ids, and whether no other is executed.
    pub(super) fn new(trusted: HashMap<String, String>, only_trusted: bool) -> Self {
        let weigh =
            |hash: &String, text: &Arc<str>| u32::try_from(hash.len() + text.len()).unwrap_or(u32::MAX);
        let persisted = Cache::builder().max_capacity(CACHE_BYTES).weigher(weigh).build();
        Self { trusted: Arc::new(trusted), only_trusted, persisted }
    }

    /// Returns the document to execute: the one that is sent, or the one with this hash.
    pub(super) fn find(&self, text: Option<String>, hash: Option<&str>) -> Result<String, Unknown> {
        let trusted = hash.and_then(|hash| self.trusted.get(hash));
        if let Some(known) = trusted {
            return Ok(known.clone());
        }
        if self.only_trusted {
            return match text {
                Some(text) if self.trusted.values().any(|known| *known == text) => Ok(text),
                _ => Err(Unknown {
                    code: "document-not-trusted",
                    message: "this server executes trusted documents only: ask its operator to add this one to the file",
                }),
            };
        }
        match (text, hash) {
            (Some(text), None) => Ok(text),
            (Some(text), Some(hash)) => {
                let actual = Hash::of(text.as_bytes()).to_string();
                if !actual.eq_ignore_ascii_case(hash) {
                    return Err(Unknown {
                        code: "PERSISTED_QUERY_HASH_MISMATCH",
                        message: "sha256Hash is not the SHA-256 of the query",
                    });
                }
                self.persisted.insert(actual, text.as_str().into());
                Ok(text)
            }
            (None, Some(hash)) => match self.persisted.get(&hash.to_ascii_lowercase()) {
                Some(known) => Ok(known.to_string()),
                None => Err(Unknown { code: "PERSISTED_QUERY_NOT_FOUND", message: "PersistedQueryNotFound" }),
            },
            (None, None) => Err(Unknown { code: "invalid", message: "the request has no query" }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_is_known_by_its_hash_once_it_was_sent() {
        let documents = Documents::new(HashMap::new(), false);
        let hash = Hash::of(b"{a}").to_string();
        assert_eq!(documents.find(None, Some(&hash)).unwrap_err().code, "PERSISTED_QUERY_NOT_FOUND");
        let mismatch = documents.find(Some("{b}".to_owned()), Some(&hash)).unwrap_err();
        assert_eq!(mismatch.code, "PERSISTED_QUERY_HASH_MISMATCH");
        assert_eq!(documents.find(Some("{a}".to_owned()), Some(&hash)).unwrap(), "{a}");
        assert_eq!(documents.find(None, Some(&hash.to_uppercase())).unwrap(), "{a}");
        assert!(documents.find(None, None).is_err());
    }

    #[test]
    fn only_trusted_documents_are_executed() {
        let trusted = HashMap::from([("list".to_owned(), "{a}".to_owned())]);
        let documents = Documents::new(trusted, true);
        assert_eq!(documents.find(None, Some("list")).unwrap(), "{a}");
        assert_eq!(documents.find(Some("{a}".to_owned()), None).unwrap(), "{a}");
        for (text, hash) in [(Some("{b}"), None), (None, Some("other")), (Some("{b}"), Some("other"))] {
            assert_eq!(
                documents.find(text.map(str::to_owned), hash).unwrap_err().code,
                "document-not-trusted"
            );
        }
    }
}
