//! [`HandlerTable`]: where exceptions go that come out of a call. The table of an image that is searched when something is
//! thrown, and at no other time.
//!
//! It has one entry for each call inside a `try_table`. Calls are told by their return addresses, which is what the
//! frames of a stack are found by. Distances are counted down from the frame pointer of the function that calls.

use super::tables::{first_above, last_at_most, push_u32s, u32_at};
use crate::TagIndex;

/// Stands for all tags.
const ANY: u32 = u32::MAX;

/// Numbers of an entry behind the return addresses.
const ENTRY: usize = 3;

/// A call with handlers, as a compiler gives it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CatchingCall {
    /// Offset in `.text` of the instruction behind the call.
    pub return_offset: u32,
    /// Distance of the stack pointer that the handlers expect.
    pub stack: u32,
    /// Distance of the slot that holds the instance's context during the call; 0 when no handler is for a tag.
    pub context: u32,
    /// The handlers: the first whose tag is the exception's takes it.
    pub handlers: Box<[Handler]>,
}

/// Where an exception goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Handler {
    /// The tag that it is for, in the module of the code; none for all.
    pub tag: Option<TagIndex>,
    /// Offset of its code in `.text`.
    pub offset: u32,
}

/// Calls with handlers: their number, then their return offsets, ascending; then for each its two distances and the number of
/// handlers up to and with its own; then all handlers, as pairs of tag and offset.
#[derive(Clone, Copy, Debug, Default)]
pub struct HandlerTable<'a> {
    returns: &'a [u8],
    entries: &'a [u8],
    handlers: &'a [u8],
}

/// What the table has of one call.
#[derive(Clone, Copy, Debug)]
pub struct Handlers<'a> {
    /// As [`CatchingCall::stack`].
    pub stack: u32,
    /// As [`CatchingCall::context`].
    pub context: u32,
    handlers: &'a [u8],
}

impl<'a> HandlerTable<'a> {
    /// The table in `bytes`, or nothing when its shape is wrong.
    pub fn new(bytes: &'a [u8]) -> Option<Self> {
        if bytes.is_empty() {
            return Some(Self::default());
        }
        let (count, rest) = bytes.split_first_chunk::<4>()?;
        let count = u32::from_le_bytes(*count) as usize;
        let (returns, rest) = rest.split_at_checked(count.checked_mul(4)?)?;
        let (entries, handlers) = rest.split_at_checked(count.checked_mul(4 * ENTRY)?)?;
        handlers.len().is_multiple_of(8).then_some(Self { returns, entries, handlers })
    }

    /// The bytes of a table of these calls, sorted by return offset. Empty when there are none.
    pub fn encode(calls: &[CatchingCall]) -> Vec<u8> {
        let mut bytes = Vec::new();
        if calls.is_empty() {
            return bytes;
        }
        push_u32s(&mut bytes, [calls.len() as u32].into_iter());
        push_u32s(&mut bytes, calls.iter().map(|call| call.return_offset));
        let mut end = 0;
        for call in calls {
            end += call.handlers.len() as u32;
            push_u32s(&mut bytes, [call.stack, call.context, end].into_iter());
        }
        let pair = |handler: &Handler| [handler.tag.map_or(ANY, |tag| tag.0), handler.offset];
        push_u32s(&mut bytes, calls.iter().flat_map(|call| &call.handlers).flat_map(pair));
        bytes
    }

    /// Whether there are none.
    pub fn is_empty(self) -> bool {
        self.returns.is_empty()
    }

