//! The way from the call of an absent function to its code: the assembly that stubs lead to, and what it calls.
//!
//! The assembly is called in place of the function, with the function's arguments, in either convention. It keeps
//! all registers that arguments may be in, has the function's code found or made, and jumps there as if the caller
//! had called it in the first place.
//!
//! Compiling needs more stack than host functions are promised on the stack of WebAssembly, and than a thread of the host may
//! have. It has one of its own.

use std::{
    arch::{global_asm, naked_asm},
    panic::{AssertUnwindSafe, catch_unwind},
};

use wrun_module::layout;

use super::Outcome;
use crate::{
    Error,
    vm::{
        activation::{Failure, fail},
        frames::Trace,
        layout::VmInstanceHead,
        stack::VmStack,
    },
};

/// Bytes in which the assembly saves six integer registers and eight vector registers.
const SAVED: usize = 8 * 16 + 6 * 8 + 16;

/// Address of the code that stubs of absent functions lead to.
pub(super) fn address() -> usize {
    resolve as *const () as usize
}

/// Called by stubs: the function's position has been pushed, and everything else is as the function expects it. r10 and r11
/// carry nothing between functions in either convention.
///
/// # Safety
/// Called by stubs only.
#[unsafe(naked)]
unsafe extern "C" fn resolve() {
    naked_asm!(
        "pop r10",
        // As for every other way out of WebAssembly.
        "mov r11, [rdi + {store}]",
        "cmp rsp, [r11 + {stack_limit}]",
        "jb wrun_vm_overflow",
        "mov rax, [rsp]",
        "mov [r11 + {exit_fp}], rbp",
        "mov [r11 + {exit_pc}], rax",
        "push rbp",
        "mov rbp, rsp",
        "sub rsp, {saved}",
        "and rsp, -16",
        "movaps [rsp], xmm0",
        "movaps [rsp + 16], xmm1",
        "movaps [rsp + 32], xmm2",
        "movaps [rsp + 48], xmm3",
        "movaps [rsp + 64], xmm4",
        "movaps [rsp + 80], xmm5",
        "movaps [rsp + 96], xmm6",
        "movaps [rsp + 112], xmm7",
        "mov [rsp + 128], rdi",
        "mov [rsp + 136], rsi",
        "mov [rsp + 144], rdx",
        "mov [rsp + 152], rcx",
        "mov [rsp + 160], r8",
        "mov [rsp + 168], r9",
        "mov rsi, r10",
        "call {find_code}",
        "movaps xmm0, [rsp]",
        "movaps xmm1, [rsp + 16]",
        "movaps xmm2, [rsp + 32]",
        "movaps xmm3, [rsp + 48]",
        "movaps xmm4, [rsp + 64]",
        "movaps xmm5, [rsp + 80]",
        "movaps xmm6, [rsp + 96]",
        "movaps xmm7, [rsp + 112]",
        "mov rdi, [rsp + 128]",
        "mov rsi, [rsp + 136]",
        "mov rdx, [rsp + 144]",
        "mov rcx, [rsp + 152]",
        "mov r8, [rsp + 160]",
        "mov r9, [rsp + 168]",
        "mov rsp, rbp",
        "pop rbp",
        "jmp rax",
        store = const layout::context::STORE,
        stack_limit = const layout::store_context::STACK_LIMIT,
        exit_fp = const layout::store_context::EXIT_FP,
        exit_pc = const layout::store_context::EXIT_PC,
        saved = const SAVED,
        find_code = sym find_code,
    )
}

/// The code of a function that was absent when it was called.
///
/// # Safety
/// Called by the assembly only, with the context that the function was called with, in an activation of its store.
unsafe extern "C" fn find_code(context: *mut VmInstanceHead, position: u32) -> usize {
    // SAFETY: while code of a store runs its context points to the store, which waits for this call.
    let (vm, module) = unsafe {
        let vm = (*context).head.store;
        (vm, (*(*vm).store).instance((*context).instance).module().clone())
    };
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        let lazy = module.code().lazy().expect("only code with stubs leads here");
        if let Some(code) = lazy.enter_ready(position as usize) {
            return Ok(code);
        }
        let mut result: Option<Outcome<usize>> = None;
        on_compiler_stack(&mut || result = Some(lazy.enter(position as usize)))?;
        result.expect("it was called")
    }));
    drop(module);
    let failure = match outcome {
        Ok(Ok(code)) => return code,
        // SAFETY: the assembly has noted the frame that calls.
        Ok(Err(error)) => Failure::Error(error, unsafe { Trace::capture_at_exit(vm) }),
        Err(payload) => Failure::Panic(payload),
    };
    // SAFETY: called from within an activation, and nothing here has to be dropped any more.
    unsafe { fail(failure) }
}

unsafe extern "C" {
    /// Calls `f(argument)` with the stack pointer at `sp`.
    fn wrun_vm_on_stack(sp: usize, f: unsafe extern "C" fn(*mut u8), argument: *mut u8);
}

// The frame is found through rbp, so that the system's unwinder walks from one stack to the other.
global_asm!(
    ".text",
    ".balign 16",
    ".globl wrun_vm_on_stack",
    ".hidden wrun_vm_on_stack",
    ".type wrun_vm_on_stack, @function",
    "wrun_vm_on_stack:",
    ".cfi_startproc",
    "push rbp",
    ".cfi_def_cfa_offset 16",
    ".cfi_offset rbp, -16",
    "mov rbp, rsp",
    ".cfi_def_cfa_register rbp",
    "mov rsp, rdi",
    "mov rdi, rdx",
    "call rsi",
    "mov rsp, rbp",
    "pop rbp",
    ".cfi_def_cfa rsp, 8",
    "ret",
    ".cfi_endproc",
    ".size wrun_vm_on_stack, . - wrun_vm_on_stack",
);

/// Calls `f` on a stack that is large enough for the compiler.
///
/// # Errors
/// When the system has no room for one.
///
/// # Panics
/// When `f` does.
pub(super) fn on_compiler_stack(f: &mut dyn FnMut()) -> Outcome<()> {
    type Call<'f> = (&'f mut dyn FnMut(), std::thread::Result<()>);
    /// # Safety
    /// `argument` is a `Call`.
    unsafe extern "C" fn run(argument: *mut u8) {
        // SAFETY: the contract.
        let call = unsafe { &mut *argument.cast::<Call<'_>>() };
        call.1 = catch_unwind(AssertUnwindSafe(&mut *call.0));
    }
    let mut call: Call<'_> = (f, Ok(()));
    let called = VmStack::with_compiler_stack(|stack| {
        // SAFETY: the stack is nobody else's meanwhile; `run` gets what it expects, and does not unwind.
        unsafe { wrun_vm_on_stack(stack.top(), run, (&raw mut call).cast()) };
    });
    called.map_err(Error::stack)?;
    if let Err(payload) = call.1 {
        std::panic::resume_unwind(payload);
    }
    Ok(())
}
