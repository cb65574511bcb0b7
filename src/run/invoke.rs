//! `--invoke`: arguments from words, and results to text, by their types.

use std::{ffi::OsString, num::IntErrorKind};

use wrun::{AsContext, FuncType, RefType, V128, Val, ValType};

use crate::render::Failure;

/// The arguments of a call of `function` from the words of the command line.
///
/// # Errors
/// When there are too few or too many, or one is not of its parameter's type; the message shows the signature.
pub(super) fn parse_arguments(
    function: &str,
    ty: &FuncType,
    words: &[OsString],
) -> Result<Vec<Val>, Failure> {
    let usage = |what: String| Failure::usage(what).cause(format!("`{function}` is {ty}"));
    let params = ty.params();
    if words.len() != params.len() {
        return Err(usage(format!(
            "`{function}` takes {} argument{}, found {}",
            params.len(),
            if params.len() == 1 { "" } else { "s" },
            words.len()
        )));
    }
    let parse = |(position, (word, &param)): (usize, (&OsString, &ValType))| {
        let text = word.to_string_lossy();
        parse_value(param, &text).map_err(|reason| {
            usage(format!(
                "argument {} of `{function}`: `{text}` is not of type {param}: {reason}",
                position + 1
            ))
        })
    };
    words.iter().zip(params).enumerate().map(parse).collect()
}

/// A value of type `ty` from a word.
fn parse_value(ty: ValType, text: &str) -> Result<Val, String> {
    Ok(match ty {
        ValType::I32 => Val::I32(parse_integer(text, 32)? as i32),
        ValType::I64 => Val::I64(parse_integer(text, 64)? as i64),
        ValType::F32 => {
            let value: f32 = text.parse().map_err(|_| "expected a number".to_owned())?;
            Val::F32(value.to_bits())
        }
        ValType::F64 => {
            let value: f64 = text.parse().map_err(|_| "expected a number".to_owned())?;
            Val::F64(value.to_bits())
        }
        ValType::V128 => Val::V128(V128::from(parse_integer(text, 128)?)),
        ValType::Ref(RefType { nullable: true, .. }) if text == "null" => {
            Val::default_for(ty).ok_or("the type has no null")?
        }
        ValType::Ref(_) => return Err("only `null` can be given".into()),
    })
}

/// The bits of an integer of `width` bits: decimal or hexadecimal, signed or unsigned.
fn parse_integer(text: &str, width: u32) -> Result<u128, String> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text),
    };
    let (radix, digits) = match digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")) {
        Some(digits) => (16, digits),
        None => (10, digits),
    };
    let range = || format!("expected an integer of {width} bits");
    if digits.starts_with(['+', '-']) {
        return Err(range());
    }
    let magnitude = u128::from_str_radix(digits, radix).map_err(|error| match error.kind() {
        IntErrorKind::PosOverflow => format!("it does not fit in {width} bits"),
        _ => range(),
    })?;
    let limit = if negative { 1 << (width - 1) } else { u128::MAX >> (128 - width) };
    if magnitude > limit {
        return Err(format!("it does not fit in {width} bits"));
    }
    Ok(if negative { magnitude.wrapping_neg() } else { magnitude })
}

/// A result as text: integers signed, floats so that they read back, vectors in hexadecimal, references by what they refer to.
pub(super) fn show(store: impl AsContext, value: &Val) -> String {
    match value {
        Val::I32(value) => value.to_string(),
        Val::I64(value) => value.to_string(),
        Val::F32(bits) => {
            show_float(f32::from_bits(*bits).is_nan(), format!("{:?}", f32::from_bits(*bits)))
        }
        Val::F64(bits) => {
            show_float(f64::from_bits(*bits).is_nan(), format!("{:?}", f64::from_bits(*bits)))
        }
        Val::V128(value) => format!("{:#034x}", value.as_u128()),
        Val::FuncRef(None) | Val::ExternRef(None) | Val::AnyRef(None) | Val::ExnRef(None) => {
            "null".into()
        }
        Val::FuncRef(Some(_)) => "funcref".into(),
        Val::ExternRef(Some(_)) => "externref".into(),
        Val::ExnRef(Some(_)) => "exnref".into(),
        Val::AnyRef(Some(reference)) => match reference.as_i31(&store) {
            Some(value) => format!("i31 {}", value.get_i32()),
            None if reference.as_struct(&store).is_some() => "structref".into(),
            None => reference.as_array(&store).map_or("anyref", |_| "arrayref").into(),
        },
    }
}

