//! [`WasmTy`]: the Rust types that stand for WebAssembly types, and how each goes through a register.

use std::{arch::x86_64::__m128i, ptr::NonNull};

use wrun_module::ValType;

use super::FuncHandle;
use crate::{
    Error, ExternRef, Func, GcRef, V128,
    vm::{layout::VmFuncRef, store::StoreOpaque},
};

/// A Rust type that stands for a type of WebAssembly: `i32`, `u32`, `i64`, `u64`, `f32`, `f64`, [`V128`],
/// `Option<`[`Func`]`>` and `Option<`[`ExternRef`]`>`.
///
/// # Safety
/// For this crate to implement: [`Self::Abi`] is passed by the platform's C convention as generated code passes the type.
pub unsafe trait WasmTy: Sized {
    /// What is in the register.
    #[doc(hidden)]
    type Abi: Copy;

    /// The type it stands for.
    fn val_type() -> ValType;

    #[doc(hidden)]
    fn into_abi(self, store: &StoreOpaque) -> Result<Self::Abi, Error>;

    /// # Safety
    /// The value comes from code of the store, and nothing has collected garbage since.
    #[doc(hidden)]
    unsafe fn from_abi(abi: Self::Abi, store: &mut StoreOpaque) -> Self;
}

macro_rules! numbers {
    ($($ty:ty => $val_type:ident)*) => {
        $(
            // SAFETY: the C convention passes the type as WebAssembly's of the same size.
            unsafe impl WasmTy for $ty {
                type Abi = $ty;

                fn val_type() -> ValType {
                    ValType::$val_type
                }

                #[inline]
                fn into_abi(self, _: &StoreOpaque) -> Result<$ty, Error> {
                    Ok(self)
                }

                #[inline]
                unsafe fn from_abi(abi: $ty, _: &mut StoreOpaque) -> Self {
                    abi
                }
            }
        )*
    };
}

numbers! {
    i32 => I32
    u32 => I32
    i64 => I64
    u64 => I64
    f32 => F32
    f64 => F64
}

// SAFETY: the C convention passes it in one vector register, as generated code does.
unsafe impl WasmTy for V128 {
    type Abi = __m128i;

    fn val_type() -> ValType {
        ValType::V128
    }

    fn into_abi(self, _: &StoreOpaque) -> Result<__m128i, Error> {
        // SAFETY: both are 16 bytes for which every value is valid.
        Ok(unsafe { std::mem::transmute::<u128, __m128i>(self.as_u128()) })
    }

    unsafe fn from_abi(abi: __m128i, _: &mut StoreOpaque) -> Self {
        // SAFETY: as above.
        V128::from(unsafe { std::mem::transmute::<__m128i, u128>(abi) })
    }
}

// SAFETY: a nullable pointer.
unsafe impl WasmTy for Option<Func> {
    type Abi = Option<NonNull<VmFuncRef>>;

    fn val_type() -> ValType {
        ValType::FUNCREF
    }

    fn into_abi(self, store: &StoreOpaque) -> Result<Self::Abi, Error> {
        Ok(self.map(|func| {
            func.handle().assert_in(store);
            func.handle().pointer()
        }))
    }

    unsafe fn from_abi(abi: Self::Abi, store: &mut StoreOpaque) -> Self {
        abi.map(|pointer| Func::from_handle(FuncHandle::new(store.id(), pointer)))
    }
}

// SAFETY: a reference to an object is 32 bits.
unsafe impl WasmTy for Option<ExternRef> {
    type Abi = u32;

    fn val_type() -> ValType {
        ValType::EXTERNREF
    }

    fn into_abi(self, store: &StoreOpaque) -> Result<u32, Error> {
        Ok(self.map_or(0, |external| store.reference(external.handle())))
    }

    unsafe fn from_abi(abi: u32, store: &mut StoreOpaque) -> Self {
        store.root(abi).map(ExternRef::from_handle)
    }
}
