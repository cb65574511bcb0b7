//! [`Descriptor`]: what a number of the guest's stands for, and what can be done with it.
//!
//! A descriptor never changes what it is; whether it blocks and which rights it has are atomics. So any number of
//! threads use one at the same time, and one that blocks holds nobody up.

use super::rights::{HeldRights, Rights};
use super::transfer::Place;
use super::{
    FileKind, Filestat, HostDir, HostFile, HostResult, NewTime, OpenHow, Opened, Socket,
    StatusFlags, Stream,
};
use rustix::fs::{Advice, SeekFrom};
use rustix::io::Errno;
use std::io::{IoSlice, IoSliceMut};
use std::os::fd::BorrowedFd;

/// Something that a guest has open.
#[derive(Debug)]
pub(crate) struct Descriptor {
    object: Object,
    /// What it was opened for.
    reads: bool,
    writes: bool,
    rights: HeldRights,
    /// What those may have that are opened with it.
    inherited: HeldRights,
}

#[derive(Debug)]
enum Object {
    File(HostFile),
    Dir {
        dir: HostDir,
        /// The name under which the guest was given it; none for one that it opened itself.
        name: Option<String>,
    },
    Stream(Stream),
    Socket(Socket),
}

/// The error for what is not the right kind of thing.
fn not_such<T>() -> HostResult<T> {
    Err(Errno::BADF.into())
}

impl Descriptor {
    fn new(object: Object, reads: bool, writes: bool) -> Descriptor {
        let read = if reads { Rights::FD_READ } else { Rights::NONE };
        let write = if writes { Rights::FD_WRITE } else { Rights::NONE };
        let rights = HeldRights::new(Rights::FILE, read | write);
        let inherited = HeldRights::new(Rights::NONE, Rights::NONE);
        Descriptor { object, reads, writes, rights, inherited }
    }

    fn dir(dir: HostDir, name: Option<String>, rights: Rights) -> Descriptor {
        Descriptor {
            object: Object::Dir { dir, name },
            reads: false,
            writes: false,
            rights: HeldRights::new(Rights::DIRECTORY, rights),
            inherited: HeldRights::new(Rights::INHERITED, rights),
        }
    }

    /// A directory that the guest begins with.
    pub(crate) fn preopened(dir: HostDir, name: String) -> Descriptor {
        Descriptor::dir(dir, Some(name), Rights::INHERITED)
    }

    pub(crate) fn input(stream: Stream) -> Descriptor {
        Descriptor::new(Object::Stream(stream), true, false)
    }

    pub(crate) fn output(stream: Stream) -> Descriptor {
        Descriptor::new(Object::Stream(stream), false, true)
    }

    pub(crate) fn socket(socket: Socket) -> Descriptor {
        Descriptor::new(Object::Socket(socket), true, true)
    }

    /// Opens what `path` names beneath this directory.
    ///
    /// # Errors
    /// `notdir` when it is none, and those of opening.
    pub(crate) fn open(&self, path: &str, how: OpenHow) -> HostResult<Descriptor> {
        let Object::Dir { dir, .. } = &self.object else { return Err(Errno::NOTDIR.into()) };
        let mut rights = Rights::PATH_OPEN;
        if how.create {
            rights = rights | Rights::PATH_CREATE_FILE;
        }
        self.rights.require(rights)?;
        for (wanted, right) in [(how.read, Rights::FD_READ), (how.write, Rights::FD_WRITE)] {
            if wanted {
                self.inherited.require(right)?;
            }
        }
        Ok(match dir.open(path, how)? {
            Opened::File(file) => Descriptor::new(Object::File(file), how.read, how.write),
            Opened::Dir(dir) => Descriptor::dir(dir, None, self.inherited.get()),
        })
    }

    /// The directory, when it may be used for this.
    ///
    /// # Errors
    /// `badf` when it is none.
    pub(crate) fn as_dir(&self, rights: Rights) -> HostResult<&HostDir> {
        let Object::Dir { dir, .. } = &self.object else { return not_such() };
        self.rights.require(rights)?;
        Ok(dir)
    }

    /// The name under which the guest was given a directory; none for one that it opened itself.
    ///
    /// # Errors
    /// `badf` when it is no directory.
    pub(crate) fn preopen_name(&self) -> HostResult<Option<&str>> {
        let Object::Dir { name, .. } = &self.object else { return not_such() };
        Ok(name.as_deref())
    }

    /// # Errors
    /// `badf` when it is no socket.
    pub(crate) fn as_socket(&self) -> HostResult<&Socket> {
        let Object::Socket(socket) = &self.object else { return not_such() };
        Ok(socket)
    }

    /// # Errors
    /// `badf` when it was not opened for reading.
    pub(crate) fn may_read(&self) -> HostResult<()> {
        if !self.reads {
            return not_such();
        }
        self.rights.require(Rights::FD_READ)
    }

    /// # Errors
    /// `badf` when it was not opened for writing.
    pub(crate) fn may_write(&self) -> HostResult<()> {
        if !self.writes {
            return not_such();
        }
        self.rights.require(Rights::FD_WRITE)
    }

