//! Casts to what has a given descriptor (proposal for custom descriptors).
//!
//! An object with the descriptor is of the type that the descriptor's type describes, and has it where all objects of that
//! type have theirs. So the type is looked at first, and then the place, which only objects of the type have.

use cranelift_codegen::ir::{Block, InstBuilder, Value, condcodes::IntCC, types::I32};
use wrun_module::{ConcreteType, HeapType, RefType, TrapCode};

use super::super::{context::Region, function::FuncTranslator};
use crate::traps::clif_trap;

impl FuncTranslator<'_, '_> {
    pub(in super::super) fn visit_ref_cast_desc_eq_non_null(&mut self, hty: wasmparser::HeapType) {
        self.ref_cast_desc_eq(hty, false);
    }

    pub(in super::super) fn visit_ref_cast_desc_eq_nullable(&mut self, hty: wasmparser::HeapType) {
        self.ref_cast_desc_eq(hty, true);
    }

    pub(in super::super) fn visit_br_on_cast_desc_eq(
        &mut self,
        depth: u32,
        from: wasmparser::RefType,
        to: wasmparser::RefType,
    ) {
        let descriptor = self.pop_descriptor();
        let [yes, no] = self.branch_on_cast(depth, from, to, Some(descriptor));
        self.branch_from(yes, depth);
        self.builder.switch_to_block(no);
    }

    pub(in super::super) fn visit_br_on_cast_desc_eq_fail(
        &mut self,
        depth: u32,
        from: wasmparser::RefType,
        to: wasmparser::RefType,
    ) {
        let descriptor = self.pop_descriptor();
        let [yes, no] = self.branch_on_cast(depth, from, to, Some(descriptor));
        self.branch_from(no, depth);
        self.builder.switch_to_block(yes);
    }

    /// The reference stays where it is.
    fn ref_cast_desc_eq(&mut self, hty: wasmparser::HeapType, nullable: bool) {
        let descriptor = self.pop_descriptor();
        let Some(heap) = self.env.module.info.body_heap_type(hty) else {
            return self.refuse("ref.cast_desc_eq to an unknown type");
        };
        let target = RefType { nullable, heap };
        let reference = self.peek();
        let [yes, no] = [(); 2].map(|()| self.builder.create_block());
        self.rule_out(reference, target, None, [(no, None), (yes, None)]);
        let is_of = self.test_of_object(reference, heap, None);
        self.compare_descriptor(reference, target, is_of, descriptor, [yes, no]);
        self.builder.seal_block(yes);
        self.builder.seal_block(no);
        self.builder.switch_to_block(no);
        self.ins().trap(clif_trap(TrapCode::DescriptorCastFailure));
        self.builder.switch_to_block(yes);
    }

    /// Ends the block by a branch to the first of two blocks when an object is of the type, as `is_of` says, and has the
    /// descriptor, and to the second one otherwise.
    pub(super) fn compare_descriptor(
        &mut self,
        reference: Value,
        target: RefType,
        is_of: Value,
        descriptor: Value,
        [yes, no]: [Block; 2],
    ) {
        let (HeapType::ConcreteStruct(ConcreteType::Declared(ty))
        | HeapType::Exact(_, ConcreteType::Declared(ty))) = target.heap
        else {
            self.refuse("cast by the descriptor of what has none");
            self.ins().jump(no, &[]);
            return;
        };
        let compare = self.builder.create_block();
        self.ins().brif(is_of, compare, &[], no, &[]);
        self.builder.seal_block(compare);
        self.builder.switch_to_block(compare);
        let offset = self.descriptor_offset(ty.0);
        let flags = self.trusted(Region::Fixed);
        let address = self.object_address(reference);
        let found = self.ins().load(I32, flags, address, offset as i32);
        let equal = self.ins().icmp(IntCC::Equal, found, descriptor);
        self.ins().brif(equal, yes, &[], no, &[]);
    }
}
