//! The report on an image.

use object::read::{Object, ObjectSection, elf::ElfFile64};
use wrun::{MemoryStyle, OptLevel};
use wrun_module::image::{Image, VERSION};

use super::{Report, module};
use crate::{diagnosis, render::Failure};

/// What the image in `bytes` holds. `name` is the file's, for messages.
///
/// # Errors
/// When it is no image, is damaged, or was made by another version, whose images cannot be read.
pub(super) fn report(bytes: &[u8], name: &str) -> Result<Report, Failure> {
    let image = Image::parse(bytes).map_err(|error| diagnosis::of_image_error(&error, name))?;
    let mut report = Report::default();
    report.line("image", format_args!("{} bytes", bytes.len()));
    report.line("made by", VERSION);
    report.line("target", &image.target.triple);
    let features = &image.target.cpu_features;
    let features =
        if features.is_empty() { "none beyond the target's".into() } else { features.join(" ") };
    report.text.push_str(&format!("CPU features: {features}\n"));
    let options = image.target.options;
    report.line(
        "optimised for",
        match options.opt_level {
            OptLevel::None => "compile time (-O 0)",
            OptLevel::Fast => "compile time and speed (-O 1)",
            OptLevel::Speed => "speed (-O 2)",
            OptLevel::SpeedAndSize => "speed and size (-O s)",
        },
    );
    report.line(
        "memory accesses",
        match options.memory_style {
            MemoryStyle::Reserved => "unchecked, in reserved address space",
            MemoryStyle::Checked => "checked",
        },
    );
    report.line(
        "same on every machine",
        if options.deterministic { "yes (--deterministic)" } else { "no" },
    );
    module::interface(&mut report, &image.metadata.info);
    // `Image::parse` has read the same sections: this cannot fail behind it.
    if let Ok(file) = ElfFile64::<object::Endianness>::parse(bytes) {
        let sections = file.sections().filter(|section| section.file_range().is_some());
        let row = |section: object::read::elf::ElfSection64<'_, '_, object::Endianness>| {
            let name = section.name().unwrap_or("?").to_owned();
            (name, format!("{} bytes", section.size()))
        };
        report.table("sections", &sections.map(row).collect::<Vec<_>>());
    }
    Ok(report)
}
