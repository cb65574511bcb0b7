//! Memories, tables and globals, from the host's side.

use wrun_runtime::{
    Engine, ErrorKind, Func, Global, GlobalType, HeapType, Instance, Limits, Memory, MemoryType,
    Module, Ref, RefType, Store, StoreLimits, Table, TableType, Val, ValType,
};

use crate::instantiate;

fn memory_type(min: u64, max: Option<u64>) -> MemoryType {
    MemoryType::new(Limits { min, max })
}

fn table_type(min: u64, max: Option<u64>) -> TableType {
    TableType::new(RefType::FUNCREF, Limits { min, max })
}

#[test]
fn access_to_memory_is_checked() {
    let mut store = Store::new(&Engine::default(), ());
    let memory = Memory::new(&mut store, memory_type(1, Some(2))).unwrap();
    memory.write(&mut store, 65534, b"ab").unwrap();
    let mut buffer = [0; 2];
    memory.read(&store, 65534, &mut buffer).unwrap();
    assert_eq!(&buffer, b"ab");
    let error = memory.write(&mut store, 65535, b"ab").unwrap_err();
    assert_eq!(
        error.to_string(),
        "out of bounds memory access: 2 bytes at 0xffff of a memory of 0x10000 bytes"
    );
    assert!(memory.read(&store, u64::MAX, &mut buffer).is_err());
    assert_eq!(memory.grow(&mut store, 1).unwrap(), 1);
    assert_eq!(memory.ty(&store), memory_type(2, Some(2)));
    assert!(matches!(memory.grow(&mut store, 1).unwrap_err().kind(), ErrorKind::Limit(_)));
    let (data, ()) = memory.data_and_store_mut(&mut store);
    assert_eq!(data.len(), 131_072);
}

#[test]
fn memories_have_the_addresses_and_pages_of_their_type() {
    let mut store = Store::new(&Engine::default(), ());
    let limits = Limits { min: 5, max: Some(u64::MAX) };
    let ty = MemoryType { memory64: true, page_size_log2: 0, ..MemoryType::new(limits) };
    let memory = Memory::new(&mut store, ty).unwrap();
    assert_eq!((memory.size(&store), memory.page_size(&store)), (5, 1));
    assert_eq!(memory.grow(&mut store, 65536).unwrap(), 5);
    assert_eq!(memory.data_size(&store), 65541);
    memory.write(&mut store, 65540, b"x").unwrap();
    assert!(memory.write(&mut store, 65541, b"x").is_err());
    assert_eq!(
        memory.ty(&store).to_string(),
        format!("(memory i64 65541 {} (pagesize 1))", u64::MAX)
    );
    assert!(memory.grow(&mut store, u64::MAX).is_err());
    assert!(memory.grow(&mut store, u64::MAX - 65541).is_err());
    for ty in [
        MemoryType { page_size_log2: 12, ..ty },
        MemoryType { memory64: false, ..ty },
        MemoryType { page_size_log2: 16, ..ty },
        MemoryType { limits: Limits { min: 2, max: Some(1) }, ..ty },
    ] {
        assert!(matches!(Memory::new(&mut store, ty).unwrap_err().kind(), ErrorKind::Usage(_)));
    }
    // Valid, and more than there is.
    let ty = MemoryType { memory64: true, ..memory_type(1 << 48, None) };
    assert!(matches!(Memory::new(&mut store, ty).unwrap_err().kind(), ErrorKind::Limit(_)));
    let table = TableType { table64: true, ..table_type(1 << 32, None) };
    let error = Table::new(&mut store, table, Ref::Func(None)).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Limit(_)));
    let table = TableType { table64: false, ..table };
    let error = Table::new(&mut store, table, Ref::Func(None)).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Usage(_)));
}

#[test]
fn small_pages_count_as_the_bytes_they_are() {
    let mut store = Store::new(&Engine::default(), ());
    store.set_limits(StoreLimits { memory_bytes: Some(100), ..StoreLimits::default() });
    let ty = MemoryType { page_size_log2: 0, ..memory_type(60, None) };
    let memory = Memory::new(&mut store, ty).unwrap();
    assert_eq!(memory.grow(&mut store, 40).unwrap(), 60);
    assert!(memory.grow(&mut store, 1).is_err());
    assert!(
        Memory::new(&mut store, MemoryType { limits: Limits { min: 1, max: None }, ..ty }).is_err()
    );
}

