//! Programs that start threads: `--wasi threads`.

#![cfg(feature = "cranelift")]

mod harness;

use std::{
    fs,
    io::{Read, Write},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use harness::{Outcome, World, wrun};

/// A module whose main function and threads do this, with functions for both:
/// - `$start` starts a thread, and exits with 99 when that fails
/// - `$finish` adds one to the number at 0 and wakes who waits for it; `$join` waits until it is so large
/// - `$print` writes bytes to standard output; `$sleep` never comes back
fn program(main: &str, thread: &str) -> String {
    format!(
        r#"(module
  (import "wasi" "thread-spawn" (func $spawn (param i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_read" (func $read (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "poll_oneoff" (func $poll (param i32 i32 i32 i32) (result i32)))
  (import "env" "memory" (memory 2 4 shared))
  (export "memory" (memory 0))
  (func $start (param $argument i32)
    (if (i32.lt_s (call $spawn (local.get $argument)) (i32.const 1)) (then (call $exit (i32.const 99)))))
  (func $finish
    (drop (i32.atomic.rmw.add (i32.const 0) (i32.const 1)))
    (drop (memory.atomic.notify (i32.const 0) (i32.const -1))))
  (func $join (param $count i32)
    (local $now i32)
    (loop $again
      (local.set $now (i32.atomic.load (i32.const 0)))
      (if (i32.lt_u (local.get $now) (local.get $count)) (then
        (drop (memory.atomic.wait32 (i32.const 0) (local.get $now) (i64.const -1)))
        (br $again)))))
  (func $print (param $list i32) (param $address i32) (param $len i32)
    (i32.store (local.get $list) (local.get $address))
    (i32.store offset=4 (local.get $list) (local.get $len))
    (drop (call $write (i32.const 1) (local.get $list) (i32.const 1) (i32.add (local.get $list) (i32.const 8)))))
  (func $sleep
    (i64.store (i32.const 1048) (i64.const 3600000000000))
    (drop (call $poll (i32.const 1024) (i32.const 1088) (i32.const 1) (i32.const 1152))))
  (func $spin (loop $again (br $again)))
  (func $wait (drop (memory.atomic.wait32 (i32.const 64) (i32.const 0) (i64.const -1))))
  (func $thread (export "wasi_thread_start") (param $id i32) (param $argument i32) {thread})
  (func $main (export "_start") {main}))
"#
    )
}

fn run(main: &str, thread: &str) -> Outcome {
    run_with(&[], main, thread)
}

fn run_with(options: &[&str], main: &str, thread: &str) -> Outcome {
    let world = World::with("threads.wat", program(main, thread));
    world.wrun([&["--wasi", "threads"], options, &["threads.wat"]].concat()).run()
}

#[test]
fn threads_count_together_and_are_joined() {
    let main = "(local $threads i32)
      (loop $next
        (call $start (i32.const 10000))
        (local.set $threads (i32.add (local.get $threads) (i32.const 1)))
        (br_if $next (i32.lt_u (local.get $threads) (i32.const 8))))
      (call $join (i32.const 8))
      (call $exit (i32.ne (i32.atomic.load (i32.const 16)) (i32.const 80000)))";
    let thread = "(loop $next
        (drop (i32.atomic.rmw.add (i32.const 16) (i32.const 1)))
        (local.set $argument (i32.sub (local.get $argument) (i32.const 1)))
        (br_if $next (local.get $argument)))
      (call $finish)";
    for options in [&[][..], &["-O", "0"]] {
        run_with(options, main, thread).exits(0).stderr_is("");
    }
}

#[test]
fn a_thread_starts_threads() {
    // Each but the last starts the next, and the last one exits with the number of all.
    let thread =
        "(if (i32.eq (local.get $argument) (i32.const 5)) (then (call $exit (local.get $id))))
      (call $start (i32.add (local.get $argument) (i32.const 1)))";
    run("(call $start (i32.const 1)) (call $wait)", thread).exits(5).stderr_is("");
}

#[test]
fn a_trap_in_a_thread_ends_the_program() {
    let thread = "(drop (i32.div_u (i32.const 1) (i32.const 0)))";
    for main in ["(call $wait)", "(call $spin)", "(call $sleep)"] {
        let outcome = run(&format!("(call $start (i32.const 0)) {main}"), thread).exits(134);
        let outcome = outcome.stderr_has("integer divide by zero").stderr_has("thread");
        outcome.stderr_has_not("main");
    }
}

#[test]
fn an_exit_in_a_thread_ends_the_program_whatever_others_do() {
    // What was written before is not lost.
    let thread = "(if (i32.eqz (local.get $argument)) (then (call $wait)))
      (if (i32.eq (local.get $argument) (i32.const 1)) (then (call $spin)))
      (if (i32.eq (local.get $argument) (i32.const 2)) (then (call $sleep)))
      (i32.store (i32.const 2048) (i32.const 0x0a6b6f))
      (call $print (i32.const 512) (i32.const 2048) (i32.const 3))
      (call $exit (i32.const 7))";
    for main in ["(call $wait)", "(call $spin)", "(call $sleep)"] {
        let start = "(call $start (i32.const 0)) (call $start (i32.const 1))
          (call $start (i32.const 2)) (call $start (i32.const 3))";
        run(&format!("{start} {main}"), thread).exits(7).stdout_is("ok\n").stderr_is("");
    }
}

#[test]
fn the_program_ends_when_main_returns() {
    for thread in ["(call $finish) (call $wait)", "(call $finish) (call $spin)"] {
        run("(call $start (i32.const 0)) (call $join (i32.const 1))", thread)
            .exits(0)
            .stderr_is("");
    }
}

#[test]
fn when_the_system_has_no_thread_the_program_is_told() {
    // Each thread is there before the next one is started, until there is room for no other.
    let main = "(local $threads i32)
      (loop $next
        (if (i32.gt_s (call $spawn (i32.const 0)) (i32.const 0)) (then
          (local.set $threads (i32.add (local.get $threads) (i32.const 1)))
          (call $join (local.get $threads))
          (br $next))))
      (call $exit (i32.add (i32.const 10) (i32.gt_u (local.get $threads) (i32.const 1))))";
    let world = World::with("threads.wat", program(main, "(call $finish) (call $wait)"));
    let line = format!(
        "ulimit -v 40000000 && exec {} --wasi threads --max-stack 3G --log wasi=warn threads.wat",
        wrun().display()
    );
    world.program("sh", ["-c", &line]).run().exits(11).stderr_has("cannot start a thread");
}

#[test]
fn an_interrupt_ends_all_threads() {
    let main = "(call $start (i32.const 0)) (call $spin)";
    let world = World::with("threads.wat", program(main, "(call $wait)"));
    let wrun = wrun().to_str().expect("UTF-8");
    let line = ["-k", "60", "-s", "INT", "1", wrun, "--wasi", "threads", "threads.wat"];
    world.program("timeout", line).run().exits(124);
}

#[test]
fn what_one_call_writes_stays_together() {
    // Larger than what a pipe takes at once.
    let thread = "(local $buffer i32) (local $times i32)
      (local.set $buffer (i32.mul (local.get $argument) (i32.const 30000)))
      (memory.fill (local.get $buffer) (i32.add (i32.const 96) (local.get $argument)) (i32.const 29999))
      (i32.store8 offset=29999 (local.get $buffer) (i32.const 10))
      (local.set $times (i32.const 30))
      (loop $next
        (call $print (i32.mul (local.get $argument) (i32.const 16)) (local.get $buffer) (i32.const 30000))
        (local.set $times (i32.sub (local.get $times) (i32.const 1)))
        (br_if $next (local.get $times)))
      (call $finish)";
    let main = "(call $start (i32.const 1)) (call $start (i32.const 2)) (call $start (i32.const 3))
      (call $join (i32.const 3))";
    let outcome = run(main, thread).exits(0);
    let out = outcome.out();
    assert_eq!(out.len(), 3 * 30 * 30000);
    for line in out.lines() {
        let first = line.as_bytes()[0];
        assert!(line.len() == 29999 && line.bytes().all(|byte| byte == first), "lines are mixed");
    }
}

#[test]
fn a_thread_that_has_ended_leaves_nothing() {
    // After the first thread and after a thousand more it waits for a byte.
    let main = "(local $ended i32)
      (loop $next
        (call $start (i32.const 0))
        (local.set $ended (i32.add (local.get $ended) (i32.const 1)))
        (call $join (local.get $ended))
        (if (i32.or (i32.eq (local.get $ended) (i32.const 1)) (i32.eq (local.get $ended) (i32.const 1001)))
          (then
            (call $print (i32.const 512) (i32.const 2048) (i32.const 1))
            (drop (call $read (i32.const 0) (i32.const 512) (i32.const 1) (i32.const 528)))))
        (br_if $next (i32.lt_u (local.get $ended) (i32.const 1001))))";
    let world = World::with("threads.wat", program(main, "(call $finish)"));
    let mut child = Command::new(wrun())
        // Without a cache, nor the thread that keeps what is compiled.
        .args(["--no-cache", "--wasi", "threads"])
        .arg(world.path("threads.wat"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("it starts");
    let first = at_rest(&mut child);
    let last = at_rest(&mut child);
    assert!(child.wait().expect("it ends").success());
    // A stack alone is 8 MiB of addresses, in all of which something was written.
    assert!(last.addresses < first.addresses + (512 << 10), "{first:?} {last:?}");
    assert!(last.resident < first.resident + (8 << 10), "{first:?} {last:?}");
}

/// What a process has, in KiB.
#[derive(Debug)]
struct Usage {
    addresses: u64,
    resident: u64,
}

/// Waits until the guest writes a byte and all its threads but the main one are gone; the guest then goes on.
fn at_rest(child: &mut Child) -> Usage {
    let mut byte = [0];
    child.stdout.as_mut().expect("piped").read_exact(&mut byte).expect("the guest goes on");
    let field = |name: &str| -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", child.id())).expect("it runs");
        let line = status.lines().find_map(|line| line.strip_prefix(name)).expect("a known field");
        line.trim_end_matches(" kB").trim().parse().expect("a number")
    };
    let patience = Instant::now() + Duration::from_secs(60);
    // The thread that waits for the program's end, and the program's main thread.
    while field("Threads:") > 2 {
        assert!(Instant::now() < patience, "{} threads are left", field("Threads:"));
        thread::sleep(Duration::from_millis(5));
    }
    let usage = Usage { addresses: field("VmSize:"), resident: field("VmRSS:") };
    child.stdin.as_mut().expect("piped").write_all(b"x").expect("it reads");
    usage
}

#[test]
fn the_log_says_which_thread_calls() {
    // The thread waits until the call that started it has returned, and so is in the log.
    let main = "(call $start (i32.const 0x10)) (call $finish) (call $wait)";
    let thread = "(call $join (i32.const 1)) (call $exit (local.get $id))";
    let outcome = run_with(&["--log", "wasi"], main, thread).exits(1);
    let outcome = outcome.stderr_has("wasi: thread-spawn(start_arg=0x10) = 1\n");
    outcome.stderr_has("thread{id=1}: wasi: proc_exit(rval=1) = exit 1\n");
}

#[test]
fn functions_images_and_linked_modules_work_with_threads() {
    let main = "(call $start (i32.const 3)) (call $join (i32.const 1))";
    let text = program(main, "(i32.store (i32.const 16) (local.get $argument)) (call $finish)");
    // The function calls another module, of which each thread has an instance.
    let text = text.replace(
        r#"(export "memory" (memory 0))"#,
        r#"(import "lib" "count" (func $count (result i32)))
           (export "memory" (memory 0))
           (func (export "run") (result i32 i32)
             (call $main) (drop (call $count)) (i32.load (i32.const 16)) (call $count))"#,
    );
    let lib = r#"(module (global $n (mut i32) (i32.const 0))
      (func (export "count") (result i32)
        (global.set $n (i32.add (global.get $n) (i32.const 1))) (global.get $n)))"#;
    // Imports of memories and functions are in the order of the text.
    let world = World::with("threads.wat", text).file("lib.wat", lib);
    world.compile("threads.wat", "threads.image");
    for file in ["threads.wat", "threads.image"] {
        let line = ["--wasi=threads", "--preload", "lib=lib.wat", "--invoke", "run", file];
        world.wrun(line).run().exits(0).stdout_is("3\n2\n").stderr_is("");
    }
}

#[test]
fn the_shared_memory_counts_as_the_programs() {
    let outcome = run_with(&["--max-memory", "64K"], "", "");
    outcome.exits(125).stderr_has("--max-memory");
    // Two pages are there, and a third is allowed.
    let main =
        "(if (i32.ne (memory.grow (i32.const 1)) (i32.const 2)) (then (call $exit (i32.const 1))))
      (call $start (i32.const 0)) (call $wait)";
    let thread = "(call $exit (i32.sub (memory.size) (memory.grow (i32.const 1))))";
    run_with(&["--max-memory", "192K"], main, thread).exits(4);
}

#[test]
fn without_the_option_it_is_named() {
    let world = World::with("threads.wat", program("", ""));
    let outcome = world.wrun(["threads.wat"]).run().exits(126);
    outcome.stderr_is_golden("threads_option");
    let text = program("", "").replace("wasi_thread_start", "begin");
    let world = World::with("threads.wat", text);
    let outcome = world.wrun(["--wasi", "threads", "threads.wat"]).run().exits(126);
    outcome.stderr_is_golden("threads_entry");
}
