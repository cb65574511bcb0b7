//! Actions: what a script does with an instance, and why it may come to nothing.

use wast::{WastExecute, WastInvoke, token::Id};
use wrun_runtime::{Error, Instance, Val};

use crate::{encode::encode_wat, run::Runner, value};

/// Why an action has no results.
pub(crate) enum Stopped {
    /// The engine stopped it.
    Error(Error),
    /// It cannot be done at all: there is no such instance, export or value.
    Impossible(String),
}

impl From<Error> for Stopped {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

impl Runner<'_> {
    /// Performs an action; the instantiation of a module has no results.
    pub(crate) fn execute(&mut self, action: WastExecute<'_>) -> Result<Vec<Val>, Stopped> {
        match action {
            WastExecute::Invoke(invoke) => self.invoke(&invoke),
            WastExecute::Get { module, global, .. } => self.get(module, global),
            WastExecute::Wat(module) => {
                let bytes = encode_wat(module).map_err(Stopped::Impossible)?;
                let module = self.compile(&bytes)?;
                self.instantiate(&module)?;
                Ok(Vec::new())
            }
        }
    }

    pub(crate) fn invoke(&mut self, invoke: &WastInvoke<'_>) -> Result<Vec<Val>, Stopped> {
        let instance = self.instance(invoke.module).map_err(Stopped::Impossible)?;
        let Some(func) = instance.get_func(&mut self.store, invoke.name) else {
            return Err(Stopped::Impossible(format!("no exported function `{}`", invoke.name)));
        };
        let args: Result<Vec<_>, _> =
            invoke.args.iter().map(|arg| value::argument(&mut self.store, arg)).collect();
        let args = args.map_err(Stopped::Impossible)?;
        let mut results = vec![Val::I32(0); func.ty(&self.store).results().len()];
        func.call(&mut self.store, &args, &mut results)?;
        Ok(results)
    }

    fn get(&mut self, id: Option<Id<'_>>, name: &str) -> Result<Vec<Val>, Stopped> {
        let instance = self.instance(id).map_err(Stopped::Impossible)?;
        match instance.get_global(&mut self.store, name) {
            Some(global) => Ok(vec![global.get(&mut self.store)]),
            None => Err(Stopped::Impossible(format!("no exported global `{name}`"))),
        }
    }

    /// The instance of a name, or the current one.
    pub(crate) fn instance(&self, id: Option<Id<'_>>) -> Result<Instance, String> {
        match id {
            Some(id) => self
                .instances
                .get(id.name())
                .copied()
                .ok_or_else(|| format!("no instance called `${}`", id.name())),
            None => self.current.ok_or_else(|| "no current instance".to_owned()),
        }
    }
}

/// What the engine says, with the kind of a trap made plain.
pub(crate) fn error_text(error: &Error) -> String {
    match error.trap() {
        Some(trap) => format!("trap `{}`", trap.code()),
        None => error.to_string(),
    }
}

pub(crate) fn stopped_text(stopped: &Stopped) -> String {
    match stopped {
        Stopped::Error(error) => error_text(error),
        Stopped::Impossible(reason) => reason.clone(),
    }
}
