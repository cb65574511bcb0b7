//! Every exit code of the table, and the table in `--help`.

#![cfg(feature = "cranelift")]

mod harness;

use harness::{
    World,
    guests::{HELLO, RECURSE, TRAP, exit},
};

#[test]
fn a_program_passes_its_own_code_on() {
    for (code, seen) in
        [(0, 0), (1, 1), (3, 3), (134, 134), (255, 255), (256, 0), (0xffff_ffff, 255)]
    {
        let outcome = World::with("m.wat", exit(code)).wrun(["m.wat"]).run();
        outcome.exits(seen).stdout_is("").stderr_is("");
    }
}

#[test]
fn a_program_that_returns_succeeds() {
    World::with("m.wat", HELLO).wrun(["m.wat"]).run().exits(0);
    World::with("m.wat", r#"(module (func (export "_start")))"#).wrun(["m.wat"]).run().exits(0);
}

#[test]
fn a_trap_is_134_and_shows_where() {
    let outcome = World::with("m.wat", TRAP).wrun(["m.wat"]).run().exits(134).stdout_is("");
    let outcome = outcome.stderr_has("error: the program trapped: integer divide by zero");
    let text = outcome.err();
    let (inner, middle) = (text.find("inner"), text.find("middle"));
    assert!(inner.is_some() && inner < middle, "innermost first:\n{text}");
}

#[test]
fn endless_recursion_is_a_trap() {
    let outcome = World::with("m.wat", RECURSE).wrun(["m.wat"]).run().exits(134);
    let outcome = outcome.stderr_has("call stack exhausted").stderr_has("--max-stack");
    assert!(outcome.err().lines().count() <= 24, "one screen:\n{}", outcome.err());
}

#[test]
fn a_full_heap_is_a_trap() {
    let hoard = r#"(module (type $link (struct (field (ref null $link))))
        (func (export "_start") (local $all (ref null $link))
            (loop $more
                (local.set $all (struct.new $link (local.get $all)))
                (br $more))))"#;
    let outcome = World::with("m.wat", hoard).wrun(["--max-gc-heap", "8M", "m.wat"]).run();
    let outcome = outcome.exits(134).stderr_has("garbage-collected heap exhausted");
    outcome.stderr_has("hint: `--max-gc-heap SIZE` gives it a larger heap");
}

#[test]
fn a_program_runs_while_all_its_objects_move() {
    let count = r#"(module (type $link (struct (field i32) (field (ref null $link))))
        (func $length (param (ref null $link)) (result i32)
            (if (result i32) (ref.is_null (local.get 0))
                (then (i32.const 0))
                (else (i32.add (call $length (struct.get $link 1 (local.get 0))) (i32.const 1)))))
        (func (export "links") (param $n i32) (result i32) (local $all (ref null $link))
            (loop $more
                (local.set $all (struct.new $link (local.get $n) (local.get $all)))
                (br_if $more (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
            (call $length (local.get $all))))"#;
    let world = World::with("m.wat", count);
    let outcome = world.wrun(["--gc-stress", "--invoke", "links", "m.wat", "100"]).run();
    outcome.exits(0).stdout_is("100\n");
}

#[test]
fn a_trap_of_the_start_function_is_one_too() {
    let module = "(module (func $f unreachable) (start $f) (func (export \"_start\")))";
    World::with("m.wat", module).wrun(["m.wat"]).run().exits(134).stderr_has("unreachable");
}

#[test]
fn an_exception_that_nobody_catches_is_shown_with_its_tag_values_and_place() {
    let module = r#"(module
        (tag $e (export "failed") (param i32 f64 externref))
        (func $inner (throw $e (i32.const 404) (f64.const 0.5) (ref.null extern)))
        (func $middle (call $inner))
        (func (export "_start") (call $middle)))"#;
    let outcome = World::with("m.wat", module).wrun(["m.wat"]).run().exits(134).stdout_is("");
    let outcome = outcome.stderr_has("error: uncaught exception: tag `failed` (404, 0.5, null)");
    let text = outcome.err();
    let (inner, middle) = (text.find("inner"), text.find("middle"));
    assert!(inner.is_some() && inner < middle, "innermost first:\n{text}");

    let module = "(module (tag) (tag $own) (func (export \"_start\") (throw $own)))";
    let outcome = World::with("m.wat", module).wrun(["m.wat"]).run().exits(134);
    outcome.stderr_has("error: uncaught exception: tag 1\n");
}

#[test]
fn wrong_usage_is_2() {
    let world = World::with("m.wat", HELLO);
    for args in [
        &["--no-such-option", "m.wat"][..],
        &["--dir"],
        &["m.wat", "--dir"],
        &["compile", "m.wat"],
        &["--unknown-imports", "maybe", "m.wat"],
        &["--max-memory", "lots", "m.wat"],
        &["--dir", ".", "compile", "m.wat", "-o", "x"],
        &["man", "nothing"],
        &["run"],
        &[],
    ] {
        let outcome = world.wrun(args).run().exits(2).stdout_is("");
        assert!(!outcome.err().is_empty());
    }
}

#[test]
fn the_codes_of_a_file_that_does_not_run() {
    let world = World::with("bad.wat", "(module (func (result i32)))").file("folder/x", "");
    world.wrun(["missing.wasm"]).run().exits(127);
    world.wrun(["bad.wat/below"]).run().exits(127);
    world.wrun(["folder"]).run().exits(126).stderr_has("directory");
    world.wrun(["bad.wat"]).run().exits(126);
    world.wrun(["--dir", "missing", "bad.wat"]).run().exits(125);
}

#[test]
fn the_table_is_in_the_help() {
    let outcome = World::new().wrun(["--help"]).run().exits(0).stderr_is("");
    for code in ["  2  ", "125  ", "126  ", "127  ", "134  "] {
        assert!(outcome.out().contains(code), "no {code:?} in:\n{}", outcome.out());
    }
}

#[test]
fn help_and_version_are_output() {
    let world = World::new();
    world.wrun(["-h"]).run().exits(0).stdout_has("--invoke").stderr_is("");
    world.wrun(["run", "--help"]).run().exits(0).stdout_has("Exit codes").stderr_is("");
    world.wrun(["help", "compile"]).run().exits(0).stdout_has("--target");
    let version = format!("wrun {}\n", env!("CARGO_PKG_VERSION"));
    world.wrun(["--version"]).run().exits(0).stdout_is(&version);
}
