//! References to values of the host's: who keeps them alive, and how long the host's own are valid.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use wrun_runtime::{
    AsContext, AsContextMut, Caller, Config, Engine, Error, ExternRef, Func, GcRef, Global,
    GlobalType, Instance, Limits, Linker, Module, OwnedRef, Ref, RefType, RootScope, Store, Table,
    TableType, TrapCode, Val, ValType,
};

/// A value that is recognised, and counted when it is dropped.
struct Value {
    number: i32,
    drops: Arc<AtomicUsize>,
}

impl Drop for Value {
    fn drop(&mut self) {
        self.drops.fetch_add(1, Ordering::Relaxed);
    }
}

/// How many values were dropped in this store, whose data it is.
type Drops = Arc<AtomicUsize>;

fn value(mut store: impl AsContextMut<Data = Drops>, number: i32) -> ExternRef {
    let drops = store.as_context().data().clone();
    ExternRef::new(store.as_context_mut(), Value { number, drops }).expect("room for a value")
}

fn number(store: &impl AsContext, reference: ExternRef) -> i32 {
    let data = reference.data(store.as_context()).expect("a value of the host's");
    data.downcast_ref::<Value>().expect("one of ours").number
}

fn dropped(store: &Store<Drops>) -> usize {
    store.data().load(Ordering::Relaxed)
}

/// An engine that collects whenever a value is made, or only when it must.
fn engine(stress: bool) -> Engine {
    Engine::new(Config::new().gc_stress(stress)).expect("an engine")
}

