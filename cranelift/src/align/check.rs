//! Whether code that was written again does the same.

use iced_x86::Mnemonic;

use super::{
    Layout,
    decode::{Item, Kind, Reader, find},
};

/// Whether `new` has the instructions of `old` where `layout` says, nothing between them that does anything, and distances
/// to what they meant before.
pub(super) fn same(layout: &Layout<'_>, old: &[u8], new: &[u8]) -> bool {
    let mut reader = Reader::new(new);
    let mut at = 0;
    for (item, &offset) in layout.items.iter().zip(&layout.offsets) {
        while at < offset {
            match reader.read(at) {
                Some((filler, _)) if filler.mnemonic() == Mnemonic::Nop => {
                    at += filler.len() as u32;
                }
                _ => return false,
            }
        }
        let moved = Item { offset, ..*item };
        if at != offset || new.len() < (offset + item.len) as usize {
            return false;
        }
        let same = match item.kind {
            Kind::Data => moved.bytes(new) == item.bytes(old),
            Kind::Table => {
                let mut targets = item.targets(old).zip(moved.targets(new));
                targets.all(|(old, new)| same_target(layout, old, new))
            }
            kind => match reader.read(offset) {
                Some((instruction, moved_kind)) => {
                    instruction.len() as u32 == item.len
                        && same_kind(layout, kind, moved_kind)
                        && same_bytes(kind, item.bytes(old), moved.bytes(new))
                }
                None => false,
            },
        };
        if !same {
            return false;
        }
        at += item.len;
    }
    at as usize == new.len()
}

/// Whether the code has at `new` what it had at `old`, an instruction.
fn same_target(layout: &Layout<'_>, old: Option<u32>, new: Option<u32>) -> bool {
    old.is_some_and(|old| find(layout.items, old).is_some() && layout.start(old) == new)
}

/// Whether two instructions hold distances to the same thing, if they do.
fn same_kind(layout: &Layout<'_>, old: Kind, new: Kind) -> bool {
    match (old, new) {
        (Kind::Plain, Kind::Plain) => true,
        (Kind::Branch { target: old }, Kind::Branch { target: new }) => {
            same_target(layout, Some(old), Some(new))
        }
        (Kind::Address { field: old_field, target: old }, Kind::Address { field, target: new }) => {
            old_field == field && layout.start(old) == Some(new)
        }
        _ => false,
    }
}

/// Whether two instructions are the same but for the distances that they hold.
fn same_bytes(kind: Kind, old: &[u8], new: &[u8]) -> bool {
    let field = match kind {
        Kind::Branch { .. } => old.len() - 4,
        Kind::Address { field, .. } => field.into(),
        _ => return old == new,
    };
    old[..field] == new[..field] && old[field + 4..] == new[field + 4..]
}
