//! Objects that modules put into the store, whole or in pieces.
//!
//! A fill like an origin's, but apart: nobody follows it, and nothing of it is visible before its commit. In pieces, a task owns the
//! fill and takes the pieces in order; dropping its channel gives everything up. Awkward case: a failure in the middle has nobody to be
//! told until the end is asked for, so it is kept, the pieces behind it are thrown away, and the end completes with it.

use super::work::Tell;
use crate::transaction;
use crate::worker::Worker;
use bytes::Bytes;
use std::future::poll_fn;
use std::rc::Rc;
use std::sync::Arc;
use tokio::sync::mpsc;
use understudy_cache::Fill;
use understudy_http::semantics::storing::NoStoreReason;
use understudy_module::{Completion, Response};

/// A piece is taken in portions of this size: room is found for one after the other.
const PORTION: usize = 32 * 1024;

/// What goes to the task of an injection in pieces.
enum Piece {
    Bytes(Bytes, Tell),
    End(Tell),
}

/// An injection in pieces, from its start to its end.
pub(super) struct Injection(mpsc::UnboundedSender<Piece>);

impl Injection {
    /// Begins one. What the head's response has as a body are the first bytes.
    pub(super) fn start(worker: Rc<Worker>, key: Bytes, response: Box<Response>) -> Injection {
        // Unbounded here: the ledger bounds the bytes under way.
        let (sender, pieces) = mpsc::unbounded_channel();
        actix_rt::spawn(run(worker, key, response, pieces));
        Injection(sender)
    }

    /// One more piece.
    pub(super) fn piece(&self, piece: Bytes, place: Tell) {
        let _ = self.0.send(Piece::Bytes(piece, place));
    }

    /// That was all.
    pub(super) fn end(self, tell: Tell) {
        let _ = self.0.send(Piece::End(tell));
    }
}

async fn run(
    worker: Rc<Worker>,
    key: Bytes,
    response: Box<Response>,
    mut pieces: mpsc::UnboundedReceiver<Piece>,
) {
    let mut state = begin(&worker, key, &response, None).await;
    if let Ok(fill) = &mut state
        && let Err(why) = write(fill, response.body()).await
    {
        state = Err(why);
    }
    drop(response);
    while let Some(piece) = pieces.recv().await {
        match piece {
            Piece::Bytes(piece, _place) => {
                if let Ok(fill) = &mut state
                    && let Err(why) = write(fill, &piece).await
                {
                    state = Err(why);
                }
            }
            Piece::End(tell) => return tell.done(commit(state).await),
        }
    }
}

/// Stores a whole response.
pub(super) async fn whole(worker: &Rc<Worker>, key: Bytes, response: &Response) -> Completion {
    let length = response.body().len() as u64;
    let mut state = begin(worker, key, response, Some(length)).await;
    if let Ok(fill) = &mut state
        && let Err(why) = write(fill, response.body()).await
    {
        state = Err(why);
    }
    commit(state).await
}

async fn begin(
    worker: &Rc<Worker>,
    key: Bytes,
    response: &Response,
    length: Option<u64>,
) -> Result<Fill, NoStoreReason> {
    let live = worker.live();
    if live.settings.cache.is_none() {
        return Err(NoStoreReason::Disabled);
    }
    let prepared =
        transaction::prepare_injected(response, &key, length, &live, worker.clock.now())?;
    let mut fill = worker
        .cache
        .apart(worker.transaction_id(), key, true)
        .await?;
    fill.respond(Arc::new(prepared)).await?;
    Ok(fill)
}

async fn write(fill: &mut Fill, piece: &[u8]) -> Result<(), NoStoreReason> {
    for portion in piece.chunks(PORTION) {
        poll_fn(|cx| fill.poll_room(cx)).await;
        fill.append(portion)?;
    }
    Ok(())
}

async fn commit(state: Result<Fill, NoStoreReason>) -> Completion {
    let fill = match state {
        Ok(fill) => fill,
        Err(why) => return Completion::Failed(why.as_str().to_owned()),
    };
    match fill.commit(Bytes::new()).await {
        Ok(_) => Completion::Done,
        // Its own lifetime was looked at before: what a commit means by this is that the key was invalidated meanwhile.
        Err(NoStoreReason::Expired) => Completion::Failed("deleted".to_owned()),
        Err(why) => Completion::Failed(why.as_str().to_owned()),
    }
}
