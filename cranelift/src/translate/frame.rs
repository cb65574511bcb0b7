//! [`Frame`]: one entry of the control stack.
//!
//! The CLIF block behind a WebAssembly block is made when a branch first names it: a block that nothing branches
//! out of costs nothing.

use cranelift_codegen::ir::{Block, Inst, Value};
use wrun_module::ValType;

use super::exception::clauses::{Caught, Clause};

/// A block that is open.
pub(super) struct Frame<'m> {
    /// Which instruction opened it.
    pub(super) kind: FrameKind,
    /// The parameters.
    pub(super) params: &'m [ValType],
    /// The results.
    pub(super) results: &'m [ValType],
    /// Height of the operand stack without the parameters.
    pub(super) height: usize,
    /// The CLIF block behind the end, with the results as parameters.
    pub(super) exit: Option<Block>,
    /// Whether anything branches to `exit`.
    pub(super) exit_used: bool,
}

/// What is open.
pub(super) enum FrameKind {
    /// The function; branching to its end returns.
    Function,
    /// `block`, or an `if` whose `else` has begun.
    Block,
    /// `loop`.
    Loop {
        /// Where branches go; the parameters are its parameters.
        header: Block,
    },
    /// `if` before its `else`.
    If(ElseEdge),
    /// `try_table`.
    TryTable(Vec<Clause>),
    /// `try` before its first clause.
    Try {
        /// Where its exceptions go; made when a call first may lead there.
        landing: Option<Block>,
    },
    /// `try` from its first clause on.
    Catch(Caught),
}

/// Where the condition of an `if` leads when it is zero.
pub(super) enum ElseEdge {
    /// To the exit for the time being, by this branch. Only without parameters: they would be its arguments.
    ToExit(Inst),
    /// To a block of its own; the values are the parameters.
    ToBlock(Block, Box<[Value]>),
}

impl<'m> Frame<'m> {
    /// The frame of a function.
    pub(super) fn function(results: &'m [ValType]) -> Self {
        let (height, exit) = (0, None);
        Self { kind: FrameKind::Function, params: &[], results, height, exit, exit_used: false }
    }

    /// The types of the values that a branch to this frame carries.
    pub(super) fn branch_types(&self) -> &'m [ValType] {
        match self.kind {
            FrameKind::Loop { .. } => self.params,
            _ => self.results,
        }
    }
}
