//! Tables of an image that are searched where they lie.
//!
//! Each is a slice of bytes that is checked once for its overall shape; entries are read one by one, in
//! little-endian order, when somebody asks. Offsets of code count from the start of `.text`.

pub use super::handlers::{CatchingCall, Handler, HandlerTable, Handlers};
pub use super::stack_maps::{StackMap, StackMapEntry, StackMapTable};
use crate::{Tier, TrapCode};

/// Reads the `index`th little-endian `u32` of `bytes`.
pub(super) fn u32_at(bytes: &[u8], index: usize) -> u32 {
    let at = index * 4;
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
}

pub(super) fn push_u32s(bytes: &mut Vec<u8>, values: impl Iterator<Item = u32>) {
    values.for_each(|value| bytes.extend_from_slice(&value.to_le_bytes()));
}

/// The last index whose key is at most `key`, of `len` keys in ascending order.
pub(super) fn last_at_most(len: usize, key: u32, get: impl Fn(usize) -> u32) -> Option<usize> {
    let (mut low, mut high) = (0, len);
    while low < high {
        let middle = low + (high - low) / 2;
        if get(middle) <= key { low = middle + 1 } else { high = middle }
    }
    low.checked_sub(1)
}

/// The first index whose key is more than `key`, of `len` keys in ascending order.
pub(super) fn first_above(len: usize, key: u32, get: impl Fn(usize) -> u32) -> usize {
    last_at_most(len, key, get).map_or(0, |index| index + 1)
}

/// Where functions lie: pairs of offset and length, in the order of their indices.
#[derive(Clone, Copy, Debug, Default)]
pub struct FuncTable<'a>(&'a [u8]);

impl<'a> FuncTable<'a> {
    /// The table in `bytes`, or nothing when its shape is wrong.
    pub fn new(bytes: &'a [u8]) -> Option<Self> {
        bytes.len().is_multiple_of(8).then_some(Self(bytes))
    }

    /// The bytes of a table of these (offset, length).
    pub fn encode(funcs: &[(u32, u32)]) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(funcs.len() * 8);
        push_u32s(&mut bytes, funcs.iter().flat_map(|&(offset, len)| [offset, len]));
        bytes
    }

    /// Number of functions.
    pub fn len(self) -> usize {
        self.0.len() / 8
    }

    /// Whether there are none.
    pub fn is_empty(self) -> bool {
        self.0.is_empty()
    }

    /// Offset and length of a function's code.
    pub fn get(self, index: usize) -> Option<(u32, u32)> {
        (index < self.len()).then(|| (u32_at(self.0, 2 * index), u32_at(self.0, 2 * index + 1)))
    }

    /// The function whose code contains `offset`. The functions lie in the order of their indices.
    pub fn find(self, offset: u32) -> Option<usize> {
        let index = last_at_most(self.len(), offset, |index| u32_at(self.0, 2 * index))?;
        let (start, len) = self.get(index)?;
        (offset - start < len).then_some(index)
    }
}

/// Which functions are of [`Tier::Baseline`]: their positions, ascending. Most images have none.
#[derive(Clone, Copy, Debug, Default)]
pub struct BaselineTable<'a>(&'a [u8]);

impl<'a> BaselineTable<'a> {
    /// The table in `bytes`, or nothing when its shape is wrong.
    pub fn new(bytes: &'a [u8]) -> Option<Self> {
        bytes.len().is_multiple_of(4).then_some(Self(bytes))
    }

    /// The bytes of a table of these positions, which ascend.
    pub fn encode(positions: &[u32]) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(positions.len() * 4);
        push_u32s(&mut bytes, positions.iter().copied());
        bytes
    }

    /// The tier of the function at a position, if it is present.
    pub fn tier(self, position: u32) -> Tier {
        let found = last_at_most(self.0.len() / 4, position, |index| u32_at(self.0, index));
        match found.is_some_and(|index| u32_at(self.0, index) == position) {
            true => Tier::Baseline,
            false => Tier::Optimised,
        }
    }
}

/// Which instructions may trap, and why: all offsets, ascending, then a byte of code for each.
#[derive(Clone, Copy, Debug, Default)]
pub struct TrapTable<'a>(&'a [u8]);

impl<'a> TrapTable<'a> {
    /// The table in `bytes`, or nothing when its shape is wrong.
    pub fn new(bytes: &'a [u8]) -> Option<Self> {
        bytes.len().is_multiple_of(5).then_some(Self(bytes))
    }

