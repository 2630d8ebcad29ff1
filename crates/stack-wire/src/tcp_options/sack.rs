//! SACK blocks: RFC 2018 §3.

use crate::seq::SeqNum;

/// One run of octets that arrived: `left` is its first, `right` the one behind its last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SackBlock {
    /// First sequence number of the run.
    pub left: SeqNum,
    /// The sequence number behind the run.
    pub right: SeqNum,
}

/// The blocks of a SACK option: at most four fit into a header (RFC 2018 §3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SackBlocks {
    blocks: [SackBlock; Self::MAX],
    len: u8,
}

impl SackBlocks {
    /// How many blocks fit into a header without other options.
    pub const MAX: usize = 4;

    /// No blocks.
    pub const fn new() -> Self {
        Self { blocks: [SackBlock { left: SeqNum(0), right: SeqNum(0) }; Self::MAX], len: 0 }
    }

    /// The blocks in the data of an option (behind kind and length): eight octets each. Four at most
    /// are read; a rest of fewer than eight octets is no block.
    pub fn parse(data: &[u8]) -> Self {
        let mut blocks = Self::new();
        for block in data.chunks_exact(8) {
            if let &[l0, l1, l2, l3, r0, r1, r2, r3] = block {
                let left = SeqNum(u32::from_be_bytes([l0, l1, l2, l3]));
                blocks.push(left, SeqNum(u32::from_be_bytes([r0, r1, r2, r3])));
            }
        }
        blocks
    }

    /// Adds a block at the end; `false` when there are four already.
    #[inline]
    pub fn push(&mut self, left: SeqNum, right: SeqNum) -> bool {
        let Some(slot) = self.blocks.get_mut(usize::from(self.len)) else { return false };
        *slot = SackBlock { left, right };
        self.len += 1;
        true
    }

    /// The blocks in the order of the option: the most recent first.
    #[inline]
    pub fn as_slice(&self) -> &[SackBlock] {
        self.blocks.get(..self.len()).unwrap_or(&[])
    }

    /// The blocks, one by one.
    #[inline]
    pub fn iter(&self) -> core::slice::Iter<'_, SackBlock> {
        self.as_slice().iter()
    }

    /// How many blocks there are.
    #[inline]
    pub const fn len(&self) -> usize {
        self.len as usize
    }

    /// Whether there is none.
    #[inline]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }
}

impl<'a> IntoIterator for &'a SackBlocks {
    type Item = &'a SackBlock;
    type IntoIter = core::slice::Iter<'a, SackBlock>;
    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// Keeps the first four.
impl FromIterator<SackBlock> for SackBlocks {
    fn from_iter<I: IntoIterator<Item = SackBlock>>(blocks: I) -> Self {
        let mut all = Self::new();
        for block in blocks.into_iter().take(Self::MAX) {
            all.push(block.left, block.right);
        }
        all
    }
}
