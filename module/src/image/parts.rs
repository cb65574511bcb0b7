//! [`PartsTable`]: what else it takes to have the functions of an image back as they were before they were linked. Read by
//! those who make another image of them, never by those who run it.
//!
//! The table has a record for each function that is present, trampolines and adapters included, ascending by their
//! numbers: first those that the module defines, then those of the table of trampolines. All of it is little-endian `u32`s:
//!
//! ```text
//! number of records
//! records   number of the function, form, end of its calls, end of its callees, place of its call frame instructions in
//!           `.eh_frame`, their length, origin of its positions
//! calls     offset in the function, which of its callees
//! callees   index in the module
//! ```
//!
//! The hashes of the compiler's inputs are a section of their own, in the order of the records, as they are searched.
//! What tables for running say, traps and tiers for two, is not said again.

use super::{
    Image, ImageError, section,
    tables::{BaselineTable, FuncTable, first_above, push_u32s, u32_at},
};
use crate::{Call, CallKind, CompiledFunc, InputHash, Tier};

/// Numbers of a record.
const RECORD: usize = 7;

/// Bytes of a call.
const CALL: usize = 8;

/// Bytes of a hash; a function without one has zeros.
const HASH: usize = 32;

/// Bits of a form: the logarithm of the alignment, then these.
const ALIGN: u32 = 0x3f;
const HEAP: u32 = 1 << 6;
const ARM64: u32 = 1 << 7;

/// The table in the making, function by function.
#[derive(Clone, Debug, Default)]
pub struct PartsWriter {
    count: u32,
    records: Vec<u8>,
    calls: Vec<u8>,
    callees: Vec<u8>,
    hashes: Vec<u8>,
}

impl PartsWriter {
    /// Appends a function by its number, which is larger than all before. Its call frame instructions are at `unwind` in
    /// `.eh_frame`.
    ///
    /// # Panics
    /// When a call goes to a function that is none of the function's callees.
    pub fn add(&mut self, number: u32, func: &CompiledFunc, unwind: u32) {
        for call in &func.calls {
            let callee = func.callees.iter().position(|&callee| callee == call.callee);
            let callee = callee.expect("a callee is one that the function names");
            push_u32s(&mut self.calls, [call.offset, callee as u32].into_iter());
        }
        push_u32s(&mut self.callees, func.callees.iter().copied());
        let mut form = func.align.max(1).ilog2();
        for (bit, set) in [
            (HEAP, func.uses_heap),
            (ARM64, func.calls.iter().any(|call| call.kind == CallKind::Arm64Branch26)),
        ] {
            form |= if set { bit } else { 0 };
        }
        let record = [
            number,
            form,
            (self.calls.len() / CALL) as u32,
            (self.callees.len() / 4) as u32,
            unwind,
            func.unwind.len() as u32,
            func.origin,
        ];
        push_u32s(&mut self.records, record.into_iter());
        self.hashes.extend(func.input.map_or([0; HASH], |hash| hash.0));
        self.count += 1;
    }

    /// The sections: names and contents.
    pub fn finish(self) -> [(String, Vec<u8>); 2] {
        let mut parts = self.count.to_le_bytes().to_vec();
        for piece in [self.records, self.calls, self.callees] {
            parts.extend(piece);
        }
        // Where no function has a hash there are none.
        let known = self.hashes.iter().any(|&byte| byte != 0);
        let hashes = if known { self.hashes } else { Vec::new() };
        [(section::PARTS.to_owned(), parts), (section::INPUTS.to_owned(), hashes)]
    }
}

/// The table where it lies.
#[derive(Clone, Copy, Debug)]
pub struct PartsTable<'a> {
    records: &'a [u8],
    calls: &'a [u8],
    callees: &'a [u8],
    hashes: &'a [u8],
}

