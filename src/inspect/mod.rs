//! `wrun inspect`: what a module or an image holds, on standard output.

mod image;
mod module;

use std::{
    ffi::OsString,
    io::{self, Write},
    process::ExitCode,
};

use clap::Args;

use crate::{
    engine_options::CompilerArgs,
    input::{Input, Kind},
    render::Failure,
};

/// The arguments of `wrun inspect`.
#[derive(Args, Debug)]
pub(crate) struct InspectArgs {
    /// A module in the binary or the text format, or an image; `-` is standard input.
    #[arg(value_name = "FILE")]
    file: OsString,

    #[command(flatten)]
    compiler: CompilerArgs,
}

impl InspectArgs {
    /// Shows what the file holds.
    ///
    /// # Errors
    /// When the file is no valid module or image, or the output cannot be written.
    pub(crate) fn execute(self) -> Result<ExitCode, Failure> {
        let input = Input::open(&self.file)?;
        let name = input.name().to_owned();
        let report = if input.kind() == Kind::Image {
            image::report(&input.into_bytes()?, &name)?
        } else {
            module::report(&input.into_binary()?, self.compiler.features(), &name)?
        };
        let report = report.text;
        anstream::stdout()
            .lock()
            .write_all(report.as_bytes())
            .map_err(|error| Failure::output(&error))?;
        io::stdout().flush().map_err(|error| Failure::output(&error))?;
        Ok(ExitCode::SUCCESS)
    }
}

/// The text of a report: headings, and rows under them whose first columns are aligned.
#[derive(Debug, Default)]
struct Report {
    text: String,
}

impl Report {
    /// A line of its own: `key: value`.
    fn line(&mut self, key: &str, value: impl std::fmt::Display) {
        let value = crate::render::printable(&value.to_string());
        self.text.push_str(&format!("{key}: {value}\n"));
    }

    /// A heading with its rows; nothing when there are none.
    fn table(&mut self, heading: &str, rows: &[(String, String)]) {
        if rows.is_empty() {
            return;
        }
        self.text.push_str(&format!("\n{heading} ({})\n", rows.len()));
        let shown = rows
            .iter()
            .map(|(left, right)| (crate::render::printable(left), crate::render::printable(right)));
        let shown: Vec<_> = shown.collect();
        let width = shown.iter().map(|row| row.0.chars().count()).max().unwrap_or(0).min(60);
        for (left, right) in shown {
            self.text.push_str(format!("  {left:width$}  {right}").trim_end());
            self.text.push('\n');
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Report;

    #[test]
    fn rows_are_aligned_and_empty_tables_left_out() {
        let mut report = Report::default();
        report.line("name", "a\u{7}");
        report.table("none", &[]);
        report.table("some", &[("a".into(), "1".into()), ("long".into(), String::new())]);
        assert_eq!(report.text, "name: a\\u{7}\n\nsome (2)\n  a     1\n  long\n");
    }
}
