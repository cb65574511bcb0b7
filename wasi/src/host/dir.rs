//! [`HostDir`]: a directory of the host that a guest may use, for reading and writing or for reading only.
//!
//! Staying inside it is the work of `cap-std`, which resolves every path beneath the open directory: `..`, absolute
//! paths and symbolic links that lead out of it fail, and so does making or reading an absolute link. The directory
//! itself is open for looking things up in it and for nothing else.

use super::access::{DirAccess, READ_ONLY};
use super::file::HostFile;
use super::listing::{DirEntry, list};
use super::{FileKind, Filestat, HostError, HostResult, NewTime, StatusFlags, timestamps};
use crate::ctx::PreopenError;
use cap_fs_ext::{
    DirExt, FollowSymlinks, OpenOptionsFollowExt, OpenOptionsMaybeDirExt, OpenOptionsSyncExt,
    SystemTimeSpec,
};
use cap_std::fs::{Dir, OpenOptions};
use cap_std::time::{Duration, SystemClock};
use rustix::fs::{AtFlags, Mode, OFlags};
use rustix::io::Errno;
use std::io::ErrorKind;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

/// A directory of the host.
#[derive(Debug)]
pub(crate) struct HostDir {
    dir: Dir,
    access: DirAccess,
    /// What a guest is reading page by page, as it was when it began.
    listing: Mutex<Option<Arc<[DirEntry]>>>,
}

/// How to open what a path names.
#[derive(Clone, Copy, Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a question of its own")]
pub(crate) struct OpenHow {
    /// Whether a symbolic link at the end of the path is followed.
    pub(crate) follow: bool,
    pub(crate) create: bool,
    /// It must be a directory.
    pub(crate) directory: bool,
    /// It must be new.
    pub(crate) exclusive: bool,
    pub(crate) truncate: bool,
    pub(crate) read: bool,
    pub(crate) write: bool,
    pub(crate) flags: StatusFlags,
}

/// What a path named.
pub(crate) enum Opened {
    File(HostFile),
    Dir(HostDir),
}

impl HostDir {
    /// Opens a directory by its name on the host.
    ///
    /// # Errors
    /// It is missing, is not a directory, or cannot be opened.
    pub(crate) fn open_ambient(path: &Path, access: DirAccess) -> Result<HostDir, PreopenError> {
        match Dir::open_ambient_dir(path, cap_std::ambient_authority()) {
            Ok(dir) => Ok(HostDir::new(dir, access)),
            Err(error) => Err(match error.kind() {
                ErrorKind::NotFound => PreopenError::Missing(path.to_owned()),
                ErrorKind::NotADirectory => PreopenError::NotADirectory(path.to_owned()),
                _ => PreopenError::Open { path: path.to_owned(), source: error },
            }),
        }
    }

    fn new(dir: Dir, access: DirAccess) -> HostDir {
        HostDir { dir, access, listing: Mutex::default() }
    }

    fn writable(&self) -> HostResult<()> {
        self.access.allow_change()
    }

    pub(crate) fn open(&self, path: &str, how: OpenHow) -> HostResult<Opened> {
        match self.access {
            DirAccess::ReadWrite => self.open_as_asked(path, how),
            DirAccess::ReadOnly => self.open_read_only(path, how),
        }
    }

    fn open_as_asked(&self, path: &str, how: OpenHow) -> HostResult<Opened> {
        let makes = how.create || how.exclusive || how.truncate;
        if how.directory && makes {
            return Err(Errno::INVAL.into());
        }
        let mut options = OpenOptions::new();
        options
            .maybe_dir(true)
            .follow(if how.follow { FollowSymlinks::Yes } else { FollowSymlinks::No })
            // Nothing can be opened for neither, and nothing made without being open for writing.
            .read(how.read || !how.write)
            .write(how.write || how.create)
            .create(how.create)
            .create_new(how.create && how.exclusive)
            .truncate(how.truncate)
            // `rustix` knows one way of waiting for the disk, for all there is to wait for.
            .sync(how.flags.sync)
            .dsync(how.flags.dsync)
            .rsync(how.flags.rsync)
            // Opening a pipe would wait for the other end.
            .nonblock(how.flags.nonblock);
        let file = self.dir.open_with(path, &options)?;
        let kind = FileKind::of_mode(rustix::fs::fstat(&file)?.st_mode);
        if kind == FileKind::Directory {
            let dir = Dir::from_std_file(file.into_std());
            return Ok(Opened::Dir(HostDir::new(dir, self.access)));
        }
        if how.directory {
            return Err(Errno::NOTDIR.into());
        }
        if how.flags.append {
            // Not while opening: appending to a file that is also emptied is not known there.
            let flags = rustix::fs::fcntl_getfl(&file)?;
            rustix::fs::fcntl_setfl(&file, flags | OFlags::APPEND)?;
        }
        Ok(Opened::File(HostFile::new(file.into_std().into(), kind, self.access)))
    }

