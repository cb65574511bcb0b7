//! Traps: each code, from each kind of instruction, and what still works behind one.

use wrun_runtime::{
    Config, Engine, Error, Instance, MemoryStyle, Module, Store, TrapCode, TypedFunc,
};

use crate::{instantiate, link};

fn trap_of(text: &str) -> TrapCode {
    let (mut store, instance) = instantiate(text);
    let run = instance.get_typed_func::<(), ()>(&store, "run").unwrap();
    let error = run.call(&mut store, ()).unwrap_err();
    // The store is as good as before.
    assert_eq!(
        run.call(&mut store, ()).unwrap_err().trap().unwrap().code(),
        error.trap().unwrap().code()
    );
    error.trap().expect("a trap").code()
}

fn body(code: &str) -> String {
    format!(
        r#"(module (memory 1) (table 4 funcref) (elem (i32.const 1) $other)
            (type $void (func)) (func $other (result i32) (i32.const 1))
            (func (export "run") {code}))"#
    )
}

#[test]
fn every_code_comes_from_its_instruction() {
    let cases = [
        ("unreachable", TrapCode::Unreachable),
        ("(drop (i32.load (i32.const 65533)))", TrapCode::MemoryOutOfBounds),
        ("(drop (i32.load offset=4294967295 (i32.const -1)))", TrapCode::MemoryOutOfBounds),
        ("(i64.store8 (i32.const 65536) (i64.const 0))", TrapCode::MemoryOutOfBounds),
        (
            "(memory.fill (i32.const 0) (i32.const 0) (i32.const 65537))",
            TrapCode::MemoryOutOfBounds,
        ),
        ("(drop (table.get (i32.const 4)))", TrapCode::TableOutOfBounds),
        ("(table.fill (i32.const 3) (ref.null func) (i32.const 2))", TrapCode::TableOutOfBounds),
        ("(call_indirect (type $void) (i32.const 4))", TrapCode::UndefinedElement),
        ("(call_indirect (type $void) (i32.const 0))", TrapCode::UninitializedElement),
        ("(call_indirect (type $void) (i32.const 1))", TrapCode::IndirectCallTypeMismatch),
        ("(drop (i32.div_s (i32.const -2147483648) (i32.const -1)))", TrapCode::IntegerOverflow),
        ("(drop (i64.rem_u (i64.const 1) (i64.const 0)))", TrapCode::IntegerDivideByZero),
        ("(drop (i32.trunc_f64_s (f64.const nan)))", TrapCode::InvalidConversionToInteger),
        ("(drop (i32.trunc_f64_s (f64.const 1e10)))", TrapCode::IntegerOverflow),
    ];
    for (code, expected) in cases {
        assert_eq!(trap_of(&body(code)), expected, "{code}");
    }
}

#[test]
fn checked_memories_trap_at_their_ends_too() {
    let engine = Engine::new(Config::new().memory_style(MemoryStyle::Checked)).unwrap();
    let text = r#"(module (memory (export "memory") 1)
        (func (export "get") (param i32) (result i32) (i32.load offset=8 (local.get 0)))
        (func (export "grow") (result i32) (memory.grow (i32.const 100))))"#;
    let module = Module::new(&engine, text).unwrap();
    let mut store = Store::new(&engine, ());
    let instance = Instance::new(&mut store, &module, &[]).unwrap();
    let get: TypedFunc<u32, u32> = instance.get_typed_func(&store, "get").unwrap();
    let grow: TypedFunc<(), u32> = instance.get_typed_func(&store, "grow").unwrap();
    let memory = instance.get_memory(&store, "memory").unwrap();
    memory.write(&mut store, 65532, &[1, 0, 0, 0]).unwrap();
    assert_eq!(get.call(&mut store, 65524).unwrap(), 1);
    for index in [65525, 65536, u32::MAX - 8, u32::MAX] {
        let error = get.call(&mut store, index).unwrap_err();
        assert_eq!(error.trap().unwrap().code(), TrapCode::MemoryOutOfBounds, "{index}");
    }
    assert_eq!(grow.call(&mut store, ()).unwrap(), 1);
    assert_eq!(get.call(&mut store, 65524).unwrap(), 1);
    assert_eq!(get.call(&mut store, 101 * 65536 - 12).unwrap(), 0);
    assert!(get.call(&mut store, 101 * 65536 - 11).is_err());
}

