//! Every instruction of the two SIMD proposals has code, on every target and with all options; what it computes is for
//! the official suite to say.

use std::fmt::Write as _;

use wrun_cranelift::CraneliftCompiler;
use wrun_module::{CompileOptions, Compiler, Features, MemoryStyle, OptLevel, image::Image, parse};

/// Of all integer shapes, of one vector.
const INTEGER_UNARY: &str = "abs neg";
/// Of all integer shapes, of two vectors.
const INTEGER_BINARY: &str = "eq ne lt_s gt_s le_s ge_s add sub";
/// Of all shapes of floats, of one vector.
const FLOAT_UNARY: &str = "ceil floor trunc nearest abs neg sqrt";
/// Of all shapes of floats, of two vectors.
const FLOAT_BINARY: &str = "eq ne lt gt le ge add sub mul div min max pmin pmax";

/// All others of one vector.
const UNARY: &str = "v128.not i8x16.popcnt \
    i16x8.extadd_pairwise_i8x16_s i16x8.extadd_pairwise_i8x16_u \
    i32x4.extadd_pairwise_i16x8_s i32x4.extadd_pairwise_i16x8_u \
    i16x8.extend_low_i8x16_s i16x8.extend_high_i8x16_s \
    i16x8.extend_low_i8x16_u i16x8.extend_high_i8x16_u \
    i32x4.extend_low_i16x8_s i32x4.extend_high_i16x8_s \
    i32x4.extend_low_i16x8_u i32x4.extend_high_i16x8_u \
    i64x2.extend_low_i32x4_s i64x2.extend_high_i32x4_s \
    i64x2.extend_low_i32x4_u i64x2.extend_high_i32x4_u \
    i32x4.trunc_sat_f32x4_s i32x4.trunc_sat_f32x4_u \
    f32x4.convert_i32x4_s f32x4.convert_i32x4_u \
    i32x4.trunc_sat_f64x2_s_zero i32x4.trunc_sat_f64x2_u_zero \
    f64x2.convert_low_i32x4_s f64x2.convert_low_i32x4_u \
    f32x4.demote_f64x2_zero f64x2.promote_low_f32x4";
/// All others of two vectors.
const BINARY: &str = "v128.and v128.andnot v128.or v128.xor i8x16.swizzle \
    i8x16.lt_u i8x16.gt_u i8x16.le_u i8x16.ge_u i16x8.lt_u i16x8.gt_u i16x8.le_u i16x8.ge_u \
    i32x4.lt_u i32x4.gt_u i32x4.le_u i32x4.ge_u \
    i8x16.narrow_i16x8_s i8x16.narrow_i16x8_u i16x8.narrow_i32x4_s i16x8.narrow_i32x4_u \
    i8x16.add_sat_s i8x16.add_sat_u i8x16.sub_sat_s i8x16.sub_sat_u \
    i16x8.add_sat_s i16x8.add_sat_u i16x8.sub_sat_s i16x8.sub_sat_u \
    i8x16.min_s i8x16.min_u i8x16.max_s i8x16.max_u i8x16.avgr_u \
    i16x8.min_s i16x8.min_u i16x8.max_s i16x8.max_u i16x8.avgr_u i16x8.q15mulr_sat_s \
    i32x4.min_s i32x4.min_u i32x4.max_s i32x4.max_u i32x4.dot_i16x8_s \
    i16x8.mul i32x4.mul i64x2.mul \
    i16x8.extmul_low_i8x16_s i16x8.extmul_high_i8x16_s \
    i16x8.extmul_low_i8x16_u i16x8.extmul_high_i8x16_u \
    i32x4.extmul_low_i16x8_s i32x4.extmul_high_i16x8_s \
    i32x4.extmul_low_i16x8_u i32x4.extmul_high_i16x8_u \
    i64x2.extmul_low_i32x4_s i64x2.extmul_high_i32x4_s \
    i64x2.extmul_low_i32x4_u i64x2.extmul_high_i32x4_u";

/// The relaxed ones of one vector.
const RELAXED_UNARY: &str = "i32x4.relaxed_trunc_f32x4_s i32x4.relaxed_trunc_f32x4_u \
    i32x4.relaxed_trunc_f64x2_s_zero i32x4.relaxed_trunc_f64x2_u_zero";
/// The relaxed ones of two vectors.
const RELAXED_BINARY: &str = "i8x16.relaxed_swizzle i16x8.relaxed_q15mulr_s \
    f32x4.relaxed_min f32x4.relaxed_max f64x2.relaxed_min f64x2.relaxed_max \
    i16x8.relaxed_dot_i8x16_i7x16_s";
/// The relaxed ones of three vectors.
const RELAXED_TERNARY: &str = "f32x4.relaxed_madd f32x4.relaxed_nmadd f64x2.relaxed_madd \
    f64x2.relaxed_nmadd i8x16.relaxed_laneselect i16x8.relaxed_laneselect \
    i32x4.relaxed_laneselect i64x2.relaxed_laneselect i32x4.relaxed_dot_i8x16_i7x16_add_s";

