//! [`IntoFunc`]: closures as host functions. For each number of parameters the Rust compiler makes the native code that
//! WebAssembly calls: no trampoline, no array of values.

use std::ptr::NonNull;

use wrun_module::FuncType;

use super::{
    host::{HostFuncDef, call_host},
    tuple::{WasmResults, for_each_arity, read_slot, write_slot},
    ty::WasmTy,
};
use crate::{
    Caller, Error,
    vm::layout::{VmContextHead, VmHostFunc, VmValue},
};

/// What a closure may return: [`WasmResults`], or a `Result` of them with an error that becomes an [`Error`].
pub trait WasmRet {
    /// The results.
    #[doc(hidden)]
    type Results: WasmResults;

    #[doc(hidden)]
    fn into_results(self) -> Result<Self::Results, Error>;
}

impl<R: WasmResults> WasmRet for R {
    type Results = R;

    #[inline]
    fn into_results(self) -> Result<R, Error> {
        Ok(self)
    }
}

impl<R: WasmResults, E: Into<Error>> WasmRet for Result<R, E> {
    type Results = R;

    #[inline]
    fn into_results(self) -> Result<R, Error> {
        self.map_err(Into::into)
    }
}

/// A closure that can be a host function of stores with user data `T`: up to 16 parameters that are
/// [`WasmTy`], before them a [`Caller`] if it wants one, and results as [`WasmRet`] says.
pub trait IntoFunc<T, Params, Results>: Send + Sync + 'static {
    #[doc(hidden)]
    fn into_host_func(self) -> HostFuncDef;
}

macro_rules! impl_into_func {
    ($($name:ident)*) => {
        impl_into_func!(@with_caller [] $($name)*);
        impl_into_func!(@with_caller [Caller<'_, T>,] $($name)*);
    };
    (@with_caller [$($caller:ty,)?] $($name:ident)*) => {
        #[allow(non_snake_case, reason = "a parameter is named as its type")]
        #[allow(clippy::too_many_arguments, reason = "as many as the closure has")]
        impl<T, F, R, $($name),*> IntoFunc<T, ($($caller,)? $($name,)*), R> for F
        where
            T: 'static,
            F: Fn($($caller,)? $($name),*) -> R + Send + Sync + 'static,
            R: WasmRet,
            $($name: WasmTy,)*
        {
            fn into_host_func(self) -> HostFuncDef {
                type First<R> = <<R as WasmRet>::Results as WasmResults>::First;

                /// The closure's call, between registers and Rust values.
                ///
                /// # Safety
                /// The contract of `call_host`; the arguments come from code of the store, `rest` has room.
                #[inline]
                unsafe fn run<T, F, R, $($name),*>(
                    callee: *mut VmHostFunc,
                    caller: *mut VmContextHead,
                    $($name: $name::Abi,)*
                    rest: *mut VmValue,
                ) -> First<R>
                where
                    T: 'static,
                    F: Fn($($caller,)? $($name),*) -> R + Send + Sync + 'static,
                    R: WasmRet,
                    $($name: WasmTy,)*
                {
                    // SAFETY: the context's closure is an `F`; the store is ours until we return, and lent to the
                    // closure for its call.
                    unsafe {
                        call_host(callee, caller, |store: *mut crate::store::StoreInner<T>, _instance| {
                            let closure = (*callee).closure.cast::<F>().as_ref();
                            $(let $name = $name::from_abi($name, (*store).opaque_mut());)*
                            let result = closure(
                                $(<$caller>::new(&mut *store, _instance),)?
                                $($name),*
                            );
                            result.into_results()?.into_native(rest, (*store).opaque())
                        })
                    }
                }

                /// # Safety
                /// Called by generated code through the exit stub.
                unsafe extern "C" fn native_single<T, F, R, $($name),*>(
                    callee: *mut VmHostFunc,
                    caller: *mut VmContextHead,
                    $($name: $name::Abi,)*
                ) -> First<R>
                where
                    T: 'static,
                    F: Fn($($caller,)? $($name),*) -> R + Send + Sync + 'static,
                    R: WasmRet,
                    $($name: WasmTy,)*
                {
                    // SAFETY: up to one result: nothing is written behind the pointer.
                    unsafe { run::<T, F, R, $($name),*>(callee, caller, $($name,)* std::ptr::null_mut()) }
                }

                /// # Safety
                /// Called by generated code through the exit stub.
                unsafe extern "C" fn native_multi<T, F, R, $($name),*>(
                    callee: *mut VmHostFunc,
                    caller: *mut VmContextHead,
                    $($name: $name::Abi,)*
                    rest: *mut VmValue,
                ) -> First<R>
                where
                    T: 'static,
                    F: Fn($($caller,)? $($name),*) -> R + Send + Sync + 'static,
                    R: WasmRet,
                    $($name: WasmTy,)*
                {
                    // SAFETY: generated code passes room for all results but the first.
                    unsafe { run::<T, F, R, $($name),*>(callee, caller, $($name,)* rest) }
                }

                /// # Safety
                /// Called through the exit stub, with slots for the longer of parameters and results.
                #[allow(unused_assignments, unused_mut, unused_variables, reason = "no parameters, no index")]
                unsafe extern "C" fn array<T, F, R, $($name),*>(
                    callee: *mut VmHostFunc,
                    caller: *mut VmContextHead,
                    values: *mut VmValue,
                )
                where
                    T: 'static,
                    F: Fn($($caller,)? $($name),*) -> R + Send + Sync + 'static,
                    R: WasmRet,
                    $($name: WasmTy,)*
                {
                    let mut index = 0;
                    // SAFETY: the slots hold the parameters, and have room for the results.
                    unsafe {
                        $(
                            let $name = read_slot::<$name::Abi>(values, index);
                            index += 1;
                        )*
                        let first = run::<T, F, R, $($name),*>(callee, caller, $($name,)* values.wrapping_add(1));
                        if R::Results::COUNT > 0 {
                            write_slot(values, 0, first);
                        }
                    }
                }

                let ty = FuncType::new([$($name::val_type()),*], R::Results::types());
                let native = if R::Results::COUNT > 1 {
                    native_multi::<T, F, R, $($name),*> as *mut u8
                } else {
                    native_single::<T, F, R, $($name),*> as *mut u8
                };
                // SAFETY: the entries were made for `F` by the types of its parameters and results.
                unsafe { HostFuncDef::from_parts(ty, NonNull::new(native), array::<T, F, R, $($name),*>, self) }
            }
        }
    };
}

for_each_arity!(impl_into_func);
