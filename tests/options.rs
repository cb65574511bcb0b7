//! Options of `run`: where they may stand, and what each does.

#![cfg(feature = "cranelift")]

mod harness;

use harness::{
    World,
    guests::{ARGS, FUNCTIONS, HELLO, READ, WRITE, environ},
};

#[test]
fn options_stand_before_the_module_and_some_behind_it() {
    let world = World::with("app.wat", ARGS);
    let cases: &[(&[&str], &str)] = &[
        (&["app.wat"], "app.wat\0"),
        (&["run", "app.wat", "a"], "app.wat\0a\0"),
        (&["app.wat", "-O2", "-v", "--help"], "app.wat\0-O2\0-v\0--help\0"),
        (&["app.wat", "--dir", ".", "in", "--dir", "x"], "app.wat\0in\0--dir\0x\0"),
        (&["app.wat", "--", "--dir", "x"], "app.wat\0--dir\0x\0"),
        (&["app.wat", "--env=A=1", "--", "--", "x"], "app.wat\0--\0x\0"),
        (&["app.wat", "a", "--", "b"], "app.wat\0a\0--\0b\0"),
        (&["--argv0", "other", "app.wat"], "other\0"),
        (&["--", "app.wat", "x"], "app.wat\0x\0"),
    ];
    for (args, expected) in cases {
        world.wrun(*args).run().exits(0).stdout_is(expected).stderr_is("");
    }
}

#[test]
fn a_module_may_have_the_name_of_a_subcommand() {
    let world = World::with("compile", ARGS);
    world.wrun(["./compile", "x"]).run().exits(0).stdout_is("./compile\0x\0");
    world.wrun(["--", "compile", "x"]).run().exits(0).stdout_is("compile\0x\0");
    world.wrun(["run", "compile", "x"]).run().exits(0).stdout_is("compile\0x\0");
}

#[test]
fn the_module_may_come_from_standard_input() {
    let world = World::new();
    world.wrun(["-", "x"]).stdin(ARGS).run().exits(0).stdout_is("-\0x\0");
    let binary = wat::parse_str(ARGS).unwrap();
    world.wrun(["-"]).stdin(binary).run().exits(0).stdout_is("-\0");
}

#[test]
fn content_decides_and_not_the_name() {
    let world = World::with("text.wasm", HELLO).file("binary.wat", wat::parse_str(HELLO).unwrap());
    world.compile("text.wasm", "image.txt");
    for file in ["text.wasm", "binary.wat", "image.txt"] {
        world.wrun([file]).run().exits(0).stdout_is("hello\n");
    }
}

#[test]
fn the_environment_is_empty_but_for_what_is_given() {
    let world = World::with("env.wat", environ());
    world.wrun(["env.wat"]).env("SECRET", "1").run().exits(0).stdout_is("");
    world
        .wrun(["--env", "A=1=2", "--env", "HERE", "env.wat", "--env", "NOT_THERE", "--env=B="])
        .env("HERE", "inherited")
        .run()
        .exits(0)
        .stdout_is("A=1=2\0HERE=inherited\0B=\0");
    world.wrun(["--env", "=x", "env.wat"]).run().exits(2).stderr_has("name is empty");
}

#[test]
fn directories_are_given_by_name_and_mode() {
    let world = World::with("read.wat", READ).file("write.wat", WRITE).file("data/in.txt", "text");
    for args in [
        ["--dir", "data", "read.wat"],
        ["read.wat", "--dir", "data"],
        ["--dir", "data::/", "read.wat"],
        ["--dir", "data::/x:ro", "read.wat"],
        ["--dir", "data:ro", "read.wat"],
    ] {
        world.wrun(args).run().exits(0).stdout_is("text");
    }
    world.wrun(["--dir", "data", "write.wat"]).run().exits(0);
    assert_eq!(world.read("data/out.txt"), b"written");
}

#[test]
fn without_a_directory_there_are_no_files() {
    // 8 is `badf`: descriptor 3 is not open.
    World::with("read.wat", READ).file("in.txt", "text").wrun(["read.wat"]).run().exits(8);
}

#[test]
fn a_read_only_directory_stays_as_it_is() {
    let world = World::with("write.wat", WRITE).file("data/in.txt", "text");
    let outcome = world.wrun(["--dir", "data:ro", "write.wat"]).run();
    assert_ne!(outcome.code(), Some(0));
    assert!(!world.path("data/out.txt").exists());
}

