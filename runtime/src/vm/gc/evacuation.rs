//! [`Evacuation`]: the copying of reachable objects from one half of the heap to the other (C. J. Cheney, *A Nonrecursive
//! List Compacting Algorithm*, 1970).
//!
//! Copies lie one behind the other. Those in front of `scanned` refer to copies only, those behind it still to originals.
//! Where an original was there is, in the place of its type, where its copy lies: type numbers are even, so that this is
//! told from them by being odd. Nothing recurses, and nothing is needed but the two halves.

use std::ops::Range;

use wrun_module::gc::{EXCEPTION_TYPE, TYPE, array, array_size, exception, external};

use super::{
    externals::Externals,
    shape::{Shape, ShapeTable},
};

/// In the place of a type: this is where an object was, and the other bits say where its copy lies.
const MOVED: u32 = 1;

/// A collection that is under way.
#[derive(Debug)]
pub(crate) struct Evacuation<'a> {
    base: *mut u8,
    /// Where the originals begin, and how many bytes they take.
    old: u32,
    old_len: u32,
    /// All copies in front of here have been scanned.
    scanned: u64,
    /// Where the next copy goes.
    next: u64,
    shapes: &'a ShapeTable,
    externals: &'a mut Externals,
}

impl<'a> Evacuation<'a> {
    /// Begins a collection of the objects at `old`, whose copies go to `new`; both are offsets from `base`.
    ///
    /// # Safety
    /// The objects have the shapes of their types and refer, in the places that these name, to objects at `old`, to i31s or to
    /// nothing. As many bytes as they take can be written at `new`. Nobody else accesses either meanwhile.
    pub(super) unsafe fn new(
        base: *mut u8,
        old: Range<u64>,
        new: u64,
        shapes: &'a ShapeTable,
        externals: &'a mut Externals,
    ) -> Self {
        externals.begin();
        let old_len = (old.end - old.start) as u32;
        let old = old.start as u32;
        Self { base, old, old_len, scanned: new, next: new, shapes, externals }
    }

    /// Visits a place that holds a reference: what it refers to stays alive, and it refers to the copy from now on.
    /// Null, i31s, and references to copies stay as they are, so that it does no harm to visit a place twice.
    #[inline]
    pub(crate) fn visit(&mut self, reference: &mut u32) {
        if *reference & 1 == 0 && reference.wrapping_sub(self.old) < self.old_len {
            // SAFETY: the reference is to an original, by what the collection was begun with.
            *reference = unsafe { self.copy_of(*reference) };
        }
    }

    /// Ends the collection when all roots have been visited. Gives where the copies end.
    pub(super) fn finish(mut self) -> u64 {
        while self.scanned < self.next {
            // SAFETY: a copy lies there.
            unsafe { self.scan(self.scanned as u32) };
        }
        self.next
    }

    /// Where the copy of an original lies, which is made if there is none.
    ///
    /// # Safety
    /// An original lies there.
    #[inline]
    unsafe fn copy_of(&mut self, object: u32) -> u32 {
        // SAFETY: the caller vouches for the object.
        unsafe {
            let header = self.u32_at(object, TYPE).read();
            if header & MOVED != 0 { header & !MOVED } else { self.copy(object, header) }
        }
    }

    /// Copies an original that has not been copied yet.
    ///
    /// # Safety
    /// It lies there, and its type is `ty`.
    unsafe fn copy(&mut self, object: u32, ty: u32) -> u32 {
        // SAFETY: the caller vouches for the object, and so that it has what its shape says.
        let size = unsafe {
            match self.shapes.of_type(ty) {
                Shape::Struct { size, .. } => u64::from(*size),
                Shape::Array { element, .. } => self.array_size(object, *element),
                Shape::External => {
                    self.externals.reach(self.u32_at(object, external::NUMBER).read());
                    external::SIZE.into()
                }
                Shape::Exception => self.exception_shape(object).0.into(),
                Shape::None => damaged(object, ty),
            }
        };
        let copy = self.next as u32;
        // SAFETY: the object has as many bytes. No object is copied twice, so that all copies have room where there is
        // room for all objects. The halves do not overlap.
        unsafe {
            let (from, to) = (self.base.add(object as usize), self.base.add(copy as usize));
            copy_object(from.cast(), to.cast(), size);
            self.u32_at(object, TYPE).write(copy | MOVED);
        }
        self.next += size;
        copy
    }

