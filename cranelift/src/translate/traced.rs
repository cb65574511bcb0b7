//! Which values the collector has to know of.
//!
//! A value is *traced* when its type is one of references to objects ([`ValType::is_traced`]): objects move, during any call.
//! A traced value that is live over a call is kept in a slot of the frame meanwhile, which the stack map of the call
//! names and the collector changes, and is read from there afterwards. The frontend does all that for values that were
//! declared to need it. To miss one is to use an object that is not there any more, and so a hole in the sandbox.
//!
//! # The rule
//! Whatever makes a value says its type: values enter the operand stack through [`FuncTranslator::push_typed`] and what
//! is built on it, parameters of blocks come from [`FuncTranslator::create_block`], locals from
//! [`declare_local`]. Only numbers, vectors and references to functions may be pushed without a type. Where
//! values of known type are consumed (arguments, results, branches, locals, and what is stored) it is checked, in debug
//! builds, that none was forgotten.
//!
//! Addresses made from a reference are good until the next call: none is kept over one.

use cranelift_codegen::ir::{Block, Value};
use cranelift_entity::EntitySet;
use cranelift_frontend::{FunctionBuilder, Variable};
use wrun_module::ValType;

use super::function::FuncTranslator;
use crate::abi::clif_type;

/// Which values and locals were made with their types: for the check in debug builds, and nothing in others. References of
/// types that are not traced are among them, as they may become some of a type that is.
#[derive(Default)]
pub(super) struct Traced {
    /// The values that the collector has to know of, where they are asked for ([`Traced::is_mapped`]).
    mapped: Option<EntitySet<Value>>,
    #[cfg(debug_assertions)]
    values: EntitySet<Value>,
    #[cfg(debug_assertions)]
    locals: EntitySet<Variable>,
}

impl Traced {
    /// Nothing yet. Whether a value is mapped will be asked for as `ask` says.
    pub(super) fn new(ask: bool) -> Self {
        Self { mapped: ask.then(EntitySet::new), ..Self::default() }
    }

    /// Whether the collector has to know of a value.
    pub(super) fn is_mapped(&self, value: Value) -> bool {
        self.mapped.as_ref().is_some_and(|mapped| mapped.contains(value))
    }

    #[inline]
    #[cfg_attr(not(debug_assertions), allow(unused_variables, reason = "nothing is checked"))]
    pub(super) fn note(&mut self, value: Value) {
        #[cfg(debug_assertions)]
        self.values.insert(value);
    }

    #[inline]
    #[cfg_attr(not(debug_assertions), allow(unused_variables, reason = "nothing is checked"))]
    fn note_local(&mut self, local: Variable) {
        #[cfg(debug_assertions)]
        self.locals.insert(local);
    }
}

/// Whether a type is one of references to objects, be it that there are none of that type.
fn is_object(ty: ValType) -> bool {
    matches!(ty, ValType::Ref(ty) if !ty.heap.is_func())
}

/// Declares the next local.
pub(super) fn declare_local(
    builder: &mut FunctionBuilder<'_>,
    traced: &mut Traced,
    ty: ValType,
) -> Variable {
    let local = builder.declare_var(clif_type(ty));
    if ty.is_traced() {
        builder.declare_var_needs_stack_map(local);
    }
    if is_object(ty) {
        traced.note_local(local);
    }
    local
}

impl FuncTranslator<'_, '_> {
    /// Says of which type a value is that was just made.
    #[inline]
    pub(super) fn trace(&mut self, value: Value, ty: ValType) {
        if ty.is_traced() {
            self.builder.declare_value_needs_stack_map(value);
            if let Some(mapped) = &mut self.traced.mapped {
                mapped.insert(value);
            }
        }
        if is_object(ty) {
            self.traced.note(value);
        }
    }

    /// Pushes a value of a type.
    #[inline]
    pub(super) fn push_typed(&mut self, value: Value, ty: ValType) {
        self.trace(value, ty);
        self.push(value);
    }

    /// Pushes a reference that is null or an `i31` whatever its type: the collector has no use for it.
    pub(super) fn push_untraced(&mut self, reference: Value) {
        self.traced.note(reference);
        self.push(reference);
    }

    /// The value of a local.
    pub(super) fn use_local(&mut self, local: Variable) -> Value {
        let value = self.builder.use_var(local);
        // What a local holds was declared together with it.
        #[cfg(debug_assertions)]
        if self.traced.locals.contains(local) {
            self.traced.note(value);
        }
        value
    }

    /// Sets a local.
    pub(super) fn def_local(&mut self, local: Variable, value: Value) {
        #[cfg(debug_assertions)]
        assert!(
            !self.traced.locals.contains(local) || self.traced.values.contains(value),
            "{value} goes to a local of references and was pushed without its type"
        );
        self.builder.def_var(local, value);
    }

    /// A block with parameters of these types.
    pub(super) fn create_block(&mut self, params: &[ValType]) -> Block {
        let block = self.builder.create_block();
        for &ty in params {
            let param = self.builder.append_block_param(block, clif_type(ty));
            self.trace(param, ty);
        }
        block
    }

    /// Checks in debug builds that none of the topmost values was pushed without its type.
    #[inline]
    #[cfg_attr(not(debug_assertions), allow(unused_variables, reason = "nothing is checked"))]
    pub(super) fn check_traced(&self, values: &[Value], types: &[ValType]) {
        #[cfg(debug_assertions)]
        for (value, ty) in values.iter().zip(types) {
            assert!(
                !ty.is_traced() || self.traced.values.contains(*value),
                "{value} is used as {ty} and was pushed without its type"
            );
        }
    }

    /// Pops a value of a type that is stored, or handed to the runtime.
    #[inline]
    pub(super) fn pop_typed(&mut self, ty: ValType) -> Value {
        let value = self.pop();
        self.check_traced(&[value], &[ty]);
        value
    }
}
