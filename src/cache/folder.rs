//! [`Folder`]: the directory of the cache and the files in it, of which none is opened that somebody else could have made
//! or changed.
//!
//! Everything is done relative to the directory that was opened and looked at, not to its path, which could mean
//! another one a moment later; and what is looked at is the opened file. Who can write to the user's own files
//! has won already, so the user's own are trusted, and nobody else's are: neither those of other users, the system's
//! administrator among them, nor those that a group or everybody may write.

use std::{
    ffi::OsStr,
    fs::{self, DirBuilder, File},
    io::{self, Write},
    os::unix::{ffi::OsStrExt, fs::DirBuilderExt, fs::MetadataExt},
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use rustix::{
    fd::OwnedFd,
    fs::{AtFlags, Dir, FileType, FlockOperation, Mode, OFlags, Stat},
    process::geteuid,
};

use super::options::Location;

/// What programs that make backups look for, to leave a cache out: <https://bford.info/cachedir/>.
const TAG: (&str, &str) = (
    "CACHEDIR.TAG",
    "Signature: 8a477f597d28d172789f06886806bc55\n# Images that wrun keeps; they can be removed at any time.\n",
);

/// The directory of a cache.
#[derive(Debug)]
pub(super) struct Folder {
    fd: OwnedFd,
    path: PathBuf,
}

/// Why a directory or a file of the cache is left alone.
#[derive(Debug)]
pub(super) enum Refusal {
    /// It is not there, or the system refuses it.
    Unusable(io::Error),
    /// Others could have put something into it.
    Untrusted(String),
}

impl<E: Into<io::Error>> From<E> for Refusal {
    fn from(error: E) -> Self {
        Self::Unusable(error.into())
    }
}

impl Folder {
    /// Opens the directory, and makes it for the user alone when there is none.
    ///
    /// # Errors
    /// When it cannot be used, or is not the user's alone.
    pub(super) fn open_or_create(location: &Location) -> Result<Self, Refusal> {
        match Self::open(&location.path) {
            Err(Refusal::Unusable(error)) if error.kind() == io::ErrorKind::NotFound => {}
            result => return result,
        }
        // With `sudo` the home directory may still be that of another user, who could then not use what is made there.
        if !location.chosen && !is_own(nearest(&location.path))? {
            return Err(io::Error::other("its place belongs to another user").into());
        }
        DirBuilder::new().recursive(true).mode(0o700).create(&location.path)?;
        let folder = Self::open(&location.path)?;
        if let Ok(mut tag) = folder.create_file(TAG.0) {
            let _ = tag.write_all(TAG.1.as_bytes());
        }
        Ok(folder)
    }

    /// Opens the directory.
    ///
    /// # Errors
    /// When it cannot be used, or is not the user's alone.
    pub(super) fn open(path: &Path) -> Result<Self, Refusal> {
        // A link on the way is followed: where it leads is what is looked at.
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let fd = rustix::fs::open(path, flags, Mode::empty())?;
        check(&rustix::fs::fstat(&fd)?)?;
        Ok(Self { fd, path: path.to_owned() })
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Opens a file in it for reading.
    ///
    /// # Errors
    /// When it cannot be opened, is no file, or is not the user's alone.
    pub(super) fn open_file(&self, name: &str) -> Result<File, Refusal> {
        // Of anything that is not a file, opening it must neither wait nor have an effect.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let fd = rustix::fs::openat(&self.fd, name, flags, Mode::empty())?;
        let stat = rustix::fs::fstat(&fd)?;
        check(&stat)?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return Err(Refusal::Untrusted("it is no file".into()));
        }
        Ok(fd.into())
    }

    /// Makes a file, which must not be there yet.
    ///
    /// # Errors
    /// When it cannot be made.
    pub(super) fn create_file(&self, name: &str) -> io::Result<File> {
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        Ok(rustix::fs::openat(&self.fd, name, flags, Mode::RUSR | Mode::WUSR)?.into())
    }

    /// Gives a file another name, in place of the file that had it.
    ///
    /// # Errors
    /// When the file is gone, or the system refuses.
    pub(super) fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        Ok(rustix::fs::renameat(&self.fd, from, &self.fd, to)?)
    }

    /// Removes a file; that it is not there is as good.
    pub(super) fn remove(&self, name: &str) {
        let _ = rustix::fs::unlinkat(&self.fd, name, AtFlags::empty());
    }

    /// Notes a few words under a name, unless there are some. They are the target of a link: that is written whole or not
    /// at all, takes one system call to write and one to read, and no block of the disk. Nobody follows it.
    pub(super) fn write_note(&self, name: &str, words: &[u8]) {
        let _ = rustix::fs::symlinkat(OsStr::from_bytes(words), &self.fd, name);
    }

    /// The words noted under a name.
    pub(super) fn read_note(&self, name: &str) -> Option<Vec<u8>> {
        let words = rustix::fs::readlinkat(&self.fd, name, Vec::with_capacity(256)).ok()?;
        Some(words.into_bytes())
    }

    /// What the system says of a name in it.
    pub(super) fn stat(&self, name: &str) -> Option<Stat> {
        rustix::fs::statat(&self.fd, name, AtFlags::SYMLINK_NOFOLLOW).ok()
    }

    /// All names in it.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(super) fn names(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in Dir::read_from(&self.fd)? {
            // Names of ours are ASCII; others are nobody's business here.
            if let Ok(name) = entry?.file_name().to_str() {
                names.push(name.to_owned());
            }
        }
        Ok(names)
    }

    /// The right to sweep, until the file is dropped; nothing when another process has it.
    pub(super) fn try_lock(&self) -> Option<File> {
        self.lock_file("lock").filter(|file| try_lock(file))
    }

    /// The right to replace an entry, until the file is dropped; nothing when others have it for as long as `patience`.
    pub(super) fn lock_replacing(&self, patience: Duration) -> Option<File> {
        let (file, start) = (self.lock_file("replacing")?, Instant::now());
        loop {
            if try_lock(&file) {
                return Some(file);
            }
            if start.elapsed() >= patience {
                return None;
            }
            thread::sleep(Duration::from_millis(1));
        }
    }

    fn lock_file(&self, name: &str) -> Option<File> {
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = rustix::fs::openat(&self.fd, name, flags, Mode::RUSR | Mode::WUSR).ok()?;
        Some(fd.into())
    }
}

