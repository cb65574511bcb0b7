//! [`HostFuncDef`]: a host function before it belongs to a store, and the way from generated code into its closure.

use std::{
    any::Any,
    panic::{AssertUnwindSafe, catch_unwind},
    ptr::NonNull,
    sync::OnceLock,
};

use wrun_module::{FuncType, layout::host_func::HOST_MAGIC};

use super::instance_of;
use crate::{
    Caller, Engine, Error, Module, TypeMismatch, Val,
    store::StoreInner,
    vm::{
        activation::{Failure, fail},
        exit::host_func_stub,
        layout::{VmContextHead, VmEntry, VmFuncRef, VmHostFunc, VmStoreContext, VmValue},
        throw::fail_or_throw,
    },
};

/// A function that takes arguments and leaves results in memory.
pub(super) type ArrayFn = unsafe extern "C" fn(*mut VmHostFunc, *mut VmContextHead, *mut VmValue);

/// A host function: its type, its closure, and the code that calls the closure. All stores that share it must have user
/// data of the type that the code was made for.
#[allow(
    unreachable_pub,
    reason = "named in a hidden method of a public trait that only this crate implements"
)]
pub struct HostFuncDef {
    ty: FuncType,
    /// The number of its type in the engine. Unless it is declared to be another, it is that of the type that is a group of its
    /// own and final, which is found when it is first needed.
    type_id: OnceLock<u32>,
    /// Native code for exactly this type; without it a trampoline of generated code calls `array`.
    native: Option<NonNull<u8>>,
    array: ArrayFn,
    /// Owns the closure; a box's content never moves.
    _closure: Box<dyn Any + Send + Sync>,
    closure_pointer: NonNull<u8>,
}

// SAFETY: the pointers are to code, and to the closure, which can be sent and shared.
unsafe impl Send for HostFuncDef {}
// SAFETY: as above.
unsafe impl Sync for HostFuncDef {}

impl std::fmt::Debug for HostFuncDef {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HostFuncDef").field("ty", &self.ty).finish_non_exhaustive()
    }
}

impl HostFuncDef {
    /// A function whose entries were made for closures of type `F`.
    ///
    /// # Safety
    /// `native` is code with the native convention for `ty`, `array` with that of arrays; both take the closure in their
    /// context to be an `F`.
    pub(super) unsafe fn from_parts<F: Send + Sync + 'static>(
        ty: FuncType,
        native: Option<NonNull<u8>>,
        array: ArrayFn,
        closure: F,
    ) -> Self {
        let mut closure = Box::new(closure);
        let closure_pointer = NonNull::from(&mut *closure).cast();
        Self { ty, type_id: OnceLock::new(), native, array, _closure: closure, closure_pointer }
    }

    /// A function of any type whose closure takes arguments and leaves results in slices.
    pub(crate) fn dynamic<T: 'static, F>(ty: FuncType, closure: F) -> Self
    where
        F: Fn(Caller<'_, T>, &[Val], &mut [Val]) -> Result<(), Error> + Send + Sync + 'static,
    {
        let closure = DynamicFunc { ty: ty.clone(), closure };
        // SAFETY: the entry is the one for closures of this type.
        unsafe { Self::from_parts(ty, None, dynamic_entry::<T, F>, closure) }
    }

    /// The same function, of the type with a number, which is `ty` by structure.
    #[must_use]
    pub(crate) fn declared_as(self, number: u32) -> Self {
        Self { type_id: OnceLock::from(number), ..self }
    }

    /// Its type.
    pub(crate) fn ty(&self) -> &FuncType {
        &self.ty
    }

    /// The number of its type in the engine, which is the one that it was made for.
    pub(crate) fn type_id(&self, engine: &Engine) -> u32 {
        *self.type_id.get_or_init(|| engine.types().id(&self.ty))
    }

    /// Its context in a store of the engine that it was made for, and the module that has its trampoline when it needs one.
    ///
    /// # Errors
    /// When the trampoline cannot be made.
    pub(in crate::vm) fn instantiate(
        &self,
        engine: &Engine,
        store: *mut VmStoreContext,
    ) -> Result<(Box<VmHostFunc>, Option<Module>), Error> {
        let type_id = self.type_id(engine);
        let (entry, trampoline) = match self.native {
            Some(native) => (native, None),
            None => {
                let (code, module) = engine.native_to_array(type_id, &self.ty)?;
                (code, Some(module))
            }
        };
        let head = VmContextHead { magic: HOST_MAGIC, store };
        let stub = NonNull::new(host_func_stub as *mut u8).expect("functions have addresses");
        let array_entry = NonNull::new(self.array as *mut u8).expect("functions have addresses");
        let mut func = Box::new(VmHostFunc {
            head,
            entry,
            array_entry,
            closure: self.closure_pointer,
            func_ref: VmFuncRef {
                native: VmEntry::new(stub),
                context: NonNull::dangling(),
                type_id,
                tail: VmEntry::none(),
            },
        });
        func.func_ref.context = NonNull::from(&mut *func).cast();
        Ok((func, trampoline))
    }
}

