//! The one table of traps: the code an image stores, and the specification's text.
//!
//! The compiler writes the codes, the runtime reads them back, the script runner compares the texts.

macro_rules! traps {
    ($($(#[$doc:meta])* $name:ident = $code:literal, $message:literal;)*) => {
        /// Why a WebAssembly program was stopped by the engine.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u8)]
        #[non_exhaustive]
        pub enum TrapCode {
            $($(#[$doc])* $name = $code,)*
        }

        impl TrapCode {
            /// Every trap there is.
            pub const ALL: &'static [TrapCode] = &[$(TrapCode::$name,)*];

            /// The trap that an image stores as `code`.
            pub fn from_u8(code: u8) -> Option<TrapCode> {
                match code {
                    $($code => Some(TrapCode::$name),)*
                    _ => None,
                }
            }

            /// The specification's text for it.
            pub fn message(self) -> &'static str {
                match self {
                    $(TrapCode::$name => $message,)*
                }
            }
        }
    };
}

traps! {
    /// `unreachable` was executed.
    Unreachable = 1, "unreachable";
    /// A load, a store or a bulk operation left its memory.
    MemoryOutOfBounds = 2, "out of bounds memory access";
    /// A table instruction left its table.
    TableOutOfBounds = 3, "out of bounds table access";
    /// `call_indirect` with an index past the end of the table.
    UndefinedElement = 4, "undefined element";
    /// `call_indirect` of a null reference.
    UninitializedElement = 5, "uninitialized element";
    /// `call_indirect` of a function with another type.
    IndirectCallTypeMismatch = 6, "indirect call type mismatch";
    /// The quotient of the least integer and −1, or a conversion of a float that is too large.
    IntegerOverflow = 7, "integer overflow";
    /// Division by zero, or its remainder.
    IntegerDivideByZero = 8, "integer divide by zero";
    /// Conversion of NaN to an integer.
    InvalidConversionToInteger = 9, "invalid conversion to integer";
    /// The stack for WebAssembly is used up.
    StackExhausted = 10, "call stack exhausted";
    /// `call_ref` or `return_call_ref` of a null reference.
    NullFunctionReference = 11, "null function reference";
    /// `ref.as_non_null` of a null reference.
    NullReference = 12, "null reference";
    /// There is no room for an object, even when all that cannot be reached is gone.
    HeapExhausted = 13, "garbage-collected heap exhausted";
    /// An access to a field of a null reference.
    NullStructureReference = 14, "null structure reference";
    /// An access to an element, or the length, of a null reference.
    NullArrayReference = 15, "null array reference";
    /// `i31.get_s` or `i31.get_u` of a null reference.
    NullI31Reference = 16, "null i31 reference";
    /// An access to an element, or a range of them, past the end of its array.
    ArrayOutOfBounds = 17, "out of bounds array access";
    /// `ref.cast` of a reference to something else.
    CastFailure = 18, "cast failure";
    /// `throw_ref` of a null reference.
    NullExceptionReference = 20, "null exception reference";
    /// A struct is to be made, or a reference cast, with null as the descriptor.
    NullDescriptorReference = 32, "null descriptor reference";
    /// A cast of a reference to something that has another descriptor.
    DescriptorCastFailure = 33, "descriptor cast failure";
    /// An atomic access at an address that is not a multiple of its size.
    UnalignedAtomic = 30, "unaligned atomic";
    /// `memory.atomic.wait32` or `memory.atomic.wait64` on a memory that is not shared.
    ExpectedSharedMemory = 31, "expected shared memory";
}

impl std::fmt::Display for TrapCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.message())
    }
}

#[cfg(test)]
mod tests {
    use super::TrapCode;

    #[test]
    fn every_code_reads_back_as_itself() {
        for &trap in TrapCode::ALL {
            assert_eq!(TrapCode::from_u8(trap as u8), Some(trap));
        }
        assert_eq!(TrapCode::from_u8(0), None);
        assert_eq!(TrapCode::from_u8(255), None);
    }
}
