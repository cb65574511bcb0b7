//! The host's side: what descriptors are and do, paths, clocks, random bytes and waiting, on `cap-std` and `rustix`.
//!
//! Nothing here knows of a guest's memory, or of any version of WASI beyond the rights of preview 1. What a guest asks
//! for arrives as Rust values and buffers, everything is a blocking system call, and what fails does so with one
//! [`HostError`]; a *binding* ([`fd`](crate::fd) and its like for preview 1) decodes, calls, and encodes. The invariant
//! that bindings rely on: no call leads out of the directories that the guest was given, or changes one that is
//! read-only, whatever they pass.

mod access;
mod clock;
mod descriptor;
mod dir;
mod error;
mod file;
mod flags;
mod listing;
pub(crate) mod random;
mod rights;
pub(crate) mod scheduler;
mod socket;
mod stat;
mod stream;
mod table;
mod transfer;

pub use access::DirAccess;
pub(crate) use clock::{Clock, Clocks, host_monotonic};
pub(crate) use descriptor::Descriptor;
pub(crate) use dir::{HostDir, OpenHow, Opened};
pub(crate) use error::{HostError, HostResult};
pub(crate) use file::HostFile;
pub(crate) use flags::StatusFlags;
pub(crate) use rights::Rights;
pub(crate) use socket::Socket;
pub(crate) use stat::{FileKind, Filestat, NewTime};
pub(crate) use stream::Stream;
pub(crate) use table::Table;
pub(crate) use transfer::Place;

use rustix::fs::{Timespec, Timestamps, UTIME_NOW, UTIME_OMIT};

/// New times as the system takes them.
fn timestamps(accessed: NewTime, modified: NewTime) -> Timestamps {
    Timestamps { last_access: new_time(accessed), last_modification: new_time(modified) }
}

fn new_time(time: NewTime) -> Timespec {
    const SECOND: u64 = 1_000_000_000;
    match time {
        NewTime::Same => Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT },
        NewTime::Now => Timespec { tv_sec: 0, tv_nsec: UTIME_NOW },
        NewTime::At(nanos) => Timespec {
            tv_sec: (nanos / SECOND).cast_signed(),
            tv_nsec: (nanos % SECOND).cast_signed(),
        },
    }
}
