//! What the control stack keeps of the clauses of blocks that catch exceptions.

use cranelift_codegen::ir::{Block, Value};
use wasmparser::Catch;
use wrun_module::TagIndex;

/// A clause of a `try_table`.
pub(in crate::translate) struct Clause {
    /// Which exceptions it catches; none for all.
    pub(super) tag: Option<TagIndex>,
    /// Whether it hands on the exception itself, behind its values.
    pub(super) reference: bool,
    /// The block it branches out of, counted from around the `try_table`.
    pub(super) label: u32,
    /// Its code; made when a call first may lead there.
    pub(super) handler: Option<Block>,
}

impl From<&Catch> for Clause {
    fn from(catch: &Catch) -> Self {
        let (tag, reference, label) = match *catch {
            Catch::One { tag, label } => (Some(tag), false, label),
            Catch::OneRef { tag, label } => (Some(tag), true, label),
            Catch::All { label } => (None, false, label),
            Catch::AllRef { label } => (None, true, label),
        };
        Self { tag: tag.map(TagIndex), reference, label, handler: None }
    }
}

/// The clauses of a `try` that have been read so far.
pub(in crate::translate) struct Caught {
    /// The exception; nothing when none can come out of the `try`.
    pub(super) exception: Option<Value>,
    /// Where those go on that no clause has taken; nothing behind a `catch_all`.
    pub(super) others: Option<Block>,
}
