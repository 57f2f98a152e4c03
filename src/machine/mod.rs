//! The machine: a virtual machine that boots an image under QEMU as a cloud does, watched from outside.

pub(crate) mod qmp;
