//! What is known of a file, directory or stream: [`Filestat`], [`FileKind`], and changing its times.

use cap_std::fs::{Metadata, MetadataExt};
use rustix::fs::{FileType, Stat};

/// What something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FileKind {
    /// None of the others.
    Unknown,
    /// A block device.
    BlockDevice,
    /// A character device; of the standard streams only a terminal.
    CharacterDevice,
    /// A directory.
    Directory,
    /// A file.
    RegularFile,
    /// A socket for streams.
    SocketStream,
    /// A symbolic link.
    SymbolicLink,
    /// A pipe.
    Pipe,
}

impl FileKind {
    /// What the system's `mode` says.
    pub(super) fn of_mode(mode: u32) -> FileKind {
        FileKind::of_type(FileType::from_raw_mode(mode))
    }

    pub(super) fn of_type(ty: FileType) -> FileKind {
        match ty {
            FileType::RegularFile => FileKind::RegularFile,
            FileType::Directory => FileKind::Directory,
            FileType::Symlink => FileKind::SymbolicLink,
            FileType::Fifo => FileKind::Pipe,
            FileType::Socket => FileKind::SocketStream,
            FileType::CharacterDevice => FileKind::CharacterDevice,
            FileType::BlockDevice => FileKind::BlockDevice,
            FileType::Unknown => FileKind::Unknown,
        }
    }
}

/// What is known of something. Times are nanoseconds since 1970; earlier ones, which WASI cannot express, are 1970.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Filestat {
    pub(crate) device: u64,
    pub(crate) inode: u64,
    pub(crate) kind: FileKind,
    pub(crate) links: u64,
    pub(crate) size: u64,
    pub(crate) accessed: u64,
    pub(crate) modified: u64,
    /// When anything about it was last changed.
    pub(crate) changed: u64,
}

impl Filestat {
    /// What there is to know of what is nowhere.
    pub(super) const NOWHERE: Filestat = Filestat {
        device: 0,
        inode: 0,
        kind: FileKind::Unknown,
        links: 0,
        size: 0,
        accessed: 0,
        modified: 0,
        changed: 0,
    };
}

impl From<Stat> for Filestat {
    fn from(stat: Stat) -> Filestat {
        Filestat {
            device: stat.st_dev,
            inode: stat.st_ino,
            kind: FileKind::of_mode(stat.st_mode),
            links: stat.st_nlink,
            size: u64::try_from(stat.st_size).unwrap_or(0),
            accessed: nanos(stat.st_atime, stat.st_atime_nsec),
            modified: nanos(stat.st_mtime, stat.st_mtime_nsec),
            changed: nanos(stat.st_ctime, stat.st_ctime_nsec),
        }
    }
}

impl From<Metadata> for Filestat {
    fn from(known: Metadata) -> Filestat {
        Filestat {
            device: known.dev(),
            inode: known.ino(),
            kind: FileKind::of_mode(known.mode()),
            links: known.nlink(),
            size: known.size(),
            accessed: nanos(known.atime(), known.atime_nsec()),
            modified: nanos(known.mtime(), known.mtime_nsec()),
            changed: nanos(known.ctime(), known.ctime_nsec()),
        }
    }
}

/// A time as one number, as near as it can be said.
fn nanos(seconds: i64, nanos: impl TryInto<u64>) -> u64 {
    match (u64::try_from(seconds), nanos.try_into()) {
        (Ok(seconds), Ok(nanos)) => seconds.saturating_mul(1_000_000_000).saturating_add(nanos),
        _ => 0,
    }
}

/// What becomes of a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NewTime {
    /// It stays.
    Same,
    /// The system's time.
    Now,
    /// Nanoseconds since 1970.
    At(u64),
}
