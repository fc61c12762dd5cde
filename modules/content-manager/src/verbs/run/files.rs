//! Files that a request names: found beneath the root, and injected piece by piece.

use super::{Env, PIECE, State, Step, behind};
use rustix::fs::{Mode, OFlags, ResolveFlags, openat2};
use std::fs::File;
use std::io::Read;
use understudy_module::Operation;

/// A file beneath the root: no way leads out, by `..` or by a link (openat2(2)), and it is no device and no pipe.
pub(super) fn open(env: &Env, name: &str) -> Result<File, String> {
    let root = env.root.as_ref();
    let root = root.ok_or("files cannot be named here: no root is configured")?;
    let cannot = |why: &dyn std::fmt::Display| format!("{name}: {why}");
    let root = File::open(&**root).map_err(|why| cannot(&why))?;
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
    let file = openat2(&root, name, flags, Mode::empty(), resolve);
    let file = File::from(file.map_err(|why| cannot(&why))?);
    match file.metadata() {
        Ok(of) if of.is_file() => Ok(file),
        Ok(_) => Err(cannot(&"is no file")),
        Err(why) => Err(cannot(&why)),
    }
}

/// The next piece of a file.
pub(super) fn inject(number: u64, mut file: File) -> (State, Step) {
    let mut piece = vec![0; PIECE];
    match file.read(&mut piece) {
        Ok(0) => (
            State::Last("stored", None),
            Step::ask(Operation::InjectDone(number)),
        ),
        Ok(read) => {
            piece.truncate(read);
            let mut step = Step::ask(Operation::InjectBody(number, piece.into()));
            step.submit.push((0, behind(number)));
            (State::Injecting(number, file), step)
        }
        Err(why) => {
            let mut step = Step::failed(format!("cannot read the file: {why}"));
            step.submit.push((0, Operation::InjectAbort(number)));
            (State::Over, step)
        }
    }
}
