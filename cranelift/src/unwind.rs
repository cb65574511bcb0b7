//! Unwind tables: Cranelift's notes on a function's frame become the content of `.eh_frame`.
//!
//! The tables are written by hand and not through a model of them, as a module may have hundreds of thousands of
//! functions: each keeps only the few bytes of its call frame instructions until the section is put together.
//! Addresses in it are relative to where they stand, so that it is valid wherever the image is mapped.
//! Sources: *Linux Standard Base Core*, exception frames; DWARF 5, section 6.4.

use cranelift_codegen::{
    CodegenError, CodegenResult, RealReg, Reg,
    isa::{TargetIsa, unwind::UnwindInst},
};
use gimli::constants::{
    DW_CFA_advance_loc, DW_CFA_advance_loc1, DW_CFA_advance_loc2, DW_CFA_advance_loc4,
    DW_CFA_def_cfa, DW_CFA_def_cfa_offset, DW_CFA_def_cfa_register, DW_CFA_nop, DW_CFA_offset,
    DW_CFA_offset_extended, DW_CFA_val_expression, DW_CFA_val_offset, DW_EH_PE_pcrel,
    DW_EH_PE_sdata4, DW_OP_lit0, DW_OP_lit1,
};
use target_lexicon::Architecture;

/// What is saved in a frame lies at multiples of this from its canonical address.
const DATA_ALIGNMENT: i64 = -8;

/// The DWARF number of the pseudo-register that says whether return addresses are signed on aarch64.
const RA_SIGN_STATE: u64 = 34;

/// What unwinding differs in by architecture.
#[derive(Clone, Copy, Debug)]
pub(crate) struct UnwindTarget {
    /// All instructions lie at multiples of this.
    code_alignment: u32,
    /// DWARF number of the return address's register or column.
    return_address: u8,
    /// DWARF number of the stack pointer, and its distance to the canonical frame address on entry.
    entry_cfa: (u8, u8),
    /// Whether the call has pushed the return address.
    pushed_by_call: bool,
    /// DWARF number of the frame pointer.
    frame_pointer: u8,
}

impl UnwindTarget {
    /// The numbers of an architecture that there is code for.
    pub(crate) fn new(isa: &dyn TargetIsa) -> Self {
        match isa.triple().architecture {
            Architecture::Aarch64(_) => Self {
                code_alignment: 4,
                return_address: 30,
                entry_cfa: (31, 0),
                pushed_by_call: false,
                frame_pointer: 29,
            },
            _ => Self {
                code_alignment: 1,
                return_address: 16,
                entry_cfa: (7, 8),
                pushed_by_call: true,
                frame_pointer: 6,
            },
        }
    }

    /// The call frame instructions for one function, from what Cranelift noted in its prologue.
    pub(crate) fn instructions(
        self,
        isa: &dyn TargetIsa,
        notes: &[(u32, UnwindInst)],
    ) -> CodegenResult<Box<[u8]>> {
        let register = |reg: RealReg| {
            let number = isa.map_regalloc_reg_to_dwarf(Reg::from(reg));
            number.map(u64::from).map_err(CodegenError::RegisterMappingError)
        };
        let mut out = Instructions { bytes: Vec::with_capacity(16), at: 0, target: self };
        // Distance from the canonical frame address down to the saved registers.
        let mut clobbers = 0;
        for &(offset, ref note) in notes {
            out.advance(offset);
            match *note {
                UnwindInst::PushFrameRegs { offset_upward_to_caller_sp: size } => {
                    out.op(DW_CFA_def_cfa_offset.0, &[u64::from(size)]);
                    out.saved(u64::from(self.frame_pointer), -i64::from(size));
                    if !self.pushed_by_call {
                        out.saved(u64::from(self.return_address), 8 - i64::from(size));
                    }
                }
                UnwindInst::DefineNewFrame {
                    offset_upward_to_caller_sp,
                    offset_downward_to_clobbers,
                } => {
                    out.op(DW_CFA_def_cfa_register.0, &[u64::from(self.frame_pointer)]);
                    clobbers = i64::from(offset_upward_to_caller_sp)
                        + i64::from(offset_downward_to_clobbers);
                }
                // The frame is found by the frame pointer, so it does not matter where the stack pointer is.
                UnwindInst::StackAlloc { .. } => {}
                UnwindInst::SaveReg { clobber_offset, reg } => {
                    out.saved(register(reg)?, i64::from(clobber_offset) - clobbers);
                }
                UnwindInst::RegStackOffset { clobber_offset, reg } => {
                    let factored = (i64::from(clobber_offset) - clobbers) / DATA_ALIGNMENT;
                    out.op(DW_CFA_val_offset.0, &[register(reg)?, factored.unsigned_abs()]);
                }
                UnwindInst::Aarch64SetPointerAuth { return_addresses } => {
                    let state = if return_addresses { DW_OP_lit1 } else { DW_OP_lit0 };
                    out.op(DW_CFA_val_expression.0, &[RA_SIGN_STATE, 1, u64::from(state.0)]);
                }
            }
        }
        Ok(out.bytes.into_boxed_slice())
    }

