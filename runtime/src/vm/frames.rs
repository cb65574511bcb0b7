//! Walks the frames of generated code by their frame pointers. Also called in a signal handler: nothing here
//! allocates or locks.

use std::ops::ControlFlow;

use super::{activation::Activation, layout::VmStoreContext};
use crate::Module;

/// The most frames that are kept.
const MAX_FRAMES: usize = 64;

/// Where the frames of a backtrace are, innermost first.
#[derive(Clone, Debug)]
pub(crate) struct Trace {
    frames: [Address; MAX_FRAMES],
    /// Number of frames there were.
    len: usize,
}

/// The place in a frame where it is, or where it is returned to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Address {
    /// The instruction, or the one behind the call.
    pub(crate) pc: usize,
    /// Whether the frame called on: `pc` is then the return address.
    pub(crate) is_return: bool,
}

/// A frame of generated code.
#[derive(Clone, Copy, Debug)]
pub(super) struct Frame {
    /// The instruction it is at, or the one behind its call.
    pub(super) pc: usize,
    /// Its frame pointer.
    pub(super) fp: usize,
    /// Whether it called on.
    pub(super) is_return: bool,
}

/// Where generated code was left.
pub(super) type Exit = Frame;

impl Trace {
    fn empty() -> Self {
        Self { frames: [Address { pc: 0, is_return: false }; MAX_FRAMES], len: 0 }
    }

    fn push(&mut self, address: Address) {
        if let Some(slot) = self.frames.get_mut(self.len) {
            *slot = address;
        }
        self.len += 1;
    }

    /// The frames that were kept.
    pub(crate) fn frames(&self) -> &[Address] {
        &self.frames[..self.len.min(MAX_FRAMES)]
    }

    /// Number of frames that were not kept.
    pub(crate) fn omitted(&self) -> usize {
        self.len.saturating_sub(MAX_FRAMES)
    }

    /// The frames of a store's code that are active, where the innermost stay was left at `exit`.
    ///
    /// # Safety
    /// The store is alive, and as for [`walk`].
    pub(super) unsafe fn capture(vm: *const VmStoreContext, exit: Exit) -> Self {
        let mut trace = Self::empty();
        // SAFETY: the caller's contract.
        unsafe {
            walk((*vm).activation, exit, |frame| {
                trace.push(Address { pc: frame.pc, is_return: frame.is_return });
            });
        }
        trace
    }

    /// The frames that are active since the store's code last called out.
    ///
    /// # Safety
    /// The store is alive, and its code waits for the caller, if there is any.
    pub(super) unsafe fn capture_at_exit(vm: *const VmStoreContext) -> Self {
        // SAFETY: the exit stub noted a live frame.
        unsafe { Self::capture(vm, Exit { pc: (*vm).exit_pc, fp: (*vm).exit_fp, is_return: true }) }
    }
}

/// Calls `visit` with the frames of a store's code that are active, innermost first, on whichever threads they are: a
/// host function may have lent the store to another thread.
///
/// `activation` is the innermost stay in the store's code, and was left at `exit`; the others were left through the exit
/// stub, which noted where.
///
/// # Safety
/// The activation is the store's innermost one or null, and the frame pointer of `exit` is that of a live frame of it, or 0.
pub(super) unsafe fn walk(
    mut activation: *const Activation,
    mut exit: Exit,
    mut visit: impl FnMut(Frame),
) {
    while !activation.is_null() {
        // SAFETY: activations that have not ended are alive, and their frames are for as long as they are.
        unsafe {
            let current: &Activation = &*activation;
            let mut visit = |frame, _: &Module| {
                visit(frame);
                ControlFlow::<()>::Continue(())
            };
            let _ = walk_activation(current, exit, &mut visit);
            let (fp, pc) = current.previous_exit;
            exit = Exit { pc, fp, is_return: true };
            activation = current.outer;
        }
    }
}

/// Visits the frames of one stay, with the modules whose code they are of, up to the first that is not the store's code, or
/// to the one where `visit` breaks off.
///
/// # Safety
/// As for [`walk`].
pub(super) unsafe fn walk_activation<B>(
    activation: &Activation,
    exit: Exit,
    visit: &mut impl FnMut(Frame, &Module) -> ControlFlow<B>,
) -> ControlFlow<B> {
    // SAFETY: a store's list of code does not change while its code runs or waits.
    let code = unsafe { &*activation.code };
    let mut frame = exit;
    while frame.fp != 0
        && let Some(module) = code.module(frame.pc)
    {
        visit(frame, module)?;
        // The stack ended while a function with tail calls moved its frame down, to have room for the arguments:
        // the frame pointer is set then, and there is no frame yet that it points to.
        if activation.guard.contains(&frame.fp) {
            break;
        }
        // SAFETY: frames of generated code begin with the caller's frame pointer and the return address.
        frame = unsafe {
            let pc = *((frame.fp + 8) as *const usize);
            Frame { pc, fp: *(frame.fp as *const usize), is_return: true }
        };
    }
    ControlFlow::Continue(())
}
