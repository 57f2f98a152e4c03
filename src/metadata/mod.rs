//! The metadata that a cloud gives an instance: NoCloud, config drive, and OpenStack's metadata service.
