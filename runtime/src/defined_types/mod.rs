//! Types that the host declares: structs, arrays and functions, each a subtype of at most one other, in recursion groups.
//!
//! No module's validation has seen them, so what the specification asks of a type section (*Validation › Types*) is checked
//! here, before the registry gives out numbers. The types of globals, tables and functions of the host are checked too: a
//! number in them that is no type's, or that of a type of another kind, would make values be taken for what they are not.

mod check;

use std::fmt;

use wrun_module::{CompositeKind, ConcreteType, FuncType, HeapType, RefType, SubType, ValType};

use crate::{Engine, Error, Result, TypeMismatch};

impl Engine {
    /// Declares a type that is a recursion group of its own, and gives what references to its values refer to. It may name
    /// itself by [`ConcreteType::Recursive(0)`](ConcreteType::Recursive). A type that is declared twice, or by a module
    /// too, is one and the same.
    ///
    /// ```
    /// use wrun_runtime::{Engine, FieldType, StorageType, StructType, SubType, ValType};
    ///
    /// let engine = Engine::default();
    /// let x = FieldType { storage: StorageType::Val(ValType::F64), mutable: true };
    /// let shape = SubType { is_final: false, ..SubType::plain(StructType { fields: [x].into() }) };
    /// let shape = engine.define_type(shape)?;
    /// let square = SubType {
    ///     supertype: shape.as_concrete(),
    ///     ..SubType::plain(StructType { fields: [x, x].into() })
    /// };
    /// let square = engine.define_type(square)?;
    /// assert!(engine.heap_type_matches(square, shape));
    /// # Ok::<(), wrun_runtime::Error>(())
    /// ```
    ///
    /// # Errors
    /// When the type is not valid: it names none of the engine's types, or is no subtype of the one it is declared to be a
    /// subtype of. When the engine has too many.
    pub fn define_type(&self, ty: impl Into<SubType>) -> Result<HeapType> {
        Ok(self.define_types(&[ty.into()])?[0])
    }

    /// Declares the types of a recursion group. They name one another by their positions
    /// ([`ConcreteType::Recursive`]), and may only have supertypes in front of them.
    ///
    /// # Errors
    /// When one of them is not valid, as for [`define_type`](Self::define_type), or the engine has too many types.
    pub fn define_types(&self, group: &[SubType]) -> Result<Vec<HeapType>> {
        let types = self.types();
        for (position, ty) in group.iter().enumerate() {
            check::definition(types, group, position, ty)
                .map_err(|problem| invalid(ty, &problem))?;
        }
        let numbers =
            types.group(group.to_vec()).map_err(|error| Error::limit(error.to_string()))?;
        let heap_type = |(ty, &number): (&SubType, &u32)| {
            HeapType::concrete(ty.composite.kind(), ConcreteType::Engine(number))
        };
        Ok(group.iter().zip(&numbers[..]).map(heap_type).collect())
    }

    /// What a type that others name is; they name it by its number in the engine. Nothing when no type of this engine has
    /// the name. The type itself names others in this way too.
    pub fn resolve(&self, name: ConcreteType) -> Option<SubType> {
        match name {
            ConcreteType::Engine(number) => Some(self.types().find(number)?.ty.clone()),
            ConcreteType::Declared(_) | ConcreteType::Recursive(_) => None,
        }
    }

    /// Whether every value of one type is of another, too. What is no type of this engine's matches nothing.
    pub fn val_type_matches(&self, found: ValType, expected: ValType) -> bool {
        let is_valid = |ty| check::val_type(self.types(), &[], ty).is_ok();
        is_valid(found) && is_valid(expected) && self.types().val_type_matches(found, expected)
    }

    /// Whether every reference to one type is to another, too. What is no type of this engine's matches nothing.
    pub fn heap_type_matches(&self, found: HeapType, expected: HeapType) -> bool {
        let reference = |heap| ValType::Ref(RefType { nullable: true, heap });
        self.val_type_matches(reference(found), reference(expected))
    }

    /// The number of a struct or array type.
    ///
    /// # Errors
    /// When it is none of the kind.
    pub(crate) fn defined_type(&self, ty: HeapType, kind: CompositeKind) -> Result<u32> {
        let number = self.number(ty, kind);
        number.ok_or_else(|| wrong_kind("a new object", kind, &ty))
    }

    /// The number of a function type, and what it is.
    ///
    /// # Errors
    /// When it is none.
    pub(crate) fn defined_func(&self, ty: HeapType) -> Result<(u32, FuncType)> {
        let kind = CompositeKind::Func;
        let number = self.number(ty, kind);
        let number = number.ok_or_else(|| wrong_kind("a host function", kind, &ty))?;
        Ok((number, self.types().get(number).func().clone()))
    }

    /// The number of a type, when it is of a kind.
    fn number(&self, ty: HeapType, kind: CompositeKind) -> Option<u32> {
        if let Some(name @ ConcreteType::Engine(number)) = ty.as_concrete()
            && [HeapType::concrete(kind, name), HeapType::Exact(kind, name)].contains(&ty)
            && self.types().find(number).is_some_and(|ty| ty.ty.composite.kind() == kind)
        {
            return Some(number);
        }
        None
    }

    /// Checks a type that the host made.
    ///
    /// # Errors
    /// When it names none of the engine's types.
    pub(crate) fn check_type(&self, ty: ValType) -> Result<()> {
        check::val_type(self.types(), &[], ty).map_err(|problem| invalid(&ty, &problem))
    }

    /// Checks the type of a function that the host made.
    ///
    /// # Errors
    /// When it names none of the engine's types.
    pub(crate) fn check_func_type(&self, ty: &FuncType) -> Result<()> {
        check::func_type(self.types(), &[], ty).map_err(|problem| invalid(ty, &problem))
    }
}

fn invalid(ty: &dyn fmt::Display, problem: &check::Problem) -> Error {
    Error::usage(format!("the type {ty} {problem}"))
}

/// A type is none of the kind that `what` has to be of.
pub(crate) fn wrong_kind(what: &str, kind: CompositeKind, found: &dyn fmt::Display) -> Error {
    let expected = match kind {
        CompositeKind::Func => "a function type",
        CompositeKind::Struct => "a struct type",
        CompositeKind::Array => "an array type",
    };
    TypeMismatch::new(format!("the type of {what}"), &expected, found).into()
}
