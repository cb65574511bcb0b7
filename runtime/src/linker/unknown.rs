//! Definitions for imports that nobody defines: for modules that import more than they use.

use wrun_module::ExternType;

use super::Linker;
use crate::{AsContextMut, Error, Extern, Global, Memory, Module, Ref, Result, Table, Tag, Val};

impl<T: 'static> Linker<T> {
    /// Defines each function that a module imports and that is not defined as one that fails when it is called, naming
    /// itself. Tables, memories, globals and tags stay unknown.
    ///
    /// # Errors
    /// None at present.
    pub fn define_unknown_imports_as_traps(&mut self, module: &Module) -> Result<()> {
        for import in module.imports() {
            let Some(ty) = import.func_type() else { continue };
            if self.lookup(import.module(), import.name()).is_some() {
                continue;
            }
            let what =
                format!("unknown import `{}` `{}` was called", import.module(), import.name());
            self.func_of_type(import.module(), import.name(), ty, move |_, _, _| {
                Err(Error::host(what.clone()))
            })?;
        }
        Ok(())
    }

    /// Defines each import of a module that is not defined: functions that give zero and null, and tables, memories and
    /// globals of the least size, full of them.
    ///
    /// # Errors
    /// When the store has no room for a table or memory.
    pub fn define_unknown_imports_as_default_values(
        &mut self,
        mut store: impl AsContextMut<Data = T>,
        module: &Module,
    ) -> Result<()> {
        for import in module.imports() {
            if self.lookup(import.module(), import.name()).is_some() {
                continue;
            }
            let item: Extern = match import.ty() {
                ExternType::Func(ty) => {
                    let Some(name) = import.func_type() else { continue };
                    let zeros: Vec<Val> = ty.results().iter().map(|&ty| Val::zero(ty)).collect();
                    self.func_of_type(
                        import.module(),
                        import.name(),
                        name,
                        move |_, _, results| {
                            results.copy_from_slice(&zeros);
                            Ok(())
                        },
                    )?;
                    continue;
                }
                ExternType::Table(ty) => {
                    Table::new(&mut store, *ty, Ref::null(ty.element.heap))?.into()
                }
                ExternType::Memory(ty) => Memory::new(&mut store, *ty)?.into(),
                ExternType::Tag(ty) => Tag::new(&mut store, ty)?.into(),
                ExternType::Global(ty) => {
                    Global::new(&mut store, *ty, Val::zero(ty.content))?.into()
                }
            };
            self.define(&store, import.module(), import.name(), item)?;
        }
        Ok(())
    }
}
