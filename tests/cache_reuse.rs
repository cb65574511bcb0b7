//! Functions that were compiled for one module and are had from the cache for another.

#![cfg(feature = "cranelift")]

mod harness;

use std::{
    fmt::Write as _,
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt,
    path::PathBuf,
};

use harness::World;

/// A module of twenty functions that call one another, with a function in front if that is wanted, and a
/// constant in the last.
fn module(front: bool, constant: u32) -> String {
    let mut text = String::from("(module (memory 1)\n");
    if front {
        text.push_str("(func (export \"new\") (result i32) i32.const 5)\n");
    }
    text.push_str("(func $f0 (param i32) (result i32) (i32.load (local.get 0)))\n");
    for index in 1..19 {
        let before = index - 1;
        let _ = writeln!(
            text,
            "(func $f{index} (param i32) (result i32)
               (i32.add (i32.const {index}) (call $f{before} (local.get 0))))"
        );
    }
    let _ = write!(
        text,
        "(func (export \"run\") (result i32) (i32.add (i32.const {constant}) (call $f18 (i32.const 1)))))"
    );
    text
}

/// Sum of what the functions add, and the constant.
fn result(constant: u32) -> String {
    format!("{}\n", (0..19).sum::<u32>() + constant)
}

/// Compiles a file, with so many functions found in the cache.
#[track_caller]
fn compile(world: &World, file: &str, image: &str, found: usize) {
    let outcome = world.wrun(["-v", "compile", file, "-o", image]).run().exits(0);
    outcome.stderr_has(&format!("reused={found} "));
}

#[test]
fn only_functions_that_changed_are_compiled() {
    let world = World::with("one.wat", module(false, 1))
        .file("two.wat", module(false, 2))
        .file("three.wat", module(true, 2));
    compile(&world, "one.wat", "one", 0);
    compile(&world, "two.wat", "two", 19);
    // Of two entries: all but the one in front.
    compile(&world, "three.wat", "three", 20);
    compile(&world, "three.wat", "again", 21);
    assert!(world.read("three") == world.read("again"));
    for (image, constant) in [("one", 1), ("two", 2), ("three", 2)] {
        let run = world.wrun([image, "--invoke", "run"]).run();
        run.exits(0).stdout_is(&result(constant));
    }
    // As if nothing had been known.
    let fresh = world.wrun(["compile", "--cache-dir", "other", "three.wat", "-o", "fresh"]);
    fresh.run().exits(0);
    assert!(world.read("three") == world.read("fresh"));
}

#[test]
fn runs_reuse_what_was_compiled_for_others() {
    let world = World::with("one.wat", module(false, 1)).file("two.wat", module(true, 7));
    compile(&world, "one.wat", "one", 0);
    let args = ["-v", "--compile", "eager", "two.wat", "--invoke", "run"];
    let outcome = world.wrun(args).run().exits(0).stdout_is(&result(7));
    outcome.stderr_has("reused=19 ");
}

/// Runs a file as most do, with so many functions found in the cache.
#[track_caller]
fn run(world: &World, file: &str, constant: u32, found: usize) {
    let outcome = world.wrun(["-v", file, "--invoke", "run"]).run().exits(0);
    outcome.stdout_is(&result(constant)).stderr_has(&format!("reused={found}\n"));
}

#[test]
fn lazy_runs_reuse_what_runs_and_compilations_left() {
    let world = World::with("one.wat", module(false, 1))
        .file("two.wat", module(false, 2))
        .file("three.wat", module(true, 2))
        .file("four.wat", module(false, 4));
    run(&world, "one.wat", 1, 0);
    // All but the one with the constant.
    run(&world, "two.wat", 2, 19);
    run(&world, "three.wat", 2, 20);
    compile(&world, "four.wat", "four", 19);
    world.wrun(["cache", "verify"]).run().exits(0);
}

