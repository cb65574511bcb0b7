//! Locals, globals, and the two parametric instructions.

use cranelift_codegen::ir::{InstBuilder, MemFlagsData};
use wrun_module::{ConstExpr, ConstOp, GlobalIndex, ValType};

use super::{context::Region, function::FuncTranslator};
use crate::abi::clif_type;

impl FuncTranslator<'_, '_> {
    pub(super) fn visit_local_get(&mut self, local: u32) {
        let value = self.get_local(local);
        self.push(value);
    }

    pub(super) fn visit_local_set(&mut self, local: u32) {
        let value = self.pop();
        self.set_local(local, value);
    }

    pub(super) fn visit_local_tee(&mut self, local: u32) {
        let value = self.peek();
        self.set_local(local, value);
    }

    pub(super) fn visit_global_get(&mut self, global: u32) {
        let index = GlobalIndex(global);
        let decl = &self.env.module.info.globals[index.index()];
        let ty = clif_type(decl.ty.content);
        // The collector changes references in immutable globals too.
        let value = if decl.ty.mutable || decl.ty.content.is_traced() {
            let flags = self.global_flags(decl.ty.content);
            let (base, offset) = self.global_place(index);
            self.ins().load(ty, flags, base, offset as i32)
        } else if let Some(value) = decl.init.as_ref().and_then(integer_const) {
            self.ins().iconst(ty, value)
        } else {
            let (base, offset) = self.global_place(index);
            self.invariant(base, offset, ty)
        };
        self.push_typed(value, decl.ty.content);
    }

    pub(super) fn visit_global_set(&mut self, global: u32) {
        let index = GlobalIndex(global);
        let content = self.env.module.info.globals[index.index()].ty.content;
        let value = self.pop_typed(content);
        let flags = self.global_flags(content);
        let (base, offset) = self.global_place(index);
        self.ins().store(flags, value, base, offset as i32);
    }

    /// Flags for an access to a mutable global. Slots of imported vectors need not be aligned.
    fn global_flags(&mut self, ty: ValType) -> MemFlagsData {
        let trusted = self.trusted(Region::Global);
        if ty == ValType::V128 {
            return MemFlagsData::new().with_notrap().with_alias_region(trusted.alias_region());
        }
        trusted
    }

    pub(super) fn visit_drop(&mut self) {
        self.pop_raw();
    }

    pub(super) fn visit_select(&mut self) {
        let condition = self.pop_condition();
        let (x, y) = self.pop2();
        let value = self.ins().select(condition, x, y);
        self.push(value);
    }

    pub(super) fn visit_typed_select(&mut self, ty: wasmparser::ValType) {
        let Some(ty) = self.env.module.info.body_val_type(ty) else {
            return self.refuse("select of an unknown type");
        };
        self.visit_select();
        let value = self.peek();
        self.trace(value, ty);
    }
}

/// The value of an expression that is one integer constant, as the immediate of `iconst`.
fn integer_const(expr: &ConstExpr) -> Option<i64> {
    match expr.0[..] {
        // `iconst` wants what is above the type's width to be zero.
        [ConstOp::I32Const(value)] => Some(i64::from(value as u32)),
        [ConstOp::I64Const(value)] => Some(value),
        _ => None,
    }
}
