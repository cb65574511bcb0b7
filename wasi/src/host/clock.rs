//! [`Clocks`]: real time, a monotonic clock that begins when it is made, and processor time. All in nanoseconds.

use super::HostResult;
use rustix::io::Errno;
use rustix::time::{ClockId, Timespec, clock_getres, clock_gettime};

/// A clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Clock {
    /// Time since 1970, which somebody may set.
    Real,
    /// Time since the [`Clocks`] were made, which only goes on.
    Monotonic,
    /// What this process used of the processors.
    Process,
    /// What this thread used.
    Thread,
}

impl Clock {
    fn id(self) -> ClockId {
        match self {
            Clock::Real => ClockId::Realtime,
            Clock::Monotonic => ClockId::Monotonic,
            Clock::Process => ClockId::ProcessCPUTime,
            Clock::Thread => ClockId::ThreadCPUTime,
        }
    }

    /// How fine it is.
    ///
    /// # Errors
    /// `overflow` when that is too long for a number.
    pub(crate) fn resolution(self) -> HostResult<u64> {
        nanos(clock_getres(self.id()))
    }
}

/// The clocks of a guest.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clocks {
    /// When they were made, on the host's monotonic clock.
    start: u64,
}

impl Clocks {
    pub(crate) fn new() -> Clocks {
        Clocks { start: host_monotonic() }
    }

    /// # Errors
    /// `overflow` when it is too late or too early for a number.
    pub(crate) fn now(&self, clock: Clock) -> HostResult<u64> {
        let now = nanos(clock_gettime(clock.id()))?;
        Ok(if clock == Clock::Monotonic { now.saturating_sub(self.start) } else { now })
    }

    /// When the guest's monotonic clock shows `time`, on the host's.
    pub(crate) fn on_host(&self, time: u64) -> u64 {
        self.start.saturating_add(time)
    }
}

/// The host's monotonic clock.
pub(crate) fn host_monotonic() -> u64 {
    // It begins with the system, and is far from where the number ends.
    nanos(clock_gettime(ClockId::Monotonic)).unwrap_or(u64::MAX)
}

fn nanos(time: Timespec) -> HostResult<u64> {
    u64::try_from(time.tv_sec)
        .ok()
        .zip(u64::try_from(time.tv_nsec).ok())
        .and_then(|(seconds, nanos)| seconds.checked_mul(1_000_000_000)?.checked_add(nanos))
        .ok_or_else(|| Errno::OVERFLOW.into())
}
