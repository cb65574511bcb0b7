//! Puts the bodies of small functions where they are called, for code that is optimised.
//!
//! Which functions these are is a matter of measurements, see RATIONALE.md. Others rely on this: what is inlined makes no
//! calls. So it throws nothing, is walked through by nobody, and no collection takes place in it; a frame of it can only be
//! the innermost one, where it has trapped.
//!
//! [`Inlining`] belongs to one thread that compiles functions of one module. The CLIF of a callee is made from its body
//! when a call to it is met, and kept for the next one; nothing here needs more of the module than that, and what was kept
//! changes no code.
//!
//! What is inlined keeps its place in backtraces: Cranelift copies no positions, so each copied instruction that has
//! one gets as its position a number with [`MARK`], which stands for an [`Inlined`]: the function it is of, where in the
//! module, and where the call was. [`Inlining::resolve`] turns these into entries of an address map, whose documentation says
//! what they look like.

use std::{borrow::Cow, collections::HashMap};

use cranelift_codegen::{
    Context,
    inline::{Inline, InlineCommand},
    ir::{self, ExternalName, FuncRef, Inst, Opcode, SourceLoc, UserExternalName},
    traversals::Dfs,
};
use cranelift_entity::{EntityRef, EntitySet};
use cranelift_frontend::FunctionBuilderContext;
use wasmparser::Operator;
use wrun_module::{FuncIndex, ParsedModule, Tier, ValType};

use crate::{
    env::ModuleEnv,
    translate::{self, Form},
};

/// The most bytes that the body of a function has that is inlined: RATIONALE.md says why these.
const MAX_BODY: u64 = 60;

/// The most blocks of CLIF that it has.
const MAX_BLOCKS: usize = 8;

/// How many bytes of bodies go into one function.
const MAX_GROWTH: u64 = 2000;

/// How many callees are kept.
const MAX_KEPT: usize = 512;

/// The bit of positions, counted from the function's first one, that are numbers of [`Inlined`] instructions. That they count
/// from there keeps code the same that only lies elsewhere in its module.
const MARK: u32 = 1 << 31;

/// Larger modules are left alone: their positions might be taken for numbers.
const MAX_MODULE: u64 = 1 << 30;

/// An instruction of a function that was inlined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Inlined {
    /// The function it is of.
    pub(crate) func: FuncIndex,
    /// Its offset in the module.
    pub(crate) position: u32,
    /// That of the call in whose place it is.
    pub(crate) call: u32,
}

/// What a thread that compiles functions keeps of their callees.
#[derive(Default)]
pub(crate) struct Inlining {
    /// Callees by their index; nothing for those that are not inlined.
    callees: HashMap<FuncIndex, Option<ir::Function>>,
    /// What was inlined into the function at hand.
    inlined: Vec<Inlined>,
}

impl Inlining {
    /// Forgets what was inlined into the function before.
    pub(crate) fn clear(&mut self) {
        self.inlined.clear();
    }

    /// Inlines calls in the function of `context`, whose body is at `position` of the module's.
    ///
    /// # Errors
    /// When the function gets too large.
    pub(crate) fn inline(
        &mut self,
        env: &ModuleEnv<'_>,
        position: usize,
        frontend: &mut FunctionBuilderContext,
        context: &mut Context,
    ) -> Result<(), String> {
        let caller = env.module.defined_func(position);
        let end = env.module.bodies.last().map_or(0, |body| body.range().end);
        let candidate = |func| candidate(env.module, caller, &context.func, func).is_some();
        // Most functions end here, before anything is found out about their loops.
        if end > MAX_MODULE || !context.func.dfg.ext_funcs.keys().any(candidate) {
            return Ok(());
        }
        if self.callees.len() > MAX_KEPT {
            self.callees.clear();
        }
        let eligible = calls_in_loops(context);
        let mut sites = Vec::new();
        let inliner = Inliner {
            env,
            frontend,
            callees: &mut self.callees,
            caller,
            eligible,
            sites: &mut sites,
            budget: MAX_GROWTH,
        };
        context.inline(inliner).map_err(|error| error.to_string())?;
        for site in &sites {
            self.mark(site, &mut context.func);
        }
        Ok(())
    }

