//! A guest's memory from the host: read, written, grown, and never outside its bounds: `cargo run --example memory`.

use wrun::{Engine, Error, Instance, Module, Store};

/// Passes a text to the guest, which turns it to capitals in place.
pub fn main() -> wrun::Result<()> {
    let engine = Engine::default();
    let module = Module::new(
        &engine,
        r#"(module
            (memory (export "memory") 1 4)
            (func (export "capitals") (param $at i32) (param $length i32)
                (local $end i32) (local $byte i32)
                (local.set $end (i32.add (local.get $at) (local.get $length)))
                (loop $next
                    (if (i32.lt_u (local.get $at) (local.get $end)) (then
                        (local.set $byte (i32.load8_u (local.get $at)))
                        (if (i32.lt_u (i32.sub (local.get $byte) (i32.const 97)) (i32.const 26)) (then
                            (i32.store8 (local.get $at) (i32.sub (local.get $byte) (i32.const 32)))))
                        (local.set $at (i32.add (local.get $at) (i32.const 1)))
                        (br $next))))))"#,
    )?;
    let mut store = Store::new(&engine, ());
    let instance = Instance::new(&mut store, &module, &[])?;
    let missing = || Error::host("the module exports no memory");
    let memory = instance.get_memory(&mut store, "memory").ok_or_else(missing)?;
    let capitals = instance.get_typed_func::<(u32, u32), ()>(&mut store, "capitals")?;

    let text = b"a guest's memory is a slice";
    memory.write(&mut store, 100, text).map_err(Error::host)?;
    capitals.call(&mut store, (100, text.len() as u32))?;
    let changed = &memory.data(&store)[100..100 + text.len()];
    println!("{}", String::from_utf8_lossy(changed));
    assert_eq!(changed, b"A GUEST'S MEMORY IS A SLICE");

    // Sizes are in pages of 64 KiB. Growing returns the size before.
    let before = memory.grow(&mut store, 2)?;
    println!("{before} page before, {} after", memory.size(&store));
    assert_eq!((before, memory.size(&store)), (1, 3));

    // Access from the host is checked, and so is the guest's: it traps.
    assert!(memory.write(&mut store, 3 * 65536 - 1, b"ab").is_err());
    let error = capitals.call(&mut store, (3 * 65536 - 1, 2)).unwrap_err();
    println!("{error}");
    assert!(error.trap().is_some());
    Ok(())
}
