//! What a value is while code is written: its type, and where it is.

use wrun_module::ValType;

use super::code::{Condition, GprOrMemory};

/// The types that code is written for here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Type {
    I32,
    I64,
    F32,
    F64,
}

impl Type {
    pub(super) fn of(ty: ValType) -> Option<Self> {
        match ty {
            ValType::I32 => Some(Self::I32),
            ValType::I64 => Some(Self::I64),
            ValType::F32 => Some(Self::F32),
            ValType::F64 => Some(Self::F64),
            ValType::V128 | ValType::Ref(_) => None,
        }
    }

    pub(super) fn bytes(self) -> u32 {
        match self {
            Self::I32 | Self::F32 => 4,
            Self::I64 | Self::F64 => 8,
        }
    }

    pub(super) fn is_integer(self) -> bool {
        matches!(self, Self::I32 | Self::I64)
    }
}

/// Where an operand is.
#[derive(Clone, Copy, Debug)]
pub(super) enum Location {
    /// Nowhere: it is this constant, whose upper half is zero when the type has 32 bits.
    Constant(u64),
    /// The value of a local, which has not been set since.
    Local(u32),
    /// A register that is nobody else's. The upper half of an `i32` is zero.
    Register(u8),
    /// Its slot.
    Slot,
    /// What the last comparison found. Only the topmost, and only until the next instruction.
    Flags(Condition),
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Operand {
    pub(super) ty: Type,
    pub(super) location: Location,
}

/// An operand that was popped.
#[derive(Clone, Copy, Debug)]
pub(super) enum Popped {
    Constant(u64),
    /// It is ours to change.
    Owned(u8),
    /// It has the value of a local, and must not change.
    Held(u8),
    /// In the frame, at this offset.
    Frame(i32),
    /// As `Frame`, a local.
    Local(u32, i32),
}

/// The right operand of an instruction.
pub(super) enum Right {
    Immediate(i32),
    Operand(GprOrMemory),
}
