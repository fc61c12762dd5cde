//! A module in Rust as a shared object: what the tests of the loader load.
#![forbid(unsafe_code)]

use std::sync::Mutex;
use understudy_module::{
    About, Attention, Completion, Hook, Hooks, Host, Module, Opaque, Operation, Response,
    Transaction, Verdict,
};

#[derive(Default)]
struct Guest {
    color: Mutex<String>,
}

struct Seen {
    hooks: u32,
    host: Host,
    id: u64,
}

impl Drop for Seen {
    fn drop(&mut self) {
        self.host
            .inject(self.id, format!("freed after {}", self.hooks).into());
    }
}

impl Module for Guest {
    fn about(&self) -> About {
        let hooks = [
            Hook::RequestHead,
            Hook::ResponseHead,
            Hook::ResponseBody,
            Hook::Resolve,
            Hook::Log,
        ];
        About {
            timer: Some(std::time::Duration::from_millis(1500)),
            single: true,
            ..About::new("guest", "0.3", Hooks::of(&hooks))
        }
    }

    fn init(&self, host: &Host) -> Result<(), String> {
        let color = host.option("color").ok_or("no color")?;
        *self.color.lock().map_err(|e| e.to_string())? = color;
        if host.options().len() != 2 || host.setting("cache.memory").is_none() {
            return Err("options are missing".to_owned());
        }
        Ok(())
    }

    fn reconfigure(&self, host: &Host) -> Result<(), String> {
        host.attend(Attention {
            unheard: Hooks::of(&[Hook::RequestHead]),
            noted: Hooks::of(&[Hook::RequestOut, Hook::ResponseReturn]),
            // Nothing can be promised of the body: it is left out.
            withheld: Hooks::of(&[Hook::ResponseHead, Hook::ResponseBody]),
        });
        Err("blue it stays".to_owned())
    }

    fn timer(&self, host: &Host) {
        host.count("rung", 1 << 33);
        let object = host.object("http://origin.test/").map(Operation::Query);
        object.into_iter().for_each(|query| host.submit(5, query));
    }

    fn completed(&self, host: &Host, tag: u64, completion: Completion) {
        host.log(
            understudy_module::Level::Info,
            &format!("{tag} {completion:?}"),
        );
    }

    fn request_head(&self, tx: &mut Transaction<'_>) -> Verdict {
        let (host, id) = (tx.host(), tx.id());
        let seen = tx
            .opaque()
            .get_or_insert_with(|| Seen { hooks: 0, host, id });
        seen.hooks += 1;
        let what = tx.find("x-do").map(<[u8]>::to_vec).unwrap_or_default();
        match &*what {
            b"panic" => {
                let _ = tx.add("x-before", "the panic");
                panic!("as asked")
            }
            b"respond" => {
                let page = Response::text(403, "no entry");
                page.map_or_else(
                    |e| Verdict::fail(e.to_string()),
                    |page| Verdict::Respond(Box::new(page)),
                )
            }
            b"wait" => {
                let (token, host) = (tx.token(), tx.host());
                let mut answer = understudy_module::Answer::from(Verdict::Done);
                let _ = answer.edits.add(b"x-later", b"yes");
                std::thread::spawn(move || host.resume(token, answer));
                Verdict::Pending
            }
            _ => {
                let color = self.color.lock().map(|c| c.clone()).unwrap_or_default();
                let framing = tx.add("content-length", "1").is_err();
                let line = format!(
                    "{color} {} {} {framing}",
                    tx.client(),
                    String::from_utf8_lossy(tx.url())
                );
                match tx.set("x-guest", line) {
                    Ok(()) => Verdict::Continue,
                    Err(e) => Verdict::fail(e.to_string()),
                }
            }
        }
    }

    fn response_head(&self, tx: &mut Transaction<'_>) -> Verdict {
        let lines: Vec<_> = tx
            .lines()
            .map(|(name, _)| String::from_utf8_lossy(name).into_owned())
            .collect();
        let _ = tx.set_freshness(u32::from(tx.status()));
        let _ = tx.note("lines", lines.join(","));
        Verdict::Continue
    }

    fn response_body(&self, tx: &mut Transaction<'_>) -> Verdict {
        if !tx.is_last() {
            return Verdict::Hold;
        }
        Verdict::Replace(tx.whole().to_ascii_uppercase().into())
    }

    fn resolve(&self, tx: &mut Transaction<'_>) -> Verdict {
        let found: Vec<_> = tx.addresses().iter().rev().copied().collect();
        found.into_iter().for_each(|address| {
            let _ = tx.add_address(address);
        });
        Verdict::Continue
    }

    fn log(&self, tx: &mut Transaction<'_>) {
        let line = format!("{:?}", tx.entry());
        tx.host().log(understudy_module::Level::Warn, &line);
    }

    fn free(&self, _: u64, mut opaque: Opaque) {
        if let Some(seen) = opaque.get::<Seen>() {
            seen.hooks += 100;
        }
    }
}

understudy_module::export!(Guest::default);
