//! [`WasiCtx`]: all that a guest may see of the world, and the builder that decides it.

use crate::host::{Clocks, Descriptor, DirAccess, HostDir, Socket, Stream, Table};
use crate::strings::Strings;
use std::ffi::OsStr;
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// All that a guest may see of the world, and its open descriptors.
///
/// One context serves one guest. [`WasiCtx::builder`] makes it; [`add_to_linker`](crate::add_to_linker) says how to
/// find it.
///
/// A clone is the same context once more, for another thread of the same guest: what one thread opens, all have.
#[derive(Clone)]
pub struct WasiCtx {
    /// The descriptors. Clones share them.
    pub(crate) table: Arc<Table>,
    pub(crate) args: Arc<Strings>,
    pub(crate) environ: Arc<Strings>,
    pub(crate) clocks: Clocks,
}

impl WasiCtx {
    /// A builder whose guest has no arguments, no variables, no directories, an empty input, and outputs that lead
    /// nowhere.
    pub fn builder() -> WasiCtxBuilder {
        WasiCtxBuilder::new()
    }
}

impl std::fmt::Debug for WasiCtx {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WasiCtx")
            .field("args", &self.args)
            .field("environ", &self.environ)
            .finish_non_exhaustive()
    }
}

/// Why a directory cannot be given to a guest.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PreopenError {
    /// There is nothing of that name.
    #[error("the directory `{}` does not exist", .0.display())]
    Missing(PathBuf),
    /// It is a file, or something else.
    #[error("`{}` is not a directory", .0.display())]
    NotADirectory(PathBuf),
    /// It is there and cannot be opened.
    #[error("cannot open the directory `{}`", .path.display())]
    Open {
        /// The directory.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
}

/// Decides what a guest sees: see [`WasiCtx::builder`].
#[derive(Default)]
pub struct WasiCtxBuilder {
    args: Strings,
    environ: Strings,
    stdin: Stream,
    stdout: Stream,
    stderr: Stream,
    dirs: Vec<(HostDir, String)>,
    listeners: Vec<TcpListener>,
}

impl WasiCtxBuilder {
    /// The same as [`WasiCtx::builder`].
    pub fn new() -> WasiCtxBuilder {
        WasiCtxBuilder::default()
    }

    /// Adds an argument; the first one is the program's name.
    pub fn arg(&mut self, arg: impl AsRef<OsStr>) -> &mut Self {
        self.args.push(arg.as_ref().as_bytes());
        self
    }

    /// Adds arguments.
    pub fn args(&mut self, args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> &mut Self {
        for arg in args {
            self.arg(arg);
        }
        self
    }

    /// Sets an environment variable, in the place of an earlier one of that name.
    pub fn env(&mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> &mut Self {
        let mut variable = name.as_ref().as_bytes().to_vec();
        variable.push(b'=');
        self.environ.remove_prefixed(&variable);
        variable.extend_from_slice(value.as_ref().as_bytes());
        self.environ.push(variable);
        self
    }

    /// Gives the guest all environment variables of this process.
    pub fn inherit_env(&mut self) -> &mut Self {
        for (name, value) in std::env::vars_os() {
            self.env(name, value);
        }
        self
    }

    /// Gives the guest this process's standard input.
    pub fn inherit_stdin(&mut self) -> &mut Self {
        self.stdin = Stream::inherited(rustix::stdio::stdin());
        self
    }

    /// Gives the guest this process's standard output. What it writes is not buffered.
    pub fn inherit_stdout(&mut self) -> &mut Self {
        self.stdout = Stream::inherited(rustix::stdio::stdout());
        self
    }

    /// Gives the guest this process's standard error.
    pub fn inherit_stderr(&mut self) -> &mut Self {
        self.stderr = Stream::inherited(rustix::stdio::stderr());
        self
    }

    /// Gives the guest all three of this process's standard streams.
    pub fn inherit_stdio(&mut self) -> &mut Self {
        self.inherit_stdin().inherit_stdout().inherit_stderr()
    }

    /// Makes a file, a pipe or a socket the guest's standard input.
    pub fn stdin(&mut self, stream: impl Into<OwnedFd>) -> &mut Self {
        self.stdin = Stream::owned(stream.into());
        self
    }

    /// Makes a file, a pipe or a socket the guest's standard output.
    pub fn stdout(&mut self, stream: impl Into<OwnedFd>) -> &mut Self {
        self.stdout = Stream::owned(stream.into());
        self
    }

    /// Makes a file, a pipe or a socket the guest's standard error.
    pub fn stderr(&mut self, stream: impl Into<OwnedFd>) -> &mut Self {
        self.stderr = Stream::owned(stream.into());
        self
    }

    /// Gives the guest the directory `host_path` and all beneath it under the name `guest_path`.
    ///
    /// The guest does not get out of it, whatever it names and whatever symbolic links say. A read-only directory
    /// inside another one that is not remains writable by way of the other.
    ///
    /// # Errors
    /// [`PreopenError`] when it is missing, is not a directory, or cannot be opened.
    pub fn preopened_dir(
        &mut self,
        host_path: impl AsRef<Path>,
        guest_path: impl Into<String>,
        access: DirAccess,
    ) -> Result<&mut Self, PreopenError> {
        let dir = HostDir::open_ambient(host_path.as_ref(), access)?;
        self.dirs.push((dir, guest_path.into()));
        Ok(self)
    }

    /// Gives the guest a listening socket, as the next descriptor behind the directories.
    pub fn listener(&mut self, listener: TcpListener) -> &mut Self {
        self.listeners.push(listener);
        self
    }

    /// The context; the builder is as new.
    ///
    /// # Panics
    /// With more directories and sockets than a 32-bit number can count.
    pub fn build(&mut self) -> WasiCtx {
        let WasiCtxBuilder { args, environ, stdin, stdout, stderr, dirs, listeners } =
            std::mem::take(self);
        let streams =
            [Descriptor::input(stdin), Descriptor::output(stdout), Descriptor::output(stderr)];
        let dirs = dirs.into_iter().map(|(dir, name)| Descriptor::preopened(dir, name));
        let listeners = listeners.into_iter().map(|listener| Socket::listener(listener.into()));
        let table = Table::default();
        for descriptor in streams.into_iter().chain(dirs).chain(listeners.map(Descriptor::socket)) {
            table.insert(descriptor).expect("a new table has room");
        }
        WasiCtx {
            table: Arc::new(table),
            args: Arc::new(args),
            environ: Arc::new(environ),
            clocks: Clocks::new(),
        }
    }
}

impl std::fmt::Debug for WasiCtxBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WasiCtxBuilder")
            .field("args", &self.args)
            .field("environ", &self.environ)
            .finish_non_exhaustive()
    }
}
