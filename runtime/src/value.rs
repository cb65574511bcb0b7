//! Values as the host holds them: [`Val`], [`Ref`] and [`V128`].

use std::fmt;

use wrun_module::{HeapType, RefType, ValType};

use crate::{AnyRef, ArrayRef, EqRef, Exn, ExternRef, Func, StructRef};

/// A value of any type. Floats are kept as their bits, so that a NaN's payload survives.
#[derive(Clone, Copy, Debug)]
pub enum Val {
    /// `i32`.
    I32(i32),
    /// `i64`.
    I64(i64),
    /// The bits of an `f32`.
    F32(u32),
    /// The bits of an `f64`.
    F64(u64),
    /// `v128`.
    V128(V128),
    /// `funcref`; `None` is null.
    FuncRef(Option<Func>),
    /// `externref`; `None` is null.
    ExternRef(Option<ExternRef>),
    /// `anyref`, and whatever is below it; `None` is null.
    AnyRef(Option<AnyRef>),
    /// `exnref`; `None` is null.
    ExnRef(Option<Exn>),
}

macro_rules! getters {
    ($($variant:ident $ty:ty, $get:ident $unwrap:ident, $value:ident => $convert:expr;)*) => {
        $(
            #[doc = concat!("The value when it is of this type, as `", stringify!($ty), "`.")]
            pub fn $get(&self) -> Option<$ty> {
                match *self {
                    Val::$variant($value) => Some($convert),
                    _ => None,
                }
            }

            #[doc = concat!("The value, as `", stringify!($ty), "`.")]
            ///
            /// # Panics
            /// When it is of another type.
            pub fn $unwrap(&self) -> $ty {
                self.$get().unwrap_or_else(|| {
                    panic!("expected a value of type {}, found {self:?}", stringify!($variant))
                })
            }
        )*
    };
}

impl Val {
    getters! {
        I32 i32, i32 unwrap_i32, value => value;
        I64 i64, i64 unwrap_i64, value => value;
        F32 f32, f32 unwrap_f32, value => f32::from_bits(value);
        F64 f64, f64 unwrap_f64, value => f64::from_bits(value);
        V128 V128, v128 unwrap_v128, value => value;
        FuncRef Option<Func>, func_ref unwrap_func_ref, value => value;
        ExternRef Option<ExternRef>, extern_ref unwrap_extern_ref, value => value;
        AnyRef Option<AnyRef>, any_ref unwrap_any_ref, value => value;
        ExnRef Option<Exn>, exn_ref unwrap_exn_ref, value => value;
    }

    /// Its type; that of a reference is nullable.
    pub fn ty(&self) -> ValType {
        match self {
            Val::I32(_) => ValType::I32,
            Val::I64(_) => ValType::I64,
            Val::F32(_) => ValType::F32,
            Val::F64(_) => ValType::F64,
            Val::V128(_) => ValType::V128,
            Val::FuncRef(_) => ValType::FUNCREF,
            Val::ExternRef(_) => ValType::EXTERNREF,
            Val::AnyRef(_) => ValType::ANYREF,
            Val::ExnRef(_) => ValType::EXNREF,
        }
    }

    /// The value that locals of a type begin with: zero or null. Nothing for types without one.
    pub fn default_for(ty: ValType) -> Option<Val> {
        match ty {
            ValType::Ref(RefType { nullable: false, .. }) => None,
            ty => Some(Val::zero(ty)),
        }
    }

    /// Zero or null.
    pub(crate) fn zero(ty: ValType) -> Val {
        match ty {
            ValType::I32 => Val::I32(0),
            ValType::I64 => Val::I64(0),
            ValType::F32 => Val::F32(0),
            ValType::F64 => Val::F64(0),
            ValType::V128 => Val::V128(V128::from(0)),
            ValType::Ref(ty) => Ref::null(ty.heap).into(),
        }
    }

    /// The reference, when it is one.
    pub fn to_ref(&self) -> Option<Ref> {
        match *self {
            Val::FuncRef(func) => Some(Ref::Func(func)),
            Val::ExternRef(external) => Some(Ref::Extern(external)),
            Val::AnyRef(any) => Some(Ref::Any(any)),
            Val::ExnRef(exn) => Some(Ref::Exn(exn)),
            _ => None,
        }
    }
}

