//! The calling conventions, and which function has which.
//!
//! - *Native*: the platform's C convention with `(callee_vmctx, caller_vmctx, params…)`. The first result is returned
//!   as if it were the only one; the others go through an out-pointer that is the last parameter, result `i + 1` at
//!   `i * value::SIZE`. Functions that escape have it, imported functions, and all that is called by reference.
//! - *Internal*: Cranelift's convention for tail calls with `(vmctx, params…)`, all results returned in registers. When there
//!   are more than fit, they are returned as native functions do it. All other functions have it, and those with tail calls
//!   even when they escape: these have a native *adapter* besides, and their references hold both entries. RATIONALE.md
//!   says why.
//! - *Libcalls*: the platform's C convention with `(vmctx, params…)`.
//!
//! Whatever the convention, the callee's context is in the register of the first argument: code that is called before it is
//! there is found by it. So no signature returns more than registers hold, for which Cranelift would pass the address of room
//! in that register.

use cranelift_codegen::{
    ir::{self, AbiParam, types},
    isa::{CallConv, TargetFrontendConfig, TargetIsa},
};
use wrun_module::{FuncIndex, FuncType, Libcall, LibcallType, ModuleInfo, ParsedModule, ValType};

/// The type of pointers; all targets have 64 bits.
pub(crate) const POINTER: ir::Type = types::I64;

/// Cranelift's convention for internal functions.
const INTERNAL: CallConv = CallConv::Tail;

/// How many results internal functions return in registers of each kind, for numbers and for floats and vectors. Cranelift's
/// convention has so many on x86-64.
const RESULT_REGISTERS: usize = 8;

/// How a value of a WebAssembly type is held: function references are pointers, other references indices.
pub(crate) fn clif_type(ty: ValType) -> ir::Type {
    match ty {
        ValType::I32 => types::I32,
        ValType::I64 => types::I64,
        ValType::F32 => types::F32,
        ValType::F64 => types::F64,
        ValType::V128 => types::I8X16,
        ValType::Ref(ty) if ty.heap.is_func() => POINTER,
        ValType::Ref(_) => types::I32,
    }
}

/// How a function of WebAssembly is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Convention {
    /// As the platform's C functions are.
    Native,
    /// As suits generated code best.
    Internal,
}

/// The conventions of a target.
#[derive(Clone)]
pub(crate) struct Abi {
    native: CallConv,
    frontend: TargetFrontendConfig,
}

impl Abi {
    /// The conventions of the target that `isa` generates code for.
    pub(crate) fn new(isa: &dyn TargetIsa) -> Self {
        Self { native: CallConv::triple_default(isa.triple()), frontend: isa.frontend_config() }
    }

    /// What `FunctionBuilder::finalize` wants to know of the target.
    pub(crate) fn frontend_config(&self) -> TargetFrontendConfig {
        self.frontend
    }

    /// Signature of a native function: parameters 0 and 1 are the callee's and the caller's context, the last one is
    /// the pointer for the results behind the first when there are two or more.
    pub(crate) fn native_signature(&self, ty: &FuncType) -> ir::Signature {
        let mut signature = ir::Signature::new(self.native);
        signature.params.extend([AbiParam::new(POINTER), AbiParam::new(POINTER)]);
        self.complete(signature, ty, Convention::Native)
    }

    /// A signature that has its contexts, with the parameters and results of a type.
    fn complete(
        &self,
        mut signature: ir::Signature,
        ty: &FuncType,
        convention: Convention,
    ) -> ir::Signature {
        signature.params.extend(abi_params(ty.params()));
        if self.has_out_pointer(ty, convention) {
            signature.params.push(AbiParam::new(POINTER));
            signature.returns.extend(abi_params(&ty.results()[..1]));
        } else {
            signature.returns.extend(abi_params(ty.results()));
        }
        signature
    }

    /// Whether functions of a type and convention return only their first result, and the others through a pointer.
    pub(crate) fn has_out_pointer(&self, ty: &FuncType, convention: Convention) -> bool {
        match convention {
            Convention::Native => ty.results().len() > 1,
            Convention::Internal => {
                let numbers = ty.results().iter().filter(|&&ty| clif_type(ty).is_int()).count();
                numbers.max(ty.results().len() - numbers) > RESULT_REGISTERS
            }
        }
    }

