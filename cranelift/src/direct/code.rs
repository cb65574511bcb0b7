//! [`Code`]: machine code that grows, with what is noted beside it.
//!
//! Instructions are encoded by Cranelift's assembler; here they get their places. Jumps go to [`Label`]s, whose distances are
//! written when all code is there. Everything that the runtime may ask about an instruction (why it traps, from where in the
//! module it stems) is noted as the instruction is written, by its offset.

use std::{collections::HashSet, num::NonZeroU8};

use cranelift_assembler_x64::{self as asm, Amode, CodeSink, GprMem, Registers, XmmMem};
use wrun_module::{Call, CallKind, CompiledFunc, TrapCode, image::tables::AddressMap};

/// Registers by their numbers, in all roles.
pub(super) struct Numbers;

impl Registers for Numbers {
    type ReadGpr = u8;
    type ReadWriteGpr = u8;
    type WriteGpr = u8;
    type ReadXmm = u8;
    type ReadWriteXmm = u8;
    type WriteXmm = u8;
}

/// A place in memory.
pub(super) type Memory = Amode<u8>;
/// An operand that is a general register or in memory.
pub(super) type GprOrMemory = GprMem<u8, u8>;
/// An operand that is a vector register or in memory.
pub(super) type XmmOrMemory = XmmMem<u8, u8>;

/// Writes an instruction of the assembler: `emit!(code, name, operands…)`.
macro_rules! emit {
    // Without operands of which there are kinds.
    ($code:expr; $name:ident $(, $operand:expr)*) => {
        cranelift_assembler_x64::inst::$name::new($($operand),*).encode(&mut $code)
    };
    ($code:expr, $name:ident $(, $operand:expr)* $(,)?) => {
        cranelift_assembler_x64::inst::$name::<$crate::direct::code::Numbers>::new($($operand),*)
            .encode(&mut $code)
    };
}
pub(super) use emit;

/// The memory `offset` bytes from where `base` points.
pub(super) fn at(base: u8, offset: i32) -> Memory {
    let offset = asm::AmodeOffset::new(offset);
    let simm32 = asm::AmodeOffsetPlusKnownOffset { simm32: offset, offset: None };
    Amode::ImmReg { base, simm32, trap: None }
}

/// The memory at `base + index * scale + offset`.
pub(super) fn at_index(base: u8, index: u8, scale: asm::Scale, offset: i32) -> Memory {
    let (index, simm32) = (asm::NonRspGpr::new(index), asm::AmodeOffset::new(offset));
    Amode::ImmRegRegShift { base, index, scale, simm32, trap: None }
}

/// A trap as the assembler names it.
pub(super) fn assembler_trap(why: TrapCode) -> asm::TrapCode {
    asm::TrapCode(NonZeroU8::new(why as u8).expect("codes begin at 1"))
}

/// The same place, where an access that faults is a trap.
pub(super) fn trapping(mut place: Memory, why: TrapCode) -> Memory {
    let code = Some(assembler_trap(why));
    match &mut place {
        Amode::ImmReg { trap, .. } | Amode::ImmRegRegShift { trap, .. } => *trap = code,
        Amode::RipRelative { .. } => unreachable!("no code of ours has constants in memory"),
    }
    place
}

/// What a comparison has to have found; the numbers are the instruction set's, the negation of each is one bit away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Condition {
    Below = 2,
    AboveOrEqual = 3,
    Equal = 4,
    NotEqual = 5,
    BelowOrEqual = 6,
    Above = 7,
    Negative = 8,
    Unordered = 10,
    Ordered = 11,
    Less = 12,
    GreaterOrEqual = 13,
    LessOrEqual = 14,
    Greater = 15,
}

impl Condition {
    pub(super) fn negated(self) -> Self {
        match self {
            Self::Below => Self::AboveOrEqual,
            Self::AboveOrEqual => Self::Below,
            Self::Equal => Self::NotEqual,
            Self::NotEqual => Self::Equal,
            Self::BelowOrEqual => Self::Above,
            Self::Above => Self::BelowOrEqual,
            Self::Negative => unreachable!("nothing is done when a counter is not negative"),
            Self::Unordered => Self::Ordered,
            Self::Ordered => Self::Unordered,
            Self::Less => Self::GreaterOrEqual,
            Self::GreaterOrEqual => Self::Less,
            Self::LessOrEqual => Self::Greater,
            Self::Greater => Self::LessOrEqual,
        }
    }
}

