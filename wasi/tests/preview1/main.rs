//! WASI as a guest sees it: every test calls the functions from WebAssembly, through the engine, and looks at the
//! error number, at the exact bytes written, and at all the bytes around them.

/// What the guest's memory is; `tests/shared/` has the other kind.
const SHARED: bool = false;

mod args;
mod clock;
mod errors;
mod files;
mod guest;
mod hostile;
mod log;
mod paths;
mod poll;
mod proc;
mod read_only;
mod rights;
mod sockets;
mod streams;
mod unstable;
