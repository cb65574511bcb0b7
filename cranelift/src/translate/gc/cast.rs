//! Whether a reference is of a type: tests, casts, and the check of `call_indirect`.
//!
//! Null and `i31` are told by the reference itself. For all else the number of the object's type is read: a type without
//! subtypes is compared with it, any other with the entry for its depth in the row of the number, as said in
//! `wrun_module::gc`. That is the whole of it: no loop and no call.

use cranelift_codegen::ir::{
    Block, BlockArg, InstBuilder, MemFlagsData, Value,
    condcodes::IntCC,
    types::{I8, I32, I64},
};
use wrun_module::{
    CompositeKind, ConcreteType, HeapType, RefType, TrapCode, TypeIndex, gc,
    layout::{context, func_ref},
};

use super::super::{context::Region, function::FuncTranslator};
use crate::traps::clif_trap;

/// Where a test leads: the block, and what it is told.
type Outcome = (Block, Option<Value>);

impl FuncTranslator<'_, '_> {
    pub(in super::super) fn visit_ref_test_non_null(&mut self, hty: wasmparser::HeapType) {
        self.ref_test(hty, false);
    }

    pub(in super::super) fn visit_ref_test_nullable(&mut self, hty: wasmparser::HeapType) {
        self.ref_test(hty, true);
    }

    pub(in super::super) fn visit_ref_cast_non_null(&mut self, hty: wasmparser::HeapType) {
        self.ref_cast(hty, false);
    }

    pub(in super::super) fn visit_ref_cast_nullable(&mut self, hty: wasmparser::HeapType) {
        self.ref_cast(hty, true);
    }

    pub(in super::super) fn visit_br_on_cast(
        &mut self,
        depth: u32,
        from: wasmparser::RefType,
        to: wasmparser::RefType,
    ) {
        let [yes, no] = self.branch_on_cast(depth, from, to, None);
        self.branch_from(yes, depth);
        self.builder.switch_to_block(no);
    }

    pub(in super::super) fn visit_br_on_cast_fail(
        &mut self,
        depth: u32,
        from: wasmparser::RefType,
        to: wasmparser::RefType,
    ) {
        let [yes, no] = self.branch_on_cast(depth, from, to, None);
        self.branch_from(no, depth);
        self.builder.switch_to_block(yes);
    }

    fn ref_test(&mut self, hty: wasmparser::HeapType, nullable: bool) {
        let Some(heap) = self.env.module.info.body_heap_type(hty) else {
            return self.refuse("ref.test of an unknown type");
        };
        let target = RefType { nullable, heap };
        let reference = self.pop();
        let is_of = match self.test_of_reference(reference, target) {
            Some(is_of) => is_of,
            None => {
                let done = self.builder.create_block();
                let is_of = self.builder.append_block_param(done, I8);
                let [no, yes] = [0, 1].map(|outcome| self.ins().iconst(I8, outcome));
                self.rule_out(reference, target, None, [(done, Some(no)), (done, Some(yes))]);
                let outcome = self.test_of_object(reference, heap, None);
                self.ins().jump(done, &[outcome.into()]);
                self.builder.seal_block(done);
                self.builder.switch_to_block(done);
                is_of
            }
        };
        self.push_bool(is_of);
    }

