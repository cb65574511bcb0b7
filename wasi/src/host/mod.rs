//! The host's side: directories, files, standard streams and waiting, as `wasi-common` wants to see them.
//!
//! `wasi-common` keeps the table of descriptors and knows the specification; what a descriptor does is here, because
//! its own streams hold a lock while they block and its own directories know no read-only access.

mod access;
mod dir;
mod file;
mod scheduler;
mod stream;

pub use access::DirAccess;
pub(crate) use dir::HostDir;
pub(crate) use scheduler::Scheduler;
pub(crate) use stream::Stream;

use wasi_common::Error;
use wasi_common::file::{FdFlags, Filestat};

/// What a system call's failure is to a guest.
fn failed(errno: rustix::io::Errno) -> Error {
    Error::from(std::io::Error::from(errno))
}

/// Moves times before 1970, which WASI cannot express, to 1970: `wasi-common` panics over them.
fn with_known_times(mut stat: Filestat) -> Filestat {
    for time in [&mut stat.atim, &mut stat.mtim, &mut stat.ctim] {
        *time = time.map(|time| time.max(std::time::UNIX_EPOCH));
    }
    stat
}

/// The flags of an open file of the host as WASI has them.
fn fd_flags(flags: rustix::fs::OFlags) -> FdFlags {
    let mut known = FdFlags::empty();
    known.set(FdFlags::APPEND, flags.contains(rustix::fs::OFlags::APPEND));
    known.set(FdFlags::NONBLOCK, flags.contains(rustix::fs::OFlags::NONBLOCK));
    known.set(FdFlags::DSYNC, flags.contains(rustix::fs::OFlags::DSYNC));
    known.set(FdFlags::SYNC, flags.contains(rustix::fs::OFlags::SYNC));
    known
}
