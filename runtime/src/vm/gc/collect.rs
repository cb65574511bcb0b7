//! When a store collects, and where its references are.

use std::{any::Any, io};

use wrun_module::{
    TrapCode,
    gc::{EXTERNAL_TYPE, TYPE, external},
};

use super::{Gc, evacuation::Evacuation, externals::ExternalValue, heap::Heap};
use crate::{
    Error,
    root::RootHandle,
    vm::{
        frames::{self, Exit, Frame},
        gc::{OwnedToken, ScopeMark},
        layout::VmStoreContext,
        store::{CodeRanges, StoreOpaque},
    },
};

impl StoreOpaque {
    /// Makes the heap, if there is none: before code runs that relies on its base.
    ///
    /// # Errors
    /// When the system has not enough addresses.
    pub(crate) fn make_heap(&mut self) -> Result<(), Error> {
        self.heap().map_err(|error| {
            Error::limit(format!(
                "cannot reserve addresses for the garbage-collected heap: {error}"
            ))
        })?;
        Ok(())
    }

    fn heap(&mut self) -> io::Result<&mut Heap> {
        let Self { engine, vm, code, gc, .. } = self;
        if gc.heap.is_none() {
            let config = engine.config();
            let heap = Heap::new(config.max_gc_heap, config.gc_stress, &mut vm.bump)?;
            code.null_region = heap.null_region();
            gc.heap = Some(heap);
        }
        Ok(gc.heap.as_mut().expect("made if there was none"))
    }

    /// Makes an object of which only the type is written. The caller writes all else before it does anything with the store
    /// that could collect.
    ///
    /// # Errors
    /// When there is no room for it, even though everything that cannot be reached is gone.
    pub(crate) fn allocate_object(&mut self, ty: u32, size: u64) -> Result<u32, TrapCode> {
        let exhausted = |_| TrapCode::HeapExhausted;
        self.heap().map_err(exhausted)?;
        let Self { vm, gc: Gc { heap: Some(heap), .. }, .. } = self else {
            unreachable!("made in the line above")
        };
        if heap.must_collect(&vm.bump, size) {
            self.collect(size).map_err(exhausted)?;
        }
        let Self { vm, gc, .. } = self;
        let heap = gc.heap.as_mut().expect("made above");
        heap.allocate(&mut vm.bump, ty, size).ok_or(TrapCode::HeapExhausted)
    }

    /// Frees all objects that cannot be reached, and drops values of the host's that only they referred to.
    pub(crate) fn collect_garbage(&mut self) {
        if let Err(error) = self.collect(0) {
            tracing::debug!(%error, "no memory to collect garbage with");
        }
    }

    /// Bytes that objects take, reachable or not.
    pub(crate) fn heap_bytes(&self) -> u64 {
        self.gc.heap.as_ref().map_or(0, |heap| heap.used(&self.vm.bump))
    }

    /// Collects, and then lets the heap be filled so far that there is room for `needed` bytes, as far as its limit allows.
    ///
    /// # Errors
    /// When the system has no memory for it; nothing has been done then.
    ///
    /// # Panics
    /// When dropping a value of the host's panics. Everything is in order then.
    fn collect(&mut self, needed: u64) -> io::Result<()> {
        let Self { engine, vm, code, instances, tables, globals, tags, gc, .. } = self;
        let Gc { heap: Some(heap), shapes, externals, roots } = gc else { return Ok(()) };
        let VmStoreContext { bump, activation, exit_fp, exit_pc, .. } = &mut **vm;
        shapes.update(engine.types(), tags);
        let before = heap.used(bump);
        let exit = Exit { pc: *exit_pc, fp: *exit_fp, is_return: true };
        heap.collect(bump, shapes, externals, needed, |evacuation| {
            // Whatever else comes to hold references of the store, its visit belongs here.
            // SAFETY: the code of the store waits for the caller, who was called through the exit stub or is the host;
            // the stub has noted the frame that called.
            unsafe {
                frames::walk(*activation, exit, |frame| visit_frame(code, frame, evacuation));
            }
            for global in globals.iter().filter(|global| global.ty.content.is_traced()) {
                // SAFETY: the place lives as long as the store, and nobody else accesses it now.
                let value = unsafe { &mut *global.place.as_ref().get() };
                value.visit_reference(|reference| evacuation.visit(reference));
            }
            for table in tables.iter_mut() {
                table.visit_references(|reference| evacuation.visit(reference));
            }
            for instance in instances.iter_mut() {
                instance.visit_references(|reference| evacuation.visit(reference));
            }
            roots.visit(|reference| evacuation.visit(reference));
        })?;
        let dead = externals.sweep();
        tracing::trace!(before, after = heap.used(bump), dropped = dead.len(), "collect garbage");
        // Not before everything is in order: this runs the user's code, which may panic.
        drop(dead);
        Ok(())
    }

