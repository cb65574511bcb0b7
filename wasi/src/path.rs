//! Files and directories by path, always beneath a directory that the guest holds open.
//!
//! A path that leaves the directory, by `..`, by being absolute or by a symbolic link, fails with `perm`. What would
//! change a read-only directory fails with `rofs`. A path that is not UTF-8 fails with `ilseq`. Any function of this
//! file fails with `badf` for a descriptor that is not an open directory, with `notdir` when a part of the path is
//! not a directory, with `noent` when something is missing, and with `loop`, `nametoolong` and `acces` as the host
//! does, and with `notcapable` when the right was given up; the functions name what comes on top.

use crate::call::{Call, Outcome};
use crate::errno::Errno;
use crate::fd_stat::{new_times, put_filestat, status_flags};
use crate::host::{OpenHow, Rights};

/// Whether a symbolic link at the end of a path is followed.
///
/// # Errors
/// `inval`: an unknown flag.
fn follows(lookupflags: i32) -> Result<bool, Errno> {
    match lookupflags {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(Errno::INVAL),
    }
}

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
) -> Outcome {
    let descriptor = call.descriptor(fd)?;
    let dir = descriptor.as_dir(Rights::PATH_CREATE_DIRECTORY)?;
    Ok(dir.create_dir(&call.path(path, path_len)?)?)
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
) -> Outcome {
    let follow = follows(flags)?;
    let descriptor = call.descriptor(fd)?;
    let dir = descriptor.as_dir(Rights::PATH_FILESTAT_GET)?;
    let stat = dir.stat_path(&call.path(path, path_len)?, follow)?;
    Ok(put_filestat(&mut call.memory, call.snapshot, buf, &stat)?)
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
) -> Outcome {
    let (follow, times) = (follows(flags)?, new_times(atim, mtim, fst_flags)?);
    let descriptor = call.descriptor(fd)?;
    let dir = descriptor.as_dir(Rights::PATH_FILESTAT_SET_TIMES)?;
    Ok(dir.set_path_times(&call.path(path, path_len)?, follow, times.0, times.1)?)
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
) -> Outcome {
    let (old_dir, new_dir) = (call.descriptor(old_fd)?, call.descriptor(new_fd)?);
    let old_dir = old_dir.as_dir(Rights::PATH_LINK_SOURCE)?;
    let new_dir = new_dir.as_dir(Rights::PATH_LINK_TARGET)?;
    if follows(old_flags)? {
        return Err(Errno::INVAL.into());
    }
    let (old_path, new_path) =
        (call.path(old_path, old_path_len)?, call.path(new_path, new_path_len)?);
    Ok(old_dir.hard_link(&old_path, new_dir, &new_path)?)
}

/// Opens a file or directory, and makes the file when that is asked for.
///
/// - `fd`, `path`, `path_len`: which
/// - `dirflags`: 1 to follow a symbolic link at the end of the path
/// - `oflags`: 1 make it, 2 it must be a directory, 4 it must be new, 8 empty it
/// - `fs_rights_base`: what the guest wants to do with it; 2 read and 64 write count
/// - `fs_rights_inheriting`: not looked at: what is opened inherits what the directory says
/// - `fdflags`: 1 append, 4 do not block; writing waits for the disk with 2, 8 or 16, for data or for all; here always for all
/// - `opened`: where the descriptor goes
///
/// `exist`: it must be new and is not. `isdir`: writing to a directory. `notdir`: it must be a directory and is not.
/// `loop`: a symbolic link that is not to be followed. `inval`: making or emptying a directory, or an unknown flag.
/// `rofs`: writing, making or emptying in a directory that is read-only. `mfile`, `nfile`: too many are open.
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
    _fs_rights_inheriting: i64,
    fdflags: i32,
    opened: i32,
) -> Outcome {
    if oflags & !0xF != 0 {
        return Err(Errno::INVAL.into());
    }
    let wants = |right: Rights| fs_rights_base.cast_unsigned() & right.0 != 0;
    let how = OpenHow {
        follow: follows(dirflags)?,
        create: oflags & 1 != 0,
        directory: oflags & 2 != 0,
        exclusive: oflags & 4 != 0,
        truncate: oflags & 8 != 0,
        read: wants(Rights::FD_READ),
        write: wants(Rights::FD_WRITE),
        flags: status_flags(fdflags)?,
    };
    let descriptor = call.descriptor(fd)?.open(&call.path(path, path_len)?, how)?;
    let number = call.ctx.table.insert(descriptor)?;
    Ok(call.memory.put_number(opened, number.to_le_bytes())?)
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
) -> Outcome {
    let descriptor = call.descriptor(fd)?;
    let dir = descriptor.as_dir(Rights::PATH_READLINK)?;
    let says = dir.read_link(&call.path(path, path_len)?)?;
    let part = &says.as_bytes()[..says.len().min(buf_len.cast_unsigned() as usize)];
    call.memory.put(buf.cast_unsigned(), part)?;
    // No more than `buf_len`.
    Ok(call.memory.put_number(bufused, (part.len() as u32).to_le_bytes())?)
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
) -> Outcome {
    let descriptor = call.descriptor(fd)?;
    let dir = descriptor.as_dir(Rights::PATH_REMOVE_DIRECTORY)?;
    Ok(dir.remove_dir(&call.path(path, path_len)?)?)
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
) -> Outcome {
    let (old_dir, new_dir) = (call.descriptor(fd)?, call.descriptor(new_fd)?);
    let old_dir = old_dir.as_dir(Rights::PATH_RENAME_SOURCE)?;
    let new_dir = new_dir.as_dir(Rights::PATH_RENAME_TARGET)?;
    let (old_path, new_path) =
        (call.path(old_path, old_path_len)?, call.path(new_path, new_path_len)?);
    Ok(old_dir.rename(&old_path, new_dir, &new_path)?)
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
) -> Outcome {
    let descriptor = call.descriptor(fd)?;
    let dir = descriptor.as_dir(Rights::PATH_SYMLINK)?;
    let says = call.path(old_path, old_path_len)?;
    Ok(dir.symlink(&says, &call.path(new_path, new_path_len)?)?)
}

/// Removes a file or symbolic link.
///
/// - `fd`, `path`, `path_len`: which
///
/// `isdir`: it is a directory. `rofs`: it lies in a directory that is read-only.
///
/// Spec: <https://github.com/WebAssembly/WASI/blob/main/legacy/preview1/docs.md#path_unlink_file>
pub(crate) fn path_unlink_file(call: &mut Call<'_>, fd: i32, path: i32, path_len: i32) -> Outcome {
    let descriptor = call.descriptor(fd)?;
    let dir = descriptor.as_dir(Rights::PATH_UNLINK_FILE)?;
    Ok(dir.unlink_file(&call.path(path, path_len)?)?)
}
