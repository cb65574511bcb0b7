//! Files and directories by path, always beneath a directory that the guest holds open.
//!
//! A path that leaves the directory, by `..`, by being absolute or by a symbolic link, fails with `perm`. What would
//! change a read-only directory fails with `rofs`. A path that is not UTF-8 fails with `ilseq`. Any function of this
//! file fails with `badf` for a descriptor that is not an open directory, with `notdir` when a part of the path is
//! not a directory, with `noent` when something is missing, and with `loop`, `nametoolong` and `acces` as the host
//! does; the functions name what comes on top.

use crate::call::{Call, Snapshot, run};
use crate::errno::Errno;
use wasi_common::snapshots::preview_0::wasi_unstable as abi_unstable;
use wasi_common::snapshots::preview_1::wasi_snapshot_preview1 as abi;
use wrun_runtime::Result;

/// The rights that a snapshot knows, without `sock_accept`: guests ask for all there are.
const RIGHTS: i64 = (1 << 29) - 1;

/// Makes a directory.
///
/// - `fd`, `path`, `path_len`: where
///
/// `exist`: there is something of that name. `rofs`: the directory is read-only.
///
/// Spec: <https://github.com/WebAssembly/WASI/blob/main/legacy/preview1/docs.md#path_create_directory>
pub(crate) fn path_create_directory(
    call: &mut Call<'_>,
    fd: i32,
    path: i32,
    path_len: i32,
) -> Result<Errno> {
    run(abi::path_create_directory(&mut call.ctx.inner, &mut call.memory, fd, path, path_len))
}

/// Tells what is known of a file or directory: device, number, type, links, size, times.
///
/// - `fd`, `path`, `path_len`: of which
/// - `flags`: 1 to follow a symbolic link at the end of the path
/// - `buf`: where the answer goes, 64 bytes; 56 for `wasi_unstable`, where the number of links has four bytes
///
/// `inval`: an unknown flag.
///
/// Spec: <https://github.com/WebAssembly/WASI/blob/main/legacy/preview1/docs.md#path_filestat_get>
pub(crate) fn path_filestat_get(
    call: &mut Call<'_>,
    fd: i32,
    flags: i32,
    path: i32,
    path_len: i32,
    buf: i32,
) -> Result<Errno> {
    let (ctx, memory) = (&mut call.ctx.inner, &mut call.memory);
    match call.snapshot {
        Snapshot::Preview1 => {
            run(abi::path_filestat_get(ctx, memory, fd, flags, path, path_len, buf))
        }
        Snapshot::Unstable => {
            run(abi_unstable::path_filestat_get(ctx, memory, fd, flags, path, path_len, buf))
        }
    }
}

/// Sets when a file or directory was last read and changed.
///
/// - `fd`, `path`, `path_len`: of which
/// - `flags`: 1 to follow a symbolic link at the end of the path
/// - `atim`, `mtim`: the times, in nanoseconds since 1970
/// - `fst_flags`: 1 set `atim` as given, 2 to now, 4 set `mtim` as given, 8 to now
///
/// `inval`: both as given and to now, or an unknown flag. `rofs`: the directory is read-only. `perm`: not the owner.
///
/// Spec: <https://github.com/WebAssembly/WASI/blob/main/legacy/preview1/docs.md#path_filestat_set_times>
#[expect(clippy::too_many_arguments, reason = "the specification's parameters")]
pub(crate) fn path_filestat_set_times(
    call: &mut Call<'_>,
    fd: i32,
    flags: i32,
    path: i32,
    path_len: i32,
    atim: i64,
    mtim: i64,
    fst_flags: i32,
) -> Result<Errno> {
    let (ctx, memory) = (&mut call.ctx.inner, &mut call.memory);
    run(abi::path_filestat_set_times(ctx, memory, fd, flags, path, path_len, atim, mtim, fst_flags))
}

/// Gives a file a second name.
///
/// - `old_fd`, `old_path`, `old_path_len`: the file
/// - `old_flags`: 0; following a symbolic link is not supported
/// - `new_fd`, `new_path`, `new_path_len`: the name
///
/// `exist`: the name is taken. `inval`: a flag. `rofs`: one of the directories is read-only. `xdev`: they are on two
/// file systems. `perm`: the file is a directory.
///
/// Spec: <https://github.com/WebAssembly/WASI/blob/main/legacy/preview1/docs.md#path_link>
#[expect(clippy::too_many_arguments, reason = "the specification's parameters")]
pub(crate) fn path_link(
    call: &mut Call<'_>,
    old_fd: i32,
    old_flags: i32,
    old_path: i32,
    old_path_len: i32,
    new_fd: i32,
    new_path: i32,
    new_path_len: i32,
) -> Result<Errno> {
    let (ctx, memory) = (&mut call.ctx.inner, &mut call.memory);
    run(abi::path_link(
        ctx,
        memory,
        old_fd,
        old_flags,
        old_path,
        old_path_len,
        new_fd,
        new_path,
        new_path_len,
    ))
}

