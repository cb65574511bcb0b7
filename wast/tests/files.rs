//! Scripts in files: order, output and counts.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use wrun_wast::{Options, Summary, run_files};

fn run(dir: &Path, files: &[(&str, &[u8])]) -> (Summary, String) {
    let paths: Vec<PathBuf> = files
        .iter()
        .map(|(name, text)| {
            let path = dir.join(name);
            fs::write(&path, text).unwrap();
            path
        })
        .collect();
    let mut out = Vec::new();
    let summary = run_files(&paths, &Options::default(), &mut out).unwrap();
    let prefix = format!("{}/", dir.display());
    (summary, String::from_utf8(out).unwrap().replace(&prefix, ""))
}

#[test]
fn output_is_in_the_order_of_the_files() {
    let dir = tempfile::tempdir().unwrap();
    let many = "(module)".repeat(50);
    let (summary, out) = run(
        dir.path(),
        &[
            ("slow.wast", many.as_bytes()),
            (
                "bad.wast",
                b"(module (func (export \"f\")))\n(assert_return (invoke \"f\") (i32.const 1))",
            ),
            ("skip.wast", b"(module) (assert_suspension (invoke \"f\") \"\")"),
            ("empty.wast", b""),
        ],
    );
    assert_eq!(
        out,
        "slow.wast: 50 passed, 0 failed, 0 skipped\n\
         bad.wast:2:1: expected (i32.const 1), found no results\n\
         bad.wast: 1 passed, 1 failed, 0 skipped\n\
         skip.wast:1:10: skipped: stack switching is not implemented\n\
         skip.wast: 1 passed, 0 failed, 1 skipped\n\
         empty.wast: 0 passed, 0 failed, 0 skipped\n\
         52 passed, 1 failed, 1 skipped\n"
    );
    assert_eq!(summary, Summary { passed: 52, failed: 1, skipped: 1 });
    assert!(!summary.success());
}

#[test]
fn files_that_cannot_be_read_are_failures() {
    let dir = tempfile::tempdir().unwrap();
    let (summary, out) = run(dir.path(), &[("bytes.wast", b"\xff\xfe")]);
    assert_eq!(summary.failed, 1, "{out}");
    assert!(
        out.contains("bytes.wast:1:1: expected a readable script, found invalid utf-8"),
        "{out}"
    );
    let mut out = Vec::new();
    let missing = dir.path().join("missing.wast");
    let summary = run_files(&[missing], &Options::default(), &mut out).unwrap();
    assert_eq!(summary.failed, 1);
    assert!(String::from_utf8(out).unwrap().contains("No such file"));
}

#[test]
fn a_closed_output_is_an_error() {
    struct Closed;
    impl io::Write for Closed {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.wast");
    fs::write(&path, "(module)").unwrap();
    let paths = vec![path; 20];
    let error = run_files(&paths, &Options::default(), &mut Closed).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
}
