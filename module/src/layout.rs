//! Where things lie in memory that generated code and the runtime share.
//!
//! Every offset that generated code uses is written here and nowhere else; `runtime/src/vm/` holds the `repr(C)`
//! structs of the same names against these numbers with const assertions. All sizes are for 64-bit targets.
//!
//! # The context
//! Every instance has one block, the *context* (`VmContext`), whose address is the first parameter of every
//! WebAssembly function. Its fixed head is described by [`context`]; behind it come, in this order, arrays whose
//! lengths depend on the module: see [`ContextLayout`]. Imported and defined tables and memories look the same to
//! generated code; only globals and functions differ.

use crate::{FuncIndex, GlobalIndex, MemoryIndex, ModuleInfo, TableIndex, TagIndex, TypeIndex};

/// Bytes of a pointer.
pub const POINTER_SIZE: u32 = 8;

/// The fixed head of the context of an instance.
pub mod context {
    /// `u32` that tells an instance's context from a host function's.
    pub const MAGIC: u32 = 0;
    /// Pointer to the [`store_context`](super::store_context).
    pub const STORE: u32 = 8;
    /// Pointer to the array of libcalls.
    pub const LIBCALLS: u32 = 16;
    /// Pointer to an array of `u32`: for each type of the module its number in the engine.
    pub const TYPE_IDS: u32 = 24;
    /// Pointer to the runtime's own data for the instance.
    pub const INSTANCE: u32 = 32;
    /// Pointer to the engine's table of supertypes ([`gc`](crate::gc)).
    pub const SUPERTYPES: u32 = 40;
    /// Pointer to an array of `i32`, for each function that the module defines how often it may still be called, or one of
    /// its loops go round, before the runtime wants to know. Only for code of [`Tier::Baseline`](crate::Tier::Baseline).
    pub const COUNTERS: u32 = 48;
    /// First byte behind the head.
    pub const HEAD_SIZE: u32 = 56;
    /// The value of [`MAGIC`] in an instance's context ("core").
    pub const INSTANCE_MAGIC: u32 = 0x6572_6f63;
}

/// The context of a host function: what `callee_vmctx` is when WebAssembly calls the host.
///
/// [`STORE`](host_func::STORE) lies where it does in the context of an instance, so that one piece of assembly
/// serves host functions and libcalls alike.
pub mod host_func {
    /// `u32`, [`HOST_MAGIC`].
    pub const MAGIC: u32 = 0;
    /// Pointer to the [`store_context`](super::store_context).
    pub const STORE: u32 = 8;
    /// Pointer to the code that the exit stub goes on to: with the native calling convention, whatever the signature.
    pub const ENTRY: u32 = 16;
    /// Pointer to a function that takes arguments and leaves results in memory, for functions whose type is not known
    /// to the compiler of the host; [`ENTRY`] is then a trampoline that calls it.
    pub const ARRAY_ENTRY: u32 = 24;
    /// The value of [`MAGIC`] ("host").
    pub const HOST_MAGIC: u32 = 0x7473_6f68;
}

/// What a store keeps for the code that runs in it.
pub mod store_context {
    /// Frame pointer of the WebAssembly frame that last called out.
    pub const EXIT_FP: u32 = 0;
    /// Return address into that frame.
    pub const EXIT_PC: u32 = 8;
    /// Least stack pointer at which the host may still be called.
    pub const STACK_LIMIT: u32 = 16;
    /// Pointer that references to objects of the garbage-collected heap count from. It never changes once there is a heap,
    /// and there is one before code of a module runs that relies on it
    /// ([`Metadata::uses_heap`](crate::image::Metadata::uses_heap)).
    pub const GC_BASE: u32 = 24;
    /// `u64`: offset of the next object.
    pub const GC_NEXT: u32 = 32;
    /// `u64`: offset behind the last byte that an object may have. An object that does not fit in front of it, or whose size
    /// is not known to be small, is made by the libcall [`gc_alloc`](crate::Libcall::gc_alloc).
    pub const GC_LIMIT: u32 = 40;
    /// `u32`: the exception that was thrown, for the handler, which reads it before it does anything else.
    pub const EXCEPTION: u32 = 48;
}

/// A function reference; references of type `func` are pointers to these, null is 0.
pub mod func_ref {
    /// Code with the native calling convention.
    pub const NATIVE: u32 = 0;
    /// The callee's context.
    pub const CONTEXT: u32 = 8;
    /// `u32`: the number of its type in the engine.
    pub const TYPE_ID: u32 = 16;
    /// Code with the internal calling convention, for a function with tail calls; null for all others.
    pub const TAIL: u32 = 24;
    /// Bytes of one.
    pub const SIZE: u32 = 32;
}

/// An imported function, in the importing instance's context.
pub mod imported_func {
    /// Code with the native calling convention.
    pub const NATIVE: u32 = 0;
    /// The callee's context.
    pub const CONTEXT: u32 = 8;
    /// Its function reference.
    pub const FUNC_REF: u32 = 16;
    /// Bytes of one.
    pub const SIZE: u32 = 24;
}

/// A table as an instance's context shows it, imported or defined.
///
/// Tables never move: their elements are allocated (or reserved) for the maximum size. So `BASE` may be treated as
/// constant, and only the length is read through `DEFINITION`.
pub mod table_slot {
    /// Pointer to element 0.
    pub const BASE: u32 = 0;
    /// Pointer to the [`table`](super::table).
    pub const DEFINITION: u32 = 8;
    /// Bytes of one.
    pub const SIZE: u32 = 16;
}

