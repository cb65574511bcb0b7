//! Exceptions of programs: from where they are thrown to where they are caught, whatever lies between.

use wrun_runtime::{Engine, ExternRef, Func, Instance, Linker, Module, Store, TrapCode, V128, Val};

use crate::instantiate;

/// The result of calling an export that takes and gives numbers.
pub(crate) fn call(store: &mut Store<()>, instance: Instance, name: &str, argument: i64) -> i64 {
    let func = instance.get_typed_func::<i64, i64>(&*store, name).expect("exported");
    func.call(store, argument).unwrap_or_else(|error| panic!("{name}({argument}): {error:?}"))
}

/// Instances of modules in text that import from one another by name, in order.
pub(crate) fn link_all(engine: &Engine, texts: &[(&str, &str)]) -> (Store<()>, Vec<Instance>) {
    let mut store = Store::new(engine, ());
    let mut linker = Linker::new(engine);
    let instances = texts.iter().map(|(name, text)| {
        let module = Module::new(engine, text).expect("a valid module");
        let instance = linker.instantiate(&mut store, &module).expect("instantiates");
        linker.instance(&store, name, instance).expect("names are unique");
        instance
    });
    let instances = instances.collect();
    (store, instances)
}

#[test]
fn values_of_every_type_are_handed_on() {
    let (mut store, instance) = instantiate(
        r#"(module
            (type $values (func (param i32 i64 f32 f64 v128 funcref externref exnref)
                                (result i32 i64 f32 f64 v128 funcref externref exnref)))
            (tag $e (param i32 i64 f32 f64 v128 funcref externref exnref))
            (func (export "run") (type $values)
                (block $h (result i32 i64 f32 f64 v128 funcref externref exnref)
                    (try_table (catch $e $h)
                        (call $throw (local.get 0) (local.get 1) (local.get 2) (local.get 3)
                            (local.get 4) (local.get 5) (local.get 6) (local.get 7))
                        drop drop drop drop drop drop drop drop)
                    (unreachable)))
            (func $throw (type $values)
                (throw $e (local.get 0) (local.get 1) (local.get 2) (local.get 3) (local.get 4)
                    (local.get 5) (local.get 6) (local.get 7)))
            (func (export "itself") (result funcref) (ref.func $itself))
            (func $itself (export "throws")))"#,
    );
    let run = instance.get_func(&mut store, "run").unwrap();
    let throws = instance.get_func(&mut store, "throws").unwrap();
    let external = ExternRef::new(&mut store, "kept").unwrap();
    let arguments = [
        Val::I32(-1),
        Val::I64(i64::MIN),
        Val::F32(0x7fc0_0001),
        Val::F64(2.5_f64.to_bits()),
        Val::V128(V128::from(u128::MAX - 5)),
        Val::FuncRef(Some(throws)),
        Val::ExternRef(Some(external)),
        Val::ExnRef(None),
    ];
    let mut results = vec![Val::I32(0); 8];
    run.call(&mut store, &arguments, &mut results).unwrap();
    assert_eq!(results[0].unwrap_i32(), -1);
    assert_eq!(results[1].unwrap_i64(), i64::MIN);
    assert!(matches!(results[2], Val::F32(0x7fc0_0001)));
    assert_eq!(results[3].unwrap_f64(), 2.5);
    assert_eq!(results[4].unwrap_v128(), V128::from(u128::MAX - 5));
    assert_eq!(results[5].unwrap_func_ref(), Some(throws));
    let external = results[6].unwrap_extern_ref().unwrap();
    assert_eq!(external.data(&store).unwrap().downcast_ref(), Some(&"kept"));
    assert!(results[7].unwrap_exn_ref().is_none());
}

