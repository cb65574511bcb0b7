//! Objects with descriptors: what casts by descriptor tell apart, what traps, and that the reference to the descriptor moves
//! with everything else.

use wrun_runtime::{Config, Engine, Instance, Module, Store, TrapCode, Val};

/// Two types of shapes, each with a descriptor that holds a number, and two descriptors of each; `$square` is below `$shape`.
const PROGRAM: &str = r#"(module
    (rec
        (type $shape (sub (descriptor $shape.desc) (struct (field $id i32))))
        (type $shape.desc (sub (describes $shape) (struct (field $number i32))))
        (type $square (sub $shape (descriptor $square.desc) (struct (field i32) (field $side i64))))
        (type $square.desc (sub $shape.desc (describes $square) (struct (field i32) (field f64)))))
    (global $a (ref (exact $shape.desc)) (struct.new $shape.desc (i32.const 10)))
    (global $b (ref (exact $shape.desc)) (struct.new $shape.desc (i32.const 20)))
    (global $s (ref (exact $square.desc))
        (struct.new $square.desc (i32.const 30) (f64.const 1)))
    (global $constant (ref $shape) (struct.new_desc $shape (i32.const 7) (global.get $a)))

    (func $shape (param $of (ref null (exact $shape.desc))) (result (ref $shape))
        (struct.new_desc $shape (i32.const 1) (local.get $of)))
    (func $square (result (ref $square))
        (struct.new_desc $square (i32.const 2) (i64.const 3) (global.get $s)))
    (func $number (param (ref null $shape)) (result i32)
        (struct.get $shape.desc $number (ref.get_desc $shape (local.get 0))))

    (func (export "numbers") (result i32)
        (i32.add (i32.add (call $number (call $shape (global.get $a)))
                (call $number (call $shape (global.get $b))))
            (i32.add (call $number (call $square)) (call $number (global.get $constant)))))
    (func (export "fields") (result i64)
        (i64.add (struct.get $square $side (call $square))
            (i64.extend_i32_s (struct.get $shape $id (call $square)))))
    (func (export "default") (result i32)
        (struct.get $shape $id (struct.new_default_desc $shape (global.get $b))))

    (func (export "cast") (param $right i32) (result i32) (local $it anyref)
        (local.set $it (call $shape (global.get $a)))
        (struct.get $shape $id (if (result (ref $shape)) (local.get $right)
            (then (ref.cast_desc_eq (ref $shape) (local.get $it) (global.get $a)))
            (else (ref.cast_desc_eq (ref $shape) (local.get $it) (global.get $b))))))
    (func (export "cast of i31") (result i32)
        (drop (ref.cast_desc_eq (ref $shape) (ref.i31 (i32.const 4)) (global.get $a)))
        (i32.const 0))
    (func (export "cast of null") (result i32)
        (drop (ref.cast_desc_eq (ref $shape) (ref.null any) (global.get $a)))
        (i32.const 0))
    (func (export "nullable cast of null") (result i32)
        (ref.is_null (ref.cast_desc_eq (ref null $shape) (ref.null any) (global.get $a))))
    (func (export "cast by null") (result i32)
        (drop (ref.cast_desc_eq (ref $shape) (global.get $constant)
            (ref.null (exact $shape.desc))))
        (i32.const 0))
    (func (export "made with null") (result i32)
        (drop (call $shape (ref.null (exact $shape.desc))))
        (i32.const 0))
    (func (export "descriptor of null") (result i32) (call $number (ref.null $shape)))
    (func (export "branch") (param $right i32) (result i32)
        (block $is (result (ref $shape))
            (drop (br_on_cast_desc_eq $is anyref (ref $shape) (call $shape (global.get $a))
                (if (result (ref $shape.desc)) (local.get $right)
                    (then (global.get $a)) (else (global.get $b)))))
            (return (i32.const 0)))
        (drop)
        (i32.const 1)))"#;

/// What a function gives, with and without collections at every allocation; a trap has a backtrace.
fn call(name: &str, arguments: &[Val]) -> Result<Val, TrapCode> {
    let outcomes = [false, true].map(|stress| {
        let mut config = Config::new();
        config.features("custom-descriptors".parse().unwrap()).gc_stress(stress);
        let engine = Engine::new(&config).unwrap();
        let module = Module::new(&engine, PROGRAM).unwrap_or_else(|error| panic!("{error}"));
        let mut store = Store::new(&engine, ());
        let instance = Instance::new(&mut store, &module, &[]).unwrap();
        let mut results = [Val::I32(0)];
        let func = instance.get_func(&store, name).unwrap();
        func.call(&mut store, arguments, &mut results).map(|()| results[0]).map_err(|error| {
            let trap = error.trap().unwrap_or_else(|| panic!("{name}: {error}"));
            assert!(!trap.backtrace().frames().is_empty(), "{name}: no backtrace");
            trap.code()
        })
    });
    assert_eq!(format!("{:?}", outcomes[0]), format!("{:?}", outcomes[1]), "{name}");
    outcomes[0]
}

fn number(name: &str, arguments: &[Val]) -> i32 {
    call(name, arguments).unwrap_or_else(|trap| panic!("{name}: {trap}")).unwrap_i32()
}

#[test]
fn objects_know_their_descriptors_whatever_their_depth() {
    assert_eq!(number("numbers", &[]), 10 + 20 + 30 + 10);
    assert_eq!(call("fields", &[]).unwrap().unwrap_i64(), 3 + 2);
    assert_eq!(number("default", &[]), 0);
}

#[test]
fn casts_go_by_the_very_descriptor() {
    assert_eq!(number("cast", &[Val::I32(1)]), 1);
    assert_eq!(number("branch", &[Val::I32(1)]), 1);
    assert_eq!(number("branch", &[Val::I32(0)]), 0);
    assert_eq!(number("nullable cast of null", &[]), 1);
}

#[test]
fn what_has_no_such_descriptor_traps() {
    for (name, arguments, text) in [
        ("cast", &[Val::I32(0)][..], "descriptor cast failure"),
        ("cast of i31", &[], "descriptor cast failure"),
        ("cast of null", &[], "descriptor cast failure"),
        ("cast by null", &[], "null descriptor reference"),
        ("made with null", &[], "null descriptor reference"),
        ("descriptor of null", &[], "null reference"),
    ] {
        assert_eq!(call(name, arguments).unwrap_err().message(), text, "{name}");
    }
}
