//! Functions: references to them, host functions made of closures, and calls in both directions.
//!
//! - [`ty`]: which Rust types stand for which WebAssembly types;
//! - [`mod@tuple`]: their tuples, as parameters and as results;
//! - [`wrap`]: closures as host functions, with native entries made by the Rust compiler;
//! - [`host`]: what every host function has, and the dynamic ones;
//! - [`call`]: calls of functions, typed and dynamic.

mod call;
mod host;
mod tuple;
mod ty;
mod wrap;

use std::ptr::NonNull;

use super::{
    layout::{VmContextHead, VmFuncRef},
    store::StoreOpaque,
};
use crate::store::StoreId;

pub(crate) use call::TypedHandle;
pub(crate) use host::HostFuncDef;
pub use tuple::{WasmParams, WasmResults};
pub use ty::WasmTy;
pub use wrap::{IntoFunc, WasmRet};

/// A function of a store. Only made here, for functions that exist; they live as long as their store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(
    unreachable_pub,
    reason = "named in hidden methods of public traits that only this crate implements"
)]
pub struct FuncHandle {
    store: StoreId,
    pointer: NonNull<VmFuncRef>,
}

// SAFETY: what it points to is only accessed together with its store.
unsafe impl Send for FuncHandle {}
// SAFETY: as above.
unsafe impl Sync for FuncHandle {}

impl FuncHandle {
    /// `pointer` is a reference of the store.
    pub(super) fn new(store: StoreId, pointer: NonNull<VmFuncRef>) -> Self {
        Self { store, pointer }
    }

    /// The reference as generated code has it.
    pub(super) fn pointer(self) -> NonNull<VmFuncRef> {
        self.pointer
    }

    /// The reference.
    ///
    /// # Panics
    /// When `store` is not the function's.
    pub(super) fn resolve(self, store: &StoreOpaque) -> &VmFuncRef {
        self.assert_in(store);
        // SAFETY: references live as long as their store; what is written after they are made is atomic.
        unsafe { self.pointer.as_ref() }
    }

    /// Checks whose function it is.
    ///
    /// # Panics
    /// When `store` is not the function's.
    pub(crate) fn assert_in(self, store: &StoreOpaque) {
        store.id().assert_eq(self.store, "function");
    }

    /// The number of its type in the engine.
    ///
    /// # Panics
    /// When `store` is not the function's.
    pub(crate) fn type_id(self, store: &StoreOpaque) -> u32 {
        self.resolve(store).type_id
    }
}

/// The instance whose context it is; nothing for a host function's, or for none.
///
/// # Safety
/// The pointer is null or that of a live context.
unsafe fn instance_of(context: *const VmContextHead) -> Option<usize> {
    use wrun_module::layout::context::INSTANCE_MAGIC;

    use super::layout::VmInstanceHead;
    // SAFETY: a context begins with the head; one with the magic of instances has all of theirs.
    unsafe {
        (!context.is_null() && (*context).magic == INSTANCE_MAGIC)
            .then(|| (*context.cast::<VmInstanceHead>()).instance)
    }
}
