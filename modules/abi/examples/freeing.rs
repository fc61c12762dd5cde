//! A module in Rust that wants `free`: what the tests of the loader load.
#![forbid(unsafe_code)]

use understudy_module::{About, Hook, Hooks, Host, Module, Opaque, Transaction, Verdict};

struct Freeing;

impl Module for Freeing {
    fn about(&self) -> About {
        let hooks = [Hook::RequestHead, Hook::Free];
        About::new("freeing", "1", Hooks::of(&hooks))
    }

    fn request_head(&self, tx: &mut Transaction<'_>) -> Verdict {
        let host = tx.host();
        tx.opaque().get_or_insert_with(|| (host, 0_u64)).1 += 1;
        Verdict::Continue
    }

    fn free(&self, transaction: u64, mut opaque: Opaque) {
        if let Some((host, seen)) = opaque.get::<(Host, u64)>() {
            host.inject(transaction, format!("{seen} seen").into());
        }
    }
}

understudy_module::export!(|| Freeing);
