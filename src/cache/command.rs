//! `wrun cache`: what is in the cache, whether it is whole, and away with it.

use std::{
    io::{self, Read, Write},
    path::Path,
    process::ExitCode,
    time::{Duration, SystemTime},
};

use clap::{Args, Subcommand};
use wrun_module::image::{Image, ImageError, presence};

use super::{
    folder::{Folder, Refusal},
    key::Key,
    options::{Location, PlaceArgs},
    sweep::{self, Name},
};
use crate::{
    exit::Exit,
    render::{Failure, printable},
    size,
};

/// The arguments of `wrun cache`.
#[derive(Args, Debug)]
pub(crate) struct CacheCommand {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List the entries: their sizes, when they were used last, how many functions of the modules they have, and the modules they
    /// were compiled from.
    Show(PlaceArgs),
    /// Check that every entry is whole; the exit code is 1 when one is not.
    Verify {
        #[command(flatten)]
        place: PlaceArgs,
        /// Remove the entries that are not, which is no failure then.
        #[arg(long)]
        fix: bool,
    },
    /// Remove all entries.
    Clear(PlaceArgs),
}

impl CacheCommand {
    /// Does what is asked for, and reports on standard output.
    ///
    /// # Errors
    /// When there is no place for a cache, it cannot be read, or is not the user's alone.
    pub(crate) fn execute(self) -> Result<ExitCode, Failure> {
        let place = match &self.action {
            Action::Show(place) | Action::Verify { place, .. } | Action::Clear(place) => place,
        };
        let location = place.location().ok_or_else(|| {
            Failure::usage(
                "there is no place for a cache: neither HOME nor another variable names one",
            )
            .hint("`--cache-dir DIR` names one")
        })?;
        let Report { text, exit } = match Folder::open(&location.path) {
            Ok(folder) => match self.action {
                Action::Show(_) => show(&folder),
                Action::Verify { fix, .. } => verify(&folder, fix),
                Action::Clear(_) => clear(&folder),
            },
            Err(Refusal::Unusable(error)) if error.kind() == io::ErrorKind::NotFound => {
                let text = format!("{}: there is no cache yet\n", shown(&location.path));
                Report { text, exit: Exit::Success }
            }
            Err(refusal) => return Err(refused(&location, &refusal)),
        };
        io::stdout().lock().write_all(text.as_bytes()).map_err(|error| Failure::output(&error))?;
        Ok(exit.into())
    }
}

/// What is printed, and how the command ends.
struct Report {
    text: String,
    exit: Exit,
}

fn shown(path: &Path) -> String {
    printable(&path.display().to_string())
}

fn refused(location: &Location, refusal: &Refusal) -> Failure {
    let failure = Failure::new(
        Exit::Failed,
        format!("the cache `{}` cannot be used", location.path.display()),
    );
    match refusal {
        Refusal::Unusable(error) => failure.cause(error.to_string()),
        Refusal::Untrusted(why) => failure.cause(why),
    }
}

fn show(folder: &Folder) -> Report {
    let mut entries = sweep::entries(folder);
    entries.reverse();
    let total = entries.iter().map(|entry| entry.len).sum();
    let mut text = format!(
        "{}: {}, {}\n",
        shown(folder.path()),
        count(entries.len(), "entry", "entries"),
        size::show(total)
    );
    let now = SystemTime::now();
    for entry in entries {
        let age = now.duration_since(entry.used).unwrap_or_default();
        text.push_str(&format!(
            "  {:>10}  {:<16}  {:<16}  {}\n",
            size::show(entry.len),
            show_age(age),
            show_presence(folder, entry.key),
            module_name(folder, entry.key)
        ));
    }
    Report { text, exit: Exit::Success }
}

