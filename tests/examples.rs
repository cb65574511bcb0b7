//! The examples run, and find what they assert.

#![cfg(feature = "cranelift")]
#![allow(
    clippy::missing_errors_doc,
    clippy::missing_panics_doc,
    reason = "an example ends when something is not as it says"
)]

#[path = "../examples/hello.rs"]
pub mod hello;
#[path = "../examples/linking.rs"]
pub mod linking;
#[path = "../examples/memory.rs"]
pub mod memory;
#[path = "../examples/multi_value.rs"]
pub mod multi_value;

mod harness;

use harness::World;

#[test]
fn hello_runs() {
    hello::main().unwrap();
}

#[test]
fn multi_value_runs() {
    multi_value::main().unwrap();
}

#[test]
fn memory_runs() {
    memory::main().unwrap();
}

#[test]
fn linking_runs() {
    linking::main().unwrap();
}

#[test]
fn hello_wat_runs() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/hello.wat");
    World::new().wrun([path]).run().exits(0).stdout_is("hello, world\n").stderr_is("");
}
