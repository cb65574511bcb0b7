//! What a module says of its imports and exports.

use wrun_module::{ConcreteType, ExternType, HeapType};

use crate::instance::Item;

/// An import of a module.
#[derive(Clone, Debug)]
pub struct ImportType<'a> {
    pub(super) module: &'a str,
    pub(super) name: &'a str,
    pub(super) ty: ExternType,
    /// The number of a function's or a tag's type in the engine.
    pub(super) type_id: Option<u32>,
    /// Whether it has to be of this very type.
    pub(super) exact: bool,
}

impl<'a> ImportType<'a> {
    /// The first name.
    pub fn module(&self) -> &'a str {
        self.module
    }

    /// The second name.
    pub fn name(&self) -> &'a str {
        self.name
    }

    /// The type.
    pub fn ty(&self) -> &ExternType {
        &self.ty
    }

    /// What references to the function refer to, when it is one: the type by which [`Func::of_type`](crate::Func::of_type) makes a
    /// function that fits.
    pub fn func_type(&self) -> Option<HeapType> {
        let name = ConcreteType::Engine(self.type_id?);
        matches!(self.ty, ExternType::Func(_)).then_some(HeapType::ConcreteFunc(name))
    }

    /// What has to fit.
    pub(crate) fn item(&self) -> Item<'_> {
        Item { ty: &self.ty, type_id: self.type_id, exact: self.exact }
    }
}

/// An export of a module.
#[derive(Clone, Debug)]
pub struct ExportType<'a> {
    pub(super) name: &'a str,
    pub(super) ty: ExternType,
    pub(super) func_type: Option<HeapType>,
}

impl<'a> ExportType<'a> {
    /// The name.
    pub fn name(&self) -> &'a str {
        self.name
    }

    /// The type.
    pub fn ty(&self) -> &ExternType {
        &self.ty
    }

    /// What references to the function refer to, when it is one.
    pub fn func_type(&self) -> Option<HeapType> {
        self.func_type
    }
}
