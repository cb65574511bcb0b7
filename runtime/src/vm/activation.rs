//! Going into WebAssembly and coming back: [`enter`], the record it leaves for the ways back, and those ways.
//!
//! `enter` saves the host's registers in an [`Activation`], switches to a stack of its own, and calls. There are three
//! ways back: the call returns; the signal handler found a trap; a host function or libcall failed. The latter two
//! note why in the activation and continue behind the call as if it had returned, which drops all frames in
//! between. Those are frames of generated code, of the assembly here, and of the few functions of [`mod@super`] that
//! own nothing while they call.

use std::{
    any::Any,
    arch::global_asm,
    cell::{Cell, UnsafeCell},
    mem::offset_of,
    ops::Range,
    ptr,
};

use wrun_module::TrapCode;

use super::{
    frames::Trace,
    layout::VmStoreContext,
    signals,
    stack::VmStack,
    store::{CodeRanges, StoreOpaque},
};
use crate::error::Error;

/// Why WebAssembly did not return.
#[derive(Debug)]
pub(crate) enum Failure {
    /// It trapped.
    Trap(TrapCode, Trace),
    /// A host function gave an error.
    Error(Error, Trace),
    /// A host function panicked; the panic goes on in the caller of WebAssembly.
    Panic(Box<dyn Any + Send>),
}

/// One stay in WebAssembly, from the host's call to its return. Lives on the host's stack.
#[repr(C)]
pub(super) struct Activation {
    /// The host's stack pointer, saved by the assembly.
    saved_sp: usize,
    /// The store whose code runs.
    pub(super) vm: *mut VmStoreContext,
    /// Where code of that store lies.
    pub(super) code: *const CodeRanges,
    /// The guard of the stack that is in use.
    pub(super) guard: Range<usize>,
    /// The activation of this thread that a host function was called from which led here; null for the outermost.
    pub(super) previous: *const Activation,
    /// The next outer activation of the same store, which may be another thread's; null for the outermost.
    pub(super) outer: *const Activation,
    /// Where the code of `outer` was left: frame pointer and return address.
    pub(super) previous_exit: (usize, usize),
    /// Why it came back, when it did not return.
    pub(super) failure: UnsafeCell<Option<Failure>>,
    /// A trap as the signal handler leaves it, who must not allocate.
    pub(super) trap: UnsafeCell<Option<(TrapCode, Trace)>>,
}

thread_local! {
    /// The innermost activation of the thread.
    static CURRENT: Cell<*const Activation> = const { Cell::new(ptr::null()) };
}

/// The innermost activation of this thread, or null. Also called in a signal handler.
pub(super) fn current() -> *const Activation {
    CURRENT.get()
}

#[allow(improper_ctypes, reason = "the assembly knows the one field it uses by its offset")]
unsafe extern "C" {
    /// Saves the host's registers, continues on the stack at `sp` (0: on this one), and calls `f(argument)`. Gives 0
    /// when that returns, and 1 when `wrun_vm_resume` ended it.
    fn wrun_vm_enter(
        activation: *mut Activation,
        sp: usize,
        f: unsafe extern "C" fn(*mut u8),
        argument: *mut u8,
    ) -> u32;
    /// Returns 1 from the `wrun_vm_enter` of an activation.
    pub(super) fn wrun_vm_resume(activation: *const Activation) -> !;
}

// The frame is found through rbp, so that the system's unwinder walks from the stack of WebAssembly to the host's.
global_asm!(
    ".text",
    ".balign 16",
    ".globl wrun_vm_enter",
    ".hidden wrun_vm_enter",
    ".type wrun_vm_enter, @function",
    "wrun_vm_enter:",
    ".cfi_startproc",
    "push rbp",
    ".cfi_def_cfa_offset 16",
    ".cfi_offset rbp, -16",
    "mov rbp, rsp",
    ".cfi_def_cfa_register rbp",
    "push rbx",
    ".cfi_offset rbx, -24",
    "push r12",
    ".cfi_offset r12, -32",
    "push r13",
    ".cfi_offset r13, -40",
    "push r14",
    ".cfi_offset r14, -48",
    "push r15",
    ".cfi_offset r15, -56",
    "sub rsp, 8",
    "mov [rdi + {saved_sp}], rsp",
    "test rsi, rsi",
    "cmovne rsp, rsi",
    "mov rdi, rcx",
    "call rdx",
    "xor eax, eax",
    "2:",
    "lea rsp, [rbp - 40]",
    "pop r15",
    "pop r14",
    "pop r13",
    "pop r12",
    "pop rbx",
    "pop rbp",
    ".cfi_def_cfa rsp, 8",
    "ret",
    ".cfi_endproc",
    ".size wrun_vm_enter, . - wrun_vm_enter",
    ".balign 16",
    ".globl wrun_vm_resume",
    ".hidden wrun_vm_resume",
    ".type wrun_vm_resume, @function",
    "wrun_vm_resume:",
    // Six registers lie between the saved stack pointer and the frame pointer.
    "mov rax, [rdi + {saved_sp}]",
    "lea rbp, [rax + 48]",
    "mov eax, 1",
    "jmp 2b",
    ".size wrun_vm_resume, . - wrun_vm_resume",
    saved_sp = const offset_of!(Activation, saved_sp),
);

