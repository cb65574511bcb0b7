//! A program's world as the command gives it: its streams, its place among other processes.

#![cfg(feature = "cranelift")]

mod harness;

use harness::{World, guests::READ};

/// Copies standard input to standard output, and exits with 0 at its end.
const CAT: &str = r#"(module
  (import "wasi_snapshot_preview1" "fd_read" (func $read (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (memory (export "memory") 1)
  (func $check (param i32) (if (local.get 0) (then (call $exit (local.get 0)))))
  (func (export "_start")
    (loop $next
      (i32.store (i32.const 0) (i32.const 1024))
      (i32.store (i32.const 4) (i32.const 1000))
      (call $check (call $read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 4)))
      (if (i32.load (i32.const 4)) (then
        (call $check (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))
        (br $next))))))
"#;

#[test]
fn input_goes_to_output() {
    let world = World::with("cat.wat", CAT);
    let text = "line\n".repeat(5000);
    world.wrun(["cat.wat"]).stdin(text.as_str()).run().exits(0).stdout_is(&text);
    world.wrun(["cat.wat"]).run().exits(0).stdout_is("");
}

#[test]
fn standard_error_is_the_programs_too() {
    let text = CAT.replace("(call $write (i32.const 1)", "(call $write (i32.const 2)");
    let world = World::with("cat.wat", text);
    world.wrun(["cat.wat"]).stdin("oh").run().exits(0).stdout_is("").stderr_is("oh");
}

#[test]
fn programs_of_the_older_wasi_run() {
    let world = World::with("cat.wat", CAT.replace("wasi_snapshot_preview1", "wasi_unstable"));
    world.wrun(["cat.wat"]).stdin("old").run().exits(0).stdout_is("old");
}

#[test]
fn there_is_no_way_out_of_a_directory() {
    let world = World::with("data/inner.txt", "").file("in.txt", "secret");
    // The name in the program is six bytes long.
    for (name, link) in [("../in.txt", false), ("in.txt", true)] {
        let text = READ
            .replace("\"in.txt\"", &format!("\"{name}\""))
            .replace("(i32.const 6)", &format!("(i32.const {})", name.len()));
        world.write("read.wat", text);
        if link {
            std::os::unix::fs::symlink(world.path("in.txt"), world.path("data/in.txt")).unwrap();
        }
        let outcome = world.wrun(["--dir", "data", "read.wat"]).run().stdout_is("");
        // 76 is `notcapable`, 63 `perm`.
        assert!(matches!(outcome.code(), Some(76 | 63)), "{name}: {:?}", outcome.code());
    }
}

#[test]
fn a_program_without_memory_is_told_so() {
    let text = r#"(module
      (import "wasi_snapshot_preview1" "sched_yield" (func $yield (result i32)))
      (import "wasi_snapshot_preview1" "random_get" (func $random (param i32 i32) (result i32)))
      (func (export "_start") (drop (call $random (i32.const 0) (i32.const 4)))))"#;
    let outcome = World::with("m.wat", text).wrun(["m.wat"]).run().ends_in_order();
    outcome.exits(134).stderr_has("random_get").stderr_has("`memory`");
}
