//! Types of structs, arrays and functions of several modules and of the host: which are the same, which fit where, and what
//! constant expressions make of them.

use wrun_runtime::{
    AnyRef, ArrayRef, ArrayType, ConcreteType, Config, Engine, Error, ErrorKind, ExternRef,
    ExternType, FieldType, Func, FuncType, Global, GlobalType, HeapType, I31, Instance, Limits,
    Linker, Module, Ref, RefType, StorageType, Store, StructRef, StructType, SubType, Table,
    TableType, Tag, TagType, TrapCode, TypeMismatch, Val, ValType,
};

fn nullable(heap: HeapType) -> ValType {
    ValType::Ref(RefType { nullable: true, heap })
}

fn type_mismatch<T>(result: Result<T, Error>) -> TypeMismatch {
    let Err(error) = result else { panic!("a refusal") };
    let ErrorKind::Type(mismatch) = error.kind() else { panic!("a mismatch of types: {error}") };
    mismatch.clone()
}

/// Instantiates the second module with the first one's exports.
fn link(exporter: &str, importer: &str) -> Result<(Store<()>, Instance), Error> {
    let engine = Engine::default();
    let mut store = Store::new(&engine, ());
    let mut linker = Linker::new(&engine);
    let instance = linker.instantiate(&mut store, &Module::new(&engine, exporter)?)?;
    linker.instance(&store, "m", instance)?;
    let instance = linker.instantiate(&mut store, &Module::new(&engine, importer)?)?;
    Ok((store, instance))
}

fn links(exporter: &str, importer: &str) -> bool {
    match link(exporter, importer) {
        Ok(_) => true,
        Err(error) => {
            assert!(matches!(error.kind(), ErrorKind::Link(_)), "{error}");
            false
        }
    }
}

const TREES: &str = r#"
    (rec
        (type $tree (sub (struct (field (ref null $forest)))))
        (type $forest (array (mut (ref null $tree)))))
"#;

#[test]
fn equal_groups_of_two_modules_are_the_same() {
    let exporter = format!(
        r#"(module {TREES}
            (global (export "g") (ref $tree) (struct.new $tree (ref.null none)))
            (table (export "t") 1 (ref null $forest))
            (func (export "f") (param (ref null $tree))))"#
    );
    let import = |types: &str| {
        format!(
            r#"(module (type (func)) {types}
                (import "m" "g" (global (ref $tree)))
                (import "m" "t" (table 1 (ref null $forest)))
                (import "m" "f" (func (param (ref null $tree)))))"#
        )
    };
    assert!(links(&exporter, &import(TREES)));
    let other_order = r#"
        (rec
            (type $forest (array (mut (ref null $tree))))
            (type $tree (sub (struct (field (ref null $forest))))))
    "#;
    let longer = TREES.replace(
        "(array (mut (ref null $tree)))))",
        "(array (mut (ref null $tree)))) (type (struct)))",
    );
    let last = TREES.replace("(sub (struct", "(sub final (struct");
    let immutable = TREES.replace("(array (mut (ref null $tree)))", "(array (ref null $tree))");
    for other in [other_order, &longer, &last, &immutable] {
        assert_ne!(other, TREES);
        let error = link(&exporter, &import(other)).unwrap_err();
        let ErrorKind::Link(error) = error.kind() else { panic!("{error}") };
        assert_eq!(error.problems.len(), 3, "{error}");
    }
}

