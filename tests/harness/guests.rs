//! Small programs in the text format that tests share.

/// Writes its arguments to standard output, a zero byte behind each.
pub(crate) const ARGS: &str = r#"(module
  (import "wasi_snapshot_preview1" "args_sizes_get" (func $sizes (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "args_get" (func $get (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (func (export "_start")
    (drop (call $sizes (i32.const 0) (i32.const 4)))
    (drop (call $get (i32.const 1024) (i32.const 8192)))
    (i32.store (i32.const 8) (i32.const 8192))
    (i32.store (i32.const 12) (i32.load (i32.const 4)))
    (drop (call $write (i32.const 1) (i32.const 8) (i32.const 1) (i32.const 16)))))
"#;

/// Writes its environment to standard output, a zero byte behind each variable.
pub(crate) fn environ() -> String {
    ARGS.replace("args_", "environ_")
}

/// Exits with the code that stands in it.
pub(crate) fn exit(code: u32) -> String {
    format!(
        r#"(module
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (memory (export "memory") 1)
  (func (export "_start") (call $exit (i32.const {code}))))
"#
    )
}

/// Copies the file `in.txt` of its first directory, links followed, to standard output. Exits with the error number of what failed.
pub(crate) const READ: &str = r#"(module
  (import "wasi_snapshot_preview1" "path_open"
    (func $open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_read" (func $read (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (memory (export "memory") 1)
  (data (i32.const 64) "in.txt")
  (func $check (param i32) (if (local.get 0) (then (call $exit (local.get 0)))))
  (func (export "_start")
    (call $check (call $open (i32.const 3) (i32.const 1) (i32.const 64) (i32.const 6) (i32.const 0)
      (i64.const 2) (i64.const 0) (i32.const 0) (i32.const 0)))
    (i32.store (i32.const 8) (i32.const 1024))
    (i32.store (i32.const 12) (i32.const 4096))
    (call $check (call $read (i32.load (i32.const 0)) (i32.const 8) (i32.const 1) (i32.const 12)))
    (call $check (call $write (i32.const 1) (i32.const 8) (i32.const 1) (i32.const 16)))))
"#;

/// Creates the file `out.txt` in its first directory and writes `written` to it. Exits with the error number of what
/// failed.
pub(crate) const WRITE: &str = r#"(module
  (import "wasi_snapshot_preview1" "path_open"
    (func $open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (memory (export "memory") 1)
  (data (i32.const 64) "out.txt")
  (data (i32.const 1024) "written")
  (func $check (param i32) (if (local.get 0) (then (call $exit (local.get 0)))))
  (func (export "_start")
    (call $check (call $open (i32.const 3) (i32.const 0) (i32.const 64) (i32.const 7) (i32.const 9)
      (i64.const 64) (i64.const 0) (i32.const 0) (i32.const 0)))
    (i32.store (i32.const 8) (i32.const 1024))
    (i32.store (i32.const 12) (i32.const 7))
    (call $check (call $write (i32.load (i32.const 0)) (i32.const 8) (i32.const 1) (i32.const 16)))))
"#;

/// Writes a line to standard output and exits with the error number of that.
pub(crate) const HELLO: &str = r#"(module
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (memory (export "memory") 1)
  (data (i32.const 16) "hello\n")
  (func (export "_start")
    (i32.store (i32.const 0) (i32.const 16))
    (i32.store (i32.const 4) (i32.const 6))
    (call $exit (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))))
"#;

/// Three functions deep it divides by zero.
pub(crate) const TRAP: &str = r#"(module
  (func $inner (param i32) (result i32) (i32.div_u (i32.const 1) (local.get 0)))
  (func $middle (param i32) (result i32) (call $inner (local.get 0)) (i32.add (i32.const 1)))
  (func (export "_start") (drop (call $middle (i32.const 0)))))
"#;

/// Calls itself for ever.
pub(crate) const RECURSE: &str = r#"(module
  (func $down (param i64) (result i64) (i64.add (call $down (i64.add (local.get 0) (i64.const 1))) (i64.const 1)))
  (func (export "_start") (drop (call $down (i64.const 0)))))
"#;

/// Functions to invoke.
pub(crate) const FUNCTIONS: &str = r#"(module
  (memory (export "memory") 1)
  (func (export "add") (param i32 i32) (result i32) (i32.add (local.get 0) (local.get 1)))
  (func (export "halves") (param i64) (result i32 i32)
    (i32.wrap_i64 (i64.shr_u (local.get 0) (i64.const 32))) (i32.wrap_i64 (local.get 0)))
  (func (export "float") (param f32 f64) (result f64) (f64.add (f64.promote_f32 (local.get 0)) (local.get 1)))
  (func (export "vector") (param v128) (result v128) (i8x16.add (local.get 0) (i8x16.splat (i32.const 1))))
  (func (export "reference") (param externref) (result externref funcref) (local.get 0) (ref.null func))
  (func (export "nothing")))
"#;
