//! [`VmTable`]: a table. It never moves: addresses for its largest size are reserved when it is made.

use std::{io, ptr::NonNull, slice};

use wrun_module::{TableType, ValType};

use super::{
    layout::{VmDefinition, VmFuncRef},
    mapping::Mapping,
};

/// The most elements a table can have, whatever its type says; other engines draw the line there too.
pub(crate) const MAX_ELEMENTS: u64 = 10_000_000;

/// An element as generated code holds it: a pointer to a [`VmFuncRef`] or a reference to an object of the
/// garbage-collected heap. 0 is null.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct VmRef(pub(super) u64);

impl VmRef {
    /// A reference to a function.
    pub(super) fn func(func: Option<NonNull<VmFuncRef>>) -> Self {
        Self(func.map_or(0, |func| func.as_ptr() as u64))
    }

    /// A reference to an object.
    pub(super) fn object(reference: u32) -> Self {
        Self(reference.into())
    }

    /// The reference to an object.
    pub(super) fn to_object(self) -> u32 {
        self.0 as u32
    }

    /// Visits the reference to an object.
    pub(super) fn visit(&mut self, visit: impl FnOnce(&mut u32)) {
        let mut reference = self.to_object();
        visit(&mut reference);
        *self = Self::object(reference);
    }
}

/// A table. Its address must not change while an instance uses it: stores keep it in a box.
#[derive(Debug)]
pub(crate) struct VmTable {
    /// Read by generated code.
    pub(super) definition: VmDefinition,
    storage: Mapping,
    /// The most elements there is room for.
    capacity: u64,
    ty: TableType,
}

// SAFETY: the definition points into the storage, which is owned and can be sent.
unsafe impl Send for VmTable {}
// SAFETY: a shared reference only allows reading.
unsafe impl Sync for VmTable {}

/// A range of a table is not inside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OutOfTable;

impl VmTable {
    /// A table of the type's least size, all elements null.
    pub(crate) fn new(ty: TableType) -> io::Result<Self> {
        let capacity = ty.limits.max.unwrap_or(MAX_ELEMENTS).min(MAX_ELEMENTS);
        if ty.limits.min > capacity {
            return Err(io::ErrorKind::OutOfMemory.into());
        }
        let storage = Mapping::reserve((capacity * element_size(ty)) as usize)?;
        let definition = VmDefinition { base: storage.base(), length: 0 };
        let mut table = Self { definition, storage, capacity, ty };
        table.extend_to(ty.limits.min)?;
        Ok(table)
    }

    fn extend_to(&mut self, len: u64) -> io::Result<()> {
        let end = (len * element_size(self.ty)) as usize;
        self.storage.make_accessible(0, end.next_multiple_of(Mapping::PAGE))?;
        self.definition.length = len;
        Ok(())
    }

    /// Makes it what it was when it was new. Up to `small` bytes are cleared; pages of a larger table are given back.
    pub(super) fn renew(&mut self, small: usize) -> io::Result<()> {
        let rounded = |len: u64| (len * element_size(self.ty)) as usize;
        let page_end = |len| rounded(len).next_multiple_of(Mapping::PAGE);
        let (len, least) = (self.len(), self.ty.limits.min);
        let (old, new) = (page_end(len), page_end(least));
        if rounded(len) <= small {
            self.fill(0, VmRef(0), len).map_err(|OutOfTable| io::ErrorKind::InvalidInput)?;
        } else {
            self.storage.renew(0, old)?;
        }
        self.storage.make_inaccessible(new, old - new)?;
        self.definition.length = least;
        Ok(())
    }

    /// The type it was made with.
    pub(crate) fn declared_type(&self) -> TableType {
        self.ty
    }

    /// Number of elements.
    pub(crate) fn len(&self) -> u64 {
        self.definition.length
    }

    /// An element, or nothing past the end.
    pub(crate) fn get(&self, index: u64) -> Option<VmRef> {
        let index = usize::try_from(index).ok()?;
        match self.elements() {
            Elements::Wide(elements) => elements.get(index).map(|&element| VmRef(element)),
            Elements::Narrow(elements) => elements.get(index).map(|&element| VmRef(element.into())),
        }
    }

