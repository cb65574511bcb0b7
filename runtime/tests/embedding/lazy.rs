//! Functions that are compiled when they are called.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use wrun_runtime::{
    Caller, Config, Engine, ErrorKind, Func, Instance, LazyOptions, Linker, Module, Store, Tier,
    TrapCode, Val,
};

/// An engine that compiles only what is called.
fn engine() -> Engine {
    let mut options = LazyOptions::default();
    options.first_tier = Some(Tier::Baseline);
    options.ahead = false;
    Engine::new(Config::new().lazy(Some(options))).unwrap()
}

fn instance(module: &Module) -> (Store<()>, Instance) {
    let mut store = Store::new(module.engine(), ());
    let instance = Instance::new(&mut store, module, &[]).expect("instantiates");
    (store, instance)
}

/// Which functions have been compiled and called.
fn compiled(module: &Module) -> Vec<u32> {
    let mut positions: Vec<u32> =
        module.compiled_functions().into_iter().map(|func| func.0).collect();
    positions.sort_unstable();
    positions
}

#[test]
fn only_what_is_called_is_compiled() {
    let text = r#"(module
        (func $a (export "a") (param i32) (result i32)
            (if (result i32) (local.get 0) (then (call $b)) (else (call $c))))
        (func $b (result i32) (i32.const 1))
        (func $c (result i32) (call $d))
        (func $d (result i32) (i32.const 2)))"#;
    let module = Module::new(&engine(), text).unwrap();
    let (mut store, instance) = instance(&module);
    assert_eq!(compiled(&module), []);
    let a = instance.get_typed_func::<i32, i32>(&store, "a").unwrap();
    assert_eq!(a.call(&mut store, 1).unwrap(), 1);
    assert_eq!(compiled(&module), [0, 1]);
    assert_eq!(a.call(&mut store, 0).unwrap(), 2);
    assert_eq!(a.call(&mut store, 1).unwrap(), 1);
    assert_eq!(compiled(&module), [0, 1, 2, 3]);
}

#[test]
fn what_was_compiled_is_what_the_compiler_made() {
    let text = r#"(module (func $a (export "a") (call $b)) (func $b))"#;
    let module = Module::new(&engine(), text).unwrap();
    let (mut store, instance) = instance(&module);
    instance.get_typed_func::<(), ()>(&store, "a").unwrap().call(&mut store, ()).unwrap();
    let funcs = module.compiled_functions();
    assert_eq!(module.num_compiled_functions(), funcs.len(), "none is optimised");
    assert!(funcs.iter().all(|(_, tier, func)| *tier == Tier::Baseline && !func.code.is_empty()));
    let calls: Vec<_> = funcs.iter().flat_map(|func| &func.2.calls).collect();
    assert_eq!(calls.iter().map(|call| call.callee).collect::<Vec<_>>(), [1]);
}

#[test]
fn a_call_that_compiles_keeps_arguments_in_registers_and_on_the_stack() {
    let params = "i32 i64 f32 f64 v128 ".repeat(5);
    let mut sum = String::new();
    for group in 0..5_u32 {
        let at = group * 5;
        sum += &format!(
            "(i64.add (i64.extend_i32_u (local.get {at}))) (i64.add (local.get {}))
             (i64.add (i64.trunc_f32_u (local.get {}))) (i64.add (i64.trunc_f64_u (local.get {})))
             (i64.add (i64x2.extract_lane 1 (local.get {})))",
            at + 1,
            at + 2,
            at + 3,
            at + 4
        );
    }
    let values: String = (0..5)
        .map(|n| {
            format!(
                "(i32.const {n}) (i64.const {n}0) (f32.const {n}00) (f64.const {n}000)
                 (v128.const i64x2 7 {n}0000) "
            )
        })
        .collect();
    // One with the native convention, one with the internal one, through the table and directly; two results.
    let text = format!(
        r#"(module
            (type $t (func (param {params}) (result i64 i32)))
            (table 1 funcref) (elem (i32.const 0) $native)
            (func $native (type $t) (i64.const 0) {sum} (i32.const 1))
            (func $internal (type $t) (i64.const 0) {sum} (i32.const 2))
            (func (export "native") (result i64 i32) {values} (call_indirect (type $t) (i32.const 0)))
            (func (export "internal") (result i64 i32) {values} (call $internal))
            (func (export "tail") (result i64 i32) {values} (return_call $internal)))"#
    );
    let expected = (1..5).map(|n| n * 11_111).sum::<i64>();
    for (name, last) in [("native", 1), ("internal", 2), ("tail", 2)] {
        let module = Module::new(&engine(), &text).unwrap();
        let (mut store, instance) = instance(&module);
        let run = instance.get_typed_func::<(), (i64, i32)>(&store, name).unwrap();
        for _ in 0..2 {
            assert_eq!(run.call(&mut store, ()).unwrap(), (expected, last), "{name}");
        }
    }
}