/// An instance of a module that may import `new`, which makes a value, `number`, and `gc`.
fn instantiate(engine: &Engine, text: &str) -> (Store<Drops>, Instance) {
    let module = Module::new(engine, text).expect("a valid module");
    let mut linker = Linker::<Drops>::new(engine);
    linker
        .func_wrap("", "new", |caller: Caller<'_, Drops>, n: i32| Some(value(caller, n)))
        .unwrap();
    linker
        .func_wrap("", "number", |caller: Caller<'_, Drops>, reference: Option<ExternRef>| {
            reference.map_or(-1, |reference| number(&caller, reference))
        })
        .unwrap();
    linker
        .func_wrap("", "gc", |mut caller: Caller<'_, Drops>| caller.as_context_mut().gc())
        .unwrap();
    let mut store = Store::new(engine, Drops::default());
    let instance = linker.instantiate(&mut store, &module).expect("instantiates");
    (store, instance)
}

#[test]
fn values_are_dropped_when_nobody_refers_to_them() {
    let mut store = Store::new(&engine(false), Drops::default());
    {
        let mut scope = RootScope::new(&mut store);
        for n in 0..10 {
            value(&mut scope, n);
        }
        scope.as_context_mut().gc();
    }
    assert_eq!(dropped(&store), 0, "the scope was open");
    let kept = value(&mut store, 77);
    store.gc();
    assert_eq!(dropped(&store), 10);
    assert_eq!(number(&store, kept), 77);
    let drops = store.data().clone();
    drop(store);
    assert_eq!(drops.load(Ordering::Relaxed), 11);
}

#[test]
fn garbage_does_not_pile_up() {
    let engine = Engine::new(Config::new().max_gc_heap(1 << 20)).unwrap();
    let mut store = Store::new(&engine, Drops::default());
    for n in 0..1_000_000 {
        let mut scope = RootScope::new(&mut store);
        let reference = value(&mut scope, n);
        assert_eq!(number(&scope, reference), n);
    }
    // Half of the heap is for objects, of 8 bytes each.
    assert!(dropped(&store) >= 1_000_000 - (1 << 16), "{}", dropped(&store));
    assert!(store.gc_heap_size() <= 1 << 19);
}

#[test]
fn globals_tables_and_segments_keep_values_alive() {
    let text = r#"(module
        (import "" "new" (func $new (param i32) (result externref)))
        (import "" "number" (func $number (param externref) (result i32)))
        (import "" "fixed" (global $fixed externref))
        (global $mutable (export "mutable") (mut externref) (ref.null extern))
        (table $table (export "table") 4 externref)
        (elem $segment externref (global.get $fixed) (ref.null extern))
        (func (export "fill")
            (global.set $mutable (call $new (i32.const 1)))
            (table.set $table (i32.const 2) (call $new (i32.const 2))))
        (func (export "read") (result i32 i32 i32 i32)
            (table.init $table $segment (i32.const 0) (i32.const 0) (i32.const 2))
            (call $number (global.get $fixed))
            (call $number (table.get $table (i32.const 0)))
            (call $number (global.get $mutable))
            (call $number (table.get $table (i32.const 2))))
        (func (export "clear")
            (elem.drop $segment)
            (global.set $mutable (ref.null extern))
            (table.fill $table (i32.const 0) (ref.null extern) (i32.const 4))))"#;
    for stress in [false, true] {
        let engine = engine(stress);
        let mut store = Store::new(&engine, Drops::default());
        let mut linker = Linker::<Drops>::new(&engine);
        linker
            .func_wrap("", "new", |caller: Caller<'_, Drops>, n: i32| Some(value(caller, n)))
            .unwrap();
        linker
            .func_wrap("", "number", |caller: Caller<'_, Drops>, it: Option<ExternRef>| {
                number(&caller, it.expect("not null"))
            })
            .unwrap();
        let instance = {
            let mut scope = RootScope::new(&mut store);
            let ty = GlobalType { content: ValType::EXTERNREF, mutable: false };
            let fixed = value(&mut scope, 40);
            let fixed = Global::new(&mut scope, ty, fixed.into()).unwrap();
            linker.define(&scope, "", "fixed", fixed).unwrap();
            linker.instantiate(&mut scope, &Module::new(&engine, text).unwrap()).unwrap()
        };
        let call = |name: &str, store: &mut Store<Drops>| {
            let func = instance.get_func(&mut *store, name).unwrap();
            let mut results = vec![Val::I32(0); func.ty(&*store).results().len()];
            func.call(&mut *store, &[], &mut results).unwrap();
            results.iter().map(Val::unwrap_i32).collect::<Vec<_>>()
        };
        call("fill", &mut store);
        for _ in 0..3 {
            store.gc();
            assert_eq!(dropped(&store), 0);
            assert_eq!(call("read", &mut store), [40, 40, 1, 2]);
        }
        call("clear", &mut store);
        store.gc();
        assert_eq!(dropped(&store), 2, "the immutable global keeps its value");
    }
}

