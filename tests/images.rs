//! `wrun compile`, and images as they are run.

#![cfg(feature = "cranelift")]

mod harness;

use harness::{
    World,
    guests::{FUNCTIONS, HELLO, TRAP},
};

#[test]
fn an_image_runs_like_its_module() {
    let world = World::with("m.wat", HELLO).file("f.wat", FUNCTIONS).file("t.wat", TRAP);
    for level in ["0", "1", "2", "s"] {
        world
            .wrun(["compile", "-O", level, "m.wat", "-o", "m.image"])
            .run()
            .exits(0)
            .stdout_is("")
            .stderr_is("");
        world.wrun(["m.image"]).run().exits(0).stdout_is("hello\n");
    }
    world.compile("f.wat", "f.image");
    world.wrun(["f.image", "--invoke", "add", "1", "2"]).run().exits(0).stdout_is("3\n");
    world.compile("t.wat", "t.image");
    let module = world.wrun(["t.wat"]).run().exits(134);
    world.wrun(["t.image"]).run().exits(134).stderr_is(&module.err());
}

#[test]
fn an_image_may_come_and_go_through_pipes() {
    let world = World::with("m.wat", HELLO);
    let image =
        world.wrun(["compile", "-", "-o", "-"]).stdin(HELLO).run().exits(0).stderr_is("").stdout;
    world.wrun(["-"]).stdin(image).run().exits(0).stdout_is("hello\n");
    world.wrun(["compile", "m.wat", "-o", "/dev/null"]).run().exits(0);
}

#[test]
fn the_same_module_gives_the_same_image() {
    let world = World::with("m.wat", FUNCTIONS);
    world.compile("m.wat", "one");
    world.compile("m.wat", "two");
    assert!(world.read("one") == world.read("two"));
}

#[test]
fn an_image_is_not_compiled_again() {
    let world = World::with("m.wat", HELLO);
    world.compile("m.wat", "m.image");
    world
        .wrun(["compile", "m.image", "-o", "x"])
        .run()
        .exits(126)
        .stderr_is_golden("compile_image");
}

#[test]
fn an_image_for_another_target_is_refused() {
    let world = World::with("m.wat", HELLO);
    let target = "aarch64-unknown-linux-gnu";
    world.wrun(["compile", "--target", target, "m.wat", "-o", "arm.image"]).run().exits(0);
    world
        .wrun(["arm.image"])
        .run()
        .exits(126)
        .stdout_is("")
        .stderr_has(target)
        .stderr_has("hint: ");
    world.wrun(["inspect", "arm.image"]).run().exits(0).stdout_has(&format!("target: {target}\n"));
}

/// The image with another list of CPU features that it needs, and a checksum that fits.
fn with_features(image: &[u8], change: impl FnOnce(&mut Vec<String>)) -> Vec<u8> {
    use object::read::{Object, ObjectSection, elf::ElfFile64};
    use wrun_module::image::{Image, Sections, section, write};

    let parsed = Image::parse(image).unwrap();
    let mut target = parsed.target.clone();
    change(&mut target.cpu_features);
    let file = ElfFile64::<object::Endianness>::parse(image).unwrap();
    let tables = [
        section::FUNCS,
        section::TRAMPOLINES,
        section::BASELINE,
        section::TRAPS,
        section::ADDRESSES,
        section::STACK_MAPS,
        section::HANDLERS,
        section::NAMES,
        section::PARTS,
        section::INPUTS,
    ];
    let table = |name: &str| {
        let content = file.section_by_name(name).unwrap().data().unwrap();
        (name.to_owned(), content.to_vec())
    };
    write(&Sections {
        machine: object::elf::EM_X86_64.0,
        target: &target,
        metadata: &parsed.metadata,
        data: &image[parsed.data()],
        text: &image[parsed.text()],
        eh_frame: &|_| image[parsed.eh_frame()].to_vec(),
        tables: &tables.map(table).map(|(name, bytes)| (name, bytes.into())),
    })
    .unwrap()
}

