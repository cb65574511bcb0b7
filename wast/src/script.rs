//! From the text of a script to its directives, each with the position of its opening parenthesis.
//!
//! The `wast` crate knows every directive but `get` as an action of its own, which the reference interpreter's
//! grammar allows; it is added here.

use wast::{
    QuoteWat, WastDirective, WastExecute, Wat, kw,
    lexer::Lexer,
    parser::{self, Cursor, Parse, ParseBuffer, Parser, Peek},
    token::Span,
};

use crate::Position;

/// Annotations that the text format gives a meaning to; all others are comments.
const ANNOTATIONS: [&str; 5] =
    ["custom", "producers", "name", "dylink.0", "metadata.code.branch_hint"];

/// A script, read to its end.
#[derive(Debug)]
pub(crate) struct Script<'a> {
    pub(crate) commands: Vec<Command<'a>>,
}

/// One step of a script.
#[derive(Debug)]
pub(crate) struct Command<'a> {
    /// Where it begins.
    pub(crate) span: Span,
    pub(crate) kind: CommandKind<'a>,
}

/// What a step does.
#[derive(Debug)]
pub(crate) enum CommandKind<'a> {
    /// A directive of the `wast` crate's.
    Directive(WastDirective<'a>),
    /// `get` that nothing is asserted of.
    Get(WastExecute<'a>),
}

/// Splits a text into tokens, which [`Script`] is parsed from.
///
/// # Errors
/// When the text is not made of tokens.
pub(crate) fn tokens(text: &str) -> parser::Result<ParseBuffer<'_>> {
    let mut lexer = Lexer::new(text);
    // The suite has names with every kind of character, on purpose.
    lexer.allow_confusing_unicode(true);
    ParseBuffer::new_with_lexer(lexer)
}

/// Line and column of a place in a text, both counted from one.
pub(crate) fn position(span: Span, text: &str) -> Position {
    let (line, column) = span.linecol_in(text);
    Position { line: line + 1, column: column + 1 }
}

impl<'a> Parse<'a> for Script<'a> {
    fn parse(parser: Parser<'a>) -> parser::Result<Self> {
        if !parser.is_empty() && !parser.peek2::<CommandKeyword>()? {
            // The fields of one module, without `(module …)` around them.
            let span = parser.cur_span();
            let module = QuoteWat::Wat(parser.parse::<Wat<'_>>()?);
            let kind = CommandKind::Directive(WastDirective::Module(module));
            return Ok(Self { commands: vec![Command { span, kind }] });
        }
        let _registered = ANNOTATIONS.map(|name| parser.register_annotation(name));
        let mut commands = Vec::new();
        while !parser.is_empty() {
            let span = parser.cur_span();
            let kind = parser.parens(|parser| {
                if parser.peek::<kw::get>()? {
                    Ok(CommandKind::Get(parser.parse()?))
                } else {
                    Ok(CommandKind::Directive(parser.parse()?))
                }
            })?;
            commands.push(Command { span, kind });
        }
        Ok(Self { commands })
    }
}

/// The first word of a command, as opposed to that of a module's field.
struct CommandKeyword;

impl Peek for CommandKeyword {
    fn peek(cursor: Cursor<'_>) -> parser::Result<bool> {
        let words = ["module", "component", "register", "invoke", "get", "thread", "wait"];
        Ok(cursor
            .keyword()?
            .is_some_and(|(word, _)| word.starts_with("assert_") || words.contains(&word)))
    }

    fn display() -> &'static str {
        "a directive"
    }
}

#[cfg(test)]
mod tests {
    use wast::{WastDirective, parser};

    use super::{CommandKind, Script, position, tokens};
    use crate::Position;

    #[test]
    fn positions_are_those_of_the_parentheses() {
        let text = "(module)\n;; a comment\n  (assert_return\n (invoke \"f\"))";
        let buffer = tokens(text).unwrap();
        let script: Script<'_> = parser::parse(&buffer).unwrap();
        let at: Vec<_> = script.commands.iter().map(|it| position(it.span, text)).collect();
        assert_eq!(at, [Position { line: 1, column: 1 }, Position { line: 3, column: 3 }]);
    }

    #[test]
    fn fields_alone_are_one_module() {
        let buffer = tokens("(func) (memory 1)").unwrap();
        let script: Script<'_> = parser::parse(&buffer).unwrap();
        assert!(matches!(
            script.commands[..],
            [super::Command { kind: CommandKind::Directive(WastDirective::Module(_)), .. }]
        ));
    }

    #[test]
    fn an_action_may_stand_alone() {
        let buffer = tokens("(get \"g\") (invoke \"f\")").unwrap();
        let script: Script<'_> = parser::parse(&buffer).unwrap();
        assert!(matches!(script.commands[0].kind, CommandKind::Get(_)));
        assert_eq!(script.commands.len(), 2);
    }

    #[test]
    fn unknown_directives_are_errors_with_a_position() {
        let text = "(module)\n (assert_nothing)";
        let buffer = tokens(text).unwrap();
        let error = parser::parse::<Script<'_>>(&buffer).unwrap_err();
        assert_eq!(position(error.span(), text), Position { line: 2, column: 3 });
    }
}
