//! [`StoreOpaque`]: a store without its user's data. Owns everything that instances refer to; nothing is freed before
//! the store is.
//!
//! Positions in the lists here never change, and what generated code points to lies in boxes.

use std::{ops::Range, ptr::NonNull, sync::Arc};

use wrun_module::{GlobalType, MemoryType, TableType, TrapCode};

use super::{
    code::ActiveCode,
    frames::Trace,
    func::{FuncHandle, HostFuncDef},
    gc::Gc,
    instance::{TagName, VmInstance},
    layout::{VmBump, VmGlobal, VmHostFunc, VmStoreContext, VmValue},
    memory::VmMemory,
    shared_memory::VmSharedMemory,
    store_memory::StoreMemory,
    table::{VmRef, VmTable},
};
use crate::{
    Engine, Error, Module, Trap, WasmBacktrace,
    store::{StoreId, StoreLimits},
    types::RegisteredType,
};

/// The most tables of a store, empty ones too: each takes entries in the system's list of mappings, and when that is
/// full (at 65,530 unless set otherwise) the whole process gets no more memory.
const MAX_TABLES: usize = 10_000;

/// A store without its user's data.
#[derive(Debug)]
#[allow(clippy::vec_box, reason = "generated code points to what is in the boxes")]
#[allow(
    unreachable_pub,
    reason = "named in hidden methods of public traits that only this crate implements"
)]
pub struct StoreOpaque {
    id: StoreId,
    pub(super) engine: Engine,
    /// Read and written by generated code.
    pub(super) vm: Box<VmStoreContext>,
    pub(super) code: Box<CodeRanges>,
    pub(super) instances: Vec<VmInstance>,
    pub(super) memories: Vec<StoreMemory>,
    pub(super) tables: Vec<Box<VmTable>>,
    pub(super) globals: Vec<StoreGlobal>,
    /// The number of each tag's type in the engine.
    pub(super) tags: Vec<u32>,
    host_funcs: Vec<StoreHostFunc>,
    pub(super) gc: Gc,
    limits: StoreLimits,
}

// SAFETY: everything pointed to is owned by the store; nothing is bound to a thread while no code of the store runs,
// and while it does the store is borrowed.
unsafe impl Send for StoreOpaque {}
// SAFETY: shared references only read.
unsafe impl Sync for StoreOpaque {}

impl Drop for StoreOpaque {
    fn drop(&mut self) {
        self.give_parts_back();
    }
}

/// A global, of an instance or made by the host.
#[derive(Debug)]
pub(super) struct StoreGlobal {
    pub(super) place: NonNull<VmGlobal>,
    pub(super) ty: GlobalType,
    /// The value, when no instance's context holds it.
    _owned: Option<Box<VmGlobal>>,
}

/// A host function that is part of the store.
#[derive(Debug)]
struct StoreHostFunc {
    vm: Box<VmHostFunc>,
    /// Keeps the closure, and the trampoline that leads to it.
    _def: Arc<HostFuncDef>,
    _trampoline: Option<Module>,
}

impl StoreOpaque {
    pub(crate) fn new(id: StoreId, engine: Engine) -> Self {
        Self {
            id,
            engine,
            vm: Box::new(VmStoreContext {
                exit_fp: 0,
                exit_pc: 0,
                stack_limit: 0,
                bump: VmBump::default(),
                exception: 0,
                activation: std::ptr::null(),
                store: std::ptr::null_mut(),
            }),
            code: Box::default(),
            instances: Vec::new(),
            memories: Vec::new(),
            tables: Vec::new(),
            globals: Vec::new(),
            tags: Vec::new(),
            host_funcs: Vec::new(),
            gc: Gc::default(),
            limits: StoreLimits::default(),
        }
    }

    /// Which store this is.
    pub(crate) fn id(&self) -> StoreId {
        self.id
    }

    /// The engine.
    pub(crate) fn engine(&self) -> &Engine {
        &self.engine
    }

    /// What generated code reads of the store.
    pub(super) fn vm_context(&mut self) -> *mut VmStoreContext {
        &mut *self.vm
    }

    /// Where the code of the store's instances lies.
    pub(super) fn code_ranges(&self) -> *const CodeRanges {
        &*self.code
    }