#[test]
fn references_are_the_same_before_and_after() {
    let text = r#"(module
        (func $f (export "f") (result i32) (i32.const 7))
        (elem declare func $f)
        (global $g (export "g") (mut funcref) (ref.func $f))
        (table (export "t") 2 funcref)
        (func (export "run") (result i32)
            (table.set (i32.const 0) (global.get $g))
            (drop (call $f))
            (table.set (i32.const 1) (ref.func $f))
            (i32.add (call_indirect (result i32) (i32.const 0)) (call_indirect (result i32) (i32.const 1)))))"#;
    let module = Module::new(&engine(), text).unwrap();
    let (mut store, instance) = instance(&module);
    let run = instance.get_typed_func::<(), i32>(&store, "run").unwrap();
    assert_eq!(run.call(&mut store, ()).unwrap(), 14);
}

#[test]
fn traps_say_where_they_happened() {
    let text = r#"(module $m
        (memory 1)
        (func $inner (param i32) (result i32) (i32.load (local.get 0)))
        (func $middle (param i32) (result i32) (i32.add (call $inner (local.get 0)) (i32.const 1)))
        (func (export "run") (param i32) (result i32) (call $middle (local.get 0))))"#;
    let lazy = Module::new(&engine(), text).unwrap();
    let eager = Module::new(&Engine::default(), text).unwrap();
    let traces = [lazy, eager].map(|module| {
        let (mut store, instance) = instance(&module);
        let run = instance.get_typed_func::<i32, i32>(&store, "run").unwrap();
        let error = run.call(&mut store, -4).unwrap_err();
        let ErrorKind::Trap(trap) = error.kind() else { panic!("{error}") };
        assert_eq!(trap.code(), TrapCode::MemoryOutOfBounds);
        let frames = trap.backtrace().frames();
        assert_eq!(frames.len(), 3);
        frames.iter().map(|frame| (frame.func_index(), frame.module_offset())).collect::<Vec<_>>()
    });
    assert_eq!(traces[0], traces[1]);
}

#[test]
fn the_stack_ends_in_a_trap_wherever_it_ends() {
    // The first function to be called with little stack left is compiled then, or the stack ends in its stub.
    let text = r#"(module
        (func $down (export "down") (param i32)
            (if (local.get 0) (then (call $down (i32.sub (local.get 0) (i32.const 1))))
                (else (call $last))))
        (func $last (call $other (i32.const 0)))
        (func $other (param i32) (if (local.get 0) (then (call $last)))))"#;
    let mut deepest = 0;
    for depth in (0..400).map(|step| step * 1000) {
        let module = Module::new(&engine(), text).unwrap();
        let (mut store, instance) = instance(&module);
        let down = instance.get_typed_func::<i32, ()>(&store, "down").unwrap();
        match down.call(&mut store, depth) {
            Ok(()) => deepest = depth,
            Err(error) => {
                let ErrorKind::Trap(trap) = error.kind() else { panic!("{error}") };
                assert_eq!(trap.code(), TrapCode::StackExhausted);
            }
        }
    }
    assert!(deepest > 0);
}

