//! [`Tag`]: what tells exceptions of one kind from others.

use wrun_module::TagType;

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
        if !ty.func.results().is_empty() {
            return Err(Error::usage(format!(
                "the type of a tag has no results, found {}",
                ty.func
            )));
        }
        let mut store = store.as_context_mut();
        store.engine().check_func_type(&ty.func)?;
        let type_id = store.opaque().engine().types().id(&ty.func);
        let position = store.opaque_mut().add_tag(type_id)?;
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
