//! [`Key`]: the name of an entry, a hash of all that its image depends on.
//!
//! The hash is SHA-256. It has to be one for which nobody can make up two modules that have the same: the program that a
//! user granted a directory to would otherwise be another one. Processors have instructions for it, and modules
//! that are run again are not hashed at all (see [`super::seen`]).

use std::{
    fmt,
    fs::File,
    os::unix::fs::{FileExt, MetadataExt},
};

use object::{
    Endianness, elf,
    read::elf::{FileHeader, ProgramHeader},
};
use sha2::{Digest, Sha256};

/// A SHA-256.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Hash([u8; 32]);

impl Hash {
    /// The hash of bytes.
    pub(super) fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// Reads what [`fmt::Display`] wrote.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut hash = [0; 32];
        if text.len() != 64 || !text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) {
            return None;
        }
        for (place, byte) in hash.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&text[2 * place..][..2], 16).ok()?;
        }
        Some(Self(hash))
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What makes an image the right one, in one hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Key(pub(super) Hash);

impl Key {
    /// Name of the file with the image.
    pub(super) fn entry(self) -> String {
        format!("{}.image", self.0)
    }

    /// Name of the note with the name of the module.
    pub(super) fn name_note(self) -> String {
        format!("{}.name", self.0)
    }
}

/// All that an image depends on besides the module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct CodeId(Hash);

impl CodeId {
    /// `engine` is [`wrun::Engine::compile_key`], the other part is which `wrun` this is. Nothing when the system does not
    /// tell.
    pub(super) fn new(engine: &str) -> Option<Self> {
        // The file that is running, even when there is a newer one at its path by now.
        let program = program_id(&File::open("/proc/self/exe").ok()?)?;
        Some(Self::from_parts(engine, &program))
    }

    #[cfg(test)]
    pub(super) fn of_bytes(bytes: &[u8]) -> Self {
        Self(Hash::of(bytes))
    }

    fn from_parts(engine: &str, program: &[u8]) -> Self {
        let mut hash = Sha256::new();
        // The length keeps the parts apart.
        hash.update((engine.len() as u64).to_le_bytes());
        hash.update(engine);
        hash.update(program);
        Self(Hash(hash.finalize().into()))
    }

    /// What tells the functions of this compiler from those of all others.
    pub(super) fn salt(self) -> [u8; 32] {
        self.0.0
    }

    /// The key of a module.
    pub(super) fn key(self, content: Hash) -> Key {
        Key(Hash(Sha256::new().chain_update(self.0.0).chain_update(content.0).finalize().into()))
    }
}

/// What tells one build of a program from every other. The version does not: between two releases there are many builds,
/// and one that generates other code must not take the code of the one before.
///
/// The linker's build identifier is a hash of the whole program, and stays with a copy of it. Where there is none,
/// the file itself is taken: its size, and when and where it was written.
fn program_id(program: &File) -> Option<Vec<u8>> {
    if let Some(id) = build_id(program) {
        return Some(id);
    }
    let metadata = program.metadata().ok()?;
    let times = [metadata.mtime(), metadata.mtime_nsec(), metadata.ctime(), metadata.ctime_nsec()];
    let place = [metadata.dev(), metadata.ino(), metadata.len()];
    let parts = times.map(i64::to_le_bytes).into_iter().chain(place.map(u64::to_le_bytes));
    Some(parts.flatten().collect())
}

/// The build identifier in the notes of an ELF file, as far as they lie in its first page, where linkers put them.
fn build_id(program: &File) -> Option<Vec<u8>> {
    let mut head = vec![0; 4096];
    let len = program.read_at(&mut head, 0).ok()?;
    let head = &head[..len];
    let header = elf::FileHeader64::<Endianness>::parse(head).ok()?;
    let endian = header.endian().ok()?;
    for segment in header.program_headers(endian, head).ok()? {
        let Ok(Some(mut notes)) = segment.notes(endian, head) else { continue };
        while let Ok(Some(note)) = notes.next() {
            let is_id =
                note.name() == elf::ELF_NOTE_GNU && note.n_type(endian) == elf::NT_GNU_BUILD_ID;
            if is_id && !note.desc().is_empty() {
                return Some(note.desc().to_vec());
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};

    use super::{CodeId, Hash, build_id, program_id};

    #[test]
    fn hashes_read_back() {
        let hash = Hash::of(b"abc");
        let text = hash.to_string();
        assert!(text.starts_with("ba7816bf"), "{text}");
        assert_eq!(Hash::parse(&text), Some(hash));
        for wrong in ["", "ba", &text[1..], &text.to_uppercase(), &text.replace('b', "+")] {
            assert_eq!(Hash::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn every_part_changes_the_key() {
        let key = |engine: &str, program: &str, module: &str| {
            CodeId::from_parts(engine, program.as_bytes()).key(Hash::of(module.as_bytes())).entry()
        };
        let all = [key("a", "b", "c"), key("x", "b", "c"), key("a", "x", "c"), key("a", "b", "x")];
        for (position, one) in all.iter().enumerate() {
            assert!(!all[..position].contains(one));
        }
        assert_ne!(key("ab", "c", ""), key("a", "bc", ""));
        assert_eq!(key("a", "b", "c"), key("a", "b", "c"));
    }

    #[test]
    fn a_program_is_told_by_its_build() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("program");
        let id = |content: &[u8]| {
            fs::write(&path, content).unwrap();
            program_id(&File::open(&path).unwrap()).unwrap()
        };
        // No ELF file: two of the same size are told apart by their times.
        let first = id(b"one");
        std::thread::sleep(std::time::Duration::from_millis(20));
        assert_ne!(first, id(b"two"));

        // The smallest with an identifier: a header, a segment of notes, a note.
        let mut elf = vec![0u8; 64 + 56 + 12 + 4 + 4];
        elf[..7].copy_from_slice(b"\x7fELF\x02\x01\x01");
        elf[20] = 1;
        elf[32] = 64;
        elf[52] = 64;
        elf[54] = 56;
        elf[56] = 1;
        let segment = 64;
        elf[segment] = 4;
        elf[segment + 8] = 120;
        elf[segment + 32] = 20;
        elf[segment + 48] = 4;
        elf[120..140].copy_from_slice(b"\x04\0\0\0\x04\0\0\0\x03\0\0\0GNU\0abcd");
        assert_eq!(id(&elf), b"abcd");
        *elf.last_mut().unwrap() = b'e';
        assert_eq!(id(&elf), b"abce");
        elf.truncate(130);
        fs::write(&path, &elf).unwrap();
        assert_eq!(build_id(&File::open(&path).unwrap()), None);
    }
}
