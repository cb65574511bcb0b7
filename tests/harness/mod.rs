//! Runs the command as a user does, in a folder of its own, and says all there is to know when it does not do what it
//! should: the command, the folder, the files in it, what was expected and what was found.

#![allow(dead_code, reason = "each test file uses a part of it")]

pub(crate) mod guests;
mod outcome;

use std::{
    ffi::{OsStr, OsString},
    fmt::Write as _,
    fs,
    io::{Read, Write as _},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};

use tempfile::TempDir;

pub(crate) use outcome::Outcome;

/// After this long a command hangs.
const PATIENCE: Duration = Duration::from_secs(240);

/// A folder with files in which commands are run.
pub(crate) struct World {
    folder: TempDir,
    /// The cache of the commands: never that of the user who runs the tests.
    cache: TempDir,
}

impl World {
    /// An empty folder.
    pub(crate) fn new() -> Self {
        let folder = || TempDir::new().expect("a temporary folder");
        Self { folder: folder(), cache: folder() }
    }

    /// The folder with one file.
    pub(crate) fn with(name: &str, content: impl AsRef<[u8]>) -> Self {
        Self::new().file(name, content)
    }

    /// The same with another file; folders on the way to it are made.
    pub(crate) fn file(self, name: &str, content: impl AsRef<[u8]>) -> Self {
        self.write(name, content);
        self
    }

    /// Writes a file.
    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().expect("the folder at least")).expect("a folder");
        fs::write(path, content).expect("a file");
    }

    /// Reads a file.
    pub(crate) fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap_or_else(|error| panic!("cannot read {name}: {error}"))
    }

    /// The full path of a file in it.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The directory of the cache that commands use.
    pub(crate) fn cache(&self) -> &Path {
        self.cache.path()
    }

    /// Makes a file executable.
    pub(crate) fn make_executable(&self, name: &str) {
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(self.path(name), fs::Permissions::from_mode(0o755)).expect("a mode");
    }

    /// A call of wrun in the folder.
    pub(crate) fn wrun<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Run {
        self.program(wrun(), args)
    }

    /// A call of any program in the folder.
    pub(crate) fn program<S: AsRef<OsStr>>(
        &self,
        program: impl AsRef<OsStr>,
        args: impl IntoIterator<Item = S>,
    ) -> Run {
        let mut command = Command::new(program);
        command.args(args).current_dir(self.folder.path()).stdin(Stdio::null());
        for variable in ["NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "COLUMNS", "WRUN_CACHE_SIZE"] {
            command.env_remove(variable);
        }
        command.env("WRUN_CACHE_DIR", self.cache());
        // Collected unless a test connects them elsewhere.
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        Run { command, input: None }
    }

    /// Compiles a file in the folder to an image.
    pub(crate) fn compile(&self, module: &str, image: &str) {
        self.wrun(["compile", module, "-o", image]).run().exits(0);
    }
}

/// The command under test.
pub(crate) fn wrun() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_wrun"))
}

/// A command that is about to run.
pub(crate) struct Run {
    command: Command,
    input: Option<Vec<u8>>,
}

impl Run {
    /// Sets a variable of its environment.
    pub(crate) fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// Takes a variable out of its environment.
    pub(crate) fn env_remove(mut self, name: &str) -> Self {
        self.command.env_remove(name);
        self
    }

    /// Gives it bytes to read; otherwise there are none.
    pub(crate) fn stdin(mut self, input: impl Into<Vec<u8>>) -> Self {
        self.input = Some(input.into());
        self.command.stdin(Stdio::piped());
        self
    }

    /// Connects its standard output.
    pub(crate) fn stdout(mut self, to: impl Into<Stdio>) -> Self {
        self.command.stdout(to);
        self
    }

    /// Connects its standard error.
    pub(crate) fn stderr(mut self, to: impl Into<Stdio>) -> Self {
        self.command.stderr(to);
        self
    }

    /// Runs it to its end, with what is not connected collected.
    pub(crate) fn run(self) -> Outcome {
        let outcome = self.run_for(PATIENCE);
        assert!(!outcome.timed_out, "{}", outcome.report("it should end", "it hangs"));
        outcome
    }

    /// Runs it to its end, or for so long.
    pub(crate) fn run_for(mut self, patience: Duration) -> Outcome {
        let line = line_of(&self.command);
        let folder = self.command.get_current_dir().map(Path::to_owned).unwrap_or_default();
        let mut child = spawn(&mut self.command);
        let input = self.input.take();
        let stdin = child.stdin.take();
        let writer = thread::spawn(move || {
            if let (Some(mut stdin), Some(input)) = (stdin, input) {
                // The command need not read all of it.
                let _ = stdin.write_all(&input);
            }
        });
        let stdout = collect(child.stdout.take());
        let stderr = collect(child.stderr.take());
        let (status, timed_out) = wait(&mut child, patience);
        writer.join().expect("the writer");
        Outcome {
            line,
            folder,
            status,
            timed_out,
            stdout: stdout.join().expect("the reader"),
            stderr: stderr.join().expect("the reader"),
        }
    }
}

/// Starts a command; `output` of the standard library would collect, and has no time limit.
fn spawn(command: &mut Command) -> Child {
    let line = line_of(command);
    command.spawn().unwrap_or_else(|error| panic!("cannot start {line}: {error}"))
}

fn collect(from: Option<impl Read + Send + 'static>) -> thread::JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut from) = from {
            let _ = from.read_to_end(&mut bytes);
        }
        bytes
    })
}

fn wait(child: &mut Child, patience: Duration) -> (ExitStatus, bool) {
    let start = Instant::now();
    let mut pause = Duration::from_millis(1);
    loop {
        if let Some(status) = child.try_wait().expect("a child to wait for") {
            return (status, false);
        }
        if start.elapsed() > patience {
            let _ = child.kill();
            return (child.wait().expect("a child to wait for"), true);
        }
        thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(20));
    }
}

fn line_of(command: &Command) -> String {
    let mut line = command.get_program().to_string_lossy().into_owned();
    for arg in command.get_args() {
        let _ = write!(line, " {:?}", arg.to_string_lossy());
    }
    line
}

/// The `PATH` of the test with the command's folder in front.
pub(crate) fn path_with_wrun() -> OsString {
    let mut folders = vec![wrun().parent().expect("a folder").to_owned()];
    folders.extend(std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()));
    std::env::join_paths(folders).expect("a path")
}