    /// Limits what may be allocated from now on.
    pub(crate) fn set_limits(&mut self, limits: StoreLimits) {
        self.limits = limits;
    }

    // Memories

    /// Makes a memory and gives its position.
    ///
    /// # Errors
    /// When it passes a limit of the store, or the system has no room for it.
    pub(crate) fn add_memory(&mut self, ty: MemoryType) -> Result<usize, Error> {
        self.add_memory_from(ty, None)
    }

    /// As [`add_memory`](Self::add_memory); `spare` is one that is as if new.
    pub(super) fn add_memory_from(
        &mut self,
        ty: MemoryType,
        spare: Option<Box<VmMemory>>,
    ) -> Result<usize, Error> {
        let refused = |why: String| {
            let pages = ty.limits.min;
            Error::limit(format!("cannot allocate a memory of {pages} pages{why}"))
        };
        // What is too large for a number is for the system to refuse.
        let len = ty.min_bytes().unwrap_or(u64::MAX);
        if !self.memory_fits(len) {
            let limit = self.limits.memory_bytes.unwrap_or(u64::MAX);
            return Err(refused(format!(" ({len} bytes): the limit is {limit} bytes")));
        }
        let memory = match spare {
            Some(memory) => StoreMemory::Own(memory),
            None => StoreMemory::new(ty, self.engine.memory_style())
                .map_err(|error| refused(format!(": {error}")))?,
        };
        Ok(self.push_memory(memory))
    }

    fn push_memory(&mut self, memory: StoreMemory) -> usize {
        self.code.memories.push(memory.addresses());
        self.memories.push(memory);
        self.memories.len() - 1
    }

    /// Makes a shared memory, of the same engine, one of the store's and gives its position. It has one position however
    /// often it comes.
    ///
    /// # Errors
    /// When it passes a limit of the store.
    pub(crate) fn add_shared_memory(
        &mut self,
        memory: &Arc<VmSharedMemory>,
    ) -> Result<usize, Error> {
        let is_it = |other: &StoreMemory| other.shared().is_some_and(|it| Arc::ptr_eq(it, memory));
        if let Some(position) = self.memories.iter().position(is_it) {
            return Ok(position);
        }
        let len = memory.len();
        if !self.memory_fits(len) {
            return Err(Error::limit(format!(
                "cannot use a shared memory of {len} bytes: the limit is {} bytes",
                self.limits.memory_bytes.unwrap_or(u64::MAX)
            )));
        }
        Ok(self.push_memory(StoreMemory::Shared(memory.clone())))
    }

    fn memory_fits(&self, more: u64) -> bool {
        let used: u64 = self.memories.iter().map(|memory| memory.len()).sum();
        self.limits.memory_bytes.is_none_or(|limit| used.saturating_add(more) <= limit)
    }

    pub(crate) fn memory(&self, position: usize) -> &StoreMemory {
        &self.memories[position]
    }

    pub(crate) fn memory_mut(&mut self, position: usize) -> &mut StoreMemory {
        &mut self.memories[position]
    }

    /// Grows a memory by `delta` pages and gives its old size, or nothing when that is too much.
    pub(crate) fn grow_memory(&mut self, position: usize, delta: u64) -> Option<u64> {
        let page_size = self.memories[position].declared_type().page_size();
        if !self.memory_fits(delta.checked_mul(page_size)?) {
            return None;
        }
        let others = self.memories.iter().enumerate().filter(|(other, _)| *other != position);
        let used: u64 = others.map(|(_, memory)| memory.len()).sum();
        let most = self.limits.memory_bytes.map_or(u64::MAX, |limit| limit.saturating_sub(used));
        let old = self.memories[position].grow(delta, most);
        // It may have moved even when it could not grow.
        if self.memories[position].addresses() != self.code.memories[position] {
            self.code.memories[position] = self.memories[position].addresses();
            let memory = &self.memories[position];
            self.instances.iter().for_each(|instance| instance.memory_moved(position, memory));
        }
        old
    }

    // Tables

    /// Makes a table of null references and gives its position.
    ///
    /// # Errors
    /// When it passes a limit of the store, or the system has no room for it.
    pub(crate) fn add_table(&mut self, ty: TableType) -> Result<usize, Error> {
        self.add_table_from(ty, None)
    }

