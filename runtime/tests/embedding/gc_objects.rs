//! Structs, arrays and integers of 31 bits as the host makes and sees them. Every test runs twice, once with a collection at every
//! allocation.

use wrun_runtime::{
    AnyRef, ArrayRef, ArrayType, Config, Engine, EqRef, Error, ErrorKind, ExternRef, FieldType,
    Func, FuncType, GcRef, HeapType, I31, OwnedRef, RefType, RootScope, StorageType, Store,
    StructRef, StructType, SubType, TrapCode, Val, ValType,
};

/// Calls `test` with an engine as it is by default, and with one that collects all the time.
fn with_engines(test: impl Fn(&Engine)) {
    for stress in [false, true] {
        test(&Engine::new(Config::new().gc_stress(stress)).unwrap());
    }
}

fn field(ty: ValType, mutable: bool) -> FieldType {
    FieldType { storage: StorageType::Val(ty), mutable }
}

fn packed(storage: StorageType) -> FieldType {
    FieldType { storage, mutable: true }
}

fn structure(engine: &Engine, fields: &[FieldType]) -> HeapType {
    engine.define_type(StructType { fields: fields.into() }).unwrap()
}

fn array(engine: &Engine, element: FieldType) -> HeapType {
    engine.define_type(ArrayType { element }).unwrap()
}

fn non_null(heap: HeapType) -> ValType {
    ValType::Ref(RefType { nullable: false, heap })
}

fn refusal<T>(result: Result<T, Error>) -> String {
    let Err(error) = result else { panic!("a refusal") };
    assert!(matches!(error.kind(), ErrorKind::Type(_) | ErrorKind::Usage(_)), "{error}");
    error.to_string()
}

fn is_same(store: &Store<()>, found: Val, expected: impl Into<AnyRef>) -> bool {
    AnyRef::ref_eq(store, found.unwrap_any_ref().unwrap(), expected.into())
}

#[test]
fn fields_hold_values_of_every_type() {
    with_engines(|engine| {
        let fields = [
            field(ValType::I32, true),
            packed(StorageType::I8),
            packed(StorageType::I16),
            field(ValType::I64, true),
            field(ValType::F32, true),
            field(ValType::F64, true),
            field(ValType::V128, true),
            field(ValType::FUNCREF, true),
            field(ValType::EXTERNREF, true),
            field(ValType::ANYREF, true),
        ];
        let ty = structure(engine, &fields);
        let mut store = Store::new(engine, ());
        let func = Func::wrap(&mut store, || 7);
        let external = ExternRef::new(&mut store, "external").unwrap();
        let other = StructRef::new_default(&mut store, ty).unwrap();
        let values = [
            Val::I32(-1),
            Val::I32(0x1234),
            Val::I32(-2),
            Val::I64(i64::MIN),
            Val::F32(0x7fa0_0001),
            Val::F64(1),
            Val::V128((u128::MAX - 5).into()),
            func.into(),
            external.into(),
            other.into(),
        ];
        let made = StructRef::new(&mut store, ty, &values).unwrap();
        store.gc();
        for object in [made, other] {
            if object.field(&mut store, 0).unwrap().unwrap_i32() == 0 {
                for (index, &value) in values.iter().enumerate() {
                    object.set_field(&mut store, index, value).unwrap();
                }
            }
            let found = object.fields(&mut store);
            assert_eq!(found[0].i32(), Some(-1));
            assert_eq!(found[1].i32(), Some(0x34), "as `get_u` gives it");
            assert_eq!(found[2].i32(), Some(0xfffe));
            assert_eq!(found[3].i64(), Some(i64::MIN));
            assert!(matches!(found[4], Val::F32(0x7fa0_0001)) && matches!(found[5], Val::F64(1)));
            assert_eq!(found[6].v128().map(u128::from), Some(u128::MAX - 5));
            let got = found[7].func_ref().unwrap().unwrap();
            assert_eq!(got.typed::<(), i32>(&store).unwrap().call(&mut store, ()).unwrap(), 7);
            let data = found[8].unwrap_extern_ref().unwrap().data(&store).unwrap();
            assert_eq!(data.downcast_ref(), Some(&"external"));
            assert!(is_same(&store, found[9], other));
        }
    });
}

