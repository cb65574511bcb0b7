//! Clocks and random numbers.

use crate::guest::{Guest, INVAL, OK};
use std::time::{Duration, SystemTime};
use wrun_wasi::WasiCtx;

fn guest() -> Guest {
    Guest::new(WasiCtx::builder().build())
}

#[test]
fn real_time_is_the_hosts() {
    let mut guest = guest();
    let since = |time: SystemTime| time.duration_since(SystemTime::UNIX_EPOCH).expect("after 1970");
    let before = since(SystemTime::now());
    assert_eq!(guest.call("clock_time_get", &[0, 1, 0x10]), OK);
    let after = since(SystemTime::now());
    let found = Duration::from_nanos(guest.u64(0x10));
    assert!(before <= found && found <= after, "{before:?} {found:?} {after:?}");
    assert_eq!(guest.get(0x08, 8), [0xAA; 8]);
    assert_eq!(guest.get(0x18, 8), [0xAA; 8]);
}

#[test]
fn the_monotonic_clock_goes_on() {
    let mut guest = guest();
    assert_eq!(guest.call("clock_time_get", &[1, 1, 0x10]), OK);
    std::thread::sleep(Duration::from_millis(2));
    assert_eq!(guest.call("clock_time_get", &[1, 1, 0x18]), OK);
    let (first, second) = (guest.u64(0x10), guest.u64(0x18));
    assert!(second >= first + 2_000_000, "{first} {second}");
}

#[test]
fn processor_time_is_what_was_used() {
    let mut guest = guest();
    for clock in [2, 3] {
        assert_eq!(guest.call("clock_time_get", &[clock, 1, 0x10]), OK);
        std::thread::sleep(Duration::from_millis(300));
        assert_eq!(guest.call("clock_time_get", &[clock, 1, 0x18]), OK);
        let (first, second) = (guest.u64(0x10), guest.u64(0x18));
        assert!(first > 0 && second >= first, "clock {clock}: {first} {second}");
        // Other tests of this process may run meanwhile; this thread sleeps.
        assert!(clock == 2 || second - first < 200_000_000, "{first} {second}");
    }
}

#[test]
fn every_clock_has_a_resolution() {
    let mut guest = guest();
    for clock in 0..4 {
        assert_eq!(guest.call("clock_res_get", &[clock, 0x10]), OK);
        assert!((1..=100_000_000).contains(&guest.u64(0x10)), "clock {clock}");
    }
}

#[test]
fn there_are_four_clocks() {
    let mut guest = guest();
    for clock in [4, 99, -1] {
        guest.fails("clock_time_get", &[clock, 1, 0x10], INVAL);
        guest.fails("clock_res_get", &[clock, 0x10], INVAL);
    }
}

#[test]
fn random_bytes_fill_what_was_asked_for() {
    let mut guest = guest();
    assert_eq!(guest.call("random_get", &[0x100, 64]), OK);
    let first = guest.get(0x100, 64).to_vec();
    assert_ne!(first, [0xAA; 64]);
    assert_eq!(guest.get(0xF8, 8), [0xAA; 8]);
    assert_eq!(guest.get(0x140, 8), [0xAA; 8]);
    assert_eq!(guest.call("random_get", &[0x100, 64]), OK);
    assert_ne!(guest.get(0x100, 64), first);
    guest.writes("random_get", &[0x20000, 0], &[]);
    assert!(guest.try_call("random_get", &[0x1FFFF, 2]).expect_err("a trap").trap().is_some());
}
