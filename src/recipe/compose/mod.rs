//! A recipe's elements and its own steps, put together for one distribution.

mod composer;
mod step;

pub(super) use composer::Composer;
