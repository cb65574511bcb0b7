//! Files by descriptor: reading, writing, positions, sizes, times, flags, renumbering, listings.

use crate::guest::{Arg, BADF, Guest, NAMETOOLONG, NOTDIR, NOTSUP, OK, READ, WRITE, temp};
use std::fs;

#[test]
fn what_is_written_is_read() {
    let dir = temp();
    let mut guest = Guest::in_dir(dir.path());
    let fd = guest.open("f", 1, READ | WRITE).expect("made");
    guest.put(0x200, b"hello, world");
    guest.put_iovec(0x100, 0x207, 5);
    guest.put_iovec(0x108, 0x200, 0);
    guest.put_iovec(0x110, 0x200, 5);
    guest.writes("fd_write", &[fd, 0x100, 3, 0x120], &[(0x120, &[10, 0, 0, 0])]);
    assert_eq!(fs::read(dir.path().join("f")).expect("there"), b"worldhello");

    guest.writes("fd_seek", &[fd, 2, 0, 0x130], &[(0x130, &[2, 0, 0, 0, 0, 0, 0, 0])]);
    guest.put_iovec(0x100, 0x300, 0);
    guest.put_iovec(0x108, 0x300, 4);
    guest.writes("fd_read", &[fd, 0x100, 2, 0x120], &[(0x120, &[4, 0, 0, 0]), (0x300, b"rldh")]);
    guest.writes("fd_tell", &[fd, 0x130], &[(0x130, &[6, 0, 0, 0, 0, 0, 0, 0])]);
    guest.writes("fd_seek", &[fd, -1, 2, 0x130], &[(0x130, &[9, 0, 0, 0, 0, 0, 0, 0])]);
    guest.put_iovec(0x100, 0x300, 64);
    guest.writes("fd_read", &[fd, 0x100, 1, 0x120], &[(0x120, &[1, 0, 0, 0]), (0x300, b"o")]);
    guest.writes("fd_read", &[fd, 0x100, 1, 0x120], &[(0x120, &[0; 4])]);
    guest.writes("fd_read", &[fd, 0x100, 0, 0x120], &[(0x120, &[0; 4])]);
}

#[test]
fn reading_and_writing_at_a_place_leaves_the_position() {
    let dir = temp();
    fs::write(dir.path().join("f"), "0123456789").expect("written");
    let mut guest = Guest::in_dir(dir.path());
    let fd = guest.open("f", 0, READ | WRITE).expect("opens");
    guest.put_iovec(0x100, 0x300, 3);
    guest.writes("fd_pread", &[fd, 0x100, 1, 4, 0x120], &[(0x120, &[3, 0, 0, 0]), (0x300, b"456")]);
    guest.put(0x300, b"abc");
    guest.writes("fd_pwrite", &[fd, 0x100, 1, 8, 0x120], &[(0x120, &[3, 0, 0, 0])]);
    guest.writes("fd_tell", &[fd, 0x130], &[(0x130, &[0; 8])]);
    assert_eq!(fs::read(dir.path().join("f")).expect("there"), b"01234567abc");
}

#[test]
fn a_file_is_open_for_what_was_asked() {
    let dir = temp();
    fs::write(dir.path().join("f"), "x").expect("written");
    let mut guest = Guest::in_dir(dir.path());
    let fd = guest.open("f", 0, READ).expect("opens");
    assert_eq!(guest.write(fd, b"y"), Err(BADF));
    let fd = guest.open("f", 0, WRITE).expect("opens");
    assert_eq!(guest.read(fd, 1), Err(BADF));
    assert_eq!(guest.write(fd, b"y"), Ok(1));
    assert_eq!(fs::read(dir.path().join("f")).expect("there"), b"y");
}

#[test]
fn appending_writes_at_the_end() {
    let dir = temp();
    fs::write(dir.path().join("f"), "abc").expect("written");
    let mut guest = Guest::in_dir(dir.path());
    let fd = guest.open_with(3, 0, "f", 0, WRITE, 1).expect("opens");
    assert_eq!(guest.write(fd, b"de"), Ok(2));
    assert_eq!(guest.call("fd_fdstat_set_flags", &[fd, 0]), OK);
    assert_eq!(guest.call("fd_seek", &[fd, 0, 0, 0x130]), OK);
    assert_eq!(guest.write(fd, b"X"), Ok(1));
    assert_eq!(fs::read(dir.path().join("f")).expect("there"), b"Xbcde");
}

#[test]
fn what_a_file_is() {
    let dir = temp();
    fs::write(dir.path().join("f"), "12345").expect("written");
    let mut guest = Guest::in_dir(dir.path());
    let fd = guest.open_with(3, 0, "f", 0, READ | WRITE, 1).expect("opens");
    let mut stat = [0; 24];
    (stat[0], stat[2], stat[8]) = (4, 1, 0x42);
    // The two gaps of the structure are not written.
    guest.writes(
        "fd_fdstat_get",
        &[fd, 0x200],
        &[(0x200, &stat[..1]), (0x202, &stat[2..4]), (0x208, &stat[8..])],
    );

    assert_eq!(guest.call("fd_filestat_get", &[fd, 0x300]), OK);
    assert_eq!((guest.get(0x310, 1)[0], guest.u64(0x318), guest.u64(0x320)), (4, 1, 5));
    assert_eq!(guest.get(0x340, 8), [0xAA; 8]);
    assert_eq!(guest.call("fd_filestat_get", &[3, 0x300]), OK);
    assert_eq!(guest.get(0x310, 1), [3]);

    guest.writes("fd_filestat_set_size", &[fd, 3], &[]);
    guest.writes("fd_filestat_set_times", &[fd, 1_500_000_000, 2_500_000_000, 5], &[]);
    assert_eq!(guest.call("fd_filestat_get", &[fd, 0x300]), OK);
    let times = (guest.u64(0x328), guest.u64(0x330));
    assert_eq!((guest.u64(0x320), times), (3, (1_500_000_000, 2_500_000_000)));
    for name in ["fd_sync", "fd_datasync"] {
        guest.writes(name, &[fd], &[]);
    }
    guest.writes("fd_advise", &[fd, 0, 0, 1], &[]);
    guest.fails("fd_allocate", &[fd, 0, 10], NOTSUP);
    guest.fails("fd_fdstat_set_rights", &[fd, 0, 0], NOTSUP);
}

