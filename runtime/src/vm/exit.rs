//! The way out of WebAssembly: stubs that host functions and libcalls are reached through, all but those of `bulk`, which have
//! stubs of their own.
//!
//! A stub notes the frame that calls, so that it can be found later, checks that the host has the stack it was
//! promised, and jumps on. It changes neither the stack nor an argument, so one serves host functions of every signature.

use std::arch::{global_asm, naked_asm};

use wrun_module::{for_each_libcall, layout};

use super::{bulk, libcalls};

// r10 and r11 carry nothing between functions in the platform's convention.
macro_rules! exit_stub {
    ($jump:literal $(, $($operand:tt)*)?) => {
        naked_asm!(
            "mov r10, [rdi + {store}]",
            "cmp rsp, [r10 + {stack_limit}]",
            "jb wrun_vm_overflow",
            "mov r11, [rsp]",
            "mov [r10 + {exit_fp}], rbp",
            "mov [r10 + {exit_pc}], r11",
            $jump,
            store = const layout::context::STORE,
            stack_limit = const layout::store_context::STACK_LIMIT,
            exit_fp = const layout::store_context::EXIT_FP,
            exit_pc = const layout::store_context::EXIT_PC,
            $($($operand)*)?
        )
    };
}

// Where the stubs go when the stack is used up; the signal handler knows the address.
global_asm!(
    ".text",
    ".globl wrun_vm_overflow",
    ".hidden wrun_vm_overflow",
    ".type wrun_vm_overflow, @function",
    "wrun_vm_overflow:",
    "ud2",
    ".size wrun_vm_overflow, . - wrun_vm_overflow",
);

unsafe extern "C" {
    fn wrun_vm_overflow();
}

/// Address of the instruction that says that the host's reserve is used up.
pub(super) fn overflow_address() -> usize {
    wrun_vm_overflow as *const () as usize
}

/// What the `native` entry of every host function's reference points to.
///
/// # Safety
/// Called by generated code only, with a host function's context first.
#[unsafe(naked)]
pub(super) unsafe extern "C" fn host_func_stub() {
    exit_stub!("jmp [rdi + {entry}]", entry = const layout::host_func::ENTRY)
}

macro_rules! libcall_stubs {
    (@memory_copy) => { pub(super) use bulk::memory_copy; };
    (@memory_fill) => { pub(super) use bulk::memory_fill; };
    (@$name:ident) => {
        #[unsafe(naked)]
        pub(super) unsafe extern "C" fn $name() {
            exit_stub!("jmp {f}", f = sym libcalls::$name)
        }
    };
    ($($(#[$doc:meta])* $name:ident($($param:ident: $ty:ident),*) $(-> $result:ident)?;)*) => {
        mod stubs {
            use super::*;
            $(libcall_stubs! { @$name })*
        }

        /// The array that contexts point to, in the order of the table.
        pub(super) static LIBCALLS: &[unsafe extern "C" fn()] = &[$(stubs::$name,)*];
    };
}

for_each_libcall!(libcall_stubs);
