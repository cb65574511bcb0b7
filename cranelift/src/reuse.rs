//! Having functions from an earlier compilation instead of compiling them.
//!
//! What Cranelift makes of a function depends on its input without the parts that it names *parameters*: which functions the
//! input's names stand for, and the position that other positions count from. The hash of an optimised function is of everything
//! else ([`Optimised::hash`]), and [`adapt`] puts this module's parameters in place of those of the module that the function
//! was compiled for.
//!
//! Code of the baseline tier takes so little to make that even hashing CLIF would cost more than it may where nothing is found.
//! Its CLIF depends on the function's body, its place among the functions and what the translation knows of the module; the hash
//! is of these ([`Baseline`]), and a function that is found is not even translated.
//!
//! The invariant others rely on: equal hashes mean equal code, up to where in their modules the two functions are.

use std::hash::{Hash, Hasher};

use cranelift_codegen::{ir::Function, isa::TargetIsa};
use sha2::{Digest, Sha256};
use wrun_module::{
    Call, CompileOptions, CompiledFunc, InputHash, KnownFunctions, ParsedModule,
    image::tables::AddressMap,
};

use crate::inline::{Inlined, Inlining};

/// Where optimised functions may be known.
#[derive(Clone, Copy)]
pub(crate) struct Optimised<'k> {
    pub(crate) known: &'k dyn KnownFunctions,
    /// What [`compiler_hash`] gives.
    pub(crate) compiler: [u8; 32],
}

/// The hash of what all optimised functions depend on that `isa` makes.
pub(crate) fn compiler_hash(salt: &[u8], isa: &dyn TargetIsa) -> [u8; 32] {
    hash_of_compiler("CLIF", salt, isa).finish()
}

impl Optimised<'_> {
    /// The hash of the function whose CLIF `func` is, and its code where it is known.
    pub(crate) fn find(
        self,
        func: &Function,
        inlining: &Inlining,
    ) -> (Option<InputHash>, Option<CompiledFunc>) {
        let input = self.hash(func, inlining.inlined());
        let found = input.and_then(|input| self.known.find(input));
        (input, found.and_then(|found| adapt(found, func)))
    }

    /// The hash of what the code of `func` depends on. Nothing when names of the function are of a kind that [`adapt`] does not
    /// know.
    fn hash(self, func: &Function, inlined: &[Inlined]) -> Option<InputHash> {
        if func.params.user_named_funcs().values().any(|name| name.namespace != 0) {
            return None;
        }
        let mut input = Input(Vec::with_capacity(16 * 1024));
        input.write(&self.compiler);
        func.stencil.hash(&mut input);
        // Positions count from the first one; whether there is one shows in the code's positions.
        func.params.base_srcloc().is_default().hash(&mut input);
        hash_inlined(func, inlined, &mut input);
        Some(InputHash(input.finish()))
    }
}

/// The functions of the baseline tier that a module has in common with others.
pub(crate) struct Baseline {
    /// The hash of what all of the module's functions depend on.
    module: [u8; 32],
}

impl Baseline {
    /// Those of a module, as `isa` makes them.
    pub(crate) fn new(
        salt: &[u8],
        isa: &dyn TargetIsa,
        options: CompileOptions,
        module: &ParsedModule<'_>,
    ) -> Self {
        let mut input = hash_of_compiler("body", salt, isa);
        options.hash(&mut input);
        module.info.translation_input().hash(&mut input);
        module.func_types.hash(&mut input);
        Self { module: input.finish() }
    }

    /// The hash of what the code of a function depends on, by its position among those that the module defines.
    pub(crate) fn hash(&self, module: &ParsedModule<'_>, position: usize) -> InputHash {
        let body = module.bodies[position].as_bytes();
        let hints = module.branch_hints(module.defined_func(position));
        let mut input = Input(Vec::with_capacity(64 + body.len() + 16 * hints.len()));
        input.write(&self.module);
        position.hash(&mut input);
        body.hash(&mut input);
        hints.hash(&mut input);
        InputHash(input.finish())
    }

    /// A function that was compiled, as one that can be found: its positions count from its body.
    pub(crate) fn note(
        &self,
        func: CompiledFunc,
        module: &ParsedModule<'_>,
        position: usize,
    ) -> CompiledFunc {
        let (input, origin) = (self.hash(module, position), origin(module, position));
        CompiledFunc { input: Some(input), origin, ..func }
    }

