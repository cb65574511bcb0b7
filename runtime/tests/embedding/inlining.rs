//! Functions that are inlined do what they do when they are called, and are in backtraces. Each program runs optimised without
//! inlining, which says what is right, then with it: compiled beforehand, and compiled as it runs, where it is gone over to
//! in loops too.

use wrun_runtime::{
    Config, Engine, Instance, LazyOptions, Module, OptLevel, Store, Tier, Val, WasmBacktrace,
};

/// What all programs begin with. Functions are inlined when they begin by looking at the first global, and call nothing.
const HEAD: &str = r#"
    (memory 1) (tag $tag) (type $struct (struct (field i32)))
    (global $sp (mut i32) (i32.const 1024))
    (func $load (param i32) (result i32)
        (i32.load offset=4 (i32.sub (global.get $sp) (local.get 0))))
    (func $store (param i32 i32)
        (i32.store offset=4 (i32.sub (global.get $sp) (local.get 0)) (local.get 1)))
    (func $divide (param i32) (result i32)
        (global.get $sp)
        (if (i32.gt_s (local.get 0) (i32.const 90)) (then (i32.store (i32.const -4) (i32.const 0))))
        (i32.div_u (i32.const 1000) (local.get 0))
        i32.add)
    (func $count (param i32) (result i32) (local i32 i32)
        (global.get $sp) drop
        (loop
            (local.set 1 (i32.add (local.get 1) (i32.const 3)))
            (br_if 0 (i32.lt_u (local.tee 2 (i32.add (local.get 2) (i32.const 1))) (local.get 0))))
        (local.get 1))
    (func $two (param i32) (result i32 i64)
        (i32.add (global.get $sp) (local.get 0)) (i64.extend_i32_u (local.get 0)))
    (func $three (export "three") (param i32) (result i32 i64 v128)
        (i32.add (global.get $sp) (local.get 0)) (i64.extend_i32_u (local.get 0))
        (i32x4.splat (local.get 0)))
    (func $reference (param anyref) (result i32)
        (i32.add (global.get $sp) (ref.is_null (local.get 0))))"#;

/// What became of calling `f`: results, or the trap with the frames.
fn call(engine: &Engine, text: &str, argument: i32) -> String {
    let module = Module::new(engine, text).expect("a module");
    let mut store = Store::new(engine, ());
    let instance = Instance::new(&mut store, &module, &[]).expect("an instance");
    let f = instance.get_func(&mut store, "f").expect("an export");
    let mut results = vec![Val::I32(0); f.ty(&store).results().len()];
    match f.call(&mut store, &[Val::I32(argument)], &mut results) {
        Ok(()) => format!("{results:?}"),
        Err(error) => {
            let trap = error.trap().expect("a trap").code();
            let frames = error.backtrace().map_or(&[][..], WasmBacktrace::frames);
            let frames = frames.iter().map(|frame| (frame.func_index(), frame.module_offset()));
            format!("{trap:?} in {:?}", frames.collect::<Vec<_>>())
        }
    }
}

fn config(level: OptLevel) -> Config {
    let mut config = Config::new();
    config.opt_level(level).gc_stress(true);
    config
}

/// Engines that compile functions when they are called, first without and then, when they are hot, with optimisation.
fn lazy_engines() -> Vec<Engine> {
    let engine = |limit| {
        let mut options = LazyOptions::default();
        options.first_tier = Some(Tier::Baseline);
        options.hot_after = limit;
        options.background = false;
        options.ahead = false;
        Engine::new(config(OptLevel::Speed).lazy(Some(options))).expect("an engine")
    };
    [0, 5, 30, u32::MAX].map(engine).into()
}

/// Checks that a program does the same with inlining as without, for all these arguments. Gives what it does.
#[track_caller]
fn check(funcs: &str, arguments: &[i32]) -> Vec<String> {
    let text = format!("(module {HEAD} {funcs})");
    let engine = |level| Engine::new(&config(level)).expect("an engine");
    let without = engine(OptLevel::SpeedAndSize);
    let with: Vec<_> = [OptLevel::Speed, OptLevel::Fast].map(engine).into();
    let with: Vec<_> = with.into_iter().chain(lazy_engines()).collect();
    let one = |&argument: &i32| {
        let expected = call(&without, &text, argument);
        for (index, engine) in with.iter().enumerate() {
            assert_eq!(call(engine, &text, argument), expected, "engine {index}, {argument}");
        }
        expected
    };
    arguments.iter().map(one).collect()
}

#[test]
fn traps_are_where_they_would_be() {
    let text = r#"(func (export "f") (param i32) (result i32)
        (i32.add (i32.load (i32.const 8)) (i32.sub
            (call $load (i32.const 0))
            (i32.add (call $divide (local.get 0)) (i32.load (call $load (i32.mul (local.get 0) (i32.const 99))))))))"#;
    let did = check(text, &[1, 0, 91, -1, 12]);
    // The first function that calls is the ninth; what it calls is the innermost frame.
    for (index, expected) in [
        (1, "IntegerDivideByZero in [(2, "),
        (2, "MemoryOutOfBounds in [(2, "),
        (4, "MemoryOutOfBounds in [(0, "),
    ] {
        assert!(did[index].starts_with(expected) && did[index].contains("), (7, "), "{did:?}");
    }
    assert!(did[0].starts_with("[I32("), "{did:?}");
}

