//! The instructions for structs, arrays and casts: at their bounds, with the text of each trap, and while objects move.
//! What concerns structs, `i31`, and null is here.

mod arrays;
mod casts;

use wrun_runtime::{Config, Engine, Instance, Module, Store, TrapCode, Val};

/// A module in two stores: one as usual, and one in which every allocation moves all objects.
struct Guest([(Store<()>, Instance); 2]);

impl Guest {
    fn new(text: &str) -> Self {
        Self([false, true].map(|stress| {
            let engine = Engine::new(Config::new().gc_stress(stress)).expect("an engine");
            let module = Module::new(&engine, text).unwrap_or_else(|error| panic!("{error}"));
            let mut store = Store::new(&engine, ());
            let instance = Instance::new(&mut store, &module, &[]).expect("instantiates");
            (store, instance)
        }))
    }

    /// What a function gives, or traps with; the same in both stores.
    fn call(&mut self, name: &str, arguments: &[i32]) -> Result<i32, TrapCode> {
        let arguments: Vec<Val> = arguments.iter().copied().map(Val::I32).collect();
        let [usual, stress] = self.0.each_mut().map(|(store, instance)| {
            let func = instance.get_func(&*store, name).unwrap_or_else(|| panic!("no `{name}`"));
            let mut results = [Val::I32(0)];
            match func.call(store, &arguments, &mut results) {
                Ok(()) => Ok(results[0].unwrap_i32()),
                Err(error) => {
                    let trap = error.trap().unwrap_or_else(|| panic!("{name}: {error}"));
                    assert!(!trap.backtrace().frames().is_empty(), "{name}: no backtrace");
                    Err(trap.code())
                }
            }
        });
        assert_eq!(usual, stress, "{name}{arguments:?} with and without moving");
        usual
    }
}

#[test]
fn fields_of_every_type_keep_what_is_put_into_them() {
    let mut guest = Guest::new(
        r#"(module
        (type $f (func (result i32)))
        (type $all (struct (field i8) (field (mut i16)) (field (mut i32)) (field (mut i64))
            (field f32) (field (mut f64)) (field (mut v128)) (field (ref null $f))
            (field (mut anyref)) (field i8)))
        (elem declare func $seven)
        (func $seven (type $f) (i32.const 7))
        (func $make (result (ref $all))
            (struct.new $all (i32.const 0x1ff) (i32.const 0x18000) (i32.const -3) (i64.const -4)
                (f32.const 1.5) (f64.const 2.5) (v128.const i64x2 5 6) (ref.func $seven)
                (ref.i31 (i32.const -1)) (i32.const 0x7f)))
        (func (export "get") (param $field i32) (result i32)
            (local $it (ref $all))
            (local.set $it (call $make))
            (block (block (block (block (block (block (block (block (block (block (block (block
                (br_table 0 1 2 3 4 5 6 7 8 9 10 11 (local.get $field)))
                (return (struct.get_s $all 0 (local.get $it))))
                (return (struct.get_u $all 0 (local.get $it))))
                (return (struct.get_s $all 1 (local.get $it))))
                (return (struct.get_u $all 1 (local.get $it))))
                (return (struct.get $all 2 (local.get $it))))
                (return (i32.wrap_i64 (struct.get $all 3 (local.get $it)))))
                (return (i32.trunc_f32_s (f32.mul (f32.const 2) (struct.get $all 4 (local.get $it))))))
                (return (i32.trunc_f64_s (f64.mul (f64.const 2) (struct.get $all 5 (local.get $it))))))
                (return (i32.wrap_i64 (i64x2.extract_lane 1 (struct.get $all 6 (local.get $it))))))
                (return (call_ref $f (struct.get $all 7 (local.get $it)))))
                (return (i31.get_s (ref.cast (ref i31) (struct.get $all 8 (local.get $it))))))
            (struct.get_s $all 9 (local.get $it)))
        (func (export "set") (result i32)
            (local $it (ref $all))
            (local.set $it (call $make))
            (struct.set $all 1 (local.get $it) (i32.const 0x12345))
            (struct.set $all 3 (local.get $it) (i64.const 40))
            (struct.set $all 6 (local.get $it) (v128.const i64x2 100 200))
            (struct.set $all 8 (local.get $it) (call $make))
            (i32.add (i32.add (struct.get_u $all 1 (local.get $it))
                (i32.wrap_i64 (struct.get $all 3 (local.get $it))))
                (i32.add (i32.wrap_i64 (i64x2.extract_lane 0 (struct.get $all 6 (local.get $it))))
                    (struct.get $all 2 (ref.cast (ref $all) (struct.get $all 8 (local.get $it)))))))
        (func (export "default") (result i32)
            (local $it (ref $all))
            (local.set $it (struct.new_default $all))
            (i32.add
                (i32.add (struct.get_u $all 1 (local.get $it)) (struct.get_u $all 9 (local.get $it)))
                (i32.add (v128.any_true (struct.get $all 6 (local.get $it)))
                    (i32.add (i32.shl (ref.is_null (struct.get $all 7 (local.get $it))) (i32.const 4))
                        (ref.is_null (struct.get $all 8 (local.get $it))))))))"#,
    );
    let expected = [-1, 255, -32768, 32768, -3, -4, 3, 5, 6, 7, -1, 127];
    for (field, expected) in expected.into_iter().enumerate() {
        assert_eq!(guest.call("get", &[field as i32]), Ok(expected), "{field}");
    }
    assert_eq!(guest.call("set", &[]), Ok(0x2345 + 40 + 100 - 3));
    assert_eq!(guest.call("default", &[]), Ok(17));
}

