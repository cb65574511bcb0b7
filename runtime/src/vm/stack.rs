//! [`VmStack`]: the stack WebAssembly runs on, and the one for compiling what it calls.
//!
//! From its low end: a guard no access survives, a reserve that only the host uses (calls out of WebAssembly are
//! refused below it), and what a program may fill. Generated code checks nothing: it touches its pages in
//! order, so that the first one too many lies in the guard.

use std::{cell::RefCell, io, ops::Range};

use super::mapping::Mapping;

/// Bytes that fault. More than the largest step that code takes between two touches of the stack.
const GUARD: usize = 1 << 20;
/// Bytes that host functions can count on.
const HOST_RESERVE: usize = 512 << 10;
/// The least that a program gets.
const MIN_SIZE: usize = 64 << 10;

/// A stack.
#[derive(Debug)]
pub(super) struct VmStack {
    mapping: Mapping,
    size: usize,
}

/// Bytes of a stack to compile on. The compiler recurses over the code of a function.
const COMPILER_SIZE: usize = 8 << 20;

thread_local! {
    /// The stack that the thread used last, for its next call.
    static SPARE: RefCell<Option<VmStack>> = const { RefCell::new(None) };
    /// The stack on which the thread compiles what is called.
    static COMPILER: RefCell<Option<VmStack>> = const { RefCell::new(None) };
}

impl VmStack {
    /// A stack on which programs may fill `size` bytes: the thread's last one when it fits, else a new one.
    pub(super) fn take(size: usize) -> io::Result<Self> {
        let size = size.max(MIN_SIZE).checked_next_multiple_of(Mapping::PAGE);
        let size = size.ok_or(io::ErrorKind::OutOfMemory)?;
        let spare = SPARE.try_with(|spare| spare.borrow_mut().take()).ok().flatten();
        if let Some(stack) = spare.filter(|stack| stack.size == size) {
            return Ok(stack);
        }
        Self::new(size)
    }

    fn new(size: usize) -> io::Result<Self> {
        let len = size.checked_add(GUARD + HOST_RESERVE).ok_or(io::ErrorKind::OutOfMemory)?;
        let mapping = Mapping::reserve(len)?;
        mapping.make_accessible(GUARD, len - GUARD)?;
        Ok(Self { mapping, size })
    }

    /// Keeps the stack for the thread's next call.
    pub(super) fn put_back(self) {
        // While the thread ends there is nobody to keep it for.
        let _ = SPARE.try_with(|spare| *spare.borrow_mut() = Some(self));
    }

    /// Calls `f` with a stack for compiling, which host functions have too little for.
    ///
    /// # Errors
    /// When the system has no room for it.
    pub(super) fn with_compiler_stack<R>(f: impl FnOnce(&Self) -> R) -> io::Result<R> {
        let kept = COMPILER.try_with(|stack| stack.borrow_mut().take()).ok().flatten();
        let stack = kept.map_or_else(|| Self::new(COMPILER_SIZE), Ok)?;
        let result = f(&stack);
        let _ = COMPILER.try_with(|kept| *kept.borrow_mut() = Some(stack));
        Ok(result)
    }

    /// The address it grows down from; a multiple of 16.
    pub(super) fn top(&self) -> usize {
        self.mapping.base().as_ptr() as usize + self.mapping.len()
    }

    /// Addresses of the guard.
    pub(super) fn guard(&self) -> Range<usize> {
        let base = self.mapping.base().as_ptr() as usize;
        base..base + GUARD
    }

    /// The least stack pointer at which the host may be called.
    pub(super) fn limit(&self) -> usize {
        self.guard().end + HOST_RESERVE
    }
}
