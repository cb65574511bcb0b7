//! The one place where wrun's trap codes and Cranelift's are told from one another.
//!
//! Ours are Cranelift's user codes of the same number. Cranelift puts a few codes of its own on instructions that it
//! makes itself, on a division for one; they are mapped to ours when the code is taken out.

use cranelift_codegen::ir;
use wrun_module::TrapCode;

/// The code to put on an instruction that traps as `code` says.
pub(crate) fn clif_trap(code: TrapCode) -> ir::TrapCode {
    ir::TrapCode::unwrap_user(code as u8)
}

/// What an instruction with Cranelift's `code` traps as. Nothing for codes that no instruction of ours has.
pub(crate) fn module_trap(code: ir::TrapCode) -> Option<TrapCode> {
    match code {
        ir::TrapCode::STACK_OVERFLOW => Some(TrapCode::StackExhausted),
        ir::TrapCode::INTEGER_OVERFLOW => Some(TrapCode::IntegerOverflow),
        ir::TrapCode::INTEGER_DIVISION_BY_ZERO => Some(TrapCode::IntegerDivideByZero),
        ir::TrapCode::BAD_CONVERSION_TO_INTEGER => Some(TrapCode::InvalidConversionToInteger),
        ir::TrapCode::HEAP_OUT_OF_BOUNDS => Some(TrapCode::MemoryOutOfBounds),
        user => TrapCode::from_u8(user.as_raw().get()),
    }
}

#[cfg(test)]
mod tests {
    use cranelift_codegen::ir;
    use wrun_module::TrapCode;

    use super::{clif_trap, module_trap};

    #[test]
    fn every_code_comes_back_as_itself() {
        for &code in TrapCode::ALL {
            assert_eq!(module_trap(clif_trap(code)), Some(code));
        }
    }

    #[test]
    fn every_code_of_cranelift_has_a_meaning() {
        for &code in ir::TrapCode::non_user_traps() {
            assert!(module_trap(code).is_some(), "{code}");
        }
    }
}
