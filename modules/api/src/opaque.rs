//! A module's own value for a transaction: carried, never read by anybody else (section 2.1 of the paper).

use std::any::Any;

/// The value. In a C module it is a word, usually a pointer; in Rust anything that may cross threads.
#[derive(Default)]
pub enum Opaque {
    /// Nothing was set.
    #[default]
    None,
    /// A word whose meaning is the module's: what a C module sets.
    Word(u64),
    /// A value of the module's own type.
    Boxed(Box<dyn Any + Send>),
}

impl Opaque {
    /// Whether nothing was set.
    pub fn is_none(&self) -> bool {
        matches!(self, Opaque::None)
    }

    /// Sets a value of the module's own type.
    pub fn set<T: Any + Send>(&mut self, value: T) {
        *self = Opaque::Boxed(Box::new(value));
    }

    /// The value, if it is of this type.
    pub fn get<T: Any + Send>(&mut self) -> Option<&mut T> {
        match self {
            Opaque::Boxed(value) => value.downcast_mut(),
            Opaque::None | Opaque::Word(_) => None,
        }
    }

    /// The value, made first if there is none of this type yet.
    pub fn get_or_insert_with<T: Any + Send>(&mut self, make: impl FnOnce() -> T) -> &mut T {
        if self.get::<T>().is_none() {
            self.set(make());
        }
        match self.get() {
            Some(value) => value,
            // It was just set.
            None => unreachable!("an opaque value changed its type"),
        }
    }

    /// Takes the value out.
    #[must_use]
    pub fn take(&mut self) -> Opaque {
        std::mem::take(self)
    }
}

impl std::fmt::Debug for Opaque {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Opaque::None => "Opaque::None",
            Opaque::Word(_) => "Opaque::Word(..)",
            Opaque::Boxed(_) => "Opaque::Boxed(..)",
        })
    }
}
