//! Random valid modules and changed ones: functions that are had from the compilation of the first are those that compiling the
//! second gives, in all that is said of them.
//!
//! A change is one of some bytes, after which the module may be another in any way, or one that moves everything in the file, after
//! which every function must be found.

#![no_main]

use std::{
    collections::HashMap,
    sync::{
        Arc, LazyLock,
        atomic::{AtomicUsize, Ordering},
    },
};

use arbitrary::{Arbitrary, Unstructured};
use libfuzzer_sys::fuzz_target;
use wrun_cranelift::CraneliftCompiler;
use wrun_module::{
    CompileOptions, CompiledFunc, Compiler, Features, FunctionCompiler, InputHash, KnownFunctions,
    OptLevel, OwnedModule, Tier, image::Image, parse,
};

/// One that is as fast as possible, and one that does all there is to do.
static COMPILERS: LazyLock<[CraneliftCompiler; 2]> = LazyLock::new(|| {
    [OptLevel::None, OptLevel::Speed].map(|opt_level| {
        let options = CompileOptions { opt_level, ..CompileOptions::default() };
        CraneliftCompiler::new(None, options).expect("this machine is known")
    })
});

/// Functions by their hashes.
#[derive(Default)]
struct Known {
    functions: HashMap<InputHash, CompiledFunc>,
    found: AtomicUsize,
}

impl KnownFunctions for Known {
    fn salt(&self) -> &[u8] {
        b"fuzz"
    }

    fn is_empty(&self) -> bool {
        self.functions.is_empty()
    }

    fn find(&self, input: InputHash) -> Option<CompiledFunc> {
        let found = self.functions.get(&input).cloned();
        self.found.fetch_add(usize::from(found.is_some()), Ordering::Relaxed);
        found
    }
}

impl Known {
    fn of(functions: impl Iterator<Item = CompiledFunc>) -> Self {
        let functions = functions.map(|func| (func.input.expect("all names are known"), func));
        Self { functions: functions.collect(), ..Self::default() }
    }
}

/// The image of a module, with or without functions that are known; nothing when it passes a limit.
fn image(compiler: &CraneliftCompiler, bytes: &[u8], known: &Known) -> Option<Vec<u8>> {
    let module = parse(bytes, Features::default()).ok()?;
    compiler.compile_with_known(&module, known, &|_| {}).ok()
}

fn functions(
    compiler: &CraneliftCompiler,
    bytes: &[u8],
    known: Known,
) -> Option<Box<dyn FunctionCompiler>> {
    let module = OwnedModule::parse(bytes.to_vec().into(), Features::default()).ok()?;
    Some(compiler.functions(module, Some(Arc::new(known))))
}

/// Compiles `other` as a whole, with the functions of `bytes` known and without. `all` is whether all must be found.
fn compare_images(compiler: &CraneliftCompiler, bytes: &[u8], other: &[u8], all: bool) {
    let none = Known::default();
    let Some(first) = image(compiler, bytes, &none) else { return };
    let apart = Image::take_apart(&first).expect("it was just made");
    let number = apart.len();
    let known = Known::of(apart.into_iter().map(|(_, _, func)| func));
    let Some(with) = image(compiler, other, &known) else { return };
    let without = image(compiler, other, &none).expect("it was compiled before");
    assert!(with == without, "another image");
    assert!(!all || known.found.into_inner() == number, "not all are found");
}

/// As [`compare_images`], function by function and of the first tier.
fn compare_functions(compiler: &CraneliftCompiler, bytes: &[u8], other: &[u8], all: bool) {
    let Some(old) = functions(compiler, bytes, Known::default()) else { return };
    let compiled = (0..old.module().bodies.len()).map(|place| old.compile(place, Tier::Baseline));
    // One that cannot be left at a loop is not compiled for this tier.
    let Ok(compiled) = compiled.collect::<Result<Vec<_>, _>>() else { return };
    let known = Known::of(compiled.into_iter());
    let Some(with) = functions(compiler, other, known) else { return };
    let Some(without) = functions(compiler, other, Known::default()) else { return };
    for position in 0..with.module().bodies.len() {
        match with.find_known(position, Tier::Baseline) {
            Some((tier, found)) => {
                let fresh = without.compile(position, tier).expect("it was compiled before");
                assert_eq!(found, fresh, "function {position}");
            }
            None => assert!(!all, "function {position} is not found"),
        }
    }
}

/// What is done to a module.
#[derive(Arbitrary, Debug)]
enum Change {
    /// Bytes get other values: where, counted around the end, and by what they are changed.
    Bytes([(u32, u8); 16]),
    /// A custom section of this length is put in front of all others.
    Move(u8),
}

impl Change {
    fn apply(&self, bytes: &[u8]) -> Vec<u8> {
        const HEADER: usize = 8;
        let mut changed = bytes.to_vec();
        match self {
            Self::Bytes(changes) => {
                // Few changes leave a module valid, and only those count.
                for (at, by) in changes {
                    let at = *at as usize % bytes.len();
                    changed[at] ^= by;
                    if parse(&changed, Features::default()).is_err() {
                        changed[at] ^= by;
                    }
                }
            }
            Self::Move(len) => {
                // With a name of no letters, of whose length there is a byte; lengths below 128 are a byte too.
                let len = usize::from(len % 100);
                let mut section = vec![0; 2 + 1 + len];
                section[1] = 1 + len as u8;
                changed.splice(HEADER..HEADER, section);
            }
        }
        changed
    }
}

fuzz_target!(|bytes: &[u8]| {
    let mut input = Unstructured::new(bytes);
    let Ok(change) = Change::arbitrary(&mut input) else { return };
    let Ok(mut config) = wasm_smith::Config::arbitrary(&mut input) else { return };
    config.min_funcs = 3;
    config.max_funcs = config.max_funcs.max(3);
    config.max_types = config.max_types.max(3);
    config.bulk_memory_enabled = true;
    config.reference_types_enabled = true;
    config.simd_enabled = true;
    config.exceptions_enabled = true;
    config.gc_enabled = true;
    config.multi_value_enabled = true;
    config.tail_call_enabled = true;
    config.custom_descriptors_enabled = false;
    config.shared_everything_threads_enabled = false;
    config.compact_imports_enabled = false;
    config.custom_page_sizes_enabled = false;
    config.wide_arithmetic_enabled = false;
    let Ok(module) = wasm_smith::Module::new(config, &mut input) else { return };
    let bytes = module.to_bytes();
    let changed = change.apply(&bytes);
    let all = matches!(change, Change::Move(_));
    for compiler in &*COMPILERS {
        compare_images(compiler, &bytes, &changed, all);
        compare_functions(compiler, &bytes, &changed, all);
    }
});
