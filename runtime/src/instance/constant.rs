//! Constant expressions: what globals, tables and segments begin with (spec, *Validation › Instructions › Constant
//! Expressions*).
//!
//! They are run here and not compiled: each runs once. Objects are made while others wait on the stack, as handles in the
//! scope that is open, so that it does not matter when the store collects.

use wrun_module::{CompositeType, ConstExpr, ConstOp, TypeIndex};

use crate::{
    AnyRef, ExternRef, Func, GcRef, I31, Module, Ref, Result, V128, Val,
    root::INTERNAL,
    vm::{Elements, StoreOpaque},
};

/// The value of an expression of the instance at `position`, which is one of `module`. The expression is valid.
///
/// # Errors
/// When the heap is exhausted.
pub(super) fn evaluate(
    store: &mut StoreOpaque,
    module: &Module,
    position: usize,
    expr: &ConstExpr,
) -> Result<Val> {
    let mut machine = Machine { store, module, position, stack: Vec::with_capacity(1) };
    for &op in &expr.0 {
        let value = machine.step(op)?;
        machine.stack.push(value);
    }
    Ok(machine.pop())
}

struct Machine<'a> {
    store: &'a mut StoreOpaque,
    module: &'a Module,
    position: usize,
    stack: Vec<Val>,
}

impl Machine<'_> {
    /// Takes the operands of an operation from the stack, and gives its result.
    fn step(&mut self, op: ConstOp) -> Result<Val> {
        Ok(match op {
            ConstOp::I32Const(value) => Val::I32(value),
            ConstOp::I64Const(value) => Val::I64(value),
            ConstOp::F32Const(bits) => Val::F32(bits),
            ConstOp::F64Const(bits) => Val::F64(bits),
            ConstOp::V128Const(bytes) => Val::V128(V128::from_le_bytes(bytes)),
            ConstOp::I32Add => self.i32_operation(i32::wrapping_add),
            ConstOp::I32Sub => self.i32_operation(i32::wrapping_sub),
            ConstOp::I32Mul => self.i32_operation(i32::wrapping_mul),
            ConstOp::I64Add => self.i64_operation(i64::wrapping_add),
            ConstOp::I64Sub => self.i64_operation(i64::wrapping_sub),
            ConstOp::I64Mul => self.i64_operation(i64::wrapping_mul),
            ConstOp::GlobalGet(global) => {
                let global = self.store.instance(self.position).global(global);
                self.store.global_value(global)
            }
            ConstOp::RefNull(heap) => Ref::null(heap).into(),
            ConstOp::RefFunc(func) => {
                Func::from_handle(self.store.instance_func(self.position, func)).into()
            }
            ConstOp::RefI31 => {
                let value = I31::wrapping_i32(self.pop_i32());
                AnyRef::from_handle(self.store.root_i31(value)).into()
            }
            ConstOp::StructNew(ty) => {
                let fields = self.pop_many(self.field_count(ty));
                self.new_struct(ty, Some(&fields))?
            }
            ConstOp::StructNewDefault(ty) => self.new_struct(ty, None)?,
            ConstOp::StructNewDesc(ty) => {
                let descriptor = self.pop_descriptor();
                let fields = self.pop_many(self.field_count(ty));
                self.new_described_struct(ty, Some(&fields), descriptor)?
            }
            ConstOp::StructNewDefaultDesc(ty) => {
                let descriptor = self.pop_descriptor();
                self.new_described_struct(ty, None, descriptor)?
            }
            ConstOp::ArrayNew(ty) => {
                let len = self.pop_i32() as u32;
                let element = self.pop();
                self.new_array(ty, Elements::Repeat(element, len))?
            }
            ConstOp::ArrayNewDefault(ty) => {
                let len = self.pop_i32() as u32;
                self.new_array(ty, Elements::Default(len))?
            }
            ConstOp::ArrayNewFixed(ty, len) => {
                let elements = self.pop_many(len as usize);
                self.new_array(ty, Elements::Each(&elements))?
            }
            ConstOp::AnyConvertExtern => match self.pop() {
                Val::ExternRef(external) => external.map(AnyRef::convert_extern).into(),
                other => unreachable!("validated: operand {other:?} of type externref"),
            },
            ConstOp::ExternConvertAny => match self.pop() {
                Val::AnyRef(any) => any.map(ExternRef::convert_any).into(),
                other => unreachable!("validated: operand {other:?} of type anyref"),
            },
        })
    }

    fn new_struct(&mut self, ty: TypeIndex, fields: Option<&[Val]>) -> Result<Val> {
        let number = self.module.type_ids()[ty.index()];
        Ok(AnyRef::from_handle(self.store.new_struct(number, fields)?).into())
    }

    fn new_described_struct(
        &mut self,
        ty: TypeIndex,
        fields: Option<&[Val]>,
        descriptor: Option<AnyRef>,
    ) -> Result<Val> {
        let number = self.module.type_ids()[ty.index()];
        let descriptor = descriptor.map(|descriptor| descriptor.handle(INTERNAL));
        let made = self.store.new_described_struct(number, fields, descriptor)?;
        Ok(AnyRef::from_handle(made).into())
    }

    fn pop_descriptor(&mut self) -> Option<AnyRef> {
        match self.pop() {
            Val::AnyRef(descriptor) => descriptor,
            other => unreachable!("validated: operand {other:?} of type anyref"),
        }
    }

    fn new_array(&mut self, ty: TypeIndex, elements: Elements<'_>) -> Result<Val> {
        let number = self.module.type_ids()[ty.index()];
        Ok(AnyRef::from_handle(self.store.new_array(number, elements)?).into())
    }

    fn field_count(&self, ty: TypeIndex) -> usize {
        match &self.module.info().types[ty.index()].composite {
            CompositeType::Struct(ty) => ty.fields.len(),
            other => unreachable!("validated: {other} is a struct's type"),
        }
    }

    fn pop(&mut self) -> Val {
        self.stack.pop().expect("validated: operands are there")
    }

    fn pop_many(&mut self, count: usize) -> Vec<Val> {
        self.stack.split_off(self.stack.len() - count)
    }

    fn pop_i32(&mut self) -> i32 {
        self.pop().i32().expect("validated: the operand is of type i32")
    }

    fn pop_i64(&mut self) -> i64 {
        self.pop().i64().expect("validated: the operand is of type i64")
    }

    fn i32_operation(&mut self, operation: fn(i32, i32) -> i32) -> Val {
        let (right, left) = (self.pop_i32(), self.pop_i32());
        Val::I32(operation(left, right))
    }

    fn i64_operation(&mut self, operation: fn(i64, i64) -> i64) -> Val {
        let (right, left) = (self.pop_i64(), self.pop_i64());
        Val::I64(operation(left, right))
    }
}
