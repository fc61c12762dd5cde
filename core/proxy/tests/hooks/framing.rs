//! What clients and origins are told of a body's length, whatever modules make of head and body: one answer must end where the
//! next begins.

use crate::scripted::{Scripted, everywhere, proxy};
use crate::support::answer;
use understudy_module::{Hook, Verdict};

const CACHED: &str = "Cache-Control: max-age=60\r\nContent-Type: text/plain\r\nETag: \"a\"\r\n";

#[test]
fn no_byte_goes_out_beyond_a_length_that_a_module_said_it_keeps() {
    everywhere(|kind| async move {
        for hook in [Hook::ResponseBody, Hook::ReturnBody] {
            let head = if hook == Hook::ResponseBody {
                Hook::ResponseHead
            } else {
                Hook::ResponseReturn
            };
            let m = Scripted::new("m", &[head, hook], |tx| match tx.hook() {
                Hook::ResponseHead | Hook::ResponseReturn => {
                    tx.keep_length().unwrap();
                    Verdict::Continue
                }
                _ if tx.is_last() => Verdict::Continue,
                _ => Verdict::Replace(vec![b'y'; 1 << 20].into()),
            });
            let text = "x".repeat(300_000);
            let f = proxy(kind, &[&m], move |_| answer("200 OK", CACHED, &text)).await;
            let got = f.get("/").await;
            assert!(
                got.body.len() <= 300_000,
                "{hook:?} {} {}",
                got.head,
                got.body.len()
            );
        }
    });
}
