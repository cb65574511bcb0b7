//! [`Socket`]: a listener that the guest was given, or a connection that it accepted there.

use super::transfer::{self, Place};
use super::{Filestat, HostResult, StatusFlags};
use rustix::io::Errno;
use rustix::net::{
    RecvAncillaryBuffer, RecvFlags, SendAncillaryBuffer, SendFlags, Shutdown, SocketFlags,
};
use std::io::{IoSlice, IoSliceMut};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// A socket for streams.
#[derive(Debug)]
pub(crate) struct Socket {
    fd: OwnedFd,
    /// Whether it waits for connections; otherwise it is one.
    listens: bool,
}

impl Socket {
    pub(crate) fn listener(fd: OwnedFd) -> Socket {
        Socket { fd, listens: true }
    }

    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    pub(super) fn listens(&self) -> bool {
        self.listens
    }

    /// Whether bytes go through it.
    ///
    /// # Errors
    /// `badf` when it listens.
    fn connected(&self) -> HostResult<()> {
        if self.listens { Err(Errno::BADF.into()) } else { Ok(()) }
    }

    /// Accepts a connection.
    pub(crate) fn accept(&self, nonblock: bool) -> HostResult<Socket> {
        if !self.listens {
            return Err(Errno::BADF.into());
        }
        let mut flags = SocketFlags::CLOEXEC;
        flags.set(SocketFlags::NONBLOCK, nonblock);
        Ok(Socket { fd: rustix::net::accept_with(&self.fd, flags)?, listens: false })
    }

    pub(super) fn read(&self, bufs: &mut [IoSliceMut<'_>]) -> HostResult<usize> {
        self.connected()?;
        transfer::read_into(self.fd(), bufs, Place::Position)
    }

    pub(super) fn write(&self, bufs: &[IoSlice<'_>]) -> HostResult<usize> {
        self.send(bufs)
    }

    /// Receives; with `peek` the bytes stay there, with `all` it waits until the buffers are full or the peer is done.
    pub(crate) fn receive(
        &self,
        bufs: &mut [IoSliceMut<'_>],
        peek: bool,
        all: bool,
    ) -> HostResult<usize> {
        self.connected()?;
        let mut flags = RecvFlags::empty();
        flags.set(RecvFlags::PEEK, peek);
        flags.set(RecvFlags::WAITALL, all);
        let mut nothing_else = RecvAncillaryBuffer::default();
        Ok(rustix::net::recvmsg(&self.fd, bufs, &mut nothing_else, flags)?.bytes)
    }

    /// Sends. A peer that is gone is an error and no signal, whatever the process does with such signals.
    pub(crate) fn send(&self, bufs: &[IoSlice<'_>]) -> HostResult<usize> {
        self.connected()?;
        let mut nothing_else = SendAncillaryBuffer::default();
        Ok(rustix::net::sendmsg(&self.fd, bufs, &mut nothing_else, SendFlags::NOSIGNAL)?)
    }

    /// Ends receiving, sending, or both.
    pub(crate) fn shutdown(&self, receiving: bool, sending: bool) -> HostResult<()> {
        self.connected()?;
        let how = match (receiving, sending) {
            (true, true) => Shutdown::Both,
            (true, false) => Shutdown::Read,
            (false, true) => Shutdown::Write,
            (false, false) => return Err(Errno::INVAL.into()),
        };
        Ok(rustix::net::shutdown(&self.fd, how)?)
    }

    pub(super) fn stat(&self) -> HostResult<Filestat> {
        Ok(rustix::fs::fstat(&self.fd)?.into())
    }

    pub(super) fn flags(&self) -> HostResult<StatusFlags> {
        Ok(StatusFlags::of_host(rustix::fs::fcntl_getfl(&self.fd)?))
    }

    /// Sets whether it blocks; there is nothing else to set.
    pub(super) fn set_flags(&self, flags: StatusFlags) -> HostResult<()> {
        if flags != (StatusFlags { nonblock: flags.nonblock, ..StatusFlags::default() }) {
            return Err(Errno::INVAL.into());
        }
        Ok(rustix::io::ioctl_fionbio(&self.fd, flags.nonblock)?)
    }
}
