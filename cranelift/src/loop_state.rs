//! [`StateLayout`]: how the state of a loop lies in memory, when a frame of the baseline tier hands it on to code that goes on
//! from there ([`FunctionCompiler::compile_loop`](wrun_module::FunctionCompiler::compile_loop)).
//!
//! Two kinds of code write it (`translate::tiering`, `direct::tiering`), one reads it (`translate::loop_entry`): what they have to
//! agree on is here. All locals come first, then all operands from the bottom.

/// One value behind the other, each as far aligned as it is large.
#[derive(Clone, Copy, Default)]
pub(crate) struct StateLayout {
    end: u32,
}

impl StateLayout {
    /// The alignment of the whole: a vector's.
    pub(crate) const ALIGN_SHIFT: u8 = 4;

    /// What comes behind `end` bytes.
    pub(crate) fn behind(end: u32) -> Self {
        Self { end }
    }

    /// The offset of the next value, which has `bytes` bytes.
    pub(crate) fn push(&mut self, bytes: u32) -> u32 {
        let offset = self.end.next_multiple_of(bytes);
        self.end = offset + bytes;
        offset
    }

    /// Bytes of all values, without padding behind the last.
    pub(crate) fn size(self) -> u32 {
        self.end
    }
}
