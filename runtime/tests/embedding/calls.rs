//! Calls in both directions: typed and dynamic, with many values, with errors and panics.

use wrun_runtime::{
    Caller, Error, ErrorKind, ExternRef, Func, FuncType, GcRef, Store, V128, Val, ValType,
};

use crate::{instantiate, link};

#[test]
fn values_of_every_type_go_both_ways() {
    let text = r#"(module
        (import "host" "all" (func $all (param i32 i64 f32 f64 v128 funcref externref)
            (result externref funcref v128 f64 f32 i64 i32)))
        (func (export "run") (param i32 i64 f32 f64 v128 funcref externref)
            (result externref funcref v128 f64 f32 i64 i32)
            (call $all (local.get 0) (local.get 1) (local.get 2) (local.get 3) (local.get 4) (local.get 5)
                (local.get 6))))"#;
    type All = (i32, i64, f32, f64, V128, Option<Func>, Option<ExternRef>);
    type Reversed = (Option<ExternRef>, Option<Func>, V128, f64, f32, i64, i32);
    let (mut store, instance) = link(text, (), |linker| {
        linker.func_wrap(
            "host",
            "all",
            |a: i32, b: i64, c: f32, d: f64, e: V128, f: Option<Func>, g: Option<ExternRef>| {
                (g, f, e, d + 1.0, c + 1.0, b + 1, a + 1)
            },
        )?;
        Ok(())
    });
    let func = Func::wrap(&mut store, || 5i32);
    let external = ExternRef::new(&mut store, "external".to_owned()).unwrap();
    let bits = V128::from(0x0102_0304_0506_0708_090a_0b0c_0d0e_0f10);
    let run = instance.get_typed_func::<All, Reversed>(&store, "run").unwrap();
    let (g, f, e, d, c, b, a) = run
        .call(&mut store, (i32::MAX - 1, -5, 1.5, -2.5, bits, Some(func), Some(external)))
        .unwrap();
    assert_eq!((a, b, c, d, e), (i32::MAX, -4, 2.5, -1.5, bits));
    assert_eq!(f.unwrap().typed::<(), i32>(&store).unwrap().call(&mut store, ()).unwrap(), 5);
    let data = g.unwrap().data(&store).unwrap();
    assert_eq!(data.downcast_ref::<String>().unwrap(), "external");
    let nulls = run.call(&mut store, (0, 0, 0.0, 0.0, bits, None, None)).unwrap();
    assert!(nulls.0.is_none() && nulls.1.is_none());

    let mut results = vec![Val::I32(0); 7];
    let arguments = [
        Val::I32(1),
        Val::I64(2),
        Val::from(3.0f32),
        Val::from(4.0f64),
        bits.into(),
        func.into(),
        external.into(),
    ];
    run.func().call(&mut store, &arguments, &mut results).unwrap();
    assert_eq!(results[6].unwrap_i32(), 2);
    assert_eq!(results[4].unwrap_f32(), 4.0);
    assert_eq!(results[3].unwrap_f64(), 5.0);
    assert_eq!(results[2].unwrap_v128(), bits);
    assert_eq!(results[1].unwrap_func_ref(), Some(func));
    let returned = results[0].unwrap_extern_ref().unwrap();
    assert!(ExternRef::ref_eq(&store, returned, external));
}

