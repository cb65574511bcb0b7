//! Tail calls: chains of any length in constant stack, whatever the functions in them are.

use wrun_runtime::{
    Caller, Config, Engine, FuncType, Instance, Linker, Module, Store, TrapCode, Val, ValType,
};

use crate::{instantiate, link};

/// More calls than there would be room for: the default stack has far fewer bytes.
const CALLS: i64 = 100_000_000;

/// Instances of modules in text that import from one another by name, in order; the last one is given.
fn link_all(texts: &[(&str, &str)]) -> (Store<()>, Instance) {
    let engine = Engine::default();
    let mut store = Store::new(&engine, ());
    let mut linker = Linker::new(&engine);
    let mut last = None;
    for (name, text) in texts {
        let module = Module::new(&engine, text).expect("a valid module");
        let instance = linker.instantiate(&mut store, &module).expect("instantiates");
        linker.instance(&store, name, instance).expect("names are unique");
        last = Some(instance);
    }
    (store, last.expect("there is a module"))
}

fn count_down(store: &mut Store<()>, instance: Instance, calls: i64) -> i64 {
    let run = instance.get_typed_func::<i64, i64>(&*store, "run").expect("exported");
    run.call(store, calls).expect("does not trap")
}

#[test]
fn mutual_recursion_of_internal_and_escaping_functions() {
    // `$odd` is internal; `$run` escapes.
    let (mut store, instance) = instantiate(
        r#"(module
            (func $run (export "run") (param i64) (result i64)
                (if (i64.eqz (local.get 0)) (then (return (i64.const 22))))
                (return_call $odd (i64.sub (local.get 0) (i64.const 1))))
            (func $odd (param i64) (result i64)
                (if (i64.eqz (local.get 0)) (then (return (i64.const 11))))
                (return_call $run (i64.sub (local.get 0) (i64.const 1)))))"#,
    );
    assert_eq!(count_down(&mut store, instance, CALLS), 22);
    assert_eq!(count_down(&mut store, instance, CALLS + 1), 11);
}

#[test]
fn two_modules_through_an_import_and_a_reference() {
    // The first module is given the function of the second one by reference, and calls it so.
    let (mut store, instance) = link_all(&[
        (
            "even",
            r#"(module
                (type $step (func (param i64) (result i64)))
                (global $next (export "next") (mut (ref null $step)) (ref.null $step))
                (func (export "step") (type $step)
                    (if (i64.eqz (local.get 0)) (then (return (i64.const 5))))
                    (return_call_ref $step (i64.sub (local.get 0) (i64.const 1)) (global.get $next))))"#,
        ),
        (
            "odd",
            r#"(module
                (type $step (func (param i64) (result i64)))
                (import "even" "next" (global $next (mut (ref null $step))))
                (import "even" "step" (func $even (type $step)))
                (func $odd (export "run") (type $step)
                    (if (i64.eqz (local.get 0)) (then (return (i64.const 6))))
                    (return_call $even (i64.sub (local.get 0) (i64.const 1))))
                (func (export "connect") (global.set $next (ref.func $odd))))"#,
        ),
    ]);
    let connect = instance.get_typed_func::<(), ()>(&store, "connect").unwrap();
    connect.call(&mut store, ()).unwrap();
    assert_eq!(count_down(&mut store, instance, CALLS), 6);
    assert_eq!(count_down(&mut store, instance, CALLS + 1), 5);
}

