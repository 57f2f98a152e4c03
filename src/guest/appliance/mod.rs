//! The appliance: the small Linux system that libguestfs starts for a guest.
//!
//! libguestfs makes its appliance of the host's programs. Under emulation it takes ten seconds to boot, most of them for things
//! that no build needs. So Goldsmith's appliance has a first program of its own ([`supermin`]), and the machine's state is saved
//! after the first start. Later guests resume it ([`saved`]), within a second.

pub(super) mod saved;
pub(super) mod supermin;
