//! [`LinkError`]: everything that is wrong with a module's imports.

use std::fmt;

use wrun_module::ExternType;

use crate::{ImportType, Module};

/// What a module imports is not there, or not as the module expects.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct LinkError {
    /// The module's name, if it has one.
    pub module: Option<String>,
    /// Every import that does not fit, in the module's order.
    pub problems: Vec<ImportProblem>,
}

/// An import that does not fit.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ImportProblem {
    /// The import's first name.
    pub module: String,
    /// The import's second name.
    pub name: String,
    /// What the module expects.
    pub expected: ExternType,
    /// What there is; nothing when the name is unknown.
    pub found: Option<ExternType>,
}

impl LinkError {
    pub(crate) fn new(module: &Module, problems: Vec<ImportProblem>) -> Self {
        Self { module: module.name().map(str::to_owned), problems }
    }
}

impl ImportProblem {
    pub(crate) fn new(import: &ImportType<'_>, found: Option<ExternType>) -> Self {
        Self {
            module: import.module().to_owned(),
            name: import.name().to_owned(),
            expected: import.ty().clone(),
            found,
        }
    }
}

impl fmt::Display for ImportProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { module, name, expected, found } = self;
        match found {
            None => write!(f, "unknown import: `{module}` `{name}` {expected}"),
            Some(found) => write!(
                f,
                "incompatible import type: `{module}` `{name}`: expected {expected}, found {found}{}",
                // Both say what the type consists of, which is not all that makes it.
                if expected == found {
                    ", which are declared with different supertypes or in different recursion groups"
                } else {
                    ""
                }
            ),
        }
    }
}

impl fmt::Display for LinkError {
    /// A line for each problem.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.problems.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            problem.fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for LinkError {}
