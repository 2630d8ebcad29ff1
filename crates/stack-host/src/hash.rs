//! Hash maps with a keyed fast hasher: remote peers choose ports and addresses, so the key is random per host.

use foldhash::fast::FixedState;

/// A map hashed under the host's secret.
pub(crate) type Map<K, V> = hashbrown::HashMap<K, V, FixedState>;

/// An empty map; `seed` is secret.
pub(crate) fn map<K, V>(seed: u64) -> Map<K, V> {
    Map::with_hasher(FixedState::with_seed(seed))
}
