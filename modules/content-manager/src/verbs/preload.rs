//! Preloading: everything that a list, a file or a sitemap names is fetched, so many at a time.
//!
//! Sitemaps are fetched through the cache like everything else, and read from there; an index leads to others
//! (<https://www.sitemaps.org/protocol.html>). Invariant: what is read ahead is one name, and a step reads a bounded part of the source, so
//! neither a long list nor a sitemap holds anybody up. Awkward case: a step whose part names nothing has nothing to wait for; it asks for
//! the statistics, only to be called again.

use super::run::Step;
use super::source::{Item, Source};
use super::{Name, Told, url_of};
use std::collections::VecDeque;
use std::fs::File;
use std::io::{BufReader, Cursor};
use understudy_module::{Completion, ObjectId, Operation};

/// Lines or parts of a sitemap that a step looks at; so many bytes that it reads, or tells of failures, count as one more.
const STEP: usize = 1000;
const EACH: usize = 256;
/// Sitemaps of one preloading.
const MOST_MAPS: usize = 1000;
/// The mark of what is not a fetch of a page.
const APART: u16 = u16::MAX;

/// One preloading.
pub(super) struct Preload {
    source: Option<Source>,
    /// Sitemaps that are still to be read, and how many there were.
    maps: VecDeque<ObjectId>,
    maps_met: usize,
    /// The sitemap that is fetched, or then read.
    map: Option<ObjectId>,
    /// Whether an operation with the mark of its own is under way.
    apart: bool,
    /// What is fetched, by mark.
    flying: Vec<Option<String>>,
    stored: u64,
    passed: u64,
    failed: u64,
}

impl std::fmt::Debug for Preload {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Preload").finish_non_exhaustive()
    }
}

impl Preload {
    pub(super) fn new(
        urls: Vec<String>,
        sitemap: Option<ObjectId>,
        file: Option<File>,
        parallel: u16,
    ) -> Result<Preload, String> {
        let source = match file {
            Some(_) if !urls.is_empty() || sitemap.is_some() => {
                return Err("say one of urls, sitemap and file".to_owned());
            }
            Some(file) => Some(Source::of(Box::new(BufReader::new(file)), false)?),
            None if urls.is_empty() && sitemap.is_none() => {
                return Err("say what is to be preloaded: urls, a sitemap or a file".to_owned());
            }
            None => Some(Source::List(urls.into_iter())),
        };
        Ok(Preload {
            source,
            maps_met: 1,
            maps: sitemap.into_iter().collect(),
            map: None,
            apart: false,
            flying: vec![None; usize::from(parallel.clamp(1, APART - 1))],
            stored: 0,
            passed: 0,
            failed: 0,
        })
    }

    fn progress(&self, over: bool) -> Told {
        Told::Progress {
            done: self.stored + self.passed + self.failed,
            stored: self.stored,
            passed: self.passed,
            failed: self.failed,
            over,
        }
    }

    /// Something failed; answers how many bytes tell it.
    fn trouble(&mut self, step: &mut Step, what: &str, why: impl Into<String>) -> usize {
        let why = why.into();
        let bytes = what.len() + why.len();
        self.failed += 1;
        step.told.push(Told::Trouble(what.to_owned(), why));
        bytes
    }

    fn ask(&mut self, step: &mut Step, operation: Operation) {
        self.apart = true;
        step.submit.push((APART, operation));
    }

    /// Fills the places that are free; says when all is done.
    pub(super) fn go(&mut self, step: &mut Step) {
        let mut left = STEP;
        while let Some(place) = self.flying.iter().position(Option::is_none) {
            let Some(source) = &mut self.source else {
                break;
            };
            if left == 0 {
                break;
            }
            let before = source.left();
            let item = source.next();
            let read = before.saturating_sub(source.left()) as usize;
            let mut told = 0;
            match item {
                Ok(Item::Page(url)) => match Name::try_from(url.clone()) {
                    Ok(Name(object)) => {
                        if let (Some(free), Ok(mark)) =
                            (self.flying.get_mut(place), u16::try_from(place))
                        {
                            *free = Some(url);
                            step.submit.push((mark, Operation::Fetch(object)));
                        }
                    }
                    Err(why) => told = self.trouble(step, &url, why),
                },
                Ok(Item::Map(url)) => match Name::try_from(url.clone()) {
                    Ok(_) if self.maps_met >= MOST_MAPS => {
                        told = self.trouble(step, &url, format!("more than {MOST_MAPS} sitemaps"));
                    }
                    Ok(Name(object)) => {
                        self.maps_met += 1;
                        self.maps.push_back(object);
                    }
                    Err(why) => told = self.trouble(step, &url, why),
                },
                Ok(Item::Other) => {}
                Ok(Item::End) => self.source = None,
                Err(why) => {
                    self.source = None;
                    told = self.trouble(step, "the list", why);
                }
            }
            left = left.saturating_sub(1 + (read + told) / EACH);
        }
        if self.source.is_none()
            && self.map.is_none()
            && let Some(next) = self.maps.pop_front()
        {
            self.map = Some(next.clone());
            self.ask(step, Operation::Fetch(next));
        }
        if !self.apart && self.flying.iter().all(Option::is_none) {
            if self.source.is_some() {
                return self.ask(step, Operation::Statistics);
            }
            step.told.push(self.progress(true));
            step.over = true;
        }
    }

    pub(super) fn completed(&mut self, mark: u16, completion: Completion, step: &mut Step) {
        if mark == APART {
            self.apart = false;
            if let Some(map) = self.map.take() {
                self.mapped(map, completion, step);
            }
        } else if let Some(url) = self
            .flying
            .get_mut(usize::from(mark))
            .and_then(Option::take)
        {
            match completion {
                // Confirmed is as good as stored.
                Completion::Fetched { stored: true, .. }
                | Completion::Fetched { status: 304, .. } => {
                    self.stored += 1;
                }
                Completion::Fetched { status, .. } if status < 400 => self.passed += 1,
                Completion::Fetched { status, .. } => {
                    self.trouble(step, &url, format!("status {status}"));
                }
                Completion::Failed(why) => drop(self.trouble(step, &url, why)),
                _ => drop(self.trouble(step, &url, "not fetched")),
            }
            step.told.push(self.progress(false));
        }
        self.go(step);
    }

    /// A sitemap was fetched, or read.
    fn mapped(&mut self, map: ObjectId, completion: Completion, step: &mut Step) {
        let url = url_of(map.key());
        match completion {
            Completion::Fetched { status, stored } if stored || status == 304 => {
                self.ask(step, Operation::Read(map.clone()));
                self.map = Some(map);
            }
            Completion::Object(read) if read.status() == 200 => {
                let text = Cursor::new(read.body().clone());
                match Source::of(Box::new(text), true) {
                    Ok(source) => self.source = Some(source),
                    Err(why) => drop(self.trouble(step, &url, why)),
                }
            }
            Completion::Object(read) => {
                self.trouble(step, &url, format!("status {}", read.status()));
            }
            Completion::Fetched { status, .. } if status < 400 => {
                let why = "its origin does not let it be stored, so it cannot be read here: preload it from a file";
                self.trouble(step, &url, why);
            }
            Completion::Fetched { status, .. } => {
                self.trouble(step, &url, format!("status {status}"));
            }
            Completion::Failed(why) => drop(self.trouble(step, &url, why)),
            _ => drop(self.trouble(step, &url, "it is not stored any more")),
        }
    }
}