/// Locks a file until it is closed, also by the end of the process; false when another process has locked it.
pub(super) fn try_lock(file: impl rustix::fd::AsFd) -> bool {
    rustix::fs::flock(file, FlockOperation::NonBlockingLockExclusive).is_ok()
}

/// Whether only the user can have written what has this `stat`.
fn check(stat: &Stat) -> Result<(), Refusal> {
    if stat.st_uid != geteuid().as_raw() {
        return Err(Refusal::Untrusted("it belongs to another user".into()));
    }
    // Where there is an access control list, the group's bits are its mask.
    if Mode::from_raw_mode(stat.st_mode).intersects(Mode::WGRP | Mode::WOTH) {
        return Err(Refusal::Untrusted("others may write to it".into()));
    }
    Ok(())
}

/// The directory in which the missing part of a path would be made.
fn nearest(path: &Path) -> &Path {
    path.ancestors().find(|ancestor| ancestor.exists()).unwrap_or(Path::new("/"))
}

fn is_own(path: &Path) -> io::Result<bool> {
    Ok(fs::metadata(path)?.uid() == geteuid().as_raw())
}

#[cfg(test)]
mod tests {
    use std::{
        fs::{self, Permissions},
        os::unix::fs::{PermissionsExt, symlink},
    };

    use super::{super::options::Location, Folder, Refusal};

    fn location(path: std::path::PathBuf) -> Location {
        Location { path, chosen: true }
    }

    #[test]
    fn a_new_one_is_the_users_alone() {
        let base = tempfile::tempdir().unwrap();
        let path = base.path().join("a/b");
        let folder = Folder::open_or_create(&location(path.clone())).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
        folder.create_file("x").unwrap();
        assert_eq!(fs::metadata(path.join("x")).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(folder.names().unwrap().contains(&"CACHEDIR.TAG".to_owned()));
    }

    #[test]
    fn what_others_may_write_is_refused() {
        let base = tempfile::tempdir().unwrap();
        for (mode, trusted) in [(0o700, true), (0o755, true), (0o775, false), (0o1777, false)] {
            fs::set_permissions(base.path(), Permissions::from_mode(mode)).unwrap();
            assert_eq!(Folder::open(base.path()).is_ok(), trusted, "{mode:o}");
        }
        fs::set_permissions(base.path(), Permissions::from_mode(0o700)).unwrap();
        let folder = Folder::open(base.path()).unwrap();
        fs::write(base.path().join("x"), "").unwrap();
        for (mode, trusted) in [(0o600, true), (0o644, true), (0o664, false), (0o602, false)] {
            fs::set_permissions(base.path().join("x"), Permissions::from_mode(mode)).unwrap();
            assert_eq!(folder.open_file("x").is_ok(), trusted, "{mode:o}");
        }
    }

    #[test]
    fn only_files_are_opened() {
        let base = tempfile::tempdir().unwrap();
        let folder = Folder::open(base.path()).unwrap();
        fs::write(base.path().join("x"), "").unwrap();
        symlink("x", base.path().join("link")).unwrap();
        assert!(matches!(folder.open_file("link"), Err(Refusal::Unusable(_))));
        fs::create_dir(base.path().join("dir")).unwrap();
        fs::set_permissions(base.path().join("dir"), Permissions::from_mode(0o700)).unwrap();
        assert!(matches!(folder.open_file("dir"), Err(Refusal::Untrusted(_))));
    }

    #[test]
    fn a_lock_is_held_once() {
        let base = tempfile::tempdir().unwrap();
        let folder = Folder::open(base.path()).unwrap();
        let held = folder.try_lock().unwrap();
        assert!(folder.try_lock().is_none());
        drop(held);
        assert!(folder.try_lock().is_some());
    }
}
