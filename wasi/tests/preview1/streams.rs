//! Standard streams: pipes, closed pipes, files, terminals, not blocking, and not holding anybody up.

use crate::guest::{AGAIN, BADF, Guest, OK, PIPE, SPIPE, temp};
use std::io::{Read, Write, pipe};
use std::sync::mpsc;
use std::time::Duration;
use wrun_wasi::WasiCtx;

/// The type of a descriptor.
fn filetype(guest: &mut Guest, fd: i64) -> u8 {
    assert_eq!(guest.call("fd_fdstat_get", &[fd, 0x200]), OK);
    guest.get(0x200, 1)[0]
}

#[test]
fn without_streams_input_is_empty_and_output_is_gone() {
    let mut guest = Guest::new(WasiCtx::builder().build());
    assert_eq!(guest.read(0, 9), Ok(vec![]));
    for fd in [1, 2] {
        assert_eq!(guest.write(fd, b"gone"), Ok(4));
    }
    assert_eq!(guest.write(0, b"x"), Err(BADF));
    assert_eq!(guest.read(1, 9), Err(BADF));
    guest.fails("fd_seek", &[1, 0, 1, 0x200], SPIPE);
}

#[test]
fn what_is_written_is_visible_at_once() {
    let (mut reader, writer) = pipe().expect("a pipe");
    let mut guest = Guest::new(WasiCtx::builder().stdout(writer).build());
    let mut bytes = [0; 8];
    for text in [&b"no line end"[..8], b"a\nb\nc\nd\n"] {
        assert_eq!(guest.write(1, text), Ok(8));
        reader.read_exact(&mut bytes).expect("there");
        assert_eq!(bytes, text);
    }
    assert_eq!(filetype(&mut guest, 1), 0);
    guest.fails("fd_seek", &[1, 0, 1, 0x200], SPIPE);
    guest.writes("fd_sync", &[1], &[]);
}

#[test]
fn a_closed_pipe_is_an_error_number() {
    let (reader, writer) = pipe().expect("a pipe");
    drop(reader);
    let mut guest = Guest::new(WasiCtx::builder().stdout(writer).build());
    assert_eq!(guest.write(1, b"x"), Err(PIPE));
    assert_eq!(guest.write(1, b"x"), Err(PIPE));
}

#[test]
fn an_input_ends_when_the_writer_is_gone() {
    let (reader, mut writer) = pipe().expect("a pipe");
    let mut guest = Guest::new(WasiCtx::builder().stdin(reader).build());
    writer.write_all(b"line\n").expect("written");
    assert_eq!(guest.read(0, 99), Ok(b"line\n".to_vec()));
    drop(writer);
    assert_eq!(guest.read(0, 99), Ok(vec![]));
}

#[test]
fn a_guest_may_ask_not_to_block() {
    let (reader, mut writer) = pipe().expect("a pipe");
    let same_pipe = reader.try_clone().expect("duplicated");
    let mut guest = Guest::new(WasiCtx::builder().stdin(reader).build());
    guest.writes("fd_fdstat_set_flags", &[0, 4], &[]);
    assert_eq!(guest.read(0, 9), Err(AGAIN));
    assert_eq!(guest.call("fd_fdstat_get", &[0, 0x200]), OK);
    assert_eq!(guest.get(0x202, 2), [4, 0]);
    // Others who hold the pipe still block.
    let flags = rustix::fs::fcntl_getfl(&same_pipe).expect("open");
    assert!(!flags.contains(rustix::fs::OFlags::NONBLOCK));
    writer.write_all(b"x").expect("written");
    assert_eq!(guest.read(0, 9), Ok(b"x".to_vec()));
}

