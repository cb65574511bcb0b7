//! [`WasmTy`]: the Rust types that stand for WebAssembly types, and how each goes through a register.

use std::{arch::x86_64::__m128i, ptr::NonNull};

use wrun_module::{HeapType, RefType, ValType, gc};

use super::FuncHandle;
use crate::{
    AnyRef, ArrayRef, EqRef, Error, Exn, ExternRef, Func, GcRef, I31, StructRef, V128, Val,
    root::INTERNAL,
    vm::{layout::VmFuncRef, store::StoreOpaque},
};

/// A Rust type that stands for a type of WebAssembly: `i32`, `u32`, `i64`, `u64`, `f32`, `f64`, [`V128`], and for references
/// [`Func`], [`ExternRef`], [`AnyRef`], [`EqRef`], [`StructRef`], [`ArrayRef`], [`Exn`] and [`I31`], which are never null, or the `Option`
/// of one of them, whose `None` is.
///
/// # Safety
/// For this crate to implement: [`Self::Abi`] is passed by the platform's C convention as generated code passes the type.
pub unsafe trait WasmTy: Sized {
    /// What is in the register.
    #[doc(hidden)]
    type Abi: Copy;

    /// The type it stands for.
    fn val_type() -> ValType;

    /// Whether the value is of a type that is not this one but may be narrower: that of a function's parameter.
    #[doc(hidden)]
    fn is_of(&self, ty: ValType, _store: &StoreOpaque) -> bool {
        ty == Self::val_type()
    }

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

    fn is_of(&self, ty: ValType, store: &StoreOpaque) -> bool {
        Val::from(*self).is_of(store, ty)
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

// SAFETY: a pointer.
unsafe impl WasmTy for Func {
    type Abi = NonNull<VmFuncRef>;

    fn val_type() -> ValType {
        ValType::Ref(RefType { nullable: false, heap: HeapType::Func })
    }

    fn is_of(&self, ty: ValType, store: &StoreOpaque) -> bool {
        Val::from(*self).is_of(store, ty)
    }

    fn into_abi(self, store: &StoreOpaque) -> Result<Self::Abi, Error> {
        self.handle().assert_in(store);
        Ok(self.handle().pointer())
    }

    unsafe fn from_abi(abi: Self::Abi, store: &mut StoreOpaque) -> Self {
        Func::from_handle(FuncHandle::new(store.id(), abi))
    }
}

/// References to objects: the type has null or not, as the Rust type has `None` or not.
macro_rules! references {
    ($($ty:ty => $heap:ident)*) => {
        $(
            // SAFETY: a reference to an object is 32 bits, null is 0.
            unsafe impl WasmTy for Option<$ty> {
                type Abi = u32;

                fn val_type() -> ValType {
                    ValType::Ref(RefType { nullable: true, heap: HeapType::$heap })
                }

                fn is_of(&self, ty: ValType, store: &StoreOpaque) -> bool {
                    Val::from(*self).is_of(store, ty)
                }

                fn into_abi(self, store: &StoreOpaque) -> Result<u32, Error> {
                    Ok(self.map_or(0, |reference| store.reference(reference.handle(INTERNAL))))
                }

                unsafe fn from_abi(abi: u32, store: &mut StoreOpaque) -> Self {
                    store.root(abi).map(<$ty>::from_handle)
                }
            }

            // SAFETY: as above; it is never null.
            unsafe impl WasmTy for $ty {
                type Abi = u32;

                fn val_type() -> ValType {
                    ValType::Ref(RefType { nullable: false, heap: HeapType::$heap })
                }

                fn is_of(&self, ty: ValType, store: &StoreOpaque) -> bool {
                    Val::from(*self).is_of(store, ty)
                }

                fn into_abi(self, store: &StoreOpaque) -> Result<u32, Error> {
                    Ok(store.reference(self.handle(INTERNAL)))
                }

                unsafe fn from_abi(abi: u32, store: &mut StoreOpaque) -> Self {
                    let handle = store.root(abi).expect("a reference whose type has no null");
                    <$ty>::from_handle(handle)
                }
            }
        )*
    };
}

references! {
    ExternRef => Extern
    AnyRef => Any
    EqRef => Eq
    StructRef => Struct
    ArrayRef => Array
    Exn => Exn
}

// SAFETY: a reference that is an integer is 32 bits, null is 0.
unsafe impl WasmTy for Option<I31> {
    type Abi = u32;

    fn val_type() -> ValType {
        ValType::I31REF
    }

    fn is_of(&self, ty: ValType, store: &StoreOpaque) -> bool {
        let ValType::Ref(ty) = ty else { return false };
        match self {
            Some(_) => store.engine().types().heap_type_matches(HeapType::I31, ty.heap),
            None => ty.nullable && ty.heap.top() == HeapType::Any,
        }
    }

    fn into_abi(self, _: &StoreOpaque) -> Result<u32, Error> {
        Ok(self.map_or(0, |value| gc::i31(value.get_i32())))
    }

    unsafe fn from_abi(abi: u32, _: &mut StoreOpaque) -> Self {
        (abi != 0).then(|| I31::wrapping_u32(abi >> 1))
    }
}

// SAFETY: as above; it is never null.
unsafe impl WasmTy for I31 {
    type Abi = u32;

    fn val_type() -> ValType {
        ValType::Ref(RefType { nullable: false, heap: HeapType::I31 })
    }

    fn is_of(&self, ty: ValType, store: &StoreOpaque) -> bool {
        Some(*self).is_of(ty, store)
    }

    fn into_abi(self, _: &StoreOpaque) -> Result<u32, Error> {
        Ok(gc::i31(self.get_i32()))
    }

    unsafe fn from_abi(abi: u32, _: &mut StoreOpaque) -> Self {
        I31::wrapping_u32(abi >> 1)
    }
}
