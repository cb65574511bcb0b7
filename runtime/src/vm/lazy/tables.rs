//! [`Tables`]: where the unwind tables of code lie that is compiled while the module runs.
//!
//! They are data, which generated code never comes by and nobody executes. Beside the code that they describe, they would take as
//! many lines of the caches as many a function has.

use std::io;

use wrun_module::lazy::{END, TABLES};

use super::region::Region;

/// Bytes that become accessible at once.
const STEP: usize = 256 << 10;

/// Unwind tables, one behind the other.
#[derive(Debug, Default)]
pub(super) struct Tables {
    /// Bytes in use.
    len: usize,
    /// Bytes that can be written.
    accessible: usize,
}

impl Tables {
    /// Adds the table that `make` gives for an offset from `.text`, and gives that offset. `region` is the same each time.
    ///
    /// # Errors
    /// When there is no room.
    pub(super) fn add(
        &mut self,
        region: &Region,
        make: impl Fn(u32) -> Vec<u8>,
    ) -> io::Result<u32> {
        let start = self.len.next_multiple_of(8);
        let at = TABLES + start as u32;
        let table = make(at);
        let end = start + table.len();
        if end > (END - TABLES) as usize {
            return Err(io::ErrorKind::OutOfMemory.into());
        }
        if end > self.accessible {
            let accessible = end.next_multiple_of(STEP);
            region.mapping().make_accessible(Region::place(TABLES), accessible)?;
            self.accessible = accessible;
        }
        // SAFETY: accessible from the first of all tables to here, and behind all that have been given out.
        unsafe { region.write_table(at, &table) };
        self.len = end;
        Ok(at)
    }
}