/// A function that does one instruction: what it pushes before, the instruction, and its result.
fn add(functions: &mut Vec<String>, result: &str, arguments: &str, instruction: &str) {
    let result = if result.is_empty() { String::new() } else { format!("(result {result})") };
    functions.push(format!(
        "(func (param $v v128) (param $w v128) (param $i i32) (param $l i64) (param $f f32) \
         (param $d f64) {result} {arguments} {instruction})"
    ));
}

/// One function for each instruction.
fn functions() -> Vec<String> {
    let mut all = Vec::new();
    let one = "local.get $v";
    let two = "local.get $v local.get $w";
    for shape in ["i8x16", "i16x8", "i32x4", "i64x2"] {
        for op in INTEGER_UNARY.split_whitespace() {
            add(&mut all, "v128", one, &format!("{shape}.{op}"));
        }
        for op in INTEGER_BINARY.split_whitespace() {
            add(&mut all, "v128", two, &format!("{shape}.{op}"));
        }
        for op in ["shl", "shr_s", "shr_u"] {
            add(&mut all, "v128", "local.get $v local.get $i", &format!("{shape}.{op}"));
        }
        for op in ["all_true", "bitmask"] {
            add(&mut all, "i32", one, &format!("{shape}.{op}"));
        }
    }
    for shape in ["f32x4", "f64x2"] {
        for op in FLOAT_UNARY.split_whitespace() {
            add(&mut all, "v128", one, &format!("{shape}.{op}"));
        }
        for op in FLOAT_BINARY.split_whitespace() {
            add(&mut all, "v128", two, &format!("{shape}.{op}"));
        }
    }
    UNARY.split_whitespace().for_each(|op| add(&mut all, "v128", one, op));
    BINARY.split_whitespace().for_each(|op| add(&mut all, "v128", two, op));
    let three = "local.get $v local.get $w local.get $v";
    add(&mut all, "v128", three, "v128.bitselect");
    add(&mut all, "i32", one, "v128.any_true");
    add(&mut all, "v128", "", "v128.const i64x2 1 -2");
    add(&mut all, "v128", two, "i8x16.shuffle 0 31 1 30 2 29 3 28 4 27 5 26 6 25 7 24");
    lanes(&mut all);
    memory(&mut all);
    RELAXED_UNARY.split_whitespace().for_each(|op| add(&mut all, "v128", one, op));
    RELAXED_BINARY.split_whitespace().for_each(|op| add(&mut all, "v128", two, op));
    RELAXED_TERNARY.split_whitespace().for_each(|op| add(&mut all, "v128", three, op));
    all
}

fn lanes(all: &mut Vec<String>) {
    for (shape, ty, local) in [
        ("i8x16", "i32", "$i"),
        ("i16x8", "i32", "$i"),
        ("i32x4", "i32", "$i"),
        ("i64x2", "i64", "$l"),
        ("f32x4", "f32", "$f"),
        ("f64x2", "f64", "$d"),
    ] {
        add(all, "v128", &format!("local.get {local}"), &format!("{shape}.splat"));
        let arguments = format!("local.get $v local.get {local}");
        add(all, "v128", &arguments, &format!("{shape}.replace_lane 1"));
        let signs: &[&str] =
            if ["i8x16", "i16x8"].contains(&shape) { &["_s", "_u"] } else { &[""] };
        for sign in signs {
            add(all, ty, "local.get $v", &format!("{shape}.extract_lane{sign} 1"));
        }
    }
}

fn memory(all: &mut Vec<String>) {
    for op in "load load8x8_s load8x8_u load16x4_s load16x4_u load32x2_s load32x2_u load32_zero \
               load64_zero load8_splat load16_splat load32_splat load64_splat"
        .split_whitespace()
    {
        add(all, "v128", "local.get $i", &format!("v128.{op} offset=3000000000 align=1"));
    }
    add(all, "", "local.get $i local.get $v", "v128.store offset=1");
    for bits in [8, 16, 32, 64] {
        let arguments = "local.get $i local.get $v";
        add(all, "v128", arguments, &format!("v128.load{bits}_lane offset=5 1"));
        add(all, "", arguments, &format!("v128.store{bits}_lane offset=5 1"));
    }
}

#[test]
fn every_instruction_has_code() {
    let functions = functions();
    assert_eq!(functions.len(), 236 + 20, "the proposals have 236 and 20 instructions");
    let mut text = String::from("(module (memory 1)");
    functions.iter().for_each(|function| writeln!(text, "{function}").unwrap());
    text.push(')');
    let bytes = wat::parse_str(&text).expect("valid text");
    let module = parse(&bytes, Features::default()).expect("valid module");
    for target in [None, Some("x86_64-unknown-linux-gnu"), Some("aarch64-unknown-linux-gnu")] {
        for opt_level in [OptLevel::None, OptLevel::Speed] {
            for (memory_style, deterministic) in
                [(MemoryStyle::Reserved, false), (MemoryStyle::Checked, true)]
            {
                let options = CompileOptions { opt_level, memory_style, deterministic };
                let compiler = CraneliftCompiler::new(target, options).expect("a target");
                let image = compiler.compile(&module, &|_| {}).expect("code for all of it");
                let funcs = Image::parse(&image).expect("a valid image").funcs(&image).len();
                assert_eq!(funcs, functions.len(), "{target:?} {options:?}");
            }
        }
    }
}