    /// Opens what may be read, and tells what may not be done as a read-only file system does: making something
    /// that is there already changes nothing, and something that is missing is missing first of all.
    fn open_read_only(&self, path: &str, how: OpenHow) -> HostResult<Opened> {
        if how.write || how.create || how.truncate {
            match self.stat_path(path, how.follow) {
                Ok(_) if how.create && how.exclusive => return Err(Errno::EXIST.into()),
                Ok(_) if how.write || how.truncate => return Err(READ_ONLY),
                Ok(_) => {}
                Err(HostError::System(Errno::NOENT)) if how.create => return Err(READ_ONLY),
                Err(error) => return Err(error),
            }
        }
        let flags = StatusFlags { append: false, ..how.flags };
        let OpenHow { follow, directory, .. } = how;
        let how = OpenHow { follow, directory, read: true, flags, ..OpenHow::default() };
        self.open_as_asked(path, how)
    }

    pub(crate) fn create_dir(&self, path: &str) -> HostResult<()> {
        self.writable()?;
        Ok(self.dir.create_dir(path)?)
    }

    /// The entries from the one with this number on, as they were when somebody began with the first.
    pub(crate) fn entries(&self, start: u64) -> HostResult<(Arc<[DirEntry]>, usize)> {
        let known = self.listing.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let entries = match known {
            Some(entries) if start != 0 => entries,
            _ => list(&self.dir)?,
        };
        *self.listing.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&entries));
        let start = usize::try_from(start).unwrap_or(usize::MAX).min(entries.len());
        Ok((entries, start))
    }

    pub(crate) fn symlink(&self, says: &str, path: &str) -> HostResult<()> {
        self.writable()?;
        Ok(self.dir.symlink(says, path)?)
    }

    pub(crate) fn remove_dir(&self, path: &str) -> HostResult<()> {
        self.writable()?;
        Ok(self.dir.remove_dir(path)?)
    }

    pub(crate) fn unlink_file(&self, path: &str) -> HostResult<()> {
        self.writable()?;
        Ok(self.dir.remove_file_or_symlink(path)?)
    }

    /// What a symbolic link says.
    ///
    /// # Errors
    /// `ilseq` when that is not UTF-8, `perm` when it is absolute.
    pub(crate) fn read_link(&self, path: &str) -> HostResult<String> {
        let says = self.dir.read_link(path)?.into_os_string();
        says.into_string().map_err(|_| Errno::ILSEQ.into())
    }

    pub(super) fn stat(&self) -> HostResult<Filestat> {
        Ok(rustix::fs::fstat(&self.dir)?.into())
    }

    pub(crate) fn stat_path(&self, path: &str, follow: bool) -> HostResult<Filestat> {
        let known = match follow {
            true => self.dir.metadata(path)?,
            false => self.dir.symlink_metadata(path)?,
        };
        Ok(known.into())
    }

    /// Renames, or moves to another directory.
    pub(crate) fn rename(&self, path: &str, to: &HostDir, to_path: &str) -> HostResult<()> {
        self.writable()?;
        to.writable()?;
        Ok(self.dir.rename(path, &to.dir, to_path)?)
    }

    /// Gives a file a second name.
    pub(crate) fn hard_link(&self, path: &str, to: &HostDir, to_path: &str) -> HostResult<()> {
        self.writable()?;
        to.writable()?;
        Ok(self.dir.hard_link(path, &to.dir, to_path)?)
    }

    pub(super) fn set_times(&self, accessed: NewTime, modified: NewTime) -> HostResult<()> {
        self.writable()?;
        let times = timestamps(accessed, modified);
        Ok(rustix::fs::utimensat(&self.dir, ".", &times, AtFlags::empty())?)
    }

    pub(crate) fn set_path_times(
        &self,
        path: &str,
        follow: bool,
        accessed: NewTime,
        modified: NewTime,
    ) -> HostResult<()> {
        self.writable()?;
        let (accessed, modified) = (time_spec(accessed), time_spec(modified));
        match follow {
            true => self.dir.set_times(path, accessed, modified)?,
            false => self.dir.set_symlink_times(path, accessed, modified)?,
        }
        Ok(())
    }

    /// Waits until what is in it is on the disk.
    pub(super) fn sync(&self) -> HostResult<()> {
        Ok(rustix::fs::fsync(for_reading(&self.dir)?)?)
    }
}

/// The directory once more, open for more than looking things up.
pub(super) fn for_reading(dir: &Dir) -> HostResult<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    Ok(rustix::fs::openat(dir, ".", flags, Mode::empty())?)
}

fn time_spec(time: NewTime) -> Option<SystemTimeSpec> {
    match time {
        NewTime::Same => None,
        NewTime::Now => Some(SystemTimeSpec::SymbolicNow),
        NewTime::At(nanos) => {
            Some(SystemTimeSpec::Absolute(SystemClock::UNIX_EPOCH + Duration::from_nanos(nanos)))
        }
    }
}