#[test]
fn a_struct_is_as_its_type_says_or_not_made() {
    with_engines(|engine| {
        let fields = [field(ValType::I32, false), field(ValType::STRUCTREF, true)];
        let ty = structure(engine, &fields);
        let mut store = Store::new(engine, ());
        let number = AnyRef::from_i31(&mut store, I31::wrapping_i32(3));
        let null = Val::AnyRef(None);
        let text = refusal(StructRef::new(&mut store, ty, &[null]));
        assert_eq!(text, "type mismatch of the number of fields: expected 2, found 1");
        let text = refusal(StructRef::new(&mut store, ty, &[Val::I64(0), null]));
        assert_eq!(text, "type mismatch of field 0: expected i32, found i64");
        for wrong in [number.into(), Val::FuncRef(None), Val::ExternRef(None), Val::I32(0)] {
            refusal(StructRef::new(&mut store, ty, &[Val::I32(0), wrong]));
        }
        let made = StructRef::new(&mut store, ty, &[Val::I32(5), null]).unwrap();
        let text = refusal(made.set_field(&mut store, 0, Val::I32(6)));
        assert!(text.starts_with("field 0 of (struct (field i32)") && text.ends_with("immutable"));
        refusal(made.set_field(&mut store, 1, number.into()));
        refusal(made.set_field(&mut store, 2, null));
        refusal(made.field(&mut store, 2));
        refusal(made.field(&mut store, usize::MAX));
        assert_eq!(made.field(&mut store, 0).unwrap().i32(), Some(5));
        made.set_field(&mut store, 1, made.into()).unwrap();
        let found = made.fields(&mut store)[1];
        assert!(is_same(&store, found, made));

        let text = refusal(StructRef::new_default(&mut store, array(engine, fields[0])));
        assert!(text.contains("expected a struct type"), "{text}");
        let func = engine.define_type(FuncType::new([], [])).unwrap();
        for no_struct in [HeapType::Struct, HeapType::Any, HeapType::None, func] {
            refusal(StructRef::new(&mut store, no_struct, &[]));
            refusal(ArrayRef::new_default(&mut store, no_struct, 0));
        }
        let strict = structure(engine, &[field(non_null(HeapType::Any), true)]);
        let text = refusal(StructRef::new_default(&mut store, strict));
        assert!(text.contains("has no default value"), "{text}");
        refusal(StructRef::new(&mut store, strict, &[null]));
        assert!(StructRef::new(&mut store, strict, &[number.into()]).is_ok());
    });
}

#[test]
fn arrays_hold_what_their_type_says() {
    with_engines(|engine| {
        let mut store = Store::new(engine, ());
        let bytes = array(engine, packed(StorageType::I8));
        let made = ArrayRef::new(&mut store, bytes, Val::I32(0x1ff), 5).unwrap();
        assert_eq!(made.len(&store), 5);
        assert_eq!(made.get(&mut store, 4).unwrap().i32(), Some(255));
        assert!(made.get(&mut store, 5).is_none() && made.get(&mut store, u32::MAX).is_none());
        made.fill(&mut store, 1, Val::I32(2), 3).unwrap();
        made.set(&mut store, 0, Val::I32(1)).unwrap();
        let numbers = |store: &mut Store<()>, array: ArrayRef| -> Vec<i32> {
            array.elements(store).iter().map(Val::unwrap_i32).collect()
        };
        assert_eq!(numbers(&mut store, made), [1, 2, 2, 2, 255]);
        for (start, len) in [(5, 1), (0, 6), (6, 0), (u32::MAX, 2), (2, u32::MAX)] {
            refusal(made.fill(&mut store, start, Val::I32(0), len));
        }
        made.fill(&mut store, 5, Val::I32(0), 0).unwrap();
        refusal(made.set(&mut store, 0, Val::I64(0)));
        assert_eq!(numbers(&mut store, made), [1, 2, 2, 2, 255]);

        let references = array(engine, field(ValType::EQREF, true));
        let inner = [Val::from(made), Val::AnyRef(None)];
        let outer = ArrayRef::new_fixed(&mut store, references, &inner).unwrap();
        store.gc();
        let found = outer.get(&mut store, 0).unwrap();
        assert!(is_same(&store, found, made));
        let hosts = AnyRef::convert_extern(ExternRef::new(&mut store, ()).unwrap());
        refusal(outer.set(&mut store, 1, hosts.into()));
        refusal(ArrayRef::new_fixed(&mut store, references, &[inner[0], hosts.into()]));
        assert!(
            ArrayRef::new_default(&mut store, references, 0)
                .unwrap()
                .elements(&mut store)
                .is_empty()
        );

        let fixed = array(engine, field(ValType::I32, false));
        let fixed = ArrayRef::new(&mut store, fixed, Val::I32(4), 1).unwrap();
        assert!(refusal(fixed.set(&mut store, 0, Val::I32(5))).ends_with("are immutable"));
        refusal(fixed.copy(&mut store, 0, fixed, 0, 1));
        let strict = array(engine, field(non_null(HeapType::I31), true));
        refusal(ArrayRef::new_default(&mut store, strict, 1));
        refusal(ArrayRef::new(&mut store, structure(engine, &[]), Val::I32(0), 1));
    });
}

