//! The instructions for structs, arrays and casts: at their bounds, with the text of each trap, and while objects move.

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

/// Text of a module with arrays of a type, and `make`, an array of ten elements 1 to 10.
fn arrays(storage: &str, value: &str, back: &str, get: &str) -> String {
    format!(
        r#"(module
        (type $array (array (mut {storage})))
        (data $data "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef")
        (func $make (export "make") (result (ref $array))
            (local $it (ref $array)) (local $i i32)
            (local.set $it (array.new_default $array (i32.const 10)))
            (loop $next
                (array.set $array (local.get $it) (local.get $i)
                    ({value} (i32.add (local.get $i) (i32.const 1))))
                (local.set $i (i32.add (local.get $i) (i32.const 1)))
                (br_if $next (i32.lt_u (local.get $i) (i32.const 10))))
            (local.get $it))
        (func $get (param $it (ref $array)) (param $i i32) (result i32)
            ({back} ({get} $array (local.get $it) (local.get $i))))
        ;; Its elements as one number, in which the order matters.
        (func $digest (param $it (ref $array)) (result i32)
            (local $i i32) (local $sum i32)
            (loop $next
                (local.set $sum (i32.add (i32.mul (local.get $sum) (i32.const 31))
                    (call $get (local.get $it) (local.get $i))))
                (local.set $i (i32.add (local.get $i) (i32.const 1)))
                (br_if $next (i32.lt_u (local.get $i) (array.len (local.get $it)))))
            (local.get $sum))
        (func (export "get") (param i32) (result i32) (call $get (call $make) (local.get 0)))
        (func (export "set") (param i32) (result i32)
            (array.set $array (call $make) (local.get 0) ({value} (i32.const 1))) (i32.const 0))
        (func (export "fill") (param $at i32) (param $value i32) (param $count i32) (result i32)
            (local $it (ref $array))
            (local.set $it (call $make))
            (array.fill $array (local.get $it) (local.get $at) ({value} (local.get $value))
                (local.get $count))
            (call $digest (local.get $it)))
        (func (export "copy") (param $to i32) (param $from i32) (param $count i32) (result i32)
            (local $it (ref $array))
            (local.set $it (call $make))
            (array.copy $array $array (local.get $it) (local.get $to)
                (local.get $it) (local.get $from) (local.get $count))
            (call $digest (local.get $it)))
        (func (export "new") (param $value i32) (param $length i32) (result i32)
            (local $it (ref $array))
            (local.set $it (array.new $array ({value} (local.get $value)) (local.get $length)))
            (if (result i32) (local.get $length)
                (then (call $digest (local.get $it))) (else (array.len (local.get $it)))))
        (func (export "new default") (param $length i32) (result i32)
            (local $it (ref $array))
            (local.set $it (array.new_default $array (local.get $length)))
            (if (result i32) (local.get $length)
                (then (call $digest (local.get $it))) (else (array.len (local.get $it)))))
        (func (export "new five") (result i32)
            (i32.add (call $digest (array.new_default $array (i32.const 5)))
                (call $digest (array.new $array ({value} (i32.const 2)) (i32.const 5)))))
        (func (export "largest") (result i32)
            (array.len (array.new_default $array (i32.const -1))))
        (func (export "new data") (param $from i32) (param $count i32) (result i32)
            (local $it (ref $array))
            (local.set $it (array.new_data $array $data (local.get $from) (local.get $count)))
            (array.len (local.get $it)))
        (func (export "init data") (param $at i32) (param $from i32) (param $count i32) (result i32)
            (local $it (ref $array))
            (local.set $it (call $make))
            (array.init_data $array $data (local.get $it) (local.get $at) (local.get $from)
                (local.get $count))
            (call $get (local.get $it) (i32.const 9))))"#
    )
}

/// What `$digest` gives.
fn digest(elements: &[i32]) -> i32 {
    elements.iter().fold(0, |sum: i32, &it| sum.wrapping_mul(31).wrapping_add(it))
}