#[test]
fn tables_hold_functions_of_both_worlds() {
    let (mut store, instance) = instantiate(
        r#"(module (table (export "table") 2 10 funcref) (elem (i32.const 1) $five)
            (func $five (result i32) (i32.const 5))
            (func (export "call") (param i32) (result i32) (call_indirect (result i32) (local.get 0))))"#,
    );
    let table = instance.get_table(&store, "table").unwrap();
    let call = instance.get_typed_func::<i32, i32>(&store, "call").unwrap();
    let seven = Func::wrap(&mut store, || 7i32);
    table.set(&mut store, 0, Ref::Func(Some(seven))).unwrap();
    assert_eq!(call.call(&mut store, 0).unwrap(), 7);
    assert_eq!(call.call(&mut store, 1).unwrap(), 5);
    let Some(Ref::Func(Some(five))) = table.get(&mut store, 1) else { panic!("a function") };
    assert_eq!(five.typed::<(), i32>(&store).unwrap().call(&mut store, ()).unwrap(), 5);
    assert_eq!(table.grow(&mut store, 3, Ref::Func(Some(five))).unwrap(), 2);
    assert_eq!(call.call(&mut store, 4).unwrap(), 5);
    assert!(table.grow(&mut store, 6, Ref::Func(None)).is_err());
    assert!(table.get(&mut store, 5).is_none());
    assert!(table.set(&mut store, 5, Ref::Func(None)).is_err());
    let error = table.set(&mut store, 0, Ref::Extern(None)).unwrap_err();
    assert!(error.to_string().contains("expected funcref, found nullexternref"), "{error}");
    assert_eq!(Ref::null(HeapType::Func).heap_type(), HeapType::Func);
}

#[test]
fn globals_keep_their_type_and_mutability() {
    let mut store = Store::new(&Engine::default(), ());
    let ty = GlobalType { content: ValType::F64, mutable: true };
    let global = Global::new(&mut store, ty, Val::from(1.5)).unwrap();
    global.set(&mut store, Val::from(2.5)).unwrap();
    assert_eq!(global.get(&mut store).unwrap_f64(), 2.5);
    assert!(global.set(&mut store, Val::I32(0)).is_err());
    let fixed =
        Global::new(&mut store, GlobalType { mutable: false, ..ty }, Val::from(0.0)).unwrap();
    assert!(fixed.set(&mut store, Val::from(0.0)).unwrap_err().to_string().contains("immutable"));
    assert!(Global::new(&mut store, ty, Val::I32(0)).is_err());
}

#[test]
fn instances_share_what_they_import() {
    let engine = Engine::default();
    let mut store = Store::new(&engine, ());
    let ty = GlobalType { content: ValType::V128, mutable: true };
    let global = Global::new(&mut store, ty, Val::V128(1.into())).unwrap();
    let memory = Memory::new(&mut store, memory_type(1, None)).unwrap();
    let text = r#"(module (import "" "g" (global $g (mut v128))) (import "" "m" (memory 1))
        (func (export "run") (global.set $g (v128.load (i32.const 16)))
            (drop (memory.grow (i32.const 1)))))"#;
    let module = Module::new(&engine, text).unwrap();
    let instance = Instance::new(&mut store, &module, &[global.into(), memory.into()]).unwrap();
    memory.write(&mut store, 16, &[7; 16]).unwrap();
    instance.get_typed_func::<(), ()>(&store, "run").unwrap().call(&mut store, ()).unwrap();
    assert_eq!(global.get(&mut store).unwrap_v128().to_le_bytes(), [7; 16]);
    assert_eq!(memory.size(&store), 2);
}

#[test]
fn imports_match_the_present_size() {
    let engine = Engine::default();
    let mut store = Store::new(&engine, ());
    let memory = Memory::new(&mut store, memory_type(1, None)).unwrap();
    let table = Table::new(&mut store, table_type(1, None), Ref::Func(None)).unwrap();
    let text = r#"(module (import "" "m" (memory 3)) (import "" "t" (table 4 funcref)))"#;
    let module = Module::new(&engine, text).unwrap();
    let imports = [memory.into(), table.into()];
    let error = Instance::new(&mut store, &module, &imports).unwrap_err().to_string();
    assert!(error.contains("expected (memory 3), found (memory 1)"), "{error}");
    assert!(error.contains("expected (table 4 funcref), found (table 1 funcref)"), "{error}");
    memory.grow(&mut store, 2).unwrap();
    table.grow(&mut store, 3, Ref::Func(None)).unwrap();
    Instance::new(&mut store, &module, &imports).unwrap();
}

#[test]
fn limits_of_a_store_hold_for_everything_in_it() {
    let engine = Engine::default();
    let mut store = Store::new(&engine, ());
    store.set_limits(StoreLimits {
        memory_bytes: Some(3 << 16),
        table_elements: Some(10),
        instances: Some(1),
    });
    let text = r#"(module (memory (export "m") 1)
        (func (export "grow") (param i32) (result i32) (memory.grow (local.get 0))))"#;
    let module = Module::new(&engine, text).unwrap();
    let instance = Instance::new(&mut store, &module, &[]).unwrap();
    let grow = instance.get_typed_func::<i32, i32>(&store, "grow").unwrap();
    assert_eq!(grow.call(&mut store, 3).unwrap(), -1);
    assert_eq!(grow.call(&mut store, 1).unwrap(), 1);
    assert!(Memory::new(&mut store, memory_type(2, None)).is_err());
    Memory::new(&mut store, memory_type(1, None)).unwrap();
    assert_eq!(grow.call(&mut store, 1).unwrap(), -1);
    assert!(Table::new(&mut store, table_type(11, None), Ref::Func(None)).is_err());
    let error = Instance::new(&mut store, &module, &[]).unwrap_err();
    assert!(error.to_string().contains("limit is 1 instances"), "{error}");
}