impl<'a> PartsTable<'a> {
    /// The table in the contents of its sections, or nothing when their shape is wrong.
    fn new(parts: &'a [u8], hashes: &'a [u8]) -> Option<Self> {
        let (count, rest) = parts.split_first_chunk::<4>()?;
        let count = u32::from_le_bytes(*count) as usize;
        let (records, rest) = rest.split_at_checked(count.checked_mul(4 * RECORD)?)?;
        let last = count.checked_sub(1).map_or([0; 2], |last| {
            [2, 3].map(|place| u32_at(records, last * RECORD + place) as usize)
        });
        let (calls, callees) = rest.split_at_checked(last[0].checked_mul(CALL)?)?;
        let whole = callees.len() == last[1].checked_mul(4)?
            && (hashes.is_empty() || hashes.len() == count.checked_mul(HASH)?);
        whole.then_some(Self { records, calls, callees, hashes })
    }

    /// Number of records.
    pub fn len(self) -> usize {
        self.records.len() / (4 * RECORD)
    }

    /// Whether no function is present.
    pub fn is_empty(self) -> bool {
        self.records.is_empty()
    }

    fn field(self, record: usize, place: usize) -> u32 {
        u32_at(self.records, record * RECORD + place)
    }

    /// The number of the function that a record is of.
    pub fn number(self, record: usize) -> u32 {
        self.field(record, 0)
    }

    /// The hash of the compiler's input for the function that a record is of.
    pub fn input(self, record: usize) -> Option<InputHash> {
        let hash = self.hashes.get(record * HASH..)?.first_chunk::<HASH>()?;
        (*hash != [0; HASH]).then_some(InputHash(*hash))
    }

    /// The record of a function by its number.
    pub fn find(self, number: u32) -> Option<usize> {
        let record =
            first_above(self.len(), number, |record| self.number(record)).checked_sub(1)?;
        (self.number(record) == number).then_some(record)
    }

    /// From where on and up to where a record's entries go in a list whose ends are at `place`.
    fn entries(self, record: usize, place: usize, size: usize) -> std::ops::Range<usize> {
        let start = record.checked_sub(1).map_or(0, |before| self.field(before, place));
        start as usize * size..self.field(record, place) as usize * size
    }

    fn callees(self, record: usize) -> Option<Box<[u32]>> {
        let bytes = self.callees.get(self.entries(record, 3, 4))?;
        Some((0..bytes.len() / 4).map(|index| u32_at(bytes, index)).collect())
    }

    fn calls(self, record: usize, callees: &[u32]) -> Option<Box<[Call]>> {
        let bytes = self.calls.get(self.entries(record, 2, CALL))?;
        let arm64 = self.field(record, 1) & ARM64 != 0;
        let kind = if arm64 { CallKind::Arm64Branch26 } else { CallKind::X86Rel32 };
        let call = |index| {
            let callee = *callees.get(u32_at(bytes, 2 * index + 1) as usize)?;
            Some(Call { offset: u32_at(bytes, 2 * index), kind, callee })
        };
        (0..bytes.len() / CALL).map(call).collect()
    }
}

/// An image with its [`PartsTable`], from which functions can be had one by one.
#[derive(Clone, Copy, Debug)]
pub struct Parts<'a> {
    image: &'a Image,
    bytes: &'a [u8],
    /// The records.
    pub table: PartsTable<'a>,
    funcs: FuncTable<'a>,
    trampolines: FuncTable<'a>,
    baseline: BaselineTable<'a>,
}

impl Image {
    /// What it takes to have the functions of the image back. `bytes` is the file that was parsed.
    ///
    /// # Errors
    /// When the table is damaged.
    pub fn parts<'a>(&'a self, bytes: &'a [u8]) -> Result<Parts<'a>, ImageError> {
        let table = PartsTable::new(&bytes[self.parts.clone()], &bytes[self.inputs.clone()])
            .ok_or_else(damaged)?;
        let (funcs, trampolines) = (self.funcs(bytes), self.trampolines(bytes));
        let baseline = self.baseline(bytes);
        Ok(Parts { image: self, bytes, table, funcs, trampolines, baseline })
    }

    /// The functions that the module defines, those that are present, as they were before they were linked: position, tier,
    /// function.
    ///
    /// # Errors
    /// When the bytes are no image that could be loaded, or what is said of the functions does not fit together.
    pub fn take_apart(bytes: &[u8]) -> Result<Vec<(u32, Tier, CompiledFunc)>, ImageError> {
        let image = Image::parse(bytes)?;
        let parts = image.parts(bytes)?;
        let (funcs, _) = parts.all()?;
        Ok(funcs)
    }
}

