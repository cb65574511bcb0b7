//! The garbage-collected heap of a store: a copying collector for objects of WebAssembly and values of the host's.
//!
//! - [`heap`]: the memory, divided into halves, and how far it is filled;
//! - [`evacuation`]: the collection itself, from one half to the other;
//! - [`shape`]: what it has to know of types;
//! - [`roots`] and [`externals`]: what the host holds, and what it has given to WebAssembly;
//! - [`objects`]: what is in objects, for the host, and how segments get into arrays;
//! - [`exceptions`]: exceptions, as the host makes and reads them;
//! - [`collect`]: where a store's references are, and when it collects.
//!
//! How objects and references lie in memory says `wrun_module::gc`. Generated code allocates by itself for as long as there
//! is room, and calls the libcall `gc_alloc` when there is none.
//!
//! # What keeps it sound
//! Objects move, at any allocation and at no other time. Whoever may allocate, or calls somebody who may, holds references
//! only in places that [`collect`] visits. For generated code that is the slots its stack maps name; for the runtime it is
//! tables, globals, element segments and [`HostRoots`]. A reference in a register or a variable is good
//! until the next call of one of the functions here that take the store exclusively.

mod collect;
mod evacuation;
mod exceptions;
mod externals;
mod heap;
mod objects;
mod roots;
mod shape;
#[cfg(test)]
mod tests;

pub(crate) use objects::Elements;
pub(crate) use roots::{OwnedToken, ScopeMark, SlotName};

use externals::Externals;
use heap::Heap;
use roots::HostRoots;
use shape::ShapeTable;

/// All that a store has of the garbage-collected world. Empty and without cost until there is an object.
#[derive(Debug, Default)]
pub(super) struct Gc {
    heap: Option<Heap>,
    shapes: ShapeTable,
    externals: Externals,
    roots: HostRoots,
}
