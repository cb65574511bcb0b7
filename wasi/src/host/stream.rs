//! [`Stream`]: a standard stream of the guest.
//!
//! Reads and writes are system calls on the descriptor itself: nothing is buffered, so that what was written is
//! visible at once, and no lock of the standard library is held while one blocks, so that other threads go on.
//!
//! A guest that asks for a stream not to block gets that for itself: the flag belongs to what the descriptor leads
//! to, such as the user's terminal, and would stay set there for others. It is imitated instead, by asking first.

use super::{failed, fd_flags};
use async_trait::async_trait;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::FileType as HostFileType;
use rustix::io::Errno;
use std::any::Any;
use std::io::{IoSlice, IoSliceMut, SeekFrom};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Mutex, PoisonError, TryLockError};
use std::time::{Duration, SystemTime};
use wasi_common::Error;
use wasi_common::file::{FdFlags, FileType, Filestat, WasiFile};

/// As much as fits whenever a pipe says that it has room.
const PIPE_ROOM: usize = 4096;

/// Where a stream leads.
#[derive(Default)]
enum End {
    /// Nothing comes in, and what goes out is gone.
    #[default]
    Nowhere,
    /// A stream of this process.
    Inherited(BorrowedFd<'static>),
    /// A descriptor of the stream's own.
    Owned(OwnedFd),
}

/// A standard stream of the guest.
#[derive(Default)]
pub(crate) struct Stream {
    end: End,
    /// What the guest asked for, when it asked.
    nonblocking: Option<bool>,
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

    fn fd(&self) -> Option<BorrowedFd<'_>> {
        match &self.end {
            End::Nowhere => None,
            End::Inherited(fd) => Some(*fd),
            End::Owned(fd) => Some(fd.as_fd()),
        }
    }

    /// Runs a system call that may block, in the way the guest asked for.
    fn transfer(
        &self,
        fd: BorrowedFd<'_>,
        ready: PollFlags,
        mut call: impl FnMut() -> Result<usize, Errno>,
    ) -> Result<u64, Error> {
        if self.nonblocking == Some(true) {
            let mut fds = [PollFd::from_borrowed_fd(fd, ready)];
            if poll(&mut fds, Some(&Timespec::default())).map_err(failed)? == 0 {
                return Err(failed(Errno::AGAIN));
            }
        }
        loop {
            match call() {
                Ok(transferred) => return Ok(transferred as u64),
                Err(Errno::AGAIN) if self.nonblocking == Some(false) => {
                    poll(&mut [PollFd::from_borrowed_fd(fd, ready)], None).map_err(failed)?;
                }
                Err(errno) => return Err(failed(errno)),
            }
        }
    }

    fn file_type(fd: BorrowedFd<'_>, mode: u32) -> FileType {
        match HostFileType::from_raw_mode(mode) {
            // Guests take a character device for a terminal; `/dev/null` is none.
            HostFileType::CharacterDevice if rustix::termios::isatty(fd) => {
                FileType::CharacterDevice
            }
            HostFileType::RegularFile => FileType::RegularFile,
            HostFileType::Directory => FileType::Directory,
            HostFileType::BlockDevice => FileType::BlockDevice,
            HostFileType::Socket => FileType::SocketStream,
            HostFileType::Fifo => FileType::Pipe,
            _ => FileType::Unknown,
        }
    }
}

