//! Calls from the host: typed, straight into native code, and dynamic, through a trampoline.

use std::{marker::PhantomData, mem::MaybeUninit, ptr::NonNull};

use wrun_module::{FuncType, ValType, layout::host_func::HOST_MAGIC};

use super::{FuncHandle, WasmParams, WasmResults, host::ArrayFn};
use crate::{
    Error, TypeMismatch, Val,
    vm::{
        activation::enter,
        layout::{VmContextHead, VmHostFunc, VmValue},
        store::StoreOpaque,
    },
};

/// The most results of a typed call.
const MAX_RESULTS: usize = 16;

/// A typed call on its way in and out.
struct TypedCall<P: WasmParams, R: WasmResults> {
    native: *const u8,
    callee: *mut VmContextHead,
    params: P::Abi,
    first: MaybeUninit<R::First>,
    rest: [MaybeUninit<VmValue>; MAX_RESULTS],
}

/// Makes a typed call. Owns nothing: it may be dropped during the call.
///
/// # Safety
/// The argument is a `TypedCall` whose types are the function's.
unsafe extern "C" fn run_typed<P: WasmParams, R: WasmResults>(call: *mut u8) {
    let call = call.cast::<TypedCall<P, R>>();
    // SAFETY: the caller vouches for the call.
    unsafe {
        let rest = (&raw mut (*call).rest).cast::<VmValue>();
        let multi = R::COUNT > 1;
        let first =
            P::invoke::<R::First>((*call).native, (*call).callee, (*call).params, rest, multi);
        (*call).first = MaybeUninit::new(first);
    }
}

/// A trampoline: code of a function, the contexts of callee and caller, and the slots of arguments and results.
type Trampoline =
    unsafe extern "C" fn(*const u8, *mut VmContextHead, *mut VmContextHead, *mut VmValue);

/// A dynamic call on its way in and out.
struct ArrayCall {
    trampoline: Trampoline,
    native: *const u8,
    callee: *mut VmContextHead,
    values: *mut VmValue,
}

/// Makes a dynamic call of a function of an instance.
///
/// # Safety
/// The argument is an `ArrayCall` whose trampoline and values are those for the function's type.
unsafe extern "C" fn run_array(call: *mut u8) {
    let call = call.cast::<ArrayCall>();
    // SAFETY: the caller vouches for the call.
    unsafe {
        let ArrayCall { trampoline, native, callee, values } = call.read();
        trampoline(native, callee, std::ptr::null_mut(), values);
    }
}

/// Makes a dynamic call of a host function.
///
/// # Safety
/// The argument is an `ArrayCall` whose callee is a host function and whose values are those for its type.
unsafe extern "C" fn run_host(call: *mut u8) {
    let call = call.cast::<ArrayCall>();
    // SAFETY: the caller vouches for the call; the entry of a host function for arrays has this type.
    unsafe {
        let ArrayCall { callee, values, .. } = call.read();
        let callee = callee.cast::<VmHostFunc>();
        let entry = std::mem::transmute::<NonNull<u8>, ArrayFn>((*callee).array_entry);
        entry(callee, std::ptr::null_mut(), values);
    }
}

/// A function whose type has been compared with `P` and `R`.
#[derive(Debug)]
pub(crate) struct TypedHandle<P, R> {
    func: FuncHandle,
    /// Whether there is more in `P` than the function takes, so that each value has to be looked at.
    narrower: bool,
    types: PhantomData<fn(P) -> R>,
}

impl<P, R> Clone for TypedHandle<P, R> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<P, R> Copy for TypedHandle<P, R> {}

impl<P, R> TypedHandle<P, R> {
    /// The function.
    pub(crate) fn func(self) -> FuncHandle {
        self.func
    }
}

impl<P: WasmParams, R: WasmResults> TypedHandle<P, R> {
    /// The function, when it can take these parameters and gives no other results.
    ///
    /// A parameter that the function takes only some values of, such as references to structs of one type, is compared with
    /// each value when it is called. Types that match, in either direction, go through registers alike.
    pub(crate) fn new(func: FuncHandle, store: &StoreOpaque) -> Result<Self, TypeMismatch> {
        let types = store.engine().types();
        let found = types.get(func.type_id(store));
        let given = FuncType::new(P::types(), R::types());
        let (params, results) = (found.func().params(), found.func().results());
        let same_len =
            params.len() == given.params().len() && results.len() == given.results().len();
        let matches =
            |found: &ValType, expected: &ValType| types.val_type_matches(*found, *expected);
        let mut narrower = false;
        let fits = same_len
            && given.params().iter().zip(params).all(|(given, taken)| {
                let fits = matches(given, taken);
                narrower |= !fits;
                fits || matches(taken, given)
            })
            && results.iter().zip(given.results()).all(|(found, wanted)| matches(found, wanted));
        if !fits {
            return Err(TypeMismatch::new("a function's type".to_owned(), &given, found.func()));
        }
        Ok(Self { func, narrower, types: PhantomData })
    }

