//! What stands behind the module's path: first options that are still wrun's, then the program's own words.

use std::ffi::OsString;

use clap::{FromArgMatches, Parser};

use super::grants::GrantArgs;
use crate::cli::USAGE;

/// The options that may stand directly behind the module.
const STILL_OURS: &[&str] = &["--dir", "--env", "--invoke"];

/// The words behind the module, told apart.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Words {
    /// Options of wrun with their values, as they were written.
    pub(super) ours: Vec<OsString>,
    /// The words of the program.
    pub(super) theirs: Vec<OsString>,
}

/// Tells the words behind the module apart. All words behind a script are the script's.
pub(super) fn split(words: &[OsString], is_script: bool) -> Words {
    let mut end = 0;
    while !is_script && end < words.len() {
        let Some(word) = words[end].to_str() else { break };
        match word.split_once('=') {
            Some((option, _)) if STILL_OURS.contains(&option) => end += 1,
            // Without a value behind it, clap will miss that.
            None if STILL_OURS.contains(&word) => end = (end + 2).min(words.len()),
            _ => break,
        }
    }
    let (ours, mut theirs) = words.split_at(end);
    if !is_script && theirs.first().is_some_and(|word| word == "--") {
        theirs = &theirs[1..];
    }
    Words { ours: ours.to_vec(), theirs: theirs.to_vec() }
}

/// The command line that those options are.
#[derive(Debug, Parser)]
#[command(name = "wrun", no_binary_name = true, override_usage = USAGE, disable_help_flag = true)]
struct Behind {
    #[command(flatten)]
    grants: GrantArgs,
}

/// Parses the options that [`split`] found.
///
/// # Errors
/// When a value is missing or wrong.
pub(super) fn parse(ours: &[OsString]) -> Result<GrantArgs, clap::Error> {
    let mut command = <Behind as clap::CommandFactory>::command();
    let mut matches = command.try_get_matches_from_mut(ours)?;
    let behind = Behind::from_arg_matches_mut(&mut matches)?;
    Ok(behind.grants)
}

#[cfg(test)]
mod tests {
    use super::{parse, split};
    use std::ffi::OsString;

    fn words(line: &str) -> Vec<OsString> {
        line.split_whitespace().map(OsString::from).collect()
    }

    fn splits(line: &str, ours: &str, theirs: &str) {
        let found = split(&words(line), false);
        assert_eq!((found.ours, found.theirs), (words(ours), words(theirs)), "{line}");
    }

    #[test]
    fn the_first_other_word_ends_our_options() {
        splits("--dir . input.txt --dir x", "--dir .", "input.txt --dir x");
        splits("--env=A=1 --invoke f -1 2", "--env=A=1 --invoke f", "-1 2");
        splits("-O2 -v", "", "-O2 -v");
        splits("--directory x", "", "--directory x");
        splits("", "", "");
    }

    #[test]
    fn two_dashes_end_our_options_and_vanish_once() {
        splits("-- --dir x", "", "--dir x");
        splits("--dir . -- -- x", "--dir .", "-- x");
        splits("a -- b", "", "a -- b");
    }

    #[test]
    fn a_script_owns_all_its_words() {
        let found = split(&words("--dir x -- y"), true);
        assert_eq!((found.ours, found.theirs), (words(""), words("--dir x -- y")));
    }

    #[test]
    fn a_missing_value_is_noticed() {
        let found = split(&words("--dir"), false);
        assert!(parse(&found.ours).unwrap_err().to_string().contains("value is required"));
    }
}
