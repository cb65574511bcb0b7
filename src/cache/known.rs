//! [`Known`]: the functions of entries of the cache, to be had by the hashes of their inputs when another module is compiled:
//! an older version of it, or one that shares a library with it.
//!
//! What there is to be found is in the entries themselves, and is collected when somebody asks: of the entries that were used
//! last, those of a module of the same name first, their hashes are read, and an entry as a whole when enough of its
//! functions are wanted. There is no index that could be wrong, or that writers would have to agree on.
//!
//! The invariant others rely on: what is found was made by this very build of the program, with the same options, of an
//! input that is the same, and is the user's alone like every entry. A file that cannot be read, is damaged or is not what
//! its hashes promised has no functions.

use std::{
    collections::HashMap,
    fs::File,
    io::{Read, Seek},
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Instant,
};

use wrun_module::{
    CompiledFunc, InputHash, KnownFunctions,
    image::{Image, inputs},
};

use super::{Cache, folder::Folder, sweep};

/// How many entries are looked at.
const LOOKED_AT: usize = 32;

/// Of how many of them functions can be found.
const ENTRIES: usize = 8;

/// An entry of a module of another name is read when one of its functions was wanted for each so many of its bytes: there are
/// small functions that many modules have, and reading takes as long as compiling a few of them.
const BYTES_PER_FUNCTION: u64 = 1 << 20;

/// How many functions they may have together, but for those of modules of the same name: collecting so many takes some
/// milliseconds.
const FUNCTIONS: usize = 1 << 17;

/// How many of these there are at least: collecting a thousand takes a third of a millisecond.
const LEAST_FUNCTIONS: usize = 4_000;

/// For how many bytes of a module one more of them is: a small one is compiled before many are collected.
const BYTES_FOR_FUNCTION: usize = 64;

/// Functions that were compiled before.
#[derive(Debug)]
pub(crate) struct Known {
    folder: Arc<Folder>,
    salt: [u8; 32],
    /// What the user calls the module that is compiled.
    name: String,
    /// How many functions of modules of other names are collected.
    others: usize,
    index: OnceLock<Index>,
    found: AtomicUsize,
}

/// What there is to be found.
#[derive(Debug, Default)]
struct Index {
    /// Which entry, and which of its records.
    functions: HashMap<InputHash, (usize, usize)>,
    entries: Vec<Entry>,
}

#[derive(Debug)]
struct Entry {
    file: File,
    /// How many functions must be wanted before it is read.
    threshold: u64,
    wanted: AtomicU64,
    /// Nothing when it is damaged.
    image: OnceLock<Option<(Image, Vec<u8>)>>,
}

impl Cache {
    /// The functions of the entries that were used last, for a module that the user calls `name`, of which so many bytes are to be
    /// compiled; 0 when that is not known.
    pub(crate) fn known(&self, name: &str, bytes: usize) -> Known {
        Known {
            folder: self.folder.clone(),
            salt: self.code.salt(),
            name: name.to_owned(),
            others: (bytes / BYTES_FOR_FUNCTION).clamp(LEAST_FUNCTIONS, FUNCTIONS),
            index: OnceLock::new(),
            found: AtomicUsize::new(0),
        }
    }
}

impl Known {
    /// How many functions were found.
    pub(crate) fn found(&self) -> usize {
        self.found.load(Ordering::Relaxed)
    }

    fn index(&self) -> &Index {
        self.index.get_or_init(|| Index::collect(&self.folder, &self.name, self.others))
    }
}

impl KnownFunctions for Known {
    fn salt(&self) -> &[u8] {
        &self.salt
    }

    fn is_empty(&self) -> bool {
        self.index().functions.is_empty()
    }

    fn find(&self, input: InputHash) -> Option<CompiledFunc> {
        let index = self.index();
        let &(entry, record) = index.functions.get(&input)?;
        let (image, bytes) = index.entries[entry].image()?;
        let parts = image.parts(bytes).ok()?;
        // What was read of the file first was not checked.
        if parts.table.len() <= record || parts.table.input(record) != Some(input) {
            return None;
        }
        let func = parts.func(record).ok()?;
        self.found.fetch_add(1, Ordering::Relaxed);
        Some(func)
    }
}

impl Index {
    fn collect(folder: &Folder, name: &str, others: usize) -> Self {
        let start = Instant::now();
        let mut index = Self::default();
        for (is_namesake, sweep::Entry { key, len, .. }) in by_likelihood(folder, name) {
            let Ok(file) = folder.open_file(&key.entry()) else { continue };
            let hashes = inputs(&file);
            if hashes.is_empty() {
                continue;
            }
            if index.entries.len() == ENTRIES {
                break;
            }
            if !is_namesake && index.functions.len() + hashes.len() > others {
                continue;
            }
            for (record, input) in hashes {
                index.functions.entry(input).or_insert((index.entries.len(), record));
            }
            let threshold = if is_namesake { 0 } else { len / BYTES_PER_FUNCTION };
            let (wanted, image) = (AtomicU64::new(0), OnceLock::new());
            index.entries.push(Entry { file, threshold, wanted, image });
        }
        let (entries, functions) = (index.entries.len(), index.functions.len());
        tracing::debug!(elapsed = ?start.elapsed(), entries, functions, "functions are known");
        index
    }
}

/// The entries that most likely have functions in common with a module of a name, and whether theirs has the same one, wherever
/// it is: those come first.
fn by_likelihood(folder: &Folder, name: &str) -> Vec<(bool, sweep::Entry)> {
    let last = |name: &[u8]| name.rsplit(|&byte| byte == b'/').next().map(<[u8]>::to_vec);
    let name = last(name.as_bytes());
    let used_last = sweep::entries(folder).into_iter().rev().take(LOOKED_AT);
    let entries = used_last.map(|entry| {
        let noted = folder.read_note(&entry.key.name_note());
        (noted.is_some_and(|noted| last(&noted) == name), entry)
    });
    let mut entries: Vec<_> = entries.collect();
    entries.sort_by_key(|&(is_namesake, _)| !is_namesake);
    entries
}

impl Entry {
    /// The image, when it pays to read it.
    fn image(&self) -> Option<&(Image, Vec<u8>)> {
        if self.image.get().is_none()
            && self.wanted.fetch_add(1, Ordering::Relaxed) < self.threshold
        {
            return None;
        }
        self.image.get_or_init(|| self.read()).as_ref()
    }

    fn read(&self) -> Option<(Image, Vec<u8>)> {
        let mut bytes = Vec::new();
        // Its hashes have been read.
        (&self.file).rewind().ok()?;
        (&self.file).read_to_end(&mut bytes).ok()?;
        Some((Image::parse(&bytes).ok()?, bytes))
    }
}