    /// The reference stays where it is.
    fn ref_cast(&mut self, hty: wasmparser::HeapType, nullable: bool) {
        let Some(heap) = self.env.module.info.body_heap_type(hty) else {
            return self.refuse("ref.cast to an unknown type");
        };
        let target = RefType { nullable, heap };
        let reference = self.peek();
        let failure = clif_trap(TrapCode::CastFailure);
        if let Some(is_of) = self.test_of_reference(reference, target) {
            self.ins().trapz(is_of, failure);
            return;
        }
        // Where to go on without a look at an object, when that can be.
        let done = (nullable || heap == HeapType::Eq).then(|| self.builder.create_block());
        if nullable && let Some(done) = done {
            self.leave(reference, false, (done, None));
        }
        if !heap.is_func() {
            let is_i31 = self.i31_bit(reference);
            match done {
                Some(done) if heap == HeapType::Eq => self.leave(is_i31, true, (done, None)),
                _ => drop(self.ins().trapnz(is_i31, failure)),
            }
        }
        // Null that has not been ruled out has no type to be read, and faults: a cast that fails.
        let null = (!nullable).then_some(TrapCode::CastFailure);
        let is_of = self.test_of_object(reference, heap, null);
        self.ins().trapz(is_of, failure);
        if let Some(done) = done {
            self.ins().jump(done, &[]);
            self.builder.seal_block(done);
            self.builder.switch_to_block(done);
        }
    }

    /// Ends the block by a branch to one of two blocks, by whether the topmost reference is of `to`. All that is on the stack
    /// for a branch by `depth` may be used in both. With a descriptor, objects have to have it besides.
    pub(super) fn branch_on_cast(
        &mut self,
        depth: u32,
        from: wasmparser::RefType,
        to: wasmparser::RefType,
        descriptor: Option<Value>,
    ) -> [Block; 2] {
        let [yes, no] = [(); 2].map(|()| self.builder.create_block());
        let info = &self.env.module.info;
        let known = |ty: wasmparser::RefType| {
            let heap = info.body_heap_type(ty.heap_type())?;
            Some(RefType { nullable: ty.is_nullable(), heap })
        };
        let (Some(from), Some(to)) = (known(from), known(to)) else {
            self.refuse("branch on a cast to an unknown type");
            return [yes, no];
        };
        self.settle_branch(depth);
        let reference = self.peek();
        let is_of = match self.test_of_reference(reference, to) {
            Some(is_of) => is_of,
            None => {
                self.rule_out(reference, to, Some(from), [(no, None), (yes, None)]);
                self.test_of_object(reference, to.heap, None)
            }
        };
        match descriptor {
            None => drop(self.ins().brif(is_of, yes, &[], no, &[])),
            Some(descriptor) => {
                self.compare_descriptor(reference, to, is_of, descriptor, [yes, no])
            }
        }
        self.builder.seal_block(yes);
        self.builder.seal_block(no);
        [yes, no]
    }

    /// Whether a reference is of a type, where it can be told without a look at what it refers to.
    fn test_of_reference(&mut self, reference: Value, target: RefType) -> Option<Value> {
        let null = if target.nullable { IntCC::Equal } else { IntCC::NotEqual };
        Some(match target.heap {
            heap if heap.is_bottom() && target.nullable => {
                self.ins().icmp_imm_u(null, reference, 0)
            }
            heap if heap.is_bottom() => self.ins().iconst(I8, 0),
            heap if heap.top() == heap && target.nullable => self.ins().iconst(I8, 1),
            heap if heap.top() == heap => self.ins().icmp_imm_u(null, reference, 0),
            HeapType::I31 if target.nullable => {
                let is_i31 = self.i31_bit(reference);
                let is_null = self.ins().icmp_imm_u(null, reference, 0);
                self.ins().bor(is_i31, is_null)
            }
            HeapType::I31 => self.i31_bit(reference),
            _ => return None,
        })
    }

    /// Leaves for the outcome when the reference is null or an `i31`; goes on when it is to an object or a function. What
    /// it cannot be by its type `from` is not looked for. Outcomes are those of failure and success.
    pub(super) fn rule_out(
        &mut self,
        reference: Value,
        target: RefType,
        from: Option<RefType>,
        outcomes: [Outcome; 2],
    ) {
        if from.is_none_or(|from| from.nullable) {
            self.leave(reference, false, outcomes[usize::from(target.nullable)]);
        }
        let may_be_i31 = |from: RefType| matches!(from.heap, HeapType::Any | HeapType::Eq);
        if !target.heap.is_func() && from.is_none_or(may_be_i31) {
            let is_i31 = self.i31_bit(reference);
            self.leave(is_i31, true, outcomes[usize::from(target.heap == HeapType::Eq)]);
        }
    }

