//! [`GuestMemory`]: the bytes of the calling guest, and the only way in which bindings reach them.
//!
//! Every access says where and how much, and is checked here: what is not inside the memory, or not aligned as the
//! specification demands, is a [`WildPointer`], and the guest traps. Of a memory that threads share everything is
//! copied, because others may write there at any time; what was read once is believed from then on.

use std::borrow::Cow;
use std::ops::Range;
use wrun_runtime::SharedMemory;

/// The memory of a guest for the length of one call.
pub(crate) enum GuestMemory<'a> {
    /// Nobody else has it.
    Unshared(&'a mut [u8]),
    /// Other threads read and write it meanwhile.
    Shared(&'a SharedMemory),
}

/// An address that must not be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum WildPointer {
    /// It leads out of the memory.
    #[error("{len} bytes at {address:#x} are not inside the memory")]
    Outside { address: u32, len: u64 },
    /// It is not aligned.
    #[error("the address {address:#x} is not a multiple of {align}")]
    Unaligned { address: u32, align: u32 },
}

/// What became of an access.
pub(crate) type Access<T> = Result<T, WildPointer>;

impl GuestMemory<'_> {
    fn size(&self) -> u64 {
        match self {
            GuestMemory::Unshared(bytes) => bytes.len() as u64,
            GuestMemory::Shared(memory) => memory.data_size() as u64,
        }
    }

    /// The places of `len` bytes.
    ///
    /// # Errors
    /// They are not all inside.
    pub(crate) fn range(&self, address: u32, len: u64) -> Access<Range<usize>> {
        let start = u64::from(address);
        match start.checked_add(len) {
            // What is inside has places that fit.
            Some(end) if end <= self.size() => Ok(start as usize..end as usize),
            _ => Err(WildPointer::Outside { address, len }),
        }
    }

    /// As [`range`](Self::range), for what begins at a multiple of `align`.
    ///
    /// # Errors
    /// It does not, or is not inside.
    pub(crate) fn aligned(&self, address: u32, align: u32, len: u64) -> Access<Range<usize>> {
        if !address.is_multiple_of(align) {
            return Err(WildPointer::Unaligned { address, align });
        }
        self.range(address, len)
    }

    /// Bytes; a copy when threads share them.
    ///
    /// # Errors
    /// They are not all inside.
    pub(crate) fn bytes(&self, address: u32, len: u32) -> Access<Cow<'_, [u8]>> {
        let range = self.range(address, len.into())?;
        match self {
            GuestMemory::Unshared(bytes) => Ok(Cow::Borrowed(&bytes[range])),
            GuestMemory::Shared(memory) => {
                let mut copy = vec![0; range.len()];
                copied(memory.read(address.into(), &mut copy), address, &copy)?;
                Ok(Cow::Owned(copy))
            }
        }
    }

    /// A structure of `N` bytes.
    ///
    /// # Errors
    /// It is not inside, or not at a multiple of `align`.
    pub(crate) fn read<const N: usize>(&self, address: u32, align: u32) -> Access<[u8; N]> {
        let range = self.aligned(address, align, N as u64)?;
        let mut copy = [0; N];
        match self {
            GuestMemory::Unshared(bytes) => copy.copy_from_slice(&bytes[range]),
            GuestMemory::Shared(memory) => {
                copied(memory.read(address.into(), &mut copy), address, &copy)?;
            }
        }
        Ok(copy)
    }

    /// Writes bytes.
    ///
    /// # Errors
    /// There is no room for all of them; then none is written.
    pub(crate) fn put(&mut self, address: u32, bytes: &[u8]) -> Access<()> {
        let range = self.range(address, bytes.len() as u64)?;
        match self {
            GuestMemory::Unshared(memory) => memory[range].copy_from_slice(bytes),
            GuestMemory::Shared(memory) => {
                copied(memory.write(address.into(), bytes), address, bytes)?;
            }
        }
        Ok(())
    }

    /// Writes a number, little-endian, at a multiple of its size.
    ///
    /// # Errors
    /// It is not aligned, or outside.
    pub(crate) fn put_number<const N: usize>(
        &mut self,
        address: i32,
        number: [u8; N],
    ) -> Access<()> {
        let address = address.cast_unsigned();
        self.aligned(address, N as u32, N as u64)?;
        self.put(address, &number)
    }
}

/// A shared memory checks once more; it never shrinks, so that this finds nothing new.
fn copied<E>(outcome: Result<(), E>, address: u32, bytes: &[u8]) -> Access<()> {
    outcome.map_err(|_| WildPointer::Outside { address, len: bytes.len() as u64 })
}

#[cfg(test)]
mod tests {
    use super::{GuestMemory, WildPointer};

    #[test]
    fn what_is_inside_is_read_and_written() {
        let mut bytes = [0; 16];
        let mut memory = GuestMemory::Unshared(&mut bytes);
        assert_eq!(memory.put_number(8, 0x0102_u32.to_le_bytes()), Ok(()));
        assert_eq!(memory.put(14, b"ab"), Ok(()));
        assert_eq!(memory.put(16, b""), Ok(()));
        assert_eq!(memory.read::<8>(8, 8), Ok(*b"\x02\x01\0\0\0\0ab"));
        assert_eq!(memory.bytes(15, 1).as_deref(), Ok(&b"b"[..]));
    }

    #[test]
    fn what_is_outside_or_unaligned_is_refused() {
        let mut bytes = [7; 16];
        let mut memory = GuestMemory::Unshared(&mut bytes);
        for (address, len) in [(16, 1), (17, 0), (0, 17), (u32::MAX, u32::MAX)] {
            let outside = WildPointer::Outside { address, len: len.into() };
            assert_eq!(memory.bytes(address, len), Err(outside));
        }
        assert_eq!(memory.put(15, b"ab"), Err(WildPointer::Outside { address: 15, len: 2 }));
        let unaligned = WildPointer::Unaligned { address: 2, align: 4 };
        assert_eq!(memory.put_number(2, [0; 4]), Err(unaligned));
        assert_eq!(memory.read::<8>(2, 4), Err(unaligned));
        assert_eq!(bytes, [7; 16]);
    }
}
