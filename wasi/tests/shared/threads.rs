//! `WasiThreads` as an embedder uses it.

use crate::guest::{AGAIN, Guest, temp};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use wrun_runtime::{Engine, Error, ErrorKind, Linker, Module, Result, Store};
use wrun_wasi::{DirAccess, NoThreadEntry, WasiCtx, WasiThreads};

/// A module whose main function and threads do this. Host functions: `fail` panics.
fn module(engine: &Engine, main: &str, thread: &str) -> Module {
    let text = format!(
        r#"(module
        (import "wasi" "thread-spawn" (func $spawn (param i32) (result i32)))
        (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
        (import "wasi_snapshot_preview1" "path_open"
            (func $open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "fd_write"
            (func $write (param i32 i32 i32 i32) (result i32)))
        (import "host" "fail" (func $fail))
        (import "env" "memory" (memory 1 2 shared))
        (export "memory" (memory 0))
        (func $wait (param $address i32)
            (drop (memory.atomic.wait32 (local.get $address) (i32.const 0) (i64.const -1))))
        (func $wake (param $address i32)
            (i32.atomic.store (local.get $address) (i32.const 1))
            (drop (memory.atomic.notify (local.get $address) (i32.const -1))))
        (func (export "wasi_thread_start") (param $id i32) (param $argument i32) {thread})
        (func (export "_start") (result i32) {main}))"#
    );
    Module::new(engine, text).expect("compiles")
}

/// A linker with all that [`module`] imports, but what `WasiThreads` defines.
fn linker(engine: &Engine) -> Linker<WasiCtx> {
    let mut linker = Linker::new(engine);
    wrun_wasi::add_to_linker(&mut linker, |ctx: &mut WasiCtx| ctx).expect("an empty linker");
    let fail = || -> () { panic!("the host function fails") };
    linker.func_wrap("host", "fail", fail).expect("a new name");
    linker
}

/// Runs [`module`] with at most `most` threads.
fn run_with(ctx: WasiCtx, most: usize, main: &str, thread: &str) -> Result<i32> {
    let engine = Engine::default();
    let module = module(&engine, main, thread);
    let mut linker = linker(&engine);
    let mut threads = WasiThreads::add_to_linker(&mut linker, &module)?;
    threads.max_threads(most);
    let instantiate = move || {
        let mut store = Store::new(&engine, ctx.clone());
        let instance = linker.instantiate(&mut store, &module)?;
        Ok::<_, Error>((store, instance))
    };
    threads.run(instantiate, |store, instance| {
        instance.get_typed_func::<(), i32>(&mut *store, "_start")?.call(store, ())
    })
}

fn run(main: &str, thread: &str) -> Result<i32> {
    run_with(WasiCtx::builder().build(), 100, main, thread)
}

/// Starts a thread and waits for what never comes.
const FOR_EVER: &str =
    "(drop (call $spawn (i32.const 5))) (call $wait (i32.const 64)) (i32.const 0)";

#[test]
fn what_main_returns_is_given_even_if_a_thread_runs_for_ever() {
    let main = "(drop (call $spawn (i32.const 0))) (call $wait (i32.const 0)) (i32.const 7)";
    let thread = "(call $wake (i32.const 0)) (call $wait (i32.const 64))";
    assert_eq!(run(main, thread).expect("main returns"), 7);
}

#[test]
fn a_trap_in_a_thread_ends_the_program_with_its_backtrace() {
    let error = run(FOR_EVER, "unreachable").expect_err("a thread traps");
    assert!(error.trap().is_some(), "{error:?}");
    let frames = error.backtrace().expect("of the thread").frames();
    assert_eq!(frames.len(), 1, "{error:?}");
}

#[test]
fn an_exit_in_a_thread_ends_the_program() {
    let error = run(FOR_EVER, "(call $exit (local.get $argument))").expect_err("a thread exits");
    assert_eq!(error.exit_code(), Some(5));
}

#[test]
fn an_endless_loop_in_main_does_not_keep_the_program() {
    let main = "(drop (call $spawn (i32.const 9))) (loop $again
        (br_if $again (i32.eqz (i32.atomic.load (i32.const 64))))) (i32.const 0)";
    let error = run(main, "(call $exit (local.get $argument))").expect_err("a thread exits");
    assert_eq!(error.exit_code(), Some(9));
}

#[test]
#[should_panic(expected = "the host function fails")]
fn a_panic_in_a_thread_goes_on_in_run() {
    let _ = run(FOR_EVER, "(call $fail)");
}

