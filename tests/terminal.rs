//! What wrun shows on a terminal, which `script` (of util-linux) plays.

#![cfg(feature = "cranelift")]

mod harness;

use std::{
    fmt::Write as _,
    process::Command,
    time::{Duration, Instant},
};

use harness::{World, guests::HELLO, wrun};

/// Runs wrun on a terminal; what the terminal got, or nothing when there is nothing to play one.
fn on_a_terminal(world: &World, args: &str) -> Option<String> {
    if Command::new("script").arg("--version").output().is_err() {
        println!("skipped: there is no `script` to play a terminal");
        return None;
    }
    let line = format!("{} {args}", wrun().display());
    let outcome = world.program("script", ["-qec", &line, "/dev/null"]).env("TERM", "xterm").run();
    Some(outcome.ends_in_order().out())
}

#[test]
fn a_long_compilation_shows_how_far_it_is() {
    let mut text = String::from("(module\n");
    for index in 0..250_000 {
        let _ =
            writeln!(text, "(func (param i32) (result i32) local.get 0 i32.const {index} i32.add)");
    }
    text.push(')');
    let world = World::with("m.wasm", wat::parse_str(text).unwrap());
    let start = Instant::now();
    let Some(shown) = on_a_terminal(&world, "compile m.wasm -o m.image") else { return };
    assert!(start.elapsed() > Duration::from_secs(1), "the module is too small for this test");
    assert!(shown.contains("compiling") && shown.contains(" left"), "{shown}");
    // At the end it is gone: the line is erased.
    assert!(shown.trim_end().ends_with("\u{1b}[2K"), "{shown:?}");
    assert!(world.path("m.image").exists());
}

#[test]
fn a_short_compilation_shows_nothing() {
    let world = World::with("m.wat", HELLO);
    let Some(shown) = on_a_terminal(&world, "m.wat") else { return };
    assert_eq!(shown.trim_end(), "hello");
}

#[test]
fn errors_are_coloured_on_a_terminal_unless_they_are_not_to_be() {
    let world = World::new();
    let Some(shown) = on_a_terminal(&world, "no.wasm") else { return };
    assert!(shown.contains("\u{1b}[") && shown.contains("error:"), "{shown:?}");
    // Of the program's own mistakes, and of those of the command line.
    for args in [
        "--color never no.wasm",
        "--color never --nonsense",
        "--color=never",
        "--color=never run --dir",
    ] {
        let Some(shown) = on_a_terminal(&world, args) else { return };
        assert!(!shown.contains("\u{1b}["), "{args}: {shown:?}");
    }
}