/// Each type of elements that has a size of its own, how its values are made of an `i32` and back, and its size.
const ELEMENTS: [(&str, &str, &str, &str, i32); 7] = [
    ("i8", "i32.and (i32.const -1)", "i32.and (i32.const -1)", "array.get_u", 1),
    ("i16", "i32.and (i32.const -1)", "i32.and (i32.const -1)", "array.get_u", 2),
    ("i32", "i32.and (i32.const -1)", "i32.and (i32.const -1)", "array.get", 4),
    ("i64", "i64.extend_i32_u", "i32.wrap_i64", "array.get", 8),
    ("f32", "f32.convert_i32_s", "i32.trunc_f32_s", "array.get", 4),
    ("f64", "f64.convert_i32_s", "i32.trunc_f64_s", "array.get", 8),
    ("v128", "i32x4.splat", "i32x4.extract_lane 3", "array.get", 16),
];

#[test]
fn elements_are_inside_their_array_or_trap() {
    let outside = Err(TrapCode::ArrayOutOfBounds);
    for (storage, value, back, get, _) in ELEMENTS {
        let mut guest = Guest::new(&arrays(storage, value, back, get));
        assert_eq!(guest.call("get", &[0]), Ok(1), "{storage}");
        assert_eq!(guest.call("get", &[9]), Ok(10), "{storage}");
        assert_eq!(guest.call("set", &[9]), Ok(0), "{storage}");
        for index in [10, 11, 1 << 30, i32::MIN, -1] {
            assert_eq!(guest.call("get", &[index]), outside, "{storage} {index}");
            assert_eq!(guest.call("set", &[index]), outside, "{storage} {index}");
        }
    }
}

#[test]
fn ranges_are_inside_their_array_or_trap() {
    let outside = Err(TrapCode::ArrayOutOfBounds);
    let ten: Vec<i32> = (1..=10).collect();
    for (storage, value, back, get, _) in ELEMENTS {
        let mut guest = Guest::new(&arrays(storage, value, back, get));
        for (at, count) in [(0, 0), (0, 10), (3, 4), (9, 1), (10, 0)] {
            let mut expected = ten.clone();
            expected[at..at + count].fill(77);
            let (at, count) = (at as i32, count as i32);
            let found = guest.call("fill", &[at, 77, count]);
            assert_eq!(found, Ok(digest(&expected)), "{storage} {at} {count}");
        }
        for (to, from, count) in [(0, 3, 7), (3, 0, 7), (0, 0, 10), (5, 5, 0), (10, 10, 0)] {
            let mut expected = ten.clone();
            expected.copy_within(from..from + count, to);
            let found = guest.call("copy", &[to as i32, from as i32, count as i32]);
            assert_eq!(found, Ok(digest(&expected)), "{storage} {to} {from} {count}");
        }
        for (at, count) in [(11, 0), (10, 1), (0, 11), (9, 2), (-1, 1), (1, -1), (-1, -1), (-1, 2)]
        {
            assert_eq!(guest.call("fill", &[at, 1, count]), outside, "{storage} {at} {count}");
            assert_eq!(guest.call("copy", &[at, 0, count]), outside, "{storage} {at} {count}");
            assert_eq!(guest.call("copy", &[0, at, count]), outside, "{storage} {at} {count}");
            let found = guest.call("init data", &[at, 0, count]);
            assert_eq!(found, outside, "{storage} {at} {count}");
        }
    }
}

