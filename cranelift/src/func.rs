//! From what Cranelift gives for a function to a [`CompiledFunc`].

use cranelift_codegen::{
    CodegenError, CompiledCode, ExceptionContextLoc, FinalizedMachCallSite,
    FinalizedMachExceptionHandler, FinalizedRelocTarget,
    binemit::Reloc,
    ir::{self, ExternalName, Function},
    isa::TargetIsa,
};
use wrun_module::{
    Call, CallKind, CompiledFunc, TagIndex, TrapCode,
    image::tables::{AddressMap, CatchingCall, Handler, StackMapEntry},
};

use crate::{epilogue, inline::Inlining, traps::module_trap, unwind::UnwindTarget};

/// Why a function could not be compiled.
#[derive(Debug)]
pub(crate) enum Failure {
    /// It is too large.
    TooLarge,
    /// What the code generator said.
    Other(String),
}

impl Failure {
    /// A failure of the code generator, as its texts go.
    pub(crate) fn new(func: &Function, error: CodegenError) -> Self {
        match error {
            CodegenError::ImplLimitExceeded | CodegenError::CodeTooLarge => Failure::TooLarge,
            error => Failure::Other(cranelift_codegen::print_errors::pretty_error(func, error)),
        }
    }
}

/// Takes what is needed of `compiled`, which was made from `func`. Whether it accesses objects is for the caller to say.
pub(crate) fn compiled_func(
    isa: &dyn TargetIsa,
    func: &Function,
    compiled: &CompiledCode,
    inlining: &Inlining,
) -> Result<CompiledFunc, Failure> {
    let buffer = &compiled.buffer;
    let unwind = UnwindTarget::new(isa)
        .instructions(isa, &buffer.unwind_info)
        .map_err(|error| Failure::new(func, error))?;
    let mut traps: Vec<_> = buffer
        .traps()
        .iter()
        .filter_map(|trap| Some((trap.offset, module_trap(trap.code)?)))
        .collect();
    traps.sort_by_key(|trap| trap.0);
    traps.dedup_by_key(|trap| trap.0);
    Ok(CompiledFunc {
        code: epilogue::shortened(isa, func, compiled),
        align: buffer.alignment,
        calls: calls(func, compiled)?,
        addresses: inlining.resolve(func, addresses(func, compiled, &traps)),
        traps: traps.into_boxed_slice(),
        stack_maps: stack_maps(compiled)?,
        uses_heap: false,
        catching_calls: catching_calls(compiled)?,
        unwind,
        callees: func.params.user_named_funcs().values().map(|name| name.index).collect(),
        origin: func.params.base_srcloc().bits(),
        input: None,
    })
}

/// Where the frame holds references during each call.
///
/// Cranelift says it by the distance up from the stack pointer, `offset`, and how far that is below the frame pointer, `size`;
/// both are as they are when the call instruction runs. In either convention the frame pointer is set up in the prologue and
/// stays until the epilogue, and calls are made with the stack pointer where the prologue left it: room for arguments on the
/// stack is part of the frame, and what a callee of the tail convention has popped of it is taken back right behind the
/// call. So `size - offset` is the distance down from the frame pointer, which walking the stack yields; the stack pointer
/// is not needed.
fn stack_maps(compiled: &CompiledCode) -> Result<Box<[StackMapEntry]>, Failure> {
    let maps = compiled.buffer.user_stack_maps().iter().map(|(after, size, map)| {
        let distance = |(ty, offset): (ir::Type, u32)| match size.checked_sub(offset) {
            Some(distance) if ty == ir::types::I32 && distance >= 4 => Ok(distance),
            _ => Err(Failure::Other(format!("unexpected reference of type {ty} in a stack map"))),
        };
        Ok((*after, map.entries().map(distance).collect::<Result<_, _>>()?))
    });
    maps.collect()
}

/// The calls whose exceptions have handlers.
///
/// Distances are made of what Cranelift gives for stack maps too, see [`stack_maps`]. A handler expects the stack pointer
/// where the prologue has left it.
fn catching_calls(compiled: &CompiledCode) -> Result<Box<[CatchingCall]>, Failure> {
    let unexpected = || Failure::Other("unexpected entry in a table of handlers".to_owned());
    let calls = compiled.buffer.call_sites().filter(|call| !call.exception_handlers.is_empty());
    let catching = |call: FinalizedMachCallSite<'_>| {
        let stack = call.frame_offset.ok_or_else(unexpected)?;
        let (mut context, mut handlers) = (0, Vec::with_capacity(call.exception_handlers.len()));
        for item in call.exception_handlers {
            let (tag, offset) = match *item {
                FinalizedMachExceptionHandler::Tag(tag, offset) => {
                    (Some(TagIndex(tag.as_u32())), offset)
                }
                FinalizedMachExceptionHandler::Default(offset) => (None, offset),
                // All registers are lost over the call, so it is in the frame.
                FinalizedMachExceptionHandler::Context(ExceptionContextLoc::SPOffset(offset)) => {
                    context = stack.checked_sub(offset).ok_or_else(unexpected)?;
                    continue;
                }
                FinalizedMachExceptionHandler::Context(_) => return Err(unexpected()),
            };
            handlers.push(Handler { tag, offset });
        }
        Ok(CatchingCall { return_offset: call.ret_addr, stack, context, handlers: handlers.into() })
    };
    calls.map(catching).collect()
}

