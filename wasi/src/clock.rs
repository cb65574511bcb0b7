//! Clocks: real time, a monotonic clock that begins with the context, and processor time.

use crate::call::{Call, Outcome};
use crate::errno::Errno;
use crate::host::Clock;

/// The clock of a number.
///
/// # Errors
/// `inval`: there is none.
pub(crate) fn clock(id: u32) -> Result<Clock, Errno> {
    match id {
        0 => Ok(Clock::Real),
        1 => Ok(Clock::Monotonic),
        2 => Ok(Clock::Process),
        3 => Ok(Clock::Thread),
        _ => Err(Errno::INVAL),
    }
}

/// Tells how fine a clock is, in nanoseconds.
///
/// - `id`: 0 real time, 1 monotonic, 2 processor time of the process, 3 of the thread
/// - `resolution`: where the answer goes, eight bytes
///
/// `inval`: there is no such clock.
///
/// Spec: <https://github.com/WebAssembly/WASI/blob/main/legacy/preview1/docs.md#clock_res_get>
pub(crate) fn clock_res_get(call: &mut Call<'_>, id: i32, resolution: i32) -> Outcome {
    let nanos = clock(id.cast_unsigned())?.resolution()?;
    Ok(call.memory.put_number(resolution, nanos.to_le_bytes())?)
}

/// Tells a clock's time, in nanoseconds: real time since 1970, monotonic time since the context was made.
///
/// - `id`: as for [`clock_res_get`]
/// - `precision`: how much the answer may be off; it never is
/// - `time`: where the answer goes, eight bytes
///
/// `inval`: there is no such clock.
///
/// Spec: <https://github.com/WebAssembly/WASI/blob/main/legacy/preview1/docs.md#clock_time_get>
pub(crate) fn clock_time_get(call: &mut Call<'_>, id: i32, _precision: i64, time: i32) -> Outcome {
    let nanos = call.ctx.clocks.now(clock(id.cast_unsigned())?)?;
    Ok(call.memory.put_number(time, nanos.to_le_bytes())?)
}
