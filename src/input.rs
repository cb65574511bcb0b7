//! The file that is to be run: found, read, and told apart by its content, never by its name.

use std::{
    ffi::OsStr,
    fs::File,
    io::{self, Read, Seek},
    path::{Path, PathBuf},
};

use crate::{diagnosis, exit::Exit, render::Failure, script};

/// First bytes of a module in the binary format, with its version: no component begins so, and no script.
const MODULE_MAGIC: &[u8] = b"\0asm\x01\0\0\0";

/// First bytes of a module in the binary format, and of a component.
const WASM_MAGIC: &[u8] = b"\0asm";

/// What tells a component from a module: the half word behind the version.
const COMPONENT_LAYER: [u8; 2] = [1, 0];

/// What a file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A module in the binary format, whole or not.
    Binary,
    /// A module in the text format, or what somebody took for one.
    Text,
    /// An image, ours or not.
    Image,
    /// A component.
    Component,
}

/// A file that may be run.
#[derive(Debug)]
pub(crate) struct Input {
    pub(crate) name: String,
    pub(crate) kind: Kind,
    pub(crate) is_script: bool,
    pub(crate) data: Data,
}

/// Where the bytes are.
#[derive(Debug)]
pub(crate) enum Data {
    /// Here. Of a script, those behind its first line.
    Bytes(Vec<u8>),
    /// Still in the file, which is an image and will be mapped.
    Image(PathBuf),
    /// Still in the file, which is a module: one that is found in the cache need not be read.
    Module(File),
}

impl Input {
    /// Opens the file at `path`, or standard input for `-`, and looks at what it holds.
    ///
    /// # Errors
    /// When there is no such file, it cannot be read, or it is nothing that could be run.
    pub(crate) fn open(path: &OsStr) -> Result<Self, Failure> {
        if path == "-" {
            let mut bytes = Vec::new();
            let name = "standard input".to_owned();
            io::stdin()
                .lock()
                .read_to_end(&mut bytes)
                .map_err(|error| unreadable(&name, &error))?;
            return Self::from_bytes(name, bytes);
        }
        let path = Path::new(path);
        let name = format!("`{}`", path.display());
        let data = Self::read(path, &name).map_err(|error| unreadable(&name, &error))?;
        let kind = match data {
            Data::Bytes(bytes) => return Self::from_bytes(name, bytes),
            Data::Image(_) => Kind::Image,
            Data::Module(_) => Kind::Binary,
        };
        Ok(Self { name, kind, is_script: false, data })
    }

    /// The bytes of a file, unless its first ones say that they may not be needed.
    fn read(path: &Path, name: &str) -> io::Result<Data> {
        let mut file = File::open(path)?;
        let metadata = file.metadata()?;
        if metadata.is_dir() {
            return Err(io::Error::new(
                io::ErrorKind::IsADirectory,
                format!("{name} is a directory"),
            ));
        }
        let mut bytes = Vec::new();
        (&mut file).take(MODULE_MAGIC.len() as u64).read_to_end(&mut bytes)?;
        if metadata.is_file() && wrun_module::image::Image::is_image(&bytes) {
            return Ok(Data::Image(path.into()));
        }
        if metadata.is_file() && bytes == MODULE_MAGIC {
            return Ok(Data::Module(file));
        }
        file.read_to_end(&mut bytes)?;
        Ok(Data::Bytes(bytes))
    }

    fn from_bytes(name: String, bytes: Vec<u8>) -> Result<Self, Failure> {
        if bytes.is_empty() {
            return Err(Failure::new(Exit::CannotRun, format!("{name} is empty"))
                .hint("a module is expected, in the binary or the text format; the smallest is `(module)`"));
        }
        let is_script = script::is_script(&bytes);
        let bytes = script::module(bytes);
        let Some(kind) = kind_of(&bytes) else {
            return Err(Failure::new(Exit::CannotRun, format!("{name} is no WebAssembly"))
                .cause("it is neither text nor begins with the bytes 00 61 73 6d of a module"));
        };
        Ok(Self { name, kind, is_script, data: Data::Bytes(bytes) })
    }

