//! Exceptions between programs and the host: thrown by either, caught by either, and on their way through.

use wrun_runtime::{
    Caller, Engine, ErrorKind, Exn, Extern, Func, FuncType, GcRef, Global, GlobalType, HeapType,
    Instance, Linker, Module, Ref, RootScope, Store, SubType, Table, TableType, Tag, TagType,
    TrapCode, Val, ValType,
};

/// A tag for exceptions that carry one `i64`.
fn number_tag(store: &mut Store<()>) -> Tag {
    Tag::new(store, &TagType { func: FuncType::new([ValType::I64], []) }).unwrap()
}

/// An instance of a module that imports `"" "e"`, a tag for an `i64`, and `"" "f"`, a function from and to `i64`.
fn with_tag_and_func(store: &mut Store<()>, tag: Tag, func: Func, text: &str) -> Instance {
    let engine = store.engine().clone();
    let text = format!(
        r#"(module
            (import "" "e" (tag $e (param i64)))
            (import "" "f" (func $f (param i64) (result i64)))
            {text})"#
    );
    let module = Module::new(&engine, text).unwrap();
    Instance::new(store, &module, &[tag.into(), func.into()]).unwrap()
}

/// Calls the host and catches: gives what was thrown, plus 1000.
const CATCHES: &str = r#"
    (func (export "run") (param i64) (result i64)
        (block $h (result i64)
            (try_table (catch $e $h) (return (call $f (local.get 0))))
            (unreachable))
        (i64.add (i64.const 1000)))"#;

/// Throws its argument.
const THROWS: &str = r#"
    (func $inner (param i64) (throw $e (local.get 0)))
    (func $middle (export "run") (param i64) (result i64)
        (call $inner (local.get 0)) (i64.const 0))"#;

fn run(store: &mut Store<()>, instance: Instance, argument: i64) -> wrun_runtime::Result<i64> {
    instance.get_typed_func::<i64, i64>(&*store, "run").unwrap().call(store, argument)
}

/// A function that fails when it is called.
fn not_called(store: &mut Store<()>) -> Func {
    Func::wrap(store, |_: i64| -> i64 { panic!("nobody calls it") })
}

#[test]
fn what_a_host_function_throws_is_caught() {
    let mut store = Store::new(&Engine::default(), ());
    let tag = number_tag(&mut store);
    let throws = |caller: &mut Caller<'_, ()>, tag: Tag, value: i64| {
        let exception = Exn::new(&mut *caller, tag, &[value.into()])?;
        assert_eq!(exception.tag(&*caller), tag);
        Err(caller.throw(exception))
    };
    let typed = move |mut caller: Caller<'_, ()>, value: i64| -> wrun_runtime::Result<i64> {
        throws(&mut caller, tag, value)
    };
    let dynamic = move |mut caller: Caller<'_, ()>, arguments: &[Val], _: &mut [Val]| {
        throws(&mut caller, tag, arguments[0].unwrap_i64()).map(|_: i64| ())
    };
    let typed = Func::wrap(&mut store, typed);
    let ty = FuncType::new([ValType::I64], [ValType::I64]);
    let dynamic = Func::new(&mut store, ty, dynamic).unwrap();
    for func in [typed, dynamic] {
        let instance = with_tag_and_func(&mut store, tag, func, CATCHES);
        for value in [5, -6] {
            assert_eq!(run(&mut store, instance, value).unwrap(), 1000 + value);
        }
        // Called by the host itself, there is nobody else to catch it.
        let mut results = [Val::I64(0)];
        let error = func.call(&mut store, &[Val::I64(7)], &mut results).unwrap_err();
        let exception = error.exception().unwrap();
        assert_eq!(exception.tag(), tag);
        let exception = exception.exn(&mut store);
        assert_eq!(exception.values(&mut store)[0].unwrap_i64(), 7);
    }
}

