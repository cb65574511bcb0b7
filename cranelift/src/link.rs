//! Puts compiled functions one behind the other and resolves the calls between them.

use cranelift_codegen::isa::TargetIsa;
use target_lexicon::Architecture;
use wrun_module::{CompileError, TrapCode, image::tables::AddressMap};

use crate::{
    func::{Call, CallKind, CompiledFunc},
    unwind::UnwindTarget,
};

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
    /// The call frame instructions of each function.
    unwind: Vec<Box<[u8]>>,
    target: UnwindTarget,
}

/// Links functions in their order. Function `i` of the module is `funcs[i - first]`.
pub(crate) fn link(
    isa: &dyn TargetIsa,
    funcs: Vec<CompiledFunc>,
    first: u32,
) -> Result<Linked, CompileError> {
    let align = isa.function_alignment().preferred.max(16);
    let mut end = 0;
    let mut places = Vec::with_capacity(funcs.len());
    for func in &funcs {
        let start = u64::next_multiple_of(end, u64::from(align.max(func.align)));
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
        unwind: Vec::with_capacity(funcs.len()),
        target: UnwindTarget::new(isa),
    };
    for (index, func) in funcs.into_iter().enumerate() {
        let start = linked.funcs[index].0;
        linked.text.resize(start as usize, filler);
        linked.text.extend_from_slice(&func.code);
        for call in &func.calls {
            let callee = (call.callee.checked_sub(first))
                .and_then(|callee| linked.funcs.get(callee as usize))
                .expect("only defined functions are called directly");
            resolve(&mut linked.text, start, *call, callee.0)?;
        }
        linked.traps.extend(func.traps.iter().map(|&(offset, code)| (start + offset, code)));
        linked.add_addresses(start, &func.addresses);
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
        let frames = self.funcs.iter().zip(&self.unwind);
        let frames = frames.map(|(&(start, len), unwind)| (start, len, &unwind[..]));
        self.target.eh_frame(distance, frames)
    }
}

/// Writes the distance to `callee` into a call of the function that begins at `start`.
fn resolve(text: &mut [u8], start: u32, call: Call, callee: u32) -> Result<(), CompileError> {
    let at = start + call.offset;
    let field = &mut text[at as usize..at as usize + 4];
    let distance = i64::from(callee) - i64::from(at);
    let value = match call.kind {
        CallKind::X86Rel32 => (distance - 4) as i32 as u32,
        CallKind::Arm64Branch26 => {
            if !(-(1 << 27)..1 << 27).contains(&distance) {
                let reason = format!("a call over {} bytes of code", distance.unsigned_abs());
                return Err(CompileError::TooLarge(reason));
            }
            let instruction = u32::from_le_bytes([field[0], field[1], field[2], field[3]]);
            instruction & 0xfc00_0000 | (distance >> 2) as u32 & 0x03ff_ffff
        }
    };
    field.copy_from_slice(&value.to_le_bytes());
    Ok(())
}

#[cfg(test)]
mod tests {
    use wrun_module::{CompileError, CompileOptions, TrapCode, image::tables::AddressMap};

    use super::{link, resolve};
    use crate::{
        func::{Call, CallKind, CompiledFunc},
        target,
    };

    fn func(len: usize, calls: &[Call]) -> CompiledFunc {
        CompiledFunc {
            code: vec![0x90; len].into(),
            align: 1,
            calls: calls.into(),
            traps: [(1, TrapCode::Unreachable)].into(),
            addresses: [(0, AddressMap::NONE), (1, 7)].into(),
            unwind: [].into(),
        }
    }

    #[test]
    fn calls_go_forth_and_back_past_the_imports() {
        let (isa, _) = target::lookup(Some("x86_64-linux"), CompileOptions::default()).unwrap();
        let call = |callee| Call { offset: 1, kind: CallKind::X86Rel32, callee };
        let linked = link(&*isa, vec![func(5, &[call(4)]), func(40, &[call(3)])], 3).unwrap();
        assert_eq!(linked.funcs, [(0, 5), (32, 40)]);
        assert_eq!(linked.text[1..5], 27_i32.to_le_bytes());
        assert_eq!(linked.text[33..37], (-37_i32).to_le_bytes());
        assert_eq!(linked.text[5..32], [0xcc; 27]);
        assert_eq!(linked.traps, [(1, TrapCode::Unreachable), (33, TrapCode::Unreachable)]);
        assert_eq!(linked.addresses, [(1, 7), (32, AddressMap::NONE), (33, 7)]);
    }

    #[test]
    fn distances_on_aarch64_keep_the_opcode_and_are_bounded() {
        let call = Call { offset: 0, kind: CallKind::Arm64Branch26, callee: 0 };
        let mut text = 0x9400_0000_u32.to_le_bytes();
        resolve(&mut text, 0, call, 64).unwrap();
        assert_eq!(u32::from_le_bytes(text), 0x9400_0010);
        let error = resolve(&mut text, 0, call, 1 << 27).unwrap_err();
        assert!(matches!(error, CompileError::TooLarge(_)), "{error}");
    }
}
