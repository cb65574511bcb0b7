//! Looks at images from outside, as the system's tools and unwinder see them: through `object` and `gimli`.

use std::{collections::BTreeMap, fmt::Write as _};

use gimli::{
    BaseAddresses, CfaRule, CieOrFde, EhFrame, LittleEndian, UnwindContext, UnwindSection,
};
use object::{
    Architecture, Endianness, Object, ObjectSection, elf,
    read::elf::{ElfFile64, FileHeader},
};
use wrun_cranelift::CraneliftCompiler;
use wrun_module::{
    CompileOptions, Compiler, Features, FuncType, MemoryStyle, OptLevel, SubType, ValType,
    image::{Image, section, tables::FuncTable},
    parse,
};

/// A module that has something for each of the tables.
const MODULE: &str = r#"(module $tables
    (type $two (func (param i32 i64) (result f64 i32)))
    (type $again (func (param i32 i64) (result f64 i32)))
    (import "host" "two" (func $imported (type $two)))
    (import "host" "none" (func $none))
    (memory 1) (table 2 2 funcref)
    (data (i32.const 16) "bytes")
    (elem (i32.const 0) $escapes $imported)
    (func $internal (param i32) (result i32)
        local.get 0 i32.eqz if (result i32) i32.const 1 else
            local.get 0 local.get 0 i32.const 1 i32.sub call $internal i32.mul
        end)
    (func $escapes (export "escapes") (type $again)
        local.get 0 call $internal i32.load local.get 1 i32.wrap_i64 i32.div_s
        i64.extend_i32_s local.set 1
        i32.const 1 local.get 1 i32.const 1 call_indirect (type $two))
    (func (export "calls") call $none unreachable)
)"#;

/// Compiles text for a target, this machine when there is none.
fn compile(text: &str, target: Option<&str>, options: CompileOptions) -> Vec<u8> {
    let bytes = wat::parse_str(text).expect("valid text");
    let module = parse(&bytes, Features::default()).expect("valid module");
    let compiler = CraneliftCompiler::new(target, options).expect("a target with code");
    compiler.compile(&module, &|_| {}).expect("a module that can be compiled")
}

/// Every combination of options.
fn all_options() -> impl Iterator<Item = CompileOptions> {
    [OptLevel::None, OptLevel::Fast, OptLevel::Speed, OptLevel::SpeedAndSize].into_iter().flat_map(
        |opt_level| {
            [MemoryStyle::Reserved, MemoryStyle::Checked].map(|memory_style| CompileOptions {
                opt_level,
                memory_style,
                deterministic: false,
            })
        },
    )
}

fn elf(bytes: &[u8]) -> ElfFile64<'_> {
    ElfFile64::parse(bytes).expect("an ELF file")
}

/// Address and content of a section.
fn content<'a>(elf: &ElfFile64<'a>, name: &str) -> (u64, &'a [u8]) {
    let section = elf.section_by_name(name).unwrap_or_else(|| panic!("no section {name}"));
    (section.address(), section.data().expect("bytes"))
}

/// Start and length of all functions, then of all trampolines, counted from the start of `.text`.
fn places(elf: &ElfFile64<'_>) -> Vec<(u32, u32)> {
    let tables = [section::FUNCS, section::TRAMPOLINES];
    let tables = tables.map(|name| FuncTable::new(content(elf, name).1).expect("a whole table"));
    tables
        .iter()
        .flat_map(|table| (0..table.len()).map(|index| table.get(index).unwrap()))
        .collect()
}

/// Start and length of what the unwind tables cover, by start. Each is checked to have usable rows, and to find the
/// frame by its pointer in the end.
fn unwound(elf: &ElfFile64<'_>) -> BTreeMap<u32, u32> {
    let (text, _) = content(elf, section::TEXT);
    let (address, bytes) = content(elf, section::EH_FRAME);
    let frames = EhFrame::new(bytes, LittleEndian);
    let bases = BaseAddresses::default().set_eh_frame(address).set_text(text);
    let mut context = UnwindContext::new();
    let mut covered = BTreeMap::new();
    let mut entries = frames.entries(&bases);
    while let Some(entry) = entries.next().expect("readable entries") {
        let CieOrFde::Fde(partial) = entry else { continue };
        let fde = partial.parse(EhFrame::cie_from_offset).expect("a readable entry");
        let start = fde.initial_address();
        let mut table = fde.rows(&frames, &bases, &mut context).expect("rows");
        let (mut end, mut cfa) = (start, None);
        while let Some(row) = table.next_row().expect("readable rows") {
            assert_eq!(row.start_address(), end, "rows follow one another");
            end = row.end_address();
            cfa = Some(row.cfa().clone());
        }
        let pointer =
            gimli::Register(if elf.architecture() == Architecture::Aarch64 { 29 } else { 6 });
        assert_eq!(cfa, Some(CfaRule::RegisterAndOffset { register: pointer, offset: 16 }));
        assert_eq!(end, start + fde.len(), "the rows cover the function");
        let start = u32::try_from(start - text).expect("it is within the text");
        assert_eq!(covered.insert(start, fde.len() as u32), None, "two entries for {start:#x}");
    }
    assert!(bytes.ends_with(&[0; 4]), "the terminator is missing");
    covered
}

