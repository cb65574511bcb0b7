//! What a handler is left with: its values, the stack and the heap, whatever the functions in between have done with them.

use wrun_runtime::{Caller, Config, Engine, ExternRef, Linker, Module, OptLevel, Store, TrapCode};

use crate::{
    exceptions::{call, link_all},
    instantiate,
};

#[test]
fn an_exception_passes_frames_of_both_conventions() {
    let text = r#"(module
        (tag $e (param i64))
        ;; Internal.
        (func $deep (param i64)
            (if (i64.eqz (local.get 0)) (then (throw $e (i64.const 7))))
            (call $deep (i64.sub (local.get 0) (i64.const 1))))
        ;; Native, as they escape.
        (func $native (export "native") (param i64)
            (if (i64.eqz (local.get 0)) (then (throw $e (i64.const 8))))
            (call $native (i64.sub (local.get 0) (i64.const 1))))
        (func (export "through internal") (param i64) (result i64)
            (block $h (result i64)
                (try_table (catch $e $h) (call $deep (local.get 0)))
                (i64.const -1)))
        (func (export "through native") (param i64) (result i64)
            (block $h (result i64)
                (try_table (catch $e $h) (call $native (local.get 0)))
                (i64.const -1))))"#;
    let engine = Engine::new(Config::new().max_stack(64 << 20)).unwrap();
    let (mut store, instances) = link_all(&engine, &[("", text)]);
    for depth in [0, 1, 100, 100_000] {
        assert_eq!(call(&mut store, instances[0], "through internal", depth), 7);
        assert_eq!(call(&mut store, instances[0], "through native", depth), 8);
    }
}

/// A function that keeps many values over a call in a `try_table`, and a callee that uses every register there is before it
/// throws. `$callee` is what is called, `$through` what lies in between.
fn with_busy_registers(through: &str) -> String {
    let locals = 14;
    let spread = |ty: &str| -> String {
        let get = |local| format!("({ty}.add (local.get $x) ({ty}.const {local}))");
        (0..locals).map(|local| format!("(local.set ${ty}{local} {})", get(local))).collect()
    };
    let sum = |ty: &str| -> String {
        (0..locals).fold(format!("({ty}.const 0)"), |sum, local| {
            format!(
                "({ty}.add {sum} ({ty}.mul (local.get ${ty}{local}) ({ty}.const {})))",
                local + 3
            )
        })
    };
    let declare: String = (0..locals)
        .map(|local| format!("(local $i64{local} i64) (local $f64{local} f64)"))
        .collect();
    let floats = spread("f64").replace("(local.get $x)", "(f64.convert_i64_s (local.get $x))");
    format!(
        r#"(module
            (tag $e (param i64))
            (func $throw (param i64) (throw $e (local.get 0)))
            (func $busy (param $x i64) (result i64) {declare}
                {ints} {floats}
                (call $throw (i64.add {int_sum} (i64.trunc_sat_f64_s {float_sum})))
                (i64.add {int_sum} (i64.trunc_sat_f64_s {float_sum})))
            {through}
            (func (export "run") (param $x i64) (result i64) {declare} (local $caught i64)
                {ints} {floats}
                (block $h (result i64)
                    (try_table (catch $e $h) (drop (call $callee (i64.const 1000))))
                    (unreachable))
                (local.set $caught)
                (i64.sub
                    (i64.add {int_sum} (i64.trunc_sat_f64_s {float_sum}))
                    (local.get $caught)))
            (func (export "expected") (param $x i64) (result i64) {declare} (local $first i64)
                {ints} {floats}
                (local.set $first (i64.add {int_sum} (i64.trunc_sat_f64_s {float_sum})))
                (local.set $x (i64.const 1000))
                {ints} {floats}
                (i64.sub
                    (local.get $first)
                    (i64.add {int_sum} (i64.trunc_sat_f64_s {float_sum})))))"#,
        ints = spread("i64"),
        int_sum = sum("i64"),
        float_sum = sum("f64"),
    )
}

#[test]
fn a_handler_finds_its_values_whatever_registers_the_callee_has_used() {
    let through = [
        "(func $callee (param i64) (result i64) (call $busy (local.get 0)))",
        r#"(func $callee (export "native") (param i64) (result i64) (call $busy (local.get 0)))"#,
        r#"(func $callee (export "tail") (param i64) (result i64) (return_call $busy (local.get 0)))"#,
        r#"(table funcref (elem $busy))
           (func $callee (param i64) (result i64)
                (call_indirect (param i64) (result i64) (local.get 0) (i32.const 0)))"#,
    ];
    for opt_level in [OptLevel::None, OptLevel::Fast, OptLevel::Speed] {
        let engine = Engine::new(Config::new().opt_level(opt_level)).unwrap();
        for through in through {
            let (mut store, instances) = link_all(&engine, &[("", &with_busy_registers(through))]);
            for x in [0, 1, -77] {
                let expected = call(&mut store, instances[0], "expected", x);
                let found = call(&mut store, instances[0], "run", x);
                assert_eq!(found, expected, "{opt_level:?}, {through}");
            }
        }
    }
}

