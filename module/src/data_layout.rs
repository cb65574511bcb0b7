//! Lays data segments out for an image: what can be mapped into a memory page by page, and what must be copied.
//!
//! Active segments with constant, in-bounds offsets into a defined memory are *mapped*, up to the first that is not
//! such: their bytes are put where they belong within pages, so that instantiation maps those pages copy-on-write
//! instead of copying. All others keep their bytes as they are. Either way the specification's order holds: segments
//! are written one after the other, later ones over earlier ones, and none behind one that fails.
//!
//! Nothing is mapped when the pages would be much larger than what is in them: a module of a few hundred kilobytes
//! could ask for gigabytes.

use serde::{Deserialize, Serialize};

use crate::{DataIndex, DataSegment, MemoryIndex, MemoryType, ParsedModule};

/// Unit of mapping. 64 KiB is a multiple of every page size that a supported host uses.
const BLOCK: u64 = 64 * 1024;

/// Bytes of mapped blocks that any module may have; beyond it they are at most [`MAX_RATIO`] times the data.
const FREE_PADDING: u64 = 16 << 20;
const MAX_RATIO: u64 = 4;

/// Where the data segments lie in the data section of an image.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DataLayout {
    /// The segments that are not mapped, in their order. All others need no more than their blocks: there can be tens of
    /// thousands of them, and starting a program does not look at each.
    pub copied: Vec<CopiedSegment>,
    /// The blocks to map, sorted by memory and offset, without overlaps.
    pub runs: Vec<MemoryRun>,
}

/// A data segment whose bytes are `start..start + len` of the data section.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CopiedSegment {
    /// Which one it is.
    pub index: DataIndex,
    /// When it is copied, and where to.
    pub segment: DataSegment,
    /// First byte.
    pub start: u64,
    /// Number of bytes.
    pub len: u64,
}

/// Consecutive bytes of the data section that hold consecutive bytes of a memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemoryRun {
    /// The memory.
    pub memory: MemoryIndex,
    /// First byte in the memory; a multiple of 64 KiB.
    pub offset: u64,
    /// First byte in the data section; a multiple of 64 KiB.
    pub start: u64,
    /// Number of bytes; a multiple of 64 KiB.
    pub len: u64,
}

/// A mapped segment: memory, first byte, bytes.
type Mapped<'a> = (MemoryIndex, u64, &'a [u8]);

impl DataLayout {
    /// The layout of a module's data segments, and the bytes of the data section.
    ///
    /// The section begins with the mapped blocks, so that they keep the alignment of the section.
    pub fn new(module: &ParsedModule<'_>) -> (DataLayout, Vec<u8>) {
        let mut layout = DataLayout::default();
        let mut bytes = Vec::new();
        let mapped: Vec<Option<Mapped<'_>>> = mapped_segments(module);
        let mut memories: Vec<_> = mapped.iter().flatten().map(|segment| segment.0).collect();
        memories.sort_unstable();
        memories.dedup();
        for memory in memories {
            let segments: Vec<_> =
                mapped.iter().flatten().filter(|segment| segment.0 == memory).collect();
            layout.add_runs(memory, &segments, &mut bytes);
        }
        let not_mapped = mapped.iter().zip(&module.data).enumerate();
        for (index, (_, (segment, data))) in not_mapped.filter(|(_, (place, _))| place.is_none()) {
            layout.copied.push(CopiedSegment {
                index: DataIndex::from_index(index),
                segment: segment.clone(),
                start: bytes.len() as u64,
                len: data.len() as u64,
            });
            bytes.extend_from_slice(data);
        }
        (layout, bytes)
    }

    /// What is known of a segment that is not mapped.
    pub fn copied(&self, data: DataIndex) -> Option<&CopiedSegment> {
        let found = self.copied.binary_search_by_key(&data, |segment| segment.index).ok()?;
        Some(&self.copied[found])
    }

    /// Whether it is one of a module with so many segments, and a data section of `len` bytes.
    pub(crate) fn fits(&self, num_segments: u32, len: u64) -> bool {
        let inside =
            |start: u64, bytes: u64| start.checked_add(bytes).is_some_and(|end| end <= len);
        let aligned = |value: u64| value.is_multiple_of(BLOCK);
        let ascending = self.copied.is_sorted_by(|a, b| a.index < b.index);
        let last_exists = self.copied.last().is_none_or(|last| last.index.0 < num_segments);
        ascending
            && last_exists
            && self.copied.iter().all(|segment| inside(segment.start, segment.len))
            && self.runs.iter().all(|run| {
                inside(run.start, run.len)
                    && aligned(run.start)
                    && aligned(run.offset)
                    && aligned(run.len)
            })
    }

