//! [`StackMapTable`]: where frames of generated code hold references to objects while they wait for a call.
//!
//! Three parts behind one another, all little-endian `u32`: the number of calls; the offsets of the instructions behind them,
//! ascending; for each where its list begins, counted in numbers from the end of this part; and the lists, each its length
//! and then that many distances. Calls with the same list share it. Calls without references are not listed.

use std::collections::HashMap;

use super::tables::{first_above, last_at_most, push_u32s, u32_at};

/// What a table is made of: the offset of the instruction behind a call, and the distances of the references.
pub type StackMapEntry = (u32, Box<[u32]>);

/// Where frames hold references.
#[derive(Clone, Copy, Debug, Default)]
pub struct StackMapTable<'a> {
    returns: &'a [u8],
    starts: &'a [u8],
    lists: &'a [u8],
}

/// Where one frame holds references: how many bytes below its frame pointer each of them begins.
#[derive(Clone, Copy, Debug, Default)]
pub struct StackMap<'a>(&'a [u8]);

impl Iterator for StackMap<'_> {
    type Item = u32;

    fn next(&mut self) -> Option<u32> {
        let (distance, rest) = self.0.split_first_chunk::<4>()?;
        self.0 = rest;
        Some(u32::from_le_bytes(*distance))
    }
}

impl<'a> StackMapTable<'a> {
    /// The table in `bytes`, or nothing when its shape is wrong.
    pub fn new(bytes: &'a [u8]) -> Option<Self> {
        if bytes.is_empty() {
            return Some(Self::default());
        }
        let (count, rest) = bytes.split_first_chunk::<4>()?;
        let len = (u32::from_le_bytes(*count) as usize).checked_mul(4)?;
        let (returns, rest) = rest.split_at_checked(len)?;
        let (starts, lists) = rest.split_at_checked(len)?;
        lists.len().is_multiple_of(4).then_some(Self { returns, starts, lists })
    }

    /// The bytes of a table of these, sorted by offset; none for an empty one.
    pub fn encode(calls: &[StackMapEntry]) -> Vec<u8> {
        let mut bytes = Vec::new();
        if calls.is_empty() {
            return bytes;
        }
        let mut known: HashMap<&[u32], u32> = HashMap::new();
        let mut lists: Vec<u32> = Vec::new();
        let starts: Vec<u32> = calls
            .iter()
            .map(|(_, distances)| {
                *known.entry(distances).or_insert_with(|| {
                    let start = lists.len() as u32;
                    lists.push(distances.len() as u32);
                    lists.extend_from_slice(distances);
                    start
                })
            })
            .collect();
        push_u32s(&mut bytes, [calls.len() as u32].into_iter());
        push_u32s(&mut bytes, calls.iter().map(|call| call.0));
        push_u32s(&mut bytes, starts.into_iter());
        push_u32s(&mut bytes, lists.into_iter());
        bytes
    }

    /// Number of calls.
    pub fn len(self) -> usize {
        self.returns.len() / 4
    }

    /// Whether there are none.
    pub fn is_empty(self) -> bool {
        self.returns.is_empty()
    }

    /// Where the frame of a call that returns to `offset` holds references.
    pub fn find(self, offset: u32) -> StackMap<'a> {
        self.list_at(offset).map(StackMap).unwrap_or_default()
    }

    /// What the frames hold of calls that return behind `start` and not behind `end`; nothing for one that is damaged.
    pub(super) fn within(
        self,
        start: u32,
        end: u32,
    ) -> impl Iterator<Item = (u32, Option<StackMap<'a>>)> {
        let first = first_above(self.len(), start, |index| u32_at(self.returns, index));
        (first..self.len())
            .map(move |index| (index, u32_at(self.returns, index)))
            .take_while(move |&(_, offset)| start < offset && offset <= end)
            .map(move |(index, offset)| (offset, self.list(index).map(StackMap)))
    }

    fn list_at(self, offset: u32) -> Option<&'a [u8]> {
        let index = last_at_most(self.len(), offset, |index| u32_at(self.returns, index))?;
        if u32_at(self.returns, index) != offset {
            return None;
        }
        self.list(index)
    }

    fn list(self, index: usize) -> Option<&'a [u8]> {
        let start = (u32_at(self.starts, index) as usize).checked_mul(4)?;
        let (len, rest) = self.lists.get(start..)?.split_first_chunk::<4>()?;
        rest.get(..(u32::from_le_bytes(*len) as usize).checked_mul(4)?)
    }
}

#[cfg(test)]
mod tests {
    use super::{StackMapEntry, StackMapTable};

    fn find(table: StackMapTable<'_>, offset: u32) -> Vec<u32> {
        table.find(offset).collect()
    }

    #[test]
    fn calls_have_the_list_they_were_given_and_others_none() {
        let calls: Vec<StackMapEntry> =
            vec![(5, [16, 24].into()), (9, [8].into()), (20, [16, 24].into())];
        let bytes = StackMapTable::encode(&calls);
        assert_eq!(bytes.len(), 4 * (1 + 3 + 3 + 3 + 2), "equal lists are there once");
        let table = StackMapTable::new(&bytes).unwrap();
        assert_eq!(table.len(), 3);
        for (offset, list) in &calls {
            assert_eq!(find(table, *offset), **list);
        }
        for offset in [0, 4, 6, 19, 21] {
            assert!(find(table, offset).is_empty(), "{offset}");
        }
    }

    #[test]
    fn nothing_takes_no_bytes() {
        assert!(StackMapTable::encode(&[]).is_empty());
        assert!(StackMapTable::new(&[]).unwrap().is_empty());
        assert!(find(StackMapTable::default(), 0).is_empty());
    }

    #[test]
    fn damage_is_not_followed() {
        let bytes = StackMapTable::encode(&[(5, [16, 24].into()), (9, [8].into())]);
        for len in 1..bytes.len() {
            if let Some(table) = StackMapTable::new(&bytes[..len]) {
                assert!(find(table, 9).is_empty() || len == bytes.len());
            }
        }
        for at in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] = 0xff;
            if let Some(table) = StackMapTable::new(&damaged) {
                for offset in [5, 9, 255] {
                    assert!(find(table, offset).len() <= bytes.len() / 4);
                }
            }
        }
    }
}
