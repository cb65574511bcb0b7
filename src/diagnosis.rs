//! From an error of the engine to what the user is told: the exit code, the sentence, the causes and the hint.

use std::{io, path::Path};

use wrun::{
    Error, ErrorKind, Exception, ExternType, ImageError, LinkError, ParseError, Trap, TrapCode,
    wasi,
};

use crate::{exit::Exit, render::Failure};

/// The failure for an error met while running the file called `name` (quotes included); a quiet one when the program has
/// ended by itself.
pub(crate) fn of_error(error: Error, name: &str) -> Failure {
    let cannot_run = |what: String| Failure::new(Exit::CannotRun, what);
    match error.kind() {
        ErrorKind::Text(text) => {
            cannot_run(format!("{name} is not a module in the text format")).cause(text.to_string())
        }
        ErrorKind::Parse(parse) => of_parse_error(parse, name),
        ErrorKind::Compile(compile) => of_compile_error(compile, name),
        ErrorKind::NoCompiler => cannot_run(format!("cannot compile {name}"))
            .cause("this wrun was built without a compiler and runs images only")
            .hint("make an image with a complete one: `wrun compile MODULE -o IMAGE`"),
        ErrorKind::Image(image) => of_image_error(image, name),
        ErrorKind::Link(link) => of_link_error(link, name),
        ErrorKind::Trap(trap) => of_trap(trap),
        ErrorKind::Exception(exception) => of_exception(exception, &error),
        ErrorKind::Exit(code) => Failure::ended(*code),
        ErrorKind::Host(why) if why.is::<wasi::NoThreadEntry>() => {
            cannot_run(format!("{name} cannot start threads")).cause(why.to_string())
        }
        // A call that the host refuses stops a program as a trap does.
        ErrorKind::Host(_) if error.backtrace().is_some() => {
            let failure = Failure::new(Exit::Trapped, format!("the program was stopped: {error}"));
            let failure = failure.causes_of(&error);
            match error.backtrace() {
                Some(backtrace) => failure.backtrace(backtrace),
                None => failure,
            }
        }
        ErrorKind::File { path, source } => {
            Failure::new(exit_of_io(source), format!("cannot read `{}`", path.display()))
                .cause(source.to_string())
        }
        ErrorKind::Limit(_) => {
            Failure::new(Exit::Failed, format!("{name} needs more than it may have"))
                .cause(error.to_string())
                .causes_of(&error)
                .hint("`--max-memory` bounds its memories, and `ulimit -v` the address space")
        }
        _ => error.into(),
    }
}

/// The exit code for a file that cannot be read, as the shell has it.
pub(crate) fn exit_of_io(error: &io::Error) -> Exit {
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => Exit::NotFound,
        _ => Exit::CannotRun,
    }
}

/// The failure for a component, which only looks like a module.
pub(crate) fn component(name: &str) -> Failure {
    Failure::new(Exit::CannotRun, format!("{name} is a component, and only modules can be run"))
        .hint("build the program for WASI preview 1: `--target wasm32-wasip1` instead of `wasm32-wasip2`")
}

/// The failure for a module that is refused.
pub(crate) fn of_parse_error(error: &ParseError, name: &str) -> Failure {
    if let ParseError::Component = error {
        return component(name);
    }
    let failure = Failure::new(Exit::CannotRun, format!("{name} is not a valid module"))
        .cause(error.to_string());
    match error {
        ParseError::Unsupported { proposal, implemented: true, .. } => {
            failure.hint(format!("switch it on with `--wasm {proposal}`"))
        }
        _ => failure,
    }
}

fn of_compile_error(error: &wrun::CompileError, name: &str) -> Failure {
    match error {
        wrun::CompileError::Target { .. } => Failure::usage(error.to_string())
            .hint("targets are named as Rust's are: `x86_64-unknown-linux-gnu`, `aarch64-unknown-linux-gnu`"),
        _ => Failure::new(Exit::CannotRun, format!("cannot compile {name}")).cause(error.to_string()),
    }
}

/// The failure for an image that is refused.
pub(crate) fn of_image_error(error: &ImageError, name: &str) -> Failure {
    let failure =
        Failure::new(Exit::CannotRun, format!("{name} cannot be loaded")).cause(error.to_string());
    match error {
        ImageError::NotAnImage(_) => {
            failure.hint("a WebAssembly module, or an image from `wrun compile`, is expected")
        }
        _ => failure.hint(format!(
            "compile the module for this wrun and this host: `wrun compile MODULE -o {}`",
            name.trim_matches('`')
        )),
    }
}

fn of_link_error(error: &LinkError, name: &str) -> Failure {
    let mut failure = Failure::new(Exit::CannotRun, format!("{name} cannot be linked"));
    for problem in &error.problems {
        failure = failure.cause(problem.to_string());
    }
    let [first, ..] = &error.problems[..] else { return failure };
    if error.problems.iter().any(|problem| problem.found.is_some()) {
        return failure;
    }
    if error.problems.iter().any(wants_threads) {
        return failure.hint("the program wants to start threads: `--wasi threads` lets it");
    }
    let only_functions =
        error.problems.iter().all(|problem| matches!(problem.expected, ExternType::Func(_)));
    failure.hint(format!(
        "`--preload {}=FILE` links a module of that name; `--unknown-imports {}` runs without",
        first.module,
        if only_functions { "trap" } else { "default" }
    ))
}

/// Whether an import is one of those that `--wasi threads` provides.
fn wants_threads(problem: &wrun::ImportProblem) -> bool {
    match problem.expected {
        ExternType::Memory(ty) => ty.shared,
        _ => problem.module == "wasi" && problem.name == "thread-spawn",
    }
}

fn of_trap(trap: &Trap) -> Failure {
    let failure = Failure::new(Exit::Trapped, format!("the program trapped: {trap}"))
        .backtrace(trap.backtrace());
    match trap.code() {
        TrapCode::StackExhausted => failure.hint("`--max-stack SIZE` gives it a larger stack"),
        TrapCode::HeapExhausted => failure.hint("`--max-gc-heap SIZE` gives it a larger heap"),
        _ => failure,
    }
}

fn of_exception(exception: &Exception, error: &Error) -> Failure {
    let failure = Failure::new(Exit::Trapped, exception.to_string());
    match error.backtrace() {
        Some(backtrace) => failure.backtrace(backtrace),
        None => failure,
    }
}

/// The failure for a directory that cannot be given to the guest.
pub(crate) fn of_preopen_error(error: &wasi::PreopenError) -> Failure {
    let failure = Failure::new(Exit::Failed, error.to_string()).causes_of(error);
    match error {
        wasi::PreopenError::Missing(path) => {
            failure.hint(format!("make it first: `mkdir -p {}`", path.display()))
        }
        wasi::PreopenError::NotADirectory(path) => {
            let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
            let folder = folder.unwrap_or(Path::new("."));
            failure.hint(format!("give the directory it is in: `--dir {}`", folder.display()))
        }
        _ => failure,
    }
}
