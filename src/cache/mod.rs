//! The cache of images: what a run compiled, kept for the next run of the same module.
//!
//! - [`options`] says where the cache is and how large it may grow;
//! - [`folder`] is the one way to the files in it, and refuses what is not the user's alone: an entry is code;
//! - [`key`] names an entry by all that its image depends on, so that an entry never becomes wrong, only unused;
//! - [`seen`] recognises a module by its file's times, without reading it;
//! - [`store`] writes an entry so that it is there whole or not at all, [`sweep`] makes room for it;
//! - [`grow`] adds to an entry what a run has compiled;
//! - [`known`] finds functions for modules that have code in common with others;
//! - [`command`] is `wrun cache`.
//!
//! The invariant others rely on: the cache decides how long a run takes and nothing else. Whatever is wrong with it, the
//! run goes on without it. An entry may be replaced at any time, by a rename: whoever has the old one open keeps it.

mod command;
mod folder;
mod grow;
mod key;
mod known;
mod options;
mod seen;
mod store;
mod sweep;

use std::{
    cell::Cell,
    fs::File,
    io::{self, Read, Seek},
    sync::Arc,
    time::{Duration, SystemTime},
};

use rustix::fs::{Timespec, Timestamps, UTIME_NOW, UTIME_OMIT, futimens};
use wrun::{Engine, ErrorKind};
use wrun_module::image::ImageError;

pub(crate) use self::{command::CacheCommand, key::Key, known::Known, options::CacheArgs};
use self::{
    folder::{Folder, Refusal},
    key::CodeId,
    seen::Identity,
};
use crate::render;

/// An entry's time of last use may be wrong by this: noting it at each use would cost a write to the disk each time.
const USE_GRAIN: Duration = Duration::from_secs(60 * 60);

/// The cache as one run uses it.
#[derive(Debug)]
pub(crate) struct Cache {
    folder: Arc<Folder>,
    code: CodeId,
    /// Bytes that all entries may have together.
    bound: u64,
    /// Whether the user has been told that something in the folder cannot be trusted; once is enough.
    warned: Cell<bool>,
    growing: Arc<grow::Keeper>,
}

impl Cache {
    /// The cache for a run with `engine`; none when it is switched off, or cannot or must not be used.
    pub(crate) fn for_run(args: &CacheArgs, engine: &Engine) -> Option<Self> {
        let location = args.location()?;
        // Without a compiler there is nothing that could be kept.
        let code = CodeId::new(&engine.compile_key()?)?;
        match Folder::open_or_create(&location) {
            Ok(folder) => {
                let (folder, bound) = (Arc::new(folder), args.bound());
                let growing = grow::Keeper::new(folder.clone(), bound);
                Some(Self { folder, code, bound, warned: Cell::new(false), growing })
            }
            Err(Refusal::Unusable(error)) => {
                tracing::debug!(folder = %location.path.display(), %error, "no cache");
                None
            }
            Err(Refusal::Untrusted(why)) => {
                let folder = location.path.display();
                render::warning(
                    &format!("the cache `{folder}` is not used: {why}"),
                    "`--cache-dir` names another directory, `--no-cache` goes without",
                );
                None
            }
        }
    }

    /// The key of the module that `bytes` are, in either format.
    pub(crate) fn key(&self, bytes: &[u8]) -> Key {
        self.code.key(key::Hash::of(bytes))
    }

    /// The key of the module in a file that was recognised, which saves reading it.
    pub(crate) fn recognise(&self, file: &File) -> Option<Key> {
        let content = Identity::of(file)?.content(&self.folder)?;
        tracing::debug!("recognised, not read");
        Some(self.code.key(content))
    }

