//! Growing an entry: when a run ends, what it compiled is added to the entry of its module, for the next run.
//!
//! Several processes may run a module at once, and each adds what it has compiled to the entry as it is by then, not as it
//! found it. Nobody waits for another: an image is made from the entry, and takes its place only if that is still the same
//! one; otherwise another image is made from the new one. So nothing that anybody added is lost, but for one who gave up
//! after [`ATTEMPTS`]; its next run makes up for it.

use std::{
    cell::RefCell,
    fs::File,
    io::{self, Read},
    sync::Arc,
};

use wrun::Module;

use super::{Cache, Key, folder::Refusal, known::Known, store};

/// How often it is tried to put an image in place of the entry that it was made from.
const ATTEMPTS: usize = 8;

/// A module whose functions are compiled as they are called.
#[derive(Debug)]
struct Growing {
    key: Key,
    /// What the user calls it.
    name: String,
    module: Module,
    /// The entry that it was loaded from, if there was one.
    loaded: Option<File>,
    /// Where functions were looked for before they were compiled.
    known: Arc<Known>,
}

/// The modules of a run whose entries grow.
#[derive(Debug, Default)]
pub(super) struct List(RefCell<Vec<Growing>>);

impl Cache {
    /// Notes that functions of `module` may be compiled in this run, to be kept by [`grow`](Self::grow). `loaded` is the
    /// entry that it was loaded from, `name` what the user calls it, `known` where functions are looked for.
    pub(crate) fn watch(
        &self,
        key: Key,
        module: &Module,
        loaded: Option<File>,
        name: &str,
        known: Arc<Known>,
    ) {
        if module.is_lazy() {
            let (name, module) = (name.to_owned(), module.clone());
            self.growing.0.borrow_mut().push(Growing { key, name, module, loaded, known });
        }
    }

    /// Keeps what was compiled in this run.
    pub(crate) fn grow(&self) {
        for growing in self.growing.0.take() {
            growing.module.end_background_work();
            if growing.loaded.is_some() && growing.module.compiled_functions().is_empty() {
                continue;
            }
            tracing::debug!(reused = growing.known.found(), "functions of other modules");
            let start = std::time::Instant::now();
            let grown = (0..ATTEMPTS).any(|_| self.try_to_grow(&growing));
            tracing::debug!(elapsed = ?start.elapsed(), grown, "what was compiled is kept");
        }
    }

    /// Puts an image with what was compiled in place of the entry. False when somebody else did in the meantime.
    fn try_to_grow(&self, growing: &Growing) -> bool {
        let there = match self.folder.open_file(&growing.key.entry()) {
            Ok(there) => Some(there),
            Err(Refusal::Unusable(error)) if error.kind() == io::ErrorKind::NotFound => None,
            // What is not the user's alone, or no file, is replaced by what is.
            Err(Refusal::Untrusted(_) | Refusal::Unusable(_)) => {
                self.folder.remove(&growing.key.entry());
                None
            }
        };
        // While both are open no other file has their numbers.
        let known = match (&there, &growing.loaded) {
            (Some(there), Some(loaded)) => store::is_same(there, loaded),
            _ => there.is_none(),
        };
        let own = || growing.module.grown_image(None);
        let image = match &there {
            Some(file) if !known => {
                // One that is damaged is replaced, as by a run that finds it.
                let base = read(file);
                base.and_then(|base| growing.module.grown_image(Some(&base)).ok())
                    .map_or_else(own, Ok)
            }
            _ => own(),
        };
        let image = match image {
            Ok(Some(image)) => image,
            Ok(None) => return true,
            Err(error) => {
                tracing::debug!(%error, "what was compiled cannot be kept");
                return true;
            }
        };
        let Growing { key, name, .. } = growing;
        match store::replace(&self.folder, self.bound, *key, &image, name, there.as_ref()) {
            Ok(Some(_)) => {
                tracing::debug!(
                    name = growing.key.entry(),
                    bytes = image.len(),
                    "kept in the cache"
                );
                true
            }
            Ok(None) => false,
            Err(error) => {
                tracing::debug!(%error, "not kept in the cache");
                true
            }
        }
    }
}

fn read(mut file: &File) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).ok()?;
    Some(bytes)
}
