//! Locals of a function that goes on in better code at one of its loops, however it is compiled.

use wrun_runtime::Val;

use crate::tiers::check;

/// What locals are that were computed from others in front of a loop or of one around it: of some that the loops leave alone, of one that an
/// outer loop changes, and of one that the inner loop changes behind their back.
#[test]
fn locals_that_follow_from_others_are_what_they_were() {
    let text = r#"(module (func (export "f") (param $n i32) (param $m i64) (result i64)
        (local $n4 i32) (local $n12 i32) (local $same i32) (local $five i32) (local $never i64) (local $m3 i64)
        (local $i i32) (local $i2 i32) (local $old i32) (local $j i32) (local $moved i32) (local $sum i64)
        (local.set $n4 (i32.shl (local.get $n) (i32.const 2)))
        (local.set $n12 (i32.add (local.get $n4) (i32.shl (local.get $n) (i32.const 3))))
        (local.set $same (local.get $n))
        (local.set $five (i32.const 5))
        (local.set $m3 (i64.xor (i64.mul (local.get $m) (i64.const 3)) (i64.extend_i32_s (local.get $n4))))
        (loop $a
            (local.set $i2 (i32.mul (local.get $i) (i32.const 2)))
            (local.set $old (i32.add (local.get $j) (local.get $n4)))
            (local.set $moved (i32.add (local.get $i) (i32.const 100)))
            (local.set $j (i32.const 0))
            (loop $b
                (local.set $sum (i64.add (i64.mul (local.get $sum) (i64.const 31)) (i64.add (local.get $m3) (i64.add (local.get $never)
                    (i64.extend_i32_u (i32.xor (i32.add (local.get $n12) (local.get $i2))
                        (i32.xor (i32.add (local.get $old) (local.get $moved))
                            (i32.sub (i32.mul (local.get $same) (local.get $five)) (local.get $j)))))))))
                (if (i32.and (local.get $j) (i32.const 1)) (then
                    (local.set $moved (i32.add (local.get $moved) (i32.const 7)))))
                (br_if $b (i32.lt_u (local.tee $j (i32.add (local.get $j) (i32.const 1))) (local.get $n))))
            (br_if $a (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (local.get $n))))
        (local.get $sum)))"#;
    let expected = |n: u32, m: i64| {
        let (n4, n12, five) = (n << 2, (n << 2) + (n << 3), 5);
        let m3 = m.wrapping_mul(3) ^ i64::from(n4 as i32);
        let (mut sum, mut j) = (0_i64, 0_u32);
        for i in 0..n {
            let (i2, old, mut moved) = (i * 2, j + n4, i + 100);
            j = 0;
            while j < n {
                let mixed = (n12 + i2) ^ (old + moved) ^ (n * five).wrapping_sub(j);
                sum = sum.wrapping_mul(31).wrapping_add(m3.wrapping_add(i64::from(mixed)));
                moved += if j % 2 == 1 { 7 } else { 0 };
                j += 1;
            }
        }
        sum
    };
    for (n, m) in [(1, 2), (2, -3), (9, i64::MAX), (14, 12345)] {
        let result = Val::I64(expected(n, m));
        check(text, &[Val::I32(n as i32), Val::I64(m)], &[result]);
    }
}

/// Parameters of all kinds of references, in code that is entered at a loop.
#[test]
fn parameters_that_are_references_are_what_they_were() {
    let text = r#"(module
        (func $sum (param $n i32) (param (ref null i31)) (param $f funcref) (param externref anyref i64) (result i32) (local $sum i32)
            (loop $a
                (local.set $sum (i32.add (local.get $sum) (i31.get_s (local.get 1))))
                (local.set $sum (i32.add (local.get $sum) (ref.is_null (local.get $f))))
                (local.set $sum (i32.add (local.get $sum) (i32.wrap_i64 (local.get 5))))
                (br_if $a (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
            (i32.add (local.get $sum) (i32.add (ref.is_null (local.get 3)) (ref.is_null (local.get 4)))))
        (elem declare func $sum)
        (func (export "f") (param $n i32) (result i32)
            (call $sum (local.get $n) (ref.i31 (i32.const 7)) (ref.func $sum) (ref.null extern) (ref.i31 (i32.const 1)) (i64.const 10))))"#;
    for n in [1, 3, 50] {
        check(text, &[Val::I32(n)], &[Val::I32(17 * n + 1)]);
    }
}

/// Each local follows from the next one, and many loops are around: what is computed anew is bounded.
#[test]
fn long_chains_and_deep_nests_end() {
    const LOCALS: usize = 900;
    const LOOPS: usize = 300;
    let mut text = format!(
        "(module (func (export \"f\") (param $n i32) (result i32) {} (local $i i32) (local $sum i32)",
        "(local i32)".repeat(LOCALS)
    );
    // Local 900 is n + 1, and each in front of one behind it one more.
    text += &format!("(local.set {LOCALS} (i32.add (local.get $n) (i32.const 1)))");
    for local in (1..LOCALS).rev() {
        text += &format!("(local.set {local} (i32.add (local.get {}) (i32.const 1)))", local + 1);
    }
    text += &"(loop ".repeat(LOOPS);
    text += "(loop $again (local.set $sum (i32.add (local.get $sum) (i32.xor (local.get 1) (local.get 450))))
        (br_if $again (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 50))))";
    text += &")".repeat(LOOPS);
    text += "(local.get $sum)))";
    check(&text, &[Val::I32(5)], &[Val::I32(50 * ((5 + 900) ^ (5 + 451)))]);
}
