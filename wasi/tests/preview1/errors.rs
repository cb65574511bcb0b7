//! What a guest may do wrong that has no error number, and what an embedder may.

use crate::guest::{BADF, Guest, INVAL, temp};
use wrun_runtime::{Engine, ErrorKind, Linker, Module, Store};
use wrun_wasi::{DirAccess, PreopenError, WasiCtx};

#[test]
fn wild_pointers_trap_and_say_where() {
    let mut guest = Guest::new(WasiCtx::builder().build());
    guest.put_iovec(0x100, 0x1FFF0, 0x11);
    for (name, args) in [
        ("fd_write", &[1, 0x100, 1, 0x108][..]),
        ("fd_write", &[1, 0x1FFFC, 1, 0x108]),
        ("clock_time_get", &[0, 0, 0x1FFFC]),
        ("clock_time_get", &[0, 0, 0x1001]),
        ("fd_fdstat_get", &[1, -8]),
        ("poll_oneoff", &[0x1FFF0, 0, 1, 0x108]),
    ] {
        let error = guest.try_call(name, args).expect_err("a trap");
        assert!(error.trap().is_some(), "{name}{args:?}: {error:?}");
        assert!(error.to_string().contains(name), "{error}");
    }
}

#[test]
fn a_guest_without_memory_is_told_so() {
    let engine = Engine::default();
    let mut linker = Linker::new(&engine);
    wrun_wasi::add_to_linker(&mut linker, |ctx: &mut WasiCtx| ctx).expect("an empty linker");
    let module = r#"(module
        (import "wasi_snapshot_preview1" "args_sizes_get" (func $sizes (param i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "sched_yield" (func $yield (result i32)))
        (func (export "sizes") (result i32) (call $sizes (i32.const 0) (i32.const 4)))
        (func (export "yield") (result i32) (call $yield)))"#;
    let module = Module::new(&engine, module).expect("compiles");
    let mut store = Store::new(&engine, WasiCtx::builder().build());
    let instance = linker.instantiate(&mut store, &module).expect("links");
    let mut call = |name| {
        let func = instance.get_typed_func::<(), i32>(&mut store, name).expect("exported");
        func.call(&mut store, ())
    };
    assert_eq!(call("yield").expect("needs no memory"), 0);
    let error = call("sizes").expect_err("needs a memory");
    assert!(matches!(error.kind(), ErrorKind::Host(_)), "{error:?}");
    let text = error.to_string();
    assert!(text.contains("args_sizes_get") && text.contains("`memory`"), "{text}");
}

#[test]
fn wrong_descriptors_are_not_open() {
    let mut guest = Guest::new(WasiCtx::builder().build());
    for fd in [3, 77, -1] {
        guest.put_iovec(0x100, 0x200, 4);
        for (name, args) in [
            ("fd_write", &[fd, 0x100, 1, 0x108][..]),
            ("fd_read", &[fd, 0x100, 1, 0x108]),
            ("fd_close", &[fd]),
            ("fd_fdstat_get", &[fd, 0x200]),
            ("fd_filestat_get", &[fd, 0x200]),
            ("fd_seek", &[fd, 0, 0, 0x200]),
            ("fd_prestat_get", &[fd, 0x200]),
            ("fd_readdir", &[fd, 0x200, 64, 0, 0x108]),
            ("fd_renumber", &[fd, 1]),
            ("fd_sync", &[fd]),
        ] {
            guest.fails(name, args, BADF);
        }
    }
}

#[test]
fn wrong_numbers_are_invalid() {
    let dir = temp();
    std::fs::write(dir.path().join("f"), "x").expect("written");
    let mut guest = Guest::in_dir(dir.path());
    let fd = guest.open("f", 0, 2).expect("opens");
    guest.fails("fd_seek", &[fd, 0, 3, 0x200], INVAL);
    guest.fails("fd_seek", &[fd, -1, 0, 0x200], INVAL);
    guest.fails("fd_advise", &[fd, 0, 0, 6], INVAL);
    guest.fails("fd_fdstat_set_flags", &[fd, 0x20], INVAL);
    assert_eq!(guest.open("f", 0x10, 2), Err(INVAL));
    assert_eq!(guest.open_with(3, 2, "f", 0, 2, 0), Err(INVAL));
}

#[test]
fn a_directory_that_cannot_be_given_is_named() {
    let dir = temp();
    let (file, missing) = (dir.path().join("file"), dir.path().join("missing"));
    std::fs::write(&file, "").expect("written");
    let mut builder = WasiCtx::builder();
    let error = builder.preopened_dir(&missing, "/", DirAccess::ReadWrite).expect_err("missing");
    assert!(matches!(&error, PreopenError::Missing(path) if *path == missing), "{error:?}");
    assert_eq!(error.to_string(), format!("the directory `{}` does not exist", missing.display()));
    let error = builder.preopened_dir(&file, "/", DirAccess::ReadOnly).expect_err("a file");
    assert!(matches!(&error, PreopenError::NotADirectory(path) if *path == file), "{error:?}");
    assert_eq!(error.to_string(), format!("`{}` is not a directory", file.display()));
}