#[test]
fn sixteen_parameters_and_results_keep_their_order() {
    let types = "i64 f64 ".repeat(8);
    let gets: String = (0..16).map(|index| format!("(local.get {index}) ")).collect();
    let text = format!(
        r#"(module (import "host" "f" (func $f (param {types}) (result {types})))
            (func (export "run") (param {types}) (result {types}) {gets} (call $f)))"#
    );
    type Sixteen = (i64, f64, i64, f64, i64, f64, i64, f64, i64, f64, i64, f64, i64, f64, i64, f64);
    let (mut store, instance) = link(&text, (), |linker| {
        linker.func_wrap(
            "host",
            "f",
            |a: i64,
             b: f64,
             c: i64,
             d: f64,
             e: i64,
             f: f64,
             g: i64,
             h: f64,
             i: i64,
             j: f64,
             k: i64,
             l: f64,
             m: i64,
             n: f64,
             o: i64,
             p: f64|
             -> Sixteen {
                (a + 1, b, c + 1, d, e + 1, f, g + 1, h, i + 1, j, k + 1, l, m + 1, n, o + 1, p)
            },
        )?;
        Ok(())
    });
    let run = instance.get_typed_func::<Sixteen, Sixteen>(&store, "run").unwrap();
    let arguments = (0, 0.5, 1, 1.5, 2, 2.5, 3, 3.5, 4, 4.5, 5, 5.5, 6, 6.5, 7, 7.5);
    let (a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p) = run.call(&mut store, arguments).unwrap();
    assert_eq!([a, c, e, g, i, k, m, o], [1, 2, 3, 4, 5, 6, 7, 8]);
    assert_eq!([b, d, f, h, j, l, n, p], [0.5, 1.5, 2.5, 3.5, 4.5, 5.5, 6.5, 7.5]);
}

#[test]
fn dynamic_host_functions_get_and_give_values() {
    let text = r#"(module (import "host" "f" (func $f (param i32 f64) (result f64 i32 i64)))
        (func (export "run") (param i32 f64) (result f64 i32 i64) (call $f (local.get 0) (local.get 1))))"#;
    let ty =
        FuncType::new([ValType::I32, ValType::F64], [ValType::F64, ValType::I32, ValType::I64]);
    let (mut store, instance) = link(text, 10i64, move |linker| {
        linker.func_new("host", "f", ty, |caller, arguments, results| {
            results[0] = arguments[1];
            results[1] = arguments[0];
            results[2] = Val::I64(*caller.data());
            Ok(())
        })?;
        Ok(())
    });
    let run = instance.get_typed_func::<(i32, f64), (f64, i32, i64)>(&store, "run").unwrap();
    assert_eq!(run.call(&mut store, (3, 0.5)).unwrap(), (0.5, 3, 10));
    let mut results = [Val::I32(0); 3];
    run.func().call(&mut store, &[Val::I32(4), Val::from(1.5)], &mut results).unwrap();
    assert_eq!(results[2].unwrap_i64(), 10);
}

#[test]
fn a_dynamic_function_that_lies_about_its_results_is_an_error() {
    let mut store = Store::new(&wrun_runtime::Engine::default(), ());
    let func = Func::new(&mut store, FuncType::new([], [ValType::I32]), |_, _, results| {
        results[0] = Val::I64(1);
        Ok(())
    })
    .unwrap();
    let error = func.call(&mut store, &[], &mut [Val::I32(0)]).unwrap_err();
    assert!(error.to_string().contains("expected i32, found i64"), "{error}");
}

#[test]
fn the_host_calls_its_own_functions() {
    let mut store = Store::new(&wrun_runtime::Engine::default(), 1u32);
    let func = Func::wrap(&mut store, |mut caller: Caller<'_, u32>, a: u32| {
        *caller.data_mut() += a;
        assert!(caller.instance().is_none());
        (*caller.data(), u64::from(a))
    });
    assert_eq!(func.typed::<u32, (u32, u64)>(&store).unwrap().call(&mut store, 4).unwrap(), (5, 4));
    let mut results = [Val::I32(0); 2];
    func.call(&mut store, &[Val::I32(5)], &mut results).unwrap();
    assert_eq!(results[0].unwrap_i32(), 10);
    assert_eq!(*store.data(), 10);
}

