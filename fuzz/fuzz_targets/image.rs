//! Images with changed bytes and a checksum that fits again: they are read or refused, their tables can be searched, and
//! they are taken apart into functions or not.
//!
//! The checksum is made right because otherwise nothing behind it would ever be reached.

#![no_main]

use std::{hint::black_box, sync::LazyLock};

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use object::read::{Object, ObjectSection, elf::ElfFile64};
use wrun_module::image::{Image, section};
use xxhash_rust::xxh3::Xxh3;

const CHECKSUM_SIZE: usize = 16;

const MODULE: &str = r#"(module
    (import "host" "f" (func (param i32) (result i64 f64)))
    (memory (export "memory") 2 10)
    (table 10 funcref)
    (global (mut i64) (i64.const 7))
    (data (i32.const 65530) "across two pages")
    (data "passive")
    (elem (i32.const 1) func $a $b)
    (func $a (export "a") (param i32) (result i32) (i32.div_u (local.get 0) (i32.load (local.get 0))))
    (func $b (result i64 f64) (call 0 (i32.const 1)))
    (func $c (call_indirect (param) (result) (i32.const 0))))"#;

/// What is done to a whole image.
#[derive(Arbitrary, Debug)]
struct Damage {
    /// Bytes to set: where, counted around the end, and to what.
    changes: Vec<(u32, u8)>,
    /// Bytes to cut off at the end, in 1/65536 of the whole.
    cut: u16,
}

static IMAGE: LazyLock<Vec<u8>> = LazyLock::new(|| {
    wrun::Engine::default().precompile(MODULE.as_bytes(), None).expect("the module compiles")
});

/// Makes the checksum right, where the bytes still are an ELF file that has one.
fn mend(bytes: &mut [u8]) {
    let range = ElfFile64::<object::Endianness>::parse(&*bytes)
        .ok()
        .and_then(|file| file.section_by_name(section::CHECKSUM)?.file_range());
    let Some((start, size)) = range else { return };
    let Ok(start) = usize::try_from(start) else { return };
    let Some(end) = start.checked_add(CHECKSUM_SIZE) else { return };
    if size == CHECKSUM_SIZE as u64 && end <= bytes.len() {
        let mut hash = Xxh3::new();
        hash.update(&bytes[..start]);
        hash.update(&bytes[end..]);
        bytes[start..end].copy_from_slice(&hash.digest128().to_le_bytes());
    }
}

fuzz_target!(|damage: Damage| {
    let mut bytes = IMAGE.clone();
    for (at, value) in damage.changes {
        let length = bytes.len();
        bytes[at as usize % length] = value;
    }
    bytes.truncate(bytes.len() - bytes.len() * usize::from(damage.cut) / 65536);
    mend(&mut bytes);
    let Ok(image) = Image::parse(&bytes) else { return };
    let _ = black_box(Image::take_apart(&bytes));

    black_box((&bytes[image.text()], &bytes[image.eh_frame()], &bytes[image.data()]));
    let (funcs, trampolines) = (image.funcs(&bytes), image.trampolines(&bytes));
    for index in 0..funcs.len() {
        black_box((funcs.get(index), image.names(&bytes).get(index as u32)));
    }
    for index in 0..trampolines.len() {
        black_box(trampolines.get(index));
    }
    for offset in (0..image.text().len() as u32).step_by(7) {
        black_box(funcs.find(offset));
        black_box(image.traps(&bytes).find(offset));
        black_box(image.addresses(&bytes).find(offset));
    }
});
