//! Files by descriptor: reading, writing, positions, sizes, times, flags, renumbering, listings.

use crate::guest::{
    Arg, BADF, Guest, INVAL, NAMETOOLONG, NODEV, NOTDIR, NOTSUP, OK, READ, WRITE, temp,
};
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
}

#[test]
fn room_is_reserved_and_the_file_grows() {
    let dir = temp();
    fs::write(dir.path().join("f"), "12345").expect("written");
    let mut guest = Guest::in_dir(dir.path());
    let fd = guest.open("f", 0, READ | WRITE).expect("opens");
    guest.writes("fd_allocate", &[fd, 0, 3], &[]);
    assert_eq!(fs::read(dir.path().join("f")).expect("there"), b"12345");
    guest.writes("fd_allocate", &[fd, 4, 4], &[]);
    assert_eq!(fs::read(dir.path().join("f")).expect("there"), b"12345\0\0\0");
    guest.fails("fd_allocate", &[fd, 0, 0], INVAL);
    guest.fails("fd_allocate", &[fd, -1, 1], INVAL);
    guest.fails("fd_allocate", &[1, 0, 1], NODEV);
    guest.fails("fd_allocate", &[3, 0, 1], BADF);
    // Made with this call, and open for reading all the same.
    let fd = guest.open("new", 1, READ).expect("made");
    guest.fails("fd_allocate", &[fd, 0, 1], BADF);
}

#[test]
fn writing_may_wait_for_the_disk() {
    let dir = temp();
    let mut guest = Guest::in_dir(dir.path());
    // For data, in reading, or for all: the host waits for all.
    for fdflags in [2, 8, 16, 18] {
        let fd = guest.open_with(3, 0, "f", 1, READ | WRITE, fdflags).expect("opens");
        assert_eq!(guest.write(fd, b"x"), Ok(1));
        assert_eq!(guest.call("fd_fdstat_get", &[fd, 0x200]), OK);
        assert_eq!(guest.get(0x202, 2), [18, 0], "{fdflags}");
        // What was asked for and what is can be said again.
        guest.writes("fd_fdstat_set_flags", &[fd, fdflags], &[]);
        guest.writes("fd_fdstat_set_flags", &[fd, 18 | 4], &[]);
        assert_eq!(guest.call("fd_fdstat_get", &[fd, 0x200]), OK);
        assert_eq!(guest.get(0x202, 2), [18 | 4, 0], "{fdflags}");
    }
    let fd = guest.open("f", 0, WRITE).expect("opens");
    guest.fails("fd_fdstat_set_flags", &[fd, 2], INVAL);
}

#[test]
fn a_file_is_emptied_and_appended_to() {
    let dir = temp();
    fs::write(dir.path().join("f"), "12345").expect("written");
    let mut guest = Guest::in_dir(dir.path());
    let fd = guest.open_with(3, 0, "f", 8, WRITE, 1).expect("opens");
    assert_eq!(guest.write(fd, b"ab"), Ok(2));
    assert_eq!(guest.call("fd_seek", &[fd, 0, 0, 0x130]), OK);
    assert_eq!(guest.write(fd, b"c"), Ok(1));
    assert_eq!(fs::read(dir.path().join("f")).expect("there"), b"abc");
}

#[test]
fn a_read_fills_more_than_one_buffer() {
    let dir = temp();
    fs::write(dir.path().join("f"), "0123456789").expect("written");
    let mut guest = Guest::in_dir(dir.path());
    let fd = guest.open("f", 0, READ).expect("opens");
    for (index, (address, len)) in [(0x308, 3), (0, 0), (0x300, 4), (0x310, 9)].iter().enumerate() {
        guest.put_iovec(0x100 + 8 * index, *address, *len);
    }
    let all: &[(usize, &[u8])] =
        &[(0x308, b"012"), (0x300, b"3456"), (0x310, b"789"), (0x130, &[10, 0, 0, 0])];
    // Of a memory that threads share the first.
    let first: &[(usize, &[u8])] = &[(0x308, b"012"), (0x130, &[3, 0, 0, 0])];
    let expected = if crate::SHARED { first } else { all };
    guest.writes("fd_pread", &[fd, 0x100, 4, 0, 0x130], expected);
    guest.writes("fd_read", &[fd, 0x100, 4, 0x130], expected);

    // The last two overlap: the first gets what there is.
    guest.put_iovec(0x118, 0x302, 9);
    guest.writes("fd_pread", &[fd, 0x100, 4, 0, 0x130], first);
    // All are checked before anything is read.
    guest.put_iovec(0x108, 0x1_FFFF, 2);
    assert!(guest.try_call("fd_pread", &[fd, 0x100, 4, 0, 0x130]).is_err() || crate::SHARED);
}

#[test]
fn a_descriptor_gets_the_lowest_free_number() {
    let dir = temp();
    fs::write(dir.path().join("f"), "x").expect("written");
    let mut guest = Guest::in_dir(dir.path());
    for expected in [4, 5, 6] {
        assert_eq!(guest.open("f", 0, READ), Ok(expected));
    }
    guest.writes("fd_close", &[5], &[]);
    guest.writes("fd_close", &[0], &[]);
    assert_eq!(guest.open("f", 0, READ), Ok(0));
    assert_eq!(guest.read(0, 9), Ok(b"x".to_vec()));
    assert_eq!(guest.open("f", 0, READ), Ok(5));
    assert_eq!(guest.open("f", 0, READ), Ok(7));
}

#[test]
fn a_directory_goes_to_the_disk_and_tells_its_times() {
    let dir = temp();
    let mut guest = Guest::in_dir(dir.path());
    guest.writes("fd_sync", &[3], &[]);
    guest.writes("fd_datasync", &[3], &[]);
    guest.writes("fd_filestat_set_times", &[3, 1_500_000_000, 2_500_000_000, 5], &[]);
    assert_eq!(guest.call("fd_filestat_get", &[3, 0x300]), OK);
    assert_eq!((guest.u64(0x328), guest.u64(0x330)), (1_500_000_000, 2_500_000_000));
    // Nobody sets when it was last changed.
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("later");
    let changed = std::time::Duration::from_nanos(guest.u64(0x338));
    assert!(now.abs_diff(changed) < std::time::Duration::from_secs(3600), "{changed:?}");
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
