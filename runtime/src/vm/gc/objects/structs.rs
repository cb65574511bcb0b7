//! Structs.

use wrun_module::{
    CompositeKind, CompositeType, StructType, TrapCode,
    gc::{FieldPlace, StructLayout},
};

use super::{Object, no_default, write};
use crate::{
    Error, Result, TypeMismatch, Val,
    defined_types::wrong_kind,
    root::RootHandle,
    types::{ObjectLayout, RegisteredType},
    vm::{layout::VmValue, store::StoreOpaque},
};

impl Object {
    fn struct_type(&self) -> (&StructType, &[FieldPlace]) {
        match (&self.ty.ty.composite, &self.ty.objects) {
            (CompositeType::Struct(ty), ObjectLayout::Struct(layout)) => (ty, &layout.fields),
            _ => unreachable!("a reference to a struct is to {}", self.ty.ty),
        }
    }

    /// The place of a field, and whether it may be set.
    fn field(&self, index: usize) -> Result<(FieldPlace, bool)> {
        let (ty, places) = self.struct_type();
        match (places.get(index), ty.fields.get(index)) {
            (Some(place), Some(field)) => Ok((*place, field.mutable)),
            _ => Err(Error::usage(format!("no field {index} in {}", self.ty.ty))),
        }
    }
}

impl StoreOpaque {
    /// Makes a struct: of these values, or, without any, of zeros and nulls.
    ///
    /// # Errors
    /// When the type is no struct's or the values do not fit it, and when the heap is exhausted.
    pub(crate) fn new_struct(&mut self, number: u32, values: Option<&[Val]>) -> Result<RootHandle> {
        let registered = self.engine.types().get(number);
        let ObjectLayout::Struct(layout) = &registered.objects else {
            return Err(wrong_kind("a new object", CompositeKind::Struct, &registered.ty));
        };
        if registered.ty.descriptor.is_some() {
            let ty = &registered.ty;
            return Err(Error::usage(format!(
                "{ty} has a descriptor, which only modules can give"
            )));
        }
        self.new_struct_of(number, &registered, layout, values)
    }

    /// Makes a struct that has a descriptor, for a constant expression, which is valid.
    ///
    /// # Errors
    /// When the descriptor is null or the heap is exhausted.
    pub(crate) fn new_described_struct(
        &mut self,
        number: u32,
        values: Option<&[Val]>,
        descriptor: Option<RootHandle>,
    ) -> Result<RootHandle> {
        let registered = self.engine.types().get(number);
        let ObjectLayout::Struct(layout) = &registered.objects else {
            return Err(wrong_kind("a new object", CompositeKind::Struct, &registered.ty));
        };
        let descriptor = descriptor.ok_or(TrapCode::NullDescriptorReference)?;
        let place = layout.descriptor.expect("validated: the type has a descriptor");
        let handle = self.new_struct_of(number, &registered, layout, values)?;
        // Its place holds null until now.
        let (object, descriptor) = (self.reference(handle), self.reference(descriptor));
        self.object_heap_mut().write(object, place.offset, descriptor.to_le_bytes());
        Ok(handle)
    }

    fn new_struct_of(
        &mut self,
        number: u32,
        registered: &RegisteredType,
        layout: &StructLayout,
        values: Option<&[Val]>,
    ) -> Result<RootHandle> {
        match values {
            Some(values) if values.len() != layout.fields.len() => {
                return Err(TypeMismatch::count("fields", layout.fields.len(), values.len()).into());
            }
            Some(values) => {
                for (index, (place, value)) in layout.fields.iter().zip(values).enumerate() {
                    self.check_value(|| format!("field {index}"), place.storage, value)?;
                }
            }
            None => {
                let mut fields = layout.fields.iter();
                if let Some(index) = fields.position(|place| !place.storage.is_defaultable()) {
                    return Err(no_default(format_args!("field {index} of {}", registered.ty)));
                }
            }
        }
        let reference = self.allocate_object(number, layout.size.into())?;
        if let Some(place) = layout.descriptor {
            self.object_heap_mut().write(reference, place.offset, 0_u32.to_le_bytes());
        }
        for (index, place) in layout.fields.iter().enumerate() {
            let value = values.map_or(VmValue::default(), |values| values[index].to_vm(self));
            write(self.object_heap_mut(), reference, place.offset, place.storage, value);
        }
        Ok(self.root(reference).expect("an object is not null"))
    }

    /// The number of fields of a struct.
    pub(crate) fn struct_len(&self, handle: RootHandle) -> usize {
        self.object(handle).struct_type().1.len()
    }

    /// The value of a field; of a packed one its bits, extended with zeros.
    ///
    /// # Errors
    /// When there is no such field.
    pub(crate) fn struct_field(&mut self, handle: RootHandle, index: usize) -> Result<Val> {
        let object = self.object(handle);
        let (place, _) = object.field(index)?;
        Ok(self.read(object.reference, place.offset, place.storage))
    }

    /// Sets a field.
    ///
    /// # Errors
    /// When there is no such field, it is immutable, or the value is of another type.
    pub(crate) fn set_struct_field(
        &mut self,
        handle: RootHandle,
        index: usize,
        value: Val,
    ) -> Result<()> {
        let object = self.object(handle);
        let (place, mutable) = object.field(index)?;
        if !mutable {
            return Err(Error::usage(format!("field {index} of {} is immutable", object.ty.ty)));
        }
        self.check_value(|| format!("field {index}"), place.storage, &value)?;
        let value = value.to_vm(self);
        write(self.object_heap_mut(), object.reference, place.offset, place.storage, value);
        Ok(())
    }
}
