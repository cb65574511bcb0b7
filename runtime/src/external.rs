//! [`Extern`]: whatever can be imported and exported.

use wrun_module::ExternType;

use crate::{AsContext, Func, Global, Memory, Table, Tag, vm::StoreOpaque};

/// Anything that can be imported and exported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Extern {
    /// A function.
    Func(Func),
    /// A table.
    Table(Table),
    /// A memory.
    Memory(Memory),
    /// A global.
    Global(Global),
    /// A tag.
    Tag(Tag),
}

macro_rules! conversions {
    ($($variant:ident, $into:ident;)*) => {
        impl Extern {
            $(
                #[doc = concat!("The [`", stringify!($variant), "`], when it is one.")]
                pub fn $into(self) -> Option<$variant> {
                    match self {
                        Extern::$variant(item) => Some(item),
                        _ => None,
                    }
                }
            )*
        }

        $(
            impl From<$variant> for Extern {
                fn from(item: $variant) -> Self {
                    Extern::$variant(item)
                }
            }
        )*
    };
}

conversions! {
    Func, into_func;
    Table, into_table;
    Memory, into_memory;
    Global, into_global;
    Tag, into_tag;
}

impl Extern {
    /// Its type; that of a table or memory has the present size as its minimum.
    ///
    /// # Panics
    /// When it is another store's.
    pub fn ty(&self, store: impl AsContext) -> ExternType {
        match self {
            Extern::Func(func) => ExternType::Func(func.ty(store)),
            Extern::Table(table) => ExternType::Table(table.ty(store)),
            Extern::Memory(memory) => ExternType::Memory(memory.ty(store)),
            Extern::Global(global) => ExternType::Global(global.ty(store)),
            Extern::Tag(tag) => ExternType::Tag(tag.ty(store)),
        }
    }

    /// Checks whose it is.
    ///
    /// # Panics
    /// When it is another store's.
    pub(crate) fn assert_in(self, store: &StoreOpaque) {
        match self {
            Extern::Func(func) => func.handle().assert_in(store),
            Extern::Table(table) => drop(table.position(store)),
            Extern::Memory(memory) => drop(memory.position(store)),
            Extern::Global(global) => drop(global.position(store)),
            Extern::Tag(tag) => drop(tag.position(store)),
        }
    }
}
