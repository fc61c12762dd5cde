//! What an exchange should have been.
