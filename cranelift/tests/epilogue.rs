//! How functions for x86-64 end, and that nothing else of them is changed.

use wrun_cranelift::CraneliftCompiler;
use wrun_module::{
    CompileOptions, CompiledFunc, Compiler, Features, OptLevel, image::Image, parse,
};

/// `mov rsp, rbp; pop rbp; ret`, as Cranelift ends functions.
const LONG: [u8; 5] = [0x48, 0x89, 0xec, 0x5d, 0xc3];

/// `pop rbp; ret`, and what is not run.
const SHORT: [u8; 5] = [0x5d, 0xc3, 0xcc, 0xcc, 0xcc];

/// The functions of a module, in their order; trampolines follow.
fn functions(text: &str, opt_level: OptLevel) -> Vec<CompiledFunc> {
    let bytes = wat::parse_str(text).expect("valid text");
    let module = parse(&bytes, Features::default()).expect("valid module");
    let options = CompileOptions { opt_level, ..CompileOptions::default() };
    let compiler = CraneliftCompiler::new(Some("x86_64-unknown-linux-gnu"), options);
    let image = compiler.expect("a target with code").compile(&module, &|_| {});
    let image = image.expect("a module that can be compiled");
    let parsed = Image::parse(&image).expect("an image");
    let (funcs, _) = parsed.parts(&image).expect("parts").all().expect("functions");
    funcs.into_iter().map(|(_, _, func)| func).collect()
}

/// How often bytes occur in the code of a function.
fn count(func: &CompiledFunc, bytes: [u8; 5]) -> usize {
    func.code.windows(bytes.len()).filter(|&window| window == bytes).count()
}

#[test]
fn returns_are_short_wherever_they_are() {
    let text = r#"(module
        (func $leaf (param i32) (result i32) (local.get 0))
        (func $frame (param i32 i32) (result i32)
            (i32.add (call $frame (local.get 1) (local.get 0)) (local.get 1)))
        (func $many (param i32) (result i32)
            (if (local.get 0) (then (return (i32.div_u (i32.const 7) (local.get 0)))))
            (if (call $leaf (i32.const 1)) (then (return (i32.const 2))))
            (call $frame (local.get 0) (i32.const 3)))
        (func (export "f") (param i32) (result i32) (call $many (local.get 0))))"#;
    for level in [OptLevel::None, OptLevel::Fast, OptLevel::Speed, OptLevel::SpeedAndSize] {
        let funcs = functions(text, level);
        let counts = funcs.iter().map(|func| (count(func, SHORT), count(func, LONG)));
        let counts: Vec<_> = counts.collect();
        assert!(counts.iter().all(|&(short, long)| short > 0 && long == 0), "{level:?} {counts:?}");
    }
}

#[test]
fn constants_of_a_guest_are_not_taken_for_returns() {
    // The same bytes in an instruction, right in front of the next block, and behind the code.
    let text = r#"(module
        (func (export "instruction") (param i32) (result i64)
            (if (result i64) (local.get 0)
                (then (i64.const 0xc35dec8948c30000)) (else (i64.const 0x00c35dec8948cccc))))
        (func (export "vector") (result v128) (v128.const i64x2 0xc35dec8948909090 0x00c35dec89480000)))"#;
    for level in [OptLevel::None, OptLevel::Speed] {
        let funcs = functions(text, level);
        let counts: Vec<_> = funcs[..2].iter().map(|func| count(func, LONG)).collect();
        assert_eq!(counts, [2, 2], "{level:?}");
        assert!(funcs[..2].iter().all(|func| count(func, SHORT) == 1), "{level:?}");
    }
}
