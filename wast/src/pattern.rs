//! Patterns for floats and vectors, and how numbers are written.
//!
//! Source: spec, *Syntax › Values › Floating-point* for which NaNs are canonical and which arithmetic.

use std::fmt::LowerHex;

use wast::{
    core::{NanPattern, V128Pattern},
    token::{F32, F64},
};

/// A canonical NaN has the highest bit of its payload set and no other; the sign is free.
const CANONICAL_32: u32 = 0x7fc0_0000;
const CANONICAL_64: u64 = 0x7ff8_0000_0000_0000;

/// Whether the float of these bits is in the pattern.
pub(crate) fn matches_f32(pattern: &NanPattern<F32>, bits: u32) -> bool {
    match pattern {
        NanPattern::CanonicalNan => bits & 0x7fff_ffff == CANONICAL_32,
        NanPattern::ArithmeticNan => bits & CANONICAL_32 == CANONICAL_32,
        NanPattern::Value(value) => value.bits == bits,
    }
}

/// Whether the float of these bits is in the pattern.
pub(crate) fn matches_f64(pattern: &NanPattern<F64>, bits: u64) -> bool {
    match pattern {
        NanPattern::CanonicalNan => bits & 0x7fff_ffff_ffff_ffff == CANONICAL_64,
        NanPattern::ArithmeticNan => bits & CANONICAL_64 == CANONICAL_64,
        NanPattern::Value(value) => value.bits == bits,
    }
}

/// Whether a vector, as the little-endian number it is in memory, is in the pattern, lane by lane.
pub(crate) fn matches_v128(pattern: &V128Pattern, bits: u128) -> bool {
    match pattern {
        V128Pattern::I8x16(lanes) => lanes.map(|lane| lane as u8) == bits.to_le_bytes(),
        V128Pattern::I16x8(lanes) => {
            lanes.iter().enumerate().all(|(i, &lane)| lane as u16 == (bits >> (16 * i)) as u16)
        }
        V128Pattern::I32x4(lanes) => {
            lanes.iter().enumerate().all(|(i, &lane)| lane as u32 == lane_32(bits, i))
        }
        V128Pattern::I64x2(lanes) => {
            lanes.iter().enumerate().all(|(i, &lane)| lane as u64 == lane_64(bits, i))
        }
        V128Pattern::F32x4(lanes) => {
            lanes.iter().enumerate().all(|(i, lane)| matches_f32(lane, lane_32(bits, i)))
        }
        V128Pattern::F64x2(lanes) => {
            lanes.iter().enumerate().all(|(i, lane)| matches_f64(lane, lane_64(bits, i)))
        }
    }
}

fn lane_32(bits: u128, lane: usize) -> u32 {
    (bits >> (32 * lane)) as u32
}

fn lane_64(bits: u128, lane: usize) -> u64 {
    (bits >> (64 * lane)) as u64
}

/// A pattern as scripts write it.
pub(crate) fn f32_pattern_text(pattern: &NanPattern<F32>) -> String {
    match pattern {
        NanPattern::CanonicalNan => "nan:canonical".to_owned(),
        NanPattern::ArithmeticNan => "nan:arithmetic".to_owned(),
        NanPattern::Value(value) => f32_text(value.bits),
    }
}

/// A pattern as scripts write it.
pub(crate) fn f64_pattern_text(pattern: &NanPattern<F64>) -> String {
    match pattern {
        NanPattern::CanonicalNan => "nan:canonical".to_owned(),
        NanPattern::ArithmeticNan => "nan:arithmetic".to_owned(),
        NanPattern::Value(value) => f64_text(value.bits),
    }
}

