//! The hook `request_head`, and the way of the body behind it.
//!
//! A request meets it when it is clear what it means and that it is allowed, so modules see no request that would be refused anyway;
//! what they change is checked like a client's own. Awkward case: its modules may have been asked before there was a transaction.

use super::hooks::{Before, closed, key_of, request_subject};
use super::refusal::Refusal;
use super::route::{self, Route, Wanted};
use super::{Step, Transaction};
use crate::modules::edited;
use crate::modules::filter::Asked;
use crate::modules::handle::Handle;
use crate::modules::party::Ran;
use crate::settings::Mode;
use understudy_http::Method;
use understudy_http::semantics::cache_control::RequestDirectives;
use understudy_module::{Edit, Edits, Hook};

/// What is left when modules did not all answer at once.
pub(super) enum Unasked {
    /// They were asked about the head; its edits were put to use already, or not.
    Head(Box<(Ran, Box<Edits>, bool)>),
    /// The head waits for what they make of the body.
    Body,
}

impl Transaction {
    /// Asks modules about the request, as far as they answer at once; what is left is for [`Transaction::ask_on`].
    pub(super) fn ask_head(&mut self) -> Result<Option<Unasked>, Refusal> {
        let key = key_of(&self.route);
        let party = match &self.party {
            Some(party) => party,
            None => {
                let party = Handle::new(&self.live.chain, self.id, self.peer, key);
                self.party.insert(party)
            }
        };
        let (ran, edits, applied) = match self.before.take() {
            Some(Before {
                ran,
                edits,
                applied,
                returned,
            }) => {
                self.returned = returned;
                (ran, edits, applied)
            }
            None => {
                let mut edits = self.worker.asked.take();
                let subject = request_subject(&self.head, key);
                let ran = if party.wants(Hook::RequestHead) {
                    party.run(Hook::RequestHead, 0, subject, &mut edits)
                } else {
                    Ran::Through
                };
                (ran, edits, false)
            }
        };
        match ran {
            // By far the commonest.
            Ran::Through => self.asked_head(edits, applied),
            ran => Ok(Some(Unasked::Head(Box::new((ran, edits, applied))))),
        }
    }

    /// All were asked about the head.
    #[inline]
    fn asked_head(&mut self, edits: Box<Edits>, applied: bool) -> Result<Option<Unasked>, Refusal> {
        if !edits.is_empty() && !applied {
            self.edit_request(&edits)?;
        }
        self.worker.asked.set(edits);
        if let (Some(party), false) = (&self.party, self.body.is_empty()) {
            let asked = Asked {
                method: self.head.method_bytes(),
                key: key_of(&self.route),
            };
            let filter = party.filter(Hook::RequestBody, || asked);
            self.body.through(filter, asked);
            if self.body.withholds_head() {
                return Ok(Some(Unasked::Body));
            }
        }
        Ok(None)
    }

    /// Goes on where [`Transaction::ask_head`] ended; a step when the request ends there.
    pub(super) async fn ask_on(&mut self, mut rest: Unasked) -> Option<Step> {
        if let Unasked::Head(asked) = rest {
            let (ran, mut edits, applied) = *asked;
            let party = self.party.as_ref()?;
            let (head, key) = (&self.head, key_of(&self.route));
            let subject = || request_subject(head, key);
            let ran = party.finish(Hook::RequestHead, ran, subject, &mut edits);
            match ran.await {
                Ran::Answer(response) => return Some(Step::Respond(response)),
                Ran::Closed => return Some(closed()),
                Ran::Through | Ran::Later(_) | Ran::Busy(_) => {}
            }
            rest = match self.asked_head(edits, applied) {
                Ok(rest) => rest?,
                Err(refusal) => return Some(Step::Answer(refusal)),
            };
        }
        debug_assert!(matches!(rest, Unasked::Body));
        // In a box, as it is rare.
        let edits = match Box::pin(self.withheld_request()).await {
            Ok(edits) => edits,
            Err(step) => return Some(step),
        };
        if !edits.is_empty()
            && let Err(refusal) = self.edit_request(&edits)
        {
            return Some(Step::Answer(refusal));
        }
        None
    }

    /// Puts modules' edits of the request to use.
    fn edit_request(&mut self, edits: &Edits) -> Result<(), Refusal> {
        edited::request(&mut self.head, edits);
        if !edited::are_strange(edits) {
            self.directives = RequestDirectives::parse(self.head.fields());
        }
        // A rule may put fields into the key, and they are what the origin will see of them.
        let renames = self.live.settings.rules.speak_of_keys();
        if renames || edited::reroutes(edits) {
            self.reroute(edits)?;
        }
        Ok(())
    }

    /// A module changed where the request goes: it is routed as if the client had asked so.
    fn reroute(&mut self, edits: &Edits) -> Result<(), Refusal> {
        if self.head.method() == Method::Connect {
            return Ok(());
        }
        let target = edits.iter().rev().find_map(|edit| match edit {
            // What is validated behind an answer has the name already that modules led its first request to.
            Edit::Target(target) if !self.source.refreshes => Some(target),
            _ => None,
        });
        // An edit before may have led an intercepted request to another host already: it stays there.
        let led = self.route.as_ref().is_some_and(Route::is_by_name);
        let forward = matches!(self.source.listener.mode, Mode::Forward);
        if let Some(target) = target {
            let host = self.route.as_ref().map(|route| route.host.clone());
            match host {
                Some(host) if (forward || led) && target.first() == Some(&b'/') => {
                    let whole = [b"http://", &host[..], target].concat();
                    self.head.set_target(&whole);
                }
                _ => self.head.set_target(target),
            }
        }
        let before = self.route.as_ref().map(|route| route.host.clone());
        let original = self.original_destination()?;
        let wanted = route::find(
            &self.source,
            &self.live.settings,
            &self.head,
            self.peer,
            original,
        )?;
        match wanted {
            // Not the address that the client dialled: it is of another host.
            Wanted::Fetch(route)
                if led || target.is_some() && before.is_some_and(|host| host != route.host) =>
            {
                self.route = Some(route.by_name());
                Ok(())
            }
            Wanted::Fetch(route) => {
                self.route = Some(route);
                Ok(())
            }
            Wanted::Tunnel(_) | Wanted::Pac | Wanted::Server => {
                Err(Refusal::new(502, "module-target"))
            }
        }
    }
}
