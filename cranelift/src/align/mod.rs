//! Puts loops of finished x86-64 code where processors fetch them well: no-operations in front of their first instructions.
//!
//! How fast a loop runs depends on where it lies within the lines of 64 bytes, in which processors fetch and cache code, and
//! Cranelift aligns no loops. RATIONALE.md has what was measured, and why this place was chosen. Within loops, what is short and
//! jumped to is kept in one line (`joins`).
//!
//! Code is taken apart into its instructions (`decode`), gets new offsets (`Layout`), and is written again with every
//! distance in it corrected (`Layout::write`); all tables of a [`CompiledFunc`] follow. The sandbox depends on this being
//! right: so a function in which anything is met that is not understood stays as it was, and what was written is decoded
//! once more and compared, instruction by instruction (`check`). Nothing moves in front of the first block: unwind tables
//! describe the prologue.

mod check;
mod decode;
mod joins;

use wrun_module::{CompiledFunc, Placement};

use self::{
    decode::{Item, Kind},
    joins::{Join, joins},
};

/// Loops begin this far behind a multiple of [`ALIGN`].
const PHASE: u32 = 16;

/// A line. In each form of a function a loop is at the same place within one, then.
const ALIGN: u32 = 64;

/// No-operations by their length, as AMD and Intel recommend them.
const NOPS: [&[u8]; 9] = [
    &[0x90],
    &[0x66, 0x90],
    &[0x0f, 0x1f, 0x00],
    &[0x0f, 0x1f, 0x40, 0x00],
    &[0x0f, 0x1f, 0x44, 0x00, 0x00],
    &[0x66, 0x0f, 0x1f, 0x44, 0x00, 0x00],
    &[0x0f, 0x1f, 0x80, 0x00, 0x00, 0x00, 0x00],
    &[0x0f, 0x1f, 0x84, 0x00, 0x00, 0x00, 0x00, 0x00],
    &[0x66, 0x0f, 0x1f, 0x84, 0x00, 0x00, 0x00, 0x00, 0x00],
];

/// Aligns the loops of a function that will be placed as `placement` says, where that is possible. Its blocks start at
/// `blocks`, ascending, and its prologue ends at `prologue`.
pub(crate) fn align_loops(
    func: &mut CompiledFunc,
    placement: Placement,
    blocks: &[u32],
    prologue: u32,
) {
    let start = placement.next_start(0, func.align) as u32;
    if let Some(aligned) = aligned(func, start, blocks, prologue) {
        *func = aligned;
    }
}

fn aligned(func: &CompiledFunc, start: u32, blocks: &[u32], prologue: u32) -> Option<CompiledFunc> {
    let items = decode::decode(&func.code, blocks)?;
    let headers = headers(&items, prologue)?;
    if headers.is_empty() {
        return None;
    }
    let joins = joins(&items, &headers, &func.code, ALIGN);
    let layout = Layout::new(&items, &headers, &joins, start, func.align)?;
    let code = layout.write(&func.code)?;
    if !check::same(&layout, &func.code, &code) {
        debug_assert!(false, "code with loops aligned is other code");
        return None;
    }
    layout.apply(func, code)
}

/// The places in `items` of instructions that loops begin with, ascending: those that something behind them jumps to. Nothing
/// when a jump goes to no instruction.
fn headers(items: &[Item], prologue: u32) -> Option<Vec<usize>> {
    let mut headers = Vec::new();
    for (place, item) in items.iter().enumerate() {
        if let Kind::Branch { target } = item.kind {
            let target = decode::find(items, target)?;
            if target <= place && items[target].offset >= prologue {
                headers.push(target);
            }
        }
    }
    headers.sort_unstable();
    headers.dedup();
    Some(headers)
}

/// Where everything of a function goes.
struct Layout<'a> {
    items: &'a [Item],
    /// The new offset of each of the items.
    offsets: Vec<u32>,
}