fn damaged() -> ImageError {
    ImageError::Damaged("what is said of its functions does not fit together".into())
}

/// All functions of an image: those that the module defines and are present, and the trampolines.
pub type Apart = (Vec<(u32, Tier, CompiledFunc)>, Vec<CompiledFunc>);

impl Parts<'_> {
    /// All functions.
    ///
    /// # Errors
    /// When what is said of them does not fit together.
    pub fn all(&self) -> Result<Apart, ImageError> {
        let mut funcs = Vec::with_capacity(self.table.len());
        let mut trampolines = Vec::with_capacity(self.trampolines.len());
        let (mut next, mut end) = (0, 0);
        for record in 0..self.table.len() {
            let number = self.table.number(record);
            // Ascending, without overlaps, and no trampoline is absent: so that no more is made than is there.
            let (start, len) = self.place(number).ok_or_else(damaged)?;
            let first = self.funcs.len() as u32 + trampolines.len() as u32;
            if number < next
                || number as usize >= self.funcs.len() && number != first
                || start < end
            {
                return Err(damaged());
            }
            (next, end) = (number + 1, start + len);
            let func = self.func(record)?;
            if (number as usize) < self.funcs.len() {
                funcs.push((number, self.baseline.tier(number), func));
            } else {
                trampolines.push(func);
            }
        }
        if trampolines.len() != self.trampolines.len() {
            return Err(damaged());
        }
        Ok((funcs, trampolines))
    }

    /// Offset and length of the code of a function by its number.
    fn place(&self, number: u32) -> Option<(u32, u32)> {
        let place = match (number as usize).checked_sub(self.funcs.len()) {
            None => self.funcs.get(number as usize),
            Some(index) => self.trampolines.get(index),
        };
        place.filter(|&(start, len)| len != 0 && start.checked_add(len).is_some())
    }

    /// The function of a record.
    ///
    /// # Errors
    /// When what is said of it does not fit together.
    pub fn func(&self, record: usize) -> Result<CompiledFunc, ImageError> {
        self.read(record).ok_or_else(damaged)
    }

    fn read(&self, record: usize) -> Option<CompiledFunc> {
        let (image, bytes, table) = (self.image, self.bytes, self.table);
        let (start, len) = self.place(table.number(record))?;
        let end = start + len;
        let mut code: Box<[u8]> = bytes[image.text()].get(start as usize..end as usize)?.into();
        let callees = table.callees(record)?;
        let calls = table.calls(record, &callees)?;
        if !calls.iter().all(|call| call.forget(&mut code)) {
            return None;
        }
        let traps = image.traps(bytes).within(start, end);
        let addresses = image.addresses(bytes).within(start, end);
        let stack_maps = image.stack_maps(bytes).within(start, end);
        let catching_calls = image.handlers(bytes).within(start, end).map(|call| {
            let mut call = call?;
            call.return_offset -= start;
            for handler in &mut call.handlers {
                handler.offset =
                    handler.offset.checked_sub(start).filter(|&offset| offset < len)?;
            }
            Some(call)
        });
        let frame = table.field(record, 4) as usize;
        let unwind =
            bytes[image.eh_frame()].get(frame..)?.get(..table.field(record, 5) as usize)?;
        Some(CompiledFunc {
            align: 1_u32.checked_shl(table.field(record, 1) & ALIGN)?,
            traps: traps
                .map(|(offset, code)| Some((offset - start, code?)))
                .collect::<Option<_>>()?,
            addresses: addresses.map(|(offset, position)| (offset - start, position)).collect(),
            stack_maps: stack_maps
                .map(|(offset, map)| Some((offset - start, map?.collect())))
                .collect::<Option<_>>()?,
            uses_heap: table.field(record, 1) & HEAP != 0,
            catching_calls: catching_calls.collect::<Option<_>>()?,
            unwind: unwind.into(),
            origin: table.field(record, 6),
            input: table.input(record),
            code,
            calls,
            callees,
        })
    }
}
