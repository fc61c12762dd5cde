//! A request that is being done: which operation comes next, and what is told.
//!
//! No input or output but files: whoever has the request submits the operations and hands back how they ended, from callbacks or from a
//! task. Phases: (1) [`Run::begin`] gives the first operations; (2) each completion gives the next; (3) a step that is `over` is the
//! last. Invariant: while it is not over, an operation that completes is under way. Awkward case: what is given up in the middle
//! leaves a reading or an injection open in the proxy; [`Run::cancel`] tells how to end it.

mod files;
mod reading;
#[cfg(test)]
mod tests;

use super::preload::Preload;
use super::{Name, Request, Told};
use files::{inject, open};
use reading::Reading;
use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;
use understudy_module::{
    Bytes, Completion, MOST_LISTED, ObjectId, ObjectInfo, Operation, Response,
};

/// How long what is injected is fresh unless it is said, in seconds.
const FRESH: u32 = 3600;
/// Bytes that are read, or injected from a file, at a time.
const PIECE: usize = 64 * 1024;
/// Objects that are listed unless it is said how many.
const LISTED: usize = 1000;

/// What a request is done with.
#[derive(Debug, Clone)]
pub struct Env {
    /// A number that was not given before, from the host.
    pub number: u64,
    /// The time, in seconds since 1970.
    pub now: i64,
    /// Where files are; `None`: none may be named.
    pub root: Option<Arc<PathBuf>>,
    /// Fetches at a time.
    pub parallel: u16,
    /// Bytes of body that are shown unless it is said how many.
    pub shown: u64,
    /// The same, whatever is said.
    pub most_shown: u64,
    /// Objects that are listed, whatever is said.
    pub most_listed: usize,
}

/// What is to be done now.
#[derive(Debug, Default, PartialEq)]
pub struct Step {
    /// To be submitted, in this order; what tells their completions apart.
    pub submit: Vec<(u16, Operation)>,
    /// To be told.
    pub told: Vec<Told>,
    /// That was all; completions that are still to come are nobody's.
    pub over: bool,
}

impl Step {
    fn ask(operation: Operation) -> Step {
        let submit = vec![(0, operation)];
        Step {
            submit,
            ..Step::default()
        }
    }

    fn end(told: Told) -> Step {
        let told = vec![told];
        Step {
            told,
            over: true,
            ..Step::default()
        }
    }

    fn failed(why: impl Into<String>) -> Step {
        Step::end(Told::Failed(why.into()))
    }
}

/// A request under way.
#[derive(Debug)]
pub struct Run(State);

#[derive(Debug)]
enum State {
    /// For one completion; how it is said that it is done, and the injection that ends with it.
    Last(&'static str, Option<u64>),
    /// For a piece to have been taken.
    Taken,
    Reading(Reading),
    Listing(Bytes, usize),
    Injecting(u64, File),
    Preloading(Box<Preload>),
    Over,
}

/// An operation that ends behind what was asked of this injection before: pieces do not complete, and to push more than the proxy takes
/// is to lose the injection. Numbers choose the worker, which has no reading of this one and says so.
fn behind(number: u64) -> Operation {
    Operation::ReadPart(number, 0)
}

impl Run {
    /// Begins.
    pub fn begin(request: Request, env: &Env) -> (Run, Step) {
        let (state, step) = match begin(request, env) {
            Ok(begun) => begun,
            Err(why) => (State::Over, Step::failed(why)),
        };
        (Run(state), step)
    }

    /// The operation submitted with this mark ended so.
    pub fn completed(&mut self, mark: u16, completion: Completion) -> Step {
        let (state, step) = match (std::mem::replace(&mut self.0, State::Over), completion) {
            (State::Last(_, injection), Completion::Failed(why)) => {
                let mut step = Step::failed(why);
                step.told.extend(injection.map(Told::Ended));
                (State::Over, step)
            }
            (State::Last(done, injection), completion) => {
                let mut step = Step::end(match completion {
                    Completion::Found(info) => Told::Found(info),
                    Completion::Absent => Told::Absent,
                    Completion::Fetched { status, stored } => Told::Fetched { status, stored },
                    Completion::Statistics(figures) => Told::Figures(figures),
                    _ => Told::Done(done),
                });
                step.told.extend(injection.map(Told::Ended));
                (State::Over, step)
            }
            (State::Taken, _) => (State::Over, Step::end(Told::Done("taken"))),
            (State::Reading(reading), completion) => reading.completed(completion),
            (State::Listing(prefix, left), Completion::Listed(objects, next)) => {
                listed(prefix, left, objects, next)
            }
            (State::Injecting(number, file), _) => inject(number, file),
            (State::Preloading(mut preload), completion) => {
                let mut step = Step::default();
                preload.completed(mark, completion, &mut step);
                (State::Preloading(preload), step)
            }
            (State::Over, _) => (State::Over, Step::default()),
            (State::Listing(..), Completion::Failed(why)) => (State::Over, Step::failed(why)),
            (State::Listing(..), other) => (State::Over, Step::failed(format!("{other:?}"))),
        };
        self.0 = state;
        step
    }

