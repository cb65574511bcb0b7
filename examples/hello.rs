//! A module that calls a function of the host, which is a Rust closure: `cargo run --example hello`.

use wrun::{Caller, Engine, Error, Linker, Module, Store};

/// Lets the guest say hello, and looks at what it said.
pub fn main() -> wrun::Result<()> {
    let engine = Engine::default();
    let module = Module::new(
        &engine,
        r#"(module
            (import "host" "say" (func $say (param i32 i32)))
            (memory (export "memory") 1)
            (data (i32.const 16) "hello from the guest")
            (func (export "run") (call $say (i32.const 16) (i32.const 20))))"#,
    )?;

    // The closure's parameters and results are the function's. What it may change is the store's data.
    let mut linker = Linker::new(&engine);
    linker.func_wrap(
        "host",
        "say",
        |mut caller: Caller<'_, Vec<String>>, address: u32, length: u32| -> wrun::Result<()> {
            let Some((memory, said)) = caller.memory_and_data() else {
                return Err(Error::host("the guest exports no memory"));
            };
            // Whatever a guest passes may be wrong: it is checked like any input.
            let (start, length) = (address as usize, length as usize);
            let bytes = memory.get(start..).and_then(|rest| rest.get(..length));
            let bytes = bytes.ok_or_else(|| Error::host("the text is not in memory"))?;
            said.push(String::from_utf8_lossy(bytes).into_owned());
            Ok(())
        },
    )?;

    let mut store = Store::new(&engine, Vec::new());
    let instance = linker.instantiate(&mut store, &module)?;
    let run = instance.get_typed_func::<(), ()>(&mut store, "run")?;
    run.call(&mut store, ())?;

    for text in store.data() {
        println!("{text}");
    }
    assert_eq!(store.data(), &["hello from the guest"]);
    Ok(())
}
