//! The CLIF of a module as text, for golden tests and for looking at.

use std::fmt::Write;

use cranelift_codegen::ir;
use cranelift_frontend::FunctionBuilderContext;
use wrun_module::{CompileError, CompileOptions, ParsedModule, Tier};

use super::{Form, translate};
use crate::{env::ModuleEnv, target};

/// The target that text is made for, whatever the host is.
const TARGET: &str = "x86_64-unknown-linux-gnu";

/// The CLIF of all functions of a module as it is handed to the optimiser, verified, for x86-64 Linux.
///
/// # Errors
/// When a function cannot be translated, or its CLIF does not pass Cranelift's verifier.
pub fn clif_text(
    module: &ParsedModule<'_>,
    options: &CompileOptions,
) -> Result<String, CompileError> {
    let (isa, _) = target::lookup(Some(TARGET), *options)?;
    let env = ModuleEnv::new(&*isa, *options, module);
    let mut frontend = FunctionBuilderContext::new();
    let mut text = String::new();
    for position in 0..module.bodies.len() {
        let mut func = ir::Function::new();
        translate(&env, position, Form::Whole(Tier::Optimised), &mut frontend, &mut func)?;
        cranelift_codegen::verify_function(&func, &*isa).map_err(|errors| {
            let index = module.defined_func(position);
            CompileError::Function {
                func: index.0.to_string(),
                reason: format!("{errors}\n{}", func.display()),
            }
        })?;
        let separator = if position == 0 { "" } else { "\n" };
        write!(text, "{separator}{}", func.display()).expect("writing to a string does not fail");
    }
    Ok(text)
}
