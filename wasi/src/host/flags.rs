//! [`StatusFlags`]: how an open descriptor reads and writes.

use rustix::fs::OFlags;

/// How an open descriptor reads and writes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct StatusFlags {
    /// Writing goes to the end.
    pub(crate) append: bool,
    /// What would wait fails with `again`.
    pub(crate) nonblock: bool,
    /// Writing waits until the data are on the disk.
    pub(crate) dsync: bool,
    /// Reading waits as writing does.
    pub(crate) rsync: bool,
    /// Writing waits until all is on the disk; that includes `dsync`.
    pub(crate) sync: bool,
}

impl StatusFlags {
    /// Those of a descriptor of the host. Linux takes `rsync` for `sync` and cannot tell one from the other.
    pub(super) fn of_host(flags: OFlags) -> StatusFlags {
        StatusFlags {
            append: flags.contains(OFlags::APPEND),
            nonblock: flags.contains(OFlags::NONBLOCK),
            // The bit of `dsync` is one of the two of `sync`.
            dsync: flags.intersects(OFlags::SYNC),
            rsync: false,
            sync: flags.contains(OFlags::SYNC),
        }
    }

    /// Whether `other` waits for the disk whenever these do.
    pub(super) fn wait_no_more_than(self, other: StatusFlags) -> bool {
        (other.dsync || !self.dsync) && (other.sync || !(self.sync || self.rsync))
    }
}
