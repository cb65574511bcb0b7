//! Completions and the manual page, made from the definition of the command line.

mod harness;

use harness::World;

#[test]
fn every_shell_has_completions() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let outcome = World::new().wrun(["completions", shell]).run().exits(0).stderr_is("");
        outcome.stdout_has("unknown-imports").stdout_has("inspect");
    }
    World::new().wrun(["completions", "tcsh"]).run().exits(2);
}

#[test]
fn bash_takes_the_completions() {
    let world = World::new();
    let script = world.wrun(["completions", "bash"]).run().exits(0).stdout;
    world.program("bash", ["-n"]).stdin(script).run().exits(0).stderr_is("");
}

#[test]
fn the_manual_has_a_page_for_each_command() {
    let world = World::new();
    let page = world.wrun(["man"]).run().exits(0).stderr_is("");
    page.stdout_has(".TH wrun 1").stdout_has("unknown\\-imports").stdout_has("Exit codes");
    for command in ["run", "compile", "wast", "inspect", "completions", "man"] {
        let page = world.wrun(["man", command]).run().exits(0);
        page.stdout_has(&format!(".TH wrun-{command} 1"));
    }
}