fn show_float(is_nan: bool, text: String) -> String {
    if is_nan { "nan".into() } else { text }
}

#[cfg(test)]
mod tests {
    use super::{parse_value, show};
    use wrun::{
        AnyRef, ArrayRef, ArrayType, Engine, ExternRef, FieldType, I31, StorageType, Store,
        StructRef, StructType, Val, ValType,
    };

    fn store() -> Store<()> {
        Store::new(&Engine::default(), ())
    }

    fn round_trip(ty: ValType, text: &str) -> Result<String, String> {
        parse_value(ty, text).map(|value| show(store(), &value))
    }

    #[test]
    fn integers_are_read_signed_and_unsigned() {
        assert_eq!(round_trip(ValType::I32, "-2147483648"), Ok("-2147483648".into()));
        assert_eq!(round_trip(ValType::I32, "4294967295"), Ok("-1".into()));
        assert_eq!(round_trip(ValType::I32, "0xff"), Ok("255".into()));
        assert_eq!(round_trip(ValType::I64, "-0x10"), Ok("-16".into()));
        for text in ["4294967296", "-2147483649", "", "-", "0x", "1.5", "x", "--1", "-+1"] {
            assert!(round_trip(ValType::I32, text).is_err(), "{text}");
        }
    }

    #[test]
    fn floats_read_back() {
        assert_eq!(round_trip(ValType::F64, "1"), Ok("1.0".into()));
        assert_eq!(round_trip(ValType::F64, "1e300"), Ok("1e300".into()));
        assert_eq!(round_trip(ValType::F32, "-inf"), Ok("-inf".into()));
        assert_eq!(round_trip(ValType::F32, "nan"), Ok("nan".into()));
        assert!(round_trip(ValType::F32, "one").is_err());
    }

    #[test]
    fn vectors_are_one_number_and_references_are_null() {
        assert_eq!(round_trip(ValType::V128, "1"), Ok("0x00000000000000000000000000000001".into()));
        assert_eq!(round_trip(ValType::FUNCREF, "null"), Ok("null".into()));
        assert!(round_trip(ValType::EXTERNREF, "0").is_err());
        assert!(matches!(parse_value(ValType::FUNCREF, "null"), Ok(Val::FuncRef(None))));
        assert!(matches!(parse_value(ValType::I31REF, "null"), Ok(Val::AnyRef(None))));
    }

    #[test]
    fn references_are_shown_by_what_they_refer_to() {
        let mut store = store();
        let field = FieldType { storage: StorageType::I8, mutable: false };
        let ty = store.engine().define_type(StructType { fields: [field].into() }).unwrap();
        let structure = StructRef::new_default(&mut store, ty).unwrap();
        let ty = store.engine().define_type(ArrayType { element: field }).unwrap();
        let array = ArrayRef::new_default(&mut store, ty, 1).unwrap();
        let number = AnyRef::from_i31(&mut store, I31::wrapping_i32(-7));
        let hosts = ExternRef::new(&mut store, ()).unwrap();
        let show = |value: Val| show(&store, &value);
        assert_eq!(show(structure.into()), "structref");
        assert_eq!(show(array.into()), "arrayref");
        assert_eq!(show(number.into()), "i31 -7");
        assert_eq!(show(hosts.into()), "externref");
        assert_eq!(show(AnyRef::convert_extern(hosts).into()), "anyref");
        assert_eq!(show(Val::AnyRef(None)), "null");
    }
}
