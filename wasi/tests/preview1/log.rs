//! The log of calls, as a subscriber gets it.

use crate::guest::{Arg, Guest, NOENT, READ, ctx_in_dir, temp};
use std::io::Write;
use std::sync::{Arc, Mutex};
use tracing_subscriber::EnvFilter;

/// Collects what a subscriber writes.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("no panic").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// What the log says of `run` under a filter.
fn logged(filter: &str, run: impl FnOnce()) -> Vec<String> {
    // The first call in a process registers the place of the log with `tracing`. When another test does that at the moment when
    // the subscriber below is made, the place takes it that nobody listens: it is registered before, and asked again.
    Guest::in_dir(temp().path()).call("sched_yield", &[]);
    let lines = Lines::default();
    let writer = lines.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new(filter))
        .with_writer(move || writer.clone())
        .without_time()
        .with_level(false)
        .with_target(false)
        .with_ansi(false)
        .finish();
    tracing::subscriber::with_default(subscriber, || {
        tracing::callsite::rebuild_interest_cache();
        run();
    });
    let bytes = lines.0.lock().expect("no panic").clone();
    String::from_utf8(bytes).expect("UTF-8").lines().map(str::to_owned).collect()
}

#[test]
fn every_call_is_a_line() {
    let dir = temp();
    std::fs::write(dir.path().join("notes.txt"), "x").expect("written");
    let mut guest = Guest::in_dir(dir.path());
    let lines = logged("wasi=debug", || {
        assert_eq!(guest.write(1, b"hello, world"), Ok(12));
        assert_eq!(guest.open("notes.txt", 0, READ), Ok(4));
        assert_eq!(guest.open("missing", 0, READ), Err(NOENT));
        guest.with_paths("path_rename", &[Arg::N(3), Arg::P("a"), Arg::N(3), Arg::P("b")]);
        guest.call("fd_seek", &[4, -1, 2, 0x200]);
        guest.call("sched_yield", &[]);
        guest.try_call("fd_fdstat_get", &[1, -8]).expect_err("a trap");
        guest.try_call("proc_exit", &[7]).expect_err("an exit");
    });
    let expected = [
        "fd_write(fd=1, iovs=0x100, iovs_len=1) = ok, nwritten=12",
        "path_open(fd=3, dirflags=0x0, path=\"notes.txt\", oflags=0x0, fs_rights_base=0x2, \
         fs_rights_inheriting=0x2, fdflags=0x0) = ok, opened=4",
        "path_open(fd=3, dirflags=0x0, path=\"missing\", oflags=0x0, fs_rights_base=0x2, \
         fs_rights_inheriting=0x2, fdflags=0x0) = noent",
        "path_rename(fd=3, old_path=\"a\", new_fd=3, new_path=\"b\") = noent",
        "fd_seek(fd=4, offset=-1, whence=2) = ok, newoffset=0",
        "sched_yield() = ok",
        "fd_fdstat_get(fd=1, stat=0xfffffff8) = error: ",
        "proc_exit(rval=7) = exit 7",
    ];
    assert_eq!(lines.len(), expected.len(), "{lines:#?}");
    for (line, expected) in lines.iter().zip(expected) {
        let line = line.trim_start();
        let is_like = if expected.ends_with("error: ") {
            line.starts_with(expected)
        } else {
            line == expected
        };
        assert!(is_like, "expected {expected}\nfound    {line}");
    }
}

#[test]
fn nobody_listens_nothing_is_said() {
    let dir = temp();
    let mut guest = Guest::unstable(ctx_in_dir(dir.path()));
    let lines = logged("wasi=info", || {
        assert_eq!(guest.write(1, b"x"), Ok(1));
    });
    assert_eq!(lines, [""; 0]);
}