#[test]
fn new_arrays_have_the_elements_they_are_given_whatever_their_length() {
    for (storage, value, back, get, _) in ELEMENTS {
        let mut guest = Guest::new(&arrays(storage, value, back, get));
        for length in [0, 1, 3, 7, 8, 9, 31, 32, 33, 100] {
            let zeros = vec![0; length];
            let ones = vec![101; length];
            let length = length as i32;
            assert_eq!(guest.call("new", &[101, length]), Ok(digest(&ones)), "{storage} {length}");
            let found = guest.call("new default", &[length]);
            assert_eq!(found, Ok(digest(&zeros)), "{storage} {length}");
        }
        assert_eq!(guest.call("new five", &[]), Ok(digest(&[2; 5])), "{storage}");
        for length in [-1, i32::MIN, i32::MAX] {
            let found = guest.call("new", &[1, length]);
            let exhausted = Err(TrapCode::HeapExhausted);
            // Of bytes there may be room for so many.
            if storage != "i8" || length < 0 {
                assert_eq!(found, exhausted, "{storage} {length}");
                assert_eq!(guest.call("new default", &[length]), exhausted, "{storage} {length}");
            }
        }
        assert_eq!(guest.call("largest", &[]), Err(TrapCode::HeapExhausted), "{storage}");
    }
}

#[test]
fn data_segments_are_read_inside_or_trap() {
    for (storage, value, back, get, size) in ELEMENTS {
        let mut guest = Guest::new(&arrays(storage, value, back, get));
        let all = 64 / size;
        let outside = Err(TrapCode::MemoryOutOfBounds);
        for (from, count) in [(0, 0), (0, all), (64, 0), (64 - size, 1), (1, all - 1)] {
            assert_eq!(
                guest.call("new data", &[from, count]),
                Ok(count),
                "{storage} {from} {count}"
            );
        }
        for (from, count) in [(0, all + 1), (65, 0), (65 - size, 1), (-1, 0), (0, -1), (-1, -1)] {
            assert_eq!(guest.call("new data", &[from, count]), outside, "{storage} {from} {count}");
        }
        assert_eq!(guest.call("init data", &[0, 64, 0]), Ok(10), "{storage}");
        assert_eq!(guest.call("init data", &[0, 65 - size, 1]), outside, "{storage}");
        assert_eq!(guest.call("init data", &[0, -1, 0]), outside, "{storage}");
        if storage == "i8" {
            assert_eq!(guest.call("init data", &[7, 0, 3]), Ok(i32::from(b'2')), "{storage}");
        }
    }
}

#[test]
fn element_segments_are_read_inside_or_trap() {
    let mut guest = Guest::new(
        r#"(module
        (type $f (func (result i32)))
        (type $funcs (array (mut (ref null $f))))
        (func $one (result i32) (i32.const 1))
        (func $two (result i32) (i32.const 2))
        (elem $elem (ref null $f) (ref.func $one) (ref.func $two) (ref.null $f))
        (func (export "drop") (result i32) (elem.drop $elem) (i32.const 0))
        (func (export "new") (param i32 i32) (result i32)
            (local $it (ref $funcs))
            (local.set $it (array.new_elem $funcs $elem (local.get 0) (local.get 1)))
            (if (i32.eqz (array.len (local.get $it))) (then (return (i32.const 0))))
            (call_ref $f (array.get $funcs (local.get $it) (i32.const 0))))
        (func (export "init") (param i32 i32 i32) (result i32)
            (local $it (ref $funcs))
            (local.set $it (array.new $funcs (ref.func $one) (i32.const 2)))
            (array.init_elem $funcs $elem (local.get $it)
                (local.get 0) (local.get 1) (local.get 2))
            (call_ref $f (array.get $funcs (local.get $it) (i32.const 1)))))"#,
    );
    assert_eq!(guest.call("new", &[0, 3]), Ok(1));
    assert_eq!(guest.call("new", &[1, 1]), Ok(2));
    assert_eq!(guest.call("new", &[2, 1]), Err(TrapCode::NullFunctionReference));
    assert_eq!(guest.call("new", &[3, 0]), Ok(0));
    assert_eq!(guest.call("init", &[0, 0, 2]), Ok(2));
    assert_eq!(guest.call("init", &[1, 1, 1]), Ok(2));
    assert_eq!(guest.call("init", &[2, 3, 0]), Ok(1));
    for (from, count) in [(0, 4), (3, 1), (4, 0), (-1, 1), (1, -1)] {
        let outside = Err(TrapCode::TableOutOfBounds);
        assert_eq!(guest.call("new", &[from, count]), outside, "{from} {count}");
    }
    assert_eq!(guest.call("init", &[0, 2, 2]), Err(TrapCode::TableOutOfBounds));
    assert_eq!(guest.call("init", &[1, 0, 2]), Err(TrapCode::ArrayOutOfBounds));
    assert_eq!(guest.call("drop", &[]), Ok(0));
    assert_eq!(guest.call("new", &[0, 0]), Ok(0));
    assert_eq!(guest.call("new", &[0, 1]), Err(TrapCode::TableOutOfBounds));
}

