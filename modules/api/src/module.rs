//! What an author writes.

use crate::about::About;
use crate::host::{Completion, Host, Interest};
use crate::opaque::Opaque;
use crate::transaction::Transaction;
use crate::verdict::Verdict;
use std::os::fd::RawFd;

/// A module: one instance an address space. Hooks take `&self` and may be called from several threads at once, on different
/// transactions; what is mutable for a transaction is its opaque value. Of one transaction one hook runs at a time.
///
/// The table that maps these to the paper's callbacks is docs/modules.md.
pub trait Module: Send + Sync + 'static {
    /// What it is and which hooks it wants. Asked once, before `init`.
    fn about(&self) -> About;

    /// On load (`dfp_init`): read options, watch descriptors. An error refuses to load, with this reason.
    fn init(&self, host: &Host) -> Result<(), String> {
        let _ = host;
        Ok(())
    }

    /// The options changed (`dfp_reconfig`). An error keeps the old ones, with this reason. `host` gives the new ones.
    fn reconfigure(&self, host: &Host) -> Result<(), String> {
        let _ = host;
        Ok(())
    }

    /// On unload, after the last transaction left (`dfp_fini`).
    fn fini(&self, host: &Host) {
        let _ = host;
    }

    /// A client's head is complete, before the cache is asked (`dfp_reqHeader`).
    fn request_head(&self, tx: &mut Transaction<'_>) -> Verdict {
        let _ = tx;
        Verdict::Continue
    }

    /// A piece of a request body (`dfp_reqBody`).
    fn request_body(&self, tx: &mut Transaction<'_>) -> Verdict {
        let _ = tx;
        Verdict::Continue
    }

    /// Before a request goes to an origin, on a miss or a validation (`dfp_reqOut`).
    fn request_out(&self, tx: &mut Transaction<'_>) -> Verdict {
        let _ = tx;
        Verdict::Continue
    }

    /// A host needs addresses (`dfp_dnsResolv`): give them, order them, or leave it.
    fn resolve(&self, tx: &mut Transaction<'_>) -> Verdict {
        let _ = tx;
        Verdict::Continue
    }

    /// An origin's head is complete, before it is stored (`dfp_respHeader`).
    fn response_head(&self, tx: &mut Transaction<'_>) -> Verdict {
        let _ = tx;
        Verdict::Continue
    }

    /// A piece of an origin's body, before it is stored (`dfp_respBody`). What results is stored.
    fn response_body(&self, tx: &mut Transaction<'_>) -> Verdict {
        let _ = tx;
        Verdict::Continue
    }

    /// An answer goes to a client, hit or miss (`dfp_respReturn`): edits are for this client only.
    fn response_return(&self, tx: &mut Transaction<'_>) -> Verdict {
        let _ = tx;
        Verdict::Continue
    }

    /// A piece of an answer on its way to one client, hit or miss; never stored. Not in the paper.
    fn return_body(&self, tx: &mut Transaction<'_>) -> Verdict {
        let _ = tx;
        Verdict::Continue
    }

    /// A transaction is over (`dfp_logging`).
    fn log(&self, tx: &mut Transaction<'_>) {
        let _ = tx;
    }

    /// Last, exactly once for a transaction of which any hook of this module was called (`dfp_opaqueFree`): the opaque value is
    /// the module's to release.
    fn free(&self, transaction: u64, opaque: Opaque) {
        let _ = (transaction, opaque);
    }

    /// Every so many seconds (`dfp_timer`).
    fn timer(&self, host: &Host) {
        let _ = host;
    }

    /// An operation submitted with this tag is over.
    fn completed(&self, host: &Host, tag: u64, completion: Completion) {
        let _ = (host, tag, completion);
    }

    /// A watched descriptor is ready. Called again until it is read (written) dry or watched no longer.
    fn ready(&self, host: &Host, fd: RawFd, interest: Interest, tag: u64) {
        let _ = (host, fd, interest, tag);
    }
}
