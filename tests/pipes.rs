//! Streams that are closed, and what wrun and its programs make of that.

#![cfg(feature = "cranelift")]

mod harness;

use std::{fs::File, io};

use harness::{
    World,
    guests::{HELLO, TRAP},
    wrun,
};

/// A pipe that nobody reads any more.
fn broken_pipe() -> io::PipeWriter {
    io::pipe().expect("a pipe").1
}

#[test]
fn a_broken_pipe_on_our_own_output_is_quiet() {
    let world = World::with("m.wat", HELLO);
    world.compile("m.wat", "m.image");
    for args in [
        &["--help"][..],
        &["-h"],
        &["--version"],
        &["inspect", "m.wat"],
        &["inspect", "m.image"],
        &["completions", "bash"],
        &["man"],
        &["compile", "m.wat", "-o", "-"],
    ] {
        world.wrun(args).stdout(broken_pipe()).run().ends_in_order().exits(0).stderr_is("");
    }
}

#[test]
fn help_may_be_cut_by_head() {
    let line = format!("{} --help | head -1", wrun().display());
    World::new()
        .program("sh", ["-c", &line])
        .run()
        .exits(0)
        .stderr_is("")
        .stdout_is("Runs WebAssembly programs\n");
}

#[test]
fn a_full_device_is_told() {
    let full = File::options().write(true).open("/dev/full").unwrap();
    World::with("m.wat", HELLO)
        .wrun(["inspect", "m.wat"])
        .stdout(full)
        .run()
        .exits(125)
        .stderr_has("cannot write");
}

#[test]
fn a_program_hears_of_its_broken_pipe() {
    // 64 is `pipe`: the program exits with the error number of its write.
    World::with("m.wat", HELLO).wrun(["m.wat"]).stdout(broken_pipe()).run().exits(64).stderr_is("");
}

#[test]
fn errors_that_nobody_reads_change_nothing() {
    let world = World::with("m.wat", TRAP);
    world.wrun(["m.wat"]).stderr(broken_pipe()).run().exits(134);
    world.wrun(["missing"]).stderr(broken_pipe()).run().exits(127);
    world.wrun(["-v", "m.wat"]).stderr(broken_pipe()).run().exits(134);
}

#[test]
fn closed_streams_are_no_crash() {
    let world = World::with("m.wat", HELLO);
    let line = format!("{} m.wat <&- >&- 2>&-", wrun().display());
    world.program("sh", ["-c", &line]).run().ends_in_order();
}
