//! The `name` custom section. It is a comment to the engine: what is malformed in it is passed over, never refused
//! (spec, *Appendix › Custom Sections › Name Section*).

use wasmparser::{Name, NameSectionReader};

use crate::FuncIndex;

/// What the engine keeps of the `name` section.
#[derive(Debug, Default)]
pub(super) struct Names<'a> {
    /// The module's name.
    pub module: Option<&'a str>,
    /// The functions' names, sorted, without duplicates.
    pub funcs: Vec<(FuncIndex, &'a str)>,
}

impl<'a> Names<'a> {
    /// Reads the section up to its first malformed part.
    pub(super) fn read(section: NameSectionReader<'a>) -> Self {
        let mut names = Self::default();
        for subsection in section.into_iter().map_while(Result::ok) {
            match subsection {
                Name::Module { name, .. } => names.module = Some(name),
                Name::Function(map) => {
                    let entries = map.into_iter().map_while(Result::ok);
                    names
                        .funcs
                        .extend(entries.map(|naming| (FuncIndex(naming.index), naming.name)));
                }
                _ => {}
            }
        }
        names.funcs.sort_by_key(|&(func, _)| func);
        names.funcs.dedup_by_key(|&mut (func, _)| func);
        names
    }
}
