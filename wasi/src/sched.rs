//! Scheduling: letting others run.

use crate::call::{Call, run};
use crate::errno::Errno;
use wasi_common::snapshots::preview_1::wasi_snapshot_preview1 as abi;
use wrun_runtime::Result;

/// Lets other threads of the host run first.
///
/// Spec: <https://github.com/WebAssembly/WASI/blob/main/legacy/preview1/docs.md#sched_yield>
pub(crate) fn sched_yield(call: &mut Call<'_>) -> Result<Errno> {
    run(abi::sched_yield(&mut call.ctx.inner, &mut call.memory))
}
