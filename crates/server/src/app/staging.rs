//! Staging: what persons have on its way into the library, uploads and imports at a time and bytes of them.
//!
//! Bounded by person on this node, so that nobody fills the disk or takes the places of all others, however slowly they send.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use kernel::actor::{Actor, UserId};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, SemaphorePermit};
use tokio::time::timeout;

use super::error::{Error, Result};

/// Maximum number of uploads at a time of one person.
const MAX_UPLOADS: usize = 16;
/// Time for which an upload that is whole waits for its turn.
const MAX_WAIT: Duration = Duration::from_mins(2);

/// Staged bytes and running uploads of all persons on this node.
#[derive(Debug, Clone)]
pub(crate) struct Staging {
    max_bytes: u64,
    persons: Arc<Mutex<HashMap<Person, Usage>>>,
}

/// A user, through whichever session or key; or the library's owner, for whom keys without a user act.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Person {
    User(UserId),
    Owner,
}

#[derive(Debug)]
struct Usage {
    bytes: u64,
    uploads: usize,
    /// Of the archives and histories that are whole, one of a person is worked on at a time.
    turn: Arc<Semaphore>,
}

impl Default for Usage {
    fn default() -> Self {
        Self { bytes: 0, uploads: 0, turn: Arc::new(Semaphore::new(1)) }
    }
}

impl Staging {
    /// Creates an account of at most `max_bytes` staged bytes for each person.
    pub(crate) fn new(max_bytes: u64) -> Self {
        Self { max_bytes, persons: Arc::default() }
    }

    /// Begins an upload of a person, before any of its bytes are read. It ends when the allowance is dropped.
    ///
    /// # Errors
    /// Fails with [`Error::TooMany`] while the person has as many uploads under way as one person can have.
    pub(crate) fn begin(&self, actor: &Actor) -> Result<Allowance> {
        let person = actor.user_id().map_or(Person::Owner, Person::User);
        let mut persons = self.lock();
        let usage = persons.entry(person).or_default();
        if usage.uploads >= MAX_UPLOADS {
            let text = format!("you have {MAX_UPLOADS} uploads under way: wait until one of them ends");
            return Err(Error::TooMany { seconds: 5, text });
        }
        usage.uploads += 1;
        let turn = Arc::clone(&usage.turn);
        drop(persons);
        let (taken, is_exceeded) = Default::default();
        Ok(Allowance { staging: self.clone(), person, turn, taken, is_exceeded })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Person, Usage>> {
        // Plain numbers, which are right at every moment.
        self.persons.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Upload of a person, and the bytes that it has staged.
#[derive(Debug)]
pub(crate) struct Allowance {
    staging: Staging,
    person: Person,
    turn: Arc<Semaphore>,
    taken: AtomicU64,
    is_exceeded: AtomicBool,
}

/// Place among the uploads that are worked on.
#[derive(Debug)]
pub(crate) struct Turn {
    _of_person: OwnedSemaphorePermit,
    _of_all: SemaphorePermit<'static>,
}

impl Allowance {
    /// Counts bytes before they are stored.
    ///
    /// # Errors
    /// Fails if the person would have more bytes staged than one person can have.
    pub(crate) fn take(&self, bytes: usize) -> Result<()> {
        let bytes = bytes as u64;
        let mut persons = self.staging.lock();
        let usage = persons.entry(self.person).or_default();
        if usage.bytes.saturating_add(bytes) > self.staging.max_bytes {
            self.is_exceeded.store(true, Ordering::Relaxed);
            return self.check();
        }
        usage.bytes += bytes;
        self.taken.fetch_add(bytes, Ordering::Relaxed);
        Ok(())
    }

    /// Fails if [`Self::take`] has refused bytes.
    pub(crate) fn check(&self) -> Result<()> {
        if !self.is_exceeded.load(Ordering::Relaxed) {
            return Ok(());
        }
        let text = format!(
            "one person can have {} MiB on their way into the library at a time: send less at once, or wait until other uploads end",
            self.staging.max_bytes >> 20
        );
        Err(Error::TooMany { seconds: 30, text })
    }
}

impl Allowance {
    /// Waits for a place among all uploads of a kind that are worked on. Call it when the upload is whole: a slow sender would keep
    /// the place from everybody.
    ///
    /// # Errors
    /// Fails with [`Error::TooMany`] if others do not end in time.
    pub(crate) async fn turn(&self, places: &'static Semaphore, refusal: &str) -> Result<Turn> {
        let turn = async {
            // One of a person at a time, so that a person takes one place.
            let of_person = Arc::clone(&self.turn).acquire_owned().await.ok()?;
            Some(Turn { _of_person: of_person, _of_all: places.acquire().await.ok()? })
        };
        let turn = timeout(MAX_WAIT, turn).await.ok().flatten();
        turn.ok_or_else(|| Error::TooMany { seconds: 30, text: refusal.to_owned() })
    }
}

impl Drop for Allowance {
    fn drop(&mut self) {
        let mut persons = self.staging.lock();
        let Some(usage) = persons.get_mut(&self.person) else { return };
        usage.bytes = usage.bytes.saturating_sub(self.taken.load(Ordering::Relaxed));
        usage.uploads = usage.uploads.saturating_sub(1);
        if usage.uploads == 0 {
            persons.remove(&self.person);
        }
    }
}

#[cfg(test)]
mod tests {
    use kernel::actor::Role;

    use super::*;

    #[test]
    fn uploads_and_bytes_are_bounded_by_person_and_released() {
        let staging = Staging::new(100);
        let (ada, bo) = (Actor::user(UserId::new(), "ada", Role::User, None), Actor::owner());
        let mut uploads: Vec<Allowance> = (0..MAX_UPLOADS).map(|_| staging.begin(&ada).unwrap()).collect();
        assert!(staging.begin(&ada).is_err());
        let other = staging.begin(&bo).unwrap();
        uploads[0].take(60).unwrap();
        uploads[1].take(40).unwrap();
        assert!(uploads[1].check().is_ok() && uploads[1].take(1).is_err() && uploads[1].check().is_err());
        other.take(100).unwrap();
        drop(uploads.remove(0));
        let next = staging.begin(&ada).unwrap();
        next.take(60).unwrap();
        drop((uploads, next, other));
        assert!(staging.lock().is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn a_person_takes_one_place() {
        static PLACES: Semaphore = Semaphore::const_new(2);
        let staging = Staging::new(100);
        let (ada, bo) = (Actor::user(UserId::new(), "ada", Role::User, None), Actor::owner());
        let (one, other) = (staging.begin(&ada).unwrap(), staging.begin(&ada).unwrap());
        let turn = one.turn(&PLACES, "").await.unwrap();
        // The paused clock goes on when everything waits.
        assert!(matches!(other.turn(&PLACES, "busy").await, Err(Error::TooMany { .. })));
        let of_bo = staging.begin(&bo).unwrap();
        let _turn = of_bo.turn(&PLACES, "").await.unwrap();
        drop(turn);
        other.turn(&PLACES, "").await.unwrap();
    }
}
