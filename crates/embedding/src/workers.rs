//! Where the model runs: threads of its own, one for each call under way.
//!
//! The matrix library spreads its loops over whatever rayon pool it is called in. How many processors
//! embedding may use is the caller's decision, so each call runs in a pool of exactly one thread. Pools are
//! kept for the next call together with the memory they worked in; there are never more than calls under way
//! at once.

use std::sync::{Mutex, PoisonError};

use rayon::{ThreadPool, ThreadPoolBuildError, ThreadPoolBuilder};

use crate::encoder::Scratch;

/// Idle workers.
pub(crate) struct Workers(Mutex<Vec<Worker>>);

struct Worker {
    thread: ThreadPool,
    scratch: Scratch,
}

impl Workers {
    /// Starts the first worker, so that a machine on which none can run is noticed at once.
    pub(crate) fn start() -> Result<Self, ThreadPoolBuildError> {
        Ok(Self(Mutex::new(vec![Worker::start()?])))
    }

    /// Runs `work` on one worker's thread and waits for it.
    pub(crate) fn run<Output: Send>(&self, work: impl FnOnce(&mut Scratch) -> Output + Send) -> Output {
        let idle = self.idle().pop();
        let Ok(mut worker) = idle.map_or_else(Worker::start, Ok) else {
            // No more threads are to be had: the work is done on the caller's own.
            return work(&mut Scratch::default());
        };
        let Worker { thread, scratch } = &mut worker;
        let output = thread.install(|| work(scratch));
        self.idle().push(worker);
        output
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Worker>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Worker {
    fn start() -> Result<Self, ThreadPoolBuildError> {
        let name = |_| "embedding".to_owned();
        let thread = ThreadPoolBuilder::new().num_threads(1).thread_name(name).build()?;
        Ok(Self { thread, scratch: Scratch::default() })
    }
}