#[test]
fn every_function_and_trampoline_is_covered_by_one_entry() {
    for target in [None, Some("x86_64-unknown-linux-gnu"), Some("aarch64-unknown-linux-gnu")] {
        for options in all_options() {
            let bytes = compile(MODULE, target, options);
            let elf = elf(&bytes);
            let places = places(&elf);
            // Three functions; two trampolines for each of two signatures.
            assert_eq!(places.len(), 3 + 4);
            assert_eq!(unwound(&elf), places.into_iter().collect(), "{target:?} {options:?}");
        }
    }
}

#[test]
fn functions_lie_in_order_without_overlap() {
    let bytes = compile(MODULE, None, CompileOptions::default());
    let elf = elf(&bytes);
    let (_, text) = content(&elf, section::TEXT);
    let mut end = 0;
    for (start, len) in places(&elf) {
        assert!(start >= end && start % 16 == 0 && len > 0, "{start:#x} + {len:#x}");
        end = start + len;
    }
    assert_eq!(end as usize, text.len());
}

#[test]
fn nothing_is_left_to_relocate_or_look_up() {
    let bytes = compile(MODULE, None, CompileOptions::default());
    let header = elf::FileHeader64::<Endianness>::parse(&bytes[..]).expect("a header");
    let sections = header.sections(Endianness::Little, &bytes[..]).expect("sections");
    for section in sections.iter() {
        let kind = section.sh_type.get(Endianness::Little);
        assert!([elf::SHT_NULL, elf::SHT_PROGBITS, elf::SHT_STRTAB].contains(&kind), "{kind:?}");
    }
}

#[test]
fn equal_input_gives_equal_bytes() {
    let mut text = MODULE.trim_end().trim_end_matches(')').to_owned();
    for index in 0..2000 {
        write!(text, "(func (result i32) i32.const {index} call $internal)").unwrap();
    }
    text.push(')');
    let first = compile(&text, None, CompileOptions::default());
    for _ in 0..3 {
        assert!(compile(&text, None, CompileOptions::default()) == first);
    }
}

#[test]
fn an_image_for_another_machine_says_so() {
    let bytes = compile(MODULE, Some("aarch64-unknown-linux-gnu"), CompileOptions::default());
    let header = elf::FileHeader64::<Endianness>::parse(&bytes[..]).expect("a header");
    assert_eq!(header.e_machine.get(Endianness::Little), elf::EM_AARCH64);
    let image = Image::parse(&bytes).expect("a valid image");
    assert_eq!(image.target.triple, "aarch64-unknown-linux-gnu");
}

#[test]
fn traps_are_sorted_and_lie_in_functions() {
    for options in all_options() {
        let bytes = compile(MODULE, None, options);
        let elf = elf(&bytes);
        let places: BTreeMap<u32, u32> = places(&elf).into_iter().collect();
        let (_, traps) = content(&elf, section::TRAPS);
        let count = traps.len() / 5;
        let offsets: Vec<u32> = traps[..4 * count]
            .chunks_exact(4)
            .map(|bytes| u32::from_le_bytes(bytes.try_into().unwrap()))
            .collect();
        assert!(count >= 4, "load, division, indirect call and unreachable: {count}");
        assert!(offsets.is_sorted_by(|a, b| a < b), "{offsets:x?}");
        let image = Image::parse(&bytes).expect("a valid image");
        for offset in offsets {
            let (start, len) = places.range(..=offset).next_back().expect("a function before it");
            assert!(offset - start < *len, "{offset:#x} is in no function");
            assert!(image.traps(&bytes).find(offset).is_some());
            assert!(image.addresses(&bytes).find(offset).is_some(), "{offset:#x} has no position");
        }
    }
}

/// A function that keeps `count` references over a call, with some room on the stack for arguments.
fn keeping(count: usize) -> String {
    let wide = "(param i64 i64 i64 i64 i64 i64 i64 i64 i64)";
    let zeros = "(i64.const 0)".repeat(9);
    let (get, drop) = ("(call $new)".repeat(count), "(call $use)".repeat(count));
    format!(
        r#"(module (import "" "new" (func $new (result externref)))
            (import "" "use" (func $use (param externref)))
            (func $wide {wide})
            (func (export "native") {get} (call $wide {zeros}) {drop})
            (func $internal {get} (call $wide {zeros}) {drop})
            (func (export "tail") {get} (call $wide {zeros}) {drop} (return_call $internal)))"#
    )
}

