//! Moving bytes between a descriptor of the host and lists of buffers: one system call each.
//!
//! A list of one buffer, which is what nearly every guest has, takes the plain call: the system reads no list then.
//! Longer lists than the system takes are cut where it ends; moving less than was asked for is allowed.

use super::HostResult;
use rustix::io::{pread, preadv, pwrite, pwritev, read, readv, write, writev};
use std::io::{IoSlice, IoSliceMut};
use std::os::fd::BorrowedFd;

/// Where in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// At its position, which moves.
    Position,
    /// So many bytes behind the start; the position stays.
    At(u64),
}

/// Reads; zero is the end.
pub(super) fn read_into(
    fd: BorrowedFd<'_>,
    bufs: &mut [IoSliceMut<'_>],
    place: Place,
) -> HostResult<usize> {
    let read = match (bufs, place) {
        ([one], Place::Position) => read(fd, &mut **one),
        ([one], Place::At(offset)) => pread(fd, &mut **one, offset),
        (bufs, Place::Position) => readv(fd, bufs),
        (bufs, Place::At(offset)) => preadv(fd, bufs, offset),
    };
    Ok(read?)
}

/// Writes; how many bytes.
pub(super) fn write_from(
    fd: BorrowedFd<'_>,
    bufs: &[IoSlice<'_>],
    place: Place,
) -> HostResult<usize> {
    let written = match (bufs, place) {
        ([one], Place::Position) => write(fd, one),
        ([one], Place::At(offset)) => pwrite(fd, one, offset),
        (bufs, Place::Position) => writev(fd, bufs),
        (bufs, Place::At(offset)) => pwritev(fd, bufs, offset),
    };
    Ok(written?)
}
