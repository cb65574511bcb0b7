//! The environment variables that the guest was given.

use crate::call::{Call, Outcome};

/// Writes the variables as `NAME=value`.
///
/// - `environ`: where their addresses go, four bytes each
/// - `environ_buf`: where they themselves go, each with a zero at its end
///
/// Both have the sizes that [`environ_sizes_get`] tells; one that is not inside the memory traps.
///
/// Spec: <https://github.com/WebAssembly/WASI/blob/main/legacy/preview1/docs.md#environ_get>
pub(crate) fn environ_get(call: &mut Call<'_>, environ: i32, environ_buf: i32) -> Outcome {
    call.ctx.environ.write(&mut call.memory, environ, environ_buf)
}

/// Tells how much room [`environ_get`] needs.
///
/// - `environc`: where the number of variables goes
/// - `environ_buf_size`: where the number of their bytes goes, zeros included
///
/// `overflow`: they do not fit into a 32-bit memory.
///
/// Spec: <https://github.com/WebAssembly/WASI/blob/main/legacy/preview1/docs.md#environ_sizes_get>
pub(crate) fn environ_sizes_get(
    call: &mut Call<'_>,
    environc: i32,
    environ_buf_size: i32,
) -> Outcome {
    call.ctx.environ.write_sizes(&mut call.memory, environc, environ_buf_size)
}