#[test]
fn tags_are_told_apart_by_instance() {
    let engine = Engine::default();
    let thrower = r#"(module
        (tag $e (export "e") (param i64))
        (func (export "throw") (param i64) (throw $e (local.get 0))))"#;
    let catcher = r#"(module
        (import "one" "e" (tag $one (param i64)))
        (import "one" "e" (tag $alias (param i64)))
        (import "two" "e" (tag $two (param i64)))
        (import "one" "throw" (func $throw_one (param i64)))
        (import "two" "throw" (func $throw_two (param i64)))
        (tag $own (param i64))
        (table funcref (elem $throw_one $throw_two $throw_own))
        (func $throw_own (param i64) (throw $own (local.get 0)))
        (func (export "run") (param i64) (result i64)
            (block $one (result i64)
                (block $two (result i64)
                    (block $own (result i64)
                        (block $rest
                            (try_table (catch $own $own) (catch $two $two) (catch $alias $one) (catch_all $rest)
                                (call_indirect (param i64) (local.get 0) (i32.wrap_i64 (local.get 0))))
                            (unreachable))
                        (return (i64.const -1)))
                    (return (i64.add (i64.const 100))))
                (return (i64.add (i64.const 200))))
            (i64.add (i64.const 300))))"#;
    // One module twice: the same tag of the module is another one in each instance.
    let (mut store, instances) =
        link_all(&engine, &[("one", thrower), ("two", thrower), ("", catcher)]);
    assert_eq!(call(&mut store, instances[2], "run", 0), 300);
    assert_eq!(call(&mut store, instances[2], "run", 1), 201);
    assert_eq!(call(&mut store, instances[2], "run", 2), 102);
}

#[test]
fn the_frame_that_catches_is_that_of_the_right_instance() {
    // Two instances of one module call each other: frames of the same code, with different tags behind the same index.
    let text = r#"(module
        (import "" "next" (func $next (param i64) (result i64)))
        (tag $e (export "e"))
        (func (export "throw") (throw $e))
        (func (export "catch") (param i64) (result i64)
            (block $h
                (try_table (catch $e $h) (return (call $next (local.get 0))))
                (unreachable))
            (i64.add (local.get 0) (i64.const 1000))))"#;
    let engine = Engine::default();
    let module = Module::new(&engine, text).unwrap();
    let mut store = Store::new(&engine, ());
    let nothing = Func::wrap(&mut store, |_: i64| -> i64 { unreachable!() });
    let inner_most = Instance::new(&mut store, &module, &[nothing.into()]).unwrap();
    let throw = inner_most.get_func(&mut store, "throw").unwrap();
    // The first one's exception is thrown under a frame of the second, which does not catch it, under one of the first.
    let bridge = Module::new(
        &engine,
        r#"(module
            (import "" "throw" (func $throw))
            (func (export "next") (param i64) (result i64) (call $throw) (i64.const 0)))"#,
    );
    let bridge = Instance::new(&mut store, &bridge.unwrap(), &[throw.into()]).unwrap();
    let next = bridge.get_func(&mut store, "next").unwrap();
    let second = Instance::new(&mut store, &module, &[next.into()]).unwrap();
    let catch = second.get_typed_func::<i64, i64>(&store, "catch").unwrap();
    let error = catch.call(&mut store, 1).unwrap_err();
    let tag = inner_most.get_tag(&mut store, "e").unwrap();
    assert_eq!(error.exception().unwrap().tag(), tag, "the other instance's tag is another one");
}

#[test]
fn a_tail_call_leaves_the_block_around_it() {
    let (mut store, instance) = instantiate(
        r#"(module
            (tag $e (param i64))
            (func $native (export "native") (param i64) (result i64) (throw $e (local.get 0)))
            (func $internal (param i64) (result i64) (throw $e (local.get 0)))
            (func $leaves (param i64) (result i64)
                (block $h (result i64)
                    (try_table (catch $e $h) (return_call $internal (local.get 0)))
                    (unreachable))
                (i64.add (i64.const 1000)))
            (func $leaves_native (param i64) (result i64)
                (block $h (result i64)
                    (try_table (catch $e $h) (return_call $native (local.get 0)))
                    (unreachable))
                (i64.add (i64.const 1000)))
            (func (export "run") (param i64) (result i64)
                (block $h (result i64)
                    (try_table (result i64) (catch $e $h)
                        (if (result i64) (i64.eqz (local.get 0))
                            (then (call $leaves (i64.const 5)))
                            (else (call $leaves_native (i64.const 6))))))
                (i64.add (i64.const 100))))"#,
    );
    assert_eq!(call(&mut store, instance, "run", 0), 105);
    assert_eq!(call(&mut store, instance, "run", 1), 106);
}

