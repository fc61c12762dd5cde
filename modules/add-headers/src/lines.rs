//! The four field lines, and the options that give them other names and values.
//!
//! Invariant: what is kept here may be written as it stands, since [`Lines::configure`] lets each line through the checks that
//! an edit goes through. The lines of most are the constant ones: they are written without a lock and without an allocation.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{LazyLock, PoisonError, RwLock};
use understudy_module::{Edits, FieldBlock, Host, Refused, Transaction};

/// How many lines there are.
pub const COUNT: usize = 4;

/// The lines unless options say otherwise.
pub const LINES: [(&str, &str); COUNT] = [
    ("X-Understudy-1", "one"),
    ("X-Understudy-2", "two"),
    ("X-Understudy-3", "three"),
    ("X-Understudy-4", "four"),
];

/// [`LINES`], checked.
static USUAL: LazyLock<FieldBlock> = LazyLock::new(|| FieldBlock::new(LINES).unwrap_or_default());

/// The lines in force.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    /// Whether there are other lines than the constant ones: then they are behind the lock.
    has_own: AtomicBool,
    own: RwLock<FieldBlock>,
}

impl Lines {
    /// Reads the options `name.1` to `name.4` and `value.1` to `value.4`; what is absent is as in [`LINES`].
    ///
    /// # Errors
    /// A sentence that names the first option that may not be written; then the lines stay as they were.
    pub(crate) fn configure(&self, host: &Host) -> Result<(), String> {
        let mut own = LINES.map(|(name, value)| (name.to_owned(), value.to_owned()));
        for (at, (name, value)) in own.iter_mut().enumerate() {
            let number = at + 1;
            if let Some(other) = host.option(&format!("name.{number}")) {
                *name = other;
            }
            if let Some(other) = host.option(&format!("value.{number}")) {
                *value = other;
            }
            // Checked once, here, so that no transaction meets the refusal.
            if let Err(refused) = Edits::new().set(name.as_bytes(), value.as_bytes()) {
                let option = match refused {
                    Refused::Value => "value",
                    _ => "name",
                };
                return Err(format!("option `{option}.{number}`: {refused}"));
            }
        }
        let differs = own
            .iter()
            .zip(LINES)
            .any(|((name, value), line)| (name.as_str(), value.as_str()) != line);
        let block = FieldBlock::new(own).map_err(|refused| refused.to_string())?;
        *self.own.write().unwrap_or_else(PoisonError::into_inner) = block;
        self.has_own.store(differs, Ordering::Release);
        Ok(())
    }

    /// Writes the four lines into the head that is here. A line of the same name is replaced, not doubled.
    ///
    /// # Errors
    /// When there is no room for them.
    pub(crate) fn write(&self, tx: &mut Transaction<'_>) -> Result<(), Refused> {
        if self.has_own.load(Ordering::Acquire) {
            return self.write_own(tx);
        }
        tx.set_block(&USUAL)
    }

    #[cold]
    fn write_own(&self, tx: &mut Transaction<'_>) -> Result<(), Refused> {
        let own = self.own.read().unwrap_or_else(PoisonError::into_inner);
        tx.set_block(&own)
    }
}