#[test]
fn functions_may_be_of_a_subtype_and_globals_too() {
    let types = r#"
        (type $upper (sub (func)))
        (type $lower (sub $upper (func)))
        (type $final (func))
        (type $object (sub (struct)))
        (type $larger (sub $object (struct (field i32))))
    "#;
    let exporter = format!(
        r#"(module {types}
            (func (export "upper") (type $upper)) (func (export "lower") (type $lower))
            (func $f (type $lower)) (elem declare func $f)
            (global (export "func") (ref $lower) (ref.func $f))
            (global (export "object") (ref $larger) (struct.new $larger (i32.const 1)))
            (global (export "mutable") (mut (ref null $larger)) (ref.null none))
            (table (export "table") 1 (ref null $larger)))"#
    );
    let fits =
        |import: &str| links(&exporter, &format!(r#"(module {types} (import "m" {import}))"#));
    assert!(fits(r#""upper" (func (type $upper))"#) && fits(r#""lower" (func (type $lower))"#));
    assert!(fits(r#""lower" (func (type $upper))"#));
    assert!(!fits(r#""upper" (func (type $lower))"#));
    assert!(!fits(r#""upper" (func (type $final))"#));
    for ty in ["(ref $lower)", "(ref $upper)", "(ref func)", "funcref", "(ref null $upper)"] {
        assert!(fits(&format!(r#""func" (global {ty})"#)), "{ty}");
    }
    for ty in ["(ref $larger)", "(ref $object)", "(ref struct)", "structref", "eqref", "anyref"] {
        assert!(fits(&format!(r#""object" (global {ty})"#)), "{ty}");
    }
    for ty in ["(ref array)", "i31ref", "externref", "(ref none)", "(mut (ref $larger))"] {
        assert!(!fits(&format!(r#""object" (global {ty})"#)), "{ty}");
    }
    assert!(fits(r#""mutable" (global (mut (ref null $larger)))"#));
    for ty in ["(mut (ref null $object))", "(ref null $larger)", "(mut (ref $larger))"] {
        assert!(!fits(&format!(r#""mutable" (global {ty})"#)), "{ty}");
    }
    assert!(fits(r#""table" (table 1 (ref null $larger))"#));
    for ty in ["(ref null $object)", "(ref $larger)", "anyref"] {
        assert!(!fits(&format!(r#""table" (table 1 {ty})"#)), "{ty}");
    }
}

#[test]
fn types_of_the_host_are_those_of_modules() {
    let engine = Engine::default();
    let module = r#"(module
        (type $shape (sub (struct (field f64))))
        (type $square (sub final $shape (struct (field f64) (field (mut i8)))))
        (global (export "shape") (mut (ref null $shape)) (ref.null none))
        (global (export "square") (mut (ref null $square)) (ref.null none))
        (table (export "shapes") 2 (ref null $shape))
        (func (export "id") (param (ref null $shape)) (result (ref null $shape)) (local.get 0))
        (func (export "strict") (param (ref $square)) (result (ref null $shape)) (local.get 0)))"#;
    let module = Module::new(&engine, module).unwrap();
    let number = FieldType { storage: StorageType::Val(ValType::F64), mutable: false };
    let byte = FieldType { storage: StorageType::I8, mutable: true };
    let shape =
        SubType { is_final: false, ..SubType::plain(StructType { fields: [number].into() }) };
    let shape = engine.define_type(shape).unwrap();
    let square = SubType {
        supertype: shape.as_concrete(),
        ..SubType::plain(StructType { fields: [number, byte].into() })
    };
    let square_type = square.clone();
    let square = engine.define_type(square).unwrap();
    let Some(ExternType::Global(ty)) = module.get_export("square") else { panic!("a global") };
    assert_eq!(ty.content, nullable(square));
    assert_eq!(engine.resolve(square.as_concrete().unwrap()), Some(square_type));

    let mut store = Store::new(&engine, ());
    let instance = Instance::new(&mut store, &module, &[]).unwrap();
    let a_square = [Val::F64(2_f64.to_bits()), Val::I32(1)];
    let a_square = StructRef::new(&mut store, square, &a_square).unwrap();
    let a_shape = StructRef::new(&mut store, shape, &[Val::F64(0)]).unwrap();
    // Globals and tables take what is of their type, and of its subtypes.
    let global = |name: &str| instance.get_global(&store, name).unwrap();
    let [shapes_global, squares_global] = ["shape", "square"].map(global);
    shapes_global.set(&mut store, a_square.into()).unwrap();
    shapes_global.set(&mut store, a_shape.into()).unwrap();
    squares_global.set(&mut store, a_square.into()).unwrap();
    let mismatch = type_mismatch(squares_global.set(&mut store, a_shape.into()));
    assert_eq!(mismatch.what, "the value of a global");
    let table = instance.get_table(&store, "shapes").unwrap();
    table.set(&mut store, 1, Ref::Any(Some(a_square.into()))).unwrap();
    let number = AnyRef::from_i31(&mut store, I31::wrapping_i32(1));
    type_mismatch(table.set(&mut store, 1, Ref::Any(Some(number))));
    type_mismatch(table.set(&mut store, 1, Ref::Extern(None)));
    let Some(Ref::Any(Some(found))) = table.get(&mut store, 1) else { panic!("an object") };
    assert!(found.matches_ty(&store, square));
    assert!(matches!(table.get(&mut store, 0), Some(Ref::Any(None))));

    // Functions do, dynamically called and typed.
    let id = instance.get_func(&store, "id").unwrap();
    let strict = instance.get_func(&store, "strict").unwrap();
    let mut results = [Val::AnyRef(None)];
    for argument in [a_square, a_shape] {
        id.call(&mut store, &[argument.into()], &mut results).unwrap();
        let found = results[0].unwrap_any_ref().unwrap();
        assert_eq!(found.ty(&store), argument.ty(&store));
    }
    strict.call(&mut store, &[a_square.into()], &mut results).unwrap();
    for wrong in [a_shape.into(), Val::AnyRef(None), number.into()] {
        let mismatch = type_mismatch(strict.call(&mut store, &[wrong], &mut results));
        assert_eq!(mismatch.what, "argument 0");
    }
    let typed = strict.typed::<StructRef, Option<StructRef>>(&store).unwrap();
    let found = typed.call(&mut store, a_square).unwrap().unwrap();
    assert_eq!(found.field(&mut store, 0).unwrap().f64(), Some(2.0));
    assert_eq!(type_mismatch(typed.call(&mut store, a_shape)).what, "argument 0");
    let typed = strict.typed::<Option<AnyRef>, Option<AnyRef>>(&store).unwrap();
    assert!(typed.call(&mut store, Some(a_square.into())).unwrap().is_some());
    type_mismatch(typed.call(&mut store, None));
    type_mismatch(typed.call(&mut store, Some(number)));
    // What cannot be is refused at once.
    type_mismatch(strict.typed::<ArrayRef, Option<StructRef>>(&store));
    type_mismatch(strict.typed::<ExternRef, Option<StructRef>>(&store));
    type_mismatch(strict.typed::<StructRef, StructRef>(&store));
    type_mismatch(strict.typed::<StructRef, Option<ArrayRef>>(&store));
    type_mismatch(strict.typed::<(), Option<StructRef>>(&store));
    type_mismatch(strict.typed::<StructRef, ()>(&store));
}

#[test]
fn every_type_of_references_goes_through_registers() {
    let engine = Engine::default();
    let module = r#"(module
        (import "host" "swap" (func $swap (param anyref eqref) (result eqref anyref)))
        (import "host" "strict" (func $strict
            (param (ref any) (ref i31) (ref struct) (ref array) (ref extern) (ref func))
            (result (ref func) (ref extern) (ref array) (ref struct) (ref i31) (ref any))))
        (func (export "swap") (param eqref eqref) (result anyref anyref)
            (call $swap (local.get 0) (local.get 1)))
        (func (export "strict")
            (param (ref any) (ref i31) (ref struct) (ref array) (ref extern) (ref func))
            (result funcref externref arrayref structref i31ref anyref)
            (call $strict (local.get 0) (local.get 1) (local.get 2) (local.get 3) (local.get 4)
                (local.get 5)))
        (func (export "null") (param i31ref) (result i31ref) (local.get 0)))"#;
    let module = Module::new(&engine, module).unwrap();
    let byte = FieldType { storage: StorageType::I8, mutable: true };
    let structure = engine.define_type(StructType { fields: [byte].into() }).unwrap();
    let array = engine.define_type(ArrayType { element: byte }).unwrap();
    let mut linker = Linker::new(&engine);
    let swap = |any: Option<AnyRef>, eq: Option<wrun_runtime::EqRef>| (eq, any);
    linker.func_wrap("host", "swap", swap).unwrap();
    let strict = |mut caller: wrun_runtime::Caller<'_, ()>,
                  any: AnyRef,
                  number: I31,
                  structure: StructRef,
                  array: ArrayRef,
                  external: ExternRef,
                  func: Func| {
        wrun_runtime::AsContextMut::as_context_mut(&mut caller).gc();
        (func, external, array, structure, number, any)
    };
    linker.func_wrap("host", "strict", strict).unwrap();
    let mut store = Store::new(&engine, ());
    let instance = linker.instantiate(&mut store, &module).unwrap();
    let a_struct = StructRef::new(&mut store, structure, &[Val::I32(1)]).unwrap();
    let an_array = ArrayRef::new(&mut store, array, Val::I32(2), 3).unwrap();
    let swap = instance
        .get_typed_func::<(Option<StructRef>, Option<ArrayRef>), (Option<AnyRef>, Option<AnyRef>)>(
            &store, "swap",
        )
        .unwrap();
    let (first, second) = swap.call(&mut store, (Some(a_struct), Some(an_array))).unwrap();
    assert!(first.unwrap().as_array(&store).is_some());
    assert!(second.unwrap().as_struct(&store).is_some());
    assert!(matches!(swap.call(&mut store, (None, None)), Ok((None, None))));
    type Strict = (AnyRef, I31, StructRef, ArrayRef, ExternRef, Func);
    type Results = (
        Option<Func>,
        Option<ExternRef>,
        Option<ArrayRef>,
        Option<StructRef>,
        Option<I31>,
        Option<AnyRef>,
    );
    let strict = instance.get_typed_func::<Strict, Results>(&store, "strict").unwrap();
    let external = ExternRef::new(&mut store, "outside").unwrap();
    let number = I31::wrapping_i32(-9);
    let arguments = (an_array.into(), number, a_struct, an_array, external, strict.func());
    let (func, external, array, structure, found, any) =
        strict.call(&mut store, arguments).unwrap();
    assert_eq!(func, Some(strict.func()));
    let data = external.unwrap().data(&store).unwrap();
    assert_eq!(data.downcast_ref(), Some(&"outside"));
    assert_eq!(array.unwrap().len(&store), 3);
    assert_eq!(structure.unwrap().field(&mut store, 0).unwrap().i32(), Some(1));
    assert_eq!(found, Some(number));
    assert!(any.unwrap().as_array(&store).is_some());
    let null = instance.get_typed_func::<Option<I31>, Option<I31>>(&store, "null").unwrap();
    assert_eq!(null.call(&mut store, None).unwrap(), None);
    let zero = I31::wrapping_i32(0);
    assert_eq!(null.call(&mut store, Some(zero)).unwrap(), Some(zero), "which is not null");
}

const CONSTANTS: &str = r#"(module
    (type $point (struct (field i32) (field (mut f64))))
    (type $pair (struct (field anyref) (field (ref $point))))
    (type $bytes (array (mut i8)))
    (type $pairs (array (ref null $pair)))
    (import "host" "value" (global $host externref))
    (global (export "i31") (ref i31) (ref.i31 (i32.add (i32.const -8) (i32.const 1))))
    (global $point (export "point") (ref $point) (struct.new $point (i32.const 3) (f64.const 0.5)))
    (global (export "default") (ref $point) (struct.new_default $point))
    (global (export "pair") (ref null $pair)
        (struct.new $pair
            (array.new_fixed $pairs 2
                (struct.new $pair (ref.i31 (i32.const 1)) (struct.new_default $point))
                (ref.null $pair))
            (global.get $point)))
    (global (export "bytes") (ref $bytes) (array.new $bytes (i32.const 0x101) (i32.const 3)))
    (global (export "zeros") (ref $bytes) (array.new_default $bytes (i32.const 1000)))
    (global (export "inside") anyref (any.convert_extern (global.get $host)))
    (global (export "outside") externref (extern.convert_any (global.get $point)))
    (table (export "table") 3 (ref $point) (struct.new $point (i32.const 9) (f64.const 1)))
    (table $any (export "segment") 4 anyref)
    (elem (table $any) (i32.const 1) anyref
        (item (struct.new_default $point))
        (item (ref.i31 (i32.const 5)))
        (item (array.new_fixed $bytes 2 (i32.const 1) (i32.const 2)))))"#;

#[test]
fn constant_expressions_make_objects() {
    for stress in [false, true] {
        let engine = Engine::new(Config::new().gc_stress(stress)).unwrap();
        let module = Module::new(&engine, CONSTANTS).unwrap();
        let mut store = Store::new(&engine, ());
        let host = ExternRef::new(&mut store, "host").unwrap();
        let ty = GlobalType { content: ValType::EXTERNREF, mutable: false };
        let host = Global::new(&mut store, ty, host.into()).unwrap();
        let instance = Instance::new(&mut store, &module, &[host.into()]).unwrap();
        store.gc();
        let global = |store: &mut Store<()>, name: &str| {
            instance.get_global(&*store, name).unwrap().get(store).unwrap_any_ref().unwrap()
        };
        assert_eq!(global(&mut store, "i31").as_i31(&store), I31::new_i32(-7));
        let structure = |store: &mut Store<()>, name: &str| {
            global(store, name).as_struct(&*store).unwrap().fields(store)
        };
        let point = structure(&mut store, "point");
        assert_eq!((point[0].i32(), point[1].f64()), (Some(3), Some(0.5)));
        let default = structure(&mut store, "default");
        assert_eq!((default[0].i32(), default[1].f64()), (Some(0), Some(0.0)));
        let pair = structure(&mut store, "pair");
        let point = global(&mut store, "point");
        assert!(wrun_runtime::GcRef::ref_eq(&store, pair[1].unwrap_any_ref().unwrap(), point));
        let pairs = pair[0].unwrap_any_ref().unwrap().as_array(&store).unwrap();
        let inner = pairs.get(&mut store, 0).unwrap().unwrap_any_ref().unwrap();
        let inner = inner.as_struct(&store).unwrap().field(&mut store, 0).unwrap();
        assert_eq!(inner.unwrap_any_ref().unwrap().as_i31(&store), I31::new_i32(1));
        assert!(matches!(pairs.get(&mut store, 1), Some(Val::AnyRef(None))));
        let bytes = global(&mut store, "bytes").as_array(&store).unwrap();
        let found: Vec<_> = bytes.elements(&mut store).iter().map(Val::unwrap_i32).collect();
        assert_eq!(found, [1, 1, 1]);
        let zeros = global(&mut store, "zeros").as_array(&store).unwrap();
        assert_eq!(zeros.len(&store), 1000);
        assert!(zeros.elements(&mut store).iter().all(|element| element.i32() == Some(0)));
        let inside = ExternRef::convert_any(global(&mut store, "inside"));
        let data = inside.data(&store).unwrap();
        assert_eq!(data.downcast_ref(), Some(&"host"));
        let outside = instance.get_global(&store, "outside").unwrap().get(&mut store);
        let outside = AnyRef::convert_extern(outside.unwrap_extern_ref().unwrap());
        assert!(wrun_runtime::GcRef::ref_eq(&store, outside, point));

        let element = |store: &mut Store<()>, name: &str, index| {
            let table = instance.get_table(&*store, name).unwrap();
            match table.get(store, index) {
                Some(Ref::Any(any)) => any,
                other => panic!("{other:?}"),
            }
        };
        let first = element(&mut store, "table", 0).unwrap();
        let last = element(&mut store, "table", 2).unwrap();
        assert!(wrun_runtime::GcRef::ref_eq(&store, first, last), "evaluated once");
        assert!(element(&mut store, "segment", 0).is_none());
        assert!(element(&mut store, "segment", 1).unwrap().as_struct(&store).is_some());
        assert_eq!(element(&mut store, "segment", 2).unwrap().as_i31(&store), I31::new_i32(5));
        assert_eq!(
            element(&mut store, "segment", 3).unwrap().as_array(&store).unwrap().len(&store),
            2
        );
    }
}

#[test]
fn a_constant_that_has_no_room_is_a_trap() {
    let engine = Engine::default();
    let module = r#"(module
        (type $a (array i64))
        (global (ref $a) (array.new_default $a (i32.const -1))))"#;
    let module = Module::new(&engine, module).unwrap();
    let mut store = Store::new(&engine, ());
    let error = Instance::new(&mut store, &module, &[]).unwrap_err();
    assert_eq!(error.trap().unwrap().code(), TrapCode::HeapExhausted);
}

#[test]
fn names_that_are_no_types_are_refused_where_the_host_gives_them() {
    let engine = Engine::default();
    let mut store = Store::new(&engine, ());
    let func = engine.define_type(FuncType::new([], [])).unwrap();
    let wrong_kind = HeapType::ConcreteStruct(func.as_concrete().unwrap());
    let unknown = HeapType::ConcreteStruct(ConcreteType::Engine(8_000));
    for heap in [wrong_kind, unknown] {
        let ty = nullable(heap);
        let content = GlobalType { content: ty, mutable: true };
        let is_usage = |error: Error| matches!(error.kind(), ErrorKind::Usage(_));
        assert!(is_usage(Global::new(&mut store, content, Val::AnyRef(None)).unwrap_err()));
        let limits = Limits { min: 0, max: None };
        let table = TableType::new(RefType { nullable: true, heap }, limits);
        assert!(is_usage(Table::new(&mut store, table, Ref::Any(None)).unwrap_err()));
        let ty = FuncType::new([ty], []);
        assert!(is_usage(Func::new(&mut store, ty.clone(), |_, _, _| Ok(())).unwrap_err()));
        let mut linker = Linker::<()>::new(&engine);
        let refused = linker.func_new("m", "f", ty.clone(), |_, _, _| Ok(())).err();
        assert!(refused.is_some_and(is_usage));
        assert!(is_usage(Tag::new(&mut store, &TagType { func: ty }).unwrap_err()));
    }
}

#[test]
fn a_function_has_the_type_it_was_declared_with() {
    let (mut store, instance) = crate::instantiate(
        r#"(module
            (type $upper (sub (func (result anyref))))
            (type $lower (sub final $upper (func (result i31ref))))
            (func (export "f") (type $lower) (ref.null i31)))"#,
    );
    let engine = store.engine().clone();
    let upper = SubType { is_final: false, ..SubType::plain(FuncType::new([], [ValType::ANYREF])) };
    let upper = engine.define_type(upper).unwrap();
    let func = instance.get_func(&store, "f").unwrap();
    assert_ne!(func.heap_type(&store), upper);
    assert!(engine.heap_type_matches(func.heap_type(&store), upper));
    let content = ValType::Ref(RefType { nullable: false, heap: upper });
    let ty = GlobalType { content, mutable: true };
    let global = Global::new(&mut store, ty, func.into()).unwrap();
    let other = Func::wrap(&mut store, || None::<AnyRef>);
    type_mismatch(global.set(&mut store, other.into()));
    type_mismatch(global.set(&mut store, Val::FuncRef(None)));
    // Its result is of a type that matches.
    let typed = func.typed::<(), Option<AnyRef>>(&store).unwrap();
    assert!(typed.call(&mut store, ()).unwrap().is_none());
}
