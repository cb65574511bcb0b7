//! Clocks: real time, a monotonic clock that begins with the context, and processor time.

use crate::call::{Call, outcome_of_guest, run};
use crate::errno::Errno;
use rustix::time::{ClockId, Timespec, clock_getres, clock_gettime};
use wasi_common::snapshots::preview_1::wasi_snapshot_preview1 as abi;
use wiggle::GuestPtr;
use wrun_runtime::Result;

/// Tells how fine a clock is, in nanoseconds.
///
/// - `id`: 0 real time, 1 monotonic, 2 processor time of the process, 3 of the thread
/// - `resolution`: where the answer goes, eight bytes
///
/// `inval`: there is no such clock.
///
/// Spec: <https://github.com/WebAssembly/WASI/blob/main/legacy/preview1/docs.md#clock_res_get>
pub(crate) fn clock_res_get(call: &mut Call<'_>, id: i32, resolution: i32) -> Result<Errno> {
    match processor_clock(id) {
        Some(clock) => write_time(call, resolution, clock_getres(clock)),
        None => run(abi::clock_res_get(&mut call.ctx.inner, &mut call.memory, id, resolution)),
    }
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
pub(crate) fn clock_time_get(
    call: &mut Call<'_>,
    id: i32,
    precision: i64,
    time: i32,
) -> Result<Errno> {
    match processor_clock(id) {
        Some(clock) => write_time(call, time, clock_gettime(clock)),
        None => {
            run(abi::clock_time_get(&mut call.ctx.inner, &mut call.memory, id, precision, time))
        }
    }
}

/// The clocks that `wasi-common` leaves out.
fn processor_clock(id: i32) -> Option<ClockId> {
    match id {
        2 => Some(ClockId::ProcessCPUTime),
        3 => Some(ClockId::ThreadCPUTime),
        _ => None,
    }
}

fn write_time(call: &mut Call<'_>, address: i32, time: Timespec) -> Result<Errno> {
    let nanos = u64::try_from(time.tv_sec)
        .ok()
        .zip(u64::try_from(time.tv_nsec).ok())
        .and_then(|(seconds, nanos)| seconds.checked_mul(1_000_000_000)?.checked_add(nanos));
    let Some(nanos) = nanos else { return Ok(Errno::OVERFLOW) };
    match call.memory.write(GuestPtr::new(address.cast_unsigned()), nanos) {
        Ok(()) => Ok(Errno::SUCCESS),
        Err(error) => outcome_of_guest(&error),
    }
}
