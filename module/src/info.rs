//! [`ModuleInfo`]: what the runtime needs to know of a module, and all that an image carries of it.
//!
//! It holds nothing per *internal* function (one that can be reached by direct calls only), so that reading it
//! costs what the module's interface costs, not what its code does. Functions that can be reached in another way
//! *escape* and have a [`FuncRefDecl`].

use serde::{Deserialize, Serialize};

use crate::{
    ConcreteType, ElemIndex, ExternType, FuncIndex, FuncType, GlobalIndex, GlobalType, HeapType,
    MemoryIndex, MemoryType, RefType, SubType, TableIndex, TableType, TagIndex, TagType, TypeIndex,
    gc,
};

/// A module without its code: its types, what it imports, defines and exports, and how it is initialised.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct ModuleInfo {
    /// The name in the `name` section, if there is one.
    pub name: Option<String>,
    /// The type section.
    pub types: Vec<SubType>,
    /// How many of the types each recursion group has, in order.
    pub rec_groups: Vec<u32>,
    /// The imports, in order.
    pub imports: Vec<Import>,
    /// Number of imported functions; they come first in the index space.
    pub num_imported_funcs: u32,
    /// Number of imported tables.
    pub num_imported_tables: u32,
    /// Number of imported memories.
    pub num_imported_memories: u32,
    /// Number of imported globals.
    pub num_imported_globals: u32,
    /// Number of imported tags.
    pub num_imported_tags: u32,
    /// Number of functions the module defines.
    pub num_defined_funcs: u32,
    /// All tables, imported ones first.
    pub tables: Vec<TableDecl>,
    /// All memories, imported ones first.
    pub memories: Vec<MemoryType>,
    /// All globals, imported ones first.
    pub globals: Vec<GlobalDecl>,
    /// The type of every tag, imported ones first.
    pub tags: Vec<TypeIndex>,
    /// The exports, in order.
    pub exports: Vec<Export>,
    /// The start function.
    pub start: Option<FuncIndex>,
    /// The element segments.
    pub elements: Vec<ElementSegment>,
    /// Number of data segments. The [`DataLayout`](crate::DataLayout) says where they go.
    pub num_data_segments: u32,
    /// Number of those that are copied into a memory at instantiation.
    pub num_active_data_segments: u32,
    /// The functions that escape, sorted by index. Position here is the position of the function's
    /// `VmFuncRef` in the instance's context.
    pub func_refs: Vec<FuncRefDecl>,
}

/// An import.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Import {
    /// The first name.
    pub module: String,
    /// The second name.
    pub name: String,
    /// What is imported.
    pub kind: ImportKind,
    /// Whether a function has to be of the very type, and not of a subtype (proposal for custom descriptors).
    pub exact: bool,
}

/// What an import is; the index is its own in the index space of its kind.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub enum ImportKind {
    /// A function of this type.
    Func(TypeIndex),
    /// A table.
    Table(TableType),
    /// A memory.
    Memory(MemoryType),
    /// A global.
    Global(GlobalType),
    /// A tag of this type, which is a function's.
    Tag(TypeIndex),
}

/// An export.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Export {
    /// The name, unique in the module.
    pub name: String,
    /// What is exported.
    pub item: ExternIndex,
}

/// One item of any of the index spaces that can be imported and exported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ExternIndex {
    /// A function.
    Func(FuncIndex),
    /// A table.
    Table(TableIndex),
    /// A memory.
    Memory(MemoryIndex),
    /// A global.
    Global(GlobalIndex),
    /// A tag.
    Tag(TagIndex),
}

/// A table and the expression for its first elements.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TableDecl {
    /// Its type.
    pub ty: TableType,
    /// The value of all elements at instantiation; null when there is none.
    pub init: Option<ConstExpr>,
}

/// A global and its first value; imported globals have none.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct GlobalDecl {
    /// Its type.
    pub ty: GlobalType,
    /// The expression for its first value.
    pub init: Option<ConstExpr>,
}

/// A function that can be called in other ways than directly: exported, in an element segment, named by
/// `ref.func`, or the start function. It can be called with the native calling convention.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FuncRefDecl {
    /// The function.
    pub func: FuncIndex,
    /// Its type.
    pub ty: TypeIndex,
    /// For a function with tail calls, which has the internal convention: the position among the image's adapters of
    /// the one through which it is called natively.
    pub adapter: Option<u32>,
}

/// An element segment.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ElementSegment {
    /// Whether it is copied into a table at instantiation.
    pub kind: ElementKind,
    /// What the elements are.
    pub ty: RefType,
    /// The elements.
    pub items: ElementItems,
}

