//! From the parser's types to this crate's.
//!
//! Validation has already refused what these cannot express, so a miss here is a proposal that the feature set let
//! through without this engine knowing it: an error, never a guess.

use wasmparser::{
    AbstractHeapType, CompositeInnerType, Operator, PackedIndex, TypeRef, UnpackedIndex,
};

use super::{Failure, Result};
use crate::{
    ArrayType, CompositeKind, ConcreteType, ConstExpr, ConstOp, ExternIndex, FieldType, FuncIndex,
    FuncType, GlobalIndex, GlobalType, HeapType, ImportKind, Limits, MemoryIndex, MemoryType,
    ModuleInfo, RefType, StorageType, StructType, SubType, TableIndex, TableType, TagIndex,
    TypeIndex, ValType,
};

fn unsupported<T>(what: &'static str, offset: u64) -> Result<T> {
    Err(Failure::Unknown { what, offset })
}

/// What each type of the type section is, by index.
type Kinds = [CompositeKind];

fn func_type(kinds: &Kinds, ty: &wasmparser::FuncType, offset: u64) -> Result<FuncType> {
    let convert = |types: &[wasmparser::ValType]| {
        types.iter().map(|&ty| val_type(kinds, ty, offset)).collect::<Result<Vec<_>>>()
    };
    Ok(FuncType::new(convert(ty.params())?, convert(ty.results())?))
}

fn val_type(kinds: &Kinds, ty: wasmparser::ValType, offset: u64) -> Result<ValType> {
    Ok(match ty {
        wasmparser::ValType::I32 => ValType::I32,
        wasmparser::ValType::I64 => ValType::I64,
        wasmparser::ValType::F32 => ValType::F32,
        wasmparser::ValType::F64 => ValType::F64,
        wasmparser::ValType::V128 => ValType::V128,
        wasmparser::ValType::Ref(ty) => ValType::Ref(ref_type(kinds, ty, offset)?),
    })
}

pub(super) fn ref_type(kinds: &Kinds, ty: wasmparser::RefType, offset: u64) -> Result<RefType> {
    Ok(RefType { nullable: ty.is_nullable(), heap: heap_type(kinds, ty.heap_type(), offset)? })
}

fn heap_type(kinds: &Kinds, ty: wasmparser::HeapType, offset: u64) -> Result<HeapType> {
    let kind = |index: TypeIndex| kinds.get(index.index()).copied();
    known_heap_type(ty, kind).ok_or(Failure::Unknown { what: "heap type", offset })
}

/// The heap type, unless it belongs to a proposal that is not implemented. `kind` says what a type of the module is.
fn known_heap_type(
    ty: wasmparser::HeapType,
    kind: impl FnOnce(TypeIndex) -> Option<CompositeKind>,
) -> Option<HeapType> {
    use wasmparser::HeapType as Wasm;
    Some(match ty {
        Wasm::Concrete(UnpackedIndex::Module(index)) => {
            let index = TypeIndex(index);
            HeapType::concrete(kind(index)?, ConcreteType::Declared(index))
        }
        Wasm::Exact(UnpackedIndex::Module(index)) => {
            let index = TypeIndex(index);
            HeapType::Exact(kind(index)?, ConcreteType::Declared(index))
        }
        Wasm::Abstract { shared: false, ty } => match ty {
            AbstractHeapType::Func => HeapType::Func,
            AbstractHeapType::NoFunc => HeapType::NoFunc,
            AbstractHeapType::Extern => HeapType::Extern,
            AbstractHeapType::NoExtern => HeapType::NoExtern,
            AbstractHeapType::Any => HeapType::Any,
            AbstractHeapType::Eq => HeapType::Eq,
            AbstractHeapType::I31 => HeapType::I31,
            AbstractHeapType::Struct => HeapType::Struct,
            AbstractHeapType::Array => HeapType::Array,
            AbstractHeapType::None => HeapType::None,
            AbstractHeapType::Exn => HeapType::Exn,
            AbstractHeapType::NoExn => HeapType::NoExn,
            AbstractHeapType::Cont | AbstractHeapType::NoCont => return None,
        },
        _ => return None,
    })
}

impl ModuleInfo {
    /// A heap type in a function's body, unless it belongs to a proposal that is not implemented.
    pub fn body_heap_type(&self, ty: wasmparser::HeapType) -> Option<HeapType> {
        known_heap_type(ty, |index| Some(self.types.get(index.index())?.composite.kind()))
    }

    /// A type in a function's body, unless it belongs to a proposal that is not implemented.
    pub fn body_val_type(&self, ty: wasmparser::ValType) -> Option<ValType> {
        Some(match ty {
            wasmparser::ValType::I32 => ValType::I32,
            wasmparser::ValType::I64 => ValType::I64,
            wasmparser::ValType::F32 => ValType::F32,
            wasmparser::ValType::F64 => ValType::F64,
            wasmparser::ValType::V128 => ValType::V128,
            wasmparser::ValType::Ref(ty) => {
                let heap = self.body_heap_type(ty.heap_type())?;
                ValType::Ref(RefType { nullable: ty.is_nullable(), heap })
            }
        })
    }
}

