//! Where a program was: by our own walk, and by the system's unwinder.

use std::sync::{Arc, Mutex};

use wrun_runtime::{Caller, Config, Engine, Instance, Module, OptLevel, Store};

use crate::link;

const TEXT: &str = r#"(module $program
    (import "host" "look" (func $look))
    (func $inner (call $look))
    (func $middle (param i32 i64 f64) (call $inner))
    (func $outer (export "run") (call $middle (i32.const 1) (i64.const 2) (f64.const 3))))"#;

#[test]
fn a_host_function_sees_who_calls() {
    let seen = Arc::new(Mutex::new(String::new()));
    let place = seen.clone();
    let (mut store, instance) = link(TEXT, (), |linker| {
        linker.func_wrap("host", "look", move |caller: Caller<'_, ()>| {
            *place.lock().unwrap() = caller.backtrace().to_string();
        })?;
        Ok(())
    });
    instance.get_typed_func::<(), ()>(&store, "run").unwrap().call(&mut store, ()).unwrap();
    let seen = seen.lock().unwrap();
    let lines: Vec<_> =
        seen.lines().map(|line| line.rsplit(' ').next().unwrap().to_owned()).collect();
    assert_eq!(lines, ["backtrace:", "program!inner", "program!middle", "program!outer"], "{seen}");
}

#[test]
fn the_systems_unwinder_walks_through_wasm_to_the_host() {
    let counted = Arc::new(Mutex::new(Vec::new()));
    let place = counted.clone();
    let (mut store, instance) = link(TEXT, (), |linker| {
        linker.func_wrap("host", "look", move || {
            backtrace::trace(|frame| {
                place.lock().unwrap().push(frame.ip() as usize);
                true
            });
        })?;
        Ok(())
    });
    let run = instance.get_typed_func::<(), ()>(&store, "run").unwrap();
    let mut call = || run.call(&mut store, ()).unwrap();
    call();
    let frames = std::mem::take(&mut *counted.lock().unwrap());
    let names: Vec<String> = frames
        .iter()
        .map(|&ip| {
            let mut name = String::new();
            backtrace::resolve(ip as *mut _, |symbol| {
                if let Some(found) = symbol.name() {
                    name = found.to_string();
                }
            });
            name
        })
        .collect();
    // Generated code has no symbols; before and behind it are the host's.
    let wasm = names.iter().position(String::is_empty).expect("frames of generated code");
    assert!(names[wasm..wasm + 3].iter().all(String::is_empty), "{names:#?}");
    assert!(names[wasm + 3].contains("invoke"), "{names:#?}");
    let behind = &names[wasm + 3..];
    assert!(behind.iter().any(|name| name.contains("the_systems_unwinder_walks")), "{names:#?}");
}

#[test]
fn names_are_demangled_and_nameless_functions_numbered() {
    let text = r#"(module (func (export "run") (call $_RNvC5crate4name)) (func $_RNvC5crate4name unreachable))"#;
    let (mut store, instance) = link(text, (), |_| Ok(()));
    let error =
        instance.get_typed_func::<(), ()>(&store, "run").unwrap().call(&mut store, ()).unwrap_err();
    let text = error.backtrace().unwrap().to_string();
    assert!(text.contains("<unknown>!crate::name"), "{text}");
    assert!(text.contains("<wasm function 0>"), "{text}");
    let offset = error.backtrace().unwrap().frames()[0].module_offset().unwrap();
    assert!(offset > 8, "{offset}");
}

#[test]
fn equal_frames_are_counted_and_names_cannot_control_a_terminal() {
    let text = r#"(module (func $"\1b[31mred" (export "run") (param i32)
        (if (local.get 0) (then (call 0 (i32.sub (local.get 0) (i32.const 1))) (return))) unreachable))"#;
    let (mut store, instance) = link(text, (), |_| Ok(()));
    let run = instance.get_typed_func::<i32, ()>(&store, "run").unwrap();
    let error = run.call(&mut store, 9).unwrap_err();
    let text = error.backtrace().unwrap().to_string();
    assert!(text.ends_with("more of the same") && text.contains("… 8 more"), "{text}");
    assert_eq!(text.lines().count(), 4, "{text}");
    assert!(text.contains(r"\u{1b}[31mred") && !text.contains('\x1b'), "{text:?}");
}

#[test]
fn offsets_are_those_of_the_instructions() {
    let text = r#"(module (memory 1)
        (func $inner (param i32 i32) (result i32) (local i32)
            (local.set 2 (i32.load offset=7 (local.get 1)))
            (i32.xor (i32.mul (local.get 2) (local.get 2)) (i32.div_u (local.get 0) (local.get 1))))
        (func $middle (param i32) (result i32)
            (i32.add (i32.mul (local.get 0) (i32.const 77)) (call $inner (i32.const 9) (local.get 0))))
        (func (export "run") (param i32) (result i32)
            (i32.sub (i32.add (call $middle (i32.const 1)) (i32.const 5)) (call $middle (local.get 0)))))"#;
    let binary = wat::parse_str(text).unwrap();
    // The loaded number is used twice: otherwise the load would be part of another instruction, at whose offset it traps.
    // The offset of the last byte of the only place with these bytes.
    let offset_of = |bytes: &[u8]| {
        let mut places =
            binary.windows(bytes.len()).enumerate().filter(|(_, window)| *window == bytes);
        let place = places.next().expect("there is one").0;
        assert!(places.next().is_none(), "{bytes:x?} are there twice");
        Some((place + bytes.len() - 1) as u32)
    };
    let middle = offset_of(&[0x41, 9, 0x20, 0, 0x10]);
    let run = offset_of(&[0x6a, 0x20, 0, 0x10]);
    let division = offset_of(&[0x20, 0, 0x20, 1, 0x6e]);
    let load = offset_of(&[0x20, 1, 0x28]);
    for level in [OptLevel::None, OptLevel::Speed] {
        let engine = Engine::new(Config::new().opt_level(level)).unwrap();
        let module = Module::new(&engine, &binary).unwrap();
        let mut store = Store::new(&engine, ());
        let instance = Instance::new(&mut store, &module, &[]).unwrap();
        let function = instance.get_typed_func::<i32, i32>(&store, "run").unwrap();
        for (argument, innermost) in [(0, division), (-1, load)] {
            let error = function.call(&mut store, argument).unwrap_err();
            let frames = error.backtrace().unwrap().frames();
            let offsets: Vec<_> = frames.iter().map(|frame| frame.module_offset()).collect();
            assert_eq!(offsets, [innermost, middle, run], "{level:?}");
        }
    }
}
