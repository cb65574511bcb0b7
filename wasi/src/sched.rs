//! Scheduling: letting others run.

use crate::call::{Call, Outcome};

/// Lets other threads of the host run first.
///
/// Spec: <https://github.com/WebAssembly/WASI/blob/main/legacy/preview1/docs.md#sched_yield>
#[expect(clippy::unnecessary_wraps, reason = "every function of the list has this type")]
pub(crate) fn sched_yield(_: &mut Call<'_>) -> Outcome {
    std::thread::yield_now();
    Ok(())
}
