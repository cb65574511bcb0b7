//! From the parser's visitor to the `visit_<opcode>` methods of [`Direct`].
//!
//! The one place that says which opcodes are written here. All others leave the function to Cranelift.

use wasmparser::VisitOperator;

use super::function::Direct;

/// Forwards every opcode. A type of its own, so that a method that is missing does not compile instead of calling itself.
pub(super) struct Dispatch<'t, 'm>(pub(super) &'t mut Direct<'m>);

/// One method of the visitor, by proposal or opcode.
macro_rules! forward {
    // These look at the flags that the comparison in front of them has left.
    (@mvp If $($rest:tt)*) => { forward!(with_flags $($rest)*); };
    (@mvp BrIf $($rest:tt)*) => { forward!(with_flags $($rest)*); };
    (@mvp I32Eqz $($rest:tt)*) => { forward!(with_flags $($rest)*); };
    (@mvp Select $($rest:tt)*) => { forward!(with_flags $($rest)*); };
    (@reference_types TypedSelect $($rest:tt)*) => { forward!(with_flags $($rest)*); };
    (@bulk_memory MemoryInit $($rest:tt)*) => { forward!(written $($rest)*); };
    (@bulk_memory DataDrop $($rest:tt)*) => { forward!(written $($rest)*); };
    (@bulk_memory MemoryCopy $($rest:tt)*) => { forward!(written $($rest)*); };
    (@bulk_memory MemoryFill $($rest:tt)*) => { forward!(written $($rest)*); };
    (@mvp $op:ident $($rest:tt)*) => { forward!(written $($rest)*); };
    (@sign_extension $op:ident $($rest:tt)*) => { forward!(written $($rest)*); };
    (@saturating_float_to_int $op:ident $($rest:tt)*) => { forward!(written $($rest)*); };
    (@$proposal:ident $op:ident $($rest:tt)*) => { forward!(left $($rest)*); };
    (with_flags $visit:ident $($arg:ident: $argty:ty,)*) => {
        #[inline]
        fn $visit(&mut self, $($arg: $argty),*) {
            self.0.$visit($($arg),*);
        }
    };
    (written $visit:ident $($arg:ident: $argty:ty,)*) => {
        #[inline]
        fn $visit(&mut self, $($arg: $argty),*) {
            self.0.settle_flags();
            self.0.$visit($($arg),*);
        }
    };
    (left $visit:ident $($arg:ident: $argty:ty,)*) => {
        #[cold]
        fn $visit(&mut self, $(_: $argty),*) {
            self.0.abort();
        }
    };
}

macro_rules! forward_all {
    ($(@$proposal:ident $op:ident $({ $($arg:ident: $argty:ty),* })? => $visit:ident ($($ann:tt)*))*) => {
        $(forward!(@$proposal $op $visit $($($arg: $argty,)*)?);)*
    };
}

impl<'a> VisitOperator<'a> for Dispatch<'_, '_> {
    type Output = ();

    wasmparser::for_each_visit_operator!(forward_all);
}
