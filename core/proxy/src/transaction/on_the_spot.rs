//! Plain hits that meet modules, on the spot: all of them inline, and their hooks on this body only look.
//!
//! The same steps as without modules, with a direct call at each hook; but the store is looked into first: what is no hit is a
//! transaction's, which asks modules itself. Whatever does not end at once is handed to a transaction, with what was said so far, so no
//! hook is called twice.

use super::fast::{BlockedHit, Fast, Send, Spot, is_plain};
use super::hooks::{self, Before, Handed, closed, request_subject};
use super::{Step, Transaction};
use crate::client::Client;
use crate::modules::edited::{self, Made};
use crate::modules::handle::Handle;
use crate::modules::party::{Audience, Party, Ran, Subject};
use crate::record::Record;
use crate::worker::{Live, Worker};
use bytes::Bytes;
use std::sync::Arc;
use understudy_cache::Stored;
use understudy_http::RequestHead;
use understudy_module::{Edit, Edits, Head, Hook, Lines, LogEntry, Part, Piece};

/// Answers a plain hit.
#[inline(never)]
pub(super) fn answer(
    spot: &mut Spot<'_, '_>,
    client: &mut Client,
    head: &mut RequestHead<&[u8]>,
    key: &[u8],
) -> Fast {
    let Some(mut found) = spot.find(head, key) else {
        return Fast::No(None);
    };
    let worker = spot.worker;
    let party = Handle::new(&spot.live.chain, worker.transaction_id(), spot.peer, key);
    // What modules change in the request.
    let mut asked = worker.asked.take();
    let mut applied = false;
    if party.wants(Hook::RequestHead) {
        let ran = party.run(Hook::RequestHead, 0, request_subject(head, key), &mut asked);
        if !matches!(ran, Ran::Through) {
            return hand(party, ran, asked, false, None);
        }
        // Where rules put fields into the key it may be another one now.
        if !asked.is_empty()
            && (spot.live.settings.rules.speak_of_keys() || edited::reroutes(&asked))
        {
            return hand(party, ran, asked, false, None);
        }
        // Fields that nobody here reads change nothing of a hit, unless answers vary by them: also a newer one than this, which itself
        // does not. They are put to use only then, or when it turns out to be no hit.
        if !asked.is_empty() && (found.varies || !edited::are_strange(&asked)) {
            edited::request(head, &asked);
            applied = true;
            found = match spot.find(head, key) {
                Some(found) if is_plain(head.fields()) => found,
                _ => return hand(party, Ran::Through, asked, true, None),
            };
        }
    }
    spot.put_to_use(&found, key);
    let stored = found.stored;
    let mut edits = worker.edits.take();
    let prepared = stored.prepared();
    let mut rewritten = None;
    let mut added: &[u8] = &[];
    let audience;
    if party.wants(Hook::ResponseReturn) {
        let subject = Subject {
            method: head.method_bytes(),
            url: key,
            part: Part::Head(Head::Response {
                status: prepared.status,
                lines: Lines::Whole(&prepared.head),
            }),
        };
        let ran = party.run(Hook::ResponseReturn, 0, subject, &mut edits);
        if !matches!(ran, Ran::Through) {
            let returned = Some(Box::new((ran, edits)));
            return hand(party, Ran::Through, asked, applied, returned);
        }
        audience = party.audience();
        // Another status is rare enough for a transaction of its own. One that did not say that it is done may say anything of the body.
        let status = !edits.is_empty()
            && edits.all_set().is_none()
            && edits.iter().any(|e| matches!(e, Edit::Status(_)));
        if status || audience == Audience::Changers {
            let returned = Some(Box::new((ran, edits)));
            return hand(party, Ran::Through, asked, applied, returned);
        }
        if !edits.is_empty() {
            match edited::made(&prepared.head, &edits, stored.standing()) {
                Made::Same => {}
                Made::Stands(lines) => stored.note_standing(lines),
                Made::More(lines) => added = lines,
                Made::Anew(head) => rewritten = Some(Bytes::from(head)),
            }
        }
    } else {
        audience = party.audience();
    }
    let send = Send {
        head: rewritten.as_ref().unwrap_or(&prepared.head),
        added,
        party: Some(&*party),
    };
    if prepared.status != 204 && audience == Audience::Lookers {
        let method = head.method_bytes();
        let mut said = worker.told.take();
        for block in 0..stored.blocks().len().max(1) {
            let ran = look(&party, &stored, block, method, key, &mut said);
            if matches!(ran, Ran::Through) {
                said.clear();
                continue;
            }
            let mut lines = Vec::new();
            let persist = spot.lines(client, head, &stored, send, &mut lines);
            let hit = BlockedHit {
                head: rewritten,
                lines: lines.into(),
                sent: 0,
                url: Bytes::copy_from_slice(key),
                persist,
                look: Some((block, ran, said)),
                handed: handed(party, Ran::Through, asked, applied, None),
                stored,
            };
            return Fast::Blocked(Box::new(hit));
        }
        worker.told.set(said);
    }
    let sent = spot.send(client, head, key, &stored, send);
    worker.edits.set(edits);
    match sent {
        Ok(fast) => {
            worker.asked.set(asked);
            fast
        }
        Err(mut hit) => {
            hit.head = rewritten;
            hit.handed = handed(party, Ran::Through, asked, applied, None);
            Fast::Blocked(hit)
        }
    }
}

