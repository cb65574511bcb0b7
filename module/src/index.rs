//! The index spaces of a module, one type each, so that a table's index cannot be taken for a memory's.
//!
//! All are `u32`s counted as the specification counts them: imports first, then definitions
//! (spec, *Structure › Modules › Indices*).

use serde::{Deserialize, Serialize};

macro_rules! index_types {
    ($($(#[$doc:meta])* $name:ident,)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        pub struct $name(pub u32);

        impl $name {
            /// The index as a position in a slice.
            pub fn index(self) -> usize {
                self.0 as usize
            }

            /// The index of the position `index` of a slice.
            ///
            /// # Panics
            /// When `index` does not fit into 32 bits; no valid module has that many items.
            pub fn from_index(index: usize) -> Self {
                Self(u32::try_from(index).expect("an index space has at most 2^32 items"))
            }
        }
    )*};
}

index_types! {
    /// Position in the type section.
    TypeIndex,
    /// A function, imported or defined.
    FuncIndex,
    /// A table, imported or defined.
    TableIndex,
    /// A memory, imported or defined.
    MemoryIndex,
    /// A global, imported or defined.
    GlobalIndex,
    /// A tag, imported or defined.
    TagIndex,
    /// An element segment.
    ElemIndex,
    /// A data segment.
    DataIndex,
}
