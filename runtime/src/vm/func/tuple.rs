//! Tuples of [`WasmTy`] as parameters and as results: how many registers and slots become one Rust value and back.

use wrun_module::ValType;

use super::ty::WasmTy;
use crate::{
    Error,
    vm::{
        layout::{VmContextHead, VmValue},
        store::StoreOpaque,
    },
};

/// Parameters of a typed call: a [`WasmTy`] or a tuple of up to 16.
///
/// # Safety
/// For this crate to implement: [`Self::invoke`] passes what generated code expects for [`Self::types`].
pub unsafe trait WasmParams {
    /// The parameters, ready for registers.
    #[doc(hidden)]
    type Abi: Copy;

    /// The types.
    #[doc(hidden)]
    fn types() -> Vec<ValType>;

    /// The position of the first value that is not of the type of its parameter.
    #[doc(hidden)]
    fn misfit(&self, types: &[ValType], store: &StoreOpaque) -> Option<usize>;

    #[doc(hidden)]
    fn into_abi(self, store: &StoreOpaque) -> Result<Self::Abi, Error>;

    /// Calls native code. `results` is only passed when `multi` is set.
    ///
    /// # Safety
    /// `native` is code for these parameters and a first result of type `R`, `callee` its context, and `results` has
    /// room for the others; its frame may be dropped during the call.
    #[doc(hidden)]
    unsafe fn invoke<R: Copy>(
        native: *const u8,
        callee: *mut VmContextHead,
        params: Self::Abi,
        results: *mut VmValue,
        multi: bool,
    ) -> R;
}

/// Results of a typed call, or of a closure: nothing, a [`WasmTy`], or a tuple of up to 16.
///
/// # Safety
/// For this crate to implement: [`Self::First`] is the first result's register, and slots are read and written by type.
pub unsafe trait WasmResults: Sized {
    /// The first result, or nothing.
    #[doc(hidden)]
    type First: Copy;

    /// Number of results.
    #[doc(hidden)]
    const COUNT: usize;

    /// The types.
    #[doc(hidden)]
    fn types() -> Vec<ValType>;

    /// Stores all results but the first at `rest`, and gives the first.
    ///
    /// # Safety
    /// `rest` has room for them.
    #[doc(hidden)]
    unsafe fn into_native(
        self,
        rest: *mut VmValue,
        store: &StoreOpaque,
    ) -> Result<Self::First, Error>;

    /// The results, of which all but the first lie at `rest`.
    ///
    /// # Safety
    /// They come from code of the store whose type has these results.
    #[doc(hidden)]
    unsafe fn from_native(
        first: Self::First,
        rest: *const VmValue,
        store: &mut StoreOpaque,
    ) -> Self;
}

/// Reads a value from a slot.
///
/// # Safety
/// The slot holds one of this type.
#[inline]
pub(super) unsafe fn read_slot<A: Copy>(slots: *const VmValue, index: usize) -> A {
    // SAFETY: slots are aligned for every value; the caller vouches for the rest.
    unsafe { slots.add(index).cast::<A>().read() }
}

/// Writes a value to a slot.
///
/// # Safety
/// The slot can be written.
#[inline]
pub(super) unsafe fn write_slot<A: Copy>(slots: *mut VmValue, index: usize, value: A) {
    // SAFETY: as for `read_slot`.
    unsafe { slots.add(index).cast::<A>().write(value) }
}

macro_rules! impl_params {
    ($($name:ident)*) => {
        #[allow(non_snake_case, reason = "a parameter is named as its type")]
        // SAFETY: one parameter of the C convention for each, between the contexts and the pointer for results.
        unsafe impl<$($name: WasmTy),*> WasmParams for ($($name,)*) {
            type Abi = ($($name::Abi,)*);

            fn types() -> Vec<ValType> {
                vec![$($name::val_type()),*]
            }

            #[allow(unused_variables, unused_mut, reason = "no parameters, no use")]
            fn misfit(&self, types: &[ValType], store: &StoreOpaque) -> Option<usize> {
                let ($($name,)*) = self;
                let mut types = types.iter();
                let fits: &[bool] =
                    &[$(types.next().is_some_and(|ty| $name.is_of(*ty, store))),*];
                fits.iter().position(|fits| !fits)
            }

            #[inline]
            #[allow(unused_variables, reason = "no parameters, no use")]
            fn into_abi(self, store: &StoreOpaque) -> Result<Self::Abi, Error> {
                let ($($name,)*) = self;
                Ok(($($name.into_abi(store)?,)*))
            }

            #[inline]
            unsafe fn invoke<R: Copy>(
                native: *const u8,
                callee: *mut VmContextHead,
                params: Self::Abi,
                results: *mut VmValue,
                multi: bool,
            ) -> R {
                type Context = *mut VmContextHead;
                let caller: Context = std::ptr::null_mut();
                let ($($name,)*) = params;
                // SAFETY: the caller vouches for the type of the code.
                unsafe {
                    if multi {
                        let native: unsafe extern "C" fn(Context, Context, $($name::Abi,)* *mut VmValue) -> R =
                            std::mem::transmute(native);
                        native(callee, caller, $($name,)* results)
                    } else {
                        let native: unsafe extern "C" fn(Context, Context, $($name::Abi,)*) -> R =
                            std::mem::transmute(native);
                        native(callee, caller, $($name,)*)
                    }
                }
            }
        }
    };
}

