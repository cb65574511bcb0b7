//! Random bytes, from the system's generator for cryptography.

use super::HostResult;
use rustix::io::Errno;
use rustix::rand::{GetRandomFlags, getrandom};

/// Fills a buffer.
pub(crate) fn fill(mut buffer: &mut [u8]) -> HostResult<()> {
    while !buffer.is_empty() {
        // The system gives less when there is much to give or a signal arrives.
        match getrandom(&mut *buffer, GetRandomFlags::empty()) {
            Ok(filled) => buffer = &mut buffer[filled..],
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
    Ok(())
}