/// What happens to an element segment at instantiation.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum ElementKind {
    /// Nothing; `table.init` reads it.
    Passive,
    /// It is copied into `table` at `offset`, then dropped.
    Active {
        /// The table.
        table: TableIndex,
        /// First element written.
        offset: ConstExpr,
    },
    /// It only says which functions `ref.func` may name; it is dropped at once.
    Declared,
}

/// The elements of an element segment.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum ElementItems {
    /// Functions, by index.
    Functions(Vec<FuncIndex>),
    /// Any constant expressions.
    Expressions(Vec<ConstExpr>),
}

impl ElementItems {
    /// Number of elements.
    pub fn len(&self) -> usize {
        match self {
            ElementItems::Functions(items) => items.len(),
            ElementItems::Expressions(items) => items.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A data segment. Where its bytes lie is said by the [`DataLayout`](crate::DataLayout).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum DataSegment {
    /// `memory.init` reads it.
    Passive,
    /// It is copied into `memory` at `offset`, then dropped.
    Active {
        /// The memory.
        memory: MemoryIndex,
        /// First byte written.
        offset: ConstExpr,
    },
}

/// A constant expression: the operations in order, without the `end`; they form a stack program.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConstExpr(pub Vec<ConstOp>);

/// One operation of a constant expression. Floats are kept as their bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "each is named as its opcode in the specification")]
pub enum ConstOp {
    I32Const(i32),
    I64Const(i64),
    F32Const(u32),
    F64Const(u64),
    V128Const([u8; 16]),
    GlobalGet(GlobalIndex),
    RefNull(HeapType),
    RefFunc(FuncIndex),
    I32Add,
    I32Sub,
    I32Mul,
    I64Add,
    I64Sub,
    I64Mul,
    RefI31,
    StructNew(TypeIndex),
    StructNewDefault(TypeIndex),
    ArrayNew(TypeIndex),
    ArrayNewDefault(TypeIndex),
    /// With the number of elements.
    ArrayNewFixed(TypeIndex, u32),
    AnyConvertExtern,
    ExternConvertAny,
    StructNewDesc(TypeIndex),
    StructNewDefaultDesc(TypeIndex),
}

impl ConstExpr {
    /// The value as an address, unsigned, when the expression is a single `i32.const` or `i64.const`.
    pub fn as_address(&self) -> Option<u64> {
        match self.0[..] {
            [ConstOp::I32Const(value)] => Some(u64::from(value as u32)),
            [ConstOp::I64Const(value)] => Some(value as u64),
            _ => None,
        }
    }
}

impl ModuleInfo {
    /// Number of functions that have an adapter.
    pub fn num_adapters(&self) -> usize {
        self.func_refs.iter().filter(|decl| decl.adapter.is_some()).count()
    }

    /// All that the code of a function can depend on besides its body and the types of functions, as bytes: equal ones for two
    /// modules mean equal code of equal bodies. What a module is called, exports and is initialised with makes no difference.
    ///
    /// # Panics
    /// Never: everything here can be written as bytes.
    pub fn translation_input(&self) -> Vec<u8> {
        // In full, so that whoever adds a field decides about it here.
        let Self {
            name: _,
            types,
            rec_groups,
            imports: _,
            num_imported_funcs,
            num_imported_tables,
            num_imported_memories,
            num_imported_globals,
            num_imported_tags,
            num_defined_funcs,
            tables,
            memories,
            globals,
            tags,
            exports: _,
            start: _,
            elements,
            num_data_segments,
            num_active_data_segments,
            func_refs,
        } = self;
        let numbers = [
            *num_imported_funcs,
            *num_imported_tables,
            *num_imported_memories,
            *num_imported_globals,
            *num_imported_tags,
            *num_defined_funcs,
            elements.len() as u32,
            *num_data_segments,
            *num_active_data_segments,
        ];
        let input = (types, rec_groups, numbers, tables, memories, globals, tags, func_refs);
        postcard::to_stdvec(&input).expect("memory is all that it takes")
    }

    /// Replaces indices of types wherever a type is said by the engine's numbers: `numbers[i]` for index `i`.
    ///
    /// # Panics
    /// When an index is past the end of `numbers`; there is one for each of the module's types.
    pub fn resolve_types(&mut self, numbers: &[u32]) {
        let resolve = |ty| match ty {
            ConcreteType::Declared(index) => ConcreteType::Engine(numbers[index.index()]),
            other => other,
        };
        for ty in &mut self.types {
            *ty = ty.rename(resolve);
        }
        for import in &mut self.imports {
            match &mut import.kind {
                ImportKind::Table(ty) => ty.element = ty.element.rename(resolve),
                ImportKind::Global(ty) => ty.content = ty.content.rename(resolve),
                ImportKind::Func(_) | ImportKind::Memory(_) | ImportKind::Tag(_) => {}
            }
        }
        for table in &mut self.tables {
            table.ty.element = table.ty.element.rename(resolve);
        }
        for global in &mut self.globals {
            global.ty.content = global.ty.content.rename(resolve);
        }
        for segment in &mut self.elements {
            segment.ty = segment.ty.rename(resolve);
        }
    }

    /// A type that is a function's.
    ///
    /// # Panics
    /// When it is none; validation has ruled that out wherever one is asked for.
    pub fn func_type(&self, ty: TypeIndex) -> &FuncType {
        self.types[ty.index()].composite.as_func().expect("validated: the type is a function's")
    }

    /// The name of a type as a heap type.
    pub fn concrete(&self, ty: TypeIndex) -> HeapType {
        let kind = self.types[ty.index()].composite.kind();
        HeapType::concrete(kind, ConcreteType::Declared(ty))
    }

    /// A type and those that it is declared to be a subtype of, from itself up, for as long as they are named by their
    /// indices in the module.
    pub fn ancestry(&self, ty: TypeIndex) -> impl Iterator<Item = TypeIndex> {
        std::iter::successors(Some(ty), |ty| match self.types[ty.index()].supertype {
            Some(ConcreteType::Declared(index)) => Some(index),
            _ => None,
        })
    }

    /// The depth of a type in its hierarchy, as [`gc`] counts it, before indices are replaced.
    pub fn depth(&self, ty: TypeIndex) -> u32 {
        gc::ROOT_DEPTH - 1 + self.ancestry(ty).count() as u32
    }

    /// The type of a tag.
    pub fn tag_type(&self, tag: TagIndex) -> &FuncType {
        self.func_type(self.tags[tag.index()])
    }

    /// The position of the function's `VmFuncRef`, when the function escapes.
    pub fn func_ref(&self, func: FuncIndex) -> Option<u32> {
        self.func_refs.binary_search_by_key(&func, |decl| decl.func).ok().map(|slot| slot as u32)
    }

    /// Whether the function is imported.
    pub fn is_imported_func(&self, func: FuncIndex) -> bool {
        func.0 < self.num_imported_funcs
    }

    /// Whether the table is imported.
    pub fn is_imported_table(&self, table: TableIndex) -> bool {
        table.0 < self.num_imported_tables
    }

    /// Whether the memory is imported.
    pub fn is_imported_memory(&self, memory: MemoryIndex) -> bool {
        memory.0 < self.num_imported_memories
    }

    /// Whether the global is imported.
    pub fn is_imported_global(&self, global: GlobalIndex) -> bool {
        global.0 < self.num_imported_globals
    }

    /// Whether the tag is imported.
    pub fn is_imported_tag(&self, tag: TagIndex) -> bool {
        tag.0 < self.num_imported_tags
    }

    /// The type of an import.
    pub fn import_type(&self, import: &Import) -> ExternType {
        match import.kind {
            ImportKind::Func(ty) => ExternType::Func(self.func_type(ty).clone()),
            ImportKind::Table(ty) => ExternType::Table(ty),
            ImportKind::Memory(ty) => ExternType::Memory(ty),
            ImportKind::Global(ty) => ExternType::Global(ty),
            ImportKind::Tag(ty) => ExternType::Tag(TagType { func: self.func_type(ty).clone() }),
        }
    }

    /// The type of an export.
    ///
    /// # Panics
    /// When the item is a function that does not escape; every exported one does.
    pub fn extern_type(&self, item: ExternIndex) -> ExternType {
        match item {
            ExternIndex::Func(func) => {
                let slot = self.func_ref(func).expect("an exported function escapes");
                let ty = self.func_refs[slot as usize].ty;
                ExternType::Func(self.func_type(ty).clone())
            }
            ExternIndex::Table(index) => ExternType::Table(self.tables[index.index()].ty),
            ExternIndex::Memory(index) => ExternType::Memory(self.memories[index.index()]),
            ExternIndex::Global(index) => ExternType::Global(self.globals[index.index()].ty),
            ExternIndex::Tag(index) => {
                ExternType::Tag(TagType { func: self.tag_type(index).clone() })
            }
        }
    }

    /// The element segment's items when it is copied nowhere at instantiation (passive).
    pub fn is_passive_element(&self, elem: ElemIndex) -> bool {
        matches!(self.elements[elem.index()].kind, ElementKind::Passive)
    }
}
