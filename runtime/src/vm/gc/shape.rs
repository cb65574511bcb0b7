//! [`Shape`]: what the collector has to know of a type, and [`ShapeTable`], which knows it of all types of a store's objects.
//!
//! The collector trusts shapes: an object is as large as its shape says, and what it says are references are some. They
//! come from the layouts that generated code goes by (`wrun_module::gc`).

use wrun_module::gc::{EXCEPTION_TYPE, EXTERNAL_TYPE, FIRST_TYPE, ROW, StructLayout};

use crate::types::{ObjectLayout, TypeRegistry};

/// How objects of a type lie in memory, as far as it matters to the collector.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Shape {
    /// No object is of this type.
    #[default]
    None,
    /// All objects have the same size; the offsets are those of the references in them.
    Struct {
        /// Bytes.
        size: u32,
        /// Offsets of the references.
        references: Box<[u32]>,
    },
    /// Elements without gaps.
    Array {
        /// Bytes of an element.
        element: u32,
        /// Whether the elements are references.
        traced: bool,
    },
    /// A value of the host's.
    External,
    /// An exception: it has the shape of its tag.
    Exception,
}

impl From<&StructLayout> for Shape {
    fn from(layout: &StructLayout) -> Self {
        Shape::Struct { size: layout.size, references: layout.references().collect() }
    }
}

/// The shapes of types, by their numbers in the engine, and of exceptions, by the numbers of their tags in the store.
#[derive(Debug, Default)]
pub(crate) struct ShapeTable {
    /// At `number / ROW`: types have numbers that are multiples of it.
    types: Vec<Shape>,
    tags: Vec<Shape>,
}

impl ShapeTable {
    /// Notes the types that the engine has got since the last time, and the store's tags, given by the numbers of their types.
    pub(super) fn update(&mut self, types: &TypeRegistry, tags: &[u32]) {
        self.set(EXTERNAL_TYPE, Shape::External);
        self.set(EXCEPTION_TYPE, Shape::Exception);
        let known = (self.types.len() as u32 * ROW).max(FIRST_TYPE);
        types.since(known, |number, objects| {
            let shape = match objects {
                ObjectLayout::Func => Shape::None,
                ObjectLayout::Struct(layout) => layout.into(),
                ObjectLayout::Array(storage) => {
                    Shape::Array { element: storage.size(), traced: storage.is_traced() }
                }
            };
            self.set(number, shape);
        });
        for &tag in &tags[self.tags.len()..] {
            let layout = StructLayout::of_exception(types.get(tag).func());
            self.tags.push((&layout).into());
        }
    }

    /// Notes the shape of the type with a number.
    pub(super) fn set(&mut self, number: u32, shape: Shape) {
        let index = (number / ROW) as usize;
        if index >= self.types.len() {
            self.types.resize(index + 1, Shape::None);
        }
        self.types[index] = shape;
    }

    /// The shape of a type; of one that is not known, that there are no objects of it.
    #[inline]
    pub(super) fn of_type(&self, number: u32) -> &Shape {
        self.types.get((number / ROW) as usize).unwrap_or(&Shape::None)
    }

    /// Notes the shape of exceptions with the next tag.
    pub(super) fn push_tag(&mut self, layout: &StructLayout) {
        self.tags.push(layout.into());
    }

    /// The shape of exceptions with a tag.
    #[inline]
    pub(super) fn of_tag(&self, tag: u32) -> &Shape {
        self.tags.get(tag as usize).unwrap_or(&Shape::None)
    }
}