#[test]
fn through_a_table_that_two_modules_share() {
    let step = |slot: u32, result: i64| {
        format!(
            r#"(type $step (func (param i64) (result i64)))
            (elem (i32.const {slot}) $step)
            (func $step (export "run") (type $step)
                (if (i64.eqz (local.get 0)) (then (return (i64.const {result}))))
                (return_call_indirect (type $step) (i64.sub (local.get 0) (i64.const 1))
                    (i32.wrap_i64 (i64.rem_u (local.get 0) (i64.const 2)))))"#
        )
    };
    let first = format!(r#"(module (table (export "table") 2 funcref) {})"#, step(0, 7));
    let second = format!(r#"(module (import "first" "table" (table 2 funcref)) {})"#, step(1, 8));
    let (mut store, instance) = link_all(&[("first", &first), ("second", &second)]);
    assert_eq!(count_down(&mut store, instance, CALLS), 8);
    assert_eq!(count_down(&mut store, instance, CALLS + 1), 8);
}

#[test]
fn arguments_and_results_that_no_register_is_left_for() {
    // The two take different numbers of arguments on the stack, so the room for them changes with each call.
    let many = "i64 ".repeat(20);
    let gets = |range: std::ops::Range<usize>| {
        range.map(|index| format!("(local.get {index})")).collect::<String>()
    };
    let results = "i64 ".repeat(14);
    let text = format!(
        r#"(module
            (func $few (export "run") (param i64 i64 i64) (result {results})
                (return_call $many (local.get 0) (local.get 1) (local.get 2) {constants}))
            (func $many (export "many") (param {many}) (result {results})
                (if (i64.eqz (local.get 0)) (then (return {last})))
                (return_call $few (i64.sub (local.get 0) (i64.const 1))
                    (i64.add (local.get 1) (local.get 19)) (local.get 2))))"#,
        constants = (3..20).map(|index| format!("(i64.const {index})")).collect::<String>(),
        last = gets(1..15),
    );
    let (mut store, instance) = instantiate(&text);
    let run = instance.get_func(&store, "run").unwrap();
    let mut values = vec![Val::I64(0); 14];
    let arguments = [Val::I64(10_000_000), Val::I64(1), Val::I64(2)];
    run.call(&mut store, &arguments, &mut values).unwrap();
    let found: Vec<i64> = values.iter().map(Val::unwrap_i64).collect();
    let expected: Vec<i64> = [190_000_001].into_iter().chain(2..15).collect();
    assert_eq!(found, expected);
}

#[test]
fn a_host_function_ends_the_chain() {
    let text = r#"(module
        (import "host" "last" (func $last (param i64 f64 i32) (result i64 f64)))
        (memory (export "memory") 1)
        (func $run (export "run") (param i64 f64 i32) (result i64 f64)
            (if (i64.eqz (local.get 0))
                (then (return_call $last (i64.const 7) (local.get 1) (local.get 2))))
            (return_call $run (i64.sub (local.get 0) (i64.const 1)) (local.get 1) (local.get 2))))"#;
    let (mut store, instance) = link(text, (), |linker| {
        linker.func_wrap(
            "host",
            "last",
            |mut caller: Caller<'_, ()>, a: i64, b: f64, c: i32| {
                assert!(caller.get_export("memory").is_some(), "the caller is the instance");
                (a + i64::from(c), b * 2.0)
            },
        )?;
        Ok(())
    });
    let run = instance.get_typed_func::<(i64, f64, i32), (i64, f64)>(&store, "run").unwrap();
    assert_eq!(run.call(&mut store, (CALLS, 1.25, 3)).unwrap(), (10, 2.5));
}

#[test]
fn functions_without_tail_calls_can_be_called_in_place_of_a_return() {
    // `$plain` has the native convention, `$dynamic` is the host's and comes with a trampoline.
    let text = r#"(module
        (type $f (func (param i32) (result i32 i32 i32)))
        (import "host" "dynamic" (func $dynamic (type $f)))
        (table funcref (elem $plain $dynamic $again))
        (func $plain (export "plain") (type $f)
            (local.get 0) (i32.const 2) (i32.const 3))
        (func $again (type $f) (return_call $plain (local.get 0)))
        (func (export "direct") (type $f) (return_call $plain (local.get 0)))
        (func (export "import") (type $f) (return_call $dynamic (local.get 0)))
        (func (export "table") (type $f)
            (return_call_indirect (type $f) (local.get 0) (local.get 0))))"#;
    let (mut store, instance) = link(text, (), |linker| {
        let ty = FuncType::new([ValType::I32], vec![ValType::I32; 3]);
        linker.func_new("host", "dynamic", ty, |_, arguments, results| {
            results.copy_from_slice(&[arguments[0], Val::I32(20), Val::I32(30)]);
            Ok(())
        })?;
        Ok(())
    });
    let mut call = |name: &str, argument: i32| {
        let func = instance.get_typed_func::<i32, (i32, i32, i32)>(&store, name).unwrap();
        func.call(&mut store, argument)
    };
    assert_eq!(call("direct", 9).unwrap(), (9, 2, 3));
    assert_eq!(call("import", 9).unwrap(), (9, 20, 30));
    assert_eq!(call("table", 0).unwrap(), (0, 2, 3));
    assert_eq!(call("table", 1).unwrap(), (1, 20, 30));
    assert_eq!(call("table", 2).unwrap(), (2, 2, 3));
    assert_eq!(call("table", 3).unwrap_err().trap().unwrap().code(), TrapCode::UndefinedElement);
}

