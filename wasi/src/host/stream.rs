//! [`Stream`]: a standard stream of the guest.
//!
//! Reads and writes are system calls on the descriptor itself: nothing is buffered, so that what was written is
//! visible at once, and no lock of the standard library is held while one blocks, so that other threads go on.
//!
//! A guest that asks for a stream not to block gets that for itself: the flag belongs to what the descriptor leads
//! to, such as the user's terminal, and would stay set there for others. It is imitated instead, by asking first.

use super::transfer::{self, Place};
use super::{FileKind, Filestat, HostResult, StatusFlags};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Advice, SeekFrom};
use rustix::io::Errno;
use std::io::{IoSlice, IoSliceMut};
use std::num::NonZeroU64;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Mutex, PoisonError, TryLockError};

/// As much as fits whenever a pipe says that it has room.
const PIPE_ROOM: usize = 4096;

/// As much as one write takes, like the system's.
const MOST: usize = 0x7FFF_F000;

/// Where a stream leads.
#[derive(Debug, Default)]
enum End {
    /// Nothing comes in, and what goes out is gone.
    #[default]
    Nowhere,
    /// A stream of this process.
    Inherited(BorrowedFd<'static>),
    /// A descriptor of the stream's own.
    Owned(OwnedFd),
}

/// What the guest asked for: nothing yet, to block, or not to.
const AS_IT_IS: u8 = 0;
const BLOCKING: u8 = 1;
const NONBLOCKING: u8 = 2;

/// A standard stream of the guest.
#[derive(Debug, Default)]
pub(crate) struct Stream {
    end: End,
    /// Any thread of the guest may change it, and the next call of each heeds it.
    mode: AtomicU8,
    /// Held while a write is under way, however long it blocks: the bytes of one write stay together, and other threads
    /// could not write meanwhile anyway.
    writing: Mutex<()>,
}

impl Stream {
    pub(crate) fn inherited(fd: BorrowedFd<'static>) -> Stream {
        Stream { end: End::Inherited(fd), ..Stream::default() }
    }

    pub(crate) fn owned(fd: OwnedFd) -> Stream {
        Stream { end: End::Owned(fd), ..Stream::default() }
    }

    pub(super) fn fd(&self) -> Option<BorrowedFd<'_>> {
        match &self.end {
            End::Nowhere => None,
            End::Inherited(fd) => Some(*fd),
            End::Owned(fd) => Some(fd.as_fd()),
        }
    }

    /// The descriptor of what has positions.
    fn placed(&self) -> HostResult<BorrowedFd<'_>> {
        self.fd().ok_or_else(|| Errno::SPIPE.into())
    }

    fn mode(&self) -> u8 {
        self.mode.load(Ordering::Relaxed)
    }

    /// Runs a system call that may block, in the way the guest asked for.
    fn transfer(
        &self,
        fd: BorrowedFd<'_>,
        ready: PollFlags,
        mut call: impl FnMut() -> HostResult<usize>,
    ) -> HostResult<usize> {
        let mode = self.mode();
        if mode == NONBLOCKING {
            let mut fds = [PollFd::from_borrowed_fd(fd, ready)];
            if poll(&mut fds, Some(&Timespec::default()))? == 0 {
                return Err(Errno::AGAIN.into());
            }
        }
        loop {
            match call() {
                Err(error) if error == Errno::AGAIN.into() && mode == BLOCKING => {
                    poll(&mut [PollFd::from_borrowed_fd(fd, ready)], None)?;
                }
                outcome => return outcome,
            }
        }
    }

    pub(super) fn read(&self, bufs: &mut [IoSliceMut<'_>], place: Place) -> HostResult<usize> {
        if place != Place::Position {
            return transfer::read_into(self.placed()?, bufs, place);
        }
        let Some(fd) = self.fd() else { return Ok(0) };
        self.transfer(fd, PollFlags::IN, || transfer::read_into(fd, bufs, place))
    }

    pub(super) fn write(&self, bufs: &[IoSlice<'_>], place: Place) -> HostResult<usize> {
        if place != Place::Position {
            return transfer::write_from(self.placed()?, bufs, place);
        }
        let Some(fd) = self.fd() else {
            let all = bufs.iter().fold(0_usize, |all, buf| all.saturating_add(buf.len()));
            return Ok(all.min(MOST));
        };
        if self.mode() == NONBLOCKING {
            let _alone = match self.writing.try_lock() {
                Ok(alone) => alone,
                Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
                Err(TryLockError::WouldBlock) => return Err(Errno::AGAIN.into()),
            };
            // More could block however much room there is.
            let Some(first) = bufs.iter().find(|buf| !buf.is_empty()) else { return Ok(0) };
            let first = IoSlice::new(&first[..first.len().min(PIPE_ROOM)]);
            return self.transfer(fd, PollFlags::OUT, || transfer::write_from(fd, &[first], place));
        }
        let _alone = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        self.transfer(fd, PollFlags::OUT, || transfer::write_from(fd, bufs, place))
    }

    pub(super) fn seek(&self, to: SeekFrom) -> HostResult<u64> {
        Ok(rustix::fs::seek(self.placed()?, to)?)
    }

    pub(super) fn advise(&self, offset: u64, len: u64, advice: Advice) -> HostResult<()> {
        Ok(rustix::fs::fadvise(self.placed()?, offset, NonZeroU64::new(len), advice)?)
    }

    pub(super) fn kind(&self) -> HostResult<FileKind> {
        Ok(self.stat()?.kind)
    }

    pub(super) fn stat(&self) -> HostResult<Filestat> {
        let Some(fd) = self.fd() else { return Ok(Filestat::NOWHERE) };
        let mut stat = Filestat::from(rustix::fs::fstat(fd)?);
        // Guests take a character device for a terminal; `/dev/null` is none.
        if stat.kind == FileKind::CharacterDevice && !rustix::termios::isatty(fd) {
            stat.kind = FileKind::Unknown;
        }
        Ok(stat)
    }

    pub(super) fn flags(&self) -> HostResult<StatusFlags> {
        let Some(fd) = self.fd() else { return Ok(StatusFlags::default()) };
        let mut flags = StatusFlags::of_host(rustix::fs::fcntl_getfl(fd)?);
        match self.mode() {
            AS_IT_IS => {}
            mode => flags.nonblock = mode == NONBLOCKING,
        }
        Ok(flags)
    }

    /// Sets whether it blocks. The other flags are how the stream was opened, and not the guest's to change.
    pub(super) fn set_flags(&self, flags: StatusFlags) {
        let mode = if flags.nonblock { NONBLOCKING } else { BLOCKING };
        self.mode.store(mode, Ordering::Relaxed);
    }

    pub(super) fn sync(&self) -> HostResult<()> {
        match self.fd().map(rustix::fs::fdatasync) {
            // Pipes, sockets and terminals have nothing to wait for.
            None | Some(Ok(()) | Err(Errno::INVAL | Errno::ROFS)) => Ok(()),
            Some(Err(errno)) => Err(errno.into()),
        }
    }
}