    /// The signature for a call that has handlers for exceptions, where it is not that of a call without.
    ///
    /// In a handler all registers have lost their values, whatever convention the callee has: the frames of generated code
    /// and of the host that lie in between are left without restoring what they have saved. Of its internal convention
    /// Cranelift knows that. Of the C convention it takes the opposite for granted, that the registers are preserved that a
    /// callee preserves when it returns. But there is `winch`, the convention of another compiler: as it passes arguments
    /// and at most one result it is the C convention, and nothing is preserved.
    pub(crate) fn catching(&self, signature: &ir::Signature) -> Option<ir::Signature> {
        if signature.call_conv != self.native {
            return None;
        }
        debug_assert!(signature.returns.len() < 2, "a native function returns one result");
        Some(ir::Signature { call_conv: CallConv::Winch, ..signature.clone() })
    }

    /// Signature of an internal function: parameter 0 is the context; when there are more results than registers, the last one
    /// is the pointer for those behind the first.
    pub(crate) fn internal_signature(&self, ty: &FuncType) -> ir::Signature {
        let mut signature = ir::Signature::new(INTERNAL);
        signature.params.push(AbiParam::new(POINTER));
        self.complete(signature, ty, Convention::Internal)
    }

    /// The signature of the code that goes on in a function of a type and convention from one of its loops on: what the
    /// function has for its parameters is the address of its state. Results are the function's.
    pub(crate) fn loop_signature(&self, ty: &FuncType, convention: Convention) -> ir::Signature {
        let mut signature = self.signature_of(ty, convention);
        let contexts = match convention {
            Convention::Native => 2,
            Convention::Internal => 1,
        };
        signature.params.splice(contexts..contexts + ty.params().len(), [AbiParam::new(POINTER)]);
        signature
    }

    /// Signature of a libcall: parameter 0 is the context.
    pub(crate) fn libcall_signature(&self, libcall: Libcall) -> ir::Signature {
        let param = |ty| match ty {
            LibcallType::I32 => AbiParam::new(types::I32),
            LibcallType::I64 => AbiParam::new(types::I64),
        };
        let mut signature = ir::Signature::new(self.native);
        signature.params.push(AbiParam::new(POINTER));
        signature.params.extend(libcall.params().iter().copied().map(param));
        signature.returns.extend(libcall.result().map(param));
        signature
    }

    /// Signature of a trampoline that calls a native function with arguments from memory: its code, the callee's and
    /// the caller's context, and the slots of arguments and results.
    pub(crate) fn array_signature(&self) -> ir::Signature {
        let mut signature = ir::Signature::new(self.native);
        signature.params.extend([AbiParam::new(POINTER); 4]);
        signature
    }

    /// Signature of a host function that takes its arguments in memory: the callee's and the caller's context, and the
    /// slots of arguments and results.
    pub(crate) fn array_entry_signature(&self) -> ir::Signature {
        let mut signature = ir::Signature::new(self.native);
        signature.params.extend([AbiParam::new(POINTER); 3]);
        signature
    }

    /// The convention of a function: native when it is imported, or escapes and has no tail calls.
    pub(crate) fn convention(&self, info: &ModuleInfo, func: FuncIndex) -> Convention {
        if info.is_imported_func(func) {
            return Convention::Native;
        }
        match info.func_ref(func).map(|slot| &info.func_refs[slot as usize]) {
            Some(decl) if decl.adapter.is_none() => Convention::Native,
            _ => Convention::Internal,
        }
    }

    /// The signature of a function, by its convention.
    pub(crate) fn signature(&self, module: &ParsedModule<'_>, func: FuncIndex) -> ir::Signature {
        self.signature_of(module.func_type(func), self.convention(&module.info, func))
    }

    /// The signature of functions of a type with a convention.
    pub(crate) fn signature_of(&self, ty: &FuncType, convention: Convention) -> ir::Signature {
        match convention {
            Convention::Native => self.native_signature(ty),
            Convention::Internal => self.internal_signature(ty),
        }
    }
}

fn abi_params(types: &[ValType]) -> impl Iterator<Item = AbiParam> {
    types.iter().map(|&ty| AbiParam::new(clif_type(ty)))
}
