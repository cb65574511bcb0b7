//! What a descriptor is, and changing that: type, flags, rights, size and times.

use crate::call::{Call, Outcome, Snapshot};
use crate::errno::Errno;
use crate::host::{FileKind, Filestat, NewTime, Rights, StatusFlags};
use crate::memory::{Access, GuestMemory};

/// The number of a type. Pipes have none.
pub(crate) fn filetype(kind: FileKind) -> u8 {
    match kind {
        FileKind::Unknown | FileKind::Pipe => 0,
        FileKind::BlockDevice => 1,
        FileKind::CharacterDevice => 2,
        FileKind::Directory => 3,
        FileKind::RegularFile => 4,
        FileKind::SocketStream => 6,
        FileKind::SymbolicLink => 7,
    }
}

const APPEND: i32 = 1;
const DSYNC: i32 = 1 << 1;
const NONBLOCK: i32 = 1 << 2;
const RSYNC: i32 = 1 << 3;
const SYNC: i32 = 1 << 4;

/// The flags of a descriptor.
///
/// # Errors
/// `inval`: an unknown one.
pub(crate) fn status_flags(flags: i32) -> Result<StatusFlags, Errno> {
    if flags & !(APPEND | DSYNC | NONBLOCK | RSYNC | SYNC) != 0 {
        return Err(Errno::INVAL);
    }
    Ok(StatusFlags {
        append: flags & APPEND != 0,
        nonblock: flags & NONBLOCK != 0,
        dsync: flags & DSYNC != 0,
        rsync: flags & RSYNC != 0,
        sync: flags & SYNC != 0,
    })
}

fn fdflags(flags: StatusFlags) -> u16 {
    let all = [
        (flags.append, APPEND),
        (flags.dsync, DSYNC),
        (flags.nonblock, NONBLOCK),
        (flags.rsync, RSYNC),
        (flags.sync, SYNC),
    ];
    all.iter().filter(|(is_set, _)| *is_set).fold(0, |bits, &(_, bit)| bits | bit as u16)
}

/// What becomes of the times of reading and of changing.
///
/// # Errors
/// `inval`: an unknown flag, or one time both as given and to now.
pub(crate) fn new_times(atim: i64, mtim: i64, fst_flags: i32) -> Result<(NewTime, NewTime), Errno> {
    if fst_flags & !0xF != 0 {
        return Err(Errno::INVAL);
    }
    let time = |given: i64, flags: i32| match flags & 3 {
        0 => Ok(NewTime::Same),
        1 => Ok(NewTime::At(given.cast_unsigned())),
        2 => Ok(NewTime::Now),
        _ => Err(Errno::INVAL),
    };
    Ok((time(atim, fst_flags)?, time(mtim, fst_flags >> 2)?))
}

/// Writes what is known of something. The gap behind the type is left alone.
///
/// # Errors
/// A wild pointer.
pub(crate) fn put_filestat(
    memory: &mut GuestMemory<'_>,
    snapshot: Snapshot,
    buf: i32,
    stat: &Filestat,
) -> Access<()> {
    let buf = buf.cast_unsigned();
    let links = u32::try_from(stat.links).unwrap_or(u32::MAX);
    let (size, behind_gap, links) = match snapshot {
        Snapshot::Preview1 => (64, 24, &stat.links.to_le_bytes()[..]),
        Snapshot::Unstable => (56, 20, &links.to_le_bytes()[..]),
    };
    memory.aligned(buf, 8, size)?;
    let mut head = [0; 17];
    head[..8].copy_from_slice(&stat.device.to_le_bytes());
    head[8..16].copy_from_slice(&stat.inode.to_le_bytes());
    head[16] = filetype(stat.kind);
    memory.put(buf, &head)?;
    memory.put(buf + behind_gap, links)?;
    let rest = [stat.size, stat.accessed, stat.modified, stat.changed].map(u64::to_le_bytes);
    memory.put(buf + behind_gap + links.len() as u32, rest.as_flattened())
}

