//! Typed function references: what the host may put where generated code relies on a type.

use wrun_runtime::{
    Engine, Error, ErrorKind, ExternType, Func, FuncType, Global, GlobalType, HeapType, Instance,
    Limits, Linker, Module, Ref, RefType, Store, Table, TableType, TrapCode, Val, ValType,
};

use crate::instantiate;

const HOLDER: &str = r#"(module
    (type $get (func (result i32)))
    (type $add (func (param i32 i32) (result i32)))
    (elem declare func $one $sum)
    (func $one (export "one") (type $get) (i32.const 1))
    (func $sum (export "sum") (type $add) (i32.add (local.get 0) (local.get 1)))
    (global (export "global") (mut (ref null $get)) (ref.null $get))
    (global (export "set") (mut (ref $get)) (ref.func $one))
    (global (export "fixed") (ref $get) (ref.func $one))
    (table (export "nullable") 2 4 (ref null $get))
    (table (export "table") 2 4 (ref $get) (ref.func $one))
    (func (export "call") (param (ref null $get)) (result i32) (call_ref $get (local.get 0)))
    (func (export "call set") (result i32) (call_ref $get (global.get 1)))
    (func (export "call element") (param i32) (result i32)
        (call_indirect 1 (type $get) (local.get 0)))
    (func (export "not null") (param (ref null $get)) (result (ref $get))
        (ref.as_non_null (local.get 0)))
    (func (export "take") (param (ref $get)) (result i32) (call_ref $get (local.get 0))))"#;

/// Calls with one argument; there is one result.
fn call(
    store: &mut Store<()>,
    instance: Instance,
    name: &str,
    argument: Val,
) -> Result<Val, Error> {
    let func = instance.get_func(&*store, name).expect("exported");
    let mut results = [Val::I32(0)];
    func.call(store, &[argument], &mut results)?;
    Ok(results[0])
}

fn trap_of(result: Result<Val, Error>) -> TrapCode {
    result.expect_err("a trap").trap().expect("a trap").code()
}

fn is_type_error<T: std::fmt::Debug>(result: Result<T, Error>) -> bool {
    matches!(result.expect_err("a refusal").kind(), ErrorKind::Type(_))
}

#[test]
fn null_traps_with_the_text_of_each_instruction() {
    let (mut store, instance) = instantiate(HOLDER);
    let null = Val::FuncRef(None);
    let code = trap_of(call(&mut store, instance, "call", null));
    assert_eq!(code, TrapCode::NullFunctionReference);
    assert_eq!(code.message(), "null function reference");
    let code = trap_of(call(&mut store, instance, "not null", null));
    assert_eq!(code, TrapCode::NullReference);
    assert_eq!(code.message(), "null reference");
    let one = instance.get_func(&store, "one").unwrap();
    assert_eq!(call(&mut store, instance, "call", one.into()).unwrap().unwrap_i32(), 1);
    let same = call(&mut store, instance, "not null", one.into()).unwrap();
    assert_eq!(same.unwrap_func_ref(), Some(one));
}

#[test]
fn arguments_are_held_to_the_exact_type() {
    let (mut store, instance) = instantiate(HOLDER);
    let sum = instance.get_func(&store, "sum").unwrap();
    assert!(is_type_error(call(&mut store, instance, "call", sum.into())));
    assert!(is_type_error(call(&mut store, instance, "take", sum.into())));
    assert!(is_type_error(call(&mut store, instance, "take", Val::FuncRef(None))));
    let host = Func::wrap(&mut store, || 77i32);
    assert_eq!(call(&mut store, instance, "take", host.into()).unwrap().unwrap_i32(), 77);
    let host = Func::wrap(&mut store, || 77i64);
    assert!(is_type_error(call(&mut store, instance, "take", host.into())));
}

#[test]
fn globals_and_tables_are_held_to_their_types() {
    let (mut store, instance) = instantiate(HOLDER);
    let one = instance.get_func(&store, "one").unwrap();
    let sum = instance.get_func(&store, "sum").unwrap();
    let set = instance.get_global(&store, "set").unwrap();
    assert!(is_type_error(set.set(&mut store, sum.into())));
    assert!(is_type_error(set.set(&mut store, Val::FuncRef(None))));
    set.set(&mut store, one.into()).unwrap();
    let nullable = instance.get_global(&store, "global").unwrap();
    nullable.set(&mut store, Val::FuncRef(None)).unwrap();
    assert!(is_type_error(nullable.set(&mut store, sum.into())));

    let table = instance.get_table(&store, "table").unwrap();
    for bad in [Ref::Func(Some(sum)), Ref::Func(None), Ref::Extern(None)] {
        assert!(is_type_error(table.set(&mut store, 0, bad)));
        assert!(is_type_error(table.grow(&mut store, 1, bad)));
    }
    table.set(&mut store, 1, Ref::Func(Some(one))).unwrap();
    assert_eq!(call(&mut store, instance, "call element", Val::I32(1)).unwrap().unwrap_i32(), 1);
    let code = trap_of(call(&mut store, instance, "call element", Val::I32(2)));
    assert_eq!(code, TrapCode::UndefinedElement);
    let nullable = instance.get_table(&store, "nullable").unwrap();
    nullable.set(&mut store, 0, Ref::Func(None)).unwrap();
    assert!(is_type_error(nullable.set(&mut store, 0, Ref::Func(Some(sum)))));
}

