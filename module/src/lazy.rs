//! Where things lie around the code of a module whose functions are compiled as they are called.
//!
//! A function of such a module may be *absent*: its image has no code of it, and [`FuncTable`](crate::image::tables::FuncTable)
//! says that its length is 0. Whoever calls it calls its *stub*, which jumps to where the function's *entry* points: to the
//! runtime at first, who compiles the function, and then to its code. Stubs never change, entries are data.
//!
//! Everything lies at fixed distances from the start of `.text`, so that code of an image can call stubs, and code that is
//! compiled later can call both, without anything to be relocated:
//!
//! ```text
//! −STUBS                −ENTRIES       0                         ARENA             BASELINE_ARENA     TABLES        END
//!   stubs, 16 bytes each │ entries │ … │ head of image ‖ .text … │ optimised later │ compiled later   │ for unwinding │
//! ```
//!
//! What is compiled later lies apart by what it is for, so that what runs most lies close together: code that is optimised, code of the
//! baseline tier, which is left soon, and the tables that only an unwinder reads. All distances between code in this range fit into the 32
//! bits of a call.

/// Bytes from the stubs to the start of `.text`. Stub `i` is that of the function at position `i`.
pub const STUBS: u32 = 512 << 20;

/// Bytes of a stub.
pub const STUB_SIZE: u32 = 16;

/// Bytes from the entries to the start of `.text`. Entry `i`, the address that stub `i` jumps to, is 8 bytes long.
pub const ENTRIES: u32 = STUBS - (32 << 20);

/// Functions that there is room for: as many as validation allows.
pub const MAX_FUNCS: usize = 1_000_000;

/// The most bytes that may lie in an image in front of its `.text`.
pub const MAX_HEAD: u32 = ENTRIES - (16 << 20);

/// Offset from `.text` of the code that is compiled later, the optimised code first. The rest of an image ends in front of it.
pub const ARENA: u32 = 512 << 20;

/// Offset from `.text` of the code of the baseline tier that is compiled later. Optimised code ends in front of it.
pub const BASELINE_ARENA: u32 = 768 << 20;

/// Offset from `.text` of the unwind tables of all that is compiled later. Code ends in front of them.
pub const TABLES: u32 = 976 << 20;

/// Where those end at the latest.
pub const END: u32 = 1024 << 20;

const _: () = {
    assert!(MAX_FUNCS as u64 * STUB_SIZE as u64 + 4096 <= (STUBS - ENTRIES) as u64);
    assert!(MAX_FUNCS as u64 * 8 + 4096 <= (ENTRIES - MAX_HEAD) as u64);
    // The longest call goes from the end of the code to the first stub.
    assert!(TABLES as u64 + STUBS as u64 <= i32::MAX as u64);
};

/// Where the stub of the function at a position lies, counted from the start of `.text`.
pub const fn stub_offset(position: u32) -> i64 {
    position as i64 * STUB_SIZE as i64 - STUBS as i64
}
