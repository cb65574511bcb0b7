//! The assertions: what each requires, and nothing that is less.

use wast::{QuoteWat, WastExecute, WastInvoke, WastRet, Wat};
use wrun_runtime::{Error, ErrorKind, Module, ParseError, TrapCode};

use crate::{
    action::{Stopped, error_text, stopped_text},
    encode::{Encoded, encode, encode_wat},
    message,
    run::{Mismatch, Outcome, Runner},
    value,
};

impl Runner<'_> {
    /// `assert_return`: the action returns these results.
    pub(crate) fn assert_return(
        &mut self,
        action: WastExecute<'_>,
        results: &[WastRet<'_>],
    ) -> Result<Outcome, Mismatch> {
        let expected = || value::expected_text(results);
        let found = self
            .execute(action)
            .map_err(|stopped| Mismatch::new(expected(), stopped_text(&stopped)))?;
        if value::all_match(&self.store, results, &found) {
            Ok(Outcome::Passed)
        } else {
            Err(Mismatch::new(expected(), value::found_text(&self.store, &found, results)))
        }
    }

    /// `assert_trap`, and of a module `assert_uninstantiable`: the action traps, for this reason.
    pub(crate) fn assert_trap(
        &mut self,
        action: WastExecute<'_>,
        message: &str,
    ) -> Result<Outcome, Mismatch> {
        let is_module = matches!(action, WastExecute::Wat(_));
        let found = match self.execute(action) {
            Err(Stopped::Error(error)) if traps_with(&error, message) => {
                return Ok(Outcome::Passed);
            }
            Err(stopped) => stopped_text(&stopped),
            Ok(_) if is_module => "a module that could be instantiated".to_owned(),
            Ok(results) => value::found_text(&self.store, &results, &[]),
        };
        Err(Mismatch::new(format!("trap `{message}`"), found))
    }

    /// `assert_exception`: the action throws an exception, and nobody catches it.
    pub(crate) fn assert_exception(
        &mut self,
        action: WastExecute<'_>,
    ) -> Result<Outcome, Mismatch> {
        let found = match self.execute(action) {
            Err(Stopped::Error(error)) if error.exception().is_some() => {
                return Ok(Outcome::Passed);
            }
            Err(stopped) => stopped_text(&stopped),
            Ok(results) => value::found_text(&self.store, &results, &[]),
        };
        Err(Mismatch::new("an exception", found))
    }

    /// `assert_exhaustion`: the call uses up the stack.
    pub(crate) fn assert_exhaustion(
        &mut self,
        call: WastInvoke<'_>,
        message: &str,
    ) -> Result<Outcome, Mismatch> {
        let found = match self.invoke(&call) {
            Err(Stopped::Error(error))
                if exhausts_the_stack(&error) && traps_with(&error, message) =>
            {
                return Ok(Outcome::Passed);
            }
            Err(stopped) => stopped_text(&stopped),
            Ok(results) => value::found_text(&self.store, &results, &[]),
        };
        Err(Mismatch::new(format!("exhaustion `{message}`"), found))
    }

    /// `assert_invalid`: a module that validation refuses.
    pub(crate) fn assert_invalid(
        &self,
        module: QuoteWat<'_>,
        message: &str,
    ) -> Result<Outcome, Mismatch> {
        self.assert_refused(module, "an invalid module", message)
    }

    /// `assert_malformed`: text or bytes that are no module. A text is also refused when it is the bytes made of it
    /// that are not accepted: which of the two finds a mistake is not the script's business.
    pub(crate) fn assert_malformed(
        &self,
        module: QuoteWat<'_>,
        message: &str,
    ) -> Result<Outcome, Mismatch> {
        self.assert_refused(module, "a malformed module", message)
    }

    fn assert_refused(
        &self,
        module: QuoteWat<'_>,
        what: &str,
        message: &str,
    ) -> Result<Outcome, Mismatch> {
        let expected = || format!("{what}, `{message}`");
        let found = match encode(module) {
            Encoded::Malformed(found) => found,
            Encoded::Binary(bytes) => match Module::validate(&self.engine, &bytes) {
                Ok(()) => return Err(Mismatch::new(expected(), "a valid module")),
                Err(error) => match refusal(&error) {
                    Some(found) => found,
                    None => return Err(Mismatch::new(expected(), error_text(&error))),
                },
            },
        };
        if self.options.strict_messages && !message::matches(message, &found) {
            return Err(Mismatch::new(expected(), found));
        }
        Ok(Outcome::Passed)
    }

    /// `assert_unlinkable`: a valid module whose imports are not there, or not what it needs.
    pub(crate) fn assert_unlinkable(
        &mut self,
        module: Wat<'_>,
        message: &str,
    ) -> Result<Outcome, Mismatch> {
        let expected = || format!("a module that cannot be linked, `{message}`");
        let bytes = encode_wat(module).map_err(|found| Mismatch::new(expected(), found))?;
        let module =
            self.compile(&bytes).map_err(|error| Mismatch::new(expected(), error_text(&error)))?;
        let error = match self.instantiate(&module) {
            Ok(_) => {
                return Err(Mismatch::new(expected(), "a module that could be instantiated"));
            }
            Err(error) => error,
        };
        let ErrorKind::Link(link) = error.kind() else {
            return Err(Mismatch::new(expected(), error_text(&error)));
        };
        let said = |it: &dyn ToString| message::matches(message, &it.to_string());
        if self.options.strict_messages && !link.problems.iter().any(|it| said(it)) {
            return Err(Mismatch::new(expected(), error_text(&error)));
        }
        Ok(Outcome::Passed)
    }
}

fn traps_with(error: &Error, message: &str) -> bool {
    error.trap().is_some_and(|trap| message::matches(message, trap.code().message()))
}

fn exhausts_the_stack(error: &Error) -> bool {
    error.trap().is_some_and(|trap| trap.code() == TrapCode::StackExhausted)
}

/// What parsing or validation said, without the position; `None` when it was not they who refused the module.
fn refusal(error: &Error) -> Option<String> {
    match error.kind() {
        ErrorKind::Parse(
            ParseError::Invalid { message, .. } | ParseError::Unsupported { message, .. },
        ) => Some(message.clone()),
        ErrorKind::Parse(error) => Some(error.to_string()),
        // Bytes without the magic number of the binary format are taken for text.
        ErrorKind::Text(error) => error.to_string().lines().next().map(str::to_owned),
        _ => None,
    }
}
