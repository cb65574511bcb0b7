//! Random bytes, from the system's generator for cryptography.

use crate::call::{Call, Outcome};
use crate::host::random;
use crate::memory::GuestMemory;

/// As many bytes as are on their way to a shared memory at a time.
const PIECE: usize = 4096;

/// Fills a part of memory with random bytes.
///
/// - `buf`, `buf_len`: the part; when it is not inside the memory the guest traps
///
/// Spec: <https://github.com/WebAssembly/WASI/blob/main/legacy/preview1/docs.md#random_get>
pub(crate) fn random_get(call: &mut Call<'_>, buf: i32, buf_len: i32) -> Outcome {
    let range = call.memory.range(buf.cast_unsigned(), buf_len.cast_unsigned().into())?;
    match &mut call.memory {
        GuestMemory::Unshared(bytes) => random::fill(&mut bytes[range])?,
        shared => {
            let mut piece = [0; PIECE];
            for start in range.clone().step_by(PIECE) {
                let piece = &mut piece[..PIECE.min(range.end - start)];
                random::fill(piece)?;
                shared.put(start as u32, piece)?;
            }
        }
    }
    Ok(())
}
