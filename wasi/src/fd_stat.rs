//! What a descriptor is, and changing that: type, flags, rights, size and times.

use crate::call::{Call, Snapshot, run};
use crate::errno::Errno;
use wasi_common::snapshots::preview_0::wasi_unstable as abi_unstable;
use wasi_common::snapshots::preview_1::wasi_snapshot_preview1 as abi;
use wrun_runtime::Result;

/// Tells a descriptor's type, flags and rights.
///
/// - `fd`: the descriptor
/// - `stat`: where the answer goes, 24 bytes
///
/// `badf`: not open.
///
/// Spec: <https://github.com/WebAssembly/WASI/blob/main/legacy/preview1/docs.md#fd_fdstat_get>
pub(crate) fn fd_fdstat_get(call: &mut Call<'_>, fd: i32, stat: i32) -> Result<Errno> {
    run(abi::fd_fdstat_get(&mut call.ctx.inner, &mut call.memory, fd, stat))
}

/// Sets whether a descriptor appends and whether it blocks.
///
/// - `fd`: the descriptor
/// - `flags`: 1 append, 4 do not block; the others cannot be changed once it is open
///
/// `badf`: not an open file. `inval`: a flag that cannot be changed.
///
/// Spec: <https://github.com/WebAssembly/WASI/blob/main/legacy/preview1/docs.md#fd_fdstat_set_flags>
pub(crate) fn fd_fdstat_set_flags(call: &mut Call<'_>, fd: i32, flags: i32) -> Result<Errno> {
    run(abi::fd_fdstat_set_flags(&mut call.ctx.inner, &mut call.memory, fd, flags))
}

/// Would give up rights of a descriptor; rights are gone from later versions of WASI, and nothing asks for it.
///
/// - `fd`: the descriptor
/// - `fs_rights_base`, `fs_rights_inheriting`: the rights that would be left
///
/// `badf`: not open. `notsup`: always, otherwise.
///
/// Spec: <https://github.com/WebAssembly/WASI/blob/main/legacy/preview1/docs.md#fd_fdstat_set_rights>
pub(crate) fn fd_fdstat_set_rights(
    call: &mut Call<'_>,
    fd: i32,
    fs_rights_base: i64,
    fs_rights_inheriting: i64,
) -> Result<Errno> {
    let (ctx, memory) = (&mut call.ctx.inner, &mut call.memory);
    run(abi::fd_fdstat_set_rights(ctx, memory, fd, fs_rights_base, fs_rights_inheriting))
}

/// Tells what is known of an open file or directory: device, number, type, links, size, times.
///
/// - `fd`: the descriptor
/// - `buf`: where the answer goes, 64 bytes; 56 for `wasi_unstable`, where the number of links has four bytes
///
/// `badf`: not open.
///
/// Spec: <https://github.com/WebAssembly/WASI/blob/main/legacy/preview1/docs.md#fd_filestat_get>
pub(crate) fn fd_filestat_get(call: &mut Call<'_>, fd: i32, buf: i32) -> Result<Errno> {
    let (ctx, memory) = (&mut call.ctx.inner, &mut call.memory);
    match call.snapshot {
        Snapshot::Preview1 => run(abi::fd_filestat_get(ctx, memory, fd, buf)),
        Snapshot::Unstable => run(abi_unstable::fd_filestat_get(ctx, memory, fd, buf)),
    }
}

/// Makes a file shorter, or longer by zeros.
///
/// - `fd`: the file
/// - `size`: its new size
///
/// `badf`: not an open file. `inval`: not open for writing. `rofs`: its directory is read-only. `fbig`: too large.
///
/// Spec: <https://github.com/WebAssembly/WASI/blob/main/legacy/preview1/docs.md#fd_filestat_set_size>
pub(crate) fn fd_filestat_set_size(call: &mut Call<'_>, fd: i32, size: i64) -> Result<Errno> {
    run(abi::fd_filestat_set_size(&mut call.ctx.inner, &mut call.memory, fd, size))
}

/// Sets when a file or directory was last read and changed.
///
/// - `fd`: the descriptor
/// - `atim`, `mtim`: the times, in nanoseconds since 1970
/// - `fst_flags`: 1 set `atim` as given, 2 to now, 4 set `mtim` as given, 8 to now
///
/// `badf`: not open. `inval`: both as given and to now. `rofs`: its directory is read-only. `perm`: not the owner.
///
/// Spec: <https://github.com/WebAssembly/WASI/blob/main/legacy/preview1/docs.md#fd_filestat_set_times>
pub(crate) fn fd_filestat_set_times(
    call: &mut Call<'_>,
    fd: i32,
    atim: i64,
    mtim: i64,
    fst_flags: i32,
) -> Result<Errno> {
    let _held = call.ctx.descriptors.hold();
    let (ctx, memory) = (&mut call.ctx.inner, &mut call.memory);
    run(abi::fd_filestat_set_times(ctx, memory, fd, atim, mtim, fst_flags))
}