#[test]
fn arguments_and_results_of_calls_with_handlers_are_those_of_calls_without() {
    // More than there are registers, of every kind, and through both conventions.
    let params = "(param i64 i64 i64 i64 i64 i64 i64 i64 i64) (param f64 f64 f64 f64 f64 f64 f64 f64 f64 f64)
        (param v128 i32 f32)";
    let arguments: String = (0..9)
        .map(|index| format!("(i64.const {})", 1 << index))
        .chain((0..10).map(|index| format!("(f64.const {})", 1 << (index + 9))))
        .collect();
    let arguments = format!(
        "{arguments} (v128.const i64x2 524288 1048576) (i32.const 2097152) (f32.const 4194304)"
    );
    let sum = format!(
        "(i64.add (i64.add {} {}) (i64.add (i64.add (i64x2.extract_lane 0 (local.get 19))
            (i64x2.extract_lane 1 (local.get 19)))
            (i64.add (i64.extend_i32_u (local.get 20)) (i64.trunc_f32_u (local.get 21)))))",
        (1..9).fold("(local.get 0)".to_owned(), |sum, local| {
            format!("(i64.add {sum} (local.get {local}))")
        }),
        (9..19).fold("(i64.const 0)".to_owned(), |sum, local| {
            format!("(i64.add {sum} (i64.trunc_f64_u (local.get {local})))")
        }),
    );
    let (mut store, instance) = instantiate(&format!(
        r#"(module
            (tag $e)
            (func $internal {params} (result i64 f64 i32) {sum} (f64.const 0.5) (i32.const 3))
            (func $native (export "native") {params} (result i64 f64 i32)
                {sum} (f64.const 0.5) (i32.const 3))
            (func $one (export "one") (param f64) (result f64) (local.get 0))
            (func $vector (export "vector") (param v128) (result v128) (local.get 0))
            (func (export "run") (param i64) (result i64)
                (local $n i64) (local $x f64) (local $i i32)
                (block $h
                    (try_table (catch $e $h)
                        (loop $again
                            (call $internal {arguments})
                            (local.set $i) (local.set $x) (local.set $n)
                            (if (i64.ne (local.get $n) (i64.const 0x7fffff)) (then (return (i64.const 1))))
                            (call $native {arguments})
                            (local.set $i) (local.set $x) (local.set $n)
                            (if (i64.ne (local.get $n) (i64.const 0x7fffff)) (then (return (i64.const 2))))
                            (if (f64.ne (local.get $x) (f64.const 0.5)) (then (return (i64.const 3))))
                            (if (i32.ne (local.get $i) (i32.const 3)) (then (return (i64.const 4))))
                            (if (f64.ne (call $one (f64.const 1.5)) (f64.const 1.5))
                                (then (return (i64.const 5))))
                            (if (i64.ne (i64x2.extract_lane 1
                                    (call $vector (v128.const i64x2 1 2))) (i64.const 2))
                                (then (return (i64.const 6))))
                            (local.set 0 (i64.sub (local.get 0) (i64.const 1)))
                            (br_if $again (i64.gt_s (local.get 0) (i64.const 0))))))
                (i64.const 0)))"#
    ));
    assert_eq!(call(&mut store, instance, "run", 1000), 0);
}

#[test]
fn throwing_and_catching_in_a_loop_leaks_neither_stack_nor_heap() {
    // The callee takes arguments on the stack, and in one convention takes them off it, too.
    let params = "(param i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64)";
    let zeros = "(i64.const 0)".repeat(11);
    let text = format!(
        r#"(module
            (tag $e (param i64 v128))
            (func $internal {params} (throw $e (local.get 10) (v128.const i64x2 1 2)))
            (func $native (export "native") {params} (throw $e (local.get 9) (v128.const i64x2 1 2)))
            (func (export "run") (param $n i64) (result i64)
                (local $caught i64)
                (loop $again
                    (block $h (result i64 v128 exnref)
                        (try_table (catch_ref $e $h)
                            (call $internal {zeros})
                            (unreachable))
                        (unreachable))
                    drop drop drop
                    (block $h (result i64 v128)
                        (try_table (catch $e $h)
                            (call $native {zeros})
                            (unreachable))
                        (unreachable))
                    drop drop
                    (local.set $caught (i64.add (local.get $caught) (i64.const 2)))
                    (br_if $again (i64.lt_u (local.get $caught) (local.get $n))))
                (local.get $caught)))"#
    );
    let engine = Engine::new(Config::new().max_stack(256 << 10).max_gc_heap(4 << 20)).unwrap();
    let (mut store, instances) = link_all(&engine, &[("", &text)]);
    // Either would be used up long before; an engine without optimisation takes seconds for more.
    let throws = if cfg!(debug_assertions) { 1_000_000 } else { 10_000_000 };
    assert_eq!(call(&mut store, instances[0], "run", throws), throws);
}

