//! The one table of libcalls: functions of the runtime that generated code calls.
//!
//! Each takes the caller's context first and uses the platform's C calling convention. Generated code finds them
//! in an array that the context points to, in the order of this table. A libcall that traps does not return.

/// The type of a libcall's parameter or result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LibcallType {
    /// 32-bit integer.
    I32,
    /// 64-bit integer.
    I64,
}

/// Calls a macro with the table. Each row: `/// doc`, then `name(param: type, …) -> result;`, where types are
/// `i32` and `i64` and the result may be missing. The context, always the first parameter, is not listed.
#[macro_export]
macro_rules! for_each_libcall {
    ($callback:ident) => {
        $callback! {
            /// Grows a memory by `delta` pages. Gives the old size in pages, or −1.
            memory_grow(memory: i32, delta: i64) -> i64;
            /// Copies `len` bytes from the address `src` to the address `dst`, as if through a copy of them. Generated
            /// code has checked that both ranges are inside memories, or arrays.
            memory_copy(dst: i64, src: i64, len: i64);
            /// Sets `len` bytes at the address `dst` to the low byte of `value`. Generated code has checked that the
            /// range is inside a memory.
            memory_fill(dst: i64, value: i32, len: i64);
            /// As `memory_copy`, where one of the memories is shared and other threads may write what is copied.
            shared_memory_copy(dst: i64, src: i64, len: i64);
            /// As `memory_fill`, for a shared memory.
            shared_memory_fill(dst: i64, value: i32, len: i64);
            /// Copies from a data segment. Traps when either range is out of bounds.
            memory_init(memory: i32, data: i32, dst: i64, src: i32, len: i32);
            /// Drops a data segment.
            data_drop(data: i32);
            /// Waits until the place at `index + offset` is notified, unless the 32 bits there are not `expected`. Gives
            /// what the instruction does. Traps when the place is out of bounds or not aligned, or the memory not shared.
            memory_atomic_wait32(memory: i32, index: i64, offset: i64, expected: i32, timeout: i64) -> i32;
            /// As `memory_atomic_wait32`, for 64 bits.
            memory_atomic_wait64(memory: i32, index: i64, offset: i64, expected: i64, timeout: i64) -> i32;
            /// Wakes at most `count` of those who wait at `index + offset`, and gives how many. Traps when the place is
            /// out of bounds or not aligned.
            memory_atomic_notify(memory: i32, index: i64, offset: i64, count: i32) -> i32;
            /// Grows a table by `delta` elements of value `init`. Gives the old size, or −1.
            table_grow(table: i32, delta: i64, init: i64) -> i64;
            /// Sets `len` elements to `value`. Traps when the range is out of bounds.
            table_fill(table: i32, dst: i64, value: i64, len: i64);
            /// Copies elements between two tables, or within one. Traps when either range is out of bounds.
            table_copy(dst_table: i32, src_table: i32, dst: i64, src: i64, len: i64);
            /// Copies from an element segment. Traps when either range is out of bounds.
            table_init(table: i32, elem: i32, dst: i64, src: i32, len: i32);
            /// Drops an element segment.
            elem_drop(elem: i32);
            /// Writes the low `size` bytes of `high` and `low` together to `len` elements from the address `dst` on. Generated
            /// code has checked that they are in an array.
            array_fill(dst: i64, len: i32, size: i32, low: i64, high: i64);
            /// Makes an array of the type with a number in the engine from a data segment, from the byte `src` on; its elements
            /// have `size` bytes each. Traps when the segment has not that many, or there is no room.
            array_new_data(type_id: i32, data: i32, size: i32, src: i32, len: i32) -> i32;
            /// As `array_new_data`, from elements of an element segment.
            array_new_elem(type_id: i32, elem: i32, src: i32, len: i32) -> i32;
            /// Copies `len` bytes of a data segment to an array, from `offset` in the object on, and traps when there are not
            /// that many. Generated code has checked that the place is in the array.
            array_init_data(array: i32, offset: i32, data: i32, src: i32, len: i64);
            /// As `array_init_data`, `len` elements of an element segment, which may be such an array's.
            array_init_elem(array: i32, offset: i32, elem: i32, src: i32, len: i32);
            /// Makes an object of the type with a number in the engine, of `size` bytes, collecting garbage if need be. Only the
            /// type is written: the caller writes all else before its next call. Traps when there is no room.
            gc_alloc(type_id: i32, size: i64) -> i32;
            /// Throws an exception, which is not null. Does not return: what follows is a handler, or the end of the program.
            throw_ref(exception: i32);
            /// Says that the function at a position among those that the module defines has been called often since it was
            /// compiled without optimisation. Its counter has gone below zero.
            ///
            /// `offset` says what it counted last: a round of the loop whose instruction is there in the function's body, or a call
            /// of the function (`CALL` of the layouts' module `hot`). For a loop it gives the address of code that goes on from
            /// there; 0 when there is none (yet), and for calls.
            hot(position: i32, offset: i32) -> i64;
        }
    };
}

macro_rules! libcall_type {
    (i32) => {
        LibcallType::I32
    };
    (i64) => {
        LibcallType::I64
    };
}

macro_rules! define_libcalls {
    ($($(#[$doc:meta])* $name:ident($($param:ident: $ty:ident),*) $(-> $result:ident)?;)*) => {
        /// A libcall, by name.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u32)]
        #[allow(non_camel_case_types, reason = "named as the function it stands for")]
        pub enum Libcall {
            $($(#[$doc])* $name,)*
        }

        impl Libcall {
            /// Every libcall, in the order of the array.
            pub const ALL: &'static [Libcall] = &[$(Libcall::$name,)*];

            /// The parameters behind the context.
            pub fn params(self) -> &'static [LibcallType] {
                match self {
                    $(Libcall::$name => &[$(libcall_type!($ty)),*],)*
                }
            }

            /// The result, if there is one.
            pub fn result(self) -> Option<LibcallType> {
                match self {
                    $(Libcall::$name => [$(libcall_type!($result),)?].first().copied(),)*
                }
            }

            /// Its position in the array that the context points to.
            pub fn index(self) -> u32 {
                self as u32
            }
        }
    };
}

for_each_libcall!(define_libcalls);
