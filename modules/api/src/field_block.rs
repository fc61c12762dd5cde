//! Field lines that a module writes again and again: checked once, then pointed at.

use crate::edits::Refused;
use std::sync::Arc;
use understudy_http::wire::lines::FieldLines;

/// The lines. A clone is the same block. Made when a module is configured; [`crate::Transaction::set_block`] puts them into a head.
///
/// ```
/// # use understudy_module::FieldBlock;
/// let block = FieldBlock::new([("X-Served-By", "understudy"), ("X-Frame-Options", "DENY")])?;
/// assert_eq!(block.len(), 2);
/// # Ok::<(), understudy_module::Refused>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct FieldBlock {
    lines: Arc<FieldLines>,
}

impl FieldBlock {
    /// A block of these lines: names and values.
    ///
    /// # Errors
    /// `Name`, `Value` or `Framing` for a line that may not be written, `TooMuch` beyond what one hook may edit.
    pub fn new<N, V>(lines: impl IntoIterator<Item = (N, V)>) -> Result<FieldBlock, Refused>
    where
        N: AsRef<[u8]>,
        V: AsRef<[u8]>,
    {
        // Through the checks that each would go through by itself.
        let mut edits = crate::Edits::new();
        for (name, value) in lines {
            edits.set(name.as_ref(), value.as_ref())?;
        }
        Ok(FieldBlock {
            lines: Arc::new(edits.lines().clone()),
        })
    }

    /// How many lines there are.
    pub fn len(&self) -> usize {
        self.lines.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// Names and values, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        (0..self.len()).filter_map(|at| self.lines.get(at).map(|(_, name, value)| (name, value)))
    }

    /// Whether it is the same block, not only an equal one.
    #[inline]
    pub(crate) fn is(&self, other: &FieldBlock) -> bool {
        Arc::ptr_eq(&self.lines, &other.lines)
    }

    #[inline]
    pub(crate) fn lines(&self) -> &FieldLines {
        &self.lines
    }
}