#[test]
fn casts_know_every_relation_of_types() {
    // Two hierarchies of structs, one of arrays, and what is none of them.
    let values = [
        ("null", "(ref.null none)"),
        ("i31", "(ref.i31 (i32.const 5))"),
        ("base", "(struct.new $base (i32.const 1))"),
        ("derived", "(struct.new $derived (i32.const 1) (i32.const 2))"),
        ("final", "(struct.new $final (i32.const 1) (i32.const 2))"),
        ("other", "(struct.new $other)"),
        ("array", "(array.new_default $array (i32.const 3))"),
    ];
    let types: [(&str, &[&str]); 11] = [
        ("any", &["i31", "base", "derived", "final", "other", "array"]),
        ("eq", &["i31", "base", "derived", "final", "other", "array"]),
        ("i31", &["i31"]),
        ("struct", &["base", "derived", "final", "other"]),
        ("array", &["array"]),
        ("none", &[]),
        ("$base", &["base", "derived", "final"]),
        ("$derived", &["derived", "final"]),
        ("$final", &["final"]),
        ("$other", &["other"]),
        ("$array", &["array"]),
    ];
    let mut text = r#"(module
        (rec (type $base (sub (struct (field i32))))
            (type $derived (sub $base (struct (field i32) (field i32))))
            (type $final (sub final $derived (struct (field i32) (field i32)))))
        (type $other (sub (struct)))
        (type $array (array (mut i8)))
        (func $value (param i32) (result anyref)"#
        .to_owned();
    for (index, (_, value)) in values.iter().enumerate() {
        text += &format!("(if (i32.eq (local.get 0) (i32.const {index})) (then (return {value})))");
    }
    text += "(unreachable))";
    for (ty, _) in types {
        for target in [format!("(ref {ty})"), format!("(ref null {ty})")] {
            text += &format!(
                r#"(func (export "test {target}") (param i32) (result i32)
                    (ref.test {target} (call $value (local.get 0))))
                (func (export "cast {target}") (param i32) (result i32)
                    (drop (ref.cast {target} (call $value (local.get 0)))) (i32.const 1))
                (func (export "branch {target}") (param i32) (result i32)
                    (i32.eqz (i32.eqz (i32.const 7)))
                    (block $yes (result {target})
                        (drop (br_on_cast $yes anyref {target} (call $value (local.get 0))))
                        (return (i32.const 0)))
                    (drop))
                (func (export "branch fail {target}") (param i32) (result i32)
                    (block $no (result anyref)
                        (drop (br_on_cast_fail $no anyref {target} (call $value (local.get 0))))
                        (return (i32.const 1)))
                    (drop)
                    (i32.const 0))"#
            );
        }
    }
    let mut guest = Guest::new(&(text + ")"));
    for (index, (value, _)) in values.into_iter().enumerate() {
        for (ty, members) in types {
            for nullable in [false, true] {
                let target =
                    if nullable { format!("(ref null {ty})") } else { format!("(ref {ty})") };
                let is_of = if value == "null" { nullable } else { members.contains(&value) };
                let mut call =
                    |what: &str| guest.call(&format!("{what} {target}"), &[index as i32]);
                let place = format!("{value} as {target}");
                assert_eq!(call("test"), Ok(i32::from(is_of)), "{place}");
                assert_eq!(call("branch"), Ok(i32::from(is_of)), "{place}");
                assert_eq!(call("branch fail"), Ok(i32::from(is_of)), "{place}");
                let expected = if is_of { Ok(1) } else { Err(TrapCode::CastFailure) };
                assert_eq!(call("cast"), expected, "{place}");
            }
        }
    }
}