/// A pattern as scripts write it.
pub(crate) fn v128_pattern_text(pattern: &V128Pattern) -> String {
    let (shape, lanes): (_, Vec<String>) = match pattern {
        V128Pattern::I8x16(lanes) => ("i8x16", hex_lanes(lanes)),
        V128Pattern::I16x8(lanes) => ("i16x8", hex_lanes(lanes)),
        V128Pattern::I32x4(lanes) => ("i32x4", hex_lanes(lanes)),
        V128Pattern::I64x2(lanes) => ("i64x2", hex_lanes(lanes)),
        V128Pattern::F32x4(lanes) => ("f32x4", lanes.iter().map(f32_pattern_text).collect()),
        V128Pattern::F64x2(lanes) => ("f64x2", lanes.iter().map(f64_pattern_text).collect()),
    };
    format!("{shape} {}", lanes.join(" "))
}

/// A vector as scripts write it, in the lanes of the pattern it is compared with.
pub(crate) fn v128_text(bits: u128, like: Option<&V128Pattern>) -> String {
    let bytes = bits.to_le_bytes();
    let (shape, lanes): (_, Vec<String>) = match like {
        Some(V128Pattern::I8x16(_)) => ("i8x16", hex_lanes(&bytes)),
        Some(V128Pattern::I16x8(_)) => {
            let lanes: Vec<_> = (0..8).map(|i| (bits >> (16 * i)) as u16).collect();
            ("i16x8", hex_lanes(&lanes))
        }
        Some(V128Pattern::I64x2(_)) => ("i64x2", hex_lanes(&[0, 1].map(|i| lane_64(bits, i)))),
        Some(V128Pattern::F32x4(_)) => {
            ("f32x4", (0..4).map(|i| f32_text(lane_32(bits, i))).collect())
        }
        Some(V128Pattern::F64x2(_)) => {
            ("f64x2", (0..2).map(|i| f64_text(lane_64(bits, i))).collect())
        }
        Some(V128Pattern::I32x4(_)) | None => {
            ("i32x4", hex_lanes(&[0, 1, 2, 3].map(|i| lane_32(bits, i))))
        }
    };
    format!("{shape} {}", lanes.join(" "))
}

fn hex_lanes<T: LowerHex>(lanes: &[T]) -> Vec<String> {
    lanes.iter().map(|lane| format!("{lane:#x}")).collect()
}

/// A float as scripts write it, with the payload of a NaN.
pub(crate) fn f32_text(bits: u32) -> String {
    let value = f32::from_bits(bits);
    if !value.is_nan() {
        return format!("{value:?}");
    }
    let sign = if value.is_sign_negative() { "-" } else { "" };
    format!("{sign}nan:{:#x}", bits & 0x007f_ffff)
}

/// A float as scripts write it, with the payload of a NaN.
pub(crate) fn f64_text(bits: u64) -> String {
    let value = f64::from_bits(bits);
    if !value.is_nan() {
        return format!("{value:?}");
    }
    let sign = if value.is_sign_negative() { "-" } else { "" };
    format!("{sign}nan:{:#x}", bits & 0x000f_ffff_ffff_ffff)
}

#[cfg(test)]
mod tests {
    use wast::{
        core::{NanPattern, V128Pattern},
        token::{F32, F64},
    };

    use super::{
        f32_text, f64_text, matches_f32, matches_f64, matches_v128, v128_pattern_text, v128_text,
    };

    #[test]
    fn canonical_nans_have_one_payload_and_either_sign() {
        let pattern = NanPattern::CanonicalNan;
        assert!(matches_f32(&pattern, 0x7fc0_0000));
        assert!(matches_f32(&pattern, 0xffc0_0000));
        assert!(!matches_f32(&pattern, 0x7fc0_0001));
        assert!(!matches_f32(&pattern, 0x7f80_0000), "infinity is no NaN");
        let pattern = NanPattern::CanonicalNan;
        assert!(matches_f64(&pattern, 0x7ff8_0000_0000_0000));
        assert!(matches_f64(&pattern, 0xfff8_0000_0000_0000));
        assert!(!matches_f64(&pattern, 0x7ff8_0000_0000_0001));
        assert!(!matches_f64(&pattern, 0x7ff0_0000_0000_0000));
    }

