//! [`Error`]: the one error of the crate, the size of a pointer; what happened is in its [`ErrorKind`].

use std::{fmt, io, path::PathBuf};

use wrun_module::{CompileError, ParseError, TrapCode, image::ImageError};

use crate::{Exception, LinkError, Trap, WasmBacktrace};

/// A result whose error is [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why something could not be done, or how a program ended.
pub struct Error(Box<Inner>);

struct Inner {
    kind: ErrorKind,
    /// What was being done, outermost last.
    context: Vec<String>,
    /// Where the program was, for errors of host functions; traps have their own.
    backtrace: Option<WasmBacktrace>,
}

/// What happened.
#[derive(Debug)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The text format could not be read. Its text shows the line and the place in it.
    #[cfg(feature = "wat")]
    Text(wat::Error),
    /// The bytes are no module that can be run.
    Parse(ParseError),
    /// The module could not be compiled.
    Compile(CompileError),
    /// The compiler is not built in.
    NoCompiler,
    /// An image could not be loaded.
    Image(ImageError),
    /// A file could not be read.
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// What a module imports is not there or not as it expects.
    Link(LinkError),
    /// The program did what is not allowed.
    Trap(Trap),
    /// The program threw an exception, and nobody in it caught it.
    Exception(Exception),
    /// The program ended itself, with this code.
    Exit(i32),
    /// A value or function is not of the type that was asked for.
    Type(TypeMismatch),
    /// A limit of the store, of the engine or of the system is reached.
    Limit(String),
    /// Something was asked for that is not possible.
    Usage(String),
    /// A host function failed.
    Host(Box<dyn std::error::Error + Send + Sync>),
}

/// Something is not of the type that was asked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("type mismatch of {what}: expected {expected}, found {found}")]
pub struct TypeMismatch {
    /// What it is about.
    pub what: String,
    /// What it should be.
    pub expected: String,
    /// What it is.
    pub found: String,
}

impl TypeMismatch {
    #[cold]
    pub(crate) fn new(what: String, expected: &dyn fmt::Display, found: &dyn fmt::Display) -> Self {
        Self { what, expected: expected.to_string(), found: found.to_string() }
    }

    #[cold]
    pub(crate) fn count(what: &str, expected: usize, found: usize) -> Self {
        Self::new(format!("the number of {what}"), &expected, &found)
    }
}

impl Error {
    #[cold]
    pub(crate) fn of_kind(kind: ErrorKind) -> Self {
        Self(Box::new(Inner { kind, context: Vec::new(), backtrace: None }))
    }

    /// The program ends itself, with a code for the system. A host function that gives it ends the program without a trap.
    pub fn exit(code: i32) -> Self {
        Self::of_kind(ErrorKind::Exit(code))
    }

    /// The failure of a host function, from an error or a text.
    pub fn host(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::of_kind(ErrorKind::Host(error.into()))
    }

    pub(crate) fn limit(what: String) -> Self {
        Self::of_kind(ErrorKind::Limit(what))
    }

    pub(crate) fn usage(what: String) -> Self {
        Self::of_kind(ErrorKind::Usage(what))
    }

    pub(crate) fn stack(error: io::Error) -> Self {
        Self::limit(format!("cannot allocate a stack: {error}"))
    }

    pub(crate) fn file(path: impl Into<PathBuf>, source: io::Error) -> Self {
        Self::of_kind(ErrorKind::File { path: path.into(), source })
    }

    #[cfg_attr(feature = "cranelift", allow(dead_code, reason = "without a compiler only"))]
    pub(crate) fn no_compiler() -> Self {
        Self::of_kind(ErrorKind::NoCompiler)
    }

    /// Says what was being done; shown before all else.
    pub fn context(mut self, what: impl fmt::Display) -> Self {
        self.0.context.push(what.to_string());
        self
    }

    /// Adds where the program was, when that is not known yet and of use.
    pub(crate) fn with_backtrace(mut self, backtrace: impl FnOnce() -> WasmBacktrace) -> Self {
        match &mut self.0.kind {
            ErrorKind::Exit(_) => {}
            ErrorKind::Trap(trap) => trap.locate(backtrace),
            _ if self.0.backtrace.is_none() => self.0.backtrace = Some(backtrace()),
            _ => {}
        }
        self
    }