#[test]
fn wrong_types_name_expected_and_found() {
    let (mut store, instance) = instantiate(
        r#"(module (func (export "f") (param i32) (result i64) (i64.const 0)) (memory (export "m") 1))"#,
    );
    let error = instance.get_typed_func::<i64, i64>(&store, "f").unwrap_err().to_string();
    assert!(
        error.contains(
            "expected (func (param i64) (result i64)), found (func (param i32) (result i64))"
        ),
        "{error}"
    );
    let error = instance.get_typed_func::<(), ()>(&store, "m").unwrap_err().to_string();
    assert!(error.contains("expected a function, found (memory 1)"), "{error}");
    let error = instance.get_typed_func::<(), ()>(&store, "g").unwrap_err().to_string();
    assert!(error.contains("no export `g`"), "{error}");
    let func = instance.get_func(&store, "f").unwrap();
    let error = func.call(&mut store, &[Val::I64(0)], &mut [Val::I64(0)]).unwrap_err();
    assert!(
        matches!(error.kind(), ErrorKind::Type(_))
            && error.to_string().contains("expected i32, found i64")
    );
    assert!(
        func.call(&mut store, &[], &mut [Val::I64(0)])
            .unwrap_err()
            .to_string()
            .contains("expected 1, found 0")
    );
}

#[test]
fn errors_of_the_host_come_through_with_a_backtrace() {
    let text =
        r#"(module (import "host" "fail" (func $fail)) (func $run (export "run") (call $fail)))"#;
    let (mut store, instance) = link(text, (), |linker| {
        linker.func_wrap("host", "fail", || -> Result<(), Error> {
            Err(Error::host("out of coffee"))
        })?;
        Ok(())
    });
    let run = instance.get_typed_func::<(), ()>(&store, "run").unwrap();
    let error = run.call(&mut store, ()).unwrap_err();
    assert_eq!(error.to_string(), "out of coffee");
    assert_eq!(error.backtrace().unwrap().frames()[0].func_name(), Some("run"));
}

#[test]
fn an_exit_keeps_its_code_and_has_no_backtrace() {
    let text = r#"(module (import "host" "exit" (func $exit (param i32))) (func (export "run") (call $exit (i32.const 77))))"#;
    let (mut store, instance) = link(text, (), |linker| {
        linker.func_wrap("host", "exit", |code: i32| -> Result<(), Error> {
            Err(Error::exit(code))
        })?;
        Ok(())
    });
    let error =
        instance.get_typed_func::<(), ()>(&store, "run").unwrap().call(&mut store, ()).unwrap_err();
    assert_eq!(error.exit_code(), Some(77));
    assert!(error.backtrace().is_none());
}

#[test]
fn a_panic_of_the_host_goes_on_in_its_caller() {
    struct Dropped<'a>(&'a std::sync::atomic::AtomicBool);
    impl Drop for Dropped<'_> {
        fn drop(&mut self) {
            self.0.store(true, std::sync::atomic::Ordering::Relaxed);
        }
    }
    static DROPPED: std::sync::atomic::AtomicBool = std::sync::atomic::AtomicBool::new(false);
    let text =
        r#"(module (import "host" "panic" (func $panic)) (func (export "run") (call $panic)))"#;
    let (mut store, instance) = link(text, (), |linker| {
        linker.func_wrap("host", "panic", || {
            let _guard = Dropped(&DROPPED);
            if true {
                std::panic::panic_any(42i32);
            }
        })?;
        Ok(())
    });
    let run = instance.get_typed_func::<(), ()>(&store, "run").unwrap();
    let call = std::panic::AssertUnwindSafe(|| run.call(&mut store, ()));
    let payload = std::panic::catch_unwind(call).unwrap_err();
    assert_eq!(payload.downcast_ref::<i32>(), Some(&42));
    assert!(DROPPED.load(std::sync::atomic::Ordering::Relaxed));
}