#[test]
fn a_function_is_invoked_by_name() {
    let world = World::with("m.wat", FUNCTIONS);
    let cases: &[(&[&str], &str)] = &[
        (&["add", "2", "-3"], "-1\n"),
        (&["add", "0xffffffff", "1"], "0\n"),
        (&["halves", "-4294967295"], "-1\n1\n"),
        (&["float", "1.5", "2"], "3.5\n"),
        (&["float", "nan", "2"], "nan\n"),
        (&["float", "inf", "-1e10"], "inf\n"),
        (&["vector", "0xff"], "0x01010101010101010101010101010100\n"),
        (&["reference", "null"], "null\nnull\n"),
        (&["nothing"], ""),
    ];
    for (args, expected) in cases {
        let before = [&["--invoke", args[0], "m.wat"], &args[1..]].concat();
        world.wrun(before).run().exits(0).stdout_is(expected);
        let behind = [&["m.wat", "--invoke"], *args].concat();
        world.wrun(behind).run().exits(0).stdout_is(expected);
    }
}

#[test]
fn a_reactor_is_initialised_before_its_functions_are_called() {
    let reactor = r#"(module
      (global $ready (mut i32) (i32.const 0))
      (func (export "_initialize") (global.set $ready (i32.add (global.get $ready) (i32.const 1))))
      (func (export "ready") (result i32) (global.get $ready)))"#;
    let world = World::with("r.wat", reactor);
    world.wrun(["r.wat", "--invoke", "ready"]).run().exits(0).stdout_is("1\n");
    world
        .wrun(["r.wat"])
        .run()
        .exits(126)
        .stderr_has("reactor")
        .stderr_has("ready (func (result i32))");
}

#[test]
fn a_module_is_linked_in_by_name() {
    let library = r#"(module (func (export "seven") (result i32) (i32.const 7)))"#;
    let program = r#"(module
      (import "lib" "seven" (func $seven (result i32)))
      (func (export "f") (result i32) (call $seven)))"#;
    let world = World::with("lib.wat", library).file("app.wat", program);
    world
        .wrun(["--preload", "lib=lib.wat", "app.wat", "--invoke", "f"])
        .run()
        .exits(0)
        .stdout_is("7\n");
    world.compile("lib.wat", "lib.image");
    let args = ["--preload", "lib=lib.image", "--invoke", "f", "app.wat"];
    world.wrun(args).run().exits(0).stdout_is("7\n");
    world.wrun(["--preload", "lib", "app.wat"]).run().exits(2).stderr_has("NAME=FILE");
    world.wrun(["--preload", "lib=no.wat", "app.wat"]).run().exits(127).stderr_has("`no.wat`");
}

#[test]
fn a_module_that_is_linked_in_may_end_the_program() {
    let library = r#"(module
      (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
      (memory (export "memory") 1)
      (func (export "_initialize") (call $exit (i32.const 9))))"#;
    let world = World::with("lib.wat", library).file("m.wat", HELLO);
    world.wrun(["--preload", "lib=lib.wat", "m.wat"]).run().exits(9).stdout_is("").stderr_is("");
}

#[test]
fn unknown_imports_are_an_error_or_trap_or_return_zero() {
    let program = r#"(module
      (import "env" "f" (func $f (param i32) (result i32)))
      (func (export "called") (result i32) (call $f (i32.const 1)))
      (func (export "not-called") (result i32) (i32.const 5)))"#;
    let world = World::with("m.wat", program);
    let with = |what: &str, function: &str| {
        world.wrun(["--unknown-imports", what, "--invoke", function, "m.wat"]).run()
    };
    with("error", "not-called").exits(126);
    with("trap", "not-called").exits(0).stdout_is("5\n");
    with("default", "called").exits(0).stdout_is("0\n");
    with("trap", "called").exits(134).stderr_has("unknown import `env` `f` was called");
}

#[test]
fn memory_is_bounded() {
    let program = r#"(module (memory 1 100)
      (func (export "grow") (param i32) (result i32) (memory.grow (local.get 0))))"#;
    let world = World::with("m.wat", program);
    let grow = |pages: &str| {
        world.wrun(["--max-memory", "1M", "--invoke", "grow", "m.wat", pages]).run().exits(0)
    };
    grow("15").stdout_is("1\n");
    grow("16").stdout_is("-1\n");
}