    /// Visits all references in the copy at `scanned`, and goes on to the next.
    ///
    /// # Safety
    /// A copy lies there.
    unsafe fn scan(&mut self, object: u32) {
        let shapes = self.shapes;
        // SAFETY: copies are as their originals were.
        unsafe {
            let ty = self.u32_at(object, TYPE).read();
            match shapes.of_type(ty) {
                Shape::Struct { size, references } => {
                    self.scanned += u64::from(*size);
                    self.visit_fields(object, references);
                }
                Shape::Array { element, traced } => {
                    self.scanned += self.array_size(object, *element);
                    if *traced {
                        self.visit_elements(object);
                    }
                }
                Shape::External => self.scanned += u64::from(external::SIZE),
                Shape::Exception => {
                    let (size, references) = self.exception_shape(object);
                    self.scanned += u64::from(size);
                    self.visit_fields(object, references);
                }
                Shape::None => damaged(object, ty),
            }
        }
    }

    /// Bytes of an array with elements of `element` bytes.
    ///
    /// # Safety
    /// One lies there.
    #[inline]
    unsafe fn array_size(&self, object: u32, element: u32) -> u64 {
        // SAFETY: the caller vouches for it.
        array_size(unsafe { self.u32_at(object, array::LENGTH).read() }, element)
    }

    /// Size and references of an exception.
    ///
    /// # Safety
    /// One lies there.
    unsafe fn exception_shape(&self, object: u32) -> (u32, &'a [u32]) {
        // SAFETY: the caller vouches for it.
        let tag = unsafe { self.u32_at(object, exception::TAG).read() };
        match self.shapes.of_tag(tag) {
            Shape::Struct { size, references } => (*size, references),
            _ => damaged(object, EXCEPTION_TYPE),
        }
    }

    /// # Safety
    /// An array of references lies there.
    unsafe fn visit_elements(&mut self, object: u32) {
        // SAFETY: it has as many elements as its length says.
        unsafe {
            let len = self.u32_at(object, array::LENGTH).read();
            let elements = self.u32_at(object, array::ELEMENTS);
            for index in 0..len as usize {
                self.visit_place(elements.add(index));
            }
        }
    }

    /// # Safety
    /// The object has references at these offsets.
    unsafe fn visit_fields(&mut self, object: u32, references: &[u32]) {
        for &offset in references {
            // SAFETY: as above.
            unsafe { self.visit_place(self.u32_at(object, offset)) };
        }
    }

    /// # Safety
    /// A copy has a reference there.
    #[inline]
    unsafe fn visit_place(&mut self, place: *mut u32) {
        // SAFETY: nobody else has a reference to the place, and copying an object does not write to copies in front of it.
        unsafe {
            let mut reference = place.read();
            self.visit(&mut reference);
            place.write(reference);
        }
    }

    /// The address of 32 bits of an object; aligned, as objects and all fields of this size are.
    ///
    /// # Safety
    /// The object lies in the heap and has bytes at the offset.
    #[inline]
    unsafe fn u32_at(&self, object: u32, offset: u32) -> *mut u32 {
        // SAFETY: inside the heap's reservation, by the contract.
        unsafe { self.base.add(object as usize + offset as usize).cast() }
    }
}

/// Copies an object of `size` bytes, which is a multiple of 8. Most are small: a loop does it sooner than a call.
///
/// # Safety
/// `from` can be read, `to` written, both are aligned, and they do not overlap.
#[inline]
unsafe fn copy_object(from: *const u64, to: *mut u64, size: u64) {
    let words = (size / 8) as usize;
    // SAFETY: the caller's contract.
    unsafe {
        if words > 8 {
            return std::ptr::copy_nonoverlapping(from, to, words);
        }
        for word in 0..words {
            to.add(word).write(from.add(word).read());
        }
    }
}

/// Ends the process: an object is none of a known type. Either generated code or the collector has written where it should
/// not have, so nothing of the process can be relied on any more.
#[cold]
fn damaged(object: u32, ty: u32) -> ! {
    eprintln!("fatal: the garbage-collected heap is damaged: object {object:#x} is of type {ty}");
    std::process::abort();
}