#[test]
fn long_functions_are_found_in_lazy_runs_too() {
    // Long enough to be compiled without optimisation first.
    let long = "(local.set 1 (i32.add (local.get 1) (local.get 0)))".repeat(40);
    let text = |constant: u32, front: &str| {
        format!(
            r#"(module {front}
                (func $long (param i32) (result i32) (local i32) {long} (local.get 1))
                (func $longer (param i32) (result i32) (local i32) {long} {long} (local.get 1))
                (func (export "run") (result i32)
                    (i32.add (i32.const {constant})
                        (i32.add (call $long (i32.const 1)) (call $longer (i32.const 1))))))"#
        )
    };
    let world = World::with("one.wat", text(0, ""))
        .file("two.wat", text(1, ""))
        .file("three.wat", text(1, "(func)"));
    let run = |file: &str, expected: &str, found: usize| {
        let outcome = world.wrun(["-v", file, "--invoke", "run"]).run().exits(0);
        outcome.stdout_is(expected).stderr_has(&format!("reused={found}\n"));
    };
    run("one.wat", "120\n", 0);
    run("two.wat", "121\n", 2);
    // Their counters are other ones, so that they are compiled; the short one is found.
    run("three.wat", "121\n", 1);
    // Optimised ones have no counters.
    compile(&world, "one.wat", "one", 1);
    world.wrun(["cache", "clear"]).run().exits(0);
    compile(&world, "one.wat", "one", 0);
    run("three.wat", "121\n", 2);
}

#[test]
fn several_runs_at_once_reuse_and_keep() {
    let world = World::with("one.wat", module(false, 1));
    compile(&world, "one.wat", "one", 0);
    let world = (2..10).fold(world, |world, constant| {
        world.file(&format!("{constant}.wat"), module(constant % 2 == 0, constant))
    });
    std::thread::scope(|scope| {
        for constant in (2..10).chain(2..10) {
            let world = &world;
            scope.spawn(move || {
                let file = format!("{constant}.wat");
                let outcome = world.wrun([&file, "--invoke", "run"]).run().exits(0);
                outcome.stdout_is(&result(constant));
            });
        }
    });
    world.wrun(["cache", "verify"]).run().exits(0);
}

#[test]
fn what_other_options_made_is_not_taken_and_one_can_go_without() {
    let world = World::with("one.wat", module(false, 1));
    compile(&world, "one.wat", "one", 0);
    let other = world.wrun(["-v", "compile", "-Os", "one.wat", "-o", "small"]).run();
    other.exits(0).stderr_has("reused=0 ");
    let without = world.wrun(["-v", "compile", "--no-cache", "one.wat", "-o", "without"]).run();
    without.exits(0).stderr_has_not("reused=");
}

/// The entries of the cache.
fn entries(world: &World) -> Vec<PathBuf> {
    let paths = fs::read_dir(world.cache()).unwrap().map(|file| file.unwrap().path());
    paths.filter(|path| path.extension().is_some_and(|ending| ending == "image")).collect()
}

type Damage = fn(&mut Vec<u8>);

#[test]
fn damaged_entries_are_of_no_use_and_do_no_harm() {
    // Each is what becomes of an image.
    let damages: &[(&str, Damage)] = &[
        ("a byte", |bytes| *bytes.last_mut().unwrap() ^= 1),
        ("a byte of the code", |bytes| {
            let middle = bytes.len() / 2;
            bytes[middle] ^= 1;
        }),
        ("cut", |bytes| bytes.truncate(bytes.len() / 2)),
        ("cut short", |bytes| bytes.truncate(100)),
        ("empty", Vec::clear),
        ("zeros", |bytes| bytes.fill(0)),
        ("a longer table of sections", |bytes| bytes[60] = 0xff),
    ];
    for (what, damage) in damages {
        let world = World::with("one.wat", module(false, 1))
            .file("two.wat", module(false, 2))
            .file("three.wat", module(false, 3));
        compile(&world, "one.wat", "one", 0);
        for path in entries(&world) {
            let mut bytes = fs::read(&path).unwrap();
            damage(&mut bytes);
            fs::write(path, bytes).unwrap();
        }
        println!("{what}");
        compile(&world, "two.wat", "two", 0);
        world.wrun(["two", "--invoke", "run"]).run().exits(0).stdout_is(&result(2));
        fs::remove_file(entries(&world).pop().unwrap()).unwrap();
        let outcome = world.wrun(["three.wat", "--invoke", "run"]).run().exits(0);
        outcome.stdout_is(&result(3));
    }
}

#[test]
fn entries_that_others_may_write_are_not_taken() {
    let world = World::with("one.wat", module(false, 1)).file("two.wat", module(false, 2));
    compile(&world, "one.wat", "one", 0);
    for path in entries(&world) {
        fs::set_permissions(path, Permissions::from_mode(0o666)).unwrap();
    }
    compile(&world, "two.wat", "two", 0);
}
