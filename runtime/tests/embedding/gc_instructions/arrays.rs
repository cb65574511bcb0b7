//! Arrays of every type of elements: single elements, ranges, and what is made of segments.

use wrun_runtime::TrapCode;

use super::Guest;

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