    /// Sets `len` elements from `start` on.
    pub(super) fn fill(&mut self, start: u64, value: VmRef, len: u64) -> Result<(), OutOfTable> {
        let range = self.range(start, len)?;
        match self.elements_mut() {
            ElementsMut::Wide(elements) => elements[range].fill(value.0),
            ElementsMut::Narrow(elements) => elements[range].fill(value.0 as u32),
        }
        Ok(())
    }

    /// Writes elements from `start` on.
    pub(super) fn write(&mut self, start: u64, values: &[VmRef]) -> Result<(), OutOfTable> {
        let range = self.range(start, values.len() as u64)?;
        match self.elements_mut() {
            ElementsMut::Wide(elements) => {
                elements[range].iter_mut().zip(values).for_each(|(slot, value)| *slot = value.0);
            }
            ElementsMut::Narrow(elements) => {
                let pairs = elements[range].iter_mut().zip(values);
                pairs.for_each(|(slot, value)| *slot = value.0 as u32);
            }
        }
        Ok(())
    }

    /// `len` elements from `start` on.
    pub(super) fn read(&self, start: u64, len: u64) -> Result<Vec<VmRef>, OutOfTable> {
        let range = self.range(start, len)?;
        Ok(match self.elements() {
            Elements::Wide(elements) => elements[range].iter().map(|&bits| VmRef(bits)).collect(),
            Elements::Narrow(elements) => {
                elements[range].iter().map(|&bits| VmRef(bits.into())).collect()
            }
        })
    }

    /// Copies elements within the table, as if through a copy of them.
    pub(super) fn copy_within(&mut self, dst: u64, src: u64, len: u64) -> Result<(), OutOfTable> {
        let (src, dst) = (self.range(src, len)?, self.range(dst, len)?);
        match self.elements_mut() {
            ElementsMut::Wide(elements) => elements.copy_within(src, dst.start),
            ElementsMut::Narrow(elements) => elements.copy_within(src, dst.start),
        }
        Ok(())
    }

    /// Grows by `delta` elements of value `init` and gives the old size, or nothing when that is too much.
    pub(super) fn grow(&mut self, delta: u64, init: VmRef) -> Option<u64> {
        let old = self.len();
        let new = old.checked_add(delta).filter(|&new| new <= self.capacity)?;
        self.extend_to(new).ok()?;
        self.fill(old, init, delta).ok()?;
        Some(old)
    }

    /// Visits all elements when they are references to objects.
    pub(super) fn visit_references(&mut self, visit: impl FnMut(&mut u32)) {
        if ValType::Ref(self.ty.element).is_traced()
            && let ElementsMut::Narrow(elements) = self.elements_mut()
        {
            elements.iter_mut().for_each(visit);
        }
    }

    fn range(&self, start: u64, len: u64) -> Result<std::ops::Range<usize>, OutOfTable> {
        let end = start.checked_add(len).filter(|&end| end <= self.len()).ok_or(OutOfTable)?;
        Ok(start as usize..end as usize)
    }

    fn elements(&self) -> Elements<'_> {
        let (base, len) = (self.definition.base.as_ptr(), self.len() as usize);
        // SAFETY: `length` elements of the type's size are accessible from `base`, which is aligned to a page;
        // nobody writes them while `self` is borrowed, as for memories.
        unsafe {
            match element_size(self.ty) {
                8 => Elements::Wide(slice::from_raw_parts(base.cast(), len)),
                _ => Elements::Narrow(slice::from_raw_parts(base.cast(), len)),
            }
        }
    }

    fn elements_mut(&mut self) -> ElementsMut<'_> {
        let (base, len) = (self.definition.base.as_ptr(), self.len() as usize);
        // SAFETY: as for `elements`, and `self` is borrowed exclusively.
        unsafe {
            match element_size(self.ty) {
                8 => ElementsMut::Wide(slice::from_raw_parts_mut(base.cast(), len)),
                _ => ElementsMut::Narrow(slice::from_raw_parts_mut(base.cast(), len)),
            }
        }
    }
}

enum Elements<'a> {
    Wide(&'a [u64]),
    Narrow(&'a [u32]),
}

enum ElementsMut<'a> {
    Wide(&'a mut [u64]),
    Narrow(&'a mut [u32]),
}

/// Bytes of an element.
fn element_size(ty: TableType) -> u64 {
    if ty.element.heap.is_func() { 8 } else { 4 }
}