    /// The name for messages, with its quotes.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// What it holds.
    pub(crate) fn kind(&self) -> Kind {
        self.kind
    }

    /// Whether its first line begins with `#!`.
    pub(crate) fn is_script(&self) -> bool {
        self.is_script
    }

    /// The bytes as they are in the file, but without the first line of a script.
    ///
    /// # Errors
    /// When the file cannot be read any more.
    pub(crate) fn into_bytes(self) -> Result<Vec<u8>, Failure> {
        let bytes = match self.data {
            Data::Bytes(bytes) => return Ok(bytes),
            Data::Image(path) => std::fs::read(path),
            Data::Module(file) => read_whole(file),
        };
        bytes.map_err(|error| unreadable(&self.name, &error))
    }

    /// The module in the binary format; text is translated.
    ///
    /// # Errors
    /// When the text has a mistake, or the input is an image or a component.
    pub(crate) fn into_binary(self) -> Result<Vec<u8>, Failure> {
        match (self.kind, self.data) {
            (Kind::Binary, data) => Self { data, ..self }.into_bytes(),
            (Kind::Text, Data::Bytes(bytes)) => {
                let name = self.name.trim_matches('`');
                let binary = wat::Parser::new().parse_bytes(Some(Path::new(name)), &bytes);
                let binary = binary.map_err(|error| {
                    Failure::new(
                        Exit::CannotRun,
                        format!("{} is not a module in the text format", self.name),
                    )
                    .cause(error.to_string())
                })?;
                // The text format can describe components too.
                if kind_of(&binary) == Some(Kind::Component) {
                    return Err(diagnosis::component(&self.name));
                }
                Ok(binary.into_owned())
            }
            (Kind::Component, _) => Err(diagnosis::component(&self.name)),
            _ => Err(Failure::new(Exit::CannotRun, format!("{} is compiled already", self.name))
                .hint(format!("run it as it is: `wrun {}`", self.name.trim_matches('`')))),
        }
    }
}

/// All bytes of an open file.
fn read_whole(mut file: File) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.rewind()?;
    file.read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// What bytes hold, by the first of them; nothing when they can be nothing that runs.
fn kind_of(bytes: &[u8]) -> Option<Kind> {
    if wrun_module::image::Image::is_image(bytes) {
        return Some(Kind::Image);
    }
    if bytes.starts_with(WASM_MAGIC) && bytes.get(6..8) == Some(&COMPONENT_LAYER) {
        return Some(Kind::Component);
    }
    // A module that is cut off within its first bytes is still no text.
    if bytes.starts_with(WASM_MAGIC) || (!bytes.is_empty() && WASM_MAGIC.starts_with(bytes)) {
        return Some(Kind::Binary);
    }
    // A zero byte is UTF-8, and in no text.
    (std::str::from_utf8(bytes).is_ok() && !bytes.contains(&0)).then_some(Kind::Text)
}

/// The failure for a file that cannot be read.
pub(crate) fn unreadable(name: &str, error: &io::Error) -> Failure {
    let exit = diagnosis::exit_of_io(error);
    let failure = Failure::new(exit, format!("cannot read {name}"));
    match error.kind() {
        io::ErrorKind::NotFound => {
            let failure = failure.cause("there is no such file");
            // A single word was more likely meant as a subcommand.
            if name.contains(['/', '.']) {
                failure
            } else {
                failure.hint("`wrun --help` lists the subcommands")
            }
        }
        io::ErrorKind::IsADirectory => failure.cause("it is a directory"),
        _ => failure.cause(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::{Kind, kind_of};

    #[test]
    fn content_tells_the_kind() {
        assert_eq!(kind_of(b"\0asm\x01\0\0\0"), Some(Kind::Binary));
        assert_eq!(kind_of(b"\0a"), Some(Kind::Binary));
        assert_eq!(kind_of(b"\0asm\x0d\0\x01\0"), Some(Kind::Component));
        assert_eq!(kind_of(b"\x7fELF"), Some(Kind::Image));
        assert_eq!(kind_of(b"(module)"), Some(Kind::Text));
        assert_eq!(kind_of(b"\xff\xfe"), None);
        assert_eq!(kind_of(b"a\0b"), None);
    }
}
