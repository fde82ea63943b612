//! Worker threads of the model, one for each concurrent call.
//!
//! The matrix library distributes its loops over the rayon pool it is called in. The caller decides how many processors
//! embedding uses, so each call runs in a pool of one thread. Pools are reused with their buffers; there are at most as many as
//! there were concurrent calls.

use std::sync::{Mutex, PoisonError};

use rayon::{ThreadPool, ThreadPoolBuildError, ThreadPoolBuilder};

use crate::encoder::Scratch;

/// Pool of idle workers.
pub(crate) struct Workers(Mutex<Vec<Worker>>);

struct Worker {
    thread: ThreadPool,
    scratch: Scratch,
}

impl Workers {
    /// Starts the first worker, so that a failure to start threads appears at once.
    pub(crate) fn start() -> Result<Self, ThreadPoolBuildError> {
        Ok(Self(Mutex::new(vec![Worker::start()?])))
    }

    /// Runs `work` on the thread of a worker and waits for it.
    pub(crate) fn run<Output: Send>(&self, work: impl FnOnce(&mut Scratch) -> Output + Send) -> Output {
        let idle = self.idle().pop();
        let Ok(mut worker) = idle.map_or_else(Worker::start, Ok) else {
            // No thread can be started: the caller's own does the work.
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
