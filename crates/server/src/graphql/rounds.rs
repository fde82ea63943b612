//! Rounds of loads: the loaders of a request read when none of its resolvers can go on, all at once, and the next time when all of
//! that is there.
//!
//! A loader that waits for a moment instead reads for those resolvers that happened to run meanwhile: how many statements a request
//! takes would depend on the load of the machine.

use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

use futures::future::{BoxFuture, poll_fn};
use futures::stream::{FuturesUnordered, StreamExt as _};
use futures::task::AtomicWaker;

/// Loads that wait for their round.
#[derive(Clone, Default)]
pub(super) struct Rounds(Arc<Mutex<Vec<BoxFuture<'static, ()>>>>);

/// Waker that tells whether it was woken during a poll.
#[derive(Default)]
struct Progress {
    was_made: AtomicBool,
    task: AtomicWaker,
}

impl Wake for Progress {
    fn wake(self: Arc<Self>) {
        self.was_made.store(true, Ordering::Release);
        self.task.wake();
    }
}

impl Rounds {
    /// Adds a load to the next round.
    pub(super) fn add(&self, load: BoxFuture<'static, ()>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(load);
    }

    fn take(&self) -> Vec<BoxFuture<'static, ()>> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Runs resolvers to their end, with their loads in rounds.
    pub(super) async fn run<R: Future>(&self, resolvers: R) -> R::Output {
        let mut resolvers = pin!(resolvers);
        let mut round = FuturesUnordered::new();
        let progress = Arc::new(Progress::default());
        let waker = Waker::from(Arc::clone(&progress));
        let run = poll_fn(|context: &mut Context<'_>| {
            progress.task.register(context.waker());
            loop {
                // Until each of them waits for a load, or for something else.
                loop {
                    progress.was_made.store(false, Ordering::Release);
                    if let Poll::Ready(output) = resolvers.as_mut().poll(&mut Context::from_waker(&waker)) {
                        return Poll::Ready(output);
                    }
                    if !progress.was_made.load(Ordering::Acquire) {
                        break;
                    }
                }
                if round.is_empty() {
                    round.extend(self.take());
                }
                match round.poll_next_unpin(context) {
                    Poll::Ready(Some(())) => {}
                    Poll::Ready(None) | Poll::Pending => return Poll::Pending,
                }
            }
        });
        // Without a budget of its own: what has used its up would be polled for ever here.
        tokio::task::unconstrained(run).await
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures::future::join_all;
    use tokio::sync::oneshot;

    use super::*;

    #[tokio::test]
    async fn a_round_begins_when_nobody_goes_on_and_ends_before_the_next() {
        let (rounds, sizes) = (Rounds::default(), Arc::new(Mutex::new(Vec::new())));
        let waiting: Arc<Mutex<Vec<oneshot::Sender<()>>>> = Arc::default();
        // As a loader does: the first key of a batch adds the load.
        let load = async || {
            let (sender, receiver) = oneshot::channel();
            let is_first = {
                let mut waiting = waiting.lock().unwrap();
                waiting.push(sender);
                waiting.len() == 1
            };
            if is_first {
                let (waiting, sizes) = (Arc::clone(&waiting), Arc::clone(&sizes));
                rounds.add(Box::pin(async move {
                    let batch = std::mem::take(&mut *waiting.lock().unwrap());
                    sizes.lock().unwrap().push(batch.len());
                    tokio::time::sleep(Duration::from_millis(1)).await;
                    for sender in batch {
                        sender.send(()).unwrap();
                    }
                }));
            }
            receiver.await.unwrap();
        };
        let resolvers = join_all((0..300).map(|number| {
            let load = &load;
            async move {
                if number % 3 == 0 {
                    let mut was_polled = false;
                    let once_more = poll_fn(move |context: &mut Context<'_>| {
                        context.waker().wake_by_ref();
                        if std::mem::replace(&mut was_polled, true) { Poll::Ready(()) } else { Poll::Pending }
                    });
                    once_more.await;
                }
                load().await;
                load().await;
            }
        }));
        rounds.run(resolvers).await;
        assert_eq!(*sizes.lock().unwrap(), [300, 300]);
    }
}
