//! The same value in many elements of an array: a few stores, a loop, or a call of the runtime.

use cranelift_codegen::ir::{
    InstBuilder, MemFlagsData, Value,
    condcodes::IntCC,
    types::{I32, I64, I64X2},
};
use wrun_module::{FieldType, Libcall, gc::array};

use super::{
    super::{context::Region, function::FuncTranslator},
    object::region_of,
};

/// Up to so many elements are written by instructions of their own when their number is known.
const UNROLLED: u64 = 8;

/// Up to so many elements are written in a loop; the runtime is called for more, whose loop is a wider one.
const SHORT: i64 = 32;

impl FuncTranslator<'_, '_> {
    /// Writes a value to `count` elements. The first is [`array::ELEMENTS`] behind `address`; all are known to be in the array.
    pub(super) fn fill_elements(
        &mut self,
        address: Value,
        count: Value,
        field: FieldType,
        value: Value,
    ) {
        let (size, flags) = (field.storage.size(), self.trusted(region_of(field, Region::Element)));
        if let Some(count) = self.constant(count).filter(|&count| count <= UNROLLED) {
            for index in 0..count as u32 {
                let offset = array::ELEMENTS + index * size;
                self.write_storage(flags, value, address, offset, field.storage);
            }
            return;
        }
        let [header, body, long, done] = [(); 4].map(|()| self.builder.create_block());
        let place = self.builder.append_block_param(header, I64);
        let bytes = self.byte_count(count, field.storage);
        let end = self.ins().iadd(address, bytes);
        let is_long = self.ins().icmp_imm_u(IntCC::UnsignedGreaterThan, count, SHORT);
        self.ins().brif(is_long, long, &[], header, &[address.into()]);
        self.builder.seal_block(long);

        self.builder.switch_to_block(header);
        let finished = self.ins().icmp(IntCC::Equal, place, end);
        self.ins().brif(finished, done, &[], body, &[]);
        self.builder.seal_block(body);
        self.builder.switch_to_block(body);
        self.write_storage(flags, value, place, array::ELEMENTS, field.storage);
        let next = self.ins().iadd_imm_u(place, i64::from(size));
        self.ins().jump(header, &[next.into()]);
        self.builder.seal_block(header);

        self.builder.switch_to_block(long);
        let first = self.ins().iadd_imm_u(address, i64::from(array::ELEMENTS));
        let size = self.ins().iconst(I32, i64::from(size));
        let [low, high] = self.bits_of(value);
        self.call_libcall(Libcall::array_fill, &[first, count, size, low, high]);
        self.ins().jump(done, &[]);

        self.builder.seal_block(done);
        self.builder.switch_to_block(done);
    }

    /// The bits of a field's value in two halves of 64 bits; of fewer the lowest, with anything above.
    fn bits_of(&mut self, value: Value) -> [Value; 2] {
        let ty = self.type_of(value);
        let low = match ty {
            I64 => value,
            ty if ty.is_vector() => {
                let value = self.cast_vector(value, I64X2);
                return [0, 1].map(|lane| self.ins().extractlane(value, lane));
            }
            ty if ty.is_int() => self.ins().uextend(I64, value),
            ty => {
                let flags = MemFlagsData::new();
                let bits = self.ins().bitcast(ty.as_int(), flags, value);
                if ty.bytes() == 8 { bits } else { self.ins().uextend(I64, bits) }
            }
        };
        [low, self.ins().iconst(I64, 0)]
    }
}
