//! Growing an entry: what a run compiles is added to the entry of its module, for the next run: when the run ends, and while
//! it lasts, since there are programs that only a signal ends.
//!
//! Several processes may run a module at once, and each adds what it has compiled to the entry as it is by then, not as it
//! found it. Nobody waits for another: an image is made from the entry, and takes its place only if that is still the same
//! one; otherwise another image is made from the new one. So nothing that anybody added is lost, but for one who gave up
//! after [`ATTEMPTS`]; its next run makes up for it.

use std::{
    fs::File,
    io::{self, Read},
    sync::{Arc, Mutex, MutexGuard, OnceLock},
    thread,
    time::{Duration, Instant},
};

use wrun::Module;

use super::{
    Cache, Key,
    folder::{Folder, Refusal},
    known::Known,
    store,
};

/// How often it is tried to put an image in place of the entry that it was made from.
const ATTEMPTS: usize = 8;

/// When what was compiled is kept first in a run that lasts; then after twice the time, and so on: programs compile most at
/// their start.
const FIRST_KEPT_AFTER: Duration = Duration::from_secs(2);

/// A module whose functions are compiled as they are called.
#[derive(Debug)]
struct Growing {
    key: Key,
    /// What the user calls it.
    name: String,
    module: Module,
    /// The entry whose functions the module has: that which it was loaded from, or that which was made of it, if there is one.
    entry: Option<File>,
    /// How much had been compiled when it was kept last.
    kept: usize,
    /// Where functions were looked for before they were compiled.
    known: Arc<Known>,
}

/// The modules of a run whose entries grow.
#[derive(Debug)]
pub(super) struct Keeper {
    folder: Arc<Folder>,
    /// Bytes that all entries may have together.
    bound: u64,
    modules: Mutex<Vec<Growing>>,
    thread: OnceLock<()>,
}

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
            let is_new = loaded.is_none();
            let growing = Growing { key, name, module, entry: loaded, kept: 0, known };
            self.growing.modules().push(growing);
            if is_new {
                self.growing.keep_while_running();
            }
        }
    }

    /// What keeps the functions of watched modules from time to time once it is called, which is when one has to be compiled.
    pub(crate) fn keeping(&self) -> impl FnOnce() + Send + 'static {
        let keeper = self.growing.clone();
        move || keeper.keep_while_running()
    }

    /// Keeps what was compiled in this run, which is at its end.
    pub(crate) fn grow(&self) {
        for mut growing in self.growing.modules().drain(..) {
            growing.module.end_background_work();
            self.growing.keep(&mut growing);
        }
    }
}

impl Keeper {
    pub(super) fn new(folder: Arc<Folder>, bound: u64) -> Arc<Self> {
        Arc::new(Self { folder, bound, modules: Mutex::default(), thread: OnceLock::new() })
    }

    fn modules(&self) -> MutexGuard<'_, Vec<Growing>> {
        self.modules.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Keeps what is compiled from time to time from now on: something will be.
    fn keep_while_running(self: &Arc<Self>) {
        self.thread.get_or_init(|| {
            let keeper = self.clone();
            let builder = thread::Builder::new().name("wrun-keep".to_owned());
            // Without the thread it is kept at the end.
            let _ = builder.spawn(move || {
                let mut pause = FIRST_KEPT_AFTER;
                loop {
                    thread::sleep(pause);
                    keeper.modules().iter_mut().for_each(|growing| keeper.keep(growing));
                    pause *= 2;
                }
            });
        });
    }

    /// Keeps what was compiled of a module since it was kept last.
    fn keep(&self, growing: &mut Growing) {
        let compiled = growing.module.num_compiled_functions();
        if compiled == growing.kept && growing.entry.is_some() {
            return;
        }
        tracing::debug!(reused = growing.known.found(), "functions of other modules");
        let start = Instant::now();
        let grown = (0..ATTEMPTS).any(|_| self.try_to_grow(growing));
        growing.kept = compiled;
        tracing::debug!(elapsed = ?start.elapsed(), grown, "what was compiled is kept");
    }

    /// Puts an image with what was compiled in place of the entry. False when somebody else did in the meantime.
    fn try_to_grow(&self, growing: &mut Growing) -> bool {
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
        let known = match (&there, &growing.entry) {
            (Some(there), Some(own)) => store::is_same(there, own),
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
            Ok(Some(file)) => {
                tracing::debug!(
                    name = growing.key.entry(),
                    bytes = image.len(),
                    "kept in the cache"
                );
                // It has more than the module when others have added to it.
                if known {
                    growing.entry = Some(file);
                }
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