macro_rules! val_from {
    ($($ty:ty, $value:ident => $val:expr;)*) => {
        $(
            impl From<$ty> for Val {
                fn from($value: $ty) -> Self {
                    $val
                }
            }
        )*
    };
}

val_from! {
    i32, value => Val::I32(value);
    u32, value => Val::I32(value as i32);
    i64, value => Val::I64(value);
    u64, value => Val::I64(value as i64);
    f32, value => Val::F32(value.to_bits());
    f64, value => Val::F64(value.to_bits());
    V128, value => Val::V128(value);
    Func, value => Val::FuncRef(Some(value));
    Option<Func>, value => Val::FuncRef(value);
    ExternRef, value => Val::ExternRef(Some(value));
    Option<ExternRef>, value => Val::ExternRef(value);
    AnyRef, value => Val::AnyRef(Some(value));
    Option<AnyRef>, value => Val::AnyRef(value);
    EqRef, value => Val::AnyRef(Some(value.into()));
    Option<EqRef>, value => Val::AnyRef(value.map(Into::into));
    StructRef, value => Val::AnyRef(Some(value.into()));
    Option<StructRef>, value => Val::AnyRef(value.map(Into::into));
    ArrayRef, value => Val::AnyRef(Some(value.into()));
    Option<ArrayRef>, value => Val::AnyRef(value.map(Into::into));
    Exn, value => Val::ExnRef(Some(value));
    Option<Exn>, value => Val::ExnRef(value);
    Ref, value => match value {
        Ref::Func(func) => Val::FuncRef(func),
        Ref::Extern(external) => Val::ExternRef(external),
        Ref::Any(any) => Val::AnyRef(any),
        Ref::Exn(exn) => Val::ExnRef(exn),
    };
}

/// A reference, as tables hold them.
#[derive(Clone, Copy, Debug)]
pub enum Ref {
    /// `funcref`.
    Func(Option<Func>),
    /// `externref`.
    Extern(Option<ExternRef>),
    /// `anyref`, and whatever is below it.
    Any(Option<AnyRef>),
    /// `exnref`.
    Exn(Option<Exn>),
}

impl Ref {
    /// The greatest type of the hierarchy it belongs to: what it refers to is of that type.
    pub fn heap_type(&self) -> HeapType {
        match self {
            Ref::Func(_) => HeapType::Func,
            Ref::Extern(_) => HeapType::Extern,
            Ref::Any(_) => HeapType::Any,
            Ref::Exn(_) => HeapType::Exn,
        }
    }

    /// Whether it is null.
    pub fn is_null(&self) -> bool {
        matches!(self, Ref::Func(None) | Ref::Extern(None) | Ref::Any(None) | Ref::Exn(None))
    }

    /// The null reference of a type. All types of one hierarchy have the same.
    pub fn null(heap: HeapType) -> Ref {
        match heap.top() {
            HeapType::Func => Ref::Func(None),
            HeapType::Any => Ref::Any(None),
            HeapType::Exn => Ref::Exn(None),
            _ => Ref::Extern(None),
        }
    }
}

/// 128 bits, whose meaning is up to the instruction.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct V128(u128);

impl V128 {
    /// All bits; lane 0 is in the lowest.
    pub fn as_u128(self) -> u128 {
        self.0
    }

    /// From the bytes as they lie in memory.
    pub fn from_le_bytes(bytes: [u8; 16]) -> Self {
        Self(u128::from_le_bytes(bytes))
    }

    /// The bytes as they lie in memory.
    pub fn to_le_bytes(self) -> [u8; 16] {
        self.0.to_le_bytes()
    }
}

impl From<u128> for V128 {
    fn from(bits: u128) -> Self {
        Self(bits)
    }
}

impl From<V128> for u128 {
    fn from(value: V128) -> Self {
        value.0
    }
}

impl fmt::Debug for V128 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#034x}", self.0)
    }
}

impl fmt::Display for V128 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}