#[test]
fn there_are_no_more_threads_than_allowed() {
    let main = "(drop (call $spawn (i32.const 0))) (call $spawn (i32.const 0))";
    let thread = "(call $wait (i32.const 64))";
    let run =
        |most| run_with(WasiCtx::builder().build(), most, main, thread).expect("main returns");
    assert_eq!((run(2), run(1)), (2, -6));
}

#[test]
fn threads_have_descriptors_in_common() {
    let dir = temp();
    let mut builder = WasiCtx::builder();
    builder.preopened_dir(dir.path(), "/", DirAccess::ReadWrite).expect("it is there");
    let main = r#"(i32.store8 (i32.const 32) (i32.const 97))
        (drop (call $spawn (i32.const 0))) (call $wait (i32.const 0))
        (i32.store (i32.const 40) (i32.const 32)) (i32.store (i32.const 44) (i32.const 1))
        (call $write (i32.load (i32.const 36)) (i32.const 40) (i32.const 1) (i32.const 48))"#;
    let thread = r#"(if (call $open (i32.const 3) (i32.const 0) (i32.const 32) (i32.const 1) (i32.const 1)
            (i64.const 64) (i64.const 0) (i32.const 0) (i32.const 36)) (then unreachable))
        (call $wake (i32.const 0))"#;
    assert_eq!(run_with(builder.build(), 1, main, thread).expect("main returns"), 0);
    assert_eq!(std::fs::read(dir.path().join("a")).expect("made"), b"a");
}

#[test]
fn one_thread_sets_flags_for_all() {
    let (stdin, _input) = std::io::pipe().expect("a pipe");
    let ctx = WasiCtx::builder().stdin(stdin).build();
    let (mut one, mut other) = (Guest::new(ctx.clone()), Guest::new(ctx));
    one.writes("fd_fdstat_set_flags", &[0, 4], &[]);
    assert_eq!(other.read(0, 9), Err(AGAIN));
}

#[test]
fn a_module_whose_threads_cannot_begin_is_refused() {
    let engine = Engine::default();
    let import = r#"(import "wasi" "thread-spawn" (func (param i32) (result i32)))"#;
    for (export, found) in [
        ("", "none"),
        (r#"(func (export "wasi_thread_start") (param i32))"#, "(func (param i32))"),
        (r#"(memory (export "wasi_thread_start") 1)"#, "(memory 1)"),
    ] {
        let module = Module::new(&engine, format!("(module {import} {export})")).expect("valid");
        let error = WasiThreads::add_to_linker(&mut linker(&engine), &module).expect_err("refused");
        let ErrorKind::Host(why) = error.kind() else { panic!("{error:?}") };
        assert!(why.is::<NoThreadEntry>() && error.to_string().ends_with(found), "{error}");
    }
    // Who starts no threads needs no entry.
    let module = Module::new(&engine, "(module)").expect("valid");
    WasiThreads::add_to_linker(&mut linker(&engine), &module).expect("nothing to refuse");
}

#[test]
fn without_a_program_no_thread_starts_and_after_it_all_is_freed() {
    let engine = Engine::default();
    let module = module(&engine, "(call $spawn (i32.const 0))", "");
    let mut linker = linker(&engine);
    let threads = WasiThreads::add_to_linker(&mut linker, &module).expect("defined");
    let mut store = Store::new(&engine, WasiCtx::builder().build());
    let instance = linker.instantiate(&mut store, &module).expect("links");
    let start = instance.get_typed_func::<(), i32>(&mut store, "_start").expect("exported");
    assert_eq!(start.call(&mut store, ()).expect("returns"), -6);

    let kept = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&kept);
    let instantiate = move || {
        count.fetch_add(1, Ordering::Relaxed);
        let mut store = Store::new(&engine, WasiCtx::builder().build());
        let instance = linker.instantiate(&mut store, &module)?;
        Ok::<_, Error>((store, instance))
    };
    let id = threads.run(instantiate, |store, instance| {
        instance.get_typed_func::<(), i32>(&mut *store, "_start")?.call(store, ())
    });
    assert_eq!(id.expect("main returns"), 1);
    // The thread itself may be a moment longer than the program.
    let freed = (0..5000).any(|_| {
        std::thread::sleep(std::time::Duration::from_millis(1));
        Arc::strong_count(&kept) == 1
    });
    assert!(freed, "the linker, the instances and what makes them are gone");
    assert!(kept.load(Ordering::Relaxed) >= 1);
}
