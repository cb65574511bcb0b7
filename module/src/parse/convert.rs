//! From the parser's types to this crate's.
//!
//! Validation has already refused what these cannot express, so a miss here is a proposal that the feature set let
//! through without this engine knowing it: an error, never a guess.

use wasmparser::{AbstractHeapType, Operator, TypeRef, UnpackedIndex};

use super::{Failure, Result};
use crate::{
    ConcreteType, ConstExpr, ConstOp, ExternIndex, FuncIndex, FuncType, GlobalIndex, GlobalType,
    HeapType, ImportKind, Limits, MemoryIndex, MemoryType, RefType, TableIndex, TableType,
    TypeIndex, ValType,
};

fn unsupported<T>(what: &'static str, offset: u64) -> Result<T> {
    Err(Failure::Unknown { what, offset })
}

pub(super) fn func_type(ty: &wasmparser::FuncType, offset: u64) -> Result<FuncType> {
    let convert = |types: &[wasmparser::ValType]| {
        types.iter().map(|&ty| val_type(ty, offset)).collect::<Result<Vec<_>>>()
    };
    Ok(FuncType::new(convert(ty.params())?, convert(ty.results())?))
}

pub(super) fn val_type(ty: wasmparser::ValType, offset: u64) -> Result<ValType> {
    Ok(match ty {
        wasmparser::ValType::I32 => ValType::I32,
        wasmparser::ValType::I64 => ValType::I64,
        wasmparser::ValType::F32 => ValType::F32,
        wasmparser::ValType::F64 => ValType::F64,
        wasmparser::ValType::V128 => ValType::V128,
        wasmparser::ValType::Ref(ty) => ValType::Ref(ref_type(ty, offset)?),
    })
}

pub(super) fn ref_type(ty: wasmparser::RefType, offset: u64) -> Result<RefType> {
    Ok(RefType { nullable: ty.is_nullable(), heap: heap_type(ty.heap_type(), offset)? })
}

fn heap_type(ty: wasmparser::HeapType, offset: u64) -> Result<HeapType> {
    match ty {
        wasmparser::HeapType::Abstract { shared: false, ty: AbstractHeapType::Func } => {
            Ok(HeapType::Func)
        }
        wasmparser::HeapType::Abstract { shared: false, ty: AbstractHeapType::Extern } => {
            Ok(HeapType::Extern)
        }
        // Without the GC proposal every type is a function's.
        wasmparser::HeapType::Concrete(UnpackedIndex::Module(index)) => {
            Ok(HeapType::ConcreteFunc(ConcreteType::Declared(TypeIndex(index))))
        }
        _ => unsupported("heap type", offset),
    }
}

pub(super) fn table_type(ty: wasmparser::TableType, offset: u64) -> Result<TableType> {
    Ok(TableType {
        element: ref_type(ty.element_type, offset)?,
        limits: Limits { min: ty.initial, max: ty.maximum },
        table64: ty.table64,
    })
}

pub(super) fn memory_type(ty: wasmparser::MemoryType) -> MemoryType {
    MemoryType {
        limits: Limits { min: ty.initial, max: ty.maximum },
        memory64: ty.memory64,
        shared: ty.shared,
        // Valid types have 0 or 16.
        page_size_log2: ty.page_size_log2.map_or(MemoryType::PAGE_SIZE_LOG2, |log2| log2 as u8),
    }
}

pub(super) fn global_type(ty: wasmparser::GlobalType, offset: u64) -> Result<GlobalType> {
    Ok(GlobalType { content: val_type(ty.content_type, offset)?, mutable: ty.mutable })
}

pub(super) fn import_kind(ty: TypeRef, offset: u64) -> Result<ImportKind> {
    Ok(match ty {
        TypeRef::Func(ty) => ImportKind::Func(TypeIndex(ty)),
        TypeRef::Table(ty) => ImportKind::Table(table_type(ty, offset)?),
        TypeRef::Memory(ty) => ImportKind::Memory(memory_type(ty)),
        TypeRef::Global(ty) => ImportKind::Global(global_type(ty, offset)?),
        TypeRef::Tag(_) | TypeRef::FuncExact(_) => return unsupported("import", offset),
    })
}

pub(super) fn extern_index(
    kind: wasmparser::ExternalKind,
    index: u32,
    offset: u64,
) -> Result<ExternIndex> {
    Ok(match kind {
        wasmparser::ExternalKind::Func => ExternIndex::Func(FuncIndex(index)),
        wasmparser::ExternalKind::Table => ExternIndex::Table(TableIndex(index)),
        wasmparser::ExternalKind::Memory => ExternIndex::Memory(MemoryIndex(index)),
        wasmparser::ExternalKind::Global => ExternIndex::Global(GlobalIndex(index)),
        _ => return unsupported("export", offset),
    })
}

pub(super) fn const_expr(expr: &wasmparser::ConstExpr<'_>) -> Result<ConstExpr> {
    let mut reader = expr.get_operators_reader();
    let mut ops = Vec::new();
    loop {
        let offset = reader.original_position();
        ops.push(match reader.read()? {
            Operator::I32Const { value } => ConstOp::I32Const(value),
            Operator::I64Const { value } => ConstOp::I64Const(value),
            Operator::F32Const { value } => ConstOp::F32Const(value.bits()),
            Operator::F64Const { value } => ConstOp::F64Const(value.bits()),
            Operator::V128Const { value } => ConstOp::V128Const(*value.bytes()),
            Operator::GlobalGet { global_index } => ConstOp::GlobalGet(GlobalIndex(global_index)),
            Operator::RefNull { hty } => ConstOp::RefNull(heap_type(hty, offset)?),
            Operator::RefFunc { function_index } => ConstOp::RefFunc(FuncIndex(function_index)),
            Operator::I32Add => ConstOp::I32Add,
            Operator::I32Sub => ConstOp::I32Sub,
            Operator::I32Mul => ConstOp::I32Mul,
            Operator::I64Add => ConstOp::I64Add,
            Operator::I64Sub => ConstOp::I64Sub,
            Operator::I64Mul => ConstOp::I64Mul,
            Operator::End => return Ok(ConstExpr(ops)),
            _ => return unsupported::<ConstExpr>("constant expression", offset),
        });
    }
}

/// The only composite type this engine knows is the function.
pub(super) fn sub_type(ty: &wasmparser::SubType, offset: u64) -> Result<FuncType> {
    match &ty.composite_type.inner {
        wasmparser::CompositeInnerType::Func(ty) => func_type(ty, offset),
        _ => unsupported("type", offset),
    }
}
