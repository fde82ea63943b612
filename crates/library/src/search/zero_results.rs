//! Log of searches without results: no relevant passage, or an absent version.
//!
//! Records name no user. Recording never waits: if the receiver does not keep up, records are counted and dropped.

use tokio::sync::mpsc::{Receiver, Sender, channel, error::TrySendError};

use super::request::{SearchRequest, SearchResponse};
use crate::Error;
use crate::names::LibraryName;

/// Capacity of the channel; further records are dropped and counted.
const CAPACITY: usize = 1000;

/// A search without results.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ZeroResult {
    /// Library that was searched; `None` for all.
    pub library: Option<LibraryName>,
    /// Query.
    pub question: String,
    /// Version that is absent, if that is the reason.
    pub version: Option<String>,
}

/// Sender of records.
#[derive(Debug, Clone)]
pub struct ZeroResultLog(Sender<ZeroResult>);

impl ZeroResultLog {
    /// Makes a log and the receiver of its records.
    pub fn new() -> (Self, Receiver<ZeroResult>) {
        let (sender, receiver) = channel(CAPACITY);
        (Self(sender), receiver)
    }

    /// Records a search if it has no relevant passage, or its version is absent.
    ///
    /// Following pages are not searches of their own, and with a filter or an incomplete index an empty result says
    /// nothing about the library.
    pub(super) fn record_if_empty(
        &self,
        request: &SearchRequest,
        is_index_complete: bool,
        result: &Result<SearchResponse, Error>,
    ) {
        match result {
            _ if !request.records_zero_results => {}
            Ok(response) if is_empty(request, is_index_complete, response) => {
                self.record(request.library.as_ref(), &request.text, None);
            }
            Ok(_) => {}
            Err(error) => self.record_if_absent_version(request.library.as_ref(), &request.text, error),
        }
    }

    /// Records a query that was refused because its version is absent.
    pub(super) fn record_if_absent_version(
        &self,
        library: Option<&LibraryName>,
        question: &str,
        error: &Error,
    ) {
        if let Error::NoVersion { requested, .. } = error {
            self.record(library, question, Some(requested.clone()));
        }
    }

    fn record(&self, library: Option<&LibraryName>, question: &str, version: Option<String>) {
        let record = ZeroResult { library: library.cloned(), question: question.to_owned(), version };
        if let Err(TrySendError::Full(_)) = self.0.try_send(record) {
            metrics::counter!("wenyuan_misses_dropped_total").increment(1);
        }
    }
}

/// Whether a search found no relevant passage in a complete index.
pub(super) fn is_empty(request: &SearchRequest, is_index_complete: bool, response: &SearchResponse) -> bool {
    request.after.is_none() && is_index_complete && !request.is_filtered() && response.relevant() == 0
}
