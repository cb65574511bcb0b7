//! `--profile perfmap`: while a program runs, its functions are listed where `perf` looks, in memory that it looks names up for.

#![cfg(feature = "cranelift")]

mod harness;

use std::{
    fs,
    ops::Range,
    path::PathBuf,
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

use harness::World;

/// Calls a function, and waits for its standard input to end.
const WAITS: &str = r#"(module
  (import "wasi_snapshot_preview1" "fd_read" (func $fd_read (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "\10\00\00\00\01\00\00\00")
  (func $count (param i32) (result i32)
    (loop $again (result i32)
      (local.set 0 (i32.sub (local.get 0) (i32.const 1)))
      (br_if $again (local.get 0))
      (local.get 0)))
  (func $main (export "_start")
    (drop (call $count (i32.const 100)))
    (drop (call $fd_read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 8)))))
"#;

/// A program that is running, and its file.
struct Running(Child, PathBuf);

impl Running {
    fn start(world: &World, args: &[&str]) -> Self {
        let mut command = Command::new(harness::wrun());
        command.args(args).current_dir(world.path("")).env("WRUN_CACHE_DIR", world.cache());
        let child = command.stdin(Stdio::piped()).spawn().expect("it starts");
        let map = PathBuf::from(format!("/tmp/perf-{}.map", child.id()));
        Self(child, map)
    }

    /// Where a function is, once it is listed.
    fn place_of(&self, name: &str) -> Range<u64> {
        for _ in 0..1_000 {
            let text = fs::read_to_string(&self.1).unwrap_or_default();
            for line in text.lines() {
                let [start, len, rest] = line.splitn(3, ' ').collect::<Vec<_>>()[..] else {
                    continue;
                };
                if rest == name {
                    let [start, len] = [start, len].map(|n| u64::from_str_radix(n, 16).unwrap());
                    return start..start + len;
                }
            }
            thread::sleep(Duration::from_millis(10));
        }
        panic!("{name} is not listed in {:?}", fs::read_to_string(&self.1));
    }

    /// What the system says of the mapping that a place is in: the permissions and the file.
    fn mapping_of(&self, place: &Range<u64>) -> (String, String) {
        let maps = fs::read_to_string(format!("/proc/{}/maps", self.0.id())).expect("its mappings");
        let found = maps.lines().find_map(|line| {
            let words: Vec<&str> = line.split_whitespace().collect();
            let (start, end) = words[0].split_once('-')?;
            let [start, end] = [start, end].map(|n| u64::from_str_radix(n, 16).unwrap());
            let file = words.get(5).copied().unwrap_or_default();
            (start <= place.start && place.end <= end)
                .then(|| (words[1].to_owned(), file.to_owned()))
        });
        found.unwrap_or_else(|| panic!("{place:x?} is not mapped:\n{maps}"))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let ended = self.0.wait();
        let _ = fs::remove_file(&self.1);
        if !thread::panicking() {
            assert!(ended.expect("it ends").success());
        }
    }
}

#[test]
fn functions_are_listed_in_memory_without_a_file() {
    let world = World::with("waits.wat", WAITS);
    world.compile("waits.wat", "waits.image");
    let ways: [&[&str]; 4] = [
        &["--profile", "perfmap", "--no-cache", "waits.wat"],
        &["--profile", "perfmap", "--no-cache", "--compile", "eager", "waits.wat"],
        &["--profile", "perfmap", "waits.image"],
        &["--profile", "perfmap", "waits.wat"],
    ];
    for way in ways.iter().chain([&ways[3]]) {
        let running = Running::start(&world, way);
        let places = ["count", "main"].map(|name| running.place_of(name));
        let overlap = places[0].start < places[1].end && places[1].start < places[0].end;
        assert!(places.iter().all(|place| !place.is_empty()) && !overlap, "{way:?}: {places:x?}");
        for place in &places {
            let (permissions, file) = running.mapping_of(place);
            assert!(permissions.starts_with("r-x"), "{way:?}: {permissions}");
            assert!(["", "/dev/zero"].contains(&file.as_str()), "{way:?}: {file}");
        }
    }
}

#[test]
fn without_the_option_there_is_no_file() {
    let world = World::with("waits.wat", WAITS);
    let mut running = Running::start(&world, &["waits.wat"]);
    drop(running.0.stdin.take());
    assert!(running.0.wait().unwrap().success());
    assert!(!running.1.exists());
}
