//! Whether types are valid that no module's validation has seen (spec, *Validation › Types*).

use std::fmt;

use wrun_module::{CompositeType, ConcreteType, FuncType, HeapType, StorageType, SubType, ValType};

use crate::types::TypeRegistry;

/// The most fields of a struct: as in modules. The layouts of objects rely on it.
const MAX_FIELDS: usize = 10_000;

/// The most types above one: as in modules. The table of supertypes that generated code reads relies on it.
const MAX_SUPERTYPES: usize = 63;

/// The most parameters, and the most results, of a function: as in modules.
const MAX_VALUES: usize = 1_000;

/// Why a type is not valid: what follows the type in the text of the error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Problem {
    UnknownName(HeapType),
    UnknownSupertype(ConcreteType),
    FinalSupertype(ConcreteType),
    Mismatch(ConcreteType),
    TooMany(&'static str, usize, usize),
    Descriptor,
    DescriptorAbove(ConcreteType),
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Problem::UnknownName(name) => {
                write!(f, "names `{name}`, which is no type of that kind in this engine")
            }
            Problem::UnknownSupertype(name) => {
                write!(
                    f,
                    "is declared to be a subtype of `{name}`, which is no type in front of it"
                )
            }
            Problem::FinalSupertype(name) => {
                write!(f, "is declared to be a subtype of `{name}`, which is final")
            }
            Problem::Mismatch(name) => {
                write!(f, "is declared to be a subtype of `{name}`, which it does not match")
            }
            Problem::TooMany(what, found, most) => {
                write!(f, "has {found} {what}, expected at most {most}")
            }
            Problem::Descriptor => {
                f.write_str("has or is a descriptor, which only modules can declare")
            }
            Problem::DescriptorAbove(name) => {
                write!(f, "is declared to be a subtype of `{name}`, which has or is a descriptor")
            }
        }
    }
}

/// Whether a type of a group may be declared (spec, *Validation › Types › Sub Types*).
pub(super) fn definition(
    types: &TypeRegistry,
    group: &[SubType],
    position: usize,
    ty: &SubType,
) -> Result<(), Problem> {
    match &ty.composite {
        CompositeType::Func(ty) => func_type(types, group, ty)?,
        CompositeType::Struct(ty) => {
            count("fields", ty.fields.len(), MAX_FIELDS)?;
            ty.fields.iter().try_for_each(|field| storage_type(types, group, field.storage))?;
        }
        CompositeType::Array(ty) => storage_type(types, group, ty.element.storage)?,
    }
    // Their objects have one field more, which only the instructions of the proposal know how to fill.
    if ty.descriptor.is_some() || ty.describes.is_some() {
        return Err(Problem::Descriptor);
    }
    let Some(name) = ty.supertype else { return Ok(()) };
    let registered;
    let supertype = match name {
        ConcreteType::Recursive(index) if (index as usize) < position => &group[index as usize],
        ConcreteType::Engine(number) => {
            registered = types.find(number).ok_or(Problem::UnknownSupertype(name))?;
            &registered.ty
        }
        _ => return Err(Problem::UnknownSupertype(name)),
    };
    if supertype.is_final {
        return Err(Problem::FinalSupertype(name));
    }
    // An instruction that asks for the supertype's descriptor would find none in objects of this type.
    if supertype.descriptor.is_some() || supertype.describes.is_some() {
        return Err(Problem::DescriptorAbove(name));
    }
    let is_subtype = |found, expected| is_subtype(types, group, found, expected);
    if !ty.composite.matches(&supertype.composite, is_subtype) {
        return Err(Problem::Mismatch(name));
    }
    count("supertypes", supertypes_of(types, group, ty), MAX_SUPERTYPES)
}

/// How many types are above one whose supertypes have been checked.
fn supertypes_of(types: &TypeRegistry, group: &[SubType], ty: &SubType) -> usize {
    let mut count = 0;
    let mut next = ty.supertype;
    while let Some(name) = next {
        count += 1;
        next = match name {
            ConcreteType::Recursive(index) => group[index as usize].supertype,
            ConcreteType::Engine(number) => types.get(number).ty.supertype,
            ConcreteType::Declared(_) => None,
        };
    }
    count
}

fn count(what: &'static str, found: usize, most: usize) -> Result<(), Problem> {
    if found > most { Err(Problem::TooMany(what, found, most)) } else { Ok(()) }
}

