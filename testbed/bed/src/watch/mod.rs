//! Processes looked at from outside: processor time and memory.