/// The calls of a function; anything else that would need relocation is refused.
fn calls(func: &Function, compiled: &CompiledCode) -> Result<Box<[Call]>, Failure> {
    let call = |reloc: &cranelift_codegen::FinalizedMachReloc| {
        let FinalizedRelocTarget::ExternalName(ExternalName::User(name)) = reloc.target else {
            return None;
        };
        let kind = match (reloc.kind, reloc.addend) {
            (Reloc::X86CallPCRel4, -4) => CallKind::X86Rel32,
            (Reloc::Arm64Call, 0) => CallKind::Arm64Branch26,
            _ => return None,
        };
        let name = func.params.user_named_funcs().get(name)?;
        (name.namespace == 0).then_some(Call { offset: reloc.offset, kind, callee: name.index })
    };
    let resolve = |reloc| {
        call(reloc).ok_or_else(|| {
            let target = reloc.target.display(Some(&func.params));
            Failure::Other(format!("unexpected relocation {} of {target}", reloc.kind))
        })
    };
    compiled.buffer.relocs().iter().map(resolve).collect()
}

/// The positions that a function's code stems from, where it can be asked for: at instructions that may trap, and in
/// calls, where a frame waits for the return. That is less than half of all. Code between two known positions is counted to
/// the first: it is what the register allocator put there.
fn addresses(
    func: &Function,
    compiled: &CompiledCode,
    traps: &[(u32, TrapCode)],
) -> Box<[(u32, u32)]> {
    // The place of a frame that waits is looked up as the last byte of the call.
    let calls = compiled.buffer.call_sites().map(|call| call.ret_addr - 1);
    let mut places: Vec<u32> = traps.iter().map(|trap| trap.0).chain(calls).collect();
    places.sort_unstable();
    keep_asked(&positions(func, compiled), &places)
}

/// Of positions by offset, which each hold up to the next one's, those that hold at one of `places`, and the first: it
/// tells the function from the one in front of it. Both lists are sorted.
fn keep_asked(positions: &[(u32, u32)], places: &[u32]) -> Box<[(u32, u32)]> {
    let mut places = places.iter().copied().peekable();
    let mut kept: Vec<(u32, u32)> = Vec::new();
    for (index, &entry) in positions.iter().enumerate() {
        let end = positions.get(index + 1).map_or(u32::MAX, |next| next.0);
        let mut asked = index == 0;
        while places.next_if(|&place| place < end).is_some() {
            asked = true;
        }
        if asked && kept.last().is_none_or(|last| last.1 != entry.1) {
            kept.push(entry);
        }
    }
    kept.into_boxed_slice()
}

/// All positions that a function's code stems from, except for those of its returns, which cannot trap.
fn positions(func: &Function, compiled: &CompiledCode) -> Vec<(u32, u32)> {
    let mut entries = vec![(0, AddressMap::NONE)];
    let sources = compiled.buffer.get_srclocs_sorted().iter();
    for source in sources.filter(|source| !epilogue::is_mark(func, source.loc)) {
        let position = if source.loc.is_default() { AddressMap::NONE } else { source.loc.bits() };
        let last = entries.last_mut().expect("there is a first entry");
        if last.0 == source.start {
            last.1 = position;
        } else if last.1 != position {
            entries.push((source.start, position));
        }
    }
    entries
}

#[cfg(test)]
mod tests {
    use wrun_module::image::tables::AddressMap;

    use super::keep_asked;

    #[test]
    fn positions_stay_right_where_they_are_asked_for() {
        let all = [(0, AddressMap::NONE), (4, 10), (8, 11), (12, 12), (16, 10), (20, 13)];
        for places in [&[] as &[u32], &[5], &[4, 7], &[11, 12], &[6, 17], &[3, 9, 19, 90], &[90]] {
            let kept = keep_asked(&all, places);
            let (all, kept) = (AddressMap::encode(&all), AddressMap::encode(&kept));
            let (all, kept) = (AddressMap::new(&all).unwrap(), AddressMap::new(&kept).unwrap());
            for &place in places {
                assert_eq!(kept.find(place), all.find(place), "{place} of {places:?}");
            }
            assert!(kept.len() <= places.len() + 1, "{places:?}");
            assert_eq!(kept.find(0), None);
        }
    }
}