#[test]
fn nested_calls_come_back_to_where_they_were() {
    let text = r#"(module
        (import "host" "nest" (func $nest (param i32) (result i32)))
        (func (export "down") (param i32) (result i32)
            (if (result i32) (i32.eqz (local.get 0))
                (then unreachable)
                (else (i32.add (local.get 0) (call $nest (i32.sub (local.get 0) (i32.const 1))))))))"#;
    let (mut store, instance) = link(text, 0u32, |linker| {
        linker.func_wrap("host", "nest", |mut caller: Caller<'_, u32>, depth: i32| {
            let down = caller.get_export("down").unwrap().into_func().unwrap();
            let down = down.typed::<i32, i32>(&caller).unwrap();
            match down.call(&mut caller, depth) {
                Ok(value) => value,
                Err(error) => {
                    assert_eq!(error.backtrace().unwrap().frames().len(), 11, "{error:?}");
                    *caller.data_mut() += 1;
                    1000
                }
            }
        })?;
        Ok(())
    });
    let down = instance.get_typed_func::<i32, i32>(&store, "down").unwrap();
    assert_eq!(down.call(&mut store, 10).unwrap(), 1000 + 55);
    assert_eq!(*store.data(), 1);
}

#[test]
#[should_panic(expected = "another store")]
fn a_function_of_another_store_is_refused() {
    let engine = wrun_runtime::Engine::default();
    let mut one = Store::new(&engine, ());
    let mut two = Store::new(&engine, ());
    let func = Func::wrap(&mut one, || ());
    let _ = func.call(&mut two, &[], &mut []);
}

#[test]
fn internal_functions_have_as_many_results_as_they_like() {
    // Type, constant by number, and how it is stored; all store the number in the first byte.
    type Kind = (&'static str, fn(usize) -> String, &'static str);
    let kinds: [Kind; 5] = [
        ("i32", |number| format!("(i32.const {})", number % 256), "i32.store8"),
        (
            "f64",
            |number| format!("(f64.reinterpret_i64 (i64.const {}))", number % 256),
            "f64.store",
        ),
        ("v128", |number| format!("(v128.const i64x2 {} -1)", number % 256), "v128.store"),
        ("i64", |number| format!("(i64.const {})", number % 256), "i64.store8"),
        (
            "f32",
            |number| format!("(f32.reinterpret_i32 (i32.const {}))", number % 256),
            "f32.store",
        ),
    ];
    for count in [1, 8, 9, 30, 100, 1000] {
        let each = |piece: &dyn Fn(usize) -> String| -> String { (0..count).map(piece).collect() };
        let types = each(&|number| format!("{} ", kinds[number % 5].0));
        let values = each(&|number| kinds[number % 5].1(number));
        // The last result is on top.
        let stores = each(&|number| {
            let (number, (ty, _, store)) = (count - 1 - number, kinds[(count - 1 - number) % 5]);
            format!("(local.set ${ty}) ({store} (i32.const {}) (local.get ${ty}))", number * 16)
        });
        let text = format!(
            r#"(module (memory (export "memory") 1)
                (func $inner (param i64 v128 i64 i64 i64 i64 i64 i64) (result {types}) {values})
                (func $outer (param i64) (result {types})
                    (call $inner (local.get 0) (v128.const i64x2 0 0) (local.get 0) (local.get 0)
                        (local.get 0) (local.get 0) (local.get 0) (local.get 0)))
                (func (export "run") (local $i32 i32) (local $i64 i64) (local $f32 f32)
                    (local $f64 f64) (local $v128 v128) (call $outer (i64.const 5)) {stores}))"#
        );
        let (mut store, instance) = instantiate(&text);
        instance.get_typed_func::<(), ()>(&store, "run").unwrap().call(&mut store, ()).unwrap();
        let memory = instance.get_memory(&store, "memory").unwrap();
        let found: Vec<u8> = memory.data(&store).iter().step_by(16).take(count).copied().collect();
        assert_eq!(found, (0..count).map(|number| number as u8).collect::<Vec<_>>());
    }
}
