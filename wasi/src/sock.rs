//! Sockets: connections that arrive at the listeners the guest was given. WASI has no way to make others.

use crate::buffers;
use crate::call::{Call, outcome_of_guest, run};
use crate::errno::Errno;
use wasi_common::snapshots::preview_1::wasi_snapshot_preview1 as abi;
use wiggle::GuestPtr;
use wrun_runtime::Result;

/// Accepts a connection; not in `wasi_unstable`.
///
/// - `fd`: the listener
/// - `flags`: 4 when the connection does not block
/// - `accepted`: where the connection's descriptor goes
///
/// `badf`: not a listener. `again`: the listener does not block and nobody is there. `inval`: another flag.
///
/// Spec: <https://github.com/WebAssembly/WASI/blob/main/legacy/preview1/docs.md#sock_accept>
pub(crate) fn sock_accept(
    call: &mut Call<'_>,
    fd: i32,
    flags: i32,
    accepted: i32,
) -> Result<Errno> {
    run(abi::sock_accept(&mut call.ctx.inner, &mut call.memory, fd, flags, accepted))
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
) -> Result<Errno> {
    let shared = call.memory.is_shared_memory();
    let flags_at = if shared { buffers::FLAGS.cast_signed() } else { ro_flags };
    let errno = buffers::read(
        call,
        ri_data,
        ri_data_len,
        ro_datalen,
        |ctx, memory, data, data_len, read| {
            run(abi::sock_recv(ctx, memory, fd, data, data_len, ri_flags, read, flags_at))
        },
    )?;
    if !shared || errno != Errno::SUCCESS {
        return Ok(errno);
    }
    // A stream's flags, which are always these, went into the copy.
    match call.memory.write(GuestPtr::new(ro_flags.cast_unsigned()), 0_u16) {
        Ok(()) => Ok(errno),
        Err(error) => outcome_of_guest(&error),
    }
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
    si_flags: i32,
    so_datalen: i32,
) -> Result<Errno> {
    buffers::write(call, si_data, si_data_len, so_datalen, |ctx, memory, data, data_len, sent| {
        run(abi::sock_send(ctx, memory, fd, data, data_len, si_flags, sent))
    })
}

/// Ends one direction of a connection, or both.
///
/// - `fd`: the connection
/// - `how`: 1 receiving, 2 sending
///
/// `badf`: not a connection. `inval`: neither direction. `notconn`: the peer is gone.
///
/// Spec: <https://github.com/WebAssembly/WASI/blob/main/legacy/preview1/docs.md#sock_shutdown>
pub(crate) fn sock_shutdown(call: &mut Call<'_>, fd: i32, how: i32) -> Result<Errno> {
    run(abi::sock_shutdown(&mut call.ctx.inner, &mut call.memory, fd, how))
}