    /// As [`add_table`](Self::add_table); `spare` is one that is as if new.
    pub(super) fn add_table_from(
        &mut self,
        ty: TableType,
        spare: Option<Box<VmTable>>,
    ) -> Result<usize, Error> {
        let refused = |why: String| {
            Error::limit(format!("cannot allocate a table of {} elements: {why}", ty.limits.min))
        };
        if self.tables.len() >= MAX_TABLES {
            return Err(refused(format!("the store has {MAX_TABLES} tables")));
        }
        if !self.table_fits(ty.limits.min) {
            let limit = self.limits.table_elements.unwrap_or(u64::MAX);
            return Err(refused(format!("the limit is {limit} elements")));
        }
        let table = match spare {
            Some(table) => table,
            None => Box::new(VmTable::new(ty).map_err(|error| refused(error.to_string()))?),
        };
        self.tables.push(table);
        Ok(self.tables.len() - 1)
    }

    fn table_fits(&self, more: u64) -> bool {
        let used: u64 = self.tables.iter().map(|table| table.len()).sum();
        self.limits.table_elements.is_none_or(|limit| used.saturating_add(more) <= limit)
    }

    pub(crate) fn table(&self, position: usize) -> &VmTable {
        &self.tables[position]
    }

    pub(super) fn table_mut(&mut self, position: usize) -> &mut VmTable {
        &mut self.tables[position]
    }

    pub(super) fn grow_table(&mut self, position: usize, delta: u64, init: VmRef) -> Option<u64> {
        if !self.table_fits(delta) {
            return None;
        }
        self.tables[position].grow(delta, init)
    }

    // Globals

    /// Makes a global of the host's and gives its position.
    pub(super) fn add_owned_global(&mut self, ty: GlobalType, value: VmValue) -> usize {
        let mut owned = Box::new(VmGlobal::new(value));
        let place = NonNull::from(&mut *owned);
        self.globals.push(StoreGlobal { place, ty, _owned: Some(owned) });
        self.globals.len() - 1
    }

    /// Lists a global whose value lies in an instance's context, and gives its position.
    pub(super) fn add_global(&mut self, ty: GlobalType, place: NonNull<VmGlobal>) -> usize {
        self.globals.push(StoreGlobal { place, ty, _owned: None });
        self.globals.len() - 1
    }

    pub(super) fn global(&self, position: usize) -> &StoreGlobal {
        &self.globals[position]
    }

    /// The type of a global.
    pub(crate) fn global_type(&self, position: usize) -> GlobalType {
        self.globals[position].ty
    }

    // Tags

    /// Makes a tag and gives its position, which is also its number for generated code.
    ///
    /// # Errors
    /// When there are too many.
    pub(crate) fn add_tag(&mut self, type_id: u32) -> Result<usize, Error> {
        if self.tags.len() >= u32::MAX as usize {
            return Err(Error::limit("too many tags".to_owned()));
        }
        self.tags.push(type_id);
        let ty = self.engine.types().get(type_id);
        self.note_tag(ty.func());
        Ok(self.tags.len() - 1)
    }

    /// The number of a tag's type in the engine.
    pub(crate) fn tag_type_id(&self, position: usize) -> u32 {
        self.tags[position]
    }

    /// The type of a tag.
    pub(crate) fn tag_type(&self, position: usize) -> Arc<RegisteredType> {
        self.engine.types().get(self.tags[position])
    }