#[test]
fn elements_are_copied_as_if_all_at_once() {
    with_engines(|engine| {
        let mut store = Store::new(engine, ());
        let numbers = array(engine, field(ValType::I32, true));
        let ascending: Vec<Val> = (0..10_000).map(Val::I32).collect();
        for (dst, src) in [(3, 0), (0, 3), (5, 5)] {
            let it = ArrayRef::new_fixed(&mut store, numbers, &ascending).unwrap();
            it.copy(&mut store, dst, it, src, 9_990).unwrap();
            for index in [0, 1, 4_999, 9_989] {
                let found = it.get(&mut store, dst + index).unwrap();
                assert_eq!(found.i32(), Some((src + index) as i32));
            }
            refusal(it.copy(&mut store, 1, it, 0, 10_000));
            refusal(it.copy(&mut store, 0, it, 1, 10_000));
        }
        let any = array(engine, field(ValType::ANYREF, true));
        let i31 = array(engine, field(ValType::I31REF, true));
        let number = AnyRef::from_i31(&mut store, I31::wrapping_i32(9));
        let any = ArrayRef::new_default(&mut store, any, 2).unwrap();
        let i31 = ArrayRef::new(&mut store, i31, number.into(), 2).unwrap();
        any.copy(&mut store, 1, i31, 0, 1).unwrap();
        let found = any.get(&mut store, 1).unwrap().unwrap_any_ref().unwrap();
        assert_eq!(found.as_i31(&store), I31::new_i32(9));
        let text = refusal(i31.copy(&mut store, 0, any, 0, 1));
        assert!(text.contains("expected i31ref, found anyref"), "{text}");
    });
}

#[test]
fn references_are_cast_by_what_they_refer_to() {
    with_engines(|engine| {
        let mut store = Store::new(engine, ());
        let open = |supertype: Option<HeapType>, fields: &[FieldType]| SubType {
            is_final: false,
            supertype: supertype.and_then(HeapType::as_concrete),
            ..SubType::plain(StructType { fields: fields.into() })
        };
        let upper = engine.define_type(open(None, &[])).unwrap();
        let lower = open(Some(upper), &[field(ValType::I32, true)]);
        let lower = engine.define_type(lower).unwrap();
        let other = engine.define_type(open(None, &[packed(StorageType::I8)])).unwrap();
        let list = array(engine, packed(StorageType::I8));
        let all: [AnyRef; 5] = [
            StructRef::new_default(&mut store, upper).unwrap().into(),
            StructRef::new_default(&mut store, lower).unwrap().into(),
            ArrayRef::new_default(&mut store, list, 1).unwrap().into(),
            AnyRef::from_i31(&mut store, I31::wrapping_i32(-4)),
            AnyRef::convert_extern(ExternRef::new(&mut store, 5).unwrap()),
        ];
        let table = [
            (HeapType::Any, [true, true, true, true, true]),
            (HeapType::Eq, [true, true, true, true, false]),
            (HeapType::Struct, [true, true, false, false, false]),
            (upper, [true, true, false, false, false]),
            (lower, [false, true, false, false, false]),
            (other, [false; 5]),
            (HeapType::Array, [false, false, true, false, false]),
            (list, [false, false, true, false, false]),
            (HeapType::I31, [false, false, false, true, false]),
            (HeapType::None, [false; 5]),
            (HeapType::Extern, [false; 5]),
            (HeapType::Func, [false; 5]),
        ];
        for (ty, expected) in table {
            assert_eq!(all.map(|any| any.matches_ty(&store, ty)), expected, "{ty}");
        }
        assert_eq!(all.map(|any| any.as_eq(&store).is_some()), [true, true, true, true, false]);
        assert_eq!(all.map(|any| any.as_struct(&store).is_some()), table[2].1);
        assert_eq!(all.map(|any| any.as_array(&store).is_some()), table[6].1);
        assert_eq!(all.map(|any| any.as_i31(&store).map(I31::get_i32))[3], Some(-4));
        let eq: EqRef = all[1].as_eq(&store).unwrap();
        assert!(
            eq.as_struct(&store).unwrap().matches_ty(&store, lower) && eq.as_i31(&store).is_none()
        );
        // There and back through the other hierarchy it is the same.
        for any in all {
            let external = ExternRef::convert_any(any);
            assert!(AnyRef::ref_eq(&store, AnyRef::convert_extern(external), any));
            assert_eq!(external.data(&store).is_some(), any.ty(&store) == HeapType::Any);
        }
    });
}

