//! What running scripts comes to.

use std::fmt;

/// A place in a script, counted from one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// The line.
    pub line: usize,
    /// The column, in bytes.
    pub column: usize,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

/// A directive that did not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Where the directive begins.
    pub at: Position,
    /// What the script asks for.
    pub expected: String,
    /// What happened.
    pub found: String,
}

/// A directive that was not run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skip {
    /// Where the directive begins.
    pub at: Position,
    /// Why it was not run.
    pub reason: String,
}

/// What became of the directives of one script.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ScriptReport {
    /// The name the script was run under: its path, for files.
    pub name: String,
    /// How many directives held.
    pub passed: usize,
    /// Those that did not, in order.
    pub failures: Vec<Failure>,
    /// Those that were not run, in order.
    pub skips: Vec<Skip>,
    /// Whether the engine panicked, which ends the script; the last failure says where and how.
    pub panicked: bool,
}

impl ScriptReport {
    /// The counts alone.
    pub fn summary(&self) -> Summary {
        Summary { passed: self.passed, failed: self.failures.len(), skipped: self.skips.len() }
    }
}

impl fmt::Display for ScriptReport {
    /// A line for each directive that failed or was skipped, in the order of the script, and the counts.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let failures = self.failures.iter().map(|it| {
            (it.at, format!("expected {}, found {}", one_line(&it.expected), one_line(&it.found)))
        });
        let skips = self.skips.iter().map(|it| (it.at, format!("skipped: {}", it.reason)));
        let mut lines: Vec<_> = failures.chain(skips).collect();
        lines.sort_by_key(|(at, _)| *at);
        for (at, line) in lines {
            writeln!(f, "{}:{at}: {line}", self.name)?;
        }
        writeln!(f, "{}: {}", self.name, self.summary())
    }
}

/// Joins the lines of a message, so that a directive takes one line of output.
fn one_line(text: &str) -> String {
    let lines: Vec<_> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    lines.join("; ")
}

/// How many directives passed, failed and were skipped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Directives that held.
    pub passed: usize,
    /// Directives that did not hold, scripts that cannot be read included.
    pub failed: usize,
    /// Directives that were not run.
    pub skipped: usize,
}

impl Summary {
    /// Whether nothing failed.
    pub fn success(&self) -> bool {
        self.failed == 0
    }
}

impl std::ops::AddAssign for Summary {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed, {} skipped", self.passed, self.failed, self.skipped)
    }
}

#[cfg(test)]
mod tests {
    use super::{Failure, Position, ScriptReport, Skip};

    #[test]
    fn a_report_has_a_line_per_directive_and_the_counts() {
        let at = |line| Position { line, column: 3 };
        let report = ScriptReport {
            name: "a.wast".to_owned(),
            passed: 4,
            failures: vec![Failure {
                at: at(9),
                expected: "(i32.const 1)".to_owned(),
                found: "two\n  lines\n".to_owned(),
            }],
            skips: vec![Skip { at: at(2), reason: "no threads".to_owned() }],
            panicked: false,
        };
        assert_eq!(
            report.to_string(),
            "a.wast:2:3: skipped: no threads\n\
             a.wast:9:3: expected (i32.const 1), found two; lines\n\
             a.wast: 4 passed, 1 failed, 1 skipped\n"
        );
        assert!(!report.summary().success());
    }
}
