//! Input that is damaged, huge or met in a cramped place: every run ends in order, with a code of the table.

#![cfg(feature = "cranelift")]

mod harness;

use std::{fmt::Write as _, time::Duration};

use harness::{
    World,
    guests::{HELLO, RECURSE, TRAP},
    wrun,
};
use wrun::Features;

/// Whether wrun may end a compilation with this code.
#[track_caller]
fn is_verdict(code: Option<i32>) -> bool {
    matches!(code, Some(0 | 126))
}

/// Numbers that look random and are the same in every run (xorshift).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % bound
    }
}

#[test]
fn every_prefix_of_a_module_is_refused() {
    let binary = wat::parse_str(HELLO).unwrap();
    let world = World::new();
    let mut refused = 0;
    for length in 0..binary.len() {
        let prefix = &binary[..length];
        world.write("m.wasm", prefix);
        let outcome = world.wrun(["m.wasm"]).run().ends_in_order();
        // Behind some of its sections the module may end: it is valid, if not what it was.
        if wrun_module::parse(prefix, Features::default()).is_err() {
            let found = format!("{length} bytes: {:?}\n{}", outcome.code(), outcome.err());
            assert!(outcome.code() == Some(126), "{found}");
            refused += 1;
        }
    }
    assert!(refused > binary.len() - 10);
}

#[test]
fn a_flipped_byte_never_crashes_the_compiler() {
    let real = include_bytes!("guests/files.wasm");
    let world = World::new();
    let mut numbers = Numbers(0x9e37_79b9_7f4a_7c15);
    let mut valid = 0;
    for _ in 0..120 {
        let mut bytes = real.to_vec();
        let position = numbers.below(bytes.len());
        bytes[position] ^= 1 << numbers.below(8);
        world.write("m.wasm", &bytes);
        let outcome =
            world.wrun(["compile", "-O0", "m.wasm", "-o", "m.image"]).run().ends_in_order();
        assert!(
            is_verdict(outcome.code()),
            "byte {position}: {:?}\n{}",
            outcome.code(),
            outcome.err()
        );
        valid += usize::from(outcome.code() == Some(0));
    }
    // Otherwise the flips only ever met the parser.
    assert!(valid > 0);
}

#[test]
fn a_flipped_byte_never_crashes_the_program_that_still_runs() {
    let real = wat::parse_str(TRAP).unwrap();
    let world = World::new();
    let mut numbers = Numbers(0x2545_f491_4f6c_dd1d);
    for _ in 0..150 {
        let mut bytes = real.clone();
        let position = numbers.below(bytes.len());
        bytes[position] ^= 1 << numbers.below(8);
        world.write("m.wasm", &bytes);
        // What still runs may do so for ever.
        let outcome = world.wrun(["m.wasm"]).run_for(Duration::from_secs(20)).ends_in_order();
        let known = matches!(outcome.code(), Some(0 | 125 | 126 | 134));
        assert!(
            known || outcome.timed_out(),
            "byte {position}: {:?}\n{}",
            outcome.code(),
            outcome.err()
        );
    }
}

#[test]
fn a_flipped_bit_of_an_image_is_noticed() {
    let world = World::with("m.wat", HELLO);
    world.compile("m.wat", "m.image");
    let image = world.read("m.image");
    let mut numbers = Numbers(0xda94_2042_e4dd_58b5);
    for _ in 0..150 {
        let mut bytes = image.clone();
        let position = numbers.below(bytes.len());
        bytes[position] ^= 1 << numbers.below(8);
        world.write("flipped.image", &bytes);
        let outcome = world.wrun(["flipped.image"]).run().ends_in_order().stdout_is("");
        assert!(
            outcome.code() == Some(126),
            "byte {position}: {:?}\n{}",
            outcome.code(),
            outcome.err()
        );
    }
    world.wrun(["m.image"]).run().exits(0).stdout_is("hello\n");
}

