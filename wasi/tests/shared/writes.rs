//! What is copied out of a shared memory is bounded, and checked like what is not copied.

use crate::guest::{Guest, NAMETOOLONG, WRITE, temp};
use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};

/// Where the tests put lists of buffers, and the number of bytes.
const LIST: usize = 0x1000;
const COUNT: i64 = 0x108;

/// Opens a new file for writing, as descriptor 4.
fn with_file(dir: &tempfile::TempDir) -> Guest {
    let mut guest = Guest::in_dir(dir.path());
    assert_eq!(guest.open("out", 1, WRITE), Ok(4));
    guest
}

#[test]
fn buffers_are_written_in_their_order() {
    let dir = temp();
    let mut guest = with_file(&dir);
    guest.put(0x300, b"abcdef");
    for (index, (address, len)) in [(0x303, 3), (0x1_FFFF, 0), (0x300, 2)].into_iter().enumerate() {
        guest.put_iovec(LIST + 8 * index, address, len);
    }
    guest.writes("fd_write", &[4, LIST as i64, 3, COUNT], &[(COUNT as usize, &[5, 0, 0, 0])]);
    guest.writes("fd_pwrite", &[4, LIST as i64, 3, 4, COUNT], &[(COUNT as usize, &[5, 0, 0, 0])]);
    guest.writes("fd_write", &[4, LIST as i64, 0, COUNT], &[(COUNT as usize, &[0; 4])]);
    assert_eq!(fs::read(dir.path().join("out")).expect("written"), b"defadefab");
}

#[test]
fn a_write_takes_a_mebibyte_however_often_the_memory_is_named() {
    let dir = temp();
    let mut guest = with_file(&dir);
    guest.put(0x1_0000, &[7; 0x1_0000]);
    for index in 0..40 {
        guest.put_iovec(LIST + 8 * index, 0x1_0000, 0xFFF0);
    }
    assert_eq!(guest.call("fd_write", &[4, LIST as i64, 40, COUNT]), 0);
    assert_eq!(guest.u32(COUNT as usize), 1 << 20);
    assert_eq!(fs::read(dir.path().join("out")).expect("written"), vec![7; 1 << 20]);
}

#[test]
fn wild_buffers_trap_and_nothing_is_written() {
    let dir = temp();
    let mut guest = with_file(&dir);
    guest.put_iovec(LIST, 0x300, 4);
    for (address, len) in [(0x1_FFFF, 2), (0x2_0001, 0), (u32::MAX, u32::MAX), (0, 0x2_0001)] {
        guest.put_iovec(LIST + 8, address, len);
        let error = guest.try_call("fd_write", &[4, LIST as i64, 2, COUNT]);
        assert!(error.expect_err("it leaves the memory").trap().is_some(), "{address:#x} {len:#x}");
    }
    for (list, len) in [(0x1_FFF8, 2), (LIST as i64 + 1, 1), (0, -1)] {
        let error = guest.try_call("fd_write", &[4, list, len, COUNT]);
        assert!(error.expect_err("the list is wild").trap().is_some(), "{list:#x} {len}");
    }
    assert_eq!(fs::read(dir.path().join("out")).expect("opened"), b"");
}

#[test]
fn a_path_that_would_be_a_large_copy_is_too_long() {
    let dir = temp();
    let mut guest = Guest::in_dir(dir.path());
    guest.fails("path_create_directory", &[3, 0, 0x1_0001], NAMETOOLONG);
    guest.fails("path_unlink_file", &[3, 0, 0xFFFF_FFFF], NAMETOOLONG);
}

#[test]
fn a_number_may_come_to_stand_for_something_else_in_the_middle_of_a_call() {
    let dir = temp();
    fs::create_dir(dir.path().join("sub")).expect("made");
    fs::write(dir.path().join("file"), "").expect("written");
    let ctx = crate::guest::ctx_in_dir(dir.path());
    let mut guest = Guest::new(ctx.clone());
    assert_eq!(guest.open("file", 0, 0), Ok(4));
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut guest = Guest::new(ctx);
            while !done.load(Ordering::Relaxed) {
                assert_eq!(guest.call("fd_filestat_set_times", &[4, 0, 0, 2 | 8]), 0);
            }
        });
        for name in ["sub", "file"].repeat(2000) {
            let opened = guest.open(name, 0, 0).expect("it is there");
            assert_eq!(guest.call("fd_renumber", &[opened, 4]), 0);
        }
        done.store(true, Ordering::Relaxed);
    });
}

#[test]
fn a_read_fills_the_first_buffer_that_is_not_empty() {
    let dir = temp();
    fs::write(dir.path().join("in"), vec![5; 100]).expect("written");
    let mut guest = Guest::in_dir(dir.path());
    assert_eq!(guest.open("in", 0, crate::guest::READ), Ok(4));
    // C libraries list an empty one when they want a single byte.
    for (index, (address, len)) in [(0x300, 0), (0x308, 3), (0x310, 9)].into_iter().enumerate() {
        guest.put_iovec(LIST + 8 * index, address, len);
    }
    let expected: &[(usize, &[u8])] = &[(0x308, &[5; 3]), (COUNT as usize, &[3, 0, 0, 0])];
    guest.writes("fd_read", &[4, LIST as i64, 3, COUNT], expected);
    guest.writes("fd_pread", &[4, LIST as i64, 3, 97, COUNT], expected);
    guest.put_iovec(LIST + 8, 0x1_FFFF, 2);
    guest.try_call("fd_read", &[4, LIST as i64, 3, COUNT]).expect_err("it leaves the memory");
}
