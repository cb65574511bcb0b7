//! [`HostFile`]: a file that a guest opened in one of its directories.
//!
//! Reading and writing are one system call each; the rest is `wasi-common`'s, except that a file of a read-only
//! directory refuses whatever would change it. Writing needs no check of its own there: the file is not open for it.

use super::access::DirAccess;
use super::{failed, fd_flags, with_known_times};
use async_trait::async_trait;
use std::any::Any;
use std::io::{IoSlice, IoSliceMut, SeekFrom};
use std::os::fd::{AsFd, BorrowedFd};
use wasi_common::file::{Advice, FdFlags, FileType, Filestat, WasiFile};
use wasi_common::sync::file::File;
use wasi_common::{Error, SystemTimeSpec};

/// A file of the host.
pub(super) struct HostFile {
    file: File,
    access: DirAccess,
}

impl HostFile {
    pub(super) fn new(file: File, access: DirAccess) -> HostFile {
        HostFile { file, access }
    }

    fn writable(&self) -> Result<(), Error> {
        self.access.allow_change()
    }
}

#[async_trait]
impl WasiFile for HostFile {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn pollable(&self) -> Option<BorrowedFd<'_>> {
        Some(self.file.as_fd())
    }

    fn isatty(&self) -> bool {
        self.file.isatty()
    }

    async fn get_filetype(&self) -> Result<FileType, Error> {
        self.file.get_filetype().await
    }

    async fn datasync(&self) -> Result<(), Error> {
        self.file.datasync().await
    }

    async fn sync(&self) -> Result<(), Error> {
        self.file.sync().await
    }

    async fn get_fdflags(&self) -> Result<FdFlags, Error> {
        rustix::fs::fcntl_getfl(&self.file).map(fd_flags).map_err(failed)
    }

    async fn set_fdflags(&mut self, flags: FdFlags) -> Result<(), Error> {
        self.file.set_fdflags(flags).await
    }

    async fn get_filestat(&self) -> Result<Filestat, Error> {
        self.file.get_filestat().await.map(with_known_times)
    }

    async fn set_filestat_size(&self, size: u64) -> Result<(), Error> {
        self.writable()?;
        self.file.set_filestat_size(size).await
    }

    async fn advise(&self, offset: u64, len: u64, advice: Advice) -> Result<(), Error> {
        self.file.advise(offset, len, advice).await
    }

    async fn set_times(
        &self,
        atime: Option<SystemTimeSpec>,
        mtime: Option<SystemTimeSpec>,
    ) -> Result<(), Error> {
        self.writable()?;
        self.file.set_times(atime, mtime).await
    }

    async fn read_vectored<'a>(&self, bufs: &mut [IoSliceMut<'a>]) -> Result<u64, Error> {
        rustix::io::readv(&self.file, bufs).map(|read| read as u64).map_err(failed)
    }

    async fn read_vectored_at<'a>(
        &self,
        bufs: &mut [IoSliceMut<'a>],
        offset: u64,
    ) -> Result<u64, Error> {
        rustix::io::preadv(&self.file, bufs, offset).map(|read| read as u64).map_err(failed)
    }

    async fn write_vectored<'a>(&self, bufs: &[IoSlice<'a>]) -> Result<u64, Error> {
        rustix::io::writev(&self.file, bufs).map(|written| written as u64).map_err(failed)
    }

    async fn write_vectored_at<'a>(&self, bufs: &[IoSlice<'a>], offset: u64) -> Result<u64, Error> {
        rustix::io::pwritev(&self.file, bufs, offset).map(|written| written as u64).map_err(failed)
    }

    async fn seek(&self, position: SeekFrom) -> Result<u64, Error> {
        self.file.seek(position).await
    }

    async fn peek(&self, buf: &mut [u8]) -> Result<u64, Error> {
        self.file.peek(buf).await
    }

    fn num_ready_bytes(&self) -> Result<u64, Error> {
        self.file.num_ready_bytes()
    }
}
