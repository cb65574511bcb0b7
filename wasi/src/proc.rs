//! The process: ending it.

use crate::call::{Call, Failure, Outcome};
use crate::errno::Errno;
use wrun_runtime::Error;

/// Ends the guest.
///
/// - `rval`: its exit code; all 32 bits reach the embedder
///
/// # Errors
/// Always: the exit is an error that the embedder tells from others by [`Error::exit_code`].
///
/// Spec: <https://github.com/WebAssembly/WASI/blob/main/legacy/preview1/docs.md#proc_exit>
pub(crate) fn proc_exit(_: &mut Call<'_>, rval: i32) -> Outcome {
    Err(Failure::End(Error::exit(rval)))
}

/// Would send the guest a signal; WASI has no way to handle one, and removed the function.
///
/// - `sig`: the signal's number
///
/// `nosys`: always.
///
/// Spec: <https://github.com/WebAssembly/WASI/blob/main/legacy/preview1/docs.md#proc_raise>
pub(crate) fn proc_raise(_: &mut Call<'_>, _sig: i32) -> Outcome {
    Err(Errno::NOSYS.into())
}