    /// What happened.
    pub fn kind(&self) -> &ErrorKind {
        &self.0.kind
    }

    /// The code that the program ended itself with, if it did.
    pub fn exit_code(&self) -> Option<i32> {
        match self.0.kind {
            ErrorKind::Exit(code) => Some(code),
            _ => None,
        }
    }

    /// The trap, if it is one.
    pub fn trap(&self) -> Option<&Trap> {
        match &self.0.kind {
            ErrorKind::Trap(trap) => Some(trap),
            _ => None,
        }
    }

    /// The exception, if it is one that nobody has caught.
    pub fn exception(&self) -> Option<&Exception> {
        match &self.0.kind {
            ErrorKind::Exception(exception) => Some(exception),
            _ => None,
        }
    }

    /// Where the program was, if it ran.
    pub fn backtrace(&self) -> Option<&WasmBacktrace> {
        self.trap().map(Trap::backtrace).or(self.0.backtrace.as_ref())
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            #[cfg(feature = "wat")]
            ErrorKind::Text(error) => error.fmt(f),
            ErrorKind::Parse(error) => error.fmt(f),
            ErrorKind::Compile(error) => error.fmt(f),
            ErrorKind::NoCompiler => f.write_str("this build has no compiler and only runs images"),
            ErrorKind::Image(error) => error.fmt(f),
            ErrorKind::File { path, .. } => write!(f, "cannot read `{}`", path.display()),
            ErrorKind::Link(error) => error.fmt(f),
            ErrorKind::Trap(trap) => trap.fmt(f),
            ErrorKind::Exception(exception) => exception.fmt(f),
            ErrorKind::Exit(code) => write!(f, "the program ended itself with code {code}"),
            ErrorKind::Type(error) => error.fmt(f),
            ErrorKind::Limit(text) | ErrorKind::Usage(text) => f.write_str(text),
            ErrorKind::Host(error) => error.fmt(f),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for what in self.0.context.iter().rev() {
            write!(f, "{what}: ")?;
        }
        self.0.kind.fmt(f)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")?;
        let mut source = std::error::Error::source(self);
        while let Some(cause) = source {
            write!(f, "\ncaused by: {cause}")?;
            source = cause.source();
        }
        match self.backtrace() {
            Some(backtrace) if !backtrace.frames().is_empty() => write!(f, "\n{backtrace}"),
            _ => Ok(()),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        // The text of every kind is that of the error in it, so what follows is that error's own source.
        match &self.0.kind {
            #[cfg(feature = "wat")]
            ErrorKind::Text(error) => error.source(),
            ErrorKind::Parse(error) => error.source(),
            ErrorKind::Compile(error) => error.source(),
            ErrorKind::Image(error) => error.source(),
            ErrorKind::File { source, .. } => Some(source),
            ErrorKind::Host(error) => error.source(),
            _ => None,
        }
    }
}

macro_rules! error_from {
    ($($source:ty => $kind:ident;)*) => {
        $(
            impl From<$source> for Error {
                #[cold]
                fn from(error: $source) -> Self {
                    Self::of_kind(ErrorKind::$kind(error))
                }
            }
        )*
    };
}

error_from! {
    ParseError => Parse;
    CompileError => Compile;
    ImageError => Image;
    LinkError => Link;
    Trap => Trap;
    TypeMismatch => Type;
}

#[cfg(feature = "wat")]
impl From<wat::Error> for Error {
    fn from(error: wat::Error) -> Self {
        Self::of_kind(ErrorKind::Text(error))
    }
}

impl From<TrapCode> for Error {
    fn from(code: TrapCode) -> Self {
        Trap::from(code).into()
    }
}

/// The failure of a host function.
impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        Self::host(error)
    }
}

/// The failure of a host function.
impl From<crate::MemoryAccessError> for Error {
    fn from(error: crate::MemoryAccessError) -> Self {
        Self::host(error)
    }
}

const _: () = assert!(size_of::<Error>() == size_of::<usize>());
