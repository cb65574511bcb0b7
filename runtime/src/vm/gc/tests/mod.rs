//! Tests of the collector without an engine: a heap, shapes, and roots in a list.

mod externals;
mod graphs;
mod policy;

use wrun_module::gc::{EXTERNAL_TYPE, FIRST_TYPE, ROW, array};

use super::{
    externals::{ExternalValue, Externals},
    heap::Heap,
    shape::{Shape, ShapeTable},
};
use crate::vm::layout::VmBump;

/// A struct of a number and two references.
const PAIR: u32 = FIRST_TYPE;
/// An array of references.
const REFERENCES: u32 = FIRST_TYPE + ROW;
/// An array of bytes.
const BYTES: u32 = FIRST_TYPE + 2 * ROW;

/// Offsets in a pair, and its size.
const VALUE: u32 = 4;
const LEFT: u32 = 8;
const RIGHT: u32 = 12;
const PAIR_SIZE: u64 = 16;

/// A heap with its surroundings.
struct World {
    heap: Heap,
    bump: VmBump,
    shapes: ShapeTable,
    externals: Externals,
    roots: Vec<u32>,
    collections: usize,
}

impl World {
    /// A heap that may take `max` bytes.
    fn new(max: u64) -> Self {
        Self::with_stress(max, false)
    }

    fn with_stress(max: u64, stress: bool) -> Self {
        let mut bump = VmBump::default();
        let heap = Heap::new(max, stress, &mut bump).expect("addresses for a heap");
        let mut shapes = ShapeTable::default();
        shapes.set(EXTERNAL_TYPE, Shape::External);
        shapes
            .set(PAIR, Shape::Struct { size: PAIR_SIZE as u32, references: [LEFT, RIGHT].into() });
        shapes.set(REFERENCES, Shape::Array { element: 4, traced: true });
        shapes.set(BYTES, Shape::Array { element: 1, traced: false });
        let (externals, roots) = (Externals::default(), Vec::new());
        Self { heap, bump, shapes, externals, roots, collections: 0 }
    }

    /// Collects, and gives the values that nobody refers to.
    fn collect_for(&mut self, needed: u64) -> Vec<ExternalValue> {
        self.collections += 1;
        let Self { heap, bump, shapes, externals, roots, .. } = self;
        heap.collect(bump, shapes, externals, needed, |evacuation| {
            roots.iter_mut().for_each(|root| evacuation.visit(root));
        })
        .expect("memory for the copies");
        externals.sweep()
    }

    fn collect(&mut self) {
        self.collect_for(0);
    }

    /// Room for an object; nothing when the heap is exhausted.
    fn try_allocate(&mut self, ty: u32, size: u64) -> Option<u32> {
        if self.heap.must_collect(&self.bump, size) {
            self.collect_for(size);
        }
        self.heap.allocate(&mut self.bump, ty, size)
    }

    fn allocate(&mut self, ty: u32, size: u64) -> u32 {
        self.try_allocate(ty, size).expect("the heap is not exhausted")
    }

    /// Makes a pair; `left` and `right` say where in the roots what it refers to is, as it may move.
    fn pair(&mut self, value: u32, left: Option<usize>, right: Option<usize>) -> u32 {
        let pair = self.allocate(PAIR, PAIR_SIZE);
        self.set(pair, VALUE, value);
        self.set(pair, LEFT, left.map_or(0, |root| self.roots[root]));
        self.set(pair, RIGHT, right.map_or(0, |root| self.roots[root]));
        pair
    }

    /// Makes an array whose elements take `bytes` bytes, all zero.
    fn array(&mut self, ty: u32, len: u32, bytes: u32) -> u32 {
        let object =
            self.allocate(ty, (u64::from(array::ELEMENTS) + u64::from(bytes)).next_multiple_of(8));
        self.set(object, array::LENGTH, len);
        for word in 0..bytes / 4 {
            self.set(object, array::ELEMENTS + 4 * word, 0);
        }
        object
    }

    fn get(&self, object: u32, offset: u32) -> u32 {
        u32::from_le_bytes(self.heap.read(object, offset))
    }

    fn set(&mut self, object: u32, offset: u32, value: u32) {
        self.heap.write(object, offset, value.to_le_bytes());
    }

    fn used(&self) -> u64 {
        self.heap.used(&self.bump)
    }
}
