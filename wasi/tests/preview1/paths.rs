//! Paths: what can be done beneath a directory, and that nothing can be done outside of it.

use crate::guest::{
    ACCES_OR_PERM, Arg, EXIST, Guest, ILSEQ, INVAL, ISDIR, LOOP, NOENT, NOTDIR, NOTEMPTY, OK, READ,
    WRITE, temp,
};
use Arg::{N, P};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

#[test]
fn nothing_leads_out_of_a_directory() {
    let outside = temp();
    let secret = outside.path().join("secret");
    fs::write(&secret, "secret").expect("written");
    let inside = outside.path().join("inside");
    fs::create_dir(&inside).expect("made");
    symlink("../secret", inside.join("up")).expect("made");
    symlink(&secret, inside.join("absolute")).expect("made");
    symlink("..", inside.join("parent")).expect("made");
    symlink("/", inside.join("root")).expect("made");
    fs::create_dir(inside.join("sub")).expect("made");
    let mut guest = Guest::in_dir(&inside);

    let absolute = secret.to_str().expect("UTF-8");
    let beneath_root = format!("root{absolute}");
    for path in [
        "..",
        "../secret",
        "sub/../../secret",
        "./../inside/../secret",
        absolute,
        "up",
        "absolute",
        "parent/secret",
        &beneath_root,
    ] {
        for (oflags, rights) in [(0, READ), (1, READ | WRITE), (2, READ), (8, WRITE)] {
            let opened = guest.open_with(3, 1, path, oflags, rights, 0);
            assert_eq!(opened, Err(ACCES_OR_PERM), "{path} {oflags}");
        }
        let stat = [N(3), N(1), P(path), N(0x300)];
        assert_eq!(guest.with_paths("path_filestat_get", &stat), ACCES_OR_PERM, "{path}");
    }
    for path in ["../new", "parent/new", "root/tmp/wrun-new", "sub/../../new"] {
        let at = [N(3), P(path)];
        assert_eq!(guest.with_paths("path_create_directory", &at), ACCES_OR_PERM, "{path}");
        let made = guest.with_paths("path_symlink", &[P("x"), N(3), P(path)]);
        assert_eq!(made, ACCES_OR_PERM, "{path}");
        let moved = guest.with_paths("path_rename", &[N(3), P("sub"), N(3), P(path)]);
        assert_eq!(moved, ACCES_OR_PERM, "{path}");
    }
    for (name, path) in [("path_unlink_file", "../secret"), ("path_unlink_file", "parent/secret")] {
        assert_eq!(guest.with_paths(name, &[N(3), P(path)]), ACCES_OR_PERM, "{path}");
    }
    let stolen = [N(3), P("../secret"), N(3), P("mine")];
    assert_eq!(guest.with_paths("path_rename", &stolen), ACCES_OR_PERM);
    let linked = [N(3), N(0), P("../secret"), N(3), P("mine")];
    assert_eq!(guest.with_paths("path_link", &linked), ACCES_OR_PERM);
    let pointed = [P(absolute), N(3), P("mine")];
    assert_eq!(guest.with_paths("path_symlink", &pointed), ACCES_OR_PERM);
    assert_eq!(fs::read(&secret).expect("untouched"), b"secret");
    assert_eq!(names(outside.path()), ["inside", "secret"]);
    assert_eq!(names(&inside), ["absolute", "parent", "root", "sub", "up"]);
}

fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(dir)
        .expect("a directory")
        .map(|entry| entry.expect("an entry").file_name().into_string().expect("UTF-8"))
        .collect();
    names.sort();
    names
}

#[test]
fn opening_tells_what_is_wrong() {
    let dir = temp();
    fs::write(dir.path().join("f"), "12").expect("written");
    fs::create_dir(dir.path().join("d")).expect("made");
    symlink("f", dir.path().join("link")).expect("made");
    let mut guest = Guest::in_dir(dir.path());
    assert_eq!(guest.open("missing", 0, READ), Err(NOENT));
    assert_eq!(guest.open("", 0, READ), Err(NOENT));
    assert_eq!(guest.open("f/x", 0, READ), Err(NOTDIR));
    assert_eq!(guest.open("f", 2, READ), Err(NOTDIR));
    assert_eq!(guest.open("f", 5, READ | WRITE), Err(EXIST));
    assert_eq!(guest.open("d", 0, WRITE), Err(ISDIR));
    assert_eq!(guest.open("d", 3, READ), Err(INVAL));
    assert_eq!(guest.open("link", 0, READ), Err(LOOP));
    let fd = guest.open_with(3, 1, "link", 0, READ, 0).expect("followed");
    assert_eq!(guest.read(fd, 9), Ok(b"12".to_vec()));
    assert_eq!(guest.open_with(fd, 0, "f", 0, READ, 0), Err(NOTDIR));
    let sub = guest.open("d", 2, READ).expect("opens");
    let made = guest.open_with(sub, 0, "new", 5, READ | WRITE, 0).expect("made");
    assert_eq!(guest.write(made, b"n"), Ok(1));
    assert_eq!(fs::read(dir.path().join("d/new")).expect("there"), b"n");
    let fd = guest.open("f", 8, WRITE).expect("emptied");
    assert_eq!(fs::read(dir.path().join("f")).expect("there"), b"");
    assert_eq!(guest.call("fd_close", &[fd]), OK);
    guest.put(0x400, b"\xFF\xFE");
    guest.fails("path_unlink_file", &[3, 0x400, 2], ILSEQ);
}

