//! The address of OpenStack's image guide, which most rules refer to.

/// Returns the page of the image guide with a section.
macro_rules! guide {
    ($section:literal) => {
        Some(concat!("https://docs.openstack.org/image-guide/openstack-images.html#", $section))
    };
}
pub(super) use guide;
