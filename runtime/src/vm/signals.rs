//! Traps that the processor finds: the signal handler.
//!
//! A signal is ours when its instruction is generated code of the store that runs on this thread, and the image says
//! that this instruction may trap. Everything else goes to whoever was there before.

use std::{
    cell::RefCell,
    mem::MaybeUninit,
    ptr,
    sync::{Once, OnceLock},
};

use libc::{SIGBUS, SIGFPE, SIGILL, SIGSEGV, c_int, c_void, sigaction, siginfo_t, ucontext_t};
use wrun_module::TrapCode;

use super::{
    activation::{self, Activation, wrun_vm_resume},
    exit::overflow_address,
    frames::{Exit, Trace},
    mapping::Mapping,
};

/// The signals that instructions cause.
const SIGNALS: [c_int; 4] = [SIGSEGV, SIGBUS, SIGILL, SIGFPE];

/// Who was there before, in the order of [`SIGNALS`].
static PREVIOUS: [OnceLock<sigaction>; 4] = [const { OnceLock::new() }; 4];

/// Addresses up to here are never mapped: a null reference was followed.
const NULL_PAGES: usize = 64 << 10;

/// Bytes of a thread's stack for signal handlers; below it lies a guard.
const SIGNAL_STACK: usize = 128 << 10;
const SIGNAL_STACK_GUARD: usize = Mapping::PAGE;

/// Installs the handler, once in the life of the process.
pub(crate) fn install() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        for (signal, previous) in SIGNALS.into_iter().zip(&PREVIOUS) {
            // SAFETY: the structures are plain data, for which zero is valid; the handler has the signature that
            // SA_SIGINFO asks for and does only what is allowed in a handler.
            let old = unsafe {
                let mut action: sigaction = std::mem::zeroed();
                let handler: unsafe extern "C" fn(c_int, *mut siginfo_t, *mut c_void) = on_signal;
                action.sa_sigaction = handler as usize;
                // Not blocked while it runs: a fault in the handler itself has to end the process, not hang it.
                action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK | libc::SA_NODEFER;
                libc::sigemptyset(&mut action.sa_mask);
                let mut old = MaybeUninit::<sigaction>::zeroed();
                if libc::sigaction(signal, &action, old.as_mut_ptr()) != 0 {
                    continue;
                }
                old.assume_init()
            };
            // The only call that sets it: this closure runs once.
            let _ = previous.set(old);
        }
    });
}

/// A thread's stack for signal handlers, taken back when the thread ends.
struct SignalStack(Mapping);

impl SignalStack {
    fn new() -> std::io::Result<Self> {
        let mapping = Mapping::reserve(SIGNAL_STACK_GUARD + SIGNAL_STACK)?;
        mapping.make_accessible(SIGNAL_STACK_GUARD, SIGNAL_STACK)?;
        Ok(Self(mapping))
    }

    /// Its lowest byte.
    fn base(&self) -> *mut u8 {
        self.0.base().as_ptr().wrapping_add(SIGNAL_STACK_GUARD)
    }
}

impl Drop for SignalStack {
    fn drop(&mut self) {
        let disable =
            libc::stack_t { ss_sp: ptr::null_mut(), ss_flags: libc::SS_DISABLE, ss_size: 0 };
        let mut current = libc::stack_t { ..disable };
        // SAFETY: both point to valid structures; the stack is only switched off when it is ours.
        unsafe {
            libc::sigaltstack(ptr::null(), &mut current);
            if current.ss_sp.cast() == self.base() {
                libc::sigaltstack(&disable, ptr::null_mut());
            }
        }
    }
}

/// Gives the thread a stack for signal handlers that is large enough, unless it has one.
pub(super) fn prepare_thread() {
    thread_local! {
        static STACK: RefCell<Option<SignalStack>> = const { RefCell::new(None) };
        static PREPARED: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
    }
    if PREPARED.replace(true) {
        return;
    }
    let mut current = libc::stack_t { ss_sp: ptr::null_mut(), ss_flags: 0, ss_size: 0 };
    // SAFETY: asks only.
    let asked = unsafe { libc::sigaltstack(ptr::null(), &mut current) };
    let enabled = current.ss_flags & libc::SS_DISABLE == 0;
    if asked == 0 && enabled && current.ss_size >= SIGNAL_STACK {
        return;
    }
    let Ok(own) = SignalStack::new() else { return };
    let stack = libc::stack_t { ss_sp: own.base().cast(), ss_flags: 0, ss_size: SIGNAL_STACK };
    // SAFETY: the memory is accessible and kept until the thread ends.
    if unsafe { libc::sigaltstack(&stack, ptr::null_mut()) } == 0 {
        let _ = STACK.try_with(|slot| *slot.borrow_mut() = Some(own));
    }
}

