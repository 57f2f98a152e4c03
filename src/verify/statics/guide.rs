//! The page of OpenStack's image guide that most rules are of.

/// Page of the image guide that most rules are of.
macro_rules! guide {
    ($section:literal) => {
        Some(concat!("https://docs.openstack.org/image-guide/openstack-images.html#", $section))
    };
}
pub(super) use guide;
