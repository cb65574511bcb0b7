//! Rights: what descriptors have, giving it up, and what then is not allowed any more.

use crate::guest::{Arg, BADF, Guest, NOTCAPABLE, OK, READ, WRITE, temp};
use Arg::{N, P};
use std::fs;

const UNLINK_FILE: i64 = 1 << 26;
/// All that the specification knows.
const ALL: i64 = (1 << 30) - 1;

/// The rights of a descriptor, and those that are inherited.
fn rights(guest: &mut Guest, fd: i64) -> (i64, i64) {
    assert_eq!(guest.call("fd_fdstat_get", &[fd, 0x200]), OK);
    (guest.u64(0x208).cast_signed(), guest.u64(0x210).cast_signed())
}

#[test]
fn a_file_gives_up_writing_for_good() {
    let dir = temp();
    fs::write(dir.path().join("f"), "data").expect("written");
    let mut guest = Guest::in_dir(dir.path());
    let fd = guest.open("f", 0, READ | WRITE).expect("opens");
    assert_eq!(rights(&mut guest, fd), (READ | WRITE, 0));
    guest.writes("fd_fdstat_set_rights", &[fd, READ, 0], &[]);
    assert_eq!(rights(&mut guest, fd), (READ, 0));
    assert_eq!(guest.write(fd, b"x"), Err(NOTCAPABLE));
    guest.put_iovec(0x100, 0x300, 1);
    guest.fails("fd_pwrite", &[fd, 0x100, 1, 0, 0x108], NOTCAPABLE);
    guest.fails("fd_allocate", &[fd, 0, 1], NOTCAPABLE);
    guest.fails("fd_fdstat_set_rights", &[fd, READ | WRITE, 0], NOTCAPABLE);
    assert_eq!(guest.read(fd, 9), Ok(b"data".to_vec()));
    // What is not told of is not given up.
    guest.writes("fd_seek", &[fd, 1, 0, 0x130], &[(0x130, &[1, 0, 0, 0, 0, 0, 0, 0])]);
    guest.writes("fd_fdstat_set_rights", &[fd, 0, 0], &[]);
    assert_eq!(guest.read(fd, 9), Err(NOTCAPABLE));
    assert_eq!(fs::read(dir.path().join("f")).expect("there"), b"data");
}

#[test]
fn what_a_descriptor_never_had_is_not_to_be_had() {
    let dir = temp();
    fs::write(dir.path().join("f"), "data").expect("written");
    let mut guest = Guest::in_dir(dir.path());
    let reads = guest.open("f", 0, READ).expect("opens");
    guest.fails("fd_fdstat_set_rights", &[reads, ALL, 0], NOTCAPABLE);
    assert_eq!(guest.write(reads, b"x"), Err(BADF));
    let both = guest.open("f", 0, READ | WRITE).expect("opens");
    guest.writes("fd_fdstat_set_rights", &[both, ALL, ALL], &[]);
    assert_eq!(rights(&mut guest, both), (READ | WRITE, 0));
    guest.writes("fd_fdstat_set_rights", &[1, WRITE, 0], &[]);
    guest.fails("fd_fdstat_set_rights", &[99, 0, 0], BADF);
}

#[test]
fn a_directory_gives_up_what_is_done_in_it() {
    let dir = temp();
    fs::write(dir.path().join("f"), "data").expect("written");
    let mut guest = Guest::in_dir(dir.path());
    let (base, inherited) = rights(&mut guest, 3);
    assert_eq!((base & UNLINK_FILE, inherited & WRITE), (UNLINK_FILE, WRITE));
    guest.writes("fd_fdstat_set_rights", &[3, base & !UNLINK_FILE, inherited], &[]);
    assert_eq!(guest.with_paths("path_unlink_file", &[N(3), P("f")]), NOTCAPABLE);
    assert_eq!(guest.with_paths("path_create_directory", &[N(3), P("d")]), OK);
    assert_eq!(guest.open("f", 0, READ | WRITE), Ok(4));

    guest.writes("fd_fdstat_set_rights", &[3, 0, inherited], &[]);
    for (name, args) in [
        ("path_create_directory", &[N(3), P("new")][..]),
        ("path_remove_directory", &[N(3), P("d")]),
        ("path_symlink", &[P("f"), N(3), P("new")]),
        ("path_readlink", &[N(3), P("f"), N(0x500), N(9), N(0x600)]),
        ("path_filestat_get", &[N(3), N(0), P("f"), N(0x300)]),
        ("path_filestat_set_times", &[N(3), N(0), P("f"), N(1), N(1), N(5)]),
        ("path_rename", &[N(3), P("f"), N(3), P("new")]),
        ("path_link", &[N(3), N(0), P("f"), N(3), P("new")]),
        ("fd_filestat_get", &[N(3), N(0x300)]),
        ("fd_filestat_set_times", &[N(3), N(1), N(1), N(5)]),
        ("fd_readdir", &[N(3), N(0x1000), N(4096), N(0), N(0x100)]),
    ] {
        assert_eq!(guest.with_paths(name, args), NOTCAPABLE, "{name}");
    }
    assert_eq!(guest.open("f", 0, READ), Err(NOTCAPABLE));
}

#[test]
fn what_is_opened_inherits() {
    let dir = temp();
    fs::create_dir(dir.path().join("d")).expect("made");
    fs::write(dir.path().join("d/f"), "data").expect("written");
    let mut guest = Guest::in_dir(dir.path());
    let (base, inherited) = rights(&mut guest, 3);
    let left = inherited & !WRITE & !UNLINK_FILE;
    guest.writes("fd_fdstat_set_rights", &[3, base, left], &[]);
    assert_eq!(guest.open("d/f", 0, READ | WRITE), Err(NOTCAPABLE));
    let sub = guest.open("d", 2, READ).expect("opens");
    assert_eq!(rights(&mut guest, sub), (base & !UNLINK_FILE, left));
    assert_eq!(guest.open_with(sub, 0, "f", 0, WRITE, 0), Err(NOTCAPABLE));
    assert_eq!(guest.with_paths("path_unlink_file", &[N(sub), P("f")]), NOTCAPABLE);
    let fd = guest.open_with(sub, 0, "f", 0, READ, 0).expect("opens");
    assert_eq!(guest.read(fd, 9), Ok(b"data".to_vec()));
    // The directory itself still may.
    assert_eq!(guest.with_paths("path_unlink_file", &[N(3), P("d/f")]), OK);
}
