//! From the bytes of the binary format to a [`ParsedModule`], or a refusal.
//!
//! One pass over the sections feeds each payload to the validator and, once valid, to [`sections`]. Function bodies
//! are collected on the way and validated afterwards, in parallel when there is enough to share. Nothing invalid
//! leaves this module.

mod convert;
mod names;
mod sections;

use std::time::Instant;

use rayon::prelude::*;
use tracing::{debug, debug_span};
use wasmparser::{
    FuncToValidate, FuncValidatorAllocations, FunctionBody, Parser, Payload, ValidPayload,
    Validator, ValidatorResources, WasmFeatures,
};

use crate::{Features, ParsedModule};

/// Below this many bytes of code, threads cost more than they bring: validating takes about 10 ns a byte.
const PARALLEL_FROM: u64 = 128 * 1024;

/// Why bytes are not a module that can be run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ParseError {
    /// The bytes are no valid module, whatever features are on.
    #[error("{message} (at offset {offset:#x})")]
    Invalid {
        /// Where, in bytes from the start.
        offset: u64,
        /// What is wrong, without a position.
        message: String,
    },
    /// The module is valid, and uses a proposal that is switched off or not implemented.
    #[error("{message} (at offset {offset:#x}): the module needs the `{proposal}` proposal, {}",
        if *.implemented { "which is switched off" } else { "which is not implemented" })]
    Unsupported {
        /// Name of the proposal.
        proposal: &'static str,
        /// Whether the engine has it, so that it could be switched on.
        implemented: bool,
        /// Where its first use was met.
        offset: u64,
        /// What the validator said there.
        message: String,
    },
    /// The bytes are a component, not a module.
    #[error("this is a component, and only modules can be run")]
    Component,
}

/// Parses and validates a module.
///
/// # Errors
/// When the bytes are no module in the binary format, are invalid, or need a feature outside `features`.
pub fn parse(
    bytes: &[u8],
    features: Features,
) -> std::result::Result<ParsedModule<'_>, ParseError> {
    if Parser::is_component(bytes) {
        return Err(ParseError::Component);
    }
    let flags = features.to_wasmparser();
    parse_with(bytes, flags).map_err(|error| explain(bytes, features, &error))
}

/// What stops the parsing, before it is known why.
#[derive(Debug)]
enum Failure {
    /// The parser or the validator refused.
    Invalid(wasmparser::Error),
    /// Validation let through what this crate has no type for: its feature set and `convert` disagree.
    Unknown { what: &'static str, offset: u64 },
}

type Result<T> = std::result::Result<T, Failure>;

impl From<wasmparser::Error> for Failure {
    fn from(error: wasmparser::Error) -> Self {
        Self::Invalid(error)
    }
}

fn parse_with(bytes: &[u8], flags: WasmFeatures) -> Result<ParsedModule<'_>> {
    let mut validator = Validator::new_with_features(flags);
    let mut builder = sections::Builder::default();
    let mut to_validate = Vec::new();
    {
        let _span = debug_span!("parse").entered();
        let start = Instant::now();
        // Some encodings depend on features: without 64-bit memories the limits are 32-bit numbers.
        let mut parser = Parser::new(0);
        parser.set_features(flags);
        for payload in parser.parse_all(bytes) {
            let payload = payload?;
            if let ValidPayload::Func(func, body) = validator.payload(&payload)? {
                to_validate.push((func, body.clone()));
            }
            match payload {
                Payload::CodeSectionEntry(body) => builder.bodies.push(body),
                payload => builder.payload(payload)?,
            }
        }
        debug!(elapsed = ?start.elapsed(), bytes = bytes.len(), "parse");
    }
    let tail_calls = {
        let functions = to_validate.len();
        let _span = debug_span!("validate", functions).entered();
        let start = Instant::now();
        let tail_calls = validate_bodies(to_validate)?;
        debug!(elapsed = ?start.elapsed(), functions, "validate");
        tail_calls
    };
    Ok(builder.finish(&tail_calls))
}

type Body<'a> = (FuncToValidate<ValidatorResources>, FunctionBody<'a>);

/// Opcodes of `return_call`, `return_call_indirect` and `return_call_ref`.
const TAIL_CALLS: [u8; 3] = [0x12, 0x13, 0x15];

/// Validates a body and says whether there is a tail call in it.
fn validate_body(
    allocations: FuncValidatorAllocations,
    (func, body): Body<'_>,
) -> wasmparser::Result<(FuncValidatorAllocations, bool)> {
    let features = func.features;
    let mut validator = func.into_validator(allocations);
    let mut reader = body.get_binary_reader();
    validator.read_locals(&mut reader)?;
    reader.set_features(features);
    let (bytes, start) = (body.as_bytes(), body.range().start);
    let mut has_tail_call = false;
    while !reader.eof() {
        let position = reader.original_position();
        // Every instruction begins with its opcode, or with a prefix, which is none of these.
        has_tail_call |= TAIL_CALLS.contains(&bytes[(position - start) as usize]);
        reader.visit_operator(&mut validator.visitor(position))??;
    }
    reader.finish_expression(&validator.visitor(reader.original_position()))?;
    Ok((validator.into_allocations(), has_tail_call))
}

/// Validates function bodies and says for each whether there is a tail call in it. Of several invalid ones the first is
/// reported, so that messages do not depend on how threads are scheduled.
fn validate_bodies(bodies: Vec<Body<'_>>) -> wasmparser::Result<Vec<bool>> {
    let size: u64 = bodies.iter().map(|(_, body)| body.range().end - body.range().start).sum();
    if size < PARALLEL_FROM {
        let mut allocations = FuncValidatorAllocations::default();
        let mut tail_calls = Vec::with_capacity(bodies.len());
        for body in bodies {
            let (reusable, has_tail_call) = validate_body(allocations, body)?;
            allocations = reusable;
            tail_calls.push(has_tail_call);
        }
        return Ok(tail_calls);
    }
    let outcomes: Vec<wasmparser::Result<bool>> = bodies
        .into_par_iter()
        .map_init(FuncValidatorAllocations::default, |allocations, body| {
            let (reusable, has_tail_call) = validate_body(std::mem::take(allocations), body)?;
            *allocations = reusable;
            Ok(has_tail_call)
        })
        .collect();
    // The bodies are in the order of their offsets, so the first error is that of the first invalid one.
    outcomes.into_iter().collect()
}

/// Finds out whether the module would be valid with one more proposal, so that the message can name it.
///
/// Only runs for modules that are refused, so it may take its time.
#[cold]
fn explain(bytes: &[u8], features: Features, failure: &Failure) -> ParseError {
    let (offset, message) = match failure {
        Failure::Invalid(error) => (error.offset(), error.message().to_owned()),
        Failure::Unknown { what, offset } => {
            return ParseError::Invalid { offset: *offset, message: format!("unknown {what}") };
        }
    };
    let valid = |flags| Validator::new_with_features(flags).validate_all(bytes).is_ok();
    let flags = features.to_wasmparser();
    let everything = features.absent().fold(flags, |flags, (_, flag, _)| flags | flag);
    if valid(everything) {
        // Of proposals that build on one another, the one without which nothing helps is the one to name.
        let needed = features.absent().find(|&(_, flag, _)| !valid(everything.difference(flag)));
        let single = features.absent().find(|&(_, flag, _)| valid(flags | flag));
        if let Some((proposal, _, implemented)) = single.or(needed) {
            return ParseError::Unsupported { proposal, implemented, offset, message };
        }
    }
    ParseError::Invalid { offset, message }
}

#[cfg(test)]
mod tests;
