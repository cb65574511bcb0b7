//! Threads of a script: `(thread $name (shared (module $m))? directive*)` runs its directives on a thread of the system,
//! with a store of its own; `(wait $name)` waits for its end.
//!
//! All that a thread has of the script around it are the shared memories that the module `$m` exports: under the same
//! name it finds an instance that exports these and nothing else. What it registers and names is its own.

use std::{
    collections::HashMap,
    fmt::Write,
    thread::{Scope, ScopedJoinHandle},
};

use wast::{
    WastDirective, WastThread, Wat,
    parser::{self, ParseBuffer},
    token::{Id, Span},
};
use wrun_runtime::{Engine, Extern, Linker, SharedMemory};

use crate::{
    Failure, Options, ScriptReport,
    encode::encode_wat,
    run::{Mismatch, Outcome, Runner, run_commands},
    script::{Command, CommandKind, position},
};

/// The threads that one thread of a script has begun.
#[derive(Default)]
pub(crate) struct Threads<'scope> {
    running: HashMap<String, ScopedJoinHandle<'scope, ScriptReport>>,
    /// Of those that were waited for.
    reports: Vec<ScriptReport>,
}

/// What a thread gets from the one that begins it.
struct Inheritance<'env> {
    options: &'env Options,
    engine: Engine,
    /// The name of the shared module, and its memories by the names of their exports.
    module: Option<(String, Vec<(String, SharedMemory)>)>,
}

impl<'scope> Threads<'scope> {
    /// `(thread …)`.
    pub(crate) fn start<'env>(
        &mut self,
        scope: &'scope Scope<'scope, 'env>,
        parent: &mut Runner<'env>,
        thread: WastThread<'env>,
        text: &'env str,
    ) -> Result<Outcome, Mismatch> {
        let name = thread.name.name().to_owned();
        if self.running.contains_key(&name) {
            return Err(Mismatch::new("a new thread", format!("`${name}` runs already")));
        }
        let module = match thread.shared_module {
            Some(id) => Some((id.name().to_owned(), shared_memories(parent, id)?)),
            None => None,
        };
        let inheritance =
            Inheritance { options: parent.options, engine: parent.engine.clone(), module };
        let at = position(thread.span, text);
        let commands: Vec<_> = thread.directives.into_iter().map(|it| command(it, text)).collect();
        let handle = scope.spawn(move || {
            let mut report = ScriptReport::default();
            match inheritance.runner() {
                Ok(mut runner) => run_commands(scope, &mut runner, commands, text, &mut report),
                Err(found) => {
                    let expected = "the shared module in the thread".to_owned();
                    report.failures.push(Failure { at, expected, found });
                }
            }
            report
        });
        self.running.insert(name, handle);
        Ok(Outcome::Passed)
    }

    /// `(wait …)`.
    pub(crate) fn wait(&mut self, thread: Id<'_>) -> Result<Outcome, Mismatch> {
        let Some(handle) = self.running.remove(thread.name()) else {
            let expected = format!("a thread called `${}`", thread.name());
            return Err(Mismatch::new(expected, "none that runs"));
        };
        self.reports.push(joined(handle));
        Ok(Outcome::Passed)
    }

    /// Waits for the threads that nobody waited for, and adds what all have to report.
    pub(crate) fn finish(self, report: &mut ScriptReport) {
        let late = self.running.into_values().map(joined);
        for thread in self.reports.into_iter().chain(late) {
            report.passed += thread.passed;
            report.failures.extend(thread.failures);
            report.skips.extend(thread.skips);
            report.panicked |= thread.panicked;
        }
        report.failures.sort_by_key(|it| it.at);
        report.skips.sort_by_key(|it| it.at);
    }
}

fn joined(handle: ScopedJoinHandle<'_, ScriptReport>) -> ScriptReport {
    // Panics of the engine are caught directive by directive; this one is the runner's own.
    handle.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// The shared memories that an instance exports, by name.
fn shared_memories(
    runner: &mut Runner<'_>,
    id: Id<'_>,
) -> Result<Vec<(String, SharedMemory)>, Mismatch> {
    let instance = runner.instance(Some(id)).map_err(|it| Mismatch::new("a shared module", it))?;
    let exports: Vec<_> = instance.exports(&runner.store).collect();
    let memories = exports.into_iter().filter_map(|(name, item)| match item {
        Extern::Memory(memory) => Some((name, memory.to_shared(&runner.store)?)),
        _ => None,
    });
    Ok(memories.collect())
}

impl<'env> Inheritance<'env> {
    /// The state that the thread begins with.
    fn runner(self) -> Result<Runner<'env>, String> {
        let mut runner =
            Runner::with_engine(self.options, &self.engine).map_err(|error| error.to_string())?;
        if let Some((name, memories)) = self.module {
            let instance = share(&mut runner, &memories)?;
            runner.instances.insert(name, instance);
        }
        Ok(runner)
    }
}

/// An instance that exports these memories.
fn share(
    runner: &mut Runner<'_>,
    memories: &[(String, SharedMemory)],
) -> Result<wrun_runtime::Instance, String> {
    let mut linker = Linker::new(&runner.engine);
    let mut text = "(module".to_owned();
    let mut exports = String::new();
    for (index, (name, memory)) in memories.iter().enumerate() {
        let limits = memory.ty().limits;
        let defined = linker.define_shared_memory("shared", &index.to_string(), memory);
        defined.map_err(|error| error.to_string())?;
        let bytes: String = name.bytes().map(|byte| format!("\\{byte:02x}")).collect();
        // Writing to a string does not fail.
        let _ = write!(text, " (import \"shared\" \"{index}\" (memory {limits} shared))");
        let _ = write!(exports, " (export \"{bytes}\" (memory {index}))");
    }
    text.push_str(&exports);
    text.push(')');
    let buffer = ParseBuffer::new(&text).map_err(|error| error.to_string())?;
    let module = parser::parse::<Wat<'_>>(&buffer).map_err(|error| error.to_string())?;
    let bytes = encode_wat(module)?;
    let module = runner.compile(&bytes).map_err(|error| error.to_string())?;
    linker.instantiate(&mut runner.store, &module).map_err(|error| error.to_string())
}

/// A directive inside a thread as a command. Its own span is that of its first word.
fn command<'a>(directive: WastDirective<'a>, text: &str) -> Command<'a> {
    let word = directive.span().offset();
    let parenthesis = text.get(..word).and_then(|before| before.rfind('('));
    Command {
        span: Span::from_offset(parenthesis.unwrap_or(word)),
        kind: CommandKind::Directive(directive),
    }
}
