//! Instances that take over the parts of a dropped one: nothing of the one before may show.

use wrun_runtime::{Config, Engine, ExternRef, Instance, Linker, Module, RootScope, Store, Val};

/// Runs `body` with one instance of the module after another, each in a store of its own.
fn each(engine: &Engine, module: &Module, rounds: usize, body: impl Fn(&mut Store<()>, Instance)) {
    for _ in 0..rounds {
        let mut store = Store::new(engine, ());
        let instance = Instance::new(&mut store, module, &[]).expect("instantiates");
        body(&mut store, instance);
    }
}

fn call(store: &mut Store<()>, instance: Instance, name: &str, arguments: &[Val]) -> Option<i64> {
    let func = instance.get_func(&mut *store, name).expect("exported");
    let mut results = vec![Val::I32(0); func.ty(&*store).results().len()];
    func.call(&mut *store, arguments, &mut results).ok()?;
    Some(match results.first() {
        Some(Val::I32(value)) => i64::from(*value),
        Some(Val::I64(value)) => *value,
        None => 0,
        other => panic!("{other:?}"),
    })
}

#[test]
fn memories_are_as_new() {
    let engine = Engine::default();
    // One segment that is mapped, and a memory beside it that has none.
    let module = Module::new(
        &engine,
        r#"(module (memory (export "memory") 2) (memory $other 1) (data (i32.const 65530) "mapped")
            (func (export "grow") (param i32) (result i32) (memory.grow (local.get 0)))
            (func (export "load") (param i32) (result i32) (i32.load8_u (local.get 0)))
            (func (export "other") (param i32) (result i32) (i32.load8_u $other (local.get 0)))
            (func (export "store") (param i32)
                (i32.store8 (local.get 0) (i32.const 0xaa))
                (i32.store8 $other (i32.and (local.get 0) (i32.const 0xffff)) (i32.const 0xaa))))"#,
    )
    .unwrap();
    let addresses = [0, 4095, 65530, 65535, 65536, 2 * 65536 - 1];
    each(&engine, &module, 4, |store, instance| {
        let memory = instance.get_memory(&*store, "memory").unwrap();
        assert_eq!(memory.data(&*store).len(), 2 * 65536);
        for address in addresses {
            let expected = match address {
                65530..65536 => i64::from(b"mapped"[address as usize - 65530]),
                _ => 0,
            };
            assert_eq!(call(store, instance, "load", &[Val::I32(address)]), Some(expected));
            let low = Val::I32(address & 0xffff);
            assert_eq!(call(store, instance, "other", &[low]), Some(0), "{address}");
        }
        let behind = [Val::I32(2 * 65536)];
        assert_eq!(call(store, instance, "load", &behind), None, "out of bounds");
        assert_eq!(call(store, instance, "grow", &[Val::I32(3)]), Some(2));
        assert_eq!(call(store, instance, "load", &behind), Some(0), "what it grew by is zero");
        for address in addresses.into_iter().chain([2 * 65536, 5 * 65536 - 1]) {
            call(store, instance, "store", &[Val::I32(address)]).unwrap();
        }
    });
}

#[test]
fn tables_globals_and_segments_are_as_new() {
    let engine = Engine::default();
    let module = Module::new(
        &engine,
        r#"(module
            (table $t (export "table") 3 100000 funcref) (elem (table $t) (i32.const 1) func $one $two)
            (table $e 1 10 externref)
            (elem $passive func $two)
            (global $n (mut i32) (i32.const 7)) (global $f (mut funcref) (ref.func $one))
            (data $d "x")
            (memory 1)
            (func $one (result i32) (i32.const 1)) (func $two (result i32) (i32.const 2))
            (func (export "size") (result i32) (table.size $t))
            (func (export "call") (param i32) (result i32) (call_indirect $t (result i32) (local.get 0)))
            (func (export "null") (result i32) (ref.is_null (table.get $e (i32.const 0))))
            (func (export "global") (result i32) (global.get $n))
            (func (export "global_null") (result i32) (ref.is_null (global.get $f)))
            (func (export "segments") (table.init $t $passive (i32.const 0) (i32.const 0) (i32.const 1))
                (memory.init $d (i32.const 0) (i32.const 0) (i32.const 1)))
            (func (export "spoil") (param externref) (param i32)
                (drop (table.grow $t (ref.func $two) (local.get 1)))
                (table.fill $t (i32.const 0) (ref.func $two) (table.size $t))
                (table.set $e (i32.const 0) (local.get 0))
                (drop (table.grow $e (local.get 0) (i32.const 2)))
                (global.set $n (i32.const 8)) (global.set $f (ref.null func))
                (elem.drop $passive) (data.drop $d)))"#,
    )
    .unwrap();
    // Little and much: small tables are cleared, the pages of large ones are given back.
    for growth in [5, 99_990] {
        each(&engine, &module, 3, |store, instance| {
            assert_eq!(call(store, instance, "size", &[]), Some(3));
            assert_eq!(call(store, instance, "call", &[Val::I32(0)]), None, "null");
            assert_eq!(call(store, instance, "call", &[Val::I32(1)]), Some(1));
            assert_eq!(call(store, instance, "call", &[Val::I32(2)]), Some(2));
            assert_eq!(call(store, instance, "call", &[Val::I32(3)]), None, "out of bounds");
            assert_eq!(call(store, instance, "null", &[]), Some(1));
            assert_eq!(call(store, instance, "global", &[]), Some(7));
            assert_eq!(call(store, instance, "global_null", &[]), Some(0));
            assert_eq!(call(store, instance, "segments", &[]), Some(0));
            let mut scope = RootScope::new(&mut *store);
            let object = ExternRef::new(&mut scope, "object").unwrap();
            let spoil = instance.get_func(&mut scope, "spoil").unwrap();
            let arguments = [Val::ExternRef(Some(object)), Val::I32(growth)];
            spoil.call(&mut scope, &arguments, &mut []).unwrap();
            drop(scope);
            assert_eq!(call(store, instance, "size", &[]), Some(3 + i64::from(growth)));
        });
    }
}

