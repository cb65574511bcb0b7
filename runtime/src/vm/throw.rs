//! Throwing: from an exception to the handler that takes it, or out of the activation when none does.
//!
//! Nothing is unwound step by step. The frames of the innermost activation are looked at from the inside out, without changing
//! any, until one waits in a call that has a handler for the exception ([`HandlerTable`](wrun_module::image::tables)). Then that
//! frame is made the innermost one, and its handler runs.
//!
//! # What keeps it sound
//! - *Nothing is left undone.* What lies between the handler and whoever throws is frames of generated code, which own
//!   nothing, stubs, and functions of the runtime that own nothing when they come here: the same frames as those that a
//!   trap drops ([`mod@super::activation`]). Frames of the host's own are never among them: an activation has its code, and
//!   the host functions called from it have either returned or are the one that throws, which has returned its error.
//! - *The handler finds what it needs.* It takes all registers to have lost their values but the stack and the frame pointer
//!   (`Abi::catching` of the compiler), whatever the conventions of the functions in between are, and neither of them
//!   has to restore registers that it has saved. The frame pointer is the one by which the frame was found; the stack
//!   pointer is a fixed distance below it, where the prologue had left it before arguments were passed to anybody.
//! - *It is the right handler.* Entries name tags by their index in the module, which means a tag of an instance only together
//!   with the instance: its context is in a slot of the frame that the table names. So two instances of one module, and tags
//!   imported from anywhere, are told apart by the tags' numbers in the store.
//! - *The exception is still there.* Between finding the handler and the handler's first instruction, which reads the
//!   exception, nothing collects.
//!
//! A stack that is used up, or any other trap, is nothing special: whoever throws was called through the exit stub, which
//! traps when there is not enough stack for the host, and nothing here has changed anything yet when it fails.

use std::{
    arch::global_asm,
    ops::ControlFlow,
    panic::{AssertUnwindSafe, catch_unwind},
};

use wrun_module::image::tables::Handlers;

use super::{
    activation::{Failure, fail},
    frames::{self, Exit, Frame, Trace},
    layout::{VmInstanceHead, VmStoreContext},
    store::StoreOpaque,
};
use crate::{Error, Module, exception::Exception};

/// A handler in a frame.
#[derive(Clone, Copy, Debug)]
struct Landing {
    /// Its code.
    pc: usize,
    /// The frame pointer it expects.
    fp: usize,
    /// The stack pointer it expects.
    sp: usize,
}

unsafe extern "C" {
    /// Continues at `pc` in the frame that has these pointers.
    fn wrun_vm_land(pc: usize, fp: usize, sp: usize) -> !;
}

global_asm!(
    ".text",
    ".balign 16",
    ".globl wrun_vm_land",
    ".hidden wrun_vm_land",
    ".type wrun_vm_land, @function",
    "wrun_vm_land:",
    "mov rbp, rsi",
    "mov rsp, rdx",
    "jmp rdi",
    ".size wrun_vm_land, . - wrun_vm_land",
);

impl Landing {
    /// Runs the handler.
    ///
    /// # Safety
    /// It was found for this exception since the store's code called out, and nothing has collected since. The caller owns
    /// nothing that has to be dropped, nor do the functions that called it.
    unsafe fn take(self, vm: *mut VmStoreContext, exception: u32) -> ! {
        // SAFETY: the store is alive, and nobody has a reference to its context; the rest is the head of this file.
        unsafe {
            (*vm).exception = exception;
            wrun_vm_land(self.pc, self.fp, self.sp)
        }
    }
}

