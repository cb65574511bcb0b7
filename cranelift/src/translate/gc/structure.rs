//! Structs.

use cranelift_codegen::ir::{
    InstBuilder, Value,
    types::{I32, I64},
};
use wrun_module::{
    FieldType, TrapCode, TypeIndex, ValType,
    gc::{FieldPlace, StructLayout},
};

use super::{
    super::{context::Region, function::FuncTranslator},
    object::{Extension, NewObject, region_of},
};
use crate::traps::clif_trap;

impl<'m> FuncTranslator<'_, 'm> {
    pub(in super::super) fn visit_struct_new(&mut self, ty: u32) {
        let (layout, fields) = self.structure(ty);
        let types: Vec<ValType> = fields.iter().map(|field| field.storage.unpacked()).collect();
        let mut values = Vec::with_capacity(fields.len());
        self.pop_all(&types, &mut values);
        let object = self.allocate_struct(ty, layout);
        for ((&place, &field), value) in layout.fields.iter().zip(fields).zip(values) {
            self.fill_field(object, place, field, value);
        }
        self.push_object(ty, object.reference);
    }

    pub(in super::super) fn visit_struct_new_default(&mut self, ty: u32) {
        let (layout, fields) = self.structure(ty);
        let object = self.allocate_struct(ty, layout);
        for (&place, &field) in layout.fields.iter().zip(fields) {
            let value = self.default_of(field.storage);
            self.fill_field(object, place, field, value);
        }
        self.push_object(ty, object.reference);
    }

    pub(in super::super) fn visit_struct_new_desc(&mut self, ty: u32) {
        let (layout, fields) = self.structure(ty);
        let descriptor = self.pop_descriptor();
        let types: Vec<ValType> = fields.iter().map(|field| field.storage.unpacked()).collect();
        let mut values = Vec::with_capacity(fields.len());
        self.pop_all(&types, &mut values);
        let object = self.allocate_struct(ty, layout);
        self.fill_descriptor(object, layout, descriptor);
        for ((&place, &field), value) in layout.fields.iter().zip(fields).zip(values) {
            self.fill_field(object, place, field, value);
        }
        self.push_object(ty, object.reference);
    }

    pub(in super::super) fn visit_struct_new_default_desc(&mut self, ty: u32) {
        let (layout, fields) = self.structure(ty);
        let descriptor = self.pop_descriptor();
        let object = self.allocate_struct(ty, layout);
        self.fill_descriptor(object, layout, descriptor);
        for (&place, &field) in layout.fields.iter().zip(fields) {
            let value = self.default_of(field.storage);
            self.fill_field(object, place, field, value);
        }
        self.push_object(ty, object.reference);
    }

    pub(in super::super) fn visit_ref_get_desc(&mut self, ty: u32) {
        let reference = self.pop();
        let offset = self.descriptor_offset(ty);
        let (flags, address) =
            self.field_of(reference, Region::Fixed, offset, 4, TrapCode::NullReference);
        let descriptor = self.ins().load(I32, flags, address, offset as i32);
        self.push_typed(descriptor, ValType::ANYREF);
    }

    /// Pops a descriptor, which must not be null.
    pub(super) fn pop_descriptor(&mut self) -> Value {
        let descriptor = self.pop_typed(ValType::ANYREF);
        self.ins().trapz(descriptor, clif_trap(TrapCode::NullDescriptorReference));
        descriptor
    }

    /// Gives a new struct its descriptor, for good.
    fn fill_descriptor(&mut self, object: NewObject, layout: &StructLayout, descriptor: Value) {
        let place = layout.descriptor.expect("validated: the type has a descriptor");
        let flags = self.trusted(Region::Fixed);
        self.ins().store(flags, descriptor, object.address, place.offset as i32);
    }

    /// Where structs of a type, and of its subtypes, have their descriptors.
    pub(super) fn descriptor_offset(&self, ty: u32) -> u32 {
        let (layout, _) = self.structure(ty);
        layout.descriptor.expect("validated: the type has a descriptor").offset
    }

    pub(in super::super) fn visit_struct_get(&mut self, ty: u32, field: u32) {
        // Neither of the two concerns a field that is not packed.
        self.struct_get(ty, field, Extension::Unsigned);
    }

    pub(in super::super) fn visit_struct_get_s(&mut self, ty: u32, field: u32) {
        self.struct_get(ty, field, Extension::Signed);
    }

    pub(in super::super) fn visit_struct_get_u(&mut self, ty: u32, field: u32) {
        self.struct_get(ty, field, Extension::Unsigned);
    }

    fn struct_get(&mut self, ty: u32, field: u32, extension: Extension) {
        let (place, field) = self.field(ty, field);
        let reference = self.pop();
        let (flags, address) = self.field_of(
            reference,
            region_of(field, Region::Field),
            place.offset,
            place.storage.size(),
            TrapCode::NullStructureReference,
        );
        let value = self.read_storage(flags, address, place.offset, place.storage, extension);
        self.push_typed(value, place.storage.unpacked());
    }

    pub(in super::super) fn visit_struct_set(&mut self, ty: u32, field: u32) {
        let (place, field) = self.field(ty, field);
        let value = self.pop_typed(place.storage.unpacked());
        let reference = self.pop();
        let (flags, address) = self.field_of(
            reference,
            region_of(field, Region::Field),
            place.offset,
            place.storage.size(),
            TrapCode::NullStructureReference,
        );
        self.write_storage(flags, value, address, place.offset, place.storage);
    }

    /// Makes a struct, whose fields are not filled yet.
    fn allocate_struct(&mut self, ty: u32, layout: &StructLayout) -> NewObject {
        let type_id = self.type_id(TypeIndex(ty));
        let size = self.ins().iconst(I64, i64::from(layout.size));
        self.allocate(type_id, size)
    }

    /// Gives a field of a new struct its first value.
    fn fill_field(&mut self, object: NewObject, place: FieldPlace, field: FieldType, value: Value) {
        let flags = self.trusted(region_of(field, Region::Field));
        self.write_storage(flags, value, object.address, place.offset, place.storage);
    }

    /// Layout and fields of a struct type.
    fn structure(&self, ty: u32) -> (&'m StructLayout, &'m [FieldType]) {
        let validated = "validated: the type is a struct's";
        let env = self.env;
        let fields = env.module.info.types[ty as usize].composite.as_struct().expect(validated);
        (env.structs[ty as usize].as_ref().expect(validated), &fields.fields)
    }

    fn field(&self, ty: u32, field: u32) -> (FieldPlace, FieldType) {
        let (layout, fields) = self.structure(ty);
        (layout.fields[field as usize], fields[field as usize])
    }
}