#[test]
fn stack_maps_name_slots_of_the_frame_and_are_there_only_with_references() {
    for options in all_options() {
        let bytes = compile(MODULE, None, options);
        assert_eq!(content(&elf(&bytes), section::STACK_MAPS).1.len(), 0);
        for target in [None, Some("aarch64-unknown-linux-gnu")] {
            let bytes = compile(&keeping(5), target, options);
            let image = Image::parse(&bytes).expect("a valid image");
            let maps = image.stack_maps(&bytes);
            // In each of three functions: over the calls that make the second to the fifth, the wide one, and over those that
            // use the first to the fourth.
            assert_eq!(maps.len(), 3 * (4 + 1 + 4));
            let mut sizes = BTreeMap::new();
            for offset in 0..image.text().len() as u32 {
                let distances: Vec<u32> = maps.find(offset).collect();
                let distinct: std::collections::BTreeSet<_> = distances.iter().copied().collect();
                assert_eq!(distinct.len(), distances.len(), "each slot once");
                assert!(distances.iter().all(|distance| (4..256).contains(distance)));
                *sizes.entry(distances.len()).or_insert(0) += 1;
            }
            sizes.remove(&0);
            assert_eq!(sizes, BTreeMap::from([(1, 6), (2, 6), (3, 6), (4, 6), (5, 3)]));
        }
    }
}

#[test]
fn names_and_dwarf_come_along() {
    let mut wasm = wat::parse_str(MODULE).expect("valid text");
    // A custom section: id, size, length of the name, name, content.
    wasm.extend([0, 14, 10]);
    wasm.extend(b".debug_str");
    wasm.extend(b"abc");
    let module = parse(&wasm, Features::default()).expect("valid module");
    let compiler = CraneliftCompiler::new(None, CompileOptions::default()).unwrap();
    let bytes = compiler.compile(&module, &|_| {}).unwrap();
    let image = Image::parse(&bytes).expect("a valid image");
    assert_eq!(image.names(&bytes).get(2), Some("internal"));
    assert_eq!(image.dwarf(&bytes, ".debug_str"), b"abc");
}

#[test]
fn trampolines_alone_make_an_image() {
    let vector = FuncType::new([ValType::V128; 3], [ValType::F32, ValType::V128, ValType::I64]);
    let many = FuncType::new([ValType::I64; 40], [ValType::FUNCREF; 20]);
    let types = [vector.clone(), FuncType::new([], []), vector, many];
    for target in [None, Some("aarch64-unknown-linux-gnu")] {
        let compiler = CraneliftCompiler::new(target, CompileOptions::default()).unwrap();
        let bytes = compiler.compile_trampolines(&types).unwrap();
        let image = Image::parse(&bytes).expect("a valid image");
        assert_eq!(image.metadata.info.types, types.clone().map(SubType::plain));
        assert_eq!(image.metadata.trampolines.iter().map(|ty| ty.0).collect::<Vec<_>>(), [0, 1, 3]);
        assert_eq!(image.trampolines(&bytes).len(), 6);
        let elf = elf(&bytes);
        assert_eq!(unwound(&elf), places(&elf).into_iter().collect());
    }
}

#[test]
fn a_module_of_a_hundred_thousand_functions_compiles() {
    let mut text = String::from("(module");
    for index in 0..100_000_u32 {
        write!(text, "(func (result i32) i32.const {index}").unwrap();
        if index % 10 == 0 && index > 0 {
            write!(text, " call {} i32.add", index / 2).unwrap();
        }
        text.push(')');
    }
    text.push(')');
    let options = CompileOptions { opt_level: OptLevel::None, ..CompileOptions::default() };
    let bytes = compile(&text, None, options);
    let elf = elf(&bytes);
    assert_eq!(unwound(&elf).len(), 100_000);
}

#[test]
fn a_function_of_a_megabyte_compiles() {
    let loads = "local.get 0 i32.load offset=8 local.set 0 ".repeat(150_000);
    let text = format!("(module (memory 1) (func (param i32) (result i32) {loads} local.get 0))");
    let options = CompileOptions { opt_level: OptLevel::None, ..CompileOptions::default() };
    let bytes = compile(&text, None, options);
    let image = Image::parse(&bytes).expect("a valid image");
    assert_eq!(image.traps(&bytes).len(), 150_000);
}
