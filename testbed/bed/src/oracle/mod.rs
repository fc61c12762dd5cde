//! What an exchange should have been.

pub mod adapted;
