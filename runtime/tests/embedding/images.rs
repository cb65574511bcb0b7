//! Images: out, back in, and every kind of damage.

use wrun_runtime::{
    Config, Engine, ErrorKind, ImageError, Instance, MemoryStyle, Module, OptLevel, Store,
};

const TEXT: &str = r#"(module (memory (export "memory") 2) (data (i32.const 65530) "across pages")
    (global $count (mut i32) (i32.const 40))
    (func (export "run") (result i32)
        (global.set $count (i32.add (global.get $count) (i32.const 1))) (global.get $count)))"#;

fn load(engine: &Engine, bytes: &[u8]) -> Result<Module, wrun_runtime::Error> {
    // SAFETY: the bytes are an image made here, or a damaged one, which its checksum tells.
    unsafe { Module::deserialize(engine, bytes) }
}

fn run(engine: &Engine, module: &Module) -> i32 {
    let mut store = Store::new(engine, ());
    let instance = Instance::new(&mut store, module, &[]).unwrap();
    let memory = instance.get_memory(&store, "memory").unwrap();
    assert_eq!(&memory.data(&store)[65530..65542], b"across pages");
    memory.data_mut(&mut store)[65530] = b'X';
    instance.get_typed_func::<(), i32>(&store, "run").unwrap().call(&mut store, ()).unwrap()
}

#[test]
fn an_image_runs_as_its_module_does() {
    let engine = Engine::default();
    let image = Module::new(&engine, TEXT).unwrap().serialize().unwrap();
    let module = load(&engine, &image).unwrap();
    // Each instance has contents of its own.
    assert_eq!(run(&engine, &module), 41);
    assert_eq!(run(&engine, &module), 41);
    assert_eq!(module.serialize().unwrap(), image);

    let path = std::env::temp_dir().join(format!("wrun-image-test-{}", std::process::id()));
    std::fs::write(&path, &image).unwrap();
    // SAFETY: the file is ours.
    let module = unsafe { Module::deserialize_file(&engine, &path) }.unwrap();
    std::fs::remove_file(&path).unwrap();
    assert_eq!(run(&engine, &module), 41);
}

#[test]
fn an_image_is_no_module_and_a_module_no_image() {
    let engine = Engine::default();
    let image = Module::new(&engine, TEXT).unwrap().serialize().unwrap();
    let error = Module::new(&engine, &image).unwrap_err();
    assert!(error.to_string().contains("deserialize"), "{error}");
    let error = load(&engine, b"\0asm\x01\0\0\0").unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Image(ImageError::NotAnImage(_))), "{error}");
    assert!(load(&engine, b"").is_err());
}

#[test]
fn damage_is_found_wherever_it_is() {
    let engine = Engine::default();
    let image = Module::new(&engine, TEXT).unwrap().serialize().unwrap();
    let step = image.len() / 300 + 1;
    for len in (0..image.len()).step_by(step) {
        assert!(load(&engine, &image[..len]).is_err(), "cut to {len} bytes");
    }
    for at in (0..image.len()).step_by(step) {
        let mut damaged = image.clone();
        damaged[at] ^= 1 << (at % 8);
        let error = load(&engine, &damaged).expect_err("a flipped bit");
        assert!(matches!(error.kind(), ErrorKind::Image(_)), "bit at {at}: {error}");
    }
}

#[test]
fn images_that_do_not_fit_say_why() {
    let engine = Engine::default();
    let foreign = engine.precompile(TEXT.as_bytes(), Some("aarch64-unknown-linux-gnu")).unwrap();
    let error = load(&engine, &foreign).unwrap_err().to_string();
    assert!(error.contains("compiled for aarch64"), "{error}");

    let checked = Engine::new(Config::new().memory_style(MemoryStyle::Checked)).unwrap();
    let reserved = engine.precompile(TEXT.as_bytes(), None).unwrap();
    let error = load(&checked, &reserved).unwrap_err().to_string();
    assert!(error.contains("8 GiB"), "{error}");
    // The other way round nothing is missing.
    let image = checked.precompile(TEXT.as_bytes(), None).unwrap();
    assert_eq!(run(&engine, &load(&engine, &image).unwrap()), 41);

    let error = engine.precompile(TEXT.as_bytes(), Some("pdp11-unknown-none")).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Compile(_)), "{error}");
}

