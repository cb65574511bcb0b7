//! [`HostFile`]: a file that a guest opened in one of its directories.
//!
//! It may be open for more than the guest asked for, because the system makes and empties no file that is not open for
//! writing; whoever has the descriptor sees to that. A file of a read-only directory refuses whatever would change it.

use super::access::DirAccess;
use super::transfer::{self, Place};
use super::{FileKind, Filestat, HostResult, NewTime, StatusFlags, timestamps};
use rustix::fs::{Advice, FallocateFlags, OFlags, SeekFrom, fcntl_getfl, fcntl_setfl};
use rustix::io::Errno;
use std::io::{IoSlice, IoSliceMut};
use std::num::NonZeroU64;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// A file of the host.
#[derive(Debug)]
pub(crate) struct HostFile {
    fd: OwnedFd,
    kind: FileKind,
    access: DirAccess,
}

impl HostFile {
    pub(super) fn new(fd: OwnedFd, kind: FileKind, access: DirAccess) -> HostFile {
        HostFile { fd, kind, access }
    }

    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    pub(super) fn kind(&self) -> FileKind {
        self.kind
    }

    pub(super) fn read(&self, bufs: &mut [IoSliceMut<'_>], place: Place) -> HostResult<usize> {
        transfer::read_into(self.fd(), bufs, place)
    }

    pub(super) fn write(&self, bufs: &[IoSlice<'_>], place: Place) -> HostResult<usize> {
        transfer::write_from(self.fd(), bufs, place)
    }

    pub(super) fn seek(&self, to: SeekFrom) -> HostResult<u64> {
        Ok(rustix::fs::seek(&self.fd, to)?)
    }

    pub(super) fn stat(&self) -> HostResult<Filestat> {
        Ok(rustix::fs::fstat(&self.fd)?.into())
    }

    pub(super) fn flags(&self) -> HostResult<StatusFlags> {
        Ok(StatusFlags::of_host(fcntl_getfl(&self.fd)?))
    }

    /// Sets whether it appends and blocks. Whether it waits for the disk was settled when it was opened.
    ///
    /// # Errors
    /// `inval` for changing that.
    pub(super) fn set_flags(&self, flags: StatusFlags) -> HostResult<()> {
        let mut host = fcntl_getfl(&self.fd)?;
        // A guest that sets what it asked for or got changes nothing, and one that leaves these out does not mean them.
        if !flags.wait_no_more_than(StatusFlags::of_host(host)) {
            return Err(Errno::INVAL.into());
        }
        host.set(OFlags::APPEND, flags.append);
        host.set(OFlags::NONBLOCK, flags.nonblock);
        Ok(fcntl_setfl(&self.fd, host)?)
    }

    /// Waits until its data, or `all` that is known of it, are on the disk.
    pub(super) fn sync(&self, all: bool) -> HostResult<()> {
        match all {
            true => Ok(rustix::fs::fsync(&self.fd)?),
            false => Ok(rustix::fs::fdatasync(&self.fd)?),
        }
    }

    pub(super) fn advise(&self, offset: u64, len: u64, advice: Advice) -> HostResult<()> {
        Ok(rustix::fs::fadvise(&self.fd, offset, NonZeroU64::new(len), advice)?)
    }

    /// Reserves room on the disk; the file grows when the part goes beyond its end.
    pub(super) fn allocate(&self, offset: u64, len: u64) -> HostResult<()> {
        self.access.allow_change()?;
        Ok(rustix::fs::fallocate(&self.fd, FallocateFlags::empty(), offset, len)?)
    }

    pub(super) fn set_size(&self, size: u64) -> HostResult<()> {
        self.access.allow_change()?;
        Ok(rustix::fs::ftruncate(&self.fd, size)?)
    }

    pub(super) fn set_times(&self, accessed: NewTime, modified: NewTime) -> HostResult<()> {
        self.access.allow_change()?;
        Ok(rustix::fs::futimens(&self.fd, &timestamps(accessed, modified))?)
    }
}