pub(super) fn func_type(
    types: &TypeRegistry,
    group: &[SubType],
    ty: &FuncType,
) -> Result<(), Problem> {
    count("parameters", ty.params().len(), MAX_VALUES)?;
    count("results", ty.results().len(), MAX_VALUES)?;
    let mut values = ty.params().iter().chain(ty.results());
    values.try_for_each(|&ty| val_type(types, group, ty))
}

fn storage_type(
    types: &TypeRegistry,
    group: &[SubType],
    storage: StorageType,
) -> Result<(), Problem> {
    match storage {
        StorageType::I8 | StorageType::I16 => Ok(()),
        StorageType::Val(ty) => val_type(types, group, ty),
    }
}

/// Whether a name in a type is one of a type of the kind that it says.
pub(super) fn val_type(
    types: &TypeRegistry,
    group: &[SubType],
    ty: ValType,
) -> Result<(), Problem> {
    let ValType::Ref(ty) = ty else { return Ok(()) };
    let Some(name) = ty.heap.as_concrete() else { return Ok(()) };
    let kind = match name {
        ConcreteType::Declared(_) => None,
        ConcreteType::Recursive(index) => group.get(index as usize).map(|ty| ty.composite.kind()),
        ConcreteType::Engine(number) => types.find(number).map(|found| found.ty.composite.kind()),
    };
    let is_named =
        |kind| [HeapType::concrete(kind, name), HeapType::Exact(kind, name)].contains(&ty.heap);
    if kind.is_some_and(is_named) { Ok(()) } else { Err(Problem::UnknownName(ty.heap)) }
}