/// A closure with the type it is to have.
struct DynamicFunc<F> {
    ty: FuncType,
    closure: F,
}

/// The entry of dynamic host functions.
///
/// # Safety
/// Called by generated code: with the context of a host function that `HostFuncDef::dynamic` made with these types, and
/// as many slots as the longer of parameters and results.
unsafe extern "C" fn dynamic_entry<T: 'static, F>(
    callee: *mut VmHostFunc,
    caller: *mut VmContextHead,
    values: *mut VmValue,
) where
    F: Fn(Caller<'_, T>, &[Val], &mut [Val]) -> Result<(), Error> + Send + Sync + 'static,
{
    // SAFETY: as above; slots are read and written by the types they have.
    unsafe {
        call_host(callee, caller, |store: *mut StoreInner<T>, instance| {
            let func = (*callee).closure.cast::<DynamicFunc<F>>().as_ref();
            let (params, results) = (func.ty.params(), func.ty.results());
            let slots = |index: usize| values.add(index);
            let arguments: Vec<Val> = params
                .iter()
                .enumerate()
                .map(|(index, &ty)| Val::from_vm(*slots(index), ty, (*store).opaque_mut()))
                .collect();
            let mut given: Vec<Val> = results.iter().map(|&ty| Val::zero(ty)).collect();
            (func.closure)(Caller::new(&mut *store, instance), &arguments, &mut given)?;
            for (index, (value, &ty)) in given.iter().zip(results).enumerate() {
                if !value.is_of((*store).opaque(), ty) {
                    let what = format!("result {index} of a host function");
                    return Err(
                        TypeMismatch::new(what, &ty, &value.exact_type((*store).opaque())).into()
                    );
                }
                *slots(index) = value.to_vm((*store).opaque());
            }
            Ok(())
        })
    }
}

/// Runs the body of a host function. An error or a panic ends the activation instead of returning.
///
/// # Safety
/// Called by generated code through the exit stub, with the context of a host function whose store has user data of
/// type `T`. `body` gets the store, which is the caller's alone until it returns, and the calling instance; it makes handles
/// of its arguments before anything can collect. The frame of the caller owns nothing that has to be dropped.
#[inline]
pub(super) unsafe fn call_host<T: 'static, R: Copy>(
    callee: *mut VmHostFunc,
    caller: *mut VmContextHead,
    body: impl FnOnce(*mut StoreInner<T>, Option<usize>) -> Result<R, Error>,
) -> R {
    // SAFETY: the context is alive, and while its store's code runs its `store` is set.
    let (vm, instance) = unsafe { ((*callee).head.store, instance_of(caller)) };
    // SAFETY: as above; `StoreInner` begins with the part that the pointer is for.
    let store = unsafe { (*vm).store.cast::<StoreInner<T>>() };
    // Handles are valid until the function that they were made in returns.
    // SAFETY: nobody else uses the store: whoever runs in its name waits for this call. So below.
    let scope = unsafe { (*store).opaque().begin_scope() };
    let outcome = catch_unwind(AssertUnwindSafe(|| body(store, instance)));
    // SAFETY: as above.
    unsafe { (*store).opaque_mut().end_scope(scope) };
    match outcome {
        Ok(Ok(result)) => result,
        // SAFETY: this is inside an activation, and nothing is left to be dropped.
        Ok(Err(error)) => unsafe { fail_or_throw(vm, error) },
        // SAFETY: as above.
        Err(payload) => unsafe { fail(Failure::Panic(payload)) },
    }
}
