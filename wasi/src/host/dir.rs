//! [`HostDir`]: a directory of the host that a guest may use, for reading and writing or for reading only.
//!
//! Staying inside it is the work of `cap-std`, which resolves every path beneath the open directory.

use super::access::{DirAccess, read_only};
use super::file::HostFile;
use super::with_known_times;
use crate::ctx::PreopenError;
use async_trait::async_trait;
use std::any::Any;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use wasi_common::dir::{OpenResult, ReaddirCursor, ReaddirEntity, WasiDir};
use wasi_common::file::{FdFlags, Filestat, OFlags};
use wasi_common::snapshots::preview_1::error::Errno;
use wasi_common::sync::dir::{Dir, OpenResult as HostOpenResult};
use wasi_common::{Error, ErrorExt, SystemTimeSpec};

/// A directory of the host.
pub(crate) struct HostDir {
    dir: Dir,
    access: DirAccess,
    /// What a guest is reading page by page, as it was when it began.
    listing: Mutex<Option<Arc<[ReaddirEntity]>>>,
}

impl HostDir {
    /// Opens a directory by its name on the host.
    ///
    /// # Errors
    /// It is missing, is not a directory, or cannot be opened.
    pub(crate) fn open(path: &Path, access: DirAccess) -> Result<HostDir, PreopenError> {
        let dir = cap_std::fs::Dir::open_ambient_dir(path, cap_std::ambient_authority());
        match dir {
            Ok(dir) => Ok(HostDir::new(Dir::from_cap_std(dir), access)),
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

    fn writable(&self) -> Result<(), Error> {
        self.access.allow_change()
    }

    /// Both directories of a move or link, when both may be changed.
    fn with_writable<'a>(&self, other: &'a dyn WasiDir) -> Result<&'a HostDir, Error> {
        let other = other.as_any().downcast_ref::<HostDir>().ok_or_else(Error::badf)?;
        self.writable()?;
        other.writable()?;
        Ok(other)
    }

    /// Opens what may be read, and tells what may not be done as a read-only file system does: making something
    /// that is there already changes nothing, and something that is missing is missing first of all.
    async fn open_read_only(
        &self,
        follow: bool,
        path: &str,
        oflags: OFlags,
        write: bool,
        fdflags: FdFlags,
    ) -> Result<HostOpenResult, Error> {
        let makes = oflags.contains(OFlags::CREATE);
        if write || makes || oflags.contains(OFlags::TRUNCATE) {
            let found = self.dir.get_path_filestat(path, follow).await;
            match found {
                Ok(_) if makes && oflags.contains(OFlags::EXCLUSIVE) => return Err(Error::exist()),
                Ok(_) if write || oflags.contains(OFlags::TRUNCATE) => return Err(read_only()),
                Ok(_) => {}
                Err(error) if makes && matches!(error.downcast_ref(), Some(Errno::Noent)) => {
                    return Err(read_only());
                }
                Err(error) => return Err(error),
            }
        }
        let oflags = oflags & OFlags::DIRECTORY;
        self.dir.open_file_(follow, path, oflags, true, false, fdflags - FdFlags::APPEND)
    }

    /// Reads the whole directory. What vanishes meanwhile, or has a name that is not UTF-8, is left out: a guest
    /// could not name it.
    async fn list(&self) -> Result<Arc<[ReaddirEntity]>, Error> {
        let mut entries = Vec::new();
        for entry in self.dir.readdir(ReaddirCursor::from(0)).await? {
            match entry {
                Ok(entry) => {
                    let next = ReaddirCursor::from(entries.len() as u64 + 1);
                    entries.push(ReaddirEntity { next, ..entry });
                }
                Err(error) => match error.downcast_ref() {
                    Some(Errno::Noent | Errno::Ilseq) => {
                        tracing::debug!(target: "wasi", "left out of a directory's listing: {error}");
                    }
                    _ => return Err(error),
                },
            }
        }
        Ok(entries.into())
    }
}

#[async_trait]
impl WasiDir for HostDir {
    fn as_any(&self) -> &dyn Any {
        self
    }

    async fn open_file(
        &self,
        symlink_follow: bool,
        path: &str,
        oflags: OFlags,
        read: bool,
        write: bool,
        fdflags: FdFlags,
    ) -> Result<OpenResult, Error> {
        let opened = match self.access {
            DirAccess::ReadWrite => {
                self.dir.open_file_(symlink_follow, path, oflags, read, write, fdflags)
            }
            DirAccess::ReadOnly => {
                self.open_read_only(symlink_follow, path, oflags, write, fdflags).await
            }
        };
        Ok(match opened? {
            HostOpenResult::File(file) => {
                OpenResult::File(Box::new(HostFile::new(file, self.access)))
            }
            HostOpenResult::Dir(dir) => OpenResult::Dir(Box::new(HostDir::new(dir, self.access))),
        })
    }

    async fn create_dir(&self, path: &str) -> Result<(), Error> {
        self.writable()?;
        self.dir.create_dir(path).await
    }

    async fn readdir(
        &self,
        cursor: ReaddirCursor,
    ) -> Result<Box<dyn Iterator<Item = Result<ReaddirEntity, Error>> + Send>, Error> {
        let start = u64::from(cursor);
        let known = self.listing.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let listing = match known {
            Some(listing) if start != 0 => listing,
            _ => self.list().await?,
        };
        *self.listing.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&listing));
        let start = usize::try_from(start).unwrap_or(usize::MAX);
        let entries = (start..).map_while(move |index| listing.get(index).cloned().map(Ok));
        Ok(Box::new(entries))
    }

    async fn symlink(&self, old_path: &str, new_path: &str) -> Result<(), Error> {
        self.writable()?;
        self.dir.symlink(old_path, new_path).await
    }

    async fn remove_dir(&self, path: &str) -> Result<(), Error> {
        self.writable()?;
        self.dir.remove_dir(path).await
    }

    async fn unlink_file(&self, path: &str) -> Result<(), Error> {
        self.writable()?;
        self.dir.unlink_file(path).await
    }

    async fn read_link(&self, path: &str) -> Result<PathBuf, Error> {
        self.dir.read_link(path).await
    }

    async fn get_filestat(&self) -> Result<Filestat, Error> {
        self.dir.get_filestat().await.map(with_known_times)
    }

    async fn get_path_filestat(
        &self,
        path: &str,
        follow_symlinks: bool,
    ) -> Result<Filestat, Error> {
        self.dir.get_path_filestat(path, follow_symlinks).await.map(with_known_times)
    }

    async fn rename(
        &self,
        path: &str,
        dest_dir: &dyn WasiDir,
        dest_path: &str,
    ) -> Result<(), Error> {
        let dest = self.with_writable(dest_dir)?;
        self.dir.rename_(path, &dest.dir, dest_path)
    }

    async fn hard_link(
        &self,
        path: &str,
        target_dir: &dyn WasiDir,
        target_path: &str,
    ) -> Result<(), Error> {
        let target = self.with_writable(target_dir)?;
        self.dir.hard_link_(path, &target.dir, target_path)
    }

    async fn set_times(
        &self,
        path: &str,
        atime: Option<SystemTimeSpec>,
        mtime: Option<SystemTimeSpec>,
        follow_symlinks: bool,
    ) -> Result<(), Error> {
        self.writable()?;
        self.dir.set_times(path, atime, mtime, follow_symlinks).await
    }
}