    /// The handlers of the call that returns to an offset of `.text`. Nothing as well when the table is damaged there.
    pub fn find(self, return_offset: u32) -> Option<Handlers<'a>> {
        let count = self.returns.len() / 4;
        let index = last_at_most(count, return_offset, |index| u32_at(self.returns, index))?;
        if u32_at(self.returns, index) != return_offset {
            return None;
        }
        self.entry(index)
    }

    /// The calls that return behind `start` and not behind `end`; nothing for one that is damaged.
    pub(super) fn within(self, start: u32, end: u32) -> impl Iterator<Item = Option<CatchingCall>> {
        let count = self.returns.len() / 4;
        let first = first_above(count, start, |index| u32_at(self.returns, index));
        (first..count)
            .map(move |index| (index, u32_at(self.returns, index)))
            .take_while(move |&(_, offset)| start < offset && offset <= end)
            .map(move |(index, return_offset)| {
                let found = self.entry(index)?;
                let handlers = found.iter().collect();
                Some(CatchingCall {
                    return_offset,
                    stack: found.stack,
                    context: found.context,
                    handlers,
                })
            })
    }

    fn entry(self, index: usize) -> Option<Handlers<'a>> {
        let end = |index: usize| u32_at(self.entries, index * ENTRY + 2) as usize;
        let start = index.checked_sub(1).map_or(0, end);
        let handlers = self.handlers.get(start.checked_mul(8)?..end(index).checked_mul(8)?)?;
        let distance = |place| u32_at(self.entries, index * ENTRY + place);
        Some(Handlers { stack: distance(0), context: distance(1), handlers })
    }
}

impl Handlers<'_> {
    /// The handlers, in the order in which they are asked.
    pub fn iter(&self) -> impl Iterator<Item = Handler> + '_ {
        self.handlers.chunks_exact(8).map(|pair| {
            let tag = u32_at(pair, 0);
            Handler { tag: (tag != ANY).then_some(TagIndex(tag)), offset: u32_at(pair, 1) }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{CatchingCall, Handler, HandlerTable};
    use crate::TagIndex;

    fn handler(tag: Option<u32>, offset: u32) -> Handler {
        Handler { tag: tag.map(TagIndex), offset }
    }

    fn calls() -> [CatchingCall; 3] {
        let call = |return_offset, handlers: &[Handler]| CatchingCall {
            return_offset,
            stack: 2 * return_offset,
            context: return_offset,
            handlers: handlers.into(),
        };
        [
            call(16, &[handler(Some(3), 90), handler(None, 91)]),
            call(24, &[]),
            call(32, &[handler(Some(0), 92)]),
        ]
    }

    #[test]
    fn handlers_are_found_by_the_exact_return_address() {
        let (calls, bytes) = (calls(), HandlerTable::encode(&calls()));
        let table = HandlerTable::new(&bytes).unwrap();
        for call in &calls {
            let found = table.find(call.return_offset).unwrap();
            assert_eq!((found.stack, found.context), (call.stack, call.context));
            assert!(found.iter().eq(call.handlers.iter().copied()));
        }
        for offset in [0, 15, 17, 33, u32::MAX] {
            assert!(table.find(offset).is_none(), "{offset}");
        }
    }

    #[test]
    fn no_calls_take_no_bytes() {
        assert!(HandlerTable::encode(&[]).is_empty());
        assert!(HandlerTable::new(&[]).unwrap().is_empty());
        assert!(HandlerTable::new(&[]).unwrap().find(0).is_none());
    }

    #[test]
    fn damage_is_refused_or_not_followed() {
        let whole = HandlerTable::encode(&calls());
        for len in 1..whole.len() {
            // Where only handlers are missing the shape may be right; what is not there is not found.
            if let Some(table) = HandlerTable::new(&whole[..len]) {
                let found = [16, 24, 32].map(|offset| table.find(offset).is_some());
                assert!(!found[2], "{len}: {found:?}");
            }
        }
        for at in 0..whole.len() {
            let mut bytes = whole.clone();
            bytes[at] ^= 0xff;
            if let Some(table) = HandlerTable::new(&bytes) {
                for found in (0..256).filter_map(|offset| table.find(offset)) {
                    assert!(found.iter().count() <= 3, "{at}");
                }
            }
        }
    }
}