#[test]
fn throwing_at_the_very_end_of_the_stack_is_a_trap_or_an_exception() {
    let text = r#"(module
        (tag $e)
        (func $deep (param i64)
            (if (i64.eqz (local.get 0)) (then (throw $e)))
            (call $deep (i64.sub (local.get 0) (i64.const 1))))
        (func (export "run") (param i64) (result i64)
            (block $h
                (try_table (catch $e $h) (call $deep (local.get 0)))
                (unreachable))
            (i64.const 1)))"#;
    let engine = Engine::new(Config::new().max_stack(64 << 10)).unwrap();
    let (mut store, instances) = link_all(&engine, &[("", text)]);
    let run = instances[0].get_typed_func::<i64, i64>(&store, "run").unwrap();
    let mut outcomes = [0; 2];
    for depth in 0..6000 {
        match run.call(&mut store, depth) {
            Ok(1) => outcomes[0] += 1,
            Err(error) if error.trap().unwrap().code() == TrapCode::StackExhausted => {
                outcomes[1] += 1;
            }
            other => panic!("{depth}: {other:?}"),
        }
    }
    assert!(outcomes[0] > 100 && outcomes[1] > 100, "{outcomes:?}");
}

#[test]
fn what_a_handler_refers_to_survives_collections_on_the_way() {
    let text = r#"(module
        (import "" "make" (func $make (param i64) (result externref)))
        (import "" "read" (func $read (param externref) (result i64)))
        (tag $e (param externref i64))
        (func $throw (param $kept externref) (local $own externref)
            (local.set $own (call $make (i64.const 20)))
            (drop (call $make (i64.const 0)))
            (throw $e (local.get $own) (call $read (local.get $kept))))
        (func (export "run") (param i64) (result i64)
            (local $kept externref) (local $n i64)
            (local.set $kept (call $make (local.get 0)))
            (call $make (i64.const 300))
            (block $h (result externref i64)
                (try_table (catch $e $h) (call $throw (local.get $kept)))
                (unreachable))
            (local.set $n)
            (call $read)
            (local.set $n (i64.add (local.get $n)))
            (call $read)
            (local.set $n (i64.add (local.get $n)))
            (i64.add (local.get $n) (call $read (local.get $kept)))))"#;
    for stress in [false, true] {
        let engine = Engine::new(Config::new().gc_stress(stress)).unwrap();
        let module = Module::new(&engine, text).unwrap();
        let mut linker = Linker::<()>::new(&engine);
        let make =
            |mut caller: Caller<'_, ()>, value: i64| ExternRef::new(&mut caller, value).map(Some);
        linker.func_wrap("", "make", make).unwrap();
        let read = |caller: Caller<'_, ()>, value: Option<ExternRef>| -> i64 {
            *value.unwrap().data(&caller).unwrap().downcast_ref().unwrap()
        };
        linker.func_wrap("", "read", read).unwrap();
        let mut store = Store::new(&engine, ());
        let instance = linker.instantiate(&mut store, &module).unwrap();
        assert_eq!(call(&mut store, instance, "run", 4000), 8320);
    }
}

#[test]
fn the_heap_may_be_too_small_for_an_exception() {
    let text = r#"(module
        (type $list (func (param exnref)))
        (tag $e (type $list))
        (global $all (mut exnref) (ref.null exn))
        (func (export "run") (param i64) (result i64)
            (loop $again
                (block $h (result exnref)
                    (try_table (catch_all_ref $h) (throw $e (global.get $all)))
                    (unreachable))
                (global.set $all)
                (br $again))
            (unreachable)))"#;
    let engine = Engine::new(Config::new().max_gc_heap(1 << 20)).unwrap();
    let (mut store, instances) = link_all(&engine, &[("", text)]);
    let run = instances[0].get_typed_func::<i64, i64>(&store, "run").unwrap();
    let error = run.call(&mut store, 0).unwrap_err();
    assert_eq!(error.trap().unwrap().code(), TrapCode::HeapExhausted);
}
