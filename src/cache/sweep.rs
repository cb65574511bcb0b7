//! Sweeping the cache: entries that were not used for longest make room for a new one, and what dead processes left goes.
//!
//! One process sweeps at a time; whoever finds another at it goes on without. Two that write at the same time may pass the
//! bound by what they write, until the next sweep.

use std::{
    collections::HashSet,
    time::{Duration, SystemTime},
};

use super::{
    folder::{self, Folder},
    key::{Hash, Key},
};

/// Notes on files that were seen are forgotten after this long, used or not: hashing a module again now and then is
/// cheaper than noting each use.
const SEEN_FOR: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// Notes on files that are kept at most.
const SEEN_LIMIT: usize = 4096;

/// Ending of names of temporary files.
pub(super) const TEMPORARY: &str = ".tmp";

/// What a name in the directory of the cache stands for. Other names are not ours, and are left alone.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Name {
    /// An image.
    Entry(Key),
    /// The name of an entry's module.
    ModuleOf(Key),
    /// The hash of a file that was seen.
    Seen,
    /// An image that is being written, or was when its process died.
    Temporary,
}

impl Name {
    /// Reads a name.
    pub(super) fn parse(name: &str) -> Option<Self> {
        let (stem, ending) = name.split_at(name.rfind('.')?);
        let hash = || Hash::parse(stem);
        match ending {
            ".image" => Some(Self::Entry(Key(hash()?))),
            ".name" => Some(Self::ModuleOf(Key(hash()?))),
            ".seen" => hash().map(|_| Self::Seen),
            TEMPORARY if u64::from_str_radix(stem, 16).is_ok() => Some(Self::Temporary),
            _ => None,
        }
    }
}

/// An entry as the directory shows it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    pub(super) key: Key,
    pub(super) len: u64,
    /// When it was used last, to an hour.
    pub(super) used: SystemTime,
}

/// All entries, those that were not used for longest first.
pub(super) fn entries(folder: &Folder) -> Vec<Entry> {
    let mut entries = Vec::new();
    for name in folder.names().unwrap_or_default() {
        if let Some(Name::Entry(key)) = Name::parse(&name)
            && let Some((len, used)) = len_and_time(folder, &name)
        {
            entries.push(Entry { key, len, used });
        }
    }
    entries.sort_by_key(|entry| entry.used);
    entries
}

/// Removes an entry and what belongs to it.
pub(super) fn remove(folder: &Folder, key: Key) {
    folder.remove(&key.entry());
    folder.remove(&key.name_note());
}

/// Makes room for an entry of `len` bytes, so that all entries together have no more than `bound`.
pub(super) fn make_room(folder: &Folder, key: Key, len: u64, bound: u64) {
    let Some(_lock) = folder.try_lock() else { return };
    remove_leftovers(folder);
    // The entry itself, if there is one, will be replaced.
    let others = || entries(folder).into_iter().filter(|entry| entry.key != key);
    let mut total: u64 = others().map(|entry| entry.len).sum();
    for entry in others() {
        if total.saturating_add(len) <= bound {
            break;
        }
        tracing::debug!(name = entry.key.entry(), bytes = entry.len, "evicted from the cache");
        remove(folder, entry.key);
        total -= entry.len;
    }
}

/// Removes temporary files without an owner, notes without an entry, and old notes.
fn remove_leftovers(folder: &Folder) {
    let names = folder.names().unwrap_or_default();
    let is_entry = |name: &&String| matches!(Name::parse(name), Some(Name::Entry(_)));
    let entries: HashSet<_> = names.iter().filter(is_entry).collect();
    let mut seen = Vec::new();
    for name in &names {
        match Name::parse(name) {
            // One that can be locked belongs to nobody; others cannot be opened, or are being written.
            Some(Name::Temporary) => match folder.open_file(name) {
                Ok(file) if folder::try_lock(&file) => folder.remove(name),
                _ => {}
            },
            Some(Name::ModuleOf(key)) if !entries.contains(&key.entry()) => folder.remove(name),
            Some(Name::Seen) => seen.extend(len_and_time(folder, name).map(|(_, at)| (at, name))),
            _ => {}
        }
    }
    seen.sort_unstable();
    let now = SystemTime::now();
    let surplus = seen.len().saturating_sub(SEEN_LIMIT);
    for (position, (at, name)) in seen.into_iter().enumerate() {
        if position < surplus || now.duration_since(at).is_ok_and(|age| age > SEEN_FOR) {
            folder.remove(name);
        }
    }
}