#[test]
fn an_image_that_is_cut_off_is_noticed() {
    let world = World::with("m.wat", HELLO);
    world.compile("m.wat", "m.image");
    let image = world.read("m.image");
    let lengths =
        (0..64).chain((64..image.len()).step_by(image.len() / 60)).chain([image.len() - 1]);
    for length in lengths {
        world.write("cut.image", &image[..length]);
        let outcome = world.wrun(["cut.image"]).run().ends_in_order().stdout_is("");
        assert!(
            outcome.code() == Some(126),
            "{length} bytes: {:?}\n{}",
            outcome.code(),
            outcome.err()
        );
    }
}

#[test]
fn programs_run_where_address_space_is_short() {
    let world = World::with("hello.wat", HELLO)
        .file("recurse.wat", RECURSE)
        .file("load.wat", r#"(module (memory 1) (func (export "_start") (drop (i32.load (i32.const 65536)))))"#)
        .file("far.wat", r#"(module (memory 1) (func (export "_start") (drop (i32.load offset=4294967295 (i32.const -1)))))"#);
    world.compile("hello.wat", "hello.image");
    let short = |args: &str| {
        let line = format!("ulimit -v 3000000; exec {} {args}", wrun().display());
        world.program("sh", ["-c", &line]).run().ends_in_order()
    };
    short("hello.wat").exits(0).stdout_is("hello\n").stderr_is("");
    short("load.wat").exits(134).stderr_has("out of bounds memory access");
    short("far.wat").exits(134).stderr_has("out of bounds memory access");
    short("recurse.wat").exits(134).stderr_has("call stack exhausted");
    // Made where memories are reserved, this image needs what is short here.
    short("hello.image").exits(126).stderr_has("wrun compile");
    short("compile hello.wat -o short.image").exits(0);
    short("short.image").exits(0).stdout_is("hello\n");
}

#[test]
fn a_module_may_have_a_hundred_thousand_functions() {
    let mut text = String::from("(module\n");
    for index in 0..100_000 {
        let _ = writeln!(
            text,
            "(func $f{index} (param i32) (result i32) local.get 0 i32.const {index} i32.add)"
        );
    }
    text.push_str("(func (export \"last\") (result i32) (call $f99999 (i32.const 1))))");
    let world = World::with("m.wasm", wat::parse_str(text).unwrap());
    world.wrun(["-O0", "--invoke", "last", "m.wasm"]).run().exits(0).stdout_is("100000\n");
}

#[test]
fn a_function_may_be_a_megabyte_long() {
    let mut text = String::from("(module (func (export \"sum\") (result i64) (local i64)\n");
    let count: i64 = 120_000;
    for _ in 0..count {
        text.push_str("local.get 0 i64.const 1000003 i64.add local.set 0\n");
    }
    text.push_str("local.get 0))");
    let binary = wat::parse_str(text).unwrap();
    assert!(binary.len() > 1 << 20, "{} bytes", binary.len());
    let world = World::with("m.wasm", binary);
    let expected = format!("{}\n", count * 1_000_003);
    for level in ["-O0", "-O2"] {
        world.wrun([level, "--invoke", "sum", "m.wasm"]).run().exits(0).stdout_is(&expected);
    }
}

#[test]
fn deep_nesting_is_no_deep_recursion() {
    let depth = 100_000;
    let mut body = "block\n".repeat(depth);
    body.push_str(&"end\n".repeat(depth));
    let text = format!("(module (func (export \"_start\")\n{body}))");
    World::with("m.wasm", wat::parse_str(text).unwrap())
        .wrun(["-O0", "m.wasm"])
        .run()
        .ends_in_order()
        .exits(0);
}

#[test]
fn deeply_nested_text_is_refused_in_order() {
    let text = format!("(module (func {}", "(block ".repeat(200_000));
    World::with("m.wat", text).wrun(["m.wat"]).run().ends_in_order().exits(126);
}