    /// The bytes of a table of these traps, sorted by offset.
    pub fn encode(traps: &[(u32, TrapCode)]) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(traps.len() * 5);
        push_u32s(&mut bytes, traps.iter().map(|trap| trap.0));
        bytes.extend(traps.iter().map(|trap| trap.1 as u8));
        bytes
    }

    /// Number of instructions.
    pub fn len(self) -> usize {
        self.0.len() / 5
    }

    /// Whether there are none.
    pub fn is_empty(self) -> bool {
        self.0.is_empty()
    }

    /// The instructions from `start` on and in front of `end`, with the reason of each unless it is damaged.
    pub(super) fn within(
        self,
        start: u32,
        end: u32,
    ) -> impl Iterator<Item = (u32, Option<TrapCode>)> {
        let first = start
            .checked_sub(1)
            .map_or(0, |before| first_above(self.len(), before, |index| u32_at(self.0, index)));
        (first..self.len())
            .map(move |index| (u32_at(self.0, index), self.0[self.len() * 4 + index]))
            .take_while(move |&(offset, _)| (start..end).contains(&offset))
            .map(|(offset, code)| (offset, TrapCode::from_u8(code)))
    }

    /// Why the instruction at `offset` traps. Neither allocates nor locks: it is called in a signal handler.
    pub fn find(self, offset: u32) -> Option<TrapCode> {
        let index = last_at_most(self.len(), offset, |index| u32_at(self.0, index))?;
        if u32_at(self.0, index) != offset {
            return None;
        }
        TrapCode::from_u8(self.0[self.len() * 4 + index])
    }
}

/// From code to the module's bytes: pairs of code offset and offset in the module, each valid from its code offset
/// to the next one's; all code offsets first, ascending, then all positions. Exact at instructions that may trap and at the
/// last bytes of calls; of other code it gives the position of something that precedes it in the same function, or none.
///
/// Code of a function that was inlined has three pairs for one code offset: its own position, the index of that function, and
/// last, as the position of the code in the function it is in, that of the call. [`inlined_at`] reads the first two.
#[derive(Clone, Copy, Debug, Default)]
pub struct AddressMap<'a>(&'a [u8]);

impl<'a> AddressMap<'a> {
    /// Position of code that stems from no instruction of the module.
    pub const NONE: u32 = u32::MAX;

    /// The map in `bytes`, or nothing when its shape is wrong.
    pub fn new(bytes: &'a [u8]) -> Option<Self> {
        bytes.len().is_multiple_of(8).then_some(Self(bytes))
    }

    /// The bytes of a map of these (code offset, position), sorted by code offset.
    pub fn encode(entries: &[(u32, u32)]) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(entries.len() * 8);
        push_u32s(&mut bytes, entries.iter().map(|entry| entry.0));
        push_u32s(&mut bytes, entries.iter().map(|entry| entry.1));
        bytes
    }

    /// Number of entries.
    pub fn len(self) -> usize {
        self.0.len() / 8
    }

    /// Whether there are none.
    pub fn is_empty(self) -> bool {
        self.0.is_empty()
    }

    /// What holds at `start`, then the entries behind it and in front of `end`.
    pub(super) fn within(self, start: u32, end: u32) -> impl Iterator<Item = (u32, u32)> {
        let behind = first_above(self.len(), start, |index| u32_at(self.0, index));
        let position = move |index| u32_at(self.0, self.len() + index);
        let first = behind.checked_sub(1).map_or(Self::NONE, position);
        let rest = (behind..self.len()).map(move |index| (u32_at(self.0, index), position(index)));
        let inside = move |&(offset, _): &(u32, u32)| start < offset && offset < end;
        std::iter::once((start, first)).chain(rest.take_while(inside))
    }

    /// The offset in the module of the instruction that the code at `offset` stems from.
    pub fn find(self, offset: u32) -> Option<u32> {
        let index = last_at_most(self.len(), offset, |index| u32_at(self.0, index))?;
        Some(u32_at(self.0, self.len() + index)).filter(|&position| position != Self::NONE)
    }

    /// The function that was inlined where the code at `offset` is.
    pub fn inlined_at(self, offset: u32) -> Option<InlinedAt> {
        let entry = |index| (u32_at(self.0, index), u32_at(self.0, self.len() + index));
        inlined_at(self.len(), entry, offset)
    }
}

/// A function that was inlined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InlinedAt {
    /// Its index.
    pub func: u32,
    /// The offset in the module of its instruction.
    pub position: u32,
}

/// The function that was inlined where the code at `offset` is, by the `len` entries of an [`AddressMap`], which may be
/// damaged.
pub fn inlined_at(
    len: usize,
    entry: impl Fn(usize) -> (u32, u32),
    offset: u32,
) -> Option<InlinedAt> {
    let call = last_at_most(len, offset, |index| entry(index).0)?;
    let (position, func) = (entry(call.checked_sub(2)?), entry(call - 1));
    let together = position.0 == entry(call).0;
    together.then_some(InlinedAt { func: func.1, position: position.1 })
}

/// Names of functions: their number, then triples (function index, start, length) sorted by index, then the text.
#[derive(Clone, Copy, Debug, Default)]
pub struct NameTable<'a> {
    entries: &'a [u8],
    text: &'a [u8],
}

