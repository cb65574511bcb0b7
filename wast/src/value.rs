//! A script's arguments as values of the engine, and its expectations held against results.

use wast::{
    WastArg, WastRet,
    core::{AbstractHeapType, HeapType, V128Pattern, WastArgCore, WastRetCore},
};
use wrun_runtime::{AnyRef, ExternRef, HeapType as EngineType, Ref, Store, V128, Val};

use crate::pattern;

/// What `ref.extern N` and `ref.host N` refer to: the script's only kind of host value.
struct HostValue(u32);

/// The value of an argument.
///
/// # Errors
/// With the reason, when the engine has no such value.
pub(crate) fn argument(store: &mut Store<()>, argument: &WastArg<'_>) -> Result<Val, String> {
    let WastArg::Core(argument) = argument else {
        return Err("an argument for a component, which the engine does not run".to_owned());
    };
    Ok(match argument {
        WastArgCore::I32(value) => Val::I32(*value),
        WastArgCore::I64(value) => Val::I64(*value),
        WastArgCore::F32(value) => Val::F32(value.bits),
        WastArgCore::F64(value) => Val::F64(value.bits),
        WastArgCore::V128(value) => Val::V128(V128::from_le_bytes(value.to_le_bytes())),
        WastArgCore::RefNull(ty) => match hierarchy(ty) {
            Some(top) => Ref::null(top).into(),
            None => return Err(format!("no references of type {ty:?} in the engine")),
        },
        WastArgCore::RefExtern(value) => external(store, *value)?.into(),
        WastArgCore::RefHost(value) => AnyRef::convert_extern(external(store, *value)?).into(),
    })
}

fn external(store: &mut Store<()>, value: u32) -> Result<ExternRef, String> {
    ExternRef::new(store, HostValue(value)).map_err(|error| error.to_string())
}

/// The greatest type of the hierarchy that a type belongs to. All nulls of one are the same, whatever they are declared to
/// point to.
fn hierarchy(ty: &HeapType<'_>) -> Option<EngineType> {
    let HeapType::Abstract { shared: false, ty } = ty else { return None };
    match ty {
        AbstractHeapType::Func | AbstractHeapType::NoFunc => Some(EngineType::Func),
        AbstractHeapType::Extern | AbstractHeapType::NoExtern => Some(EngineType::Extern),
        AbstractHeapType::Any
        | AbstractHeapType::Eq
        | AbstractHeapType::Struct
        | AbstractHeapType::Array
        | AbstractHeapType::I31
        | AbstractHeapType::None => Some(EngineType::Any),
        AbstractHeapType::Exn | AbstractHeapType::NoExn => Some(EngineType::Exn),
        _ => None,
    }
}