    /// Leaves for the outcome when the condition is not zero, as `when` says, or is; otherwise goes on in a new block.
    fn leave(&mut self, condition: Value, when: bool, (block, told): Outcome) {
        let told: Vec<BlockArg> = told.into_iter().map(BlockArg::Value).collect();
        let next = self.builder.create_block();
        if when {
            self.ins().brif(condition, block, &told, next, &[]);
        } else {
            self.ins().brif(condition, next, &[], block, &told);
        }
        self.builder.seal_block(next);
        self.builder.switch_to_block(next);
    }

    /// Whether an object, or a function, is of a type. When the reference may be null it traps as `null` says.
    pub(super) fn test_of_object(
        &mut self,
        reference: Value,
        heap: HeapType,
        null: Option<TrapCode>,
    ) -> Value {
        let found = if heap.is_func() {
            let flags = self.reference_flags(null);
            self.ins().load(I32, flags, reference, func_ref::TYPE_ID as i32)
        } else {
            let flags = match null {
                Some(trap) => self.trapping(Region::Fixed, trap).with_aligned(),
                None => self.trusted(Region::Fixed),
            };
            let address = self.object_address(reference);
            self.ins().load(I32, flags, address, gc::TYPE as i32)
        };
        match heap {
            HeapType::Struct => self.is_of_kind(found, CompositeKind::Struct),
            HeapType::Array => self.is_of_kind(found, CompositeKind::Array),
            // Besides structs and arrays there are only values of the host's in this hierarchy.
            HeapType::Eq => {
                self.ins().icmp_imm_u(IntCC::NotEqual, found, i64::from(gc::EXTERNAL_TYPE))
            }
            HeapType::ConcreteFunc(ConcreteType::Declared(ty))
            | HeapType::ConcreteStruct(ConcreteType::Declared(ty))
            | HeapType::ConcreteArray(ConcreteType::Declared(ty)) => self.is_subtype(found, ty),
            HeapType::Exact(_, ConcreteType::Declared(ty)) => {
                let expected = self.type_id(ty);
                self.ins().icmp(IntCC::Equal, found, expected)
            }
            // All others are told without a look at the object.
            _ => {
                self.refuse("cast to an unknown type");
                self.ins().iconst(I8, 0)
            }
        }
    }

    /// Whether the type with a number in the engine is a type of the module or a subtype of it.
    pub(in super::super) fn is_subtype(&mut self, found: Value, ty: TypeIndex) -> Value {
        let expected = self.type_id(ty);
        let info = &self.env.module.info;
        if info.types[ty.index()].is_final {
            return self.ins().icmp(IntCC::Equal, found, expected);
        }
        let ancestor = self.ancestor(found, info.depth(ty));
        self.ins().icmp(IntCC::Equal, ancestor, expected)
    }

    fn is_of_kind(&mut self, found: Value, kind: CompositeKind) -> Value {
        let ancestor = self.ancestor(found, 0);
        self.ins().icmp_imm_u(IntCC::Equal, ancestor, i64::from(gc::kind_type(kind)))
    }

    /// The entry for a depth in the row of a type.
    ///
    /// May be moved anywhere: every number that a type has is that of a row with more than the greatest depth behind it in
    /// the table. What is behind a row's end may change when a type is registered, but never to what it is compared with.
    fn ancestor(&mut self, found: Value, depth: u32) -> Value {
        let table = self.context_pointer(context::SUPERTYPES);
        let number = self.ins().uextend(I64, found);
        let offset = self.ins().ishl_imm_u(number, 2);
        let row = self.ins().iadd(table, offset);
        let flags = MemFlagsData::trusted().with_readonly().with_can_move();
        self.ins().load(I32, flags, row, (depth * 4) as i32)
    }
}