pub(super) fn table_type(
    kinds: &Kinds,
    ty: wasmparser::TableType,
    offset: u64,
) -> Result<TableType> {
    Ok(TableType {
        element: ref_type(kinds, ty.element_type, offset)?,
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

pub(super) fn global_type(
    kinds: &Kinds,
    ty: wasmparser::GlobalType,
    offset: u64,
) -> Result<GlobalType> {
    Ok(GlobalType { content: val_type(kinds, ty.content_type, offset)?, mutable: ty.mutable })
}

pub(super) fn import_kind(kinds: &Kinds, ty: TypeRef, offset: u64) -> Result<ImportKind> {
    Ok(match ty {
        TypeRef::Func(ty) | TypeRef::FuncExact(ty) => ImportKind::Func(TypeIndex(ty)),
        TypeRef::Table(ty) => ImportKind::Table(table_type(kinds, ty, offset)?),
        TypeRef::Memory(ty) => ImportKind::Memory(memory_type(ty)),
        TypeRef::Global(ty) => ImportKind::Global(global_type(kinds, ty, offset)?),
        TypeRef::Tag(ty) => ImportKind::Tag(TypeIndex(ty.func_type_idx)),
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
        wasmparser::ExternalKind::Tag => ExternIndex::Tag(TagIndex(index)),
        _ => return unsupported("export", offset),
    })
}

pub(super) fn const_expr(kinds: &Kinds, expr: &wasmparser::ConstExpr<'_>) -> Result<ConstExpr> {
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
            Operator::RefNull { hty } => ConstOp::RefNull(heap_type(kinds, hty, offset)?),
            Operator::RefFunc { function_index } => ConstOp::RefFunc(FuncIndex(function_index)),
            Operator::I32Add => ConstOp::I32Add,
            Operator::I32Sub => ConstOp::I32Sub,
            Operator::I32Mul => ConstOp::I32Mul,
            Operator::I64Add => ConstOp::I64Add,
            Operator::I64Sub => ConstOp::I64Sub,
            Operator::I64Mul => ConstOp::I64Mul,
            Operator::RefI31 => ConstOp::RefI31,
            Operator::StructNew { struct_type_index } => {
                ConstOp::StructNew(TypeIndex(struct_type_index))
            }
            Operator::StructNewDefault { struct_type_index } => {
                ConstOp::StructNewDefault(TypeIndex(struct_type_index))
            }
            Operator::ArrayNew { array_type_index } => {
                ConstOp::ArrayNew(TypeIndex(array_type_index))
            }
            Operator::ArrayNewDefault { array_type_index } => {
                ConstOp::ArrayNewDefault(TypeIndex(array_type_index))
            }
            Operator::ArrayNewFixed { array_type_index, array_size } => {
                ConstOp::ArrayNewFixed(TypeIndex(array_type_index), array_size)
            }
            Operator::StructNewDesc { struct_type_index } => {
                ConstOp::StructNewDesc(TypeIndex(struct_type_index))
            }
            Operator::StructNewDefaultDesc { struct_type_index } => {
                ConstOp::StructNewDefaultDesc(TypeIndex(struct_type_index))
            }
            Operator::AnyConvertExtern => ConstOp::AnyConvertExtern,
            Operator::ExternConvertAny => ConstOp::ExternConvertAny,
            Operator::End => return Ok(ConstExpr(ops)),
            _ => return unsupported::<ConstExpr>("constant expression", offset),
        });
    }
}

/// Which of the three composite types it is.
pub(super) fn kind(ty: &wasmparser::SubType, offset: u64) -> Result<CompositeKind> {
    Ok(match ty.composite_type.inner {
        CompositeInnerType::Func(_) => CompositeKind::Func,
        CompositeInnerType::Struct(_) => CompositeKind::Struct,
        CompositeInnerType::Array(_) => CompositeKind::Array,
        CompositeInnerType::Cont(_) => return unsupported("type", offset),
    })
}

pub(super) fn sub_type(kinds: &Kinds, ty: &wasmparser::SubType, offset: u64) -> Result<SubType> {
    let field = |field: wasmparser::FieldType| {
        let storage = match field.element_type {
            wasmparser::StorageType::I8 => StorageType::I8,
            wasmparser::StorageType::I16 => StorageType::I16,
            wasmparser::StorageType::Val(ty) => StorageType::Val(val_type(kinds, ty, offset)?),
        };
        Ok(FieldType { storage, mutable: field.mutable })
    };
    let composite = match &ty.composite_type.inner {
        CompositeInnerType::Func(ty) => func_type(kinds, ty, offset)?.into(),
        CompositeInnerType::Struct(ty) => {
            StructType { fields: ty.fields.iter().copied().map(field).collect::<Result<_>>()? }
                .into()
        }
        CompositeInnerType::Array(ty) => ArrayType { element: field(ty.0)? }.into(),
        CompositeInnerType::Cont(_) => return unsupported("type", offset),
    };
    let supertype = match ty.supertype_idxs[..] {
        [] => None,
        [index] => Some(index),
        _ => return unsupported("type with several supertypes", offset),
    };
    let name = |index: Option<PackedIndex>| match index.map(|index| index.unpack()) {
        None => Ok(None),
        Some(UnpackedIndex::Module(index)) => Ok(Some(ConcreteType::Declared(TypeIndex(index)))),
        Some(_) => unsupported("type index", offset),
    };
    Ok(SubType {
        is_final: ty.is_final,
        supertype: name(supertype)?,
        descriptor: name(ty.composite_type.descriptor_idx)?,
        describes: name(ty.composite_type.describes_idx)?,
        composite,
    })
}
