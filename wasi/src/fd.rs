//! Descriptors: closing, renumbering, positions, advice, room, and getting data to the disk.

use crate::call::{Call, Outcome, Snapshot};
use crate::errno::Errno;
use rustix::fs::{Advice, SeekFrom};

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
) -> Outcome {
    let advice = match advice {
        0 => Advice::Normal,
        1 => Advice::Sequential,
        2 => Advice::Random,
        3 => Advice::WillNeed,
        4 => Advice::DontNeed,
        5 => Advice::NoReuse,
        _ => return Err(Errno::INVAL.into()),
    };
    Ok(call.descriptor(fd)?.advise(offset.cast_unsigned(), len.cast_unsigned(), advice)?)
}

/// Reserves room on the disk for a part of a file, which grows when the part goes beyond its end.
///
/// - `fd`: the file
/// - `offset`, `len`: the part
///
/// `badf`: not a file that is open for writing. `inval`: an empty part. `nodev`: a stream or socket. `rofs`: its
/// directory is read-only. `notsup`: its file system cannot. `nospc`, `dquot`, `fbig`: no room.
///
/// Spec: <https://github.com/WebAssembly/WASI/blob/main/legacy/preview1/docs.md#fd_allocate>
pub(crate) fn fd_allocate(call: &mut Call<'_>, fd: i32, offset: i64, len: i64) -> Outcome {
    Ok(call.descriptor(fd)?.allocate(offset.cast_unsigned(), len.cast_unsigned())?)
}

/// Closes a descriptor.
///
/// - `fd`: a file, directory or socket
///
/// `badf`: not open.
///
/// Spec: <https://github.com/WebAssembly/WASI/blob/main/legacy/preview1/docs.md#fd_close>
pub(crate) fn fd_close(call: &mut Call<'_>, fd: i32) -> Outcome {
    Ok(call.ctx.table.remove(fd.cast_unsigned())?)
}

/// Waits until a file's data are on the disk.
///
/// - `fd`: the file, or a directory: then what is in it
///
/// `badf`: not open. `io`: the disk failed.
///
/// Spec: <https://github.com/WebAssembly/WASI/blob/main/legacy/preview1/docs.md#fd_datasync>
pub(crate) fn fd_datasync(call: &mut Call<'_>, fd: i32) -> Outcome {
    Ok(call.descriptor(fd)?.sync(false)?)
}

/// Gives a descriptor the number of another, which is closed.
///
/// - `fd`: the descriptor
/// - `to`: the number that it gets
///
/// `badf`: one of them is not open.
///
/// Spec: <https://github.com/WebAssembly/WASI/blob/main/legacy/preview1/docs.md#fd_renumber>
pub(crate) fn fd_renumber(call: &mut Call<'_>, fd: i32, to: i32) -> Outcome {
    Ok(call.ctx.table.renumber(fd.cast_unsigned(), to.cast_unsigned())?)
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
) -> Outcome {
    let to = match (call.snapshot, whence) {
        (Snapshot::Preview1, 0) | (Snapshot::Unstable, 2) => {
            SeekFrom::Start(u64::try_from(offset).map_err(|_| Errno::INVAL)?)
        }
        (Snapshot::Preview1, 1) | (Snapshot::Unstable, 0) => SeekFrom::Current(offset),
        (Snapshot::Preview1, 2) | (Snapshot::Unstable, 1) => SeekFrom::End(offset),
        _ => return Err(Errno::INVAL.into()),
    };
    let position = call.descriptor(fd)?.seek(to)?;
    Ok(call.memory.put_number(newoffset, position.to_le_bytes())?)
}

/// Waits until a file's data and all that is known about it are on the disk.
///
/// - `fd`: the file, or a directory: then what is in it
///
/// `badf`: not open. `io`: the disk failed.
///
/// Spec: <https://github.com/WebAssembly/WASI/blob/main/legacy/preview1/docs.md#fd_sync>
pub(crate) fn fd_sync(call: &mut Call<'_>, fd: i32) -> Outcome {
    Ok(call.descriptor(fd)?.sync(true)?)
}

/// Tells a file's position.
///
/// - `fd`: the file
/// - `offset`: where the position goes, eight bytes
///
/// `badf`: not an open file. `spipe`: it has no positions.
///
/// Spec: <https://github.com/WebAssembly/WASI/blob/main/legacy/preview1/docs.md#fd_tell>
pub(crate) fn fd_tell(call: &mut Call<'_>, fd: i32, offset: i32) -> Outcome {
    let position = call.descriptor(fd)?.seek(SeekFrom::Current(0))?;
    Ok(call.memory.put_number(offset, position.to_le_bytes())?)
}
