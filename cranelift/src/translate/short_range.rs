//! `memory.copy` and `memory.fill` whose length is a small constant: a few loads and stores instead of a call. Compilers
//! write these for structs that are assigned and cleared.
//!
//! Both bounds have been checked, and nothing was written before, as for any length. A copy reads everything before it writes
//! anything, so that it does not matter whether the ranges overlap. Shared memories are left to the runtime: other threads
//! may see each byte of those.

use cranelift_codegen::ir::{
    self, Endianness, InstBuilder, MemFlagsData, Value,
    types::{I8, I8X16, I16, I32, I64},
};

use super::{context::Region, function::FuncTranslator};

/// The most bytes that are copied or filled without a call: four vectors, which fit into registers at once.
const MOST: u64 = 64;

/// The types of accesses that cover `len` bytes one behind the other, widest first, each with its offset.
fn chunks(len: u64) -> impl Iterator<Item = (ir::Type, i32)> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let ty =
            [I8X16, I64, I32, I16, I8].into_iter().find(|ty| u64::from(ty.bytes()) <= len - at)?;
        let offset = at as i32;
        at += u64::from(ty.bytes());
        Some((ty, offset))
    })
}

impl FuncTranslator<'_, '_> {
    /// The length, when it is a constant and small enough.
    pub(super) fn short_length(&self, len: Value) -> Option<u64> {
        self.constant(len).filter(|&len| len <= MOST)
    }

    /// Copies `len` bytes between two addresses.
    pub(super) fn copy_short(&mut self, dst: Value, src: Value, len: u64) {
        let flags = self.unaligned_access();
        let values: Vec<_> = chunks(len)
            .map(|(ty, offset)| (self.ins().load(ty, flags, src, offset), offset))
            .collect();
        for (value, offset) in values {
            self.ins().store(flags, value, dst, offset);
        }
    }

    /// Sets `len` bytes to the low byte of an `i32`.
    pub(super) fn fill_short(&mut self, dst: Value, value: Value, len: u64) {
        let flags = self.unaligned_access();
        let byte = self.ins().ireduce(I8, value);
        let mut wide: Option<Value> = None;
        for (ty, offset) in chunks(len) {
            let value = match ty {
                I8 => byte,
                I8X16 => self.ins().splat(I8X16, byte),
                ty => {
                    let bytes = *wide.get_or_insert_with(|| {
                        let byte = self.builder.ins().uextend(I64, byte);
                        self.builder.ins().imul_imm_u(byte, 0x0101_0101_0101_0101)
                    });
                    if ty == I64 { bytes } else { self.ins().ireduce(ty, bytes) }
                }
            };
            self.ins().store(flags, value, dst, offset);
        }
    }

    /// Flags of accesses to a memory's bytes that are known to be inside.
    fn unaligned_access(&mut self) -> MemFlagsData {
        let region = self.trusted(Region::Heap).alias_region();
        MemFlagsData::new()
            .with_notrap()
            .with_endianness(Endianness::Little)
            .with_alias_region(region)
    }
}

#[cfg(test)]
mod tests {
    use super::{MOST, chunks};

    #[test]
    fn chunks_cover_every_byte_once() {
        for len in 0..=MOST {
            let mut end = 0;
            for (ty, offset) in chunks(len) {
                assert_eq!(u64::try_from(offset), Ok(end), "{len}");
                end += u64::from(ty.bytes());
            }
            assert_eq!(end, len);
            assert!(chunks(len).count() <= 8, "{len}");
        }
    }
}
