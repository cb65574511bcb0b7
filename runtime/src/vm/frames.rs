//! Walks the frames of generated code by their frame pointers. Also called in a signal handler: nothing here
//! allocates or locks.

use super::{
    activation::{self, Activation},
    layout::VmStoreContext,
};

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

    /// The frames of a store's code that are active on this thread, where the innermost stay was left at `pc` in the
    /// frame at `fp`; `is_return` says whether by a call.
    ///
    /// # Safety
    /// `fp` is the frame pointer of a live frame of the innermost activation, or 0.
    pub(super) unsafe fn capture(
        vm: *const VmStoreContext,
        pc: usize,
        fp: usize,
        is_return: bool,
    ) -> Self {
        let mut trace = Self::empty();
        let mut activation = activation::current();
        let mut exit = (fp, pc);
        let mut is_return = is_return;
        while !activation.is_null() {
            // SAFETY: the activations of this thread that have not ended are alive.
            let current: &Activation = unsafe { &*activation };
            if std::ptr::eq(current.vm, vm) {
                // SAFETY: the caller vouches for the first frame; the others were left through the exit stub, which
                // noted them, and are live for as long as the activation is.
                unsafe { trace.walk(current, exit, is_return) };
                exit = current.previous_exit;
                is_return = true;
            }
            activation = current.previous;
        }
        trace
    }

    /// The frames that are active since the store's code last called out.
    ///
    /// # Safety
    /// The store is alive, and its code on this thread waits for the caller, if there is any.
    pub(super) unsafe fn capture_at_exit(vm: *const VmStoreContext) -> Self {
        // SAFETY: the exit stub noted a live frame.
        unsafe { Self::capture(vm, (*vm).exit_pc, (*vm).exit_fp, true) }
    }

    /// Appends the frames of one stay, up to the first that is not the store's code.
    ///
    /// # Safety
    /// As for [`Self::capture`].
    unsafe fn walk(&mut self, activation: &Activation, exit: (usize, usize), mut is_return: bool) {
        let (mut fp, mut pc) = exit;
        // SAFETY: a store's list of code does not change while its code runs or waits.
        let code = unsafe { &*activation.code };
        while fp != 0 && code.contains(pc) {
            self.push(Address { pc, is_return });
            is_return = true;
            // The stack ended while a function with tail calls moved its frame down, to have room for the arguments:
            // the frame pointer is set then, and there is no frame yet that it points to.
            if activation.guard.contains(&fp) {
                return;
            }
            // SAFETY: frames of generated code begin with the caller's frame pointer and the return address.
            unsafe {
                pc = *((fp + 8) as *const usize);
                fp = *(fp as *const usize);
            }
        }
    }
}