/// Runs `f(argument)` on the stack of WebAssembly, in the name of the store.
///
/// # Errors
/// When the guest traps or a host function fails, with the backtrace; or when the system has no stack for it.
///
/// # Panics
/// When a host function panics: with its panic.
///
/// # Safety
/// `f(argument)` must be sound to call while the store is borrowed, and may only call code of the store. At every call
/// it makes, its frame owns nothing that has to be dropped: it may never return from there.
pub(super) unsafe fn enter(
    store: &mut StoreOpaque,
    f: unsafe extern "C" fn(*mut u8),
    argument: *mut u8,
) -> Result<(), Error> {
    signals::prepare_thread();
    let previous = current();
    let own_stack = match previous.is_null() {
        true => Some(VmStack::take(store.engine().max_stack()).map_err(Error::stack)?),
        false => {
            // SAFETY: activations live until the call they stand for returns, and this one has not.
            let limit = unsafe { (*(*previous).vm).stack_limit };
            let here = 0u8;
            if (&raw const here as usize) < limit {
                return Err(TrapCode::StackExhausted.into());
            }
            None
        }
    };
    let store_pointer: *mut StoreOpaque = store;
    // SAFETY: made from a unique reference one line above.
    let vm: *mut VmStoreContext = unsafe { (*store_pointer).vm_context() };
    // SAFETY: the store's context lives as long as the store; nothing else refers to it now: code of the store that
    // is further up the stack waits for this call.
    let (saved, code) = unsafe {
        let exit = ((*vm).exit_fp, (*vm).exit_pc);
        let saved = (exit, (*vm).stack_limit, (*vm).store, (*vm).activation);
        (*vm).store = store_pointer;
        (*vm).exit_fp = 0;
        (*vm).exit_pc = 0;
        (saved, (*store_pointer).code_ranges())
    };
    let (sp, guard) = match &own_stack {
        Some(stack) => {
            // SAFETY: as above.
            unsafe { (*vm).stack_limit = stack.limit() };
            (stack.top(), stack.guard())
        }
        None => {
            // SAFETY: activations live until the call they stand for returns, and this one has not.
            let (guard, limit) =
                unsafe { ((*previous).guard.clone(), (*(*previous).vm).stack_limit) };
            // SAFETY: as above.
            unsafe { (*vm).stack_limit = limit };
            (0, guard)
        }
    };
    let mut activation = Activation {
        saved_sp: 0,
        vm,
        code,
        guard,
        previous,
        outer: saved.3,
        previous_exit: saved.0,
        failure: UnsafeCell::new(None),
        trap: UnsafeCell::new(None),
    };
    let pointer: *mut Activation = &mut activation;
    CURRENT.set(pointer);
    // SAFETY: as above; it is taken back before the activation ends.
    unsafe { (*vm).activation = pointer };
    // SAFETY: the stack, if any, is accessible and nobody else's; the caller vouches for `f`.
    let ended = unsafe { wrun_vm_enter(pointer, sp, f, argument) };
    CURRENT.set(previous);
    // SAFETY: as above.
    unsafe {
        ((*vm).exit_fp, (*vm).exit_pc) = saved.0;
        (*vm).stack_limit = saved.1;
        (*vm).store = saved.2;
        (*vm).activation = saved.3;
    }
    if let Some(stack) = own_stack {
        stack.put_back();
    }
    if ended == 0 {
        return Ok(());
    }
    // SAFETY: whoever ended the activation is done with it.
    let failure = unsafe {
        let trap = (*(*pointer).trap.get()).take();
        trap.map(|(code, trace)| Failure::Trap(code, trace)).or((*(*pointer).failure.get()).take())
    };
    match failure.expect("whoever ends an activation says why") {
        Failure::Trap(code, trace) => Err(store.trap_error(code, &trace)),
        Failure::Error(error, trace) => Err(store.add_backtrace(error, &trace)),
        Failure::Panic(payload) => std::panic::resume_unwind(payload),
    }
}

/// Allocates what [`enter`] needs on this thread, for a stack on which programs may fill `max_stack` bytes.
///
/// # Errors
/// When the system has no room for it.
pub(crate) fn prepare_thread(max_stack: usize) -> Result<(), Error> {
    signals::prepare_thread();
    VmStack::take(max_stack).map_err(Error::stack)?.put_back();
    Ok(())
}

/// Ends the innermost activation of the thread.
///
/// # Safety
/// There is one, and the frames since `enter` own nothing that has to be dropped.
pub(super) unsafe fn fail(failure: Failure) -> ! {
    let activation = current();
    // SAFETY: the innermost activation lives; only its own thread touches it.
    unsafe {
        *(*activation).failure.get() = Some(failure);
        wrun_vm_resume(activation)
    }
}
