//! The page of crash markers: words in which a proxy notes which module runs where, read by its supervisor after a crash.
//!
//! Layout: [`MARKERS`] words of markers, then names of modules, [`NAME_BYTES`] bytes each, by the module's number from 1, with a bit for
//! those whose code is foreign.
//! The mapping is leaked on purpose: markers are `&'static`, and there is one page a process.

use crate::map::Map;
use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, ftruncate, memfd_create};
use std::io;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicU32, Ordering};

/// Words of the page: 16 KiB.
pub const PAGE_WORDS: usize = 4096;
/// Words at its beginning that are markers.
pub const MARKERS: usize = 256;
/// Bytes of a module's name that fit.
pub const NAME_BYTES: usize = 60;

/// Words a name takes: its length and its bytes.
const NAME_WORDS: usize = 1 + NAME_BYTES / 4;
/// In the word of the length: the module's code is foreign, and was in this address space.
const FOREIGN: u32 = 1 << 31;

/// Maps the page: a new one, or the one behind a descriptor that was inherited. Whoever has the descriptor can hand it on.
///
/// # Errors
/// When the descriptor is no such page, or there is no memory.
pub fn marker_page(fd: Option<OwnedFd>) -> io::Result<(OwnedFd, &'static [AtomicU32])> {
    let bytes = PAGE_WORDS * size_of::<AtomicU32>();
    let fd = match fd {
        Some(fd) => fd,
        None => {
            let fd = memfd_create(
                "understudy-markers",
                MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING,
            )?;
            ftruncate(&fd, bytes as u64)?;
            fcntl_add_seals(&fd, SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL)?;
            fd
        }
    };
    let map = Map::new(&fd, bytes, true)?;
    let start = map.start().cast::<AtomicU32>();
    // The page lives as long as the process.
    std::mem::forget(map);
    // SAFETY: the mapping is page aligned, `bytes` long, readable and writable, sealed against shrinking, and never unmapped;
    // every process touches it through atomics alone, for which any bit pattern is a value.
    let words = unsafe { std::slice::from_raw_parts(start.as_ptr(), PAGE_WORDS) };
    Ok((fd, words))
}

fn span(number: u32) -> Option<std::ops::Range<usize>> {
    let index = usize::try_from(number.checked_sub(1)?).ok()?;
    let start = MARKERS.checked_add(index.checked_mul(NAME_WORDS)?)?;
    (start + NAME_WORDS <= PAGE_WORDS).then_some(start..start + NAME_WORDS)
}

/// Notes the name of the module of this number (from 1), cut to [`NAME_BYTES`]. Numbers beyond the page are not noted.
pub fn set_name(page: &[AtomicU32], number: u32, name: &str) {
    let Some(words) = span(number).and_then(|span| page.get(span)) else {
        return;
    };
    let mut end = name.len().min(NAME_BYTES);
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    let mut bytes = [0; NAME_BYTES];
    bytes[..end].copy_from_slice(&name.as_bytes()[..end]);
    for (word, four) in words[1..].iter().zip(bytes.chunks_exact(4)) {
        word.store(
            u32::from_le_bytes([four[0], four[1], four[2], four[3]]),
            Ordering::Relaxed,
        );
    }
    let kept = words[0].load(Ordering::Relaxed) & FOREIGN;
    words[0].store(kept | end as u32, Ordering::Release);
}

/// Notes that the module of this number has foreign code in this address space. It is not taken back: of what such code started, a
/// thread may be left when the module is not there any more.
pub fn set_foreign(page: &[AtomicU32], number: u32) {
    if let Some(length) = span(number).and_then(|span| page.get(span.start)) {
        length.fetch_or(FOREIGN, Ordering::Release);
    }
}

/// The names of those of which that was noted.
pub fn foreign(page: &[AtomicU32]) -> Vec<String> {
    let numbers = (1..).map_while(|number| Some((number, span(number)?)));
    let noted = numbers.filter(|(_, span)| {
        let length = page.get(span.start);
        length.is_some_and(|length| length.load(Ordering::Acquire) & FOREIGN != 0)
    });
    noted.filter_map(|(number, _)| name(page, number)).collect()
}

/// The name of the module of this number, if one was noted.
pub fn name(page: &[AtomicU32], number: u32) -> Option<String> {
    let words = page.get(span(number)?)?;
    let len = (words[0].load(Ordering::Acquire) & !FOREIGN) as usize;
    let bytes: Vec<u8> = words[1..]
        .iter()
        .flat_map(|word| word.load(Ordering::Relaxed).to_le_bytes())
        .collect();
    let name = String::from_utf8_lossy(bytes.get(..len)?).into_owned();
    (!name.is_empty()).then_some(name)
}
