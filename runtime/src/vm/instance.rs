//! [`VmInstance`]: an instance's context, and what libcalls need to know of it.

use std::{
    alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error},
    ptr::NonNull,
    sync::Arc,
};

use wrun_module::{
    CopiedSegment, DataIndex, ElemIndex, ExternIndex, FuncIndex, GlobalIndex, ImportKind,
    MemoryIndex, TableIndex, TagIndex, ValType,
    layout::{GlobalPlace, context},
};

use super::{
    exit::LIBCALLS,
    func::FuncHandle,
    layout::{VmContextHead, VmEntry, VmFuncRef, VmGlobal, VmImportedFunc, VmInstanceHead, VmSlot},
    lazy::LazyCode,
    store::StoreOpaque,
    store_memory::StoreMemory,
    table::{VmRef, VmTable},
};
use crate::{Error, Module};

/// What an instance gets from outside, in the order of its index spaces; all but the functions by position in the
/// store.
#[derive(Debug, Default)]
pub(crate) struct VmImports {
    pub(crate) funcs: Vec<FuncHandle>,
    pub(crate) tables: Vec<usize>,
    pub(crate) memories: Vec<usize>,
    pub(crate) globals: Vec<usize>,
    pub(crate) tags: Vec<usize>,
}

/// An instance.
#[derive(Debug)]
pub(crate) struct VmInstance {
    module: Module,
    context: ContextBlock,
    /// Positions in the store, imported ones first.
    tables: Vec<usize>,
    memories: Vec<usize>,
    globals: Vec<usize>,
    tags: Vec<usize>,
    imported_funcs: Vec<FuncHandle>,
    /// The elements of each segment; none once it is dropped.
    elements: Vec<Box<[VmRef]>>,
    dropped_data: Vec<bool>,
    /// The memory exported as `memory`.
    default_memory: Option<usize>,
    /// Whether mapped data are in its memories already, which it has from an earlier instance.
    has_mapped_data: bool,
    /// Whether all steps of its instantiation but the start function are done.
    is_complete: bool,
}

/// What a module calls one of its tags.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TagName<'a> {
    /// The name in its interface.
    Name(&'a str),
    /// The index, for a tag that is in no interface.
    Index(TagIndex),
}

/// The memory of a context.
#[derive(Debug)]
pub(super) struct ContextBlock {
    base: NonNull<u8>,
    layout: Layout,
    /// Who writes to its references to functions.
    lazy: Option<Arc<LazyCode>>,
}

impl ContextBlock {
    fn new(size: u32) -> Self {
        let layout =
            Layout::from_size_align(size as usize, 16).expect("the size of a context fits");
        // SAFETY: a context is never empty: it has a head.
        let base = unsafe { alloc_zeroed(layout) };
        let Some(base) = NonNull::new(base) else { handle_alloc_error(layout) };
        Self { base, layout, lazy: None }
    }

    /// Writes to an offset of the layout that the context was made with.
    fn write<T>(&self, offset: u32, value: T) {
        let offset = offset as usize;
        assert!(offset + size_of::<T>() <= self.layout.size(), "write behind a context");
        // SAFETY: in bounds by the assertion; the layout aligns every part; no code of the instance runs while the
        // store is borrowed.
        unsafe { self.base.as_ptr().add(offset).cast::<T>().write(value) }
    }

    fn at<T>(&self, offset: u32) -> NonNull<T> {
        assert!(offset as usize + size_of::<T>() <= self.layout.size(), "pointer behind a context");
        // SAFETY: in bounds by the assertion.
        unsafe { self.base.add(offset as usize).cast() }
    }
}

// SAFETY: the block is owned. What it points to is written anew for each instance; references to functions, which stay,
// point into the module's code, which outlives the block, and to the block.
unsafe impl Send for ContextBlock {}