#[test]
fn references_survive_that_objects_move() {
    let mut guest = Guest::new(
        r#"(module
        (type $node (struct (field i32) (field (mut (ref null $node)))))
        (type $nodes (array (mut (ref null $node))))
        (global $first (mut (ref null $node)) (ref.null $node))
        (table $some 4 (ref null $node))
        (func $list (param $length i32) (result (ref null $node))
            (if (result (ref null $node)) (local.get $length)
                (then (struct.new $node (local.get $length)
                    (call $list (i32.sub (local.get $length) (i32.const 1)))))
                (else (ref.null $node))))
        (func $sum (param $node (ref null $node)) (result i32)
            (local $sum i32)
            (block $end
                (loop $next
                    (drop (br_on_null $end (local.get $node)))
                    (local.set $sum (i32.add (local.get $sum)
                        (struct.get $node 0 (local.get $node))))
                    ;; Garbage: the node moves in the middle of the walk.
                    (drop (struct.new_default $node))
                    (local.set $node (struct.get $node 1 (local.get $node)))
                    (br $next)))
            (local.get $sum))
        (func (export "sum") (param i32) (result i32) (call $sum (call $list (local.get 0))))
        ;; Operands wait on the stack while the others are made.
        (func (export "fixed") (result i32)
            (local $nodes (ref $nodes))
            (local.set $nodes (array.new_fixed $nodes 3
                (call $list (i32.const 1)) (call $list (i32.const 2)) (call $list (i32.const 3))))
            (global.set $first (array.get $nodes (local.get $nodes) (i32.const 2)))
            (table.set $some (i32.const 3) (array.get $nodes (local.get $nodes) (i32.const 1)))
            (array.set $nodes (local.get $nodes) (i32.const 2) (ref.null $node))
            (drop (call $list (i32.const 10)))
            (i32.add (call $sum (global.get $first))
                (i32.mul (i32.const 100) (call $sum (table.get $some (i32.const 3))))))
        (func $two (param $left (ref null $node)) (param $right (ref null $node))
            (result (ref null $node) i32 (ref null $node))
            (drop (call $list (i32.const 2)))
            (local.get $right) (call $sum (local.get $left)) (local.get $left))
        (func (export "several") (result i32)
            (local $a (ref null $node)) (local $b (ref null $node)) (local $sum i32)
            (call $two (call $list (i32.const 4)) (call $list (i32.const 5)))
            (local.set $a) (local.set $sum) (local.set $b)
            (i32.add (local.get $sum)
                (i32.mul (i32.const 100) (i32.add (call $sum (local.get $a))
                    (i32.mul (i32.const 100) (call $sum (local.get $b))))))))"#,
    );
    assert_eq!(guest.call("sum", &[100]), Ok(5050));
    assert_eq!(guest.call("fixed", &[]), Ok(306));
    assert_eq!(guest.call("several", &[]), Ok(151_010));
}

