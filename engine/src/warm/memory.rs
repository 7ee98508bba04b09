//! What a fork's memory costs: each page that a request writes to is copied first, each page of a program mapped.
//!
//! A spare has the time to do that ahead of its request, for the pages that an earlier request has touched: it learns
//! them from a file that the zygote's processes share. And what is in huge pages is forked, and let go, faster.
#![allow(unsafe_code)]

use std::fs::{self, File};
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;

use rustix::fs::{MemfdFlags, memfd_create};
use rustix::param::page_size;

/// Of what a spare makes its own before a request comes, in bytes.
const MOST: usize = 6 << 20;

/// Two numbers: where a range begins and ends.
const RECORD: usize = 16;

/// A longer mapping is only reserved, for the most part.
const LONGEST: usize = 1 << 30;

/// The size of huge pages, where there are any.
const HUGE: usize = 2 << 20;

/// The memory that a request has touched, if one has told it. The zygote makes it, its processes share it.
pub struct Touched(File);

/// A process that will tell what it has touched.
pub struct Learner<'a>(&'a Touched);

/// A part of this process's memory (proc_pid_maps(5)).
struct Mapping {
    range: Range<usize>,
    is_writable: bool,
    is_file: bool,
}

impl Touched {
    /// Nothing is known.
    pub fn new() -> io::Result<Self> {
        let file = memfd_create("wsgi-cgi-touched", MemfdFlags::CLOEXEC)?;
        Ok(Self(file.into()))
    }

    /// Touches it in this process, too; or, if nothing is known, gives who will tell.
    pub fn touch(&self) -> Option<Learner<'_>> {
        let known = self.read().unwrap_or_default();
        let mut own = 0;
        for range in &known {
            if own < MOST && advise(range, libc::MADV_POPULATE_WRITE).is_ok() {
                own += range.len();
            } else {
                // Of a program or a library, most likely.
                let _ = advise(range, libc::MADV_POPULATE_READ);
            }
        }
        known.is_empty().then_some(Learner(self))
    }

    fn read(&self) -> io::Result<Vec<Range<usize>>> {
        let mut bytes = vec![0; usize::try_from(self.0.metadata()?.len()).unwrap_or(0)];
        self.0.read_exact_at(&mut bytes, 0)?;
        let number = |bytes: &[u8]| Some(usize::from_ne_bytes(bytes.try_into().ok()?));
        let ranges = bytes.chunks_exact(RECORD).filter_map(|record| {
            let (start, end) = record.split_at(RECORD / 2);
            Some(number(start)?..number(end)?)
        });
        Ok(ranges.collect())
    }
}

impl Learner<'_> {
    /// Tells it. Where the system does not show it, nothing.
    pub fn tell(&self) {
        let _ = touched().and_then(|ranges| {
            let mut report = Vec::new();
            for range in ranges {
                report.extend(range.start.to_ne_bytes());
                report.extend(range.end.to_ne_bytes());
            }
            // Of several, the last one is right.
            self.0.0.write_all_at(&report, 0)
        });
    }
}

/// Moves what the application has made into huge pages, where the system has them.
pub fn use_huge_pages() {
    for mapping in mappings().unwrap_or_default() {
        let Range { start, end } = mapping.range;
        let inner = start.next_multiple_of(HUGE)..end - end % HUGE;
        if mapping.is_writable && !mapping.is_file && !inner.is_empty() {
            let _ = advise(&inner, libc::MADV_COLLAPSE);
        }
    }
}

/// The pages that this process has of its own, or has mapped of a file, since it was forked.
fn touched() -> io::Result<Vec<Range<usize>>> {
    /// Bits of an entry (proc_pid_pagemap(5)).
    const PRESENT: u64 = 1 << 63;
    const EXCLUSIVE: u64 = 1 << 56;
    let size = page_size();
    let pages = File::open("/proc/self/pagemap")?;
    let mut ranges: Vec<Range<usize>> = Vec::new();
    for mapping in mappings()? {
        let Range { start, end } = mapping.range;
        let wanted = match mapping.is_writable {
            true => PRESENT | EXCLUSIVE,
            false => PRESENT,
        };
        let mut entries = vec![0; (end - start) / size * 8];
        pages.read_exact_at(&mut entries, (start / size * 8) as u64)?;
        let (entries, _) = entries.as_chunks();
        for (page, entry) in (start..end).step_by(size).zip(entries) {
            if u64::from_ne_bytes(*entry) & wanted != wanted {
                continue;
            }
            match ranges.last_mut() {
                Some(last) if last.end == page && page != start => last.end += size,
                _ => ranges.push(page..page + size),
            }
        }
    }
    Ok(ranges)
}

/// This process's private memory, but for the kernel's own parts of it and what is only reserved.
fn mappings() -> io::Result<Vec<Mapping>> {
    let text = fs::read_to_string("/proc/self/maps")?;
    Ok(text.lines().filter_map(mapping).collect())
}

/// `7f00-7f10 rw-p 00000000 08:01 1234   /usr/lib/x.so`
fn mapping(line: &str) -> Option<Mapping> {
    let mut words = line.split_ascii_whitespace();
    let (start, end) = words.next()?.split_once('-')?;
    let mode = words.next()?;
    let name = words.nth(3).unwrap_or_default();
    let address = |text| usize::from_str_radix(text, 16).ok();
    let range = address(start)?..address(end)?;
    let is_private = mode.starts_with('r') && mode.ends_with('p');
    let is_wanted = is_private && !name.starts_with("[v") && range.len() <= LONGEST;
    is_wanted.then_some(Mapping {
        range,
        is_writable: mode.contains('w'),
        is_file: name.starts_with('/'),
    })
}

/// madvise(2), with an advice that changes no memory's content.
fn advise(range: &Range<usize>, advice: i32) -> io::Result<()> {
    let address = std::ptr::without_provenance_mut(range.start);
    // SAFETY: MADV_POPULATE_READ, MADV_POPULATE_WRITE and MADV_COLLAPSE leave content, protection and place of
    // memory as they are; of what is not mapped, the kernel says so.
    match unsafe { libc::madvise(address, range.len(), advice) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_maps_are_understood() {
        let heap = mapping("55d0-55f0 rw-p 00000000 00:00 0          [heap]").unwrap();
        assert_eq!(
            (heap.range, heap.is_writable, heap.is_file),
            (0x55d0..0x55f0, true, false)
        );
        let text = mapping("7f00-7f10 r-xp 00001000 08:01 1234   /usr/lib/a b.so").unwrap();
        assert_eq!((text.is_writable, text.is_file), (false, true));
        for line in [
            "7f00-7f10 rw-s 00000000 00:01 7   /dev/zero (deleted)",
            "7f00-7f10 ---p 00000000 00:00 0",
            "7f00-7f10 r--p 00000000 00:00 0   [vvar]",
            "7f0000000000-7f1000000000 rw-p 00000000 00:00 0",
            "",
        ] {
            assert!(mapping(line).is_none(), "{line}");
        }
    }

    #[test]
    fn what_a_worker_has_touched_the_next_one_knows() {
        let touched = Touched::new().unwrap();
        let learner = touched.touch().unwrap();
        let memory = vec![1_u8; 64 * 1024];
        learner.tell();
        let middle = memory.as_ptr().addr() + memory.len() / 2;
        let known = touched.read().unwrap();
        assert!(known.iter().any(|range| range.contains(&middle)));
        assert!(touched.touch().is_none());
    }
}
