//! [`Tag`]: what tells exceptions of one kind from others.

use wrun_module::{FuncType, HeapType, TagType};

use crate::{AsContext, AsContextMut, Error, Result, store::StoreId, vm::StoreOpaque};

/// A tag of a store. Two tags are different even when they have the same type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Tag {
    store: StoreId,
    position: usize,
}

impl Tag {
    pub(crate) fn at(store: &StoreOpaque, position: usize) -> Self {
        Self { store: store.id(), position }
    }

    pub(crate) fn position(self, store: &StoreOpaque) -> usize {
        store.id().assert_eq(self.store, "tag");
        self.position
    }

    /// A tag for exceptions that carry the parameters of a function type.
    ///
    /// # Errors
    /// When the type has results or names none of the engine's, or the store has too many tags.
    pub fn new(mut store: impl AsContextMut, ty: &TagType) -> Result<Tag> {
        check_results(&ty.func)?;
        let mut store = store.as_context_mut();
        store.engine().check_func_type(&ty.func)?;
        let type_id = store.opaque().engine().types().id(&ty.func);
        let position = store.opaque_mut().add_tag(type_id)?;
        Ok(Self::at(store.opaque(), position))
    }

    /// A tag of a function type that a module declares or that [`define_type`](crate::Engine::define_type) gave. Modules import
    /// such a tag where they ask for that very type; `new` makes tags whose type is a recursion group of its own.
    ///
    /// # Errors
    /// When it is no type of functions, and as for `new`.
    pub fn of_type(mut store: impl AsContextMut, ty: HeapType) -> Result<Tag> {
        let mut store = store.as_context_mut();
        let (number, func) = store.engine().defined_func(ty)?;
        check_results(&func)?;
        let position = store.opaque_mut().add_tag(number)?;
        Ok(Self::at(store.opaque(), position))
    }

    /// Its type.
    ///
    /// # Panics
    /// When the tag is another store's.
    pub fn ty(&self, store: impl AsContext) -> TagType {
        let store = store.as_context();
        let type_id = store.opaque().tag_type_id(self.position(store.opaque()));
        TagType { func: store.engine().types().get(type_id).func().clone() }
    }
}

/// What is thrown is never answered.
fn check_results(ty: &FuncType) -> Result<()> {
    match ty.results() {
        [] => Ok(()),
        _ => Err(Error::usage(format!("the type of a tag has no results, found {ty}"))),
    }
}
