//! What a compiler is to the rest of the engine: modules in, images out.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{
    CompiledFunc, FuncType, InputHash, OwnedModule, ParsedModule, Placement,
    image::{ImageError, Target},
    nesting,
};

/// How much work goes into better code.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum OptLevel {
    /// Fastest to compile: no optimisation, single-pass register allocation.
    None,
    /// Some optimisation, single-pass register allocation.
    Fast,
    /// Fast code.
    #[default]
    Speed,
    /// Fast code that is also small.
    SpeedAndSize,
}

/// How linear memories lie in the address space; generated code depends on it. A setting for all memories; what it
/// means for one of them is said by [`MemoryStyle::of`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum MemoryStyle {
    /// Each memory whose addresses are few enough reserves all that an access can name, [`RESERVATION`] bytes; no access
    /// to it is checked.
    #[default]
    Reserved,
    /// Memories are as large as they are, may move when they grow, and every access is checked.
    Checked,
}

impl MemoryStyle {
    /// How a memory of type `ty` lies in the address space where this is the setting. Compiler and runtime both go by it.
    ///
    /// Only 32-bit addresses are few enough to be reserved. Small pages can end anywhere, and the processor guards no
    /// less than its own pages.
    pub fn of(self, ty: &crate::MemoryType) -> MemoryStyle {
        match self {
            Self::Reserved
                if !ty.memory64 && ty.page_size_log2 == crate::MemoryType::PAGE_SIZE_LOG2 =>
            {
                Self::Reserved
            }
            _ => Self::Checked,
        }
    }
}

/// Bytes of address space of a memory of [`MemoryStyle::Reserved`]: the sum of the largest 32-bit index and the
/// largest 32-bit offset, and the widest access behind it, rounded up to a page.
pub const RESERVATION: u64 = 2 * (1 << 32) + crate::MemoryType::PAGE_SIZE;

/// Options that change the code a compiler makes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct CompileOptions {
    /// How much work goes into better code.
    pub opt_level: OptLevel,
    /// How memories lie in the address space.
    pub memory_style: MemoryStyle,
    /// Whether code computes the same on every machine: the results of the specification's deterministic profile,
    /// for NaNs and for relaxed vector instructions.
    pub deterministic: bool,
}

/// Why a module that is valid could not be compiled.
#[derive(Debug, thiserror::Error)]
pub enum CompileError {
    /// The target is unknown, or the compiler has no support for it.
    #[error("cannot compile for `{target}`: {reason}")]
    Target {
        /// The target's triple.
        target: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The module is larger than the compiler or the image format can hold.
    #[error("implementation limit exceeded: {0}")]
    TooLarge(String),
    /// The compiler gave up on one function.
    #[error("cannot compile function {func}: {reason}")]
    Function {
        /// The function's name or index.
        func: String,
        /// What the compiler said.
        reason: String,
    },
    /// The image that another one was to be made of cannot be read.
    #[error(transparent)]
    Image(#[from] ImageError),
}

/// How far a compilation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Functions compiled.
    pub done: usize,
    /// Functions to compile in all.
    pub total: usize,
}

/// Functions that were compiled before, to be had instead of compiling them again.
pub trait KnownFunctions: Send + Sync {
    /// What tells the compiler that made them from others, as far as hashes of inputs do not: the build of this program above
    /// all. No function is found under another one.
    fn salt(&self) -> &[u8];

    /// Whether there is nothing to be found, so that nobody needs to look.
    fn is_empty(&self) -> bool;

    /// The function whose input has a hash, with the callees and positions of the module that it was compiled for.
    fn find(&self, input: InputHash) -> Option<CompiledFunc>;
}

/// Turns modules into images for one target with one set of options.
pub trait Compiler: Send + Sync {
    /// What images are made for, and with which options.
    fn target(&self) -> &Target;

    /// The image of a module: an ELF file as [`image`](crate::image) describes it. `progress` is called from any
    /// thread, now and then.
    ///
    /// # Errors
    /// When the module passes a limit of the compiler.
    fn compile(
        &self,
        module: &ParsedModule<'_>,
        progress: &(dyn Fn(Progress) + Sync),
    ) -> Result<Vec<u8>, CompileError>;

    /// As [`compile`](Self::compile), but has functions from `known` where it can, and notes the hashes of all, so that they can
    /// be had from this image later. The image is the same, byte for byte, whatever is known.
    ///
    /// # Errors
    /// As for `compile`.
    fn compile_with_known(
        &self,
        module: &ParsedModule<'_>,
        known: &dyn KnownFunctions,
        progress: &(dyn Fn(Progress) + Sync),
    ) -> Result<Vec<u8>, CompileError>;

