//! The tests of preview 1 once more, with a guest whose memory is shared between threads, and those that only make
//! sense for such a guest.

/// What the guest's memory is.
const SHARED: bool = true;

#[path = "../preview1/args.rs"]
mod args;
#[path = "../preview1/clock.rs"]
mod clock;
#[path = "../preview1/errors.rs"]
mod errors;
#[path = "../preview1/files.rs"]
mod files;
#[path = "../preview1/guest.rs"]
mod guest;
#[path = "../preview1/hostile.rs"]
mod hostile;
#[path = "../preview1/log.rs"]
mod log;
#[path = "../preview1/paths.rs"]
mod paths;
#[path = "../preview1/poll.rs"]
mod poll;
#[path = "../preview1/proc.rs"]
mod proc;
#[path = "../preview1/read_only.rs"]
mod read_only;
#[path = "../preview1/rights.rs"]
mod rights;
#[path = "../preview1/sockets.rs"]
mod sockets;
#[path = "../preview1/streams.rs"]
mod streams;
mod threads;
#[path = "../preview1/unstable.rs"]
mod unstable;
mod writes;
