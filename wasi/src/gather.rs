//! Writing what lies in a memory that threads share.
//!
//! Such bytes have to be copied before the host can look at them. `wasi-common` would copy all that the guest names,
//! which can be its whole memory many times over; [`gathered`] copies a bounded part of it and writes that. The
//! specification lets a write take less than it was given, and programs go on with the rest.

use crate::call::{Call, outcome_of_guest};
use crate::errno::Errno;
use wasi_common::WasiCtx;
use wiggle::{GuestError, GuestMemory, GuestPtr};
use wrun_runtime::Result;

/// As much as one call writes from a shared memory.
const MOST: u32 = 1 << 20;

/// Where the one buffer of the copy is listed, where the number of written bytes goes, and where the bytes begin.
const LIST: usize = 0;
const WRITTEN: usize = 8;
const BYTES: usize = 16;

/// Calls `write` with the buffers that the guest gave, or, when its memory is shared, with the first bytes of them in
/// memory of the host. `written` is where the guest wants to know how many bytes were written.
///
/// # Errors
/// Those of `write`, and a trap when a list or a buffer is not inside the memory.
pub(crate) fn gathered(
    call: &mut Call<'_>,
    buffers: i32,
    count: i32,
    written: i32,
    write: impl FnOnce(&mut WasiCtx, &mut GuestMemory<'_>, i32, i32, i32) -> Result<Errno>,
) -> Result<Errno> {
    let (ctx, memory) = (&mut call.ctx.inner, &mut call.memory);
    if !memory.is_shared_memory() {
        return write(ctx, memory, buffers, count, written);
    }
    let bytes = match gather(memory, buffers.cast_unsigned(), count.cast_unsigned()) {
        Ok(bytes) => bytes,
        Err(error) => return outcome_of_guest(&error),
    };
    let mut copy = vec![0; 7 + BYTES + bytes.len()];
    // Lists are read where they lie, and have to be aligned there as in the guest.
    let start = copy.as_ptr().align_offset(8);
    let copy = &mut copy[start..start + BYTES + bytes.len()];
    copy[BYTES..].copy_from_slice(&bytes);
    let mut copy = GuestMemory::Unshared(copy);
    let buffer = GuestPtr::<u8>::new(BYTES as u32).as_array(bytes.len() as u32);
    let listed = copy.write(GuestPtr::new(LIST as u32), buffer);
    listed.expect("the list is inside and aligned");
    let errno = write(ctx, &mut copy, LIST as i32, 1, WRITTEN as i32)?;
    if errno != Errno::SUCCESS {
        return Ok(errno);
    }
    let told = copy
        .read(GuestPtr::<u32>::new(WRITTEN as u32))
        .and_then(|bytes| memory.write(GuestPtr::new(written.cast_unsigned()), bytes));
    match told {
        Ok(()) => Ok(Errno::SUCCESS),
        Err(error) => outcome_of_guest(&error),
    }
}

/// Copies the first [`MOST`] bytes of the buffers.
fn gather(
    memory: &GuestMemory<'_>,
    buffers: u32,
    count: u32,
) -> std::result::Result<Vec<u8>, GuestError> {
    let mut bytes = Vec::new();
    let mut left = MOST;
    for buffer in GuestPtr::<GuestPtr<[u8]>>::new(buffers).as_array(count).iter() {
        // Read once: another thread may change it at any time.
        let (address, len) = memory.read(buffer?)?.offset();
        // All of it has to be inside, and a part of it is copied.
        memory.as_slice(GuestPtr::new((address, len)))?;
        let part = len.min(left);
        bytes.extend_from_slice(&memory.as_cow(GuestPtr::new((address, part)))?);
        left -= part;
        if left == 0 {
            break;
        }
    }
    Ok(bytes)
}