impl<'a> Layout<'a> {
    /// Moves loops of a function that starts at `start` to where they are to begin, its joins to where each is within a line,
    /// and its constants by a multiple of their alignment. Nothing when the function gets too large.
    fn new(
        items: &'a [Item],
        headers: &[usize],
        joins: &[Join],
        start: u32,
        align: u32,
    ) -> Option<Self> {
        let mut headers = headers.iter().copied().peekable();
        let mut joins = joins.iter().peekable();
        let mut at = 0_u32;
        let mut offsets = Vec::with_capacity(items.len());
        for (place, item) in items.iter().enumerate() {
            let phase = start.checked_add(at)? % ALIGN;
            if headers.next_if_eq(&place).is_some() {
                at = at.checked_add((PHASE + ALIGN - phase) % ALIGN)?;
            }
            if let Some(join) = joins.next_if(|join| join.place == place)
                && phase + join.len > ALIGN
            {
                at = at.checked_add(ALIGN - phase)?;
            }
            if matches!(item.kind, Kind::Data) && item.len > 0 {
                let moved = at.checked_sub(item.offset)?;
                at = item.offset.checked_add(moved.checked_next_multiple_of(align)?)?;
            }
            offsets.push(at);
            at = at.checked_add(item.len)?;
        }
        i32::try_from(at).is_ok().then_some(Self { items, offsets })
    }

    /// The new offset of what starts at `offset`: of an instruction, or of anything in what is behind them.
    fn start(&self, offset: u32) -> Option<u32> {
        let place = self.place(offset)?;
        let within = offset - self.items[place].offset;
        let data = matches!(self.items[place].kind, Kind::Data);
        (within == 0 || data).then(|| self.offsets[place] + within)
    }

    /// The new offset of what lies within an instruction.
    fn within(&self, offset: u32) -> Option<u32> {
        let place = self.place(offset)?;
        Some(self.offsets[place] + (offset - self.items[place].offset))
    }

    /// The new offset behind the instruction that ends at `offset`. What follows may have moved on.
    fn end(&self, offset: u32) -> Option<u32> {
        let place = self.place(offset.checked_sub(1)?)?;
        let item = &self.items[place];
        (item.offset + item.len == offset).then(|| self.offsets[place] + item.len)
    }

    /// The item that an offset is in.
    fn place(&self, offset: u32) -> Option<usize> {
        self.items.partition_point(|item| item.offset <= offset).checked_sub(1)
    }

    /// The code with everything where it belongs.
    fn write(&self, old: &[u8]) -> Option<Vec<u8>> {
        let mut code = Vec::with_capacity(old.len() + old.len() / 8);
        for (item, &offset) in self.items.iter().zip(&self.offsets) {
            fill(&mut code, offset);
            let bytes = item.bytes(old);
            let end = offset + item.len;
            match item.kind {
                Kind::Plain | Kind::Data => code.extend_from_slice(bytes),
                Kind::Branch { target } => {
                    let (opcode, _) = bytes.split_last_chunk::<4>()?;
                    code.extend_from_slice(opcode);
                    code.extend_from_slice(&distance(end, self.start(target)?));
                }
                Kind::Address { field, target } => {
                    let (before, rest) = bytes.split_at_checked(field as usize)?;
                    let (_, behind) = rest.split_first_chunk::<4>()?;
                    code.extend_from_slice(before);
                    code.extend_from_slice(&distance(end, self.start(target)?));
                    code.extend_from_slice(behind);
                }
                Kind::Table => {
                    for target in item.targets(old) {
                        code.extend_from_slice(&distance(offset, self.start(target?)?));
                    }
                }
            }
        }
        Some(code)
    }

    /// The function with its new code, and with tables that fit it.
    fn apply(&self, func: &CompiledFunc, code: Vec<u8>) -> Option<CompiledFunc> {
        let mut func = CompiledFunc { code: code.into(), ..func.clone() };
        for call in &mut func.calls {
            call.offset = self.within(call.offset)?;
        }
        for trap in &mut func.traps {
            trap.0 = self.start(trap.0)?;
        }
        for address in &mut func.addresses {
            address.0 = self.start(address.0)?;
        }
        for map in &mut func.stack_maps {
            map.0 = self.end(map.0)?;
        }
        for call in &mut func.catching_calls {
            call.return_offset = self.end(call.return_offset)?;
            for handler in &mut call.handlers {
                handler.offset = self.start(handler.offset)?;
            }
        }
        Some(func)
    }
}

/// What an instruction holds that ends at `end` and means `target`.
fn distance(end: u32, target: u32) -> [u8; 4] {
    target.wrapping_sub(end).to_le_bytes()
}

/// Appends no-operations up to `offset`.
fn fill(code: &mut Vec<u8>, offset: u32) {
    while let Some(missing) = (offset as usize).checked_sub(code.len()).filter(|&len| len > 0) {
        code.extend_from_slice(NOPS[missing.min(NOPS.len()) - 1]);
    }
}

#[cfg(test)]
mod tests;