#[test]
fn an_exception_goes_on_through_host_functions_that_give_it_to_their_callers() {
    let mut store = Store::new(&Engine::default(), ());
    let tag = number_tag(&mut store);
    let unused = not_called(&mut store);
    let throws = with_tag_and_func(&mut store, tag, unused, THROWS);
    let inner = throws.get_typed_func::<i64, i64>(&store, "run").unwrap();
    // Through two activations, of which the second has no handler either.
    let first = Func::wrap(&mut store, move |mut caller: Caller<'_, ()>, value: i64| {
        inner.call(&mut caller, value)
    });
    let passes = r#"(func (export "run") (param i64) (result i64) (call $f (local.get 0)))"#;
    let passes = with_tag_and_func(&mut store, tag, first, passes);
    let middle = passes.get_typed_func::<i64, i64>(&store, "run").unwrap();
    let second = Func::wrap(&mut store, move |mut caller: Caller<'_, ()>, value: i64| {
        // A handle of this scope does not matter to the exception.
        let _ = Exn::new(&mut caller, tag, &[0_i64.into()])?;
        middle.call(&mut caller, value)
    });
    let catches = with_tag_and_func(&mut store, tag, second, CATCHES);
    for value in 0..100 {
        assert_eq!(run(&mut store, catches, value).unwrap(), 1000 + value);
    }

    let error = run(&mut store, passes, 3).unwrap_err();
    let frames = error.backtrace().unwrap().frames();
    let names: Vec<_> = frames.iter().map(|frame| frame.func_name()).collect();
    assert_eq!(names, [Some("inner"), Some("middle"), None], "where it was thrown, and all around");
}

#[test]
fn a_host_function_may_catch_what_it_called() {
    let mut store = Store::new(&Engine::default(), ());
    let tag = number_tag(&mut store);
    let other = number_tag(&mut store);
    let unused = not_called(&mut store);
    let throws = with_tag_and_func(&mut store, tag, unused, THROWS);
    let inner = throws.get_typed_func::<i64, i64>(&store, "run").unwrap();
    let catches = move |mut caller: Caller<'_, ()>, value: i64| match inner.call(&mut caller, value)
    {
        Err(error) if error.exception().is_some_and(|it| it.tag() == other) => Ok(-1),
        Err(error) => match error.exception() {
            Some(exception) if exception.tag() == tag => {
                let exception = exception.exn(&mut caller);
                Ok(exception.values(&mut caller)[0].unwrap_i64() * 2)
            }
            _ => Err(error),
        },
        Ok(value) => Ok(value),
    };
    let func = Func::wrap(&mut store, catches);
    let catches = with_tag_and_func(&mut store, tag, func, CATCHES);
    assert_eq!(run(&mut store, catches, 21).unwrap(), 42);
}

#[test]
fn exceptions_of_another_store_are_errors_like_others() {
    let engine = Engine::default();
    let mut other = Store::new(&engine, ());
    let other_tag = number_tag(&mut other);
    let unused = not_called(&mut other);
    let throws = with_tag_and_func(&mut other, other_tag, unused, THROWS);
    let other = std::sync::Mutex::new(other);
    let mut store = Store::new(&engine, ());
    let tag = number_tag(&mut store);
    let func =
        Func::wrap(&mut store, move |value: i64| run(&mut other.lock().unwrap(), throws, value));
    let catches_all = r#"
        (func (export "run") (param i64) (result i64)
            (block $h (try_table (catch_all $h) (return (call $f (local.get 0)))))
            (i64.const 0))"#;
    let instance = with_tag_and_func(&mut store, tag, func, catches_all);
    let error = run(&mut store, instance, 1).unwrap_err();
    assert_eq!(error.exception().unwrap().tag(), other_tag);
    let tag_of_other = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        error.exception().unwrap().exn(&mut store)
    }));
    assert!(tag_of_other.is_err(), "it cannot be looked at with this store");
}

