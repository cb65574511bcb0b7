//! Lists of buffers in a memory that threads share.
//!
//! Bytes of such a memory have to be copied on their way. `wasi-common` would copy all that the guest names, which can be its
//! whole memory many times over, and takes a list whose first buffer is empty for one that has no room. So reads
//! and writes go through a copy that is bounded. The specification lets them do less than they were asked for.

use crate::call::{Call, outcome_of_guest};
use crate::errno::Errno;
use wasi_common::WasiCtx;
use wiggle::{GuestError, GuestMemory, GuestPtr};
use wrun_runtime::Result;

/// As much as one call moves.
const MOST: u32 = 1 << 20;

/// In the copy: where its one buffer is listed, where the number of bytes goes, where flags go that a call gives
/// besides, and where the bytes begin.
const LIST: u32 = 0;
const COUNT: u32 = 8;
pub(crate) const FLAGS: u32 = 12;
const BYTES: u32 = 16;

/// What [`read()`] and [`write()`] call: a function of `wasi-common`, with the memory that it is to work on, and in that
/// the address of the list, its length, and the address for the number of bytes.
pub(crate) trait Transfer:
    FnOnce(&mut WasiCtx, &mut GuestMemory<'_>, i32, i32, i32) -> Result<Errno>
{
}

impl<F> Transfer for F where
    F: FnOnce(&mut WasiCtx, &mut GuestMemory<'_>, i32, i32, i32) -> Result<Errno>
{
}

/// Writes what the guest's buffers hold; of a shared memory their first bytes. `written` is where the guest wants to
/// know how many.
///
/// # Errors
/// Those of `transfer`, and a trap when the list or a buffer is not inside the memory.
pub(crate) fn write(
    call: &mut Call<'_>,
    buffers: i32,
    len: i32,
    written: i32,
    transfer: impl Transfer,
) -> Result<Errno> {
    let (ctx, memory) = (&mut call.ctx.inner, &mut call.memory);
    if !memory.is_shared_memory() {
        return transfer(ctx, memory, buffers, len, written);
    }
    let bytes = match gather(memory, list(buffers, len)) {
        Ok(bytes) => bytes,
        Err(error) => return outcome_of_guest(&error),
    };
    let mut copy = vec![0; copy_size(bytes.len())];
    let mut copy = copy_of(&mut copy, &bytes);
    let errno = transfer(ctx, &mut copy, LIST.cast_signed(), 1, COUNT.cast_signed())?;
    tell(errno, || {
        let count = copy.read(GuestPtr::<u32>::new(COUNT))?;
        memory.write(GuestPtr::new(written.cast_unsigned()), count)
    })
}

/// Reads into the guest's buffers; of a shared memory into the first that is not empty. `read` is where the guest wants to
/// know how many bytes.
///
/// # Errors
/// Those of `transfer`, and a trap when the list or a buffer is not inside the memory.
pub(crate) fn read(
    call: &mut Call<'_>,
    buffers: i32,
    len: i32,
    read: i32,
    transfer: impl Transfer,
) -> Result<Errno> {
    let (ctx, memory) = (&mut call.ctx.inner, &mut call.memory);
    if !memory.is_shared_memory() {
        return transfer(ctx, memory, buffers, len, read);
    }
    let (address, room) = match first_with_room(memory, list(buffers, len)) {
        Ok(buffer) => buffer,
        Err(error) => return outcome_of_guest(&error),
    };
    let bytes = vec![0; room.min(MOST) as usize];
    let mut copy = vec![0; copy_size(bytes.len())];
    let mut copy = copy_of(&mut copy, &bytes);
    let errno = transfer(ctx, &mut copy, LIST.cast_signed(), 1, COUNT.cast_signed())?;
    tell(errno, || {
        let count = copy.read(GuestPtr::<u32>::new(COUNT))?;
        let bytes = copy.as_cow(GuestPtr::new((BYTES, count)))?;
        memory.copy_from_slice(&bytes, GuestPtr::new((address, count)))?;
        memory.write(GuestPtr::new(read.cast_unsigned()), count)
    })
}

/// A list of buffers, each by address and length.
type List = GuestPtr<[GuestPtr<[u8]>]>;

fn list(address: i32, len: i32) -> List {
    GuestPtr::new((address.cast_unsigned(), len.cast_unsigned()))
}

/// The address and length of each buffer, which are inside the memory. Every one is read once and then believed:
/// another thread may change it at any time.
fn buffers(
    memory: &GuestMemory<'_>,
    list: List,
) -> impl Iterator<Item = Result<(u32, u32), GuestError>> {
    (0..list.len()).map(move |index| {
        let buffer = memory.read(list.as_ptr().add(index)?)?;
        memory.as_slice(buffer)?;
        Ok(buffer.offset())
    })
}

/// Copies the first [`MOST`] bytes of the buffers.
fn gather(memory: &GuestMemory<'_>, list: List) -> Result<Vec<u8>, GuestError> {
    let mut bytes = Vec::new();
    let mut left = MOST;
    for buffer in buffers(memory, list) {
        let (address, len) = buffer?;
        let part = len.min(left);
        bytes.extend_from_slice(&memory.as_cow(GuestPtr::new((address, part)))?);
        left -= part;
        if left == 0 {
            break;
        }
    }
    Ok(bytes)
}

/// The first buffer that is not empty, or an empty one.
fn first_with_room(memory: &GuestMemory<'_>, list: List) -> Result<(u32, u32), GuestError> {
    let with_room = |buffer: &Result<_, _>| !matches!(buffer, Ok((_, 0)));
    buffers(memory, list).find(with_room).unwrap_or(Ok((0, 0)))
}

/// The size of memory for [`copy_of`] so many bytes, wherever it lies.
fn copy_size(bytes: usize) -> usize {
    BYTES as usize + bytes + 7
}

/// A memory of the host with a list of one buffer, which holds `bytes`, at most [`MOST`].
fn copy_of<'a>(space: &'a mut [u8], bytes: &[u8]) -> GuestMemory<'a> {
    // Lists are read where they lie, and have to be aligned there as in the guest.
    let start = space.as_ptr().align_offset(8);
    let space = &mut space[start..];
    space[BYTES as usize..][..bytes.len()].copy_from_slice(bytes);
    let mut copy = GuestMemory::Unshared(space);
    let len = u32::try_from(bytes.len()).expect("at most `MOST`");
    let listed = copy.write(GuestPtr::new(LIST), GuestPtr::<[u8]>::new((BYTES, len)));
    listed.expect("the list is inside and aligned");
    copy
}

/// Tells the guest what came of a call that succeeded.
fn tell(errno: Errno, told: impl FnOnce() -> Result<(), GuestError>) -> Result<Errno> {
    if errno != Errno::SUCCESS {
        return Ok(errno);
    }
    match told() {
        Ok(()) => Ok(Errno::SUCCESS),
        Err(error) => outcome_of_guest(&error),
    }
}