    /// Appends the blocks that the segments of one memory touch, and fills them in segment order.
    fn add_runs(&mut self, memory: MemoryIndex, segments: &[&Mapped<'_>], bytes: &mut Vec<u8>) {
        let mut blocks: Vec<u64> =
            segments.iter().flat_map(|&&(_, offset, data)| blocks(offset, data)).collect();
        blocks.sort_unstable();
        blocks.dedup();
        let first_run = self.runs.len();
        for block in blocks {
            let start = bytes.len() as u64;
            bytes.resize(bytes.len() + BLOCK as usize, 0);
            match self.runs[first_run..].last_mut() {
                Some(run) if run.offset + run.len == block * BLOCK => run.len += BLOCK,
                _ => self.runs.push(MemoryRun { memory, offset: block * BLOCK, start, len: BLOCK }),
            }
        }
        let runs = &self.runs[first_run..];
        for &&(_, offset, data) in segments.iter().filter(|segment| !segment.2.is_empty()) {
            // A segment's blocks are consecutive, so one run holds all of it.
            let run = runs[runs.partition_point(|run| run.offset <= offset) - 1];
            let at = (run.start + (offset - run.offset)) as usize;
            bytes[at..at + data.len()].copy_from_slice(data);
        }
    }
}

/// For each segment, where it goes when it can be mapped.
///
/// Mapping is given up behind an active segment that must be copied: the order of writes would change, and when
/// copying it fails the later ones must not have been written.
fn mapped_segments<'a>(module: &ParsedModule<'a>) -> Vec<Option<Mapped<'a>>> {
    let info = &module.info;
    let mut segments: Vec<Option<Mapped<'a>>> = Vec::with_capacity(module.data.len());
    let mut all_mapped = true;
    for &(ref segment, data) in &module.data {
        let DataSegment::Active { memory, offset } = segment else {
            segments.push(None);
            continue;
        };
        let limit = mappable_bytes(&info.memories[memory.index()]);
        let place = offset.as_address().filter(|offset| {
            let end = offset.checked_add(data.len() as u64);
            !info.is_imported_memory(*memory) && end.is_some_and(|end| end <= limit)
        });
        all_mapped &= place.is_some();
        segments.push(place.filter(|_| all_mapped).map(|offset| (*memory, offset, data)));
    }
    if is_sparse(segments.iter().flatten()) {
        segments.fill(None);
    }
    segments
}

/// How much of a memory that is defined with this type can be mapped, from its beginning: whole blocks only, so none of
/// a memory whose pages are smaller. None of one that is too large to exist, either.
fn mappable_bytes(ty: &MemoryType) -> u64 {
    match ty.min_bytes() {
        Some(bytes) if ty.page_size().is_multiple_of(BLOCK) => bytes,
        _ => 0,
    }
}

/// Whether the blocks that segments touch are much larger than the segments.
fn is_sparse<'a>(segments: impl Iterator<Item = &'a Mapped<'a>> + Clone) -> bool {
    let bytes: u64 = segments.clone().map(|segment| segment.2.len() as u64).sum();
    let mut blocks: Vec<_> = segments
        .flat_map(|&(memory, offset, data)| blocks(offset, data).map(move |block| (memory, block)))
        .collect();
    blocks.sort_unstable();
    blocks.dedup();
    blocks.len() as u64 * BLOCK > bytes.saturating_mul(MAX_RATIO).saturating_add(FREE_PADDING)
}

/// The numbers of the blocks that `data` at `offset` touches.
fn blocks(offset: u64, data: &[u8]) -> std::ops::Range<u64> {
    match data.len() as u64 {
        0 => 0..0,
        len => offset / BLOCK..(offset + len).div_ceil(BLOCK),
    }
}

#[cfg(test)]
mod tests {
    use super::{DataLayout, MemoryRun};
    use crate::{DataIndex, DataSegment, Features, MemoryIndex, parse};

