//! Vectors: the proposals fixed-width SIMD and relaxed SIMD, a family of instructions a file.
//!
//! A vector on the operand stack has whatever vector type it was made with; it is cast when an instruction wants
//! another one, which costs nothing in machine code. Most instructions are CLIF's own on vectors of some shape, and
//! are listed in tables: name of the method, instruction, shape.

/// Methods for instructions of one vector.
macro_rules! unary {
    ($($visit:ident => $op:ident $shape:ident;)*) => {
        impl FuncTranslator<'_, '_> {$(
            pub(in crate::translate) fn $visit(&mut self) {
                let x = self.pop_as($shape);
                let result = self.ins().$op(x);
                self.push(result);
            }
        )*}
    };
}

/// Methods for instructions of two vectors of the same shape.
macro_rules! binary {
    ($($visit:ident => $op:ident $shape:ident;)*) => {
        impl FuncTranslator<'_, '_> {$(
            pub(in crate::translate) fn $visit(&mut self) {
                let (x, y) = self.pop2_as($shape);
                let result = self.ins().$op(x, y);
                self.push(result);
            }
        )*}
    };
}

/// Methods for instructions that compare two vectors lane by lane.
macro_rules! compare {
    ($($visit:ident => $op:ident $condition:path, $shape:ident;)*) => {
        impl FuncTranslator<'_, '_> {$(
            pub(in crate::translate) fn $visit(&mut self) {
                let (x, y) = self.pop2_as($shape);
                let result = self.ins().$op($condition, x, y);
                self.push(result);
            }
        )*}
    };
}

mod convert;
mod float;
mod integer;
mod lanes;
mod memory;
mod relaxed;