#[test]
fn loops_are_inlined_into_loops_with_fresh_locals() {
    let text = r#"(func (export "f") (param i32) (result i32) (local i32)
        (loop
            (call $store (local.get 0) (local.get 1))
            (local.set 1 (i32.add (i32.mul (local.get 1) (i32.const 5)) (call $count (local.get 0))))
            (local.set 1 (i32.xor (call $load (local.get 0)) (local.get 1)))
            (br_if 0 (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))
        (local.get 1))"#;
    let did = check(text, &[1, 10, 100]);
    let expected = |mut n: u32| {
        let mut sum = 0_u32;
        while n > 0 {
            sum ^= sum.wrapping_mul(5).wrapping_add(3 * n);
            n -= 1;
        }
        format!("[I32({})]", sum as i32)
    };
    assert_eq!(did, [1, 10, 100].map(expected));
}

#[test]
fn several_results_come_back_in_both_conventions() {
    let text = r#"(func (export "f") (param i32) (result i32 i64 i32 i64 v128)
        (call $two (local.get 0)) (call $three (i32.add (local.get 0) (i32.const 1))))"#;
    let did = check(text, &[5]);
    assert_eq!(
        did[0].replace(' ', "").split("V128").next(),
        Some("[I32(1029),I64(5),I32(1030),I64(6),")
    );
}

#[test]
fn a_trap_is_no_exception() {
    let text = r#"(func (export "f") (param i32) (result i32) (local i32)
        (loop
            (block (try_table (catch_all 0) (local.set 1 (call $divide (local.get 0))) (throw $tag)))
            (local.set 1 (i32.add (local.get 1) (call $divide (local.get 0))))
            (br_if 0 (i32.ge_s (local.tee 0 (i32.sub (local.get 0) (i32.const 1))) (i32.const 0))))
        (local.get 1))"#;
    let did = check(text, &[0, 10, 95]);
    assert!(did[1].starts_with("IntegerDivideByZero in [(2, "), "{did:?}");
    assert!(did[2].starts_with("MemoryOutOfBounds in [(2, "), "{did:?}");
}

#[test]
fn references_live_on_over_inlined_code_and_collections() {
    let text = r#"(func (export "f") (param i32) (result i32) (local (ref null $struct) i32)
        (loop
            (local.set 1 (struct.new $struct (local.get 0)))
            (local.set 2 (i32.add (local.get 2) (call $reference (local.get 1))))
            (drop (struct.new $struct (i32.const -1)))
            (local.set 2 (i32.add (local.get 2) (struct.get $struct 0 (local.get 1))))
            (br_if 0 (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))
        (i32.add (local.get 2) (call $reference (ref.null any))))"#;
    assert_eq!(check(text, &[10]), [format!("[I32({})]", 11 * 1024 + 55 + 1)]);
}

#[test]
fn recursions_end_in_inlined_code() {
    let text = r#"(func $f (export "f") (param i32) (result i32)
        (if (i32.eqz (local.get 0)) (then (return (call $divide (local.get 0)))))
        (i32.add (call $divide (local.get 0)) (call $f (i32.sub (local.get 0) (i32.const 1)))))"#;
    let did = check(text, &[7]);
    assert!(did[0].starts_with("IntegerDivideByZero in [(2, "), "{did:?}");
    assert_eq!(did[0].matches("(7, ").count(), 8, "{did:?}");
}

#[test]
fn code_for_the_rest_of_a_loop_has_functions_inlined() {
    let text = r#"(func (export "f") (param i32) (result i32) (local i32)
        (loop
            (local.set 1 (i32.add (local.get 1) (call $divide (local.get 0))))
            (local.set 0 (i32.sub (local.get 0) (i32.const 1)))
            (br 0))
        (unreachable))"#;
    let did = check(text, &[50]);
    assert!(did[0].starts_with("IntegerDivideByZero in [(2, "), "{did:?}");
    // So that these are tests of anything: three entries for one place.
    let text = format!("(module {HEAD} {text})");
    let inlined = lazy_engines().into_iter().map(|engine| {
        let module = Module::new(&engine, &text).expect("a module");
        let mut store = Store::new(&engine, ());
        let instance = Instance::new(&mut store, &module, &[]).expect("an instance");
        let f = instance.get_typed_func::<i32, i32>(&store, "f").expect("an export");
        f.call(&mut store, 50).expect_err("a trap");
        let caller = module.compiled_functions().into_iter().find(|func| func.0 == 7);
        let addresses = &caller.expect("it was called").2.addresses;
        addresses.windows(3).any(|place| place[0].0 == place[1].0 && place[1].0 == place[2].0)
    });
    assert_eq!(inlined.collect::<Vec<_>>(), [true, true, true, false]);
}
