//! What the admin asks of the store: the verbs of the console, answered in JSON.
//!
//! Owns the injections in pieces that were begun by way of the admin. Invariant: one that nobody went on with for [`FORGOTTEN`] is given
//! up at the next request, for whoever began it had no connection that could end. Awkward case: who asked may go away meanwhile; what he asked
//! for is done to its end.

use serde_json::{Map, Value};
use std::{
    cell::RefCell,
    sync::Arc,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use understudy_content_manager::verbs::{Collected, Env, Open, Request, Run};
use understudy_module::{Completion, Operation};
use understudy_proxy::Content;
use understudy_runtimes::{Services, number};

/// How long an injection in pieces waits for the next.
const FORGOTTEN: Duration = Duration::from_secs(600);
/// Fetches of a preloading at a time.
const PARALLEL: u16 = 8;
/// Bytes of a body in an answer.
const SHOWN: u64 = 8 << 20;
/// Objects in an answer.
const LISTED: usize = 10_000;

/// The admin's desk.
#[derive(Debug)]
pub(crate) struct Desk {
    content: Arc<Content>,
    /// Keeps its injections apart from those of modules.
    owner: u64,
    open: RefCell<Open>,
}

type Ended = UnboundedSender<(u16, Completion)>;

impl Desk {
    /// A desk with nothing on it.
    pub(crate) fn new(content: &Arc<Content>) -> Desk {
        Desk {
            content: content.clone(),
            owner: number(),
            open: RefCell::default(),
        }
    }

    /// Does it, and answers with the document.
    ///
    /// # Errors
    /// A sentence that says why it was not begun.
    pub(crate) async fn perform(&self, request: Request) -> Result<Map<String, Value>, String> {
        let (ended, mut endings) = unbounded_channel();
        let stale = self.open.borrow_mut().stale(Instant::now(), FORGOTTEN);
        stale
            .into_iter()
            .for_each(|gone| self.submit(&ended, 0, gone));
        self.open.borrow_mut().check(&request, Instant::now())?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let env = Env {
            number: number(),
            now: now.map_or(0, |since| since.as_secs() as i64),
            root: None,
            parallel: PARALLEL,
            shown: SHOWN,
            most_shown: SHOWN,
            most_listed: LISTED,
        };
        let mut collected = Collected::default();
        let (mut run, mut step) = Run::begin(request, &env);
        loop {
            for (mark, operation) in step.submit {
                self.submit(&ended, mark, operation);
            }
            for told in step.told {
                self.open.borrow_mut().note(&told, Instant::now());
                collected.add(told);
            }
            if step.over {
                return Ok(collected.document());
            }
            // One sender is ours, so this only ends with a completion.
            let Some((mark, completion)) = endings.recv().await else {
                return Err("the proxy is going down".to_owned());
            };
            step = run.completed(mark, completion);
        }
    }

    fn submit(&self, ended: &Ended, mark: u16, operation: Operation) {
        let ended = ended.clone();
        let done = move |completion| {
            // What is told behind the last step is nobody's.
            let _ = ended.send((mark, completion));
        };
        self.content.perform(self.owner, operation, Box::new(done));
    }
}
