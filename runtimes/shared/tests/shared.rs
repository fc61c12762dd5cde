//! The arena and the marker page, through two mappings of the same memory.
#![allow(clippy::unwrap_used)]

use rustix::fs::{MemfdFlags, ftruncate, memfd_create};
use rustix::mm::{MapFlags, ProtFlags};
use std::sync::atomic::Ordering;
use understudy_shared::{
    Arena, MARKERS, Window, duplicate, foreign, marker_page, name, set_foreign, set_name,
};

#[test]
fn what_the_proxy_writes_the_child_reads() {
    let mut arena = Arena::new(1 << 20).unwrap();
    let window = Window::new(arena.fd(), 1 << 20).unwrap();
    assert!(arena.write(70_000, b"a body"));
    assert_eq!(window.part(70_000, 6).unwrap(), b"a body");
}

#[test]
fn nothing_is_written_or_read_outside() {
    let mut arena = Arena::new(4096).unwrap();
    let window = Window::new(arena.fd(), 4096).unwrap();
    assert!(!arena.write(4090, b"1234567"));
    assert!(arena.write(4090, b"123456"));
    assert!(window.part(4090, 7).is_none());
    assert!(window.part(usize::MAX, 2).is_none());
}

#[test]
fn an_arena_can_neither_shrink_nor_be_mapped_for_writing() {
    let arena = Arena::new(4096).unwrap();
    assert!(ftruncate(arena.fd(), 0).is_err());
    assert!(ftruncate(arena.fd(), 8192).is_err());
    // SAFETY: it must fail; were it to succeed, the mapping would be of new addresses that nobody uses.
    let mapped = unsafe {
        rustix::mm::mmap(
            std::ptr::null_mut(),
            4096,
            ProtFlags::READ | ProtFlags::WRITE,
            MapFlags::SHARED,
            arena.fd(),
            0,
        )
    };
    assert!(mapped.is_err());
    assert!(rustix::io::write(arena.fd(), b"x").is_err());
}

#[test]
fn memory_that_may_shrink_is_no_window() {
    let fd = memfd_create("x", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING).unwrap();
    ftruncate(&fd, 4096).unwrap();
    assert!(Window::new(&fd, 4096).is_err());
}

#[test]
fn a_marker_is_seen_through_the_other_mapping() {
    let (fd, page) = marker_page(None).unwrap();
    let (_, again) = marker_page(Some(fd.try_clone().unwrap())).unwrap();
    page[MARKERS - 1].store(7, Ordering::Relaxed);
    set_name(page, 7, "images");
    assert_eq!(again[MARKERS - 1].load(Ordering::Relaxed), 7);
    assert_eq!(name(again, 7).as_deref(), Some("images"));
    assert_eq!(name(again, 8), None);
    assert_eq!(name(again, 0), None);
    assert_eq!(name(again, u32::MAX), None);
}

#[test]
fn modules_with_foreign_code_are_named_whatever_is_noted_of_them_first() {
    let (fd, page) = marker_page(None).unwrap();
    let (_, again) = marker_page(Some(fd)).unwrap();
    for number in 1..=4 {
        set_name(page, number, &format!("m{number}"));
    }
    assert!(foreign(again).is_empty());
    set_foreign(page, 2);
    set_foreign(page, 4);
    // Noted anew at every reload; and one that has no name, or no place, is not told.
    set_name(page, 4, "last");
    set_foreign(page, 5);
    set_foreign(page, 0);
    set_foreign(page, 1_000_000);
    assert_eq!(foreign(again), ["m2", "last"]);
    assert_eq!(name(again, 2).as_deref(), Some("m2"));
}

#[test]
fn a_long_name_is_cut_between_letters() {
    let (_, page) = marker_page(None).unwrap();
    set_name(page, 1, &"ä".repeat(31));
    assert_eq!(name(page, 1), Some("ä".repeat(30)));
    set_name(page, 1_000_000, "nowhere");
    assert_eq!(name(page, 1_000_000), None);
}

#[test]
fn another_file_is_no_marker_page() {
    let (read, _write) = std::io::pipe().unwrap();
    assert!(marker_page(Some(read.into())).is_err());
}

#[test]
fn a_number_that_is_no_descriptor_is_refused() {
    assert!(duplicate(-1).is_err());
    assert!(duplicate(1_000_000).is_err());
    assert!(duplicate(2).is_ok());
}
