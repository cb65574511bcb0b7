//! Sockets: connections that arrive at the listeners the guest was given. WASI has no way to make others.

use crate::buffers;
use crate::call::{Call, Outcome};
use crate::errno::Errno;
use crate::fd_stat::status_flags;
use crate::host::{Descriptor, StatusFlags};

/// Accepts a connection; not in `wasi_unstable`.
///
/// - `fd`: the listener
/// - `flags`: 4 when the connection does not block
/// - `accepted`: where the connection's descriptor goes
///
/// `badf`: not a listener. `again`: the listener does not block and nobody is there. `inval`: another flag.
///
/// Spec: <https://github.com/WebAssembly/WASI/blob/main/legacy/preview1/docs.md#sock_accept>
pub(crate) fn sock_accept(call: &mut Call<'_>, fd: i32, flags: i32, accepted: i32) -> Outcome {
    let flags = status_flags(flags)?;
    if flags != (StatusFlags { nonblock: flags.nonblock, ..StatusFlags::default() }) {
        return Err(Errno::INVAL.into());
    }
    let connection = call.descriptor(fd)?.as_socket()?.accept(flags.nonblock)?;
    let number = call.ctx.table.insert(Descriptor::socket(connection))?;
    Ok(call.memory.put_number(accepted, number.to_le_bytes())?)
}

/// Receives from a connection.
///
/// - `fd`: the connection
/// - `ri_data`, `ri_data_len`: the buffers, as for `fd_read`
/// - `ri_flags`: 1 leave the data there, 2 wait until the buffer is full
/// - `ro_datalen`: where the number of bytes goes; zero is the end
/// - `ro_flags`: where flags go; always 0 for streams
///
/// `badf`: not a connection. `again`: it does not block and has nothing yet. `connreset`: the peer broke it off.
///
/// Spec: <https://github.com/WebAssembly/WASI/blob/main/legacy/preview1/docs.md#sock_recv>
pub(crate) fn sock_recv(
    call: &mut Call<'_>,
    fd: i32,
    ri_data: i32,
    ri_data_len: i32,
    ri_flags: i32,
    ro_datalen: i32,
    ro_flags: i32,
) -> Outcome {
    if ri_flags & !3 != 0 {
        return Err(Errno::INVAL.into());
    }
    let (peek, all) = (ri_flags & 1 != 0, ri_flags & 2 != 0);
    let descriptor = call.descriptor(fd)?;
    let socket = descriptor.as_socket()?;
    descriptor.may_read()?;
    let received = buffers::read(&mut call.memory, ri_data, ri_data_len, |bufs| {
        socket.receive(bufs, peek, all)
    })?;
    call.memory.put_number(ro_datalen, received.to_le_bytes())?;
    Ok(call.memory.put_number(ro_flags, 0_u16.to_le_bytes())?)
}

/// Sends over a connection.
///
/// - `fd`: the connection
/// - `si_data`, `si_data_len`: the buffers, as for `fd_write`
/// - `si_flags`: 0; there are none yet
/// - `so_datalen`: where the number of bytes goes
///
/// `badf`: not a connection. `again`: it does not block and has no room yet. `pipe`, `connreset`: the peer is gone.
///
/// Spec: <https://github.com/WebAssembly/WASI/blob/main/legacy/preview1/docs.md#sock_send>
pub(crate) fn sock_send(
    call: &mut Call<'_>,
    fd: i32,
    si_data: i32,
    si_data_len: i32,
    _si_flags: i32,
    so_datalen: i32,
) -> Outcome {
    let descriptor = call.descriptor(fd)?;
    let socket = descriptor.as_socket()?;
    descriptor.may_write()?;
    let sent = buffers::write(&call.memory, si_data, si_data_len, |bufs| socket.send(bufs))?;
    Ok(call.memory.put_number(so_datalen, sent.to_le_bytes())?)
}

/// Ends one direction of a connection, or both.
///
/// - `fd`: the connection
/// - `how`: 1 receiving, 2 sending
///
/// `badf`: not a connection. `inval`: neither direction. `notconn`: the peer is gone.
///
/// Spec: <https://github.com/WebAssembly/WASI/blob/main/legacy/preview1/docs.md#sock_shutdown>
pub(crate) fn sock_shutdown(call: &mut Call<'_>, fd: i32, how: i32) -> Outcome {
    if how & !3 != 0 {
        return Err(Errno::INVAL.into());
    }
    Ok(call.descriptor(fd)?.as_socket()?.shutdown(how & 1 != 0, how & 2 != 0)?)
}
