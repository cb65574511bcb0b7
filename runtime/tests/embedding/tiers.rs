//! Functions that are compiled twice, and loops that are left for better code in the middle of their work. Each program runs
//! with all of it optimised before it begins, and with several limits for when code is hot; the results have to be equal.

use wrun_runtime::{
    Config, Engine, Instance, LazyOptions, Linker, Module, Result, Store, Tier, TrapCode, Val,
};

/// Counts after which code is hot: at the first chance, soon, and never.
const LIMITS: [u32; 5] = [0, 1, 5, 30, u32::MAX];

/// How long frames wait for an outer loop: not at all, until some come by, and until all do.
const PATIENCE: [u32; 3] = [0, 3, 1000];

/// Engines that compile functions twice, by [`LIMITS`] and then by [`PATIENCE`].
fn engines() -> impl Iterator<Item = Engine> {
    let limits = LIMITS.into_iter();
    limits.flat_map(|limit| PATIENCE.map(|patience| (limit, patience))).map(|(limit, patience)| {
        let mut options = LazyOptions::default();
        options.first_tier = Some(Tier::Baseline);
        (options.hot_after, options.patience) = (limit, patience);
        options.background = false;
        options.ahead = false;
        Engine::new(&config().lazy(Some(options)).clone()).expect("an engine")
    })
}

fn config() -> Config {
    let mut config = Config::new();
    config.features("legacy-exceptions".parse().expect("a known feature")).gc_stress(true);
    config
}

/// What `f` of a module gives for these arguments, twice in a row.
fn call(engine: &Engine, text: &str, args: &[Val]) -> Result<Vec<Val>> {
    let module = Module::new(engine, text)?;
    let mut store = Store::new(engine, ());
    let mut linker = Linker::new(engine);
    linker.func_wrap("host", "add", |a: i64, b: i64| a + b)?;
    let instance = linker.instantiate(&mut store, &module)?;
    let f = instance.get_func(&mut store, "f").expect("an export");
    let mut results = vec![Val::I32(0); f.ty(&store).results().len()];
    f.call(&mut store, args, &mut results)?;
    let first = format!("{results:?}");
    f.call(&mut store, args, &mut results)?;
    assert_eq!(format!("{results:?}"), first, "a second call");
    Ok(results)
}

/// Checks that `f` gives these results, however it is compiled.
#[track_caller]
pub(crate) fn check(text: &str, args: &[Val], expected: &[Val]) {
    let eager = Engine::new(&config()).expect("an engine");
    for engine in std::iter::once(eager).chain(engines()) {
        let found = call(&engine, text, args).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(format!("{found:?}"), format!("{expected:?}"));
    }
}

#[test]
fn a_loop_is_left_for_better_code() {
    let text = r#"(module (func (export "f") (param $n i32) (result i64) (local $sum i64)
        (loop $again
            (local.set $sum (i64.add (local.get $sum) (i64.extend_i32_u (local.get $n))))
            (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
        (local.get $sum)))"#;
    check(text, &[Val::I32(100)], &[Val::I64(5050)]);
}

#[test]
fn the_function_is_compiled_twice_and_the_second_code_is_kept() {
    let text = r#"(module (func (export "f") (param $n i32) (result i32)
        (loop $again (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
        (local.get $n)))"#;
    let tiers: Vec<Vec<Tier>> = engines()
        .map(|engine| {
            let module = Module::new(&engine, text).expect("a module");
            let mut store = Store::new(&engine, ());
            let instance = Instance::new(&mut store, &module, &[]).expect("an instance");
            let f = instance.get_typed_func::<i32, i32>(&store, "f").expect("an export");
            assert_eq!(f.call(&mut store, 20).expect("no trap"), 0);
            module.compiled_functions().iter().map(|func| func.1).collect()
        })
        .collect();
    let (once, twice) = (vec![Tier::Baseline], vec![Tier::Optimised]);
    let expected = [&twice, &twice, &twice, &once, &once];
    assert_eq!(tiers, expected.map(|tiers| vec![tiers.clone(); PATIENCE.len()]).concat());
}

