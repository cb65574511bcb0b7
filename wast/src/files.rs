//! Scripts in files: run side by side, reported in the order they were named.

use std::{
    io::{self, Write},
    num::NonZero,
    path::{Path, PathBuf},
    sync::{
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    thread,
};

use crate::{Failure, Options, Position, ScriptReport, Summary, run_script};

/// Stack of a thread that runs scripts, so that what a script may nest does not depend on the system's default.
const STACK: usize = 16 << 20;

/// Runs the scripts in these files, as many at a time as there are processors, and writes what became of them to
/// `out`: a line per directive that failed or was skipped, a summary per file, and one of all.
///
/// A file that cannot be read counts as a failure.
///
/// # Errors
/// When `out` cannot be written to. Scripts that are running are finished, others are not begun.
pub fn run_files(paths: &[PathBuf], options: &Options, out: &mut dyn Write) -> io::Result<Summary> {
    let threads = thread::available_parallelism().map_or(1, NonZero::get).min(paths.len());
    let next = AtomicUsize::new(0);
    let (sender, receiver) = mpsc::channel();
    thread::scope(|scope| {
        for number in 0..threads {
            let (next, sender) = (&next, sender.clone());
            let work = move || {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let Some(path) = paths.get(index) else { return };
                    if sender.send((index, run_file(path, options))).is_err() {
                        return;
                    }
                }
            };
            thread::Builder::new()
                .name(format!("scripts {number}"))
                .stack_size(STACK)
                .spawn_scoped(scope, work)?;
        }
        drop(sender);
        // Owned by this closure, so that an early return tells the threads to stop.
        write_reports(receiver, paths.len(), out)
    })
}

/// Writes reports in the order of their files, each as soon as those before it are there.
fn write_reports(
    receiver: mpsc::Receiver<(usize, ScriptReport)>,
    count: usize,
    out: &mut dyn Write,
) -> io::Result<Summary> {
    let mut waiting: Vec<Option<ScriptReport>> = vec![None; count];
    let mut written = 0;
    let mut total = Summary::default();
    for (index, report) in receiver {
        waiting[index] = Some(report);
        while let Some(report) = waiting.get_mut(written).and_then(Option::take) {
            write!(out, "{report}")?;
            total += report.summary();
            written += 1;
        }
    }
    writeln!(out, "{total}")?;
    out.flush()?;
    Ok(total)
}

fn run_file(path: &Path, options: &Options) -> ScriptReport {
    let name = path.display().to_string();
    let text = std::fs::read(path)
        .map_err(|error| error.to_string())
        .and_then(|bytes| String::from_utf8(bytes).map_err(|error| error.to_string()));
    match text {
        Ok(text) => run_script(&name, &text, options),
        Err(found) => {
            let at = Position { line: 1, column: 1 };
            let failure = Failure { at, expected: "a readable script".to_owned(), found };
            ScriptReport { name, failures: vec![failure], ..ScriptReport::default() }
        }
    }
}
