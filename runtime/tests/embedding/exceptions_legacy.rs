//! `try`, `catch`, `catch_all`, `rethrow` and `delegate`, as programs for browsers have them.

use wrun_runtime::{Config, Engine, Instance, Module, OptLevel, Store};

fn engine(opt_level: OptLevel) -> Engine {
    let features = "legacy-exceptions".parse().expect("a known feature");
    Engine::new(Config::new().features(features).opt_level(opt_level)).expect("an engine")
}

/// Calls `run` of a module with each argument, at every level of optimisation, and compares.
fn check(text: &str, cases: &[(i64, i64)]) {
    for opt_level in [OptLevel::None, OptLevel::Speed] {
        let engine = engine(opt_level);
        let module = Module::new(&engine, text).unwrap_or_else(|error| panic!("{error:?}"));
        let mut store = Store::new(&engine, ());
        let instance = Instance::new(&mut store, &module, &[]).expect("instantiates");
        let run = instance.get_typed_func::<i64, i64>(&store, "run").expect("exported");
        for &(argument, expected) in cases {
            match run.call(&mut store, argument) {
                Ok(found) => assert_eq!(found, expected, "run({argument}), {opt_level:?}"),
                Err(error) => panic!("run({argument}), {opt_level:?}: {error:?}"),
            }
        }
    }
}

/// Throws by its argument: 0 `$a`, 1 `$b` with 10, 2 `$c` with 20 and 22; others return twice the argument.
const THROW: &str = r#"
    (tag $a) (tag $b (param i64)) (tag $c (param i64 i64))
    (func $throw (param i64) (result i64)
        (if (i64.eq (local.get 0) (i64.const 0)) (then (throw $a)))
        (if (i64.eq (local.get 0) (i64.const 1)) (then (throw $b (i64.const 10))))
        (if (i64.eq (local.get 0) (i64.const 2)) (then (throw $c (i64.const 20) (i64.const 22))))
        (i64.mul (local.get 0) (i64.const 2)))"#;

#[test]
fn clauses_are_asked_in_order() {
    let text = format!(
        r#"(module {THROW}
            (func (export "run") (param i64) (result i64)
                try (result i64)
                    (call $throw (local.get 0))
                catch $b
                    (i64.add (i64.const 1))
                catch $c
                    i64.add
                catch_all
                    (i64.const -1)
                end))"#
    );
    check(&text, &[(0, -1), (1, 11), (2, 42), (3, 6)]);
}

#[test]
fn what_no_clause_takes_goes_on() {
    let text = format!(
        r#"(module {THROW}
            (func $inner (param i64) (result i64)
                try (result i64)
                    (call $throw (local.get 0))
                catch $a
                    (i64.const 100)
                end)
            (func (export "run") (param i64) (result i64)
                try (result i64)
                    try (result i64)
                        (call $inner (local.get 0))
                    catch $c
                        i64.sub
                    end
                catch $b
                    (i64.add (i64.const 1000))
                end))"#
    );
    check(&text, &[(0, 100), (1, 1010), (2, -2), (3, 6)]);
}

#[test]
fn what_is_thrown_in_a_clause_is_not_for_the_same_try() {
    let text = format!(
        r#"(module {THROW}
            (func (export "run") (param i64) (result i64)
                try (result i64)
                    try (result i64)
                        (call $throw (local.get 0))
                    catch $a
                        (call $throw (i64.const 1))
                    catch $b
                        drop
                        (i64.const -5)
                    end
                catch $b
                    (i64.add (i64.const 1))
                end))"#
    );
    check(&text, &[(0, 11), (1, -5), (4, 8)]);
}