#[test]
fn making_moving_and_removing() {
    let dir = temp();
    let mut guest = Guest::in_dir(dir.path());
    let mut run = |name: &str, args: &[Arg<'_>]| guest.with_paths(name, args);
    assert_eq!(run("path_create_directory", &[N(3), P("a")]), OK);
    assert_eq!(run("path_create_directory", &[N(3), P("a")]), EXIST);
    assert_eq!(run("path_create_directory", &[N(3), P("x/y")]), NOENT);
    fs::write(dir.path().join("a/f"), "f").expect("written");
    assert_eq!(run("path_remove_directory", &[N(3), P("a")]), NOTEMPTY);
    assert_eq!(run("path_remove_directory", &[N(3), P("a/f")]), NOTDIR);
    assert_eq!(run("path_unlink_file", &[N(3), P("a")]), ISDIR);
    assert_eq!(run("path_rename", &[N(3), P("a/f"), N(3), P("g")]), OK);
    assert_eq!(run("path_rename", &[N(3), P("a/f"), N(3), P("g")]), NOENT);
    assert_eq!(run("path_link", &[N(3), N(0), P("g"), N(3), P("a/h")]), OK);
    assert_eq!(run("path_link", &[N(3), N(1), P("g"), N(3), P("a/i")]), INVAL);
    assert_eq!(fs::read(dir.path().join("a/h")).expect("linked"), b"f");
    assert_eq!(run("path_symlink", &[P("a/h"), N(3), P("s")]), OK);
    assert_eq!(run("path_symlink", &[P("a/h"), N(3), P("s")]), EXIST);
    assert_eq!(run("path_unlink_file", &[N(3), P("g")]), OK);
    assert_eq!(run("path_unlink_file", &[N(3), P("a/h")]), OK);
    assert_eq!(run("path_remove_directory", &[N(3), P("a")]), OK);
    assert_eq!(run("path_unlink_file", &[N(3), P("s")]), OK);
    assert_eq!(names(dir.path()), [""; 0]);
}

#[test]
fn links_are_read_as_far_as_there_is_room() {
    let dir = temp();
    symlink("some/where", dir.path().join("s")).expect("made");
    fs::write(dir.path().join("f"), "").expect("written");
    let mut guest = Guest::in_dir(dir.path());
    guest.put(0x400, b"s");
    let read = |len| [3, 0x400, 1, 0x500, len, 0x600];
    guest.writes("path_readlink", &read(99), &[(0x500, b"some/where"), (0x600, &[10, 0, 0, 0])]);
    guest.put(0x500, &[0xAA; 16]);
    guest.writes("path_readlink", &read(4), &[(0x500, b"some"), (0x600, &[4, 0, 0, 0])]);
    guest.put(0x400, b"f");
    guest.fails("path_readlink", &read(99), INVAL);
}

#[test]
fn what_is_known_of_a_path() {
    let dir = temp();
    fs::write(dir.path().join("f"), "123").expect("written");
    symlink("f", dir.path().join("s")).expect("made");
    let mut guest = Guest::in_dir(dir.path());
    for (path, flags, filetype, size) in [("f", 0, 4, 3), ("s", 1, 4, 3), ("s", 0, 7, 1)] {
        let stat = [N(3), N(flags), P(path), N(0x300)];
        assert_eq!(guest.with_paths("path_filestat_get", &stat), OK);
        assert_eq!((guest.get(0x310, 1)[0], guest.u64(0x320)), (filetype, size), "{path} {flags}");
        assert_eq!(guest.get(0x340, 8), [0xAA; 8]);
    }
    let times = [N(3), N(0), P("f"), N(7), N(9), N(5)];
    assert_eq!(guest.with_paths("path_filestat_set_times", &times), OK);
    let stat = [N(3), N(0), P("f"), N(0x300)];
    assert_eq!(guest.with_paths("path_filestat_get", &stat), OK);
    assert_eq!((guest.u64(0x328), guest.u64(0x330)), (7, 9));
    let both = [N(3), N(0), P("f"), N(7), N(9), N(3)];
    assert_eq!(guest.with_paths("path_filestat_set_times", &both), INVAL);
}
