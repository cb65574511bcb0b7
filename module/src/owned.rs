//! [`OwnedModule`]: a parsed module together with the bytes that it borrows, for those who compile it bit by bit.

use std::sync::Arc;

use self_cell::self_cell;

use crate::{Features, ParseError, ParsedModule, parse};

self_cell!(
    struct Cell {
        owner: Box<[u8]>,
        #[covariant]
        dependent: ParsedModule,
    }
    impl { Debug }
);

/// A module that has been parsed and validated, and its bytes. Cheap to clone.
#[derive(Clone, Debug)]
pub struct OwnedModule(Arc<Cell>);

impl OwnedModule {
    /// Parses and validates the module that `bytes` are, and keeps both.
    ///
    /// # Errors
    /// As for [`parse()`].
    pub fn parse(bytes: Box<[u8]>, features: Features) -> Result<Self, ParseError> {
        Ok(Self(Arc::new(Cell::try_new(bytes, |bytes| parse(bytes, features))?)))
    }

    /// The module.
    pub fn get(&self) -> &ParsedModule<'_> {
        self.0.borrow_dependent()
    }
}