/// Throws an exception of generated code.
///
/// # Safety
/// Called by generated code only, through the stub, with a reference to an exception.
pub(super) unsafe extern "C" fn throw_ref(context: *mut VmInstanceHead, exception: i32) {
    let exception = exception as u32;
    // SAFETY: while code of a store runs its context points to the store, which is borrowed for it.
    let vm = unsafe { (*context).head.store };
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        // SAFETY: as above; the reference ends with the closure.
        let store = unsafe { &mut *(*vm).store };
        // SAFETY: the store's code waits for this call.
        match unsafe { find_handler(vm, store, exception) } {
            Some(landing) => Ok(landing),
            None => Err(Exception::uncaught(store, exception)),
        }
    }));
    let failure = match outcome {
        // SAFETY: found just now; nothing here has to be dropped.
        Ok(Ok(landing)) => unsafe { landing.take(vm, exception) },
        // SAFETY: the stub has noted the frame that calls.
        Ok(Err(error)) => Failure::Error(error, unsafe { Trace::capture_at_exit(vm) }),
        Err(payload) => Failure::Panic(payload),
    };
    // SAFETY: called from within an activation, and nothing here has to be dropped any more.
    unsafe { fail(failure) }
}

/// Ends a host function that has given an error: throws it, when it is an exception that has a handler, and ends the
/// activation otherwise.
///
/// # Safety
/// Called inside an activation of the store, by a host function that was called through the exit stub, or by the host.
/// The caller owns nothing that has to be dropped, nor do the functions that called it.
#[cold]
pub(super) unsafe fn fail_or_throw(vm: *mut VmStoreContext, error: Error) -> ! {
    // SAFETY: nobody else uses the store: whoever runs in its name waits for this call.
    let store = unsafe { &mut *(*vm).store };
    // Of another store it is an error like any other.
    if let Some(exception) = error.exception().and_then(|exception| exception.reference(store)) {
        // SAFETY: the store's code, if any runs, waits for the caller.
        if let Some(landing) = unsafe { find_handler(vm, store, exception) } {
            drop(error);
            // SAFETY: found just now, and dropping an error does not collect.
            unsafe { landing.take(vm, exception) }
        }
    }
    // SAFETY: this is inside an activation, and nothing is left to be dropped.
    unsafe { fail(Failure::Error(error, Trace::capture_at_exit(vm))) }
}

/// The handler that takes an exception, among the frames since the innermost activation began.
///
/// # Safety
/// The store's code waits for the caller, and `vm` is the store's.
unsafe fn find_handler(
    vm: *const VmStoreContext,
    store: &StoreOpaque,
    exception: u32,
) -> Option<Landing> {
    let tag = store.exception_tag(exception);
    // SAFETY: the activation is the store's innermost one, and the exit stub has noted a live frame of it, or none.
    unsafe {
        let exit = Exit { pc: (*vm).exit_pc, fp: (*vm).exit_fp, is_return: true };
        let found =
            frames::walk_activation(
                &*(*vm).activation,
                exit,
                &mut |frame, module| match handler_in(frame, module, tag) {
                    Some(landing) => ControlFlow::Break(landing),
                    None => ControlFlow::Continue(()),
                },
            );
        found.break_value()
    }
}

/// The handler in a frame for exceptions with a tag.
///
/// # Safety
/// The frame is live, waits in a call, and its code is the module's.
unsafe fn handler_in(frame: Frame, module: &Module, tag: u32) -> Option<Landing> {
    let handlers: Handlers<'_> = module.code().handlers_at(frame.pc)?;
    let handler = handlers.iter().find(|handler| {
        let Some(index) = handler.tag else { return true };
        // A table that is damaged is not followed.
        if index.index() >= module.info().tags.len() || handlers.context < 8 {
            return false;
        }
        // SAFETY: by the table the frame holds the context of its instance there; in it, by its layout, the tag's number.
        unsafe {
            let context = *((frame.fp - handlers.context as usize) as *const *const u8);
            *context.add(module.layout().tag(index) as usize).cast::<u32>() == tag
        }
    })?;
    let pc = module.code().address_of(handler.offset)?.as_ptr() as usize;
    Some(Landing { pc, fp: frame.fp, sp: frame.fp - handlers.stack as usize })
}
