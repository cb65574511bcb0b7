//! [`Trap`]: a program was stopped, why and where.

use std::fmt;

use wrun_module::TrapCode;

use crate::WasmBacktrace;

/// A program did what is not allowed and was stopped.
#[derive(Clone, Debug)]
pub struct Trap {
    code: TrapCode,
    backtrace: WasmBacktrace,
}

impl Trap {
    pub(crate) fn new(code: TrapCode, backtrace: WasmBacktrace) -> Self {
        Self { code, backtrace }
    }

    /// Adds where it happened, when that is not known.
    pub(crate) fn locate(&mut self, backtrace: impl FnOnce() -> WasmBacktrace) {
        if self.backtrace.frames().is_empty() {
            self.backtrace = backtrace();
        }
    }

    /// Why.
    pub fn code(&self) -> TrapCode {
        self.code
    }

    /// Where; empty when no WebAssembly was running.
    pub fn backtrace(&self) -> &WasmBacktrace {
        &self.backtrace
    }
}

impl From<TrapCode> for Trap {
    fn from(code: TrapCode) -> Self {
        Self { code, backtrace: WasmBacktrace::default() }
    }
}

impl fmt::Display for Trap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.code.fmt(f)
    }
}
