//! [`Waiters`]: the threads that wait at addresses of one shared memory.

use std::{
    collections::{HashMap, VecDeque},
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

/// How waiting ended; the numbers are those that the instructions give.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum WaitResult {
    /// Somebody notified.
    Ok = 0,
    /// The value was not the expected one; nobody waited.
    Mismatch = 1,
    /// The time was over.
    TimedOut = 2,
}

/// Everyone who waits, first come first, by address.
#[derive(Debug, Default)]
pub(super) struct Waiters(Mutex<HashMap<u64, VecDeque<Arc<Waiter>>>>);

/// One waiting thread.
#[derive(Debug, Default)]
struct Waiter {
    /// Written and read under the lock of the queues only.
    notified: AtomicBool,
    wake: Condvar,
}

type Queues<'a> = MutexGuard<'a, HashMap<u64, VecDeque<Arc<Waiter>>>>;

impl Waiters {
    /// Nothing that runs under the lock leaves the queues half changed.
    fn lock(&self) -> Queues<'_> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits at `address` until notified, for `timeout` at most; for ever when there is none.
    ///
    /// `is_expected` is asked under the lock that [`notify`](Self::notify) takes too: whoever changes the value and
    /// notifies afterwards finds the waiter in the queue, or the waiter has seen the change.
    pub(super) fn wait(
        &self,
        address: u64,
        is_expected: impl FnOnce() -> bool,
        timeout: Option<Duration>,
    ) -> WaitResult {
        // A time that the clock cannot show never comes.
        let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        let mut queues = self.lock();
        if !is_expected() {
            return WaitResult::Mismatch;
        }
        let waiter = Arc::new(Waiter::default());
        queues.entry(address).or_default().push_back(waiter.clone());
        // A condition variable may wake without a reason.
        while !waiter.notified.load(Ordering::Relaxed) {
            let Some(deadline) = deadline else {
                queues = waiter.wake.wait(queues).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                leave(&mut queues, address, &waiter);
                return WaitResult::TimedOut;
            }
            let woken = waiter.wake.wait_timeout(queues, left);
            queues = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
        WaitResult::Ok
    }

    /// Wakes at most `count` of those who wait at `address`, who came first, and gives how many.
    pub(super) fn notify(&self, address: u64, count: u32) -> u32 {
        let mut queues = self.lock();
        let Some(queue) = queues.get_mut(&address) else { return 0 };
        let woken = queue.len().min(count as usize);
        for waiter in queue.drain(..woken) {
            waiter.notified.store(true, Ordering::Relaxed);
            waiter.wake.notify_one();
        }
        if queue.is_empty() {
            queues.remove(&address);
        }
        // At most `count`.
        woken as u32
    }
}

/// Takes a waiter that gives up out of its queue.
fn leave(queues: &mut Queues<'_>, address: u64, waiter: &Arc<Waiter>) {
    let Some(queue) = queues.get_mut(&address) else { return };
    queue.retain(|other| !Arc::ptr_eq(other, waiter));
    if queue.is_empty() {
        queues.remove(&address);
    }
}

#[cfg(test)]
mod tests {
    use std::{thread, time::Duration};

    use super::{WaitResult, Waiters};

    #[test]
    fn nobody_waits_for_a_value_that_has_changed() {
        let waiters = Waiters::default();
        assert_eq!(waiters.wait(0, || false, None), WaitResult::Mismatch);
        assert_eq!(waiters.notify(0, 1), 0);
    }

    #[test]
    fn who_gives_up_is_not_counted() {
        let waiters = Waiters::default();
        let timeout = Some(Duration::from_millis(1));
        assert_eq!(waiters.wait(8, || true, timeout), WaitResult::TimedOut);
        assert_eq!(waiters.notify(8, u32::MAX), 0);
        assert!(waiters.lock().is_empty());
    }

    #[test]
    fn only_as_many_as_asked_for_are_woken_and_only_there() {
        let waiters = Waiters::default();
        thread::scope(|scope| {
            let threads: Vec<_> =
                (0..3).map(|_| scope.spawn(|| waiters.wait(16, || true, None))).collect();
            while waiters.lock().get(&16).is_none_or(|queue| queue.len() < 3) {
                thread::yield_now();
            }
            assert_eq!(waiters.notify(24, 3), 0);
            assert_eq!(waiters.notify(16, 0), 0);
            assert_eq!(waiters.notify(16, 2), 2);
            assert_eq!(waiters.notify(16, 2), 1);
            for thread in threads {
                assert_eq!(thread.join().unwrap(), WaitResult::Ok);
            }
        });
    }
}
