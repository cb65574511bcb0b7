//! Takes from the end of functions for x86-64 an instruction that they can do without.
//!
//! Cranelift ends a function that has a frame with `add rsp, …; mov rsp, rbp; pop rbp; ret`. Both of the first two give the
//! stack pointer the same value. But the second makes it depend on `rbp`, which the function called last has loaded from the stack
//! with its own `pop rbp`: each return waits for the memory access of the one before. Without it the stack pointer is known
//! early, and the loads of all of them run side by side. RATIONALE.md has what that is worth.
//!
//! This relies on the stack pointer being where the prologue has left it when a function returns, and on Cranelift taking down
//! what the prologue has set up, which it does whatever the frame is like. Where returns are is found by their positions:
//! [`mark`] gives them one that no other instruction has, and the code of an instruction with a position of its own is known to
//! the byte. No code is searched, which might find the same bytes within a constant of the guest's. All offsets
//! stay as they are.

use cranelift_codegen::{
    CompiledCode,
    ir::{Function, Opcode, SourceLoc},
    isa::TargetIsa,
};
use target_lexicon::Architecture;

/// The position of returns, counted from the function's first one, as all that its code depends on does. No function is
/// as large, and not as many instructions are inlined into one that their numbers reach as far.
const RETURN: u32 = u32::MAX - 1;

/// `mov rsp, rbp; pop rbp`
const RESTORE: [u8; 4] = [0x48, 0x89, 0xec, 0x5d];

/// `ret`
const RET: u8 = 0xc3;

/// `ret imm16`, which also takes the arguments from the stack.
const RET_AND_POP: u8 = 0xc2;

/// `int3`: what is behind the end is not run.
const FILLER: u8 = 0xcc;

/// The position that marks the returns of `func`; none where they are not marked.
fn mark_of(isa: &dyn TargetIsa, func: &Function) -> Option<SourceLoc> {
    let base = func.params.base_srcloc();
    let marked = isa.triple().architecture == Architecture::X86_64 && !base.is_default();
    marked.then(|| SourceLoc::new(base.bits().wrapping_add(RETURN)))
}

/// Marks the returns of a function that is to be compiled. One without positions, as trampolines are, is left as it is.
pub(crate) fn mark(isa: &dyn TargetIsa, func: &mut Function) {
    let Some(mark) = mark_of(isa, func) else { return };
    let mut next = func.layout.entry_block();
    while let Some(block) = next {
        if let Some(last) = func.layout.last_inst(block)
            && func.dfg.insts[last].opcode() == Opcode::Return
        {
            func.set_srcloc(last, mark);
        }
        next = func.layout.next_block(block);
    }
}

/// The code that was made of a function whose returns were marked, with shorter ends.
pub(crate) fn shortened(
    isa: &dyn TargetIsa,
    func: &Function,
    compiled: &CompiledCode,
) -> Box<[u8]> {
    let mut code: Box<[u8]> = compiled.code_buffer().into();
    if let Some(mark) = mark_of(isa, func) {
        let returns = compiled.buffer.get_srclocs_sorted().iter();
        for place in returns.filter(|place| place.loc == mark) {
            shorten(&mut code[place.start as usize..place.end as usize]);
        }
    }
    code
}

/// Whether a position is that of a return.
pub(crate) fn is_mark(func: &Function, position: SourceLoc) -> bool {
    position.bits() == func.params.base_srcloc().bits().wrapping_add(RETURN)
}

/// Shortens the code of a return where it ends as expected.
fn shorten(code: &mut [u8]) {
    let ret = match code {
        [.., RET] => 1,
        [.., RET_AND_POP, _, _] => 3,
        _ => return,
    };
    let Some(start) = code.len().checked_sub(ret + RESTORE.len()) else { return };
    let end = &mut code[start..];
    if end.starts_with(&RESTORE) {
        let kept = RESTORE.len() - 1;
        end.copy_within(kept.., 0);
        end[1 + ret..].fill(FILLER);
    }
}

#[cfg(test)]
mod tests {
    use super::shorten;

    fn shortened(code: &[u8]) -> Vec<u8> {
        let mut code = code.to_vec();
        shorten(&mut code);
        code
    }

    #[test]
    fn ends_lose_what_sets_the_stack_pointer_again() {
        let end = [0x48, 0x83, 0xc4, 0x20, 0x48, 0x89, 0xec, 0x5d, 0xc3];
        assert_eq!(shortened(&end), [0x48, 0x83, 0xc4, 0x20, 0x5d, 0xc3, 0xcc, 0xcc, 0xcc]);
        let end = [0x48, 0x89, 0xec, 0x5d, 0xc2, 0x10, 0x00];
        assert_eq!(shortened(&end), [0x5d, 0xc2, 0x10, 0x00, 0xcc, 0xcc, 0xcc]);
    }

    #[test]
    fn other_ends_stay() {
        for end in [
            &[0x5d_u8, 0xc3] as &[_],
            &[],
            &[0xc3],
            &[0x48, 0x89, 0xec, 0x5d, 0xff, 0xe0],
            &[0x48, 0x89, 0xec, 0x5d, 0x90, 0xc3],
        ] {
            assert_eq!(shortened(end), end);
        }
    }
}