#[test]
fn a_deterministic_engine_refuses_images_that_are_not() {
    let fast = Engine::default();
    let fixed = Engine::new(Config::new().deterministic(true)).unwrap();
    let image = fast.precompile(TEXT.as_bytes(), None).unwrap();
    let error = load(&fixed, &image).unwrap_err().to_string();
    assert!(error.contains("same results on every machine"), "{error}");
    // The other way round nothing is missing.
    let image = fixed.precompile(TEXT.as_bytes(), None).unwrap();
    for engine in [&fixed, &fast] {
        assert_eq!(run(engine, &load(engine, &image).unwrap()), 41);
    }
}

#[test]
fn products_are_rounded_on_processors_that_cannot_fuse_them() {
    let text = "(module (func (export \"run\") (result f64) (f64x2.extract_lane 0 (f64x2.relaxed_madd
        (v128.const f64x2 0x1.00000004p0 0) (v128.const f64x2 0x1.00000004p0 0) (v128.const f64x2 -0x1.00000008p0 0)))))";
    let engine = Engine::default();
    let oldest = engine.precompile(text.as_bytes(), Some("x86_64-unknown-linux-gnu")).unwrap();
    let here = engine.precompile(text.as_bytes(), None).unwrap();
    let fused = if std::arch::is_x86_feature_detected!("fma") { 2.0_f64.powi(-60) } else { 0.0 };
    for (image, expected) in [(oldest, 0.0), (here, fused)] {
        let module = load(&engine, &image).unwrap();
        let mut store = Store::new(&engine, ());
        let instance = Instance::new(&mut store, &module, &[]).unwrap();
        let run = instance.get_typed_func::<(), f64>(&store, "run").unwrap();
        assert_eq!(run.call(&mut store, ()).unwrap(), expected);
    }
}

#[test]
fn handlers_come_back_from_an_image() {
    let text = r#"(module
        (tag $e (param i64))
        (func $throw (param i64) (throw $e (local.get 0)))
        (func (export "run") (param i64) (result i64)
            (block $h (result i64)
                (try_table (catch $e $h) (call $throw (local.get 0)))
                (unreachable))))"#;
    let engine = Engine::default();
    let image = Module::new(&engine, text).unwrap().serialize().unwrap();
    let module = load(&engine, &image).unwrap();
    let mut store = Store::new(&engine, ());
    let instance = Instance::new(&mut store, &module, &[]).unwrap();
    let run = instance.get_typed_func::<i64, i64>(&store, "run").unwrap();
    assert_eq!(run.call(&mut store, 31).unwrap(), 31);
}

#[test]
fn engines_that_compile_differently_have_different_keys() {
    let key = |change: fn(&mut Config)| {
        let mut config = Config::new();
        change(&mut config);
        Engine::new(&config).unwrap().compile_key().unwrap()
    };
    let keys = [
        key(|_| ()),
        key(|config| _ = config.opt_level(OptLevel::None)),
        key(|config| _ = config.opt_level(OptLevel::SpeedAndSize)),
        key(|config| _ = config.deterministic(true)),
        key(|config| _ = config.memory_style(MemoryStyle::Checked)),
        key(|config| _ = config.features("simd=off".parse().unwrap())),
        key(|config| _ = config.features("wide-arithmetic".parse().unwrap())),
    ];
    for (position, one) in keys.iter().enumerate() {
        assert!(!keys[..position].contains(one), "{one}");
    }
    // What it names beyond that cannot differ on one machine, but must be there.
    for part in [wrun_module::image::VERSION, "x86_64", "has_sse42"] {
        assert!(keys[0].contains(part), "{part}: {}", keys[0]);
    }
    assert_eq!(key(|config| _ = config.max_stack(1 << 20)), keys[0]);
}
