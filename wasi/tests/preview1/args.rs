//! Arguments and environment variables.

use crate::guest::{Guest, OK};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use wrun_wasi::WasiCtx;

#[test]
fn arguments_arrive_with_their_sizes() {
    let mut guest = Guest::new(WasiCtx::builder().args(["prog", "-v", "naïve"]).build());
    guest.writes("args_sizes_get", &[0x10, 0x20], &[(0x10, &[3, 0, 0, 0]), (0x20, &[15, 0, 0, 0])]);
    guest.writes(
        "args_get",
        &[0x40, 0x80],
        &[
            (0x40, &[0x80, 0, 0, 0, 0x85, 0, 0, 0, 0x88, 0, 0, 0]),
            (0x80, "prog\0-v\0naïve\0".as_bytes()),
        ],
    );
}

#[test]
fn without_arguments_nothing_is_written() {
    let mut guest = Guest::new(WasiCtx::builder().build());
    guest.writes("args_sizes_get", &[0x10, 0x20], &[(0x10, &[0; 4]), (0x20, &[0; 4])]);
    guest.writes("args_get", &[0x40, 0x80], &[]);
    guest.writes("environ_get", &[0x40, 0x80], &[]);
}

#[test]
fn arguments_need_not_be_text() {
    let mut guest = Guest::new(WasiCtx::builder().arg(OsStr::from_bytes(b"\xFFx")).build());
    guest.writes("args_get", &[0x40, 0x80], &[(0x40, &[0x80, 0, 0, 0]), (0x80, b"\xFFx\0")]);
}

#[test]
fn variables_arrive_and_the_last_of_a_name_counts() {
    let mut builder = WasiCtx::builder();
    builder.env("HOME", "/").env("EMPTY", "").env("HOME", "/x=y").env("HO", "1");
    let mut guest = Guest::new(builder.build());
    guest.writes("environ_sizes_get", &[0, 4], &[(0, &[3, 0, 0, 0, 22, 0, 0, 0])]);
    guest.writes(
        "environ_get",
        &[0x40, 0x80],
        &[
            (0x40, &[0x80, 0, 0, 0, 0x87, 0, 0, 0, 0x91, 0, 0, 0]),
            (0x80, b"EMPTY=\0HOME=/x=y\0HO=1\0"),
        ],
    );
}

#[test]
fn variables_are_inherited_when_asked_for() {
    let mut guest = Guest::new(WasiCtx::builder().inherit_env().build());
    assert_eq!(guest.call("environ_sizes_get", &[0, 4]), OK);
    assert_eq!(guest.u32(0) as usize, std::env::vars_os().count());
}

#[test]
fn pointers_to_outside_the_memory_trap() {
    let mut guest = Guest::new(WasiCtx::builder().arg("prog").build());
    for args in [[0x1FFFD, 0], [0, 0x1FFFE], [-4, 0], [0, -2]] {
        let error = guest.try_call("args_get", &args).expect_err("a trap");
        assert!(error.trap().is_some(), "{args:?}: {error}");
    }
}