/// The handler.
///
/// # Safety
/// Called by the system, with what SA_SIGINFO promises.
unsafe extern "C" fn on_signal(signal: c_int, info: *mut siginfo_t, context: *mut c_void) {
    let activation = activation::current();
    // SAFETY: the system gives valid pointers; the activation of a thread lives while it is current.
    unsafe {
        if !activation.is_null()
            && let Some((code, exit)) = find_trap(&*activation, signal, info, context.cast())
        {
            let trace = Trace::capture((*activation).vm, exit);
            *(*activation).trap.get() = Some((code, trace));
            resume_at(context.cast(), activation);
            return;
        }
        pass_on(signal, info, context);
    }
}

/// Whether the signal is a trap of the activation's code: which, and where the walk over its frames begins.
///
/// # Safety
/// The pointers are those the system gave.
unsafe fn find_trap(
    activation: &Activation,
    signal: c_int,
    info: *mut siginfo_t,
    context: *mut ucontext_t,
) -> Option<(TrapCode, Exit)> {
    // SAFETY: as above; the store's list of code does not change while its code runs.
    unsafe {
        if is_sent(&*info) {
            return None;
        }
        let registers = &(*context).uc_mcontext.gregs;
        let pc = registers[libc::REG_RIP as usize] as usize;
        let fp = registers[libc::REG_RBP as usize] as usize;
        if pc == overflow_address() {
            // The stub was jumped to from generated code, which had just called it.
            let sp = registers[libc::REG_RSP as usize] as usize;
            let exit = Exit { pc: *(sp as *const usize), fp, is_return: true };
            return Some((TrapCode::StackExhausted, exit));
        }
        let ranges = &*activation.code;
        let code = ranges.find(pc)?;
        let trap = if matches!(signal, SIGSEGV | SIGBUS) {
            let address = (*info).si_addr() as usize;
            if activation.guard.contains(&address) {
                TrapCode::StackExhausted
            } else if address < NULL_PAGES || ranges.may_fault(address) {
                code.trap_at(pc)?
            } else {
                return None;
            }
        } else {
            code.trap_at(pc)?
        };
        Some((trap, Exit { pc, fp, is_return: false }))
    }
}

/// Whether somebody sent the signal; otherwise the interrupted instruction caused it.
fn is_sent(info: &siginfo_t) -> bool {
    info.si_code <= 0
}

/// Makes the interrupted thread continue with `wrun_vm_resume(activation)`.
///
/// # Safety
/// `context` is the one that the handler returns to.
unsafe fn resume_at(context: *mut ucontext_t, activation: *const Activation) {
    // SAFETY: the context is valid and ours to change. The assembly takes its argument in rdi and needs no stack of
    // its own before it has restored the host's.
    unsafe {
        let registers = &mut (*context).uc_mcontext.gregs;
        registers[libc::REG_RIP as usize] = wrun_vm_resume as *const () as i64;
        registers[libc::REG_RDI as usize] = activation as i64;
    }
}

/// Does what would have been done without us.
///
/// # Safety
/// Called by the handler with its own arguments.
unsafe fn pass_on(signal: c_int, info: *mut siginfo_t, context: *mut c_void) {
    let position = SIGNALS.iter().position(|&other| other == signal);
    let previous = position.and_then(|position| PREVIOUS[position].get());
    // SAFETY: the previous handler was installed for this signal with these flags, and is called as the system would.
    unsafe {
        match previous {
            // What an instruction causes cannot be ignored: it would be run again, for ever.
            Some(action) if action.sa_sigaction == libc::SIG_IGN && is_sent(&*info) => {}
            Some(action) if !matches!(action.sa_sigaction, libc::SIG_DFL | libc::SIG_IGN) => {
                if action.sa_flags & libc::SA_SIGINFO != 0 {
                    let handler: extern "C" fn(c_int, *mut siginfo_t, *mut c_void) =
                        std::mem::transmute(action.sa_sigaction);
                    handler(signal, info, context);
                } else {
                    let handler: extern "C" fn(c_int) = std::mem::transmute(action.sa_sigaction);
                    handler(signal);
                }
            }
            _ => {
                // The default ends the process: it comes into force when the instruction is run again.
                let mut action: sigaction = std::mem::zeroed();
                action.sa_sigaction = libc::SIG_DFL;
                libc::sigaction(signal, &action, ptr::null_mut());
                if is_sent(&*info) {
                    // There is no instruction that would cause it again.
                    libc::raise(signal);
                }
            }
        }
    }
}