    /// What modules call a tag: by the first that exports or imports it, or else that has it. Nothing when none has it.
    pub(crate) fn tag_name(&self, position: usize) -> Option<TagName<'_>> {
        let names = || self.instances.iter().filter_map(|instance| instance.tag_name(position));
        names().find(|name| matches!(name, TagName::Name(_))).or_else(|| names().next())
    }

    // Functions

    /// Makes a host function part of the store.
    ///
    /// # Errors
    /// When it needs a trampoline and none can be made.
    pub(crate) fn add_host_func(&mut self, def: &Arc<HostFuncDef>) -> Result<FuncHandle, Error> {
        let (vm, trampoline) = def.instantiate(&self.engine, &mut *self.vm)?;
        self.host_funcs.push(StoreHostFunc { vm, _def: def.clone(), _trampoline: trampoline });
        let vm = &self.host_funcs[self.host_funcs.len() - 1].vm;
        Ok(FuncHandle::new(self.id, NonNull::from(&vm.func_ref)))
    }

    // Instances

    /// Adds an instance and gives its position, which it was made with.
    pub(super) fn add_instance(&mut self, instance: VmInstance) -> usize {
        self.code.add(instance.module());
        self.instances.push(instance);
        self.instances.len() - 1
    }

    /// The position of the next instance.
    ///
    /// # Errors
    /// When the store may have no more.
    pub(super) fn next_instance(&self) -> Result<usize, Error> {
        match self.limits.instances {
            Some(limit) if self.instances.len() >= limit => {
                Err(Error::limit(format!("cannot instantiate: the limit is {limit} instances")))
            }
            _ => Ok(self.instances.len()),
        }
    }

    pub(crate) fn instance(&self, position: usize) -> &VmInstance {
        &self.instances[position]
    }

    pub(super) fn instance_mut(&mut self, position: usize) -> &mut VmInstance {
        &mut self.instances[position]
    }

    // Backtraces

    /// The error that a trap is.
    pub(super) fn trap_error(&self, code: TrapCode, trace: &Trace) -> Error {
        Error::from(Trap::new(code, self.backtrace(trace)))
    }

    /// Gives an error of a host function its backtrace, unless it has one or wants none.
    pub(super) fn add_backtrace(&self, error: Error, trace: &Trace) -> Error {
        error.with_backtrace(|| self.backtrace(trace))
    }

    fn backtrace(&self, trace: &Trace) -> WasmBacktrace {
        let mut goes_on_for_caller = false;
        let frames = trace.frames().iter().filter_map(|frame| {
            // The instruction before a return address is the call.
            let pc = frame.pc - usize::from(frame.is_return);
            let module = self.code.module(frame.pc)?;
            let offset = module.code().offset_of(pc)?;
            let is_shown = !goes_on_for_caller;
            goes_on_for_caller = module.code().goes_on_for_caller(offset);
            is_shown.then(|| (module.clone(), offset))
        });
        WasmBacktrace::new(frames, trace.omitted())
    }

    /// The backtrace of the store's code that waits for the host on this thread.
    pub(crate) fn current_backtrace(&self) -> WasmBacktrace {
        // SAFETY: the store is borrowed, so its code waits for the caller or does not run at all.
        self.backtrace(&unsafe { Trace::capture_at_exit(&*self.vm) })
    }
}

/// Where the code of a store's instances and its memories lie. Read by the signal handler, so it changes only while the
/// store is borrowed by the host.
#[derive(Debug, Default)]
pub(super) struct CodeRanges {
    /// Sorted by address.
    modules: Vec<(Range<usize>, Module)>,
    /// Reserved addresses of each memory.
    memories: Vec<Range<usize>>,
    /// Where null references to objects of the garbage-collected heap lead.
    pub(super) null_region: Range<usize>,
}

impl CodeRanges {
    fn add(&mut self, module: &Module) {
        let range = module.code().addresses();
        let at = self.modules.partition_point(|(other, _)| other.start < range.start);
        let is_new = self.modules.get(at).is_none_or(|(other, _)| other.start != range.start);
        if is_new && !range.is_empty() {
            self.modules.insert(at, (range, module.clone()));
        }
    }

    /// The module whose code an instruction, or a return address, belongs to.
    pub(super) fn module(&self, pc: usize) -> Option<&Module> {
        let at = self.modules.partition_point(|(range, _)| range.start <= pc).checked_sub(1)?;
        let (range, module) = &self.modules[at];
        // A return address may lie behind the last instruction.
        (pc <= range.end).then_some(module)
    }

    /// The code that an instruction belongs to.
    pub(super) fn find(&self, pc: usize) -> Option<&ActiveCode> {
        self.module(pc).map(Module::code)
    }

    /// Whether a program's access to an address may fault without anything being wrong with the engine: it is one of a
    /// memory's, or what lies behind a null reference.
    pub(super) fn may_fault(&self, address: usize) -> bool {
        self.null_region.contains(&address)
            || self.memories.iter().any(|range| range.contains(&address))
    }
}
