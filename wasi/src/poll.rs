//! Waiting for descriptors and clocks.

use crate::call::{Call, Failure, Outcome, Snapshot};
use crate::clock::clock;
use crate::errno::Errno;
use crate::host::scheduler::{Ready, Wait, wait};
use crate::host::{Clock, Descriptor, HostResult, host_monotonic};
use smallvec::SmallVec;
use std::sync::Arc;

/// The size of an event, in both snapshots.
const EVENT: u32 = 32;
/// As many subscriptions as a call may have: more than a host lets a process open.
const MOST: u32 = 1 << 20;

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
) -> Outcome {
    let (events, count) = (events.cast_unsigned(), nsubscriptions.cast_unsigned());
    if count == 0 || count > MOST {
        return Err(Errno::INVAL.into());
    }
    let subscriptions = read(call, subscriptions.cast_unsigned(), count)?;
    call.memory.aligned(events, 8, u64::from(EVENT) * u64::from(count))?;
    let waits: SmallVec<[Wait<'_>; FEW]> = subscriptions.iter().map(Subscription::wait).collect();
    let ready = wait(&waits)?;
    for (at, (index, outcome)) in (events..).step_by(EVENT as usize).zip(&ready) {
        call.memory.put(at, &event(&subscriptions[*index], *outcome))?;
    }
    // No more than there are subscriptions.
    Ok(call.memory.put_number(nevents, (ready.len() as u32).to_le_bytes())?)
}

/// As many subscriptions as nearly every call has: for those nothing is allocated.
const FEW: usize = 4;

/// What a guest waits for.
struct Subscription {
    /// What the guest recognises the event by.
    userdata: [u8; 8],
    wanted: Wanted,
}

enum Wanted {
    /// That the host's monotonic clock shows this.
    Time(u64),
    Readable(Arc<Descriptor>),
    Writable(Arc<Descriptor>),
}

impl Subscription {
    fn wait(&self) -> Wait<'_> {
        match &self.wanted {
            Wanted::Time(time) => Wait::Time(*time),
            Wanted::Readable(descriptor) => Wait::Readable(descriptor),
            Wanted::Writable(descriptor) => Wait::Writable(descriptor),
        }
    }

    /// The number of what it waits for.
    fn tag(&self) -> u8 {
        match self.wanted {
            Wanted::Time(_) => 0,
            Wanted::Readable(_) => 1,
            Wanted::Writable(_) => 2,
        }
    }
}

/// Reads the subscriptions.
///
/// # Errors
/// `inval`: one of an unknown kind. `badf`: for a descriptor that is not open. A trap when they are not inside the
/// memory.
fn read(
    call: &Call<'_>,
    address: u32,
    count: u32,
) -> Result<SmallVec<[Subscription; FEW]>, Failure> {
    let size = match call.snapshot {
        Snapshot::Preview1 => 48,
        Snapshot::Unstable => 56,
    };
    call.memory.aligned(address, 8, u64::from(size) * u64::from(count))?;
    let alone = count == 1;
    let places = (0..count).map(|index| address + size * index);
    places
        .map(|place| {
            let bytes = match call.snapshot {
                Snapshot::Preview1 => call.memory.read::<48>(place, 8)?,
                Snapshot::Unstable => in_preview_1s_form(call.memory.read::<56>(place, 8)?),
            };
            subscription(call, &bytes, alone)
        })
        .collect()
}

/// `wasi_unstable` has, for a clock, eight bytes that identify it before the rest.
fn in_preview_1s_form(given: [u8; 56]) -> [u8; 48] {
    let mut bytes = [0; 48];
    let skipped = if given[8] == 0 { 8 } else { 0 };
    bytes[..16].copy_from_slice(&given[..16]);
    bytes[16..].copy_from_slice(&given[16 + skipped..48 + skipped]);
    bytes
}

/// Reads one subscription; `alone` when there is no other.
fn subscription(call: &Call<'_>, bytes: &[u8; 48], alone: bool) -> Result<Subscription, Failure> {
    let (head, rest) = bytes.split_at(16);
    let [a, b, c, d, ..] = *rest else { unreachable!("32 bytes are left") };
    let number = u32::from_le_bytes([a, b, c, d]);
    let wanted = match head[8] {
        0 => Wanted::Time(deadline(call, number, rest, alone)?),
        1 => Wanted::Readable(call.descriptor(number.cast_signed())?),
        2 => Wanted::Writable(call.descriptor(number.cast_signed())?),
        _ => return Err(Errno::INVAL.into()),
    };
    let mut userdata = [0; 8];
    userdata.copy_from_slice(&head[..8]);
    Ok(Subscription { userdata, wanted })
}

/// When a clock's subscription is due, on the host's monotonic clock. `bytes` are number, time, precision and flags. What
/// lies too far ahead never comes.
fn deadline(call: &Call<'_>, id: u32, bytes: &[u8], alone: bool) -> Result<u64, Failure> {
    let mut time = [0; 8];
    time.copy_from_slice(&bytes[8..16]);
    let time = u64::from_le_bytes(time);
    let is_absolute = match (bytes[24], bytes[25]) {
        (0, 0) => false,
        (1, 0) => true,
        _ => return Err(Errno::INVAL.into()),
    };
    let relative = |time: u64| host_monotonic().saturating_add(time);
    let now = |clock: Clock| -> HostResult<u64> { call.ctx.clocks.now(clock) };
    match (clock(id)?, is_absolute) {
        (Clock::Monotonic, true) => Ok(call.ctx.clocks.on_host(time)),
        (Clock::Real, true) => Ok(relative(time.saturating_sub(now(Clock::Real)?))),
        (Clock::Monotonic | Clock::Real, false) => Ok(relative(time)),
        // Whoever just sleeps means time that passes, whatever the clock is called.
        (Clock::Process | Clock::Thread, false) if alone => Ok(relative(time)),
        (Clock::Process | Clock::Thread, _) => Err(Errno::INVAL.into()),
    }
}

/// An event as the guest gets it.
fn event(subscription: &Subscription, outcome: Ready) -> [u8; EVENT as usize] {
    let mut bytes = [0; EVENT as usize];
    bytes[..8].copy_from_slice(&subscription.userdata);
    bytes[10] = subscription.tag();
    match outcome {
        Ready::Time => {}
        Ready::Bytes { count, hangup } => {
            bytes[16..24].copy_from_slice(&count.to_le_bytes());
            bytes[24] = hangup.into();
        }
        Ready::Failed(error) => {
            let errno = i32::from(Errno::of_host(error));
            bytes[8..10].copy_from_slice(&errno.to_le_bytes()[..2]);
        }
    }
    bytes
}
