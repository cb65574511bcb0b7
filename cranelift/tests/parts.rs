//! Images taken apart into their functions, and images made of functions that were compiled one by one.

use wrun_cranelift::CraneliftCompiler;
use wrun_module::{
    CompileError, CompileOptions, CompiledFunc, Compiler, Features, OptLevel, OwnedModule, Tier,
    image::{Image, ImageError, section},
};

/// A module whose functions call one another and have something for each of the tables, and an adapter.
const MODULE: &str = r#"(module
    (import "host" "f" (func $host (param i32) (result externref)))
    (memory 1) (table 2 2 funcref) (tag $e (param i32))
    (data (i32.const 16) "bytes")
    (elem (i32.const 0) $tail $catch)
    (func $load (param i32) (result i32) local.get 0 i32.load)
    (func $tail (param i32) (result i32) local.get 0 return_call $load)
    (func $catch (export "catch") (param i32) (result i32)
        (block $h (result i32)
            (try_table (catch $e $h) local.get 0 call $throw)
            i32.const 5)
        call $load f64.convert_i32_u call $constants)
    (func $constants (param f64) (result i32)
        local.get 0 f64.abs f64.neg i32.trunc_f64_s)
    (func $throw (param i32) local.get 0 throw $e)
    (func $refs (export "refs") (local externref)
        i32.const 1 call $host local.set 0
        i32.const 2 call $catch drop
        i32.const 3 call $load drop
        local.get 0 drop i32.const 4 call $host drop local.get 0 call $use)
    (func $use (param externref) unreachable)
)"#;

const DEFINED: u32 = 7;

fn wasm() -> Vec<u8> {
    wat::parse_str(MODULE).expect("valid text")
}

fn owned() -> OwnedModule {
    OwnedModule::parse(wasm().into(), Features::default()).expect("a valid module")
}

fn compilers() -> impl Iterator<Item = CraneliftCompiler> {
    let levels = [OptLevel::None, OptLevel::Fast, OptLevel::Speed, OptLevel::SpeedAndSize];
    levels.into_iter().flat_map(|opt_level| {
        [None, Some("aarch64-unknown-linux-gnu")].map(|target| {
            let options = CompileOptions { opt_level, ..CompileOptions::default() };
            CraneliftCompiler::new(target, options).expect("a target with code")
        })
    })
}

/// The functions at these positions, compiled one by one.
fn functions(
    compiler: &CraneliftCompiler,
    positions: impl Iterator<Item = u32>,
    tier: Tier,
) -> Vec<(u32, Tier, CompiledFunc)> {
    let functions = compiler.functions(owned(), None);
    positions
        .map(|position| {
            let func = functions.compile(position as usize, tier).expect("a function");
            (position, tier, func)
        })
        .collect()
}

#[test]
fn functions_come_back_as_they_were() {
    for compiler in compilers() {
        let image = compiler.compile(owned().get(), &|_| {}).unwrap();
        let expected = functions(&compiler, 0..DEFINED, Tier::Optimised);
        let apart = Image::take_apart(&image).unwrap();
        assert_eq!(apart.len(), expected.len());
        for (apart, expected) in apart.iter().zip(&expected) {
            assert_eq!(apart, expected, "{}", compiler.target().triple);
        }
        assert!(compiler.assemble(&image, Vec::new()).unwrap() == image);
        assert!(compiler.assemble(&image, expected).unwrap() == image, "what is there stays");
    }
}

#[test]
fn images_that_grew_are_the_same_as_those_made_at_once() {
    // Calls of aarch64 do not reach as far as to the stubs.
    for compiler in compilers().filter(|compiler| compiler.target().triple.starts_with("x86_64")) {
        let whole = compiler.compile(owned().get(), &|_| {}).unwrap();
        let skeleton = compiler.compile_skeleton(owned().get()).unwrap();
        assert!(Image::take_apart(&skeleton).unwrap().is_empty());
        let odd = |position: &u32| position % 2 == 1;
        let first = functions(&compiler, (0..DEFINED).filter(odd), Tier::Optimised);
        let some = compiler.assemble(&skeleton, first.clone()).unwrap();
        assert_eq!(Image::take_apart(&some).unwrap(), first);
        let parsed = Image::parse(&some).unwrap();
        let present = |position| parsed.funcs(&some).get(position as usize).unwrap().1 != 0;
        assert!((0..DEFINED).all(|position| present(position) == odd(&position)));
        let rest = functions(&compiler, (0..DEFINED).filter(|at| !odd(at)), Tier::Optimised);
        let grown = compiler.assemble(&some, rest).unwrap();
        assert_eq!(Image::take_apart(&grown).unwrap(), Image::take_apart(&whole).unwrap());
        // That the module may use the heap, which its skeleton says, is all that may differ.
        let text = |bytes: &[u8]| bytes[Image::parse(bytes).unwrap().text()].to_vec();
        assert!(text(&grown) == text(&whole));
    }
}

