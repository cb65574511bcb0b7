//! Random valid modules, compiled without and with optimisation, compiled as they run, with and without being left for better
//! code in the middle of loops, and run with a collection of garbage at every allocation: all must do the same.
//!
//! Each exported function is called once, with zeros. Results, traps, memory and globals are compared. The modules import
//! nothing, end by themselves (they count down), and leave no choice of NaN.

#![no_main]

use arbitrary::{Arbitrary, Unstructured};
use libfuzzer_sys::fuzz_target;
use wrun::{
    Config, Engine, Extern, ExternType, Instance, LazyOptions, MemoryStyle, Module, OptLevel,
    Store, StoreLimits, Tier, TrapCode, Val,
};

/// Blocks and calls that a module may go through before it ends itself with a trap.
const FUEL: u32 = 1000;

/// What happened in one engine: a line for each thing that can be compared.
type Observed = Vec<String>;

fn engine(level: OptLevel, style: MemoryStyle, gc_stress: bool) -> Engine {
    let mut config = Config::new();
    config.opt_level(level).memory_style(style).gc_stress(gc_stress).max_gc_heap(64 << 20);
    Engine::new(&config).expect("an engine can be made")
}

/// An engine that compiles functions when they are called, and once more when they are hot.
fn tiers(hot_after: u32, gc_stress: bool) -> Engine {
    let mut lazy = LazyOptions::default();
    lazy.first_tier = Some(Tier::Baseline);
    (lazy.hot_after, lazy.patience) = (hot_after, hot_after);
    lazy.background = false;
    lazy.ahead = false;
    let mut config = Config::new();
    config.lazy(Some(lazy)).gc_stress(gc_stress).max_gc_heap(64 << 20);
    Engine::new(&config).expect("an engine can be made")
}

/// Runs all of a module. `None` when stack or heap were exhausted: how much there is room for differs.
fn observe(engine: &Engine, bytes: &[u8]) -> Option<Observed> {
    let module = Module::new(engine, bytes)
        .unwrap_or_else(|error| panic!("a valid module is refused: {error}"));
    let mut store = Store::new(engine, ());
    store.set_limits(StoreLimits {
        memory_bytes: Some(1 << 28),
        table_elements: Some(100_000),
        ..StoreLimits::default()
    });
    let instance = match Instance::new(&mut store, &module, &[]) {
        Ok(instance) => instance,
        Err(error) if is_exhausted(&error) => return None,
        Err(error) => return Some(vec![format!("instantiation: {}", first_line(&error))]),
    };
    let mut observed = Observed::new();
    for export in module.exports() {
        let ExternType::Func(ty) = export.ty() else { continue };
        let zeros = |types: &[wrun::ValType]| {
            types.iter().map(|&ty| Val::default_for(ty)).collect::<Option<Vec<_>>>()
        };
        let Some(arguments) = zeros(ty.params()) else { continue };
        // The call replaces them; of a type without a default there is no better placeholder.
        let mut results = vec![Val::I32(0); ty.results().len()];
        let func = instance.get_func(&mut store, export.name()).expect("it is exported");
        match func.call(&mut store, &arguments, &mut results) {
            Ok(()) => observed.push(format!("{}: {}", export.name(), show(&store, &results))),
            Err(error) if is_exhausted(&error) => return None,
            Err(error) if error.trap().is_some() || error.exception().is_some() => {
                observed.push(format!("{}: {}", export.name(), first_line(&error)));
            }
            Err(error) => panic!("neither results, a trap nor an exception: {error}"),
        }
    }
    let exports: Vec<_> = instance.exports(&mut store).collect();
    for (name, export) in exports {
        match export {
            Extern::Global(global) => {
                let value = global.get(&mut store);
                observed.push(format!("{name}: {}", show(&store, &[value])))
            }
            Extern::Memory(memory) => {
                observed.push(format!("{name}: {:?}", digest(memory.data(&store))))
            }
            _ => {}
        }
    }
    Some(observed)
}

/// Whether there was no room for another frame or object.
fn is_exhausted(error: &wrun::Error) -> bool {
    let code = error.trap().map(|trap| trap.code());
    matches!(code, Some(TrapCode::StackExhausted | TrapCode::HeapExhausted))
}

/// What an error says, without the backtrace.
fn first_line(error: &wrun::Error) -> String {
    error.to_string().lines().next().unwrap_or_default().to_owned()
}

/// Values as text; of references what they are to: which object it is cannot be compared.
fn show(store: &Store<()>, values: &[Val]) -> String {
    let one = |value: &Val| match value {
        Val::AnyRef(Some(any)) => match (any.as_i31(store), any.as_array(store)) {
            (Some(integer), _) => format!("{integer:?}"),
            (None, Some(array)) => format!("array of {}", array.len(store)),
            (None, None) => format!("anyref, a struct: {}", any.as_struct(store).is_some()),
        },
        Val::FuncRef(func) => format!("funcref {}", func.is_some()),
        Val::ExnRef(value) => format!("exnref {}", value.is_some()),
        Val::ExternRef(value) => format!("externref {}", value.is_some()),
        number => format!("{number:?}"),
    };
    values.iter().map(one).collect::<Vec<_>>().join(", ")
}

/// The size of a memory, and where it is not zero.
fn digest(memory: &[u8]) -> (usize, u128) {
    (memory.len(), xxhash_rust::xxh3::xxh3_128(memory))
}

fuzz_target!(|bytes: &[u8]| {
    let mut input = Unstructured::new(bytes);
    let Ok(mut config) = wasm_smith::Config::arbitrary(&mut input) else { return };
    config.max_imports = 0;
    config.min_imports = 0;
    config.export_everything = true;
    config.canonicalize_nans = true;
    config.max_memories = 2;
    config.max_memory32_bytes = 1 << 24;
    config.bulk_memory_enabled = true;
    // With everything on, next to no function is one that is written without Cranelift.
    let everything = input.arbitrary().unwrap_or(true);
    config.reference_types_enabled = everything;
    config.simd_enabled = everything;
    config.exceptions_enabled = everything;
    config.extended_const_enabled = true;
    config.gc_enabled = everything;
    config.custom_descriptors_enabled = false;
    config.memory64_enabled = everything;
    config.max_memory64_bytes = 1 << 24;
    config.multi_value_enabled = true;
    config.relaxed_simd_enabled = false;
    config.shared_everything_threads_enabled = false;
    config.tail_call_enabled = everything;
    config.threads_enabled = false;
    config.compact_imports_enabled = false;
    config.custom_page_sizes_enabled = false;
    config.wide_arithmetic_enabled = false;
    let Ok(mut module) = wasm_smith::Module::new(config, &mut input) else { return };
    if module.ensure_termination(FUEL).is_err() {
        return;
    }
    let bytes = module.to_bytes();

    let plain = observe(&engine(OptLevel::None, MemoryStyle::Reserved, false), &bytes);
    let fast = observe(&engine(OptLevel::Speed, MemoryStyle::Reserved, false), &bytes);
    let checked = observe(&engine(OptLevel::Speed, MemoryStyle::Checked, false), &bytes);
    let moving = observe(&engine(OptLevel::Speed, MemoryStyle::Reserved, true), &bytes);
    let left = observe(&tiers(0, true), &bytes);
    let left_later = observe(&tiers(3, false), &bytes);
    let never_left = observe(&tiers(u32::MAX / 2, false), &bytes);
    for other in [fast, checked, moving, left, left_later, never_left] {
        if let (Some(plain), Some(other)) = (&plain, other) {
            assert_eq!(plain, &other);
        }
    }
});
