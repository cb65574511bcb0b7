//! Lists of strings as the guest gets them: arguments and environment variables.
//!
//! Bytes, not text: what the system hands to a program need not be UTF-8, and arrives unchanged.

use crate::call::Outcome;
use crate::errno::Errno;
use crate::memory::{Access, GuestMemory, WildPointer};

/// Strings, each with the zero that ends it in the guest's memory.
#[derive(Clone, Debug, Default)]
pub(crate) struct Strings(Vec<Vec<u8>>);

impl Strings {
    /// Adds a string; a guest sees it up to its first zero byte, as with any C string.
    pub(crate) fn push(&mut self, string: impl Into<Vec<u8>>) {
        let mut string = string.into();
        string.push(0);
        self.0.push(string);
    }

    /// Takes out the strings that begin with `prefix`.
    pub(crate) fn remove_prefixed(&mut self, prefix: &[u8]) {
        self.0.retain(|string| !string.starts_with(prefix));
    }

    /// Writes how many strings there are to `count`, and how many bytes to `size`.
    ///
    /// # Errors
    /// A trap for wrong pointers.
    pub(crate) fn write_sizes(
        &self,
        memory: &mut GuestMemory<'_>,
        count: i32,
        size: i32,
    ) -> Outcome {
        let bytes = self.0.iter().map(Vec::len).sum::<usize>();
        let strings = u32::try_from(self.0.len()).map_err(|_| Errno::OVERFLOW)?;
        let bytes = u32::try_from(bytes).map_err(|_| Errno::OVERFLOW)?;
        memory.put_number(count, strings.to_le_bytes())?;
        Ok(memory.put_number(size, bytes.to_le_bytes())?)
    }

    /// Writes the strings to `buf`, one behind the other, and their addresses to `heads`.
    ///
    /// # Errors
    /// A trap for wrong pointers.
    pub(crate) fn write(&self, memory: &mut GuestMemory<'_>, heads: i32, buf: i32) -> Outcome {
        let (mut head, mut buf) = (heads.cast_unsigned(), buf.cast_unsigned());
        for string in &self.0 {
            memory.put(buf, string)?;
            memory.put_number(head.cast_signed(), buf.to_le_bytes())?;
            head = behind(head, 4)?;
            buf = behind(buf, string.len())?;
        }
        Ok(())
    }
}

/// The address behind `len` bytes.
fn behind(address: u32, len: usize) -> Access<u32> {
    let end = u64::from(address) + len as u64;
    u32::try_from(end).map_err(|_| WildPointer::Outside { address, len: len as u64 })
}
