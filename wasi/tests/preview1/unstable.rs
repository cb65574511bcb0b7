//! Where `wasi_unstable` differs from preview 1.

use crate::guest::{Arg, Guest, INVAL, OK, READ, WRITE, ctx_in_dir, temp};
use std::io::{Write, pipe};
use std::time::{Duration, Instant};
use wrun_wasi::WasiCtx;

#[test]
fn seeking_counts_position_end_start() {
    let dir = temp();
    std::fs::write(dir.path().join("f"), "0123456789").expect("written");
    let mut guest = Guest::unstable(ctx_in_dir(dir.path()));
    let fd = guest.open("f", 0, READ).expect("opens");
    for (offset, whence, expected) in [(4, 2, 4), (3, 0, 7), (-1, 1, 9)] {
        guest.writes(
            "fd_seek",
            &[fd, offset, whence, 0x200],
            &[(0x200, &[expected, 0, 0, 0, 0, 0, 0, 0])],
        );
    }
    guest.fails("fd_seek", &[fd, 0, 3, 0x200], INVAL);
}

#[test]
fn a_filestat_has_56_bytes() {
    let dir = temp();
    std::fs::write(dir.path().join("f"), "12345").expect("written");
    std::fs::hard_link(dir.path().join("f"), dir.path().join("g")).expect("linked");
    let mut guest = Guest::unstable(ctx_in_dir(dir.path()));
    let fd = guest.open("f", 0, READ | WRITE).expect("opens");
    assert_eq!(guest.call("fd_filestat_set_times", &[fd, 7, 9, 5]), OK);
    let by_path = |guest: &mut Guest| {
        let stat = [Arg::N(3), Arg::N(0), Arg::P("f"), Arg::N(0x300)];
        guest.with_paths("path_filestat_get", &stat)
    };
    let by_fd = |guest: &mut Guest| guest.call("fd_filestat_get", &[fd, 0x300]);
    for (name, stat) in [("fd", &by_fd as &dyn Fn(&mut Guest) -> i32), ("path", &by_path)] {
        guest.put(0x300, &[0xAA; 64]);
        assert_eq!(stat(&mut guest), OK, "{name}");
        assert_eq!(guest.get(0x310, 1), [4], "{name}");
        assert_eq!((guest.u32(0x314), guest.u64(0x318)), (2, 5), "{name}");
        assert_eq!((guest.u64(0x320), guest.u64(0x328)), (7, 9), "{name}");
        assert_eq!(guest.get(0x338, 8), [0xAA; 8], "{name}");
    }
}

#[test]
fn a_subscription_has_56_bytes() {
    let (stdin, mut input) = pipe().expect("a pipe");
    let mut guest = Guest::unstable(WasiCtx::builder().stdin(stdin).build());
    let mut subscriptions = [0; 112];
    subscriptions[0] = 1;
    subscriptions[16..24].copy_from_slice(&[0xFF; 8]);
    subscriptions[24] = 1;
    subscriptions[32..40].copy_from_slice(&20_000_000_u64.to_le_bytes());
    (subscriptions[56], subscriptions[64]) = (2, 1);
    let event = |userdata: u8, ty: u8, bytes: u8| {
        let mut event = [0; 32];
        (event[0], event[10], event[16]) = (userdata, ty, bytes);
        event
    };
    guest.put(0x1000, &subscriptions);
    let start = Instant::now();
    let args = [0x1000, 0x2000, 2, 0x100];
    assert_eq!(guest.call("poll_oneoff", &args), OK);
    assert!(start.elapsed() >= Duration::from_millis(20));
    assert_eq!((guest.u32(0x100), &guest.get(0x2000, 11)[..]), (1, &event(1, 0, 0)[..11]));
    input.write_all(b"abc").expect("written");
    assert_eq!(guest.call("poll_oneoff", &args), OK);
    assert_eq!((guest.u32(0x100), &guest.get(0x2000, 11)[..]), (1, &event(2, 1, 3)[..11]));
    assert_eq!(guest.u64(0x2010), 3);
}

#[test]
fn the_rest_is_the_same() {
    let dir = temp();
    let mut guest = Guest::unstable(ctx_in_dir(dir.path()));
    guest.writes("fd_prestat_get", &[3, 0x200], &[(0x200, &[0]), (0x204, &[1, 0, 0, 0])]);
    // Guests ask for all rights that they know of.
    let fd = guest.open("f", 1, (1 << 29) - 1).expect("made");
    assert_eq!(guest.write(fd, b"data"), Ok(4));
    assert_eq!(std::fs::read(dir.path().join("f")).expect("there"), b"data");
    assert_eq!(guest.call("clock_time_get", &[1, 1, 0x100]), OK);
    assert_eq!(guest.call("random_get", &[0x100, 8]), OK);
    let exit = guest.try_call("proc_exit", &[3]).expect_err("an exit");
    assert_eq!(exit.exit_code(), Some(3));
}
