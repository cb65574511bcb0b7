//! Takes the code of a function apart.
//!
//! What Cranelift makes for x86-64 is, in this order: instructions, with tables of jumps between them, then out of line
//! the instructions that trap, then constants. Tables are told from instructions by the sequence that jumps by them, which is
//! always the same, and end where the next block starts; constants begin where the first instruction refers to that refers to
//! anything behind the last block.

use iced_x86::{Code, Decoder, DecoderOptions, Instruction, Mnemonic, OpKind};

/// A part of a function's code. All of them lie one behind the other.
#[derive(Clone, Copy, Debug)]
pub(super) struct Item {
    pub(super) offset: u32,
    pub(super) len: u32,
    pub(super) kind: Kind,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    /// An instruction that is the same wherever it lies. Calls are: the linker fills them in.
    Plain,
    /// A jump, whose last 4 bytes are the distance.
    Branch { target: u32 },
    /// An instruction with an address as a distance, in the 4 bytes at `field`.
    Address { field: u8, target: u32 },
    /// Distances of jumps from the table's start, of 4 bytes each.
    Table,
    /// What comes last: constants.
    Data,
}

/// The length of jumps that are always taken; the others have a byte more.
const JUMP_LEN: u32 = 5;

/// What returns.
const RET: &[u8] = &[0xc3];

/// What traps.
const UD2: &[u8] = &[0x0f, 0x0b];

impl Item {
    /// The item's bytes in the function's code.
    pub(super) fn bytes(self, code: &[u8]) -> &[u8] {
        &code[self.offset as usize..(self.offset + self.len) as usize]
    }

    /// Whether what lies behind the item is not executed after it.
    pub(super) fn ends_path(self, code: &[u8]) -> bool {
        match self.kind {
            Kind::Branch { .. } => self.len == JUMP_LEN,
            Kind::Table | Kind::Data => true,
            Kind::Plain => matches!(self.bytes(code), RET | UD2),
            Kind::Address { .. } => false,
        }
    }

    /// Where a table's jumps go.
    pub(super) fn targets(self, code: &[u8]) -> impl Iterator<Item = Option<u32>> {
        let (distances, _) = self.bytes(code).as_chunks::<4>();
        distances
            .iter()
            .map(move |&distance| self.offset.checked_add_signed(i32::from_le_bytes(distance)))
    }
}

/// The place of the instruction that starts at `offset`.
pub(super) fn find(items: &[Item], offset: u32) -> Option<usize> {
    let place = items.binary_search_by_key(&offset, |item| item.offset).ok()?;
    (!matches!(items[place].kind, Kind::Table | Kind::Data)).then_some(place)
}

/// Reads instructions of code, with addresses as if it lay at 0.
pub(super) struct Reader<'a>(Decoder<'a>);

impl<'a> Reader<'a> {
    pub(super) fn new(code: &'a [u8]) -> Self {
        Self(Decoder::with_ip(64, code, 0, DecoderOptions::NONE))
    }

    /// The instruction at `offset`, and what it is to this crate.
    pub(super) fn read(&mut self, offset: u32) -> Option<(Instruction, Kind)> {
        self.0.set_position(offset as usize).ok()?;
        self.0.set_ip(u64::from(offset));
        let instruction = self.0.decode();
        let kind = self.kind(&instruction)?;
        Some((instruction, kind))
    }

    /// Nothing for what Cranelift does not use, such as short jumps.
    fn kind(&self, instruction: &Instruction) -> Option<Kind> {
        if instruction.is_invalid() {
            return None;
        }
        let kind = match instruction.op0_kind() {
            OpKind::NearBranch64 if instruction.mnemonic() == Mnemonic::Call => Kind::Plain,
            OpKind::NearBranch64 if instruction.len() >= 5 => {
                Kind::Branch { target: u32::try_from(instruction.near_branch_target()).ok()? }
            }
            OpKind::NearBranch64
            | OpKind::NearBranch16
            | OpKind::NearBranch32
            | OpKind::FarBranch16
            | OpKind::FarBranch32 => return None,
            _ if instruction.is_ip_rel_memory_operand() => {
                let field = self.0.get_constant_offsets(instruction).displacement_offset();
                let target = u32::try_from(instruction.ip_rel_memory_address()).ok()?;
                Kind::Address { field: u8::try_from(field).ok()?, target }
            }
            _ => Kind::Plain,
        };
        Some(kind)
    }
}

/// The items of a function whose blocks start at `blocks`, ascending. Nothing when there is something in it that is not known.
pub(super) fn decode(code: &[u8], blocks: &[u32]) -> Option<Vec<Item>> {
    let mut reader = Reader::new(code);
    let mut items = Vec::with_capacity(code.len() / 4 + 1);
    let (mut offset, mut end) = (0, u32::try_from(code.len()).ok()?);
    let last_block = *blocks.last()?;
    // The address that was taken last.
    let mut taken = None;
    while offset < end {
        let read = reader.read(offset).map(|read| (read, offset + read.0.len() as u32));
        let Some(((instruction, kind), next)) = read.filter(|&(_, next)| next <= end) else {
            // Between traps and constants there are some bytes of filler, which need not be whole instructions.
            if offset <= last_block || end as usize == code.len() {
                return None;
            }
            break;
        };
        if let Kind::Address { target, .. } = kind {
            if instruction.mnemonic() == Mnemonic::Lea {
                taken = Some(target);
            } else if target <= last_block {
                return None;
            }
            if target > last_block {
                end = end.min(target);
            }
        }
        items.push(Item { offset, len: next - offset, kind });
        offset = next;
        if instruction.code() == Code::Jmp_rm64 && taken == Some(offset) {
            let next = blocks.get(blocks.partition_point(|&block| block < offset))?;
            let len = next.checked_sub(offset)?;
            if len % 4 != 0 {
                return None;
            }
            items.push(Item { offset, len, kind: Kind::Table });
            offset += len;
        }
    }
    items.push(Item { offset, len: code.len() as u32 - offset, kind: Kind::Data });
    Some(items)
}
