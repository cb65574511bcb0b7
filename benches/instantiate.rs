//! What an instance costs, of a module that was loaded from an image: a store is made, the module is instantiated in it,
//! and both are dropped.
//!
//! Imports are functions that trap, so that nothing of WASI is measured. `hello` is a workload; other modules are found in the
//! directory that the variable `PROGRAMS` names, and left out when they are not there.
#![allow(missing_docs, reason = "the macro of criterion makes a public function")]

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use criterion::{Criterion, criterion_group, criterion_main};
use wrun::{Engine, Linker, Module, Store};

/// The modules: name, and where they are.
fn modules() -> Vec<(&'static str, PathBuf)> {
    let workloads = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/workloads");
    let mut modules = vec![("hello", workloads.join("hello.wasm"))];
    let programs = env::var_os("PROGRAMS").map(PathBuf::from);
    for (name, file) in [("python", "python-3.11.3.wasm"), ("sqlite", "sqlite.wasm")] {
        match programs.as_ref().map(|place| place.join(file)).filter(|path| path.is_file()) {
            Some(path) => modules.push((name, path)),
            None => eprintln!("{name}: skipped: PROGRAMS names no directory with {file}"),
        }
    }
    modules
}

/// Compiles the module to an image in `folder`, and loads that.
fn load(engine: &Engine, module: &Path, folder: &Path) -> Module {
    let bytes = fs::read(module).expect("the module can be read");
    let path = folder.join("image");
    fs::write(&path, engine.precompile(&bytes, None).expect("a valid module"))
        .expect("the image can be written");
    // SAFETY: the image was made here, and nobody changes the file: the directory is this process's own.
    let module = unsafe { Module::deserialize_file(engine, &path) }.expect("a sound image");
    fs::remove_file(&path).expect("the file is there");
    module
}

fn instantiate(c: &mut Criterion) {
    let engine = Engine::default();
    let folder = tempfile::tempdir().expect("a directory for the images");
    for (name, path) in modules() {
        let module = load(&engine, &path, folder.path());
        let mut linker = Linker::<()>::new(&engine);
        linker.define_unknown_imports_as_traps(&module).expect("nothing is defined yet");
        c.bench_function(&format!("instantiate/{name}"), |b| {
            b.iter(|| {
                let mut store = Store::new(&engine, ());
                linker.instantiate(&mut store, &module).expect("all imports are defined")
            });
        });
    }
}

criterion_group!(benches, instantiate);
criterion_main!(benches);
