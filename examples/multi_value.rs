//! Functions with several results, both ways: tuples on the Rust side: `cargo run --example multi_value`.

use wrun::{Engine, Func, Instance, Module, Store};

/// The host divides for the guest, and the guest sorts for the host.
pub fn main() -> wrun::Result<()> {
    let engine = Engine::default();
    let module = Module::new(
        &engine,
        r#"(module
            (import "host" "divide" (func $divide (param i64 i64) (result i64 i64)))
            ;; The quotient and the remainder the other way round.
            (func (export "remainder-first") (param i64 i64) (result i64 i64)
                (local $quotient i64) (local $remainder i64)
                (call $divide (local.get 0) (local.get 1))
                (local.set $remainder)
                (local.set $quotient)
                (local.get $remainder)
                (local.get $quotient))
            (func (export "sort") (param i32 f64) (result f64 i32 i32)
                (local.get 1)
                (local.get 0)
                (i32.const 7)))"#,
    )?;
    let mut store = Store::new(&engine, ());

    // Wasm calls the closure directly; its tuple is the two results.
    let divide = Func::wrap(&mut store, |left: i64, right: i64| (left / right, left % right));
    let instance = Instance::new(&mut store, &module, &[divide.into()])?;

    let function =
        instance.get_typed_func::<(i64, i64), (i64, i64)>(&mut store, "remainder-first")?;
    let (remainder, quotient) = function.call(&mut store, (17, 5))?;
    println!("17 = {quotient} * 5 + {remainder}");
    assert_eq!((quotient, remainder), (3, 2));

    let sort = instance.get_typed_func::<(i32, f64), (f64, i32, i32)>(&mut store, "sort")?;
    let results = sort.call(&mut store, (1, 2.5))?;
    println!("{results:?}");
    assert_eq!(results, (2.5, 1, 7));

    // A type that does not fit is an error that names both.
    let error = instance.get_typed_func::<i32, i32>(&mut store, "sort").map(|_| ()).unwrap_err();
    println!("{error}");
    Ok(())
}