/// What a function holds while it calls: parameters, locals, operands, results of several kinds, in loops and branches.
const FRAMES: &str = r#"(module
    (import "" "new" (func $new (param i32) (result externref)))
    (import "" "number" (func $number (param externref) (result i32)))
    (import "" "gc" (func $gc))
    (func $two (param i32) (result externref externref)
        (call $new (local.get 0)) (call $new (i32.add (local.get 0) (i32.const 1))))
    (func (export "two") (param i32) (result externref externref)
        (return_call $two (local.get 0)))
    (func $deep (param $n i32) (param $held externref) (result i32)
        (if (result i32) (local.get $n)
            (then (i32.add (call $number (local.get $held))
                (i32.add
                    (call $deep (i32.sub (local.get $n) (i32.const 1)) (call $new (local.get $n)))
                    (call $number (local.get $held)))))
            (else (call $gc) (i32.const 0))))
    (func (export "recursion") (param i32) (result i32)
        (call $deep (local.get 0) (call $new (i32.const 0))))
    (func (export "loops") (param $n i32) (result i32)
        (local $last externref) (local $sum i32)
        (local.set $last (call $new (i32.const 1000)))
        (call $new (i32.const 5))
        (loop $next (param externref) (result externref)
            (local.set $sum (i32.add (local.get $sum) (call $number (local.get $last))))
            (local.set $last
                (select (result externref) (call $new (i32.const 7)) (local.get $last)
                    (i32.and (local.get $n) (i32.const 1))))
            (call $gc)
            (br_if $next (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
        (i32.add (call $number) (local.get $sum)))
    (func (export "operands") (param i32) (result i32) (local $sum i32)
        (call $new (i32.const 1)) (call $new (i32.const 2)) (call $two (i32.const 3))
        (call $gc)
        (block (param externref externref) (result externref)
            (local.set $sum (call $number))
            (call $gc)
            (drop)
            (br 0 (call $new (i32.const 30))))
        (call $number) (local.set $sum (i32.add (local.get $sum)))
        (i32.mul (call $number) (i32.const 100)) (local.set $sum (i32.add (local.get $sum)))
        (i32.mul (call $number) (i32.const 1000)) (i32.add (local.get $sum)))
    (func (export "switch") (param i32) (result i32)
        (block $a (result externref)
            (block $b (result externref)
                (call $gc)
                (br_table $a $b (call $new (i32.const 50)) (local.get 0)))
            (call $gc)
            (drop)
            (call $new (i32.const 60)))
        (call $number))
    (func $many (param externref i32 i32 i32 i32 i32 i32 i32 externref) (result i32)
        (call $gc)
        (i32.sub (call $number (local.get 8)) (call $number (local.get 0))))
    (func (export "stack arguments") (param i32) (result i32) (local $x externref)
        (local.set $x (call $new (i32.const 90)))
        (call $many (call $new (i32.const 11)) (i32.const 0) (i32.const 0) (i32.const 0)
            (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (call $new (i32.const 100)))
        (i32.add (call $number (local.get $x)))))"#;

#[test]
fn frames_keep_values_alive_and_find_them_where_they_moved() {
    for stress in [false, true] {
        let (mut store, instance) = instantiate(&engine(stress), FRAMES);
        let mut call = |name: &str, argument: i32| {
            let func = instance.get_typed_func::<i32, i32>(&store, name).unwrap();
            func.call(&mut store, argument).unwrap()
        };
        assert_eq!(call("recursion", 50), 2 * (2..=50).sum::<i32>());
        assert_eq!(call("loops", 4), 1000 + 1000 + 7 + 7 + 5);
        assert_eq!(call("operands", 0), 1000 + 200 + 30 + 4);
        assert_eq!([call("switch", 0), call("switch", 1)], [50, 60]);
        assert_eq!(call("stack arguments", 0), 100 - 11 + 90);
        // Nothing was made in a scope of the host's that is still open.
        store.gc();
        assert_eq!(store.gc_heap_size(), 0);

        let two = instance.get_func(&store, "two").unwrap();
        let mut results = [Val::I32(0); 2];
        two.call(&mut store, &[Val::I32(8)], &mut results).unwrap();
        let typed = two.typed::<i32, (Option<ExternRef>, Option<ExternRef>)>(&store).unwrap();
        let (ten, eleven) = typed.call(&mut store, 10).unwrap();
        store.gc();
        let found = results.map(|result| number(&store, result.unwrap_extern_ref().unwrap()));
        assert_eq!(found, [8, 9]);
        assert_eq!([ten, eleven].map(|it| number(&store, it.unwrap())), [10, 11]);
    }
}

/// Calls the instance that called, with a value that it gives back.
fn call_inner(caller: &mut Caller<'_, Drops>) {
    type Same = Option<ExternRef>;
    let func = caller.get_export("inner").unwrap().into_func().unwrap();
    let func = func.typed::<Same, Same>(&*caller).unwrap();
    let own = value(&mut *caller, 34);
    let same = func.call(&mut *caller, Some(own)).unwrap().unwrap();
    assert!(ExternRef::ref_eq(&*caller, own, same));
    assert_eq!(number(caller, same), 34);
}

#[test]
fn frames_behind_another_call_of_the_same_store_are_seen() {
    let text = r#"(module
        (import "" "new" (func $new (param i32) (result externref)))
        (import "" "number" (func $number (param externref) (result i32)))
        (import "" "again" (func $again))
        (func (export "run") (result i32) (local $x externref)
            (local.set $x (call $new (i32.const 12)))
            (call $again)
            (call $number (local.get $x)))
        (func (export "inner") (param externref) (result externref)
            (drop (call $new (i32.const 1)))
            (local.get 0)))"#;
    // Directly, and with the store lent to another thread.
    for on_thread in [false, true] {
        let engine = engine(true);
        let module = Module::new(&engine, text).unwrap();
        let mut linker = Linker::<Drops>::new(&engine);
        linker
            .func_wrap("", "new", |caller: Caller<'_, Drops>, n: i32| Some(value(caller, n)))
            .unwrap();
        linker
            .func_wrap("", "number", |caller: Caller<'_, Drops>, it: Option<ExternRef>| {
                number(&caller, it.unwrap())
            })
            .unwrap();
        linker
            .func_wrap("", "again", move |mut caller: Caller<'_, Drops>| {
                if on_thread {
                    let caller = &mut caller;
                    thread::scope(|scope| {
                        scope.spawn(|| call_inner(caller)).join().expect("no panic");
                    });
                } else {
                    call_inner(&mut caller);
                }
            })
            .unwrap();
        let mut store = Store::new(&engine, Drops::default());
        let instance = linker.instantiate(&mut store, &module).unwrap();
        let run = instance.get_typed_func::<(), i32>(&store, "run").unwrap();
        assert_eq!(run.call(&mut store, ()).unwrap(), 12, "on another thread: {on_thread}");
    }
}

/// What a panic says.
fn panic_of(f: impl FnOnce()) -> String {
    let panic = catch_unwind(AssertUnwindSafe(f)).expect_err("a panic");
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).expect("a panic with a text")
}

