//! wrun built without the feature `cranelift`: everything but compiling. `cargo test --no-default-features` has only these
//! tests of the command; `ci/check` runs them, and an image.

#![cfg(not(feature = "cranelift"))]

mod harness;

use harness::{World, guests::HELLO};

#[test]
fn modules_are_refused_with_a_way_out() {
    let world = World::with("m.wat", HELLO);
    world.wrun(["m.wat"]).run().exits(126).stdout_is("").stderr_is_golden("no_compiler");
    world
        .wrun(["compile", "m.wat", "-o", "m.image"])
        .run()
        .exits(126)
        .stderr_has("without a compiler");
}

#[test]
fn what_is_wrong_with_a_module_is_still_told() {
    let world = World::with("bad.wat", "(module (func (result i32)))");
    world.wrun(["bad.wat"]).run().exits(126).stderr_has("not a valid module");
    world.wrun(["inspect", "bad.wat"]).run().exits(126);
    world.file("good.wat", HELLO).wrun(["inspect", "good.wat"]).run().exits(0);
}
