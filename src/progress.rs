//! How far a compilation is, on a terminal, when it takes long enough to wonder.

use std::{
    io::{self, IsTerminal},
    sync::OnceLock,
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressStyle};
use wrun::Progress;

/// Compilations that are shorter show nothing.
const PATIENCE: Duration = Duration::from_millis(500);

/// The display of one compilation; it begins when this is made.
#[derive(Debug)]
pub(crate) struct CompileProgress {
    start: Instant,
    wanted: bool,
    bar: OnceLock<ProgressBar>,
}

impl CompileProgress {
    /// A display that shows nothing yet, and nothing at all unless `wanted` and standard error is a terminal.
    pub(crate) fn new(wanted: bool) -> Self {
        let wanted = wanted && io::stderr().is_terminal();
        Self { start: Instant::now(), wanted, bar: OnceLock::new() }
    }

    /// Shows how far the compilation is. May be called from any thread, in any order.
    pub(crate) fn update(&self, state: Progress) {
        if !self.wanted || self.start.elapsed() < PATIENCE {
            return;
        }
        let bar = self.bar.get_or_init(|| {
            let style =
                ProgressStyle::with_template("compiling {wide_bar} {percent:>3} %, {eta} left");
            ProgressBar::new(state.total as u64)
                .with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
                .with_elapsed(self.start.elapsed())
        });
        if bar.length() != Some(state.total as u64) {
            // Another module's turn.
            bar.set_length(state.total as u64);
            bar.set_position(0);
        }
        if state.done as u64 > bar.position() {
            bar.set_position(state.done as u64);
        }
    }

    /// Takes the display away.
    pub(crate) fn finish(&self) {
        if let Some(bar) = self.bar.get() {
            bar.finish_and_clear();
        }
    }
}
