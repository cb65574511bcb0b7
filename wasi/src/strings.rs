//! Lists of strings as the guest gets them: arguments and environment variables.
//!
//! Bytes, not text: what the system hands to a program need not be UTF-8, and arrives unchanged.

use crate::call::outcome_of_guest;
use crate::errno::Errno;
use wiggle::{GuestError, GuestMemory, GuestPtr};
use wrun_runtime::Result;

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
    ) -> Result<Errno> {
        let (Ok(strings), Ok(bytes)) = (
            u32::try_from(self.0.len()),
            u32::try_from(self.0.iter().map(Vec::len).sum::<usize>()),
        ) else {
            return Ok(Errno::OVERFLOW);
        };
        let written = memory
            .write(GuestPtr::new(count.cast_unsigned()), strings)
            .and_then(|()| memory.write(GuestPtr::new(size.cast_unsigned()), bytes));
        outcome(written)
    }

    /// Writes the strings to `buf`, one behind the other, and their addresses to `heads`.
    ///
    /// # Errors
    /// A trap for wrong pointers.
    pub(crate) fn write(
        &self,
        memory: &mut GuestMemory<'_>,
        heads: i32,
        buf: i32,
    ) -> Result<Errno> {
        outcome(self.try_write(memory, heads.cast_unsigned(), buf.cast_unsigned()))
    }

    fn try_write(
        &self,
        memory: &mut GuestMemory<'_>,
        mut head: u32,
        mut buf: u32,
    ) -> std::result::Result<(), GuestError> {
        for string in &self.0 {
            let len = u32::try_from(string.len())?;
            memory.copy_from_slice(string, GuestPtr::new((buf, len)))?;
            memory.write(GuestPtr::new(head), buf)?;
            head = head.checked_add(4).ok_or(GuestError::PtrOverflow)?;
            buf = buf.checked_add(len).ok_or(GuestError::PtrOverflow)?;
        }
        Ok(())
    }
}

fn outcome(written: std::result::Result<(), GuestError>) -> Result<Errno> {
    match written {
        Ok(()) => Ok(Errno::SUCCESS),
        Err(error) => outcome_of_guest(&error),
    }
}
