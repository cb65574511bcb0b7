//! `try_table`: a block with clauses that say where exceptions go that come out of it.
//!
//! The code of a handler is written when the block ends, when all calls that lead to it are known: it takes out of the
//! exception what the clause hands on, and branches.

use wasmparser::TryTable;

use super::{EXCEPTION, clauses::Clause};
use crate::translate::{frame::FrameKind, function::FuncTranslator};

impl FuncTranslator<'_, '_> {
    pub(in crate::translate) fn visit_try_table(&mut self, table: TryTable) {
        let clauses = table.catches.iter().map(Clause::from).collect();
        self.push_frame(FrameKind::TryTable(clauses), table.ty);
        self.open_tries += 1;
    }

    /// Writes the handlers of the innermost block, which ends here and was a `try_table` with these clauses.
    pub(in crate::translate) fn end_try_table(&mut self, clauses: Vec<Clause>) {
        self.open_tries -= 1;
        if clauses.iter().all(|clause| clause.handler.is_none()) {
            return;
        }
        self.jump_to_exit();
        let height = self.top_frame().height;
        for clause in clauses {
            let Some(handler) = clause.handler else { continue };
            self.builder.seal_block(handler);
            self.builder.switch_to_block(handler);
            self.truncate(height);
            self.fetch_operands();
            let has_values = |tag| !self.env.module.info.tag_type(tag).params().is_empty();
            if clause.reference || clause.tag.is_some_and(has_values) {
                let exception = self.caught_exception();
                if let Some(tag) = clause.tag {
                    self.push_exception_values(exception, tag);
                }
                if clause.reference {
                    self.push_typed(exception, EXCEPTION);
                }
            }
            // The block itself is still open.
            self.visit_br(clause.label + 1);
        }
        self.truncate(height);
    }
}
