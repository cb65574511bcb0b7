//! What is up to the engine: one result on every machine when it is asked to be deterministic, else one of those that
//! are allowed.

use wrun_runtime::{Config, Engine, Instance, Module, OptLevel, Store};

/// An instruction with its operands, what it gives in the deterministic profile, and what else it may give.
struct Case(&'static str, &'static str, &'static [&'static str]);

const CASES: &[Case] = &[
    Case(
        "i8x16.relaxed_swizzle (v128.const i8x16 9 8 7 6 5 4 3 2 1 0 1 2 3 4 5 6)
            (v128.const i8x16 0 1 15 16 17 31 127 128 144 255 0 0 0 0 0 0)",
        "v128.const i8x16 9 8 6 0 0 0 0 0 0 0 9 9 9 9 9 9",
        &["v128.const i8x16 9 8 6 9 8 6 6 0 0 0 9 9 9 9 9 9"],
    ),
    Case(
        "i32x4.relaxed_trunc_f32x4_s (v128.const f32x4 -1.9 nan 3e9 -3e9)",
        "v128.const i32x4 -1 0 0x7fffffff 0x80000000",
        &["v128.const i32x4 -1 0x80000000 0x80000000 0x80000000"],
    ),
    Case(
        "i32x4.relaxed_trunc_f32x4_u (v128.const f32x4 3e9 nan 5e9 -3)",
        "v128.const i32x4 3000000000 0 0xffffffff 0",
        &[],
    ),
    Case(
        "i32x4.relaxed_trunc_f64x2_s_zero (v128.const f64x2 nan 3e9)",
        "v128.const i32x4 0 0x7fffffff 0 0",
        &["v128.const i32x4 0x80000000 0x80000000 0 0"],
    ),
    Case(
        "i32x4.relaxed_trunc_f64x2_u_zero (v128.const f64x2 4294967295 -1)",
        "v128.const i32x4 0xffffffff 0 0 0",
        &[],
    ),
    // The product is 1 + 2⁻²⁹ + 2⁻⁶⁰, whose last bit is rounded away when it is rounded before the addition.
    Case(
        "f64x2.relaxed_madd (v128.const f64x2 0x1.00000004p0 2) (v128.const f64x2 0x1.00000004p0 3)
            (v128.const f64x2 -0x1.00000008p0 1)",
        "v128.const f64x2 0 7",
        &["v128.const f64x2 0x1p-60 7"],
    ),
    Case(
        "f64x2.relaxed_nmadd (v128.const f64x2 0x1.00000004p0 2) (v128.const f64x2 0x1.00000004p0 3)
            (v128.const f64x2 0x1.00000008p0 1)",
        "v128.const f64x2 0 -5",
        &["v128.const f64x2 -0x1p-60 -5"],
    ),
    Case(
        "f32x4.relaxed_madd (v128.const f32x4 0x1.001p0 2 0 0) (v128.const f32x4 0x1.001p0 3 0 0)
            (v128.const f32x4 -0x1.002p0 1 0 0)",
        "v128.const f32x4 0 7 0 0",
        &["v128.const f32x4 0x1p-24 7 0 0"],
    ),
    Case(
        "f32x4.relaxed_nmadd (v128.const f32x4 0x1.001p0 2 0 0) (v128.const f32x4 0x1.001p0 3 0 0)
            (v128.const f32x4 0x1.002p0 1 1 1)",
        "v128.const f32x4 0 -5 1 1",
        &["v128.const f32x4 -0x1p-24 -5 1 1"],
    ),
    Case(
        "i8x16.relaxed_laneselect (v128.const i32x4 -1 -1 -1 -1) (v128.const i32x4 0 0 0 0)
            (v128.const i8x16 0x80 0x7f 0xff 0 1 2 3 4 0 0 0 0 0 0 0 0)",
        "v128.const i8x16 0x80 0x7f 0xff 0 1 2 3 4 0 0 0 0 0 0 0 0",
        &["v128.const i8x16 0xff 0 0xff 0 0 0 0 0 0 0 0 0 0 0 0 0"],
    ),
    Case(
        "i16x8.relaxed_laneselect (v128.const i32x4 -1 -1 -1 -1) (v128.const i32x4 0 0 0 0)
            (v128.const i16x8 0x8000 0x7fff 0x0080 0xff00 0xffff 0 1 2)",
        "v128.const i16x8 0x8000 0x7fff 0x0080 0xff00 0xffff 0 1 2",
        &["v128.const i16x8 0xffff 0 0 0xffff 0xffff 0 0 0"],
    ),
    Case(
        "i32x4.relaxed_laneselect (v128.const i32x4 -1 -1 -1 -1) (v128.const i32x4 0 0 0 0)
            (v128.const i32x4 0x80000000 0x7fffffff -1 0x8000)",
        "v128.const i32x4 0x80000000 0x7fffffff -1 0x8000",
        &["v128.const i32x4 -1 0 -1 0"],
    ),
    Case(
        "i64x2.relaxed_laneselect (v128.const i32x4 -1 -1 -1 -1) (v128.const i32x4 0 0 0 0)
            (v128.const i64x2 0x8000000000000000 0x7fffffffffffffff)",
        "v128.const i64x2 0x8000000000000000 0x7fffffffffffffff",
        &["v128.const i64x2 -1 0"],
    ),
    Case(
        "f32x4.relaxed_min (v128.const f32x4 -nan:0x200000 1 0 -0) (v128.const f32x4 1 nan -0 0)",
        "v128.const f32x4 nan nan -0 -0",
        &["v128.const f32x4 -nan:0x200000 1 0 -0"],
    ),
    Case(
        "f32x4.relaxed_max (v128.const f32x4 -nan:0x200000 1 0 -0) (v128.const f32x4 1 nan -0 0)",
        "v128.const f32x4 nan nan 0 0",
        &["v128.const f32x4 -nan:0x200000 1 0 -0"],
    ),
    Case(
        "f64x2.relaxed_min (v128.const f64x2 1 0) (v128.const f64x2 -nan:0x1 -0)",
        "v128.const f64x2 nan -0",
        &["v128.const f64x2 1 0"],
    ),
    Case(
        "f64x2.relaxed_max (v128.const f64x2 1 -0) (v128.const f64x2 -nan:0x1 0)",
        "v128.const f64x2 nan 0",
        &["v128.const f64x2 1 -0"],
    ),
    Case(
        "i16x8.relaxed_q15mulr_s (v128.const i16x8 -32768 -32768 16384 1 0 0 0 0)
            (v128.const i16x8 -32768 32767 16384 16384 0 0 0 0)",
        "v128.const i16x8 32767 -32767 8192 1 0 0 0 0",
        &["v128.const i16x8 -32768 -32767 8192 1 0 0 0 0"],
    ),
    Case(
        "i16x8.relaxed_dot_i8x16_i7x16_s
            (v128.const i8x16 -128 -128 -128 127 127 127 1 2 0 0 0 0 0 0 0 0)
            (v128.const i8x16 -128 -128 127 127 -1 -1 3 -4 0 0 0 0 0 0 0 0)",
        "v128.const i16x8 32767 -127 -254 -5 0 0 0 0",
        &["v128.const i16x8 -32768 -127 32767 507 0 0 0 0"],
    ),
    Case(
        "i32x4.relaxed_dot_i8x16_i7x16_add_s
            (v128.const i8x16 -128 -128 -128 -128 1 2 3 4 0 0 0 0 0 0 0 0)
            (v128.const i8x16 -128 -128 -128 -128 5 6 7 8 0 0 0 0 0 0 0 0)
            (v128.const i32x4 1 100 3 4)",
        "v128.const i32x4 65535 170 3 4",
        &["v128.const i32x4 -65535 170 3 4"],
    ),
    // Not relaxed, but which NaN an instruction makes is not fixed either.
    Case(
        "f64x2.div (v128.const f64x2 0 -nan:0x8000000000001) (v128.const f64x2 0 1)",
        "v128.const f64x2 nan nan",
        &["v128.const f64x2 -nan -nan:0x8000000000001", "v128.const f64x2 nan -nan:0x8000000000001"],
    ),
    Case(
        "f32x4.splat (f32.demote_f64 (f64.sub (f64.const inf) (f64.const inf)))",
        "v128.const f32x4 nan nan nan nan",
        &["v128.const f32x4 -nan -nan -nan -nan"],
    ),
];

