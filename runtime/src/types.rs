//! [`TypeRegistry`]: every type of an engine has a number, so that types of different modules are equal when their numbers
//! are. Numbers live as long as the engine. A type that names others does so by their numbers.
//!
//! Equality is that of the specification (*Types › Recursive Types*): a recursion group is looked up as a whole, with names
//! inside it replaced by positions in it, and names of types before it by their numbers. Which number a type gets
//! follows from its depth in its hierarchy, see [`wrun_module::gc`]: the numbers of its ancestors lie in a table at its own.

use std::{
    collections::HashMap,
    io,
    sync::{Arc, RwLock},
};

use wrun_module::{
    CompositeType, ConcreteType, FuncType, HeapType, StorageType, SubType, ValType,
    gc::{self, StructLayout},
};

use crate::vm::SupertypeTable;

/// The numbers of types.
#[derive(Debug)]
pub(crate) struct TypeRegistry {
    supertypes: SupertypeTable,
    types: RwLock<Types>,
}

#[derive(Debug)]
struct Types {
    /// The most rows there may be.
    max_rows: u32,
    /// The numbers of a group's types, by the group.
    groups: HashMap<Box<[SubType]>, Arc<[u32]>>,
    /// By row of the table; nothing where a type needs more than one row, and for the rows that are no declared type's.
    types: Vec<Option<Arc<RegisteredType>>>,
}

/// A type with a number.
#[derive(Debug)]
pub(crate) struct RegisteredType {
    /// The type; it names others by their numbers.
    pub(crate) ty: SubType,
    /// Its depth in its hierarchy.
    depth: u32,
    /// What its objects look like.
    pub(crate) objects: ObjectLayout,
}

/// What objects of a type look like in the heap.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ObjectLayout {
    /// Functions are not in the heap.
    Func,
    /// A struct.
    Struct(StructLayout),
    /// An array of these.
    Array(StorageType),
}

/// The engine has no room for more types.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error(
    "the engine has no room for more types: their number is bounded by {}",
    SupertypeTable::ROWS
)]
pub(crate) struct TooManyTypes;

impl RegisteredType {
    /// The function type.
    ///
    /// # Panics
    /// When it is none.
    pub(crate) fn func(&self) -> &FuncType {
        self.ty.composite.as_func().expect("the type is a function's")
    }
}

impl TypeRegistry {
    /// A registry without types.
    ///
    /// # Errors
    /// When the system has no addresses left for the table of supertypes.
    pub(crate) fn new() -> io::Result<Self> {
        Self::with_rows(SupertypeTable::ROWS)
    }

    fn with_rows(max_rows: u32) -> io::Result<Self> {
        let types = vec![None; (gc::FIRST_TYPE / gc::ROW) as usize];
        Ok(Self {
            supertypes: SupertypeTable::new()?,
            types: RwLock::new(Types { max_rows, groups: HashMap::new(), types }),
        })
    }

    /// The number of a function type that is a group of its own without sub- and supertypes. It names others by their numbers.
    ///
    /// # Panics
    /// When the engine has too many types; those of the host's alone are never as many.
    pub(crate) fn id(&self, ty: &FuncType) -> u32 {
        let group = self.group(vec![SubType::plain(ty.clone())]);
        group.expect("fewer types than the engine has room for")[0]
    }

    /// The numbers of a type section's types, which name one another by their indices. `groups` says how many types each
    /// recursion group has, in order.
    ///
    /// # Errors
    /// When the engine has too many types then.
    ///
    /// # Panics
    /// When a type names one behind its group, or is declared to be the subtype of one that is not in front of it.
    pub(crate) fn register(
        &self,
        types: &[SubType],
        groups: &[u32],
    ) -> Result<Box<[u32]>, TooManyTypes> {
        let mut numbers: Vec<u32> = Vec::with_capacity(types.len());
        for &len in groups {
            let start = numbers.len();
            let group = types[start..start + len as usize].iter().map(|ty| {
                ty.rename(|name| match name {
                    ConcreteType::Declared(index) => match numbers.get(index.index()) {
                        Some(&number) => ConcreteType::Engine(number),
                        None => ConcreteType::Recursive(index.0 - start as u32),
                    },
                    other => other,
                })
            });
            let group = self.group(group.collect())?;
            numbers.extend_from_slice(&group);
        }
        Ok(numbers.into_boxed_slice())
    }

