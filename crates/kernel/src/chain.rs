//! An error and its causes on one line, for the log and the terminal. An error's own text never repeats its cause; the
//! chain is put together here.

use std::error::Error;
use std::fmt;

/// Displays an error followed by its causes: `the database failed: connection refused`.
#[derive(Debug)]
pub struct Chain<'error>(pub &'error dyn Error);

impl fmt::Display for Chain<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self.0, formatter)?;
        let mut cause = self.0.source();
        while let Some(error) = cause {
            write!(formatter, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}
