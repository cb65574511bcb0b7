//! The program's arguments.

use crate::call::{Call, Outcome};

/// Writes the arguments, the program's name first.
///
/// - `argv`: where their addresses go, four bytes each
/// - `argv_buf`: where they themselves go, each with a zero at its end
///
/// Both have the sizes that [`args_sizes_get`] tells; one that is not inside the memory traps.
///
/// Spec: <https://github.com/WebAssembly/WASI/blob/main/legacy/preview1/docs.md#args_get>
pub(crate) fn args_get(call: &mut Call<'_>, argv: i32, argv_buf: i32) -> Outcome {
    call.ctx.args.write(&mut call.memory, argv, argv_buf)
}

/// Tells how much room [`args_get`] needs.
///
/// - `argc`: where the number of arguments goes
/// - `argv_buf_size`: where the number of their bytes goes, zeros included
///
/// `overflow`: they do not fit into a 32-bit memory.
///
/// Spec: <https://github.com/WebAssembly/WASI/blob/main/legacy/preview1/docs.md#args_sizes_get>
pub(crate) fn args_sizes_get(call: &mut Call<'_>, argc: i32, argv_buf_size: i32) -> Outcome {
    call.ctx.args.write_sizes(&mut call.memory, argc, argv_buf_size)
}