fn handed(
    party: Handle,
    ran: Ran,
    edits: Box<Edits>,
    applied: bool,
    returned: Option<Box<(Ran, Box<Edits>)>>,
) -> Option<Handed> {
    let before = Before {
        ran,
        edits,
        applied,
        returned,
    };
    Some(Handed { party, before })
}

fn hand(
    party: Handle,
    ran: Ran,
    edits: Box<Edits>,
    applied: bool,
    returned: Option<Box<(Ran, Box<Edits>)>>,
) -> Fast {
    Fast::No(handed(party, ran, edits, applied, returned))
}

/// Shows a block of the body to the modules that look.
fn look(
    party: &Party,
    stored: &Stored,
    block: usize,
    method: &[u8],
    key: &[u8],
    edits: &mut Edits,
) -> Ran {
    static NOTHING: Bytes = Bytes::new();
    let subject = subject(stored, block, &NOTHING, method, key);
    party.run(Hook::ReturnBody, 0, subject, edits)
}

fn subject<'a>(
    stored: &'a Stored,
    block: usize,
    nothing: &'a Bytes,
    method: &'a [u8],
    url: &'a [u8],
) -> Subject<'a> {
    let blocks = stored.blocks();
    Subject {
        method,
        url,
        part: Part::Piece(Piece {
            bytes: blocks.get(block).unwrap_or(nothing),
            last: block + 1 >= blocks.len(),
            held: &[],
            head_waits: false,
        }),
    }
}

impl Transaction {
    /// Goes on with modules that look at a body: from this block, where one did not answer at once. A step when one fails for
    /// good; nothing of the answer was sent yet.
    pub(super) async fn look_on(
        &mut self,
        stored: &Arc<Stored>,
        block: usize,
        mut ran: Ran,
        mut edits: Box<Edits>,
    ) -> Option<Step> {
        let party = self.party.clone()?;
        let key = self.logged_url.clone().unwrap_or_default();
        let method = self.head.method_bytes();
        let nothing = Bytes::new();
        for at in block..stored.blocks().len().max(1) {
            let subject = || subject(stored, at, &nothing, method, &key);
            if at > block {
                edits.clear();
                ran = party.run(Hook::ReturnBody, 0, subject(), &mut edits);
            }
            let ended = std::mem::replace(&mut ran, Ran::Through);
            let ended = party.finish(Hook::ReturnBody, ended, subject, &mut edits);
            if matches!(ended.await, Ran::Closed) {
                return Some(closed());
            }
        }
        None
    }
}

/// Tells the modules that the transaction is over, where no record is written.
#[inline]
pub(super) fn tell(
    worker: &Worker,
    party: &Party,
    entry: &LogEntry<'_>,
    method: &[u8],
    key: &[u8],
) {
    let subject = Subject {
        method,
        url: key,
        part: Part::Log(entry),
    };
    let mut edits = worker.told.take();
    // As below.
    let _ = party.run(Hook::Log, 0, subject, &mut edits);
    worker.told.set(edits);
}

/// Tells the modules that the transaction is over, and writes the record.
pub(super) fn log(worker: &Worker, party: &Party, live: &Live, record: Record<'_>, key: &[u8]) {
    let mut edits = worker.told.take();
    // All modules on the way of a plain hit are inline, and a log has no `Pending`.
    let _ = hooks::log(party, &record, key, &mut edits);
    worker.told.set(edits);
    if let Some(log) = &live.log {
        hooks::write(&**log, party, record);
    }
}