#[test]
fn the_host_is_called_and_calls_back() {
    let text = r#"(module
        (import "host" "call" (func $call (param i32) (result i32)))
        (func (export "down") (param i32) (result i32)
            (if (result i32) (local.get 0) (then (call $call (local.get 0))) (else (call $leaf))))
        (func $leaf (result i32) (i32.const 100)))"#;
    let engine = engine();
    let module = Module::new(&engine, text).unwrap();
    let mut linker = Linker::new(&engine);
    linker
        .func_wrap("host", "call", |mut caller: Caller<'_, ()>, depth: i32| {
            let down = caller.get_export("down").and_then(|item| item.into_func()).unwrap();
            let down = down.typed::<i32, i32>(&caller)?;
            Ok::<_, wrun_runtime::Error>(down.call(&mut caller, depth - 1)? + 1)
        })
        .unwrap();
    let mut store = Store::new(&engine, ());
    let instance = linker.instantiate(&mut store, &module).unwrap();
    let down = instance.get_typed_func::<i32, i32>(&store, "down").unwrap();
    assert_eq!(down.call(&mut store, 20).unwrap(), 120);
}

#[test]
fn the_systems_unwinder_knows_the_code() {
    let text = r#"(module
        (import "host" "look" (func $look))
        (func $inner (call $look))
        (func (export "run") (call $inner)))"#;
    let counts = [engine(), Engine::default()].map(|engine| {
        let module = Module::new(&engine, text).unwrap();
        let count = Arc::new(AtomicUsize::new(0));
        let counted = count.clone();
        let mut linker = Linker::new(&engine);
        linker
            .func_wrap("host", "look", move || {
                backtrace::trace(|_| {
                    counted.fetch_add(1, Ordering::Relaxed);
                    true
                });
            })
            .unwrap();
        let mut store = Store::new(&engine, ());
        let instance = linker.instantiate(&mut store, &module).unwrap();
        let run = instance.get_typed_func::<(), ()>(&store, "run").unwrap();
        // The first call of a function comes from the runtime, later ones from its caller.
        run.call(&mut store, ()).unwrap();
        count.store(0, Ordering::Relaxed);
        run.call(&mut store, ()).unwrap();
        count.load(Ordering::Relaxed)
    });
    assert_eq!(counts[0], counts[1]);
}

#[test]
fn objects_survive_collections_in_frames_of_lazy_code() {
    let text = r#"(module
        (type $node (struct (field i32) (field (ref null $node))))
        (func $make (param i32) (result (ref null $node))
            (if (result (ref null $node)) (local.get 0)
                (then (struct.new $node (local.get 0) (call $make (i32.sub (local.get 0) (i32.const 1)))))
                (else (ref.null $node))))
        (func $sum (param (ref null $node)) (result i32)
            (if (result i32) (ref.is_null (local.get 0)) (then (i32.const 0))
                (else (i32.add (struct.get $node 0 (local.get 0)) (call $sum (struct.get $node 1 (local.get 0)))))))
        (func (export "run") (param i32) (result i32)
            (local $kept (ref null $node))
            (local.set $kept (call $make (local.get 0)))
            (drop (call $make (local.get 0)))
            (call $sum (local.get $kept))))"#;
    let mut options = LazyOptions::default();
    options.hot_after = 10;
    let engine = Engine::new(Config::new().lazy(Some(options)).gc_stress(true)).unwrap();
    let module = Module::new(&engine, text).unwrap();
    let (mut store, instance) = instance(&module);
    let run = instance.get_typed_func::<i32, i32>(&store, "run").unwrap();
    for _ in 0..3 {
        assert_eq!(run.call(&mut store, 50).unwrap(), 1275);
    }
}