#[async_trait]
impl WasiFile for Stream {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn pollable(&self) -> Option<BorrowedFd<'_>> {
        self.fd()
    }

    fn isatty(&self) -> bool {
        self.fd().is_some_and(rustix::termios::isatty)
    }

    async fn get_filetype(&self) -> Result<FileType, Error> {
        let Some(fd) = self.fd() else { return Ok(FileType::Unknown) };
        let stat = rustix::fs::fstat(fd).map_err(failed)?;
        Ok(Stream::file_type(fd, stat.st_mode))
    }

    async fn get_filestat(&self) -> Result<Filestat, Error> {
        let Some(fd) = self.fd() else {
            return Ok(Filestat {
                device_id: 0,
                inode: 0,
                filetype: FileType::Unknown,
                nlink: 0,
                size: 0,
                atim: None,
                mtim: None,
                ctim: None,
            });
        };
        let stat = rustix::fs::fstat(fd).map_err(failed)?;
        Ok(Filestat {
            device_id: stat.st_dev,
            inode: stat.st_ino,
            filetype: Stream::file_type(fd, stat.st_mode),
            nlink: stat.st_nlink,
            size: u64::try_from(stat.st_size).unwrap_or(0),
            atim: time(stat.st_atime, stat.st_atime_nsec),
            mtim: time(stat.st_mtime, stat.st_mtime_nsec),
            ctim: time(stat.st_ctime, stat.st_ctime_nsec),
        })
    }

    async fn get_fdflags(&self) -> Result<FdFlags, Error> {
        let Some(fd) = self.fd() else { return Ok(FdFlags::empty()) };
        let mut flags = rustix::fs::fcntl_getfl(fd).map(fd_flags).map_err(failed)?;
        if let Some(nonblocking) = self.nonblocking {
            flags.set(FdFlags::NONBLOCK, nonblocking);
        }
        Ok(flags)
    }

    async fn set_fdflags(&mut self, flags: FdFlags) -> Result<(), Error> {
        // The other flags are how the stream was opened, and not the guest's to change.
        self.nonblocking = Some(flags.contains(FdFlags::NONBLOCK));
        Ok(())
    }

    async fn datasync(&self) -> Result<(), Error> {
        self.sync().await
    }

    async fn sync(&self) -> Result<(), Error> {
        match self.fd().map(rustix::fs::fdatasync) {
            // Pipes, sockets and terminals have nothing to wait for.
            None | Some(Ok(()) | Err(Errno::INVAL | Errno::ROFS)) => Ok(()),
            Some(Err(errno)) => Err(failed(errno)),
        }
    }

    async fn read_vectored<'a>(&self, bufs: &mut [IoSliceMut<'a>]) -> Result<u64, Error> {
        let Some(fd) = self.fd() else { return Ok(0) };
        self.transfer(fd, PollFlags::IN, || rustix::io::readv(fd, bufs))
    }

    async fn read_vectored_at<'a>(
        &self,
        bufs: &mut [IoSliceMut<'a>],
        offset: u64,
    ) -> Result<u64, Error> {
        let Some(fd) = self.fd() else { return Err(failed(Errno::SPIPE)) };
        rustix::io::preadv(fd, bufs, offset).map(|read| read as u64).map_err(failed)
    }

    async fn write_vectored<'a>(&self, bufs: &[IoSlice<'a>]) -> Result<u64, Error> {
        let Some(fd) = self.fd() else { return Ok(bufs.iter().map(|buf| buf.len() as u64).sum()) };
        if self.nonblocking == Some(true) {
            let _alone = match self.writing.try_lock() {
                Ok(alone) => alone,
                Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
                Err(TryLockError::WouldBlock) => return Err(failed(Errno::AGAIN)),
            };
            // More could block however much room there is.
            let first = bufs.iter().find(|buf| !buf.is_empty()).map_or(&[][..], |buf| &**buf);
            let first = &first[..first.len().min(PIPE_ROOM)];
            return self.transfer(fd, PollFlags::OUT, || rustix::io::write(fd, first));
        }
        let _alone = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        self.transfer(fd, PollFlags::OUT, || rustix::io::writev(fd, bufs))
    }

    async fn write_vectored_at<'a>(&self, bufs: &[IoSlice<'a>], offset: u64) -> Result<u64, Error> {
        let Some(fd) = self.fd() else { return Err(failed(Errno::SPIPE)) };
        rustix::io::pwritev(fd, bufs, offset).map(|written| written as u64).map_err(failed)
    }

    async fn seek(&self, position: SeekFrom) -> Result<u64, Error> {
        let Some(fd) = self.fd() else { return Err(failed(Errno::SPIPE)) };
        let position = match position {
            SeekFrom::Start(offset) => rustix::fs::SeekFrom::Start(offset),
            SeekFrom::End(offset) => rustix::fs::SeekFrom::End(offset),
            SeekFrom::Current(offset) => rustix::fs::SeekFrom::Current(offset),
        };
        rustix::fs::seek(fd, position).map_err(failed)
    }

    fn num_ready_bytes(&self) -> Result<u64, Error> {
        // What cannot tell, such as `/dev/null`, has nothing.
        Ok(self.fd().and_then(|fd| rustix::io::ioctl_fionread(fd).ok()).unwrap_or(0))
    }
}

fn time(seconds: impl TryInto<u64>, nanos: impl TryInto<u32>) -> Option<SystemTime> {
    let since = Duration::new(seconds.try_into().ok()?, nanos.try_into().ok()?);
    SystemTime::UNIX_EPOCH.checked_add(since)
}