#[test]
fn the_innermost_clause_that_fits_takes_an_exception() {
    let (mut store, instance) = instantiate(
        r#"(module
            (tag $a) (tag $b) (tag $c)
            (func $throw (param i64)
                (if (i64.eq (local.get 0) (i64.const 0)) (then (throw $a)))
                (if (i64.eq (local.get 0) (i64.const 1)) (then (throw $b)))
                (if (i64.eq (local.get 0) (i64.const 2)) (then (throw $c))))
            (func (export "run") (param i64) (result i64)
                (block $outer
                    (block $middle
                        (block $inner
                            (try_table (catch_all $outer)
                                (try_table (catch $b $middle) (catch $b $inner)
                                    (try_table (catch $a $inner)
                                        (call $throw (local.get 0)))))
                            (return (i64.const 0)))
                        (return (i64.const 1)))
                    (return (i64.const 2)))
                (i64.const 3)))"#,
    );
    let found = [0, 1, 2, 3].map(|which| call(&mut store, instance, "run", which));
    assert_eq!(found, [1, 2, 3, 0]);
}

#[test]
fn a_clause_may_branch_to_a_loop_or_return() {
    let (mut store, instance) = instantiate(
        r#"(module
            (tag $again) (tag $done (param i64))
            (func $step (param i64)
                (if (i64.lt_s (local.get 0) (i64.const 10)) (then (throw $again)))
                (throw $done (i64.mul (local.get 0) (i64.const 2))))
            (func (export "run") (param i64) (result i64)
                (loop $next
                    (local.set 0 (i64.add (local.get 0) (i64.const 1)))
                    (try_table (catch $again $next) (catch $done 1)
                        (call $step (local.get 0))))
                (unreachable)))"#,
    );
    assert_eq!(call(&mut store, instance, "run", -5), 20);
}

#[test]
fn an_exception_that_is_thrown_again_is_the_same() {
    let (mut store, instance) = instantiate(
        r#"(module
            (tag $e (param i64))
            (global $kept (mut exnref) (ref.null exn))
            (func $throw (throw $e (i64.const 9)))
            (func $rethrow
                (block $h (result i64 exnref)
                    (try_table (catch_ref $e $h) (call $throw))
                    (unreachable))
                (global.set $kept)
                (drop)
                (throw_ref (global.get $kept)))
            (func (export "run") (param i64) (result i64)
                (block $h (result exnref)
                    (try_table (catch_all_ref $h) (call $rethrow))
                    (unreachable))
                (global.set $kept)
                ;; Long after it was caught.
                (block $h (result i64)
                    (try_table (catch $e $h) (throw_ref (global.get $kept)))
                    (unreachable)))
            (func (export "null") (param i64) (result i64)
                (block $h
                    (try_table (catch_all $h) (throw_ref (ref.null exn))))
                (i64.const 0)))"#,
    );
    assert_eq!(call(&mut store, instance, "run", 0), 9);
    let null = instance.get_typed_func::<i64, i64>(&store, "null").unwrap();
    let error = null.call(&mut store, 0).unwrap_err();
    assert_eq!(error.trap().unwrap().code(), TrapCode::NullExceptionReference);
    assert_eq!(error.to_string(), "null exception reference");
    assert_eq!(error.backtrace().unwrap().frames().len(), 1);
}

#[test]
fn traps_are_not_caught() {
    let (mut store, instance) = instantiate(
        r#"(module
            (func $overflow (param i64) (result i64) (i64.add (call $overflow (local.get 0)) (i64.const 1)))
            (func (export "run") (param i64) (result i64)
                (block $h
                    (try_table (catch_all $h)
                        (if (i64.eqz (local.get 0)) (then (unreachable)))
                        (return (call $overflow (local.get 0)))))
                (i64.const 0)))"#,
    );
    let run = instance.get_typed_func::<i64, i64>(&store, "run").unwrap();
    for (argument, code) in [(0, TrapCode::Unreachable), (1, TrapCode::StackExhausted)] {
        assert_eq!(run.call(&mut store, argument).unwrap_err().trap().unwrap().code(), code);
    }
}

#[test]
fn nobody_catches_what_a_start_function_throws() {
    let engine = Engine::default();
    let module = Module::new(
        &engine,
        r#"(module
            (tag $e (export "oh no") (param i32 f64 externref))
            (func $inner (throw $e (i32.const -4) (f64.const 0.5) (ref.null extern)))
            (func $start (call $inner))
            (start $start))"#,
    );
    let mut store = Store::new(&engine, ());
    let error = Instance::new(&mut store, &module.unwrap(), &[]).unwrap_err();
    assert_eq!(error.to_string(), "uncaught exception: tag `oh no` (-4, 0.5, null)");
    let names: Vec<_> =
        error.backtrace().unwrap().frames().iter().map(|frame| frame.func_name()).collect();
    assert_eq!(names, [Some("inner"), Some("start")]);
}