    #[test]
    fn arithmetic_nans_have_the_top_bit_of_the_payload() {
        let pattern = NanPattern::ArithmeticNan;
        assert!(matches_f32(&pattern, 0x7fc0_0001));
        assert!(matches_f32(&pattern, 0xffff_ffff));
        assert!(!matches_f32(&pattern, 0x7fa0_0000), "a signalling NaN");
        assert!(!matches_f32(&pattern, 0));
        let pattern = NanPattern::ArithmeticNan;
        assert!(matches_f64(&pattern, 0xfff8_0000_0000_0001));
        assert!(!matches_f64(&pattern, 0x7ff4_0000_0000_0000));
    }

    #[test]
    fn values_are_compared_by_their_bits() {
        assert!(matches_f32(&NanPattern::Value(F32 { bits: 0 }), 0));
        assert!(!matches_f32(&NanPattern::Value(F32 { bits: 0 }), 0x8000_0000), "minus zero");
        assert!(!matches_f64(&NanPattern::Value(F64 { bits: 1 << 63 }), 0));
        let signalling = NanPattern::Value(F32 { bits: 0x7fa0_0000 });
        assert!(matches_f32(&signalling, 0x7fa0_0000));
        assert!(!matches_f32(&signalling, 0x7fe0_0000));
    }

    #[test]
    fn vectors_are_compared_lane_by_lane() {
        let bits = 0x0000_0004_0000_0003_0000_0002_0000_0001;
        assert!(matches_v128(&V128Pattern::I32x4([1, 2, 3, 4]), bits));
        assert!(!matches_v128(&V128Pattern::I32x4([4, 3, 2, 1]), bits));
        assert!(matches_v128(&V128Pattern::I16x8([1, 0, 2, 0, 3, 0, 4, 0]), bits));
        assert!(!matches_v128(&V128Pattern::I16x8([1, 0, 2, 0, 3, 0, 4, 1]), bits));
        assert!(matches_v128(&V128Pattern::I64x2([0x2_0000_0001, 0x4_0000_0003]), bits));
        assert!(!matches_v128(&V128Pattern::I64x2([0x2_0000_0001, 0]), bits));
        let mut bytes = [0; 16];
        bytes[15] = -1;
        assert!(matches_v128(&V128Pattern::I8x16(bytes), 0xff << 120));
        assert!(!matches_v128(&V128Pattern::I8x16(bytes), 0xff));
    }

    #[test]
    fn lanes_of_floats_may_be_patterns() {
        let zero = || NanPattern::Value(F32 { bits: 0 });
        let pattern = V128Pattern::F32x4([
            NanPattern::CanonicalNan,
            zero(),
            NanPattern::ArithmeticNan,
            zero(),
        ]);
        assert!(matches_v128(&pattern, 0x0000_0000_7fc0_0001_0000_0000_ffc0_0000));
        assert!(!matches_v128(&pattern, 0x0000_0000_7fc0_0001_0000_0000_ffc0_0001));
        assert!(!matches_v128(&pattern, 0x8000_0000_7fc0_0001_0000_0000_ffc0_0000));
        let pattern =
            V128Pattern::F64x2([NanPattern::ArithmeticNan, NanPattern::Value(F64 { bits: 1 })]);
        assert!(matches_v128(&pattern, (1 << 64) | 0x7ff8_0000_0000_0007));
        assert!(!matches_v128(&pattern, (2 << 64) | 0x7ff8_0000_0000_0007));
        assert!(!matches_v128(&pattern, (1 << 64) | 0x7ff0_0000_0000_0007));
    }

    #[test]
    fn texts_are_those_of_scripts() {
        assert_eq!(f32_text(0xffc0_0001), "-nan:0x400001");
        assert_eq!(f64_text(0x3ff8_0000_0000_0000), "1.5");
        let pattern = V128Pattern::F64x2([NanPattern::CanonicalNan, NanPattern::ArithmeticNan]);
        assert_eq!(v128_pattern_text(&pattern), "f64x2 nan:canonical nan:arithmetic");
        assert_eq!(v128_text(1 << 64, Some(&pattern)), "f64x2 0.0 5e-324");
        assert_eq!(v128_text(0x10, None), "i32x4 0x10 0x0 0x0 0x0");
    }
}