#[test]
fn the_deepest_type_is_known_as_each_of_its_ancestors() {
    let mut text = "(module (type $t0 (sub (struct)))".to_owned();
    for depth in 1..64 {
        text += &format!("(type $t{depth} (sub $t{} (struct)))", depth - 1);
    }
    text += "(func $value (param i32) (result anyref)";
    for depth in [0, 7, 8, 62, 63] {
        text += &format!(
            "(if (i32.eq (local.get 0) (i32.const {depth})) (then (return (struct.new $t{depth}))))"
        );
    }
    text += "(unreachable))";
    for depth in 0..64 {
        text += &format!(
            r#"(func (export "{depth}") (param i32) (result i32)
                (ref.test (ref $t{depth}) (call $value (local.get 0))))"#
        );
    }
    let mut guest = Guest::new(&(text + ")"));
    for found in [0, 7, 8, 62, 63] {
        for expected in 0..64 {
            let is_of = guest.call(&expected.to_string(), &[found]);
            assert_eq!(is_of, Ok(i32::from(expected <= found)), "{found} as {expected}");
        }
    }
}

#[test]
fn functions_are_known_by_their_supertypes() {
    let mut guest = Guest::new(
        r#"(module
        (type $base (sub (func (result i32))))
        (type $derived (sub $base (func (result i32))))
        (type $other (func (result i32)))
        (table $any funcref (elem $one $two $three))
        (table $typed (ref null $derived) (elem (ref.func $two) (ref.null $derived)))
        (func $one (type $base) (i32.const 1))
        (func $two (type $derived) (i32.const 2))
        (func $three (type $other) (i32.const 3))
        (func (export "base") (param i32) (result i32)
            (call_indirect $any (type $base) (local.get 0)))
        (func (export "derived") (param i32) (result i32)
            (call_indirect $any (type $derived) (local.get 0)))
        (func (export "other") (param i32) (result i32)
            (return_call_indirect $any (type $other) (local.get 0)))
        (func (export "typed") (param i32) (result i32)
            (call_indirect $typed (type $base) (local.get 0)))
        (func (export "test") (param i32) (result i32)
            (i32.add (ref.test (ref $base) (table.get $any (local.get 0)))
                (i32.add
                    (i32.shl (ref.test (ref null $derived) (table.get $any (local.get 0)))
                        (i32.const 1))
                    (i32.shl (ref.test (ref $other) (table.get $any (local.get 0)))
                        (i32.const 2)))))
        (func (export "cast") (param i32) (result i32)
            (call_ref $base (ref.cast (ref $base) (table.get $any (local.get 0)))))
        (func (export "null") (result i32)
            (call_ref $base (ref.cast (ref $base) (ref.null func)))))"#,
    );
    let mismatch = Err(TrapCode::IndirectCallTypeMismatch);
    let found = |guest: &mut Guest, name| [0, 1, 2].map(|index| guest.call(name, &[index]));
    assert_eq!(found(&mut guest, "base"), [Ok(1), Ok(2), mismatch]);
    assert_eq!(found(&mut guest, "derived"), [mismatch, Ok(2), mismatch]);
    assert_eq!(found(&mut guest, "other"), [mismatch, mismatch, Ok(3)]);
    assert_eq!(found(&mut guest, "test"), [Ok(1), Ok(3), Ok(4)]);
    assert_eq!(found(&mut guest, "cast"), [Ok(1), Ok(2), Err(TrapCode::CastFailure)]);
    assert_eq!(guest.call("typed", &[0]), Ok(2));
    assert_eq!(guest.call("typed", &[1]), Err(TrapCode::UninitializedElement));
    assert_eq!(guest.call("typed", &[2]), Err(TrapCode::UndefinedElement));
    assert_eq!(guest.call("null", &[]), Err(TrapCode::CastFailure));
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
