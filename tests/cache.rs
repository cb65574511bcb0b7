//! The cache: what is found in it and what is not, where it is, and what `wrun cache` does with it.

#![cfg(feature = "cranelift")]

mod harness;

use std::{
    fs,
    path::PathBuf,
    thread,
    time::{Duration, SystemTime},
};

use harness::{
    Outcome, World,
    guests::{HELLO, TRAP, exit},
};

/// The files of the cache with an ending.
fn files(world: &World, ending: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(world.cache()).expect("the cache");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    paths.filter(|path| path.to_string_lossy().ends_with(ending)).collect()
}

fn entries(world: &World) -> usize {
    files(world, ".image").len()
}

fn run(world: &World, args: &[&str]) -> Outcome {
    world.wrun(["-v"].iter().chain(args)).run()
}

/// Runs what has to be compiled.
#[track_caller]
fn misses(world: &World, args: &[&str]) -> Outcome {
    run(world, args).stderr_has("compiled to an image").stderr_has_not("found in the cache")
}

/// Runs what is in the cache.
#[track_caller]
fn hits(world: &World, args: &[&str]) -> Outcome {
    run(world, args).stderr_has("found in the cache").stderr_has_not("compiled to an image")
}

#[test]
fn a_module_is_compiled_once() {
    let world = World::with("hello.wat", HELLO)
        .file("hello.wasm", wat::parse_str(HELLO).unwrap())
        .file("copy.wat", HELLO)
        .file("script.wat", format!("#!/usr/bin/env wrun\n{HELLO}"));
    for (name, number) in [("hello.wat", 1), ("hello.wasm", 2), ("script.wat", 3)] {
        misses(&world, &[name]).exits(0).stdout_is("hello\n");
        hits(&world, &[name]).exits(0).stdout_is("hello\n");
        assert_eq!(entries(&world), number, "{name}");
    }
    // What it is called, and how it comes, is all the same.
    hits(&world, &["copy.wat"]).exits(0).stdout_is("hello\n");
    let piped = world.wrun(["-v", "-"]).stdin(HELLO).run();
    piped.exits(0).stdout_is("hello\n").stderr_has("found in the cache");
    assert!(files(&world, ".tmp").is_empty());
}

#[test]
fn modules_that_are_linked_in_are_kept_too() {
    let world = World::with("lib.wat", r#"(module (func (export "f")))"#).file(
        "app.wat",
        r#"(module (import "lib" "f" (func $f)) (func (export "_start") (call $f)))"#,
    );
    misses(&world, &["--preload", "lib=lib.wat", "app.wat"]).exits(0);
    assert_eq!(entries(&world), 2);
    hits(&world, &["--preload", "lib=lib.wat", "app.wat"]).exits(0);
}

#[test]
fn another_module_and_other_options_miss() {
    let world = World::with("m.wat", HELLO).file("other.wat", HELLO.replace("hello", "olleh"));
    let variants: &[&[&str]] = &[
        &["m.wat"],
        &["other.wat"],
        &["-O0", "m.wat"],
        &["-Os", "m.wat"],
        &["--deterministic", "m.wat"],
        &["--wasm", "simd=off", "m.wat"],
        &["--wasm", "wide-arithmetic", "m.wat"],
    ];
    for (number, args) in variants.iter().enumerate() {
        misses(&world, args).exits(0);
        assert_eq!(entries(&world), number + 1, "{args:?}");
    }
    for args in variants {
        hits(&world, args).exits(0);
    }
    // Where addresses are short, code has to check its accesses.
    let line = format!("ulimit -v 8000000; exec {} -v m.wat", harness::wrun().display());
    let short = || world.program("sh", ["-c", &line]).run().exits(0).stdout_is("hello\n");
    short().stderr_has("compiled to an image");
    short().stderr_has("found in the cache");
    // These are no part of the code.
    hits(&world, &["--max-stack", "1M", "--max-memory", "1M", "--env", "A=B", "m.wat"]).exits(0);
}

#[test]
fn what_is_not_allowed_is_not_found() {
    let vector = r#"(module (func (export "_start") (drop (v128.const i32x4 1 2 3 4))))"#;
    let world = World::with("vector.wat", vector);
    misses(&world, &["vector.wat"]).exits(0);
    run(&world, &["--wasm", "simd=off", "vector.wat"]).exits(126).stderr_has("simd");
}

