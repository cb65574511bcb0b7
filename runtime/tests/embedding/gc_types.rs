//! Types of structs, arrays and functions that modules and the host declare: what the host may put where generated code relies
//! on a type.

use wrun_runtime::{
    AnyRef, ArrayRef, ArrayType, AsContextMut, Caller, ConcreteType, Config, Engine, EqRef, Error,
    ErrorKind, ExternRef, ExternType, FieldType, Func, FuncType, Global, GlobalType, HeapType, I31,
    Instance, Limits, Linker, Module, Ref, RefType, StorageType, Store, StructRef, StructType,
    SubType, Table, TableType, Tag, TagType, TypeMismatch, Val, ValType,
};

fn nullable(heap: HeapType) -> ValType {
    ValType::Ref(RefType { nullable: true, heap })
}

fn type_mismatch<T>(result: Result<T, Error>) -> TypeMismatch {
    let Err(error) = result else { panic!("a refusal") };
    let ErrorKind::Type(mismatch) = error.kind() else { panic!("a mismatch of types: {error}") };
    mismatch.clone()
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
    let swap = |any: Option<AnyRef>, eq: Option<EqRef>| (eq, any);
    linker.func_wrap("host", "swap", swap).unwrap();
    let strict = |mut caller: Caller<'_, ()>,
                  any: AnyRef,
                  number: I31,
                  structure: StructRef,
                  array: ArrayRef,
                  external: ExternRef,
                  func: Func| {
        AsContextMut::as_context_mut(&mut caller).gc();
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
fn what_is_below_a_type_with_a_descriptor_is_for_modules() {
    let features = "custom-descriptors".parse().unwrap();
    let engine = Engine::new(Config::new().features(features)).unwrap();
    let module = r#"(module
        (rec
            (type $object (sub (descriptor $info) (struct (field i32))))
            (type $info (sub (describes $object) (struct (field i32)))))
        (global (export "object") (ref null $object) (ref.null none))
        (global (export "info") (ref null $info) (ref.null none)))"#;
    let module = Module::new(&engine, module).unwrap();
    let mut store = Store::new(&engine, ());
    for export in module.exports() {
        let ExternType::Global(ty) = export.ty() else { panic!("a global") };
        let ValType::Ref(RefType { heap, .. }) = ty.content else { panic!("{ty}") };
        let declared = engine.resolve(heap.as_concrete().unwrap()).unwrap();
        let below =
            SubType { supertype: heap.as_concrete(), ..SubType::plain(declared.composite.clone()) };
        let error = engine.define_type(below).unwrap_err();
        assert!(error.to_string().ends_with("which has or is a descriptor"), "{error}");
        assert!(engine.define_type(declared).is_err());
        // An object without its descriptor is not made, and one that describes nothing yet is.
        let made = StructRef::new(&mut store, heap, &[Val::I32(1)]);
        assert_eq!(made.is_ok(), export.name() == "info");
        assert_eq!(StructRef::new_default(&mut store, heap).is_ok(), export.name() == "info");
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
