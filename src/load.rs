//! From an input to a module that can be run: its image is loaded, found in the cache, or compiled and kept there.

use std::{fs::File, path::PathBuf, sync::Arc};

use wrun::{Engine, Module};

use crate::{
    cache::{Cache, Key, Known},
    diagnosis,
    input::{Data, Input, Kind, unreadable},
    render::Failure,
};

impl Input {
    /// The module: an image, an entry of `cache`, or compiled and kept there.
    ///
    /// # Errors
    /// When it cannot be run, with the reason.
    pub(crate) fn load(self, engine: &Engine, cache: Option<&Cache>) -> Result<Module, Failure> {
        let name = self.name.clone();
        let failure = |error| diagnosis::of_error(error, &name);
        match (self.kind, self.data, cache) {
            (Kind::Image, Data::Image(path), _) => {
                load_image(engine, Code::Path(path)).map_err(failure)
            }
            (Kind::Image, data, _) => {
                let bytes = Self { data, ..self }.into_bytes()?;
                load_image(engine, Code::Bytes(bytes)).map_err(failure)
            }
            (Kind::Binary | Kind::Text, data, Some(cache)) => {
                Self { data, ..self }.load_cached(engine, cache)
            }
            (_, data, _) => {
                Module::from_vec(engine, Self { data, ..self }.into_binary()?).map_err(failure)
            }
        }
    }

    /// The module, from `cache` or compiled and kept there.
    fn load_cached(mut self, engine: &Engine, cache: &Cache) -> Result<Module, Failure> {
        let name = self.name.clone();
        if let Data::Module(file) = &self.data
            && let Some(key) = cache.recognise(file)
            && let Ok(file) = file.try_clone()
            && let Some(module) = find(engine, cache, key, &name, cache.source(file, key))
        {
            return Ok(module);
        }
        // What is compiled below is what this key is of: the file may have changed since it was recognised.
        let (key, module) = match self.data {
            Data::Module(mut file) => {
                let (key, bytes) =
                    cache.read(&mut file).map_err(|error| unreadable(&name, &error))?;
                self.data = Data::Bytes(bytes);
                let source = cache.source(file, key);
                (key, find(engine, cache, key, &name, source))
            }
            Data::Bytes(bytes) => {
                let key = cache.key(&bytes);
                let own = bytes.clone();
                self.data = Data::Bytes(bytes);
                (key, find(engine, cache, key, &name, move || Ok(own)))
            }
            Data::Image(_) => unreachable!("an image is no module"),
        };
        match module {
            Some(module) => Ok(module),
            None => compile(engine, cache, key, &name, self.into_binary()?),
        }
    }
}

/// The module with a key, as far as the cache has it; the rest is compiled from what `source` gives when it is called.
fn find(
    engine: &Engine,
    cache: &Cache,
    key: Key,
    name: &str,
    source: impl FnOnce() -> wrun::Result<Vec<u8>> + Send + 'static,
) -> Option<Module> {
    let file = cache.find(key)?;
    let entry = file.try_clone().ok()?;
    let name = name.trim_matches('`');
    let known = Arc::new(cache.known(name, 0));
    let keep = cache.keeping();
    let source = move || {
        keep();
        source()
    };
    let module = load_entry(engine, file, source, known.clone());
    let module = module.inspect_err(|error| cache.discard(key, error)).ok()?;
    cache.watch(key, &module, Some(entry), name, known);
    Some(module)
}

/// Compiles a module and keeps it; where it is compiled as it runs, so much of it as was compiled is kept from time to time.
fn compile(
    engine: &Engine,
    cache: &Cache,
    key: Key,
    name: &str,
    binary: Vec<u8>,
) -> Result<Module, Failure> {
    let failure = |error| diagnosis::of_error(error, name);
    let kept_as = name.trim_matches('`');
    let known = Arc::new(cache.known(kept_as, binary.len()));
    if engine.config().is_lazy() {
        let module = Module::from_vec_with_known(engine, binary, known.clone()).map_err(failure)?;
        cache.watch(key, &module, None, kept_as, known);
        if !module.is_lazy() {
            // The system had no room for code that grows, and will not have it the next time either.
            let _ = cache.store(key, module.serialize().map_err(failure)?, kept_as);
        }
        return Ok(module);
    }
    let image = engine.precompile_with_known(&binary, &*known).map_err(failure)?;
    match cache.store(key, image, kept_as) {
        // Where it was written it can be mapped, with rare exceptions. Not keeping a copy until then takes less memory.
        Ok(file) => load_image(engine, Code::File(file))
            .or_else(|_| Module::from_vec(engine, binary))
            .map_err(failure),
        Err(image) => load_image(engine, Code::Bytes(image)).map_err(failure),
    }
}

/// Where the bytes of an image are.
enum Code {
    Bytes(Vec<u8>),
    Path(PathBuf),
    File(File),
}

/// Loads an image.
#[allow(
    unsafe_code,
    reason = "an image is code: of a file that is run by its name the user says that it may run, of one in the cache that \
              it is the user's alone"
)]
fn load_image(engine: &Engine, image: Code) -> wrun::Result<Module> {
    // SAFETY: the engine checks an image for damage and refuses one of another version or host. That nobody made it to
    // do harm is, for a path, what the user vouches for, as with any program they start by name. A file of the
    // cache, and bytes that were to go there, this program made: `Folder::open_file` has no others opened than
    // those that the user alone may write. It is not changed while it is in use, since the cache never writes to an
    // entry, but puts another file in its place.
    unsafe {
        match image {
            Code::Path(path) => Module::deserialize_file(engine, path),
            Code::File(file) => Module::deserialize_open_file(engine, file),
            Code::Bytes(bytes) => Module::deserialize(engine, bytes),
        }
    }
}

/// Loads an entry of the cache, of which functions may be missing where they are compiled as they are called.
#[allow(
    unsafe_code,
    reason = "an image is code: of one in the cache it is known that it is the user's alone"
)]
fn load_entry(
    engine: &Engine,
    file: File,
    source: impl FnOnce() -> wrun::Result<Vec<u8>> + Send + 'static,
    known: Arc<Known>,
) -> wrun::Result<Module> {
    if !engine.config().is_lazy() {
        return load_image(engine, Code::File(file));
    }
    // SAFETY: as for `load_image`; and an entry's key is the hash of the module that it was made from, which `source` has
    // looked at.
    unsafe { Module::deserialize_partial(engine, file, source, Some(known)) }
}
