//! Descriptors: closing, renumbering, positions, advice, and getting data to the disk.

use crate::call::{Call, Snapshot, run};
use crate::errno::Errno;
use wasi_common::snapshots::preview_0::wasi_unstable as abi_unstable;
use wasi_common::snapshots::preview_1::wasi_snapshot_preview1 as abi;
use wrun_runtime::Result;

/// Says how a part of a file is going to be used.
///
/// - `fd`: the file
/// - `offset`, `len`: the part
/// - `advice`: 0 normal, 1 sequential, 2 random, 3 soon, 4 not soon, 5 once
///
/// `badf`: not an open file. `inval`: no such advice. `spipe`: it has no positions.
///
/// Spec: <https://github.com/WebAssembly/WASI/blob/main/legacy/preview1/docs.md#fd_advise>
pub(crate) fn fd_advise(
    call: &mut Call<'_>,
    fd: i32,
    offset: i64,
    len: i64,
    advice: i32,
) -> Result<Errno> {
    run(abi::fd_advise(&mut call.ctx.inner, &mut call.memory, fd, offset, len, advice))
}

/// Would reserve room on the disk for a part of a file; later versions of WASI dropped it, and so does this one.
///
/// - `fd`: the file
/// - `offset`, `len`: the part
///
/// `badf`: not an open file. `notsup`: always, otherwise.
///
/// Spec: <https://github.com/WebAssembly/WASI/blob/main/legacy/preview1/docs.md#fd_allocate>
pub(crate) fn fd_allocate(call: &mut Call<'_>, fd: i32, offset: i64, len: i64) -> Result<Errno> {
    run(abi::fd_allocate(&mut call.ctx.inner, &mut call.memory, fd, offset, len))
}

/// Closes a descriptor.
///
/// - `fd`: a file, directory or socket
///
/// `badf`: not open.
///
/// Spec: <https://github.com/WebAssembly/WASI/blob/main/legacy/preview1/docs.md#fd_close>
pub(crate) fn fd_close(call: &mut Call<'_>, fd: i32) -> Result<Errno> {
    let _held = call.ctx.descriptors.hold();
    run(abi::fd_close(&mut call.ctx.inner, &mut call.memory, fd))
}

/// Waits until a file's data are on the disk.
///
/// - `fd`: the file
///
/// `badf`: not an open file. `io`: the disk failed.
///
/// Spec: <https://github.com/WebAssembly/WASI/blob/main/legacy/preview1/docs.md#fd_datasync>
pub(crate) fn fd_datasync(call: &mut Call<'_>, fd: i32) -> Result<Errno> {
    run(abi::fd_datasync(&mut call.ctx.inner, &mut call.memory, fd))
}

/// Gives a descriptor the number of another, which is closed.
///
/// - `fd`: the descriptor
/// - `to`: the number that it gets
///
/// `badf`: one of them is not open.
///
/// Spec: <https://github.com/WebAssembly/WASI/blob/main/legacy/preview1/docs.md#fd_renumber>
pub(crate) fn fd_renumber(call: &mut Call<'_>, fd: i32, to: i32) -> Result<Errno> {
    let _held = call.ctx.descriptors.hold();
    run(abi::fd_renumber(&mut call.ctx.inner, &mut call.memory, fd, to))
}

/// Moves a file's position.
///
/// - `fd`: the file
/// - `offset`: how far
/// - `whence`: from where; preview 1 counts start, position, end, and `wasi_unstable` counts position, end, start
/// - `newoffset`: where the new position goes, eight bytes
///
/// `badf`: not an open file. `inval`: no such `whence`, or a position before the start. `spipe`: it has no positions.
///
/// Spec: <https://github.com/WebAssembly/WASI/blob/main/legacy/preview1/docs.md#fd_seek>
pub(crate) fn fd_seek(
    call: &mut Call<'_>,
    fd: i32,
    offset: i64,
    whence: i32,
    newoffset: i32,
) -> Result<Errno> {
    let (ctx, memory) = (&mut call.ctx.inner, &mut call.memory);
    match call.snapshot {
        Snapshot::Preview1 => run(abi::fd_seek(ctx, memory, fd, offset, whence, newoffset)),
        Snapshot::Unstable => {
            run(abi_unstable::fd_seek(ctx, memory, fd, offset, whence, newoffset))
        }
    }
}

/// Waits until a file's data and all that is known about it are on the disk.
///
/// - `fd`: the file
///
/// `badf`: not an open file. `io`: the disk failed.
///
/// Spec: <https://github.com/WebAssembly/WASI/blob/main/legacy/preview1/docs.md#fd_sync>
pub(crate) fn fd_sync(call: &mut Call<'_>, fd: i32) -> Result<Errno> {
    run(abi::fd_sync(&mut call.ctx.inner, &mut call.memory, fd))
}

/// Tells a file's position.
///
/// - `fd`: the file
/// - `offset`: where the position goes, eight bytes
///
/// `badf`: not an open file. `spipe`: it has no positions.
///
/// Spec: <https://github.com/WebAssembly/WASI/blob/main/legacy/preview1/docs.md#fd_tell>
pub(crate) fn fd_tell(call: &mut Call<'_>, fd: i32, offset: i32) -> Result<Errno> {
    run(abi::fd_tell(&mut call.ctx.inner, &mut call.memory, fd, offset))
}
