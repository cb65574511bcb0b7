//! `br_table` with few targets: where they are a few ranges of the index, one behind the other, comparing is better than
//! looking the target up.
//!
//! An indirect jump is predicted worse than conditional ones. And each entry of a table is an edge of its own, for which the register
//! allocator may write moves of its own: entries with the same target can come to lead to different code, which makes
//! predicting harder still.

use cranelift_codegen::ir::{Block, BlockCall, InstBuilder, Value, condcodes::IntCC};

use super::function::FuncTranslator;

/// The most ranges that are told apart by comparing. RATIONALE.md has the measurements.
const MOST: usize = 3;

impl FuncTranslator<'_, '_> {
    /// Jumps to the entry at `index`, or to `default` behind the last, without a table. Writes nothing and says no where there are
    /// more than a few ranges of entries with the same target. None of them carries values.
    pub(super) fn jump_by_ranges(
        &mut self,
        index: Value,
        default: BlockCall,
        entries: &[BlockCall],
    ) -> bool {
        let pool = &self.builder.func.dfg.value_lists;
        let targets = entries.iter().chain([&default]).map(|call| call.block(pool));
        let Some(ranges) = few_ranges(targets) else { return false };
        let [first, behind @ ..] = &ranges[..] else { return false };
        let mut target = first.target;
        for (at, range) in behind.iter().enumerate() {
            let is_in_front = self.ins().icmp_imm_u(IntCC::UnsignedLessThan, index, range.start);
            if at + 1 == behind.len() {
                self.ins().brif(is_in_front, target, &[], range.target, &[]);
                return true;
            }
            let next = self.builder.create_block();
            self.ins().brif(is_in_front, target, &[], next, &[]);
            self.builder.seal_block(next);
            self.builder.switch_to_block(next);
            target = range.target;
        }
        self.ins().jump(target, &[]);
        true
    }
}

/// Indices with the same target, up to the next range.
#[derive(Debug, PartialEq, Eq)]
struct Range {
    start: i64,
    target: Block,
}

/// The ranges of indices, when there are few; the last one has no end.
fn few_ranges(targets: impl Iterator<Item = Block>) -> Option<Vec<Range>> {
    let mut ranges: Vec<Range> = Vec::with_capacity(MOST);
    for (start, target) in (0..).zip(targets) {
        if ranges.last().is_some_and(|range| range.target == target) {
            continue;
        }
        if ranges.len() == MOST {
            return None;
        }
        ranges.push(Range { start, target });
    }
    Some(ranges)
}

#[cfg(test)]
mod tests {
    use super::{Block, Range, few_ranges};

    fn ranges(targets: &[u32]) -> Option<Vec<(i64, u32)>> {
        let ranges = few_ranges(targets.iter().map(|&target| Block::from_u32(target)))?;
        Some(ranges.iter().map(|&Range { start, target }| (start, target.as_u32())).collect())
    }

    #[test]
    fn neighbours_with_the_same_target_are_one_range() {
        assert_eq!(ranges(&[7]), Some(vec![(0, 7)]));
        assert_eq!(ranges(&[7, 7, 7]), Some(vec![(0, 7)]));
        assert_eq!(ranges(&[1, 1, 1, 2, 2, 9]), Some(vec![(0, 1), (3, 2), (5, 9)]));
        assert_eq!(ranges(&[9, 1, 9]), Some(vec![(0, 9), (1, 1), (2, 9)]));
    }

    #[test]
    fn many_ranges_are_left_to_a_table() {
        assert_eq!(ranges(&[1, 2, 1, 2]), None);
    }
}
