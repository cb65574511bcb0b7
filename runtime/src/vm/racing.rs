//! Copying and filling bytes that other threads may read and write at the same time.
//!
//! Rust has no such thing: its copies are data races then, which are undefined. So these are assembly, about which the
//! compiler assumes nothing but that memory changes. What arrives when others write is any mixture of old and new bytes,
//! which is all that WebAssembly promises for accesses that are not atomic.

use std::arch::asm;

/// The least distance at which overlapping bytes are copied in pieces, each of them forwards: that is what processors
/// are fast at.
const LEAST_PIECE: usize = 64;

/// Copies `len` bytes as if through a copy of them.
///
/// # Safety
/// Both ranges are accessible. Of references to bytes in them, other than as atomics, none to `dst` is alive, and no
/// exclusive one to `src`.
pub(super) unsafe fn copy(src: *const u8, dst: *mut u8, len: usize) {
    // Where the destination begins, counted from the source; large when it begins before.
    let distance = (dst as usize).wrapping_sub(src as usize);
    // SAFETY: all pieces are inside the caller's ranges. A piece is no longer than the distance, so that it does not
    // overwrite what it reads, and pieces that would be overwritten have been copied before.
    unsafe {
        if distance >= len {
            forwards(src, dst, len);
        } else if distance >= LEAST_PIECE {
            let mut end = len;
            while end > 0 {
                let piece = distance.min(end);
                end -= piece;
                forwards(src.add(end), dst.add(end), piece);
            }
        } else {
            backwards(src, dst, len);
        }
    }
}

/// Copies bytes, the first one first.
///
/// # Safety
/// As for [`copy`].
unsafe fn forwards(src: *const u8, dst: *mut u8, len: usize) {
    // SAFETY: reads and writes the caller's ranges and nothing else; the direction flag is clear on entry, as the
    // platform's convention demands.
    unsafe {
        asm!(
            "rep movsb",
            inout("rcx") len => _,
            inout("rsi") src => _,
            inout("rdi") dst => _,
            options(nostack, preserves_flags),
        );
    }
}

/// Copies bytes, the last one first.
///
/// # Safety
/// As for [`copy`].
unsafe fn backwards(src: *const u8, dst: *mut u8, len: usize) {
    // SAFETY: as for `forwards`; the registers begin at the last bytes, or are not used when there are none. The
    // direction flag is cleared again.
    unsafe {
        asm!(
            "std",
            "rep movsb",
            "cld",
            inout("rcx") len => _,
            inout("rsi") src.wrapping_add(len).wrapping_sub(1) => _,
            inout("rdi") dst.wrapping_add(len).wrapping_sub(1) => _,
            options(nostack),
        );
    }
}

/// Sets `len` bytes to `value`.
///
/// # Safety
/// The range is accessible, and no reference to bytes in it is alive, other than as atomics.
pub(super) unsafe fn fill(dst: *mut u8, value: u8, len: usize) {
    // SAFETY: writes the caller's range and nothing else; the direction flag is clear on entry.
    unsafe {
        asm!(
            "rep stosb",
            inout("rcx") len => _,
            inout("rdi") dst => _,
            in("al") value,
            options(nostack, preserves_flags),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::{copy, fill};

    #[test]
    fn copies_are_as_if_through_a_copy() {
        let original: Vec<u8> = (0..1000_u32).map(|at| (at * 7) as u8).collect();
        for (src, dst) in [(0, 500), (500, 0), (0, 1), (1, 0), (0, 63), (0, 64), (3, 130), (9, 9)] {
            for len in [0, 1, 2, 63, 64, 65, 300, 499] {
                let (mut bytes, mut expected) = (original.clone(), original.clone());
                expected.copy_within(src..src + len, dst);
                let base = bytes.as_mut_ptr();
                // SAFETY: both ranges are inside the vector.
                unsafe { copy(base.add(src), base.add(dst), len) };
                assert!(bytes == expected, "{len} bytes from {src} to {dst}");
            }
        }
    }

    #[test]
    fn fills_write_the_range_and_nothing_else() {
        let mut bytes = [1_u8; 8];
        // SAFETY: the range is inside the array.
        unsafe { fill(bytes.as_mut_ptr().add(2), 9, 5) };
        assert_eq!(bytes, [1, 1, 9, 9, 9, 9, 9, 1]);
    }
}
