//! Values between the host's types and generated code's: of globals, tables, arguments and results.

use std::ptr::NonNull;

use wrun_module::{CompositeKind, ConcreteType, GlobalType, HeapType, RefType, TableType, ValType};

use super::{
    func::FuncHandle,
    layout::VmValue,
    store::StoreOpaque,
    table::{OutOfTable, VmRef},
};
use crate::{
    AnyRef, Error, Exn, ExternRef, Func, GcRef, Ref, TypeMismatch, V128, Val, root::INTERNAL,
};

impl Val {
    /// Whether the value is one of a type whose concrete types are named by the engine's numbers.
    ///
    /// This is what keeps values of the host's to the types that generated code relies on without looking.
    ///
    /// # Panics
    /// When it is a reference of another store, or its scope has ended.
    pub(crate) fn is_of(&self, store: &StoreOpaque, ty: ValType) -> bool {
        let ValType::Ref(ty) = ty else { return self.ty() == ty };
        match *self {
            Val::FuncRef(None) => ty.nullable && ty.heap.is_func(),
            Val::ExternRef(None) => ty.nullable && ty.heap.top() == HeapType::Extern,
            Val::AnyRef(None) => ty.nullable && ty.heap.top() == HeapType::Any,
            Val::FuncRef(Some(func)) => {
                let name = ConcreteType::Engine(func.handle().type_id(store));
                let found = HeapType::Exact(CompositeKind::Func, name);
                store.engine().types().heap_type_matches(found, ty.heap)
            }
            Val::ExternRef(Some(external)) => {
                store.reference(external.handle(INTERNAL));
                ty.heap == HeapType::Extern
            }
            Val::AnyRef(Some(any)) => {
                let found = store.heap_type_of(any.handle(INTERNAL));
                store.engine().types().heap_type_matches(found, ty.heap)
            }
            Val::ExnRef(None) => ty.nullable && ty.heap.top() == HeapType::Exn,
            Val::ExnRef(Some(exn)) => {
                store.reference(exn.handle(INTERNAL));
                ty.heap == HeapType::Exn
            }
            _ => false,
        }
    }

    /// The least type that the value is of: what to say when it is not of another.
    ///
    /// # Panics
    /// When it is a reference of another store, or its scope has ended.
    pub(crate) fn exact_type(&self, store: &StoreOpaque) -> ValType {
        let heap = match *self {
            Val::FuncRef(Some(func)) => {
                let name = ConcreteType::Engine(func.handle().type_id(store));
                HeapType::Exact(CompositeKind::Func, name)
            }
            Val::AnyRef(Some(any)) => store.heap_type_of(any.handle(INTERNAL)),
            Val::ExternRef(Some(_)) => HeapType::Extern,
            Val::FuncRef(None) => return ValType::NULLFUNCREF,
            Val::AnyRef(None) => return ValType::NULLREF,
            Val::ExternRef(None) => return ValType::NULLEXTERNREF,
            Val::ExnRef(Some(_)) => HeapType::Exn,
            Val::ExnRef(None) => return ValType::NULLEXNREF,
            _ => return self.ty(),
        };
        ValType::Ref(RefType { nullable: false, heap })
    }

    /// The value in a slot.
    ///
    /// # Safety
    /// The slot holds a value of the type, from code of the store.
    pub(in crate::vm) unsafe fn from_vm(
        value: VmValue,
        ty: ValType,
        store: &mut StoreOpaque,
    ) -> Self {
        match ty {
            ValType::I32 => Val::I32(value.to_u32() as i32),
            ValType::I64 => Val::I64(value.to_u64() as i64),
            ValType::F32 => Val::F32(value.to_u32()),
            ValType::F64 => Val::F64(value.to_u64()),
            ValType::V128 => Val::V128(V128::from(value.to_u128())),
            ValType::Ref(ty) => {
                let is_func = ty.heap.is_func();
                let value =
                    if is_func { VmRef(value.to_u64()) } else { VmRef::object(value.to_u32()) };
                // SAFETY: the caller vouches for the reference.
                unsafe { Ref::from_vm(value, ty.heap, store).into() }
            }
        }
    }

    /// The value for a slot.
    ///
    /// # Panics
    /// When it is a reference of another store.
    pub(in crate::vm) fn to_vm(self, store: &StoreOpaque) -> VmValue {
        match self {
            Val::I32(value) => VmValue::from_u32(value as u32),
            Val::I64(value) => VmValue::from_u64(value as u64),
            Val::F32(bits) => VmValue::from_u32(bits),
            Val::F64(bits) => VmValue::from_u64(bits),
            Val::V128(value) => VmValue::from_u128(value.as_u128()),
            Val::FuncRef(func) => VmValue::from_u64(Ref::Func(func).to_vm(store).0),
            Val::ExternRef(external) => VmValue::from_u64(Ref::Extern(external).to_vm(store).0),
            Val::AnyRef(any) => VmValue::from_u64(Ref::Any(any).to_vm(store).0),
            Val::ExnRef(exn) => VmValue::from_u64(Ref::Exn(exn).to_vm(store).0),
        }
    }
}