#[test]
fn a_table_of_a_concrete_type_is_called_without_a_check_and_still_not_through_null() {
    let text = r#"(module
        (type $get (func (result i32)))
        (table 2 (ref null $get))
        (elem (i32.const 1) (ref null $get) (ref.func $five))
        (func $five (type $get) (i32.const 5))
        (func (export "plain") (param i32) (result i32) (call_indirect (type $get) (local.get 0)))
        (func (export "tail") (param i32) (result i32)
            (return_call_indirect (type $get) (local.get 0))))"#;
    let (mut store, instance) = instantiate(text);
    for name in ["plain", "tail"] {
        assert_eq!(call(&mut store, instance, name, Val::I32(1)).unwrap().unwrap_i32(), 5);
        let code = trap_of(call(&mut store, instance, name, Val::I32(0)));
        assert_eq!(code, TrapCode::UninitializedElement, "{name}");
        let code = trap_of(call(&mut store, instance, name, Val::I32(2)));
        assert_eq!(code, TrapCode::UndefinedElement, "{name}");
    }
}

#[test]
fn host_functions_are_held_to_the_type_of_their_results() {
    let engine = Engine::default();
    let get = FuncType::new([], [ValType::I32]);
    let reference = RefType { nullable: false, heap: engine.define_type(get.clone()).unwrap() };
    let text = r#"(module (type $get (func (result i32)))
        (import "host" "pick" (func $pick (param i32) (result (ref $get))))
        (func (export "run") (param i32) (result i32) (call_ref $get (call $pick (local.get 0)))))"#;
    let module = Module::new(&engine, text).unwrap();
    let mut store = Store::new(&engine, ());
    let good = Func::wrap(&mut store, || 3i32);
    let bad = Func::wrap(&mut store, |value: i64| value);
    let ty = FuncType::new([ValType::I32], [ValType::Ref(reference)]);
    let pick = Func::new(&mut store, ty, move |_, arguments, results| {
        match arguments[0].unwrap_i32() {
            0 => results[0] = good.into(),
            1 => results[0] = bad.into(),
            _ => {}
        }
        Ok(())
    })
    .unwrap();
    let instance = Instance::new(&mut store, &module, &[pick.into()]).unwrap();
    assert_eq!(call(&mut store, instance, "run", Val::I32(0)).unwrap().unwrap_i32(), 3);
    assert!(is_type_error(call(&mut store, instance, "run", Val::I32(1))));
    assert!(is_type_error(call(&mut store, instance, "run", Val::I32(2))), "it stays null");
}

#[test]
fn imports_match_by_structure_and_by_subtyping() {
    let engine = Engine::default();
    let mut store = Store::new(&engine, ());
    let holder = Module::new(&engine, HOLDER).unwrap();
    let instance = Instance::new(&mut store, &holder, &[]).unwrap();
    let mut linker = Linker::new(&engine);
    linker.instance(&store, "m", instance).unwrap();
    // Each type is at another index than in the module that exports.
    let links = |store: &mut Store<()>, import: &str| {
        let text = format!(
            r#"(module (type $add (func (param i32 i32) (result i32))) (type $get (func (result i32)))
                (import "m" {import}))"#
        );
        let module = Module::new(&engine, text).unwrap();
        linker.instantiate(store, &module).is_ok()
    };
    for (import, fits) in [
        (r#""fixed" (global (ref $get))"#, true),
        (r#""fixed" (global (ref null $get))"#, true),
        (r#""fixed" (global funcref)"#, true),
        (r#""fixed" (global (ref func))"#, true),
        (r#""fixed" (global (ref $add))"#, false),
        (r#""fixed" (global externref)"#, false),
        (r#""set" (global (mut (ref $get)))"#, true),
        (r#""set" (global (mut (ref null $get)))"#, false),
        (r#""set" (global (mut funcref))"#, false),
        (r#""set" (global (ref $get))"#, false),
        (r#""table" (table 1 (ref $get))"#, true),
        (r#""table" (table 1 (ref null $get))"#, false),
        (r#""table" (table 1 funcref)"#, false),
        (r#""nullable" (table 1 (ref null $get))"#, true),
        (r#""nullable" (table 1 (ref null $add))"#, false),
        (r#""call" (func (param (ref null $get)) (result i32))"#, true),
        (r#""call" (func (param (ref null $add)) (result i32))"#, false),
        (r#""call" (func (param (ref $get)) (result i32))"#, false),
    ] {
        assert_eq!(links(&mut store, import), fits, "{import}");
    }
}

#[test]
fn types_of_imports_and_exports_name_what_they_refer_to() {
    let engine = Engine::default();
    let module = Module::new(&engine, HOLDER).unwrap();
    let get = engine.define_type(FuncType::new([], [ValType::I32])).unwrap();
    let expected = GlobalType {
        content: ValType::Ref(RefType { nullable: false, heap: get }),
        mutable: false,
    };
    assert_eq!(module.get_export("fixed"), Some(ExternType::Global(expected)));
    let mut store = Store::new(&engine, ());
    let one = Func::wrap(&mut store, || 1i32);
    assert!(Global::new(&mut store, expected, Val::from(one)).is_ok());
    assert!(is_type_error(Global::new(&mut store, expected, Val::FuncRef(None))));
    let element = RefType { nullable: false, heap: get };
    let ty = TableType::new(element, Limits { min: 1, max: None });
    assert!(Table::new(&mut store, ty, Ref::Func(Some(one))).is_ok());
    assert!(is_type_error(Table::new(&mut store, ty, Ref::null(HeapType::Func))));
}
