//! Modules that are scripts: started by the kernel through their first line.

#![cfg(feature = "cranelift")]

mod harness;

use std::os::unix::fs::symlink;

use harness::{
    Outcome, World,
    guests::{ARGS, HELLO, READ},
    path_with_wrun,
};

/// Runs a file of the folder by itself, with wrun in `PATH`.
fn start(world: &World, file: &str, args: &[&str]) -> Outcome {
    world.program(world.path(file), args).env("PATH", path_with_wrun()).run()
}

fn script(first_line: &str, module: impl AsRef<[u8]>) -> Vec<u8> {
    [first_line.as_bytes(), b"\n", module.as_ref()].concat()
}

#[test]
fn text_and_binary_and_image_may_be_scripts() {
    let world = World::with("m.wat", HELLO);
    world.compile("m.wat", "m.image");
    let forms = [HELLO.as_bytes().to_vec(), wat::parse_str(HELLO).unwrap(), world.read("m.image")];
    for (index, form) in forms.iter().enumerate() {
        let name = format!("script{index}");
        world.write(&name, script("#!/usr/bin/env wrun", form));
        world.make_executable(&name);
        start(&world, &name, &[]).exits(0).stdout_is("hello\n").stderr_is("");
    }
}

#[test]
fn a_script_owns_all_its_arguments() {
    let world = World::with("s.wat", script("#!/usr/bin/env wrun", ARGS));
    world.make_executable("s.wat");
    let path = world.path("s.wat").display().to_string();
    let outcome = start(&world, "s.wat", &["--dir", "x", "--", "--help", "-v"]);
    outcome.exits(0).stdout_is(&format!("{path}\0--dir\0x\0--\0--help\0-v\0"));
    let outcome = world.wrun(["--dir", ".", "s.wat", "--dir", "x"]).run();
    outcome.exits(0).stdout_is("s.wat\0--dir\0x\0");
}

#[test]
fn a_script_may_ask_for_options() {
    let line = "#!/usr/bin/env -S wrun --dir data::/ --argv0 reader";
    let world = World::with("s.wat", script(line, READ)).file("data/in.txt", "from a script");
    world.make_executable("s.wat");
    start(&world, "s.wat", &[]).exits(0).stdout_is("from a script");
}

#[test]
fn a_script_runs_through_a_link_and_from_the_path() {
    let world = World::with("bin/tool.wat", script("#!/usr/bin/env wrun", ARGS));
    world.make_executable("bin/tool.wat");
    symlink(world.path("bin/tool.wat"), world.path("bin/tool")).unwrap();
    let tool = world.path("bin/tool").display().to_string();
    start(&world, "bin/tool", &["x"]).exits(0).stdout_is(&format!("{tool}\0x\0"));

    let mut path = world.path("bin").into_os_string();
    path.push(":");
    path.push(path_with_wrun());
    let outcome = world.program("sh", ["-c", "tool y"]).env("PATH", path).run();
    outcome.exits(0).stdout_is(&format!("{tool}\0y\0"));
}

#[test]
fn a_first_line_alone_is_no_module() {
    World::with("s", "#!/usr/bin/env wrun").wrun(["s"]).run().ends_in_order().exits(126);
    World::with("s", "#!/usr/bin/env wrun\n\0asm").wrun(["s"]).run().ends_in_order().exits(126);
}
