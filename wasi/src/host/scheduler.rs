//! Waiting for descriptors and for time: [`wait`].
//!
//! A signal that arrives meanwhile ends the wait with `intr`: who sent it may want the guest to stop.

use super::clock::host_monotonic;
use super::{Descriptor, HostError, HostResult};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use smallvec::SmallVec;
use std::os::fd::BorrowedFd;

/// What to wait for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Wait<'a> {
    /// That the host's monotonic clock shows so many nanoseconds.
    Time(u64),
    /// That there is something to read.
    Readable(&'a Descriptor),
    /// That there is room to write.
    Writable(&'a Descriptor),
}

/// What has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ready {
    /// The time.
    Time,
    /// So many bytes to read or to write; whether the other end is gone.
    Bytes { count: u64, hangup: bool },
    /// An error, with which reading or writing would fail.
    Failed(HostError),
}

/// Waits until something has come: what of all that, with its place in `waits`.
///
/// # Errors
/// `badf` when one of the descriptors cannot be waited for, `intr` when a signal comes first.
pub(crate) fn wait(waits: &[Wait<'_>]) -> HostResult<Vec<(usize, Ready)>> {
    let mut wanted: SmallVec<[Wanted<'_>; 4]> = SmallVec::new();
    let mut fds: SmallVec<[PollFd<'_>; 4]> = SmallVec::new();
    let mut deadline = None;
    for (index, wait) in waits.iter().enumerate() {
        let (descriptor, flags) = match *wait {
            Wait::Time(time) => {
                deadline = Some(deadline.map_or(time, |earliest: u64| earliest.min(time)));
                continue;
            }
            Wait::Readable(descriptor) => (descriptor, PollFlags::IN),
            Wait::Writable(descriptor) => (descriptor, PollFlags::OUT),
        };
        let fd = descriptor.pollable()?;
        fds.extend(fd.map(|fd| PollFd::from_borrowed_fd(fd, flags)));
        wanted.push(Wanted { index, descriptor, flags, fd });
    }
    let always = wanted.iter().any(|wanted| wanted.fd.is_none());
    loop {
        let left = deadline.map(|deadline| deadline.saturating_sub(host_monotonic()));
        let timeout = if always { Some(0) } else { left }.map(timespec);
        poll(&mut fds, timeout.as_ref())?;
        let now = deadline.map(|_| host_monotonic());
        let ready = ready(waits, &wanted, &fds, now);
        if !ready.is_empty() {
            return Ok(ready);
        }
    }
}

/// A descriptor that is waited for; without `fd` it is always ready.
struct Wanted<'a> {
    index: usize,
    descriptor: &'a Descriptor,
    flags: PollFlags,
    fd: Option<BorrowedFd<'a>>,
}

/// What has come, in the order of `waits`. `now` is there when one of them is a time.
fn ready(
    waits: &[Wait<'_>],
    wanted: &[Wanted<'_>],
    fds: &[PollFd<'_>],
    now: Option<u64>,
) -> Vec<(usize, Ready)> {
    let mut ready = Vec::new();
    if let Some(now) = now {
        let due = |(index, wait): (usize, &Wait<'_>)| match wait {
            Wait::Time(time) if *time <= now => Some((index, Ready::Time)),
            _ => None,
        };
        ready.extend(waits.iter().enumerate().filter_map(due));
    }
    let mut fds = fds.iter();
    for wanted in wanted {
        let found = match wanted.fd {
            Some(_) => fds.next().map_or(PollFlags::empty(), PollFd::revents),
            None => wanted.flags,
        };
        ready.extend(outcome(wanted, found).map(|outcome| (wanted.index, outcome)));
    }
    ready.sort_unstable_by_key(|&(index, _)| index);
    ready
}

fn outcome(wanted: &Wanted<'_>, found: PollFlags) -> Option<Ready> {
    if found.is_empty() {
        return None;
    }
    let hangup = found.contains(PollFlags::HUP);
    let reads = wanted.flags.contains(PollFlags::IN);
    Some(if found.contains(PollFlags::NVAL) {
        Ready::Failed(Errno::BADF.into())
    } else if !reads && found.contains(PollFlags::ERR) {
        Ready::Failed(Errno::PIPE.into())
    } else if !reads {
        Ready::Bytes { count: 1, hangup }
    } else if found.intersects(PollFlags::IN | PollFlags::HUP) {
        Ready::Bytes { count: wanted.descriptor.ready_bytes(), hangup }
    } else {
        Ready::Failed(Errno::IO.into())
    })
}

fn timespec(nanos: u64) -> Timespec {
    const SECOND: u64 = 1_000_000_000;
    // Neither is as large as half of what there is room for.
    Timespec { tv_sec: (nanos / SECOND).cast_signed(), tv_nsec: (nanos % SECOND).cast_signed() }
}
