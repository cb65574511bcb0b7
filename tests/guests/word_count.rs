// Counts the words of the files that its arguments name, or of standard input when there are none.
//
// Prints the five most frequent words, "COUNT WORD" per line, most frequent first, then alphabetically; then, when
// WORD_COUNT_REPORT is set, writes "N words, M different" into the file it names. A file that cannot be read ends it with a
// panic: a message on standard error and a trap, whose backtrace has the demangled name of `word_count::read`.
//
// It is what C guests are not: Rust's standard library with its hash maps (random numbers), paths and panics.
// build: -C opt-level=s -C lto -C codegen-units=1 -C panic=abort -C strip=debuginfo

use std::collections::HashMap;
use std::io::{self, Read};
use std::{env, fs};

#[inline(never)]
fn read(path: &str) -> String {
    match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) => panic!("cannot read {path}: {:?}", error.kind()),
    }
}

fn main() -> io::Result<()> {
    let paths: Vec<String> = env::args().skip(1).collect();
    let mut text = String::new();
    if paths.is_empty() {
        io::stdin().read_to_string(&mut text)?;
    }
    for path in &paths {
        text += &read(path);
    }

    let mut counts: HashMap<String, usize> = HashMap::new();
    let words = text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    for word in words {
        *counts.entry(word.to_lowercase()).or_default() += 1;
    }
    let total: usize = counts.values().sum();

    let mut order: Vec<(&String, &usize)> = counts.iter().collect();
    order.sort_by(|a, b| b.1.cmp(a.1).then(a.0.cmp(b.0)));
    for (word, count) in order.iter().take(5) {
        println!("{count} {word}");
    }
    if let Ok(path) = env::var("WORD_COUNT_REPORT") {
        fs::write(path, format!("{total} words, {} different\n", order.len()))?;
    }
    Ok(())
}
