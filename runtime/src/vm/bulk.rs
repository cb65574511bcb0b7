//! Copying and filling bytes of memories that no other thread uses, for `memory.copy` and `memory.fill`.
//!
//! Most ranges are short, and a short one takes less time than finding out how to treat it. So what has at most [`SHORT`] bytes
//! is done here, by accesses that overlap where the length is not a power of two; they all load before any stores, so that
//! the ranges may overlap too. Longer ones go to the C library.
//!
//! These are stubs that generated code calls by itself. Unlike those of `exit` they note no frame: nothing looks for
//! frames while bytes are copied. The C library needs stack like any other host code.

use std::arch::naked_asm;

use wrun_module::layout;

/// The most bytes that are not left to the C library.
const SHORT: usize = 64;

/// A stub that does short ranges itself, and jumps to label 7 for others: there `$function` of the C library is gone to, when
/// there is stack for it, with the arguments that `$moves` makes.
macro_rules! stub {
    ($function:path, [$($moves:literal),*], $($short:literal,)*) => {
        naked_asm!(
            $($short,)*
            "7:",
            "mov r10, [rdi + {store}]",
            "cmp rsp, [r10 + {stack_limit}]",
            "jb wrun_vm_overflow",
            $($moves,)*
            "jmp {function}",
            short = const SHORT,
            store = const layout::context::STORE,
            stack_limit = const layout::store_context::STACK_LIMIT,
            function = sym $function,
        )
    };
}

/// Copies bytes as if through a copy of them.
///
/// # Safety
/// Called by generated code only, as `memory_copy(context, dst, src, len)`; it has checked that both ranges are inside memories, or
/// arrays, of the store, which are accessible for their whole length. Nobody has a reference to their bytes while code of the store
/// runs.
#[unsafe(naked)]
pub(super) unsafe extern "C" fn memory_copy() {
    stub!(
        libc::memmove,
        ["mov rdi, rsi", "mov rsi, rdx", "mov rdx, rcx"],
        "cmp rcx, 16",
        "jb 3f",
        "cmp rcx, 32",
        "ja 2f",
        "movups xmm0, [rdx]",
        "movups xmm1, [rdx + rcx - 16]",
        "movups [rsi], xmm0",
        "movups [rsi + rcx - 16], xmm1",
        "ret",
        "2:",
        "cmp rcx, {short}",
        "ja 7f",
        "movups xmm0, [rdx]",
        "movups xmm1, [rdx + 16]",
        "movups xmm2, [rdx + rcx - 32]",
        "movups xmm3, [rdx + rcx - 16]",
        "movups [rsi], xmm0",
        "movups [rsi + 16], xmm1",
        "movups [rsi + rcx - 32], xmm2",
        "movups [rsi + rcx - 16], xmm3",
        "ret",
        "3:",
        "cmp rcx, 8",
        "jb 4f",
        "mov rax, [rdx]",
        "mov r8, [rdx + rcx - 8]",
        "mov [rsi], rax",
        "mov [rsi + rcx - 8], r8",
        "ret",
        "4:",
        "cmp rcx, 4",
        "jb 5f",
        "mov eax, [rdx]",
        "mov r8d, [rdx + rcx - 4]",
        "mov [rsi], eax",
        "mov [rsi + rcx - 4], r8d",
        "ret",
        // Of one to three bytes: the first, the last, and the one in the middle, whether or not they are the same.
        "5:",
        "test rcx, rcx",
        "je 6f",
        "mov r9, rcx",
        "shr r9",
        "movzx eax, byte ptr [rdx]",
        "movzx r8d, byte ptr [rdx + r9]",
        "movzx r10d, byte ptr [rdx + rcx - 1]",
        "mov [rsi], al",
        "mov [rsi + r9], r8b",
        "mov [rsi + rcx - 1], r10b",
        "6:",
        "ret",
    )
}

/// Sets bytes.
///
/// # Safety
/// Called by generated code only, as `memory_fill(context, dst, value, len)`; for the rest as for [`memory_copy`].
#[unsafe(naked)]
pub(super) unsafe extern "C" fn memory_fill() {
    stub!(
        libc::memset,
        ["mov rdi, rsi", "mov esi, edx", "mov rdx, rcx"],
        "cmp rcx, {short}",
        "ja 7f",
        "movzx eax, dl",
        "movabs r8, 0x0101010101010101",
        "imul rax, r8",
        "cmp rcx, 16",
        "jb 3f",
        "movq xmm0, rax",
        "punpcklqdq xmm0, xmm0",
        "movups [rsi], xmm0",
        "movups [rsi + rcx - 16], xmm0",
        "cmp rcx, 32",
        "jbe 6f",
        "movups [rsi + 16], xmm0",
        "movups [rsi + rcx - 32], xmm0",
        "ret",
        "3:",
        "cmp rcx, 8",
        "jb 4f",
        "mov [rsi], rax",
        "mov [rsi + rcx - 8], rax",
        "ret",
        "4:",
        "cmp rcx, 4",
        "jb 5f",
        "mov [rsi], eax",
        "mov [rsi + rcx - 4], eax",
        "ret",
        "5:",
        "test rcx, rcx",
        "je 6f",
        "mov r9, rcx",
        "shr r9",
        "mov [rsi], al",
        "mov [rsi + r9], al",
        "mov [rsi + rcx - 1], al",
        "6:",
        "ret",
    )
}
