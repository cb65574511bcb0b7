//! Which types of several modules are the same, and which fit where: modules with modules, and modules with functions of the
//! host.

use wrun_runtime::{
    AnyRef, Caller, ConcreteType, Engine, Error, ErrorKind, ExternRef, ExternType, Func, FuncType,
    HeapType, I31, Instance, Linker, Module, RefType, Store, SubType, TypeMismatch, Val, ValType,
};

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

/// Its function type is declared together with what it takes, as compilers do for all types of a program.
const IMPORTER: &str = r#"(module
    (rec
        (type $log (sub (func (param (ref null $entry)) (result i32))))
        (type $entry (struct (field i32) (field (ref null $log)))))
    (import "host" "log" (func $log (type $log)))
    (import "host" "plain" (func $plain (param i32) (result i32)))
    (elem declare func $log)
    (func (export "run") (param i32) (result i32)
        (call $log (struct.new $entry (call $plain (local.get 0)) (ref.func $log)))))"#;

#[test]
fn host_functions_may_be_of_a_type_that_a_module_declares() {
    let engine = Engine::default();
    let module = Module::new(&engine, IMPORTER).unwrap();
    let log = module.imports().next().unwrap().func_type().unwrap();
    let mut linker = Linker::<u32>::new(&engine);
    let closure = |mut caller: Caller<'_, u32>, arguments: &[Val], results: &mut [Val]| {
        let entry = arguments[0].unwrap_any_ref().unwrap().as_struct(&caller).unwrap();
        let number = entry.field(&mut caller, 0)?.unwrap_i32();
        assert!(entry.field(&mut caller, 1)?.unwrap_func_ref().is_some());
        *caller.data_mut() += 1;
        results[0] = Val::I32(2 * number);
        Ok(())
    };
    linker.func_of_type("host", "log", log, closure).unwrap();
    linker.func_wrap("host", "plain", |number: i32| number + 1).unwrap();
    let mut store = Store::new(&engine, 0);
    let instance = linker.instantiate(&mut store, &module).unwrap();
    let run = instance.get_typed_func::<i32, i32>(&store, "run").unwrap();
    assert_eq!(run.call(&mut store, 20).unwrap(), 42);
    assert_eq!(*store.data(), 1);
    let func = Func::of_type(&mut store, log, closure).unwrap();
    assert_eq!(func.heap_type(&store), log);
    let plain = linker.get(&mut store, "host", "plain").unwrap();
    assert!(Instance::new(&mut store, &module, &[func.into(), plain]).is_ok());

    // The same parameters and results in a group of their own are another type.
    let resolved = engine.resolve(log.as_concrete().unwrap()).unwrap();
    let structure = resolved.composite.as_func().unwrap().clone();
    linker.allow_shadowing(true).func_new("host", "log", structure, closure).unwrap();
    let error = linker.instantiate(&mut store, &module).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Link(_)));
    let why = ", which are declared with different supertypes or in different recursion groups";
    assert!(error.to_string().ends_with(why), "{error}");
    for no_func in
        [HeapType::Func, HeapType::Struct, HeapType::ConcreteFunc(ConcreteType::Engine(1))]
    {
        assert!(Func::of_type(&mut store, no_func, closure).is_err());
        assert!(linker.func_of_type("host", "f", no_func, closure).is_err());
    }
}

#[test]
fn a_host_function_may_be_of_a_subtype() {
    let engine = Engine::default();
    let upper = SubType { is_final: false, ..SubType::plain(FuncType::new([], [ValType::ANYREF])) };
    let upper = engine.define_type(upper).unwrap();
    let lower = SubType {
        supertype: upper.as_concrete(),
        ..SubType::plain(FuncType::new([], [ValType::I31REF]))
    };
    let lower = engine.define_type(lower).unwrap();
    let module = r#"(module
        (type $upper (sub (func (result anyref))))
        (import "host" "f" (func $f (type $upper)))
        (func (export "f") (result i32) (i31.get_s (ref.cast (ref i31) (call $f)))))"#;
    let module = Module::new(&engine, module).unwrap();
    let mut store = Store::new(&engine, ());
    let seven = |mut caller: Caller<'_, ()>, _: &[Val], results: &mut [Val]| {
        let number = I31::wrapping_i32(7);
        results[0] = AnyRef::from_i31(&mut caller, number).into();
        Ok(())
    };
    for ty in [upper, lower] {
        let func = Func::of_type(&mut store, ty, seven).unwrap();
        let instance = Instance::new(&mut store, &module, &[func.into()]).unwrap();
        let f = instance.get_typed_func::<(), i32>(&store, "f").unwrap();
        assert_eq!(f.call(&mut store, ()).unwrap(), 7);
    }
    // What is not of its own type may not be returned, whatever the import allows.
    let wrong = |mut caller: Caller<'_, ()>, _: &[Val], results: &mut [Val]| {
        let external = ExternRef::new(&mut caller, ())?;
        results[0] = AnyRef::convert_extern(external).into();
        Ok(())
    };
    let func = Func::of_type(&mut store, lower, wrong).unwrap();
    let mut results = [Val::I32(0)];
    let error = func.call(&mut store, &[], &mut results).unwrap_err();
    let ErrorKind::Type(TypeMismatch { expected, found, .. }) = error.kind() else {
        panic!("{error}")
    };
    assert_eq!((expected.as_str(), found.as_str()), ("i31ref", "(ref any)"));
}

