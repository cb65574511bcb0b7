//! Entries of the cache that grow: what a run compiles as it goes is there for the next one.

#![cfg(feature = "cranelift")]

mod harness;

use std::{
    collections::BTreeSet,
    fmt::Write as _,
    fs,
    hash::{BuildHasher, RandomState},
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use harness::{Outcome, World, guests::TRAP};
use wrun_module::image::Image;

/// How many functions a user can call in [`module`]; each calls one that nobody else does.
const WAYS: usize = 16;

/// A module with several ways through it: `way`*n* gives a hundred times *n* and its argument. `bytes` of data make it take
/// a moment to write.
fn module(bytes: usize) -> String {
    let mut text = String::from("(module (memory (export \"memory\") 100)\n");
    for way in 0..WAYS {
        let _ = write!(
            text,
            "(func $callee{way} (param i32) (result i32)
               (i32.add (local.get 0) (i32.const {})))
             (func (export \"way{way}\") (param i32) (result i32) (call $callee{way} (local.get 0)))\n",
            100 * way
        );
    }
    let _ = write!(text, "(data (i32.const 4096) \"{}\"))", "x".repeat(bytes));
    text
}

fn world() -> World {
    World::with("m.wat", module(10))
}

#[track_caller]
fn run(world: &World, way: usize) -> Outcome {
    let args = ["-v", "--compile", "lazy", "m.wat", "--invoke", &format!("way{way}"), "7"];
    world.wrun(args).run().exits(0).stdout_is(&format!("{}\n", 100 * way + 7))
}

/// Whether a run had to compile anything that was worth keeping.
#[track_caller]
fn adds(world: &World, way: usize, expected: bool) {
    let outcome = run(world, way);
    assert_eq!(outcome.err().contains("added to an image"), expected, "{}", outcome.err());
}

/// The functions in the only entry, by their positions.
fn present(world: &World) -> BTreeSet<u32> {
    let files = fs::read_dir(world.cache()).expect("the cache");
    let paths = files.map(|file| file.expect("a file").path());
    let mut images = paths.filter(|path| path.extension().is_some_and(|ending| ending == "image"));
    let image = images.next().expect("an entry");
    assert!(images.next().is_none(), "several entries");
    let functions = Image::take_apart(&fs::read(image).unwrap()).expect("a whole entry");
    functions.into_iter().map(|(position, _, _)| position).collect()
}

fn is_whole(world: &World) {
    world.wrun(["cache", "verify"]).run().exits(0).stdout_has(" 0 damaged\n");
}

#[test]
fn an_entry_has_what_runs_have_called() {
    let world = world();
    adds(&world, 0, true);
    assert_eq!(present(&world), [0, 1].into());
    adds(&world, 0, false);
    adds(&world, 3, true);
    assert_eq!(present(&world), [0, 1, 6, 7].into());
    world
        .wrun(["cache", "show"])
        .run()
        .exits(0)
        .stdout_has("  4 of 32 functions  ")
        .stdout_has("  m.wat\n");
    for way in [0, 3] {
        adds(&world, way, false);
    }
    is_whole(&world);
    for way in 0..WAYS {
        adds(&world, way, way != 0 && way != 3);
    }
    assert_eq!(present(&world).len(), 2 * WAYS);
    is_whole(&world);
}

#[test]
fn a_module_of_which_all_is_there_is_not_read() {
    let world = World::with("m.wasm", wat::parse_str(module(10)).unwrap());
    let args = ["-v", "--compile", "lazy", "m.wasm", "--invoke", "way1", "7"];
    let run = || world.wrun(args).run().exits(0).stdout_is("107\n");
    thread::sleep(Duration::from_millis(2100));
    run().stderr_has("added to an image");
    let recognised = run().stderr_has_not("added to an image").err();
    if !recognised.contains("recognised") {
        println!("skipped: the times of files are not relied on here");
        return;
    }
    // What is missing is read from it later.
    let other = ["-v", "--compile", "lazy", "m.wasm", "--invoke", "way2", "7"];
    let other = world.wrun(other).run().exits(0).stdout_is("207\n");
    other.stderr_has("recognised").stderr_has("added to an image");
}

#[test]
fn how_a_run_ends_does_not_matter() {
    let exit = r#"(module (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
        (memory (export "memory") 1) (func $code (result i32) i32.const 3)
        (func (export "_start") (call $exit (call $code))))"#;
    for (text, code) in [(exit, 3), (TRAP, 134)] {
        let world = World::with("m.wat", text);
        let run = || world.wrun(["-v", "--compile", "lazy", "m.wat"]).run().exits(code);
        run().stderr_has("added to an image");
        run().stderr_has("found in the cache").stderr_has_not("added to an image");
        is_whole(&world);
    }
}

#[test]
fn traps_show_lines_wherever_the_code_is_from() {
    // All of its functions are optimised at once, so that none is missing after the first run.
    let guest = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/guests/abort_trap.wasm");
    let world = World::with("m.wasm", fs::read(guest).expect("a guest"));
    for known in ["added to an image", "found in the cache", "found in the cache"] {
        let outcome = world.wrun(["-v", "--compile", "lazy", "m.wasm"]).run().exits(134);
        outcome.stderr_has(known).stderr_has("abort_trap.c:");
    }
}

#[test]
fn a_damaged_entry_is_replaced() {
    let world = world();
    adds(&world, 0, true);
    let files = fs::read_dir(world.cache()).unwrap().map(|file| file.unwrap().path());
    for path in files.filter(|path| path.extension().is_some_and(|ending| ending == "image")) {
        let mut bytes = fs::read(&path).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        fs::write(path, bytes).unwrap();
    }
    world.wrun(["cache", "verify"]).run().exits(1);
    adds(&world, 1, true);
    assert_eq!(present(&world), [2, 3].into());
    is_whole(&world);
}

#[test]
fn a_module_that_is_compiled_as_a_whole_replaces_the_part_and_is_taken_by_all() {
    let world = world();
    adds(&world, 0, true);
    let whole = ["-v", "--compile", "eager", "m.wat", "--invoke", "way5", "7"];
    let outcome = world.wrun(whole).run().exits(0).stdout_is("507\n");
    outcome.stderr_has("compiled to an image");
    assert_eq!(present(&world).len(), 2 * WAYS);
    let outcome = world.wrun(whole).run().exits(0);
    outcome.stderr_has("found in the cache").stderr_has_not("compiled to an image");
    adds(&world, 9, false);
}

#[test]
fn what_does_not_fit_is_not_kept() {
    let world = world();
    for _ in 0..2 {
        let args = ["--cache-size", "1K", "--compile", "lazy", "m.wat", "--invoke", "way1", "1"];
        world.wrun(args).run().exits(0).stdout_is("101\n").stderr_is("");
    }
    world.wrun(["cache", "show"]).run().exits(0).stdout_has("0 entries");
}

#[test]
fn processes_that_end_at_the_same_time_lose_nothing() {
    let world = World::with("m.wat", module(1_000_000));
    for _ in 0..2 {
        thread::scope(|scope| {
            for way in 0..WAYS {
                let world = &world;
                scope.spawn(move || run(world, way));
            }
        });
        is_whole(&world);
    }
    assert_eq!(present(&world).len(), 2 * WAYS);
    for way in 0..WAYS {
        adds(&world, way, false);
    }
}

#[test]
fn killing_runs_at_any_moment_damages_nothing() {
    let world = World::with("m.wat", module(3_000_000));
    let start = |way: usize| {
        let mut command = Command::new(harness::wrun());
        command.args(["--compile", "lazy", "m.wat", "--invoke", &format!("way{way}"), "7"]);
        command.current_dir(world.path("")).env("WRUN_CACHE_DIR", world.cache());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().expect("it starts")
    };
    let began = Instant::now();
    assert!(start(0).wait_with_output().unwrap().status.success());
    let whole_run = began.elapsed();
    let (mut killed, mut finished) = (0, 0);
    for round in 0..200 {
        if round % 10 == 9 {
            world.wrun(["cache", "clear"]).run().exits(0);
        }
        let ways = [round % WAYS, (round / 3 + 5) % WAYS];
        let mut children = ways.map(start);
        // Around the end of a run, which is where files are written.
        let mut moments = [random(), random()].map(|at| whole_run.mul_f64(0.4 + 1.2 * at));
        moments.sort_unstable();
        let began = Instant::now();
        for (child, moment) in children.iter_mut().zip(moments) {
            thread::sleep(moment.saturating_sub(began.elapsed()));
            child.kill().unwrap();
        }
        for (child, way) in children.into_iter().zip(ways) {
            let output = child.wait_with_output().unwrap();
            if output.status.success() {
                assert_eq!(String::from_utf8_lossy(&output.stdout), format!("{}\n", 100 * way + 7));
                finished += 1;
            } else {
                killed += 1;
            }
            assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
        }
        is_whole(&world);
    }
    println!("{killed} killed, {finished} finished");
    assert!(killed > 0);
    for way in 0..WAYS {
        run(&world, way);
    }
    assert_eq!(present(&world).len(), 2 * WAYS);
    let files = fs::read_dir(world.cache()).unwrap().map(|file| file.unwrap().path());
    assert_eq!(files.filter(|path| path.extension().is_some_and(|it| it == "tmp")).count(), 0);
}

#[test]
fn a_run_that_only_a_signal_ends_leaves_what_it_compiled() {
    let text = r#"(module (func $code (param i32) (result i32) local.get 0)
        (func (export "for ever") (drop (call $code (i32.const 1))) (loop $again (br $again)))
        (func (export "once") (result i32) (call $code (i32.const 5)) (call $two) (i32.add))
        (func $two (result i32) i32.const 2)
        (func (export "more") (drop (call $code (call $three))) (loop $again (br $again)))
        (func $three (result i32) i32.const 3))"#;
    let world = World::with("m.wat", text);
    let entry = || {
        let files = fs::read_dir(world.cache()).ok()?.map(|file| file.unwrap().path());
        files.into_iter().find(|path| path.extension().is_some_and(|ending| ending == "image"))
    };
    let start = |export: &str| {
        let mut command = Command::new(harness::wrun());
        command.args(["--compile", "lazy", "m.wat", "--invoke", export]);
        command.current_dir(world.path("")).env("WRUN_CACHE_DIR", world.cache());
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command.spawn().expect("it starts")
    };
    let mut child = start("for ever");
    let late = Instant::now() + Duration::from_secs(60);
    while entry().is_none() {
        assert!(Instant::now() < late, "nothing is kept while it runs");
        thread::sleep(Duration::from_millis(20));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    is_whole(&world);
    assert_eq!(present(&world), [0, 1].into());
    // So does a run that begins with an entry.
    let mut child = start("more");
    while present(&world).len() < 4 {
        assert!(Instant::now() < late, "what is added to an entry is not kept");
        thread::sleep(Duration::from_millis(20));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    is_whole(&world);
    assert_eq!(present(&world), [0, 1, 4, 5].into());
    // And one that ends by itself.
    let once = ["-v", "--compile", "lazy", "m.wat", "--invoke", "once"];
    let outcome = world.wrun(once).run().exits(0).stdout_is("7\n");
    outcome.stderr_has("found in the cache").stderr_has("added to an image");
    assert_eq!(present(&world), [0, 1, 2, 3, 4, 5].into());
}

/// A number from 0 to 1.
fn random() -> f64 {
    RandomState::new().hash_one(0) as f64 / u64::MAX as f64
}
