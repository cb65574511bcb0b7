//! `try`, `catch`, `catch_all`, `rethrow` and `delegate`: exceptions as browsers had them before the standard.
//!
//! The clauses stand behind the block they are for, so that they are not known when its calls are translated. Therefore all
//! exceptions that come out of it go to one *landing*; from there on each clause looks whether the exception is its own, and
//! what none has taken is thrown on.

use cranelift_codegen::ir::{Block, InstBuilder, Value, condcodes::IntCC, types};
use wasmparser::BlockType;
use wrun_module::{TagIndex, gc};

use super::clauses::Caught;
use crate::translate::{context::Region, frame::FrameKind, function::FuncTranslator};

impl FuncTranslator<'_, '_> {
    pub(in crate::translate) fn visit_try(&mut self, blockty: BlockType) {
        self.push_frame(FrameKind::Try { landing: None }, blockty);
        self.open_tries += 1;
    }

    /// Ends what stands in front of a clause, reachable or not, and begins the clause.
    pub(in crate::translate) fn visit_catch(&mut self, tag: u32) {
        let Some(exception) = self.begin_clause() else { return };
        let tag = TagIndex(tag);
        let (own, others) = (self.builder.create_block(), self.builder.create_block());
        let address = self.object_address(exception);
        let flags = self.trusted(Region::Fixed);
        let found = self.ins().load(types::I32, flags, address, gc::exception::TAG as i32);
        let expected = self.tag_number(tag);
        let is_own = self.ins().icmp(IntCC::Equal, found, expected);
        self.ins().brif(is_own, own, &[], others, &[]);
        self.builder.seal_block(own);
        self.builder.seal_block(others);
        self.builder.switch_to_block(own);
        self.push_exception_values(exception, tag);
        self.set_caught(Some(exception), Some(others));
    }

    /// As `visit_catch`, for all exceptions.
    pub(in crate::translate) fn visit_catch_all(&mut self) {
        if let Some(exception) = self.begin_clause() {
            self.set_caught(Some(exception), None);
        }
    }

    /// Ends what stands in front of a clause, and continues where the exceptions are that may be the clause's. There may be
    /// none: the clause cannot be reached then.
    fn begin_clause(&mut self) -> Option<Value> {
        self.jump_to_exit();
        let frame = self.top_frame();
        let height = frame.height;
        let kind = std::mem::replace(&mut frame.kind, FrameKind::Block);
        self.truncate(height);
        let exception = self.land(kind);
        if exception.is_none() {
            self.set_caught(None, None);
        }
        exception
    }

    /// Ends the innermost block, which was of this kind: throws on what no clause has taken, as if the innermost of the first
    /// `depth` blocks were the one around.
    pub(in crate::translate) fn end_try(&mut self, kind: FrameKind, depth: usize) {
        let handled = match &kind {
            FrameKind::Try { landing } => landing.is_none(),
            FrameKind::Catch(caught) => caught.others.is_none(),
            _ => true,
        };
        if handled {
            self.open_tries -= u32::from(matches!(kind, FrameKind::Try { .. }));
            return;
        }
        self.jump_to_exit();
        let height = self.top_frame().height;
        self.truncate(height);
        if let Some(exception) = self.land(kind) {
            self.throw_exception(exception, depth);
        }
    }

    /// Continues where the exceptions are that no clause has taken so far, if there are any.
    fn land(&mut self, kind: FrameKind) -> Option<Value> {
        let exception = match kind {
            FrameKind::Try { landing } => {
                self.open_tries -= 1;
                let landing = landing?;
                self.builder.seal_block(landing);
                self.builder.switch_to_block(landing);
                self.fetch_operands();
                self.caught_exception()
            }
            FrameKind::Catch(Caught { exception, others }) => {
                self.builder.switch_to_block(others?);
                self.fetch_operands();
                exception?
            }
            _ => return None,
        };
        self.reachable = true;
        Some(exception)
    }

    fn set_caught(&mut self, exception: Option<Value>, others: Option<Block>) {
        self.top_frame().kind = FrameKind::Catch(Caught { exception, others });
    }

    /// Throws what a clause around has caught.
    pub(in crate::translate) fn visit_rethrow(&mut self, depth: u32) {
        let frame = &self.frames[self.frames.len() - 1 - depth as usize];
        match &frame.kind {
            FrameKind::Catch(Caught { exception: Some(exception), .. }) => {
                let exception = *exception;
                self.throw_exception(exception, self.frames.len());
            }
            _ => self.refuse("rethrow outside of a catch"),
        }
    }

    /// Ends a `try` whose exceptions go to a block further out, reachable or not.
    pub(in crate::translate) fn visit_delegate(&mut self, depth: u32) {
        // The label counts from around the `try`, which is still open.
        let target = self.frames.len() - 1 - depth as usize;
        let kind = std::mem::replace(&mut self.top_frame().kind, FrameKind::Block);
        self.end_try(kind, target);
        self.visit_end();
    }
}
