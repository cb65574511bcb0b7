//! Finds the short pieces of code in loops that other code jumps to.
//!
//! A processor fetches code by lines, and starts anew wherever a jump leads. A piece of three instructions, of which the first is
//! the last of its line, takes two fetches each time. In a loop around a switch that is every round, for the code that all
//! cases jump to when they are done.

use super::decode::{self, Item, Kind};

/// From so many jumps on a piece of code is moved that is reached from above too: that way leads through the no-operations.
const MANY: u32 = 3;

/// A piece of code from a place that is jumped to until the next jump.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Join {
    /// Its first instruction, by its place among the items.
    pub(super) place: usize,
    /// Its length in bytes.
    pub(super) len: u32,
}

/// The pieces that are inside of loops and have at most `longest` bytes, ascending. Beginnings of loops are none of them.
pub(super) fn joins(items: &[Item], headers: &[usize], code: &[u8], longest: u32) -> Vec<Join> {
    // How many jumps lead to each item, and how many loops begin or end there.
    let mut jumps = vec![0_u32; items.len()];
    let mut loops = vec![0_i32; items.len() + 1];
    for (place, item) in items.iter().enumerate() {
        match item.kind {
            Kind::Branch { target } => {
                let Some(target) = decode::find(items, target) else { continue };
                jumps[target] += 1;
                if target <= place {
                    loops[target] += 1;
                    loops[place + 1] -= 1;
                }
            }
            Kind::Table => {
                for target in item.targets(code).flatten() {
                    if let Some(target) = decode::find(items, target) {
                        jumps[target] += 1;
                    }
                }
            }
            Kind::Plain | Kind::Address { .. } | Kind::Data => {}
        }
    }
    let mut joins = Vec::new();
    let mut depth = 0;
    for place in 0..items.len() {
        depth += loops[place];
        let from_above = place > 0 && !items[place - 1].ends_path(code);
        let least = if from_above { MANY } else { 1 };
        if depth > 0
            && jumps[place] >= least
            && headers.binary_search(&place).is_err()
            && let Some(len) = piece(&items[place..], code, longest)
        {
            joins.push(Join { place, len });
        }
    }
    joins
}

/// How long the code is from the first item up to the next jump, the table included that it jumps by, when it is not too long.
fn piece(items: &[Item], code: &[u8], longest: u32) -> Option<u32> {
    let mut len = 0;
    for item in items {
        len += item.len;
        if len > longest {
            return None;
        }
        if matches!(item.kind, Kind::Branch { .. }) || item.ends_path(code) {
            return Some(len);
        }
    }
    None
}
