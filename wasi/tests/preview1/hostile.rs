//! A guest that calls everything with anything: it gets numbers or traps, and nothing outside its directory changes.

use crate::guest::{Guest, READ, WRITE, temp};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

/// Functions and their number of arguments: all but those that end the guest or may wait for as long as it says.
fn functions() -> Vec<(&'static str, usize)> {
    include_str!("../signatures/wasi_snapshot_preview1.txt")
        .lines()
        .map(|line| {
            let (name, ty) = line.split_once(':').expect("a name");
            let params = ty.split("->").next().unwrap_or("");
            (name, params.split_whitespace().count())
        })
        .filter(|(name, _)| !["proc_exit", "poll_oneoff"].contains(name))
        .collect()
}

/// What a guest of ill will writes into its memory: paths, and lists of buffers of any kind.
fn fill(guest: &mut Guest, next: &mut impl FnMut() -> usize) {
    let paths: [&[u8]; 8] =
        [b"../secret", b"up", b"/", b"f", b"sub/../..", b"sub/f", b"root/tmp", b"\xFF\0.."];
    for at in 0..64 {
        guest.put(0x100 + 16 * at, paths[next() % paths.len()]);
        let (address, len) = (next() % 0x2_0100, next() % 0x200);
        guest.put_iovec(0x1000 + 8 * at, address as u32, len as u32);
    }
    guest.put_iovec(0x1000 + 8 * (next() % 64), u32::MAX, 9);
}

fn contents(dir: &Path) -> Vec<(std::ffi::OsString, Vec<u8>)> {
    let entries = fs::read_dir(dir).expect("a directory").map(|entry| entry.expect("an entry"));
    let mut contents: Vec<_> = entries
        .map(|entry| (entry.file_name(), fs::read(entry.path()).unwrap_or_default()))
        .collect();
    contents.sort();
    contents
}

#[test]
fn whatever_a_guest_calls_is_a_number_or_a_trap_and_stays_inside() {
    let outside = temp();
    fs::write(outside.path().join("secret"), "secret").expect("written");
    let inside = outside.path().join("inside");
    fs::create_dir(&inside).expect("made");
    let before = contents(outside.path());
    // Any numbers will do, and the same each time.
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 33) as usize
    };
    let numbers: [i64; 18] = [
        0,
        1,
        2,
        3,
        4,
        5,
        8,
        9,
        16,
        0x42,
        0x108,
        0x1001,
        0x1FFF8,
        0x1FFFD,
        0x20000,
        -1,
        -8,
        i64::MIN,
    ];
    let functions = functions();
    let mut outcomes = [0; 3];
    for _ in 0..12 {
        for (link, says) in [("up", ".."), ("root", "/")] {
            let _ = symlink(says, inside.join(link));
        }
        let mut guest = Guest::in_dir(&inside);
        for (path, oflags) in [("f", 1), (".", 2)] {
            let _ = guest.open(path, oflags, READ | WRITE);
        }
        for round in 0..1500 {
            if round % 100 == 0 {
                fill(&mut guest, &mut next);
            }
            let (name, params) = functions[next() % functions.len()];
            let args: Vec<i64> = (0..params)
                .map(|_| match next() % 3 {
                    0 => 0x100 + 16 * (next() % 64) as i64,
                    1 => 0x1000 + 8 * (next() % 64) as i64,
                    _ => numbers[next() % numbers.len()],
                })
                .collect();
            outcomes[match guest.try_call(name, &args) {
                Ok(0) => 0,
                Ok(errno) if (1..77).contains(&errno) => 1,
                Err(error) if error.trap().is_some() => 2,
                other => panic!("{name}{args:?}: {other:?}"),
            }] += 1;
        }
        assert_eq!(contents(outside.path()), before);
    }
    assert!(outcomes.iter().all(|&count| count > 300), "{outcomes:?}");
}