    /// Gives the copied instructions of a call their positions. Each instruction of the callee that can be reached was
    /// copied once, in this order.
    fn mark(&mut self, site: &Site, func: &mut ir::Function) {
        let callee = self.callees[&site.callee].as_ref().expect("it was inlined");
        let base = func.params.base_srcloc().bits();
        let mut copy = site.first;
        for block in Dfs::new().pre_order_iter(callee) {
            for inst in callee.layout.block_insts(block) {
                let opcode = callee.dfg.insts[inst].opcode();
                debug_assert!(opcode.is_return() || opcode == func.dfg.insts[copy].opcode());
                let position = callee.srcloc(inst);
                if !position.is_default() {
                    let number = self.inlined.len() as u32;
                    self.inlined.push(Inlined {
                        func: site.callee,
                        position: position.bits(),
                        call: site.call.bits(),
                    });
                    func.set_srcloc(copy, SourceLoc::new(base + (MARK | number)));
                }
                copy = Inst::new(copy.index() + 1);
            }
        }
    }

    /// What was inlined into the function at hand, by number.
    pub(crate) fn inlined(&self) -> &[Inlined] {
        &self.inlined
    }

    /// The entries of the address map of `func` for these, of which some may be of inlined instructions.
    pub(crate) fn resolve(
        &self,
        func: &ir::Function,
        entries: Box<[(u32, u32)]>,
    ) -> Box<[(u32, u32)]> {
        if self.inlined.is_empty() {
            return entries;
        }
        let first = func.params.base_srcloc().bits() | MARK;
        let mut resolved = Vec::with_capacity(entries.len());
        for &(offset, position) in &entries {
            match self.inlined.get(position.wrapping_sub(first) as usize) {
                Some(inlined) => resolved.extend([
                    (offset, inlined.position),
                    (offset, inlined.func.0),
                    (offset, inlined.call),
                ]),
                None => resolved.push((offset, position)),
            }
        }
        resolved.into()
    }
}

/// A call in whose place a callee was put.
struct Site {
    callee: FuncIndex,
    /// The position of the call.
    call: SourceLoc,
    /// The first of the copied instructions; the others follow it.
    first: Inst,
}

/// Decides which calls of one function are inlined.
struct Inliner<'a> {
    env: &'a ModuleEnv<'a>,
    frontend: &'a mut FunctionBuilderContext,
    callees: &'a mut HashMap<FuncIndex, Option<ir::Function>>,
    caller: FuncIndex,
    /// The calls that may be inlined, when not all may.
    eligible: Option<EntitySet<Inst>>,
    sites: &'a mut Vec<Site>,
    /// Bytes of bodies that may still be inlined.
    budget: u64,
}

impl Inliner<'_> {
    /// The callee's CLIF, when it may be inlined.
    fn translate(&mut self, position: usize) -> Option<ir::Function> {
        let mut func = ir::Function::new();
        let form = Form::Whole(Tier::Optimised);
        let result = translate::translate(self.env, position, form, self.frontend, &mut func);
        let Ok(uses_heap) = result else {
            // That is an error when its own turn comes. What failed leaves half a function behind.
            *self.frontend = FunctionBuilderContext::new();
            return None;
        };
        (!uses_heap && is_small_leaf(&func)).then_some(func)
    }
}

