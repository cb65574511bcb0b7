//! Puts compiled functions one behind the other and resolves the calls between them.

use cranelift_codegen::{isa::TargetIsa, settings::OptLevel};
use target_lexicon::Architecture;
use wrun_module::{
    CompileError, CompiledFunc, Placement, TrapCode,
    image::tables::{AddressMap, CatchingCall, StackMapEntry},
    lazy,
};

use crate::unwind::UnwindTarget;

/// The most code an image may have. Distances within it, and to the unwind tables behind it, fit into 32 bits.
const MAX_TEXT: u64 = 1 << 30;

/// The code of a module, with nothing left to resolve, and its tables.
#[derive(Debug)]
pub(crate) struct Linked {
    /// The content of `.text`.
    pub(crate) text: Vec<u8>,
    /// Offset and length of each function.
    pub(crate) funcs: Vec<(u32, u32)>,
    /// The instructions that may trap, by offset.
    pub(crate) traps: Vec<(u32, TrapCode)>,
    /// From code to positions in the module, by offset.
    pub(crate) addresses: Vec<(u32, u32)>,
    /// Where frames hold references, by the offset behind each call.
    pub(crate) stack_maps: Vec<StackMapEntry>,
    /// Whether any function accesses objects.
    pub(crate) uses_heap: bool,
    /// The calls whose exceptions have handlers, by the offset behind each.
    pub(crate) catching_calls: Vec<CatchingCall>,
    /// The call frame instructions of each function.
    unwind: Vec<Box<[u8]>>,
    target: UnwindTarget,
}

/// At which addresses functions may start.
///
/// On x86-64 fast code starts 16 bytes behind a line of 64. Where a loop lies within lines decides about up to a fifth of
/// its speed, and Cranelift aligns no loops; with one phase for all functions that does at least not depend on what
/// precedes them. RATIONALE.md has the measurements behind the choice.
pub(crate) fn placement(isa: &dyn TargetIsa) -> Placement {
    match (isa.triple().architecture, isa.flags().opt_level()) {
        (Architecture::X86_64, OptLevel::Speed) => Placement { align: 64, phase: 16 },
        (Architecture::X86_64, _) => Placement { align: 16, phase: 0 },
        _ => Placement { align: u64::from(isa.function_alignment().preferred), phase: 0 },
    }
}

/// Links functions in their order. Function `i` of the module is `funcs[i - first]`. One without code is absent: calls of it
/// go to its stub.
pub(crate) fn link(
    isa: &dyn TargetIsa,
    funcs: Vec<CompiledFunc>,
    first: u32,
) -> Result<Linked, CompileError> {
    let placement = placement(isa);
    let mut end = 0;
    let mut places = Vec::with_capacity(funcs.len());
    for func in &funcs {
        if func.code.is_empty() {
            places.push((end as u32, 0));
            continue;
        }
        let start = placement.next_start(end, func.align);
        end = start + func.code.len() as u64;
        if end > MAX_TEXT {
            return Err(CompileError::TooLarge(format!("more than {MAX_TEXT} bytes of code")));
        }
        places.push((start as u32, func.code.len() as u32));
    }
    // What lies between functions traps when it is run.
    let filler = match isa.triple().architecture {
        Architecture::X86_64 => 0xcc,
        _ => 0,
    };
    let mut linked = Linked {
        text: Vec::with_capacity(end as usize),
        funcs: places,
        traps: Vec::with_capacity(funcs.iter().map(|func| func.traps.len()).sum()),
        addresses: Vec::with_capacity(funcs.iter().map(|func| func.addresses.len()).sum()),
        stack_maps: Vec::with_capacity(funcs.iter().map(|func| func.stack_maps.len()).sum()),
        uses_heap: funcs.iter().any(|func| func.uses_heap),
        catching_calls: Vec::new(),
        unwind: Vec::with_capacity(funcs.len()),
        target: UnwindTarget::new(isa),
    };
    for (index, func) in funcs.into_iter().enumerate() {
        if func.code.is_empty() {
            continue;
        }
        let start = linked.funcs[index].0;
        linked.text.resize(start as usize, filler);
        linked.text.extend_from_slice(&func.code);
        for call in &func.calls {
            let callee = (call.callee.checked_sub(first))
                .and_then(|callee| linked.funcs.get(callee as usize))
                .expect("only defined functions are called directly");
            let callee = match callee.1 {
                0 => lazy::stub_offset(call.callee - first),
                _ => i64::from(callee.0),
            };
            let distance = callee - i64::from(start);
            call.resolve(&mut linked.text[start as usize..], distance)
                .map_err(|error| CompileError::TooLarge(error.to_string()))?;
        }
        linked.traps.extend(func.traps.iter().map(|&(offset, code)| (start + offset, code)));
        linked.add_addresses(start, &func.addresses);
        let stack_maps = func.stack_maps.into_iter();
        linked.stack_maps.extend(stack_maps.map(|(after, map)| (start + after, map)));
        linked.catching_calls.extend(func.catching_calls.into_iter().map(|mut call| {
            call.return_offset += start;
            call.handlers.iter_mut().for_each(|handler| handler.offset += start);
            call
        }));
        linked.unwind.push(func.unwind);
    }
    Ok(linked)
}