    /// The numbers of a group's types, which name one another by their positions and others by their numbers. They are valid.
    ///
    /// # Errors
    /// When the engine has too many types then.
    pub(crate) fn group(&self, group: Vec<SubType>) -> Result<Arc<[u32]>, TooManyTypes> {
        if let Some(numbers) =
            self.types.read().expect("no panic under the lock").groups.get(&group[..])
        {
            return Ok(numbers.clone());
        }
        let mut types = self.types.write().expect("no panic under the lock");
        if let Some(numbers) = types.groups.get(&group[..]) {
            return Ok(numbers.clone());
        }
        let numbers = types.number(&group)?;
        for (ty, &number) in group.iter().zip(&numbers[..]) {
            let ty = ty.rename(|name| match name {
                ConcreteType::Recursive(position) => {
                    ConcreteType::Engine(numbers[position as usize])
                }
                other => other,
            });
            let supertype = match ty.supertype {
                Some(ConcreteType::Engine(number)) => Some(types.get(number).clone()),
                _ => None,
            };
            let depth = types.depth(&ty);
            let objects = objects(&ty, supertype.as_ref().map(|ty| &ty.objects));
            let ty = RegisteredType { depth, objects, ty };
            types.write_row(&self.supertypes, number, &ty);
            types.types[(number / gc::ROW) as usize] = Some(Arc::new(ty));
        }
        types.groups.insert(group.into_boxed_slice(), numbers.clone());
        Ok(numbers)
    }

    /// The type with a number that was given out.
    pub(crate) fn get(&self, number: u32) -> Arc<RegisteredType> {
        self.types.read().expect("no panic under the lock").get(number).clone()
    }

    /// The type with a number, when there is one.
    pub(crate) fn find(&self, number: u32) -> Option<Arc<RegisteredType>> {
        self.types.read().expect("no panic under the lock").find(number).cloned()
    }

    /// Whether the type with one number is a subtype of, or the same as, the one with another.
    pub(crate) fn is_subtype(&self, found: u32, expected: u32) -> bool {
        let types = self.types.read().expect("no panic under the lock");
        found == expected || types.ancestor(found, types.get(expected).depth) == Some(expected)
    }

    /// Whether every value of type `found` is one of `expected` too; both name types by their numbers.
    pub(crate) fn val_type_matches(&self, found: ValType, expected: ValType) -> bool {
        found.matches(expected, |found, expected| self.concrete_matches(found, expected))
    }

    /// Whether every reference to `found` is one to `expected` too; both name types by their numbers.
    pub(crate) fn heap_type_matches(&self, found: HeapType, expected: HeapType) -> bool {
        found.matches(expected, |found, expected| self.concrete_matches(found, expected))
    }

    fn concrete_matches(&self, found: ConcreteType, expected: ConcreteType) -> bool {
        match (found, expected) {
            (ConcreteType::Engine(found), ConcreteType::Engine(expected)) => {
                self.is_subtype(found, expected)
            }
            _ => false,
        }
    }

    /// Calls `note` with every type whose number is not less than `from`, and with its number, ascending.
    pub(crate) fn since(&self, from: u32, mut note: impl FnMut(u32, &ObjectLayout)) {
        let types = self.types.read().expect("no panic under the lock");
        let rows = types.types.get((from / gc::ROW) as usize..).unwrap_or_default();
        for (row, ty) in (from / gc::ROW..).zip(rows) {
            if let Some(ty) = ty {
                note(row * gc::ROW, &ty.objects);
            }
        }
    }

    /// The table of supertypes.
    pub(crate) fn supertypes(&self) -> &SupertypeTable {
        &self.supertypes
    }
}

impl Types {
    fn get(&self, number: u32) -> &Arc<RegisteredType> {
        self.find(number).expect("the number of a type")
    }

    fn find(&self, number: u32) -> Option<&Arc<RegisteredType>> {
        if !number.is_multiple_of(gc::ROW) {
            return None;
        }
        self.types.get((number / gc::ROW) as usize)?.as_ref()
    }

