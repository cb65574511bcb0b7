//! The steps of an instantiation, in the order of the specification (*Execution › Modules › Instantiation*): allocate,
//! evaluate globals, fill tables, evaluate and copy element segments, copy data segments, call the start function.

use std::time::Instant;

use wrun_module::{
    ConstExpr, DataIndex, DataSegment, ElemIndex, ElementItems, ElementKind, GlobalIndex,
    MemoryIndex, TableIndex, TrapCode,
};

use crate::{
    Error, Module, Ref, Result, Val,
    vm::{StoreOpaque, TypedHandle, VmImports, VmRef},
};

/// Instantiates a module whose imports fit, and gives the instance's position. When a later step fails the instance stays
/// in the store: others may refer to it by then.
pub(super) fn instantiate(
    store: &mut StoreOpaque,
    module: &Module,
    imports: VmImports,
) -> Result<usize> {
    let start = Instant::now();
    let position = store.create_instance(module, imports)?;
    let mut instance = NewInstance { store, module, position };
    instance.fill()?;
    tracing::debug!(elapsed = ?start.elapsed(), "instantiate");
    instance.start()?;
    Ok(position)
}

struct NewInstance<'a> {
    store: &'a mut StoreOpaque,
    module: &'a Module,
    position: usize,
}

impl NewInstance<'_> {
    /// All steps that evaluate expressions. What these refer to is kept by whatever was filled with it.
    fn fill(&mut self) -> Result<()> {
        let scope = self.store.begin_scope();
        let filled = self.globals().and_then(|()| self.tables()).and_then(|()| self.elements());
        self.store.end_scope(scope);
        filled?;
        self.data()?;
        self.store.set_complete(self.position);
        Ok(())
    }

    fn globals(&mut self) -> Result<()> {
        for (index, global) in self.module.info().globals.iter().enumerate() {
            let Some(init) = &global.init else { continue };
            let value = self.evaluate(init)?;
            let global = self.store.instance(self.position).global(GlobalIndex::from_index(index));
            self.store.set_global_value(global, value)?;
        }
        Ok(())
    }

    fn tables(&mut self) -> Result<()> {
        for (index, table) in self.module.info().tables.iter().enumerate() {
            let Some(init) = &table.init else { continue };
            let value = self.evaluate_ref(init)?;
            let position = self.store.instance(self.position).table(TableIndex::from_index(index));
            let written = self.store.fill_table(position, 0, value, table.ty.limits.min)?;
            written.map_err(|_| Error::from(TrapCode::TableOutOfBounds))?;
        }
        Ok(())
    }

    /// All segments have their elements before the first is copied: when that fails, others may still be used.
    fn elements(&mut self) -> Result<()> {
        for (index, segment) in self.module.info().elements.iter().enumerate() {
            let elem = ElemIndex::from_index(index);
            if matches!(segment.kind, ElementKind::Declared) {
                continue;
            }
            let items: Box<[VmRef]> = match &segment.items {
                ElementItems::Functions(funcs) => self.store.func_elements(self.position, funcs),
                ElementItems::Expressions(items) => {
                    // All of them first: what one refers to may move while the next is made.
                    let items: Result<Vec<Ref>> =
                        items.iter().map(|item| self.evaluate_ref(item)).collect();
                    items?.into_iter().map(|item| item.to_vm(self.store)).collect()
                }
            };
            self.store.set_elements(self.position, elem, items);
        }
        for (index, segment) in self.module.info().elements.iter().enumerate() {
            let elem = ElemIndex::from_index(index);
            if let ElementKind::Active { table, offset } = &segment.kind {
                let offset = self.evaluate_offset(offset)?;
                let written = self.store.initialise_table(self.position, *table, offset, elem);
                written.map_err(|_| Error::from(TrapCode::TableOutOfBounds))?;
            }
        }
        Ok(())
    }

    /// Mapped segments come first: they cannot fail, and no segment before them is copied.
    fn data(&mut self) -> Result<()> {
        let layout = &self.module.metadata().data;
        let (file, section) = self.module.code().code().data_file();
        let is_mapped = self.store.instance(self.position).has_mapped_data();
        for run in layout.runs.iter().filter(|_| !is_mapped) {
            let memory = self.memory(run.memory);
            let mapped = self.store.memory_mut(memory).map_file(
                run.offset,
                run.len,
                file,
                section + run.start,
            );
            mapped.map_err(|error| {
                Error::limit(format!("cannot map a memory's contents: {error}"))
            })?;
        }
        // Those that are mapped are as good as dropped.
        for copied in &layout.copied {
            let DataSegment::Active { memory, offset } = &copied.segment else { continue };
            let offset = self.evaluate_offset(offset)?;
            self.copy_data(*memory, offset, copied.index)?;
            self.store.drop_data(self.position, copied.index);
        }
        Ok(())
    }

    fn copy_data(&mut self, memory: MemoryIndex, offset: u64, data: DataIndex) -> Result<()> {
        let bytes = self.store.instance(self.position).data_segment(self.module, data);
        let memory = self.memory(memory);
        let written = self.store.memory_mut(memory).write(offset, bytes);
        written.ok_or_else(|| TrapCode::MemoryOutOfBounds.into())
    }

    fn start(&mut self) -> Result<()> {
        let Some(start) = self.module.info().start else { return Ok(()) };
        let func = self.store.instance_func(self.position, start);
        TypedHandle::<(), ()>::new(func, self.store)?.call(self.store, ())
    }

    fn memory(&self, memory: MemoryIndex) -> usize {
        self.store.instance(self.position).memory(memory)
    }

    /// The value of an expression for the start of a segment, unsigned.
    fn evaluate_offset(&mut self, expr: &ConstExpr) -> Result<u64> {
        match self.evaluate(expr)? {
            Val::I32(offset) => Ok(u64::from(offset as u32)),
            Val::I64(offset) => Ok(offset as u64),
            other => unreachable!("validated: {other:?} is no offset"),
        }
    }

    fn evaluate_ref(&mut self, expr: &ConstExpr) -> Result<Ref> {
        Ok(self.evaluate(expr)?.to_ref().expect("validated: the expression is a reference"))
    }

    /// The value of a constant expression, which is valid. What it refers to is kept in the scope that is open.
    fn evaluate(&mut self, expr: &ConstExpr) -> Result<Val> {
        super::constant::evaluate(self.store, self.module, self.position, expr)
    }
}
