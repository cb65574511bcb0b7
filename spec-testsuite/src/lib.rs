//! The official test suite of WebAssembly on wrun: which files there are, which language each is written in, and
//! which of them are not expected to pass yet.
//!
//! The trials themselves, a file in a configuration each, are in `tests/suite.rs`:
//!
//! ```text
//! cargo test -p spec-testsuite                       # all of them
//! cargo test -p spec-testsuite -- wasm-v2/linking    # those with this in their name
//! WRUN_BLESS=1 cargo test -p spec-testsuite          # writes expected-failures.txt anew
//! ```

#![forbid(unsafe_code)]

mod expected;
mod groups;

pub use expected::{ExpectedFailures, reason};
pub use groups::{File, files};
