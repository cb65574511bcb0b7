//! Waiting for clocks and descriptors.

use crate::guest::{BADF, Guest, INVAL, OK, temp};
use std::io::{Write, pipe};
use std::time::{Duration, Instant, SystemTime};
use wrun_wasi::WasiCtx;

/// A subscription of preview 1 to a clock.
fn clock(userdata: u64, clock: u32, timeout: u64, flags: u8) -> [u8; 48] {
    let mut bytes = [0; 48];
    bytes[..8].copy_from_slice(&userdata.to_le_bytes());
    bytes[16..20].copy_from_slice(&clock.to_le_bytes());
    bytes[24..32].copy_from_slice(&timeout.to_le_bytes());
    bytes[40] = flags;
    bytes
}

/// A subscription of preview 1 to a descriptor: 1 reading, 2 writing.
fn descriptor(userdata: u64, tag: u8, fd: u32) -> [u8; 48] {
    let mut bytes = [0; 48];
    bytes[..8].copy_from_slice(&userdata.to_le_bytes());
    bytes[8] = tag;
    bytes[16..20].copy_from_slice(&fd.to_le_bytes());
    bytes
}

/// Waits, and the events: userdata, error number, type, bytes, flags.
fn poll(guest: &mut Guest, subscriptions: &[[u8; 48]]) -> Vec<(u64, u16, u8, u64, u16)> {
    guest.put(0x1000, subscriptions.as_flattened());
    guest.put(0x2000, &[0xAA; 256]);
    let count = subscriptions.len() as i64;
    assert_eq!(guest.call("poll_oneoff", &[0x1000, 0x2000, count, 0x100]), OK);
    let found = guest.u32(0x100) as usize;
    assert_eq!(guest.get(0x2000 + 32 * found, 32), [0xAA; 32], "behind the events");
    let short =
        |guest: &Guest, at| u16::from_le_bytes([guest.get(at, 1)[0], guest.get(at + 1, 1)[0]]);
    (0..found)
        .map(|i| 0x2000 + 32 * i)
        .map(|at| {
            let (error, ty) = (short(guest, at + 8), guest.get(at + 10, 1)[0]);
            (guest.u64(at), error, ty, guest.u64(at + 16), short(guest, at + 24))
        })
        .collect()
}

#[test]
fn a_clock_is_waited_for() {
    let mut guest = Guest::new(WasiCtx::builder().build());
    for id in [0, 1] {
        let start = Instant::now();
        assert_eq!(poll(&mut guest, &[clock(7, id, 20_000_000, 0)]), [(7, 0, 0, 0, 0)]);
        assert!(start.elapsed() >= Duration::from_millis(20), "clock {id}");
        assert!(start.elapsed() < Duration::from_secs(5), "clock {id}");
    }
}

#[test]
fn the_first_of_two_clocks_counts() {
    let mut guest = Guest::new(WasiCtx::builder().build());
    let start = Instant::now();
    let found = poll(&mut guest, &[clock(1, 1, 60_000_000_000, 0), clock(2, 1, 10_000_000, 0)]);
    assert_eq!(found, [(2, 0, 0, 0, 0)]);
    assert!(start.elapsed() >= Duration::from_millis(10));
}

#[test]
fn absolute_times_are_times_of_their_clock() {
    let mut guest = Guest::new(WasiCtx::builder().build());
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("after 1970");
    let then = now + Duration::from_millis(30);
    let start = Instant::now();
    let real = clock(1, 0, u64::try_from(then.as_nanos()).expect("before 2554"), 1);
    assert_eq!(poll(&mut guest, &[real]), [(1, 0, 0, 0, 0)]);
    assert!(start.elapsed() >= Duration::from_millis(25), "{:?}", start.elapsed());
    assert_eq!(poll(&mut guest, &[clock(1, 0, 5, 1)]), [(1, 0, 0, 0, 0)], "long ago");

    assert_eq!(guest.call("clock_time_get", &[1, 1, 0x100]), OK);
    let then = guest.u64(0x100) + 20_000_000;
    assert_eq!(poll(&mut guest, &[clock(1, 1, then, 1)]), [(1, 0, 0, 0, 0)]);
    assert_eq!(guest.call("clock_time_get", &[1, 1, 0x100]), OK);
    assert!(guest.u64(0x100) >= then);
}

#[test]
fn only_what_is_ready_is_told() {
    let (stdin, mut input) = pipe().expect("a pipe");
    let (_output, stdout) = pipe().expect("a pipe");
    let mut guest = Guest::new(WasiCtx::builder().stdin(stdin).stdout(stdout).build());
    let both = [descriptor(1, 1, 0), descriptor(2, 2, 1)];
    assert_eq!(poll(&mut guest, &both), [(2, 0, 2, 1, 0)], "nothing to read");
    input.write_all(b"abc").expect("written");
    assert_eq!(poll(&mut guest, &both), [(1, 0, 1, 3, 0), (2, 0, 2, 1, 0)]);
}

#[test]
fn a_clock_limits_the_wait_for_a_descriptor() {
    let (stdin, mut input) = pipe().expect("a pipe");
    let mut guest = Guest::new(WasiCtx::builder().stdin(stdin).build());
    let wanted = [descriptor(1, 1, 0), clock(2, 1, 20_000_000, 0)];
    assert_eq!(poll(&mut guest, &wanted), [(2, 0, 0, 0, 0)]);
    let late = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(30));
        input.write_all(b"x").expect("written");
        input
    });
    let wanted = [descriptor(1, 1, 0), clock(2, 1, 60_000_000_000, 0)];
    assert_eq!(poll(&mut guest, &wanted), [(1, 0, 1, 1, 0)]);
    assert_eq!(guest.read(0, 9), Ok(b"x".to_vec()));
    drop(late.join().expect("wrote"));
    assert_eq!(poll(&mut guest, &wanted), [(1, 0, 1, 0, 1)], "the writer hung up");
}

#[test]
fn files_and_missing_streams_are_always_ready() {
    let dir = temp();
    std::fs::write(dir.path().join("f"), "12345").expect("written");
    let mut guest = Guest::in_dir(dir.path());
    let fd = guest.open("f", 0, 2).expect("opens");
    assert_eq!(poll(&mut guest, &[descriptor(1, 1, fd as u32)]), [(1, 0, 1, 5, 0)]);
    assert_eq!(poll(&mut guest, &[descriptor(1, 1, 0), descriptor(2, 2, 1)]).len(), 2);
}

#[test]
fn wrong_subscriptions_fail() {
    let mut guest = Guest::new(WasiCtx::builder().build());
    guest.fails("poll_oneoff", &[0x1000, 0x2000, 0, 0x100], INVAL);
    guest.fails("poll_oneoff", &[0x1000, 0x2000, -1, 0x100], INVAL);
    guest.put(0x1000, &descriptor(1, 1, 9));
    guest.fails("poll_oneoff", &[0x1000, 0x2000, 1, 0x100], BADF);
    guest.put(0x1000, &[clock(1, 2, 5, 1), clock(1, 3, 5, 1)].concat());
    guest.fails("poll_oneoff", &[0x1000, 0x2000, 2, 0x100], INVAL);
    guest.put(0x1000, &descriptor(1, 3, 0));
    guest.fails("poll_oneoff", &[0x1000, 0x2000, 1, 0x100], INVAL);
}