impl<'a> NameTable<'a> {
    /// The table in `bytes`, or nothing when its shape is wrong.
    pub fn new(bytes: &'a [u8]) -> Option<Self> {
        if bytes.is_empty() {
            return Some(Self::default());
        }
        let (count, rest) = bytes.split_first_chunk::<4>()?;
        let len = (u32::from_le_bytes(*count) as usize).checked_mul(12)?;
        let (entries, text) = rest.split_at_checked(len)?;
        Some(Self { entries, text })
    }

    /// The bytes of a table of these names, sorted by function.
    pub fn encode<'n>(names: impl ExactSizeIterator<Item = (u32, &'n str)>) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut text = String::new();
        push_u32s(&mut bytes, [names.len() as u32].into_iter());
        for (func, name) in names {
            push_u32s(&mut bytes, [func, text.len() as u32, name.len() as u32].into_iter());
            text.push_str(name);
        }
        bytes.extend_from_slice(text.as_bytes());
        bytes
    }

    /// The name of a function, by its index in the module.
    pub fn get(self, func: u32) -> Option<&'a str> {
        let count = self.entries.len() / 12;
        let index = last_at_most(count, func, |index| u32_at(self.entries, 3 * index))?;
        if u32_at(self.entries, 3 * index) != func {
            return None;
        }
        let start = u32_at(self.entries, 3 * index + 1) as usize;
        let len = u32_at(self.entries, 3 * index + 2) as usize;
        std::str::from_utf8(self.text.get(start..start.checked_add(len)?)?).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::{AddressMap, BaselineTable, FuncTable, InlinedAt, NameTable, TrapTable};
    use crate::{Tier, TrapCode};

    #[test]
    fn functions_are_found_by_any_of_their_bytes() {
        let bytes = FuncTable::encode(&[(0, 10), (16, 4)]);
        let table = FuncTable::new(&bytes).unwrap();
        assert_eq!(table.get(1), Some((16, 4)));
        assert_eq!(table.get(2), None);
        assert_eq!(
            [0, 9, 10, 15, 16, 19, 20].map(|offset| table.find(offset)),
            [Some(0), Some(0), None, None, Some(1), Some(1), None]
        );
    }

    #[test]
    fn functions_that_are_listed_are_of_the_baseline() {
        let bytes = BaselineTable::encode(&[2, 5]);
        let table = BaselineTable::new(&bytes).unwrap();
        for position in 0..8 {
            assert_eq!(table.tier(position) == Tier::Baseline, matches!(position, 2 | 5));
        }
        assert!(BaselineTable::new(&bytes[1..]).is_none());
    }

    #[test]
    fn traps_are_found_at_their_instruction_only() {
        let bytes = TrapTable::encode(&[(4, TrapCode::Unreachable), (9, TrapCode::StackExhausted)]);
        let table = TrapTable::new(&bytes).unwrap();
        assert_eq!(table.find(9), Some(TrapCode::StackExhausted));
        assert_eq!(table.find(8), None);
        assert_eq!(table.find(0), None);
        assert!(TrapTable::new(&bytes[1..]).is_none());
    }

    #[test]
    fn addresses_hold_up_to_the_next() {
        let bytes = AddressMap::encode(&[(4, 100), (8, AddressMap::NONE), (12, 101)]);
        let map = AddressMap::new(&bytes).unwrap();
        assert_eq!(
            [3, 4, 7, 8, 12, 900].map(|offset| map.find(offset)),
            [None, Some(100), Some(100), None, Some(101), Some(101)]
        );
    }

    #[test]
    fn an_inlined_function_stands_in_front_of_the_call() {
        let entries = [(4, 100), (8, 7), (8, 2), (8, 101), (12, 102), (14, 5), (14, 6)];
        let bytes = AddressMap::encode(&entries);
        let map = AddressMap::new(&bytes).unwrap();
        assert_eq!([7, 8, 11, 12].map(|at| map.find(at)), [100, 101, 101, 102].map(Some));
        let inlined = Some(InlinedAt { func: 2, position: 7 });
        assert_eq!([8, 11].map(|at| map.inlined_at(at)), [inlined; 2]);
        // The last is damaged: something is missing.
        assert_eq!([3, 4, 12, 14].map(|at| map.inlined_at(at)), [None; 4]);
    }

    #[test]
    fn names_read_back_and_damage_is_not_followed() {
        let mut bytes = NameTable::encode([(2, "two"), (7, "seven")].into_iter());
        let table = NameTable::new(&bytes).unwrap();
        assert_eq!([1, 2, 7].map(|func| table.get(func)), [None, Some("two"), Some("seven")]);
        bytes[8] = 0xff;
        assert_eq!(NameTable::new(&bytes).unwrap().get(2), None);
        bytes[3] = 0xff;
        assert!(NameTable::new(&bytes).is_none());
    }
}