/// Room in the frame for the locals is bounded: of a function with too many the loops are not left, and so it is optimised
/// from the start unless that is asked for.
#[test]
fn functions_with_many_locals_are_optimised_at_once() {
    let text = |locals: usize| {
        let locals = format!("(local {})", "i64 ".repeat(locals));
        let long = "nop ".repeat(128);
        format!(
            r#"(module (func (export "f") (param $n i32) (result i64) {locals} (local $sum i64)
                (loop $again
                    (local.set 900 (i64.add (local.get 900) (i64.extend_i32_u (local.get $n))))
                    (local.set $sum (i64.add (local.get $sum) (local.get 900)))
                    (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
                {long}
                (local.get $sum)))"#
        )
    };
    let expected = (1..=20).rev().scan(0, |sum, n| {
        *sum += n;
        Some(*sum)
    });
    let expected: i64 = expected.sum();
    for (locals, tier) in [(950, Tier::Baseline), (1100, Tier::Optimised), (2500, Tier::Optimised)]
    {
        let text = text(locals);
        check(&text, &[Val::I32(20)], &[Val::I64(expected)]);
        let engine =
            Engine::new(Config::new().lazy(Some(LazyOptions::default()))).expect("an engine");
        let module = Module::new(&engine, &text).expect("a module");
        let mut store = Store::new(&engine, ());
        let instance = Instance::new(&mut store, &module, &[]).expect("an instance");
        let f = instance.get_typed_func::<i32, i64>(&store, "f").expect("an export");
        assert_eq!(f.call(&mut store, 20).expect("no trap"), expected);
        assert_eq!(module.compiled_functions()[0].1, tier, "{locals} locals");
    }
}

#[test]
fn nested_loops_are_left_at_any_level() {
    let text = r#"(module (func (export "f") (param $n i32) (result i64)
        (local $i i32) (local $j i32) (local $k i32) (local $sum i64)
        (loop $a
            (local.set $j (i32.const 0))
            (loop $b
                (local.set $k (i32.const 0))
                (loop $c
                    (local.set $sum (i64.add (i64.mul (local.get $sum) (i64.const 3)) (i64.extend_i32_u
                        (i32.xor (local.get $i) (i32.xor (local.get $j) (local.get $k))))))
                    (br_if $c (i32.lt_u (local.tee $k (i32.add (local.get $k) (i32.const 1))) (local.get $j))))
                (br_if $b (i32.lt_u (local.tee $j (i32.add (local.get $j) (i32.const 1))) (local.get $n))))
            (br_if $a (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (local.get $n))))
        (local.get $sum)))"#;
    let expected = |n: u64| {
        let mut sum = 0_u64;
        for i in 0..n {
            for j in 0..n {
                for k in 0..j.max(1) {
                    sum = sum.wrapping_mul(3).wrapping_add(i ^ j ^ k);
                }
            }
        }
        sum as i64
    };
    for n in [1, 2, 7, 12] {
        check(text, &[Val::I32(n)], &[Val::I64(expected(n as u64))]);
    }
}

/// Operands below a loop, pushed outside of all loops and in each round of the loop around, reach what is behind it both
/// when the loop was gone through and when it was gone around.
#[test]
fn operands_below_a_loop_are_what_they_were() {
    let text = r#"(module (func (export "f") (param $n i32) (result i64) (local $i i32) (local $j i32) (local $acc i64)
        (i64.const 1000000007)
        (f64.convert_i32_u (local.get $n))
        (loop $a
            (i64.mul (i64.extend_i32_u (local.get $i)) (i64.const 17))
            (i32.eq (local.get $i) (i32.const 3))
            (block $around
                (br_if $around (i32.and (local.get $i) (i32.const 1)))
                (local.set $j (i32.const 4))
                (loop $b
                    (br_if $around (i32.eq (local.get $i) (i32.const 6)))
                    (br_if $b (local.tee $j (i32.sub (local.get $j) (i32.const 1))))))
            (if (then (local.set $acc (i64.add (local.get $acc) (i64.const 100000)))))
            (local.set $acc (i64.add (local.get $acc)))
            (br_if $a (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (local.get $n))))
        (i64.add (i64.trunc_f64_u))
        (i64.add (local.get $acc))))"#;
    check(text, &[Val::I32(10)], &[Val::I64(1_000_000_007 + 10 + 17 * 45 + 100_000)]);
}

