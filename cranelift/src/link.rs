//! Puts compiled functions one behind the other and resolves the calls between them.

use cranelift_codegen::{isa::TargetIsa, settings::OptLevel};
use target_lexicon::Architecture;
use wrun_module::{
    CompileError, CompiledFunc, Placement, TrapCode,
    image::{
        PartsWriter,
        tables::{AddressMap, CatchingCall, StackMapEntry},
    },
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
    /// The positions of functions that are not optimised, ascending.
    pub(crate) baseline: Vec<u32>,
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
    /// What it takes to have the functions back.
    pub(crate) parts: PartsWriter,
    /// The call frame instructions of each function.
    unwind: Vec<Box<[u8]>>,
    target: UnwindTarget,
}

/// At which addresses functions may start.
///
/// On x86-64 fast code starts 48 bytes behind a line of 64. Where a loop lies within lines decides about up to a fifth of
/// its speed; with one phase for all functions that does not depend on what precedes them, and `align` can put loops where
/// they run well. RATIONALE.md has the measurements behind the choice.
pub(crate) fn placement(isa: &dyn TargetIsa) -> Placement {
    match (isa.triple().architecture, isa.flags().opt_level()) {
        (Architecture::X86_64, OptLevel::Speed) => Placement { align: 64, phase: 48 },
        (Architecture::X86_64, _) => Placement { align: 16, phase: 0 },
        _ => Placement { align: u64::from(isa.function_alignment().preferred), phase: 0 },
    }
}

