//! The list of files that do not pass yet: `expected-failures.txt`, a line each, `name: reason`.

use std::{collections::BTreeMap, fmt, path::PathBuf};

use wrun_wast::ScriptReport;

use crate::File;

/// Head of the list.
const HEAD: &str = "\
# Files of the official suite that do not pass yet, each with its reason. They are run, and have to fail: when one
# passes, its line has to go. Nothing of WebAssembly 1.0 and 2.0 may stand here.
# `WRUN_BLESS=1 cargo test -p spec-testsuite` writes this list.
";

/// The files that do not pass yet, and why.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExpectedFailures {
    /// Reasons by the names of the files.
    pub reasons: BTreeMap<String, String>,
}

impl ExpectedFailures {
    /// Where the list is.
    pub fn path() -> PathBuf {
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("expected-failures.txt")
    }

    /// Reads a list.
    ///
    /// # Errors
    /// With what is wrong, when a line is no entry.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut reasons = BTreeMap::new();
        for (number, line) in text.lines().enumerate() {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let (name, reason) = line
                .split_once(": ")
                .ok_or_else(|| format!("line {}: expected `name: reason`", number + 1))?;
            if reasons.insert(name.to_owned(), reason.to_owned()).is_some() {
                return Err(format!("line {}: `{name}` is listed twice", number + 1));
            }
        }
        Ok(Self { reasons })
    }

    /// Holds the list against the files there are.
    ///
    /// # Errors
    /// When it names a file that does not exist, or one that must pass.
    pub fn check(&self, files: &[File]) -> Result<(), String> {
        for name in self.reasons.keys() {
            match files.iter().find(|file| file.name == *name) {
                None => return Err(format!("`{name}` is listed and is no file of the suite")),
                Some(file) if file.must_pass => {
                    return Err(format!("`{name}` is listed and may not be: it must pass"));
                }
                Some(_) => {}
            }
        }
        Ok(())
    }
}

impl fmt::Display for ExpectedFailures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(HEAD)?;
        self.reasons.iter().try_for_each(|(name, reason)| writeln!(f, "{name}: {reason}"))
    }
}

/// Why a file does not pass: the proposals that the engine said are missing, or else the reason given before, or the
/// first directive that failed.
pub fn reason(report: &ScriptReport, before: Option<&str>) -> String {
    let mut proposals: Vec<_> = report.failures.iter().flat_map(|it| missing(&it.found)).collect();
    proposals.sort_unstable();
    proposals.dedup();
    if !proposals.is_empty() {
        return format!("needs {}", proposals.join(", "));
    }
    if let Some(before) = before {
        return before.to_owned();
    }
    match (report.failures.first(), report.skips.first()) {
        (Some(failure), _) => {
            let found = failure.found.lines().next().unwrap_or_default();
            format!("line {}: expected {}, found {found}", failure.at.line, failure.expected)
        }
        (None, Some(skip)) => format!("line {}: {}", skip.at.line, skip.reason),
        (None, None) => "no reason".to_owned(),
    }
}

/// The proposal that an error names as missing.
fn missing(found: &str) -> Option<&str> {
    let (_, rest) = found.split_once("the module needs the `")?;
    rest.split_once('`').map(|(proposal, _)| proposal)
}

#[cfg(test)]
mod tests {
    use wrun_wast::{Failure, Position, ScriptReport, Skip};

    use super::{ExpectedFailures, reason};
    use crate::files;

    #[test]
    fn a_list_reads_back_as_itself() {
        let text = "wasm-v3/a.wast: needs gc\nwasm-v3/b.wast: line 3: other\n";
        let list = ExpectedFailures::parse(text).unwrap();
        assert_eq!(list.reasons["wasm-v3/b.wast"], "line 3: other");
        assert_eq!(ExpectedFailures::parse(&list.to_string()), Ok(list.clone()));
        assert!(list.to_string().ends_with(text));
        assert!(ExpectedFailures::parse("nothing").is_err());
        assert!(ExpectedFailures::parse("a: b\na: c").is_err());
    }

    #[test]
    fn what_is_implemented_may_not_be_listed() {
        let files = files();
        let check =
            |name: &str| ExpectedFailures::parse(&format!("{name}: x")).unwrap().check(&files);
        assert!(check("wasm-v1/i32.wast").is_err());
        assert!(check("wasm-v2/table.wast").is_err());
        assert!(check("proposals/simd/simd_lane.wast").is_err());
        assert!(check("wasm-v3/missing.wast").is_err());
        assert_eq!(check("wasm-v3/call_ref.wast"), Ok(()));
    }

    #[test]
    fn reasons_name_the_proposals() {
        let failure = |found: &str| Failure {
            at: Position { line: 7, column: 1 },
            expected: "a valid module".to_owned(),
            found: found.to_owned(),
        };
        let gc = "bad: the module needs the `gc` proposal, which is not implemented";
        let mut report = ScriptReport {
            failures: vec![failure("no current instance"), failure(gc), failure(gc)],
            ..ScriptReport::default()
        };
        assert_eq!(reason(&report, Some("older")), "needs gc");
        report.failures.truncate(1);
        assert_eq!(reason(&report, Some("older")), "older");
        assert_eq!(
            reason(&report, None),
            "line 7: expected a valid module, found no current instance"
        );
        let at = Position { line: 2, column: 1 };
        report.skips = vec![Skip { at, reason: "no threads".to_owned() }];
        report.failures.clear();
        assert_eq!(reason(&report, None), "line 2: no threads");
    }
}