#[test]
fn endless_recursion_is_a_trap_with_a_short_backtrace() {
    let text = r#"(module (func $down (export "run") (call $down) (call $down)))"#;
    assert_eq!(trap_of(text), TrapCode::StackExhausted);
    let (mut store, instance) = instantiate(text);
    let run = instance.get_typed_func::<(), ()>(&store, "run").unwrap();
    let error = run.call(&mut store, ()).unwrap_err();
    let backtrace = error.backtrace().unwrap();
    assert!(backtrace.frames().len() <= 64 && backtrace.omitted() > 1000, "{backtrace}");
    assert_eq!(backtrace.frames()[0].func_name(), Some("down"));
}

#[test]
fn recursion_through_the_host_is_a_trap_too() {
    let text =
        r#"(module (import "host" "again" (func $again)) (func (export "run") (call $again)))"#;
    let (mut store, instance) = link(text, (), |linker| {
        linker.func_wrap(
            "host",
            "again",
            |mut caller: wrun_runtime::Caller<'_, ()>| -> Result<(), Error> {
                let run = caller.get_export("run").unwrap().into_func().unwrap();
                run.typed::<(), ()>(&caller)?.call(&mut caller, ())
            },
        )?;
        Ok(())
    });
    let run = instance.get_typed_func::<(), ()>(&store, "run").unwrap();
    let error = run.call(&mut store, ()).unwrap_err();
    assert_eq!(error.trap().unwrap().code(), TrapCode::StackExhausted);
}

#[test]
fn large_frames_do_not_jump_over_the_guard() {
    // A function with 10,000 locals that live across a call.
    let locals = "i64 ".repeat(10_000);
    let sets: String = (0..10_000)
        .map(|index| format!("(local.set {index} (call $next (i64.const {index})))"))
        .collect();
    let sums: String = (0..10_000).map(|index| format!("(local.get {index}) i64.add ")).collect();
    let text = format!(
        r#"(module (func $next (param i64) (result i64) (local.get 0))
            (func $down (export "run") (result i64) (local {locals}) {sets}
                (call $down) {sums}))"#
    );
    let (mut store, instance) = instantiate(&text);
    let run = instance.get_typed_func::<(), i64>(&store, "run").unwrap();
    let error = run.call(&mut store, ()).unwrap_err();
    assert_eq!(error.trap().unwrap().code(), TrapCode::StackExhausted);
}

#[test]
fn the_size_of_the_stack_is_as_set() {
    let text = r#"(module (func $down (export "down") (param i32) (result i32)
        (if (result i32) (local.get 0)
            (then (i32.add (i32.const 1) (call $down (i32.sub (local.get 0) (i32.const 1)))))
            (else (i32.const 0)))))"#;
    let depth = |bytes: usize| {
        let engine = Engine::new(Config::new().max_stack(bytes)).unwrap();
        let module = Module::new(&engine, text).unwrap();
        let mut store = Store::new(&engine, ());
        let instance = Instance::new(&mut store, &module, &[]).unwrap();
        let down = instance.get_typed_func::<u32, u32>(&store, "down").unwrap();
        (1..).map(|power| 1 << power).find(|&depth| down.call(&mut store, depth).is_err()).unwrap()
    };
    let (small, large) = (depth(1 << 20), depth(64 << 20));
    assert!(large >= 16 * small, "{small} and {large}");
}

#[test]
fn traps_in_other_threads_are_theirs() {
    let threads: Vec<_> = (0..4)
        .map(|_| {
            std::thread::spawn(|| {
                for _ in 0..20 {
                    assert_eq!(trap_of(&body("unreachable")), TrapCode::Unreachable);
                    assert_eq!(
                        trap_of(r#"(module (func $down (export "run") (call $down)))"#),
                        TrapCode::StackExhausted
                    );
                }
            })
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
}

/// Set in the child of the next test.
const CHILD: &str = "WRUN_TEST_CHILD";

#[test]
fn a_fault_of_the_host_is_not_taken_for_a_trap() {
    use std::{os::unix::process::ExitStatusExt, process::Command};
    if std::env::var_os(CHILD).is_some() {
        let text =
            r#"(module (import "host" "die" (func $die)) (func (export "run") (call $die)))"#;
        let (mut store, instance) = link(text, (), |linker| {
            linker.func_wrap("host", "die", || {
                // As if the host had divided by zero, while WebAssembly waits for it.
                rustix::process::kill_process(
                    rustix::process::getpid(),
                    rustix::process::Signal::FPE,
                )
                .unwrap();
            })?;
            Ok(())
        });
        let _ = instance.get_typed_func::<(), ()>(&store, "run").unwrap().call(&mut store, ());
        return;
    }
    let status = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "traps::a_fault_of_the_host_is_not_taken_for_a_trap", "--nocapture"])
        .env(CHILD, "1")
        .stderr(std::process::Stdio::null())
        .stdout(std::process::Stdio::null())
        .status()
        .unwrap();
    assert_eq!(status.signal(), Some(8), "{status}");
}
