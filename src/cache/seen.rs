//! Modules that were seen before: from a file's identity to the hash of its content, without reading it.
//!
//! Reading and hashing a large module takes longer than loading its image. What a file is, where its file system keeps it,
//! how long it is and when it was changed says whether it is what was hashed. The time of the last change of state
//! (`ctime`) is the system's: no program can set it, as it can the time of the last modification.
//!
//! Times have a grain. A file that was written twice within one of them looks unchanged, so a file is noted only when
//! its times lie back further than any grain: whatever is written later gets a later time. What remains is a program that
//! goes on writing to a module through a mapping that it had before; no build tool does that.

use std::{
    fs::File,
    os::unix::fs::MetadataExt,
    time::{Duration, SystemTime},
};

use rustix::fs::fstatfs;

use super::{folder::Folder, key::Hash};

/// Times that lie back less may be a grain of the clock old. The coarsest grain of the file systems below is a second.
const SETTLED: Duration = Duration::from_secs(2);

/// File systems that keep times and inode numbers themselves, by what `statfs` calls them. On others, those of a network
/// for one, times are another machine's or made up, and files are read.
const KEEPS_TIMES: [u32; 7] = [
    0xef53,      // ext2, ext3, ext4
    0x5846_5342, // XFS
    0x9123_683e, // Btrfs
    0x0102_1994, // tmpfs
    0x794c_7630, // overlayfs
    0xf2f5_2010, // F2FS
    0x2fc1_2fc1, // ZFS
];

/// Which file it is, and since when it is as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Identity {
    device: u64,
    inode: u64,
    len: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Identity {
    /// That of an open file; nothing when it is one without.
    pub(super) fn of(file: &File) -> Option<Self> {
        let metadata = file.metadata().ok().filter(|metadata| metadata.is_file())?;
        Some(Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            len: metadata.len(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        })
    }

    /// The hash of the file's content, when it was noted.
    pub(super) fn content(&self, folder: &Folder) -> Option<Hash> {
        let words = folder.read_note(&self.note_name())?;
        Hash::parse(std::str::from_utf8(&words).ok()?)
    }

    /// Notes the hash of the content that was read from `file` since this was its identity, if it can be relied on.
    pub(super) fn note(&self, folder: &Folder, file: &File, content: Hash) {
        if Self::of(file) == Some(*self) && self.is_settled(SystemTime::now()) && keeps_times(file)
        {
            folder.write_note(&self.note_name(), content.to_string().as_bytes());
        }
    }

    fn note_name(&self) -> String {
        let numbers = [
            self.device,
            self.inode,
            self.len,
            self.modified.0 as u64,
            self.modified.1 as u64,
            self.changed.0 as u64,
            self.changed.1 as u64,
        ];
        format!("{}.seen", Hash::of(numbers.map(u64::to_le_bytes).as_flattened()))
    }

    fn is_settled(&self, now: SystemTime) -> bool {
        let long_ago = |(seconds, nanoseconds): (i64, i64)| {
            let (Ok(seconds), Ok(nanoseconds)) = (seconds.try_into(), nanoseconds.try_into())
            else {
                return false;
            };
            let time = SystemTime::UNIX_EPOCH + Duration::new(seconds, nanoseconds);
            // Not so for one in the future: the clock was set back, and may pass the time once more.
            now.duration_since(time).is_ok_and(|since| since > SETTLED)
        };
        long_ago(self.modified) && long_ago(self.changed)
    }
}

fn keeps_times(file: &File) -> bool {
    // The type is a signed word on some systems; the low half tells them apart.
    fstatfs(file).is_ok_and(|system| KEEPS_TIMES.contains(&(system.f_type as u32)))
}

#[cfg(test)]
mod tests {
    use std::{
        fs::File,
        io::Write,
        time::{Duration, SystemTime},
    };

    use super::{Hash, Identity, SETTLED};
    use crate::cache::folder::Folder;

    #[test]
    fn a_change_of_anything_is_another_identity() {
        let base = Identity { device: 1, inode: 2, len: 3, modified: (4, 5), changed: (6, 7) };
        let others = [
            Identity { device: 9, ..base },
            Identity { inode: 9, ..base },
            Identity { len: 9, ..base },
            Identity { modified: (9, 5), ..base },
            Identity { modified: (4, 9), ..base },
            Identity { changed: (9, 7), ..base },
            Identity { changed: (6, 9), ..base },
        ];
        for other in others {
            assert_ne!(other.note_name(), base.note_name(), "{other:?}");
        }
    }

    #[test]
    fn fresh_files_and_those_of_the_future_are_not_settled() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1000);
        let settled = |modified, changed| {
            Identity { device: 1, inode: 1, len: 1, modified, changed }.is_settled(now)
        };
        let (old, fresh) = ((1000 - SETTLED.as_secs() as i64 - 1, 0), (999, 0));
        assert!(settled(old, old));
        assert!(!settled(old, fresh) && !settled(fresh, old));
        assert!(!settled(old, (1001, 0)) && !settled((1001, 0), old));
        assert!(!settled((-1, 0), old));
    }

    #[test]
    fn a_file_that_was_just_written_is_not_noted() {
        let base = tempfile::tempdir().unwrap();
        let folder = Folder::open(base.path()).unwrap();
        let path = base.path().join("module");
        File::create(&path).unwrap().write_all(b"one").unwrap();
        let file = File::open(&path).unwrap();
        let identity = Identity::of(&file).unwrap();
        identity.note(&folder, &file, Hash::of(b"one"));
        assert_eq!(identity.content(&folder), None);
    }

    #[test]
    fn a_file_that_changes_while_it_is_read_is_not_noted() {
        let base = tempfile::tempdir().unwrap();
        let folder = Folder::open(base.path()).unwrap();
        let file = File::open("/proc/self/exe").unwrap();
        let before = Identity::of(&file).unwrap();
        let other = Identity { len: before.len + 1, ..before };
        other.note(&folder, &file, Hash::of(b""));
        assert_eq!(other.content(&folder), None);
    }
}