#[test]
fn a_start_function_may_end_in_a_tail_call() {
    let (mut store, instance) = instantiate(
        r#"(module
            (global $result (export "result") (mut i32) (i32.const 0))
            (start $start)
            (func $start (return_call $go (i32.const 1000000)))
            (func $go (param i32)
                (if (i32.eqz (local.get 0)) (then (return)))
                (global.set $result (i32.add (global.get $result) (i32.const 1)))
                (return_call $go (i32.sub (local.get 0) (i32.const 1)))))"#,
    );
    let result = instance.get_global(&store, "result").unwrap();
    assert_eq!(result.get(&mut store).unwrap_i32(), 1_000_000);
}

#[test]
fn a_trap_at_the_end_has_the_frames_that_are_left() {
    let (mut store, instance) = instantiate(
        r#"(module $m
            (func $first (export "run") (param i64) (result i64)
                (i64.add (call $chain (local.get 0)) (i64.const 1)))
            (func $chain (export "chain") (param i64) (result i64)
                (if (i64.eqz (local.get 0)) (then (return_call $last (local.get 0))))
                (return_call $chain (i64.sub (local.get 0) (i64.const 1))))
            (func $last (param i64) (result i64) unreachable))"#,
    );
    let run = instance.get_typed_func::<i64, i64>(&store, "run").unwrap();
    let error = run.call(&mut store, 1000).unwrap_err();
    let text = error.backtrace().unwrap().to_string();
    let names: Vec<_> = text.lines().skip(1).map(|line| line.rsplit(' ').next().unwrap()).collect();
    assert_eq!(names, ["m!last", "m!first"], "{text}");
    // Called from the host, the chain begins with an adapter, which is no function of the module.
    let chain = instance.get_typed_func::<i64, i64>(&store, "chain").unwrap();
    let text = chain.call(&mut store, 1000).unwrap_err().backtrace().unwrap().to_string();
    assert_eq!(text.lines().count(), 2, "{text}");
}

#[test]
fn recursion_that_is_no_tail_call_still_exhausts_the_stack() {
    let mut config = Config::new();
    config.max_stack(256 * 1024);
    let engine = Engine::new(&config).unwrap();
    let text = r#"(module
        (func $run (export "run") (param i64) (result i64)
            (if (i64.eqz (local.get 0)) (then (return_call $run (i64.const 1))))
            (i64.add (call $run (local.get 0)) (i64.const 1))))"#;
    let module = Module::new(&engine, text).unwrap();
    let mut store = Store::new(&engine, ());
    let instance = Instance::new(&mut store, &module, &[]).unwrap();
    let run = instance.get_typed_func::<i64, i64>(&store, "run").unwrap();
    let error = run.call(&mut store, 0).unwrap_err();
    assert_eq!(error.trap().unwrap().code(), TrapCode::StackExhausted);
}

#[test]
fn the_stack_may_end_while_room_for_more_arguments_is_made() {
    // Each call of `$deep` makes room for the arguments of `$wide` first, and nearly all of its frame is that room.
    let text = format!(
        r#"(module
            (func $deep (export "run") (param i64) (result i64)
                (if (i64.eqz (local.get 0)) (then (return_call $wide {constants})))
                (i64.add (call $deep (i64.sub (local.get 0) (i64.const 1))) (i64.const 1)))
            (func $wide (param {params}) (result i64) (local.get 299)))"#,
        constants = "(i64.const 7)".repeat(300),
        params = "i64 ".repeat(300),
    );
    let (mut store, instance) = instantiate(&text);
    assert_eq!(count_down(&mut store, instance, 100), 107);
    let run = instance.get_typed_func::<i64, i64>(&store, "run").unwrap();
    let error = run.call(&mut store, i64::MAX).unwrap_err();
    assert_eq!(error.trap().unwrap().code(), TrapCode::StackExhausted);
    assert!(!error.backtrace().unwrap().frames().is_empty());
    assert_eq!(count_down(&mut store, instance, 100), 107);
}
