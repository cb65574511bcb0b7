//! Linkers: names, shadowing, aliases, modules, and what unknown names do.

use wrun_runtime::{Engine, ErrorKind, Linker, Module, Store};

fn module(engine: &Engine, text: &str) -> Module {
    Module::new(engine, text).expect("a valid module")
}

#[test]
fn everything_that_is_wrong_is_said_at_once() {
    let engine = Engine::default();
    let module = module(
        &engine,
        r#"(module (import "a" "f" (func (param i32) (result i64))) (import "a" "g" (func))
            (import "b" "m" (memory 1 2)) (import "a" "ok" (func)))"#,
    );
    let mut linker = Linker::new(&engine);
    linker.func_wrap("a", "g", |_: i32| ()).unwrap().func_wrap("a", "ok", || ()).unwrap();
    let mut store = Store::new(&engine, ());
    let error = linker.instantiate(&mut store, &module).unwrap_err();
    let ErrorKind::Link(link) = error.kind() else { panic!("{error}") };
    assert_eq!(link.problems.len(), 3);
    assert_eq!(
        error.to_string(),
        "unknown import: `a` `f` (func (param i32) (result i64))\n\
         incompatible import type: `a` `g`: expected (func), found (func (param i32))\n\
         unknown import: `b` `m` (memory 1 2)"
    );
}

#[test]
fn names_are_defined_once_unless_shadowing_is_allowed() {
    let engine = Engine::default();
    let mut linker = Linker::<()>::new(&engine);
    linker.func_wrap("a", "f", || 1i32).unwrap();
    let error = linker.func_wrap("a", "f", || 2i32).unwrap_err();
    assert_eq!(error.to_string(), "`a` `f` is defined twice");
    linker.allow_shadowing(true).func_wrap("a", "f", || 2i32).unwrap();
    linker.alias("a", "f", "b", "g").unwrap().alias_module("b", "c").unwrap();
    assert!(linker.alias("a", "missing", "b", "h").is_err());
    let mut store = Store::new(&engine, ());
    let func = linker.get(&mut store, "c", "g").unwrap().into_func().unwrap();
    assert_eq!(func.typed::<(), i32>(&store).unwrap().call(&mut store, ()).unwrap(), 2);
    assert!(linker.get(&mut store, "c", "f").is_none());
}

#[test]
fn commands_are_instantiated_for_each_call_and_reactors_once() {
    let engine = Engine::default();
    let counter = r#"(global $n (mut i32) (i32.const 0))
        (func (export "next") (result i32)
            (global.set $n (i32.add (global.get $n) (i32.const 1))) (global.get $n))"#;
    let command = module(&engine, &format!(r#"(module {counter} (func (export "_start")))"#));
    let reactor = module(
        &engine,
        &format!(
            r#"(module {counter} (func (export "_initialize") (global.set $n (i32.const 100))))"#
        ),
    );
    let mut store = Store::new(&engine, ());
    let mut linker = Linker::new(&engine);
    linker.module(&mut store, "command", &command).unwrap();
    linker.module(&mut store, "reactor", &reactor).unwrap();
    let mut next = |name: &str| {
        let func = linker.get(&mut store, name, "next").unwrap().into_func().unwrap();
        func.typed::<(), i32>(&store).unwrap().call(&mut store, ()).unwrap()
    };
    assert_eq!([next("command"), next("command")], [1, 1]);
    assert_eq!([next("reactor"), next("reactor")], [101, 102]);
}

#[test]
fn two_instances_are_linked_by_name() {
    let engine = Engine::default();
    let library = module(
        &engine,
        r#"(module (func (export "twice") (param i32) (result i32)
        (i32.mul (i32.const 2) (local.get 0))))"#,
    );
    let user = module(
        &engine,
        r#"(module (import "library" "twice" (func $twice (param i32) (result i32)))
        (func (export "run") (result i32) (call $twice (i32.const 21))))"#,
    );
    let mut store = Store::new(&engine, ());
    let mut linker = Linker::new(&engine);
    let instance = linker.instantiate(&mut store, &library).unwrap();
    linker.instance(&store, "library", instance).unwrap();
    let user = linker.instantiate(&mut store, &user).unwrap();
    let run = user.get_typed_func::<(), i32>(&store, "run").unwrap();
    assert_eq!(run.call(&mut store, ()).unwrap(), 42);
}

#[test]
fn unknown_imports_can_be_made_to_fail_late_or_to_give_zero() {
    let engine = Engine::default();
    let module = module(
        &engine,
        r#"(module (import "env" "f" (func $f (param i32) (result i32 f64))) (import "env" "g" (global i32))
            (func (export "run") (result i32) (call $f (i32.const 1)) drop (i32.add (global.get 0))))"#,
    );
    let functions_only = Module::new(
        &engine,
        r#"(module (import "env" "f" (func $f)) (func (export "run") (call $f)))"#,
    )
    .unwrap();
    let mut store = Store::new(&engine, ());
    let mut linker = Linker::new(&engine);
    linker.define_unknown_imports_as_traps(&functions_only).unwrap();
    let instance = linker.instantiate(&mut store, &functions_only).unwrap();
    let error =
        instance.get_typed_func::<(), ()>(&store, "run").unwrap().call(&mut store, ()).unwrap_err();
    assert_eq!(error.to_string(), "unknown import `env` `f` was called");

    let mut linker = Linker::new(&engine);
    linker.define_unknown_imports_as_default_values(&mut store, &module).unwrap();
    let instance = linker.instantiate(&mut store, &module).unwrap();
    let run = instance.get_typed_func::<(), i32>(&store, "run").unwrap();
    assert_eq!(run.call(&mut store, ()).unwrap(), 0);
}