#[test]
fn imports_are_the_new_ones() {
    let engine = Engine::default();
    let module = Module::new(
        &engine,
        r#"(module (import "host" "f" (func $f (result i32))) (import "host" "g" (global $g i32))
            (table 1 funcref) (elem (i32.const 0) func $f)
            (func (export "direct") (result i32) (call $f))
            (func (export "indirect") (result i32) (call_indirect (result i32) (i32.const 0)))
            (func (export "global") (result i32) (global.get $g)))"#,
    )
    .unwrap();
    for round in 0..3 {
        let mut store = Store::new(&engine, ());
        let mut linker = Linker::new(&engine);
        linker.func_wrap("host", "f", move || round).unwrap();
        let ty = wrun_runtime::GlobalType { content: wrun_runtime::ValType::I32, mutable: false };
        let global = wrun_runtime::Global::new(&mut store, ty, Val::I32(round)).unwrap();
        linker.define(&store, "host", "g", global).unwrap();
        let instance = linker.instantiate(&mut store, &module).unwrap();
        for name in ["direct", "indirect", "global"] {
            assert_eq!(call(&mut store, instance, name, &[]), Some(i64::from(round)), "{name}");
        }
    }
}

#[test]
fn several_at_once_have_parts_of_their_own() {
    let engine = Engine::default();
    let text = r#"(module (memory 1) (func (export "next") (result i32)
        (i32.store (i32.const 0) (i32.add (i32.load (i32.const 0)) (i32.const 1))) (i32.load (i32.const 0))))"#;
    let module = Module::new(&engine, text).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..50 {
                    let mut store = Store::new(&engine, ());
                    // Two of one module in one store as well.
                    let both = [(); 2].map(|()| Instance::new(&mut store, &module, &[]).unwrap());
                    for round in 1..4 {
                        for instance in both {
                            assert_eq!(call(&mut store, instance, "next", &[]), Some(round));
                        }
                    }
                }
            });
        }
    });
}

#[test]
fn what_failed_half_way_is_not_taken_over() {
    let engine = Engine::default();
    // The table has no room when the host gives a large number, and then nothing is mapped.
    let module = Module::new(
        &engine,
        r#"(module (import "host" "at" (global $at i32)) (table 1 funcref) (elem (global.get $at) func $f)
            (memory 1) (data (i32.const 8) "mapped") (func $f)
            (func (export "load") (result i64) (i64.load32_u (i32.const 8))))"#,
    )
    .unwrap();
    for round in 0..6 {
        let mut store = Store::new(&engine, ());
        let ty = wrun_runtime::GlobalType { content: wrun_runtime::ValType::I32, mutable: false };
        let at = wrun_runtime::Global::new(&mut store, ty, Val::I32(round % 2)).unwrap();
        let instance = Instance::new(&mut store, &module, &[at.into()]);
        assert_eq!(instance.is_err(), round % 2 == 1);
        if let Ok(instance) = instance {
            let mapped = i64::from(u32::from_le_bytes(*b"mapp"));
            assert_eq!(call(&mut store, instance, "load", &[]), Some(mapped));
        }
    }
}

#[test]
fn a_limit_holds_for_what_is_taken_over() {
    let engine = Engine::new(&Config::new()).unwrap();
    let module = Module::new(&engine, "(module (memory 2) (table 5 funcref))").unwrap();
    each(&engine, &module, 2, |_, _| ());
    for (memory_bytes, table_elements) in [(Some(65536), None), (None, Some(4))] {
        let mut store = Store::new(&engine, ());
        store.set_limits(wrun_runtime::StoreLimits {
            memory_bytes,
            table_elements,
            ..wrun_runtime::StoreLimits::default()
        });
        let error = Instance::new(&mut store, &module, &[]).unwrap_err().to_string();
        assert!(error.contains("the limit is"), "{error}");
    }
}
