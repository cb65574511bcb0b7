//! [`ArrayRef`]: references to arrays.

use wrun_module::{CompositeKind, HeapType};

use crate::{
    AsContext, AsContextMut, Result, Val,
    root::{GcRef, INTERNAL, gc_ref},
    vm::Elements,
};

gc_ref! {
    /// A reference to an array, valid as [`GcRef`] says.
    ///
    /// ```
    /// use wrun_runtime::{ArrayRef, ArrayType, Engine, FieldType, StorageType, Store, Val};
    ///
    /// let engine = Engine::default();
    /// let byte = FieldType { storage: StorageType::I8, mutable: true };
    /// let string = engine.define_type(ArrayType { element: byte })?;
    ///
    /// let mut store = Store::new(&engine, ());
    /// let text: Vec<Val> = b"wrun".iter().map(|&byte| Val::I32(byte.into())).collect();
    /// let text = ArrayRef::new_fixed(&mut store, string, &text)?;
    /// text.set(&mut store, 0, Val::I32(b'W'.into()))?;
    /// let bytes = text.elements(&mut store);
    /// let bytes: Vec<u8> = bytes.iter().map(|byte| byte.unwrap_i32() as u8).collect();
    /// assert_eq!(bytes, b"Wrun");
    /// # Ok::<(), wrun_runtime::Error>(())
    /// ```
    ArrayRef
}

impl ArrayRef {
    /// Makes an array of a type with `len` elements that are all `element`; packed ones get the lower bits of an `i32`.
    ///
    /// # Errors
    /// When the type is none of an array, the element does not fit it, or the heap is exhausted.
    ///
    /// # Panics
    /// When the element is another store's or its scope has ended.
    pub fn new(store: impl AsContextMut, ty: HeapType, element: Val, len: u32) -> Result<ArrayRef> {
        Self::of(store, ty, Elements::Repeat(element, len))
    }

    /// Makes an array of a type with `len` elements that are zero or null.
    ///
    /// # Errors
    /// When the type is none of an array, its elements have no such value, or the heap is exhausted.
    pub fn new_default(store: impl AsContextMut, ty: HeapType, len: u32) -> Result<ArrayRef> {
        Self::of(store, ty, Elements::Default(len))
    }

    /// Makes an array of a type with these elements.
    ///
    /// # Errors
    /// When the type is none of an array, an element does not fit it, or the heap is exhausted.
    ///
    /// # Panics
    /// When an element is another store's or its scope has ended.
    pub fn new_fixed(store: impl AsContextMut, ty: HeapType, elements: &[Val]) -> Result<ArrayRef> {
        Self::of(store, ty, Elements::Each(elements))
    }

    fn of(mut store: impl AsContextMut, ty: HeapType, elements: Elements<'_>) -> Result<ArrayRef> {
        let mut store = store.as_context_mut();
        let number = store.engine().defined_type(ty, CompositeKind::Array)?;
        store.opaque_mut().new_array(number, elements).map(Self::from_handle)
    }

    /// Its type, exactly; what it consists of is found by [`Engine::resolve`](crate::Engine::resolve).
    ///
    /// # Panics
    /// When the reference is another store's or its scope has ended; so do all methods.
    pub fn ty(self, store: impl AsContext) -> HeapType {
        store.as_context().opaque().heap_type_of(self.handle(INTERNAL))
    }

    /// Whether it is of a type.
    pub fn matches_ty(self, store: impl AsContext, ty: HeapType) -> bool {
        store.as_context().engine().heap_type_matches(self.ty(&store), ty)
    }

    /// Number of elements.
    #[allow(clippy::len_without_is_empty, reason = "a handle has no length of its own")]
    pub fn len(self, store: impl AsContext) -> u32 {
        store.as_context().opaque().array_len(self.handle(INTERNAL))
    }

    /// An element; nothing past the end. A packed one is an `i32` whose upper bits are zero, as `array.get_u` gives it.
    pub fn get(self, mut store: impl AsContextMut, index: u32) -> Option<Val> {
        store.as_context_mut().opaque_mut().array_element(self.handle(INTERNAL), index)
    }

    /// All elements, in order.
    pub fn elements(self, mut store: impl AsContextMut) -> Vec<Val> {
        let mut store = store.as_context_mut();
        (0..self.len(&store)).map_while(|index| self.get(&mut store, index)).collect()
    }

    /// Sets an element; a packed one gets the lower bits of an `i32`.
    ///
    /// # Errors
    /// When it is past the end or immutable, or the value is of another type.
    pub fn set(self, store: impl AsContextMut, index: u32, value: Val) -> Result<()> {
        self.fill(store, index, value, 1)
    }

    /// Sets `len` elements from `start` on.
    ///
    /// # Errors
    /// When they are not all inside the array or are immutable, or the value is of another type; nothing is written then.
    pub fn fill(
        self,
        mut store: impl AsContextMut,
        start: u32,
        value: Val,
        len: u32,
    ) -> Result<()> {
        let mut store = store.as_context_mut();
        store.opaque_mut().fill_array(self.handle(INTERNAL), start, value, len)
    }

    /// Copies `len` elements of `src` from `src_start` on to those from `dst_start` on. Both may be one array.
    ///
    /// # Errors
    /// When the elements are immutable or may not be what `src` has, and when they are not all inside the arrays; nothing is
    /// written then.
    pub fn copy(
        self,
        mut store: impl AsContextMut,
        dst_start: u32,
        src: ArrayRef,
        src_start: u32,
        len: u32,
    ) -> Result<()> {
        let mut store = store.as_context_mut();
        let (dst, src) = (self.handle(INTERNAL), src.handle(INTERNAL));
        store.opaque_mut().copy_array((dst, dst_start), (src, src_start), len)
    }
}