#[test]
fn unknown_imports_get_definitions_of_their_declared_types() {
    let engine = Engine::default();
    let module = Module::new(&engine, IMPORTER).unwrap();
    let mut store = Store::new(&engine, ());
    let mut linker = Linker::new(&engine);
    linker.define_unknown_imports_as_default_values(&mut store, &module).unwrap();
    let instance = linker.instantiate(&mut store, &module).unwrap();
    let run = instance.get_typed_func::<i32, i32>(&store, "run").unwrap();
    assert_eq!(run.call(&mut store, 5).unwrap(), 0);
    let mut linker = Linker::new(&engine);
    linker.define_unknown_imports_as_traps(&module).unwrap();
    let instance = linker.instantiate(&mut store, &module).unwrap();
    let run = instance.get_typed_func::<i32, i32>(&store, "run").unwrap();
    let error = run.call(&mut store, 5).unwrap_err();
    assert!(error.to_string().contains("unknown import `host` `plain` was called"), "{error}");
}

#[test]
fn types_mean_nothing_to_another_engine() {
    let [one, other] = [Engine::default(), Engine::default()];
    let module = Module::new(&other, "(module)").unwrap();
    let mut store = Store::new(&other, ());
    let mut linker = Linker::<()>::new(&one);
    linker.func_wrap("host", "f", || ()).unwrap();
    let error = linker.instantiate(&mut store, &module).unwrap_err();
    assert!(error.to_string().contains("another engine"), "{error}");
    let got = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        linker.get(&mut store, "host", "f")
    }));
    assert!(got.is_err());
    // A type that the other engine does not have is refused, matches nothing, and is nothing.
    let group: Vec<SubType> =
        (0..100).map(|n| FuncType::new(vec![ValType::I32; n], []).into()).collect();
    let ty = *one.define_types(&group).unwrap().last().unwrap();
    assert!(one.heap_type_matches(ty, HeapType::Func));
    assert!(!other.heap_type_matches(ty, HeapType::Func) && !other.heap_type_matches(ty, ty));
    assert_eq!(other.resolve(ty.as_concrete().unwrap()), None);
    assert!(Func::of_type(&mut store, ty, |_, _, _| Ok(())).is_err());
}

#[test]
fn types_of_imports_and_exports_can_be_resolved() {
    let engine = Engine::default();
    let module = r#"(module
        (type $list (sub (struct (field i64) (field (ref null $list)))))
        (import "m" "list" (global $list (ref null $list)))
        (func (export "next") (param (ref $list)) (result (ref null $list))
            (struct.get $list 1 (local.get 0))))"#;
    let module = Module::new(&engine, module).unwrap();
    let ExternType::Global(ty) = module.imports().next().unwrap().ty().clone() else { panic!() };
    let ValType::Ref(RefType { nullable: true, heap }) = ty.content else { panic!("{ty}") };
    let list = engine.resolve(heap.as_concrete().unwrap()).unwrap();
    assert!(!list.is_final);
    assert_eq!(list.to_string(), format!("(sub (struct (field i64) (field {})))", ty.content));
    let next = module.exports().next().unwrap();
    let ExternType::Func(func) = next.ty() else { panic!() };
    assert_eq!(func.results(), [ty.content]);
    let declared = engine.resolve(next.func_type().unwrap().as_concrete().unwrap()).unwrap();
    assert_eq!(declared, SubType::plain(func.clone()));
}