impl ContextBlock {
    /// Zeroes what lies in front of an offset. No instance has the block any more.
    pub(super) fn clear_before(&self, offset: u32) {
        assert!(offset as usize <= self.layout.size(), "clear behind a context");
        // SAFETY: in bounds by the assertion; no code runs that could read it.
        unsafe { self.base.as_ptr().write_bytes(0, offset as usize) }
    }
}

impl Drop for ContextBlock {
    fn drop(&mut self) {
        if let Some(lazy) = &self.lazy {
            lazy.remove_context(self.base);
        }
        // SAFETY: allocated by `new` with this layout.
        unsafe { dealloc(self.base.as_ptr(), self.layout) };
    }
}

impl StoreOpaque {
    /// Makes an instance of a module and gives its position: tables are null, memories zero, globals zero, element
    /// segments empty. `imports` match the module's.
    ///
    /// # Errors
    /// When a limit of the store is passed, or the system has no room.
    pub(crate) fn create_instance(
        &mut self,
        module: &Module,
        imports: VmImports,
    ) -> Result<usize, Error> {
        let position = self.next_instance()?;
        if module.metadata().uses_heap {
            self.make_heap()?;
        }
        let info = module.info();
        let VmImports { funcs, mut tables, mut memories, mut globals, mut tags } = imports;
        let (context, mut spare_tables, mut spare_memories) = match module.spare_parts().take() {
            Some(spare) => (Some(spare.context), spare.tables, spare.memories),
            None => (None, Vec::new(), Vec::new()),
        };
        let is_renewed = context.is_some();
        let (mut spare_tables, mut spare_memories) =
            (spare_tables.drain(..), spare_memories.drain(..));
        for table in &info.tables[tables.len()..] {
            tables.push(self.add_table_from(table.ty, spare_tables.next())?);
        }
        for &memory in &info.memories[memories.len()..] {
            memories.push(self.add_memory_from(memory, spare_memories.next())?);
        }
        for &ty in &info.tags[tags.len()..] {
            tags.push(self.add_tag(module.type_ids()[ty.index()])?);
        }
        let mut context = context.unwrap_or_else(|| ContextBlock::new(module.layout().size()));
        self.write_head(&context, module, position);
        let layout = module.layout();
        for (index, func) in funcs.iter().enumerate() {
            let func_ref = func.resolve(self);
            context.write(
                layout.imported_func(FuncIndex::from_index(index)),
                VmImportedFunc {
                    native: func_ref.native.code(),
                    context: func_ref.context,
                    func_ref: NonNull::from(func_ref),
                },
            );
        }
        for (index, &table) in tables.iter().enumerate() {
            context
                .write(layout.table(TableIndex::from_index(index)), table_slot(self.table(table)));
        }
        for (index, &memory) in memories.iter().enumerate() {
            let slot = self.memory(memory).slot();
            context.write(layout.memory(MemoryIndex::from_index(index)), slot);
        }
        for (index, &tag) in tags.iter().enumerate() {
            // Their number is bounded when they are made.
            context.write(layout.tag(TagIndex::from_index(index)), tag as u32);
        }
        for index in 0..info.globals.len() {
            match layout.global(GlobalIndex::from_index(index)) {
                GlobalPlace::Pointer(offset) => {
                    context.write(offset, self.global(globals[index]).place)
                }
                GlobalPlace::Inline(offset) => {
                    let place: NonNull<VmGlobal> = context.at(offset);
                    globals.push(self.add_global(info.globals[index].ty, place));
                }
            }
        }
        if !is_renewed {
            write_func_refs(&mut context, module);
        }
        Ok(self.add_instance(VmInstance {
            module: module.clone(),
            context,
            default_memory: module.default_memory().map(|memory| memories[memory.index()]),
            tables,
            memories,
            globals,
            tags,
            imported_funcs: funcs,
            elements: vec![Box::default(); info.elements.len()],
            dropped_data: vec![false; info.num_data_segments as usize],
            has_mapped_data: is_renewed,
            is_complete: false,
        }))
    }