#[test]
fn an_image_for_another_cpu_is_refused() {
    let world = World::with("m.wat", HELLO);
    world.compile("m.wat", "m.image");
    let image = world.read("m.image");
    world.write("same.image", with_features(&image, |_| {}));
    world.wrun(["same.image"]).run().exits(0).stdout_is("hello\n");
    world.write("other.image", with_features(&image, |features| features.push("has_sse9".into())));
    let outcome = world.wrun(["other.image"]).run().exits(126).stdout_is("");
    outcome.stderr_has("sse9").stderr_has("hint: compile the module for this wrun");
}

#[test]
fn an_unknown_target_is_wrong_usage() {
    let world = World::with("m.wat", HELLO);
    for target in ["nonsense", "sparc-unknown-linux-gnu"] {
        let args = ["compile", "--target", target, "m.wat", "-o", "x"];
        world.wrun(args).run().exits(2).stderr_has(target);
        assert!(!world.path("x").exists());
    }
}

#[test]
fn an_image_of_another_version_is_refused() {
    let world = World::with("m.wat", HELLO);
    world.compile("m.wat", "m.image");
    let mut image = world.read("m.image");
    let version = wrun_module::image::VERSION.as_bytes();
    let position = image.windows(version.len()).position(|bytes| bytes == version).unwrap();
    image[position + version.len() - 1] = b'!';
    world.write("m.image", image);
    world.wrun(["m.image"]).run().exits(126).stdout_is("").stderr_is_golden("other_version");
}

#[test]
fn an_image_that_cannot_be_written_is_told() {
    let world = World::with("m.wat", HELLO).file("folder/x", "");
    world.wrun(["compile", "m.wat", "-o", "no/where"]).run().exits(125).stderr_has("`no/where`");
    world.wrun(["compile", "m.wat", "-o", "folder"]).run().exits(125).stderr_has("`folder`");
    world.wrun(["compile", "m.wat", "-o", "/dev/full"]).run().exits(125).stderr_has("/dev/full");
}

#[test]
fn a_module_is_inspected() {
    let text = r#"(module $sample
      (import "env" "f" (func $f (param i32)))
      (memory (export "memory") 1 2)
      (table 3 funcref)
      (func $start)
      (start $start)
      (func (export "run") (param i64) (result f32) f32.const 0)
      (data (i32.const 0) "x")
      (@custom "note" "12345"))"#;
    let world = World::with("m.wat", text);
    let outcome = world.wrun(["inspect", "m.wat"]).run().exits(0).stderr_is("");
    for expected in [
        "name: sample\n",
        "functions: 1 imported, 2 defined\n",
        "start function: 1\n",
        "imports (1)\n  env f  (func (param i32))\n",
        "run     (func (param i64) (result f32))\n",
        "memories (1)\n  0  (memory 1 2)\n",
        "tables (1)\n  0  (table 3 funcref)\n",
        "  note  5 bytes\n",
    ] {
        assert!(outcome.out().contains(expected), "no {expected:?} in:\n{}", outcome.out());
    }
    let image = world.wrun(["compile", "m.wat", "-o", "m.image"]).run();
    image.exits(0);
    let outcome = world.wrun(["inspect", "m.image"]).run().exits(0).stderr_is("");
    for expected in [
        "target: x86_64",
        "CPU features: ",
        "optimised for: speed (-O 2)\n",
        "  .text ",
        "env f  (func",
    ] {
        assert!(outcome.out().contains(expected), "no {expected:?} in:\n{}", outcome.out());
    }
}

#[test]
fn what_cannot_be_inspected_is_refused() {
    let world = World::with("bad.wasm", b"\0asm\x01\0\0\0\xff").file("elf", b"\x7fELF");
    for file in ["bad.wasm", "elf"] {
        world.wrun(["inspect", file]).run().exits(126).stdout_is("");
    }
    world.wrun(["inspect", "missing"]).run().exits(127);
}