#[test]
fn another_build_of_wrun_takes_nothing_over() {
    let world = World::with("hello.wat", HELLO);
    misses(&world, &["hello.wat"]).exits(0);
    let mut program = fs::read(harness::wrun()).unwrap();
    // The note in front of the build identifier. Without one, the file is another one anyway.
    let note = b"\x14\0\0\0\x03\0\0\0GNU\0";
    let head = &program[..4096];
    if let Some(at) = head.windows(note.len()).position(|bytes| bytes == note) {
        program[at + note.len()] ^= 1;
    }
    world.write("rebuilt", &program);
    world.make_executable("rebuilt");
    let rebuilt = || world.program(world.path("rebuilt"), ["-v", "hello.wat"]).run().exits(0);
    rebuilt().stdout_is("hello\n").stderr_has("compiled to an image");
    rebuilt().stdout_is("hello\n").stderr_has("found in the cache");
    assert_eq!(entries(&world), 2);
}

#[test]
fn a_file_that_did_not_change_is_not_read() {
    let module = |text: &str| wat::parse_str(HELLO.replace("hello", text)).unwrap();
    let world = World::with("m.wasm", module("hello"));
    let modified = fs::metadata(world.path("m.wasm")).unwrap().modified().unwrap();
    misses(&world, &["m.wasm"]).exits(0);
    // Too new to be relied on.
    hits(&world, &["m.wasm"]).stderr_has_not("recognised");
    thread::sleep(Duration::from_millis(2100));
    hits(&world, &["m.wasm"]).stderr_has_not("recognised");
    if files(&world, ".seen").is_empty() {
        println!(
            "skipped: the rest: temporary files are on a file system whose times are not relied on"
        );
        return;
    }
    hits(&world, &["m.wasm"]).stderr_has("recognised").stdout_is("hello\n");
    hits(&world, &["-O2", "m.wasm"]).stderr_has("recognised");
    // Other options are another entry, for which the file is read after all.
    misses(&world, &["-O0", "m.wasm"]).stderr_has("recognised").stdout_is("hello\n");

    // As long as before, and with the old time of modification.
    world.write("m.wasm", module("olleh"));
    let file = fs::File::options().write(true).open(world.path("m.wasm")).unwrap();
    file.set_modified(modified).unwrap();
    misses(&world, &["m.wasm"]).stdout_is("olleh\n").stderr_has_not("recognised");
    hits(&world, &["m.wasm"]).stdout_is("olleh\n");
}

#[test]
fn a_run_can_go_without() {
    let world = World::with("hello.wat", HELLO);
    misses(&world, &["--no-cache", "hello.wat"]).exits(0).stdout_is("hello\n");
    let compile = ["compile", "--no-cache", "hello.wat", "-o", "hello.image"];
    world.wrun(compile).run().exits(0);
    world.wrun(["hello.image"]).run().exits(0);
    assert_eq!(fs::read_dir(world.cache()).unwrap().count(), 0);
    misses(&world, &["hello.wat"]).exits(0);
    misses(&world, &["--no-cache", "hello.wat"]).exits(0);
}

