//! What is wrong with an input is said on one screen, with the exit code of the table: the messages are golden files.

#![cfg(feature = "cranelift")]

mod harness;

use harness::{
    World,
    guests::{FUNCTIONS, HELLO},
};

/// Runs wrun on the files and compares what it says.
#[track_caller]
fn says(name: &str, code: i32, world: &World, args: &[&str]) {
    world.wrun(args).run().ends_in_order().exits(code).stdout_is("").stderr_is_golden(name);
}

#[test]
fn a_missing_file() {
    says("missing_file", 127, &World::new(), &["app.wasm"]);
    says("missing_subcommand", 127, &World::new(), &["complie", "app.wasm"]);
}

#[test]
fn an_empty_file() {
    says("empty_file", 126, &World::with("app.wasm", ""), &["app.wasm"]);
}

#[test]
fn a_directory() {
    says("directory", 126, &World::with("app/x", ""), &["app"]);
}

#[test]
fn no_webassembly_at_all() {
    let world = World::with("photo", b"\xff\xd8\xff\xe0").file("notes", "Dear diary,\n");
    says("not_wasm", 126, &world, &["photo"]);
    says("not_text_of_a_module", 126, &world, &["notes"]);
}

#[test]
fn text_with_a_mistake() {
    let text = "(module\n  (func (export \"_start\")\n    (i32.cosnt 1)\n    drop))\n";
    says("text_syntax", 126, &World::with("app.wat", text), &["app.wat"]);
    let text = "(module\n  (func (export \"_start\")\n    (call $nobody)))\n";
    says("text_name", 126, &World::with("app.wat", text), &["app.wat"]);
}

#[test]
fn text_with_a_mistake_in_a_script() {
    let text = "#!/usr/bin/env wrun\n(module\n  (fnuc))\n";
    says("script_syntax", 126, &World::with("app.wat", text), &["app.wat"]);
}

#[test]
fn a_module_that_is_not_valid() {
    let text = r#"(module (func (export "_start") (drop (i64.add (i32.const 1) (i64.const 2)))))"#;
    says("invalid", 126, &World::with("app.wat", text), &["app.wat"]);
}

#[test]
fn a_module_that_is_cut_off() {
    let binary = wat::parse_str(HELLO).unwrap();
    let world =
        World::with("app.wasm", &binary[..binary.len() / 2 + 10]).file("magic.wasm", &binary[..6]);
    says("truncated", 126, &world, &["app.wasm"]);
    says("truncated_magic", 126, &world, &["magic.wasm"]);
}

#[test]
fn a_proposal_that_is_not_there() {
    let text = "(module (type $f (func)) (type (cont $f)) (func (export \"_start\")))";
    says("unsupported", 126, &World::with("app.wat", text), &["app.wat"]);
}

#[test]
fn a_component() {
    says("component", 126, &World::with("app.wat", "(component)"), &["app.wat"]);
    let binary = wat::parse_str("(component)").unwrap();
    says("component_binary", 126, &World::with("app.wasm", binary), &["app.wasm"]);
}

#[test]
fn unknown_imports() {
    let text = r#"(module
      (import "env" "f" (func (param i32 f64) (result i64)))
      (import "env" "memory" (memory 1 2))
      (import "env" "table" (table 3 funcref))
      (import "other" "g" (global (mut i32)))
      (import "wasi_snapshot_preview1" "fd_teleport" (func (result i32)))
      (func (export "_start")))"#;
    says("unknown_imports", 126, &World::with("app.wat", text), &["app.wat"]);
}

#[test]
fn imports_of_a_wrong_type() {
    let text = r#"(module
      (import "wasi_snapshot_preview1" "fd_write" (func (param i32 i32) (result i32)))
      (import "env" "unknown" (func))
      (func (export "_start")))"#;
    says("wrong_import", 126, &World::with("app.wat", text), &["app.wat"]);
}

#[test]
fn directories_that_cannot_be_given() {
    let world = World::with("app.wat", HELLO).file("file.txt", "");
    says("missing_directory", 125, &world, &["--dir", "pylib::/", "app.wat"]);
    says("directory_is_a_file", 125, &world, &["--dir", "file.txt", "app.wat"]);
    says("directory_suffix", 2, &world, &["--dir", ".:rw", "app.wat"]);
    says("directory_suffix_behind", 2, &world, &["app.wat", "--dir", ".:rw"]);
}

#[test]
fn nothing_to_run() {
    let world = World::with("app.wat", FUNCTIONS).file("empty.wat", "(module)");
    says("no_entry", 126, &world, &["app.wat"]);
    says("no_function", 126, &world, &["empty.wat"]);
    let text = r#"(module (func (export "_start") (param i32)))"#;
    says("wrong_start", 126, &World::with("app.wat", text), &["app.wat"]);
}

#[test]
fn wrong_arguments_of_a_function() {
    let world = World::with("app.wat", FUNCTIONS);
    says("invoke_no_number", 2, &world, &["--invoke", "add", "app.wat", "1", "two"]);
    says("invoke_range", 2, &world, &["--invoke", "add", "app.wat", "1", "4294967296"]);
    says("invoke_count", 2, &world, &["--invoke", "add", "app.wat", "1"]);
    says("invoke_unknown", 2, &world, &["--invoke", "sub", "app.wat"]);
    says("invoke_memory", 2, &world, &["--invoke", "memory", "app.wat"]);
}

#[test]
fn more_memory_than_allowed() {
    let text = r#"(module (memory 100) (func (export "_start")))"#;
    says("max_memory", 125, &World::with("app.wat", text), &["--max-memory", "1M", "app.wat"]);
}

#[test]
fn names_do_not_drive_the_terminal() {
    let text = r#"(module (import "env" "\1b[2J\07" (func)) (func (export "_start")))"#;
    let outcome = World::with("app.wat", text).wrun(["app.wat"]).run().exits(126);
    assert!(!outcome.stderr.contains(&0x1b) && !outcome.stderr.contains(&7));
}

#[test]
fn an_image_of_something_else() {
    let world = World::with("app.image", std::fs::read("/bin/sh").unwrap()).file("elf", b"\x7fELF");
    says("other_program", 126, &world, &["app.image"]);
    says("elf_magic", 126, &world, &["elf"]);
}
