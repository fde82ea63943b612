//! Searches that came to nothing, told to whoever wants to know: that nothing has to do with what was asked, or that the
//! version is absent. Nobody is named. Telling never waits: where nobody keeps up, it is counted and dropped.

use tokio::sync::mpsc::{Receiver, Sender, channel, error::TrySendError};

use super::{Answer, Question};
use crate::Error;
use crate::names::LibraryName;

/// Misses that wait to be heard, at most.
const WAITING: usize = 1000;

/// A search that came to nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Miss {
    /// The library that was searched; none where all were.
    pub library: Option<LibraryName>,
    /// What was asked.
    pub question: String,
    /// The version that is absent, where that is why.
    pub version: Option<String>,
}

/// Tells of misses.
#[derive(Debug, Clone)]
pub struct Misses(Sender<Miss>);

impl Misses {
    /// Who tells of misses, and who hears of them.
    pub fn new() -> (Self, Receiver<Miss>) {
        let (sender, receiver) = channel(WAITING);
        (Self(sender), receiver)
    }

    /// Tells of a search if it came to nothing. A page that goes on is no search of its own, and where a filter keeps things
    /// away, or the index is not whole, nothing is said of the library.
    pub(super) fn look_at(&self, question: &Question, is_whole: bool, answered: &Result<Answer, Error>) {
        let is_filtered = !question.types.is_empty()
            || !question.content_types.is_empty()
            || !question.tags.is_empty()
            || question.category.is_some();
        match answered {
            _ if !question.is_told => {}
            Ok(answer) if question.after.is_none() && is_whole && !is_filtered && answer.relevant() == 0 => {
                self.tell(question.library.as_ref(), &question.text, None);
            }
            Ok(_) => {}
            Err(error) => self.refused(question.library.as_ref(), &question.text, error),
        }
    }

    /// Tells of a question that was refused, if because its version is absent.
    pub(super) fn refused(&self, library: Option<&LibraryName>, question: &str, error: &Error) {
        if let Error::NoVersion { wanted, .. } = error {
            self.tell(library, question, Some(wanted.clone()));
        }
    }

    fn tell(&self, library: Option<&LibraryName>, question: &str, version: Option<String>) {
        let miss = Miss { library: library.cloned(), question: question.to_owned(), version };
        if let Err(TrySendError::Full(_)) = self.0.try_send(miss) {
            metrics::counter!("wenyuan_misses_dropped_total").increment(1);
        }
    }
}
