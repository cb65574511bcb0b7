//! Tests and casts, between all kinds of types and at every depth.

use wrun_runtime::TrapCode;

use super::Guest;

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