    /// # Errors
    /// When a value is not of the type of its parameter.
    #[cold]
    fn check_params(self, store: &StoreOpaque, params: &P) -> Result<(), TypeMismatch> {
        let ty = store.engine().types().get(self.func.type_id(store));
        let types = ty.func().params();
        match params.misfit(types, store) {
            Some(index) => {
                let what = format!("argument {index}");
                Err(TypeMismatch::new(what, &types[index], &P::types()[index]))
            }
            None => Ok(()),
        }
    }

    /// Calls the function.
    ///
    /// # Errors
    /// When a value is not of the type of its parameter, it traps, or a host function fails.
    #[inline]
    pub(crate) fn call(self, store: &mut StoreOpaque, params: P) -> Result<R, Error> {
        if self.narrower {
            self.check_params(store, &params)?;
        }
        let func_ref = self.func.resolve(store);
        let mut call = TypedCall::<P, R> {
            native: func_ref.native.code().as_ptr(),
            callee: func_ref.context.as_ptr(),
            params: params.into_abi(store)?,
            first: MaybeUninit::uninit(),
            rest: [MaybeUninit::uninit(); MAX_RESULTS],
        };
        // SAFETY: the types were compared when `self` was made, and where that was not enough the values above; the function is
        // the store's. When `enter` succeeds the call has returned, so its results are there.
        unsafe {
            enter(store, run_typed::<P, R>, (&raw mut call).cast())?;
            Ok(R::from_native(call.first.assume_init(), call.rest.as_ptr().cast(), store))
        }
    }
}

impl StoreOpaque {
    /// Calls a function of type `ty` with arguments of its parameters' types, and gives as many results as it has.
    ///
    /// # Errors
    /// When it traps or a host function fails.
    ///
    /// # Panics
    /// When arguments or `results` do not fit the type.
    pub(crate) fn call_dynamic(
        &mut self,
        func: FuncHandle,
        ty: &FuncType,
        arguments: &[Val],
        results: &mut [Val],
    ) -> Result<(), Error> {
        let func_ref = func.resolve(self);
        let (native, callee) = (func_ref.native.code(), func_ref.context.as_ptr());
        let type_id = func_ref.type_id;
        let own = self.engine().types().get(type_id);
        assert_eq!(own.func(), ty, "the type is the function's");
        assert_eq!(results.len(), ty.results().len(), "room for the results");
        assert!(
            arguments.len() == ty.params().len()
                && arguments.iter().zip(ty.params()).all(|(value, &ty)| value.is_of(self, ty)),
            "arguments of the function's types"
        );
        let mut values = vec![VmValue::default(); arguments.len().max(results.len()).max(1)];
        for (slot, argument) in values.iter_mut().zip(arguments) {
            *slot = argument.to_vm(self);
        }
        // SAFETY: the context of a function of the store is alive.
        let is_host = unsafe { (*callee).magic == HOST_MAGIC };
        let mut call = ArrayCall {
            trampoline: no_trampoline,
            native: native.as_ptr(),
            callee,
            values: values.as_mut_ptr(),
        };
        if is_host {
            // The entry is called without the stub that notes the caller's frame: there is none.
            // SAFETY: the values have the function's types, and the callee is a host function.
            unsafe { enter(self, run_host, (&raw mut call).cast())? };
        } else {
            // SAFETY: the context is not a host function's, so it is an instance's.
            let instance =
                unsafe { super::instance_of(callee) }.expect("the context of an instance");
            let module = self.instance(instance).module();
            let trampoline = module.array_to_native(type_id).expect("an escaping function's");
            // SAFETY: trampolines of an image have this signature.
            call.trampoline = unsafe { std::mem::transmute::<NonNull<u8>, Trampoline>(trampoline) };
            // SAFETY: the values have the function's types, for which the trampoline is.
            unsafe { enter(self, run_array, (&raw mut call).cast())? };
        }
        for ((slot, &value), &ty) in results.iter_mut().zip(&values).zip(ty.results()) {
            // SAFETY: the function left values of its types, and nothing has collected since.
            *slot = unsafe { Val::from_vm(value, ty, self) };
        }
        Ok(())
    }
}

/// Stands where no trampoline is used.
unsafe extern "C" fn no_trampoline(
    _: *const u8,
    _: *mut VmContextHead,
    _: *mut VmContextHead,
    _: *mut VmValue,
) {
}
