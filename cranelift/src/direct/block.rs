//! [`Block`]: one entry of the control stack.

use wrun_module::ValType;

use super::code::Label;

/// A block that is open.
pub(super) struct Block<'a> {
    pub(super) kind: Kind,
    pub(super) params: &'a [ValType],
    pub(super) results: &'a [ValType],
    /// Height of the operand stack without the parameters.
    pub(super) height: usize,
    /// Where branches go.
    pub(super) target: Label,
    /// Whether anything branches to the end.
    pub(super) is_left: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// The function; branching to its end returns.
    Function,
    /// `block`, or an `if` whose `else` has begun.
    Block,
    Loop,
    /// `if` before its `else`, and where its condition leads when it is zero.
    If(Label),
}

impl<'a> Block<'a> {
    /// The block of a function.
    pub(super) fn function(results: &'a [ValType]) -> Self {
        let target = Label::NONE;
        Self { kind: Kind::Function, params: &[], results, height: 0, target, is_left: false }
    }

    /// The types of the values that a branch carries.
    pub(super) fn branch_types(&self) -> &'a [ValType] {
        if self.kind == Kind::Loop { self.params } else { self.results }
    }
}
