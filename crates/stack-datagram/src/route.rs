//! The way to a destination; the routing table is asked only if the last answer does not hold.

use stack_core::{CachedRoute, Error, RouteQuery, TransportCx};

/// The last question of a socket to the routing table, with its answer.
#[derive(Clone, Copy, Debug, Default)]
pub struct RouteCache(Option<(RouteQuery, CachedRoute)>);

impl RouteCache {
    /// The way to a destination.
    ///
    /// # Errors
    /// Those of the routing table.
    pub fn find(&mut self, cx: &mut TransportCx<'_>, query: RouteQuery) -> Result<CachedRoute, Error> {
        if let Some((_, route)) =
            self.0.filter(|(asked, route)| *asked == query && cx.host.is_current(&route.hop))
        {
            return Ok(route);
        }
        let route = cx.host.route(&query)?;
        self.0 = Some((query, route));
        Ok(route)
    }

    /// Forgets the answer: the path has changed.
    pub fn forget(&mut self) {
        self.0 = None;
    }
}