#[test]
fn the_stack_is_as_large_as_asked_for() {
    let program = r#"(module (func $down (export "down") (param i32) (result i32)
      (if (result i32) (local.get 0)
        (then (i32.add (call $down (i32.sub (local.get 0) (i32.const 1))) (i32.const 1)))
        (else (i32.const 0)))))"#;
    let world = World::with("m.wat", program);
    let down = |stack: &str| {
        world.wrun(["--max-stack", stack, "--invoke", "down", "m.wat", "1000000"]).run()
    };
    down("64K").exits(134).stderr_has("call stack exhausted");
    down("512M").exits(0).stdout_is("1000000\n");
}

#[test]
fn features_are_switched_off_and_named() {
    let world = World::with("m.wat", r#"(module (memory 1) (memory 1) (func (export "_start")))"#);
    world.wrun(["m.wat"]).run().exits(0);
    world
        .wrun(["--wasm", "multi-memory=off", "m.wat"])
        .run()
        .exits(126)
        .stderr_has("multi-memory")
        .stderr_has("hint: switch it on with `--wasm multi-memory`");
    world.wrun(["--wasm", "nope", "m.wat"]).run().exits(2).stderr_has("expected one of");
    world.wrun(["--wasm", "stack-switching", "m.wat"]).run().exits(2).stderr_has("not implemented");
}

#[test]
fn what_is_not_standard_yet_is_on_when_it_is_asked_for() {
    let text = r#"(module (func (export "wide") (result i64 i64)
        (i64.mul_wide_u (i64.const -1) (i64.const -1))))"#;
    let world = World::with("m.wat", text);
    world
        .wrun(["--invoke", "wide", "m.wat"])
        .run()
        .exits(126)
        .stderr_has("hint: switch it on with `--wasm wide-arithmetic`");
    let outcome = world.wrun(["--wasm", "wide-arithmetic", "--invoke", "wide", "m.wat"]).run();
    outcome.exits(0).stdout_is("1\n-2\n");
}

#[test]
fn deterministic_runs_need_deterministic_images() {
    let world = World::with("m.wat", HELLO);
    world.wrun(["--deterministic", "m.wat"]).run().exits(0).stdout_is("hello\n");
    world.wrun(["compile", "m.wat", "-o", "fast"]).run().exits(0);
    world.wrun(["compile", "--deterministic", "m.wat", "-o", "fixed"]).run().exits(0);
    for args in [&["fast"][..], &["fixed"], &["--deterministic", "fixed"]] {
        world.wrun(args).run().exits(0).stdout_is("hello\n");
    }
    let outcome = world.wrun(["--deterministic", "fast"]).run().exits(126);
    outcome.stderr_has("same results on every machine").stderr_has("--deterministic");
    let shown = world.wrun(["inspect", "fixed"]).run().exits(0);
    assert!(shown.out().contains("same on every machine: yes"), "{}", shown.out());
}

#[test]
fn every_level_of_optimisation_runs() {
    let world = World::with("m.wat", HELLO);
    for level in ["0", "1", "2", "s"] {
        world.wrun(["-O", level, "m.wat"]).run().exits(0).stdout_is("hello\n");
    }
    world.wrun(["-O3", "m.wat"]).run().exits(2).stderr_has("possible values: 0, 1, 2, s");
}

#[test]
fn the_calls_of_a_program_are_logged() {
    let world = World::with("m.wat", HELLO);
    let outcome = world.wrun(["--log", "wasi", "m.wat"]).run().exits(0).stdout_is("hello\n");
    outcome.stderr_has("fd_write(fd=1").stderr_has("= ok").stderr_has("proc_exit");
    world.wrun(["--log", "wasi=loud", "m.wat"]).run().exits(2);
    world.wrun(["m.wat"]).run().exits(0).stderr_is("");
}

#[test]
fn the_phases_are_logged_with_their_times() {
    let outcome = World::with("m.wat", HELLO).wrun(["-v", "m.wat"]).run().exits(0);
    for phase in ["parse", "validate", "translate", "compile", "link", "load", "instantiate"] {
        assert!(outcome.err().contains(phase), "no {phase} in:\n{}", outcome.err());
    }
}

#[test]
fn colours_are_as_asked_for() {
    let world = World::new();
    world.wrun(["no.wasm"]).run().exits(127).stderr_has_not("\u{1b}[");
    world.wrun(["--color", "always", "no.wasm"]).run().exits(127).stderr_has("\u{1b}[");
    let never = world.wrun(["--color", "never", "no.wasm"]).env("CLICOLOR_FORCE", "1");
    never.run().exits(127).stderr_has_not("\u{1b}[");
}