impl Inline for Inliner<'_> {
    fn inline(
        &mut self,
        caller: &ir::Function,
        call: Inst,
        opcode: Opcode,
        callee: FuncRef,
        _args: &[ir::Value],
    ) -> InlineCommand<'_> {
        // Where there is more to a call than calling, a handler of exceptions or references that live on over it, it stays.
        if opcode != Opcode::Call || caller.dfg.user_stack_map_entries(call).is_some() {
            return InlineCommand::KeepCall;
        }
        if self.eligible.as_ref().is_some_and(|calls| !calls.contains(call)) {
            return InlineCommand::KeepCall;
        }
        let Some((callee, position)) = candidate(self.env.module, self.caller, caller, callee)
        else {
            return InlineCommand::KeepCall;
        };
        let size = body_size(self.env.module, position);
        if size > self.budget {
            return InlineCommand::KeepCall;
        }
        if !self.callees.contains_key(&callee) {
            let func = self.translate(position);
            self.callees.insert(callee, func);
        }
        match &self.callees[&callee] {
            Some(func) => {
                self.budget -= size;
                let first = Inst::new(caller.dfg.num_insts());
                self.sites.push(Site { callee, call: caller.srcloc(call), first });
                InlineCommand::Inline { callee: Cow::Borrowed(func), visit_callee: false }
            }
            None => InlineCommand::KeepCall,
        }
    }
}

/// The function that a reference in the code of `caller` is one to, with the position of its body, when that lets it be inlined.
fn candidate(
    module: &ParsedModule<'_>,
    caller: FuncIndex,
    code: &ir::Function,
    func: FuncRef,
) -> Option<(FuncIndex, usize)> {
    let ExternalName::User(name) = code.dfg.ext_funcs[func].name else { return None };
    let &UserExternalName { namespace: 0, index } = code.params.user_named_funcs().get(name)?
    else {
        return None;
    };
    let callee = FuncIndex(index);
    let position = callee.index().checked_sub(module.info.num_imported_funcs as usize)?;
    let small = body_size(module, position) <= MAX_BODY;
    (callee != caller && small && takes_frame(module, position)).then_some((callee, position))
}

/// Bytes of the body at a position.
fn body_size(module: &ParsedModule<'_>, position: usize) -> u64 {
    let range = module.bodies[position].range();
    range.end - range.start
}

/// The calls inside of loops; nothing when the function has no loops, where all count. What stands outside of loops is run
/// less often than they are.
fn calls_in_loops(context: &mut Context) -> Option<EntitySet<Inst>> {
    context.flowgraph();
    context.compute_loop_analysis();
    let (loops, func) = (&context.loop_analysis, &context.func);
    let has_loops = loops.loops().next().is_some();
    let mut calls = EntitySet::new();
    let inside = func.layout.blocks().filter(|&block| loops.innermost_loop(block).is_some());
    for inst in inside.flat_map(|block| func.layout.block_insts(block)) {
        if func.dfg.insts[inst].opcode() == Opcode::Call {
            calls.insert(inst);
        }
    }
    // What was found out does not hold any more when functions have been inlined.
    context.cfg.clear();
    context.domtree.clear();
    context.loop_analysis.clear();
    has_loops.then_some(calls)
}

/// Whether a function begins by reading a global that is an integer and can be set: the pointer to the stack that compilers keep in
/// memory. Where that is done by a function that calls nothing, its variables are in memory, as code has it that no
/// compiler has optimised.
fn takes_frame(module: &ParsedModule<'_>, position: usize) -> bool {
    let reader = module.bodies[position].get_operators_reader();
    let Ok(Operator::GlobalGet { global_index }) = reader.and_then(|mut reader| reader.read())
    else {
        return false;
    };
    let ty = module.info.globals[global_index as usize].ty;
    ty.mutable && matches!(ty.content, ValType::I32 | ValType::I64)
}

/// Whether a function is small and calls nothing.
fn is_small_leaf(func: &ir::Function) -> bool {
    let mut insts = func.layout.blocks().flat_map(|block| func.layout.block_insts(block));
    func.layout.blocks().count() <= MAX_BLOCKS
        && insts.all(|inst| !func.dfg.insts[inst].opcode().is_call())
}