#[test]
fn optimised_functions_replace_baseline_ones_and_never_the_other_way() {
    let compiler = CraneliftCompiler::new(None, CompileOptions::default()).unwrap();
    let skeleton = compiler.compile_skeleton(owned().get()).unwrap();
    let baseline = functions(&compiler, 0..DEFINED, Tier::Baseline);
    let optimised = functions(&compiler, 0..3, Tier::Optimised);
    let tiers = |image: &[u8]| -> Vec<Tier> {
        Image::take_apart(image).unwrap().iter().map(|func| func.1).collect()
    };
    let slow = compiler.assemble(&skeleton, baseline.clone()).unwrap();
    assert_eq!(tiers(&slow), [Tier::Baseline; DEFINED as usize]);
    assert_eq!(Image::take_apart(&slow).unwrap(), baseline);
    let mixed = compiler.assemble(&slow, optimised.clone()).unwrap();
    assert_eq!(Image::take_apart(&mixed).unwrap()[..3], optimised);
    assert_eq!(Image::take_apart(&mixed).unwrap()[3..], baseline[3..]);
    assert!(compiler.assemble(&mixed, baseline).unwrap() == mixed);
    // Neither does the order of additions matter.
    let both = [optimised, functions(&compiler, 0..DEFINED, Tier::Baseline)].concat();
    assert!(compiler.assemble(&skeleton, both).unwrap() == mixed);
}

#[test]
fn images_of_another_compiler_are_refused() {
    let compiler = CraneliftCompiler::new(None, CompileOptions::default()).unwrap();
    let image = compiler.compile(owned().get(), &|_| {}).unwrap();
    let other = CompileOptions { deterministic: true, ..CompileOptions::default() };
    let other = CraneliftCompiler::new(None, other).unwrap();
    let error = other.assemble(&image, Vec::new()).unwrap_err();
    assert!(matches!(error, CompileError::Image(ImageError::Target(_))), "{error}");
    let error = compiler.assemble(&image[..100], Vec::new()).unwrap_err();
    assert!(matches!(error, CompileError::Image(_)), "{error}");
}

/// Makes the checksum of a damaged image right, which would otherwise hide the damage.
fn mend(bytes: &mut [u8]) {
    use object::read::{Object, ObjectSection, elf::ElfFile64};
    let file = ElfFile64::<object::Endianness>::parse(&*bytes).expect("an ELF file");
    let section = file.section_by_name(section::CHECKSUM).expect("a checksum");
    let (start, len) = section.file_range().expect("bytes");
    let (start, end) = (start as usize, (start + len) as usize);
    let mut hash = xxhash_rust::xxh3::Xxh3::new();
    hash.update(&bytes[..start]);
    hash.update(&bytes[end..]);
    bytes[start..end].copy_from_slice(&hash.digest128().to_le_bytes());
}

#[test]
fn damage_is_refused_or_not_followed() {
    use object::read::{Object, ObjectSection, elf::ElfFile64};
    let compiler = CraneliftCompiler::new(None, CompileOptions::default()).unwrap();
    let image = compiler.compile(owned().get(), &|_| {}).unwrap();
    let tables = [
        section::PARTS,
        section::FUNCS,
        section::TRAMPOLINES,
        section::TRAPS,
        section::STACK_MAPS,
        section::HANDLERS,
    ];
    let file = ElfFile64::<object::Endianness>::parse(&*image).expect("an ELF file");
    let range = |name: &str| {
        let (start, len) = file.section_by_name(name).expect("a section").file_range().unwrap();
        start as usize..(start + len) as usize
    };
    let (mut refused, mut taken) = (0, 0);
    for table in tables {
        assert!(!range(table).is_empty(), "{table}");
        for at in range(table) {
            for value in [0, 1, 0x7f, 0xff] {
                let mut bytes = image.clone();
                bytes[at] = value;
                mend(&mut bytes);
                match Image::take_apart(&bytes) {
                    Ok(_) => taken += 1,
                    Err(ImageError::Damaged(_)) => refused += 1,
                    Err(error) => panic!("{table}, {at}: {error}"),
                }
            }
        }
    }
    assert!(refused > 1000 && taken > 100, "{refused} refused, {taken} taken");
}