// SAFETY: as for the tuple of one.
unsafe impl<A: WasmTy> WasmParams for A {
    type Abi = (A::Abi,);

    fn types() -> Vec<ValType> {
        vec![A::val_type()]
    }

    fn misfit(&self, types: &[ValType], store: &StoreOpaque) -> Option<usize> {
        let fits = types.first().is_some_and(|ty| self.is_of(*ty, store));
        (!fits).then_some(0)
    }

    #[inline]
    fn into_abi(self, store: &StoreOpaque) -> Result<Self::Abi, Error> {
        Ok((WasmTy::into_abi(self, store)?,))
    }

    #[inline]
    unsafe fn invoke<R: Copy>(
        native: *const u8,
        callee: *mut VmContextHead,
        params: Self::Abi,
        results: *mut VmValue,
        multi: bool,
    ) -> R {
        // SAFETY: the caller's contract is the tuple's.
        unsafe { <(A,)>::invoke(native, callee, params, results, multi) }
    }
}

// SAFETY: nothing is returned.
unsafe impl WasmResults for () {
    type First = ();
    const COUNT: usize = 0;

    fn types() -> Vec<ValType> {
        Vec::new()
    }

    #[inline]
    unsafe fn into_native(self, _: *mut VmValue, _: &StoreOpaque) -> Result<(), Error> {
        Ok(())
    }

    #[inline]
    unsafe fn from_native((): (), _: *const VmValue, _: &mut StoreOpaque) -> Self {}
}

// SAFETY: one result is returned in its register.
unsafe impl<A: WasmTy> WasmResults for A {
    type First = A::Abi;
    const COUNT: usize = 1;

    fn types() -> Vec<ValType> {
        vec![A::val_type()]
    }

    #[inline]
    unsafe fn into_native(self, _: *mut VmValue, store: &StoreOpaque) -> Result<A::Abi, Error> {
        self.into_abi(store)
    }

    #[inline]
    unsafe fn from_native(first: A::Abi, _: *const VmValue, store: &mut StoreOpaque) -> Self {
        // SAFETY: the caller vouches for the value.
        unsafe { A::from_abi(first, store) }
    }
}

macro_rules! impl_results {
    ($first:ident $($name:ident)*) => {
        #[allow(non_snake_case, reason = "a result is named as its type")]
        // SAFETY: the first result is in its register, the others are in the slots in order.
        unsafe impl<$first: WasmTy, $($name: WasmTy),*> WasmResults for ($first, $($name,)*) {
            type First = $first::Abi;
            const COUNT: usize = 1 $(+ { let _ = stringify!($name); 1 })*;

            fn types() -> Vec<ValType> {
                vec![$first::val_type(), $($name::val_type()),*]
            }

            #[inline]
            #[allow(unused_variables, unused_mut, unused_assignments, reason = "a tuple of one has no rest")]
            unsafe fn into_native(self, rest: *mut VmValue, store: &StoreOpaque) -> Result<Self::First, Error> {
                let ($first, $($name,)*) = self;
                let mut index = 0;
                $(
                    // SAFETY: the caller vouches for the room.
                    unsafe { write_slot(rest, index, $name.into_abi(store)?) };
                    index += 1;
                )*
                $first.into_abi(store)
            }

            #[inline]
            #[allow(unused_variables, unused_mut, unused_assignments, reason = "a tuple of one has no rest")]
            unsafe fn from_native(first: Self::First, rest: *const VmValue, store: &mut StoreOpaque) -> Self {
                let mut index = 0;
                // SAFETY: the caller vouches for the values.
                unsafe {
                    $(
                        let $name = $name::from_abi(read_slot(rest, index), store);
                        index += 1;
                    )*
                    ($first::from_abi(first, store), $($name,)*)
                }
            }
        }
    };
}

/// Calls a macro with every list of up to 16 type parameters.
macro_rules! for_each_arity {
    ($callback:ident) => {
        $callback!();
        for_each_arity!(@nonempty $callback);
    };
    (@nonempty $callback:ident) => {
        $callback!(A1);
        $callback!(A1 A2);
        $callback!(A1 A2 A3);
        $callback!(A1 A2 A3 A4);
        $callback!(A1 A2 A3 A4 A5);
        $callback!(A1 A2 A3 A4 A5 A6);
        $callback!(A1 A2 A3 A4 A5 A6 A7);
        $callback!(A1 A2 A3 A4 A5 A6 A7 A8);
        $callback!(A1 A2 A3 A4 A5 A6 A7 A8 A9);
        $callback!(A1 A2 A3 A4 A5 A6 A7 A8 A9 A10);
        $callback!(A1 A2 A3 A4 A5 A6 A7 A8 A9 A10 A11);
        $callback!(A1 A2 A3 A4 A5 A6 A7 A8 A9 A10 A11 A12);
        $callback!(A1 A2 A3 A4 A5 A6 A7 A8 A9 A10 A11 A12 A13);
        $callback!(A1 A2 A3 A4 A5 A6 A7 A8 A9 A10 A11 A12 A13 A14);
        $callback!(A1 A2 A3 A4 A5 A6 A7 A8 A9 A10 A11 A12 A13 A14 A15);
        $callback!(A1 A2 A3 A4 A5 A6 A7 A8 A9 A10 A11 A12 A13 A14 A15 A16);
    };
}

for_each_arity!(impl_params);
for_each_arity!(@nonempty impl_results);

pub(super) use for_each_arity;
