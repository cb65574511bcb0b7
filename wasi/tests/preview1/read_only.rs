//! Read-only directories: everything that reads works, nothing that writes does, on them, on what is opened in them,
//! and between them and others.

use crate::guest::{Arg, BADF, EXIST, Guest, NOENT, OK, READ, ROFS, WRITE, temp, with_dir};
use Arg::{N, P};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use wrun_wasi::DirAccess;

/// A directory with a file, a link and a directory with a file in it.
fn filled() -> tempfile::TempDir {
    let dir = temp();
    fs::write(dir.path().join("f"), "data").expect("written");
    symlink("f", dir.path().join("s")).expect("made");
    fs::create_dir(dir.path().join("d")).expect("made");
    fs::write(dir.path().join("d/g"), "more").expect("written");
    dir
}

fn guest(dir: &Path) -> Guest {
    Guest::new(with_dir(dir, DirAccess::ReadOnly).build())
}

/// Everything in a directory, with contents and times.
fn state(dir: &Path) -> Vec<String> {
    let mut state = Vec::new();
    for entry in fs::read_dir(dir).expect("a directory") {
        let path = entry.expect("an entry").path();
        let meta = fs::symlink_metadata(&path).expect("there");
        let times = meta.modified().expect("known");
        state.push(format!("{path:?} {:?} {times:?}", fs::read(&path).ok()));
        if meta.is_dir() {
            state.extend(self::state(&path));
        }
    }
    state.sort();
    state
}

#[test]
fn reading_works() {
    let dir = filled();
    let mut guest = guest(dir.path());
    let fd = guest.open("f", 0, READ).expect("opens");
    assert_eq!(guest.read(fd, 9), Ok(b"data".to_vec()));
    let fd = guest.open("d/g", 0, READ).expect("opens");
    assert_eq!(guest.read(fd, 9), Ok(b"more".to_vec()));
    let sub = guest.open("d", 2, READ).expect("opens");
    let fd = guest.open_with(sub, 0, "g", 0, READ, 0).expect("opens");
    assert_eq!(guest.read(fd, 9), Ok(b"more".to_vec()));
    assert_eq!(guest.call("fd_readdir", &[3, 0x1000, 4096, 0, 0x100]), OK);
    assert_eq!(guest.call("fd_filestat_get", &[fd, 0x300]), OK);
    let link = [N(3), P("s"), N(0x500), N(9), N(0x600)];
    assert_eq!(guest.with_paths("path_readlink", &link), OK);
    // Making what is there already changes nothing.
    let fd = guest.open("f", 1, READ).expect("opens");
    assert_eq!(guest.read(fd, 9), Ok(b"data".to_vec()));
}

#[test]
fn opening_for_writing_fails() {
    let dir = filled();
    let before = state(dir.path());
    let mut guest = guest(dir.path());
    let sub = guest.open("d", 2, READ).expect("opens");
    for (base, path) in [(3, "f"), (3, "d/g"), (sub, "g")] {
        for (oflags, rights, fdflags) in
            [(0, WRITE, 0), (0, READ | WRITE, 0), (8, READ, 0), (9, WRITE, 0), (0, WRITE, 1)]
        {
            let opened = guest.open_with(base, 0, path, oflags, rights, fdflags);
            assert_eq!(opened, Err(ROFS), "{path} {oflags} {rights} {fdflags}");
        }
        assert_eq!(guest.open_with(base, 0, path, 5, READ | WRITE, 0), Err(EXIST));
    }
    assert_eq!(guest.open("new", 1, READ), Err(ROFS));
    assert_eq!(guest.open("new", 5, READ | WRITE), Err(ROFS));
    assert_eq!(guest.open("new", 0, READ | WRITE), Err(NOENT));
    assert_eq!(guest.open_with(3, 1, "s", 8, READ, 0), Err(ROFS));
    assert_eq!(state(dir.path()), before);
}

#[test]
fn what_is_open_cannot_be_changed() {
    let dir = filled();
    let before = state(dir.path());
    let mut guest = guest(dir.path());
    for fdflags in [0, 1] {
        let fd = guest.open_with(3, 0, "f", 0, READ, fdflags).expect("opens");
        assert_eq!(guest.write(fd, b"x"), Err(BADF));
        guest.put_iovec(0x100, 0x200, 4);
        guest.fails("fd_pwrite", &[fd, 0x100, 1, 0, 0x108], BADF);
        guest.fails("fd_filestat_set_size", &[fd, 0], ROFS);
        guest.fails("fd_filestat_set_times", &[fd, 1, 1, 5], ROFS);
    }
    guest.fails("fd_filestat_set_times", &[3, 1, 1, 5], ROFS);
    assert_eq!(state(dir.path()), before);
}

#[test]
fn nothing_is_made_moved_or_removed() {
    let (dir, other) = (filled(), filled());
    let before = (state(dir.path()), state(other.path()));
    let mut builder = with_dir(dir.path(), DirAccess::ReadOnly);
    builder.preopened_dir(other.path(), "/rw", DirAccess::ReadWrite).expect("there");
    let mut guest = Guest::new(builder.build());
    let (ro, rw) = (3, 4);
    for (name, args) in [
        ("path_create_directory", &[N(ro), P("new")][..]),
        ("path_remove_directory", &[N(ro), P("d")]),
        ("path_unlink_file", &[N(ro), P("f")]),
        ("path_symlink", &[P("f"), N(ro), P("new")]),
        ("path_filestat_set_times", &[N(ro), N(0), P("f"), N(1), N(1), N(5)]),
        ("path_rename", &[N(ro), P("f"), N(ro), P("new")]),
        ("path_rename", &[N(ro), P("f"), N(rw), P("new")]),
        ("path_rename", &[N(rw), P("f"), N(ro), P("new")]),
        ("path_link", &[N(ro), N(0), P("f"), N(ro), P("new")]),
        ("path_link", &[N(ro), N(0), P("f"), N(rw), P("new")]),
        ("path_link", &[N(rw), N(0), P("f"), N(ro), P("new")]),
    ] {
        assert_eq!(guest.with_paths(name, args), ROFS, "{name}");
    }
    assert_eq!((state(dir.path()), state(other.path())), before);
    assert_eq!(guest.with_paths("path_rename", &[N(rw), P("f"), N(rw), P("new")]), OK);
}
