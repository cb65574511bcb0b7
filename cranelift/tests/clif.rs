//! Golden CLIF: each `clif/*.wat` translates to the text beside it. `WRUN_BLESS=1` rewrites the texts.
//!
//! A file whose first line is `;; memory: checked` is translated with checked memories.

use std::{fmt::Write, fs, path::Path};

use wrun_cranelift::clif_text;
use wrun_module::{CompileOptions, MemoryStyle, parse};

fn translate(path: &Path) -> String {
    let source = fs::read_to_string(path).expect("a readable file");
    let memory_style = if source.starts_with(";; memory: checked\n") {
        MemoryStyle::Checked
    } else {
        MemoryStyle::Reserved
    };
    let bytes = wat::parse_str(&source).unwrap_or_else(|error| panic!("{error}"));
    let module =
        parse(&bytes, "custom-page-sizes,legacy-exceptions".parse().expect("a known feature"))
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    clif_text(&module, &CompileOptions { memory_style, ..CompileOptions::default() })
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The lines around the first difference.
fn difference(expected: &str, found: &str) -> String {
    let (expected, found): (Vec<_>, Vec<_>) = (expected.lines().collect(), found.lines().collect());
    let same =
        expected.iter().zip(&found).take_while(|(expected, found)| expected == found).count();
    let mut text = String::new();
    for line in &expected[same.saturating_sub(5)..same] {
        writeln!(text, "  {line}").unwrap();
    }
    for (mark, lines) in [('-', &expected), ('+', &found)] {
        for line in lines.iter().skip(same).take(8) {
            writeln!(text, "{mark} {line}").unwrap();
        }
    }
    text
}

#[test]
fn translations_are_as_recorded() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clif");
    let bless = std::env::var_os("WRUN_BLESS").is_some_and(|value| value == "1");
    let mut sources: Vec<_> = fs::read_dir(&folder)
        .expect("the folder of golden files")
        .map(|entry| entry.expect("a readable entry").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "wat"))
        .collect();
    sources.sort();
    assert!(sources.len() > 8, "only {} sources in {}", sources.len(), folder.display());
    let mut failures = String::new();
    for source in sources {
        let found = translate(&source);
        let golden = source.with_extension("clif");
        if bless {
            fs::write(&golden, &found).expect("a writable file");
            continue;
        }
        let expected = fs::read_to_string(&golden).unwrap_or_default();
        if expected != found {
            let difference = difference(&expected, &found);
            writeln!(failures, "{} (- expected, + found):\n{difference}", golden.display())
                .unwrap();
        }
    }
    assert!(failures.is_empty(), "\n{failures}WRUN_BLESS=1 records what was found");
}