    /// The module in a file and its key. The file is recognised from now on.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub(crate) fn read(&self, file: &mut File) -> io::Result<(Key, Vec<u8>)> {
        let before = Identity::of(file);
        let mut bytes = Vec::new();
        file.rewind()?;
        file.read_to_end(&mut bytes)?;
        let content = key::Hash::of(&bytes);
        if let Some(before) = before {
            before.note(&self.folder, file, content);
        }
        Ok((self.code.key(content), bytes))
    }

    /// What gives the bytes of the module in a file when they are needed after all, if they are still those that `key` is of.
    pub(crate) fn source(
        &self,
        mut file: File,
        key: Key,
    ) -> impl FnOnce() -> wrun::Result<Vec<u8>> + Send + 'static {
        let code = self.code;
        move || {
            let mut bytes = Vec::new();
            file.rewind()?;
            file.read_to_end(&mut bytes)?;
            if code.key(key::Hash::of(&bytes)) != key {
                return Err(wrun::Error::host("the module was changed while it was being run"));
            }
            Ok(bytes)
        }
    }

    /// The file of an entry, which is the user's alone but may be damaged.
    pub(crate) fn find(&self, key: Key) -> Option<File> {
        let name = key.entry();
        let file = match self.folder.open_file(&name) {
            Ok(file) => file,
            Err(Refusal::Unusable(error)) => {
                if error.kind() != io::ErrorKind::NotFound {
                    tracing::debug!(%error, name, "cannot open an entry of the cache");
                }
                return None;
            }
            Err(Refusal::Untrusted(why)) => {
                if !self.warned.replace(true) {
                    let path = self.folder.path().join(&name);
                    render::warning(
                        &format!("`{}` of the cache is not used: {why}", path.display()),
                        "`wrun cache clear` empties the cache",
                    );
                }
                return None;
            }
        };
        tracing::debug!(name, "found in the cache");
        note_use(&file);
        Some(file)
    }

    /// Forgets an entry that could not be loaded, if that is the entry's fault.
    pub(crate) fn discard(&self, key: Key, why: &wrun::Error) {
        // One that is partial is of use to others.
        if matches!(why.kind(), ErrorKind::Image(error) if *error != ImageError::Partial) {
            tracing::debug!(%why, name = key.entry(), "an entry of the cache is removed");
            self.folder.remove(&key.entry());
        }
    }

    /// Keeps an image, and gives the file that it is now in; `module` is what the user calls the module. When it cannot be
    /// kept it comes back.
    ///
    /// # Errors
    /// None that anybody has to be told: the image itself.
    pub(crate) fn store(&self, key: Key, image: Vec<u8>, module: &str) -> Result<File, Vec<u8>> {
        match store::store(&self.folder, self.bound, key, &image, module) {
            Ok(file) => {
                tracing::debug!(name = key.entry(), bytes = image.len(), "kept in the cache");
                Ok(file)
            }
            Err(error) => {
                tracing::debug!(%error, "not kept in the cache");
                Err(image)
            }
        }
    }
}

/// Notes that an entry was used now, unless it was lately.
fn note_use(entry: &File) {
    let last = entry.metadata().and_then(|metadata| metadata.modified());
    // One that is in the future, by a clock that was wrong, would otherwise never age.
    let lately = last.is_ok_and(|last| {
        SystemTime::now().duration_since(last).is_ok_and(|since| since < USE_GRAIN)
    });
    if !lately {
        let time = |tv_nsec| Timespec { tv_sec: 0, tv_nsec };
        let times =
            Timestamps { last_access: time(UTIME_OMIT), last_modification: time(UTIME_NOW) };
        // On a file system for reading only nothing ages, and nothing is evicted.
        let _ = futimens(entry, &times);
    }
}

#[cfg(test)]
mod tests {
    use std::{cell::Cell, fs, fs::File, sync::Arc};

    use super::{Cache, CodeId, folder::Folder, grow, key::Hash};

    #[test]
    fn what_is_missing_comes_from_the_module_that_the_entry_is_of_or_from_none() {
        let base = tempfile::tempdir().unwrap();
        let folder = Arc::new(Folder::open(base.path()).unwrap());
        let cache = Cache {
            folder: folder.clone(),
            code: CodeId::of_bytes(b"this one"),
            bound: 0,
            warned: Cell::new(false),
            growing: grow::Keeper::new(folder, 0),
        };
        let path = base.path().join("module");
        fs::write(&path, "first").unwrap();
        let key = cache.code.key(Hash::of(b"first"));
        let source = || cache.source(File::open(&path).unwrap(), key);
        assert_eq!(source()().unwrap(), b"first");
        let kept = source();
        fs::write(&path, "other").unwrap();
        let error = kept().unwrap_err().to_string();
        assert!(error.contains("changed while it was being run"), "{error}");
    }
}
