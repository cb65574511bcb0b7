//! [`CompiledFunc`]: a compiled function that has no place yet, and what it takes to give it one.
//!
//! It is what a compiler hands to whoever links: the linker of whole images, the runtime where functions are compiled as
//! they are called, and whoever takes an image apart to put its functions into another one. Offsets count from the start
//! of the function, so that it can go anywhere; only its calls depend on where.

use crate::{
    TrapCode,
    image::tables::{CatchingCall, StackMapEntry},
};

/// A function's code, and all that is said of it in tables. Offsets count from its start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CompiledFunc {
    /// Its code, and the constants behind it.
    pub code: Box<[u8]>,
    /// The alignment that its constants need, a power of two.
    pub align: u32,
    /// The calls to be resolved, by offset.
    pub calls: Box<[Call]>,
    /// The instructions that may trap, by offset.
    pub traps: Box<[(u32, TrapCode)]>,
    /// From which positions of the module the code stems; the first entry is at 0.
    pub addresses: Box<[(u32, u32)]>,
    /// Where its frame holds references to objects during calls: the offset behind each call that has any, ascending, with
    /// distances down from the frame pointer.
    pub stack_maps: Box<[StackMapEntry]>,
    /// Whether it accesses objects.
    pub uses_heap: bool,
    /// The calls whose exceptions it handles, ascending.
    pub catching_calls: Box<[CatchingCall]>,
    /// Its call frame instructions.
    pub unwind: Box<[u8]>,
    /// The indices of the functions that the compiler's input names, each once, in the order in which it names them.
    /// Calls go to some of them.
    pub callees: Box<[u32]>,
    /// The position in the module that the compiler's input counts positions from; [`AddressMap::NONE`] when it has none.
    ///
    /// [`AddressMap::NONE`]: crate::image::tables::AddressMap::NONE
    pub origin: u32,
    /// What the compiler's input was, if anybody wanted to know.
    pub input: Option<InputHash>,
}

/// A hash of all that the code of a function depends on, but not of where its module has it: the functions that it calls
/// count by the order in which it names them, positions by their distances.
///
/// Nobody can make up two inputs that have the same: code that was made for one guest would otherwise run in another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InputHash(pub [u8; 32]);

/// A direct call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Call {
    /// Where the distance is to be written.
    pub offset: u32,
    /// How it is written.
    pub kind: CallKind,
    /// The index of the function in the module.
    pub callee: u32,
}

/// How the distance to a callee is written into a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallKind {
    /// 32 bits, from behind them.
    X86Rel32,
    /// The low 26 bits of the instruction, in units of 4 bytes, from the instruction.
    Arm64Branch26,
}

/// The callee of a call is too far away for its instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a call over {0} bytes of code")]
pub struct TooFar(pub u64);

impl Call {
    /// Makes `code` as it was before the call was resolved. False when the call is not inside.
    pub(crate) fn forget(self, code: &mut [u8]) -> bool {
        let at = self.offset as usize;
        let Some(field) = code.get_mut(at..).and_then(|rest| rest.first_chunk_mut::<4>()) else {
            return false;
        };
        let kept = match self.kind {
            CallKind::X86Rel32 => 0,
            CallKind::Arm64Branch26 => 0xfc00_0000,
        };
        *field = (u32::from_le_bytes(*field) & kept).to_le_bytes();
        true
    }

    /// Writes into `code`, the function's, that the callee is `distance` bytes from the start of the function.
    ///
    /// # Errors
    /// When the instruction cannot reach that far.
    ///
    /// # Panics
    /// When the call is not inside the code.
    pub fn resolve(self, code: &mut [u8], distance: i64) -> Result<(), TooFar> {
        let at = self.offset as usize;
        let field: &mut [u8; 4] =
            (&mut code[at..at + 4]).try_into().expect("a slice of four bytes");
        let distance = distance - i64::from(self.offset);
        let too_far = TooFar(distance.unsigned_abs());
        let value = match self.kind {
            CallKind::X86Rel32 => i32::try_from(distance - 4).map_err(|_| too_far)? as u32,
            CallKind::Arm64Branch26 => {
                if !(-(1 << 27)..1 << 27).contains(&distance) {
                    return Err(too_far);
                }
                u32::from_le_bytes(*field) & 0xfc00_0000 | (distance >> 2) as u32 & 0x03ff_ffff
            }
        };
        *field = value.to_le_bytes();
        Ok(())
    }
}

/// At which addresses functions may start: those that are `phase` behind a multiple of `align`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Placement {
    /// A power of two.
    pub align: u64,
    /// Less than `align`.
    pub phase: u64,
}

impl Placement {
    /// The first address from `end` on for a function whose constants need an alignment of `align`.
    pub fn next_start(self, end: u64, align: u32) -> u64 {
        let align = u64::from(align);
        if !self.phase.is_multiple_of(align) {
            return end.next_multiple_of(self.align.max(align));
        }
        let start = (end.max(self.phase) - self.phase).next_multiple_of(self.align.max(align));
        start + self.phase
    }
}

#[cfg(test)]
mod tests {
    use super::{Call, CallKind, Placement, TooFar};

    #[test]
    fn alignment_for_constants_comes_before_the_phase() {
        let placement = Placement { align: 64, phase: 16 };
        assert_eq!([0, 16, 17, 80].map(|end| placement.next_start(end, 16)), [16, 16, 80, 80]);
        assert_eq!(placement.next_start(17, 32), 64);
    }

    #[test]
    fn distances_on_x86_count_from_behind_the_field() {
        let call = Call { offset: 1, kind: CallKind::X86Rel32, callee: 0 };
        let mut code = [0xe8, 0, 0, 0, 0];
        call.resolve(&mut code, 64).unwrap();
        assert_eq!(code[1..], 59_i32.to_le_bytes());
        call.resolve(&mut code, -64).unwrap();
        assert_eq!(code[1..], (-69_i32).to_le_bytes());
        assert_eq!(call.resolve(&mut code, 1 << 31 | 5), Err(TooFar((1 << 31) + 4)));
    }

    #[test]
    fn distances_on_aarch64_keep_the_opcode_and_are_bounded() {
        let call = Call { offset: 0, kind: CallKind::Arm64Branch26, callee: 0 };
        let mut code = 0x9400_0000_u32.to_le_bytes();
        call.resolve(&mut code, 64).unwrap();
        assert_eq!(u32::from_le_bytes(code), 0x9400_0010);
        assert_eq!(call.resolve(&mut code, 1 << 27), Err(TooFar(1 << 27)));
    }
}
