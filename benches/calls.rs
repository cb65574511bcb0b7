//! What a call between WebAssembly and the host costs, in both directions: with 1, 2 and 5 results, typed and dynamic.
//!
//! A call of the host is measured in a loop that WebAssembly runs, so each iteration reported is one call of the host and
//! one turn of the loop; `loop/empty` is what the turn alone costs.
#![allow(missing_docs, reason = "the macro of criterion makes a public function")]

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use wrun::{Engine, FuncType, Instance, Linker, Module, Store, TypedFunc, Val, ValType};

/// Calls `host` `n` times, in a loop; `results` are the types of its results.
fn loop_module(results: &str, count: usize) -> String {
    format!(
        r#"(module (import "host" "f" (func $f (param i64) (result {results})))
            (func (export "run") (param $n i64)
                (loop $again
                    (call $f (local.get $n)) {drops}
                    (br_if $again (i64.ne (i64.const 0)
                        (local.tee $n (i64.sub (local.get $n) (i64.const 1))))))))"#,
        drops = "drop ".repeat(count),
    )
}

fn instantiate(define: impl FnOnce(&mut Linker<()>), text: &str) -> (Store<()>, Instance) {
    let engine = Engine::default();
    let module = Module::new(&engine, text).expect("a valid module");
    let mut linker = Linker::new(&engine);
    define(&mut linker);
    let mut store = Store::new(&engine, ());
    let instance = linker.instantiate(&mut store, &module).expect("the imports fit");
    (store, instance)
}

fn bench_loop(c: &mut Criterion, name: &str, results: usize, define: impl FnOnce(&mut Linker<()>)) {
    let (mut store, instance) = instantiate(define, &loop_module(&"i64 ".repeat(results), results));
    let run: TypedFunc<u64, ()> = instance.get_typed_func(&store, "run").expect("exported");
    c.bench_function(name, |b| {
        b.iter_custom(|iterations| {
            let start = std::time::Instant::now();
            run.call(&mut store, iterations).expect("runs");
            start.elapsed()
        });
    });
}

fn host_calls(c: &mut Criterion) {
    let text = r#"(module (func (export "run") (param $n i64)
        (loop $again (br_if $again (i64.ne (i64.const 0)
            (local.tee $n (i64.sub (local.get $n) (i64.const 1))))))))"#;
    let (mut store, instance) = instantiate(|_| {}, text);
    let run: TypedFunc<u64, ()> = instance.get_typed_func(&store, "run").expect("exported");
    c.bench_function("loop/empty", |b| {
        b.iter_custom(|iterations| {
            let start = std::time::Instant::now();
            run.call(&mut store, iterations).expect("runs");
            start.elapsed()
        });
    });
    bench_loop(c, "wasm calls host/wrap/1 result", 1, |linker| {
        linker.func_wrap("host", "f", |a: i64| a).expect("defined once");
    });
    bench_loop(c, "wasm calls host/wrap/2 results", 2, |linker| {
        linker.func_wrap("host", "f", |a: i64| (a, a)).expect("defined once");
    });
    bench_loop(c, "wasm calls host/wrap/5 results", 5, |linker| {
        linker.func_wrap("host", "f", |a: i64| (a, a, a, a, a)).expect("defined once");
    });
    for results in [1, 2, 5] {
        let plural = if results == 1 { "" } else { "s" };
        bench_loop(
            c,
            &format!("wasm calls host/dynamic/{results} result{plural}"),
            results,
            |linker| {
                let ty = FuncType::new([ValType::I64], vec![ValType::I64; results]);
                let body = |_: wrun::Caller<'_, ()>, arguments: &[Val], results: &mut [Val]| {
                    results.fill(arguments[0]);
                    Ok(())
                };
                linker.func_new("host", "f", ty, body).expect("defined once");
            },
        );
    }
}

fn wasm_calls(c: &mut Criterion) {
    let text = r#"(module
        (func (export "f1") (param i64) (result i64) (local.get 0))
        (func (export "f2") (param i64) (result i64 i64) (local.get 0) (local.get 0))
        (func (export "f5") (param i64) (result i64 i64 i64 i64 i64)
            (local.get 0) (local.get 0) (local.get 0) (local.get 0) (local.get 0)))"#;
    let (mut store, instance) = instantiate(|_| {}, text);
    type Five = (i64, i64, i64, i64, i64);
    let f1: TypedFunc<i64, i64> = instance.get_typed_func(&store, "f1").expect("exported");
    let f2: TypedFunc<i64, (i64, i64)> = instance.get_typed_func(&store, "f2").expect("exported");
    let f5: TypedFunc<i64, Five> = instance.get_typed_func(&store, "f5").expect("exported");
    c.bench_function("host calls wasm/typed/1 result", |b| {
        b.iter(|| f1.call(&mut store, black_box(1)).expect("runs"));
    });
    c.bench_function("host calls wasm/typed/2 results", |b| {
        b.iter(|| f2.call(&mut store, black_box(1)).expect("runs"));
    });
    c.bench_function("host calls wasm/typed/5 results", |b| {
        b.iter(|| f5.call(&mut store, black_box(1)).expect("runs"));
    });
    for (func, count) in [(f1.func(), 1), (f2.func(), 2), (f5.func(), 5)] {
        let plural = if count == 1 { "" } else { "s" };
        let mut results = vec![Val::I64(0); count];
        c.bench_function(&format!("host calls wasm/dynamic/{count} result{plural}"), |b| {
            b.iter(|| {
                func.call(&mut store, &[Val::I64(black_box(1))], &mut results).expect("runs")
            });
        });
    }
}

criterion_group!(benches, host_calls, wasm_calls);
criterion_main!(benches);
