//! The libcalls: what generated code asks the runtime to do. One function for each row of the table in `wrun_module`,
//! whose signature it must have; the stubs of [`super::exit`] lead here.

use std::{
    mem::MaybeUninit,
    panic::{AssertUnwindSafe, catch_unwind},
    slice,
    time::Duration,
};

use wrun_module::{
    DataIndex, ElemIndex, MemoryIndex, TableIndex, TrapCode, for_each_libcall, layout::hot,
};

use super::{
    activation::{Failure, fail},
    frames::Trace,
    instance::VmInstance,
    layout::VmInstanceHead,
    racing, shared_memory,
    store::StoreOpaque,
    store_memory::StoreMemory,
    table::VmRef,
};

/// Defines the functions of the table: each finds its store and instance, calls the function of the same name in
/// [`work`], and ends the activation when that fails. Those that need neither are below and in `bulk`, and
/// `throw_ref` in a file of its own.
macro_rules! define_libcalls {
    ($($(#[$doc:meta])* $name:ident($($param:ident: $ty:ident),*) $(-> $result:ident)?;)*) => {
        $(define_libcalls! { @$name $(#[$doc])* ($($param: $ty),*) $(-> $result)? })*
    };
    (@memory_copy $($row:tt)*) => {};
    (@memory_fill $($row:tt)*) => {};
    (@shared_memory_copy $($row:tt)*) => {};
    (@shared_memory_fill $($row:tt)*) => {};
    (@array_fill $($row:tt)*) => {};
    (@throw_ref $($row:tt)*) => {};
    (@$name:ident $(#[$doc:meta])* ($($param:ident: $ty:ident),*) $(-> $result:ident)?) => {
        $(#[$doc])*
        ///
        /// # Safety
        /// Called by generated code only, through the stub.
        pub(super) unsafe extern "C" fn $name(context: *mut VmInstanceHead, $($param: $ty),*) $(-> $result)? {
            // SAFETY: generated code passes the context of its instance, whose store waits for this call.
            unsafe { call(context, |store, instance| work::$name(store, instance, $($param),*)) }
        }
    };
}

for_each_libcall!(define_libcalls);

pub(super) use super::throw::throw_ref;

/// Copies bytes that other threads may access.
///
/// # Safety
/// Called by generated code only, which has checked that both ranges are inside memories of the store.
pub(super) unsafe extern "C" fn shared_memory_copy(
    _: *mut VmInstanceHead,
    dst: i64,
    src: i64,
    len: i64,
) {
    // SAFETY: both ranges are accessible; there are no references to bytes of shared memories but as atomics.
    unsafe { racing::copy(src as *const u8, dst as *mut u8, len as usize) };
}

/// Sets bytes that other threads may access.
///
/// # Safety
/// Called by generated code only, which has checked that the range is inside a memory of the store.
pub(super) unsafe extern "C" fn shared_memory_fill(
    _: *mut VmInstanceHead,
    dst: i64,
    value: i32,
    len: i64,
) {
    // SAFETY: as for `shared_memory_copy`.
    unsafe { racing::fill(dst as *mut u8, value as u8, len as usize) };
}

/// Writes the same value to elements of an array.
///
/// # Safety
/// Called by generated code only, which has checked that the elements are in an array, and so aligned to their size, or to
/// 8 bytes.
pub(super) unsafe extern "C" fn array_fill(
    _: *mut VmInstanceHead,
    dst: i64,
    len: i32,
    size: i32,
    low: i64,
    high: i64,
) {
    /// # Safety
    /// As for the libcall, with elements of this size.
    unsafe fn fill<T: Copy>(dst: i64, len: i32, value: T) {
        let elements = dst as *mut MaybeUninit<T>;
        // SAFETY: objects are accessible, and nobody has a reference to what is in them while code of the store runs. No
        // more is aligned than is asked for by `T`.
        unsafe { slice::from_raw_parts_mut(elements, len as u32 as usize) }
            .fill(MaybeUninit::new(value));
    }
    // SAFETY: as above.
    unsafe {
        match size {
            1 => fill(dst, len, low as u8),
            2 => fill(dst, len, low as u16),
            4 => fill(dst, len, low as u32),
            8 => fill(dst, len, low),
            _ => fill(dst, len, [low, high]),
        }
    }
}

/// Runs a libcall's work.
///
/// # Safety
/// `context` is the context of an instance whose code waits for this call.
unsafe fn call<R: Copy>(
    context: *mut VmInstanceHead,
    work: impl FnOnce(&mut StoreOpaque, usize) -> Result<R, TrapCode>,
) -> R {
    // SAFETY: while code of a store runs its context points to the store, which is borrowed for it.
    let (vm, instance) = unsafe { ((*context).head.store, (*context).instance) };
    let result = catch_unwind(AssertUnwindSafe(|| {
        // SAFETY: as above; the reference ends with the closure.
        work(unsafe { &mut *(*vm).store }, instance)
    }));
    let failure = match result {
        Ok(Ok(result)) => return result,
        // SAFETY: the stub has just noted the frame that calls.
        Ok(Err(code)) => Failure::Trap(code, unsafe { Trace::capture_at_exit(vm) }),
        Err(payload) => Failure::Panic(payload),
    };
    // SAFETY: called from within an activation, and nothing here has to be dropped any more.
    unsafe { fail(failure) }
}

/// What the libcalls do, without the way there.
mod work {
    use super::*;

    type Outcome<R> = Result<R, TrapCode>;

    const MEMORY: TrapCode = TrapCode::MemoryOutOfBounds;
    const TABLE: TrapCode = TrapCode::TableOutOfBounds;

    /// −1 when it fails, as the instructions give it.
    fn size_or_failure(size: Option<u64>) -> i64 {
        size.map_or(-1, |size| size as i64)
    }

    /// The position in the store of an instance's memory.
    fn memory_of(store: &StoreOpaque, instance: usize, memory: i32) -> usize {
        store.instance(instance).memory(MemoryIndex(memory as u32))
    }

    fn table_of(store: &StoreOpaque, instance: usize, table: i32) -> usize {
        store.instance(instance).table(TableIndex(table as u32))
    }

    pub(super) fn memory_grow(
        store: &mut StoreOpaque,
        instance: usize,
        memory: i32,
        delta: i64,
    ) -> Outcome<i64> {
        let memory = memory_of(store, instance, memory);
        Ok(size_or_failure(store.grow_memory(memory, delta as u64)))
    }

    pub(super) fn memory_init(
        store: &mut StoreOpaque,
        instance: usize,
        memory: i32,
        data: i32,
        dst: i64,
        src: i32,
        len: i32,
    ) -> Outcome<()> {
        let memory = memory_of(store, instance, memory);
        let module = store.instance(instance).module().clone();
        let bytes = store.instance(instance).data_segment(&module, DataIndex(data as u32));
        let source =
            range(src as u32 as u64, len as u32 as u64, bytes.len() as u64).ok_or(MEMORY)?;
        store.memory_mut(memory).write(dst as u64, &bytes[source]).ok_or(MEMORY)
    }

    pub(super) fn data_drop(store: &mut StoreOpaque, instance: usize, data: i32) -> Outcome<()> {
        store.instance_mut(instance).drop_data(DataIndex(data as u32));
        Ok(())
    }

    /// The memory and address that an instruction waits or notifies at.
    fn waiting_place(
        store: &StoreOpaque,
        instance: usize,
        memory: i32,
        (index, offset): (i64, i64),
        size: usize,
    ) -> Outcome<(&StoreMemory, u64)> {
        let memory = store.memory(memory_of(store, instance, memory));
        let address = (index as u64).checked_add(offset as u64).ok_or(MEMORY)?;
        shared_memory::check_atomic(address, size, memory.len())?;
        Ok((memory, address))
    }

    /// How long an instruction waits, in nanoseconds: for ever when that is negative.
    fn timeout(nanoseconds: i64) -> Option<Duration> {
        u64::try_from(nanoseconds).ok().map(Duration::from_nanos)
    }

    pub(super) fn memory_atomic_wait32(
        store: &mut StoreOpaque,
        instance: usize,
        memory: i32,
        index: i64,
        offset: i64,
        expected: i32,
        nanoseconds: i64,
    ) -> Outcome<i32> {
        let (memory, address) = waiting_place(store, instance, memory, (index, offset), 4)?;
        let memory = memory.shared().ok_or(TrapCode::ExpectedSharedMemory)?;
        Ok(memory.wait32(address, expected as u32, timeout(nanoseconds))? as i32)
    }

    pub(super) fn memory_atomic_wait64(
        store: &mut StoreOpaque,
        instance: usize,
        memory: i32,
        index: i64,
        offset: i64,
        expected: i64,
        nanoseconds: i64,
    ) -> Outcome<i32> {
        let (memory, address) = waiting_place(store, instance, memory, (index, offset), 8)?;
        let memory = memory.shared().ok_or(TrapCode::ExpectedSharedMemory)?;
        Ok(memory.wait64(address, expected as u64, timeout(nanoseconds))? as i32)
    }

    /// Nobody can wait on a memory that is not shared.
    pub(super) fn memory_atomic_notify(
        store: &mut StoreOpaque,
        instance: usize,
        memory: i32,
        index: i64,
        offset: i64,
        count: i32,
    ) -> Outcome<i32> {
        let (memory, address) = waiting_place(store, instance, memory, (index, offset), 4)?;
        match memory.shared() {
            Some(memory) => Ok(memory.notify(address, count as u32)? as i32),
            None => Ok(0),
        }
    }

    pub(super) fn table_grow(
        store: &mut StoreOpaque,
        instance: usize,
        table: i32,
        delta: i64,
        init: i64,
    ) -> Outcome<i64> {
        let table = table_of(store, instance, table);
        Ok(size_or_failure(store.grow_table(table, delta as u64, VmRef(init as u64))))
    }

    pub(super) fn table_fill(
        store: &mut StoreOpaque,
        instance: usize,
        table: i32,
        dst: i64,
        value: i64,
        len: i64,
    ) -> Outcome<()> {
        let table = table_of(store, instance, table);
        let result = store.table_mut(table).fill(dst as u64, VmRef(value as u64), len as u64);
        result.map_err(|_| TABLE)
    }

    pub(super) fn table_copy(
        store: &mut StoreOpaque,
        instance: usize,
        dst_table: i32,
        src_table: i32,
        dst: i64,
        src: i64,
        len: i64,
    ) -> Outcome<()> {
        let dst_table = table_of(store, instance, dst_table);
        let src_table = table_of(store, instance, src_table);
        let (dst, src, len) = (dst as u64, src as u64, len as u64);
        if dst_table == src_table {
            return store.table_mut(dst_table).copy_within(dst, src, len).map_err(|_| TABLE);
        }
        let elements = store.table(src_table).read(src, len).map_err(|_| TABLE)?;
        store.table_mut(dst_table).write(dst, &elements).map_err(|_| TABLE)
    }

    pub(super) fn table_init(
        store: &mut StoreOpaque,
        instance: usize,
        table: i32,
        elem: i32,
        dst: i64,
        src: i32,
        len: i32,
    ) -> Outcome<()> {
        let table = table_of(store, instance, table);
        let elements: &[VmRef] = store.instance(instance).element_segment(ElemIndex(elem as u32));
        let source =
            range(src as u32 as u64, len as u32 as u64, elements.len() as u64).ok_or(TABLE)?;
        let elements = elements[source].to_vec();
        store.table_mut(table).write(dst as u64, &elements).map_err(|_| TABLE)
    }

    pub(super) fn gc_alloc(
        store: &mut StoreOpaque,
        _instance: usize,
        type_id: i32,
        size: i64,
    ) -> Outcome<i32> {
        Ok(store.allocate_object(type_id as u32, size as u64)? as i32)
    }

    pub(super) fn array_new_data(
        store: &mut StoreOpaque,
        instance: usize,
        type_id: i32,
        data: i32,
        size: i32,
        src: i32,
        len: i32,
    ) -> Outcome<i32> {
        let segment = (instance, DataIndex(data as u32));
        let (ty, size) = (type_id as u32, size as u32);
        Ok(store.new_array_from_data(ty, segment, size, src as u32, len as u32)? as i32)
    }

    pub(super) fn array_new_elem(
        store: &mut StoreOpaque,
        instance: usize,
        type_id: i32,
        elem: i32,
        src: i32,
        len: i32,
    ) -> Outcome<i32> {
        let segment = (instance, ElemIndex(elem as u32));
        let array =
            store.new_array_from_elements(type_id as u32, segment, src as u32, len as u32)?;
        Ok(array as i32)
    }

    pub(super) fn array_init_data(
        store: &mut StoreOpaque,
        instance: usize,
        array: i32,
        offset: i32,
        data: i32,
        src: i32,
        len: i64,
    ) -> Outcome<()> {
        let (place, segment) = ((array as u32, offset as u32), (instance, DataIndex(data as u32)));
        store.init_array_from_data(place, segment, src as u32, len as u64)
    }

    pub(super) fn array_init_elem(
        store: &mut StoreOpaque,
        instance: usize,
        array: i32,
        offset: i32,
        elem: i32,
        src: i32,
        len: i32,
    ) -> Outcome<()> {
        let (place, segment) = ((array as u32, offset as u32), (instance, ElemIndex(elem as u32)));
        store.init_array_from_elements(place, segment, src as u32, len as u32)
    }

    pub(super) fn elem_drop(store: &mut StoreOpaque, instance: usize, elem: i32) -> Outcome<()> {
        VmInstance::drop_element(store.instance_mut(instance), ElemIndex(elem as u32));
        Ok(())
    }

    pub(super) fn hot(
        store: &mut StoreOpaque,
        instance: usize,
        position: i32,
        offset: i32,
    ) -> Outcome<i64> {
        let Some(lazy) = store.instance(instance).module().code().lazy() else { return Ok(0) };
        let (position, offset) = (position as usize, offset as u32);
        if offset == hot::CALL {
            lazy.function_hot(position);
            return Ok(0);
        }
        Ok(lazy.loop_hot(position, offset).unwrap_or(0) as i64)
    }

    /// `start..start + len`, when that is inside `0..size`.
    fn range(start: u64, len: u64, size: u64) -> Option<std::ops::Range<usize>> {
        let end = start.checked_add(len).filter(|&end| end <= size)?;
        Some(start as usize..end as usize)
    }
}
