//! Writing an entry, so that it is there whole or not at all.
//!
//! An image is written to a temporary file in the same directory, which then gets the entry's name: readers see the entry
//! before or the one after. Nothing is flushed to the disk. When the machine stops, an entry may lack pages that were
//! never written; the image's checksum, which every load looks at, tells. Flushing would have first runs wait
//! for the disk.
//!
//! A process that dies in the middle leaves its temporary file. It had locked it, and the lock ends with the process:
//! the next [`sweep`](super::sweep) removes it.

use std::{
    fs::File,
    hash::{BuildHasher, Hasher, RandomState},
    io::{self, Write},
    time::Duration,
};

use rustix::process::{Resource, getrlimit};

use super::{
    folder::{self, Folder},
    key::Key,
    sweep::{self, TEMPORARY},
};

/// Longest name of a module that is noted.
const NAME_LIMIT: usize = 1024;

/// How long a process waits for the others that replace entries. Each does it in two system calls, so that this is long.
const PATIENCE: Duration = Duration::from_millis(50);

/// Writes an entry, or replaces it, and gives its file. All entries together do not pass `bound` bytes by it.
///
/// # Errors
/// When it cannot be written, or does not fit.
pub(super) fn store(
    folder: &Folder,
    bound: u64,
    key: Key,
    image: &[u8],
    module: &str,
) -> io::Result<File> {
    let (file, temporary) = write(folder, bound, key, image)?;
    temporary.keep_as(&key.entry())?;
    note_name(folder, key, module);
    Ok(file)
}

/// As [`store`], but only if the entry is still `expected`: nothing otherwise. Of two processes that replace the same entry
/// only one does.
///
/// # Errors
/// As for `store`.
pub(super) fn replace(
    folder: &Folder,
    bound: u64,
    key: Key,
    image: &[u8],
    module: &str,
    expected: Option<&File>,
) -> io::Result<Option<File>> {
    let (file, temporary) = write(folder, bound, key, image)?;
    let lock = folder.lock_replacing(PATIENCE);
    let unchanged = match (folder.stat(&key.entry()), expected) {
        (Some(stat), Some(expected)) => {
            let expected = rustix::fs::fstat(expected)?;
            (stat.st_dev, stat.st_ino) == (expected.st_dev, expected.st_ino)
        }
        (there, expected) => there.is_none() && expected.is_none(),
    };
    if !unchanged {
        return Ok(None);
    }
    temporary.keep_as(&key.entry())?;
    drop(lock);
    note_name(folder, key, module);
    Ok(Some(file))
}

/// Whether two open files are the same one.
pub(super) fn is_same(one: &File, other: &File) -> bool {
    let identity = |file| rustix::fs::fstat(file).map(|stat| (stat.st_dev, stat.st_ino));
    identity(one).is_ok_and(|one| identity(other) == Ok(one))
}

/// Writes an image to a temporary file, after room has been made for it.
fn write<'f>(
    folder: &'f Folder,
    bound: u64,
    key: Key,
    image: &[u8],
) -> io::Result<(File, Temporary<'f>)> {
    let len = image.len() as u64;
    // Writing past the process's limit would end it by a signal.
    let limit = getrlimit(Resource::Fsize).current.unwrap_or(u64::MAX).min(bound);
    if len > limit {
        return Err(io::Error::new(
            io::ErrorKind::FileTooLarge,
            format!("{len} bytes, at most {limit}"),
        ));
    }
    sweep::make_room(folder, key, len, bound);
    let (mut file, temporary) = Temporary::create(folder)?;
    file.write_all(image)?;
    Ok((file, temporary))
}

fn note_name(folder: &Folder, key: Key, module: &str) {
    folder.write_note(&key.name_note(), &module.as_bytes()[..module.len().min(NAME_LIMIT)]);
}

/// The name of a temporary file, which is removed unless it gets another one.
struct Temporary<'a> {
    folder: &'a Folder,
    name: String,
    kept: bool,
}

impl<'a> Temporary<'a> {
    /// An empty file, locked.
    fn create(folder: &'a Folder) -> io::Result<(File, Self)> {
        // Processes that share the directory need not share their numbers, so the name is random.
        let random = RandomState::new().build_hasher().finish();
        let name = format!("{random:016x}{TEMPORARY}");
        let file = folder.create_file(&name)?;
        // A sweep may be faster and take the file for abandoned; then it cannot be renamed, and is not kept.
        folder::try_lock(&file);
        Ok((file, Self { folder, name, kept: false }))
    }

    fn keep_as(mut self, name: &str) -> io::Result<()> {
        self.folder.rename(&self.name, name)?;
        self.kept = true;
        Ok(())
    }
}

impl Drop for Temporary<'_> {
    fn drop(&mut self) {
        if !self.kept {
            self.folder.remove(&self.name);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::{Folder, Key, replace, store};
    use crate::cache::key::Hash;

    #[test]
    fn an_entry_replaces_the_one_before_and_leaves_nothing_else() {
        let base = tempfile::tempdir().unwrap();
        let folder = Folder::open(base.path()).unwrap();
        let key = Key(Hash::of(b""));
        store(&folder, 100, key, b"one", "a").unwrap();
        store(&folder, 100, key, b"other", "a").unwrap();
        assert_eq!(fs::read(base.path().join(key.entry())).unwrap(), b"other");
        let mut names = folder.names().unwrap();
        names.retain(|name| name.ends_with(".tmp") || name.ends_with(".image"));
        assert_eq!(names, [key.entry()]);
    }

    #[test]
    fn an_entry_is_replaced_only_while_it_is_the_one_that_was_seen() {
        let base = tempfile::tempdir().unwrap();
        let folder = Folder::open(base.path()).unwrap();
        let key = Key(Hash::of(b""));
        let first = replace(&folder, 100, key, b"one", "a", None).unwrap().unwrap();
        assert!(replace(&folder, 100, key, b"two", "a", None).unwrap().is_none());
        assert_eq!(fs::read(base.path().join(key.entry())).unwrap(), b"one");
        replace(&folder, 100, key, b"two", "a", Some(&first)).unwrap().unwrap();
        assert!(replace(&folder, 100, key, b"three", "a", Some(&first)).unwrap().is_none());
        assert_eq!(fs::read(base.path().join(key.entry())).unwrap(), b"two");
        folder.remove(&key.entry());
        assert!(replace(&folder, 100, key, b"three", "a", Some(&first)).unwrap().is_none());
        assert!(!folder.names().unwrap().iter().any(|name| name.ends_with(".tmp")));
    }

    #[test]
    fn what_is_larger_than_all_may_be_is_not_written() {
        let base = tempfile::tempdir().unwrap();
        let folder = Folder::open(base.path()).unwrap();
        let key = Key(Hash::of(b""));
        assert!(store(&folder, 2, key, b"one", "a").is_err());
        assert!(!base.path().join(key.entry()).exists());
    }
}
