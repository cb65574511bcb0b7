//! From the body of a WebAssembly function to CLIF.
//!
//! [`translate`] walks a body once. Each opcode goes through `dispatch` to the method `visit_<opcode>` of
//! [`FuncTranslator`] in the file of its family:
//!
//! - `control`, `index_ranges`, `call`, `tail_call`: structured control, branches, calls and returns; `frame` holds the control stack;
//! - `exception`: exceptions, and calls that they may come out of;
//! - `variable`, `reference`, `table`, `memory`, `address`, `atomic`, `bulk`, `short_range`: locals, globals, references and what an instance owns;
//! - `integer`, `wide`, `float`, `conversion`: arithmetic;
//! - `simd`: vectors;
//! - `gc`: structs, arrays and casts.
//!
//! `function` owns the operand stack, `local` the locals, `traced` what the collector has to know of both, `context` all access
//! to the instance's context. A function has several forms ([`Form`]): `tiering` and `loop_entry` are what sets them
//! apart. Bodies are valid: what
//! validation has ruled out is not checked again. Code that cannot be reached is read and thrown away, so that
//! methods never see it. Nothing recurses over nested blocks.

mod address;
mod atomic;
mod bulk;
mod call;
mod clif_text;
mod context;
mod control;
mod conversion;
mod dispatch;
mod exception;
mod float;
mod frame;
mod function;
mod gc;
mod index_ranges;
mod integer;
mod invariants;
mod local;
mod loop_entry;
mod memory;
mod reference;
mod short_range;
mod simd;
mod table;
mod tail_call;
mod tiering;
mod traced;
mod variable;
mod wide;

use cranelift_codegen::ir::{self, SourceLoc, UserFuncName};
use cranelift_frontend::FunctionBuilderContext;
use wasmparser::{FunctionBody, Operator, OperatorsReader};
use wrun_module::{CompileError, FuncIndex, Tier};

pub use self::clif_text::clif_text;
use self::{dispatch::Dispatch, function::FuncTranslator};
use crate::env::ModuleEnv;

/// Which code is made of a function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// The function.
    Whole(Tier),
    /// What is left of it from the beginning of the loop on whose instruction is at this offset of the body, optimised:
    /// what [`FunctionCompiler::compile_loop`](wrun_module::FunctionCompiler::compile_loop) describes.
    FromLoop(u32),
}

/// Translates the function whose body is at `position` of the module's bodies into `func`, which is empty.
///
/// Sets the name (namespace 0, index of the function) and the signature too. Source locations are offsets in the
/// module's bytes. Gives whether the code accesses objects of the garbage-collected heap.
///
/// # Errors
/// When the body is not valid, or uses an instruction this translator does not have. Neither happens with modules
/// that the parser has accepted.
pub(crate) fn translate(
    env: &ModuleEnv<'_>,
    position: usize,
    form: Form,
    frontend: &mut FunctionBuilderContext,
    func: &mut ir::Function,
) -> Result<bool, CompileError> {
    let index = env.module.defined_func(position);
    func.name = UserFuncName::user(0, index.0);
    func.signature = match form {
        Form::Whole(_) => env.abi.signature(env.module, index),
        Form::FromLoop(_) => {
            let convention = env.abi.convention(&env.module.info, index);
            env.abi.loop_signature(env.module.func_type(index), convention)
        }
    };
    let mut translator = FuncTranslator::new(env, index, form, frontend, func);
    translate_body(&mut translator, &env.module.bodies[position])
        .and_then(|()| translator.end_tiering())
        .map_err(|reason| CompileError::Function { func: func_label(env, index), reason })?;
    let uses_heap = translator.context.uses_heap();
    translator.finish();
    Ok(uses_heap)
}

/// How messages call a function: by its name if it has one.
fn func_label(env: &ModuleEnv<'_>, func: FuncIndex) -> String {
    match env.module.func_name(func) {
        Some(name) => format!("`{name}`"),
        None => func.0.to_string(),
    }
}

/// Declares the locals and visits every instruction.
fn translate_body(
    translator: &mut FuncTranslator<'_, '_>,
    body: &FunctionBody<'_>,
) -> Result<(), String> {
    let malformed = |error: wasmparser::Error| error.to_string();
    let count = body.get_locals_reader().map_err(malformed)?.into_iter();
    let count = count.map(|local| local.map_or(0, |(count, _)| u64::from(count))).sum();
    translator.begin_locals(count);
    for local in body.get_locals_reader().map_err(malformed)? {
        let (count, ty) = local.map_err(malformed)?;
        translator.declare_locals(count, ty);
    }
    translator.count_call();
    let mut reader = body.get_operators_reader().map_err(malformed)?;
    while !reader.eof() {
        if translator.reachable {
            let offset = reader.original_position();
            translator.builder.set_srcloc(source_loc(offset));
            translator.position_in_body = (offset - body.range().start) as u32;
            reader.visit_operator(&mut Dispatch(translator)).map_err(malformed)?;
            if let Some(what) = translator.refused() {
                return Err(format!("`{what}` at offset {offset:#x} is not implemented"));
            }
        } else {
            skip(translator, &mut reader).map_err(malformed)?;
        }
    }
    Ok(())
}

/// Reads one instruction that cannot be reached. Only where blocks begin and end matters.
fn skip(
    translator: &mut FuncTranslator<'_, '_>,
    reader: &mut OperatorsReader<'_>,
) -> wasmparser::Result<()> {
    translator.builder.set_srcloc(source_loc(reader.original_position()));
    match reader.read()? {
        Operator::Block { .. }
        | Operator::Loop { .. }
        | Operator::If { .. }
        | Operator::TryTable { .. }
        | Operator::Try { .. } => {
            translator.skipped_frames += 1;
        }
        Operator::End | Operator::Delegate { .. } if translator.skipped_frames > 0 => {
            translator.skipped_frames -= 1;
        }
        Operator::End => translator.visit_end(),
        Operator::Delegate { relative_depth } => translator.visit_delegate(relative_depth),
        Operator::Else if translator.skipped_frames == 0 => translator.visit_else(),
        Operator::Catch { tag_index } if translator.skipped_frames == 0 => {
            translator.visit_catch(tag_index);
        }
        Operator::CatchAll if translator.skipped_frames == 0 => translator.visit_catch_all(),
        _ => {}
    }
    Ok(())
}

/// The source location for an offset in the module. Modules have less than 4 GiB: the parser's limit on code is lower.
fn source_loc(offset: u64) -> SourceLoc {
    SourceLoc::new(offset as u32)
}
