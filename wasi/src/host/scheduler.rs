//! [`Scheduler`]: waiting for descriptors and for time, and yielding.
//!
//! A signal that arrives meanwhile ends the wait with `intr`: who sent it may want the guest to stop.

use super::failed;
use async_trait::async_trait;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::thread::{NanosleepRelativeResult, nanosleep};
use std::os::fd::BorrowedFd;
use std::time::Duration;
use wasi_common::file::WasiFile;
use wasi_common::sched::{Poll, RwEventFlags, RwSubscription, Subscription, WasiSched};
use wasi_common::snapshots::preview_1::error::Errno;
use wasi_common::{Error, ErrorExt};

/// The host's scheduler.
pub(crate) struct Scheduler;

#[async_trait]
impl WasiSched for Scheduler {
    async fn poll_oneoff<'a>(&self, poll: &mut Poll<'a>) -> Result<(), Error> {
        loop {
            let remaining = poll
                .earliest_clock_deadline()
                .map(|deadline| deadline.duration_until().unwrap_or(Duration::ZERO));
            let is_due = remaining == Some(Duration::ZERO);
            if wait(poll, remaining)? || is_due {
                return Ok(());
            }
        }
    }

    async fn sched_yield(&self) -> Result<(), Error> {
        std::thread::yield_now();
        Ok(())
    }

    async fn sleep(&self, duration: Duration) -> Result<(), Error> {
        match nanosleep(&timespec(duration)) {
            NanosleepRelativeResult::Ok => Ok(()),
            NanosleepRelativeResult::Interrupted(_) => Err(failed(rustix::io::Errno::INTR)),
            NanosleepRelativeResult::Err(errno) => Err(failed(errno)),
        }
    }
}

/// Waits for the descriptors, at most as long as `timeout`, and completes those that are ready. Whether one was.
fn wait<'a>(subscriptions: &mut Poll<'a>, timeout: Option<Duration>) -> Result<bool, Error> {
    let wanted: Vec<(Option<BorrowedFd<'a>>, PollFlags)> = subscriptions
        .rw_subscriptions()
        .filter_map(|subscription| match subscription {
            Subscription::Read(of) => Some((pollable(of), PollFlags::IN)),
            Subscription::Write(of) => Some((pollable(of), PollFlags::OUT)),
            Subscription::MonotonicClock(_) => None,
        })
        .collect();
    let always = wanted.iter().any(|(fd, _)| fd.is_none());
    let mut fds: Vec<PollFd<'_>> = wanted
        .iter()
        .filter_map(|(fd, flags)| fd.map(|fd| PollFd::from_borrowed_fd(fd, *flags)))
        .collect();
    let timeout = if always { Some(Duration::ZERO) } else { timeout }.map(timespec);
    let ready = poll(&mut fds, timeout.as_ref()).map_err(failed)?;
    if ready == 0 && !always {
        return Ok(false);
    }
    let mut fds = fds.iter();
    for (subscription, (fd, flags)) in subscriptions.rw_subscriptions().zip(&wanted) {
        // What cannot be waited for is always ready.
        let found = match fd {
            Some(_) => fds.next().map_or(PollFlags::empty(), PollFd::revents),
            None => *flags,
        };
        complete(subscription, found);
    }
    Ok(true)
}

fn pollable<'a>(subscription: &RwSubscription<'a>) -> Option<BorrowedFd<'a>> {
    let file: &'a dyn WasiFile = subscription.file;
    file.pollable()
}

fn complete(subscription: &mut Subscription<'_>, found: PollFlags) {
    if found.is_empty() {
        return;
    }
    let hangup = match found.contains(PollFlags::HUP) {
        true => RwEventFlags::HANGUP,
        false => RwEventFlags::empty(),
    };
    match subscription {
        Subscription::Read(of) | Subscription::Write(of) if found.contains(PollFlags::NVAL) => {
            of.error(Error::badf());
        }
        Subscription::Read(of) if found.intersects(PollFlags::IN | PollFlags::HUP) => {
            let bytes = of.file.num_ready_bytes().unwrap_or(0);
            of.complete(bytes, hangup);
        }
        Subscription::Write(of) if found.contains(PollFlags::ERR) => {
            of.error(Errno::Pipe.into());
        }
        Subscription::Write(of) => of.complete(1, hangup),
        Subscription::Read(of) => of.error(Error::io()),
        Subscription::MonotonicClock(_) => {}
    }
}

fn timespec(duration: Duration) -> Timespec {
    // Longer than the system can wait is as long as it can.
    Timespec {
        tv_sec: i64::try_from(duration.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: duration.subsec_nanos().into(),
    }
}
