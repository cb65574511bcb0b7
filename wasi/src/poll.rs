//! Waiting for descriptors and clocks.
//!
//! The subscriptions of both snapshots are brought into preview 1's form in memory of the host, where `wasi-common`
//! reads them; so `wasi_unstable`, which has another layout, gets the same behaviour, and an absolute real time,
//! which `wasi-common` refuses, becomes the time until then.

use crate::call::{Call, Snapshot, outcome_of_guest, run};
use crate::errno::Errno;
use rustix::time::{ClockId, clock_gettime};
use wasi_common::snapshots::preview_1::wasi_snapshot_preview1 as abi;
use wiggle::{GuestError, GuestMemory, GuestPtr, Region};
use wrun_runtime::Result;

/// The size of a subscription in preview 1.
const SUBSCRIPTION: u32 = 48;
/// The size of an event, in both snapshots.
const EVENT: u32 = 32;
/// As many subscriptions as a call may have: more than a host lets a process open.
const MOST: u32 = 1 << 20;
/// Where `wasi_unstable` has the clock's own identifier, which preview 1 dropped.
const IDENTIFIER: std::ops::Range<usize> = 16..24;
/// Where a subscription says what it waits for, and what a clock is called there.
const TAG: usize = 8;
const CLOCK_TAG: u8 = 0;
/// Where a subscription of preview 1 has the clock (four bytes), the time (eight) and the flags (two).
const CLOCK: usize = 16;
const TIMEOUT: usize = 24;
const FLAGS: usize = 40;
/// The flag for an absolute time, and the clock that is real time.
const ABSTIME: u8 = 1;
const REALTIME: [u8; 4] = [0; 4];

/// Waits until one of the subscriptions is due.
///
/// - `subscriptions`, `nsubscriptions`: what to wait for: 48 bytes each; 56 for `wasi_unstable`
/// - `events`: where the answers go, 32 bytes each; as many as there are subscriptions
/// - `nevents`: where their number goes
///
/// A descriptor that is not open makes the whole call fail.
///
/// `inval`: no subscription, over a million, or one for another clock than real time and the monotonic one. `badf`: a descriptor
/// is not open. `intr`: a signal came first.
///
/// Spec: <https://github.com/WebAssembly/WASI/blob/main/legacy/preview1/docs.md#poll_oneoff>
pub(crate) fn poll_oneoff(
    call: &mut Call<'_>,
    subscriptions: i32,
    events: i32,
    nsubscriptions: i32,
    nevents: i32,
) -> Result<Errno> {
    let (events, count) = (events.cast_unsigned(), nsubscriptions.cast_unsigned());
    if count == 0 || count > MOST {
        return Ok(Errno::INVAL);
    }
    let mut scratch = Vec::new();
    let scratch = match normalize(&mut scratch, call, subscriptions.cast_unsigned(), events, count)
    {
        Ok(scratch) => scratch,
        Err(error) => return outcome_of_guest(&error),
    };
    let events_at = SUBSCRIPTION * count;
    let nevents_at = events_at + EVENT * count;
    let errno = run(abi::poll_oneoff(
        &mut call.ctx.inner,
        &mut GuestMemory::Unshared(&mut *scratch),
        0,
        events_at.cast_signed(),
        nsubscriptions,
        nevents_at.cast_signed(),
    ))?;
    if errno != Errno::SUCCESS {
        return Ok(errno);
    }
    let scratch = GuestMemory::Unshared(scratch);
    let copied = scratch.read(GuestPtr::<u32>::new(nevents_at)).and_then(|found| {
        let found_events = scratch.as_cow(GuestPtr::new((events_at, EVENT * found)))?;
        call.memory.copy_from_slice(&found_events, GuestPtr::new((events, EVENT * found)))?;
        call.memory.write(GuestPtr::new(nevents.cast_unsigned()), found)
    });
    match copied {
        Ok(()) => Ok(Errno::SUCCESS),
        Err(error) => outcome_of_guest(&error),
    }
}

/// Writes the subscriptions in preview 1's form, and room for the events and their number behind them.
fn normalize<'a>(
    scratch: &'a mut Vec<u8>,
    call: &Call<'_>,
    subscriptions: u32,
    events: u32,
    count: u32,
) -> std::result::Result<&'a mut [u8], GuestError> {
    let size = match call.snapshot {
        Snapshot::Preview1 => SUBSCRIPTION,
        Snapshot::Unstable => SUBSCRIPTION + 8,
    };
    let part = |start: u32, size: u32| {
        let len = count * size;
        if !start.is_multiple_of(8) {
            return Err(GuestError::PtrNotAligned(Region { start, len }, 8));
        }
        call.memory.as_cow(GuestPtr::new((start, len)))
    };
    let given = part(subscriptions, size)?;
    part(events, EVENT)?;
    let needed = ((SUBSCRIPTION + EVENT) * count + 8) as usize;
    scratch.resize(needed + 7, 0);
    // The fields are read where they lie, so they have to lie as in the guest.
    let start = scratch.as_ptr().align_offset(8);
    let scratch = &mut scratch[start..start + needed];
    let converted = scratch.chunks_exact_mut(SUBSCRIPTION as usize);
    for (given, converted) in given.chunks_exact(size as usize).zip(converted) {
        if call.snapshot == Snapshot::Unstable && given[TAG] == CLOCK_TAG {
            converted[..IDENTIFIER.start].copy_from_slice(&given[..IDENTIFIER.start]);
            converted[IDENTIFIER.start..].copy_from_slice(&given[IDENTIFIER.end..]);
        } else {
            converted.copy_from_slice(&given[..converted.len()]);
        }
        make_relative(converted);
    }
    Ok(scratch)
}

/// Turns an absolute real time into the time until then.
fn make_relative(subscription: &mut [u8]) {
    let is_real = subscription[TAG] == CLOCK_TAG && subscription[CLOCK..CLOCK + 4] == REALTIME;
    if !is_real || subscription[FLAGS] & ABSTIME == 0 {
        return;
    }
    let timeout = &mut subscription[TIMEOUT..TIMEOUT + 8];
    let then = timeout.iter().rev().fold(0_u64, |value, &byte| value << 8 | u64::from(byte));
    let now = clock_gettime(ClockId::Realtime);
    let now =
        now.tv_sec.cast_unsigned().saturating_mul(1_000_000_000) + now.tv_nsec.cast_unsigned();
    timeout.copy_from_slice(&then.saturating_sub(now).to_le_bytes());
    subscription[FLAGS] &= !ABSTIME;
}