/// Offset and length of each function. One without code lies where the one in front of it ends.
fn places(isa: &dyn TargetIsa, funcs: &[CompiledFunc]) -> Result<Vec<(u32, u32)>, CompileError> {
    let placement = placement(isa);
    let mut end = 0;
    let mut places = Vec::with_capacity(funcs.len());
    for func in funcs {
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
    Ok(places)
}

/// Links functions in their order. Function `i` of the module is `funcs[i - first]`. One without code is absent. Those at the
/// positions in `baseline`, which ascend, are of that tier. Calls of either go to their stubs: there will be better code.
pub(crate) fn link(
    isa: &dyn TargetIsa,
    funcs: Vec<CompiledFunc>,
    first: u32,
    baseline: Vec<u32>,
) -> Result<Linked, CompileError> {
    let target = UnwindTarget::new(isa);
    let places = places(isa, &funcs)?;
    let end = places.last().map_or(0, |&(start, len)| start + len);
    // What lies between functions traps when it is run.
    let filler = match isa.triple().architecture {
        Architecture::X86_64 => 0xcc,
        _ => 0,
    };
    let mut linked = Linked {
        text: Vec::with_capacity(end as usize),
        funcs: places,
        baseline,
        traps: Vec::with_capacity(funcs.iter().map(|func| func.traps.len()).sum()),
        addresses: Vec::with_capacity(funcs.iter().map(|func| func.addresses.len()).sum()),
        stack_maps: Vec::with_capacity(funcs.iter().map(|func| func.stack_maps.len()).sum()),
        uses_heap: funcs.iter().any(|func| func.uses_heap),
        catching_calls: Vec::new(),
        parts: PartsWriter::default(),
        unwind: Vec::with_capacity(funcs.len()),
        target,
    };
    let present = funcs.iter().filter(|func| !func.code.is_empty());
    let frames: Vec<u32> = target.places(present.map(|func| func.unwind.len())).collect();
    for (index, func) in funcs.into_iter().enumerate() {
        if func.code.is_empty() {
            continue;
        }
        let start = linked.funcs[index].0;
        linked.text.resize(start as usize, filler);
        linked.text.extend_from_slice(&func.code);
        for call in &func.calls {
            let position = call.callee.checked_sub(first).expect(DIRECT);
            let callee = match *linked.funcs.get(position as usize).expect(DIRECT) {
                (_, 0) => lazy::stub_offset(position),
                _ if linked.baseline.binary_search(&position).is_ok() => {
                    lazy::stub_offset(position)
                }
                (callee, _) => i64::from(callee),
            };
            call.resolve(&mut linked.text[start as usize..], callee - i64::from(start))
                .map_err(|error| CompileError::TooLarge(error.to_string()))?;
        }
        linked.parts.add(index as u32, &func, frames[linked.unwind.len()]);
        linked.add_tables(start, func);
    }
    Ok(linked)
}

/// What linking relies on.
const DIRECT: &str = "only defined functions are called directly";

impl Linked {
    /// Whether functions are missing or may get better code: whether any call goes to a stub.
    pub(crate) fn is_partial(&self) -> bool {
        !self.baseline.is_empty() || self.funcs.iter().any(|func| func.1 == 0)
    }

    /// Appends what tables say of a function that lies at `start`.
    fn add_tables(&mut self, start: u32, func: CompiledFunc) {
        self.traps.extend(func.traps.iter().map(|&(offset, code)| (start + offset, code)));
        self.add_addresses(start, &func.addresses);
        let stack_maps = func.stack_maps.into_iter();
        self.stack_maps.extend(stack_maps.map(|(after, map)| (start + after, map)));
        self.catching_calls.extend(func.catching_calls.into_iter().map(|mut call| {
            call.return_offset += start;
            call.handlers.iter_mut().for_each(|handler| handler.offset += start);
            call
        }));
        self.unwind.push(func.unwind);
    }

    /// Appends the positions of a function's code; entries that say what the one before says are left out, where both stand
    /// alone at their offsets.
    fn add_addresses(&mut self, start: u32, addresses: &[(u32, u32)]) {
        for place in addresses.chunk_by(|a, b| a.0 == b.0) {
            let same = match (place, &self.addresses[..]) {
                ([only], []) => only.1 == AddressMap::NONE,
                ([only], [.., before, last]) => only.1 == last.1 && before.0 != last.0,
                ([only], [last]) => only.1 == last.1,
                _ => false,
            };
            if !same {
                let place = place.iter().map(|&(offset, position)| (start + offset, position));
                self.addresses.extend(place);
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
            callees: calls.iter().map(|call| call.callee).collect(),
            origin: 7,
            input: None,
        }
    }

    #[test]
    fn calls_go_forth_and_back_past_the_imports() {
        let (isa, _) = target::lookup(Some("x86_64-linux"), CompileOptions::default()).unwrap();
        let call = |callee| Call { offset: 1, kind: CallKind::X86Rel32, callee };
        let linked =
            link(&*isa, vec![func(5, &[call(4)]), func(40, &[call(3)])], 3, vec![]).unwrap();
        assert_eq!(linked.funcs, [(48, 5), (112, 40)]);
        assert_eq!(linked.text[49..53], 59_i32.to_le_bytes());
        assert_eq!(linked.text[113..117], (-69_i32).to_le_bytes());
        assert_eq!(linked.text[53..112], [0xcc; 59]);
        assert_eq!(linked.traps, [(49, TrapCode::Unreachable), (113, TrapCode::Unreachable)]);
        assert_eq!(linked.addresses, [(49, 7), (112, AddressMap::NONE), (113, 7)]);
        let catching = linked.catching_calls.iter();
        let places = catching.map(|call| (call.return_offset, call.handlers[0].offset));
        assert_eq!(places.collect::<Vec<_>>(), [(51, 52), (115, 116)]);
        assert_eq!(linked.stack_maps, [(51, [8].into()), (115, [8].into())]);
    }

    #[test]
    fn calls_of_absent_functions_go_to_their_stubs() {
        let (isa, _) = target::lookup(Some("x86_64-linux"), CompileOptions::default()).unwrap();
        let call = Call { offset: 1, kind: CallKind::X86Rel32, callee: 4 };
        let absent = CompiledFunc::default;
        let linked = link(&*isa, vec![absent(), absent(), func(5, &[call])], 2, vec![]).unwrap();
        assert_eq!(linked.funcs, [(0, 0), (0, 0), (48, 5)]);
        let call = Call { callee: 3, ..call };
        let linked = link(&*isa, vec![absent(), absent(), func(5, &[call])], 2, vec![]).unwrap();
        let distance = wrun_module::lazy::stub_offset(1) - 53;
        assert_eq!(linked.text[49..53], (distance as i32).to_le_bytes());
        assert_eq!(linked.unwind.len(), 1);
    }

    #[test]
    fn calls_of_baseline_functions_go_to_their_stubs() {
        let (isa, _) = target::lookup(Some("x86_64-linux"), CompileOptions::default()).unwrap();
        let call = Call { offset: 1, kind: CallKind::X86Rel32, callee: 0 };
        let funcs = vec![func(5, &[]), func(5, &[call])];
        let linked = link(&*isa, funcs, 0, vec![0]).unwrap();
        let distance = wrun_module::lazy::stub_offset(0) - 117;
        assert_eq!(linked.text[113..117], (distance as i32).to_le_bytes());
    }
}