#[test]
fn other_failures_of_host_functions_are_not_caught() {
    let mut store = Store::new(&Engine::default(), ());
    let tag = number_tag(&mut store);
    let catches_all = r#"
        (func (export "run") (param i64) (result i64)
            (block $h (try_table (catch_all $h) (return (call $f (local.get 0)))))
            (i64.const 0))"#;
    let fails = |value: i64| -> wrun_runtime::Result<i64> {
        match value {
            0 => Err(wrun_runtime::Error::exit(3)),
            1 => Err(TrapCode::Unreachable.into()),
            _ => Err(wrun_runtime::Error::host("no")),
        }
    };
    let func = Func::wrap(&mut store, fails);
    let instance = with_tag_and_func(&mut store, tag, func, catches_all);
    assert_eq!(run(&mut store, instance, 0).unwrap_err().exit_code(), Some(3));
    assert!(run(&mut store, instance, 1).unwrap_err().trap().is_some());
    assert!(matches!(run(&mut store, instance, 2).unwrap_err().kind(), ErrorKind::Host(_)));
    let panics = Func::wrap(&mut store, |_: i64| -> i64 { panic!("as it is meant to") });
    let instance = with_tag_and_func(&mut store, tag, panics, catches_all);
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let _ = run(&mut store, instance, 0);
    }));
    assert!(panicked.is_err());
}

#[test]
fn an_error_keeps_its_exception_alive_and_no_longer() {
    let engine = Engine::default();
    let mut store = Store::new(&engine, ());
    let tag = number_tag(&mut store);
    let unused = not_called(&mut store);
    let throws = with_tag_and_func(&mut store, tag, unused, THROWS);
    let errors: Vec<_> =
        (0..1000).map(|value| run(&mut store, throws, value).unwrap_err()).collect();
    store.gc();
    for (value, error) in (0..).zip(&errors) {
        let mut scope = RootScope::new(&mut store);
        let exception = error.exception().unwrap().exn(&mut scope);
        assert_eq!(exception.values(&mut scope)[0].unwrap_i64(), value);
        assert_eq!(error.to_string(), format!("uncaught exception: tag `e` ({value})"));
    }
    let kept = store.gc_heap_size();
    drop(errors);
    store.gc();
    assert!(kept >= 16_000 && store.gc_heap_size() == 0, "{kept} and {}", store.gc_heap_size());
}

#[test]
fn references_to_exceptions_go_through_calls_tables_and_globals() {
    let engine = Engine::default();
    let module = Module::new(
        &engine,
        r#"(module
            (import "" "e" (tag $e (param i64)))
            (func (export "same") (param exnref) (result exnref) (local.get 0))
            (func (export "throw") (param exnref) (throw_ref (local.get 0))))"#,
    );
    let mut store = Store::new(&engine, ());
    let tag = number_tag(&mut store);
    let instance = Instance::new(&mut store, &module.unwrap(), &[tag.into()]).unwrap();
    let exception = Exn::new(&mut store, tag, &[8_i64.into()]).unwrap();

    let same = instance.get_typed_func::<Option<Exn>, Option<Exn>>(&store, "same").unwrap();
    assert!(same.call(&mut store, None).unwrap().is_none());
    let found = same.call(&mut store, Some(exception)).unwrap().unwrap();
    assert!(Exn::ref_eq(&store, found, exception));

    let ty = GlobalType { content: ValType::EXNREF, mutable: true };
    let global = Global::new(&mut store, ty, Some(exception).into()).unwrap();
    let element = wrun_runtime::RefType { nullable: true, heap: wrun_runtime::HeapType::Exn };
    let limits = wrun_runtime::Limits { min: 1, max: None };
    let table = TableType::new(element, limits);
    let table = Table::new(&mut store, table, Ref::Exn(Some(exception))).unwrap();
    store.gc();
    let found = global.get(&mut store).unwrap_exn_ref().unwrap();
    assert!(Exn::ref_eq(&store, found, exception));
    let Some(Ref::Exn(Some(found))) = table.get(&mut store, 0) else { panic!("an exception") };
    assert!(Exn::ref_eq(&store, found, exception));

    let throw = instance.get_typed_func::<Option<Exn>, ()>(&store, "throw").unwrap();
    let error = throw.call(&mut store, Some(found)).unwrap_err();
    let found = error.exception().unwrap().exn(&mut store);
    assert!(Exn::ref_eq(&store, found, exception));
}

