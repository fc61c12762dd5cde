//! The supervisor's end of the page of crash markers.

use std::{
    io,
    os::fd::OwnedFd,
    process::Stdio,
    sync::atomic::{AtomicU32, Ordering::Relaxed},
};
use understudy_shared::{MARKERS, foreign, marker_page, name};

/// The page.
pub(super) struct Page {
    fd: OwnedFd,
    words: &'static [AtomicU32],
}

impl Page {
    /// A page that says nothing.
    pub(super) fn new() -> io::Result<Page> {
        let (fd, words) = marker_page(None)?;
        Ok(Page { fd, words })
    }

    /// The page as somebody's standard input.
    pub(super) fn as_stdin(&self) -> io::Result<Stdio> {
        Ok(self.fd.try_clone()?.into())
    }

    /// The modules that ran, each once.
    pub(super) fn running(&self) -> Vec<String> {
        let mut found: Vec<String> = self
            .words
            .iter()
            .take(MARKERS)
            .map(|word| word.load(Relaxed))
            .filter(|number| *number != 0)
            .filter_map(|number| name(self.words, number))
            .collect();
        found.sort();
        found.dedup();
        found
    }

    /// The modules that had foreign code in the proxy's memory.
    pub(super) fn foreign(&self) -> Vec<String> {
        foreign(self.words)
    }

    /// Forgets everything: whoever wrote it is gone.
    pub(super) fn clear(&self) {
        self.words.iter().for_each(|word| word.store(0, Relaxed));
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::Page;
    use std::sync::atomic::Ordering::Relaxed;
    use understudy_shared::set_name;

    #[test]
    fn the_modules_that_ran_are_named_once_and_then_forgotten() {
        let page = Page::new().unwrap();
        assert!(page.running().is_empty());
        set_name(page.words, 1, "one");
        set_name(page.words, 2, "two");
        for (slot, number) in [(0, 2), (5, 1), (255, 2), (7, 9)] {
            page.words[slot].store(number, Relaxed);
        }
        assert_eq!(page.running(), ["one", "two"]);
        page.clear();
        page.words[0].store(1, Relaxed);
        assert!(page.running().is_empty());
    }
}