    /// Rows for a group's types, one after the other.
    fn number(&mut self, group: &[SubType]) -> Result<Arc<[u32]>, TooManyTypes> {
        let mut depths: Vec<u32> = Vec::with_capacity(group.len());
        let mut numbers = Vec::with_capacity(group.len());
        let mut rows = self.types.len() as u32;
        for ty in group {
            // A supertype comes first: it has been given its number, or its depth just now.
            let depth = match ty.supertype {
                Some(ConcreteType::Recursive(position)) => depths[position as usize] + 1,
                _ => self.depth(ty),
            };
            depths.push(depth);
            numbers.push(rows * gc::ROW);
            rows += depth / gc::ROW + 1;
            if rows > self.max_rows {
                return Err(TooManyTypes);
            }
        }
        self.types.resize(rows as usize, None);
        Ok(numbers.into())
    }

    /// The depth of a type whose supertype is registered.
    fn depth(&self, ty: &SubType) -> u32 {
        match ty.supertype {
            Some(ConcreteType::Engine(number)) => self.get(number).depth + 1,
            _ => gc::ROOT_DEPTH,
        }
    }

    /// The ancestor of a type at a depth, the type itself at its own.
    fn ancestor(&self, number: u32, depth: u32) -> Option<u32> {
        let mut number = number;
        loop {
            let ty = self.get(number);
            match (ty.depth.cmp(&depth), ty.ty.supertype) {
                (std::cmp::Ordering::Equal, _) => return Some(number),
                (std::cmp::Ordering::Greater, Some(ConcreteType::Engine(supertype))) => {
                    number = supertype;
                }
                _ => return None,
            }
        }
    }

    /// Writes what generated code reads of a type.
    fn write_row(&self, table: &SupertypeTable, number: u32, ty: &RegisteredType) {
        let mut ancestor = number;
        let mut supertype = ty.ty.supertype;
        table.write(number, 0, gc::kind_type(ty.ty.composite.kind()));
        for depth in (gc::ROOT_DEPTH..=ty.depth).rev() {
            table.write(number, depth, ancestor);
            if let Some(ConcreteType::Engine(number)) = supertype {
                ancestor = number;
                supertype = self.get(number).ty.supertype;
            }
        }
    }
}

/// What objects of a type look like, whose supertype's look like `supertype`.
fn objects(ty: &SubType, supertype: Option<&ObjectLayout>) -> ObjectLayout {
    let described = ty.descriptor.is_some();
    match &ty.composite {
        CompositeType::Func(_) => ObjectLayout::Func,
        CompositeType::Struct(ty) => {
            let fields = ty.fields.iter().map(|field| field.storage);
            let supertype = match supertype {
                Some(ObjectLayout::Struct(layout)) => Some(layout),
                _ => None,
            };
            ObjectLayout::Struct(StructLayout::of_struct(fields, supertype, described))
        }
        CompositeType::Array(ty) => ObjectLayout::Array(ty.element.storage),
    }
}

#[cfg(test)]
mod tests {
    use wrun_module::{
        ArrayType, CompositeKind, ConcreteType, FieldType, FuncType, HeapType, RefType,
        StorageType, StructType, SubType, TypeIndex, ValType, gc,
    };

    use super::TypeRegistry;

    fn declared(kind: CompositeKind, index: u32) -> ValType {
        let heap = HeapType::concrete(kind, ConcreteType::Declared(TypeIndex(index)));
        ValType::Ref(RefType { nullable: true, heap })
    }

    fn taking(index: u32) -> SubType {
        SubType::plain(FuncType::new([declared(CompositeKind::Func, index)], []))
    }

    fn structure(fields: &[ValType], supertype: Option<u32>) -> SubType {
        let field = |&ty| FieldType { storage: StorageType::Val(ty), mutable: false };
        SubType {
            is_final: false,
            supertype: supertype.map(|index| ConcreteType::Declared(TypeIndex(index))),
            ..SubType::plain(StructType { fields: fields.iter().map(field).collect() })
        }
    }

    fn node(index: u32) -> ValType {
        declared(CompositeKind::Struct, index)
    }

    #[test]
    fn types_that_are_built_in_the_same_way_are_equal() {
        let registry = TypeRegistry::new().unwrap();
        let empty = SubType::plain(FuncType::new([], []));
        let i32 = SubType::plain(FuncType::new([ValType::I32], []));
        let first = registry.register(&[empty.clone(), taking(0), taking(1)], &[1, 1, 1]).unwrap();
        let second = registry
            .register(&[i32, empty, taking(1), taking(0), taking(2)], &[1, 1, 1, 1, 1])
            .unwrap();
        assert_eq!(second[1], first[0]);
        assert_eq!(second[2], first[1]);
        assert_ne!(second[3], first[1], "it takes functions of another type");
        assert_eq!(second[4], first[2]);
    }

