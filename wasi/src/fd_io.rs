//! Reading and writing files, streams and sockets.
//!
//! Buffers are lists of address and length, eight bytes each; see [`buffers`]. A call may move less than was asked for.

use crate::buffers;
use crate::call::{Call, Failure, Outcome};
use crate::host::{Place, Table};

/// Reads from a place in a file and leaves the position alone.
///
/// - `fd`: the file
/// - `iovs`, `iovs_len`: the buffers
/// - `offset`: the place
/// - `nread`: where the number of bytes goes; zero is the end of the file
///
/// `badf`: not a file that is open for reading. `spipe`: it has no positions. A wild buffer traps.
///
/// Spec: <https://github.com/WebAssembly/WASI/blob/main/legacy/preview1/docs.md#fd_pread>
pub(crate) fn fd_pread(
    call: &mut Call<'_>,
    fd: i32,
    iovs: i32,
    iovs_len: i32,
    offset: i64,
    nread: i32,
) -> Outcome {
    let read = read(call, fd, iovs, iovs_len, Place::At(offset.cast_unsigned()))?;
    Ok(call.memory.put_number(nread, read.to_le_bytes())?)
}

/// Writes to a place in a file and leaves the position alone.
///
/// - `fd`: the file
/// - `iovs`, `iovs_len`: the buffers
/// - `offset`: the place
/// - `nwritten`: where the number of bytes goes
///
/// `badf`: not a file that is open for writing. `nospc`, `dquot`, `fbig`: no room. `spipe`: it has no positions. A
/// wild buffer traps.
///
/// Spec: <https://github.com/WebAssembly/WASI/blob/main/legacy/preview1/docs.md#fd_pwrite>
pub(crate) fn fd_pwrite(
    call: &mut Call<'_>,
    fd: i32,
    iovs: i32,
    iovs_len: i32,
    offset: i64,
    nwritten: i32,
) -> Outcome {
    let written = write(call, fd, iovs, iovs_len, Place::At(offset.cast_unsigned()))?;
    Ok(call.memory.put_number(nwritten, written.to_le_bytes())?)
}

/// Reads from a file, stream or socket.
///
/// - `fd`: where from
/// - `iovs`, `iovs_len`: the buffers
/// - `nread`: where the number of bytes goes; zero is the end
///
/// `badf`: not open for reading. `again`: it does not block and has nothing yet. `intr`: a signal came first. A wild
/// buffer traps.
///
/// Spec: <https://github.com/WebAssembly/WASI/blob/main/legacy/preview1/docs.md#fd_read>
pub(crate) fn fd_read(
    call: &mut Call<'_>,
    fd: i32,
    iovs: i32,
    iovs_len: i32,
    nread: i32,
) -> Outcome {
    let read = read(call, fd, iovs, iovs_len, Place::Position)?;
    Ok(call.memory.put_number(nread, read.to_le_bytes())?)
}

/// Writes to a file, stream or socket; what was written to a stream is visible at once.
///
/// - `fd`: where to
/// - `iovs`, `iovs_len`: the buffers
/// - `nwritten`: where the number of bytes goes
///
/// `badf`: not open for writing. `pipe`: nobody reads the other end any more. `again`: it does not block and has no
/// room yet. `nospc`, `dquot`, `fbig`: no room. `intr`: a signal came first. A wild buffer traps.
///
/// Spec: <https://github.com/WebAssembly/WASI/blob/main/legacy/preview1/docs.md#fd_write>
pub(crate) fn fd_write(
    call: &mut Call<'_>,
    fd: i32,
    iovs: i32,
    iovs_len: i32,
    nwritten: i32,
) -> Outcome {
    let written = write(call, fd, iovs, iovs_len, Place::Position)?;
    Ok(call.memory.put_number(nwritten, written.to_le_bytes())?)
}

fn read(
    call: &mut Call<'_>,
    fd: i32,
    iovs: i32,
    iovs_len: i32,
    place: Place,
) -> Result<u32, Failure> {
    let descriptor = Table::hold(&mut call.ctx.table, fd.cast_unsigned())?;
    descriptor.may_read()?;
    buffers::read(&mut call.memory, iovs, iovs_len, |bufs| descriptor.read(bufs, place))
}

fn write(
    call: &mut Call<'_>,
    fd: i32,
    iovs: i32,
    iovs_len: i32,
    place: Place,
) -> Result<u32, Failure> {
    let descriptor = Table::hold(&mut call.ctx.table, fd.cast_unsigned())?;
    descriptor.may_write()?;
    buffers::write(&call.memory, iovs, iovs_len, |bufs| descriptor.write(bufs, place))
}
