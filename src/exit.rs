//! What the process exits with: the one table, from which `--help`, the manual page and the code take it.
//!
//! A guest that ends by itself passes its own code on, so the codes here can also be a guest's. They follow the shell
//! and the commands `env` and `timeout`.

use std::process::ExitCode;

/// How the command ends, when it is not the guest that says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Exit {
    /// All went well.
    Success = 0,
    /// What was to be checked is not as it should be: a script of `wrun wast`, an entry of the cache.
    CheckFailed = 1,
    /// The command line is wrong.
    Usage = 2,
    /// wrun itself failed.
    Failed = 125,
    /// The file is there and cannot be run.
    CannotRun = 126,
    /// There is no such file.
    NotFound = 127,
    /// The guest trapped, or threw an exception that nobody caught.
    Trapped = 134,
}

/// Each code with its meaning, in ascending order.
const TABLE: &[(Exit, &str)] = &[
    (Exit::Success, "success"),
    (
        Exit::CheckFailed,
        "`wrun wast`: a directive failed; `wrun cache verify`: an entry is damaged",
    ),
    (Exit::Usage, "the command line is wrong"),
    (Exit::Failed, "wrun itself failed: a directory is missing, memory ran out, an internal error"),
    (
        Exit::CannotRun,
        "the file cannot be run: it is invalid, does not link, or is an image for another host",
    ),
    (Exit::NotFound, "the file was not found"),
    (Exit::Trapped, "the program trapped, or threw an exception that nobody caught"),
];

/// The table as `--help` shows it.
pub(crate) fn help() -> String {
    let mut text = String::from("Exit codes:\n");
    for &(exit, meaning) in TABLE {
        text.push_str(&format!("  {:>3}  {meaning}\n", exit as u8));
    }
    text.push_str("  A program that ends by itself passes its own exit code on (its low 8 bits).");
    text
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        ExitCode::from(exit as u8)
    }
}

/// The exit code of a guest that asked for `code`: its low 8 bits, as operating systems do.
pub(crate) fn of_guest(code: i32) -> ExitCode {
    ExitCode::from(code.to_le_bytes()[0])
}

#[cfg(test)]
mod tests {
    use super::{TABLE, help, of_guest};
    use std::process::ExitCode;

    #[test]
    fn the_table_ascends_and_is_shown_whole() {
        assert!(TABLE.is_sorted_by_key(|row| row.0 as u8));
        let help = help();
        for &(exit, meaning) in TABLE {
            assert!(help.contains(&format!("{:>3}  {meaning}", exit as u8)));
        }
    }

    #[test]
    fn of_a_guests_code_the_low_bits_are_kept() {
        let same = |code, low| of_guest(code) == ExitCode::from(low);
        assert!(same(3, 3) && same(256, 0) && same(-1, 255) && !same(3, 4));
    }
}
