//! What a filter has done so far.

/// Counts of a filter.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct FilterCounters {
    /// Connections that were opened.
    pub opened: u64,
    /// Connections whose time was over.
    pub expired: u64,
    /// Connections that gave way when the table was full.
    pub evicted: u64,
    /// Packets dropped because the table was full of connections that must not give way.
    pub table_full: u64,
    /// Packets that fit no connection and open none.
    pub invalid: u64,
    /// Packets dropped by rules and defaults.
    pub refused: u64,
    /// Packets dropped because no port was found for their new source, or no address.
    pub no_port: u64,
    /// Later fragments dropped because their first has not passed, while addresses are translated.
    pub early_fragments: u64,
    /// Ends of packets that ICMP errors quote which were translated back.
    pub errors_translated: u64,
}
