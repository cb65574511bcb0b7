//! The `repr(C)` data that generated code reads and writes, held against the one table in `wrun_module::layout`.

use std::{
    cell::UnsafeCell,
    mem::offset_of,
    ptr::{self, NonNull},
    sync::atomic::{AtomicPtr, AtomicU64, Ordering},
};

use wrun_module::layout;

use super::{activation::Activation, store::StoreOpaque};

/// What a store keeps for the code that runs in it. The fields behind `exception` are the runtime's own.
#[repr(C)]
#[derive(Debug)]
pub(crate) struct VmStoreContext {
    /// Frame pointer of the frame that last called out.
    pub(super) exit_fp: usize,
    /// Return address into that frame.
    pub(super) exit_pc: usize,
    /// Least stack pointer at which the host may still be called.
    pub(super) stack_limit: usize,
    /// Where objects of the garbage-collected heap go.
    pub(super) bump: VmBump,
    /// The exception that was thrown, for its handler.
    pub(super) exception: u32,
    /// The innermost stay in the store's code, on whichever thread; null while none runs or waits.
    pub(super) activation: *const Activation,
    /// The store, borrowed for as long as code runs in it; null while none does.
    pub(super) store: *mut StoreOpaque,
}

/// Where the next object of the garbage-collected heap goes. All zero while there is no heap: nothing has room then.
#[repr(C)]
#[derive(Debug)]
pub(crate) struct VmBump {
    /// What references count from; never changes once there is a heap.
    pub(super) base: *mut u8,
    /// Offset of the next object.
    pub(super) next: u64,
    /// Offset behind the last byte that generated code may give to an object.
    pub(super) limit: u64,
}

impl Default for VmBump {
    fn default() -> Self {
        Self { base: std::ptr::null_mut(), next: 0, limit: 0 }
    }
}

/// A function reference.
#[repr(C)]
#[derive(Debug)]
#[allow(
    unreachable_pub,
    reason = "named in hidden methods of public traits that only this crate implements"
)]
pub struct VmFuncRef {
    /// Code with the native calling convention.
    pub(super) native: VmEntry,
    /// The callee's context: of an instance, or a [`VmHostFunc`].
    pub(super) context: NonNull<VmContextHead>,
    /// The number of its type in the engine.
    pub(super) type_id: u32,
    /// Code with the internal calling convention, of a function with tail calls.
    pub(super) tail: VmEntry,
}

/// Address of the code that a reference leads to, or null. Another thread may put better code of the same function there
/// at any time.
#[repr(transparent)]
#[derive(Debug)]
pub(super) struct VmEntry(AtomicPtr<u8>);

impl VmEntry {
    /// The address of code.
    pub(super) fn new(code: NonNull<u8>) -> Self {
        Self(AtomicPtr::new(code.as_ptr()))
    }

    /// No code.
    pub(super) fn none() -> Self {
        Self(AtomicPtr::new(ptr::null_mut()))
    }

    /// The address of the code.
    ///
    /// # Panics
    /// When there is none.
    pub(super) fn code(&self) -> NonNull<u8> {
        NonNull::new(self.0.load(Ordering::Acquire)).expect("the reference leads to code")
    }
}

/// What every context begins with, be it an instance's or a host function's.
#[repr(C)]
#[derive(Debug)]
#[allow(
    unreachable_pub,
    reason = "named in hidden methods of public traits that only this crate implements"
)]
pub struct VmContextHead {
    /// Which of the two it is.
    pub(super) magic: u32,
    /// The store's part.
    pub(super) store: *mut VmStoreContext,
}

/// The fixed head of the context of an instance; the arrays of `ContextLayout` follow.
#[repr(C)]
#[derive(Debug)]
pub(super) struct VmInstanceHead {
    pub(super) head: VmContextHead,
    /// The array of libcalls.
    pub(super) libcalls: *const usize,
    /// For each type of the module its number in the engine.
    pub(super) type_ids: *const u32,
    /// Position of the instance in its store.
    pub(super) instance: usize,
    /// The engine's table of supertypes.
    pub(super) supertypes: *const u32,
    /// How often functions may be called until they are hot; null unless the module is compiled as it runs.
    pub(super) counters: *const i32,
}

/// The context of a host function. What lies behind `array_entry` is the runtime's own.
#[repr(C)]
#[derive(Debug)]
pub(super) struct VmHostFunc {
    pub(super) head: VmContextHead,
    pub(super) entry: NonNull<u8>,
    pub(super) array_entry: NonNull<u8>,
    /// The closure; its type is known to the code of the two entries.
    pub(super) closure: NonNull<u8>,
    /// The reference that stands for the function.
    pub(super) func_ref: VmFuncRef,
}

/// An imported function, in the importing instance's context.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub(super) struct VmImportedFunc {
    pub(super) native: NonNull<u8>,
    pub(super) context: NonNull<VmContextHead>,
    pub(super) func_ref: NonNull<VmFuncRef>,
}