fn verify(folder: &Folder, fix: bool) -> Report {
    let mut text = String::new();
    let (mut whole, mut damaged) = (0, 0);
    for entry in sweep::entries(folder) {
        match verify_entry(folder, entry.key) {
            Ok(()) => whole += 1,
            Err(why) => {
                damaged += 1;
                let done = if fix { "removed" } else { "damaged" };
                let name = module_name(folder, entry.key);
                text.push_str(&format!("{done}: {} ({name}): {why}\n", entry.key.entry()));
                if fix {
                    sweep::remove(folder, entry.key);
                }
            }
        }
    }
    text.push_str(&format!("{} whole, {damaged} damaged\n", count(whole, "entry", "entries")));
    Report { text, exit: if damaged > 0 && !fix { Exit::CheckFailed } else { Exit::Success } }
}

/// Whether a run would take an entry, as far as the entry itself says.
fn verify_entry(folder: &Folder, key: Key) -> Result<(), String> {
    let mut bytes = Vec::new();
    let read = folder.open_file(&key.entry()).and_then(|mut file| {
        file.read_to_end(&mut bytes)?;
        Ok(())
    });
    match read {
        // Evicted in the meantime, which is no damage.
        Err(Refusal::Unusable(error)) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(Refusal::Unusable(error)) => return Err(error.to_string()),
        Err(Refusal::Untrusted(why)) => return Err(why),
        Ok(()) => {}
    }
    match Image::take_apart(&bytes) {
        // Of another version of wrun, under a key that only that one asks for.
        Ok(_) | Err(ImageError::Version { .. }) => Ok(()),
        Err(error) => Err(error.to_string()),
    }
}

/// How many functions of the module an entry has.
fn show_presence(folder: &Folder, key: Key) -> String {
    let file = folder.open_file(&key.entry()).ok();
    match file.and_then(|file| presence(&file)) {
        Some((present, all)) if present == all => "whole".to_owned(),
        Some((present, all)) => format!("{present} of {all} functions"),
        None => "?".to_owned(),
    }
}

/// Removes everything that is ours, and nothing else: the directory may be one that the user keeps other things in.
fn clear(folder: &Folder) -> Report {
    let (mut removed, mut bytes) = (0, 0);
    for entry in sweep::entries(folder) {
        removed += 1;
        bytes += entry.len;
    }
    for name in folder.names().unwrap_or_default() {
        if Name::parse(&name).is_some() {
            folder.remove(&name);
        }
    }
    let left = sweep::entries(folder).len();
    let text = format!("removed {}, {}\n", count(removed, "entry", "entries"), size::show(bytes));
    if left > 0 {
        // New ones may have come, or the directory is for reading only.
        let text = format!("{} left\n", count(left, "entry", "entries"));
        return Report { text, exit: Exit::Failed };
    }
    Report { text, exit: Exit::Success }
}

/// The name of the module that an entry was compiled from, as the user gave it then.
fn module_name(folder: &Folder, key: Key) -> String {
    let name = folder.read_note(&key.name_note()).unwrap_or_default();
    if name.is_empty() { "?".to_owned() } else { printable(&String::from_utf8_lossy(&name)) }
}

fn count(number: usize, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

/// How long ago something was, as exact as it is known.
fn show_age(age: Duration) -> String {
    let hours = age.as_secs() / 3600;
    match hours {
        0 => "within the hour".to_owned(),
        1..48 => format!("{} ago", count(hours as usize, "hour", "hours")),
        _ => format!("{} ago", count(hours as usize / 24, "day", "days")),
    }
}

#[cfg(test)]
mod tests {
    use super::{count, show_age};
    use std::time::Duration;

    #[test]
    fn ages_are_shown_as_exact_as_they_are_known() {
        let age = |hours: u64| show_age(Duration::from_secs(hours * 3600 + 59 * 60));
        assert_eq!(age(0), "within the hour");
        assert_eq!([age(1), age(47)], ["1 hour ago", "47 hours ago"]);
        assert_eq!(age(48), "2 days ago");
    }

    #[test]
    fn one_is_singular() {
        let entries = |number| count(number, "entry", "entries");
        assert_eq!([entries(0), entries(1)], ["0 entries", "1 entry"]);
    }
}
