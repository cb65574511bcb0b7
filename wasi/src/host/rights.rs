//! [`Rights`]: what a descriptor may be used for, and what those may that are opened with it.
//!
//! Only preview 1 has them. A descriptor begins with those that it tells of ([`Rights::FILE`] as far as it is open for
//! it, [`Rights::DIRECTORY`] and [`Rights::INHERITED`]), and a guest can give up each of these. The others of the
//! specification are nowhere told of, as in other runtimes, and so they cannot be given up either: a guest that sets
//! what it got, less one, would lose them without a word.

use super::{HostError, HostResult};
use std::ops::BitOr;
use std::sync::atomic::{AtomicU64, Ordering};

/// A set of rights, with the specification's bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rights(pub(crate) u64);

impl Rights {
    pub(crate) const NONE: Rights = Rights(0);
    pub(crate) const FD_DATASYNC: Rights = Rights(1);
    pub(crate) const FD_READ: Rights = Rights(1 << 1);
    pub(crate) const FD_SEEK: Rights = Rights(1 << 2);
    pub(crate) const FD_FDSTAT_SET_FLAGS: Rights = Rights(1 << 3);
    pub(crate) const FD_SYNC: Rights = Rights(1 << 4);
    pub(crate) const FD_TELL: Rights = Rights(1 << 5);
    pub(crate) const FD_WRITE: Rights = Rights(1 << 6);
    pub(crate) const FD_ADVISE: Rights = Rights(1 << 7);
    pub(crate) const FD_ALLOCATE: Rights = Rights(1 << 8);
    pub(crate) const PATH_CREATE_DIRECTORY: Rights = Rights(1 << 9);
    pub(crate) const PATH_CREATE_FILE: Rights = Rights(1 << 10);
    pub(crate) const PATH_LINK_SOURCE: Rights = Rights(1 << 11);
    pub(crate) const PATH_LINK_TARGET: Rights = Rights(1 << 12);
    pub(crate) const PATH_OPEN: Rights = Rights(1 << 13);
    pub(crate) const FD_READDIR: Rights = Rights(1 << 14);
    pub(crate) const PATH_READLINK: Rights = Rights(1 << 15);
    pub(crate) const PATH_RENAME_SOURCE: Rights = Rights(1 << 16);
    pub(crate) const PATH_RENAME_TARGET: Rights = Rights(1 << 17);
    pub(crate) const PATH_FILESTAT_GET: Rights = Rights(1 << 18);
    pub(crate) const PATH_FILESTAT_SET_TIMES: Rights = Rights(1 << 20);
    pub(crate) const FD_FILESTAT_GET: Rights = Rights(1 << 21);
    pub(crate) const FD_FILESTAT_SET_SIZE: Rights = Rights(1 << 22);
    pub(crate) const FD_FILESTAT_SET_TIMES: Rights = Rights(1 << 23);
    pub(crate) const PATH_SYMLINK: Rights = Rights(1 << 24);
    pub(crate) const PATH_REMOVE_DIRECTORY: Rights = Rights(1 << 25);
    pub(crate) const PATH_UNLINK_FILE: Rights = Rights(1 << 26);
    pub(crate) const POLL_FD_READWRITE: Rights = Rights(1 << 27);

    /// What files, streams and sockets tell of.
    pub(super) const FILE: Rights = Rights::FD_READ.and(Rights::FD_WRITE);

    /// What directories tell of.
    pub(super) const DIRECTORY: Rights = Rights::PATH_CREATE_DIRECTORY
        .and(Rights::PATH_CREATE_FILE)
        .and(Rights::PATH_LINK_SOURCE)
        .and(Rights::PATH_LINK_TARGET)
        .and(Rights::PATH_OPEN)
        .and(Rights::FD_READDIR)
        .and(Rights::PATH_READLINK)
        .and(Rights::PATH_RENAME_SOURCE)
        .and(Rights::PATH_RENAME_TARGET)
        .and(Rights::PATH_SYMLINK)
        .and(Rights::PATH_REMOVE_DIRECTORY)
        .and(Rights::PATH_UNLINK_FILE)
        .and(Rights::PATH_FILESTAT_GET)
        .and(Rights::PATH_FILESTAT_SET_TIMES)
        .and(Rights::FD_FILESTAT_GET)
        .and(Rights::FD_FILESTAT_SET_TIMES);

    /// What directories tell of for what is opened in them. Without these C libraries do not even ask.
    pub(super) const INHERITED: Rights = Rights::DIRECTORY
        .and(Rights::FD_DATASYNC)
        .and(Rights::FD_READ)
        .and(Rights::FD_SEEK)
        .and(Rights::FD_FDSTAT_SET_FLAGS)
        .and(Rights::FD_SYNC)
        .and(Rights::FD_TELL)
        .and(Rights::FD_WRITE)
        .and(Rights::FD_ADVISE)
        .and(Rights::FD_ALLOCATE)
        .and(Rights::FD_FILESTAT_SET_SIZE)
        .and(Rights::POLL_FD_READWRITE);

    const fn and(self, other: Rights) -> Rights {
        Rights(self.0 | other.0)
    }

    /// Those that are in both.
    pub(super) const fn within(self, other: Rights) -> Rights {
        Rights(self.0 & other.0)
    }

    /// Whether all of `other` are among these.
    pub(super) const fn contain(self, other: Rights) -> bool {
        other.0 & !self.0 == 0
    }
}

impl BitOr for Rights {
    type Output = Rights;

    fn bitor(self, other: Rights) -> Rights {
        self.and(other)
    }
}

/// The rights of an open descriptor, of which threads may give some up at any time.
#[derive(Debug)]
pub(super) struct HeldRights {
    /// Those that it tells of, had or not.
    told: Rights,
    held: AtomicU64,
}

impl HeldRights {
    /// Of `told`, those that are in `held`.
    pub(super) fn new(told: Rights, held: Rights) -> HeldRights {
        HeldRights { told, held: AtomicU64::new(told.within(held).0) }
    }

    pub(super) fn get(&self) -> Rights {
        Rights(self.held.load(Ordering::Relaxed))
    }

    /// Whether one of these would be new. What is not told of is had by all, and nobody minds it.
    pub(super) fn would_grow(&self, rights: Rights) -> bool {
        !self.get().contain(rights.within(self.told))
    }

    /// Gives up all others.
    pub(super) fn keep(&self, rights: Rights) {
        self.held.fetch_and(rights.0, Ordering::Relaxed);
    }

    /// # Errors
    /// One of the rights was given up.
    pub(super) fn require(&self, rights: Rights) -> HostResult<()> {
        if self.would_grow(rights) { Err(HostError::NotCapable) } else { Ok(()) }
    }
}
