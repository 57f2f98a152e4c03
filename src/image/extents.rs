//! The ranges of a disk that hold data.

use std::ops::Range;

/// Ranges of a disk that hold data, in bytes: ascending, apart from each other, none empty.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Extents(Vec<Range<u64>>);

impl Extents {
    /// Creates an empty list.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a range, and joins it with the last one if they touch. It must not begin before the last one begins.
    pub fn push(&mut self, range: Range<u64>) {
        if range.is_empty() {
            return;
        }
        match self.0.last_mut() {
            Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
            _ => self.0.push(range),
        }
    }

    /// Returns the ranges.
    pub fn iter(&self) -> std::slice::Iter<'_, Range<u64>> {
        self.0.iter()
    }

    /// Returns the number of bytes of data.
    pub fn total(&self) -> u64 {
        self.0.iter().map(|range| range.end - range.start).sum()
    }

    /// Returns the ranges of a disk of `size` bytes that are in none of these lists.
    pub fn outside(lists: &[Self], size: u64) -> Self {
        let mut taken: Vec<_> = lists.iter().flat_map(|list| list.0.iter().cloned()).collect();
        taken.sort_unstable_by_key(|range| range.start);
        let (mut free, mut next) = (Self::new(), 0);
        for range in taken {
            free.push(next..range.start.min(size));
            next = next.max(range.end);
        }
        free.push(next..size);
        free
    }

    /// Returns whether all of a range is in the list.
    pub fn covers(&self, range: Range<u64>) -> bool {
        self.within(range.clone()).next().is_some_and(|part| part == range)
    }

    /// Returns the numbers of the blocks of `size` bytes that hold data, ascending, each once.
    pub fn blocks(&self, size: u64) -> impl Iterator<Item = u64> + '_ {
        let mut next = 0;
        self.0.iter().flat_map(move |range| {
            let blocks = (range.start / size).max(next)..range.end.div_ceil(size);
            next = next.max(blocks.end);
            blocks
        })
    }

    /// Returns the parts of the data that lie within a range.
    pub fn within(&self, range: Range<u64>) -> impl Iterator<Item = Range<u64>> + '_ {
        let first = self.0.partition_point(|extent| extent.end <= range.start);
        self.0[first..]
            .iter()
            .take_while(move |extent| extent.start < range.end)
            .map(move |extent| extent.start.max(range.start)..extent.end.min(range.end))
    }
}

impl FromIterator<Range<u64>> for Extents {
    fn from_iter<I: IntoIterator<Item = Range<u64>>>(ranges: I) -> Self {
        let mut extents = Self::new();
        ranges.into_iter().for_each(|range| extents.push(range));
        extents
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_that_touch_are_joined_and_blocks_come_once() {
        let extents: Extents = [0..10, 10..20, 25..25, 30..31, 95..120].into_iter().collect();
        assert_eq!(extents.iter().cloned().collect::<Vec<_>>(), [0..20, 30..31, 95..120]);
        assert_eq!(extents.total(), 46);
        assert_eq!(extents.blocks(16).collect::<Vec<_>>(), [0, 1, 5, 6, 7]);
        assert_eq!(extents.within(15..100).collect::<Vec<_>>(), [15..20, 30..31, 95..100]);
        assert_eq!(extents.within(20..30).count(), 0);
    }

    #[test]
    fn what_is_in_no_list_is_outside() {
        let (one, other): (Extents, Extents) =
            ([10..20, 40..50].into_iter().collect(), [15..30, 60..70].into_iter().collect());
        let ranges = |extents: Extents| extents.iter().cloned().collect::<Vec<_>>();
        let free = Extents::outside(&[one.clone(), other], 65);
        assert_eq!(ranges(free.clone()), [0..10, 30..40, 50..60]);
        assert!(free.covers(31..40) && !free.covers(31..41) && !free.covers(9..31) && !free.covers(10..12));
        assert_eq!(Extents::outside(&[], 5), std::iter::once(0..5).collect());
        assert_eq!(Extents::outside(&[one], 10), std::iter::once(0..10).collect());
    }
}