    fn layout(text: &str) -> (DataLayout, Vec<u8>) {
        let bytes = wat::parse_str(text).expect("valid text");
        let features: Features = "custom-page-sizes".parse().expect("a known feature");
        let module = parse(&bytes, features).expect("valid module");
        DataLayout::new(&module)
    }

    /// The segments that are not mapped: index, first byte and length.
    fn copied(layout: &DataLayout) -> Vec<(u32, u64, u64)> {
        layout.copied.iter().map(|segment| (segment.index.0, segment.start, segment.len)).collect()
    }

    #[test]
    fn later_segments_are_written_over_earlier_ones() {
        let (layout, bytes) = layout(
            r#"(module (memory 4) (data (i32.const 65535) "abc") (data (i32.const 65536) "X")
                (data "passive"))"#,
        );
        assert_eq!(
            layout.runs,
            [MemoryRun { memory: MemoryIndex(0), offset: 0, start: 0, len: 131_072 }]
        );
        assert_eq!(&bytes[65535..65538], b"aXc");
        assert_eq!(copied(&layout), [(2, 131_072, 7)]);
        assert_eq!(&bytes[131_072..], b"passive");
        let found = |index| layout.copied(DataIndex(index)).map(|segment| &segment.segment);
        assert_eq!([found(0), found(1)], [None; 2], "mapped");
        assert_eq!(found(2), Some(&DataSegment::Passive));
        assert!(layout.fits(3, bytes.len() as u64));
        assert!(!layout.fits(2, bytes.len() as u64), "one that does not exist");
        assert!(!layout.fits(3, bytes.len() as u64 - 1), "one behind the section");
    }

    #[test]
    fn segments_of_64_bit_memories_are_mapped_and_those_of_small_pages_copied() {
        let text = r#"(module (memory i64 2) (data (i64.const 0x1fffd) "abc"))"#;
        let (wide, bytes) = layout(text);
        assert_eq!(copied(&wide), []);
        assert_eq!((wide.runs[0].offset, &bytes[65533..]), (65536, &b"abc"[..]));
        for offset in ["0x1fffe", "0xffffffffffffffff", "0xffffffff00000000"] {
            let (outside, _) = layout(&text.replace("0x1fffd", offset));
            assert_eq!(copied(&outside), [(0, 0, 3)], "{offset}");
        }
        // The largest memories of all: no place in them is one that blocks cannot be counted up to.
        for (pages, place) in [(1_u64 << 48, 0), ((1 << 48) - 1, u64::MAX - 0x1_0002)] {
            let text = format!(r#"(module (memory i64 {pages}) (data (i64.const {place}) "abc"))"#);
            let mapped = copied(&layout(&text).0).is_empty();
            assert_eq!(mapped, pages < 1 << 48);
        }
        let (small, _) =
            layout(r#"(module (memory 70000 (pagesize 1)) (data (i32.const 9) "abc"))"#);
        assert_eq!(copied(&small), [(0, 0, 3)]);
    }

    #[test]
    fn distant_segments_make_separate_runs() {
        let (layout, bytes) = layout(
            r#"(module (memory 100) (data (i32.const 6400000) "far") (data (i32.const 0) "near"))"#,
        );
        assert_eq!(layout.runs.len(), 2);
        assert_eq!(bytes.len(), 131_072);
        assert_eq!(layout.runs[1].offset, 6_400_000 / 65536 * 65536);
    }

    #[test]
    fn behind_a_segment_out_of_bounds_everything_is_copied() {
        let (layout, bytes) = layout(
            r#"(module (memory 1) (memory 1) (data (i32.const 0) "ok") (data (i32.const 65535) "no")
                (data (memory 1) (i32.const 0) "late"))"#,
        );
        assert_eq!(layout.runs.len(), 1);
        let start = 65536;
        assert_eq!(copied(&layout), [(1, start, 2), (2, start + 2, 4)]);
        assert_eq!(&bytes[65536..], b"nolate");
    }

    #[test]
    fn scattered_segments_are_copied() {
        let scattered = |count: u32| {
            let place = |number| format!("(data (i32.const {}) \"x\")", number * 2 * 65536);
            layout(&format!("(module (memory 600) {})", (0..count).map(place).collect::<String>()))
        };
        assert_eq!(scattered(256).1.len(), 16 << 20);
        assert_eq!(scattered(257).1.len(), 257);
    }
}