#[test]
fn times_before_1970_do_not_hurt() {
    let dir = temp();
    let file = fs::File::create(dir.path().join("f")).expect("made");
    let before = std::time::UNIX_EPOCH - std::time::Duration::from_secs(1000);
    file.set_times(fs::FileTimes::new().set_modified(before)).expect("set");
    let mut guest = Guest::in_dir(dir.path());
    let fd = guest.open("f", 0, READ).expect("opens");
    assert_eq!(guest.call("fd_filestat_get", &[fd, 0x300]), OK);
    assert_eq!(guest.u64(0x330), 0);
    let stat = [Arg::N(3), Arg::N(0), Arg::P("f"), Arg::N(0x300)];
    assert_eq!(guest.with_paths("path_filestat_get", &stat), OK);
    assert_eq!(guest.u64(0x330), 0);
}

#[test]
fn the_directories_a_guest_begins_with() {
    let dir = temp();
    let mut guest = Guest::in_dir(dir.path());
    guest.writes("fd_prestat_get", &[3, 0x200], &[(0x200, &[0]), (0x204, &[1, 0, 0, 0])]);
    guest.writes("fd_prestat_dir_name", &[3, 0x200, 1], &[(0x200, b"/")]);
    guest.fails("fd_prestat_dir_name", &[3, 0x200, 0], NAMETOOLONG);
    guest.fails("fd_prestat_dir_name", &[4, 0x200, 1], NOTDIR);
    guest.fails("fd_prestat_get", &[4, 0x200], BADF);
    fs::create_dir(dir.path().join("sub")).expect("made");
    let sub = guest.open("sub", 2, READ).expect("opens");
    guest.fails("fd_prestat_get", &[sub, 0x200], NOTSUP);
}

#[test]
fn renumbering_and_closing() {
    let dir = temp();
    fs::write(dir.path().join("a"), "A").expect("written");
    fs::write(dir.path().join("b"), "B").expect("written");
    let mut guest = Guest::in_dir(dir.path());
    let a = guest.open("a", 0, READ).expect("opens");
    let b = guest.open("b", 0, READ).expect("opens");
    guest.writes("fd_renumber", &[a, b], &[]);
    assert_eq!(guest.read(b, 9), Ok(b"A".to_vec()));
    assert_eq!(guest.read(a, 9), Err(BADF));
    guest.writes("fd_close", &[b], &[]);
    guest.fails("fd_close", &[b], BADF);
}

/// The names of a directory, read with a buffer of `size` bytes, running `between` before each further page.
fn names(guest: &mut Guest, fd: i64, size: usize, mut between: impl FnMut()) -> Vec<String> {
    let (mut names, mut cookie) = (Vec::new(), 0);
    loop {
        assert_eq!(guest.call("fd_readdir", &[fd, 0x1000, size as i64, cookie, 0x100]), OK);
        assert_eq!(guest.get(0x1000 + size, 8), [0xAA; 8]);
        let used = guest.u32(0x100) as usize;
        let page = guest.get(0x1000, used).to_vec();
        let mut at = 0;
        while let Some(head) = page.get(at..at + 24) {
            let number = |at: usize| u64::from_le_bytes(head[at..at + 8].try_into().expect("8"));
            let len = (number(16) & 0xFFFF_FFFF) as usize;
            let Some(name) = page.get(at + 24..at + 24 + len) else { break };
            cookie = number(0) as i64;
            names.push(String::from_utf8(name.to_vec()).expect("UTF-8"));
            at += 24 + len;
        }
        assert!(at > 0 || used < size, "no progress");
        if used < size {
            return names;
        }
        between();
    }
}

#[test]
fn a_directory_is_listed_in_pages() {
    let dir = temp();
    let mut expected = vec![".".to_owned(), "..".to_owned()];
    for i in 0..100 {
        let name = format!("file-{i:03}");
        fs::write(dir.path().join(&name), "").expect("written");
        expected.push(name);
    }
    expected.sort();
    let mut guest = Guest::in_dir(dir.path());
    for size in [40, 100, 4096, 20000] {
        let mut found = names(&mut guest, 3, size, || {});
        found.sort();
        assert_eq!(found, expected, "with pages of {size} bytes");
    }
}

#[test]
fn a_directory_may_change_while_it_is_listed() {
    let dir = temp();
    for i in 0..50 {
        fs::write(dir.path().join(format!("{i:02}")), "").expect("written");
    }
    let mut guest = Guest::in_dir(dir.path());
    let mut removed = 0;
    let found = names(&mut guest, 3, 128, || {
        fs::remove_file(dir.path().join(format!("{removed:02}"))).expect("there");
        removed += 1;
    });
    assert_eq!(found.len(), 52);
    assert!(removed > 5);
    assert_eq!(names(&mut guest, 3, 20000, || {}).len(), 52 - removed);
}
