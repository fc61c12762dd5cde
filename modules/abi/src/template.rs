//! Templates of new modules.
