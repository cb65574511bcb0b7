//! Which registers are free, and which locals' values are still in free ones.
//!
//! All are such that no callee preserves them, in either convention, so that the code never saves one. What is kept over a call
//! is kept in the frame.

use cranelift_assembler_x64::gpr::enc;

pub(super) use enc::{R8, R9, R10, R11, RAX, RBP, RCX, RDI, RDX, RSI, RSP};

/// For whoever needs a general register for a moment. Never the place of a value.
pub(super) const SCRATCH: u8 = R10;
/// Where the base of a memory is while [`Direct::base`](super::function::Direct) says so.
pub(super) const BASE: u8 = R11;
/// [`SCRATCH`], of vector registers.
pub(super) const XMM_SCRATCH: u8 = 15;

/// Where parameters are that are integers, in either convention.
pub(super) const GPR_PARAMS: [u8; 6] = [RDI, RSI, RDX, RCX, R8, R9];
/// How many parameters that are floats are in registers; their numbers begin at 0.
pub(super) const XMM_PARAMS: u8 = 8;

/// No local.
const NONE: u32 = u32::MAX;

/// The registers of one kind.
pub(super) struct File {
    free: u16,
    /// Those with the value of a local. They are free, or read at the moment; nobody changes them.
    held: u16,
    holds: [u32; 16],
}

impl File {
    fn new(free: u16) -> Self {
        Self { free, held: 0, holds: [NONE; 16] }
    }

    /// General registers.
    pub(super) fn gprs() -> Self {
        Self::new([RAX, RCX, RDX, RSI, RDI, R8, R9].iter().fold(0, |all, reg| all | 1 << reg))
    }

    /// Vector registers.
    pub(super) fn xmms() -> Self {
        Self::new(!(1 << XMM_SCRATCH))
    }

    /// Takes a free register, if there is one; rather one without the value of a local.
    pub(super) fn take_any(&mut self) -> Option<u8> {
        let empty = self.free & !self.held;
        let candidates = if empty == 0 { self.free } else { empty };
        (candidates != 0).then(|| {
            let register = candidates.trailing_zeros() as u8;
            self.take(register);
            register
        })
    }

    /// Takes a register that is free.
    pub(super) fn take(&mut self, register: u8) {
        debug_assert!(self.is_free(register));
        self.free &= !(1 << register);
        self.held &= !(1 << register);
    }

    pub(super) fn is_free(&self, register: u8) -> bool {
        self.free & 1 << register != 0
    }

    /// Gives a register back. If it held a local's value, it still does.
    pub(super) fn release(&mut self, register: u8) {
        self.free |= 1 << register;
    }

    /// Says that a register has the value of a local from now on.
    pub(super) fn hold(&mut self, register: u8, local: u32) {
        self.forget(local);
        self.held |= 1 << register;
        self.holds[usize::from(register)] = local;
    }

    /// The register with the value of a local, which is then taken for reading: it still holds the value.
    pub(super) fn read_held(&mut self, local: u32) -> Option<u8> {
        let register = self.find(local)?;
        self.free &= !(1 << register);
        Some(register)
    }

    fn find(&self, local: u32) -> Option<u8> {
        let mut held = self.held;
        while held != 0 {
            let register = held.trailing_zeros() as u8;
            if self.holds[usize::from(register)] == local {
                return Some(register);
            }
            held &= held - 1;
        }
        None
    }

    /// Says that no register has the value of a local any more.
    pub(super) fn forget(&mut self, local: u32) {
        if let Some(register) = self.find(local) {
            self.held &= !(1 << register);
        }
    }

    /// The registers with the values of locals.
    pub(super) fn held(&self) -> impl Iterator<Item = (u8, u32)> {
        let is_held = |register: &u8| self.held & 1 << register != 0;
        (0..16).filter(is_held).map(|register| (register, self.holds[usize::from(register)]))
    }

    /// Says that no register has a local's value any more.
    pub(super) fn forget_all(&mut self) {
        self.held = 0;
    }
}