#[test]
fn parameters_of_loops_and_of_ifs_around_them_are_kept() {
    let text = r#"(module
        (func (export "f") (param $n i32) (result i64) (local $i i32) (local $j i32)
            (i64.const 1)
            (loop $a (param i64) (result i64)
                (i64.extend_i32_u (local.get $i))
                (if (param i64 i64) (result i64) (i32.and (local.get $i) (i32.const 1))
                    (then
                        (local.set $j (i32.const 3))
                        (loop $b (param i64 i64) (result i64 i64)
                            (i64.add)
                            (i64.extend_i32_u (local.get $j))
                            (br_if $b (local.tee $j (i32.sub (local.get $j) (i32.const 1)))))
                        (i64.add))
                    (else (i64.xor (i64.const 5)) (i64.add)))
                (br_if $a (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (local.get $n))))))"#;
    let expected = |n: u64| {
        (0..n).fold(1, |value, i| if i & 1 == 1 { value + i + 3 + 2 + 1 } else { value + (i ^ 5) })
    };
    for n in [1, 2, 20] {
        check(text, &[Val::I32(n)], &[Val::I64(expected(n as u64) as i64)]);
    }
}

#[test]
fn locals_and_operands_of_all_types_of_numbers_are_handed_on() {
    let text = r#"(module (func (export "f") (param i32 i64 f32 f64 v128) (result i32 i64 f32 f64 v128 f32 v128 i32)
        (local $n i32) (local $zero f32) (local $v v128)
        (local.set $n (i32.const 50))
        (local.set $v (i64x2.splat (i64.const 7)))
        (f32.add (local.get 2) (local.get $zero))
        (f32x4.splat (local.get 2))
        (i32.eqz (local.get 0))
        (loop $again
            (local.set 0 (i32.add (local.get 0) (i32.const 1)))
            (local.set 1 (i64.add (local.get 1) (i64.const 1)))
            (local.set 2 (f32.add (local.get 2) (f32.const 1)))
            (local.set 3 (f64.add (local.get 3) (f64.const 1)))
            (local.set $v (i64x2.add (local.get $v) (i64x2.splat (i64.const 1))))
            (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
        (local.set $n) (local.set 4 (i64x2.add (local.get 4) (local.get $v)))
        (local.set $v) (local.set $zero)
        (local.get 0) (local.get 1) (local.get 2) (local.get 3) (local.get 4)
        (local.get $zero) (local.get $v) (local.get $n)))"#;
    let splat = u128::from(3.5_f32.to_bits()) * 0x1_0000_0001_0000_0001_0000_0001;
    let sum = (57 << 64) | 66_u128;
    let (f32, f64) = (|x: f32| Val::F32(x.to_bits()), |x: f64| Val::F64(x.to_bits()));
    check(
        text,
        &[Val::I32(5), Val::I64(-3), f32(3.5), f64(0.25), Val::V128(9.into())],
        &[
            Val::I32(55),
            Val::I64(47),
            f32(53.5),
            f64(50.25),
            Val::V128(sum.into()),
            f32(3.5),
            Val::V128(splat.into()),
            Val::I32(0),
        ],
    );
}