    /// Where in `.eh_frame` the call frame instructions of functions lie, from their lengths.
    pub(crate) fn places(self, lens: impl Iterator<Item = usize>) -> impl Iterator<Item = u32> {
        let common = self.eh_frame(0, std::iter::empty()).len() - TERMINATOR;
        lens.scan(common, |end, len| {
            let place = *end + ENTRY_HEAD;
            *end += (ENTRY_HEAD + len).next_multiple_of(ENTRY_ALIGN);
            Some(place as u32)
        })
    }

    /// The content of `.eh_frame` for functions (offset in `.text`, length, call frame instructions), where `.text`
    /// begins `distance` bytes from it.
    pub(crate) fn eh_frame<'a>(
        self,
        distance: i64,
        frames: impl Iterator<Item = (u32, u32, &'a [u8])>,
    ) -> Vec<u8> {
        let mut section = Vec::with_capacity(32 + frames.size_hint().1.unwrap_or(0) * 40);
        entry(&mut section, |bytes| {
            bytes.extend([0; 4]); // A common entry, not a function's.
            bytes.push(1);
            bytes.extend(b"zR\0");
            uleb128(bytes, u64::from(self.code_alignment));
            bytes.push((DATA_ALIGNMENT & 0x7f) as u8);
            bytes.push(self.return_address);
            bytes.extend([1, DW_EH_PE_pcrel.0 | DW_EH_PE_sdata4.0]);
            bytes.extend([DW_CFA_def_cfa.0, self.entry_cfa.0, self.entry_cfa.1]);
            if self.pushed_by_call {
                bytes.extend([DW_CFA_offset.0 | self.return_address, 1]);
            }
        });
        for (start, len, instructions) in frames {
            entry(&mut section, |bytes| {
                let common = bytes.len() as u32; // The common entry lies at 0.
                bytes.extend(common.to_le_bytes());
                let pc = distance + i64::from(start) - bytes.len() as i64;
                let pc = i32::try_from(pc).expect("linking bounds the size of the code");
                bytes.extend(pc.to_le_bytes());
                bytes.extend(len.to_le_bytes());
                bytes.push(0); // No augmentation.
                bytes.extend(instructions);
            });
        }
        section.extend([0; TERMINATOR]);
        section
    }
}

/// Bytes of an entry in front of its call frame instructions: its length, the distance to the common entry, where the
/// function lies, its length, the augmentation.
const ENTRY_HEAD: usize = 17;

/// Entries begin at multiples of this.
const ENTRY_ALIGN: usize = 8;

/// Bytes of the entry that is none and ends them all.
const TERMINATOR: usize = 4;

/// Appends an entry: its length, what `content` writes, and padding.
fn entry(section: &mut Vec<u8>, content: impl FnOnce(&mut Vec<u8>)) {
    let start = section.len();
    section.extend([0; 4]);
    content(section);
    section.resize(section.len().next_multiple_of(ENTRY_ALIGN), DW_CFA_nop.0);
    let len = (section.len() - start - 4) as u32;
    section[start..start + 4].copy_from_slice(&len.to_le_bytes());
}

/// Call frame instructions in the making.
struct Instructions {
    bytes: Vec<u8>,
    at: u32,
    target: UnwindTarget,
}

impl Instructions {
    /// What follows holds from the code offset `to` on.
    fn advance(&mut self, to: u32) {
        let delta = (to - self.at) / self.target.code_alignment;
        self.at = to;
        match delta {
            0 => {}
            1..0x40 => self.bytes.push(DW_CFA_advance_loc.0 | delta as u8),
            0x40..0x100 => self.bytes.extend([DW_CFA_advance_loc1.0, delta as u8]),
            0x100..0x1_0000 => {
                self.bytes.push(DW_CFA_advance_loc2.0);
                self.bytes.extend((delta as u16).to_le_bytes());
            }
            _ => {
                self.bytes.push(DW_CFA_advance_loc4.0);
                self.bytes.extend(delta.to_le_bytes());
            }
        }
    }

    /// An instruction with these operands.
    fn op(&mut self, opcode: u8, operands: &[u64]) {
        self.bytes.push(opcode);
        operands.iter().for_each(|&operand| uleb128(&mut self.bytes, operand));
    }

    /// A register is saved at `offset`, which is not positive, from the canonical frame address.
    fn saved(&mut self, register: u64, offset: i64) {
        let factored = (offset / DATA_ALIGNMENT).unsigned_abs();
        match u8::try_from(register) {
            Ok(number @ 0..0x40) => self.op(DW_CFA_offset.0 | number, &[factored]),
            _ => self.op(DW_CFA_offset_extended.0, &[register, factored]),
        }
    }
}

/// Appends a number in DWARF's variable-length encoding.
fn uleb128(bytes: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
}