#[test]
fn a_heap_that_is_full_is_an_error_and_stays_usable() {
    for stress in [false, true] {
        let mut config = Config::new();
        config.gc_stress(stress).max_gc_heap(4 << 20);
        let engine = Engine::new(&config).unwrap();
        let mut store = Store::new(&engine, ());
        let bytes = array(&engine, packed(StorageType::I8));
        let vectors = array(&engine, field(ValType::V128, true));
        for (ty, len) in [(bytes, 3 << 20), (bytes, u32::MAX), (vectors, u32::MAX)] {
            let error = ArrayRef::new_default(&mut store, ty, len).unwrap_err();
            assert_eq!(error.trap().map(|trap| trap.code()), Some(TrapCode::HeapExhausted));
        }
        let small = ArrayRef::new(&mut store, bytes, Val::I32(1), 1 << 10).unwrap();
        assert_eq!(small.get(&mut store, 1023).unwrap().i32(), Some(1));
    }
}

#[test]
fn a_graph_of_a_million_nodes_survives() {
    let engine = Engine::default();
    let next = HeapType::ConcreteStruct(wrun_runtime::ConcreteType::Recursive(0));
    let next = ValType::Ref(RefType { nullable: true, heap: next });
    let fields = [field(ValType::I32, false), field(next, true), field(ValType::ANYREF, true)];
    let node = structure(&engine, &fields);
    let mut store = Store::new(&engine, ());
    let mut last: Option<OwnedRef<StructRef>> = None;
    let count = 1_000_000;
    for start in (0..count).step_by(1_000) {
        let mut scope = RootScope::new(&mut store);
        let mut node_before = last.as_ref().map(|last| last.get(&mut scope));
        for number in start..start + 1_000 {
            let values = [Val::I32(number), node_before.into(), node_before.into()];
            let made = StructRef::new(&mut scope, node, &values).unwrap();
            node_before = Some(made);
        }
        last = node_before.map(|node| node.to_owned_ref(&mut scope));
    }
    // A cycle.
    let last = last.unwrap();
    let first = last.get(&mut store);
    first.set_field(&mut store, 2, first.into()).unwrap();
    for _ in 0..3 {
        store.gc();
    }
    assert!(store.gc_heap_size() >= count as u64 * 16);
    let mut number = count;
    let mut node = Some(last.clone());
    while let Some(owned) = node {
        let mut scope = RootScope::new(&mut store);
        let mut here = Some(owned.get(&mut scope));
        for _ in 0..1_000 {
            let Some(object) = here else { break };
            number -= 1;
            assert_eq!(object.field(&mut scope, 0).unwrap().i32(), Some(number));
            let next = object.field(&mut scope, 1).unwrap().unwrap_any_ref();
            here = next.and_then(|any| any.as_struct(&scope));
        }
        node = here.map(|object| object.to_owned_ref(&mut scope));
    }
    assert_eq!(number, 0);
    drop(last);
    first.set_field(&mut store, 1, Val::AnyRef(None)).unwrap();
    store.gc();
    assert!(store.gc_heap_size() < 1_000, "only the first is left: {}", store.gc_heap_size());
}
