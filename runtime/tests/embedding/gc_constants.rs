//! Constant expressions that make objects.

use wrun_runtime::{
    AnyRef, Config, Engine, ExternRef, GcRef, Global, GlobalType, I31, Instance, Module, Ref,
    Store, TrapCode, Val, ValType,
};

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
        assert!(AnyRef::ref_eq(&store, pair[1].unwrap_any_ref().unwrap(), point));
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
        assert!(AnyRef::ref_eq(&store, outside, point));

        let element = |store: &mut Store<()>, name: &str, index| {
            let table = instance.get_table(&*store, name).unwrap();
            match table.get(store, index) {
                Some(Ref::Any(any)) => any,
                other => panic!("{other:?}"),
            }
        };
        let first = element(&mut store, "table", 0).unwrap();
        let last = element(&mut store, "table", 2).unwrap();
        assert!(AnyRef::ref_eq(&store, first, last), "evaluated once");
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
