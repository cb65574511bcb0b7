//! Directories by descriptor: which ones the guest begins with, and what is in them.

use crate::call::{Call, run};
use crate::errno::Errno;
use wasi_common::snapshots::preview_1::wasi_snapshot_preview1 as abi;
use wrun_runtime::Result;

/// Tells whether a descriptor is a directory that the guest was given, and how long its name is.
///
/// - `fd`: the descriptor; guests ask for 3, 4, … until there is none
/// - `buf`: where the answer goes, eight bytes: type 0 for a directory, and the length
///
/// `badf`: not an open directory. `notsup`: one that the guest opened itself.
///
/// Spec: <https://github.com/WebAssembly/WASI/blob/main/legacy/preview1/docs.md#fd_prestat_get>
pub(crate) fn fd_prestat_get(call: &mut Call<'_>, fd: i32, buf: i32) -> Result<Errno> {
    run(abi::fd_prestat_get(&mut call.ctx.inner, &mut call.memory, fd, buf))
}

/// Writes the name under which the guest was given a directory, without a zero at its end.
///
/// - `fd`: the directory
/// - `path`, `path_len`: where it goes, and how much room there is
///
/// `notdir`: not an open directory. `notsup`: one that the guest opened itself. `nametoolong`: not enough room.
///
/// Spec: <https://github.com/WebAssembly/WASI/blob/main/legacy/preview1/docs.md#fd_prestat_dir_name>
pub(crate) fn fd_prestat_dir_name(
    call: &mut Call<'_>,
    fd: i32,
    path: i32,
    path_len: i32,
) -> Result<Errno> {
    run(abi::fd_prestat_dir_name(&mut call.ctx.inner, &mut call.memory, fd, path, path_len))
}

/// Lists a directory: 24 bytes and the name for each entry, the last one cut off where the room ends.
///
/// - `fd`: the directory
/// - `buf`, `buf_len`: where the entries go, and how much room there is
/// - `cookie`: 0 for the beginning, or the `d_next` of the entry after which to go on
/// - `bufused`: where the number of bytes goes; less than `buf_len` when the listing is complete
///
/// A listing shows the directory as it was when it began, so that a guest may remove what it reads.
///
/// `badf`: not an open directory.
///
/// Spec: <https://github.com/WebAssembly/WASI/blob/main/legacy/preview1/docs.md#fd_readdir>
pub(crate) fn fd_readdir(
    call: &mut Call<'_>,
    fd: i32,
    buf: i32,
    buf_len: i32,
    cookie: i64,
    bufused: i32,
) -> Result<Errno> {
    let (ctx, memory) = (&mut call.ctx.inner, &mut call.memory);
    run(abi::fd_readdir(ctx, memory, fd, buf, buf_len, cookie, bufused))
}