    // What the host holds

    /// A handle to what a reference refers to, in the scope that is open; nothing for null.
    #[inline]
    pub(crate) fn root(&mut self, reference: u32) -> Option<RootHandle> {
        (reference != 0).then(|| RootHandle::new(self.id(), self.gc.roots.push(reference)))
    }

    /// The reference of a handle. It is good until something may collect.
    ///
    /// # Panics
    /// When the handle is another store's, or its scope has ended.
    #[inline]
    pub(crate) fn reference(&self, handle: RootHandle) -> u32 {
        let name = handle.name(self.id());
        self.gc.roots.get(name).unwrap_or_else(|| stale_handle())
    }

    /// Begins a scope for handles.
    #[inline]
    pub(crate) fn begin_scope(&self) -> ScopeMark {
        self.gc.roots.begin_scope()
    }

    /// Ends a scope: handles that were made since it began are not valid any more.
    #[inline]
    pub(crate) fn end_scope(&mut self, mark: ScopeMark) {
        self.gc.roots.end_scope(mark);
    }

    /// Keeps what a reference refers to alive until the last clone of the token is dropped. Gives the place of the reference.
    pub(crate) fn own_reference(&mut self, reference: u32) -> (u32, OwnedToken) {
        self.gc.roots.own(reference)
    }

    /// A handle to what an owned reference refers to, in the scope that is open.
    ///
    /// # Panics
    /// When the token is not that of the place.
    pub(crate) fn root_owned(&mut self, index: u32, token: &OwnedToken) -> RootHandle {
        let reference = self.owned_reference(index, token);
        self.root(reference).expect("made of a handle, which is never null")
    }

    /// An owned reference. It is good until something may collect.
    ///
    /// # Panics
    /// When the token is not that of the place.
    pub(crate) fn owned_reference(&self, index: u32, token: &OwnedToken) -> u32 {
        self.gc.roots.get_owned(index, token).expect("a token keeps its place")
    }

    // Values of the host's

    /// Makes an object that stands for a value, and gives a handle to it.
    ///
    /// # Errors
    /// When the heap is exhausted; the value is dropped then.
    pub(crate) fn add_external(&mut self, value: ExternalValue) -> Result<RootHandle, Error> {
        let object = self.allocate_object(EXTERNAL_TYPE, external::SIZE.into())?;
        // The object has no number yet, so nothing may collect before it has.
        let number = self.gc.externals.insert(value).map_err(|_| TrapCode::HeapExhausted)?;
        let heap = self.gc.heap.as_mut().expect("it has an object");
        heap.write(object, external::NUMBER, number.to_le_bytes());
        Ok(self.root(object).expect("an object is not null"))
    }

    /// The value that an object stands for; nothing when the reference is to something else.
    pub(crate) fn external(&self, reference: u32) -> Option<&(dyn Any + Send + Sync)> {
        let heap = self.gc.heap.as_ref().filter(|_| reference != 0 && reference & 1 == 0)?;
        if u32::from_le_bytes(heap.read(reference, TYPE)) != EXTERNAL_TYPE {
            return None;
        }
        self.gc.externals.get(u32::from_le_bytes(heap.read(reference, external::NUMBER)))
    }
}

/// Visits the references in a frame of generated code that waits for a call.
///
/// # Safety
/// The frame is live, and its code is the store's.
unsafe fn visit_frame(code: &CodeRanges, frame: Frame, evacuation: &mut Evacuation<'_>) {
    let Some(code) = code.find(frame.pc) else { return };
    for distance in code.stack_map_at(frame.pc) {
        // SAFETY: by its stack map the frame has a reference so many bytes below its frame pointer, in a slot that is
        // aligned, that nothing else uses, and that it reads again only after the call.
        unsafe { evacuation.visit(&mut *((frame.fp - distance as usize) as *mut u32)) };
    }
}

#[cold]
fn stale_handle() -> ! {
    panic!(
        "a reference was used after the scope that it was made in had ended: keep it with `to_owned_ref`"
    )
}
