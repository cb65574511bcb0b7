//! Lists of buffers in the guest's memory, as the host takes them.
//!
//! A list is addresses and lengths, eight bytes each. The host reads and writes the guest's bytes where they are,
//! except for those that threads share: these are copied on their way, at most [`MOST`] in a call. The specification
//! lets a call move less than it was asked for, and so lists are cut where the system would cut them, and buffers that
//! overlap are not all read into at once. Empty buffers are left out.

use crate::call::Failure;
use crate::errno::Errno;
use crate::host::HostResult;
use crate::memory::{Access, GuestMemory};
use smallvec::SmallVec;
use std::io::{IoSlice, IoSliceMut};
use std::ops::Range;

/// As much as one call moves from or to a shared memory.
const MOST: usize = 1 << 20;

/// As many buffers as the system takes.
const LONGEST: usize = 1024;

/// As many buffers as nearly every list has: for those nothing is allocated.
const FEW: usize = 16;

/// The places of buffers, which are inside the memory.
type Buffers = SmallVec<[Range<usize>; FEW]>;

/// Hands what the buffers hold to `transfer`; how much of it that took.
///
/// # Errors
/// Those of `transfer`, and a trap when the list or a buffer is not inside the memory.
pub(crate) fn write(
    memory: &GuestMemory<'_>,
    list: i32,
    len: i32,
    transfer: impl FnOnce(&[IoSlice<'_>]) -> HostResult<usize>,
) -> Result<u32, Failure> {
    let written = match memory {
        GuestMemory::Unshared(bytes) => {
            let mut slices: SmallVec<[IoSlice<'_>; FEW]> = SmallVec::new();
            each_buffer(memory, list, len, |buffer| {
                slices.push(IoSlice::new(&bytes[buffer]));
                slices.len() < LONGEST
            })?;
            transfer(&slices)?
        }
        GuestMemory::Shared(_) => {
            let copy = gather(memory, list, len)?;
            transfer(&[IoSlice::new(&copy)])?
        }
    };
    count(written)
}

/// Lets `transfer` fill the buffers; of a shared memory the first of them. How many bytes it read.
///
/// # Errors
/// Those of `transfer`, and a trap when the list or a buffer is not inside the memory.
pub(crate) fn read(
    memory: &mut GuestMemory<'_>,
    list: i32,
    len: i32,
    transfer: impl FnOnce(&mut [IoSliceMut<'_>]) -> HostResult<usize>,
) -> Result<u32, Failure> {
    let longest = if matches!(memory, GuestMemory::Shared(_)) { 1 } else { LONGEST };
    let mut buffers = Buffers::new();
    each_buffer(memory, list, len, |buffer| {
        buffers.push(buffer);
        buffers.len() < longest
    })?;
    let Some(first) = buffers.first() else { return Ok(0) };
    let read = match memory {
        GuestMemory::Unshared(bytes) if buffers.len() == 1 => {
            transfer(&mut [IoSliceMut::new(&mut bytes[first.clone()])])?
        }
        GuestMemory::Unshared(bytes) => transfer(&mut disjoint(bytes, &buffers))?,
        GuestMemory::Shared(_) => {
            let mut copy = vec![0; first.len().min(MOST)];
            let read = transfer(&mut [IoSliceMut::new(&mut copy)])?;
            memory.put(first.start as u32, &copy[..read])?;
            read
        }
    };
    count(read)
}

/// Gives `take` the places of the buffers of a list that are not empty, until that says to stop. Every one is read once
/// and then believed: another thread may change it at any time.
///
/// # Errors
/// The list, or a buffer up to there, is not inside the memory.
fn each_buffer(
    memory: &GuestMemory<'_>,
    list: i32,
    len: i32,
    mut take: impl FnMut(Range<usize>) -> bool,
) -> Access<()> {
    const SIZE: u32 = 8;
    let (list, len) = (list.cast_unsigned(), len.cast_unsigned());
    memory.aligned(list, 4, u64::from(SIZE) * u64::from(len))?;
    for index in 0..len {
        let [a, b, c, d, e, f, g, h] = memory.read::<8>(list + SIZE * index, 4)?;
        let len = u32::from_le_bytes([e, f, g, h]);
        let buffer = memory.range(u32::from_le_bytes([a, b, c, d]), len.into())?;
        if !buffer.is_empty() && !take(buffer) {
            break;
        }
    }
    Ok(())
}

/// The buffers, in their order, as parts of the memory that can all be written to at once; only the first when some
/// overlap.
fn disjoint<'m>(memory: &'m mut [u8], buffers: &[Range<usize>]) -> SmallVec<[IoSliceMut<'m>; FEW]> {
    let mut order: SmallVec<[usize; FEW]> = (0..buffers.len()).collect();
    order.sort_unstable_by_key(|&index| buffers[index].start);
    if order.windows(2).any(|pair| buffers[pair[0]].end > buffers[pair[1]].start) {
        order.truncate(0);
        order.push(0);
    }
    let mut slices: SmallVec<[IoSliceMut<'m>; FEW]> = SmallVec::new();
    slices.extend(order.iter().map(|_| IoSliceMut::new(&mut [])));
    let (mut rest, mut rest_start) = (memory, 0);
    for index in order {
        let buffer = &buffers[index];
        let (_, from_buffer) = rest.split_at_mut(buffer.start - rest_start);
        let (slice, behind) = from_buffer.split_at_mut(buffer.len());
        slices[index] = IoSliceMut::new(slice);
        (rest, rest_start) = (behind, buffer.end);
    }
    slices
}

/// Copies the first [`MOST`] bytes of the buffers.
fn gather(memory: &GuestMemory<'_>, list: i32, len: i32) -> Access<Vec<u8>> {
    let mut parts = Buffers::new();
    let mut room = MOST;
    each_buffer(memory, list, len, |buffer| {
        let part = buffer.start..buffer.end.min(buffer.start + room);
        room -= part.len();
        parts.push(part);
        room > 0
    })?;
    let mut copy = Vec::with_capacity(MOST - room);
    for part in parts {
        copy.extend_from_slice(&memory.bytes(part.start as u32, part.len() as u32)?);
    }
    Ok(copy)
}

/// As the guest gets it. The system moves no more than fits.
fn count(bytes: usize) -> Result<u32, Failure> {
    u32::try_from(bytes).map_err(|_| Errno::OVERFLOW.into())
}

#[cfg(test)]
mod tests {
    use super::{GuestMemory, IoSliceMut, LONGEST, read, write};

    /// A memory with a list at its start and the letters of the alphabet at 32, over and over.
    fn memory(list: &[(u32, u32)]) -> Vec<u8> {
        let mut bytes: Vec<u8> = list
            .iter()
            .flat_map(|(at, len)| [at.to_le_bytes(), len.to_le_bytes()])
            .flatten()
            .collect();
        bytes.resize(bytes.len().max(32), 0);
        bytes.extend((b'a'..=b'z').cycle().take(64));
        bytes
    }

    /// What a write hands out, buffer by buffer, each where the guest has it.
    fn written(list: &[(u32, u32)]) -> Vec<Vec<u8>> {
        let mut bytes = memory(list);
        let mut parts = Vec::new();
        let places = bytes.as_ptr_range();
        let memory = GuestMemory::Unshared(&mut bytes);
        let count = write(&memory, 0, list.len() as i32, |bufs| {
            assert!(bufs.iter().all(|buf| places.contains(&buf.as_ptr())), "nothing is copied");
            parts.extend(bufs.iter().map(|buf| buf.to_vec()));
            Ok(bufs.iter().map(|buf| buf.len()).sum())
        });
        assert_eq!(count.expect("inside") as usize, parts.iter().map(Vec::len).sum::<usize>());
        parts
    }

    /// The memory from 32 on after a read fills the buffers with `1`, `2`, … in their order.
    fn filled(list: &[(u32, u32)]) -> String {
        let mut bytes = memory(list);
        let mut memory = GuestMemory::Unshared(&mut bytes);
        let fill = |bufs: &mut [IoSliceMut<'_>]| {
            let numbered = bufs.iter_mut().zip(b'1'..);
            Ok(numbered
                .map(|(buf, number)| {
                    buf.fill(number);
                    buf.len()
                })
                .sum())
        };
        read(&mut memory, 0, list.len() as i32, fill).expect("inside");
        String::from_utf8(bytes[32..44].to_vec()).expect("letters and digits")
    }

    #[test]
    fn a_write_gets_the_buffers_in_their_order() {
        assert_eq!(written(&[(40, 2), (32, 0), (32, 3), (33, 1)]), [&b"ij"[..], b"abc", b"b"]);
        assert_eq!(written(&[]), [[0; 0]; 0]);
    }

    #[test]
    fn a_read_fills_all_buffers_in_their_order() {
        assert_eq!(filled(&[(33, 2), (36, 1)]), "a11d2fghijkl");
        assert_eq!(filled(&[(40, 2), (0, 0), (32, 3), (35, 5)]), "2223333311kl");
    }

    #[test]
    fn a_read_into_buffers_that_overlap_fills_the_first() {
        for overlapping in [[(33, 4), (35, 4)], [(33, 4), (33, 4)], [(33, 4), (30, 9)]] {
            assert_eq!(filled(&overlapping), "a1111fghijkl");
        }
    }

    #[test]
    fn long_lists_are_cut() {
        assert_eq!(written(&vec![(0, 1); LONGEST + 9]).len(), LONGEST);
    }
}