/// A place in the code that jumps go to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Label(u32);

impl Label {
    /// No label.
    pub(super) const NONE: Self = Self(u32::MAX);
}

/// A label that no code follows yet.
const UNBOUND: u32 = u32::MAX;

/// A distance that is still to be written.
struct Jump {
    /// Where: 32 bits.
    at: u32,
    to: Label,
    /// What it counts from: what follows it, or the start of a table.
    from: u32,
}

/// A way out of the function that ends in a trap.
struct Exit {
    label: Label,
    why: TrapCode,
    position: u32,
}

/// Machine code in the making.
#[derive(Default)]
pub(crate) struct Code {
    bytes: Vec<u8>,
    labels: Vec<u32>,
    jumps: Vec<Jump>,
    exits: Vec<Exit>,
    calls: Vec<Call>,
    traps: Vec<(u32, TrapCode)>,
    addresses: Vec<(u32, u32)>,
    /// From where in the module what is written now stems.
    pub(super) position: u32,
}

impl CodeSink for Code {
    fn put1(&mut self, byte: u8) {
        self.bytes.push(byte);
    }

    fn put2(&mut self, bytes: u16) {
        self.bytes.extend_from_slice(&bytes.to_le_bytes());
    }

    fn put4(&mut self, bytes: u32) {
        self.bytes.extend_from_slice(&bytes.to_le_bytes());
    }

    fn put8(&mut self, bytes: u64) {
        self.bytes.extend_from_slice(&bytes.to_le_bytes());
    }

    /// The assembler says so before it writes the instruction.
    fn add_trap(&mut self, code: asm::TrapCode) {
        let why = TrapCode::from_u8(code.0.get()).expect("a code that was ours before");
        self.note_position();
        self.traps.push((self.offset(), why));
    }

    fn use_target(&mut self, _: asm::DeferredTarget) {
        unreachable!("no code of ours has constants in memory");
    }

    fn known_offset(&self, _: asm::KnownOffset) -> i32 {
        unreachable!("no operand of ours has such an offset");
    }
}