/// Opens a file or directory, and makes the file when that is asked for.
///
/// - `fd`, `path`, `path_len`: which
/// - `dirflags`: 1 to follow a symbolic link at the end of the path
/// - `oflags`: 1 make it, 2 it must be a directory, 4 it must be new, 8 empty it
/// - `fs_rights_base`: what the guest wants to do with it; 2 read and 64 write count, the rest is gone from WASI
/// - `fs_rights_inheriting`: gone from WASI
/// - `fdflags`: 1 append, 4 do not block
/// - `opened`: where the descriptor goes
///
/// `exist`: it must be new and is not. `isdir`: writing to a directory. `notdir`: it must be a directory and is not.
/// `loop`: a symbolic link that is not to be followed. `notsup`: synchronised writing, 2, 8 or 16 in `fdflags`.
/// `inval`: making or emptying a directory, or an unknown flag. `rofs`: writing, making or emptying in a directory
/// that is read-only. `mfile`, `nfile`: too many are open.
///
/// Spec: <https://github.com/WebAssembly/WASI/blob/main/legacy/preview1/docs.md#path_open>
#[expect(clippy::too_many_arguments, reason = "the specification's parameters")]
pub(crate) fn path_open(
    call: &mut Call<'_>,
    fd: i32,
    dirflags: i32,
    path: i32,
    path_len: i32,
    oflags: i32,
    fs_rights_base: i64,
    fs_rights_inheriting: i64,
    fdflags: i32,
    opened: i32,
) -> Result<Errno> {
    let (ctx, memory) = (&mut call.ctx.inner, &mut call.memory);
    let (base, inheriting) = (fs_rights_base & RIGHTS, fs_rights_inheriting & RIGHTS);
    run(abi::path_open(
        ctx, memory, fd, dirflags, path, path_len, oflags, base, inheriting, fdflags, opened,
    ))
}

/// Writes what a symbolic link says, without a zero at its end, as much as there is room for.
///
/// - `fd`, `path`, `path_len`: the link
/// - `buf`, `buf_len`: where it goes, and how much room there is
/// - `bufused`: where the number of bytes goes
///
/// `inval`: not a symbolic link. `ilseq`: it does not say UTF-8. `perm`: it is absolute.
///
/// Spec: <https://github.com/WebAssembly/WASI/blob/main/legacy/preview1/docs.md#path_readlink>
pub(crate) fn path_readlink(
    call: &mut Call<'_>,
    fd: i32,
    path: i32,
    path_len: i32,
    buf: i32,
    buf_len: i32,
    bufused: i32,
) -> Result<Errno> {
    let (ctx, memory) = (&mut call.ctx.inner, &mut call.memory);
    run(abi::path_readlink(ctx, memory, fd, path, path_len, buf, buf_len, bufused))
}

/// Removes an empty directory.
///
/// - `fd`, `path`, `path_len`: which
///
/// `notempty`: it is not empty. `rofs`: it lies in a directory that is read-only.
///
/// Spec: <https://github.com/WebAssembly/WASI/blob/main/legacy/preview1/docs.md#path_remove_directory>
pub(crate) fn path_remove_directory(
    call: &mut Call<'_>,
    fd: i32,
    path: i32,
    path_len: i32,
) -> Result<Errno> {
    run(abi::path_remove_directory(&mut call.ctx.inner, &mut call.memory, fd, path, path_len))
}

/// Renames or moves a file or directory; a file of the new name is replaced.
///
/// - `fd`, `old_path`, `old_path_len`: which
/// - `new_fd`, `new_path`, `new_path_len`: its new name
///
/// `isdir`, `notdir`, `notempty`: what has the new name cannot be replaced. `inval`: a directory into itself. `xdev`:
/// on two file systems. `rofs`: one of the directories is read-only.
///
/// Spec: <https://github.com/WebAssembly/WASI/blob/main/legacy/preview1/docs.md#path_rename>
pub(crate) fn path_rename(
    call: &mut Call<'_>,
    fd: i32,
    old_path: i32,
    old_path_len: i32,
    new_fd: i32,
    new_path: i32,
    new_path_len: i32,
) -> Result<Errno> {
    let (ctx, memory) = (&mut call.ctx.inner, &mut call.memory);
    run(abi::path_rename(ctx, memory, fd, old_path, old_path_len, new_fd, new_path, new_path_len))
}

/// Makes a symbolic link.
///
/// - `old_path`, `old_path_len`: what it says
/// - `fd`, `new_path`, `new_path_len`: its name
///
/// `exist`: the name is taken. `perm`: it says an absolute path. `rofs`: the directory is read-only.
///
/// Spec: <https://github.com/WebAssembly/WASI/blob/main/legacy/preview1/docs.md#path_symlink>
pub(crate) fn path_symlink(
    call: &mut Call<'_>,
    old_path: i32,
    old_path_len: i32,
    fd: i32,
    new_path: i32,
    new_path_len: i32,
) -> Result<Errno> {
    let (ctx, memory) = (&mut call.ctx.inner, &mut call.memory);
    run(abi::path_symlink(ctx, memory, old_path, old_path_len, fd, new_path, new_path_len))
}

/// Removes a file or symbolic link.
///
/// - `fd`, `path`, `path_len`: which
///
/// `isdir`: it is a directory. `rofs`: it lies in a directory that is read-only.
///
/// Spec: <https://github.com/WebAssembly/WASI/blob/main/legacy/preview1/docs.md#path_unlink_file>
pub(crate) fn path_unlink_file(
    call: &mut Call<'_>,
    fd: i32,
    path: i32,
    path_len: i32,
) -> Result<Errno> {
    run(abi::path_unlink_file(&mut call.ctx.inner, &mut call.memory, fd, path, path_len))
}
