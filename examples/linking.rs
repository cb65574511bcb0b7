//! Two modules, one of which imports from the other: `cargo run --example linking`.

use wrun::{Engine, Linker, Module, Store};

/// Links a program to a library that keeps a counter in its own memory.
pub fn main() -> wrun::Result<()> {
    let engine = Engine::default();
    let library = Module::new(
        &engine,
        r#"(module
            (memory (export "memory") 1)
            (func (export "count") (param $by i32) (result i32)
                (i32.store (i32.const 0) (i32.add (i32.load (i32.const 0)) (local.get $by)))
                (i32.load (i32.const 0))))"#,
    )?;
    let program = Module::new(
        &engine,
        r#"(module
            (import "counter" "count" (func $count (param i32) (result i32)))
            (import "counter" "memory" (memory 1))
            (func (export "run") (result i32)
                (drop (call $count (i32.const 40)))
                (drop (call $count (i32.const 2)))
                ;; It is the library's memory that is imported.
                (i32.load (i32.const 0))))"#,
    )?;

    let mut store = Store::new(&engine, ());
    let mut linker = Linker::new(&engine);
    let library = linker.instantiate(&mut store, &library)?;
    linker.instance(&mut store, "counter", library)?;
    let program_instance = linker.instantiate(&mut store, &program)?;
    let run = program_instance.get_typed_func::<(), i32>(&mut store, "run")?;
    let counted = run.call(&mut store, ())?;
    println!("counted to {counted}");
    assert_eq!(counted, 42);

    // Without the library every import that is missing is named, with its type.
    let error = Linker::new(&engine).instantiate(&mut store, &program).map(|_| ()).unwrap_err();
    println!("{error}");
    assert!(error.to_string().contains("count"));
    Ok(())
}