    #[test]
    fn recursive_types_are_equal_by_group_and_position() {
        let registry = TypeRegistry::new().unwrap();
        let first = registry.register(&[structure(&[node(0)], None)], &[1]).unwrap();
        let unrelated = structure(&[], None);
        let second =
            registry.register(&[unrelated.clone(), structure(&[node(1)], None)], &[1, 1]).unwrap();
        assert_eq!(first[0], second[1]);
        // Unrolled once it is another type, and so it is in a larger group.
        let unrolled = registry
            .register(&[structure(&[node(0)], None), structure(&[node(0)], None)], &[1, 1])
            .unwrap();
        assert_ne!(unrolled[1], first[0]);
        let larger = registry.register(&[structure(&[node(0)], None), unrelated], &[2]).unwrap();
        assert_ne!(larger[0], first[0]);
    }

    #[test]
    fn subtypes_are_found_by_their_row_at_every_depth() {
        let registry = TypeRegistry::new().unwrap();
        let depth = 3 * gc::ROW + 2;
        let types: Vec<SubType> =
            (0..depth).map(|index| structure(&[], index.checked_sub(1))).collect();
        let numbers = registry.register(&types, &vec![1; types.len()]).unwrap();
        let others = registry.register(&[structure(&[ValType::I32], None)], &[1]).unwrap();
        for (deep, &found) in numbers.iter().enumerate() {
            for (high, &expected) in numbers.iter().enumerate() {
                assert_eq!(registry.is_subtype(found, expected), high <= deep);
                // As generated code does it, without a look at the depth of what is found.
                let depth = gc::ROOT_DEPTH + high as u32;
                let entry = registry.supertypes().read(found, depth);
                assert_eq!(entry == expected, high <= deep, "{deep} as {high}");
            }
            let kind = registry.supertypes().read(found, 0);
            assert_eq!(kind, gc::kind_type(CompositeKind::Struct));
            assert!(
                !registry.is_subtype(found, others[0]) && !registry.is_subtype(others[0], found)
            );
        }
    }

    #[test]
    fn a_group_that_there_is_no_room_for_is_refused_as_a_whole() {
        let registry = TypeRegistry::with_rows(gc::FIRST_TYPE / gc::ROW + 2).unwrap();
        let [a, b, c] = [ValType::I32, ValType::I64, ValType::F32].map(|ty| structure(&[ty], None));
        let first = registry.register(std::slice::from_ref(&a), &[1]).unwrap();
        assert!(registry.register(&[b.clone(), c], &[2]).is_err());
        assert_eq!(registry.register(&[a, b], &[1, 1]).unwrap()[0], first[0]);
    }

    #[test]
    fn kinds_are_told_apart_and_what_is_not_declared_is_of_none() {
        let registry = TypeRegistry::new().unwrap();
        let field = FieldType { storage: StorageType::I8, mutable: true };
        let types = [
            SubType::plain(FuncType::new([], [])),
            structure(&[], None),
            SubType::plain(ArrayType { element: field }),
        ];
        let numbers = registry.register(&types, &[1, 1, 1]).unwrap();
        let kinds = [CompositeKind::Func, CompositeKind::Struct, CompositeKind::Array];
        let rows = numbers.iter().copied().chain([gc::EXTERNAL_TYPE, gc::EXCEPTION_TYPE]);
        for (row, number) in rows.enumerate() {
            for (position, &kind) in kinds.iter().enumerate() {
                let found = registry.supertypes().read(number, 0);
                assert_eq!(found == gc::kind_type(kind), row == position, "{number} as {kind:?}");
            }
            // The rows of what has none lie in front of others: what is read there is of another depth.
            for (position, &ty) in numbers.iter().enumerate() {
                let found = registry.supertypes().read(number, gc::ROOT_DEPTH);
                assert_eq!(found == ty, row == position, "{number} as {ty}");
            }
        }
    }

    #[test]
    fn a_supertype_may_be_in_the_same_group() {
        let registry = TypeRegistry::new().unwrap();
        let types = [structure(&[node(1)], None), structure(&[node(1), node(0)], Some(0))];
        let numbers = registry.register(&types, &[2]).unwrap();
        assert!(registry.is_subtype(numbers[1], numbers[0]));
        assert!(!registry.is_subtype(numbers[0], numbers[1]));
    }
}