/// Whether one type is a subtype of another, or the same, where both may be of a group without numbers yet, whose supertypes are
/// in front of their subtypes as far as it has been checked.
fn is_subtype(
    types: &TypeRegistry,
    group: &[SubType],
    found: ConcreteType,
    expected: ConcreteType,
) -> bool {
    let mut found = found;
    // No chain inside the group is longer than the group: one that is has not been checked, and will be refused.
    for _ in 0..=group.len() {
        match (found, expected) {
            _ if found == expected => return true,
            (ConcreteType::Engine(found), ConcreteType::Engine(expected)) => {
                return types.is_subtype(found, expected);
            }
            (ConcreteType::Recursive(index), _) => match group[index as usize].supertype {
                Some(supertype) => found = supertype,
                None => return false,
            },
            _ => return false,
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use wrun_module::{
        ArrayType, CompositeKind, ConcreteType, FieldType, FuncType, HeapType, RefType,
        StorageType, StructType, SubType, TypeIndex, ValType,
    };

    use crate::{Engine, ErrorKind};

    fn field(ty: ValType) -> FieldType {
        FieldType { storage: StorageType::Val(ty), mutable: false }
    }

    fn reference(heap: HeapType) -> ValType {
        ValType::Ref(RefType { nullable: true, heap })
    }

    /// An open struct type.
    fn open(fields: &[FieldType], supertype: Option<ConcreteType>) -> SubType {
        let composite = StructType { fields: fields.into() };
        SubType { is_final: false, supertype, ..SubType::plain(composite) }
    }

    fn refusal(engine: &Engine, group: &[SubType]) -> String {
        let error = engine.define_types(group).expect_err("a refusal");
        assert!(matches!(error.kind(), ErrorKind::Usage(_)));
        error.to_string()
    }

    #[test]
    fn a_type_is_the_same_however_often_it_is_declared() {
        let engine = Engine::default();
        let list = |engine: &Engine| {
            let next = reference(HeapType::ConcreteStruct(ConcreteType::Recursive(0)));
            engine.define_type(open(&[field(next)], None)).unwrap()
        };
        let first = list(&engine);
        assert_eq!(first, list(&engine));
        let resolved = engine.resolve(first.as_concrete().unwrap()).unwrap();
        assert_eq!(resolved.composite.as_struct().unwrap().fields[..], [field(reference(first))]);
        // Declared by what it resolves to, it is another type: its field is not to itself.
        assert_ne!(engine.define_type(resolved).unwrap(), first);
    }

    #[test]
    fn groups_have_subtypes_in_them() {
        let engine = Engine::default();
        let name = |index| HeapType::ConcreteStruct(ConcreteType::Recursive(index));
        let group = [
            open(&[field(reference(name(2)))], None),
            open(&[field(reference(name(2)))], Some(ConcreteType::Recursive(0))),
            open(&[field(reference(name(2)))], Some(ConcreteType::Recursive(1))),
        ];
        let types = engine.define_types(&group).unwrap();
        assert!(engine.heap_type_matches(types[2], types[0]));
        assert!(!engine.heap_type_matches(types[0], types[1]));
        assert!(engine.val_type_matches(reference(types[2]), ValType::STRUCTREF));
        // A field that gets narrower by a supertype in the group.
        let narrower = [
            open(&[field(reference(name(0)))], None),
            open(&[field(reference(name(1)))], Some(ConcreteType::Recursive(0))),
        ];
        assert!(engine.define_types(&narrower).is_ok());
        let wider = [
            open(&[field(reference(name(1)))], None),
            open(&[field(reference(name(0)))], Some(ConcreteType::Recursive(0))),
        ];
        assert!(refusal(&engine, &wider).ends_with("which it does not match"));
    }

    #[test]
    fn what_is_no_type_is_refused() {
        let engine = Engine::default();
        let number = engine.define_type(FuncType::new([], [])).unwrap().as_concrete().unwrap();
        let ConcreteType::Engine(func) = number else { panic!("resolved") };
        for name in [
            ConcreteType::Engine(0),
            ConcreteType::Engine(func + 1),
            ConcreteType::Engine(1 << 28),
            ConcreteType::Engine(u32::MAX),
            ConcreteType::Declared(TypeIndex(0)),
            ConcreteType::Recursive(1),
        ] {
            for kind in [CompositeKind::Func, CompositeKind::Struct, CompositeKind::Array] {
                let ty = reference(HeapType::concrete(kind, name));
                refusal(&engine, &[open(&[field(ty)], None)]);
                assert!(engine.check_type(ty).is_err(), "{ty}");
                assert!(engine.check_func_type(&FuncType::new([], [ty])).is_err());
            }
            refusal(&engine, &[open(&[], Some(name))]);
            assert_eq!(engine.resolve(name), None);
        }
        // The number of a function's type is none of a struct's.
        assert!(engine.check_type(reference(HeapType::ConcreteFunc(number))).is_ok());
        assert!(engine.check_type(reference(HeapType::ConcreteStruct(number))).is_err());
        assert!(engine.check_type(reference(HeapType::ConcreteArray(number))).is_err());
    }

    #[test]
    fn a_type_fits_its_supertype_or_is_refused() {
        let engine = Engine::default();
        let anything = open(&[field(ValType::ANYREF)], None);
        let supertype = engine.define_type(anything).unwrap().as_concrete();
        assert!(engine.define_type(open(&[field(ValType::I31REF)], supertype)).is_ok());
        let text = refusal(&engine, &[open(&[field(ValType::EXTERNREF)], supertype)]);
        assert!(text.contains("(sub ") && text.ends_with("which it does not match"), "{text}");
        let array = ArrayType { element: field(ValType::ANYREF) };
        let array = SubType { supertype, ..SubType::plain(array) };
        assert!(refusal(&engine, &[array]).ends_with("which it does not match"));
        let last = SubType::plain(StructType { fields: [].into() });
        let last = engine.define_type(last).unwrap().as_concrete();
        assert!(refusal(&engine, &[open(&[], last)]).ends_with("which is final"));
        // Neither itself nor what comes behind it.
        refusal(&engine, &[open(&[], Some(ConcreteType::Recursive(0)))]);
        refusal(&engine, &[open(&[], Some(ConcreteType::Recursive(1))), open(&[], None)]);
    }

    #[test]
    fn descriptors_are_for_modules_only() {
        let engine = Engine::default();
        let descriptor = engine.define_type(open(&[], None)).unwrap().as_concrete();
        let described = SubType { descriptor, ..open(&[], None) };
        assert!(refusal(&engine, &[described]).contains("descriptor"));
        let describes = SubType { describes: descriptor, ..open(&[], None) };
        assert!(refusal(&engine, &[describes]).contains("descriptor"));
    }

    #[test]
    fn sizes_are_bounded() {
        let engine = Engine::default();
        let wide = |count| open(&vec![field(ValType::V128); count], None);
        assert!(engine.define_type(wide(10_000)).is_ok());
        refusal(&engine, &[wide(10_001)]);
        let chain = |len: u32| -> Vec<SubType> {
            let above = |index: u32| index.checked_sub(1).map(ConcreteType::Recursive);
            (0..len).map(|index| open(&[], above(index))).collect()
        };
        assert!(engine.define_types(&chain(64)).is_ok());
        assert!(refusal(&engine, &chain(65)).ends_with("has 64 supertypes, expected at most 63"));
        refusal(&engine, &[SubType::plain(FuncType::new(vec![ValType::I32; 1_001], []))]);
        refusal(&engine, &[SubType::plain(FuncType::new([], vec![ValType::I32; 1_001]))]);
    }
}
