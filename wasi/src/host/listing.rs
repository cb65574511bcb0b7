//! What is in a directory: [`DirEntry`] and [`list`].

use super::dir::for_reading;
use super::{FileKind, HostResult};
use cap_std::fs::Dir;
use rustix::fs::{AtFlags, FileType};
use rustix::io::Errno;
use std::sync::Arc;

/// An entry of a directory.
#[derive(Debug)]
pub(crate) struct DirEntry {
    pub(crate) inode: u64,
    pub(crate) kind: FileKind,
    pub(crate) name: String,
}

/// Reads a whole directory, `.` and `..` first. What has a name that is not UTF-8 is left out: a guest could not name
/// it. `..` has the number of the directory itself: what is above is not the guest's to know.
pub(super) fn list(dir: &Dir) -> HostResult<Arc<[DirEntry]>> {
    let inode = rustix::fs::fstat(dir)?.st_ino;
    let here = |name: &str| DirEntry { inode, kind: FileKind::Directory, name: name.to_owned() };
    let mut entries = vec![here("."), here("..")];
    for entry in rustix::fs::Dir::new(for_reading(dir)?)? {
        let entry = entry?;
        let Ok(name) = entry.file_name().to_str() else {
            let name = entry.file_name();
            tracing::debug!(target: "wasi", "left out of a directory's listing: {name:?}");
            continue;
        };
        if matches!(name, "." | "..") {
            continue;
        }
        let kind = match entry.file_type() {
            // Some file systems do not say.
            FileType::Unknown => match rustix::fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW) {
                Ok(stat) => FileKind::of_mode(stat.st_mode),
                Err(Errno::NOENT) => continue,
                Err(errno) => return Err(errno.into()),
            },
            ty => FileKind::of_type(ty),
        };
        entries.push(DirEntry { inode: entry.ino(), kind, name: name.to_owned() });
    }
    Ok(entries.into())
}