impl Code {
    /// Forgets the function before.
    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.labels.clear();
        self.jumps.clear();
        self.exits.clear();
        self.calls.clear();
        self.traps.clear();
        self.addresses.clear();
        self.addresses.push((0, AddressMap::NONE));
        self.position = AddressMap::NONE;
    }

    /// Bytes so far.
    pub(super) fn offset(&self) -> u32 {
        self.bytes.len() as u32
    }

    /// Notes that somebody may ask where the next instruction stems from.
    pub(super) fn note_position(&mut self) {
        let (offset, position) = (self.offset(), self.position);
        let last = self.addresses.last_mut().expect("there is a first entry");
        if last.1 == position {
            return;
        }
        match last.0 == offset && offset != 0 {
            true => last.1 = position,
            false => self.addresses.push((offset, position)),
        }
    }

    pub(super) fn new_label(&mut self) -> Label {
        self.labels.push(UNBOUND);
        Label(self.labels.len() as u32 - 1)
    }

    /// Puts a label here.
    pub(super) fn bind(&mut self, label: Label) {
        debug_assert_eq!(self.labels[label.0 as usize], UNBOUND);
        self.labels[label.0 as usize] = self.offset();
    }

    /// Writes the distance from `from` to a label, 32 bits; from what follows it without `from`.
    pub(super) fn distance(&mut self, to: Label, from: Option<u32>) {
        let at = self.offset();
        self.jumps.push(Jump { at, to, from: from.unwrap_or(at + 4) });
        self.put4(0);
    }

    pub(super) fn jump(&mut self, to: Label) {
        if let Some(distance) = self.short_distance(to) {
            self.put1(0xeb);
            return self.put1(distance as u8);
        }
        self.put1(0xe9);
        self.distance(to, None);
    }

    /// The distance back to a label from behind a jump of two bytes, when that reaches so far.
    fn short_distance(&self, to: Label) -> Option<i8> {
        let target = self.labels[to.0 as usize];
        (target != UNBOUND).then_some(())?;
        i8::try_from(i64::from(target) - i64::from(self.offset() + 2)).ok()
    }

    pub(super) fn jump_if(&mut self, condition: Condition, to: Label) {
        if let Some(distance) = self.short_distance(to) {
            self.put1(0x70 | condition as u8);
            return self.put1(distance as u8);
        }
        self.put1(0x0f);
        self.put1(0x80 | condition as u8);
        self.distance(to, None);
    }

    /// Loads the address of a label.
    pub(super) fn address_of(&mut self, register: u8, label: Label) {
        // REX.W with the register's high bit, `lea`, and an operand relative to the next instruction.
        self.put1(0x48 | (register >> 3) << 2);
        self.put1(0x8d);
        self.put1((register & 7) << 3 | 0b101);
        self.distance(label, None);
    }

    /// Sets a register to 0 or 1.
    pub(super) fn set_if(&mut self, condition: Condition, register: u8) {
        // A prefix makes registers from 4 on their low bytes.
        self.put1(0x40 | register >> 3);
        self.put1(0x0f);
        self.put1(0x90 | condition as u8);
        self.put1(0xc0 | register & 7);
        emit!(*self, movzbl_rm, register, GprMem::Gpr(register));
    }

    /// Copies a register of 64 bits.
    pub(super) fn move_if(&mut self, condition: Condition, to: u8, from: u8) {
        self.put1(0x48 | (to >> 3) << 2 | from >> 3);
        self.put1(0x0f);
        self.put1(0x40 | condition as u8);
        self.put1(0xc0 | (to & 7) << 3 | from & 7);
    }

    /// Traps; what follows cannot be reached.
    pub(super) fn trap(&mut self, why: TrapCode) {
        emit!(*self; ud2_zo, assembler_trap(why));
    }

    /// Traps if the comparison found this.
    pub(super) fn trap_if(&mut self, condition: Condition, why: TrapCode) {
        let position = self.position;
        let known = self.exits.last().filter(|exit| exit.position == position && exit.why == why);
        let label = match known {
            Some(exit) => exit.label,
            None => {
                let label = self.new_label();
                self.exits.push(Exit { label, why, position });
                label
            }
        };
        self.jump_if(condition, label);
    }

    /// Calls a function of the module.
    pub(super) fn call_function(&mut self, callee: u32) {
        self.note_position();
        self.put1(0xe8);
        self.calls.push(Call { offset: self.offset(), kind: CallKind::X86Rel32, callee });
        self.put4(0);
    }

    /// Calls the code whose address is at a place.
    pub(super) fn call_at(&mut self, operand: GprOrMemory) {
        self.note_position();
        emit!(*self, callq_m, operand);
    }

    /// Writes 32 bits over what is at an offset.
    pub(super) fn patch(&mut self, at: u32, value: u32) {
        self.bytes[at as usize..at as usize + 4].copy_from_slice(&value.to_le_bytes());
    }

    /// Writes the ways out, and all distances. The function is complete then.
    pub(super) fn finish(&mut self, unwind: Box<[u8]>) -> CompiledFunc {
        for Exit { label, why, position } in std::mem::take(&mut self.exits) {
            self.bind(label);
            self.position = position;
            self.trap(why);
        }
        for Jump { at, to, from } in std::mem::take(&mut self.jumps) {
            let target = self.labels[to.0 as usize];
            debug_assert_ne!(target, UNBOUND, "every label that is used was bound");
            self.patch(at, target.wrapping_sub(from));
        }
        let mut named = HashSet::new();
        let callees = self.calls.iter().map(|call| call.callee);
        let callees = callees.filter(|&callee| named.insert(callee)).collect();
        CompiledFunc {
            code: self.bytes.as_slice().into(),
            align: 1,
            calls: self.calls.as_slice().into(),
            traps: self.traps.as_slice().into(),
            addresses: self.addresses.as_slice().into(),
            unwind,
            callees,
            origin: AddressMap::NONE,
            ..CompiledFunc::default()
        }
    }
}