    /// The image of a module without its functions: all are absent, and are given by a [`FunctionCompiler`] when they are
    /// called. It has everything else, trampolines and adapters included.
    ///
    /// # Errors
    /// As for [`compile`](Self::compile).
    fn compile_skeleton(&self, module: &ParsedModule<'_>) -> Result<Vec<u8>, CompileError>;

    /// The image `base` with more functions, given by position and tier. Optimised ones replace those of
    /// [`Tier::Baseline`], otherwise what is there stays. Calls of functions that are absent or of that tier go to
    /// their stubs, all others are direct.
    ///
    /// # Errors
    /// When `base` is none of this compiler's images, is damaged, or all together pass a limit.
    ///
    /// # Panics
    /// When an addition is at a position that the module does not have.
    fn assemble(
        &self,
        base: &[u8],
        additions: Vec<(u32, Tier, CompiledFunc)>,
    ) -> Result<Vec<u8>, CompileError>;

    /// A compiler for the functions of one module. With `known` it has functions from there where it can, and notes the
    /// hashes of all.
    fn functions(
        &self,
        module: OwnedModule,
        known: Option<Arc<dyn KnownFunctions>>,
    ) -> Box<dyn FunctionCompiler>;

    /// An image with nothing but the trampolines for calls of functions of these types.
    ///
    /// # Errors
    /// When a type passes a limit of the compiler.
    fn compile_trampolines(&self, types: &[FuncType]) -> Result<Vec<u8>, CompileError>;
}

/// Which of its forms a function is compiled to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Tier {
    /// As fast as possible to compile. Its code counts its calls and the rounds of its loops, and tells the runtime when they
    /// are many, by the libcall [`hot`](crate::Libcall::hot).
    Baseline,
    /// As the compiler's options say, without counting.
    Optimised,
}

/// Bytes of a body that is no longer short.
const SHORT: u64 = 64;

/// The most locals, parameters aside, of a function that is compiled to [`Tier::Baseline`] first.
pub const MANY_LOCALS: u64 = 1000;

/// Turns the functions of one module into code, one by one and in any order. Functions are named by their position among
/// those that the module defines.
pub trait FunctionCompiler: Send + Sync {
    /// The module.
    fn module(&self) -> &ParsedModule<'_>;

    /// The form in which a function should be compiled first. Of a short one the optimised form takes hardly longer: less to
    /// count saves what optimising costs. RATIONALE.md has the figures. One with too many locals could not be left at its
    /// loops.
    ///
    /// # Panics
    /// When there is no such function.
    fn first_tier(&self, position: usize) -> Tier {
        let body = &self.module().bodies[position];
        let is_short = body.range().end - body.range().start < SHORT;
        let locals = body.get_locals_reader().into_iter().flatten().flatten();
        let locals: u64 = locals.map(|(count, _)| u64::from(count)).sum();
        match is_short || locals > MANY_LOCALS {
            true => Tier::Optimised,
            false => Tier::Baseline,
        }
    }

    /// The loops around a place in a function, the outermost first. Loops and places are offsets in the body.
    ///
    /// # Panics
    /// When there is no such function.
    fn loops_around(&self, position: usize, offset: u32) -> Vec<u32> {
        nesting::loops_around(&self.module().bodies[position], offset)
    }

    /// A function in the form that `first` is, or in a better one, if it was compiled before and can be had for less than compiling
    /// it takes. Optimised functions are looked for when they are compiled, so that there is nothing to be had when
    /// `first` is that tier.
    ///
    /// # Panics
    /// When there is no such function.
    fn find_known(&self, position: usize, first: Tier) -> Option<(Tier, CompiledFunc)>;

    /// Compiles a function.
    ///
    /// # Errors
    /// When it passes a limit of the compiler.
    ///
    /// # Panics
    /// When there is no such function.
    fn compile(&self, position: usize, tier: Tier) -> Result<CompiledFunc, CompileError>;

    /// Compiles what is left of a function from the beginning of a loop on, optimised: code that takes the place of a frame
    /// of [`Tier::Baseline`] in the middle of its work. The loop is named by the offset of its instruction in the body.
    ///
    /// The code has the function's calling convention and results; its only parameter behind the contexts is the address
    /// of all locals and then all operands on the stack, parameters of the loop included, where the frame has put them. It reads
    /// them before it does anything else.
    ///
    /// # Errors
    /// When it passes a limit of the compiler, or the loop cannot be entered.
    ///
    /// # Panics
    /// When there is no such function.
    fn compile_loop(&self, position: usize, offset: u32) -> Result<CompiledFunc, CompileError>;

    /// At which addresses functions of a tier should start.
    fn placement(&self, tier: Tier) -> Placement;

    /// The content of an `.eh_frame` for one function, whose code begins `distance` bytes from it.
    fn eh_frame(&self, func: &CompiledFunc, distance: i64) -> Vec<u8>;
}