/// With a collector that moves all objects whenever it can.
#[test]
fn references_in_locals_and_operands_are_handed_on() {
    let text = r#"(module
        (type $cell (struct (field i64) (field (mut (ref null $cell)))))
        (elem declare func $double)
        (func $double (param i64) (result i64) (i64.mul (local.get 0) (i64.const 2)))
        (type $unary (func (param i64) (result i64)))
        (func (export "f") (param $n i32) (result i64)
            (local $list (ref null $cell)) (local $f (ref null $unary)) (local $other (ref null $cell)) (local $sum i64)
            (local.set $f (ref.func $double))
            (ref.i31 (i32.const 77))
            (struct.new $cell (i64.const 1000) (ref.null $cell))
            (ref.func $double)
            (local.set $other (struct.new $cell (i64.const 5) (ref.null $cell)))
            (loop $a
                (local.set $list (struct.new $cell (i64.extend_i32_u (local.get $n)) (local.get $list)))
                (struct.new $cell (i64.const 3) (local.get $list))
                (loop $b
                    (drop (struct.new $cell (i64.const 8) (ref.null $cell)))
                    (local.set $sum (i64.add (local.get $sum) (struct.get $cell 0 (local.get $other))))
                    (br_if $b (i32.wrap_i64 (i64.rem_u (local.get $sum) (i64.const 4)))))
                (local.set $sum (i64.add (struct.get $cell 0) (local.get $sum)))
                (local.set $sum (i64.add (local.get $sum) (i64.const 1)))
                (br_if $a (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
            (local.set $f)
            (local.set $sum (i64.add (struct.get $cell 0) (local.get $sum)))
            (local.set $sum (i64.add (i64.extend_i32_u (i31.get_s (ref.cast (ref i31)))) (local.get $sum)))
            (loop $walk
                (local.set $sum (i64.add (local.get $sum) (struct.get $cell 0 (local.get $list))))
                (br_if $walk (i32.eqz (ref.is_null
                    (local.tee $list (struct.get $cell 1 (local.get $list)))))))
            (call_ref $unary (local.get $sum) (local.get $f))))"#;
    // In each round: fives up to a multiple of four, three and one.
    let inner = 20 + 4;
    let expected = |n: i64| 2 * (n * inner + 1000 + 77 + n * (n + 1) / 2);
    for n in [1, 12] {
        check(text, &[Val::I32(n)], &[Val::I64(expected(i64::from(n)))]);
    }
}

#[test]
fn exceptions_are_caught_around_a_loop_that_was_left() {
    let text = r#"(module
        (tag $odd (param i64))
        (func $throw_odd (param $n i64)
            (if (i64.eqz (i64.rem_u (local.get $n) (i64.const 3))) (then (throw $odd (local.get $n)))))
        (func (export "f") (param $n i32) (result i64) (local $i i64) (local $sum i64)
            (i64.const 7)
            (loop $a
                (i64.mul (local.get $i) (i64.const 2))
                (block $caught (result i64)
                    (try_table (catch $odd $caught)
                        (loop $b
                            (call $throw_odd (local.get $i))
                            (local.set $sum (i64.add (local.get $sum) (i64.const 1)))
                            (local.set $i (i64.add (local.get $i) (i64.const 1)))
                            (br $b)))
                    (unreachable))
                (local.set $sum (i64.add (local.get $sum)))
                (local.set $sum (i64.add (local.get $sum)))
                (local.set $i (i64.add (local.get $i) (i64.const 1)))
                (br_if $a (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
            (i64.add (local.get $sum))))"#;
    let expected = |n: i64| {
        let (mut i, mut sum) = (0, 0);
        for _ in 0..n {
            let before = 2 * i;
            while i % 3 != 0 {
                (i, sum) = (i + 1, sum + 1);
            }
            (i, sum) = (i + 1, sum + before + i);
        }
        sum + 7
    };
    for n in [1, 3, 15] {
        check(text, &[Val::I32(n)], &[Val::I64(expected(i64::from(n)))]);
    }
}

/// What a clause of `try` has caught is nowhere but in its frame: loops in there are not left, all others are.
#[test]
fn loops_in_clauses_of_try_stay_where_they_are() {
    let text = r#"(module
        (tag $t (param i64))
        (func $throw (param i64) (throw $t (local.get 0)))
        (func (export "f") (param $n i32) (result i64) (local $i i32) (local $sum i64)
            (loop $a
                try (result i64)
                    try
                        (call $throw (i64.const 5))
                    catch $t
                        (local.set $sum (i64.add (local.get $sum)))
                        (local.set $i (i32.const 9))
                        (loop $b (br_if $b (local.tee $i (i32.sub (local.get $i) (i32.const 1)))))
                        rethrow 0
                    end
                    (i64.const 0)
                catch $t
                    (local.set $i (i32.const 9))
                    (loop $c (param i64) (result i64)
                        (i64.add (i64.const 1))
                        (br_if $c (local.tee $i (i32.sub (local.get $i) (i32.const 1)))))
                end
                (local.set $sum (i64.add (local.get $sum)))
                (br_if $a (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
            (local.get $sum)))"#;
    check(text, &[Val::I32(6)], &[Val::I64(6 * (5 + 5 + 9))]);
}

#[test]
fn results_of_both_conventions_come_back() {
    let text = r#"(module
        (func $internal (param $n i32) (result i64 f64 i32 f32 i64 i64 i64)
            (loop $a (br_if $a (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
            (i64.const 1) (f64.const 2) (i32.const 3) (f32.const 4) (i64.const 5) (i64.const 6) (i64.const 7))
        (func $native (export "f") (param $n i32) (result i64 f64 i32 f32 i64 i64 i64)
            (loop $a (br_if $a (i32.gt_s (local.tee $n (i32.sub (local.get $n) (i32.const 1))) (i32.const 10))))
            (call $internal (local.get $n))))"#;
    let results = [
        Val::I64(1),
        Val::F64(2_f64.to_bits()),
        Val::I32(3),
        Val::F32(4_f32.to_bits()),
        Val::I64(5),
        Val::I64(6),
        Val::I64(7),
    ];
    check(text, &[Val::I32(50)], &results);
}

#[test]
fn recursion_indirect_and_tail_calls_go_on_while_code_changes() {
    let text = r#"(module
        (import "host" "add" (func $add (param i64 i64) (result i64)))
        (type $f (func (param i32) (result i64)))
        (table 2 2 funcref) (elem (i32.const 0) $fib $sum)
        (func $fib (type $f)
            (if (result i64) (i32.lt_u (local.get 0) (i32.const 2))
                (then (i64.extend_i32_u (local.get 0)))
                (else (call $add
                    (call_indirect (type $f) (i32.sub (local.get 0) (i32.const 1)) (i32.const 0))
                    (call $fib (i32.sub (local.get 0) (i32.const 2)))))))
        (func $sum (type $f) (local $acc i64)
            (loop $a
                (local.set $acc (i64.add (local.get $acc) (call $fib (i32.and (local.get 0) (i32.const 7)))))
                (br_if $a (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))
            (return_call $down (i32.const 5000) (local.get $acc)))
        (func $down (param $n i32) (param $acc i64) (result i64) (local $i i32)
            (local.set $i (i32.const 3))
            (loop $a (br_if $a (local.tee $i (i32.sub (local.get $i) (i32.const 1)))))
            (if (i32.eqz (local.get $n)) (then (return (local.get $acc))))
            (return_call $down (i32.sub (local.get $n) (i32.const 1)) (local.get $acc)))
        (func (export "f") (param i32) (result i64)
            (call_indirect (type $f) (local.get 0) (i32.const 1))))"#;
    let fib = [0, 1, 1, 2, 3, 5, 8, 13];
    let expected: i64 = (1..=40_usize).map(|n| fib[n & 7]).sum();
    check(text, &[Val::I32(40)], &[Val::I64(expected)]);
}

#[test]
fn a_trap_in_the_middle_of_a_loop_says_where_it_was() {
    let text = r#"(module $m
        (memory 1)
        (func $deep (param $at i32) (result i32)
            (loop $a
                (drop (i32.load (local.get $at)))
                (local.set $at (i32.add (local.get $at) (i32.const 4096)))
                (br $a))
            (unreachable))
        (func (export "f") (param $at i32) (result i32)
            (loop $a (br_if $a (i32.lt_s (local.tee $at (i32.add (local.get $at) (i32.const 1))) (i32.const 20))))
            (call $deep (local.get $at))))"#;
    let mut seen: Vec<_> = std::iter::once(Engine::new(&config()).expect("an engine"))
        .chain(engines())
        .map(|engine| {
            let trap = call(&engine, text, &[Val::I32(0)]).expect_err("it traps").trap().cloned();
            let trap = trap.expect("a trap");
            assert_eq!(trap.code(), TrapCode::MemoryOutOfBounds);
            let frames = trap.backtrace().frames().iter();
            frames.map(|frame| (frame.func_index(), frame.module_offset())).collect::<Vec<_>>()
        })
        .collect();
    assert_eq!(seen[0].iter().map(|frame| frame.0).collect::<Vec<_>>(), [0, 1]);
    seen.dedup();
    assert_eq!(seen.len(), 1, "{seen:?}");
}

/// Code that never ends is left in the background too.
#[test]
fn a_loop_that_does_not_return_is_optimised_in_the_background() {
    let text = r#"(module (func (export "f") (param $rounds i64) (result i64) (local $x i64)
        (local.set $x (i64.const 88172645463325252))
        (loop $a
            (local.set $x (i64.xor (local.get $x) (i64.shl (local.get $x) (i64.const 13))))
            (local.set $x (i64.xor (local.get $x) (i64.shr_u (local.get $x) (i64.const 7))))
            (local.set $x (i64.xor (local.get $x) (i64.shl (local.get $x) (i64.const 17))))
            (br_if $a (i64.ne (local.tee $rounds (i64.sub (local.get $rounds) (i64.const 1))) (i64.const 0))))
        (local.get $x)))"#;
    let mut options = LazyOptions::default();
    options.first_tier = Some(Tier::Baseline);
    let engine = Engine::new(Config::new().lazy(Some(options))).expect("an engine");
    let rounds = 3_000_000;
    let expected = (0..rounds).fold(88_172_645_463_325_252_u64, |x, _| {
        let x = x ^ x << 13;
        let x = x ^ x >> 7;
        x ^ x << 17
    });
    let found = call(&engine, text, &[Val::I64(rounds)]).expect("no trap");
    assert_eq!(format!("{found:?}"), format!("{:?}", [Val::I64(expected as i64)]));
}