    fn write_head(&mut self, context: &ContextBlock, module: &Module, position: usize) {
        let head = VmContextHead { magic: context::INSTANCE_MAGIC, store: self.vm_context() };
        context.write(
            0,
            VmInstanceHead {
                head,
                libcalls: LIBCALLS.as_ptr().cast(),
                type_ids: module.type_ids().as_ptr(),
                instance: position,
                supertypes: self.engine().types().supertypes().base(),
                counters: module.code().lazy().map_or(std::ptr::null(), |lazy| lazy.counters()),
            },
        );
    }

    /// The function with an index in an instance. It is imported or escapes.
    pub(crate) fn instance_func(&self, instance: usize, func: FuncIndex) -> FuncHandle {
        let instance = self.instance(instance);
        if let Some(imported) = instance.imported_funcs.get(func.index()) {
            return *imported;
        }
        let slot = instance.module.info().func_ref(func).expect("the function escapes");
        FuncHandle::new(self.id(), instance.context.at(instance.module.layout().func_ref(slot)))
    }

    /// Fills an element segment of an instance.
    pub(crate) fn set_elements(&mut self, instance: usize, elem: ElemIndex, items: Box<[VmRef]>) {
        self.instance_mut(instance).elements[elem.index()] = items;
    }

    /// The references to functions of an instance.
    pub(crate) fn func_elements(&self, instance: usize, funcs: &[FuncIndex]) -> Box<[VmRef]> {
        let instance = self.instance(instance);
        let (layout, places) = (instance.module.layout(), instance.module.func_ref_places());
        let reference = |func: &FuncIndex| match instance.imported_funcs.get(func.index()) {
            Some(imported) => imported.pointer(),
            None => {
                let place = places.get(func.index()).filter(|&&place| place != u32::MAX);
                instance.context.at(layout.func_ref(*place.expect("the function escapes")))
            }
        };
        funcs.iter().map(|func| VmRef::func(Some(reference(func)))).collect()
    }

    /// Copies elements of a segment into a table of an instance, as `table.init` does, and drops the segment.
    ///
    /// # Errors
    /// When the table has no room for them; nothing is written then.
    pub(crate) fn initialise_table(
        &mut self,
        instance: usize,
        table: TableIndex,
        start: u64,
        elem: ElemIndex,
    ) -> Result<(), super::table::OutOfTable> {
        let items = std::mem::take(&mut self.instance_mut(instance).elements[elem.index()]);
        let table = self.instance(instance).table(table);
        self.table_mut(table).write(start, &items)
    }

    /// Notes that an instance has got all that belongs to it.
    pub(crate) fn set_complete(&mut self, instance: usize) {
        self.instance_mut(instance).is_complete = true;
    }

    /// Drops a data segment.
    pub(crate) fn drop_data(&mut self, instance: usize, data: DataIndex) {
        self.instance_mut(instance).drop_data(data);
    }
}

/// Writes the references to the functions that the module defines and that escape. Those of a module that is compiled as it
/// runs are kept at the best code from now on.
fn write_func_refs(context: &mut ContextBlock, module: &Module) {
    let info = module.info();
    for (slot, decl) in info.func_refs.iter().enumerate() {
        if info.is_imported_func(decl.func) {
            // References to imported functions are those of the functions themselves.
            continue;
        }
        let position = decl.func.index() - info.num_imported_funcs as usize;
        let checked = "checked when the image was loaded";
        let code = module.code().function(position).expect(checked);
        let (native, tail) = match decl.adapter {
            None => (code, VmEntry::none()),
            Some(adapter) => (module.code().adapter(adapter).expect(checked), VmEntry::new(code)),
        };
        context.write(
            module.layout().func_ref(slot as u32),
            VmFuncRef {
                native: VmEntry::new(native),
                context: context.at(0),
                type_id: module.type_ids()[decl.ty.index()],
                tail,
            },
        );
    }
    if let Some(lazy) = module.code().lazy() {
        // SAFETY: the context has the layout of the module, its references are written, and dropping it removes it first.
        unsafe { lazy.add_context(context.base) };
        context.lazy = Some(lazy.clone());
    }
}

