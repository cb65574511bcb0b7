//! Where a program is entered: `_start` of a command, or the function that `--invoke` names.

use std::ffi::OsString;

use wrun::{ExternType, FuncType, Module, Val};

use super::invoke;
use crate::{exit::Exit, render::Failure};

/// The entry of a command.
pub(super) const START: &str = "_start";

/// What a reactor wants to be called before anything else.
pub(super) const INITIALIZE: &str = "_initialize";

/// Exports that a message lists before it says how many there are.
const LISTED: usize = 20;

/// How a program is entered.
#[derive(Clone, Debug)]
pub(super) enum Entry {
    /// By `_start`.
    Start,
    /// By an exported function with these arguments.
    Invoke(Call),
}

/// A call of an exported function.
#[derive(Clone, Debug)]
pub(super) struct Call {
    /// The export.
    pub(super) name: String,
    /// Its type.
    pub(super) ty: FuncType,
    /// Its arguments, as many and of the types that it takes.
    pub(super) arguments: Vec<Val>,
}

/// Finds the entry of `module`, called `name` in messages. `words` are the function's arguments when `invoke` names one.
///
/// # Errors
/// When there is no entry, or the words are not what the function takes. Either is told before anything runs.
pub(super) fn find(
    module: &Module,
    name: &str,
    invoke: Option<&str>,
    words: &[OsString],
) -> Result<Entry, Failure> {
    if let Some(function) = invoke {
        return match module.get_export(function) {
            Some(ExternType::Func(ty)) => {
                let arguments = invoke::parse_arguments(function, &ty, words)?;
                Ok(Entry::Invoke(Call { name: function.to_owned(), ty, arguments }))
            }
            Some(other) => {
                Err(Failure::usage(format!("`{function}` is not a function: it is {other}")))
            }
            None => {
                let failure = Failure::usage(format!("{name} exports no function `{function}`"));
                Err(list_functions(failure, module))
            }
        };
    }
    let is_entry = |ty: &FuncType| ty.params().is_empty() && ty.results().is_empty();
    match module.get_export(START) {
        Some(ExternType::Func(ty)) if is_entry(&ty) => Ok(Entry::Start),
        Some(other) => {
            Err(Failure::new(Exit::CannotRun, format!("{name} has a `{START}` that is no entry"))
                .cause(format!("expected (func), found {other}")))
        }
        None => {
            let what = if module.get_export(INITIALIZE).is_some() {
                format!("{name} is a reactor: it has no `{START}`, but functions to call")
            } else {
                format!("{name} has no `{START}` to run")
            };
            Err(list_functions(Failure::new(Exit::CannotRun, what), module))
        }
    }
}

/// Adds the exported functions of `module` to a failure.
fn list_functions(failure: Failure, module: &Module) -> Failure {
    let exports = module.exports();
    let functions: Vec<_> = exports
        .filter_map(|export| match export.ty() {
            ExternType::Func(ty) => Some(format!("  {} {ty}", export.name())),
            _ => None,
        })
        .collect();
    if functions.is_empty() {
        return failure.cause("it exports no function at all");
    }
    let mut failure = failure.cause("its exported functions are:");
    for function in functions.iter().take(LISTED) {
        failure = failure.cause(function);
    }
    if functions.len() > LISTED {
        failure = failure
            .cause(format!("  and {} more (`wrun inspect` lists all)", functions.len() - LISTED));
    }
    failure.hint("`--invoke NAME` calls one of them")
}