const STALE: &str = "used after the scope";

#[test]
fn references_are_valid_until_their_scope_ends_and_then_find_nothing() {
    let mut store = Store::new(&engine(false), Drops::default());
    let outer = value(&mut store, 1);
    let inner = {
        let mut scope = RootScope::new(&mut store);
        let inner = value(&mut scope, 2);
        assert_eq!(number(&scope, inner), 2);
        let innermost = {
            let mut scope = RootScope::new(&mut scope);
            value(&mut scope, 3)
        };
        assert!(panic_of(|| assert_eq!(number(&scope, innermost), 0)).contains(STALE));
        assert_eq!(number(&scope, inner), 2);
        inner
    };
    // The place is in use again, for another object.
    let other = value(&mut store, 4);
    assert!(panic_of(|| assert_eq!(number(&store, inner), 0)).contains(STALE));
    assert!(panic_of(|| drop(inner.to_owned_ref(&mut store))).contains(STALE));
    assert!(
        panic_of(|| drop(Global::new(
            &mut store,
            GlobalType { content: ValType::EXTERNREF, mutable: true },
            inner.into()
        )))
        .contains(STALE)
    );
    assert_eq!([outer, other].map(|it| number(&store, it)), [1, 4]);
    let mut stranger = Store::new(store.engine(), Drops::default());
    let text = panic_of(|| drop(outer.to_owned_ref(&mut stranger)));
    assert!(text.contains("another store"), "{text}");
}