fn table_slot(table: &VmTable) -> VmSlot {
    VmSlot { base: table.definition.base, definition: NonNull::from(&table.definition) }
}

impl VmInstance {
    /// The module.
    pub(crate) fn module(&self) -> &Module {
        &self.module
    }

    /// Position of a table in the store.
    pub(crate) fn table(&self, table: TableIndex) -> usize {
        self.tables[table.index()]
    }

    /// Position of a memory in the store.
    pub(crate) fn memory(&self, memory: MemoryIndex) -> usize {
        self.memories[memory.index()]
    }

    /// Position of a global in the store.
    pub(crate) fn global(&self, global: GlobalIndex) -> usize {
        self.globals[global.index()]
    }

    /// Position of a tag in the store.
    pub(crate) fn tag(&self, tag: TagIndex) -> usize {
        self.tags[tag.index()]
    }

    /// The name by which the module exports a tag of the store, or imports it, or else its index there.
    pub(super) fn tag_name(&self, position: usize) -> Option<TagName<'_>> {
        let tag = self.tags.iter().position(|&tag| tag == position)?;
        let info = self.module.info();
        let item = ExternIndex::Tag(TagIndex::from_index(tag));
        if let Some(export) = info.exports.iter().find(|export| export.item == item) {
            return Some(TagName::Name(&export.name));
        }
        let mut imports =
            info.imports.iter().filter(|import| matches!(import.kind, ImportKind::Tag(_)));
        Some(match imports.nth(tag) {
            Some(import) => TagName::Name(&import.name),
            None => TagName::Index(TagIndex::from_index(tag)),
        })
    }

    /// Whether mapped data are in its memories already.
    pub(crate) fn has_mapped_data(&self) -> bool {
        self.has_mapped_data
    }

    /// Whether it has got all that belongs to it.
    pub(super) fn is_complete(&self) -> bool {
        self.is_complete
    }

    /// Its context, which is all that is left of it.
    pub(super) fn into_context(self) -> ContextBlock {
        self.context
    }

    /// Position of the memory exported as `memory`.
    pub(crate) fn default_memory(&self) -> Option<usize> {
        self.default_memory
    }

    /// The bytes of a data segment; none when it was dropped. `module` is the instance's.
    pub(crate) fn data_segment<'m>(&self, module: &'m Module, data: DataIndex) -> &'m [u8] {
        if self.dropped_data[data.index()] {
            return &[];
        }
        module.metadata().data.copied(data).map_or(&[], |&CopiedSegment { start, len, .. }| {
            &module.data_section()[start as usize..(start + len) as usize]
        })
    }

    pub(super) fn drop_data(&mut self, data: DataIndex) {
        self.dropped_data[data.index()] = true;
    }

    /// The elements of a segment.
    pub(super) fn element_segment(&self, elem: ElemIndex) -> &[VmRef] {
        &self.elements[elem.index()]
    }

    /// Visits the references to objects in its element segments.
    pub(super) fn visit_references(&mut self, mut visit: impl FnMut(&mut u32)) {
        let segments = self.module.info().elements.iter().zip(&mut self.elements);
        let traced = segments.filter(|(segment, _)| ValType::Ref(segment.ty).is_traced());
        for element in traced.flat_map(|(_, elements)| elements) {
            element.visit(&mut visit);
        }
    }

    pub(super) fn drop_element(&mut self, elem: ElemIndex) {
        self.elements[elem.index()] = Box::default();
    }

    /// Notes the new place of a memory of the store, when the instance uses it.
    pub(super) fn memory_moved(&self, position: usize, memory: &StoreMemory) {
        for (index, _) in self.memories.iter().enumerate().filter(|(_, other)| **other == position)
        {
            let offset = self.module.layout().memory(MemoryIndex::from_index(index));
            self.context.write(offset, memory.slot());
        }
    }
}