#[test]
fn writing_without_blocking_stops_when_the_pipe_is_full() {
    let (reader, writer) = pipe().expect("a pipe");
    let mut guest = Guest::new(WasiCtx::builder().stdout(writer).build());
    guest.writes("fd_fdstat_set_flags", &[1, 4], &[]);
    let mut written = 0;
    let errno = loop {
        match guest.write(1, &[7; 10_000]) {
            Ok(more) => written += more,
            Err(errno) => break errno,
        }
        assert!(written < 10_000_000, "a pipe has an end");
    };
    assert_eq!(errno, AGAIN);
    let mut bytes = vec![0; written as usize];
    (&reader).read_exact(&mut bytes).expect("all of it");
    assert!(bytes.iter().all(|&byte| byte == 7));
}

#[test]
fn a_stream_that_does_not_block_says_so() {
    let (reader, mut writer) = pipe().expect("a pipe");
    rustix::fs::fcntl_setfl(&reader, rustix::fs::OFlags::NONBLOCK).expect("set");
    let mut guest = Guest::new(WasiCtx::builder().stdin(reader).build());
    assert_eq!(guest.call("fd_fdstat_get", &[0, 0x200]), OK);
    assert_eq!(guest.get(0x202, 2), [4, 0]);
    assert_eq!(guest.read(0, 9), Err(AGAIN));
    // A guest that asks for blocking gets it.
    guest.writes("fd_fdstat_set_flags", &[0, 0], &[]);
    let late = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(50));
        writer.write_all(b"late").expect("written");
    });
    assert_eq!(guest.read(0, 9), Ok(b"late".to_vec()));
    late.join().expect("wrote");
}

#[test]
fn a_read_that_blocks_holds_nobody_up() {
    let (stdin, mut input) = pipe().expect("a pipe");
    let shared = stdin.try_clone().expect("duplicated");
    let (mut output, stdout) = pipe().expect("a pipe");
    let shared_out = stdout.try_clone().expect("duplicated");
    let (started, is_started) = mpsc::channel();
    let blocked = std::thread::spawn(move || {
        let mut guest = Guest::new(WasiCtx::builder().stdin(stdin).stdout(stdout).build());
        started.send(()).expect("the test waits");
        guest.read(0, 9)
    });
    is_started.recv().expect("started");
    std::thread::sleep(Duration::from_millis(50));
    let mut guest = Guest::new(WasiCtx::builder().stdin(shared).stdout(shared_out).build());
    assert_eq!(guest.write(1, b"free"), Ok(4));
    let mut bytes = [0; 4];
    output.read_exact(&mut bytes).expect("there");
    assert_eq!(&bytes, b"free");
    assert!(!blocked.is_finished());
    input.write_all(b"go").expect("written");
    assert_eq!(blocked.join().expect("no panic"), Ok(b"go".to_vec()));
}

#[test]
fn a_file_as_a_stream_has_positions() {
    let dir = temp();
    let path = dir.path().join("f");
    std::fs::write(&path, "0123456789").expect("written");
    let file = std::fs::File::open(&path).expect("there");
    let mut guest = Guest::new(WasiCtx::builder().stdin(file).build());
    assert_eq!(filetype(&mut guest, 0), 4);
    guest.writes("fd_seek", &[0, 4, 0, 0x200], &[(0x200, &[4, 0, 0, 0, 0, 0, 0, 0])]);
    assert_eq!(guest.read(0, 3), Ok(b"456".to_vec()));
    assert_eq!(guest.call("fd_filestat_get", &[0, 0x300]), OK);
    assert_eq!(guest.u64(0x320), 10);
}

#[test]
fn only_a_terminal_is_a_character_device() {
    let null = std::fs::File::open("/dev/null").expect("there");
    let mut guest = Guest::new(WasiCtx::builder().stdin(null).build());
    assert_eq!(filetype(&mut guest, 0), 0);

    let flags = rustix::pty::OpenptFlags::RDWR | rustix::pty::OpenptFlags::NOCTTY;
    let terminal = rustix::pty::openpt(flags).expect("a terminal");
    let mut guest = Guest::new(WasiCtx::builder().stdin(terminal).build());
    assert_eq!(filetype(&mut guest, 0), 2);
}