/// Which of the allowed results a case has, by its number: 0 is that of the deterministic profile.
fn result(engine: &Engine, Case(instruction, fixed, others): &Case) -> usize {
    let same = |expected: &str| {
        let text = format!(
            "(module (func (export \"run\") (result i32)
                (i32.eqz (v128.any_true (v128.xor ({instruction}) ({expected}))))))"
        );
        let module =
            Module::new(engine, text).unwrap_or_else(|error| panic!("{instruction}: {error}"));
        let mut store = Store::new(engine, ());
        let instance = Instance::new(&mut store, &module, &[]).unwrap();
        let run = instance.get_typed_func::<(), i32>(&store, "run").unwrap();
        run.call(&mut store, ()).unwrap() == 1
    };
    let mut allowed = [*fixed].into_iter().chain(others.iter().copied());
    allowed.position(same).unwrap_or_else(|| panic!("{instruction} gives none of what is allowed"))
}

fn engine(level: OptLevel, deterministic: bool) -> Engine {
    Engine::new(Config::new().opt_level(level).deterministic(deterministic)).unwrap()
}

#[test]
fn a_deterministic_engine_gives_the_fixed_results() {
    for level in [OptLevel::None, OptLevel::Speed] {
        let engine = engine(level, true);
        for case in CASES {
            assert_eq!(result(&engine, case), 0, "{}", case.0);
        }
    }
}

#[test]
fn another_engine_gives_what_the_processor_has_instructions_for() {
    for level in [OptLevel::None, OptLevel::Speed] {
        let engine = engine(level, false);
        // Those with alternatives have them because of x86. Fused products need a feature that not all have.
        for case in CASES {
            let fixed = result(&engine, case) == 0;
            let may_be_fixed = case.2.is_empty()
                || case.0.contains("madd") && !std::arch::is_x86_feature_detected!("fma");
            assert_eq!(fixed, may_be_fixed, "{}", case.0);
        }
    }
}
