//! Runs a script: its store, the instances it has made and named, and one directive after the other.

use std::{
    collections::{BTreeMap, HashMap},
    panic::{AssertUnwindSafe, catch_unwind},
    thread::{self, Scope},
};

use tracing::debug;
use wast::{QuoteWat, WastDirective, WastExecute, parser, token::Id};
use wrun_runtime::{Engine, Instance, Linker, Module, Store};

use crate::{
    Failure, Options, Position, ScriptReport, Skip,
    action::{error_text, stopped_text},
    encode::{Encoded, encode},
    script::{Command, CommandKind, Script, position, tokens},
    spectest,
    thread::Threads,
};

/// How a directive that did not fail ended.
pub(crate) enum Outcome {
    Passed,
    /// Not run, for this reason.
    Skipped(&'static str),
}

/// Why a directive failed.
#[derive(Debug)]
pub(crate) struct Mismatch {
    pub(crate) expected: String,
    pub(crate) found: String,
}

impl Mismatch {
    pub(crate) fn new(expected: impl Into<String>, found: impl Into<String>) -> Self {
        Self { expected: expected.into(), found: found.into() }
    }
}

/// Runs the script `text`; `name` is what the report calls it.
///
/// A directive that fails does not end the script. A text that is no script is one failure, at the place where it
/// stops being one; so is a panic of the engine, which ends the script.
pub fn run_script(name: &str, text: &str, options: &Options) -> ScriptReport {
    let mut report = ScriptReport { name: name.to_owned(), ..ScriptReport::default() };
    let buffer = tokens(text);
    let script = buffer
        .as_ref()
        .map_err(syntax)
        .and_then(|buffer| parser::parse::<Script<'_>>(buffer).map_err(|error| syntax(&error)));
    let mut fail = |at, mismatch: Mismatch| {
        report.failures.push(Failure { at, expected: mismatch.expected, found: mismatch.found });
    };
    match (script, Runner::new(options)) {
        (Err((span, message)), _) => {
            fail(position(span, text), Mismatch::new("a script", format!("bad syntax: {message}")));
        }
        (_, Err(error)) => {
            let at = Position { line: 1, column: 1 };
            fail(at, Mismatch::new("an engine", error.to_string()));
        }
        (Ok(script), Ok(mut runner)) => thread::scope(|scope| {
            run_commands(scope, &mut runner, script.commands, text, &mut report);
        }),
    }
    debug!(target: "wrun_wast", script = name, "{}", report.summary());
    report
}

fn syntax(error: &wast::Error) -> (wast::token::Span, String) {
    (error.span(), error.message())
}

/// Runs the commands of a script, or of a thread of it, and waits for the threads they begin.
pub(crate) fn run_commands<'scope, 'env>(
    scope: &'scope Scope<'scope, 'env>,
    runner: &mut Runner<'env>,
    commands: Vec<Command<'env>>,
    text: &'env str,
    report: &mut ScriptReport,
) {
    let mut threads = Threads::default();
    for command in commands {
        let at = position(command.span, text);
        let result = catch_unwind(AssertUnwindSafe(|| match command.kind {
            CommandKind::Directive(WastDirective::Thread(thread)) => {
                threads.start(scope, runner, thread, text)
            }
            CommandKind::Directive(WastDirective::Wait { thread, .. }) => threads.wait(thread),
            kind => runner.command(kind),
        }));
        let Mismatch { expected, found } = match result {
            Ok(Ok(Outcome::Passed)) => {
                report.passed += 1;
                continue;
            }
            Ok(Ok(Outcome::Skipped(reason))) => {
                report.skips.push(Skip { at, reason: reason.to_owned() });
                continue;
            }
            Ok(Err(mismatch)) => mismatch,
            Err(panic) => {
                report.panicked = true;
                let found = format!("a panic of the engine: {}", panic_text(&*panic));
                Mismatch::new("a directive that ends", found)
            }
        };
        report.failures.push(Failure { at, expected, found });
        if report.panicked {
            // Nothing that the store holds can be relied on from here.
            break;
        }
    }
    threads.finish(report);
}

/// What a panic says.
fn panic_text(panic: &(dyn std::any::Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message")
}

/// The state of a running script.
pub(crate) struct Runner<'o> {
    pub(crate) options: &'o Options,
    pub(crate) engine: Engine,
    pub(crate) store: Store<()>,
    /// The `spectest` module alone.
    spectest: Linker<()>,
    /// It and everything registered.
    linker: Linker<()>,
    /// What is registered, by name: a name registered again stands for the new instance alone.
    registered: BTreeMap<String, Instance>,
    pub(crate) instances: HashMap<String, Instance>,
    pub(crate) current: Option<Instance>,
    definitions: HashMap<String, Module>,
    last_definition: Option<Module>,
}

impl<'o> Runner<'o> {
    fn new(options: &'o Options) -> wrun_runtime::Result<Self> {
        Self::with_engine(options, &Engine::new(&options.config)?)
    }

    /// The state at the beginning of a script, or of a thread of it.
    pub(crate) fn with_engine(options: &'o Options, engine: &Engine) -> wrun_runtime::Result<Self> {
        let mut store = Store::new(engine, ());
        let mut linker = Linker::new(engine);
        linker.allow_shadowing(true);
        spectest::define(&mut linker, &mut store)?;
        Ok(Self {
            options,
            engine: engine.clone(),
            store,
            spectest: linker.clone(),
            linker,
            registered: BTreeMap::new(),
            instances: HashMap::new(),
            current: None,
            definitions: HashMap::new(),
            last_definition: None,
        })
    }

    fn command(&mut self, command: CommandKind<'_>) -> Result<Outcome, Mismatch> {
        match command {
            CommandKind::Directive(directive) => self.directive(directive),
            CommandKind::Get(get) => self.action(get),
        }
    }

    fn directive(&mut self, directive: WastDirective<'_>) -> Result<Outcome, Mismatch> {
        match directive {
            WastDirective::Module(module) => self.module(module),
            WastDirective::ModuleDefinition(module) => self.module_definition(module),
            WastDirective::ModuleInstance { instance, module, .. } => {
                self.module_instance(instance, module)
            }
            WastDirective::Register { name, module, .. } => self.register(name, module),
            WastDirective::Invoke(invoke) => self.action(WastExecute::Invoke(invoke)),
            WastDirective::AssertReturn { exec, results, .. } => self.assert_return(exec, &results),
            WastDirective::AssertTrap { exec, message, .. } => self.assert_trap(exec, message),
            WastDirective::AssertExhaustion { call, message, .. } => {
                self.assert_exhaustion(call, message)
            }
            WastDirective::AssertInvalid { module, message, .. }
            | WastDirective::AssertInvalidCustom { module, message, .. } => {
                self.assert_invalid(module, message)
            }
            WastDirective::AssertMalformed { module, message, .. }
            | WastDirective::AssertMalformedCustom { module, message, .. } => {
                self.assert_malformed(module, message)
            }
            WastDirective::AssertUnlinkable { module, message, .. } => {
                self.assert_unlinkable(module, message)
            }
            WastDirective::AssertException { exec, .. } => self.assert_exception(exec),
            WastDirective::AssertSuspension { .. } => {
                Ok(Outcome::Skipped("stack switching is not implemented"))
            }
            WastDirective::Thread(_) | WastDirective::Wait { .. } => {
                unreachable!("run by `run_commands`")
            }
        }
    }

    /// `(module …)`: defines, instantiates, makes current and, with a name, names.
    fn module(&mut self, module: QuoteWat<'_>) -> Result<Outcome, Mismatch> {
        let id = module.name();
        // What follows is about this module: it must not run on the one before when this one fails.
        self.current = None;
        if let Some(id) = id {
            self.instances.remove(id.name());
        }
        let module = self.define(module)?;
        self.instantiate_as(id, &module)
    }

    /// `(module definition …)`: compiles and keeps.
    fn module_definition(&mut self, module: QuoteWat<'_>) -> Result<Outcome, Mismatch> {
        self.define(module).map(|_| Outcome::Passed)
    }

    /// `(module instance $instance $module)`: an instance of a module that was defined.
    fn module_instance(
        &mut self,
        instance: Option<Id<'_>>,
        module: Option<Id<'_>>,
    ) -> Result<Outcome, Mismatch> {
        let definition = match module {
            Some(id) => self.definitions.get(id.name()),
            None => self.last_definition.as_ref(),
        };
        let Some(definition) = definition.cloned() else {
            let name = module.map_or_else(String::new, |id| format!(" called `${}`", id.name()));
            return Err(Mismatch::new(format!("a module definition{name}"), "none"));
        };
        self.current = None;
        self.instantiate_as(instance, &definition)
    }

    fn define(&mut self, module: QuoteWat<'_>) -> Result<Module, Mismatch> {
        self.last_definition = None;
        let id = module.name();
        if let Some(id) = id {
            self.definitions.remove(id.name());
        }
        let expected = "a valid module";
        let compiled = match encode(module) {
            Encoded::Binary(bytes) => self.compile(&bytes),
            Encoded::Malformed(message) => return Err(Mismatch::new(expected, message)),
        };
        let module = compiled.map_err(|error| Mismatch::new(expected, error_text(&error)))?;
        if let Some(id) = id {
            self.definitions.insert(id.name().to_owned(), module.clone());
        }
        self.last_definition = Some(module.clone());
        Ok(module)
    }

    fn instantiate_as(&mut self, id: Option<Id<'_>>, module: &Module) -> Result<Outcome, Mismatch> {
        let instance = self.instantiate(module).map_err(|error| {
            Mismatch::new("a module that can be instantiated", error_text(&error))
        })?;
        self.current = Some(instance);
        if let Some(id) = id {
            self.instances.insert(id.name().to_owned(), instance);
        }
        Ok(Outcome::Passed)
    }

    fn register(&mut self, name: &str, id: Option<Id<'_>>) -> Result<Outcome, Mismatch> {
        let instance = self.instance(id).map_err(|found| Mismatch::new("an instance", found))?;
        if self.registered.insert(name.to_owned(), instance).is_some() {
            self.linker = self.spectest.clone();
            let others: Vec<_> =
                self.registered.iter().map(|(name, instance)| (name.clone(), *instance)).collect();
            for (name, instance) in others {
                self.link(&name, instance)?;
            }
        } else {
            self.link(name, instance)?;
        }
        Ok(Outcome::Passed)
    }

    fn link(&mut self, name: &str, instance: Instance) -> Result<(), Mismatch> {
        match self.linker.instance(&mut self.store, name, instance) {
            Ok(_) => Ok(()),
            Err(error) => {
                Err(Mismatch::new(format!("an instance as `{name}`"), error_text(&error)))
            }
        }
    }

    /// An action that nothing is asserted of: it has to end without an error.
    fn action(&mut self, action: WastExecute<'_>) -> Result<Outcome, Mismatch> {
        match self.execute(action) {
            Ok(_) => Ok(Outcome::Passed),
            Err(stopped) => Err(Mismatch::new("an action that returns", stopped_text(&stopped))),
        }
    }

    /// Compiles as the options say.
    pub(crate) fn compile(&self, bytes: &[u8]) -> wrun_runtime::Result<Module> {
        (self.options.compile)(&self.engine, bytes)
    }

    pub(crate) fn instantiate(&mut self, module: &Module) -> wrun_runtime::Result<Instance> {
        self.linker.instantiate(&mut self.store, module)
    }
}