#[test]
fn threads_race_for_the_same_functions() {
    let funcs: String = (1..200)
        .map(|n| format!("(func $f{n} (result i32) (i32.add (call $f{}) (i32.const {n})))", n - 1))
        .collect();
    let text = format!(
        r#"(module (func $f0 (result i32) (i32.const 0)) {funcs}
            (func (export "run") (result i32) (call $f199)))"#
    );
    for ahead in [false, true] {
        let mut options = LazyOptions::default();
        (options.ahead, options.hot_after) = (ahead, 2);
        let engine = Engine::new(Config::new().lazy(Some(options))).unwrap();
        let module = Module::new(&engine, &text).unwrap();
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let (mut store, instance) = instance(&module);
                    let run = instance.get_typed_func::<(), i32>(&store, "run").unwrap();
                    for _ in 0..20 {
                        assert_eq!(run.call(&mut store, ()).unwrap(), 19_900);
                    }
                });
            }
        });
        assert_eq!(compiled(&module).len(), 201);
    }
}

/// Code is optimised in the background while threads make instances, call by reference in them, and drop them again.
#[test]
fn instances_come_and_go_while_references_change() {
    let func = |n: u32| {
        format!(
            "(func $f{n} (type $t) (local $i i32) (local.set $i (i32.const 3))
                (loop $a (br_if $a (local.tee $i (i32.sub (local.get $i) (i32.const 1)))))
                (i32.add (local.get 0) (i32.const {n})))"
        )
    };
    let funcs: String = (0..50).map(func).collect();
    let names: String = (0..50).map(|n| format!(" $f{n}")).collect();
    let text = format!(
        r#"(module (type $t (func (param i32) (result i32)))
            (table 50 50 funcref) (elem (i32.const 0){names}) {funcs}
            (func (export "run") (result i32) (local $n i32) (local $sum i32)
                (loop $again
                    (local.set $sum (call_indirect (type $t) (local.get $sum) (local.get $n)))
                    (local.set $n (i32.add (local.get $n) (i32.const 1)))
                    (br_if $again (i32.lt_u (local.get $n) (i32.const 50))))
                (local.get $sum)))"#
    );
    let mut options = LazyOptions::default();
    (options.first_tier, options.hot_after) = (Some(Tier::Baseline), 500);
    let engine = Engine::new(Config::new().lazy(Some(options))).unwrap();
    for _ in 0..3 {
        let module = Module::new(&engine, &text).unwrap();
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..100 {
                        let (mut store, instance) = instance(&module);
                        let run = instance.get_typed_func::<(), i32>(&store, "run").unwrap();
                        for _ in 0..10 {
                            assert_eq!(run.call(&mut store, ()).unwrap(), 49 * 25);
                        }
                    }
                });
            }
        });
        // A busy machine may not have come to it yet.
        let is_optimised =
            || module.compiled_functions().iter().any(|func| func.1 == Tier::Optimised);
        let late = Instant::now() + Duration::from_secs(60);
        while !is_optimised() {
            assert!(Instant::now() < late, "nothing was optimised");
            thread::sleep(Duration::from_millis(1));
        }
    }
}

#[test]
fn a_thread_with_a_small_stack_compiles_too() {
    let body = "(i32.add (i32.const 1))".repeat(20_000);
    let text =
        format!(r#"(module (func (export "run") (param i32) (result i32) (local.get 0) {body}))"#);
    let module = Module::new(&engine(), text).unwrap();
    let run = move || {
        let (mut store, instance) = instance(&module);
        let run = instance.get_typed_func::<i32, i32>(&store, "run").unwrap();
        run.call(&mut store, 5).unwrap()
    };
    let thread = thread::Builder::new().stack_size(64 << 10).spawn(run).unwrap();
    assert_eq!(thread.join().unwrap(), 20_005);
}

#[test]
fn functions_are_compiled_for_other_instances_too() {
    let exporter = r#"(module (func (export "f") (param i32) (result i32) (i32.mul (local.get 0) (i32.const 3))))"#;
    let importer = r#"(module (import "e" "f" (func $f (param i32) (result i32)))
        (func (export "run") (param i32) (result i32) (call $f (call $f (local.get 0)))))"#;
    let engine = engine();
    let (exporter, importer) =
        (Module::new(&engine, exporter).unwrap(), Module::new(&engine, importer).unwrap());
    let mut store = Store::new(&engine, ());
    let first = Instance::new(&mut store, &exporter, &[]).unwrap();
    let f = first.get_export(&mut store, "f").unwrap();
    let second = Instance::new(&mut store, &importer, &[f]).unwrap();
    let run = second.get_typed_func::<i32, i32>(&store, "run").unwrap();
    assert_eq!(run.call(&mut store, 5).unwrap(), 45);
}

