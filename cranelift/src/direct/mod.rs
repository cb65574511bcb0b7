//! From the body of a function straight to machine code, in one pass: code of the baseline tier for x86-64.
//!
//! Whoever starts a program waits for the code of what it calls first, and most of that runs a few times only. Cranelift takes
//! more than ten times as long for it, even without optimisation, as reading the instructions one by one and writing down for each
//! what it does. RATIONALE.md has the figures.
//!
//! The code looks to everybody as if it was Cranelift's: same conventions, frames, tables, counters and states of loops; a
//! function of one kind calls one of the other. What is rare is not written here: a function with vectors, references,
//! exceptions, several results, checked memories and so on is left to Cranelift ([`compile`] gives nothing then).
//!
//! - `code`: machine code, labels, and the tables beside it; `registers`: which are free;
//! - `value`, `block`: what the stacks hold; `operands`: where values are, and the rule that holds where ways meet; `function`: the frame;
//! - `control`, `call`, `variable`, `memory`, `integer`, `float`, `conversion`: a method `visit_<opcode>` for each opcode;
//! - `tiering`: counting, and leaving for better code.
//!
//! As in `translate`, bodies are valid, and what validation has ruled out is not checked again.

mod block;
mod call;
mod code;
mod control;
mod conversion;
mod dispatch;
mod float;
mod function;
mod integer;
mod memory;
mod operands;
mod registers;
#[cfg(test)]
mod tests;
mod tiering;
mod value;
mod variable;

use cranelift_codegen::isa::{TargetIsa, unwind::UnwindInst};
use target_lexicon::{Architecture, OperatingSystem};
use wasmparser::{Operator, OperatorsReader};
use wrun_module::{CompiledFunc, ValType, layout::hot};

use self::{dispatch::Dispatch, function::Direct};
use crate::{env::ModuleEnv, unwind::UnwindTarget};

pub(crate) use self::code::Code;

/// Functions whose code gets larger are left to Cranelift: distances have 32 bits, of which this leaves most for what comes last.
const LARGEST_CODE: u32 = 256 << 20;

/// A function is left to Cranelift.
#[derive(Clone, Copy, Debug)]
struct Abort;

/// What the processor has beyond what all have.
#[derive(Clone, Copy, Debug, Default)]
struct Features {
    popcnt: bool,
    lzcnt: bool,
    bmi1: bool,
}

/// For a target and options that code is written for here, how.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Support(Features);

impl Support {
    /// Nothing for other processors, other conventions, and where NaNs are to be the same everywhere.
    pub(crate) fn new(isa: &dyn TargetIsa) -> Option<Self> {
        let triple = isa.triple();
        let is_known = triple.architecture == Architecture::X86_64
            && triple.operating_system != OperatingSystem::Windows;
        if !is_known || isa.flags().enable_nan_canonicalization() {
            return None;
        }
        let flags = isa.isa_flags();
        let has =
            |name: &str| flags.iter().any(|flag| flag.name == name && flag.as_bool() == Some(true));
        has("has_sse41").then(|| {
            Self(Features {
                popcnt: has("has_popcnt"),
                lzcnt: has("has_lzcnt"),
                bmi1: has("has_bmi1"),
            })
        })
    }
}

/// The function at a position in code of the baseline tier. Nothing when something in it is left to Cranelift. `code` is where
/// it is written, and lent only.
pub(crate) fn compile(
    support: Support,
    isa: &dyn TargetIsa,
    env: &ModuleEnv<'_>,
    position: usize,
    code: &mut Code,
) -> Option<CompiledFunc> {
    let mut direct = Direct::new(env, support.0, position, std::mem::take(code));
    let result = translate(&mut direct, isa, position);
    *code = direct.code;
    result.ok()
}

fn translate(
    direct: &mut Direct<'_>,
    isa: &dyn TargetIsa,
    position: usize,
) -> Result<CompiledFunc, Abort> {
    let body = &direct.env.module.bodies[position];
    if direct.ty.results().len() > 1 {
        return Err(Abort);
    }
    direct.declare_locals(body.get_locals_reader().map_err(|_| Abort)?)?;
    direct.begin();
    direct.count(hot::CALL);
    let mut reader = body.get_operators_reader().map_err(|_| Abort)?;
    while !reader.eof() {
        let offset = reader.original_position();
        direct.code.position = offset as u32;
        direct.position_in_body = (offset - body.range().start) as u32;
        if direct.reachable {
            reader.visit_operator(&mut Dispatch(direct)).map_err(|_| Abort)?;
        } else {
            skip(direct, &mut reader)?;
        }
        if direct.aborted || direct.code.offset() > LARGEST_CODE {
            return Err(Abort);
        }
    }
    direct.end_cold();
    direct.end()?;
    let pushed = UnwindInst::PushFrameRegs { offset_upward_to_caller_sp: 16 };
    let frame = UnwindInst::DefineNewFrame {
        offset_upward_to_caller_sp: 16,
        offset_downward_to_clobbers: 0,
    };
    // Behind `push rbp`, and behind `mov rbp, rsp`.
    let notes = [(1, pushed), (4, frame)];
    let unwind = UnwindTarget::new(isa).instructions(isa, &notes).map_err(|_| Abort)?;
    Ok(direct.code.finish(unwind))
}

/// Reads one instruction that cannot be reached. Only where blocks begin and end matters.
fn skip(direct: &mut Direct<'_>, reader: &mut OperatorsReader<'_>) -> Result<(), Abort> {
    match reader.read().map_err(|_| Abort)? {
        Operator::Block { .. } | Operator::Loop { .. } | Operator::If { .. } => {
            direct.skipped_blocks += 1;
        }
        Operator::TryTable { .. } | Operator::Try { .. } => return Err(Abort),
        Operator::End if direct.skipped_blocks > 0 => direct.skipped_blocks -= 1,
        Operator::End => direct.visit_end(),
        Operator::Else if direct.skipped_blocks == 0 => direct.visit_else(),
        _ => {}
    }
    Ok(())
}

/// The results of a block whose type is one value.
fn single_result(ty: wasmparser::ValType) -> &'static [ValType] {
    match ty {
        wasmparser::ValType::I32 => &[ValType::I32],
        wasmparser::ValType::I64 => &[ValType::I64],
        wasmparser::ValType::F32 => &[ValType::F32],
        wasmparser::ValType::F64 => &[ValType::F64],
        // Left to Cranelift, as whoever sees the type finds.
        wasmparser::ValType::V128 | wasmparser::ValType::Ref(_) => &[ValType::V128],
    }
}