#[test]
fn what_cannot_be_compiled_leaves_nothing() {
    let world = World::with("bad.wat", r#"(module (func (result i32)))"#);
    world.wrun(["bad.wat"]).run().exits(126);
    assert_eq!(entries(&world), 0);
}

#[test]
fn how_a_program_ends_does_not_matter() {
    let world = World::with("trap.wat", TRAP).file("exit.wat", exit(7)).file("no.wat", "(module)");
    // Of what has nothing to call nothing is compiled, and so nothing is kept.
    misses(&world, &["no.wat"]).exits(126);
    assert_eq!(entries(&world), 0);
    for (name, code) in [("trap.wat", 134), ("exit.wat", 7)] {
        let first = misses(&world, &[name]).exits(code);
        let second = hits(&world, &[name]).exits(code);
        let of_the_program = |outcome: &Outcome| {
            let text = outcome.err();
            text[text.find("error:").unwrap_or(text.len())..].to_owned()
        };
        assert_eq!(of_the_program(&first), of_the_program(&second));
    }
}

#[test]
fn what_was_not_used_for_longest_makes_room() {
    let world = World::new();
    for name in ["a", "b", "c", "d"] {
        world.write(&format!("{name}.wat"), HELLO.replace("hello", &name.repeat(5)));
    }
    for (name, hours) in [("a.wat", 3), ("b.wat", 2)] {
        misses(&world, &[name]);
        for path in files(&world, ".image") {
            let used = fs::metadata(&path).unwrap().modified().unwrap();
            if used.elapsed().is_ok_and(|age| age < Duration::from_secs(3600)) {
                let used = SystemTime::now() - Duration::from_secs(hours * 3600);
                fs::File::options().write(true).open(path).unwrap().set_modified(used).unwrap();
            }
        }
    }
    // A use is noted, so `b` is now the one that was not used for longest.
    hits(&world, &["a.wat"]);
    let size = fs::metadata(&files(&world, ".image")[0]).unwrap().len();
    let bound = (2 * size + size / 2).to_string();
    misses(&world, &["--cache-size", &bound, "c.wat"]).stderr_has("evicted").exits(0);
    assert_eq!(entries(&world), 2);
    hits(&world, &["a.wat"]);
    hits(&world, &["c.wat"]);

    // By the environment; and what is larger than all may be is not kept.
    let small = world.wrun(["-v", "d.wat"]).env("WRUN_CACHE_SIZE", "4K").run();
    small.exits(0).stdout_is("ddddd\n").stderr_has("not kept in the cache");
    assert_eq!(entries(&world), 2);
    let wrong = world.wrun(["-v", "d.wat"]).env("WRUN_CACHE_SIZE", "much").run();
    wrong.exits(0).stderr_has("WRUN_CACHE_SIZE is ignored");
    assert_eq!(entries(&world), 3);
}

#[test]
fn the_cache_is_where_the_user_keeps_caches() {
    let world = World::with("hello.wat", HELLO);
    let count = |folder: &str| fs::read_dir(world.path(folder)).map_or(0, Iterator::count);
    let bare = || world.wrun(["hello.wat"]).env_remove("WRUN_CACHE_DIR");
    let home = world.path("home");
    bare().env("XDG_CACHE_HOME", world.path("xdg")).env("HOME", &home).run().exits(0);
    assert!(count("xdg/wrun") > 0 && !home.exists());
    bare().env_remove("XDG_CACHE_HOME").env("HOME", &home).run().exits(0).stderr_is("");
    assert!(count("home/.cache/wrun") > 0);
    bare().env_remove("XDG_CACHE_HOME").env_remove("HOME").run().exits(0).stderr_is("");
    world.wrun(["--cache-dir", "here", "hello.wat"]).run().exits(0).stderr_is("");
    assert!(count("here") > 0);
    assert_eq!(entries(&world), 0);
}

#[test]
fn the_cache_is_shown_checked_and_cleared() {
    let world = World::with("hello.wat", HELLO).file("exit.wat", exit(0));
    let missing = world.path("none");
    let missing = missing.to_str().unwrap();
    world.wrun(["cache", "show", "--cache-dir", missing]).run().exits(0).stdout_has("no cache yet");
    world.wrun(["cache", "show"]).run().exits(0).stdout_has("0 entries, 0 bytes");
    world.wrun(["hello.wat"]).run().exits(0);
    world.wrun(["exit.wat"]).run().exits(0);
    let shown = world.wrun(["cache", "show"]).run().exits(0);
    shown.stdout_has("2 entries").stdout_has("within the hour").stdout_has("  hello.wat\n");
    let checked = world.wrun(["cache", "verify"]).run().exits(0);
    checked.stdout_is("2 entries whole, 0 damaged\n");

    let entry = &files(&world, ".image")[0];
    let mut bytes = fs::read(entry).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(entry, bytes).unwrap();
    let checked = world.wrun(["cache", "verify"]).run().exits(1);
    checked.stdout_has("checksum").stdout_has("1 entry whole, 1 damaged\n");
    world.wrun(["cache", "verify", "--fix"]).run().exits(0).stdout_has("removed: ");
    world.wrun(["cache", "verify"]).run().exits(0).stdout_is("1 entry whole, 0 damaged\n");

    // Nobody's files but its own.
    fs::write(world.cache().join("mine"), "").unwrap();
    fs::write(world.cache().join("mine.image"), "").unwrap();
    world.wrun(["cache", "clear"]).run().exits(0).stdout_has("removed 1 entry");
    assert_eq!(entries(&world), 1);
    assert!(world.cache().join("mine").exists());
    world.wrun(["cache", "show"]).run().exits(0).stdout_has("0 entries");
}