/// A table or a memory as an instance's context shows it.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub(super) struct VmSlot {
    pub(super) base: NonNull<u8>,
    pub(super) definition: NonNull<VmDefinition>,
}

/// A table or a memory: where it lies and how large it is, in elements or bytes.
#[repr(C)]
#[derive(Debug)]
pub(super) struct VmDefinition {
    pub(super) base: NonNull<u8>,
    pub(super) length: u64,
}

/// A shared memory; to generated code the same as a [`VmDefinition`].
#[repr(C)]
#[derive(Debug)]
pub(super) struct VmSharedDefinition {
    pub(super) base: NonNull<u8>,
    pub(super) length: AtomicU64,
}

/// A value outside generated code's registers, little-endian, the first bytes used.
#[repr(C, align(16))]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(
    unreachable_pub,
    reason = "named in hidden methods of public traits that only this crate implements"
)]
pub struct VmValue(pub(super) [u8; layout::value::SIZE as usize]);

/// The value of a global; generated code writes it.
pub(super) type VmGlobal = UnsafeCell<VmValue>;

impl VmValue {
    /// A value whose first bytes are `bits`.
    pub(crate) fn from_u32(bits: u32) -> Self {
        Self::from_u128(bits.into())
    }

    /// A value whose first bytes are `bits`.
    pub(crate) fn from_u64(bits: u64) -> Self {
        Self::from_u128(bits.into())
    }

    /// A value with these bits.
    pub(crate) fn from_u128(bits: u128) -> Self {
        Self(bits.to_le_bytes())
    }

    /// The first 32 bits.
    pub(crate) fn to_u32(self) -> u32 {
        self.to_u128() as u32
    }

    /// The first 64 bits.
    pub(crate) fn to_u64(self) -> u64 {
        self.to_u128() as u64
    }

    /// Visits the reference to an object in it.
    pub(super) fn visit_reference(&mut self, visit: impl FnOnce(&mut u32)) {
        let mut reference = self.to_u32();
        visit(&mut reference);
        *self = Self::from_u32(reference);
    }

    /// All bits.
    pub(crate) fn to_u128(self) -> u128 {
        u128::from_le_bytes(self.0)
    }
}

/// The offset of a field is the one in the table.
macro_rules! assert_layout {
    ($($ty:ty { $($($field:ident).+ = $offset:expr),* $(,)? } $(size $size:expr)?;)*) => {
        const _: () = {
            $(
                $(assert!(offset_of!($ty, $($field).+) == $offset as usize);)*
                $(assert!(size_of::<$ty>() == $size as usize);)?
            )*
        };
    };
}

assert_layout! {
    VmStoreContext {
        exit_fp = layout::store_context::EXIT_FP,
        exit_pc = layout::store_context::EXIT_PC,
        stack_limit = layout::store_context::STACK_LIMIT,
        bump.base = layout::store_context::GC_BASE,
        bump.next = layout::store_context::GC_NEXT,
        bump.limit = layout::store_context::GC_LIMIT,
        exception = layout::store_context::EXCEPTION,
    };
    VmFuncRef {
        native = layout::func_ref::NATIVE,
        context = layout::func_ref::CONTEXT,
        type_id = layout::func_ref::TYPE_ID,
        tail = layout::func_ref::TAIL,
    } size layout::func_ref::SIZE;
    VmInstanceHead {
        head.magic = layout::context::MAGIC,
        head.store = layout::context::STORE,
        libcalls = layout::context::LIBCALLS,
        type_ids = layout::context::TYPE_IDS,
        instance = layout::context::INSTANCE,
        supertypes = layout::context::SUPERTYPES,
        counters = layout::context::COUNTERS,
    } size layout::context::HEAD_SIZE;
    VmHostFunc {
        head.magic = layout::host_func::MAGIC,
        head.store = layout::host_func::STORE,
        entry = layout::host_func::ENTRY,
        array_entry = layout::host_func::ARRAY_ENTRY,
    };
    VmImportedFunc {
        native = layout::imported_func::NATIVE,
        context = layout::imported_func::CONTEXT,
        func_ref = layout::imported_func::FUNC_REF,
    } size layout::imported_func::SIZE;
    VmSlot {
        base = layout::memory_slot::BASE,
        definition = layout::memory_slot::DEFINITION,
    } size layout::memory_slot::SIZE;
    VmSlot {
        base = layout::table_slot::BASE,
        definition = layout::table_slot::DEFINITION,
    } size layout::table_slot::SIZE;
    VmDefinition {
        base = layout::memory::BASE,
        length = layout::memory::LENGTH,
    };
    VmSharedDefinition {
        base = layout::memory::BASE,
        length = layout::memory::LENGTH,
    } size size_of::<VmDefinition>();
    VmDefinition {
        base = layout::table::BASE,
        length = layout::table::LENGTH,
    };
    VmValue {} size layout::value::SIZE;
}
