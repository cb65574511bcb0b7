//! [`AnyRef`] and [`EqRef`]: references whose referent has to be found out.

use wrun_module::{CompositeKind, HeapType};

use crate::{
    ArrayRef, AsContext, AsContextMut, ExternRef, I31, StructRef,
    root::{GcRef, INTERNAL, gc_ref},
};

gc_ref! {
    /// A reference to anything but functions and exceptions: a struct, an array, an [`I31`], or a value of the host's that was
    /// converted to one. Valid as [`GcRef`] says.
    ///
    /// ```
    /// use wrun_runtime::{AnyRef, Engine, ExternRef, HeapType, I31, Store};
    ///
    /// let mut store = Store::new(&Engine::default(), ());
    /// let number = AnyRef::from_i31(&mut store, I31::wrapping_i32(-5));
    /// assert_eq!(number.as_i31(&store).map(I31::get_i32), Some(-5));
    /// assert!(number.matches_ty(&store, HeapType::Eq));
    ///
    /// let hosts = AnyRef::convert_extern(ExternRef::new(&mut store, "text")?);
    /// assert!(!hosts.matches_ty(&store, HeapType::Eq));
    /// let data = ExternRef::convert_any(hosts).data(&store);
    /// assert_eq!(data.and_then(|data| data.downcast_ref::<&str>()), Some(&"text"));
    /// # Ok::<(), wrun_runtime::Error>(())
    /// ```
    AnyRef
}

gc_ref! {
    /// A reference to what can be compared: a struct, an array or an [`I31`]. Valid as [`GcRef`] says.
    EqRef
}

/// What both kinds can be asked.
macro_rules! questions {
    ($name:ident) => {
        impl $name {
            /// The reference that is an integer.
            pub fn from_i31(mut store: impl AsContextMut, value: I31) -> Self {
                Self::from_handle(store.as_context_mut().opaque_mut().root_i31(value))
            }

            /// What it refers to: `i31`, the exact type of a struct or an array, or `any` for a value of the host's.
            ///
            /// # Panics
            /// When the reference is another store's or its scope has ended; so do all methods that take a store.
            pub fn ty(self, store: impl AsContext) -> HeapType {
                let store = store.as_context();
                store.opaque().heap_type_of(self.handle(INTERNAL))
            }

            /// Whether it refers to something of a type.
            pub fn matches_ty(self, store: impl AsContext, ty: HeapType) -> bool {
                store.as_context().engine().heap_type_matches(self.ty(&store), ty)
            }

            /// The integer, when it is one.
            pub fn as_i31(self, store: impl AsContext) -> Option<I31> {
                let store = store.as_context();
                store.opaque().i31(self.handle(INTERNAL))
            }

            /// The struct, when it refers to one.
            pub fn as_struct(self, store: impl AsContext) -> Option<StructRef> {
                matches!(self.ty(store), HeapType::Exact(CompositeKind::Struct, _))
                    .then(|| StructRef::from_handle(self.handle(INTERNAL)))
            }

            /// The array, when it refers to one.
            pub fn as_array(self, store: impl AsContext) -> Option<ArrayRef> {
                matches!(self.ty(store), HeapType::Exact(CompositeKind::Array, _))
                    .then(|| ArrayRef::from_handle(self.handle(INTERNAL)))
            }
        }
    };
}

questions!(AnyRef);
questions!(EqRef);

impl AnyRef {
    /// The same reference, as what can be compared, when it is that: not a value of the host's.
    pub fn as_eq(self, store: impl AsContext) -> Option<EqRef> {
        (self.ty(store) != HeapType::Any).then(|| EqRef::from_handle(self.handle(INTERNAL)))
    }

    /// A reference to the same thing, as `any.convert_extern` gives it.
    pub fn convert_extern(external: ExternRef) -> AnyRef {
        Self::from_handle(external.handle(INTERNAL))
    }
}

impl ExternRef {
    /// A reference to the same thing, as `extern.convert_any` gives it.
    pub fn convert_any(any: AnyRef) -> ExternRef {
        Self::from_handle(any.handle(INTERNAL))
    }
}

/// Every reference of the first type is one of the second.
macro_rules! upcasts {
    ($($from:ident => $to:ident;)*) => {
        $(
            impl From<$from> for $to {
                fn from(reference: $from) -> Self {
                    Self::from_handle(reference.handle(INTERNAL))
                }
            }
        )*
    };
}

upcasts! {
    EqRef => AnyRef;
    StructRef => AnyRef;
    StructRef => EqRef;
    ArrayRef => AnyRef;
    ArrayRef => EqRef;
}