#[test]
fn null_traps_with_the_text_of_what_was_expected() {
    // More fields than there are bytes that no access reaches, so that the last ones need a check.
    let fields = "(field (mut v128))".repeat(4200);
    let text = format!(
        r#"(module
        (type $large (struct {fields} (field (mut i32))))
        (type $array (array (mut i64)))
        (type $refs (array (mut funcref)))
        (data $data "12345678") (elem $elem func)
        (func $null (result (ref null $array)) (ref.null $array))
        (func (export "first") (result i32)
            (i32x4.extract_lane 0 (struct.get $large 0 (ref.null $large))))
        (func (export "just before") (result i32)
            (i32x4.extract_lane 0 (struct.get $large 4094 (ref.null $large))))
        (func (export "across") (result i32)
            (i32x4.extract_lane 0 (struct.get $large 4095 (ref.null $large))))
        (func (export "last") (result i32) (struct.get $large 4200 (ref.null $large)))
        (func (export "last set") (result i32)
            (struct.set $large 4200 (ref.null $large) (i32.const 1)) (i32.const 0))
        (func (export "large") (result i32)
            (local $it (ref $large))
            (local.set $it (struct.new_default $large))
            (struct.set $large 4200 (local.get $it) (i32.const 5))
            (struct.set $large 4095 (local.get $it) (v128.const i32x4 6 0 0 0))
            (i32.add (struct.get $large 4200 (local.get $it))
                (i32x4.extract_lane 0 (struct.get $large 4095 (local.get $it)))))
        (func (export "len") (result i32) (array.len (call $null)))
        (func (export "get") (result i32)
            (i32.wrap_i64 (array.get $array (call $null) (i32.const 0))))
        (func (export "set") (result i32)
            (array.set $array (call $null) (i32.const -1) (i64.const 0)) (i32.const 0))
        (func (export "fill") (result i32)
            (array.fill $array (call $null) (i32.const 0) (i64.const 0) (i32.const 0)) (i32.const 0))
        (func (export "copy to") (result i32)
            (array.copy $array $array (call $null) (i32.const 0)
                (array.new_default $array (i32.const 1)) (i32.const 0) (i32.const 0)) (i32.const 0))
        (func (export "copy from") (result i32)
            (array.copy $array $array (array.new_default $array (i32.const 1)) (i32.const 0)
                (call $null) (i32.const 0) (i32.const 0)) (i32.const 0))
        (func (export "init data") (result i32)
            (array.init_data $array $data (call $null) (i32.const 0) (i32.const 0) (i32.const 0))
            (i32.const 0))
        (func (export "init elem") (result i32)
            (array.init_elem $refs $elem (ref.null $refs) (i32.const 0) (i32.const 0) (i32.const 0))
            (i32.const 0))
        (func (export "i31 s") (result i32) (i31.get_s (ref.null i31)))
        (func (export "i31 u") (result i32) (i31.get_u (ref.null i31))))"#
    );
    let mut guest = Guest::new(&text);
    for name in ["first", "just before", "across", "last", "last set"] {
        assert_eq!(guest.call(name, &[]), Err(TrapCode::NullStructureReference), "{name}");
    }
    assert_eq!(guest.call("large", &[]), Ok(11));
    for name in ["len", "get", "set", "fill", "copy to", "copy from", "init data", "init elem"] {
        assert_eq!(guest.call(name, &[]), Err(TrapCode::NullArrayReference), "{name}");
    }
    for name in ["i31 s", "i31 u"] {
        assert_eq!(guest.call(name, &[]), Err(TrapCode::NullI31Reference), "{name}");
    }
    assert_eq!(TrapCode::NullStructureReference.message(), "null structure reference");
    assert_eq!(TrapCode::NullArrayReference.message(), "null array reference");
    assert_eq!(TrapCode::NullI31Reference.message(), "null i31 reference");
    assert_eq!(TrapCode::ArrayOutOfBounds.message(), "out of bounds array access");
    assert_eq!(TrapCode::CastFailure.message(), "cast failure");
}

#[test]
fn small_integers_and_the_identity_of_objects() {
    let mut guest = Guest::new(
        r#"(module
        (type $s (struct))
        (func (export "s") (param i32) (result i32) (i31.get_s (ref.i31 (local.get 0))))
        (func (export "u") (param i32) (result i32) (i31.get_u (ref.i31 (local.get 0))))
        (func (export "same") (result i32)
            (local $it (ref $s))
            (local.set $it (struct.new $s))
            (drop (struct.new $s))
            (i32.add (ref.eq (local.get $it) (local.get $it))
                (i32.add (ref.eq (ref.i31 (i32.const 3)) (ref.i31 (i32.const 0x80000003)))
                    (i32.add (ref.eq (ref.null none) (ref.null eq))
                        (i32.shl (ref.eq (local.get $it) (struct.new $s)) (i32.const 4))))))
        (func (export "round") (param i32) (result i32)
            (i31.get_u (ref.cast (ref i31) (any.convert_extern (extern.convert_any
                (ref.i31 (local.get 0))))))))"#,
    );
    for (value, s, u) in [(0, 0, 0), (-1, -1, i32::MAX), (1 << 30, -1 << 30, 1 << 30)] {
        assert_eq!(guest.call("s", &[value]), Ok(s));
        assert_eq!(guest.call("u", &[value]), Ok(u));
        assert_eq!(guest.call("round", &[value]), Ok(u));
    }
    assert_eq!(guest.call("same", &[]), Ok(3));
}
