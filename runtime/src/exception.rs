//! [`Exn`]: references to exceptions; [`Exception`]: one that nobody in WebAssembly has caught, on its way through the host.

use wrun_module::{HeapType, RefType, ValType};

use crate::{
    AsContext, AsContextMut, Error, OwnedRef, Result, Tag, TypeMismatch, Val,
    error::ErrorKind,
    root::{GcRef, INTERNAL, gc_ref},
    vm::{StoreOpaque, TagName},
};

gc_ref! {
    /// A reference to an exception: a tag, and values of the tag's types, which never change.
    ///
    /// It is valid as [`GcRef`] says.
    Exn
}

impl Exn {
    /// An exception. It is not thrown by being made: see [`Store::throw`](crate::Store::throw).
    ///
    /// # Errors
    /// When the values are not of the types that the tag asks for, or the heap of the store is exhausted.
    ///
    /// # Panics
    /// When the tag or one of the values is another store's.
    pub fn new(mut store: impl AsContextMut, tag: Tag, values: &[Val]) -> Result<Exn> {
        let mut store = store.as_context_mut();
        let position = tag.position(store.opaque());
        let ty = store.opaque().tag_type(position);
        let expected = ty.func().params();
        if values.len() != expected.len() {
            return Err(TypeMismatch::count("values", expected.len(), values.len()).into());
        }
        for (index, (value, &expected)) in values.iter().zip(expected).enumerate() {
            if !value.is_of(store.opaque(), expected) {
                let what = format!("value {index} of an exception");
                return Err(TypeMismatch::new(what, &expected, &value.ty()).into());
            }
        }
        // There are fewer than 2³² tags.
        store.opaque_mut().add_exception(position as u32, values).map(Self::from_handle)
    }

    /// Its tag.
    ///
    /// # Panics
    /// When it is another store's or its scope has ended.
    pub fn tag(&self, store: impl AsContext) -> Tag {
        let store = store.as_context();
        let store = store.opaque();
        Tag::at(store, store.exception_tag(store.reference(self.handle(INTERNAL))) as usize)
    }

    /// Its values.
    ///
    /// # Panics
    /// When it is another store's or its scope has ended.
    pub fn values(&self, mut store: impl AsContextMut) -> Vec<Val> {
        let mut store = store.as_context_mut();
        let reference = store.opaque().reference(self.handle(INTERNAL));
        store.opaque_mut().exception_values(reference)
    }

    /// The error that throws it.
    ///
    /// # Panics
    /// When it is another store's or its scope has ended.
    pub(crate) fn throw(self, store: &mut StoreOpaque) -> Error {
        let reference = store.reference(self.handle(INTERNAL));
        Exception::uncaught(store, reference)
    }
}

/// An exception that was thrown and not caught by WebAssembly.
///
/// The host catches it by doing something else with the error than giving it to its caller; it throws it again by giving
/// the error to WebAssembly, out of a host function.
#[derive(Clone, Debug)]
pub struct Exception {
    exn: OwnedRef<Exn>,
    tag: Tag,
    /// What it is to a reader.
    text: Box<str>,
}

impl Exception {
    /// The error that an exception is.
    #[cold]
    pub(crate) fn uncaught(store: &mut StoreOpaque, reference: u32) -> Error {
        let tag = Tag::at(store, store.exception_tag(reference) as usize);
        let text = describe(store, tag, reference).into_boxed_str();
        Error::from(Self { exn: OwnedRef::new(store, reference), tag, text })
    }

    /// A reference to it.
    ///
    /// # Panics
    /// When it is another store's.
    pub fn exn(&self, store: impl AsContextMut) -> Exn {
        self.exn.get(store)
    }

    /// Its tag.
    pub fn tag(&self) -> Tag {
        self.tag
    }

    /// The reference as generated code has it; nothing in another store.
    pub(crate) fn reference(&self, store: &StoreOpaque) -> Option<u32> {
        self.exn.reference_in(store)
    }
}

impl std::fmt::Display for Exception {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "uncaught exception: {}", self.text)
    }
}

/// The tag as the program calls it, and the values.
fn describe(store: &mut StoreOpaque, tag: Tag, reference: u32) -> String {
    let scope = store.begin_scope();
    let values: Vec<String> = store.exception_values(reference).iter().map(show).collect();
    store.end_scope(scope);
    let name = match store.tag_name(tag.position(store)) {
        Some(TagName::Name(name)) => format!("tag `{name}`"),
        Some(TagName::Index(index)) => format!("tag {}", index.0),
        None => "a tag of the host's".to_owned(),
    };
    if values.is_empty() { name } else { format!("{name} ({})", values.join(", ")) }
}

/// A value, as far as one can look into it.
fn show(value: &Val) -> String {
    match *value {
        Val::I32(value) => value.to_string(),
        Val::I64(value) => value.to_string(),
        Val::F32(bits) => f32::from_bits(bits).to_string(),
        Val::F64(bits) => f64::from_bits(bits).to_string(),
        Val::V128(value) => value.to_string(),
        ref reference => match reference.to_ref() {
            Some(found) if found.is_null() => "null".to_owned(),
            _ => {
                let ValType::Ref(ty) = reference.ty() else { return reference.ty().to_string() };
                ValType::Ref(RefType { nullable: true, heap: HeapType::top(ty.heap) }).to_string()
            }
        },
    }
}

impl From<Exception> for Error {
    #[cold]
    fn from(exception: Exception) -> Self {
        Self::of_kind(ErrorKind::Exception(exception))
    }
}