impl Ref {
    /// The reference in an element.
    ///
    /// # Safety
    /// The element holds a reference to this kind of thing, of the store.
    unsafe fn from_vm(value: VmRef, heap: HeapType, store: &mut StoreOpaque) -> Self {
        match heap.top() {
            HeapType::Func => {
                let pointer = NonNull::new(value.0 as *mut _);
                let handle = pointer.map(|pointer| FuncHandle::new(store.id(), pointer));
                Ref::Func(handle.map(Func::from_handle))
            }
            HeapType::Exn => Ref::Exn(store.root(value.to_object()).map(Exn::from_handle)),
            HeapType::Any => Ref::Any(store.root(value.to_object()).map(AnyRef::from_handle)),
            _ => Ref::Extern(store.root(value.to_object()).map(ExternRef::from_handle)),
        }
    }

    /// The reference for an element.
    ///
    /// # Panics
    /// When it is of another store.
    pub(crate) fn to_vm(self, store: &StoreOpaque) -> VmRef {
        match self {
            Ref::Func(func) => VmRef::func(func.map(|func| {
                func.handle().assert_in(store);
                func.handle().pointer()
            })),
            Ref::Extern(external) => {
                VmRef::object(external.map_or(0, |it| store.reference(it.handle(INTERNAL))))
            }
            Ref::Any(any) => {
                VmRef::object(any.map_or(0, |it| store.reference(it.handle(INTERNAL))))
            }
            Ref::Exn(exn) => {
                VmRef::object(exn.map_or(0, |it| store.reference(it.handle(INTERNAL))))
            }
        }
    }

    /// The reference for an element of a table.
    ///
    /// # Errors
    /// When the table holds others.
    fn for_table(self, ty: TableType, store: &StoreOpaque) -> Result<VmRef, TypeMismatch> {
        if !Val::from(self).is_of(store, ValType::Ref(ty.element)) {
            let found = Val::from(self).exact_type(store);
            return Err(TypeMismatch::new("an element of a table".to_owned(), &ty.element, &found));
        }
        Ok(self.to_vm(store))
    }
}

impl StoreOpaque {
    /// Makes a global of the host's and gives its position.
    ///
    /// # Errors
    /// When the value is none of the type.
    pub(crate) fn add_host_global(&mut self, ty: GlobalType, value: Val) -> Result<usize, Error> {
        check_global(self, ty, &value)?;
        let value = value.to_vm(self);
        Ok(self.add_owned_global(ty, value))
    }

    /// The value of a global.
    pub(crate) fn global_value(&mut self, position: usize) -> Val {
        let global = self.global(position);
        let ty = global.ty.content;
        // SAFETY: the place lives as long as the store, holds a value of the type, and is not written meanwhile: code
        // that could is not running.
        unsafe {
            let value = *global.place.as_ref().get();
            Val::from_vm(value, ty, self)
        }
    }

    /// Sets the value of a global, whether or not it is mutable.
    ///
    /// # Errors
    /// When the value is none of the type.
    pub(crate) fn set_global_value(&mut self, position: usize, value: Val) -> Result<(), Error> {
        check_global(self, self.global(position).ty, &value)?;
        let value = value.to_vm(self);
        // SAFETY: as for `global_value`, and the store is borrowed exclusively.
        unsafe { *self.global(position).place.as_ref().get() = value };
        Ok(())
    }

    /// An element of a table; nothing past its end.
    pub(crate) fn table_element(&mut self, position: usize, index: u64) -> Option<Ref> {
        let table = self.table(position);
        let (value, ty) = (table.get(index)?, table.declared_type());
        // SAFETY: tables only hold references of their type and store.
        Some(unsafe { Ref::from_vm(value, ty.element.heap, self) })
    }

    /// Sets elements of a table.
    ///
    /// # Errors
    /// When the reference is not of the table's type. The inner one: when the range is not inside the table.
    pub(crate) fn fill_table(
        &mut self,
        position: usize,
        start: u64,
        value: Ref,
        len: u64,
    ) -> Result<Result<(), OutOfTable>, Error> {
        let value = value.for_table(self.table(position).declared_type(), self)?;
        Ok(self.table_mut(position).fill(start, value, len))
    }

    /// Grows a table and gives its old size; nothing when that is too much.
    ///
    /// # Errors
    /// When the reference is not of the table's type.
    pub(crate) fn extend_table(
        &mut self,
        position: usize,
        delta: u64,
        value: Ref,
    ) -> Result<Option<u64>, Error> {
        let value = value.for_table(self.table(position).declared_type(), self)?;
        Ok(self.grow_table(position, delta, value))
    }
}

fn check_global(store: &StoreOpaque, ty: GlobalType, value: &Val) -> Result<(), TypeMismatch> {
    if !value.is_of(store, ty.content) {
        let what = "the value of a global".to_owned();
        return Err(TypeMismatch::new(what, &ty.content, &value.exact_type(store)));
    }
    Ok(())
}