#[test]
fn references_of_a_host_function_end_with_its_call_however_it_ends() {
    let engine = engine(false);
    let mut store = Store::new(&engine, Drops::default());
    let kept = Arc::new(std::sync::Mutex::new(None));
    let keep = kept.clone();
    let func = Func::wrap(&mut store, move |mut caller: Caller<'_, Drops>, how: i32| {
        let reference = value(&mut caller, how);
        *keep.lock().unwrap() = Some(reference);
        assert_ne!(how, 2, "panics");
        if how == 1 { Err(Error::host("fails")) } else { Ok(()) }
    });
    let func = func.typed::<i32, ()>(&store).unwrap();
    for how in 0..3 {
        let outcome = catch_unwind(AssertUnwindSafe(|| func.call(&mut store, how)));
        assert_eq!((outcome.is_err(), matches!(outcome, Ok(Err(_)))), (how == 2, how == 1));
        let reference = kept.lock().unwrap().take().unwrap();
        assert!(panic_of(|| assert_eq!(number(&store, reference), 0)).contains(STALE));
        store.gc();
        assert_eq!(dropped(&store), how as usize + 1);
    }
}

#[test]
fn owned_references_are_valid_for_as_long_as_they_are_kept() {
    let mut store = Store::new(&engine(true), Drops::default());
    let owned: OwnedRef<ExternRef> = {
        let mut scope = RootScope::new(&mut store);
        value(&mut scope, 5).to_owned_ref(&mut scope)
    };
    let clone = owned.clone();
    // It may be dropped anywhere.
    thread::spawn(move || drop(owned)).join().unwrap();
    {
        let mut scope = RootScope::new(&mut store);
        value(&mut scope, 6);
        let reference = clone.get(&mut scope);
        assert_eq!(number(&scope, reference), 5);
    }
    store.gc();
    assert_eq!(dropped(&store), 1);
    drop(clone);
    store.gc();
    assert_eq!(dropped(&store), 2);
}

#[test]
fn an_exhausted_heap_is_a_trap_and_leaves_the_store_usable() {
    let engine = Engine::new(Config::new().max_gc_heap(64 << 10)).unwrap();
    let mut store = Store::new(&engine, Drops::default());
    let limits = Limits { min: 10_000, max: None };
    let ty = TableType::new(RefType::EXTERNREF, limits);
    let table = Table::new(&mut store, ty, Ref::Extern(None)).unwrap();
    let fill = |store: &mut Store<Drops>| {
        for n in 0..10_000 {
            let mut scope = RootScope::new(&mut *store);
            let drops = scope.as_context().data().clone();
            let reference = ExternRef::new(&mut scope, Value { number: n, drops })?;
            table.set(&mut scope, n as u64, Ref::Extern(Some(reference))).unwrap();
        }
        Ok::<(), Error>(())
    };
    for _ in 0..2 {
        let error = fill(&mut store).unwrap_err();
        assert_eq!(error.trap().unwrap().code(), TrapCode::HeapExhausted);
        assert_eq!(error.trap().unwrap().code().message(), "garbage-collected heap exhausted");
        assert_eq!(store.gc_heap_size(), 32 << 10);
        let mut scope = RootScope::new(&mut store);
        let Some(Ref::Extern(Some(last))) = table.get(&mut scope, 4095) else { panic!("a value") };
        assert_eq!(number(&scope, last), 4095);
        assert!(matches!(table.get(&mut scope, 4096), Some(Ref::Extern(None))));
        table.fill(&mut scope, 0, Ref::Extern(None), 10_000).unwrap();
    }
}

#[test]
fn a_value_that_panics_when_it_is_dropped_does_no_harm_to_the_store() {
    struct Bomb(Drops);
    impl Drop for Bomb {
        fn drop(&mut self) {
            assert_ne!(self.0.fetch_add(1, Ordering::Relaxed), 1, "the second one");
        }
    }
    let mut store = Store::new(&engine(false), Drops::default());
    let kept = value(&mut store, 9);
    let drops = store.data().clone();
    {
        let mut scope = RootScope::new(&mut store);
        for _ in 0..3 {
            ExternRef::new(&mut scope, Bomb(drops.clone())).unwrap();
        }
    }
    assert!(panic_of(|| store.gc()).contains("the second one"));
    assert_eq!(dropped(&store), 3, "the others are dropped all the same");
    store.gc();
    assert_eq!(number(&store, kept), 9);
    assert_eq!(store.gc_heap_size(), 8);
}