/// Tells a descriptor's type, flags and rights.
///
/// - `fd`: the descriptor
/// - `stat`: where the answer goes, 24 bytes
///
/// `badf`: not open.
///
/// Spec: <https://github.com/WebAssembly/WASI/blob/main/legacy/preview1/docs.md#fd_fdstat_get>
pub(crate) fn fd_fdstat_get(call: &mut Call<'_>, fd: i32, stat: i32) -> Outcome {
    let descriptor = call.descriptor(fd)?;
    let (kind, flags) = (filetype(descriptor.kind()?), fdflags(descriptor.flags()?));
    let (rights, inherited) = descriptor.rights();
    let stat = stat.cast_unsigned();
    call.memory.aligned(stat, 8, 24)?;
    // Between these are two gaps.
    call.memory.put(stat, &[kind])?;
    call.memory.put(stat + 2, &flags.to_le_bytes())?;
    let rights = [rights.0, inherited.0].map(u64::to_le_bytes);
    Ok(call.memory.put(stat + 8, rights.as_flattened())?)
}

/// Sets whether a descriptor appends and whether it blocks.
///
/// - `fd`: the descriptor
/// - `flags`: 1 append, 4 do not block; 2, 8 and 16, synchronised, are as it was opened and can only be repeated
///
/// `badf`: not an open file. `inval`: a flag that cannot be changed.
///
/// Spec: <https://github.com/WebAssembly/WASI/blob/main/legacy/preview1/docs.md#fd_fdstat_set_flags>
pub(crate) fn fd_fdstat_set_flags(call: &mut Call<'_>, fd: i32, flags: i32) -> Outcome {
    let flags = status_flags(flags)?;
    Ok(call.descriptor(fd)?.set_flags(flags)?)
}

/// Gives up rights of a descriptor, for good: those that [`fd_fdstat_get`] tells of and that are not among these.
///
/// - `fd`: the descriptor
/// - `fs_rights_base`: the rights that are left
/// - `fs_rights_inheriting`: those that are left for what is opened with it
///
/// What then is not allowed fails with `notcapable`.
///
/// `badf`: not open. `notcapable`: it does not have one of the rights.
///
/// Spec: <https://github.com/WebAssembly/WASI/blob/main/legacy/preview1/docs.md#fd_fdstat_set_rights>
pub(crate) fn fd_fdstat_set_rights(
    call: &mut Call<'_>,
    fd: i32,
    fs_rights_base: i64,
    fs_rights_inheriting: i64,
) -> Outcome {
    let base = Rights(fs_rights_base.cast_unsigned());
    let inheriting = Rights(fs_rights_inheriting.cast_unsigned());
    Ok(call.descriptor(fd)?.keep_rights(base, inheriting)?)
}

/// Tells what is known of an open file or directory: device, number, type, links, size, times.
///
/// - `fd`: the descriptor
/// - `buf`: where the answer goes, 64 bytes; 56 for `wasi_unstable`, where the number of links has four bytes
///
/// `badf`: not open.
///
/// Spec: <https://github.com/WebAssembly/WASI/blob/main/legacy/preview1/docs.md#fd_filestat_get>
pub(crate) fn fd_filestat_get(call: &mut Call<'_>, fd: i32, buf: i32) -> Outcome {
    let stat = call.descriptor(fd)?.stat()?;
    Ok(put_filestat(&mut call.memory, call.snapshot, buf, &stat)?)
}

/// Makes a file shorter, or longer by zeros.
///
/// - `fd`: the file
/// - `size`: its new size
///
/// `badf`: not an open file. `inval`: not open for writing. `rofs`: its directory is read-only. `fbig`: too large.
///
/// Spec: <https://github.com/WebAssembly/WASI/blob/main/legacy/preview1/docs.md#fd_filestat_set_size>
pub(crate) fn fd_filestat_set_size(call: &mut Call<'_>, fd: i32, size: i64) -> Outcome {
    Ok(call.descriptor(fd)?.set_size(size.cast_unsigned())?)
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
) -> Outcome {
    let (accessed, modified) = new_times(atim, mtim, fst_flags)?;
    Ok(call.descriptor(fd)?.set_times(accessed, modified)?)
}