#[test]
fn exceptions_are_made_of_values_of_the_tags_types() {
    let mut store = Store::new(&Engine::default(), ());
    let types = [ValType::I32, ValType::FUNCREF, ValType::V128];
    let tag = Tag::new(&mut store, &TagType { func: FuncType::new(types, []) }).unwrap();
    let vector = Val::V128(7.into());
    let error = Exn::new(&mut store, tag, &[Val::I32(1)]).unwrap_err();
    assert_eq!(error.to_string(), "type mismatch of the number of values: expected 3, found 1");
    let wrong = [Val::I32(1), Val::ExternRef(None), vector];
    let error = Exn::new(&mut store, tag, &wrong).unwrap_err();
    assert_eq!(
        error.to_string(),
        "type mismatch of value 1 of an exception: expected funcref, found externref"
    );
    let exception = Exn::new(&mut store, tag, &[Val::I32(1), Val::FuncRef(None), vector]).unwrap();
    let values = exception.values(&mut store);
    assert_eq!((values[0].unwrap_i32(), values[2].unwrap_v128()), (1, 7.into()));
    let error = store.throw(exception);
    assert_eq!(
        error.to_string(),
        "uncaught exception: a tag of the host's (1, null, 0x00000000000000000000000000000007)"
    );
    assert!(error.backtrace().is_none(), "no program was running");
}

#[test]
fn an_exported_tag_is_the_one_that_is_imported() {
    let engine = Engine::default();
    let mut store = Store::new(&engine, ());
    let tag = number_tag(&mut store);
    let module = r#"(module (import "" "e" (tag $e (param i64))) (export "same" (tag $e)))"#;
    let module = Module::new(&engine, module).unwrap();
    let instance = Instance::new(&mut store, &module, &[tag.into()]).unwrap();
    assert_eq!(instance.get_tag(&store, "same"), Some(tag));
    assert_ne!(number_tag(&mut store), tag);
    assert!(matches!(instance.get_export(&store, "same"), Some(Extern::Tag(_))));

    let mut linker = Linker::<()>::new(&engine);
    let other = Tag::new(&mut store, &TagType { func: FuncType::new([], []) }).unwrap();
    linker.define(&mut store, "", "e", other).unwrap();
    let error = linker.instantiate(&mut store, &module).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Link(_)), "{error}");
}

#[test]
fn tags_are_imported_by_the_very_type() {
    let engine = Engine::default();
    let text = r#"(module
        (rec (type $e (func (param i32))) (type $other (func)))
        (import "host" "tag" (tag (type $e))))"#;
    let module = Module::new(&engine, text).unwrap();
    let e = FuncType::new([ValType::I32], []);
    let group = [e.clone(), FuncType::new([], [])].map(SubType::plain);
    let declared = engine.define_types(&group).unwrap()[0];
    let mut store = Store::new(&engine, ());
    let same = Tag::of_type(&mut store, declared).unwrap();
    let alone = Tag::new(&mut store, &TagType { func: e.clone() }).unwrap();
    assert_eq!(same.ty(&store), alone.ty(&store));
    Instance::new(&mut store, &module, &[same.into()]).unwrap();
    let refused = Instance::new(&mut store, &module, &[alone.into()]).unwrap_err();
    assert!(refused.to_string().contains("incompatible import type"), "{refused}");

    let answers = engine.define_type(FuncType::new([], [ValType::I32])).unwrap();
    assert!(Tag::of_type(&mut store, answers).is_err(), "it has a result");
    assert!(Tag::of_type(&mut store, HeapType::Any).is_err(), "it is no type of functions");
}
