//! The modules of scripts, in any of their forms, to the binary format.

use wast::{QuoteWat, QuoteWatTest, Wat, parser};

use crate::script::tokens;

/// How far the text of a module gets.
pub(crate) enum Encoded {
    /// It is a module in the binary format; not yet validated.
    Binary(Vec<u8>),
    /// It is no text of a module: what is wrong with it.
    Malformed(String),
}

/// The binary format of a module that a script gives in any form.
pub(crate) fn encode(mut module: QuoteWat<'_>) -> Encoded {
    let result = match module.to_test() {
        Ok(QuoteWatTest::Binary(bytes)) => Ok(bytes),
        Ok(QuoteWatTest::Text(text)) => encode_text(&text),
        Err(error) => Err(error.message()),
    };
    match result {
        Ok(bytes) => Encoded::Binary(bytes),
        Err(message) => Encoded::Malformed(message),
    }
}

fn encode_text(text: &[u8]) -> Result<Vec<u8>, String> {
    let text = std::str::from_utf8(text).map_err(|_| "malformed UTF-8 encoding".to_owned())?;
    let encode = || {
        let buffer = tokens(text)?;
        parser::parse::<Wat<'_>>(&buffer)?.encode()
    };
    encode().map_err(|error: wast::Error| error.message())
}

pub(crate) fn encode_wat(mut module: Wat<'_>) -> Result<Vec<u8>, String> {
    module.encode().map_err(|error| error.message())
}
