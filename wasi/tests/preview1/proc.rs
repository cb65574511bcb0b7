//! Ending the guest, yielding, signals.

use crate::guest::{Guest, NOSYS, OK};
use wrun_wasi::WasiCtx;

#[test]
fn an_exit_keeps_all_of_its_code() {
    for code in [0, 1, 125, 126, 255, 256, i32::MAX, -1] {
        let mut guest = Guest::new(WasiCtx::builder().build());
        let error = guest.try_call("proc_exit", &[code.into()]).expect_err("an exit");
        assert_eq!(error.exit_code(), Some(code));
        assert!(error.trap().is_none());
    }
}

#[test]
fn yielding_succeeds() {
    let mut guest = Guest::new(WasiCtx::builder().build());
    guest.writes("sched_yield", &[], &[]);
    assert_eq!(guest.call("sched_yield", &[]), OK);
}

#[test]
fn there_are_no_signals() {
    let mut guest = Guest::new(WasiCtx::builder().build());
    guest.fails("proc_raise", &[6], NOSYS);
}
