//! Random bytes, from a generator for cryptography that the system seeds.

use crate::call::{Call, run};
use crate::errno::Errno;
use wasi_common::snapshots::preview_1::wasi_snapshot_preview1 as abi;
use wrun_runtime::Result;

/// Fills a part of memory with random bytes.
///
/// - `buf`, `buf_len`: the part; when it is not inside the memory the guest traps
///
/// Spec: <https://github.com/WebAssembly/WASI/blob/main/legacy/preview1/docs.md#random_get>
pub(crate) fn random_get(call: &mut Call<'_>, buf: i32, buf_len: i32) -> Result<Errno> {
    run(abi::random_get(&mut call.ctx.inner, &mut call.memory, buf, buf_len))
}