/// A table. Function references take [`POINTER_SIZE`] bytes an element, all others 4.
pub mod table {
    /// Pointer to element 0.
    pub const BASE: u32 = 0;
    /// `u64`: number of elements.
    pub const LENGTH: u32 = 8;
}

/// A memory as an instance's context shows it, imported or defined.
///
/// `BASE` is valid for memories that never move, because they are reserved ([`MemoryStyle`](crate::MemoryStyle)) or
/// their type lets them not grow; for others, the base is read through `DEFINITION` at each access.
pub mod memory_slot {
    /// Pointer to byte 0.
    pub const BASE: u32 = 0;
    /// Pointer to the [`memory`](super::memory).
    pub const DEFINITION: u32 = 8;
    /// Bytes of one.
    pub const SIZE: u32 = 16;
}

/// A memory.
pub mod memory {
    /// Pointer to byte 0. That of a shared memory never changes.
    pub const BASE: u32 = 0;
    /// `u64`: number of bytes. Other threads may increase that of a shared memory at any time.
    pub const LENGTH: u32 = 8;
}

/// What code of the baseline tier says with the libcall [`hot`](crate::Libcall::hot).
pub mod hot {
    /// Instead of a loop's offset: it was a call that the function counted.
    pub const CALL: u32 = u32::MAX;
}

/// A value outside generated code's registers: an argument or result of a dynamic call, a result behind the first
/// one, or a global. Every type takes the same room, so that slot `i` lies at `i * SIZE`. Integers and floats lie in
/// the first bytes in little-endian order; what is behind them is undefined.
pub mod value {
    /// Bytes of one.
    pub const SIZE: u32 = 16;
}

/// Offsets in the context of the instances of one module.
#[derive(Clone, Debug)]
pub struct ContextLayout {
    imported_funcs: u32,
    tables: u32,
    memories: u32,
    tags: u32,
    imported_globals: u32,
    num_imported_globals: u32,
    defined_globals: u32,
    func_refs: u32,
    size: u32,
}

impl ContextLayout {
    /// The layout for a module.
    ///
    /// Offsets fit into 31 bits: validation bounds each index space to at most 1,000,000 items.
    ///
    /// # Panics
    /// When an index space has more items than validation allows.
    pub fn new(info: &ModuleInfo) -> Self {
        let mut end = context::HEAD_SIZE;
        let mut array = |align: u32, count: usize, size: u32| {
            let start = end.next_multiple_of(align);
            end = start + u32::try_from(count).expect("validated count") * size;
            start
        };
        let defined_globals = info.globals.len() - info.num_imported_globals as usize;
        let imported_funcs = array(8, info.num_imported_funcs as usize, imported_func::SIZE);
        let tables = array(8, info.tables.len(), table_slot::SIZE);
        let memories = array(8, info.memories.len(), memory_slot::SIZE);
        let tags = array(4, info.tags.len(), 4);
        let imported_globals = array(8, info.num_imported_globals as usize, POINTER_SIZE);
        let defined_globals = array(16, defined_globals, value::SIZE);
        let func_refs = array(8, info.func_refs.len(), func_ref::SIZE);
        Self {
            imported_funcs,
            tables,
            memories,
            tags,
            imported_globals,
            num_imported_globals: info.num_imported_globals,
            defined_globals,
            func_refs,
            size: end.next_multiple_of(16),
        }
    }

    /// Bytes of the whole context; its alignment is 16.
    pub fn size(&self) -> u32 {
        self.size
    }

    /// Offset of the [`imported_func`] of an imported function.
    pub fn imported_func(&self, func: FuncIndex) -> u32 {
        self.imported_funcs + func.0 * imported_func::SIZE
    }

    /// Offset of the [`table_slot`] of a table.
    pub fn table(&self, table: TableIndex) -> u32 {
        self.tables + table.0 * table_slot::SIZE
    }

    /// Offset of the [`memory_slot`] of a memory.
    pub fn memory(&self, memory: MemoryIndex) -> u32 {
        self.memories + memory.0 * memory_slot::SIZE
    }

    /// Offset of the number that a tag has in the store, `u32`.
    pub fn tag(&self, tag: TagIndex) -> u32 {
        self.tags + tag.0 * 4
    }

    /// Where a global's value lies.
    pub fn global(&self, global: GlobalIndex) -> GlobalPlace {
        match global.0.checked_sub(self.num_imported_globals) {
            Some(defined) => GlobalPlace::Inline(self.defined_globals + defined * value::SIZE),
            None => GlobalPlace::Pointer(self.imported_globals + global.0 * POINTER_SIZE),
        }
    }

    /// Offset of the [`func_ref`] at a position of [`ModuleInfo::func_refs`].
    pub fn func_ref(&self, position: u32) -> u32 {
        self.func_refs + position * func_ref::SIZE
    }

    /// Offset of a type's number in the array at [`context::TYPE_IDS`].
    pub fn type_id(&self, ty: TypeIndex) -> u32 {
        ty.0 * 4
    }
}

/// Where the value of a global lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GlobalPlace {
    /// In the context, at this offset.
    Inline(u32),
    /// Where the pointer at this offset of the context points.
    Pointer(u32),
}