    /// Reads into the buffers; zero is the end. [`may_read`](Self::may_read) says whether that is allowed.
    pub(crate) fn read(&self, bufs: &mut [IoSliceMut<'_>], place: Place) -> HostResult<usize> {
        match &self.object {
            Object::File(file) => file.read(bufs, place),
            Object::Stream(stream) => stream.read(bufs, place),
            Object::Socket(socket) if place == Place::Position => socket.read(bufs),
            Object::Socket(_) => Err(Errno::SPIPE.into()),
            Object::Dir { .. } => not_such(),
        }
    }

    /// Writes what the buffers hold; how much of it. [`may_write`](Self::may_write) says whether that is allowed.
    pub(crate) fn write(&self, bufs: &[IoSlice<'_>], place: Place) -> HostResult<usize> {
        match &self.object {
            Object::File(file) => file.write(bufs, place),
            Object::Stream(stream) => stream.write(bufs, place),
            Object::Socket(socket) if place == Place::Position => socket.write(bufs),
            Object::Socket(_) => Err(Errno::SPIPE.into()),
            Object::Dir { .. } => not_such(),
        }
    }

    /// Moves the position, and tells it.
    pub(crate) fn seek(&self, to: SeekFrom) -> HostResult<u64> {
        match &self.object {
            Object::File(file) => file.seek(to),
            Object::Stream(stream) => stream.seek(to),
            Object::Socket(_) => Err(Errno::SPIPE.into()),
            Object::Dir { .. } => not_such(),
        }
    }

    pub(crate) fn advise(&self, offset: u64, len: u64, advice: Advice) -> HostResult<()> {
        match &self.object {
            Object::File(file) => file.advise(offset, len, advice),
            Object::Stream(stream) => stream.advise(offset, len, advice),
            Object::Socket(_) => Err(Errno::SPIPE.into()),
            Object::Dir { .. } => not_such(),
        }
    }

    pub(crate) fn allocate(&self, offset: u64, len: u64) -> HostResult<()> {
        match &self.object {
            Object::File(file) => {
                self.may_write()?;
                file.allocate(offset, len)
            }
            Object::Stream(_) | Object::Socket(_) => Err(Errno::NODEV.into()),
            Object::Dir { .. } => not_such(),
        }
    }

    /// Waits until its data, or `all` that is known of it, are on the disk.
    pub(crate) fn sync(&self, all: bool) -> HostResult<()> {
        match &self.object {
            Object::File(file) => file.sync(all),
            Object::Stream(stream) => stream.sync(),
            Object::Dir { dir, .. } => dir.sync(),
            Object::Socket(_) => Ok(()),
        }
    }

    pub(crate) fn kind(&self) -> HostResult<FileKind> {
        match &self.object {
            Object::File(file) => Ok(file.kind()),
            Object::Dir { .. } => Ok(FileKind::Directory),
            Object::Stream(stream) => stream.kind(),
            Object::Socket(_) => Ok(FileKind::SocketStream),
        }
    }

    pub(crate) fn flags(&self) -> HostResult<StatusFlags> {
        match &self.object {
            Object::File(file) => file.flags(),
            Object::Stream(stream) => stream.flags(),
            Object::Socket(socket) => socket.flags(),
            Object::Dir { .. } => Ok(StatusFlags::default()),
        }
    }

    pub(crate) fn set_flags(&self, flags: StatusFlags) -> HostResult<()> {
        match &self.object {
            Object::File(file) => file.set_flags(flags),
            Object::Stream(stream) => {
                stream.set_flags(flags);
                Ok(())
            }
            Object::Socket(socket) => socket.set_flags(flags),
            Object::Dir { .. } => not_such(),
        }
    }

    pub(crate) fn stat(&self) -> HostResult<Filestat> {
        match &self.object {
            Object::File(file) => file.stat(),
            Object::Dir { dir, .. } => {
                self.rights.require(Rights::FD_FILESTAT_GET)?;
                dir.stat()
            }
            Object::Stream(stream) => stream.stat(),
            Object::Socket(socket) => socket.stat(),
        }
    }

    pub(crate) fn set_size(&self, size: u64) -> HostResult<()> {
        let Object::File(file) = &self.object else { return not_such() };
        file.set_size(size)
    }

    pub(crate) fn set_times(&self, accessed: NewTime, modified: NewTime) -> HostResult<()> {
        match &self.object {
            Object::File(file) => file.set_times(accessed, modified),
            Object::Dir { dir, .. } => {
                self.rights.require(Rights::FD_FILESTAT_SET_TIMES)?;
                dir.set_times(accessed, modified)
            }
            Object::Stream(_) | Object::Socket(_) => not_such(),
        }
    }

    /// The rights that it has, and those that are inherited.
    pub(crate) fn rights(&self) -> (Rights, Rights) {
        (self.rights.get(), self.inherited.get())
    }

    /// Gives up all rights but these.
    ///
    /// # Errors
    /// One of them would be new; then none is given up.
    pub(crate) fn keep_rights(&self, rights: Rights, inherited: Rights) -> HostResult<()> {
        self.rights.require(rights)?;
        self.inherited.require(inherited)?;
        self.rights.keep(rights);
        self.inherited.keep(inherited);
        Ok(())
    }

    /// What to wait for; nothing for what is always ready.
    ///
    /// # Errors
    /// `badf` for a directory.
    pub(super) fn pollable(&self) -> HostResult<Option<BorrowedFd<'_>>> {
        match &self.object {
            Object::File(file) => Ok(Some(file.fd())),
            Object::Stream(stream) => Ok(stream.fd()),
            Object::Socket(socket) => Ok(Some(socket.fd())),
            Object::Dir { .. } => not_such(),
        }
    }

    /// How many bytes are there to read. What cannot tell, such as `/dev/null`, has none.
    pub(super) fn ready_bytes(&self) -> u64 {
        match (&self.object, self.pollable()) {
            // A connection is one thing.
            (Object::Socket(socket), _) if socket.listens() => 1,
            (_, Ok(Some(fd))) => rustix::io::ioctl_fionread(fd).unwrap_or(0),
            _ => 0,
        }
    }
}