/// Whether results are the expected ones, in number and each in value.
pub(crate) fn all_match(store: &Store<()>, expected: &[WastRet<'_>], found: &[Val]) -> bool {
    expected.len() == found.len()
        && expected.iter().zip(found).all(|(expected, found)| match expected {
            WastRet::Core(expected) => matches(store, expected, found),
            _ => false,
        })
}

/// Whether a result is the expected one.
fn matches(store: &Store<()>, expected: &WastRetCore<'_>, found: &Val) -> bool {
    match (expected, found) {
        (WastRetCore::Either(cases), _) => cases.iter().any(|case| matches(store, case, found)),
        (WastRetCore::I32(expected), Val::I32(found)) => expected == found,
        (WastRetCore::I64(expected), Val::I64(found)) => expected == found,
        (WastRetCore::F32(expected), Val::F32(found)) => pattern::matches_f32(expected, *found),
        (WastRetCore::F64(expected), Val::F64(found)) => pattern::matches_f64(expected, *found),
        (WastRetCore::V128(expected), Val::V128(found)) => {
            pattern::matches_v128(expected, found.as_u128())
        }
        // Without a type, any null is the expected one.
        (WastRetCore::RefNull(ty), found) => found.to_ref().is_some_and(|found| {
            let expected = ty.as_ref().map(hierarchy);
            found.is_null() && expected.is_none_or(|top| top == Some(found.heap_type()))
        }),
        // The grammar of scripts has no index here: any function will do.
        (WastRetCore::RefFunc(None), Val::FuncRef(Some(_))) => true,
        (WastRetCore::RefExtern(None), Val::ExternRef(Some(_))) => true,
        (WastRetCore::RefExtern(Some(expected)), Val::ExternRef(Some(found))) => {
            host_value(store, *found) == Some(*expected)
        }
        (WastRetCore::RefHost(expected), Val::AnyRef(Some(found))) => {
            host_value(store, ExternRef::convert_any(*found)) == Some(*expected)
        }
        (expected, Val::AnyRef(Some(found))) => {
            referent(expected).is_some_and(|ty| found.matches_ty(store, ty))
        }
        _ => false,
    }
}

/// What an expected reference refers to, when only its type is said.
fn referent(expected: &WastRetCore<'_>) -> Option<EngineType> {
    match expected {
        WastRetCore::RefAny => Some(EngineType::Any),
        WastRetCore::RefEq => Some(EngineType::Eq),
        WastRetCore::RefI31 => Some(EngineType::I31),
        WastRetCore::RefStruct => Some(EngineType::Struct),
        WastRetCore::RefArray => Some(EngineType::Array),
        _ => None,
    }
}

/// The number of a `ref.extern N`; `None` for other references.
fn host_value(store: &Store<()>, reference: ExternRef) -> Option<u32> {
    reference.data(store)?.downcast_ref::<HostValue>().map(|value| value.0)
}

/// Expected results as scripts write them.
pub(crate) fn expected_text(expected: &[WastRet<'_>]) -> String {
    let texts = expected.iter().map(|it| match it {
        WastRet::Core(expected) => expectation_text(expected),
        other => format!("{other:?}"),
    });
    join(texts)
}

/// Results as scripts write them; vectors in the lanes that were expected in their place.
pub(crate) fn found_text(store: &Store<()>, found: &[Val], expected: &[WastRet<'_>]) -> String {
    let texts = found.iter().enumerate().map(|(i, found)| {
        let shape = expected.get(i).and_then(|expected| match expected {
            WastRet::Core(expected) => shape(expected),
            _ => None,
        });
        val_text(store, found, shape)
    });
    join(texts)
}

/// The lanes that an expected vector is written in.
fn shape<'a>(expected: &'a WastRetCore<'_>) -> Option<&'a V128Pattern> {
    match expected {
        WastRetCore::V128(pattern) => Some(pattern),
        WastRetCore::Either(cases) => cases.iter().find_map(shape),
        _ => None,
    }
}

fn join(texts: impl Iterator<Item = String>) -> String {
    let texts: Vec<_> = texts.collect();
    if texts.is_empty() { "no results".to_owned() } else { texts.join(" ") }
}

fn expectation_text(expected: &WastRetCore<'_>) -> String {
    match expected {
        WastRetCore::I32(value) => format!("(i32.const {value})"),
        WastRetCore::I64(value) => format!("(i64.const {value})"),
        WastRetCore::F32(value) => format!("(f32.const {})", pattern::f32_pattern_text(value)),
        WastRetCore::F64(value) => format!("(f64.const {})", pattern::f64_pattern_text(value)),
        WastRetCore::V128(value) => format!("(v128.const {})", pattern::v128_pattern_text(value)),
        WastRetCore::RefNull(None) => "(ref.null)".to_owned(),
        WastRetCore::RefNull(Some(ty)) => match hierarchy(ty) {
            Some(top) => format!("(ref.null {top})"),
            None => format!("(ref.null {ty:?})"),
        },
        WastRetCore::RefExtern(None) => "(ref.extern)".to_owned(),
        WastRetCore::RefExtern(Some(value)) => format!("(ref.extern {value})"),
        WastRetCore::RefHost(value) => format!("(ref.host {value})"),
        WastRetCore::RefFunc(None) => "(ref.func)".to_owned(),
        WastRetCore::Either(cases) => {
            let cases: Vec<_> = cases.iter().map(expectation_text).collect();
            format!("(either {})", cases.join(" "))
        }
        other => match referent(other) {
            Some(ty) => format!("(ref.{ty})"),
            None => format!("({other:?})"),
        },
    }
}

fn val_text(store: &Store<()>, value: &Val, shape: Option<&V128Pattern>) -> String {
    match value {
        Val::I32(value) => format!("(i32.const {value})"),
        Val::I64(value) => format!("(i64.const {value})"),
        Val::F32(bits) => format!("(f32.const {})", pattern::f32_text(*bits)),
        Val::F64(bits) => format!("(f64.const {})", pattern::f64_text(*bits)),
        Val::V128(value) => format!("(v128.const {})", pattern::v128_text(value.as_u128(), shape)),
        Val::FuncRef(None) => "(ref.null func)".to_owned(),
        Val::FuncRef(Some(_)) => "(ref.func)".to_owned(),
        Val::ExternRef(None) => "(ref.null extern)".to_owned(),
        Val::ExternRef(Some(reference)) => match host_value(store, *reference) {
            Some(value) => format!("(ref.extern {value})"),
            None => "(ref.extern)".to_owned(),
        },
        Val::AnyRef(None) => "(ref.null any)".to_owned(),
        Val::AnyRef(Some(reference)) => any_text(store, *reference),
        Val::ExnRef(None) => "(ref.null exn)".to_owned(),
        Val::ExnRef(Some(_)) => "(ref.exn)".to_owned(),
    }
}

fn any_text(store: &Store<()>, reference: AnyRef) -> String {
    if let Some(value) = reference.as_i31(store) {
        return format!("(ref.i31 {})", value.get_i32());
    }
    let kinds = [EngineType::Struct, EngineType::Array];
    if let Some(kind) = kinds.into_iter().find(|kind| reference.matches_ty(store, *kind)) {
        return format!("(ref.{kind})");
    }
    match host_value(store, ExternRef::convert_any(reference)) {
        Some(value) => format!("(ref.host {value})"),
        None => "(ref.any)".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use wast::{
        WastArg, WastRet,
        core::{AbstractHeapType, HeapType, NanPattern, WastArgCore, WastRetCore},
        token::F32,
    };
    use wrun_runtime::{
        AnyRef, ArrayRef, ArrayType, Engine, FieldType, I31, StorageType, Store, StructRef,
        StructType, Val,
    };

    use super::{all_match, argument, expected_text, found_text};

    fn store() -> Store<()> {
        Store::new(&Engine::default(), ())
    }

    fn one(expected: WastRetCore<'static>, found: &Val) -> bool {
        all_match(&store(), &[WastRet::Core(expected)], std::slice::from_ref(found))
    }

    fn null(ty: AbstractHeapType) -> HeapType<'static> {
        HeapType::Abstract { shared: false, ty }
    }

    #[test]
    fn numbers_match_in_type_and_value() {
        assert!(one(WastRetCore::I32(1), &Val::I32(1)));
        assert!(!one(WastRetCore::I32(1), &Val::I32(2)));
        assert!(!one(WastRetCore::I32(1), &Val::I64(1)));
        assert!(!one(WastRetCore::I64(1), &Val::I64(-1)));
        assert!(!one(WastRetCore::F32(NanPattern::CanonicalNan), &Val::F64(0x7ff8 << 48)));
    }

    #[test]
    fn the_number_of_results_counts() {
        let expected = [WastRet::Core(WastRetCore::I32(1))];
        assert!(!all_match(&store(), &expected, &[]));
        assert!(!all_match(&store(), &expected, &[Val::I32(1), Val::I32(1)]));
        assert!(!all_match(&store(), &[], &[Val::I32(1)]));
        assert!(all_match(&store(), &[], &[]));
    }

    #[test]
    fn one_case_of_either_is_enough() {
        let either = || WastRetCore::Either(vec![WastRetCore::I32(1), WastRetCore::I32(3)]);
        assert!(one(either(), &Val::I32(1)));
        assert!(one(either(), &Val::I32(3)));
        assert!(!one(either(), &Val::I32(2)));
        assert!(!one(WastRetCore::Either(vec![]), &Val::I32(2)));
    }

    #[test]
    fn nulls_match_by_family() {
        assert!(one(WastRetCore::RefNull(None), &Val::FuncRef(None)));
        assert!(one(WastRetCore::RefNull(None), &Val::ExternRef(None)));
        let func = || WastRetCore::RefNull(Some(null(AbstractHeapType::Func)));
        assert!(one(func(), &Val::FuncRef(None)));
        assert!(!one(func(), &Val::ExternRef(None)));
        assert!(!one(WastRetCore::RefNull(None), &Val::I32(0)));
        assert!(!one(WastRetCore::RefFunc(None), &Val::FuncRef(None)));
        assert!(!one(WastRetCore::RefExtern(None), &Val::ExternRef(None)));
    }

    #[test]
    fn host_references_match_by_number() {
        let mut store = store();
        let mut arg = |n| argument(&mut store, &WastArg::Core(WastArgCore::RefExtern(n))).unwrap();
        let (seven, eight) = (arg(7), arg(8));
        let seven_expected = [WastRet::Core(WastRetCore::RefExtern(Some(7)))];
        assert!(all_match(&store, &seven_expected, std::slice::from_ref(&seven)));
        assert!(!all_match(&store, &seven_expected, std::slice::from_ref(&eight)));
        assert!(!all_match(&store, &seven_expected, &[Val::ExternRef(None)]));
        assert!(all_match(&store, &[WastRet::Core(WastRetCore::RefExtern(None))], &[eight]));
    }

    #[test]
    fn host_values_may_be_of_either_hierarchy() {
        let mut store = store();
        let three = argument(&mut store, &WastArg::Core(WastArgCore::RefHost(3))).unwrap();
        let matches = |expected| all_match(&store, &[WastRet::Core(expected)], &[three]);
        assert!(matches(WastRetCore::RefHost(3)) && matches(WastRetCore::RefAny));
        assert!(!matches(WastRetCore::RefHost(4)) && !matches(WastRetCore::RefExtern(Some(3))));
        assert!(!matches(WastRetCore::RefEq) && !matches(WastRetCore::RefNull(None)));
        assert_eq!(found_text(&store, &[three], &[]), "(ref.host 3)");
    }

    #[test]
    fn references_match_by_what_they_refer_to() {
        let mut store = store();
        let engine = store.engine().clone();
        let field = FieldType { storage: StorageType::I8, mutable: false };
        let ty = engine.define_type(StructType { fields: [field].into() }).unwrap();
        let structure = StructRef::new_default(&mut store, ty).unwrap();
        let ty = engine.define_type(ArrayType { element: field }).unwrap();
        let array = ArrayRef::new_default(&mut store, ty, 1).unwrap();
        let number = AnyRef::from_i31(&mut store, I31::wrapping_i32(-1));
        let found: [(Val, &str); 3] = [
            (structure.into(), "(ref.struct)"),
            (array.into(), "(ref.array)"),
            (number.into(), "(ref.i31 -1)"),
        ];
        for (position, (found, text)) in found.iter().enumerate() {
            let matches = |expected| all_match(&store, &[WastRet::Core(expected)], &[*found]);
            assert_eq!(matches(WastRetCore::RefStruct), position == 0);
            assert_eq!(matches(WastRetCore::RefArray), position == 1);
            assert_eq!(matches(WastRetCore::RefI31), position == 2);
            assert!(matches(WastRetCore::RefEq) && matches(WastRetCore::RefAny));
            assert!(!matches(WastRetCore::RefHost(1)) && !matches(WastRetCore::RefFunc(None)));
            assert_eq!(found_text(&store, &[*found], &[]), *text);
        }
    }

    #[test]
    fn nulls_of_one_hierarchy_are_the_same() {
        for ty in [AbstractHeapType::Any, AbstractHeapType::I31, AbstractHeapType::None] {
            let null = WastArg::Core(WastArgCore::RefNull(null(ty)));
            let null = argument(&mut store(), &null).unwrap();
            assert!(matches!(null, Val::AnyRef(None)));
            for (expected, matches) in [
                (AbstractHeapType::Struct, true),
                (AbstractHeapType::Any, true),
                (AbstractHeapType::Func, false),
                (AbstractHeapType::NoExtern, false),
            ] {
                let expected = WastRetCore::RefNull(Some(self::null(expected)));
                assert_eq!(one(expected, &null), matches);
            }
            assert!(one(WastRetCore::RefNull(None), &null));
            assert!(!one(WastRetCore::RefAny, &null));
        }
    }

    #[test]
    fn types_without_values_are_refused_as_arguments() {
        let shared = HeapType::Abstract { shared: true, ty: AbstractHeapType::Any };
        let shared = WastArg::Core(WastArgCore::RefNull(shared));
        assert!(argument(&mut store(), &shared).is_err());
    }

    #[test]
    fn texts_are_those_of_scripts() {
        let expected = [
            WastRet::Core(WastRetCore::F32(NanPattern::Value(F32 { bits: 0x3f80_0000 }))),
            WastRet::Core(WastRetCore::Either(vec![WastRetCore::I64(-1), WastRetCore::I64(2)])),
        ];
        assert_eq!(
            expected_text(&expected),
            "(f32.const 1.0) (either (i64.const -1) (i64.const 2))"
        );
        assert_eq!(found_text(&store(), &[], &expected), "no results");
        assert_eq!(found_text(&store(), &[Val::I32(-3)], &[]), "(i32.const -3)");
    }
}
