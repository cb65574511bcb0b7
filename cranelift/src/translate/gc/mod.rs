//! Structs, arrays, and the references to them.
//!
//! - `object`: addresses, allocation, and access to what is in an object;
//! - `structure`, `array`, `i31`: the instructions of each; `fill`: the same value in many elements;
//! - `cast`: whether a reference, or a function, is of a type; `descriptor`: and has a given descriptor.
//!
//! How objects lie in memory says `wrun_module::gc`.
//!
//! # Objects move
//! A call may collect garbage, and then every object is somewhere else. Values that are references are known to Cranelift's
//! frontend, which keeps them in the frame over a call and loads them again behind it: behind a call a reference is another
//! value, and so is everything that the optimiser could compute from it. What must not be is an address that the translator
//! itself keeps over a call. So addresses are computed where they are used, and no method here makes a call between.

mod array;
mod cast;
mod descriptor;
mod fill;
mod i31;
pub(super) mod object;
mod structure;

use cranelift_codegen::ir::{InstBuilder, condcodes::IntCC};

use super::function::FuncTranslator;

impl FuncTranslator<'_, '_> {
    /// References to the same object, the same `i31`, and null are equal as numbers.
    pub(super) fn visit_ref_eq(&mut self) {
        let (x, y) = self.pop2();
        let equal = self.ins().icmp(IntCC::Equal, x, y);
        self.push_bool(equal);
    }

    /// The same reference means the same in both hierarchies.
    pub(super) fn visit_any_convert_extern(&mut self) {}

    /// The same reference means the same in both hierarchies.
    pub(super) fn visit_extern_convert_any(&mut self) {}
}