impl Linked {
    /// Appends the positions of a function's code; entries that say what the one before says are left out.
    fn add_addresses(&mut self, start: u32, addresses: &[(u32, u32)]) {
        for &(offset, position) in addresses {
            let before = self.addresses.last().map_or(AddressMap::NONE, |entry| entry.1);
            if position != before {
                self.addresses.push((start + offset, position));
            }
        }
    }

    /// The content of `.eh_frame` when `.text` begins `distance` bytes from it.
    pub(crate) fn eh_frame(&self, distance: i64) -> Vec<u8> {
        let present = self.funcs.iter().filter(|func| func.1 != 0);
        let frames = present.zip(&self.unwind);
        let frames = frames.map(|(&(start, len), unwind)| (start, len, &unwind[..]));
        self.target.eh_frame(distance, frames)
    }
}

#[cfg(test)]
mod tests {
    use wrun_module::{
        Call, CallKind, CompileOptions, CompiledFunc, TrapCode,
        image::tables::{AddressMap, CatchingCall, Handler},
    };

    use super::link;
    use crate::target;

    fn func(len: usize, calls: &[Call]) -> CompiledFunc {
        CompiledFunc {
            code: vec![0x90; len].into(),
            align: 1,
            calls: calls.into(),
            traps: [(1, TrapCode::Unreachable)].into(),
            addresses: [(0, AddressMap::NONE), (1, 7)].into(),
            stack_maps: [(3, [8].into())].into(),
            uses_heap: false,
            catching_calls: [CatchingCall {
                return_offset: 3,
                stack: 32,
                context: 8,
                handlers: [Handler { tag: None, offset: 4 }].into(),
            }]
            .into(),
            unwind: [].into(),
        }
    }

    #[test]
    fn calls_go_forth_and_back_past_the_imports() {
        let (isa, _) = target::lookup(Some("x86_64-linux"), CompileOptions::default()).unwrap();
        let call = |callee| Call { offset: 1, kind: CallKind::X86Rel32, callee };
        let linked = link(&*isa, vec![func(5, &[call(4)]), func(40, &[call(3)])], 3).unwrap();
        assert_eq!(linked.funcs, [(16, 5), (80, 40)]);
        assert_eq!(linked.text[17..21], 59_i32.to_le_bytes());
        assert_eq!(linked.text[81..85], (-69_i32).to_le_bytes());
        assert_eq!(linked.text[21..80], [0xcc; 59]);
        assert_eq!(linked.traps, [(17, TrapCode::Unreachable), (81, TrapCode::Unreachable)]);
        assert_eq!(linked.addresses, [(17, 7), (80, AddressMap::NONE), (81, 7)]);
        let catching = linked.catching_calls.iter();
        let places = catching.map(|call| (call.return_offset, call.handlers[0].offset));
        assert_eq!(places.collect::<Vec<_>>(), [(19, 20), (83, 84)]);
        assert_eq!(linked.stack_maps, [(19, [8].into()), (83, [8].into())]);
    }

    #[test]
    fn calls_of_absent_functions_go_to_their_stubs() {
        let (isa, _) = target::lookup(Some("x86_64-linux"), CompileOptions::default()).unwrap();
        let call = Call { offset: 1, kind: CallKind::X86Rel32, callee: 4 };
        let absent = CompiledFunc::default;
        let linked = link(&*isa, vec![absent(), absent(), func(5, &[call])], 2).unwrap();
        assert_eq!(linked.funcs, [(0, 0), (0, 0), (16, 5)]);
        let call = Call { callee: 3, ..call };
        let linked = link(&*isa, vec![absent(), absent(), func(5, &[call])], 2).unwrap();
        let distance = wrun_module::lazy::stub_offset(1) - 21;
        assert_eq!(linked.text[17..21], (distance as i32).to_le_bytes());
        assert_eq!(linked.unwind.len(), 1);
    }
}