/// Length and time of the last modification.
fn len_and_time(folder: &Folder, name: &str) -> Option<(u64, SystemTime)> {
    let stat = folder.stat(name)?;
    let seconds = u64::try_from(stat.st_mtime).unwrap_or(0);
    let nanoseconds = u32::try_from(stat.st_mtime_nsec).unwrap_or(0);
    let time = SystemTime::UNIX_EPOCH + Duration::new(seconds, nanoseconds);
    Some((u64::try_from(stat.st_size).unwrap_or(0), time))
}

#[cfg(test)]
mod tests {
    use std::{
        fs::{self, File},
        path::Path,
        time::{Duration, SystemTime},
    };

    use super::{Folder, Hash, Key, Name, make_room};
    use crate::cache::folder;

    fn key(name: &str) -> Key {
        Key(Hash::of(name.as_bytes()))
    }

    fn entry(base: &Path, name: &str, len: usize, hours: u64) {
        let path = base.join(key(name).entry());
        fs::write(&path, vec![0; len]).unwrap();
        let used = SystemTime::now() - Duration::from_secs(hours * 3600);
        File::options().write(true).open(path).unwrap().set_modified(used).unwrap();
    }

    #[test]
    fn names_of_ours_are_told_from_others() {
        let hash = Hash::of(b"");
        assert_eq!(Name::parse(&key("").entry()), Some(Name::Entry(key(""))));
        assert_eq!(Name::parse(&format!("{hash}.seen")), Some(Name::Seen));
        assert_eq!(Name::parse("00000000000000ff.tmp"), Some(Name::Temporary));
        for other in ["..", ".", "lock", "a.image", "mine.tmp", "CACHEDIR.TAG", &hash.to_string()] {
            assert_eq!(Name::parse(other), None, "{other}");
        }
    }

    #[test]
    fn what_was_not_used_for_longest_goes_first_and_no_more_than_needed() {
        let base = tempfile::tempdir().unwrap();
        let folder = Folder::open(base.path()).unwrap();
        for (name, hours) in [("b", 2), ("c", 3), ("a", 1), ("d", 4)] {
            entry(base.path(), name, 10, hours);
        }
        folder.write_note(&key("d").name_note(), b"d");
        let there = |names: &[&str]| {
            for name in ["a", "b", "c", "d", "new"] {
                let exists = base.path().join(key(name).entry()).exists();
                assert_eq!(exists, names.contains(&name), "{name}");
            }
        };
        make_room(&folder, key("new"), 10, 50);
        there(&["a", "b", "c", "d"]);
        make_room(&folder, key("new"), 11, 50);
        there(&["a", "b", "c"]);
        assert!(folder.read_note(&key("d").name_note()).is_none());
        // What is replaced takes no room twice.
        make_room(&folder, key("a"), 30, 50);
        there(&["a", "b", "c"]);
        make_room(&folder, key("new"), 50, 50);
        there(&[]);
    }

    #[test]
    fn temporary_files_of_the_living_stay() {
        let base = tempfile::tempdir().unwrap();
        let folder = Folder::open(base.path()).unwrap();
        let living = folder.create_file("0000000000000001.tmp").unwrap();
        assert!(folder::try_lock(&living));
        folder.create_file("0000000000000002.tmp").unwrap();
        fs::write(base.path().join("mine.tmp"), "").unwrap();
        make_room(&folder, key(""), 0, 0);
        let mut names = folder.names().unwrap();
        names.retain(|name| name.ends_with(".tmp"));
        names.sort();
        assert_eq!(names, ["0000000000000001.tmp", "mine.tmp"]);
    }

    #[test]
    fn nobody_waits_for_another_sweep() {
        let base = tempfile::tempdir().unwrap();
        let folder = Folder::open(base.path()).unwrap();
        entry(base.path(), "a", 10, 1);
        let lock = folder.try_lock().unwrap();
        make_room(&folder, key("new"), 10, 10);
        assert!(base.path().join(key("a").entry()).exists());
        drop(lock);
        make_room(&folder, key("new"), 10, 10);
        assert!(!base.path().join(key("a").entry()).exists());
    }
}