#[test]
fn dynamic_calls_and_start_functions_work() {
    let text = r#"(module
        (global $n (mut i32) (i32.const 0))
        (func $start (global.set $n (i32.const 5))) (start $start)
        (func (export "get") (param i64) (result i32 i64) (global.get $n) (local.get 0)))"#;
    let module = Module::new(&engine(), text).unwrap();
    let (mut store, instance) = instance(&module);
    let get: Func = instance.get_func(&mut store, "get").unwrap();
    let mut results = [Val::I32(0), Val::I64(0)];
    get.call(&mut store, &[Val::I64(9)], &mut results).unwrap();
    assert!(matches!(results, [Val::I32(5), Val::I64(9)]), "{results:?}");
}

#[test]
fn an_image_of_a_lazy_module_is_complete() {
    let text = r#"(module (func (export "a") (result i32) (call $b)) (func $b (result i32) (i32.const 3)))"#;
    let module = Module::new(&engine(), text).unwrap();
    let (mut store, instance) = instance(&module);
    instance.get_typed_func::<(), i32>(&store, "a").unwrap().call(&mut store, ()).unwrap();
    let eager = Module::new(&Engine::default(), text).unwrap().serialize().unwrap();
    assert_eq!(module.serialize().unwrap(), eager);
}

#[test]
fn a_module_is_validated_as_a_whole() {
    let text = r#"(module (func (export "good")) (func $never (result i32) (i64.const 0)))"#;
    let error = Module::new(&engine(), text).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Parse(_)), "{error}");
}

#[test]
fn what_is_only_compiled_ahead_does_not_count_as_called() {
    let mut options = LazyOptions::default();
    options.ahead = true;
    let engine = Engine::new(Config::new().lazy(Some(options))).unwrap();
    let text = r#"(module
        (func (export "run") (param i32) (result i32)
            (if (result i32) (local.get 0) (then (call $a)) (else (call $b))))
        (func $a (result i32) (i32.const 1)) (func $b (result i32) (i32.const 2)))"#;
    let module = Module::new(&engine, text).unwrap();
    let (mut store, instance) = instance(&module);
    let run = instance.get_typed_func::<i32, i32>(&store, "run").unwrap();
    assert_eq!(run.call(&mut store, 1).unwrap(), 1);
    thread::sleep(std::time::Duration::from_millis(20));
    assert_eq!(compiled(&module), [0, 1]);
    assert_eq!(run.call(&mut store, 0).unwrap(), 2);
    assert_eq!(compiled(&module), [0, 1, 2]);
}

#[test]
fn a_panic_of_the_host_passes_through() {
    let text = r#"(module (import "host" "panic" (func $panic)) (func (export "run") (call $f)) (func $f (call $panic)))"#;
    let engine = engine();
    let module = Module::new(&engine, text).unwrap();
    let seen = Arc::new(Mutex::new(0));
    let mut linker = Linker::new(&engine);
    let count = seen.clone();
    linker
        .func_wrap("host", "panic", move || {
            *count.lock().unwrap() += 1;
            if true {
                std::panic::resume_unwind(Box::new("as planned"));
            }
        })
        .unwrap();
    let mut store = Store::new(&engine, ());
    let instance = linker.instantiate(&mut store, &module).unwrap();
    let run = instance.get_typed_func::<(), ()>(&store, "run").unwrap();
    let outcome =
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| run.call(&mut store, ())));
    assert_eq!(*outcome.unwrap_err().downcast_ref::<&str>().unwrap(), "as planned");
    assert_eq!(*seen.lock().unwrap(), 1);
}
