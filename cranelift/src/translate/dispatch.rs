//! From the parser's visitor traits to the `visit_<opcode>` methods of [`FuncTranslator`].
//!
//! The one place that says which proposals are translated. Opcodes of all others are refused by name; validation
//! has done so before, so that this is only the second line.

use wasmparser::{VisitOperator, VisitSimdOperator};

use super::function::FuncTranslator;

/// Forwards every opcode. A type of its own, so that a method that is missing on the translator does not compile
/// instead of calling itself.
pub(super) struct Dispatch<'t, 'f, 'm>(pub(super) &'t mut FuncTranslator<'f, 'm>);

/// One method of a visitor trait, by proposal.
macro_rules! forward {
    // Invalid in every version of the language: a `select` of more than one value.
    (@reference_types TypedSelectMulti $($rest:tt)*) => {
        forward!(refused TypedSelectMulti $($rest)*);
    };
    (@mvp $($rest:tt)*) => { forward!(translated $($rest)*); };
    (@sign_extension $($rest:tt)*) => { forward!(translated $($rest)*); };
    (@saturating_float_to_int $($rest:tt)*) => { forward!(translated $($rest)*); };
    (@reference_types $($rest:tt)*) => { forward!(translated $($rest)*); };
    (@bulk_memory $($rest:tt)*) => { forward!(translated $($rest)*); };
    (@threads $($rest:tt)*) => { forward!(translated $($rest)*); };
    (@simd $($rest:tt)*) => { forward!(translated $($rest)*); };
    (@function_references $($rest:tt)*) => { forward!(translated $($rest)*); };
    (@tail_call $($rest:tt)*) => { forward!(translated $($rest)*); };
    (@exceptions $($rest:tt)*) => { forward!(translated $($rest)*); };
    (@legacy_exceptions $($rest:tt)*) => { forward!(translated $($rest)*); };
    (@relaxed_simd $($rest:tt)*) => { forward!(translated $($rest)*); };
    (@gc $($rest:tt)*) => { forward!(translated $($rest)*); };
    (@custom_descriptors $($rest:tt)*) => { forward!(translated $($rest)*); };
    (@wide_arithmetic $($rest:tt)*) => { forward!(translated $($rest)*); };
    (@$proposal:ident $($rest:tt)*) => { forward!(refused $($rest)*); };
    (translated $op:ident $visit:ident $($arg:ident: $argty:ty,)*) => {
        #[inline]
        fn $visit(&mut self, $($arg: $argty),*) {
            self.0.$visit($($arg),*);
        }
    };
    (refused $op:ident $visit:ident $($arg:ident: $argty:ty,)*) => {
        #[cold]
        fn $visit(&mut self, $(_: $argty),*) {
            self.0.refuse(stringify!($op));
        }
    };
}

macro_rules! forward_all {
    ($(@$proposal:ident $op:ident $({ $($arg:ident: $argty:ty),* })? => $visit:ident ($($ann:tt)*))*) => {
        $(forward!(@$proposal $op $visit $($($arg: $argty,)*)?);)*
    };
}

impl<'a> VisitOperator<'a> for Dispatch<'_, '_, '_> {
    type Output = ();

    fn simd_visitor(&mut self) -> Option<&mut dyn VisitSimdOperator<'a, Output = ()>> {
        Some(self)
    }

    wasmparser::for_each_visit_operator!(forward_all);
}

impl<'a> VisitSimdOperator<'a> for Dispatch<'_, '_, '_> {
    wasmparser::for_each_visit_simd_operator!(forward_all);
}