    /// The code that was compiled for the same function of another module, as that of this one.
    pub(crate) fn adapt(
        known: CompiledFunc,
        module: &ParsedModule<'_>,
        position: usize,
    ) -> Option<CompiledFunc> {
        let origin = origin(module, position);
        Some(CompiledFunc { addresses: addresses(&known, origin, Some)?, origin, ..known })
    }
}

/// The position that those in a body count from.
fn origin(module: &ParsedModule<'_>, position: usize) -> u32 {
    module.bodies[position].range().start as u32
}

/// Adds what the numbers stand for that inlined instructions have as positions: functions by the order in which `func` names
/// them, positions by their distances, as in everything else.
fn hash_inlined(func: &Function, inlined: &[Inlined], input: &mut Input) {
    let names = func.params.user_named_funcs();
    let origin = func.params.base_srcloc().bits();
    let distance =
        |position: u32| (position != AddressMap::NONE).then(|| position.wrapping_sub(origin));
    inlined.len().hash(input);
    let (mut last, mut place) = (None, None);
    for &Inlined { func, position, call } in inlined {
        // Those of one function follow one another.
        if last != Some(func) {
            place = names.values().position(|name| name.index == func.0);
            last = Some(func);
        }
        (place, distance(position), distance(call)).hash(input);
    }
}

/// What all functions depend on that `isa` makes. `kind` sets hashes of different things apart.
fn hash_of_compiler(kind: &str, salt: &[u8], isa: &dyn TargetIsa) -> Input {
    let mut input = Input(Vec::with_capacity(1024));
    kind.hash(&mut input);
    salt.hash(&mut input);
    isa.name().hash(&mut input);
    isa.triple().hash(&mut input);
    isa.flags().hash(&mut input);
    isa.isa_flags_hash_key().hash(&mut input);
    input
}

/// All bytes that something is hashed by, one behind the other: many small pieces, which are hashed at once.
struct Input(Vec<u8>);

impl Input {
    fn finish(&self) -> [u8; 32] {
        Sha256::digest(&self.0).into()
    }
}

impl Hasher for Input {
    fn write(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    /// Of numbers of this type most say which variant of an `enum` it is, and there are more of them than of anything else. They
    /// take one byte, which is less to hash; larger ones are told by the first.
    fn write_isize(&mut self, value: isize) {
        match u8::try_from(value) {
            Ok(byte) if byte != u8::MAX => self.0.push(byte),
            _ => {
                self.0.push(u8::MAX);
                self.0.extend_from_slice(&value.to_le_bytes());
            }
        }
    }

    fn finish(&self) -> u64 {
        unreachable!("the bytes are hashed by another function")
    }
}

/// The code that was compiled for another function with the same hash, as that of `func`. Nothing when it does not fit after
/// all.
fn adapt(known: CompiledFunc, func: &Function) -> Option<CompiledFunc> {
    let callees: Box<[u32]> =
        func.params.user_named_funcs().values().map(|name| name.index).collect();
    let origin = func.params.base_srcloc().bits();
    if callees.len() != known.callees.len() {
        return None;
    }
    let rename = |callee: u32| {
        let name = known.callees.iter().position(|&known| known == callee)?;
        Some(callees[name])
    };
    let call = |call: &Call| Some(Call { callee: rename(call.callee)?, ..*call });
    Some(CompiledFunc {
        calls: known.calls.iter().map(call).collect::<Option<_>>()?,
        addresses: addresses(&known, origin, rename)?,
        callees,
        origin,
        ..known
    })
}

/// The positions that the code of `known` stems from when they count from `origin` and functions are renamed.
fn addresses(
    known: &CompiledFunc,
    origin: u32,
    rename: impl Fn(u32) -> Option<u32>,
) -> Option<Box<[(u32, u32)]>> {
    let moved = |position| match position {
        AddressMap::NONE => position,
        _ => position.wrapping_sub(known.origin).wrapping_add(origin),
    };
    let mut addresses = Vec::with_capacity(known.addresses.len());
    for at_one_offset in known.addresses.chunk_by(|a, b| a.0 == b.0) {
        match *at_one_offset {
            [(offset, position)] => addresses.push((offset, moved(position))),
            // In an inlined function: its position, the function, the position of the call.
            [(offset, position), (_, func), (_, call)] => addresses.extend([
                (offset, moved(position)),
                (offset, rename(func)?),
                (offset, moved(call)),
            ]),
            _ => return None,
        }
    }
    Some(addresses.into())
}
