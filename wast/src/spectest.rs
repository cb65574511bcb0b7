//! The host module `spectest`, which the suite's modules import from.
//!
//! Source: the spec repository, `interpreter/host/spectest.ml` and `interpreter/README.md`.

use tracing::debug;
use wrun_runtime::{
    Extern, Global, GlobalType, Limits, Linker, Memory, MemoryType, Ref, RefType, Result, Store,
    Table, TableType, Val, ValType,
};

/// Defines the module's items, whose memory, table and globals live in `store`.
///
/// # Errors
/// When the store cannot hold them.
pub(crate) fn define(linker: &mut Linker<()>, store: &mut Store<()>) -> Result<()> {
    // The functions print in the reference interpreter; nothing in the suite reads it.
    linker.func_wrap("spectest", "print", || debug!("print"))?;
    linker.func_wrap("spectest", "print_i32", |a: i32| debug!("{a}: i32"))?;
    linker.func_wrap("spectest", "print_i64", |a: i64| debug!("{a}: i64"))?;
    linker.func_wrap("spectest", "print_f32", |a: f32| debug!("{a}: f32"))?;
    linker.func_wrap("spectest", "print_f64", |a: f64| debug!("{a}: f64"))?;
    linker.func_wrap("spectest", "print_i32_f32", |a: i32, b: f32| debug!("{a}: i32, {b}: f32"))?;
    linker.func_wrap("spectest", "print_f64_f64", |a: f64, b: f64| debug!("{a}: f64, {b}: f64"))?;

    let globals = [
        ("global_i32", ValType::I32, Val::I32(666)),
        ("global_i64", ValType::I64, Val::I64(666)),
        ("global_f32", ValType::F32, Val::F32(666.6_f32.to_bits())),
        ("global_f64", ValType::F64, Val::F64(666.6_f64.to_bits())),
    ];
    for (name, content, value) in globals {
        let global = Global::new(&mut *store, GlobalType { content, mutable: false }, value)?;
        linker.define(&mut *store, "spectest", name, Extern::Global(global))?;
    }

    let ty = TableType::new(RefType::FUNCREF, Limits { min: 10, max: Some(20) });
    for (name, table64) in [("table", false), ("table64", true)] {
        let table = Table::new(&mut *store, TableType { table64, ..ty }, Ref::Func(None))?;
        linker.define(&mut *store, "spectest", name, Extern::Table(table))?;
    }

    let ty = MemoryType::new(Limits { min: 1, max: Some(2) });
    for (name, shared) in [("memory", false), ("shared_memory", true)] {
        let memory = Memory::new(&mut *store, MemoryType { shared, ..ty })?;
        linker.define(&mut *store, "spectest", name, Extern::Memory(memory))?;
    }
    Ok(())
}