    /// It is given up: what is to be submitted for that. None of it completes.
    pub fn cancel(self) -> Vec<Operation> {
        match self.0 {
            State::Reading(reading) => vec![Operation::ReadDone(reading.number)],
            State::Injecting(number, _) => vec![Operation::InjectAbort(number)],
            _ => Vec::new(),
        }
    }
}

fn begin(request: Request, env: &Env) -> Result<(State, Step), String> {
    let last = |done, operation| Ok((State::Last(done, None), Step::ask(operation)));
    match request {
        Request::Query { url } => last("", Operation::Query(url.0)),
        Request::Fetch { url } => last("", Operation::Fetch(url.0)),
        Request::Validate { url } => last("", Operation::Validate(url.0)),
        Request::Expire { url, at } => last(
            "its expiration is set",
            Operation::SetExpiration(url.0, at.at(env.now)),
        ),
        Request::Delete { url } => last("deleted", Operation::Delete(url.0)),
        Request::Stats {} => last("", Operation::Statistics),
        Request::Inject {
            url,
            content_type,
            fresh,
            body,
            file: None,
        } => {
            let whole = response(&content_type, fresh, body.0)?;
            last("stored", Operation::Inject(url.0, whole))
        }
        Request::Inject {
            url,
            content_type,
            fresh,
            file: Some(file),
            ..
        } => {
            let file = open(env, &file)?;
            let head = response(&content_type, fresh, Bytes::new())?;
            let start = Operation::InjectStart(url.0, env.number, head);
            let mut step = Step::ask(start);
            step.submit.push((0, behind(env.number)));
            Ok((State::Injecting(env.number, file), step))
        }
        Request::InjectStart {
            url,
            content_type,
            fresh,
        } => {
            let head = response(&content_type, fresh, Bytes::new())?;
            let mut step = Step::end(Told::Begun(env.number));
            let start = Operation::InjectStart(url.0, env.number, head);
            step.submit.push((0, start));
            Ok((State::Over, step))
        }
        Request::InjectPart { number, body } => {
            let mut step = Step::ask(Operation::InjectBody(number, body.0));
            step.submit.push((0, behind(number)));
            Ok((State::Taken, step))
        }
        Request::InjectDone { number } => Ok((
            State::Last("stored", Some(number)),
            Step::ask(Operation::InjectDone(number)),
        )),
        Request::InjectAbort { number } => {
            let mut step = Step::end(Told::Done("forgotten"));
            step.told.push(Told::Ended(number));
            step.submit.push((0, Operation::InjectAbort(number)));
            Ok((State::Over, step))
        }
        Request::Read { url, limit, raw } => {
            let reading = Reading {
                number: env.number,
                left: limit.unwrap_or(env.shown).min(env.most_shown),
                raw,
                tail: Vec::new(),
            };
            let start = Operation::ReadStart(url.0, env.number);
            Ok((State::Reading(reading), Step::ask(start)))
        }
        Request::List {
            prefix,
            count,
            after,
        } => {
            let count = count.unwrap_or(LISTED).clamp(1, env.most_listed);
            let after = after.map(|Name(object)| object);
            let first = Operation::List(prefix.0.clone(), after, count.min(MOST_LISTED));
            Ok((State::Listing(prefix.0, count), Step::ask(first)))
        }
        Request::Preload {
            urls,
            sitemap,
            file,
        } => {
            let file = file.map(|name| open(env, &name)).transpose()?;
            let sitemap = sitemap.map(|Name(object)| object);
            let mut preload = Preload::new(urls, sitemap, file, env.parallel)?;
            let mut step = Step::default();
            preload.go(&mut step);
            Ok((State::Preloading(Box::new(preload)), step))
        }
    }
}

/// The answer that is stored.
fn response(content_type: &str, fresh: Option<u32>, body: Bytes) -> Result<Box<Response>, String> {
    let fresh = format!("max-age={}", fresh.unwrap_or(FRESH));
    let add = |response: &mut Response| {
        response.add(b"Content-Type", content_type.as_bytes())?;
        response.add(b"Cache-Control", fresh.as_bytes())
    };
    Response::new(200, body)
        .and_then(|mut response| add(&mut response).map(|()| Box::new(response)))
        .map_err(|refused| format!("TYPE: {refused}"))
}

/// A page of a list.
fn listed(
    prefix: Bytes,
    left: usize,
    objects: Vec<(ObjectId, ObjectInfo)>,
    next: Option<ObjectId>,
) -> (State, Step) {
    let left = left.saturating_sub(objects.len());
    let told = objects.into_iter();
    let mut step = Step {
        told: told
            .map(|(object, info)| Told::Listed(object, info))
            .collect(),
        ..Step::default()
    };
    match next {
        Some(next) if left > 0 => {
            let more = Operation::List(prefix.clone(), Some(next), left.min(MOST_LISTED));
            step.submit.push((0, more));
            (State::Listing(prefix, left), step)
        }
        next => {
            step.told.extend(next.map(Told::Next));
            step.over = true;
            (State::Over, step)
        }
    }
}