#[test]
fn rethrow_throws_what_the_clause_it_names_has_caught() {
    let text = format!(
        r#"(module {THROW}
            (func (export "run") (param i64) (result i64)
                try (result i64)
                    try (result i64)
                        (call $throw (local.get 0))
                    catch $b
                        drop
                        try (result i64)
                            (call $throw (i64.const 2))
                        catch $c
                            drop
                            drop
                            (rethrow 1)
                        end
                    catch_all
                        (rethrow 0)
                    end
                catch $b
                    (i64.add (i64.const 7))
                catch $c
                    i64.mul
                catch_all
                    (i64.const 3)
                end))"#
    );
    check(&text, &[(0, 3), (1, 17), (2, 440), (5, 10)]);
}

#[test]
fn delegate_skips_the_blocks_in_between() {
    let text = format!(
        r#"(module {THROW}
            (func (export "run") (param i64) (result i64)
                try $outer (result i64)
                    try (result i64)
                        try (result i64)
                            (call $throw (local.get 0))
                        delegate $outer
                    catch_all
                        (i64.const -1)
                    end
                catch $b
                    (i64.add (i64.const 1))
                catch_all
                    (i64.const 5)
                end))"#
    );
    check(&text, &[(0, 5), (1, 11), (2, 5), (9, 18)]);
}

#[test]
fn delegate_may_name_the_function() {
    let text = format!(
        r#"(module {THROW}
            (func $delegates (param i64) (result i64)
                try (result i64)
                    try (result i64)
                        (call $throw (local.get 0))
                    delegate 1
                catch_all
                    (i64.const -1)
                end)
            (func (export "run") (param i64) (result i64)
                try (result i64)
                    (call $delegates (local.get 0))
                catch_all
                    (i64.const 6)
                end))"#
    );
    check(&text, &[(0, 6), (1, 6), (3, 6), (4, 8)]);
}

#[test]
fn code_that_cannot_be_reached_is_skipped_with_its_clauses() {
    let text = format!(
        r#"(module {THROW}
            (func (export "run") (param i64) (result i64)
                try (result i64)
                    ;; Nothing here throws.
                    (return (i64.const 1))
                    try (result i64)
                        (call $throw (i64.const 0))
                    catch $b
                    delegate 0
                catch $a
                    try
                        (rethrow 1)
                    catch_all
                    end
                    (i64.const 2)
                catch_all
                    (i64.const 3)
                end))"#
    );
    // A `delegate` cannot end a `try` that has clauses: both are there in a valid form.
    let text = text.replace("catch $b\n                    delegate 0", "delegate 0");
    check(&text, &[(0, 1)]);
}

#[test]
fn locals_have_the_values_of_the_call_that_threw() {
    let text = format!(
        r#"(module {THROW}
            (func (export "run") (param i64) (result i64)
                (local $n i64)
                try
                    (local.set $n (i64.const 1))
                    (drop (call $throw (i64.const 5)))
                    (local.set $n (i64.const 2))
                    (drop (call $throw (local.get 0)))
                    (local.set $n (i64.const 3))
                    (drop (call $throw (i64.const 0)))
                catch $b
                    drop
                    (local.set $n (i64.add (local.get $n) (i64.const 100)))
                catch_all
                end
                (local.get $n)))"#
    );
    check(&text, &[(1, 102), (0, 2), (7, 3)]);
}

#[test]
fn both_kinds_of_blocks_may_contain_each_other() {
    let text = format!(
        r#"(module {THROW}
            (func (export "run") (param i64) (result i64)
                block $h (result i64)
                    try_table (result i64) (catch $b $h)
                        try (result i64)
                            block $i (result i64)
                                try_table (result i64) (catch $b $i)
                                    (call $throw (local.get 0))
                                end
                                (return)
                            end
                            drop
                            (call $throw (i64.const 2))
                        catch $c
                            drop
                            drop
                            (call $throw (i64.const 1))
                        end
                    end
                    (return)
                end
                (i64.add (i64.const 500))))"#
    );
    check(&text, &[(1, 510), (2, 510), (6, 12)]);
}

#[test]
fn it_is_off_unless_it_is_asked_for() {
    let engine = Engine::default();
    let error = Module::new(&engine, "(module (func try end))").unwrap_err();
    assert!(error.to_string().contains("`legacy-exceptions`"), "{error}");
}
