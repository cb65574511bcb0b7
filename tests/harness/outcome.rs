//! How a command ended, and the report when it is not how it should have.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs,
    os::unix::process::ExitStatusExt,
    path::{Path, PathBuf},
    process::ExitStatus,
};

/// How a command ended, and what it wrote.
pub(crate) struct Outcome {
    pub(super) line: String,
    pub(super) folder: PathBuf,
    pub(super) status: ExitStatus,
    pub(super) timed_out: bool,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: Vec<u8>,
}

impl Outcome {
    /// The exit code; nothing when a signal ended it.
    pub(crate) fn code(&self) -> Option<i32> {
        self.status.code()
    }

    /// Whether it was stopped because it took too long.
    pub(crate) fn timed_out(&self) -> bool {
        self.timed_out
    }

    /// Its standard output as text.
    pub(crate) fn out(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    /// Its standard error as text.
    pub(crate) fn err(&self) -> String {
        String::from_utf8_lossy(&self.stderr).into_owned()
    }

    /// It ended by itself with this code.
    #[track_caller]
    pub(crate) fn exits(self, code: i32) -> Self {
        assert!(
            self.status.code() == Some(code),
            "{}",
            self.report(&format!("exit code {code}"), &self.status.to_string())
        );
        self
    }

    /// It ended by itself, with any code, and did not panic.
    #[track_caller]
    pub(crate) fn ends_in_order(self) -> Self {
        let crashed = self.status.signal().is_some() && !self.timed_out;
        let panicked = self.err().contains("panicked at");
        assert!(
            !crashed && !panicked,
            "{}",
            self.report("an orderly end", &self.status.to_string())
        );
        self
    }

    #[track_caller]
    pub(crate) fn stdout_is(self, expected: &str) -> Self {
        assert!(
            self.out() == expected,
            "{}",
            self.report(&format!("output {expected:?}"), "another")
        );
        self
    }

    #[track_caller]
    pub(crate) fn stdout_has(self, expected: &str) -> Self {
        let found = self.out().contains(expected);
        assert!(found, "{}", self.report(&format!("output with {expected:?}"), "another"));
        self
    }

    #[track_caller]
    pub(crate) fn stderr_is(self, expected: &str) -> Self {
        assert!(
            self.err() == expected,
            "{}",
            self.report(&format!("errors {expected:?}"), "others")
        );
        self
    }

    #[track_caller]
    pub(crate) fn stderr_has(self, expected: &str) -> Self {
        let found = self.err().contains(expected);
        assert!(found, "{}", self.report(&format!("errors with {expected:?}"), "others"));
        self
    }

    #[track_caller]
    pub(crate) fn stderr_has_not(self, unwanted: &str) -> Self {
        let found = self.err().contains(unwanted);
        assert!(!found, "{}", self.report(&format!("no {unwanted:?} in errors"), "it is there"));
        self
    }

    /// Standard error is the text of `tests/golden/NAME.txt`, which `WRUN_BLESS=1` writes. Fits on one screen.
    #[track_caller]
    pub(crate) fn stderr_is_golden(self, name: &str) -> Self {
        let path =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(format!("{name}.txt"));
        let found = self.err().replace(env!("CARGO_PKG_VERSION"), "VERSION");
        assert!(found.lines().count() <= 24, "{}", self.report("one screen", "more"));
        if std::env::var_os("WRUN_BLESS").is_some() {
            fs::write(&path, &found).expect("a golden file");
        }
        let expected = fs::read_to_string(&path).unwrap_or_default();
        let expected_text = format!("the text of {}:\n{expected}", path.display());
        assert!(found == expected, "{}", self.report(&expected_text, &format!("\n{found}")));
        self
    }

    /// Everything about the command.
    pub(super) fn report(&self, expected: &str, found: &str) -> String {
        let mut text = format!("\ncommand:  {}\nfolder:   {}\n", self.line, self.folder.display());
        for (name, size) in files(&self.folder) {
            let _ = writeln!(text, "  {name} ({size} bytes)");
        }
        let _ =
            writeln!(text, "expected: {expected}\nfound:    {found}\nstatus:   {}", self.status);
        let _ = writeln!(text, "--- stdout\n{}\n--- stderr\n{}\n---", self.out(), self.err());
        text
    }
}

fn files(folder: &Path) -> BTreeMap<String, u64> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).into_iter().flatten().flatten() {
            let path = entry.path();
            match entry.metadata() {
                Ok(metadata) if metadata.is_dir() => folders.push(path),
                Ok(metadata) => {
                    let name = path.strip_prefix(folder).unwrap_or(&path).display().to_string();
                    found.insert(name, metadata.len());
                }
                Err(_) => {}
            }
        }
    }
    found
}
